/* SPDX-License-Identifier: ISC */
/* Command lines as programs of Debian 12 write them, and others. */
#include "cmd/sendmail_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define WORDS 40

struct row {
    const char *line; /* words divided by single spaces; "_" is an empty word */
    enum sendmail_mode mode;
    bool header, dots;
    const char *from, *name, *words;
};

/* clang-format off */
static const struct row rows[] = {
    {"sendmail -i -FCronDaemon -B8BITMIME -oem carol", SENDMAIL_DELIVER, false, true, NULL, "CronDaemon", "carol"}, /* cron */
    {"sendmail -i carol", SENDMAIL_DELIVER, false, true, NULL, NULL, "carol"}, /* at */
    {"sendmail -FAnacron -odi root", SENDMAIL_DELIVER, false, false, NULL, "Anacron", "root"}, /* anacron */
    {"sendmail -t -i", SENDMAIL_DELIVER, true, true, NULL, NULL, ""}, /* PHP */
    {"sendmail -t -i -fweb@example.org", SENDMAIL_DELIVER, true, true, "web@example.org", NULL, ""}, /* PHP mail(..., "-f") */
    {"sendmail -bs", SENDMAIL_SMTP, false, false, NULL, NULL, ""}, /* Symfony, mutt */
    {"sendmail -oem -oi -f carol@example.org -- a@b.example", SENDMAIL_DELIVER, false, true, "carol@example.org", NULL, "a@b.example"}, /* mutt */
    {"sendmail -oem -oi -B8BITMIME -Nfailure,delay -Rhdrs -- a@b.example", SENDMAIL_DELIVER, false, true, NULL, NULL, "a@b.example"}, /* mutt */
    {"sendmail -i -f carol -- -dash@b.example", SENDMAIL_DELIVER, false, true, "carol", NULL, "-dash@b.example"}, /* s-nail */
    {"send-mail -i a@b.example c@d.example", SENDMAIL_DELIVER, false, true, NULL, NULL, "a@b.example c@d.example"}, /* git send-email, mailx */
    {"sendmail -t", SENDMAIL_DELIVER, true, false, NULL, NULL, ""}, /* mdadm, logwatch */
    {"sendmail -oi -t", SENDMAIL_DELIVER, true, true, NULL, NULL, ""}, /* unattended-upgrades, apticron */
    {"sendmail -t -f fail2ban@example.org", SENDMAIL_DELIVER, true, false, "fail2ban@example.org", NULL, ""}, /* fail2ban */
    {"sendmail -f fail2ban@example.org root", SENDMAIL_DELIVER, false, false, "fail2ban@example.org", NULL, "root"},
    {"sendmail -G -i -f a@b.example -- c@d.example", SENDMAIL_DELIVER, false, true, "a@b.example", NULL, "c@d.example"}, /* content filters */
    {"sendmail -bm -odb -oi -om -U -F Full_Name a@b.example", SENDMAIL_DELIVER, false, true, NULL, "Full_Name", "a@b.example"},
    {"sendmail -ti", SENDMAIL_DELIVER, true, true, NULL, NULL, ""},
    {"sendmail -itf a@b.example", SENDMAIL_DELIVER, true, true, "a@b.example", NULL, ""},
    {"sendmail -fa@b.example -f c@d.example x", SENDMAIL_DELIVER, false, false, "c@d.example", NULL, "x"},
    {"sendmail -r a@b.example x", SENDMAIL_DELIVER, false, false, "a@b.example", NULL, "x"},
    {"sendmail -f _ x", SENDMAIL_DELIVER, false, false, "", NULL, "x"},
    {"sendmail -f <> x", SENDMAIL_DELIVER, false, false, "<>", NULL, "x"},
    {"sendmail x -f a@b.example -i", SENDMAIL_DELIVER, false, true, "a@b.example", NULL, "x"},
    {"sendmail -O IgnoreDots -ODeliveryMode=b -O QueueDirectory=/x x", SENDMAIL_DELIVER, false, true, NULL, NULL, "x"},
    {"sendmail -OIgnoreDots=False x", SENDMAIL_DELIVER, false, false, NULL, NULL, "x"},
    {"sendmail -o i x", SENDMAIL_DELIVER, false, true, NULL, NULL, "x"},
    {"sendmail -X/tmp/log -L tag -h 5 -A c -D/tmp/x -pSMTP -M x -e m -a -c -E -m -n -s -x -d -d0.1 y",
     SENDMAIL_DELIVER, false, false, NULL, NULL, "y"},
    {"sendmail - x", SENDMAIL_DELIVER, false, false, NULL, NULL, "- x"},
    {"sendmail -bp", SENDMAIL_QUEUE, false, false, NULL, NULL, ""},
    {"sendmail -bi", SENDMAIL_ALIASES, false, false, NULL, NULL, ""},
    {"sendmail -I", SENDMAIL_ALIASES, false, false, NULL, NULL, ""},
    {"sendmail -bv a b", SENDMAIL_VERIFY, false, false, NULL, NULL, "a b"},
    {"sendmail -b v a", SENDMAIL_VERIFY, false, false, NULL, NULL, "a"},
    {"sendmail -bS", SENDMAIL_BATCH, false, false, NULL, NULL, ""},
    {"sendmail -q", SENDMAIL_FLUSH, false, false, NULL, NULL, ""},
    {"sendmail -q -v", SENDMAIL_FLUSH, false, false, NULL, NULL, ""},
    {"sendmail --help", SENDMAIL_HELP, false, false, NULL, NULL, ""},
};
/* clang-format on */

static char memory[512];
static const char *words[WORDS];

static bool read_line(const char *line, bool by_name, struct sendmail_options *o, buf *wrong)
{
    char *argv[WORDS];
    int argc = 0;
    (void)snprintf(memory, sizeof memory, "%s", line);
    for (char *at = memory; at; argc++) {
        char *space = strchr(at, ' ');
        if (space)
            *space = 0;
        argv[argc] = strcmp(at, "_") == 0 ? at + 1 : at;
        at = space ? space + 1 : NULL;
    }
    *o = (struct sendmail_options){.by_name = by_name, .words = words};
    return sendmail_options_read(o, argc, argv, wrong);
}

static void assert_text(const char *got, const char *wanted)
{
    if (wanted)
        assert_string_equal(got, wanted);
    else
        assert_null(got);
}

static void command_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sendmail_options o;
        char said[200], joined[200] = "";
        buf wrong;
        buf_init_fixed(&wrong, said, sizeof said);
        assert_true(read_line(rows[i].line, true, &o, &wrong));
        assert_int_equal(o.mode, rows[i].mode);
        assert_int_equal(o.header_recipients, rows[i].header);
        assert_int_equal(o.dots_are_text, rows[i].dots);
        assert_text(o.from, rows[i].from);
        assert_text(o.full_name, rows[i].name);
        for (size_t k = 0; k < o.word_count; k++)
            (void)snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", k > 0 ? " " : "",
                           o.words[k]);
        assert_string_equal(joined, rows[i].words);
    }
}

static void what_reports_are_wanted(void **state)
{
    static const struct {
        const char *line;
        unsigned notify, flags;
        const char *envid;
    } wishes[] = {
        {"sendmail -N never x", NOTIFY_NEVER, 0, ""},
        {"sendmail -Nsuccess,failure,delay x", NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, 0, ""},
        {"sendmail -R full -V some-id x", 0, ENVELOPE_RET_FULL, "some-id"},
        {"sendmail -Rfull -R HDRS -B8bitmime x", 0, ENVELOPE_RET_HDRS | ENVELOPE_BODY_8BIT, ""},
        {"sendmail -B8BITMIME -B 7BIT x", 0, 0, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++) {
        struct sendmail_options o;
        char said[200];
        buf wrong;
        buf_init_fixed(&wrong, said, sizeof said);
        assert_true(read_line(wishes[i].line, true, &o, &wrong));
        assert_int_equal(o.notify, wishes[i].notify);
        assert_int_equal(o.flags, wishes[i].flags);
        assert_true(slice_equal(o.envid, slice_str(wishes[i].envid)));
    }
}

static void what_is_refused_is_named(void **state)
{
    static const struct {
        const char *line, *word;
    } wrongs[] = {
        {"sendmail -Z x", "-Z"},
        {"sendmail -iZ x", "-Z"},
        {"sendmail -f", "-f"},
        {"sendmail -C /tmp/main.cf x", "/etc/thurn/thurn.toml"},
        {"sendmail -bd -q15m", "serve"},
        {"sendmail -bt", "-bt"},
        {"sendmail -q15m", "-q15m"},
        {"sendmail -qIABC", "-qIABC"},
        {"sendmail -N sometimes x", "-N"},
        {"sendmail -Nnever,delay x", "-N"},
        {"sendmail -N _ x", "-N"},
        {"sendmail -R all x", "-R"},
        {"sendmail -B BINARY x", "-B"},
        {"sendmail -V _ x", "-V"},
        {"sendmail --frobnicate", "--frobnicate"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        struct sendmail_options o;
        char said[200];
        buf wrong;
        buf_init_fixed(&wrong, said, sizeof said);
        assert_false(read_line(wrongs[i].line, true, &o, &wrong));
        assert_true(slice_find(buf_slice(&wrong), slice_str(wrongs[i].word)) >= 0);
    }
}

/* A web server that passes on a stranger's words calls it by its name. */
static void only_thurn_sendmail_can_be_given_a_configuration(void **state)
{
    struct sendmail_options o;
    char said[200];
    buf wrong;
    (void)state;
    buf_init_fixed(&wrong, said, sizeof said);
    assert_true(read_line("sendmail -c FILE x", false, &o, &wrong));
    assert_string_equal(o.conf_path, "FILE");
    assert_int_equal(o.word_count, 1);
    assert_true(read_line("sendmail -c FILE x", true, &o, &wrong));
    assert_null(o.conf_path);
    assert_int_equal(o.word_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines),
        cmocka_unit_test(what_reports_are_wanted),
        cmocka_unit_test(what_is_refused_is_named),
        cmocka_unit_test(only_thurn_sendmail_can_be_given_a_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
