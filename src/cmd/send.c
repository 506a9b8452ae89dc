/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child/child.h"
#include "cmd/compose.h"
#include "cmd/local_server.h"
#include "cmd/submit.h"

#define RECIPIENTS_MAX 1000u
#define MESSAGE_MAX (1ull << 30)
#define ARENA_MAX (8u << 20)
#define CONNECT_MS 5000
#define READ_PIECE (64u * 1024)

struct send {
    struct command command;
    struct arena arena;
    const char *from, *file;
    slice subject;
    slice to[RECIPIENTS_MAX];
    size_t to_count;
    bool verbose;
    struct local_server server;
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn send --to ADDRESS [--to ADDRESS ...] [--from ADDRESS]\n"
                      "                  [--subject TEXT] [-v] [-c FILE] [MESSAGE | -]\n"
                      "Hands a message (a file, or standard input) to the running server and prints\n"
                      "its queue id. The header fields From, To, Subject, Date and Message-ID are\n"
                      "added where they are missing; a text without a header is a body. Without -c and\n"
                      "without " COMMAND_CONF " a `thurn dev` in this folder gets it. -v shows\n"
                      "the dialogue on standard error.\n"
                      "Exit status: 0 taken; 67 no such recipient, 69 refused or no server, 75 try\n"
                      "again later, 77 not permitted.\n");
    return to == stdout ? 0 : EX_USAGE;
}

static bool keep_address(struct send *s, const char *text, unsigned rules, slice *kept_r)
{
    struct address a;
    char memory[512];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    enum err e = address_parse(slice_str(text), rules, &s->arena, &a);
    if (e == ERR_OK) {
        address_print(&b, a);
        if (a.domain.len == 0 && a.local.len > 0)
            buf_printf(&b, "@%.*s", SLICE_ARG(s->server.origin));
        e = buf_ok(&b) ? arena_copy(&s->arena, buf_slice(&b), kept_r) : ERR_LIMIT;
    }
    if (e != ERR_OK)
        command_say("\"%s\" is not an address", text);
    return e == ERR_OK;
}

/* Who calls, at this host's origin. */
static bool own_address(struct send *s, slice *from_r)
{
    struct os_user user;
    enum err e = os_user_by_uid(os_uid(), &s->arena, &user);
    if (e == ERR_OK)
        e = arena_printf(&s->arena, from_r, "%.*s@%.*s", SLICE_ARG(user.name), SLICE_ARG(s->server.origin));
    if (e != ERR_OK)
        command_say("who are you? Say --from ADDRESS");
    return e == ERR_OK;
}

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

static int read_text(const struct send *s, buf *text)
{
    bool standard = !s->file || strcmp(s->file, "-") == 0;
    enum err e = standard ? read_stream(stdin, text) : os_file_read(AT_FDCWD, slice_str(s->file), text);
    if (e != ERR_OK)
        command_say("%s: %s", standard ? "standard input" : s->file,
                    e == ERR_UNSUPPORTED ? "is not a regular file" : err_text(e));
    return e == ERR_OK ? 0 : EX_NOINPUT;
}

static void make_message(struct send *s, slice from, slice text, buf *content)
{
    uint64_t random;
    slice id = SLICE_NONE;
    struct compose c = {
        .from = from, .to = s->to, .to_count = s->to_count, .subject = s->subject, .now_s = os_wall_s()};
    os_random(&random, sizeof random);
    enum err e = arena_printf(&s->arena, &id, "%lld.%016llx@%.*s", (long long)os_wall_us(), (unsigned long long)random,
                              SLICE_ARG(s->server.hostname));
    c.message_id = id;
    c.offset_min = os_utc_offset_min(c.now_s);
    compose_message(content, &c, text);
    if (e != ERR_OK)
        content->failed = true;
}

static int no_server(const struct send *s, enum err e)
{
    if (e == ERR_NOTFOUND || e == ERR_REFUSED)
        command_say("no server runs here (%s); `thurn serve` or `thurn dev` starts one", s->server.address.path);
    else if (e == ERR_CORRUPT)
        command_say("%s is another user's, and is handed no mail", s->server.address.path);
    else
        command_say("%s: %s", s->server.address.path, err_text(e));
    return e == ERR_PERMISSION || e == ERR_CORRUPT ? EX_NOPERM : EX_UNAVAILABLE;
}

/* "2.0.0 Ok: queued as ID", of which the last word is for scripts. */
static void print_id(const struct submit *submit)
{
    slice reply = slice_of(submit->reply, submit->reply_len);
    ptrdiff_t space = slice_rfind_char(reply, ' ');
    slice id = slice_skip(reply, (size_t)(space + 1));
    (void)printf("%.*s\n", SLICE_ARG(id));
    (void)fflush(stdout);
}

static int submit(struct send *s, slice from, slice content)
{
    struct recipient *recipients = arena_array(&s->arena, s->to_count, sizeof *recipients);
    struct envelope envelope = {
        .reverse_path = from, .recipient_count = (uint32_t)s->to_count, .recipients = recipients};
    struct submit job = {
        .fd = -1, .helo = s->server.hostname, .envelope = &envelope, .content = content, .verbose = s->verbose};
    if (!recipients)
        return EX_OSERR;
    for (size_t i = 0; i < s->to_count; i++)
        recipients[i].address = s->to[i];
    if (!slice_is_ascii(content))
        envelope.flags |= ENVELOPE_BODY_8BIT;
    enum err e = local_server_connect(&s->server, CONNECT_MS, &job.fd);
    if (e != ERR_OK)
        return no_server(s, e);
    submit_run(&job);
    os_close(&job.fd);
    if (job.accepted)
        print_id(&job);
    return job.status;
}

static int run(struct send *s, char **to)
{
    slice from = SLICE_NONE;
    buf text, content;
    int status = local_server_find(&s->command, true, &s->arena, &s->server);
    if (status != 0)
        return status;
    bool good = s->from ? keep_address(s, s->from, ADDRESS_NULL | ADDRESS_NO_DOMAIN, &from) : own_address(s, &from);
    for (size_t i = 0; good && i < s->to_count; i++)
        good = keep_address(s, to[i], ADDRESS_NO_DOMAIN, &s->to[i]);
    if (!good)
        return EX_USAGE;
    buf_init(&text, MESSAGE_MAX);
    buf_init(&content, MESSAGE_MAX);
    status = read_text(s, &text);
    if (status == 0) {
        make_message(s, from, buf_slice(&text), &content);
        if (!buf_ok(&content))
            command_say("the message is too large");
        status = buf_ok(&content) ? submit(s, from, buf_slice(&content)) : EX_DATAERR;
    }
    buf_deinit(&text);
    buf_deinit(&content);
    return status;
}

static bool one_line(slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
            return false;
    }
    return true;
}

static bool take_option(struct send *s, int option, char *value, char **to)
{
    switch (option) {
    case 'f':
        s->from = value;
        return true;
    case 't':
        if (s->to_count == RECIPIENTS_MAX) {
            command_say("more than %u recipients", RECIPIENTS_MAX);
            return false;
        }
        to[s->to_count++] = value;
        return true;
    case 's':
        s->subject = slice_str(value);
        if (!one_line(s->subject))
            command_say("a subject must not have control characters in it");
        return one_line(s->subject);
    case 'v':
        s->verbose = true;
        return true;
    default:
        return command_option(&s->command, option, value);
    }
}

int cmd_send(int argc, char **argv)
{
    static const struct option options[] = {COMMAND_OPTIONS,
                                            {"from", required_argument, NULL, 'f'},
                                            {"to", required_argument, NULL, 't'},
                                            {"subject", required_argument, NULL, 's'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    static struct send s;
    static char *to[RECIPIENTS_MAX];
    arena_init(&s.arena, ARENA_MAX);
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT "v", options, NULL)) != -1;) {
        if (!take_option(&s, o, optarg, to))
            return usage(stderr);
    }
    if (s.command.help)
        return usage(stdout);
    if (argc - optind > 1)
        command_say_extra(argv[argc - 1]);
    else if (s.to_count == 0)
        command_say("to whom? Say --to ADDRESS");
    if (s.to_count == 0 || argc - optind > 1)
        return usage(stderr);
    s.file = optind < argc ? argv[optind] : NULL;
    int status = run(&s, to);
    arena_deinit(&s.arena);
    return status;
}
