/* SPDX-License-Identifier: ISC */
#include "cmd/init.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 253u
#define PATH_BYTES 4096
#define SOCKET_PATH_MAX 107u
#define LONGEST_SOCKET "/run/control.sock"
#define MESSAGES_MAX (1u << 16)

/* A name that the DNS can have, in A-labels and lower case; with a dot when it is a whole one. */
static bool read_domain(struct init *n, const char *word, const char *what, slice *domain_r)
{
    char memory[512];
    buf b;
    slice text = slice_str(word);
    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    buf_init_fixed(&b, memory, sizeof memory);
    bool good = text.len > 0 && text.ptr[0] != '[' && idna_to_ascii(text, &b) == ERR_OK && b.len <= NAME_MAX_BYTES &&
                slice_find_char(buf_slice(&b), '.') > 0 && address_domain_valid(buf_slice(&b), false);
    for (size_t i = 0; good && i < b.len; i++)
        memory[i] = ascii_lower(memory[i]);
    uint8_t ip[16];
    size_t ip_len;
    good = good && address_ip_parse(buf_slice(&b), ip, &ip_len) != ERR_OK;
    if (!good)
        command_say("%s: \"%s\" is not a domain name like example.org", what, word);
    else if (arena_copy(&n->arena, buf_slice(&b), domain_r) != ERR_OK)
        good = false;
    return good;
}

static int read_domains(struct init *n)
{
    char memory[512];
    buf own;
    if (!read_domain(n, n->words.domain, "DOMAIN", &n->domain))
        return EX_USAGE;
    if (n->words.hostname)
        return read_domain(n, n->words.hostname, "--hostname", &n->hostname) ? 0 : EX_USAGE;
    buf_init_fixed(&own, memory, sizeof memory - 1);
    if (n->words.null_client)
        os_host_name(&own);
    else
        buf_append(&own, SLICE("mail"));
    if (own.len == 0)
        buf_append(&own, SLICE("host"));
    if (slice_find_char(buf_slice(&own), '.') < 0)
        buf_printf(&own, ".%.*s", SLICE_ARG(n->domain));
    memory[own.len] = 0;
    return read_domain(n, memory, "the name of this machine (--hostname gives another)", &n->hostname) ? 0 : EX_USAGE;
}

/* Who called, when that is not root. */
static slice caller(struct init *n)
{
    struct os_user user;
    const char *sudo = getenv("SUDO_UID");
    uint64_t uid = os_uid();
    if (uid == 0 && (!sudo || slice_to_u64(slice_str(sudo), UINT32_MAX, &uid) != ERR_OK))
        uid = 0;
    if (uid == 0 || os_user_by_uid((uint32_t)uid, &n->arena, &user) != ERR_OK)
        return SLICE_NONE;
    return user.name;
}

static bool is_plain(slice text)
{
    for (size_t i = 0; i < text.len;) {
        size_t len = slice_utf8_len(slice_skip(text, i));
        if (len == 0 || (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
        i += len;
    }
    return true;
}

/* LOCAL or LOCAL=Full Name. */
static int read_user(struct init *n)
{
    slice word = n->words.user ? slice_str(n->words.user) : caller(n);
    struct address a;
    slice text;
    if (word.len == 0)
        word = SLICE("postmaster");
    (void)slice_cut(word, '=', &n->local, &n->full_name);
    enum err e = arena_printf(&n->arena, &text, "%.*s@%.*s", SLICE_ARG(n->local), SLICE_ARG(n->domain));
    if (e == ERR_OK)
        e = address_parse(text, ADDRESS_STRICT, &n->arena, &a);
    bool good = e == ERR_OK && slice_equal(a.local, n->local) && slice_printable_len(text) == text.len;
    for (size_t i = 0; good && i < n->local.len; i++)
        good = n->local.ptr[i] != '"';
    if (!good) {
        command_say("--user: \"%.*s\" is not the part before the @ of an address", SLICE_ARG(n->local));
        return EX_USAGE;
    }
    if (!is_plain(n->full_name)) {
        command_say("--user: a name must not have control characters in it");
        return EX_USAGE;
    }
    char *lower = arena_alloc(&n->arena, text.len);
    for (size_t i = 0; lower && i < text.len; i++)
        lower[i] = ascii_lower(text.ptr[i]);
    n->address = slice_of(lower, lower ? text.len : 0);
    n->local = slice_sub(n->address, 0, n->local.len);
    return lower ? 0 : EX_OSERR;
}

/* The part that is there, without links; behind it what is still to be made. */
static bool absolute(struct init *n, slice path, slice *path_r)
{
    char memory[PATH_BYTES];
    buf real;
    slice there = path, rest = SLICE_NONE;
    while (there.len > 1 && there.ptr[there.len - 1] == '/')
        there.len--;
    buf_init_fixed(&real, memory, sizeof memory);
    path = there;
    while (os_path_real(there.len > 0 ? there : SLICE("."), &real) != ERR_OK) {
        ptrdiff_t slash = slice_rfind_char(there, '/');
        if (there.len == 0 || slash == 0)
            return false;
        there = slice_sub(there, 0, slash < 0 ? 0 : (size_t)slash);
        rest = slice_skip(path, there.len + (there.len > 0));
        buf_clear(&real);
    }
    while (slice_starts(rest, SLICE("./")))
        rest = slice_skip(rest, 2);
    bool root = real.len == 1;
    return arena_printf(&n->arena, path_r, "%.*s%s%.*s", SLICE_ARG(buf_slice(&real)), rest.len > 0 && !root ? "/" : "",
                        SLICE_ARG(rest)) == ERR_OK;
}

/* A path that the configuration can have in it: "{" begins a variable there. */
static int read_path(struct init *n, const char *word, const char *what, slice *path_r)
{
    if (*word == 0 || !absolute(n, slice_str(word), path_r)) {
        command_say("%s: \"%s\" cannot be found, nor made", what, word);
        return EX_USAGE;
    }
    bool good = is_plain(*path_r) && slice_find_char(*path_r, '{') < 0 && slice_find_char(*path_r, '}') < 0 &&
                slice_find(*path_r, SLICE("/../")) < 0 && !slice_ends_nocase(*path_r, SLICE("/.."));
    if (!good)
        command_say("%s: \"%s\" must be UTF-8 without control characters, braces, and \"..\" where nothing is", what,
                    word);
    return good ? 0 : EX_USAGE;
}

static enum err join(struct init *n, slice folder, const char *name, slice *path_r)
{
    return arena_printf(&n->arena, path_r, "%.*s%s%s", SLICE_ARG(folder), folder.len == 1 ? "" : "/", name);
}

static int set_places(struct init *n, slice dir)
{
    enum err e = ERR_OK;
    ptrdiff_t slash = slice_rfind_char(n->conf_path, '/');
    n->conf_folder = slash > 0 ? slice_sub(n->conf_path, 0, (size_t)slash) : SLICE("/");
    n->state_dir = SLICE(INIT_STATE);
    n->mail_dir = SLICE(INIT_MAIL);
    if (dir.len > 0)
        e = join(n, dir, "state", &n->state_dir);
    if (e == ERR_OK && dir.len > 0)
        e = join(n, dir, "mail", &n->mail_dir);
    if (e == ERR_OK)
        e = join(n, n->conf_folder, "aliases", &n->aliases);
    if (e == ERR_OK)
        e = join(n, n->conf_folder, "relay.pw", &n->password_file);
    if (e == ERR_OK && !n->words.cert)
        e = join(n, n->conf_folder, "tls/fullchain.pem", &n->cert);
    if (e == ERR_OK && !n->words.key)
        e = join(n, n->conf_folder, "tls/privkey.pem", &n->key);
    if (e != ERR_OK)
        return EX_OSERR;
    if (n->state_dir.len + sizeof LONGEST_SOCKET - 1 <= SOCKET_PATH_MAX)
        return 0;
    command_say("--dir: the sockets below \"%.*s\" would have names of more than %u bytes; take a shorter one",
                SLICE_ARG(dir), SOCKET_PATH_MAX);
    return EX_USAGE;
}

static int read_paths(struct init *n)
{
    slice dir = SLICE_NONE;
    int status = 0;
    if (n->words.dir)
        status = read_path(n, n->words.dir, "--dir", &dir);
    if (status == 0 && n->words.cert)
        status = read_path(n, n->words.cert, "--cert", &n->cert);
    if (status == 0 && n->words.key)
        status = read_path(n, n->words.key, "--key", &n->key);
    if (status != 0)
        return status;
    if (n->command.conf_path)
        status = read_path(n, n->command.conf_path, "-c", &n->conf_path);
    else if (dir.len == 0)
        n->conf_path = SLICE(COMMAND_CONF);
    else if (join(n, dir, "thurn.toml", &n->conf_path) != ERR_OK)
        status = EX_OSERR;
    return status == 0 ? set_places(n, dir) : status;
}

/* The one who tries it owns what lies below --dir; a server of the machine has a user of its own. */
static void choose_system_user(struct init *n)
{
    slice name = n->words.dir ? caller(n) : SLICE_NONE;
    n->system_user = name.len > 0 ? name : SLICE(INIT_USER);
}

/* The configuration's own reader says what is wrong with it. */
static bool via_is_good(const char *via)
{
    char memory[PATH_BYTES];
    struct conf *conf = NULL;
    buf text, messages;
    buf_init_fixed(&text, memory, sizeof memory);
    buf_init(&messages, MESSAGES_MAX);
    buf_append(&text, SLICE("hostname = \"null.example\"\npostmaster = \"a@null.example\"\n[route.\"*\"]\nvia = "));
    buf_append_json(&text, slice_str(via));
    buf_append(&text, SLICE("\ntls = \"verify\"\n"));
    enum err e = buf_ok(&text) ? conf_parse(SLICE("--via"), buf_slice(&text), false, &messages, &conf) : ERR_LIMIT;
    if (e == ERR_OK)
        conf_close(&conf);
    else
        (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
    buf_deinit(&messages);
    return e == ERR_OK;
}

static int read_via(struct init *n)
{
    if (!n->words.via) {
        command_say("a null client sends through another server: say --via smtps://LOGIN@HOST or smtp://HOST");
        return EX_USAGE;
    }
    if (!is_plain(slice_str(n->words.via)) || !via_is_good(n->words.via)) {
        command_say("--via: \"%s\" is not like smtps://LOGIN@HOST:PORT or smtp://HOST:PORT", n->words.via);
        return EX_USAGE;
    }
    slice rest = slice_str(n->words.via);
    rest = slice_skip(rest, (size_t)slice_find(rest, SLICE("://")) + 3);
    if (slice_find_char(rest, '@') > 0)
        n->relay_login = rest;
    return 0;
}

int init_names_read(struct init *n)
{
    n->root = os_uid() == 0;
    int status = read_domains(n);
    if (status == 0 && n->words.null_client)
        status = read_via(n);
    if (status == 0 && !n->words.no_user && !n->words.null_client)
        status = read_user(n);
    if (status == 0)
        status = read_paths(n);
    if (status != 0)
        return status;
    choose_system_user(n);
    n->postmaster = n->address;
    if (n->postmaster.len == 0 &&
        arena_printf(&n->arena, &n->postmaster, "postmaster@%.*s", SLICE_ARG(n->domain)) != ERR_OK)
        return EX_OSERR;
    if (n->words.null_client && n->words.user &&
        arena_printf(&n->arena, &n->postmaster, "%s@%.*s", n->words.user, SLICE_ARG(n->domain)) != ERR_OK)
        return EX_OSERR;
    return 0;
}
