/* SPDX-License-Identifier: ISC */
#include "os/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"

#define CREDENTIALS_OF_THE_UNIT "/run/credentials/thurn.service"
#define CREDENTIAL_NAME_MAX 255u

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

enum err os_notify_reloading(void)
{
    char memory[64];
    buf words;
    buf_init_fixed(&words, memory, sizeof memory);
    buf_printf(&words, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, os_now_us());
    return os_notify(buf_slice(&words));
}

int64_t os_watchdog_ms(const char *usec, const char *pid, uint32_t own_pid)
{
    uint64_t whose = own_pid, time = 0;
    if (!usec || (pid && slice_to_u64(slice_str(pid), UINT32_MAX, &whose) != ERR_OK) || whose != own_pid)
        return 0;
    if (slice_to_u64(slice_str(usec), INT64_MAX, &time) != ERR_OK)
        return 0;
    return (int64_t)(time / 1000);
}

int64_t os_watchdog_own_ms(void)
{
    return os_watchdog_ms(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), process_pid());
}

enum err os_credential_path(slice name, buf *path)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    bool hidden = name.len > 0 && name.ptr[0] == '.';
    if (name.len == 0 || name.len > CREDENTIAL_NAME_MAX || hidden || slice_find_char(name, '/') >= 0 ||
        slice_printable_len(name) != name.len)
        return ERR_SYNTAX;
    buf_append(path, folder && *folder == '/' ? slice_str(folder) : SLICE(CREDENTIALS_OF_THE_UNIT));
    buf_append_char(path, '/');
    buf_append(path, name);
    return buf_ok(path) ? ERR_OK : ERR_LIMIT;
}
