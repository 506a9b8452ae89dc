/* SPDX-License-Identifier: ISC */
#include "os/log_format.h"

#include <time.h>

#define TEXT_MAX 1024u /* of a field, unless it must be cut further */
#define FACILITY_MAIL 2

/* RFC 5424 section 6.2.1 */
static const unsigned char severities[] = {[LOG_DEBUG] = 7, [LOG_INFO] = 6, [LOG_WARNING] = 4, [LOG_ERROR] = 3};
static const slice level_names[] = {SLICE("debug"), SLICE("info"), SLICE("warning"), SLICE("error")};
static const slice marks[] = {SLICE("debug: "), SLICE_NONE, SLICE("warning: "), SLICE("error: ")};

static void append_number(buf *b, int64_t value)
{
    if (value < 0)
        buf_append_char(b, '-');
    buf_append_u64(b, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

static void make_process(struct log_origin *o)
{
    buf b;
    buf_init_fixed(&b, o->process, sizeof o->process);
    buf_append(&b, SLICE("thurn/"));
    buf_append(&b, slice_of(o->name, o->name_len));
    buf_append_char(&b, '[');
    append_number(&b, o->pid);
    buf_append(&b, SLICE("]: "));
    o->process_len = b.len;
}

/* The thousandths of a second, as three digits. */
static void put_ms(char *to, int64_t now_us)
{
    int ms = (int)(now_us / 1000 % 1000);
    to[0] = (char)('0' + ms / 100);
    to[1] = (char)('0' + ms / 10 % 10);
    to[2] = (char)('0' + ms % 10);
}

static void append_time(buf *b, const struct log_origin *o, int64_t now_us)
{
    char fraction[] = ".000Z";
    put_ms(fraction + 1, now_us);
    buf_append(b, slice_of(o->stamp, o->stamp_len));
    buf_append(b, slice_str(fraction));
}

static void make_head(struct log_origin *o)
{
    buf b;
    buf_init_fixed(&b, o->head, sizeof o->head);
    append_time(&b, o, 0);
    buf_append_char(&b, ' ');
    buf_append(&b, slice_of(o->process, o->process_len));
    o->head_len = b.len;
}

static void append_line_head(buf *b, const struct log_origin *o, int64_t now_us)
{
    size_t at = b->len + o->stamp_len + 1;
    buf_append(b, slice_of(o->head, o->head_len));
    if (buf_ok(b))
        put_ms(b->ptr + at, now_us);
}

static void make_stamps(struct log_origin *o, int64_t second)
{
    time_t t = (time_t)second;
    struct tm tm;
    o->stamp_len = gmtime_r(&t, &tm) ? strftime(o->stamp, sizeof o->stamp, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
    o->local_len = localtime_r(&t, &tm) ? strftime(o->local, sizeof o->local, "%b %e %H:%M:%S", &tm) : 0;
    make_process(o);
    make_head(o);
    o->second = second;
}

static void append_priority(buf *b, unsigned value)
{
    buf_append_char(b, '<');
    buf_append_u64(b, value);
    buf_append_char(b, '>');
}

/* What comes before text and JSON: nothing before JSON on standard error, so that a line is an object. */
static void append_head(buf *b, const struct log_origin *o, const struct log_style *style, const struct log_said *said)
{
    unsigned severity = severities[said->level];
    if (style->to == LOG_TO_SYSLOG) {
        append_priority(b, FACILITY_MAIL << 3 | severity);
        buf_append(b, slice_of(o->local, o->local_len));
        buf_append_char(b, ' ');
        buf_append(b, slice_of(o->process, o->process_len));
        return;
    }
    if (style->of_journal)
        append_priority(b, severity);
    if (style->format == LOG_JSON)
        return;
    if (style->of_journal)
        buf_append(b, slice_of(o->process, o->process_len));
    else
        append_line_head(b, o, said->now_us);
}

/* Escaping can make four bytes of one: when that is too much, the message is cut to what surely fits. */
static void append_message(buf *b, slice message, size_t tail)
{
    size_t start = b->len, room = b->max - start;
    buf_append_escaped(b, message);
    if (buf_ok(b) && b->len + tail <= b->max)
        return;
    b->len = start;
    b->failed = false;
    buf_append_escaped(b, slice_sub(message, 0, room > tail + 3 ? (room - tail - 3) / 4 : 0));
    buf_append(b, SLICE("..."));
}

static void format_text(buf *b, const struct log_said *said)
{
    buf_append(b, marks[said->level]);
    append_message(b, said->message, 1);
}

static void append_member(buf *b, slice name, slice text)
{
    buf_append(b, SLICE(",\""));
    buf_append(b, name);
    buf_append(b, SLICE("\":"));
    buf_append_json(b, text);
}

/* Names and the event are ours: nothing in them is to be escaped. */
static void append_object(buf *b, const struct log_origin *o, const struct log_said *said, size_t text_max)
{
    bool cut = said->message.len > 2 * (size_t)text_max;
    buf_append(b, SLICE("{\"time\":\""));
    append_time(b, o, said->now_us);
    buf_append_char(b, '"');
    append_member(b, SLICE("level"), level_names[said->level]);
    append_member(b, SLICE("process"), slice_of(o->name, o->name_len));
    buf_append(b, SLICE(",\"pid\":"));
    append_number(b, o->pid);
    append_member(b, SLICE("event"), said->event);
    append_member(b, SLICE("message"), slice_sub(said->message, 0, 2 * text_max));
    for (size_t i = 0; i < said->count; i++) {
        const struct log_field *f = &said->fields[i];
        if (!f->number) {
            append_member(b, f->name, slice_sub(f->text, 0, text_max));
            cut = cut || f->text.len > text_max;
            continue;
        }
        buf_append(b, SLICE(",\""));
        buf_append(b, f->name);
        buf_append(b, SLICE("\":"));
        append_number(b, f->value);
    }
    buf_append(b, cut ? SLICE(",\"cut\":true}") : SLICE("}"));
}

/* A byte of a peer's can take six: so all texts are cut, further and further, until the object is whole. */
static void format_json(buf *b, const struct log_origin *o, const struct log_said *said)
{
    size_t start = b->len;
    for (size_t text_max = TEXT_MAX; text_max >= 16; text_max /= 4) {
        b->len = start;
        b->failed = false;
        append_object(b, o, said, text_max);
        if (buf_ok(b) && b->len < b->max)
            return;
    }
    b->failed = true;
}

/* A field of the journal's native protocol: NAME=VALUE, or NAME, length and value when the value could be taken for more than one line. */
static void append_field(buf *b, slice name, slice value)
{
    buf_append(b, name);
    if (value.len == 0 || !memchr(value.ptr, '\n', value.len)) {
        buf_append_char(b, '=');
    } else {
        unsigned char len[9] = {'\n'};
        for (size_t i = 0; i < 8; i++)
            len[i + 1] = (unsigned char)((uint64_t)value.len >> (8 * i));
        buf_append(b, slice_of(len, sizeof len));
    }
    buf_append(b, value);
    buf_append_char(b, '\n');
}

static void append_own_field(buf *b, const struct log_field *f)
{
    char name[40] = "THURN_", digits[24];
    size_t len = strlen(name);
    for (size_t i = 0; i < f->name.len && len < sizeof name; i++) {
        char c = f->name.ptr[i];
        name[len++] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    buf number;
    buf_init_fixed(&number, digits, sizeof digits);
    if (f->number)
        append_number(&number, f->value);
    append_field(b, slice_of(name, len), f->number ? buf_slice(&number) : slice_sub(f->text, 0, TEXT_MAX));
}

static void format_journal(buf *b, const struct log_origin *o, const struct log_said *said)
{
    buf_append(b, SLICE("PRIORITY="));
    append_number(b, severities[said->level]);
    buf_append(b, SLICE("\nSYSLOG_FACILITY="));
    append_number(b, FACILITY_MAIL);
    buf_append(b, SLICE("\nSYSLOG_IDENTIFIER=thurn/"));
    buf_append(b, slice_of(o->name, o->name_len));
    buf_append(b, SLICE("\nSYSLOG_PID="));
    append_number(b, o->pid);
    buf_append_char(b, '\n');
    append_field(b, SLICE("THURN_EVENT"), said->event);
    for (size_t i = 0; i < said->count; i++)
        append_own_field(b, &said->fields[i]);
    buf_append(b, SLICE("MESSAGE="));
    buf line;
    buf_init_fixed(&line, b->ptr + b->len, b->max - b->len < LOG_LINE_MAX ? b->max - b->len : LOG_LINE_MAX);
    format_text(&line, said);
    b->len += line.len;
    buf_append_char(b, '\n');
    b->failed = b->failed || !buf_ok(&line);
}

bool log_format(buf *b, struct log_origin *o, const struct log_style *style, const struct log_said *said)
{
    size_t start = b->len;
    if (said->now_us / 1000000 != o->second)
        make_stamps(o, said->now_us / 1000000);
    if (style->to == LOG_TO_JOURNAL) {
        format_journal(b, o, said);
    } else {
        append_head(b, o, style, said);
        if (style->format == LOG_JSON)
            format_json(b, o, said);
        else
            format_text(b, said);
        if (style->to == LOG_TO_STDERR)
            buf_append_char(b, '\n');
    }
    if (buf_ok(b))
        return true;
    b->len = start;
    b->failed = false;
    return false;
}
