/* SPDX-License-Identifier: ISC */
/* What a host's EHLO says behind a keyword. */
#include "smtp/extensions.h"

enum { LIMIT_DIGITS_MAX = 6 };

void smtp_offer_size(struct smtp_offer *offer, slice arguments)
{
    uint64_t size;
    if (slice_to_u64(slice_trim(arguments), UINT64_MAX, &size) == ERR_OK)
        offer->size = size;
}

/* Said twice ("AUTH PLAIN" and the old "AUTH=PLAIN") the lists are one. */
void smtp_offer_auth(struct smtp_offer *offer, slice arguments)
{
    slice word;
    while (arguments.len > 0) {
        (void)slice_cut(arguments, ' ', &word, &arguments);
        slice known = slice_of(offer->mechanisms, offer->mechanisms_len);
        if (word.len == 0 || word.len >= (size_t)SMTP_MECHANISMS_MAX - known.len || smtp_word_in(known, word))
            continue;
        if (known.len > 0)
            offer->mechanisms[offer->mechanisms_len++] = ' ';
        memcpy(offer->mechanisms + offer->mechanisms_len, word.ptr, word.len);
        offer->mechanisms_len = (uint16_t)(offer->mechanisms_len + word.len);
    }
}

/* RFC 2852 section 4: the least by-time of mode R, in seconds. */
void smtp_offer_deliver_by(struct smtp_offer *offer, slice arguments)
{
    slice first, rest;
    uint64_t least;
    (void)slice_cut(arguments, ',', &first, &rest);
    if (slice_to_u64(slice_trim(first), 999999999, &least) == ERR_OK)
        offer->deliver_by_min_s = (int64_t)least;
}

/* RFC 9422 section 3: NAME or NAME=VALUE, of their characters. */
static bool is_limit(slice word)
{
    slice name, value;
    bool has_value = slice_cut(word, '=', &name, &value);
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alpha(name.ptr[i]) && !ascii_is_digit(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_')
            return false;
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] <= ' ' || value.ptr[i] > '~' || value.ptr[i] == ';')
            return false;
    return name.len > 0 && has_value == (value.len > 0);
}

/* Section 3.7: where the words are none, nothing of the line counts. */
static bool are_limits(slice words)
{
    slice word;
    while (words.len > 0) {
        (void)slice_cut(words, ' ', &word, &words);
        if (word.len > 0 && !is_limit(word))
            return false;
    }
    return true;
}

/* Section 4: a value has 1 to 6 digits and does not begin with 0; one that is wrong is as if it were not there. */
void smtp_offer_limits(struct smtp_offer *offer, slice arguments)
{
    slice word, name, text;
    if (!are_limits(arguments))
        return;
    while (arguments.len > 0) {
        uint64_t value;
        (void)slice_cut(arguments, ' ', &word, &arguments);
        if (!slice_cut(word, '=', &name, &text) || text.len > LIMIT_DIGITS_MAX || text.len == 0 || text.ptr[0] == '0' ||
            slice_to_u64(text, UINT32_MAX, &value) != ERR_OK)
            continue;
        if (slice_equal_nocase(name, SLICE("RCPTMAX")))
            offer->rcpt_max = (uint32_t)value;
        else if (slice_equal_nocase(name, SLICE("MAILMAX")))
            offer->mail_max = (uint32_t)value;
        else if (slice_equal_nocase(name, SLICE("RCPTDOMAINMAX")))
            offer->rcpt_domain_max = (uint32_t)value;
    }
}
