/* SPDX-License-Identifier: ISC */
/* Addresses of the envelope (RFC 5321 section 4.1.2) and of headers (RFC 5322 section 3.4), read from hostile bytes. Slices in the
 * results look into the input, but for what needs unquoting, which goes into the caller's arena. Source routes (@a,@b:) are read and
 * dropped (RFC 5321 appendix C). Without utf8 only ASCII is taken; with it, well-formed UTF-8 in atoms, quoted strings and labels (RFC 6531 section 3.3).
 * Limits: local part 255 octets, domain 255, path 512: more than RFC 5321 section 4.5.3.1 asks for. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/base.h"

/* "a@b" as one mailbox. Null reverse-path and bare names have an empty domain. local is unquoted where it was a needless quoted
 * string, else kept as written: address_print's output is always a valid path again. */
struct address {
    slice local;
    slice domain; /* as written, or "[192.0.2.1]", "[IPv6:2001:db8::1]" */
};

enum address_rules {
    ADDRESS_STRICT = 0,
    ADDRESS_BARE_PATH = 1, /* `a@b` without angle brackets and white space before the path are taken */
    ADDRESS_NULL = 2,      /* `<>` is taken: both parts empty */
    ADDRESS_NO_DOMAIN = 4, /* a local part alone is taken (`<postmaster>`, bare names from local programs) */
    ADDRESS_UTF8 = 8,
};

/* Reads one path at the start of in (after "FROM:" or "TO:"); *rest_r is what follows it, to be read as parameters (begins with SP or is empty).
 * ERR_SYNTAX, ERR_LIMIT (too long), ERR_NOMEM. */
must_check enum err address_parse_path(slice in, unsigned rules, struct arena *arena, struct address *address_r,
                                       slice *rest_r);
/* Reads in as exactly one mailbox without brackets: "a@b" (of a configuration, an alias, a command line). */
must_check enum err address_parse(slice in, unsigned rules, struct arena *arena, struct address *address_r);
/* "Full Name <a@b>", "a@b (Name)", "<a@b>": the first mailbox of a header field's value. name_r may be NULL. ERR_SYNTAX when there is none. */
must_check enum err address_parse_mailbox(slice in, struct arena *arena, slice *name_r, struct address *address_r);
/* The next mailbox of a header's address list (groups and comments understood), from *in, which moves on. ERR_NOTFOUND at the end, ERR_SYNTAX. */
must_check enum err address_list_next(slice *in, struct arena *arena, slice *name_r, struct address *address_r);

/* The same, and how far into *in, as it was, the mailbox's local part goes: where a domain could be put that it lacks. */
must_check enum err address_list_next_at(slice *in, struct arena *arena, struct address *address_r,
                                         size_t *local_end_r);

/* local@domain, without brackets; nothing for the null path; the local part alone without a domain. */
void address_print(buf *b, struct address a);
/* Local parts compared exactly, domains without case. */
bool address_equal(struct address a, struct address b);
bool address_is_null(struct address a);
/* Domain or address literal, syntax only (for HELO and route names): letters, digits, hyphens, dots, underscores tolerated; or [..]. */
bool address_domain_valid(slice domain, bool utf8);
/* "[192.0.2.1]" or "192.0.2.1" or IPv6, with or without brackets and the IPv6: tag: writes 4 or 16 bytes, *len_r says which. ERR_SYNTAX. */
must_check enum err address_ip_parse(slice text, uint8_t ip_r[16], size_t *len_r);
/* The usual text of an address of 4 or 16 bytes (RFC 5952), without brackets. */
void address_ip_print(buf *b, const uint8_t *ip, size_t len);
/* Copies the address, and writes an IPv4 one that is mapped into IPv6 as the IPv4 one that it is; returns the length. */
size_t address_ip_unmap(const uint8_t *ip, size_t len, uint8_t ip_r[16]);
/* True for loopback, unspecified, multicast, broadcast: where no MX may point (features S12). len is 4 or 16; mapped IPv4 is judged as IPv4. */
bool address_ip_is_nowhere(const uint8_t *ip, size_t len);

#endif
