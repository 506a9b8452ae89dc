/* SPDX-License-Identifier: ISC */
#include "cmd/init.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child/child.h"
#include "cmd/account_store.h"
#include "cmd/check.h"
#include "cmd/terminal.h"

#define ARENA_MAX (1u << 20)
#define PASSWORD_MAX 1024
#define PEM_MAX 16384
#define OUT_MAX (1u << 20)

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn init DOMAIN [-c FILE] [--hostname NAME]\n"
                      "                  [--user LOCAL[=Full Name] | --no-user]\n"
                      "                  [--cert FILE --key FILE] [--dir DIR] [--dry-run] [--json]\n"
                      "       thurn init DOMAIN --null-client --via URL [-c FILE] [--hostname NAME]\n"
                      "                  [--dir DIR] [--dry-run]\n"
                      "Makes a mail server for DOMAIN: the configuration FILE (default\n" COMMAND_CONF
                      "), a certificate for the start, aliases, folders, the\n"
                      "system user " INIT_USER ", and the first account. Its password is asked for on a\n"
                      "terminal, and is one line of standard input otherwise. Prints the DNS records\n"
                      "to publish on standard output, and what to do next on standard error. Nothing\n"
                      "that is there is ever overwritten.\n"
                      "  --hostname NAME   what the server calls itself; mail.DOMAIN otherwise\n"
                      "  --user LOCAL      the first account is LOCAL@DOMAIN; otherwise it has the\n"
                      "                    name of who calls\n"
                      "  --cert, --key     a certificate and its key that are there, instead of one\n"
                      "                    signed by itself\n"
                      "  --dir DIR         all of it below DIR, on ports 2525, 4465 and 4587 of this\n"
                      "                    machine: to try it, as any user\n"
                      "  --null-client     takes no mail from the network and sends all mail of this\n"
                      "                    machine --via smtps://LOGIN@HOST (the password is asked\n"
                      "                    for) or smtp://HOST\n"
                      "  --dry-run         prints what would be written, and writes nothing\n"
                      "  --json            DNS records as objects with the names name, type, value\n");
    return to == stdout ? 0 : EX_USAGE;
}

static const struct option options[] = {COMMAND_OPTIONS,
                                        {"hostname", required_argument, NULL, 'H'},
                                        {"user", required_argument, NULL, 'u'},
                                        {"no-user", no_argument, NULL, 'U'},
                                        {"cert", required_argument, NULL, 'e'},
                                        {"key", required_argument, NULL, 'k'},
                                        {"dir", required_argument, NULL, 'd'},
                                        {"null-client", no_argument, NULL, 'N'},
                                        {"via", required_argument, NULL, 'v'},
                                        {"dry-run", no_argument, NULL, 'n'},
                                        {"json", no_argument, NULL, 'j'},
                                        {NULL, 0, NULL, 0}};

static bool read_option(struct init *n, int o)
{
    struct init_words *w = &n->words;
    const struct {
        int option;
        const char **text;
        bool *flag;
    } rows[] = {{'H', &w->hostname, NULL}, {'u', &w->user, NULL}, {'U', NULL, &w->no_user},     {'e', &w->cert, NULL},
                {'k', &w->key, NULL},      {'d', &w->dir, NULL},  {'N', NULL, &w->null_client}, {'v', &w->via, NULL},
                {'n', NULL, &w->dry_run},  {'j', NULL, &w->json}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].option != o)
            continue;
        if (rows[i].text)
            *rows[i].text = optarg;
        else
            *rows[i].flag = true;
        return true;
    }
    return command_option(&n->command, o, optarg);
}

/* NULL, or what does not go together. */
static const char *contradiction(const struct init_words *w)
{
    if (!w->cert != !w->key)
        return "--cert and --key go together";
    if (w->user && w->no_user)
        return "--user and --no-user contradict each other";
    if (w->via && !w->null_client)
        return "--via is for --null-client";
    if (w->null_client && (w->cert || w->no_user))
        return "a null client has no certificate and no accounts";
    return NULL;
}

static int read_password(const struct init *n, buf *password)
{
    slice whom = n->relay_login.len > 0 ? n->relay_login : n->address;
    if (whom.len == 0)
        return 0;
    enum err e = terminal_read_password(whom, password);
    if (e == ERR_OK && password->len > 0 && !memchr(password->ptr, 0, password->len))
        return 0;
    if (e == ERR_SYNTAX)
        command_say("the two passwords differ; nothing was changed");
    else if (e == ERR_LIMIT)
        command_say("the password is too long; nothing was changed");
    else
        command_say("no password for %.*s came: it is one line of standard input%s; nothing was changed",
                    SLICE_ARG(whom), n->address.len > 0 ? " (--no-user does without)" : "");
    return EX_DATAERR;
}

/* What is given is looked at as the server will; what is made is made here. */
static int prepare_pair(struct init *n, struct init_plan *p, buf *cert, buf *key)
{
    if (n->words.null_client || n->words.cert)
        return 0;
    enum err e = tls_self_signed(n->hostname, os_wall_s(), INIT_DAYS, cert, key);
    if (e != ERR_OK) {
        command_say("a certificate for %.*s cannot be made: %s", SLICE_ARG(n->hostname), err_text(e));
        return EX_OSERR;
    }
    init_plan_find(p, n->cert)->content = buf_slice(cert);
    init_plan_find(p, n->key)->content = buf_slice(key);
    return 0;
}

static int check_pair(const struct init *n)
{
    char why_memory[1024], warnings_memory[4096];
    buf why, warnings;
    if (!n->words.cert)
        return 0;
    buf_init_fixed(&why, why_memory, sizeof why_memory);
    buf_init_fixed(&warnings, warnings_memory, sizeof warnings_memory);
    const struct tls_pair pair = {.cert = n->cert, .key = n->key};
    enum err e = tls_pair_check(&pair, os_wall_s(), &why, &warnings);
    if (e != ERR_OK)
        command_say("%.*s; nothing was changed", SLICE_ARG(why.len > 0 ? buf_slice(&why) : slice_str(err_text(e))));
    return e == ERR_OK ? 0 : EX_NOINPUT;
}

/* As `thurn check` would find it. The configuration stays open for the account. */
static int check_made(const struct init *n, struct conf **conf_r)
{
    struct check_report report = {.path = n->conf_path.ptr, .color = command_colored(&n->command, STDERR_FILENO)};
    const struct conf_sink sink = {check_report_take, &report};
    enum err e = conf_load_told(n->conf_path.ptr, &sink, conf_r);
    if (e == ERR_OK && !child_check(*conf_r, CHILD_CHECK_ALL, &sink))
        e = ERR_SYNTAX;
    if (e == ERR_OK)
        check_ports(&report, *conf_r);
    if (e != ERR_OK)
        command_say("all files were made, but `thurn check` would refuse them for the reasons above");
    return e == ERR_OK ? 0 : EX_CONFIG;
}

static int add_account(const struct init *n, const struct conf *conf, slice password)
{
    struct store *store = NULL;
    if (n->address.len == 0)
        return 0;
    int status = account_store_open(conf, true, &store);
    if (status == 0)
        status = account_store_say(n->address, store_account_add(store, n->address, n->full_name, password));
    store_close(&store);
    if (status == 0)
        (void)fprintf(stderr, "made  account %.*s\n", SLICE_ARG(n->address));
    else
        command_say("all files were made, but not the account: try `thurn user add %.*s -c %.*s`",
                    SLICE_ARG(n->address), SLICE_ARG(n->conf_path));
    return status;
}

static int tell(const struct init *n)
{
    buf out;
    int status = 0;
    buf_init(&out, OUT_MAX);
    if (!n->words.null_client) {
        (void)fputs("\nDNS records to publish:\n", stderr);
        init_dns_print(n, &out);
        status = command_print(&out);
    }
    init_next_print(n, stderr);
    buf_deinit(&out);
    return status;
}

static int dry_run(const struct init *n, const struct init_plan *p)
{
    buf out;
    buf_init(&out, OUT_MAX);
    init_plan_print(p, &out);
    int status = command_print(&out);
    buf_deinit(&out);
    return status == 0 ? tell(n) : status;
}

static int make(struct init *n, struct init_plan *p, buf *password)
{
    char key_memory[PEM_MAX], cert_memory[PEM_MAX];
    buf cert, key;
    struct conf *conf = NULL;
    buf_init_fixed(&cert, cert_memory, sizeof cert_memory);
    buf_init_fixed(&key, key_memory, sizeof key_memory);
    /* Folders on the way to others let the server through; what is secret has its mode from its birth. */
    (void)umask(022);
    int status = prepare_pair(n, p, &cert, &key);
    struct init_item *relay = n->relay_login.len > 0 ? init_plan_find(p, n->password_file) : NULL;
    if (relay)
        relay->content = buf_slice(password);
    if (status == 0 && n->root)
        status = init_make_user(n);
    if (status == 0)
        status = init_make(n, p);
    explicit_bzero(key_memory, sizeof key_memory);
    if (status == 0)
        status = check_made(n, &conf);
    if (status == 0)
        status = add_account(n, conf, buf_slice(password));
    if (conf)
        conf_close(&conf);
    return status == 0 ? tell(n) : status;
}

static int init(struct init *n)
{
    char memory[PASSWORD_MAX];
    buf password;
    struct init_plan p;
    int status = init_names_read(n);
    if (status == 0)
        status = check_pair(n);
    if (status == 0)
        status = init_plan_fill(n, &p, &n->arena);
    if (status == 0 && !n->root && !n->words.dir && !n->words.dry_run) {
        command_say("a server of this machine is made by root; --dir DIR makes one to try, as any user");
        return EX_NOPERM;
    }
    if (status == 0)
        status = init_plan_check(&p);
    if (status != 0 || n->words.dry_run)
        return status == 0 ? dry_run(n, &p) : status;
    buf_init_fixed(&password, memory, sizeof memory);
    status = read_password(n, &password);
    if (status == 0)
        status = make(n, &p, &password);
    explicit_bzero(memory, sizeof memory);
    return status;
}

int cmd_init(int argc, char **argv)
{
    struct init n = {.root = false};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (!read_option(&n, o))
            return usage(stderr);
    }
    if (n.command.help)
        return usage(stdout);
    const char *wrong = contradiction(&n.words);
    if (optind == argc)
        wrong = "which domain is the server to be for?";
    if (wrong)
        command_say("%s", wrong);
    else if (argc - optind > 1)
        command_say_extra(argv[argc - 1]);
    if (wrong || argc - optind > 1)
        return usage(stderr);
    n.words.domain = argv[optind];
    arena_init(&n.arena, ARENA_MAX);
    int status = init(&n);
    arena_deinit(&n.arena);
    return status;
}
