/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include "conf/facts.h"

#define SUBJECTS_MAX 20000000

static void print_fact(buf *out, const char *what, const struct fact *fact)
{
    buf_append(out, slice_str(what));
    buf_append_escaped(out, fact->subject);
    if (fact->text.len > 0) {
        buf_append(out, SLICE(": "));
        buf_append_escaped(out, fact->text);
    }
}

/* Facts of a that b has not, and those that are different there. */
static void compare(const struct facts *a, const struct facts *b, const char *only_here, bool tell_changes, buf *out)
{
    struct table subjects;
    table_init(&subjects, (struct hash_key){0}, false, SUBJECTS_MAX);
    for (size_t i = 0; i < b->count; i++) {
        if (table_put(&subjects, b->list[i].subject, &b->list[i]) != ERR_OK)
            break;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct fact *here = &a->list[i], *there = table_get(&subjects, here->subject);
        if (!there) {
            print_fact(out, only_here, here);
            buf_append_char(out, '\n');
        } else if (tell_changes && !slice_equal(here->text, there->text)) {
            print_fact(out, "CHANGED: ", here);
            buf_append(out, SLICE(" (was: "));
            buf_append_escaped(out, there->text.len > 0 ? there->text : SLICE("nothing"));
            buf_append(out, SLICE(")\n"));
        }
    }
    table_deinit(&subjects);
}

void conf_describe_changes(const struct conf *old, const struct conf *new_conf, buf *out)
{
    struct facts before, after;
    facts_init(&before, old);
    facts_init(&after, new_conf);
    if (before.failed || after.failed) {
        buf_append(out, SLICE("CHANGED: too much to tell\n"));
    } else {
        compare(&after, &before, "NEW: ", true, out);
        compare(&before, &after, "GONE: ", false, out);
    }
    facts_deinit(&before);
    facts_deinit(&after);
}
