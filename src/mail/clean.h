/* SPDX-License-Identifier: ISC */
/* What peers and users gave, made harmless for the header fields and reports that we write: whatever could end a line, leave a
 * comment or upset a reader's terminal becomes a question mark. Well-formed UTF-8 stays, C1 controls do not. Internal to mail. */
#ifndef MAIL_CLEAN_H
#define MAIL_CLEAN_H

#include "base/base.h"

/* Text in which spaces may stand; a tab or LF becomes a space. */
void clean_append_text(buf *b, slice s);
/* A word for a header field: also without space, parentheses, angle brackets, quotes, backslash, comma and semicolon; at most 255 bytes. */
void clean_append_word(buf *b, slice s);
/* As text, without parentheses and backslash: may stand in a comment. At most 255 bytes. */
void clean_append_comment(buf *b, slice s);
/* At most the first 255 bytes, no half character at the end. */
slice clean_shorten(slice s);
/* As text, in ASCII: other characters become \x{HEX} as in RFC 6533 section 3, and bytes that are no UTF-8 question marks. */
void clean_append_ascii(buf *b, slice s);

#endif
