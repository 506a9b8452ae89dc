/* SPDX-License-Identifier: ISC */
#include "os/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/file.h"

enum err os_notify(slice words)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!path || !*path)
        return ERR_OK;
    size_t len = strlen(path);
    if (len >= sizeof to.sun_path)
        return ERR_LIMIT;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = 0; /* an abstract address: its length counts, and there is no end mark */
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '@' ? 0 : 1));
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return os_err(errno);
    ssize_t sent = sendto(fd, words.ptr, words.len, MSG_NOSIGNAL, (const struct sockaddr *)&to, size);
    enum err e = sent == (ssize_t)words.len ? ERR_OK : os_err(errno);
    (void)close(fd);
    return e;
}
