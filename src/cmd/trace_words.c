/* SPDX-License-Identifier: ISC */
#include "cmd/trace_words.h"

#include <stdio.h>
#include <time.h>

#define TIME_MAX_S INT64_C(253402300799) /* the year 9999 */

static slice text_of(const struct trace_record *r, enum trace_key key)
{
    return trace_text(&r->event, key);
}

static void word(buf *out, const char *before, slice text)
{
    buf_append(out, slice_str(before));
    buf_append_escaped(out, text);
}

static void word_if(buf *out, const char *before, slice text)
{
    if (text.len > 0)
        word(out, before, text);
}

static void number_if(buf *out, const char *before, const struct trace_record *r, enum trace_key key)
{
    int64_t n = trace_number(&r->event, key, -1);
    if (n >= 0)
        buf_printf(out, "%s%lld", before, (long long)n);
}

/* "421 4.7.28 rate limited" */
static void reply(buf *out, const struct trace_record *r)
{
    size_t before = out->len;
    number_if(out, "", r, TRACE_KEY_CODE);
    word_if(out, out->len > before ? " " : "", text_of(r, TRACE_KEY_DSN));
    word_if(out, out->len > before ? " " : "", text_of(r, TRACE_KEY_REASON));
    word_if(out, " (at ", text_of(r, TRACE_KEY_COMMAND));
    if (text_of(r, TRACE_KEY_COMMAND).len > 0)
        buf_append_char(out, ')');
}

/* "mail.example.org[192.0.2.1]", "uid-1000" */
static void client(buf *out, const struct trace_record *r)
{
    slice ip = text_of(r, TRACE_KEY_CLIENT), name = text_of(r, TRACE_KEY_CLIENT_NAME);
    bool named = name.len > 0 && !slice_equal(name, SLICE("unknown"));
    if (named && slice_equal(ip, SLICE("local")))
        ip = SLICE_NONE;
    if (!named) {
        buf_append_escaped(out, ip);
        return;
    }
    buf_append_escaped(out, name);
    word_if(out, "[", ip);
    if (ip.len > 0)
        buf_append_char(out, ']');
}

/* " as alice (TLSv1.3 ..., submission)" */
static void channel(buf *out, const struct trace_record *r)
{
    word_if(out, " as ", text_of(r, TRACE_KEY_LOGIN));
    size_t before = out->len;
    word_if(out, " (", text_of(r, TRACE_KEY_TLS));
    word_if(out, out->len > before ? ", " : " (", text_of(r, TRACE_KEY_LISTENER));
    number_if(out, out->len > before ? ", port " : " (port ", r, TRACE_KEY_PORT);
    if (out->len > before)
        buf_append_char(out, ')');
}

static void size_of(buf *out, const char *before, const struct trace_record *r)
{
    int64_t size = trace_number(&r->event, TRACE_KEY_SIZE, -1);
    if (size < 0)
        return;
    buf_append(out, slice_str(before));
    units_print_size(out, (uint64_t)size);
    if (size < 1024)
        buf_append(out, SLICE(" bytes"));
}

static void recipients(buf *out, const struct trace_record *r)
{
    int64_t n = trace_number(&r->event, TRACE_KEY_RECIPIENTS, -1);
    if (n >= 0)
        buf_printf(out, ", %lld %s", (long long)n, n == 1 ? "recipient" : "recipients");
}

static void say_connect(buf *out, const struct trace_record *r)
{
    client(out, r);
    buf_append(out, r->event.kind == TRACE_CONNECT ? SLICE(" connected") : SLICE(" gone"));
    channel(out, r);
}

static void say_reject(buf *out, const struct trace_record *r)
{
    reply(out, r);
    buf_append(out, SLICE(": refused "));
    client(out, r);
    word_if(out, " as ", text_of(r, TRACE_KEY_LOGIN));
    word_if(out, ", from ", text_of(r, TRACE_KEY_FROM));
    word_if(out, ", to ", text_of(r, TRACE_KEY_TO));
}

static void say_login(buf *out, const struct trace_record *r)
{
    bool failed = r->event.kind == TRACE_LOGIN_FAILED;
    client(out, r);
    buf_append(out, failed ? SLICE(" failed to sign in") : SLICE(" signed in"));
    word_if(out, " as ", text_of(r, TRACE_KEY_LOGIN));
    word_if(out, " by ", text_of(r, TRACE_KEY_MECHANISM));
    word_if(out, ": ", text_of(r, TRACE_KEY_REASON));
}

static void say_accepted(buf *out, const struct trace_record *r)
{
    buf_append(out, SLICE("accepted from "));
    client(out, r);
    channel(out, r);
    size_of(out, "; ", r);
    recipients(out, r);
}

static void say_queued(buf *out, const struct trace_record *r)
{
    word(out, "in the queue: from <", text_of(r, TRACE_KEY_FROM));
    size_of(out, ">, ", r);
    recipients(out, r);
}

static void say_host(buf *out, const struct trace_record *r)
{
    buf_append_escaped(out, text_of(r, TRACE_KEY_RELAY));
    if (r->event.kind == TRACE_HOST_FAILED) {
        buf_append(out, SLICE(" failed: "));
        reply(out, r);
    } else {
        slice verified = text_of(r, TRACE_KEY_VERIFIED);
        word_if(out, " ", text_of(r, TRACE_KEY_TLS));
        if (text_of(r, TRACE_KEY_TLS).len == 0)
            buf_append(out, SLICE(" no TLS"));
        else if (verified.len > 0)
            buf_append(out, slice_equal(verified, SLICE("yes")) ? SLICE(" verified") : SLICE(" not verified"));
    }
    const char *before = "; ";
    static const struct {
        enum trace_key key;
        const char *name;
    } times[] = {{TRACE_KEY_DNS_MS, "dns "}, {TRACE_KEY_CONNECT_MS, "connect "}, {TRACE_KEY_TLS_MS, "tls "}};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        int64_t ms = trace_number(&r->event, times[i].key, -1);
        if (ms < 0)
            continue;
        buf_printf(out, "%s%s%lld", before, times[i].name, (long long)ms);
        before = ", ";
    }
}

/* "bob@example.com (for sales@example.org)" */
static void recipient(buf *out, const struct trace_record *r)
{
    slice original = text_of(r, TRACE_KEY_ORIGINAL_TO);
    buf_append_escaped(out, text_of(r, TRACE_KEY_TO));
    word_if(out, " (for ", original);
    if (original.len > 0)
        buf_append_char(out, ')');
}

/* "bob@example.com: sent (mx.example.com[192.0.2.26]:25): 250 2.0.0 ok" */
static void say_sent(buf *out, const struct trace_record *r)
{
    slice relay = text_of(r, TRACE_KEY_RELAY);
    recipient(out, r);
    buf_append(out, SLICE(": sent"));
    word_if(out, " (", relay);
    buf_append(out, relay.len > 0 ? SLICE("): ") : SLICE(": "));
    reply(out, r);
}

/* The reply first, which is what one looks for. */
static void say_failure(buf *out, const struct trace_record *r, int64_t next_s)
{
    slice relay = text_of(r, TRACE_KEY_RELAY);
    bool expired = slice_equal(text_of(r, TRACE_KEY_STATUS), SLICE("expired"));
    const char *what = r->event.kind == TRACE_DEFERRED ? " deferred" : " refused for good";
    reply(out, r);
    buf_append(out, SLICE(": "));
    recipient(out, r);
    buf_append(out, slice_str(expired ? " given up: too old" : what));
    if (!slice_equal(relay, SLICE("none")))
        word_if(out, " by ", relay);
    if (next_s > 0) {
        buf_append(out, SLICE(", next try "));
        trace_words_when(out, next_s, os_wall_s());
    }
}

static void say_report(buf *out, const struct trace_record *r, slice of)
{
    bool of_report = slice_equal(of, text_of(r, TRACE_KEY_REPORT));
    word(out, "", text_of(r, TRACE_KEY_REASON));
    if (of_report)
        word(out, " on ", text_of(r, TRACE_KEY_ID));
    else
        word_if(out, " is ", text_of(r, TRACE_KEY_REPORT));
    word_if(out, ", to ", text_of(r, TRACE_KEY_TO));
}

static void say_plain(buf *out, const struct trace_record *r, int64_t next_s)
{
    static const char *const words[TRACE_KIND_COUNT] = {
        [TRACE_HELD] = "held",
        [TRACE_RELEASED] = "released",
        [TRACE_REMOVED] = "left the queue",
        [TRACE_WAITING] = "waits",
    };
    const char *what = words[r->event.kind];
    buf_append(out, slice_str(what ? what : trace_kind_name(r->event.kind).ptr));
    word_if(out, " for ", text_of(r, TRACE_KEY_DESTINATION));
    word_if(out, ": ", text_of(r, TRACE_KEY_REASON));
    int64_t next = next_s > 0 ? next_s : trace_number(&r->event, TRACE_KEY_NEXT, 0);
    if (next > 0) {
        buf_append(out, SLICE(", next try "));
        trace_words_when(out, next, os_wall_s());
    }
}

/* A note of a mail begins with its id, which is told already. */
static void say_note(buf *out, const struct trace_record *r, slice of)
{
    slice message = r->message;
    if (of.len > 0 && slice_starts(message, of) && slice_starts(slice_skip(message, of.len), SLICE(": ")))
        message = slice_skip(message, of.len + 2);
    buf_append_escaped(out, message);
}

void trace_words_append(buf *out, const struct trace_record *r, slice of, int64_t next_s)
{
    switch (r->event.kind) {
    case TRACE_NOTE:
        say_note(out, r, of);
        break;
    case TRACE_CONNECT:
    case TRACE_DISCONNECT:
        say_connect(out, r);
        break;
    case TRACE_REJECT:
        say_reject(out, r);
        break;
    case TRACE_LOGIN:
    case TRACE_LOGIN_FAILED:
        say_login(out, r);
        break;
    case TRACE_ACCEPTED:
        say_accepted(out, r);
        break;
    case TRACE_QUEUED:
        say_queued(out, r);
        break;
    case TRACE_CONNECTED:
    case TRACE_HOST_FAILED:
        say_host(out, r);
        break;
    case TRACE_SENT:
        say_sent(out, r);
        break;
    case TRACE_DEFERRED:
    case TRACE_BOUNCED:
        say_failure(out, r, next_s);
        break;
    case TRACE_REPORT:
        say_report(out, r, of);
        break;
    default:
        say_plain(out, r, next_s);
        break;
    }
}

static void append_time(buf *out, int64_t time_s, const char *format)
{
    char text[32];
    time_t t = (time_t)time_s;
    struct tm tm;
    size_t n = localtime_r(&t, &tm) ? strftime(text, sizeof text, format, &tm) : 0;
    buf_append(out, slice_of(text, n));
}

static int64_t floor_s(int64_t us)
{
    return us / 1000000 - (us % 1000000 < 0);
}

void trace_words_clock(buf *out, int64_t time_us)
{
    int64_t s = floor_s(time_us);
    append_time(out, s, "%H:%M:%S");
    buf_printf(out, ".%03d", (int)((time_us - s * 1000000) / 1000));
}

void trace_words_day(buf *out, int64_t time_us)
{
    append_time(out, floor_s(time_us), "%Y-%m-%d");
}

void trace_words_when(buf *out, int64_t time_s, int64_t now_s)
{
    int64_t day = 86400, offset = 60 * (int64_t)os_utc_offset_min(now_s);
    time_s = time_s < TIME_MAX_S ? time_s : TIME_MAX_S;
    bool same = (time_s + offset) / day == (now_s + offset) / day;
    append_time(out, time_s, same ? "%H:%M" : "%Y-%m-%d %H:%M");
}

void trace_words_offset(buf *out, int64_t us)
{
    int64_t ms = us > 0 ? us / 1000 : 0;
    buf_append_char(out, '+');
    if (ms < 1000)
        buf_printf(out, "%lldms", (long long)ms);
    else if (ms < 60000)
        buf_printf(out, "%lld.%llds", (long long)(ms / 1000), (long long)(ms / 100 % 10));
    else
        units_print_age(out, ms / 1000);
}

static void json_text(buf *out, const char *name, slice text)
{
    buf_printf(out, ",\"%s\":", name);
    buf_append_json(out, text);
}

static void json_time(buf *out, int64_t time_us)
{
    char text[32];
    time_t t = (time_t)floor_s(time_us);
    struct tm tm;
    size_t n = gmtime_r(&t, &tm) ? strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    buf_printf(out, "{\"time\":\"%.*s.%03dZ\"", (int)n, text, (int)((time_us - floor_s(time_us) * 1000000) / 1000));
}

void trace_words_json(buf *out, const struct trace_record *r)
{
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    json_time(out, r->time_us);
    json_text(out, "level", slice_str(levels[r->event.level]));
    json_text(out, "process", r->process);
    buf_printf(out, ",\"pid\":%u", r->pid);
    json_text(out, "event", trace_kind_name(r->event.kind));
    for (size_t i = 0; i < r->event.count; i++) {
        const struct log_field *f = &r->event.fields[i];
        if (f->number)
            buf_printf(out, ",\"%s\":%lld", f->name.ptr, (long long)f->value);
        else
            json_text(out, f->name.ptr, f->text);
    }
    if (r->message.len > 0)
        json_text(out, "message", r->message);
    buf_append(out, SLICE("}\n"));
}
