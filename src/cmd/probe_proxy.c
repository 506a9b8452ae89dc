/* SPDX-License-Identifier: ISC */
#include "cmd/probe_proxy.h"

#include "mail/mail.h"

#define V2_PROXY 0x21
#define V2_TCP4 0x11
#define V2_TCP6 0x21

static void append_u16(buf *out, size_t n)
{
    buf_append_char(out, (char)(n >> 8));
    buf_append_char(out, (char)(n & 0xff));
}

void probe_proxy_write(buf *out, unsigned version, const struct socket_address *source, const struct socket_address *to)
{
    size_t len = source->ip_len;
    struct socket_address end = {.ip_len = source->ip_len};
    if (to->ip_len == source->ip_len)
        end = *to;
    if (version == 1) {
        buf_printf(out, "PROXY TCP%s ", len == 4 ? "4" : "6");
        address_ip_print(out, source->ip, len);
        buf_append_char(out, ' ');
        address_ip_print(out, end.ip, len);
        buf_printf(out, " %u %u\r\n", source->port, end.port);
        return;
    }
    buf_append(out, SLICE("\r\n\r\n\0\r\nQUIT\n"));
    buf_append_char(out, V2_PROXY);
    buf_append_char(out, len == 4 ? V2_TCP4 : V2_TCP6);
    append_u16(out, 2 * len + 4);
    buf_append(out, slice_of(source->ip, len));
    buf_append(out, slice_of(end.ip, len));
    append_u16(out, source->port);
    append_u16(out, end.port);
}
