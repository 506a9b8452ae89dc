/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <stdlib.h>
#include <unistd.h>

#include "cmd/development.h"

#define CONF_MAX 4096
#define ARENA_MAX (64u * 1024)
#define MESSAGES_MAX (1u << 16)
#define PORT 1025
/* In the configuration every path is absolute; these become relative to DEVELOPMENT_FOLDER, where the server works, whoever may enter the folders above it. */
#define ROOT "/development"
#define ANY_DOMAIN "any.invalid"

struct development {
    uint16_t port;
    int64_t started_ms;
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn dev [--port N]\n"
                      "A server to develop with: takes mail on 127.0.0.1 (port 1025) from anyone to\n"
                      "anyone, and delivers all of it into ./" DEVELOPMENT_FOLDER "/mail/DOMAIN/USER; nothing\n"
                      "leaves. All it has is in ./" DEVELOPMENT_FOLDER ". Started by root, it runs as the owner of\n"
                      "that folder (or as the user who called sudo, or nobody).\n"
                      "\n"
                      "Faults, asked for by the recipient's local part, at any domain:\n"
                      "  CODE@   550@, 452@, 421@ and all from 400 to 599: RCPT is refused with that\n"
                      "          code; 421 also closes the connection; 4xx@ is 451@, 5xx@ is 550@\n"
                      "  slow@   the answer to RCPT takes 5 seconds\n"
                      "  drop@   the connection is closed at RCPT, without an answer\n"
                      "  CODE-data@, slow-data@, drop-data@\n"
                      "          the same instead of the answer to the content; the last such\n"
                      "          recipient counts for all\n"
                      "  bounce@ is taken, and a bounce goes to the sender\n"
                      "  defer@  is taken, and stays in the queue\n");
    return to == stdout ? 0 : EX_USAGE;
}

static void write_conf(const struct development *d, buf *text)
{
    buf_printf(text,
               "hostname = \"" DEVELOPMENT_HOSTNAME "\"\n"
               "postmaster = \"postmaster@" DEVELOPMENT_HOSTNAME "\"\n"
               "state_dir = \"" ROOT "\"\n"
               "[queue]\nmin_free = \"1M\"\nretry = [\"10s\"]\n"
               "[listen]\nmx = [\"127.0.0.1:%u\"]\n"
               "[limits]\nvrfy = \"any\"\nexpn = \"any\"\nconnections_per_minute = 0\n"
               "[domain.\"" ANY_DOMAIN "\"]\ndeliver = \"maildir:" ROOT
               "/mail/{domain}/{user}\"\nusers = [\"postmaster\"]\n",
               d->port);
}

static slice relative(slice path)
{
    slice below = slice_skip(path, sizeof ROOT - 1);
    return below.len > 0 ? slice_skip(below, 1) : SLICE(".");
}

/* What no configuration can say: every domain is ours, and everyone has a mailbox. */
static void open_up(struct conf *conf)
{
    conf->development = true;
    conf->state_dir = relative(conf->state_dir);
    conf->queue.dir = relative(conf->queue.dir);
    conf->route.domain_count = 1;
    struct route_domain *any = &conf->route.domains[0];
    any->name = SLICE("*");
    any->users = USERS_ANY;
    any->deliver.argument = relative(any->deliver.argument);
}

static enum err load(void *ctx, buf *messages, struct conf **conf_r)
{
    char memory[CONF_MAX];
    buf text, warnings;
    struct conf *conf = NULL;
    buf_init_fixed(&text, memory, sizeof memory);
    write_conf(ctx, &text);
    buf_init(&warnings, MESSAGES_MAX);
    enum err e = conf_parse(SLICE("thurn dev"), buf_slice(&text), false, &warnings, &conf);
    if (e == ERR_OK) {
        open_up(conf);
        *conf_r = conf;
    } else {
        buf_append(messages, buf_slice(&warnings));
    }
    buf_deinit(&warnings);
    return e;
}

static void say_ready(void *ctx)
{
    const struct development *d = ctx;
    (void)printf("thurn " THURN_VERSION
                 "  development: accepts any recipient, delivers nothing outside     (ready in %lld ms)\n"
                 "  SMTP     smtp://127.0.0.1:%u        no login needed\n"
                 "  Mail     ./" DEVELOPMENT_FOLDER "/mail/\n"
                 "Try it:    thurn send --to you@test.example        Faults: 4xx@, 550@, slow@\n",
                 (long long)(os_now_ms() - d->started_ms), d->port);
    (void)fflush(stdout);
}

static enum err find_user(const struct os_file_stamp *folder, struct arena *arena, struct os_user *user_r)
{
    const char *caller = getenv("SUDO_UID");
    uint64_t uid = folder->uid;
    if (uid == 0 && (!caller || slice_to_u64(slice_str(caller), UINT32_MAX, &uid) != ERR_OK))
        uid = 0;
    if (uid == 0)
        return os_user_by_name(SLICE("nobody"), arena, user_r);
    return os_user_by_uid((uint32_t)uid, arena, user_r);
}

/* Root owns nothing here in the end: the folder is handed to an ordinary user, and the server is that user's. */
static enum err give_up_root(const struct os_file_stamp *folder)
{
    struct arena arena;
    struct os_user user;
    arena_init(&arena, ARENA_MAX);
    enum err e = find_user(folder, &arena, &user);
    if (e == ERR_OK && folder->uid == 0)
        e = os_chown(AT_FDCWD, SLICE("."), user.uid, user.gid);
    if (e == ERR_OK)
        e = process_become(&user, PROCESS_NO_CAPS);
    arena_deinit(&arena);
    return e;
}

/* A link in its place is not followed: root would hand over what it leads to. */
static enum err enter_folder(void)
{
    struct os_file_stamp stamp;
    int fd = -1;
    enum err e = os_mkdir_all(SLICE(DEVELOPMENT_FOLDER), 0755);
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, SLICE(DEVELOPMENT_FOLDER), O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = os_fd_stamp(fd, &stamp);
    if (e == ERR_OK && fchdir(fd) != 0)
        e = ERR_PERMISSION;
    os_close(&fd);
    if (e == ERR_OK && os_uid() == 0)
        e = give_up_root(&stamp);
    if (e == ERR_OK)
        e = os_mkdir_all(SLICE("mail"), 0755);
    return e;
}

static bool read_port(struct development *d, const char *text)
{
    uint64_t port = 0;
    bool good = slice_to_u64(slice_str(text), UINT16_MAX, &port) == ERR_OK && port > 0;
    if (good)
        d->port = (uint16_t)port;
    else
        command_say("\"%s\" is no port: a number from 1 to 65535", text);
    return good;
}

int cmd_dev(int argc, char **argv)
{
    static const struct option options[] = {
        COMMAND_OPTIONS, {"port", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
    struct command c = {.help = false};
    struct development d = {.port = PORT, .started_ms = os_now_ms()};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (o == 'p' ? !read_port(&d, optarg) : !command_option(&c, o, optarg))
            return usage(stderr);
    }
    if (c.help)
        return usage(stdout);
    if (c.conf_path)
        command_say("this server has no configuration file: -c is for `thurn serve`");
    else if (optind < argc)
        command_say_extra(argv[optind]);
    if (optind < argc || c.conf_path)
        return usage(stderr);
    enum err e = enter_folder();
    if (e != ERR_OK) {
        command_say("\"./" DEVELOPMENT_FOLDER "\": %s; it must be a folder that may be written to, and no link",
                    err_text(e));
        return e == ERR_PERMISSION ? EX_NOPERM : EX_CANTCREAT;
    }
    struct cmd_server server = {load, say_ready, &d};
    return cmd_server_run(&server);
}
