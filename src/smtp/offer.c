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

/* RFC 9422 section 4: NAME=VALUE, where a value has 1 to 6 digits and does not begin with 0. */
void smtp_offer_limits(struct smtp_offer *offer, slice arguments)
{
    slice word, name, text;
    while (arguments.len > 0) {
        uint64_t value;
        (void)slice_cut(arguments, ' ', &word, &arguments);
        if (!slice_cut(word, '=', &name, &text) || text.len > LIMIT_DIGITS_MAX ||
            slice_to_u64(text, UINT32_MAX, &value) != ERR_OK || value == 0)
            continue;
        if (slice_equal_nocase(name, SLICE("RCPTMAX")))
            offer->rcpt_max = (uint32_t)value;
        else if (slice_equal_nocase(name, SLICE("MAILMAX")))
            offer->mail_max = (uint32_t)value;
        else if (slice_equal_nocase(name, SLICE("RCPTDOMAINMAX")))
            offer->rcpt_domain_max = (uint32_t)value;
    }
}
