/* SPDX-License-Identifier: ISC */
#include "child/child.h"

static enum err below_state(const struct conf *conf, slice name, buf *b)
{
    buf_append(b, conf->state_dir);
    buf_append(b, name);
    return buf_ok(b) ? ERR_OK : ERR_LIMIT;
}

enum err child_local_socket_path(const struct conf *conf, buf *b)
{
    return below_state(conf, SLICE("/run/smtp.sock"), b);
}

enum err child_control_socket_path(const struct conf *conf, buf *b)
{
    return below_state(conf, SLICE("/run/control.sock"), b);
}
