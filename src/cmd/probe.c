/* SPDX-License-Identifier: ISC */
#include "cmd/probe.h"

#include <stdlib.h>
#include <unistd.h>

#include "cmd/probe_audit.h"
#include "cmd/probe_find.h"
#include "cmd/probe_message.h"
#include "cmd/probe_proxy.h"
#include "cmd/probe_session.h"
#include "cmd/terminal.h"

#define ARENA_MAX (64u << 20)
#define MESSAGE_MAX (1ull << 30)
#define SECRET_MAX 16384u
#define READ_PIECE (64u * 1024)
#define HOST_NAME_MAX_BYTES 256

static enum err read_stream(FILE *from, buf *text)
{
    for (;;) {
        char *room = buf_reserve(text, READ_PIECE);
        if (!room)
            return ERR_LIMIT;
        size_t n = fread(room, 1, READ_PIECE, from);
        buf_grown(text, n);
        if (n == 0)
            return ferror(from) ? ERR_IO : ERR_OK;
    }
}

static int read_file(slice path, buf *text)
{
    enum err e = slice_equal(path, SLICE("-")) ? read_stream(stdin, text) : os_file_read(AT_FDCWD, path, text);
    if (e == ERR_OK)
        return 0;
    command_say("%.*s: %s", SLICE_ARG(path), err_text(e));
    return EX_NOINPUT;
}

static int read_secret(const struct probe_options *o, buf *secret)
{
    slice path = o->token_file.len > 0 ? o->token_file : o->password_file, line, rest;
    if (path.len > 0) {
        int status = read_file(path, secret);
        (void)slice_cut(buf_slice(secret), '\n', &line, &rest);
        secret->len = line.len > 0 && line.ptr[line.len - 1] == '\r' ? line.len - 1 : line.len;
        return status;
    }
    if (o->user.len == 0 || slice_equal_nocase(o->mechanism, SLICE("EXTERNAL")))
        return 0;
    enum err e = terminal_ask_password(o->user, secret);
    if (e == ERR_OK)
        return 0;
    command_say("no password: %s", e == ERR_CLOSED ? "nothing came" : err_text(e));
    return EX_NOINPUT;
}

/* Our own name: as given, or of the configuration, or of this machine. */
static bool own_name(const struct probe_options *o, struct arena *arena, slice *name_r)
{
    struct conf *conf = NULL;
    char memory[HOST_NAME_MAX_BYTES];
    buf messages, own;
    if (o->helo.len > 0)
        return arena_copy(arena, o->helo, name_r) == ERR_OK;
    if (o->command.conf_path && command_load(&o->command, &conf) != 0)
        return false;
    buf_init(&messages, 1u << 20);
    if (!conf && conf_load_alone(COMMAND_CONF, false, &messages, &conf) != ERR_OK)
        conf = NULL;
    buf_deinit(&messages);
    buf_init_fixed(&own, memory, sizeof memory);
    os_host_name(&own);
    if (own.len == 0)
        buf_append(&own, SLICE("localhost"));
    enum err e = arena_copy(arena, conf ? conf->route.hostname : buf_slice(&own), name_r);
    conf_close(&conf);
    return e == ERR_OK;
}

static bool own_address(struct probe_options *o, struct arena *arena, slice host)
{
    struct os_user user;
    if (o->from_given) {
        if (slice_equal(o->from, SLICE("<>")))
            o->from = SLICE_NONE;
        return true;
    }
    if (slice_find_char(o->user, '@') > 0) {
        o->from = o->user;
        return true;
    }
    slice name = os_user_by_uid(os_uid(), arena, &user) == ERR_OK ? user.name : SLICE("postmaster");
    return arena_printf(arena, &o->from, "%.*s@%.*s", SLICE_ARG(name), SLICE_ARG(host)) == ERR_OK;
}

static int make_letter(const struct probe_options *o, struct arena *arena, slice host, buf *content)
{
    struct probe_file *files = arena_array(arena, o->attachments.count, sizeof *files);
    uint64_t random[2];
    struct probe_letter l = {.from = o->from,
                             .to = o->to,
                             .to_count = o->to_count,
                             .subject = o->subject,
                             .headers = &o->headers,
                             .files = files,
                             .file_count = o->attachments.count,
                             .now_s = os_wall_s()};
    os_random(random, sizeof random);
    l.offset_min = os_utc_offset_min(l.now_s);
    if (!files ||
        arena_printf(arena, &l.message_id, "%016llx@%.*s", (unsigned long long)random[0], SLICE_ARG(host)) != ERR_OK ||
        arena_printf(arena, &l.boundary, "=_%016llx", (unsigned long long)random[1]) != ERR_OK)
        return EX_OSERR;
    if (l.from.len == 0 && arena_printf(arena, &l.from, "postmaster@%.*s", SLICE_ARG(host)) != ERR_OK)
        return EX_OSERR;
    for (size_t i = 0; i < o->attachments.count; i++) {
        buf text;
        buf_init(&text, ARENA_MAX / 2);
        int status = read_file(o->attachments.of[i], &text);
        files[i].name = o->attachments.of[i];
        if (status == 0 && arena_copy(arena, buf_slice(&text), &files[i].content) != ERR_OK)
            status = EX_OSERR;
        buf_deinit(&text);
        if (status != 0)
            return status;
    }
    probe_message_make(content, &l);
    return buf_ok(content) ? 0 : EX_DATAERR;
}

static int make_content(const struct probe_options *o, struct arena *arena, slice host, buf *content)
{
    buf text;
    if (!o->data)
        return make_letter(o, arena, host, content);
    buf_init(&text, MESSAGE_MAX);
    int status = read_file(slice_str(o->data), &text);
    if (status == 0)
        probe_message_take(content, buf_slice(&text), &o->headers, o->binary);
    buf_deinit(&text);
    return status == 0 && !buf_ok(content) ? EX_DATAERR : status;
}

static bool connect_to(struct probe_session *p, const struct probe_place *place)
{
    buf header;
    enum err e = probe_open(p, place);
    if (e == ERR_OK && p->o->proxy) {
        buf_init(&header, 1024);
        probe_proxy_write(&header, p->o->proxy_version, &p->o->proxy_source, &place->address);
        probe_show_note(p->show,
                        p->o->proxy_version == 1 ? SLICE("PROXY header, version 1") : SLICE("PROXY header, version 2"));
        e = probe_link_write(&p->link, buf_slice(&header));
        buf_deinit(&header);
    }
    if (e != ERR_OK)
        probe_fail(p, EX_UNAVAILABLE, "not reached: %s", err_text(e));
    return e == ERR_OK;
}

/* From the connection to the greeting; a host that refuses there is followed by the next, as the sender does it. */
static bool reach(struct probe_session *p, const struct probe_places *places, const struct tls_client *t)
{
    for (size_t i = 0; i < places->count; i++) {
        p->status = 0;
        if (connect_to(p, &places->of[i]) && (!p->o->target.smtps || probe_secure(p, t)) && probe_greeting(p))
            return true;
        probe_link_close(&p->link);
        p->secured = p->verified = false;
        if (i + 1 < places->count)
            probe_show_note(p->show, SLICE("the next host"));
    }
    return false;
}

static void talk(struct probe_session *p, const struct tls_client *t, slice content)
{
    enum probe_quit last = p->o->quit_after;
    if (last == PROBE_QUIT_CONNECT || !probe_helo(p) || last == PROBE_QUIT_HELO)
        return;
    if (!probe_xclient(p) || !probe_starttls(p, t) || last == PROBE_QUIT_STARTTLS)
        return;
    if (!probe_login(p) || last == PROBE_QUIT_AUTH)
        return;
    if (probe_xforward(p) && probe_commands(p))
        (void)probe_mail(p, content);
}

static void say_result(const struct probe_session *p, const char *why)
{
    char memory[512];
    buf b;
    const char *tls = !p->secured ? "none" : p->verified ? "verified" : "unverified";
    buf_init_fixed(&b, memory, sizeof memory);
    if (p->greeted) {
        buf_printf(&b, "reachable, %s", !p->secured ? "no TLS" : p->verified ? "TLS verified" : "TLS not verified");
        buf_printf(&b, "%s, %s", p->signed_in ? ", signed in" : "", p->status ? p->words : "all accepted");
    } else {
        buf_append(&b, slice_str(why ? why : p->words));
    }
    probe_show_result(p->show, &(struct probe_result){buf_slice(&b), p->status, tls, p->greeted});
}

static int open_tls(const struct probe_options *o, struct tls_client **t_r)
{
    char memory[512];
    buf why;
    struct tls_pair pair = {.cert = o->cert, .key = o->key};
    buf_init_fixed(&why, memory, sizeof memory);
    enum err e = tls_client_open(false, t_r, &why);
    if (e == ERR_OK && o->ca.len > 0)
        e = tls_client_trust(*t_r, o->ca, &why);
    if (e == ERR_OK && o->cert.len > 0)
        e = tls_client_identify(*t_r, &pair, &why);
    if (e != ERR_OK)
        command_say("%.*s", SLICE_ARG(buf_slice(&why)));
    return e == ERR_OK ? 0 : EX_NOINPUT;
}

static int run(struct probe_session *p, struct probe_options *o, const struct tls_client *t, buf *content)
{
    struct probe_places places;
    const char *why = NULL;
    slice host;
    if (!own_name(o, &p->arena, &host) || !own_address(o, &p->arena, host))
        return EX_CONFIG;
    p->helo = host;
    int status = o->audit ? 0 : make_content(o, &p->arena, host, content);
    if (status != 0)
        return status;
    p->status = probe_find(o, p->show, &p->arena, &places, &why);
    if (p->status == 0 && o->audit)
        return probe_audit(p, &places, t);
    if (p->status == 0 && reach(p, &places, t)) {
        talk(p, t, buf_slice(content));
        probe_quit(p);
    }
    say_result(p, why);
    return p->status;
}

static int probe_with(struct probe_options *o, buf *secret, buf *content)
{
    struct probe_show show = {
        .json = o->json, .color = command_colored(&o->command, STDOUT_FILENO), .width = terminal_width()};
    struct probe_session p = {.o = o, .show = &show};
    struct tls_client *t = NULL;
    arena_init(&p.arena, ARENA_MAX);
    probe_link_init(&p.link);
    p.link.timeout_ms = o->timeout_ms;
    buf_init(&p.line, 4 * PROBE_LINE_MAX);
    int status = read_secret(o, secret);
    p.secret = buf_slice(secret);
    if (status == 0)
        status = open_tls(o, &t);
    if (status == 0)
        status = run(&p, o, t, content);
    probe_link_close(&p.link);
    if (p.hidden.ptr)
        explicit_bzero(p.hidden.ptr, p.hidden.cap);
    buf_deinit(&p.hidden);
    buf_deinit(&p.line);
    tls_client_close(&t);
    arena_deinit(&p.arena);
    return status;
}

int cmd_probe(int argc, char **argv)
{
    static struct probe_options o;
    char memory[SECRET_MAX];
    buf secret, content;
    int status;
    if (!probe_options_read(&o, argc, argv, &status))
        return status;
    if (o.audit && !o.yes)
        return probe_audit_plan(&o);
    buf_init_fixed(&secret, memory, sizeof memory);
    buf_init(&content, MESSAGE_MAX);
    status = probe_with(&o, &secret, &content);
    explicit_bzero(memory, sizeof memory);
    buf_deinit(&content);
    return status;
}
