/* SPDX-License-Identifier: ISC */
#include "child/child.h"

#define PORT_SMTP 25
#define INTERFACES_MAX 64

size_t child_own_addresses(const struct conf *conf, struct mx_address *addresses, size_t max)
{
    struct socket_address own[INTERFACES_MAX];
    size_t n = socket_own_addresses(own, INTERFACES_MAX), count = 0;
    for (size_t i = 0; i < conf->listener_count; i++) {
        const struct conf_listener *l = &conf->listeners[i];
        if (l->role != CONF_LISTEN_MX || l->port != PORT_SMTP)
            continue;
        bool all = slice_equal(l->host, SLICE("*"));
        struct socket_address one;
        if (!all && socket_address_parse(l->host, l->port, &one) != ERR_OK)
            continue;
        const struct socket_address *from = all ? own : &one;
        for (size_t k = 0; k < (all ? n : 1) && count < max; k++) {
            struct mx_address *to = &addresses[count++];
            memcpy(to->ip, from[k].ip, from[k].ip_len);
            to->ip_len = from[k].ip_len;
        }
    }
    return count;
}
