/* SPDX-License-Identifier: ISC */
#include "mail/dsn_part.h"

#include "mail/clean.h"
#include "mail/date.h"
#include "mail/queue_id.h"

#define CRLF SLICE("\r\n")
#define COLUMNS 76
#define WORD_MAX 900
/* A server's words in the text for people; the machine's part has them all. */
#define WORDS_MAX 4096

/* Bytes of the word at the start of text that go on one line, no half character. */
static size_t word_len(slice text)
{
    ptrdiff_t space = slice_find_char(text, ' ');
    size_t len = space < 0 ? text.len : (size_t)space;
    if (len <= WORD_MAX)
        return len;
    len = WORD_MAX;
    while (len > WORD_MAX - 4 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

void dsn_print_wrapped(buf *b, size_t column, slice indent, slice text)
{
    bool first = true;
    while (text.len > 0) {
        if (text.ptr[0] == ' ') {
            text = slice_skip(text, 1);
            continue;
        }
        size_t len = word_len(text);
        if (!first && column + 1 + len > COLUMNS) {
            buf_append(b, CRLF);
            buf_append(b, indent);
            column = indent.len;
        } else if (!first) {
            buf_append_char(b, ' ');
            column++;
        }
        buf_append(b, slice_sub(text, 0, len));
        column += len;
        text = slice_skip(text, len);
        first = false;
    }
}

static void print_paragraph(buf *b, slice indent, slice text)
{
    buf_append(b, indent);
    dsn_print_wrapped(b, indent.len, indent, text);
    buf_append(b, CRLF);
}

/* What a sender can do, by the enhanced code's subject and detail (RFC 3463); ANY stands for every detail. */
#define ANY 255
struct advice {
    uint8_t subject, detail;
    slice text;
};
#define ADVICE(subject, detail, text)                                                                                  \
    {                                                                                                                  \
        subject, detail,                                                                                               \
        {                                                                                                              \
            text, sizeof(text) - 1                                                                                     \
        }                                                                                                              \
    }

static const struct advice advice_on_failure[] = {
    ADVICE(1, 1, "There is no such mailbox. Check the part of the address before the @ and send your message again."),
    ADVICE(1, 2, "This domain is not known. Check the part of the address behind the @ and send your message again."),
    ADVICE(1, 3, "The address is not well-formed. Check it and send your message again."),
    ADVICE(1, 10, "This domain takes no mail at all. Check the part of the address behind the @."),
    ADVICE(2, 1, "The mailbox is closed or not in use. Try to reach the recipient in another way."),
    ADVICE(2, 2, "The mailbox is full. Try again later, or tell the recipient in another way."),
    ADVICE(2, 3, "Your message is larger than this mailbox takes. Send less, or share large files in another way."),
    ADVICE(3, 4, "Your message is larger than this server takes. Send less, or share large files in another way."),
    ADVICE(4, 6, "The mail went round in circles. The recipient's postmaster has to repair this."),
    ADVICE(4, 7, "It was tried again and again until the time was up. Check the address, or try again later."),
    ADVICE(4, ANY, "The server could not be reached. Check the address, or try again later."),
    ADVICE(6, ANY, "The server cannot take this kind of content. Send it in another form."),
    ADVICE(7, ANY,
           "The server does not want this message; its words may say why. "
           "Try to reach the recipient in another way."),
};

static slice advice_of(const struct dsn_recipient *r)
{
    if (r->action != DSN_FAILED)
        return SLICE_NONE;
    const uint8_t *code = r->verdict.enhanced;
    for (size_t i = 0; i < sizeof(advice_on_failure) / sizeof(advice_on_failure[0]); i++) {
        const struct advice *a = &advice_on_failure[i];
        if (code[0] != 0 && a->subject == code[1] && (a->detail == code[2] || a->detail == ANY))
            return a->text;
    }
    if (verdict_class(&r->verdict) != VERDICT_PERMANENT)
        return SLICE("It was tried again and again until the time was up. Try again later.");
    return SLICE("Check the address; if it is right, the words above are what the postmaster needs.");
}

/* RFC 3464 is for machines; this says the same in words. */
static slice opening_of(enum dsn_action action)
{
    switch (action) {
    case DSN_FAILED:
        return SLICE("Your message could not be delivered to the following recipients, and will not be tried again:");
    case DSN_DELAYED:
        return SLICE("Your message has not been delivered yet to the following recipients. This is a warning only: "
                     "it is tried again by itself, and you need not do anything.");
    case DSN_RELAYED:
        return SLICE("Your message was passed on to a server that sends no reports of success, for the following "
                     "recipients:");
    case DSN_EXPANDED:
        return SLICE("Your message was sent on from these addresses to several others:");
    case DSN_DELIVERED:
        break;
    }
    return SLICE("Your message was delivered to the following recipients:");
}

static void print_heading(buf *b, const struct dsn_recipient *r)
{
    buf_append_char(b, '<');
    clean_append_text(b, clean_shorten(r->recipient->address));
    buf_append(b, SLICE(">\r\n"));
    if (r->recipient->original.len > 0) {
        buf_append(b, SLICE("    (you wrote to <"));
        clean_append_text(b, clean_shorten(r->recipient->original));
        buf_append(b, SLICE(">)\r\n"));
    }
}

static void print_words(buf *b, const struct dsn_recipient *r)
{
    buf raw, words;
    buf_init(&raw, 2 * WORDS_MAX);
    buf_init(&words, 2 * WORDS_MAX);
    struct verdict v = r->verdict;
    v.text = slice_sub(v.text, 0, WORDS_MAX);
    status_print(&raw, &v);
    clean_append_text(&words, buf_slice(&raw));
    if (r->remote_host.len > 0) {
        buf_append(b, SLICE("    The server "));
        clean_append_word(b, r->remote_host);
        buf_append(b, SLICE(" said:\r\n"));
    } else {
        buf_append(b, SLICE("    This server says:\r\n"));
    }
    print_paragraph(b, SLICE("        "), buf_slice(&words));
    if (!buf_ok(&raw) || !buf_ok(&words))
        b->failed = true;
    buf_deinit(&raw);
    buf_deinit(&words);
}

static void print_recipient(buf *b, const struct dsn_recipient *r)
{
    buf_append(b, CRLF);
    print_heading(b, r);
    print_words(b, r);
    slice advice = advice_of(r);
    if (advice.len > 0)
        print_paragraph(b, SLICE("    "), advice);
    if (r->action == DSN_DELAYED) {
        buf_append(b, SLICE("    It is tried again until "));
        date_print_rfc5322(b, r->retry_until_s, 0);
        buf_append(b, SLICE(".\r\n"));
    }
}

static void print_action(buf *b, const struct dsn_report *r, enum dsn_action action)
{
    bool opened = false;
    for (size_t i = 0; i < r->count; i++) {
        if (r->recipients[i].action != action)
            continue;
        if (!opened) {
            buf_append(b, CRLF);
            print_paragraph(b, SLICE(""), opening_of(action));
        }
        opened = true;
        print_recipient(b, &r->recipients[i]);
    }
}

void dsn_print_text(buf *b, const struct dsn_report *r)
{
    buf_append(b, SLICE("This is the mail system at "));
    clean_append_word(b, r->hostname);
    buf_append(b, SLICE(".\r\n"));
    for (int action = DSN_FAILED; action <= DSN_EXPANDED; action++)
        print_action(b, r, (enum dsn_action)action);
    buf_append(b, SLICE("\r\nYour message came in on "));
    date_print_rfc5322(b, r->arrival_s, 0);
    buf_append(b, SLICE("\r\nunder the queue id "));
    queue_id_print(b, r->id);
    buf_append(b, r->original_full ? SLICE(". It is attached to this report.\r\n")
                                   : SLICE(". Its header is attached to this report.\r\n"));
    if (r->postmaster.len > 0) {
        buf_append(b, SLICE("For help, write to <"));
        clean_append_text(b, clean_shorten(r->postmaster));
        buf_append(b, SLICE("> and include this report.\r\n"));
    }
}
