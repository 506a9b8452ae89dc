/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define PORT_SMTP 25
#define PORT_LMTP 24

static const struct {
    const char *prefix;
    enum deliver_kind kind;
} kinds[] = {
    {"maildir", DELIVER_MAILDIR}, {"mbox", DELIVER_MBOX},       {"lmtp", DELIVER_LMTP}, {"smtp", DELIVER_SMTP},
    {"mx", DELIVER_MX},           {"discard", DELIVER_DISCARD}, {"pipe", DELIVER_PIPE}, {"hold", DELIVER_HOLD},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const char *const variables[] = {"{user}", "{local}", "{domain}"};

/* Every {word} is one that expands. */
static bool check_variables(struct reader *r, const struct toml_node *node, slice text)
{
    for (ptrdiff_t at; (at = slice_find_char(text, '{')) >= 0; text = slice_skip(text, (size_t)at + 1)) {
        slice from = slice_skip(text, (size_t)at);
        ptrdiff_t close = slice_find_char(from, '}');
        slice word = slice_sub(from, 0, close < 0 ? from.len : (size_t)close + 1);
        bool known = false;
        for (size_t i = 0; i < 3; i++)
            known = known || slice_equal(word, slice_str(variables[i]));
        if (known)
            continue;
        messages_error(&r->m, node->place, "\"%.*s\" does not expand: only {user}, {local} and {domain} do",
                       SLICE_ARG(word));
        messages_hint(&r->m, suggest_word(word, variables, 3));
        return false;
    }
    return true;
}

static bool has_user(slice text)
{
    return slice_find(text, SLICE("{user}")) >= 0 || slice_find(text, SLICE("{local}")) >= 0;
}

static bool has_dots(slice path)
{
    while (path.len > 0) {
        slice part;
        slice_cut(path, '/', &part, &path);
        if (slice_equal(part, SLICE("..")))
            return true;
    }
    return false;
}

static bool read_path(struct reader *r, const struct toml_node *node, enum users_kind users, struct deliver_spec *d)
{
    slice path = d->argument;
    d->home = d->kind == DELIVER_MAILDIR && slice_starts(path, SLICE("~/"));
    if (d->home && users != USERS_SYSTEM) {
        messages_error(&r->m, node->place, "\"~/\" is a system user's home: it needs users = \"system\"");
        return false;
    }
    if (!d->home && (path.len < 2 || path.ptr[0] != '/')) {
        messages_error(&r->m, node->place, "\"deliver\" needs an absolute path, not \"%.*s\"", SLICE_ARG(path));
        return false;
    }
    if (has_dots(path)) {
        messages_error(&r->m, node->place, "\"deliver\" must not have \"..\" in its path");
        return false;
    }
    if (users == USERS_ANY && has_user(path)) {
        messages_error(&r->m, node->place,
                       "users = \"any\" with {user} or {local} in a path would make a mailbox for every name that "
                       "anyone thinks of");
        return false;
    }
    return check_variables(r, node, path);
}

static bool read_host(struct reader *r, const struct toml_node *node, struct deliver_spec *d)
{
    struct reader_host host;
    if (d->kind == DELIVER_LMTP && slice_starts(d->argument, SLICE("unix:"))) {
        d->argument = slice_skip(d->argument, 5);
        if (d->argument.len > 0 && d->argument.ptr[0] == '/' && d->argument.len < 108)
            return true;
        messages_error(&r->m, node->place, "\"lmtp:unix:\" needs an absolute path of at most 107 bytes");
        return false;
    }
    if (!reader_host_port(r, node->place, d->argument, d->kind == DELIVER_LMTP ? PORT_LMTP : PORT_SMTP, &host))
        return false;
    if (slice_equal(host.host, SLICE("*"))) {
        messages_error(&r->m, node->place, "\"deliver\" needs a host, not \"*\"");
        return false;
    }
    d->host = host.host;
    d->port = host.port;
    d->argument = SLICE_NONE;
    return true;
}

static bool read_argument(struct reader *r, const struct toml_node *node, enum users_kind users, struct deliver_spec *d)
{
    switch (d->kind) {
    case DELIVER_MAILDIR:
    case DELIVER_MBOX:
        return read_path(r, node, users, d);
    case DELIVER_LMTP:
    case DELIVER_SMTP:
        return read_host(r, node, d);
    case DELIVER_PIPE:
        d->argument = slice_trim(d->argument);
        if (d->argument.len > 1 && d->argument.ptr[0] == '/')
            return check_variables(r, node, d->argument);
        messages_error(&r->m, node->place, "\"pipe:\" needs a command that begins with an absolute path");
        return false;
    default:
        if (d->argument.len == 0)
            return true;
        messages_error(&r->m, node->place, "nothing may follow the colon of \"%.*s\"", SLICE_ARG(d->text));
        return false;
    }
}

bool read_deliver(struct reader *r, const struct toml_node *node, enum users_kind users, struct deliver_spec *deliver_r)
{
    const char *words[KINDS];
    slice word, rest, text = toml_text(node);
    bool has_colon = slice_cut(text, ':', &word, &rest);
    for (size_t i = 0; i < KINDS; i++) {
        words[i] = kinds[i].prefix;
        if (!slice_equal(word, slice_str(kinds[i].prefix)))
            continue;
        struct deliver_spec d = {.kind = kinds[i].kind, .text = text, .argument = rest};
        if (!has_colon) {
            messages_error(&r->m, node->place, "\"%.*s\" needs a colon: \"%.*s:\"", SLICE_ARG(text), SLICE_ARG(text));
            return false;
        }
        if (!read_argument(r, node, users, &d))
            return false;
        *deliver_r = d;
        return true;
    }
    messages_error(&r->m, node->place,
                   "\"deliver\" must begin with maildir:, mbox:, lmtp:, smtp:, mx:, pipe:, discard: or hold:, not "
                   "\"%.*s\"",
                   SLICE_ARG(text));
    messages_hint(&r->m, suggest_word(word, words, KINDS));
    return false;
}
