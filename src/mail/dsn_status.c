/* SPDX-License-Identifier: ISC */
#include "mail/dsn_part.h"

#include "mail/clean.h"
#include "mail/date.h"
#include "mail/queue_id.h"

#define CRLF SLICE("\r\n")
/* A server's words, before other characters than ASCII are spelled out: more than any that we keep */
#define DIAGNOSTIC_MAX 16384

static void print_date_field(buf *b, slice name, int64_t unix_s)
{
    buf_append(b, name);
    buf_append(b, SLICE(": "));
    date_print_rfc5322(b, unix_s, 0);
    buf_append(b, CRLF);
}

/* RFC 6533 section 3: in a report for ASCII readers other characters are spelled out. */
static void print_address(buf *b, const struct dsn_report *r, slice address)
{
    if (r->international)
        clean_append_text(b, clean_shorten(address));
    else
        clean_append_ascii(b, clean_shorten(address));
    buf_append(b, CRLF);
}

/* RFC 3464 section 2.3.2; RFC 6533 section 4 for addresses that are not ASCII. */
static void print_final_recipient(buf *b, const struct dsn_report *r, slice address)
{
    buf_append(b, slice_is_ascii(address) ? SLICE("Final-Recipient: rfc822; ") : SLICE("Final-Recipient: utf-8; "));
    print_address(b, r, address);
}

/* Only when the client gave ORCPT (RFC 3461 section 6.3). */
static void print_original_recipient(buf *b, const struct dsn_report *r, slice orcpt)
{
    slice type, address;
    if (!slice_cut(orcpt, ';', &type, &address))
        return;
    buf_append(b, SLICE("Original-Recipient: "));
    clean_append_word(b, type);
    buf_append(b, SLICE("; "));
    print_address(b, r, slice_trim(address));
}

/* "mx.example.com[192.0.2.26]": the name, or the address when there is no name. */
static void print_remote_mta(buf *b, slice remote_host)
{
    slice name, address;
    bool has_address = slice_cut(remote_host, '[', &name, &address);
    buf_append(b, SLICE("Remote-MTA: dns; "));
    if (has_address && name.len == 0)
        clean_append_word(b, remote_host);
    else
        clean_append_word(b, name);
    buf_append(b, CRLF);
}

static void print_diagnostic_code(buf *b, const struct dsn_recipient *r)
{
    buf raw, ascii;
    buf_init(&raw, 2 * DIAGNOSTIC_MAX);
    buf_init(&ascii, 16 * DIAGNOSTIC_MAX);
    struct verdict v = r->verdict;
    v.text = slice_sub(v.text, 0, DIAGNOSTIC_MAX);
    status_print(&raw, &v);
    clean_append_ascii(&ascii, buf_slice(&raw));
    slice type = r->remote_host.len > 0 ? SLICE("smtp; ") : SLICE("x-thurn; ");
    slice name = SLICE("Diagnostic-Code: ");
    buf_append(b, name);
    buf_append(b, type);
    dsn_print_wrapped(b, name.len + type.len, SLICE("    "), buf_slice(&ascii));
    buf_append(b, CRLF);
    if (!buf_ok(&raw) || !buf_ok(&ascii))
        b->failed = true;
    buf_deinit(&raw);
    buf_deinit(&ascii);
}

static void print_recipient(buf *b, const struct dsn_report *report, const struct dsn_recipient *r)
{
    static const slice actions[] = {
        [DSN_FAILED] = {"failed", 6},   [DSN_DELAYED] = {"delayed", 7},   [DSN_DELIVERED] = {"delivered", 9},
        [DSN_RELAYED] = {"relayed", 7}, [DSN_EXPANDED] = {"expanded", 8},
    };
    buf_append(b, CRLF);
    if (r->recipient->orcpt.len > 0)
        print_original_recipient(b, report, r->recipient->orcpt);
    print_final_recipient(b, report, r->recipient->address);
    buf_append(b, SLICE("Action: "));
    buf_append(b, actions[r->action]);
    buf_append(b, SLICE("\r\nStatus: "));
    status_print_enhanced(b, &r->verdict);
    buf_append(b, CRLF);
    if (r->remote_host.len > 0)
        print_remote_mta(b, r->remote_host);
    /* what another server said, and why we do not deliver: not our own content */
    if (r->remote_host.len > 0 || !verdict_ok(&r->verdict))
        print_diagnostic_code(b, r);
    print_date_field(b, SLICE("Last-Attempt-Date"), r->last_attempt_s);
    if (r->action == DSN_DELAYED)
        print_date_field(b, SLICE("Will-Retry-Until"), r->retry_until_s);
}

void dsn_print_status(buf *b, const struct dsn_report *r)
{
    buf_append(b, SLICE("Reporting-MTA: dns; "));
    clean_append_word(b, r->hostname);
    buf_append(b, CRLF);
    if (r->envid.len > 0) {
        buf_append(b, SLICE("Original-Envelope-Id: "));
        clean_append_ascii(b, clean_shorten(r->envid));
        buf_append(b, CRLF);
    }
    buf_append(b, SLICE("X-Thurn-Queue-Id: "));
    queue_id_print(b, r->id);
    buf_append(b, CRLF);
    print_date_field(b, SLICE("Arrival-Date"), r->arrival_s);
    if (r->deliver_by_s > 0)
        print_date_field(b, SLICE("Deliver-By-Date"), r->deliver_by_s);
    if (r->release_s > 0) {
        buf_append(b, SLICE("Future-Release-Request: until;"));
        date_print_rfc3339(b, r->release_s);
        buf_append(b, CRLF);
    }
    for (size_t i = 0; i < r->count; i++)
        print_recipient(b, r, &r->recipients[i]);
}
