/* SPDX-License-Identifier: ISC */
/* What can be done with lines alone: the greeting, commands before it, lines that are too long, and ends of data that are none. */
#include "cmd/probe_audit.h"

#define LONG_LINE (128u * 1024)
#define REPLIES_MAX 64u

/* Digits on both sides of a dot, which are not of an address in brackets: "Postfix 3.7.1", "Exim 4.96". */
bool probe_audit_tells_version(slice greeting)
{
    slice name, rest;
    bool in_brackets = false;
    (void)slice_cut(greeting, ' ', &name, &rest);
    for (size_t i = 1; i + 1 < rest.len; i++) {
        if (rest.ptr[i] == '[' || rest.ptr[i] == ']')
            in_brackets = rest.ptr[i] == '[';
        if (rest.ptr[i] == '.' && !in_brackets && ascii_is_digit(rest.ptr[i - 1]) && ascii_is_digit(rest.ptr[i + 1]))
            return true;
    }
    return false;
}

void probe_audit_greeting(struct probe_audit *a)
{
    slice name, rest;
    (void)slice_cut(a->greeting, ' ', &name, &rest);
    if (probe_audit_tells_version(a->greeting))
        probe_audit_find(a,
                         &(struct probe_audit_about){"greeting", PROBE_WARNING, "take the version out of the greeting"},
                         "the greeting tells which version runs: %.*s", SLICE_ARG(slice_sub(a->greeting, 0, 200)));
    else if (slice_find_char(name, '.') < 0)
        probe_audit_find(
            a, &(struct probe_audit_about){"greeting", PROBE_WARNING, "let it begin with the server's full name"},
            "the greeting does not begin with a full host name: %.*s", SLICE_ARG(slice_sub(a->greeting, 0, 200)));
    else
        probe_audit_find(a, &(struct probe_audit_about){"greeting", PROBE_OK, ""},
                         "the greeting begins with the host's name and tells no version");
}

/* Only told: a test for it keeps simple bots away, and is no duty. */
void probe_audit_pregreet(struct probe_audit *a)
{
    struct smtp_reply r = {0};
    bool served = !a->p->o->target.smtps && probe_audit_connect(a) &&
                  probe_say(a->p, SLICE("EHLO pregreet.invalid"), NULL) && probe_hear(a->p, SLICE("connect"), &r) &&
                  r.code == 220 && probe_hear(a->p, SLICE("EHLO"), &r) && r.code == 250;
    probe_audit_find(a, &(struct probe_audit_about){"pregreet", PROBE_OK, ""},
                     served ? "clients that speak before the greeting are served all the same"
                            : "clients that speak before the greeting are not served");
}

void probe_audit_size(struct probe_audit *a)
{
    slice size = SLICE_NONE;
    uint64_t bytes = 0;
    if (!probe_audit_begin(a)) {
        probe_audit_find(a, &(struct probe_audit_about){"size", PROBE_WARNING, "try again later"},
                         "could not be judged: no connection");
        return;
    }
    bool offered = probe_offered(a->p, SLICE("SIZE"), &size);
    if (offered && slice_to_u64(slice_trim(size), UINT64_MAX, &bytes) == ERR_OK && bytes > 0)
        probe_audit_find(a, &(struct probe_audit_about){"size", PROBE_OK, ""}, "SIZE: messages of %llu bytes at most",
                         (unsigned long long)bytes);
    else
        probe_audit_find(a, &(struct probe_audit_about){"size", PROBE_WARNING, "set the greatest size of a message"},
                         "no limit of SIZE is announced: clients send all of it before they hear a refusal");
}

void probe_audit_long_line(struct probe_audit *a)
{
    buf line;
    uint16_t first;
    buf_init(&line, LONG_LINE + 64);
    for (size_t i = 0; i < LONG_LINE / 16; i++)
        buf_append(&line, SLICE("XXXXXXXXXXXXXXXX"));
    buf_append(&line, SLICE("\r\nNOOP\r\n"));
    bool begun = probe_audit_begin(a);
    enum err e = begun ? probe_link_write(&a->p->link, buf_slice(&line)) : ERR_CLOSED;
    size_t count = begun && (e == ERR_OK || e == ERR_CLOSED) ? probe_audit_replies(a, 250, REPLIES_MAX, &first) : 0;
    bool timed_out = begun && a->p->status != 0 && a->p->link.fd < 0 && strcmp(a->p->words, "no reply in time") == 0;
    buf_deinit(&line);
    if (!begun || timed_out)
        probe_audit_find(
            a, &(struct probe_audit_about){"long-line", PROBE_WARNING, "see that a line that is too long gets one 500"},
            begun ? "no reply to a line of 128 KiB" : "could not be judged: no connection");
    else if (count > 1)
        probe_audit_find(a,
                         &(struct probe_audit_about){"long-line", PROBE_BAD,
                                                     "update the server: the tail of a line must never be a command"},
                         "one line of 128 KiB gets %zu replies: its pieces are taken for commands", count);
    else
        probe_audit_find(a, &(struct probe_audit_about){"long-line", PROBE_OK, ""},
                         count == 1 ? "a line of 128 KiB gets one refusal" : "a line of 128 KiB ends the connection");
}

static const struct {
    const char *name;
    slice bytes;
} ends[] = {
    {"LF . LF", {"\n.\n", 3}},
    {"LF . CR LF", {"\n.\r\n", 4}},
    {"CR LF . LF", {"\r\n.\n", 4}},
    {"CR . CR", {"\r.\r", 3}},
    {"CR LF . CR", {"\r\n.\r", 4}},
    {"LF . CR", {"\n.\r", 3}},
    {"CR . CR LF", {"\r.\r\n", 4}},
    {"CR . LF", {"\r.\n", 3}},
    {"CR LF NUL . CR LF", {"\r\n\0.\r\n", 6}},
    {"CR LF . NUL CR LF", {"\r\n.\0\r\n", 6}},
};
#define END_COUNT (sizeof ends / sizeof ends[0])

enum smuggling { SMUGGLING_NONE, SMUGGLING_FOUND, SMUGGLING_REFUSED, SMUGGLING_UNKNOWN };

static bool begin_data(struct probe_audit *a)
{
    struct probe_session *p = a->p;
    const struct probe_options *o = p->o;
    struct smtp_reply r;
    slice mail, rcpt;
    if (!probe_audit_begin(a) ||
        arena_printf(&p->arena, &mail, "MAIL FROM:<%.*s>", SLICE_ARG(o->from_given ? o->from : SLICE_NONE)) != ERR_OK ||
        arena_printf(&p->arena, &rcpt, "RCPT TO:<%.*s>", SLICE_ARG(o->to[0])) != ERR_OK)
        return false;
    return probe_ask(p, mail, &r) && r.code == 250 && probe_ask(p, rcpt, &r) && r.code / 100 == 2 &&
           probe_ask(p, SLICE("DATA"), &r) && r.code == 354;
}

/* The false ends from..to, each with a line behind it that would be refused as a command; then the true end and QUIT. A server that takes none of them for an end has one reply to say before
 * its 221. */
static enum smuggling try_ends(struct probe_audit *a, size_t from, size_t to)
{
    buf text;
    uint16_t first = 0;
    slice mailbox = a->p->o->to[0];
    if (!begin_data(a))
        return SMUGGLING_UNKNOWN;
    buf_init(&text, 1u << 16);
    buf_printf(&text, "From: <%.*s>\r\nTo: <%.*s>\r\nSubject: thurn probe: ends of data\r\nDate: ", SLICE_ARG(mailbox),
               SLICE_ARG(mailbox));
    date_print_rfc5322(&text, os_wall_s(), os_utc_offset_min(os_wall_s()));
    buf_append(&text,
               SLICE("\r\n\r\nA test of thurn probe --audit: this message must arrive once, or be refused.\r\n"));
    for (size_t i = from; i < to; i++) {
        buf_printf(&text, "Xtext %zu", i);
        buf_append(&text, ends[i].bytes);
        buf_printf(&text, "Xprobe %zu\r\n", i);
    }
    buf_append(&text, SLICE("\r\n.\r\nQUIT\r\n"));
    probe_show_sent(a->p->show, SLICE("(a message with false ends)"));
    enum err e = probe_link_write(&a->p->link, buf_slice(&text));
    buf_deinit(&text);
    if (e != ERR_OK && e != ERR_CLOSED)
        return SMUGGLING_UNKNOWN;
    size_t count = probe_audit_replies(a, 221, REPLIES_MAX, &first);
    if (count > 1)
        return SMUGGLING_FOUND;
    return count == 0 ? SMUGGLING_UNKNOWN : first < 400 ? SMUGGLING_NONE : SMUGGLING_REFUSED;
}

static void name_ends(struct probe_audit *a)
{
    buf list;
    buf_init(&list, 4096);
    for (size_t i = 0; i < END_COUNT; i++) {
        if (try_ends(a, i, i + 1) == SMUGGLING_FOUND)
            buf_printf(&list, "%s%s", list.len > 0 ? "; " : "", ends[i].name);
    }
    probe_audit_find(a,
                     &(struct probe_audit_about){
                         "smuggling", PROBE_BAD,
                         "update the server, or make it refuse bare CR and LF: only CR LF . CR LF may end a message"},
                     "a message also ends at: %.*s: others can send mail in your users' names",
                     SLICE_ARG(list.len > 0 ? buf_slice(&list) : SLICE("a mix of bare CR and LF")));
    buf_deinit(&list);
}

void probe_audit_smuggling(struct probe_audit *a)
{
    if (a->p->o->to_count == 0) {
        probe_audit_find(a,
                         &(struct probe_audit_about){"smuggling", PROBE_WARNING,
                                                     "say --to with an address of your own on this server"},
                         "not tried: it needs a mailbox to send a test message to");
        return;
    }
    switch (try_ends(a, 0, END_COUNT)) {
    case SMUGGLING_FOUND:
        name_ends(a);
        break;
    case SMUGGLING_NONE:
        probe_audit_find(a, &(struct probe_audit_about){"smuggling", PROBE_OK, ""},
                         "%zu false ends of a message are content", END_COUNT);
        break;
    case SMUGGLING_REFUSED:
        probe_audit_find(a, &(struct probe_audit_about){"smuggling", PROBE_OK, ""},
                         "a message with %zu false ends is refused as a whole", END_COUNT);
        break;
    case SMUGGLING_UNKNOWN:
        probe_audit_find(a,
                         &(struct probe_audit_about){"smuggling", PROBE_WARNING,
                                                     "see with thurn probe -v --to ADDRESS why no message is taken"},
                         "could not be judged: the test message was not taken");
        break;
    }
}
