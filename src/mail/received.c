/* SPDX-License-Identifier: ISC */
#include "mail/received.h"

#include "mail/clean.h"
#include "mail/date.h"
#include "mail/queue_id.h"

#define FOLD SLICE("\r\n\t")

static void append_name(buf *b, slice name)
{
    if (name.len == 0)
        buf_append(b, SLICE("unknown"));
    else
        clean_append_word(b, name);
}

/* "from HELO (rdns [ip])", for local programs "from HELO (local)". */
static void append_from(buf *b, const struct message_origin *origin)
{
    buf_append(b, SLICE("from "));
    append_name(b, origin->helo.len > 0 ? origin->helo : origin->client_name);
    if (slice_equal(origin->client_ip, SLICE("local"))) {
        buf_append(b, SLICE(" (local)"));
        return;
    }
    buf_append(b, SLICE(" ("));
    append_name(b, origin->client_name);
    /* RFC 5321 section 4.4: an address literal */
    bool ipv6 = slice_find_char(origin->client_ip, ':') >= 0;
    buf_append(b, ipv6 ? SLICE(" [IPv6:") : SLICE(" ["));
    clean_append_word(b, origin->client_ip);
    buf_append(b, SLICE("])"));
}

void received_print(buf *b, const struct received_facts *f)
{
    const struct message_origin *origin = &f->origin;
    bool our_own = slice_equal(origin->protocol, SLICE("local"));
    buf_append(b, SLICE("Received: "));
    if (!our_own) {
        append_from(b, origin);
        buf_append(b, FOLD);
        if (f->tls.len > 0) {
            buf_append_char(b, '(');
            clean_append_comment(b, f->tls);
            buf_append_char(b, ')');
            buf_append(b, FOLD);
        }
    }
    buf_append(b, SLICE("by "));
    clean_append_word(b, f->hostname);
    buf_append(b, SLICE(" (Thurn)"));
    if (!our_own) {
        buf_append(b, SLICE(" with "));
        clean_append_word(b, origin->protocol);
    }
    buf_append(b, SLICE(" id "));
    queue_id_print(b, f->id);
    if (f->rcpt.len > 0) {
        buf_append(b, FOLD);
        buf_append(b, SLICE("for <"));
        clean_append_text(b, f->rcpt);
        buf_append_char(b, '>');
    }
    if (f->priority != 0) /* RFC 6710 section 7 */
        buf_printf(b, " PRIORITY %d", f->priority);
    buf_append(b, f->rcpt.len > 0 ? SLICE("; ") : SLICE(";\r\n\t"));
    date_print_rfc5322(b, f->unix_s, 0);
    buf_append(b, SLICE("\r\n"));
}

void received_print_return_path(buf *b, slice reverse_path)
{
    buf_append(b, SLICE("Return-Path: <"));
    clean_append_text(b, reverse_path);
    buf_append(b, SLICE(">\r\n"));
}

void received_print_delivered_to(buf *b, slice address)
{
    buf_append(b, SLICE("Delivered-To: "));
    clean_append_text(b, address);
    buf_append(b, SLICE("\r\n"));
}
