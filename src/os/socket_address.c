/* SPDX-License-Identifier: ISC */
#include "os/socket_sys.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/un.h>

int socket_address_family(const struct socket_address *a)
{
    return a->ip_len == 4 ? AF_INET : a->ip_len == 16 ? AF_INET6 : AF_UNIX;
}

socklen_t socket_address_to_sys(const struct socket_address *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (a->ip_len == 4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(a->port);
        memcpy(&in->sin_addr, a->ip, 4);
        return sizeof(*in);
    }
    if (a->ip_len == 16) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(a->port);
        memcpy(&in6->sin6_addr, a->ip, 16);
        return sizeof(*in6);
    }
    struct sockaddr_un *un = (struct sockaddr_un *)out;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, a->path, sizeof(un->sun_path));
    un->sun_path[sizeof(un->sun_path) - 1] = 0;
    return sizeof(*un);
}

void socket_address_from_sys(const struct sockaddr_storage *in, socklen_t len, struct socket_address *a)
{
    memset(a, 0, sizeof(*a));
    if (in->ss_family == AF_INET) {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)in;
        a->ip_len = 4;
        a->port = ntohs(in4->sin_port);
        memcpy(a->ip, &in4->sin_addr, 4);
    } else if (in->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)in;
        a->ip_len = 16;
        a->port = ntohs(in6->sin6_port);
        memcpy(a->ip, &in6->sin6_addr, 16);
    } else if (in->ss_family == AF_UNIX && len > offsetof(struct sockaddr_un, sun_path)) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)in;
        size_t size = len - offsetof(struct sockaddr_un, sun_path);
        memcpy(a->path, un->sun_path, size < sizeof(a->path) ? size : sizeof(a->path) - 1);
    }
}

enum err socket_address_parse(slice host, uint16_t port, struct socket_address *a_r)
{
    char text[INET6_ADDRSTRLEN];
    struct socket_address a = {.port = port};
    if (host.len == 0 || host.len >= sizeof(text) || memchr(host.ptr, 0, host.len))
        return ERR_SYNTAX;
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    if (inet_pton(AF_INET, text, a.ip) == 1)
        a.ip_len = 4;
    else if (inet_pton(AF_INET6, text, a.ip) == 1)
        a.ip_len = 16;
    else
        return ERR_SYNTAX;
    *a_r = a;
    return ERR_OK;
}

void socket_address_print(buf *b, const struct socket_address *a)
{
    char text[INET6_ADDRSTRLEN];
    if (a->ip_len == 0)
        buf_printf(b, "unix:%s", a->path);
    else if (inet_ntop(socket_address_family(a), a->ip, text, sizeof(text)))
        buf_printf(b, a->ip_len == 4 ? "%s:%u" : "[%s]:%u", text, a->port);
}

size_t socket_own_addresses(struct socket_address *out, size_t max)
{
    struct ifaddrs *all;
    size_t count = 0;
    if (getifaddrs(&all) != 0)
        return 0;
    for (const struct ifaddrs *i = all; i && count < max; i = i->ifa_next) {
        struct sockaddr_storage s = {0};
        if (!i->ifa_addr)
            continue;
        if (i->ifa_addr->sa_family == AF_INET)
            memcpy(&s, i->ifa_addr, sizeof(struct sockaddr_in));
        else if (i->ifa_addr->sa_family == AF_INET6)
            memcpy(&s, i->ifa_addr, sizeof(struct sockaddr_in6));
        else
            continue;
        socket_address_from_sys(&s, sizeof(s), &out[count++]);
    }
    freeifaddrs(all);
    return count;
}
