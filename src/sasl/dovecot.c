/* SPDX-License-Identifier: ISC */
#include "sasl/dovecot.h"

#define MAJOR_VERSION 1
#define ESCAPE 1

static bool read_id(slice field, uint64_t *id_r)
{
    return slice_to_u64(field, UINT32_MAX, id_r) == ERR_OK && *id_r > 0;
}

static bool read_version(slice rest, struct dovecot_line *l)
{
    slice major;
    (void)slice_cut(rest, '\t', &major, &rest);
    return slice_to_u64(major, UINT32_MAX, &l->number) == ERR_OK && l->number == MAJOR_VERSION;
}

static bool read_mech(slice rest, struct dovecot_line *l)
{
    slice field;
    (void)slice_cut(rest, '\t', &l->text, &rest);
    while (rest.len > 0) {
        (void)slice_cut(rest, '\t', &field, &rest);
        if (slice_equal(field, SLICE("private")) || slice_equal(field, SLICE("anonymous")))
            l->private_only = true;
    }
    return l->text.len > 0;
}

static bool read_done(slice rest, struct dovecot_line *l)
{
    (void)l;
    return rest.len == 0;
}

static bool read_cont(slice rest, struct dovecot_line *l)
{
    slice id;
    bool more = slice_cut(rest, '\t', &id, &rest);
    l->text = more ? rest : SLICE_NONE;
    return read_id(id, &l->number) && slice_find_char(l->text, '\t') < 0;
}

static bool read_end(slice rest, struct dovecot_line *l)
{
    slice field;
    (void)slice_cut(rest, '\t', &field, &rest);
    if (!read_id(field, &l->number))
        return false;
    while (rest.len > 0) {
        (void)slice_cut(rest, '\t', &field, &rest);
        if (slice_starts(field, SLICE("user=")))
            l->login = slice_skip(field, 5);
        else if (slice_equal(field, SLICE("temp")) || slice_equal(field, SLICE("code=temp_fail")))
            l->temporary = true;
    }
    return l->kind == DOVECOT_FAIL || l->login.len > 0;
}

enum err dovecot_line_read(slice line, struct dovecot_line *line_r)
{
    static const struct {
        slice name;
        enum dovecot_kind kind;
        bool (*read)(slice rest, struct dovecot_line *l);
    } rows[] = {
        {{"VERSION", 7}, DOVECOT_VERSION, read_version},
        {{"MECH", 4}, DOVECOT_MECH, read_mech},
        {{"DONE", 4}, DOVECOT_DONE, read_done},
        {{"CONT", 4}, DOVECOT_CONT, read_cont},
        {{"OK", 2}, DOVECOT_OK, read_end},
        {{"FAIL", 4}, DOVECOT_FAIL, read_end},
    };
    struct dovecot_line l = {.kind = DOVECOT_OTHER};
    slice name, rest;
    if (line.len > DOVECOT_LINE_MAX || slice_find_char(line, '\n') >= 0 || slice_find_char(line, 0) >= 0)
        return ERR_SYNTAX;
    (void)slice_cut(line, '\t', &name, &rest);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (!slice_equal(rows[i].name, name))
            continue;
        l.kind = rows[i].kind;
        if (!rows[i].read(rest, &l))
            return ERR_SYNTAX;
    }
    *line_r = l;
    return ERR_OK;
}

enum err dovecot_unescape(slice field, buf *out)
{
    static const char codes[] = "01trn", meant[] = {0, ESCAPE, '\t', '\r', '\n'};
    for (size_t i = 0; i < field.len; i++) {
        char c = field.ptr[i];
        if (c == ESCAPE) {
            i++;
            const char *at = i < field.len && field.ptr[i] ? strchr(codes, field.ptr[i]) : NULL;
            if (!at)
                return ERR_SYNTAX;
            c = meant[at - codes];
        }
        buf_append_char(out, c);
    }
    return buf_ok(out) ? ERR_OK : ERR_LIMIT;
}

void dovecot_print_hello(buf *out, uint32_t process)
{
    buf_printf(out, "VERSION\t%d\t1\nCPID\t%u\n", MAJOR_VERSION, process);
}

void dovecot_print_auth(buf *out, const struct dovecot_request *r)
{
    buf_printf(out, "AUTH\t%u\t%.*s\tservice=smtp", r->id, SLICE_ARG(r->mechanism));
    if (r->secured)
        buf_append(out, SLICE("\tsecured"));
    if (r->ip.len > 0)
        buf_printf(out, "\trip=%.*s", SLICE_ARG(r->ip));
    if (r->initial) { /* last: whatever comes behind it would be taken for a part of it */
        buf_append(out, SLICE("\tresp="));
        buf_append_base64(out, r->response);
    }
    buf_append_char(out, '\n');
}

void dovecot_print_continue(buf *out, uint32_t id, slice response)
{
    buf_printf(out, "CONT\t%u\t", id);
    buf_append_base64(out, response);
    buf_append_char(out, '\n');
}

void dovecot_print_cancel(buf *out, uint32_t id)
{
    buf_printf(out, "CANCEL\t%u\n", id);
}
