/* SPDX-License-Identifier: ISC */
#include "cmd/command.h"
#include "cmd/explain.h"

#define HOUSE_ARENA_MAX (64u * 1024)
#define PATH_MAX_BYTES 4096

/* No accounts yet is no error: then there are none. */
static void open_store(struct explain_house *h)
{
    char path[PATH_MAX_BYTES], memory[512];
    buf b, why;
    buf_init_fixed(&b, path, sizeof path);
    buf_init_fixed(&why, memory, sizeof memory);
    h->store_err = child_accounts_path(h->conf->state_dir, &b);
    if (h->store_err == ERR_OK)
        h->store_err = store_open(buf_slice(&b), false, &h->store, &why);
    if (h->store_err != ERR_OK && h->store_err != ERR_NOTFOUND)
        command_say("accounts \"%.*s\": %.*s; users of the account store are not known to this command",
                    SLICE_ARG(buf_slice(&b)), SLICE_ARG(buf_slice(&why)));
}

/* As whom the server would write: `user` when it is started by root, else whoever starts it. */
static void find_self(struct explain_house *h)
{
    struct mailbox_house *m = &h->mailboxes;
    m->root = os_uid() == 0;
    enum err e =
        m->root ? os_user_by_name(h->conf->user, &h->arena, &m->self) : os_user_by_uid(os_uid(), &h->arena, &m->self);
    if (e == ERR_OK)
        return;
    m->self = (struct os_user){.uid = os_uid(), .gid = process_gid(), .name = SLICE("who asks"), .home = SLICE("/")};
    if (m->root)
        command_say("user \"%.*s\" is not on this machine: mailboxes are looked at as root", SLICE_ARG(h->conf->user));
    m->root = false;
}

int explain_house_open(struct explain_house *h, const struct conf *conf, bool offline)
{
    *h = (struct explain_house){.conf = conf, .offline = offline};
    arena_init(&h->arena, HOUSE_ARENA_MAX);
    if (route_index_open(&conf->route, os_random_key(), &h->routes) != ERR_OK) {
        command_say("%s", err_text(ERR_NOMEM));
        return EX_OSERR;
    }
    h->mailboxes.routes = h->routes;
    open_store(h);
    find_self(h);
    h->self = (struct mx_self){conf->route.hostname, h->own, child_own_addresses(conf, h->own, 64)};
    return 0;
}

void explain_house_close(struct explain_house *h)
{
    store_close(&h->store);
    if (h->routes)
        route_index_close(&h->routes);
    arena_deinit(&h->arena);
}
