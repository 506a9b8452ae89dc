/* SPDX-License-Identifier: ISC */
#include "cmd/sendmail.h"

#include <string.h>

#include "cmd/local_server.h"
#include "cmd/sendmail_header.h"
#include "cmd/sendmail_letter.h"
#include "cmd/sendmail_options.h"
#include "cmd/submit.h"

#define ARENA_MAX (32u << 20)
#define CONTENT_MAX (4u << 20)
#define CONNECT_MS 5000
#define TRANSACTION_MAX 1000u

struct sendmail {
    struct command command;
    struct sendmail_options options;
    struct arena arena;
    struct local_server server;
    struct sendmail_recipients to;
    slice sender;
    slice login, full_name; /* of who calls; empty when nobody knows */
    struct sendmail_letter letter;
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: sendmail [-t] [-i] [-f SENDER] [-F NAME] [-N WHEN] [-R full|hdrs]\n"
                      "                [-V ID] [-B 7BIT|8BITMIME] [-v] [RECIPIENT ...]\n"
                      "       sendmail -bs | -bS | -bp | -bi | -bv RECIPIENT ... | -q\n"
                      "       mailq, newaliases\n"
                      "Hands a message (standard input) to the running server, as other programs\n"
                      "expect of a sendmail. -t takes the recipients from the header, and those of the\n"
                      "command line. A dot on a line ends the message unless there is -i.\n"
                      "As `thurn sendmail` it takes -c FILE, the configuration.\n"
                      "Exit status: 0 the mail is on disk; 64 wrong usage, 65 wrong data, 67 no such\n"
                      "recipient, 69 refused, 75 try again later, 77 not permitted, 78 the\n"
                      "configuration has errors.\n");
    return to == stdout ? 0 : EX_USAGE;
}

static int say_bad(enum err e, slice bad)
{
    if (e == ERR_SYNTAX)
        command_say("\"%.*s\" is not an address", SLICE_ARG(slice_sub(bad, 0, 200)));
    else if (e == ERR_LIMIT)
        command_say("more than %u recipients, or an address that is too long", SENDMAIL_RECIPIENTS_MAX);
    else
        command_say("%s", err_text(e));
    return e == ERR_SYNTAX || e == ERR_LIMIT ? EX_DATAERR : EX_TEMPFAIL;
}

static void find_caller(struct sendmail *s)
{
    struct os_user user;
    char memory[512];
    buf name;
    if (os_user_by_uid(os_uid(), &s->arena, &user) != ERR_OK)
        return;
    buf_init_fixed(&name, memory, sizeof memory);
    sendmail_full_name(&name, user.full_name, user.name);
    s->login = user.name;
    if (!buf_ok(&name) || arena_copy(&s->arena, buf_slice(&name), &s->full_name) != ERR_OK)
        s->full_name = SLICE_NONE;
}

/* Who sends: -f, or who calls at this host's origin. */
static int find_sender(struct sendmail *s)
{
    find_caller(s);
    if (s->options.full_name)
        s->full_name = slice_str(s->options.full_name);
    slice text = s->options.from ? slice_str(s->options.from) : s->login;
    if (!s->options.from && text.len == 0) {
        command_say("user %u has no name here; -f says who sends", os_uid());
        return EX_OSERR;
    }
    enum err e = sendmail_sender_read(&s->arena, text, s->server.origin, &s->sender);
    return e == ERR_OK ? 0 : say_bad(e, text);
}

static int find_recipients(struct sendmail *s)
{
    s->to = (struct sendmail_recipients){.arena = &s->arena, .origin = s->server.origin};
    for (size_t i = 0; i < s->options.word_count; i++) {
        enum err e = sendmail_recipients_add(&s->to, slice_str(s->options.words[i]));
        if (e != ERR_OK)
            return say_bad(e, s->to.bad);
    }
    if (s->to.count > 0 || s->options.header_recipients)
        return 0;
    command_say("nobody to send to: name recipients, or take them from the header with -t");
    return usage(stderr);
}

static int read_letter(struct sendmail *s)
{
    enum err e = sendmail_letter_read(&s->letter, stdin, s->options.dots_are_text);
    switch (e) {
    case ERR_OK:
        break;
    case ERR_LIMIT:
        command_say("the header is larger than 1 MiB");
        return EX_DATAERR;
    case ERR_IO:
        command_say("standard input cannot be read");
        return EX_IOERR;
    default:
        command_say("the message cannot be kept in memory and /tmp until it is sent");
        return EX_TEMPFAIL;
    }
    if (!s->options.header_recipients)
        return 0;
    e = sendmail_recipients_add_header(&s->to, sendmail_letter_header(&s->letter));
    if (e != ERR_OK)
        return say_bad(e, s->to.bad);
    if (s->to.count == 0)
        command_say("there are no recipients in the header");
    return s->to.count > 0 ? 0 : EX_DATAERR;
}

/* The header mended, and what of the body is in memory. */
static enum err make_content(struct sendmail *s, buf *content)
{
    uint64_t random;
    struct sendmail_header_add add = {.name = s->full_name, .address = s->sender, .now_s = os_wall_s()};
    enum err e = ERR_OK;
    add.offset_min = os_utc_offset_min(add.now_s);
    if (add.address.len == 0)
        e = arena_printf(&s->arena, &add.address, "%.*s@%.*s",
                         SLICE_ARG(s->login.len > 0 ? s->login : SLICE("MAILER-DAEMON")), SLICE_ARG(s->server.origin));
    os_random(&random, sizeof random);
    if (e == ERR_OK)
        e = arena_printf(&s->arena, &add.message_id, "%lld.%016llx@%.*s", (long long)os_wall_us(),
                         (unsigned long long)random, SLICE_ARG(s->server.hostname));
    if (e != ERR_OK)
        return e;
    sendmail_header_mend(content, sendmail_letter_header(&s->letter), &add);
    buf_append(content, sendmail_letter_body(&s->letter));
    return buf_ok(content) ? ERR_OK : ERR_NOMEM;
}

static int no_server(const struct sendmail *s, enum err e)
{
    command_say("%s: %s; the message has not been sent", s->server.address.path,
                e == ERR_NOTFOUND || e == ERR_REFUSED ? "no server runs here now" : err_text(e));
    return e == ERR_PERMISSION ? EX_NOPERM : EX_TEMPFAIL;
}

/* To so many recipients as one transaction has. */
static int submit(const struct sendmail *s, const struct envelope *envelope, slice content)
{
    struct submit job = {.fd = -1,
                         .helo = s->server.hostname,
                         .envelope = envelope,
                         .content = content,
                         .more = s->letter.file,
                         .verbose = s->options.verbose};
    enum err e = socket_connect_wait(&s->server.address, CONNECT_MS, &job.fd);
    if (e != ERR_OK)
        return no_server(s, e);
    submit_run(&job);
    os_close(&job.fd);
    return job.accepted || job.status != 0 ? job.status : EX_TEMPFAIL;
}

/* What is in a file is not looked at for it: such a message may always be called 8-bit. */
static bool has_eight_bit(const struct sendmail *s, slice content)
{
    return s->letter.file || !slice_is_ascii(content);
}

static int submit_all(struct sendmail *s, slice content)
{
    uint32_t most =
        s->server.recipients > 0 && s->server.recipients < TRANSACTION_MAX ? s->server.recipients : TRANSACTION_MAX;
    struct recipient *recipients = arena_array(&s->arena, s->to.count, sizeof *recipients);
    struct envelope envelope = {.reverse_path = s->sender, .envid = s->options.envid, .flags = s->options.flags};
    int status = 0;
    if (!recipients)
        return EX_TEMPFAIL;
    for (size_t i = 0; i < s->to.count; i++)
        recipients[i] = (struct recipient){.address = s->to.list[i], .notify = s->options.notify};
    if (has_eight_bit(s, content))
        envelope.flags |= ENVELOPE_BODY_8BIT;
    if (s->to.utf8 || slice_printable_len(s->sender) != s->sender.len)
        envelope.flags |= ENVELOPE_SMTPUTF8;
    for (size_t i = 0; i < s->to.count; i += most) {
        envelope.recipients = recipients + i;
        envelope.recipient_count = (uint32_t)(s->to.count - i < most ? s->to.count - i : most);
        int one = submit(s, &envelope, content);
        status = status == 0 ? one : status;
    }
    return status;
}

static int deliver(struct sendmail *s)
{
    buf content;
    int status = local_server_find(&s->command, false, &s->arena, &s->server);
    if (status == 0)
        status = find_sender(s);
    if (status == 0)
        status = find_recipients(s);
    if (status != 0)
        return status;
    buf_init(&content, CONTENT_MAX);
    status = read_letter(s);
    if (status == 0) {
        enum err e = make_content(s, &content);
        if (e != ERR_OK)
            command_say("%s", err_text(e));
        status = e == ERR_OK ? submit_all(s, buf_slice(&content)) : EX_TEMPFAIL;
    }
    sendmail_letter_close(&s->letter);
    buf_deinit(&content);
    return status;
}

/* A job from standard input, for whoever may hand in jobs. */
static int batch(const struct command *c)
{
    char name[] = "batch", option[] = "-c", input[] = "-";
    char *path = (char *)(uintptr_t)c->conf_path;
    char *argv[] = {name, input, path ? option : NULL, path, NULL};
    optind = 1;
    return cmd_batch(path ? 4 : 2, argv);
}

static int run(struct sendmail *s)
{
    const struct command *c = &s->command;
    switch (s->options.mode) {
    case SENDMAIL_DELIVER:
        return deliver(s);
    case SENDMAIL_SMTP:
        return sendmail_smtp(c);
    case SENDMAIL_BATCH:
        return batch(c);
    case SENDMAIL_QUEUE:
        return sendmail_queue(c);
    case SENDMAIL_ALIASES:
        return sendmail_aliases(c);
    case SENDMAIL_VERIFY:
        return sendmail_verify(c, s->options.words, s->options.word_count);
    case SENDMAIL_FLUSH:
        return sendmail_flush(c, s->options.verbose);
    case SENDMAIL_HELP:
        return usage(stdout);
    case SENDMAIL_VERSION:
        (void)puts("sendmail of thurn " THURN_VERSION);
        return 0;
    }
    return EX_USAGE;
}

static int begin(int argc, char **argv, enum sendmail_mode mode, bool by_name)
{
    static struct sendmail s;
    char memory[512];
    buf wrong;
    buf_init_fixed(&wrong, memory, sizeof memory);
    arena_init(&s.arena, ARENA_MAX);
    s.options.by_name = by_name;
    s.options.mode = mode;
    s.options.words = arena_array(&s.arena, (size_t)argc + 1, sizeof *s.options.words);
    if (!s.options.words)
        return EX_OSERR;
    if (!sendmail_options_read(&s.options, argc, argv, &wrong)) {
        command_say("%.*s", SLICE_ARG(buf_slice(&wrong)));
        return usage(stderr);
    }
    s.command.conf_path = s.options.conf_path;
    int status = run(&s);
    arena_deinit(&s.arena);
    return status;
}

int cmd_sendmail(int argc, char **argv)
{
    return begin(argc, argv, SENDMAIL_DELIVER, false);
}

int cmd_mailq(int argc, char **argv)
{
    return begin(argc, argv, SENDMAIL_QUEUE, false);
}

int cmd_newaliases(int argc, char **argv)
{
    return begin(argc, argv, SENDMAIL_ALIASES, false);
}

bool cmd_by_name(int argc, char **argv, int *status_r)
{
    static const struct {
        const char *name;
        enum sendmail_mode mode;
    } names[] = {{"sendmail", SENDMAIL_DELIVER}, {"mailq", SENDMAIL_QUEUE}, {"newaliases", SENDMAIL_ALIASES}};
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i].name) == 0) {
            *status_r = begin(argc, argv, names[i].mode, true);
            return true;
        }
    }
    return false;
}
