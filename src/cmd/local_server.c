/* SPDX-License-Identifier: ISC */
#include "cmd/local_server.h"

#include "cmd/development.h"

static bool is_development(const struct command *c)
{
    struct os_file_stamp stamp;
    return !c->conf_path && os_file_stamp(AT_FDCWD, SLICE(COMMAND_CONF), true, &stamp) == ERR_NOTFOUND;
}

int local_server_find(const struct command *c, bool development, struct arena *arena, struct local_server *server_r)
{
    struct conf *conf = NULL;
    buf path;
    *server_r = (struct local_server){.recipients = 0};
    buf_init_fixed(&path, server_r->address.path, sizeof server_r->address.path - 1);
    if (development && is_development(c)) {
        buf_append(&path, SLICE(DEVELOPMENT_SOCKET));
        server_r->hostname = server_r->origin = SLICE(DEVELOPMENT_HOSTNAME);
        return 0;
    }
    int status = command_load(c, &conf);
    if (status != 0)
        return status;
    server_r->recipients = conf->limits.recipients;
    enum err e = child_local_socket_path(conf, &path);
    if (e == ERR_OK)
        e = arena_copy(arena, conf->route.hostname, &server_r->hostname);
    if (e == ERR_OK)
        e = arena_copy(arena, conf->route.origin, &server_r->origin);
    conf_close(&conf);
    if (e != ERR_OK)
        command_say("state_dir: %s", err_text(e));
    return e == ERR_OK ? 0 : EX_CONFIG;
}
