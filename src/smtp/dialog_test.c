/* SPDX-License-Identifier: ISC */
/* Plays the transcripts of tests/dialog against the engine in memory (their format: tests/dialog/README). The little policy here is what that
 * page says of the server's users. */
#include "smtp/server.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "smtp/smtp.h"

enum { LISTS = 4, MEMBERS = 8 };

struct expansion {
    slice name, members[MEMBERS];
    size_t count;
};

struct play {
    const char *path;
    struct smtp_server *server;
    struct smtp_server_options options;
    bool vrfy, expn, closed, trusted;
    uint32_t permits;
    struct expansion lists[LISTS];
    size_t list_count;
    buf in, out;
    unsigned line;
};

static const slice users[] = {SLICE("alice"), SLICE("bob"), SLICE("carol")};

static bool user_known(slice name)
{
    for (size_t i = 0; i < 3; i++)
        if (slice_equal_nocase(name, users[i]))
            return true;
    return false;
}

static struct verdict judge_rcpt(const struct smtp_server_event *e, bool trusted)
{
    bool postmaster = slice_equal_nocase(e->path.local, SLICE("postmaster"));
    if (!trusted && e->path.domain.len > 0 && !slice_equal_nocase(e->path.domain, SLICE("example.org")))
        return status_verdict(STATUS_RELAY_DENIED);
    return status_verdict(postmaster || user_known(e->path.local) ? STATUS_RECIPIENT_OK : STATUS_USER_UNKNOWN);
}

static struct verdict judge_vrfy(const struct play *p, slice argument)
{
    slice local, domain;
    (void)slice_cut(argument, '@', &local, &domain);
    if (!p->vrfy)
        return status_verdict(STATUS_CANNOT_VRFY);
    if (!user_known(local))
        return status_verdict(STATUS_USER_UNKNOWN);
    return status_verdict_text(STATUS_RECIPIENT_OK, SLICE("Alice Example <alice@example.org>"));
}

static struct verdict judge_expn(struct play *p, slice argument, buf *text)
{
    if (!p->expn)
        return status_verdict(STATUS_CANNOT_EXPN);
    for (size_t i = 0; i < p->list_count; i++) {
        for (size_t k = 0; k < p->lists[i].count && slice_equal_nocase(argument, p->lists[i].name); k++)
            buf_printf(text, "%s<%.*s>", k ? "\n" : "", SLICE_ARG(p->lists[i].members[k]));
    }
    return text->len > 0 ? status_verdict_text(STATUS_RECIPIENT_OK, buf_slice(text))
                         : status_verdict(STATUS_USER_UNKNOWN);
}

static void on_event(struct play *p, const struct smtp_server_event *e)
{
    struct verdict v = status_verdict(STATUS_OK);
    char memory[1024];
    buf text;
    buf_init_fixed(&text, memory, sizeof memory);
    switch (e->kind) {
    case SMTP_SERVER_RCPT:
        v = judge_rcpt(e, p->trusted);
        break;
    case SMTP_SERVER_BODY_END:
        v = status_verdict_text(STATUS_QUEUED, SLICE("Ok: queued as 7K3QX2M9"));
        break;
    case SMTP_SERVER_VRFY:
        v = judge_vrfy(p, e->text);
        break;
    case SMTP_SERVER_EXPN:
        v = judge_expn(p, e->text, &text);
        break;
    case SMTP_SERVER_ETRN:
        v = status_verdict(STATUS_ETRN_NOTHING_WAITS);
        break;
    case SMTP_SERVER_CLOSE:
        p->closed = true;
        break;
    default:
        break;
    }
    if (smtp_server_waits(p->server))
        smtp_server_answer(p->server, 0, &v);
    if (e->kind == SMTP_SERVER_XCLIENT)
        smtp_server_permit(p->server, p->permits);
}

static void pump(struct play *p, slice in)
{
    struct smtp_server_event e;
    size_t used;
    do {
        used = 0;
        assert_int_equal(smtp_server_feed(p->server, 0, in, &used), ERR_OK);
        in = slice_skip(in, used);
        while (smtp_server_next(p->server, &e))
            on_event(p, &e);
        slice out = smtp_server_output(p->server);
        buf_append(&p->out, out);
        smtp_server_sent(p->server, out.len);
    } while (in.len > 0);
}

static bool matches(slice pattern, slice line)
{
    slice before;
    if (!slice_cut(pattern, '*', &before, &pattern))
        return slice_equal(before, line);
    if (!slice_starts(line, before))
        return false;
    for (size_t i = before.len; i <= line.len; i++)
        if (matches(pattern, slice_skip(line, i)))
            return true;
    return false;
}

static void expect(struct play *p, slice pattern)
{
    slice line, rest;
    if (slice_equal(pattern, SLICE("(closed)"))) {
        if (!p->closed || p->out.len > 0)
            fail_msg("%s:%u: not closed: %.*s", p->path, p->line, SLICE_ARG(buf_slice(&p->out)));
        return;
    }
    bool whole = slice_cut(buf_slice(&p->out), '\n', &line, &rest);
    line = slice_sub(line, 0, line.len - (line.len > 0));
    if (!whole || !matches(pattern, line))
        fail_msg("%s:%u: wanted \"%.*s\", got \"%.*s\"", p->path, p->line, SLICE_ARG(pattern), SLICE_ARG(line));
    buf_consume(&p->out, p->out.len - rest.len);
}

static unsigned hex(char c)
{
    return ascii_is_digit(c) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a' + 10);
}

static void append_raw(buf *b, slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\\' || i + 1 == text.len) {
            buf_append_char(b, text.ptr[i]);
            continue;
        }
        char c = text.ptr[++i];
        if (c == 'x') {
            buf_append_char(b, (char)(hex(text.ptr[i + 1]) * 16 + hex(text.ptr[i + 2])));
            i += 2;
        } else {
            buf_append_char(b, c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c);
        }
    }
}

static void limit(struct play *p, slice text)
{
    slice name, value;
    uint64_t size = 0;
    (void)slice_cut(text, ' ', &name, &value);
    bool quoted = value.len > 1 && value.ptr[0] == '"';
    slice word = quoted ? slice_sub(value, 1, value.len - 1) : value;
    if (slice_equal(name, SLICE("bare_newline"))) {
        p->options.bare_newline_reject = slice_equal(word, SLICE("reject"));
    } else if (slice_equal(name, SLICE("vrfy"))) {
        p->vrfy = slice_equal(word, SLICE("any"));
    } else if (slice_equal(name, SLICE("expn"))) {
        p->expn = p->options.expn = slice_equal(word, SLICE("any"));
    } else if (slice_equal(name, SLICE("etrn"))) {
        p->options.etrn = slice_equal(word, SLICE("any"));
    } else if (slice_equal(name, SLICE("strict_paths"))) {
        p->options.strict_paths = slice_equal(word, SLICE("true"));
    } else {
        assert_int_equal(units_parse_size(word, &size), ERR_OK);
        uint32_t number = (uint32_t)size;
        if (slice_equal(name, SLICE("max_size")))
            p->options.max_size = size;
        else if (slice_equal(name, SLICE("recipients")))
            p->options.max_recipients = number;
        else if (slice_equal(name, SLICE("errors")))
            p->options.max_errors = number;
        else if (slice_equal(name, SLICE("messages_per_session")))
            p->options.max_messages = number;
        else if (slice_equal(name, SLICE("hops")))
            p->options.hops = number;
        else
            fail_msg("%s:%u: unknown limit", p->path, p->line);
    }
}

static void trust(struct play *p, slice what)
{
    if (slice_equal(what, SLICE("relay")))
        p->trusted = true;
    else
        p->permits |= slice_equal(what, SLICE("xclient")) ? SMTP_PERMIT_XCLIENT : SMTP_PERMIT_XFORWARD;
}

static void add_list(struct play *p, slice text)
{
    struct expansion *list = &p->lists[p->list_count++];
    assert_true(p->list_count <= LISTS);
    (void)slice_cut(text, ' ', &list->name, &text);
    while (text.len > 0) {
        assert_true(list->count < MEMBERS);
        (void)slice_cut(text, ' ', &list->members[list->count++], &text);
    }
}

static void begin(struct play *p)
{
    if (p->server)
        return;
    assert_int_equal(smtp_server_open(&p->options, 0, &p->server), ERR_OK);
    smtp_server_permit(p->server, p->permits);
    smtp_server_clock(p->server, 0, 1795288115);
    if (p->trusted)
        smtp_server_trust(p->server);
    pump(p, SLICE_NONE);
}

static void send_bytes(struct play *p, slice text, bool raw)
{
    buf_clear(&p->in);
    if (raw) {
        append_raw(&p->in, text);
    } else {
        buf_append(&p->in, text);
        buf_append(&p->in, SLICE("\r\n"));
    }
    pump(p, buf_slice(&p->in));
}

static void step(struct play *p, slice line)
{
    if (!p->server && slice_starts(line, SLICE("# limit: "))) {
        limit(p, slice_skip(line, 9));
    } else if (!p->server && slice_starts(line, SLICE("# trust: "))) {
        trust(p, slice_skip(line, 9));
    } else if (!p->server && slice_starts(line, SLICE("# listen: "))) {
        p->options.lmtp = slice_equal(slice_skip(line, 10), SLICE("lmtp"));
    } else if (!p->server && slice_starts(line, SLICE("# list: "))) {
        add_list(p, slice_skip(line, 8));
    } else if (slice_starts(line, SLICE("S:"))) {
        begin(p);
        expect(p, slice_skip(line, 3));
    } else if (slice_starts(line, SLICE("C:"))) {
        send_bytes(p, slice_skip(line, 3), false);
    } else if (slice_starts(line, SLICE("B: "))) {
        send_bytes(p, slice_skip(line, 3), true);
    } else if (line.len > 0 && line.ptr[0] != '#') {
        fail_msg("%s:%u: not a transcript line", p->path, p->line);
    }
}

static void play_file(const char *path)
{
    static char text[1 << 16];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    slice rest = slice_of(text, fread(text, 1, sizeof text, file)), line;
    fclose(file);
    struct play p = {.path = path};
    p.options = (struct smtp_server_options){.hostname = SLICE("mail.example.org"),
                                             .max_size = 50 << 20,
                                             .max_recipients = 1000,
                                             .max_errors = 20,
                                             .future_release_max_s = 30 * 86400,
                                             .hops = 50};
    buf_init(&p.in, 1 << 20);
    buf_init(&p.out, 1 << 20);
    while (rest.len > 0) {
        (void)slice_cut(rest, '\n', &line, &rest);
        p.line++;
        step(&p, line);
    }
    smtp_server_close(&p.server);
    buf_deinit(&p.in);
    buf_deinit(&p.out);
}

static const char *folder;

static void test_transcripts(void **state)
{
    (void)state;
    struct dirent *entry;
    unsigned played = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        if (!slice_ends_nocase(slice_str(entry->d_name), SLICE(".smtp")))
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        play_file(path);
        played++;
    }
    closedir(dir);
    assert_true(played >= 10);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_transcripts)};
    if (argc != 2)
        return 64;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
