/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"

#include <string.h>

#include "cmd/account_store.h"
#include "cmd/columns.h"
#include "cmd/terminal.h"
#include "store/store.h"

#define PASSWORD_MAX_BYTES 1024
#define ARENA_MAX (64u * 1024)
#define OUT_MAX (64u << 20)
#define OUT_BATCH 65536u
#define ADDRESS_MAX 320

struct user_request {
    struct command command;
    const char *full_name;
    bool json;
    const struct conf *conf;
    struct store *store;
    slice address; /* lower case */
};

static int usage(FILE *to)
{
    (void)fprintf(to, "usage: thurn user add ADDRESS [--name \"Full Name\"] [-c FILE]\n"
                      "       thurn user passwd ADDRESS [-c FILE]\n"
                      "       thurn user list [--json] [-c FILE]\n"
                      "       thurn user remove ADDRESS [-c FILE]\n"
                      "Accounts: they sign in with their whole ADDRESS. The password is asked for\n"
                      "twice on a terminal, and is one line of standard input otherwise. Removing an\n"
                      "account leaves its mailbox as it is.\n");
    return to == stdout ? 0 : EX_USAGE;
}

static int say_failed(const struct user_request *r, enum err e)
{
    return account_store_say(r->address, e);
}

static int open_store(struct user_request *r, bool create)
{
    return account_store_open(r->conf, create, &r->store);
}

static bool domain_is_ours(const struct conf *conf, slice domain)
{
    for (size_t i = 0; i < conf->route.domain_count; i++) {
        if (slice_equal_nocase(conf->route.domains[i].name, domain))
            return true;
    }
    return false;
}

static int do_add(struct user_request *r, slice password)
{
    slice name = r->full_name ? slice_str(r->full_name) : SLICE_NONE;
    for (size_t i = 0; i < name.len; i++) {
        if ((unsigned char)name.ptr[i] < 0x20 || name.ptr[i] == 0x7f) {
            command_say("a name must not have control characters in it");
            return EX_DATAERR;
        }
    }
    return say_failed(r, store_account_add(r->store, r->address, name, password));
}

static int do_password(struct user_request *r, slice password)
{
    return say_failed(r, store_account_password(r->store, r->address, password));
}

static int with_password(struct user_request *r, int (*act)(struct user_request *r, slice password))
{
    char memory[PASSWORD_MAX_BYTES];
    buf password;
    buf_init_fixed(&password, memory, sizeof memory);
    enum err e = terminal_read_password(r->address, &password);
    int status = EX_DATAERR;
    if (e == ERR_OK)
        status = act(r, buf_slice(&password));
    else if (e == ERR_SYNTAX)
        command_say("the two passwords differ; nothing has changed");
    else if (e == ERR_LIMIT)
        command_say("the password is too long; nothing has changed");
    else
        command_say("no password came%s; nothing has changed",
                    e == ERR_CLOSED ? "" : ", standard input cannot be read");
    explicit_bzero(memory, sizeof memory);
    return status;
}

static int add(struct user_request *r)
{
    ptrdiff_t at = slice_rfind_char(r->address, '@');
    slice domain = slice_skip(r->address, (size_t)at + 1);
    if (!domain_is_ours(r->conf, domain)) {
        command_say("%.*s: there is no [domain.\"%.*s\"] in the configuration", SLICE_ARG(r->address),
                    SLICE_ARG(domain));
        return EX_DATAERR;
    }
    int status = open_store(r, true);
    if (status != 0)
        return status;
    struct store_account account;
    enum err e = store_account_find(r->store, r->address, &account);
    if (e == ERR_OK)
        return say_failed(r, ERR_EXISTS);
    return e == ERR_NOTFOUND ? with_password(r, do_add) : say_failed(r, e);
}

static int change_password(struct user_request *r)
{
    struct store_account account;
    int status = open_store(r, false);
    if (status != 0)
        return status;
    enum err e = r->store ? store_account_find(r->store, r->address, &account) : ERR_NOTFOUND;
    return e == ERR_OK ? with_password(r, do_password) : say_failed(r, e);
}

static int remove_account(struct user_request *r)
{
    int status = open_store(r, false);
    if (status != 0)
        return status;
    return say_failed(r, r->store ? store_account_remove(r->store, r->address) : ERR_NOTFOUND);
}

static void append_json(buf *out, const struct store_account *a)
{
    buf_append(out, SLICE("{\"address\": "));
    buf_append_json(out, a->address);
    buf_append(out, SLICE(", \"name\": "));
    buf_append_json(out, a->full_name);
    buf_append(out, SLICE(", \"created\": \""));
    date_print_rfc3339(out, a->created_s);
    buf_append(out, SLICE("\"}\n"));
}

static void append_row(struct columns *c, const struct store_account *a)
{
    char memory[32];
    buf when;
    buf_init_fixed(&when, memory, sizeof memory);
    date_print_rfc3339(&when, a->created_s);
    columns_add(c, a->address);
    columns_add(c, slice_sub(buf_slice(&when), 0, 10));
    columns_add(c, a->full_name);
}

static int list(struct user_request *r)
{
    static const struct column titles[] = {
        {"ADDRESS", false, false, 0}, {"CREATED", false, false, 0}, {"NAME", false, true, 0}};
    struct store_account a;
    struct columns table;
    char last_memory[ADDRESS_MAX];
    buf last, out;
    int status = open_store(r, false);
    if (status != 0 || !r->store)
        return status;
    buf_init_fixed(&last, last_memory, sizeof last_memory);
    buf_init(&out, OUT_MAX);
    columns_init(&table, titles, 3, terminal_width());
    enum err e = ERR_NOTFOUND;
    while (status == 0 && (e = store_account_next(r->store, buf_slice(&last), &a)) == ERR_OK) {
        buf_clear(&last);
        buf_append(&last, a.address);
        if (r->json)
            append_json(&out, &a);
        else
            append_row(&table, &a);
        if (columns_full(&table))
            columns_print(&table, &out);
        if (out.len > OUT_BATCH) {
            status = command_print(&out);
            buf_clear(&out);
        }
    }
    if (!columns_empty(&table))
        columns_print(&table, &out);
    if (status == 0)
        status = command_print(&out);
    columns_deinit(&table);
    buf_deinit(&out);
    return status != 0 || e == ERR_NOTFOUND ? status : say_failed(r, e);
}

struct verb {
    const char *name;
    int (*run)(struct user_request *r);
    bool takes_address;
};

static const struct verb verbs[] = {
    {"add", add, true}, {"passwd", change_password, true}, {"list", list, false}, {"remove", remove_account, true}};

static const struct verb *verb_find(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    }
    return NULL;
}

/* Into memory, in lower case. */
static bool read_address(struct user_request *r, const char *text, char memory[ADDRESS_MAX])
{
    struct arena arena;
    struct address a;
    buf b;
    arena_init(&arena, ARENA_MAX);
    buf_init_fixed(&b, memory, ADDRESS_MAX);
    bool good = address_parse(slice_str(text), ADDRESS_STRICT, &arena, &a) == ERR_OK && a.domain.len > 0;
    if (good)
        address_print(&b, a);
    for (size_t i = 0; i < b.len; i++)
        memory[i] = ascii_lower(memory[i]);
    r->address = buf_slice(&b);
    arena_deinit(&arena);
    if (!slice_is_ascii(slice_str(text)))
        command_say("\"%s\": who signs in has a name in ASCII (a domain in its form xn--...)", text);
    else if (!good || !buf_ok(&b))
        command_say("\"%s\" is not an address like alice@example.org", text);
    return good && buf_ok(&b);
}

static int run(struct user_request *r, const struct verb *verb, const char *address)
{
    char memory[ADDRESS_MAX];
    struct conf *conf = NULL;
    if (verb->takes_address && !read_address(r, address, memory))
        return EX_USAGE;
    int status = command_load(&r->command, &conf);
    if (status != 0)
        return status;
    r->conf = conf;
    status = verb->run(r);
    store_close(&r->store);
    conf_close(&conf);
    return status;
}

/* NULL, and what is wrong with the words is on standard error. */
static const struct verb *read_verb(char **words, int count)
{
    const struct verb *verb = count > 0 ? verb_find(words[0]) : NULL;
    if (!verb) {
        if (count > 0)
            command_say("`thurn user` has no verb \"%s\"", words[0]);
        return NULL;
    }
    if (count == 1 + verb->takes_address)
        return verb;
    if (count > 1 + verb->takes_address)
        command_say_extra(words[count - 1]);
    else
        command_say("`%s` needs the address of an account, like alice@example.org", verb->name);
    return NULL;
}

int cmd_user(int argc, char **argv)
{
    static const struct option options[] = {
        COMMAND_OPTIONS, {"name", required_argument, NULL, 'n'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    struct user_request r = {.json = false};
    for (int o; (o = getopt_long(argc, argv, COMMAND_OPTIONS_SHORT, options, NULL)) != -1;) {
        if (o == 'n')
            r.full_name = optarg;
        else if (o == 'j')
            r.json = true;
        else if (!command_option(&r.command, o, optarg))
            return usage(stderr);
    }
    if (r.command.help)
        return usage(stdout);
    const struct verb *verb = read_verb(argv + optind, argc - optind);
    return verb ? run(&r, verb, argv[optind + 1]) : usage(stderr);
}
