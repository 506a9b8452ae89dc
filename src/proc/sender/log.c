/* SPDX-License-Identifier: ISC */
#include "proc/sender/state.h"

#define LINE_MAX_BYTES 1024

static void add_id(struct trace_event *e, char memory[QUEUE_ID_TEXT_MAX], const struct job *j)
{
    if (j)
        trace_add(e, TRACE_KEY_ID, slice_of(memory, queue_id_write(memory, j->place.id)));
}

/* The one that it is for, or that it will take. */
static const struct job *job_of(const struct session *x)
{
    const struct list *jobs = &x->destination->jobs;
    if (x->job || list_empty(jobs))
        return x->job;
    return LIST_ENTRY(jobs->next, struct job, link);
}

static int64_t ms_between(int64_t from_us, int64_t to_us)
{
    return to_us > from_us ? (to_us - from_us) / 1000 : 0;
}

static void add_times(struct trace_event *e, const struct session *x)
{
    if (x->destination->dns_ms > 0)
        trace_add_number(e, TRACE_KEY_DNS_MS, x->destination->dns_ms);
    if (x->connected_us)
        trace_add_number(e, TRACE_KEY_CONNECT_MS, ms_between(x->begun_us, x->connected_us));
    if (x->secured_us)
        trace_add_number(e, TRACE_KEY_TLS_MS, ms_between(x->tls_begun_us, x->secured_us));
}

static void add_tls(struct trace_event *e, const struct session *x)
{
    if (!x->secured_us)
        return;
    trace_add(e, TRACE_KEY_TLS, net_tls_text(x->connection));
    trace_add(e, TRACE_KEY_VERIFIED, net_tls_verified(x->connection) ? SLICE("yes") : SLICE("no"));
}

static void print_times(buf *b, const struct session *x)
{
    if (x->secured_us) {
        buf_append(b, SLICE(", "));
        buf_append(b, net_tls_text(x->connection));
        buf_append(b, net_tls_verified(x->connection) ? SLICE(" verified") : SLICE(" not verified"));
    }
    if (x->destination->dns_ms > 0) {
        buf_append(b, SLICE(", dns="));
        buf_append_u64(b, x->destination->dns_ms);
    }
    buf_append(b, SLICE(", connect="));
    buf_append_u64(b, (uint64_t)ms_between(x->begun_us, x->connected_us));
    if (x->secured_us) {
        buf_append(b, SLICE(", tls="));
        buf_append_u64(b, (uint64_t)ms_between(x->tls_begun_us, x->secured_us));
    }
}

void sender_log_connected(struct session *x)
{
    struct trace_event e;
    char line[LINE_MAX_BYTES], id[QUEUE_ID_TEXT_MAX];
    buf b;
    buf_init_fixed(&b, line, sizeof line);
    buf_append(&b, SLICE("connected to "));
    buf_append(&b, x->host_text);
    print_times(&b, x);
    trace_event_init(&e, TRACE_CONNECTED, LOG_DEBUG);
    add_id(&e, id, job_of(x));
    trace_add(&e, TRACE_KEY_RELAY, x->host_text);
    trace_add(&e, TRACE_KEY_DESTINATION, x->destination->key);
    add_tls(&e, x);
    add_times(&e, x);
    trace_emit(&e, buf_slice(&b));
}

void sender_log_host_failed(const struct session *x, const struct verdict *v)
{
    struct trace_event e;
    char line[LINE_MAX_BYTES], id[QUEUE_ID_TEXT_MAX];
    buf b;
    buf_init_fixed(&b, line, sizeof line);
    buf_append(&b, SLICE("connect to "));
    buf_append(&b, x->host_text);
    buf_append(&b, SLICE(": "));
    buf_append(&b, v->text);
    trace_event_init(&e, TRACE_HOST_FAILED, LOG_INFO);
    add_id(&e, id, job_of(x));
    trace_add(&e, TRACE_KEY_RELAY, x->host_text);
    trace_add(&e, TRACE_KEY_DESTINATION, x->destination->key);
    trace_add_number(&e, TRACE_KEY_CODE, v->code);
    trace_add(&e, TRACE_KEY_REASON, v->text);
    add_tls(&e, x);
    add_times(&e, x);
    trace_emit(&e, buf_slice(&b));
}

void sender_log_tls_failed(const struct session *x)
{
    struct trace_event e;
    char line[LINE_MAX_BYTES], id[QUEUE_ID_TEXT_MAX];
    slice why = net_tls_error(x->connection);
    buf b;
    buf_init_fixed(&b, line, sizeof line);
    buf_append(&b, x->host_text);
    buf_append(&b, SLICE(": TLS handshake failed ("));
    buf_append(&b, why);
    buf_append(&b, SLICE("): trying without"));
    trace_event_init(&e, TRACE_NOTE, LOG_INFO);
    add_id(&e, id, job_of(x));
    trace_add(&e, TRACE_KEY_RELAY, x->host_text);
    trace_add(&e, TRACE_KEY_DESTINATION, x->destination->key);
    trace_add(&e, TRACE_KEY_REASON, why);
    add_times(&e, x);
    trace_emit(&e, buf_slice(&b));
}

void sender_log_lost(const struct session *x, const struct job *j)
{
    struct trace_event e;
    char line[LINE_MAX_BYTES], id[QUEUE_ID_TEXT_MAX];
    buf b;
    buf_init_fixed(&b, line, sizeof line);
    buf_append(&b, SLICE("lost connection with "));
    buf_append(&b, x->host_text);
    buf_append(&b, SLICE(": trying again"));
    trace_event_init(&e, TRACE_NOTE, LOG_INFO);
    add_id(&e, id, j);
    trace_add(&e, TRACE_KEY_RELAY, x->host_text);
    trace_add(&e, TRACE_KEY_DESTINATION, x->destination->key);
    trace_emit(&e, buf_slice(&b));
}

void sender_log_down(const struct destination *d, const struct verdict *v, slice host)
{
    struct trace_event e;
    char memory[2 * LINE_MAX_BYTES];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, SLICE("destination "));
    buf_append(&b, d->key);
    buf_append(&b, SLICE(": status=deferred ("));
    buf_append(&b, host);
    buf_append(&b, host.len > 0 ? SLICE(": ") : SLICE_NONE);
    status_print(&b, v);
    buf_append_char(&b, ')');
    trace_event_init(&e, TRACE_NOTE, LOG_INFO);
    trace_add(&e, TRACE_KEY_RELAY, host);
    trace_add(&e, TRACE_KEY_DESTINATION, d->key);
    trace_add_number(&e, TRACE_KEY_CODE, v->code);
    trace_add(&e, TRACE_KEY_REASON, v->text);
    trace_emit(&e, buf_slice(&b));
}

void sender_log_unreadable(const struct job *j, enum err why)
{
    struct trace_event e;
    char line[LINE_MAX_BYTES], id[QUEUE_ID_TEXT_MAX];
    buf b;
    buf_init_fixed(&b, line, sizeof line);
    queue_id_print(&b, j->place.id);
    buf_append(&b, SLICE(": cannot be read from the spool: "));
    buf_append(&b, slice_str(err_text(why)));
    trace_event_init(&e, TRACE_NOTE, LOG_ERROR);
    add_id(&e, id, j);
    trace_add(&e, TRACE_KEY_REASON, slice_str(err_text(why)));
    trace_emit(&e, buf_slice(&b));
}
