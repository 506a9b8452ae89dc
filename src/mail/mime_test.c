/* SPDX-License-Identifier: ISC */
#include "mail/mail.h"
#include "mail/mime_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A walk as text: E entity, M message, with its kind; D delimiter, T text between; body or text behind it. */
static void describe(slice content, buf *b)
{
    static const char kinds[] = "tofMR";
    struct mime_walk w;
    struct mime_piece p;
    mime_walk_init(&w, content);
    while (mime_walk_next(&w, &p)) {
        buf_printf(b, "%s%c(",
                   p.entity      ? p.message ? "M" : "E"
                   : p.delimiter ? "D"
                                 : "T",
                   p.entity ? kinds[p.kind] : ':');
        buf_append(b, slice_trim(p.entity ? p.body : p.between));
        buf_append(b, SLICE(")"));
    }
}

static void e2_walks_over_parts(void **state)
{
    (void)state;
    static const struct {
        slice content, pieces;
    } rows[] = {
        {SLICE(""), SLICE("Mt()")},
        {SLICE("A: b\r\n\r\nbody"), SLICE("Mt(body)")},
        {SLICE("body only"), SLICE("Mt(body only)")},
        {SLICE("Content-Type: multipart/x; boundary=b\r\n\r\np\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b--\r\ne\r\n"),
         SLICE("MM()T:(p)D:(--b)Et(one)D:(--b)Et(two)D:(--b--)T:(e)")},
        {SLICE("Content-Type: multipart/x; boundary=b\r\n\r\n--bb\r\n--b x\r\n --b\r\n--b\t \r\n\r\none"),
         SLICE("MM()T:(--bb\r\n--b x\r\n --b)D:(--b)Et(one)")},
        {SLICE("Content-Type: multipart/x; boundary=b\r\n\r\n--b\nx\r\n--b\r\n--b\r\n--b"),
         SLICE("MM()T:(--b\nx)D:(--b)Et()D:(--b)Et()D:(--b)Et()")},
        {SLICE("Content-Type: multipart/x; charset=\"a;boundary=c\" (boundary=d); boundary = \"b\\\"c \" ; x\r\n\r\n"
               "--b\"c\r\n\r\none"),
         SLICE("MM()D:(--b\"c)Et(one)")},
        {SLICE("Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/y; boundary=c\r\n\r\n"
               "--c\r\n\r\none\r\n--c--\r\n--c\r\n--b\r\nX: y\r\n--b--"),
         SLICE("MM()D:(--b)EM()D:(--c)Et(one)D:(--c--)T:(--c)D:(--b)Et()D:(--b--)")},
        {SLICE("Content-Type: message/rfc822\r\n\r\nContent-Type: image/png\r\n\r\nx"), SLICE("MR()Mo(x)")},
        {SLICE("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nx"), SLICE("Mo(x)")},
        {SLICE("Content-Type: message/partial\r\n\r\nx"), SLICE("Mf(x)")},
        {SLICE("Content-Type: message/delivery-status\r\n\r\nx"), SLICE("Mt(x)")},
        {SLICE("Content-Type: multipart/mixed\r\n\r\nx"), SLICE("Mo(x)")},
        {SLICE("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\nx"), SLICE("Mo(x)")},
        {SLICE("Content-Type: image\r\n\r\nx"), SLICE("Mt(x)")},
        {SLICE("Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\none\r\n--b\r\n"
               "Content-Type: text/plain\r\n\r\ntwo\r\n--b--"),
         SLICE("MM()D:(--b)ER()Mt(one)D:(--b)Et(two)D:(--b--)")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf b;
        buf_init(&b, 1000);
        describe(rows[i].content, &b);
        if (!slice_equal(buf_slice(&b), rows[i].pieces))
            fail_msg("row %zu: %.*s", i, SLICE_ARG(buf_slice(&b)));
        buf_deinit(&b);
    }
}

static void e2_reads_encodings(void **state)
{
    (void)state;
    static const struct {
        slice value;
        enum mime_encoding encoding;
    } rows[] = {
        {SLICE(" 7BIT"), MIME_7BIT},
        {SLICE("8bit (x)"), MIME_8BIT},
        {SLICE("(a(b)\\)) binary"), MIME_BINARY},
        {SLICE("\r\n Quoted-Printable;"), MIME_QUOTED},
        {SLICE("base64"), MIME_BASE64},
        {SLICE("8-bit"), MIME_ENCODING_UNKNOWN},
        {SLICE(""), MIME_ENCODING_UNKNOWN},
        {SLICE("(8bit"), MIME_ENCODING_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(mime_encoding_parse(rows[i].value), rows[i].encoding);
}

static void e2_reads_parameters(void **state)
{
    (void)state;
    slice rest = mime_type_parse(SLICE(" text / plain ;; a=b; \"x\" c = \"d\\\"e\" =; f=g/h(i);j=\"k")).parameters;
    static const struct {
        slice name, value;
        bool quoted;
    } rows[] = {
        {SLICE("a"), SLICE("b"), false},
        {SLICE("c"), SLICE("d\\\"e"), true},
        {SLICE("f"), SLICE("g/h"), false},
        {SLICE("j"), SLICE("k"), true},
    };
    slice name, value;
    bool quoted;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(mime_parameter_next(&rest, &name, &value, &quoted));
        assert_true(slice_equal(name, rows[i].name) && slice_equal(value, rows[i].value));
        assert_int_equal(quoted, rows[i].quoted);
    }
    assert_false(mime_parameter_next(&rest, &name, &value, &quoted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e2_walks_over_parts),
        cmocka_unit_test(e2_reads_encodings),
        cmocka_unit_test(e2_reads_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
