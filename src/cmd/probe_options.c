/* SPDX-License-Identifier: ISC */
#include "cmd/probe.h"

#include <stdlib.h>

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn probe DOMAIN | HOST:PORT | ADDRESS | smtps://HOST |\n"
                      "                   lmtp:HOST:PORT | unix:/PATH [options]\n"
                      "Speaks with a mail server step by step and shows what was said, how long it\n"
                      "took, and what TLS is worth. A DOMAIN's MX hosts are tried in order. Without\n"
                      "--to it ends behind EHLO, STARTTLS and the login.\n"
                      "\n"
                      "  mail     --to ADDRESS (repeat) --from ADDRESS --data FILE|- --subject TEXT\n"
                      "           --header 'Name: value' (repeat) --attach FILE (repeat)\n"
                      "           --size --8bitmime --binarymime --smtputf8 --requiretls\n"
                      "           --bdat[=SIZE] --notify WORDS --ret full|hdrs --envid TEXT\n"
                      "           --orcpt TYPE;ADDRESS --pipelining\n"
                      "  session  --helo NAME --lmtp --command 'RAW LINE' (repeat)\n"
                      "           --xclient NAME=VALUE,... --xforward NAME=VALUE,...\n"
                      "           --quit-after connect|helo|starttls|auth|mail|rcpt|data\n"
                      "           --timeout SECONDS\n"
                      "  network  --ipv4 --ipv6 --source ADDRESS --proxy v1|v2 ADDRESS:PORT\n"
                      "  TLS      --tls may|none|require|verify|smtps --ca FILE --cert FILE --key FILE\n"
                      "  login    --user LOGIN --auth MECHANISM --password-file FILE\n"
                      "           --token-file FILE --insecure-login\n"
                      "  audit    --audit --yes [--to YOUR-ADDRESS] [--relay-to ADDRESS]\n"
                      "           looks for weaknesses of your own server\n"
                      "  output   --json -v --color=auto|always|never -c FILE\n"
                      "\n"
                      "The password is asked for, or is the first line of standard input; it is never\n"
                      "shown.\n"
                      "Exit status: 0 all was accepted; 65 the audit found something bad; 67 a\n"
                      "recipient was refused, 68 no such domain or it takes no mail, 69 not reached or\n"
                      "refused, 75 try again later, 76 no SMTP, or TLS not as demanded, 77 login\n"
                      "refused.\n");
    return to == stdout ? 0 : EX_USAGE;
}

enum {
    OPTION_FIRST = 256,
    OPTION_TO,
    OPTION_FROM,
    OPTION_DATA,
    OPTION_SUBJECT,
    OPTION_HEADER,
    OPTION_ATTACH,
    OPTION_SIZE,
    OPTION_8BITMIME,
    OPTION_BINARYMIME,
    OPTION_SMTPUTF8,
    OPTION_REQUIRETLS,
    OPTION_BDAT,
    OPTION_NOTIFY,
    OPTION_RET,
    OPTION_ENVID,
    OPTION_ORCPT,
    OPTION_PIPELINING,
    OPTION_HELO,
    OPTION_LMTP,
    OPTION_COMMAND,
    OPTION_XCLIENT,
    OPTION_XFORWARD,
    OPTION_QUIT_AFTER,
    OPTION_TIMEOUT,
    OPTION_IPV4,
    OPTION_IPV6,
    OPTION_SOURCE,
    OPTION_PROXY,
    OPTION_TLS,
    OPTION_CA,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_USER,
    OPTION_AUTH,
    OPTION_PASSWORD_FILE,
    OPTION_TOKEN_FILE,
    OPTION_INSECURE_LOGIN,
    OPTION_AUDIT,
    OPTION_YES,
    OPTION_RELAY_TO,
    OPTION_JSON,
};

static const struct option rows[] = {COMMAND_OPTIONS,
                                     {"to", required_argument, NULL, OPTION_TO},
                                     {"from", required_argument, NULL, OPTION_FROM},
                                     {"data", required_argument, NULL, OPTION_DATA},
                                     {"subject", required_argument, NULL, OPTION_SUBJECT},
                                     {"header", required_argument, NULL, OPTION_HEADER},
                                     {"attach", required_argument, NULL, OPTION_ATTACH},
                                     {"size", no_argument, NULL, OPTION_SIZE},
                                     {"8bitmime", no_argument, NULL, OPTION_8BITMIME},
                                     {"binarymime", no_argument, NULL, OPTION_BINARYMIME},
                                     {"smtputf8", no_argument, NULL, OPTION_SMTPUTF8},
                                     {"requiretls", no_argument, NULL, OPTION_REQUIRETLS},
                                     {"bdat", optional_argument, NULL, OPTION_BDAT},
                                     {"notify", required_argument, NULL, OPTION_NOTIFY},
                                     {"ret", required_argument, NULL, OPTION_RET},
                                     {"envid", required_argument, NULL, OPTION_ENVID},
                                     {"orcpt", required_argument, NULL, OPTION_ORCPT},
                                     {"pipelining", no_argument, NULL, OPTION_PIPELINING},
                                     {"helo", required_argument, NULL, OPTION_HELO},
                                     {"lmtp", no_argument, NULL, OPTION_LMTP},
                                     {"command", required_argument, NULL, OPTION_COMMAND},
                                     {"xclient", required_argument, NULL, OPTION_XCLIENT},
                                     {"xforward", required_argument, NULL, OPTION_XFORWARD},
                                     {"quit-after", required_argument, NULL, OPTION_QUIT_AFTER},
                                     {"timeout", required_argument, NULL, OPTION_TIMEOUT},
                                     {"ipv4", no_argument, NULL, OPTION_IPV4},
                                     {"ipv6", no_argument, NULL, OPTION_IPV6},
                                     {"source", required_argument, NULL, OPTION_SOURCE},
                                     {"proxy", required_argument, NULL, OPTION_PROXY},
                                     {"tls", required_argument, NULL, OPTION_TLS},
                                     {"ca", required_argument, NULL, OPTION_CA},
                                     {"cert", required_argument, NULL, OPTION_CERT},
                                     {"key", required_argument, NULL, OPTION_KEY},
                                     {"user", required_argument, NULL, OPTION_USER},
                                     {"auth", required_argument, NULL, OPTION_AUTH},
                                     {"password-file", required_argument, NULL, OPTION_PASSWORD_FILE},
                                     {"token-file", required_argument, NULL, OPTION_TOKEN_FILE},
                                     {"insecure-login", no_argument, NULL, OPTION_INSECURE_LOGIN},
                                     {"audit", no_argument, NULL, OPTION_AUDIT},
                                     {"yes", no_argument, NULL, OPTION_YES},
                                     {"relay-to", required_argument, NULL, OPTION_RELAY_TO},
                                     {"json", no_argument, NULL, OPTION_JSON},
                                     {"verbose", no_argument, NULL, 'v'},
                                     {NULL, 0, NULL, 0}};

/* Where a word or a switch goes as it is. */
struct place {
    int option;
    size_t slice_at, bool_at, words_at; /* offset + 1; 0: no such thing */
};
#define AT(member) offsetof(struct probe_options, member) + 1
static const struct place places[] = {
    {OPTION_FROM, AT(from), AT(from_given), 0},
    {OPTION_SUBJECT, AT(subject), 0, 0},
    {OPTION_HEADER, 0, 0, AT(headers)},
    {OPTION_ATTACH, 0, 0, AT(attachments)},
    {OPTION_COMMAND, 0, 0, AT(commands)},
    {OPTION_SIZE, 0, AT(size), 0},
    {OPTION_8BITMIME, 0, AT(eight_bit), 0},
    {OPTION_BINARYMIME, 0, AT(binary), 0},
    {OPTION_SMTPUTF8, 0, AT(smtputf8), 0},
    {OPTION_REQUIRETLS, 0, AT(requiretls), 0},
    {OPTION_NOTIFY, AT(notify), 0, 0},
    {OPTION_RET, AT(ret), 0, 0},
    {OPTION_ENVID, AT(envid), 0, 0},
    {OPTION_ORCPT, AT(orcpt), 0, 0},
    {OPTION_PIPELINING, 0, AT(pipelining), 0},
    {OPTION_HELO, AT(helo), 0, 0},
    {OPTION_LMTP, 0, AT(target.lmtp), 0},
    {OPTION_XCLIENT, AT(xclient), 0, 0},
    {OPTION_XFORWARD, AT(xforward), 0, 0},
    {OPTION_CA, AT(ca), 0, 0},
    {OPTION_CERT, AT(cert), 0, 0},
    {OPTION_KEY, AT(key), 0, 0},
    {OPTION_USER, AT(user), 0, 0},
    {OPTION_AUTH, AT(mechanism), 0, 0},
    {OPTION_PASSWORD_FILE, AT(password_file), 0, 0},
    {OPTION_TOKEN_FILE, AT(token_file), 0, 0},
    {OPTION_INSECURE_LOGIN, 0, AT(insecure_login), 0},
    {OPTION_AUDIT, 0, AT(audit), 0},
    {OPTION_YES, 0, AT(yes), 0},
    {OPTION_RELAY_TO, AT(relay_to), 0, 0},
    {OPTION_JSON, 0, AT(json), 0},
    {'v', 0, AT(verbose), 0},
};
#undef AT

static bool one_line(const char *value)
{
    for (const char *c = value; *c; c++) {
        if (*c == '\r' || *c == '\n') {
            command_say("a line break has no place in \"%s\"", value);
            return false;
        }
    }
    return true;
}

static bool put(struct probe_options *o, const struct place *p, const char *value)
{
    char *base = (char *)o;
    if (p->bool_at > 0)
        *(bool *)(void *)(base + p->bool_at - 1) = true;
    if (p->slice_at > 0)
        *(slice *)(void *)(base + p->slice_at - 1) = slice_str(value);
    if (p->words_at > 0) {
        struct probe_words *w = (struct probe_words *)(void *)(base + p->words_at - 1);
        if (w->count == PROBE_WORDS_MAX) {
            command_say("more than %u of one option", PROBE_WORDS_MAX);
            return false;
        }
        w->of[w->count++] = slice_str(value);
    }
    return !value || one_line(value);
}

static bool put_number(const char *name, const char *value, const uint64_t bounds[2], uint64_t *number_r)
{
    uint64_t n;
    if (slice_to_u64(slice_str(value), bounds[1], &n) == ERR_OK && n >= bounds[0]) {
        *number_r = n;
        return true;
    }
    command_say("--%s is a number from %llu to %llu, not \"%s\"", name, (unsigned long long)bounds[0],
                (unsigned long long)bounds[1], value);
    return false;
}

/* The value's place in a list of words, which ends in NULL; -1 and a line on standard error when it is not there. */
static int choose(const char *name, const char *value, const char *const *words)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(words[i], value) == 0)
            return i;
    }
    command_say("--%s does not know \"%s\"; thurn probe --help lists the words", name, value);
    return -1;
}

static bool put_address(const char *name, slice text, struct socket_address *a)
{
    struct probe_target t;
    if (probe_target_read(text, &t) == ERR_OK && t.kind == PROBE_TARGET_ADDRESS) {
        *a = t.address;
        a->port = t.port;
        return true;
    }
    command_say("--%s: \"%.*s\" is no address", name, SLICE_ARG(text));
    return false;
}

/* "v1 SRC:PORT" in one word, as an option has one value: or the second word follows in argv. */
static bool put_proxy(struct probe_options *o, const char *value, char **argv)
{
    static const char *const versions[] = {"v1", "v2", NULL};
    int version = choose("proxy", value, versions);
    if (version < 0)
        return false;
    o->proxy = true;
    o->proxy_version = (unsigned)version + 1;
    if (!argv[optind]) {
        command_say("--proxy takes two words: v1 or v2, and ADDRESS:PORT");
        return false;
    }
    return put_address("proxy", slice_str(argv[optind++]), &o->proxy_source);
}

static bool put_choice(struct probe_options *o, int option, const char *value)
{
    static const char *const tls[] = {"may", "none", "require", "verify", "smtps", NULL};
    static const char *const stages[] = {"connect", "helo", "starttls", "auth", "mail", "rcpt", "data", NULL};
    int at = option == OPTION_TLS ? choose("tls", value, tls) : choose("quit-after", value, stages);
    if (at < 0)
        return false;
    if (option == OPTION_TLS)
        o->tls = (enum probe_tls)at;
    else
        o->quit_after = (enum probe_quit)(at + 1);
    return true;
}

static bool put_other(struct probe_options *o, int option, const char *value, char **argv)
{
    uint64_t number = 0;
    switch (option) {
    case OPTION_TO:
        if (o->to_count == PROBE_RECIPIENTS_MAX) {
            command_say("more than %u recipients", PROBE_RECIPIENTS_MAX);
            return false;
        }
        o->to[o->to_count++] = slice_str(value);
        return one_line(value);
    case OPTION_DATA:
        o->data = value;
        return true;
    case OPTION_BDAT:
        o->bdat = true;
        return !value || put_number("bdat", value, (const uint64_t[]){1, 1u << 30}, &o->bdat_size);
    case OPTION_TIMEOUT:
        if (!put_number("timeout", value, (const uint64_t[]){1, PROBE_TIMEOUT_MAX_S}, &number))
            return false;
        o->timeout_ms = (int64_t)number * 1000;
        return true;
    case OPTION_IPV4:
    case OPTION_IPV6:
        o->family = option == OPTION_IPV4 ? PROBE_IPV4 : PROBE_IPV6;
        return true;
    case OPTION_SOURCE:
        o->has_source = put_address("source", slice_str(value), &o->source);
        o->source.port = 0;
        return o->has_source;
    case OPTION_PROXY:
        return put_proxy(o, value, argv);
    case OPTION_TLS:
    case OPTION_QUIT_AFTER:
        return put_choice(o, option, value);
    default:
        return command_option(&o->command, option, value);
    }
}

static bool put_option(struct probe_options *o, int option, const char *value, char **argv)
{
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (places[i].option == option)
            return put(o, &places[i], value);
    }
    return put_other(o, option, value, argv);
}

static const char *contradiction(const struct probe_options *o)
{
    const bool stranger = !o->target.lmtp && o->target.kind != PROBE_TARGET_UNIX;
    const struct {
        bool there;
        const char *why;
    } limits[] = {
        {o->data && o->attachments.count + o->subject.len > 0,
         "--data is sent as it is: --subject and --attach are for a message that is made here"},
        {o->password_file.len > 0 && o->token_file.len > 0, "--password-file or --token-file, not both"},
        {(o->cert.len > 0) != (o->key.len > 0), "--cert and --key go together"},
        {o->audit && !stranger, "--audit is for servers that strangers can reach: not for LMTP and sockets of files"},
        {o->audit && o->to_count > 1, "--audit takes one --to: an address of your own"},
        {o->yes && !o->audit, "--yes goes with --audit"},
        {o->relay_to.len > 0 && !o->audit, "--relay-to goes with --audit"},
        {o->audit && ((o->relay_to.len > 0 && slice_find_char(o->relay_to, '@') <= 0) ||
                      (o->to_count > 0 && slice_find_char(o->to[0], '@') <= 0)),
         "--to and --relay-to of an audit are addresses with a domain"},
        {o->binary && !o->bdat, "--binarymime goes with --bdat: DATA cannot carry it"},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].there)
            return limits[i].why;
    }
    return NULL;
}

static bool read_words(struct probe_options *o, int argc, char **argv)
{
    bool lmtp = o->target.lmtp;
    if (optind == argc) {
        command_say("which server? Say a DOMAIN or HOST:PORT");
        return false;
    }
    if (argc - optind > 1) {
        command_say_extra(argv[argc - 1]);
        return false;
    }
    if (probe_target_read(slice_str(argv[optind]), &o->target) != ERR_OK) {
        command_say("\"%s\" is no host, address or socket", argv[optind]);
        return false;
    }
    if (lmtp)
        probe_target_lmtp(&o->target);
    if (o->tls == PROBE_TLS_SMTPS)
        probe_target_smtps(&o->target);
    const char *why = contradiction(o);
    if (why)
        command_say("%s", why);
    return !why;
}

bool probe_options_read(struct probe_options *o, int argc, char **argv, int *status_r)
{
    o->timeout_ms = PROBE_TIMEOUT_S * 1000;
    for (int option; (option = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT "v", rows, NULL)) != -1;) {
        if (!put_option(o, option, optarg, argv)) {
            *status_r = usage(stderr);
            return false;
        }
    }
    bool good = !o->command.help && read_words(o, argc, argv);
    if (!good)
        *status_r = usage(o->command.help ? stdout : stderr);
    return good;
}
