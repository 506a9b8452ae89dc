/* SPDX-License-Identifier: ISC */
#include "conf/message.h"

#define WORD_MAX 32

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

/* Letters to insert, drop, change or swap with their neighbour until a is b. */
static unsigned distance(slice a, slice b)
{
    unsigned rows[3][WORD_MAX + 1];
    for (size_t k = 0; k <= b.len; k++)
        rows[0][k] = (unsigned)k;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = (unsigned)i;
        for (size_t k = 1; k <= b.len; k++) {
            unsigned change = last[k - 1] + (ascii_lower(a.ptr[i - 1]) != ascii_lower(b.ptr[k - 1]));
            now[k] = smallest(last[k] + 1, now[k - 1] + 1, change);
            if (i > 1 && k > 1 && a.ptr[i - 1] == b.ptr[k - 2] && a.ptr[i - 2] == b.ptr[k - 1] &&
                before[k - 2] + 1 < now[k])
                now[k] = before[k - 2] + 1;
        }
    }
    return rows[a.len % 3][b.len];
}

slice suggest_word(slice wrong, const char *const *words, size_t count)
{
    slice best = SLICE_NONE;
    unsigned best_distance = (unsigned)(wrong.len + 2) / 3 + 1;
    if (wrong.len == 0 || wrong.len > WORD_MAX)
        return SLICE_NONE;
    for (size_t i = 0; i < count; i++) {
        slice word = slice_str(words[i]);
        unsigned d = word.len > WORD_MAX ? WORD_MAX : distance(wrong, word);
        if (d < best_distance) {
            best = word;
            best_distance = d;
        }
    }
    return best;
}
