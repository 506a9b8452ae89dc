/* SPDX-License-Identifier: ISC */
#include "cmd/local_server.h"

#include <stdlib.h>

#include "cmd/development.h"

#define OTHERS_WRITE 0022

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
        server_r->development = true;
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

/* Root's `thurn dev` runs as another user: then the folder has to vouch for it. */
static bool is_own(int fd)
{
    struct os_file_stamp folder;
    const char *caller = os_uid() == 0 ? getenv("SUDO_UID") : NULL;
    uint32_t uid, pid, own = os_uid();
    uint64_t sudo = 0;
    if (socket_peer_user(fd, &uid, &pid) != ERR_OK)
        return false;
    if (uid == own || (caller && slice_to_u64(slice_str(caller), UINT32_MAX, &sudo) == ERR_OK && uid == sudo))
        return true;
    return os_file_stamp(AT_FDCWD, SLICE("."), true, &folder) == ERR_OK && (folder.uid == own || folder.uid == 0) &&
           !(folder.mode & OTHERS_WRITE);
}

enum err local_server_connect(const struct local_server *server, int64_t timeout_ms, int *fd_r)
{
    int fd = -1;
    enum err e = socket_connect_wait(&server->address, timeout_ms, &fd);
    if (e == ERR_OK && server->development && !is_own(fd))
        e = ERR_CORRUPT;
    if (e == ERR_OK)
        *fd_r = fd;
    else
        os_close(&fd);
    return e;
}
