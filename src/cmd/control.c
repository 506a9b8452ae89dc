/* SPDX-License-Identifier: ISC */
#include "cmd/control.h"

#include "child/child.h"

#define CONNECT_MS 5000

enum err control_connect(const struct conf *conf, struct socket_address *a_r, int *fd_r)
{
    buf path;
    *a_r = (struct socket_address){.ip_len = 0};
    buf_init_fixed(&path, a_r->path, sizeof a_r->path - 1);
    enum err e = child_control_socket_path(conf, &path);
    return e == ERR_OK ? socket_connect_wait(a_r, CONNECT_MS, fd_r) : e;
}

bool control_answers(const struct conf *conf)
{
    struct socket_address a;
    int fd = -1;
    enum err e = control_connect(conf, &a, &fd);
    os_close(&fd);
    return e != ERR_NOTFOUND && e != ERR_REFUSED && e != ERR_LIMIT;
}
