/* SPDX-License-Identifier: ISC */
#include "cmd/sendmail_letter.h"

#include "cmd/sendmail_header.h"
#include "cmd/sendmail_text.h"

#define PIECE (64u * 1024)
#define HEADER_MAX (1u << 20)
#define HEAD_MAX (2u << 20)

/* Once there is a file, everything goes there. */
static enum err keep_body(struct sendmail_letter *l, slice piece)
{
    if (!l->file && l->head.len + piece.len <= HEAD_MAX) {
        buf_append(&l->head, piece);
        return buf_ok(&l->head) ? ERR_OK : ERR_NOMEM;
    }
    if (!l->file)
        l->file = tmpfile();
    return l->file && fwrite(piece.ptr, 1, piece.len, l->file) == piece.len ? ERR_OK : ERR_NOSPACE;
}

static enum err keep(struct sendmail_letter *l, slice piece, bool whole, bool *in_header)
{
    if (!*in_header)
        return keep_body(l, piece);
    buf_append(&l->head, piece);
    if (!buf_ok(&l->head))
        return ERR_NOMEM;
    *in_header = !sendmail_header_find(buf_slice(&l->head), whole, &l->header_len);
    return l->header_len > HEADER_MAX || (*in_header && l->head.len > HEADER_MAX) ? ERR_LIMIT : ERR_OK;
}

enum err sendmail_letter_read(struct sendmail_letter *l, FILE *from, bool dots_are_text)
{
    static char in[PIECE];
    struct sendmail_text text;
    buf out;
    enum err e = ERR_OK;
    bool in_header = true;
    *l = (struct sendmail_letter){.file = NULL};
    buf_init(&l->head, HEAD_MAX);
    buf_init(&out, 2 * PIECE + 2);
    sendmail_text_init(&text, dots_are_text);
    for (size_t n = 1; e == ERR_OK && n > 0 && !text.ended; buf_clear(&out)) {
        n = fread(in, 1, PIECE, from);
        sendmail_text_feed(&text, slice_of(in, n), &out);
        if (n == 0 || text.ended)
            sendmail_text_end(&text, &out);
        e = ferror(from) ? ERR_IO : buf_ok(&out) ? keep(l, buf_slice(&out), text.ended, &in_header) : ERR_NOMEM;
    }
    buf_deinit(&out);
    if (e == ERR_OK && l->file && fflush(l->file) != 0)
        e = ERR_NOSPACE;
    return e;
}

void sendmail_letter_close(struct sendmail_letter *l)
{
    buf_deinit(&l->head);
    if (l->file)
        (void)fclose(l->file);
    l->file = NULL;
}

slice sendmail_letter_header(const struct sendmail_letter *l)
{
    return sendmail_skip_from_lines(slice_sub(buf_slice(&l->head), 0, l->header_len));
}

slice sendmail_letter_body(const struct sendmail_letter *l)
{
    return slice_skip(buf_slice(&l->head), l->header_len);
}
