/* SPDX-License-Identifier: ISC */
/* What peers have a hand in, as the log writes it: text is one line without a control byte, JSON one object on one line, the journal's datagram fields that parse, of which one is the MESSAGE.
 * None is longer than its sink takes. Input: a byte for the number of fields; texts behind it, each with two bytes of length before it, the first is the message. */
#include <assert.h>
#include <jansson.h>

#include "os/log_format.h"

#define FIELDS_MAX 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static slice next_text(slice *rest)
{
    size_t len = rest->len < 2 ? 0 : get_u16(rest->ptr);
    slice text = slice_sub(slice_skip(*rest, 2), 0, len);
    *rest = slice_skip(*rest, 2 + text.len);
    return text;
}

static void check_line(slice line)
{
    assert(line.len > 0 && line.ptr[line.len - 1] == '\n');
    line.len--;
    while (line.len > 0) {
        size_t len = slice_utf8_len(line);
        unsigned char c = (unsigned char)line.ptr[0];
        assert(len > 0 && c >= 0x20 && c != 0x7f);
        assert(len != 2 || c != 0xc2 || (unsigned char)line.ptr[1] >= 0xa0); /* C1 controls */
        line = slice_skip(line, len);
    }
}

static void check_object(slice line)
{
    assert(slice_find_char(line, '\n') == (ptrdiff_t)line.len - 1);
    json_t *o = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, NULL);
    assert(json_is_object(o));
    assert(json_is_string(json_object_get(o, "message")) && json_is_string(json_object_get(o, "time")));
    json_decref(o);
}

/* systemd.journal-fields(7): NAME=VALUE LF, or NAME LF, 8 bytes of length, the value, LF. */
static void check_datagram(slice d)
{
    unsigned messages = 0;
    while (d.len > 0) {
        size_t name = 0;
        while (name < d.len &&
               (ascii_is_digit(d.ptr[name]) || d.ptr[name] == '_' || (d.ptr[name] >= 'A' && d.ptr[name] <= 'Z')))
            name++;
        assert(name > 0 && name < d.len && (d.ptr[name] == '=' || d.ptr[name] == '\n'));
        bool is_message = slice_equal(slice_sub(d, 0, name), SLICE("MESSAGE"));
        slice value = slice_skip(d, name + 1);
        size_t len = 0;
        if (d.ptr[name] == '\n') {
            assert(value.len >= 8);
            len = (size_t)get_u64(value.ptr);
            value = slice_skip(value, 8);
        } else {
            ptrdiff_t end = slice_find_char(value, '\n');
            assert(end >= 0);
            len = (size_t)end;
        }
        assert(len < value.len && value.ptr[len] == '\n');
        if (is_message)
            check_line(slice_sub(value, 0, len + 1));
        messages += is_message;
        d = slice_skip(value, len + 1);
    }
    assert(messages == 1);
}

static void write_as(const struct log_said *said, enum log_to to, enum log_format format, size_t most,
                     void (*check)(slice))
{
    static char memory[LOG_DATAGRAM_MAX];
    struct log_origin origin = {.name = "smtpd", .name_len = 5, .pid = 4711, .second = -1};
    struct log_style style = {.to = to, .format = format};
    buf b;
    buf_init_fixed(&b, memory, most);
    bool written = log_format(&b, &origin, &style, said);
    assert(written && buf_ok(&b) && b.len <= most);
    check(buf_slice(&b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const slice names[] = {SLICE("client"), SLICE("helo"), SLICE("from"), SLICE("to"), SLICE("reason")};
    struct log_field fields[FIELDS_MAX];
    if (size == 0)
        return 0;
    slice rest = slice_of(data + 1, size - 1);
    struct log_said said = {.level = (enum log_level)(data[0] >> 6),
                            .now_us = 1795292165123456,
                            .event = SLICE("reject"),
                            .fields = fields,
                            .count = data[0] % (FIELDS_MAX + 1),
                            .message = next_text(&rest)};
    for (size_t i = 0; i < said.count; i++)
        fields[i] = (struct log_field){.name = names[i % 5], .text = next_text(&rest)};
    write_as(&said, LOG_TO_STDERR, LOG_TEXT, LOG_LINE_MAX, check_line);
    write_as(&said, LOG_TO_STDERR, LOG_JSON, LOG_LINE_MAX, check_object);
    write_as(&said, LOG_TO_JOURNAL, LOG_TEXT, LOG_DATAGRAM_MAX, check_datagram);
    return 0;
}
