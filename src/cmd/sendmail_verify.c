/* SPDX-License-Identifier: ISC */
#include "cmd/batch_link.h"
#include "cmd/sendmail.h"
#include "cmd/sendmail_header.h"
#include "cmd/submit.h"

#define ARENA_MAX (8u << 20)
#define LINE_MAX_BYTES 2048

static int ask(const struct batch_server *server, slice address, bool utf8, buf *out)
{
    char memory[LINE_MAX_BYTES];
    buf line;
    struct verdict v;
    buf_init_fixed(&line, memory, sizeof memory);
    enum err e = server->command(server->ctx, utf8 ? SLICE("MAIL FROM:<> SMTPUTF8") : SLICE("MAIL FROM:<>"), &v);
    if (e == ERR_OK && verdict_ok(&v)) {
        buf_printf(&line, "RCPT TO:<%.*s>", SLICE_ARG(address));
        e = buf_ok(&line) ? server->command(server->ctx, buf_slice(&line), &v) : ERR_LIMIT;
    }
    if (e != ERR_OK) {
        command_say("the server does not answer: %s", err_text(e));
        return EX_TEMPFAIL;
    }
    buf_append_escaped(out, address);
    buf_append(out, SLICE("... "));
    if (verdict_ok(&v)) {
        buf_append(out, SLICE("deliverable\n"));
    } else {
        buf_clear(&line);
        status_print(&line, &v);
        buf_append_escaped(out, buf_slice(&line));
        buf_append_char(out, '\n');
    }
    server->abandon(server->ctx);
    return verdict_ok(&v) ? 0 : submit_exit_status(&v);
}

static int ask_all(struct batch_link *l, const struct sendmail_recipients *to)
{
    struct batch_server server = batch_link_server(l);
    int status = 0;
    for (size_t i = 0; i < to->count; i++) {
        buf out;
        buf_init(&out, 4 * LINE_MAX_BYTES);
        int one = ask(&server, to->list[i], to->utf8, &out);
        int printed = command_print(&out);
        buf_deinit(&out);
        status = status != 0 ? status : one != 0 ? one : printed;
    }
    return status;
}

int sendmail_verify(const struct command *c, const char **words, size_t count)
{
    static struct batch_link link;
    struct conf *conf = NULL;
    struct arena arena;
    int status = command_load(c, &conf);
    if (status != 0)
        return status;
    arena_init(&arena, ARENA_MAX);
    struct sendmail_recipients to = {.arena = &arena, .origin = conf->route.origin};
    enum err e = ERR_OK;
    for (size_t i = 0; i < count && e == ERR_OK; i++)
        e = sendmail_recipients_add(&to, slice_str(words[i]));
    if (e != ERR_OK || to.count == 0) {
        command_say(e == ERR_OK ? "whom? Name addresses" : "\"%.*s\" is not an address", SLICE_ARG(to.bad));
        status = e == ERR_OK ? EX_USAGE : EX_DATAERR;
    } else if (batch_link_init(&link, c, conf) != ERR_OK) {
        command_say("state_dir: its path is too long for a socket");
        status = EX_CONFIG;
    } else {
        status = ask_all(&link, &to);
        batch_link_deinit(&link);
    }
    conf_close(&conf);
    arena_deinit(&arena);
    return status;
}
