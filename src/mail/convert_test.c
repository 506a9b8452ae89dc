/* SPDX-License-Identifier: ISC */
#include "mail/convert_check_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define E "\xc3\xa9"
#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n"
#define MIME "MIME-Version: 1.0\r\n"
#define L100 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiiijjjjjjjjjj"
#define L1000 L100 L100 L100 L100 L100 L100 L100 L100 L100 L100
#define CTE "Content-Transfer-Encoding: "

struct row {
    slice in, out;
};

static void check_rows(const struct row *rows, size_t count, enum convert_target target)
{
    for (size_t i = 0; i < count; i++) {
        char memory[40000];
        buf out;
        buf_init_fixed(&out, memory, sizeof memory);
        struct body_facts facts;
        assert_int_equal(convert_measure(rows[i].in, target, &facts), ERR_OK);
        struct convert c;
        convert_init(&c, rows[i].in, target);
        while (convert_next(&c, &out))
            ;
        if (!slice_equal(buf_slice(&out), rows[i].out))
            fail_msg("row %zu gives:\n%.*s", i, SLICE_ARG(buf_slice(&out)));
        assert_int_equal(facts.size, rows[i].out.len);
        check_conversion(rows[i].in, target);
    }
}

static void e2_leaves_become_quoted_printable(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SLICE(""), SLICE("")},
        {SLICE("A: b\r\n\r\nplain\r\n"), SLICE("A: b\r\n\r\nplain\r\n")},
        {SLICE("A: b\r\n\r\ncaf" E " =\r\n"), SLICE("A: b\r\n" MIME "Content-Type: text/plain; charset=utf-8\r\n" CTE
                                                    "quoted-printable\r\n\r\ncaf=C3=A9 =3D\r\n")},
        {SLICE("A: b\r\n\r\ncaf\xe9"), SLICE("A: b\r\n" MIME "Content-Type: text/plain; charset=unknown-8bit\r\n" CTE
                                             "quoted-printable\r\n\r\ncaf=E9")},
        {SLICE(MIME "Content-Type: text/html; charset=utf-8\r\n" CTE " 8BIT\r\nX: y\r\n\r\n" E " \r\nb\t\r\n"),
         SLICE(MIME "Content-Type: text/html; charset=utf-8\r\n" CTE
                    "quoted-printable\r\nX: y\r\n\r\n=C3=A9=20\r\nb=09\r\n")},
        {SLICE(MIME "Content-Type: text/html\r\n\r\n" E "\r\n"),
         SLICE(MIME "Content-Type: text/html\r\n" CTE "quoted-printable\r\n\r\n=C3=A9\r\n")},
        {SLICE("Content-Type: text/html\r\n" CTE "8bit\r\n\r\nplain\r\n"),
         SLICE("Content-Type: text/html\r\n" CTE "7bit\r\n\r\nplain\r\n")},
        {SLICE("A: b\r\nno field " E "\r\n"), SLICE("A: b\r\n" MIME "Content-Type: text/plain; charset=utf-8\r\n" CTE
                                                    "quoted-printable\r\n\r\nno field =C3=A9\r\n")},
        {SLICE(CTE "8bit\r\n\r\n" E L100 "\r\n--x\r\n-y\r\n"),
         SLICE(CTE "quoted-printable\r\n" MIME "Content-Type: text/plain; charset=utf-8\r\n\r\n"
                   "=C3=A9aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggggggg=\r\n"
                   "ghhhhhhhhhhiiiiiiiiiijjjjjjjjjj\r\n=2D-x\r\n-y\r\n")},
        {SLICE(CTE "x-odd\r\n\r\n" E "\r\n"), SLICE(CTE "quoted-printable\r\n" MIME "Content-Type: text/plain; "
                                                        "charset=utf-8\r\n\r\n=C3=A9\r\n")},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], CONVERT_TO_7BIT);
    check_conversion(SLICE("A: b\r\n\r\n" L1000 "\r\n"), CONVERT_TO_7BIT);
}

static void e5_binary_parts_become_base64(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SLICE(MIME "Content-Type: application/octet-stream\r\n" CTE "binary\r\n\r\n\0\r\n\xff"),
         SLICE(MIME "Content-Type: application/octet-stream\r\n" CTE "base64\r\n\r\nAA0K/w==\r\n")},
        {SLICE(MIME "Content-Type: text/plain\r\n" CTE "binary\r\n\r\na\nb\r\n"),
         SLICE(MIME "Content-Type: text/plain\r\n" CTE "base64\r\n\r\nYQpiDQo=\r\n")},
        {SLICE(MIME "Content-Type: text/plain\r\n" CTE "binary\r\n\r\nab\r\n"),
         SLICE(MIME "Content-Type: text/plain\r\n" CTE "7bit\r\n\r\nab\r\n")},
        {SLICE(MIME MULTI CTE "binary\r\n\r\n--b\r\nContent-Type: image/png\r\n" CTE
                              "binary\r\n\r\n\0\0\0\r\n--b--\r\n"),
         SLICE(MIME MULTI CTE "7bit\r\n\r\n--b\r\nContent-Type: image/png\r\n" CTE "base64\r\n\r\nAAAA\r\n--b--\r\n")},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], CONVERT_TO_7BIT);
}

static void e5_without_binarymime_eight_bits_stay(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SLICE(MIME "Content-Type: text/plain\r\n" CTE "8bit\r\n\r\n" E "\r\n"),
         SLICE(MIME "Content-Type: text/plain\r\n" CTE "8bit\r\n\r\n" E "\r\n")},
        {SLICE(MIME "Subject: " E "\r\nContent-Type: text/plain\r\n" CTE "binary\r\n\r\n" E "\r\n"),
         SLICE(MIME "Subject: " E "\r\nContent-Type: text/plain\r\n" CTE "8bit\r\n\r\n" E "\r\n")},
        {SLICE(MIME MULTI CTE "binary\r\n\r\n--b\r\n\r\n" E "\r\n--b\r\nContent-Type: a/b\r\n" CTE
                              "binary\r\n\r\n\0\r\n--b--\r\n"),
         SLICE(MIME MULTI CTE "8bit\r\n\r\n--b\r\n\r\n" E "\r\n--b\r\nContent-Type: a/b\r\n" CTE
                              "base64\r\n\r\nAA==\r\n--b--\r\n")},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], CONVERT_TO_8BIT);
}

static void e2_multiparts_and_messages_keep_their_shape(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SLICE(MIME MULTI CTE "8bit\r\n\r\npreamble\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/plain\r\n\r\n" E
                              "\r\n\r\n--b-- \r\nepilogue\r\n"),
         SLICE(MIME MULTI CTE "7bit\r\n\r\npreamble\r\n--b\r\n\r\nplain\r\n--b\r\nContent-Type: text/plain\r\n" CTE
                              "quoted-printable\r\n\r\n=C3=A9\r\n\r\n--b-- \r\nepilogue\r\n")},
        {SLICE(MIME MULTI "\r\n" E "\r\n--b\r\n\r\n--bx\r\n--b--\r\n" E "\r\n"),
         SLICE(MIME MULTI "\r\n=C3=A9\r\n--b\r\n\r\n--bx\r\n--b--\r\n=C3=A9\r\n")},
        {SLICE(MIME "Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\nSubject: x\r\n\r\n" E "\r\n"),
         SLICE(MIME "Content-Type: message/rfc822\r\n" CTE "7bit\r\n\r\nSubject: x\r\n" MIME
                    "Content-Type: text/plain; charset=utf-8\r\n" CTE "quoted-printable\r\n\r\n=C3=A9\r\n")},
        {SLICE(MIME "Content-Type: Multipart/Digest; Boundary=\"b c\"\r\n\r\n--b c\r\n\r\n" MIME "\r\n" E
                    "\r\n--b c--\r\n"),
         SLICE(MIME "Content-Type: Multipart/Digest; Boundary=\"b c\"\r\n\r\n--b c\r\n\r\n" MIME
                    "Content-Type: text/plain; charset=utf-8\r\n" CTE "quoted-printable\r\n\r\n=C3=A9\r\n--b c--\r\n")},
        {SLICE(MIME MULTI "\r\n--b\r\nContent-Type: multipart/mixed;\r\n boundary=c (x)\r\n\r\n--c\r\n\r\n" E
                          "\r\n--b\r\n\r\n" E),
         SLICE(MIME MULTI "\r\n--b\r\nContent-Type: multipart/mixed;\r\n boundary=c (x)\r\n\r\n--c\r\n" CTE
                          "quoted-printable\r\n\r\n=C3=A9\r\n--b\r\n" CTE "quoted-printable\r\n\r\n=C3=A9")},
        {SLICE(MULTI "\r\n--b\r\nContent-Type: image/png\r\n" CTE "base64\r\n\r\nAAAA\r\n--b--\r\n"),
         SLICE(MULTI MIME "\r\n--b\r\nContent-Type: image/png\r\n" CTE "base64\r\n\r\nAAAA\r\n--b--\r\n")},
        {SLICE(MIME "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n" E),
         SLICE(MIME "Content-Type: multipart/mixed\r\n" CTE "quoted-printable\r\n\r\n=2D-b\r\n\r\n=C3=A9")},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], CONVERT_TO_7BIT);
}

static void e2_what_is_encoded_but_not_clean_is_mended(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SLICE(MIME CTE "quoted-printable\r\n\r\nc=E9 " E "==\r\na=\r\nb\r\n"),
         SLICE(MIME CTE "quoted-printable\r\n\r\nc=E9 =C3=A9==\r\na=\r\nb\r\n")},
        {SLICE(MIME CTE "base64\r\n\r\nAAAA\r\nlist " E "\r\n"), SLICE(MIME CTE "base64\r\n\r\nAAAA\r\nlist ?\?\r\n")},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], CONVERT_TO_7BIT);
    check_conversion(SLICE(MIME CTE "base64\r\n\r\n" L1000 L1000 "\r\n"), CONVERT_TO_7BIT);
    check_conversion(SLICE(MIME CTE "quoted-printable\r\n\r\n" L1000 "=41" L1000 "\r\n"), CONVERT_TO_7BIT);
}

static void e2_header_fields_are_encoded_where_they_are_shown(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {SLICE("Subject: Un " E E " x\r\n"), SLICE("Subject: Un =?utf-8?Q?=C3=A9=C3=A9?= x\r\n")},
        {SLICE("Subject: " E " " E "\r\n b\r\n"), SLICE("Subject: =?utf-8?Q?=C3=A9?= =?utf-8?Q?_=C3=A9?=\r\n b\r\n")},
        {SLICE("subject:=?utf-8?Q?a?= \xe9\r\n"), SLICE("subject:=?utf-8?Q?a?= =?unknown-8bit?Q?_=E9?=\r\n")},
        {SLICE("Subject: " E E E E E E E E E E E E "\r\n"),
         SLICE("Subject: =?utf-8?Q?=C3=A9=C3=A9=C3=A9=C3=A9=C3=A9=C3=A9=C3=A9=C3=A9=C3=A9=C3=A9?=\r\n "
               "=?utf-8?Q?=C3=A9=C3=A9?=\r\n")},
        {SLICE("From: Jos" E " \"P" E "rez, \\\"x\\\"\" <" E "@b>, \"a b\" <a@b>,\r\n " E "@c (" E ")\r\n"),
         SLICE("From: =?utf-8?Q?Jos=C3=A9?=\r\n =?utf-8?Q?_P=C3=A9rez=2C_=22x=22?= <" E "@b>, \"a b\" <a@b>,\r\n " E
               "@c (" E ")\r\n")},
        {SLICE("To: " E "<a@b>," E ": \"" E "\"@b;\r\n"),
         SLICE("To: =?utf-8?Q?=C3=A9?= <a@b>, =?utf-8?Q?=C3=A9?= : \"" E "\"@b;\r\n")},
        {SLICE("X-Other: " E "\r\n"), SLICE("X-Other: " E "\r\n")},
        {SLICE("Content-Disposition: attachment; filename=\"" E " \\\"x.txt\"; size=3\r\n"),
         SLICE("Content-Disposition: attachment; filename*=utf-8''%C3%A9%20%22x.txt; size=3\r\n")},
        {SLICE("Content-Type: a/b; x=\"" E "\"; name=" E "\r\n"),
         SLICE("Content-Type: a/b; x=\"" E "\"; name*=utf-8''%C3%A9\r\n")},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], CONVERT_TO_7BIT);
}

#define L90 "jjjjjjjjjjbbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiiiiiiii"
#define L900 L100 L100 L100 L100 L100 L100 L100 L100 L100

/* RFC 5321 section 4.5.3.1.6: no host need take more than 998 bytes and CRLF, whatever it offers. */
static void e2_lines_that_are_too_long_are_encoded_or_folded(void **state)
{
    (void)state;
    static const struct row rows[] = {
        /* 998 bytes are not too long */
        {SLICE("A: b\r\n\r\n" L900 L90 "12345678\r\n"), SLICE("A: b\r\n\r\n" L900 L90 "12345678\r\n")},
        {SLICE("A: " L900 L90 "12345\r\n\r\n"), SLICE("A: " L900 L90 "12345\r\n\r\n")},
        /* one more is: in a field before the last white space that it has room for */
        {SLICE("A: b c" L900 "\td " L90 "1\r\n\r\n"), SLICE("A: b c" L900 "\td\r\n " L90 "1\r\n\r\n")},
        {SLICE("A: b\r\n c" L900 " d " L90 "12345\r\nB: c\r\n\r\n"),
         SLICE("A: b\r\n c" L900 " d\r\n " L90 "12345\r\nB: c\r\n\r\n")},
        {SLICE("A: " L900 L90 "123456\r\n\r\n"), SLICE("A:\r\n " L900 L90 "123456\r\n\r\n")},
        /* and where there is none, in the midst of a word, but not of a character */
        {SLICE("A:" L900 L90 "123456" E E "\r\n\r\n"), SLICE("A:" L900 L90 "123456\r\n " E E "\r\n\r\n")},
        {SLICE("A:" L900 L90 "12345" E E "\r\n\r\n"), SLICE("A:" L900 L90 "12345\r\n " E E "\r\n\r\n")},
        {SLICE("A:" L900 L90 "123456" L900 L90 "1234567x\r\n\r\n"),
         SLICE("A:" L900 L90 "123456\r\n " L900 L90 "1234567\r\n x\r\n\r\n")},
    };
    check_rows(rows, sizeof rows / sizeof rows[0], CONVERT_TO_8BIT);
    static const slice encoded[] = {
        SLICE("A: b\r\n\r\n" L1000 " " E "\r\n"),
        SLICE(MIME "Content-Type: image/x\r\n\r\n" L1000 "\r\n"),
        SLICE(MIME CTE "base64\r\n\r\n" L1000 L1000 "\r\n"),
        SLICE(MIME MULTI "\r\n" L1000 "\r\n--b\r\n\r\n" L1000 "\r\n--b--\r\n"),
    };
    for (size_t i = 0; i < sizeof encoded / sizeof encoded[0]; i++) {
        struct body_facts facts;
        assert_int_equal(convert_measure(encoded[i], CONVERT_TO_8BIT, &facts), ERR_OK);
        assert_in_range(facts.longest_line, 1, 998);
        check_conversion(encoded[i], CONVERT_TO_8BIT);
    }
    static const slice refused[] = {
        SLICE(MIME "Content-Type: multipart/mixed; boundary=" L1000 "\r\n\r\nx\r\n"),
        SLICE("A : " L1000 "\r\n\r\nx\r\n"),
        SLICE(L1000 ": x\r\n\r\nx\r\n"),
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct body_facts facts;
        assert_int_equal(convert_measure(refused[i], CONVERT_TO_8BIT, &facts), ERR_UNSUPPORTED);
    }
}

static void e2_facts_say_what_a_header_keeps(void **state)
{
    (void)state;
    struct body_facts facts;
    assert_int_equal(convert_measure(SLICE("Subject: " E "\r\n\r\n" E "\r\n"), CONVERT_TO_7BIT, &facts), ERR_OK);
    assert_false(facts.eight_bit);
    assert_int_equal(convert_measure(SLICE("X-A: " E "\r\n\r\n" E "\r\n"), CONVERT_TO_7BIT, &facts), ERR_OK);
    assert_true(facts.eight_bit_header && facts.eight_bit);
    assert_int_equal(convert_measure(SLICE("A: b\r\n\r\n\0" L1000 "\r\n"), CONVERT_TO_8BIT, &facts), ERR_OK);
    assert_false(facts.nul);
    assert_int_equal(facts.longest_line, 76);
}

static void e2_threat_what_may_not_be_encoded_is_refused(void **state)
{
    (void)state;
    buf deep;
    buf_init(&deep, 10000);
    for (int i = 0; i < MIME_DEPTH + 1; i++)
        buf_printf(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    const struct row rows[] = {
        {SLICE(MIME "Content-Type: message/partial; id=x\r\n\r\n" E "\r\n"), SLICE_NONE},
        {SLICE(MIME "Content-Type: message/external-body\r\n\r\n" E "\r\n"), SLICE_NONE},
        {buf_slice(&deep), SLICE_NONE},
    };
    struct body_facts facts;
    assert_int_equal(convert_measure(buf_slice(&deep), CONVERT_TO_7BIT, &facts), ERR_OK);
    buf_append(&deep, SLICE("\r\n" E));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(convert_measure(rows[i].in, CONVERT_TO_7BIT, &facts), ERR_UNSUPPORTED);
    assert_int_equal(convert_measure(buf_slice(&deep), CONVERT_TO_7BIT, &facts), ERR_UNSUPPORTED);
    buf_deinit(&deep);
}

/* Millions of empty parts are no mail, and would take seconds: behind the last that counts, what needs no conversion passes, and what needs it does not. */
static void threat_conversion_of_parts_without_end(void **state)
{
    (void)state;
    buf many;
    buf_init(&many, 8u << 20);
    buf_append(&many, SLICE(MIME MULTI "\r\n--b\r\n\r\n" E));
    for (int i = 0; i < MIME_ENTITIES + 5; i++)
        buf_append(&many, SLICE("\r\n--b\r\n"));
    struct mime_walk w;
    struct mime_piece p;
    unsigned pieces = 0;
    mime_walk_init(&w, buf_slice(&many));
    while (mime_walk_next(&w, &p))
        pieces++;
    assert_true(pieces <= 2 * MIME_ENTITIES + 2);
    struct body_facts facts;
    assert_int_equal(convert_measure(buf_slice(&many), CONVERT_TO_7BIT, &facts), ERR_OK);
    assert_int_equal(facts.size, many.len + 4 + sizeof CTE "quoted-printable\r\n" - 1);
    buf_append(&many, SLICE(E));
    assert_int_equal(convert_measure(buf_slice(&many), CONVERT_TO_7BIT, &facts), ERR_UNSUPPORTED);
    buf_deinit(&many);
}

/* Each letter of a header field becomes a word of its own: no field, however it is made, outgrows the room of a step, after which all behind it would be missing. */
static void e2_no_header_field_outgrows_its_room(void **state)
{
    (void)state;
    static const char *const pieces[] = {"\xe9,", "\xe9 ",  "\xe9;",  "\xe9<",    E ",",   E " ",
                                         "\xe9",  "a\xe9,", "\xe9()", "\xe9\"\"", ",\xe9 "};
    static const char *const names[] = {"To: ", "Subject: ", "Content-Disposition: a; filename="};
    for (size_t row = 0; row < sizeof pieces / sizeof pieces[0] * 3; row++) {
        for (size_t size = 900; size < 1500; size += 9) {
            char memory[2000];
            buf content;
            buf_init_fixed(&content, memory, sizeof memory);
            buf_append(&content, slice_str(names[row % 3]));
            while (content.len < size)
                buf_append(&content, slice_str(pieces[row / 3]));
            buf_append(&content, SLICE("\r\n\r\nthe end\r\n"));
            struct body_facts facts;
            assert_int_equal(convert_measure(buf_slice(&content), CONVERT_TO_7BIT, &facts), ERR_OK);
            assert_true(facts.size >= content.len);
        }
    }
}

static void e2_signed_mail_is_known(void **state)
{
    (void)state;
    static const struct {
        slice content;
        bool is_signed;
    } rows[] = {
        {SLICE("A: b\r\n\r\nDKIM-Signature: v=1\r\n"), false},
        {SLICE("A: b\r\ndkim-signature: v=1\r\n\r\n"), true},
        {SLICE("ARC-Seal: i=1\r\n\r\n"), true},
        {SLICE("ARC-Authentication-Results: i=1\r\n\r\n"), false},
        {SLICE("Content-Type: multipart/signed; boundary=b\r\n\r\n"), true},
        {SLICE(MULTI "\r\n--b\r\nContent-Type: Multipart/Signed; boundary=c\r\n\r\n--c\r\n"), true},
        {SLICE(MULTI "\r\n--c\r\nContent-Type: multipart/signed; boundary=c\r\n\r\n--c\r\n"), false},
        {SLICE(MULTI "\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nDKIM-Signature: x\r\n\r\n--b--\r\n"), true},
        {SLICE("Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\n"), true},
        {SLICE("A: b\r\n\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n"), true},
        {SLICE("A: b\r\n\r\nHello\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\n"), true},
        {SLICE("A: b\r\n\r\n> -----BEGIN PGP SIGNED MESSAGE-----\r\n"), false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (convert_is_signed(rows[i].content) != rows[i].is_signed)
            fail_msg("row %zu", i);
    }
}

/* Any content: pieces of messages, put together by a fixed sequence of numbers. */
static void e2_nothing_is_lost_whatever_it_is(void **state)
{
    (void)state;
    static const slice words[] = {
        SLICE(MIME),
        SLICE(MULTI),
        SLICE("Content-Type: multipart/digest; boundary=\"c\\d\"\r\n"),
        SLICE("Content-Type: message/rfc822\r\n"),
        SLICE("Content-Type: application/x\r\n"),
        SLICE(CTE "8bit\r\n"),
        SLICE(CTE "binary\r\n"),
        SLICE(CTE "base64\r\n"),
        SLICE(CTE "quoted-printable\r\n"),
        SLICE("\r\n"),
        SLICE("\r\n--b\r\n"),
        SLICE("\r\n--cd\r\n"),
        SLICE("--b--\r\n"),
        SLICE("\r\n--cd-- \r\n"),
        SLICE("Subject: " E " \xff" E "\r\n"),
        SLICE("\xe9"),
        SLICE(E " "),
        SLICE("=\r\n"),
        SLICE("\n"),
        SLICE("-"),
        SLICE("\0"),
        SLICE(L100),
        SLICE(L1000),
        SLICE("text\r\n"),
        SLICE("X-Long: "),
    };
    uint64_t number = 1;
    for (int round = 0; round < 20000; round++) {
        char memory[32 * 1100];
        buf content;
        buf_init_fixed(&content, memory, sizeof memory);
        for (int i = 0; i < 3 + round % 28; i++) {
            number = number * UINT64_C(6364136223846793005) + 1442695040888963407;
            buf_append(&content, words[(number >> 33) % (sizeof words / sizeof words[0])]);
        }
        check_conversion(buf_slice(&content), CONVERT_TO_7BIT);
        check_conversion(buf_slice(&content), CONVERT_TO_8BIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e2_leaves_become_quoted_printable),
        cmocka_unit_test(e5_binary_parts_become_base64),
        cmocka_unit_test(e5_without_binarymime_eight_bits_stay),
        cmocka_unit_test(e2_multiparts_and_messages_keep_their_shape),
        cmocka_unit_test(e2_what_is_encoded_but_not_clean_is_mended),
        cmocka_unit_test(e2_header_fields_are_encoded_where_they_are_shown),
        cmocka_unit_test(e2_lines_that_are_too_long_are_encoded_or_folded),
        cmocka_unit_test(e2_facts_say_what_a_header_keeps),
        cmocka_unit_test(e2_threat_what_may_not_be_encoded_is_refused),
        cmocka_unit_test(threat_conversion_of_parts_without_end),
        cmocka_unit_test(e2_no_header_field_outgrows_its_room),
        cmocka_unit_test(e2_signed_mail_is_known),
        cmocka_unit_test(e2_nothing_is_lost_whatever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
