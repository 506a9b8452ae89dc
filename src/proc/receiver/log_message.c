/* SPDX-License-Identifier: ISC */
/* A mail is accepted when it is on disk, and by then its session may be gone: what is to be said of it is gathered when it is committed, and said when the disk has it. */
#include "proc/receiver/state.h"

#define LINE_MAX_BYTES 2048
#define MESSAGE_ID_MAX 998 /* RFC 5322 section 2.1.1; longer ones are cut */

/* A field of the event: a number, or the next text in memory. */
struct kept_field {
    uint8_t key;
    bool number;
    uint32_t len;
    int64_t value;
};

/* Smaller than the C library keeps at hand for each thread, since every mail has one. */
struct accepted {
    struct list link; /* in storing.accepted */
    uint64_t id;
    int64_t committed_ms;
    size_t count;
    struct kept_field fields[TRACE_FIELDS_MAX];
    slice line, message_id, id_text; /* these and the fields' texts are in memory */
    char memory[];
};

static slice message_id_of(const struct part *p)
{
    struct header_field f;
    slice start = slice_skip(spool_message_start(p->message), (size_t)p->prefix.size);
    if (!header_find(start, SLICE("Message-ID"), &f))
        return SLICE("<>");
    return slice_sub(slice_trim(f.value), 0, MESSAGE_ID_MAX);
}

static slice keep(char **at, slice text)
{
    slice kept = slice_of(*at, text.len);
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

static void recall(const struct accepted *a, enum trace_kind kind, struct trace_event *e)
{
    const char *at = a->memory;
    trace_event_init(e, kind, LOG_INFO);
    for (size_t i = 0; i < a->count; i++) {
        const struct kept_field *f = &a->fields[i];
        if (f->number)
            trace_add_number(e, f->key, f->value);
        else
            trace_add(e, f->key, slice_of(at, f->len));
        at += f->len;
    }
}

/* NULL without memory: the line is lost, the mail is not. */
static struct accepted *accepted_new(const struct trace_event *e, slice id, slice line, slice message_id)
{
    size_t size = id.len + line.len + message_id.len;
    for (size_t i = 0; i < e->count; i++)
        size += e->fields[i].text.len;
    struct accepted *a = malloc(sizeof(*a) + size);
    if (!a)
        return NULL;
    char *at = a->memory;
    for (size_t i = 0; i < e->count; i++) {
        const struct log_field *f = &e->fields[i];
        a->fields[i] = (struct kept_field){f->key, f->number, (uint32_t)keep(&at, f->text).len, f->value};
    }
    a->count = e->count;
    a->id_text = keep(&at, id);
    a->line = keep(&at, line);
    a->message_id = keep(&at, message_id);
    return a;
}

static void begin_line(buf *b, slice id, slice what)
{
    buf_append(b, id);
    buf_append(b, SLICE(": "));
    buf_append(b, what);
}

static void say(uint64_t id, slice what, slice value)
{
    struct trace_event e;
    char line[LINE_MAX_BYTES], text[QUEUE_ID_TEXT_MAX];
    buf b;
    slice id_text = slice_of(text, queue_id_write(text, id));
    buf_init_fixed(&b, line, sizeof(line));
    begin_line(&b, id_text, what);
    buf_append(&b, value);
    trace_event_init(&e, TRACE_NOTE, LOG_INFO);
    trace_add(&e, TRACE_KEY_ID, id_text);
    trace_emit(&e, buf_slice(&b));
}

/* What few messages have. */
static void log_more(const struct session *s, const struct part *p)
{
    char memory[LINE_MAX_BYTES];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    if (s->forward) {
        struct message_origin o = peer_origin(s);
        log_print_client(&b, o.client_name, o.client_ip);
        buf_append(&b, SLICE(", orig_proto="));
        buf_append(&b, o.protocol);
        buf_append(&b, SLICE(", orig_helo=<"));
        buf_append(&b, o.helo);
        buf_append_char(&b, '>');
        say(p->id, SLICE("orig_client="), buf_slice(&b));
    }
    buf_clear(&b);
    if (s->transaction->priority != 0) { /* RFC 6710 section 4.1 */
        buf_printf(&b, "%d", s->transaction->priority);
        say(p->id, SLICE("priority="), buf_slice(&b));
    }
    buf_clear(&b);
    if (p->list) {
        buf_append_char(&b, '<');
        buf_append(&b, p->list->address);
        buf_append_char(&b, '>');
        say(p->id, SLICE("list="), buf_slice(&b));
    }
}

static void print_line(buf *b, slice id, const struct session *s)
{
    begin_line(b, id, SLICE("client="));
    log_print_client(b, session_name(s), session_ip(s));
    if (s->route.login.len == 0)
        return;
    buf_append(b, SLICE(", sasl_method="));
    buf_append(b, slice_str(auth_mechanism(s)));
    buf_append(b, SLICE(", sasl_username="));
    buf_append(b, s->route.login);
}

void log_message(struct session *s, const struct part *p, const struct spool_head *head)
{
    struct trace_event e;
    char line[LINE_MAX_BYTES], id[QUEUE_ID_TEXT_MAX];
    slice message_id = message_id_of(p), id_text = slice_of(id, queue_id_write(id, p->id));
    buf b;
    buf_init_fixed(&b, line, sizeof(line));
    print_line(&b, id_text, s);
    log_event_begin(&e, s, TRACE_ACCEPTED, LOG_INFO);
    trace_add(&e, TRACE_KEY_ID, id_text);
    trace_add(&e, TRACE_KEY_MESSAGE_ID, message_id);
    if (s->route.login.len > 0)
        trace_add(&e, TRACE_KEY_MECHANISM, slice_str(auth_mechanism(s)));
    if (s->net)
        trace_add(&e, TRACE_KEY_TLS, net_tls_text(s->net));
    trace_add(&e, TRACE_KEY_FROM, head->envelopes[0].reverse_path);
    trace_add_number(&e, TRACE_KEY_SIZE, (int64_t)head->facts.size);
    trace_add_number(&e, TRACE_KEY_RECIPIENTS, p->count);
    struct accepted *a = accepted_new(&e, id_text, buf_slice(&b), message_id);
    if (!a)
        return;
    a->id = p->id;
    a->committed_ms = receiver_now_ms(s->r);
    list_push(&s->transaction->storing->accepted, &a->link);
    log_more(s, p);
}

/* The event before it has said it: this is a line for those who look for it in the log, and no event. */
static void log_message_id(slice id, slice message_id, int64_t now_us)
{
    char line[LINE_MAX_BYTES];
    struct log_field fields[2] = {{.name = trace_key_name(TRACE_KEY_ID), .text = id},
                                  {.name = trace_key_name(TRACE_KEY_MESSAGE_ID), .text = message_id}};
    buf b;
    if (!log_wants(LOG_INFO))
        return;
    buf_init_fixed(&b, line, sizeof(line));
    begin_line(&b, id, SLICE("message-id="));
    buf_append(&b, message_id);
    log_say(&(struct log_said){.level = LOG_INFO,
                               .now_us = now_us,
                               .event = trace_kind_name(TRACE_NOTE),
                               .fields = fields,
                               .count = 2,
                               .of_mail = true,
                               .message = buf_slice(&b)});
}

void log_stored(struct storing *st, uint64_t id, enum err e)
{
    struct accepted *a = NULL;
    LIST_FOREACH(l, &st->accepted) {
        a = LIST_ENTRY(l, struct accepted, link);
        if (a->id == id)
            break;
        a = NULL;
    }
    if (!a)
        return;
    list_remove(&a->link);
    struct trace_event event;
    recall(a, e == ERR_OK ? TRACE_ACCEPTED : TRACE_NOTE, &event);
    if (e == ERR_OK) {
        trace_add_number(&event, TRACE_KEY_SYNC_MS, receiver_now_ms(st->r) - a->committed_ms);
        trace_gauge_add(TRACE_GAUGE_BYTES_ACCEPTED, trace_number(&event, TRACE_KEY_SIZE, 0));
    }
    int64_t now_us = os_wall_us();
    trace_emit_at(&event, a->line, now_us);
    log_message_id(a->id_text, a->message_id, now_us);
    free(a);
}

void log_not_stored(uint64_t id, enum err e)
{
    struct trace_event event;
    char line[256], text[QUEUE_ID_TEXT_MAX];
    buf b;
    slice id_text = slice_of(text, queue_id_write(text, id));
    buf_init_fixed(&b, line, sizeof(line));
    begin_line(&b, id_text, SLICE("not stored, refused: "));
    buf_append(&b, slice_str(err_text(e)));
    trace_event_init(&event, TRACE_NOTE, LOG_ERROR);
    trace_add(&event, TRACE_KEY_ID, id_text);
    trace_add(&event, TRACE_KEY_REASON, slice_str(err_text(e)));
    trace_emit(&event, buf_slice(&b));
}

void log_stored_none(struct storing *st)
{
    struct list *l;
    while ((l = list_pop(&st->accepted)))
        free(LIST_ENTRY(l, struct accepted, link));
}
