/* SPDX-License-Identifier: ISC */
#include "route/aliases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "route/route.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct hash_key key = {3, 4};

static const struct {
    const char *content;
    const char *expected; /* "key@line=kind:text,kind:text;..." with kinds A L P F I, or "!line text" */
} rows[] = {
    {"", ""},
    {"# only a comment\n\n   \n", ""},
    {"root: alice", "root@1=A:alice;"},
    {"Root :  alice , bob@example.org ,\n", "Root@1=A:alice,A:bob@example.org;"},
    {"\xef\xbb\xbfroot: alice\r\nx: y\r\n", "root@1=A:alice;x@2=A:y;"},
    {"a: b,\n  c,\n\td\ne: f\n", "a@1=A:b,A:c,A:d;e@4=A:f;"},
    {"a: b,\n# between\n\n  c\n", "a@1=A:b,A:c;"},
    {"a: b # why\n", "a@1=A:b;"},
    {"a: b#c\n", "a@1=A:b#c;"},
    {"eric: \\eric, \"|/usr/bin/vacation eric\"\n", "eric@1=L:eric,P:/usr/bin/vacation eric;"},
    {"eric: \"\\eric\"\n", "eric@1=L:eric;"},
    {"a: |\"/bin/x \\\"q\\\" #1\", |/bin/y\n", "a@1=P:/bin/x \"q\" #1,P:/bin/y;"},
    {"a: /var/mail/a, \"/var/mail/b c\"\n", "a@1=F:/var/mail/a,F:/var/mail/b c;"},
    {"a: :include:/etc/list\n", "a@1=I:/etc/list;"},
    {"\"a b\": c\n", "a b@1=A:c;"},
    {"a: \"john smith\"@example.org, c\n", "a@1=A:\"john smith\"@example.org,A:c;"},
    {"a: \"x, y\"@example.org\n", "a@1=A:\"x, y\"@example.org;"},
    /* errors name their line */
    {"a: b\n\nnonsense\n", "!3 expected \"name: target, target\""},
    {"  a: b\n", "!1 this line continues another, but there is none before it"},
    {"a: b\nc:\n", "!2 this alias has no target"},
    {"a: b\n: c\n", "!2 expected \"name: target, target\""},
    {"a@b: c\n", "!1 expected \"name: target, target\""},
    {"x: y\na: \"b\n", "!2 a quoted text does not end"},
    {"a: b c\n", "!1 \"b c\": not an address"},
    {"a: @example.org\n", "!1 \"@example.org\": not an address"},
    {"a: |\n", "!1 \"|\": no command behind \"|\""},
    {"a: :include:list\n", "!1 \":include:list\": :include: needs an absolute path"},
    {"a: b\nA: c\n", "!2 alias \"A\" is already defined in line 1"},
    {"a: \"\"\n", "!1 \"\"\"\": empty target"},
    {"a: b\x01"
     "c\n",
     "!1 control character"},
};

static void print(const struct alias_table *table, buf *out)
{
    for (size_t i = 0; alias_table_at(table, i); i++) {
        const struct alias_entry *e = alias_table_at(table, i);
        buf_printf(out, "%.*s@%u=", SLICE_ARG(e->key), e->line);
        for (uint32_t t = 0; t < e->target_count; t++)
            buf_printf(out, "%s%c:%.*s", t ? "," : "", "ALPFI"[e->targets[t].kind], SLICE_ARG(e->targets[t].text));
        buf_append(out, SLICE(";"));
    }
}

static void test_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena arena;
        arena_init(&arena, 1 << 20);
        char space[1000];
        buf out;
        buf_init_fixed(&out, space, sizeof(space));
        struct alias_error error = {0};
        struct alias_table *table = NULL;
        enum err e = alias_table_parse(&arena, (struct alias_source){SLICE("/a"), slice_str(rows[i].content)}, key,
                                       &table, &error);
        if (e == ERR_OK)
            print(table, &out);
        else
            buf_printf(&out, "!%u %.*s", error.line, SLICE_ARG(error.text));
        buf_append_char(&out, 0);
        if (strcmp(out.ptr, rows[i].expected) != 0)
            fail_msg("%s: got %s, expected %s", rows[i].content, out.ptr, rows[i].expected);
        alias_table_free(table);
        arena_deinit(&arena);
    }
}

static void test_nul_is_refused(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct alias_error error;
    struct alias_table *table = NULL;
    assert_int_equal(
        alias_table_parse(&arena, (struct alias_source){SLICE("/a"), SLICE("a: b\nb: c\0d\n")}, key, &table, &error),
        ERR_SYNTAX);
    assert_int_equal(error.line, 2);
    assert_null(table);
    arena_deinit(&arena);
}

static void test_include(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct alias_error error;
    struct alias_target *targets;
    uint32_t count;
    assert_int_equal(alias_include_parse(&arena, SLICE("# members\nx@a.example\ny, z\r\n"), &targets, &count, &error),
                     ERR_OK);
    assert_int_equal(count, 3);
    struct alias_table *table;
    assert_int_equal(alias_table_parse(&arena,
                                       (struct alias_source){SLICE("/a"), SLICE("l: first, :include:/m, last\n")}, key,
                                       &table, &error),
                     ERR_OK);
    struct alias_entry *entry = alias_table_find(table, SLICE("L"));
    assert_int_equal(alias_entry_splice(&arena, entry, 1, targets, count), ERR_OK);
    char space[100];
    buf out;
    buf_init_fixed(&out, space, sizeof(space));
    print(table, &out);
    assert_true(slice_equal(buf_slice(&out), SLICE("l@1=A:first,A:x@a.example,A:y,A:z,A:last;")));
    assert_int_equal(alias_include_parse(&arena, SLICE("a\nb\nc d\n"), &targets, &count, &error), ERR_SYNTAX);
    assert_int_equal(error.line, 3);
    alias_table_free(table);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_nul_is_refused),
        cmocka_unit_test(test_include),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
