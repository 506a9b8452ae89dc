/* SPDX-License-Identifier: ISC */
/* The pieces of an address that envelope (RFC 5321) and header (RFC 5322) have in common. Internal to mail. */
#ifndef MAIL_ADDRESS_SYNTAX_H
#define MAIL_ADDRESS_SYNTAX_H

#include "mail/address.h"

/* RFC 5321 section 4.5.3.1 has 64 for a local part and 256 for a path, and asks for more where it can be had: reverse-paths that carry another
 * address (VERP, SRS) are longer. */
#define ADDRESS_LOCAL_MAX 255
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_PATH_MAX 512 /* with its angle brackets */

/* Length of the character that s begins with when it may stand in an atom, else 0. */
size_t address_atom_char_len(slice s, bool utf8);
/* Length of a printable character, space too, else 0: what may stand in a quoted string. */
size_t address_print_char_len(slice s, bool utf8);
/* Length of the dot-string (RFC 5321 section 4.1.2) that s begins with, 0 when there is none. A dot at the end is not part of it. */
size_t address_dot_string_len(slice s, bool utf8);
/* Judges the lengths. ERR_LIMIT. */
must_check enum err address_check_limits(struct address a);

#endif
