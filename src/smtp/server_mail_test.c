/* SPDX-License-Identifier: ISC */
/* The parameters of MAIL and RCPT, and what EHLO offers with them. */
#include "smtp/server.h"

#include "smtp/rows_test.h"

#define BAD "501 5.5.4 Syntax error in parameters or arguments: SMTPUTF8\r\n"
#define UNKNOWN "555 5.5.4 Unsupported MAIL or RCPT parameter\r\n"
#define UTF8 "553 5.6.7 This address needs SMTPUTF8\r\n"

/* One command, alone in its session or after MAIL, and what comes of it. */
struct say {
    slice parameters;
    const char *event;   /* what the event says of them; NULL: refused */
    const char *refusal; /* the reply's start */
};

struct setting {
    struct smtp_server_options options;
    bool trusted, secured;
    uint32_t permits;
    int64_t unix_s;
    bool utf8; /* RCPT: MAIL said SMTPUTF8 */
};

static void say_open(struct drive *d, const struct setting *setting)
{
    struct row row = {.options = setting->options,
                      .trusted = setting->trusted,
                      .secured = setting->secured,
                      .permits = setting->permits,
                      .unix_s = setting->unix_s};
    row_begin(d, &row);
    drive_read(d, SLICE("EHLO c\r\n"));
}

static void say_check(const struct say *row, bool rcpt, const struct setting *setting)
{
    struct drive d;
    buf in, wanted;
    say_open(&d, setting);
    buf_init(&in, 4096);
    buf_init(&wanted, 4096);
    if (rcpt)
        drive_read(&d, setting->utf8 ? SLICE("MAIL FROM:<a@b.example> SMTPUTF8\r\n")
                                     : SLICE("MAIL FROM:<a@b.example>\r\n"));
    buf_clear(&d.log);
    buf_clear(&d.replies);
    buf_append(&in, rcpt ? SLICE("RCPT TO:<c@d.example>") : SLICE("MAIL FROM:<c@d.example>"));
    buf_append_char(&in, ' ');
    buf_append(&in, row->parameters);
    buf_append(&in, SLICE("\r\n"));
    drive_read(&d, buf_slice(&in));
    if (row->event)
        buf_printf(&wanted, "event %s c@d.example %s\n", rcpt ? "RCPT" : "MAIL", row->event);
    bool replied = slice_starts(buf_slice(&d.replies), row->event ? SLICE("250 ") : slice_str(row->refusal));
    if (!slice_equal(buf_slice(&d.log), buf_slice(&wanted)) || !replied)
        fail_msg("%.*swanted %.*s%s\ngot %.*s%.*s", SLICE_ARG(buf_slice(&in)), SLICE_ARG(buf_slice(&wanted)),
                 row->refusal ? row->refusal : "", SLICE_ARG(buf_slice(&d.log)), SLICE_ARG(buf_slice(&d.replies)));
    drive_close(&d);
    buf_deinit(&in);
    buf_deinit(&wanted);
}

#define CHECK(rows, rcpt, ...)                                                                                         \
    for (size_t i = 0; i < sizeof(rows) / sizeof((rows)[0]); i++)                                                      \
    say_check(&(rows)[i], rcpt, &(struct setting){__VA_ARGS__})

static bool offers(const struct setting *setting, const char *line)
{
    struct drive d;
    char text[200];
    buf b;
    say_open(&d, setting);
    bool found = false;
    for (int last = 0; last < 2; last++) {
        buf_init_fixed(&b, text, sizeof text);
        buf_printf(&b, "\n250%c%s\r\n", last ? ' ' : '-', line);
        found = found || slice_find(buf_slice(&d.replies), buf_slice(&b)) >= 0;
    }
    drive_close(&d);
    return found;
}

static void e2_server_body(void **state)
{
    (void)state;
    const struct say rows[] = {
        {SLICE("BODY=7BIT"), "", NULL},
        {SLICE("body=8bitmime"), "8bit", NULL},
        {SLICE("BODY=BINARYMIME"), "binary", NULL},
        {SLICE("BODY=16BIT"), NULL, "501 5.5.4"},
        {SLICE("BODY="), NULL, "501 5.5.4"},
        {SLICE("BODY"), NULL, "501 5.5.4"},
        {SLICE("BODY=7BIT BODY=7BIT"), NULL, "501 5.5.4"},
    };
    CHECK(rows, false, .options = DEFAULTS);
}

/* RFC 3461 sections 4.1 to 4.4 */
static void e7_server_dsn_of_mail(void **state)
{
    (void)state;
    const struct say rows[] = {
        {SLICE("RET=FULL"), "full", NULL},
        {SLICE("ret=hdrs"), "hdrs", NULL},
        {SLICE("RET=HDRS ENVID=QQ314159"), "hdrs envid=QQ314159", NULL},
        {SLICE("ENVID=a+20b+2Bc+3D"), "envid=a b+c=", NULL},
        {SLICE("ENVID="
               "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"),
         "envid=0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
         NULL},
        {SLICE("ENVID="
               "01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"),
         NULL, "501 5.5.4"},
        {SLICE("RET=BODY"), NULL, "501 5.5.4"},
        {SLICE("RET"), NULL, "501 5.5.4"},
        {SLICE("RET="), NULL, "501 5.5.4"},
        {SLICE("RET=FULL RET=HDRS"), NULL, "501 5.5.4"},
        {SLICE("ENVID=a ENVID=b"), NULL, "501 5.5.4"},
        {SLICE("ENVID="), NULL, "501 5.5.4"},
        {SLICE("ENVID=a+0D+0Ab"), NULL, "501 5.5.4"},
        {SLICE("ENVID=a+00"), NULL, "501 5.5.4"},
        {SLICE("ENVID=a+C3+A9"), NULL, "501 5.5.4"},
        {SLICE("ENVID=a+4"), NULL, "501 5.5.4"},
        {SLICE("ENVID=a=b"), NULL, "501 5.5.4"},
        {SLICE("NOTIFY=NEVER"), NULL, "555 5.5.4"},
        {SLICE("ORCPT=rfc822;a@b"), NULL, "555 5.5.4"},
    };
    assert_true(offers(&(struct setting){.options = DEFAULTS}, "DSN"));
    CHECK(rows, false, .options = DEFAULTS);
}

static void e7_server_dsn_of_rcpt(void **state)
{
    (void)state;
    const struct say rows[] = {
        {SLICE("NOTIFY=NEVER"), "never", NULL},
        {SLICE("notify=success"), "success", NULL},
        {SLICE("NOTIFY=DELAY,Failure,SUCCESS"), "success failure delay", NULL},
        {SLICE("NOTIFY=FAILURE ORCPT=rfc822;Bob+2B@Example.Org"), "failure orcpt=rfc822;Bob+@Example.Org", NULL},
        {SLICE("ORCPT=x400;/G+3Da/S+3Db/"), "orcpt=x400;/G=a/S=b/", NULL},
        {SLICE("ORCPT=utf-8;\\x{E9}@example.org"), "orcpt=utf-8;\xc3\xa9@example.org", NULL},
        {SLICE("NOTIFY=NEVER,SUCCESS"), NULL, "501 5.5.4"},
        {SLICE("NOTIFY=SUCCESS,NEVER"), NULL, "501 5.5.4"},
        {SLICE("NOTIFY="), NULL, "501 5.5.4"},
        {SLICE("NOTIFY"), NULL, "501 5.5.4"},
        {SLICE("NOTIFY=SUCCESS,"), NULL, "501 5.5.4"},
        {SLICE("NOTIFY=,SUCCESS"), NULL, "501 5.5.4"},
        {SLICE("NOTIFY=ALWAYS"), NULL, "501 5.5.4"},
        {SLICE("NOTIFY=NEVER NOTIFY=NEVER"), NULL, "501 5.5.4"},
        {SLICE("ORCPT=rfc822;a ORCPT=rfc822;b"), NULL, "501 5.5.4"},
        {SLICE("ORCPT=rfc822"), NULL, "501 5.5.4"},
        {SLICE("ORCPT=a@b.example"), NULL, "501 5.5.4"},
        {SLICE("ORCPT=rfc822;"), NULL, "501 5.5.4"},
        {SLICE("ORCPT=rfc822;a+0D+0AQUIT"), NULL, "501 5.5.4"},
        {SLICE("ORCPT=rfc822;a+00"), NULL, "501 5.5.4"},
        {SLICE("ORCPT=utf-8;\\x{A}"), NULL, "501 5.5.4"},
        {SLICE("ORCPT=utf-8;\xc3\xa9@example.org"), NULL, "501 5.5.4"},
        {SLICE("RET=FULL"), NULL, "555 5.5.4"},
        {SLICE("SIZE=1"), NULL, "555 5.5.4"},
    };
    const struct say with_utf8[] = {
        {SLICE("ORCPT=utf-8;\xc3\xa9@example.org"), "orcpt=utf-8;\xc3\xa9@example.org", NULL},
        {SLICE("ORCPT=utf-8;\xc3\xa9\\x{2B}x@example.org"), "orcpt=utf-8;\xc3\xa9+x@example.org", NULL},
        {SLICE("ORCPT=rfc822;\xc3\xa9@example.org"), NULL, "501 5.5.4"},
    };
    CHECK(rows, true, .options = DEFAULTS);
    CHECK(with_utf8, true, .options = DEFAULTS, .utf8 = true);
}

/* RFC 6531 */
static void e6_server_utf8_addresses(void **state)
{
    (void)state;
    struct row rows[] = {
        {"with the parameter", DEFAULTS,
         SLICE("HELO c\r\nMAIL FROM:<jos\xc3\xa9@b\xc3\xbc.example> SMTPUTF8\r\nRCPT TO:<\"\xe4\xbd\xa0 "
               "x\"@d.example>\r\n"),
         SLICE(HELLO "250 2.1.0 <jos\xc3\xa9@b\xc3\xbc.example>... Sender ok\r\n"
                     "250 2.1.5 <\"\xe4\xbd\xa0 x\"@d.example>... Recipient ok\r\n"),
         NULL,
         SLICE("event HELO c \nevent MAIL jos\xc3\xa9@b\xc3\xbc.example utf8\nevent RCPT \"\xe4\xbd\xa0 x\"@d.example "
               "\n")},
        {"without", DEFAULTS,
         SLICE(
             "HELO c\r\nMAIL FROM:<jos\xc3\xa9@b.example>\r\nMAIL FROM:<jose@b\xc3\xbc.example>\r\n" BEGIN
             "RCPT TO:<jos\xc3\xa9@d.example>\r\nRSET\r\nMAIL FROM:<> SMTPUTF8\r\nRSET\r\nMAIL FROM:<\xc3\xa9@x>\r\n"),
         SLICE(HELLO UTF8 UTF8 BEGUN UTF8
               "250 2.0.0 Reset state\r\n250 2.1.0 <>... Sender ok\r\n250 2.0.0 Reset state\r\n" UTF8),
         NULL},
        {"it takes no value", DEFAULTS,
         SLICE("HELO c\r\nMAIL FROM:<a@b> SMTPUTF8=\r\nMAIL FROM:<a@b> SMTPUTF8=1\r\nMAIL FROM:<a@b> SMTPUTF8 "
               "SMTPUTF8\r\n"),
         SLICE(HELLO BAD BAD BAD), NULL},
        {"what is no UTF-8, and controls in it", DEFAULTS,
         SLICE("HELO c\r\nMAIL FROM:<\xe9@b> SMTPUTF8\r\nMAIL FROM:<\xc0\x80@b> SMTPUTF8\r\nMAIL FROM:<\xed\xa0\x80@b> "
               "SMTPUTF8\r\n"
               "MAIL FROM:<\xc2\x9b@b> SMTPUTF8\r\nMAIL FROM:<\xc3\r@b> SMTPUTF8\r\n"),
         SLICE(HELLO
               "501 5.5.4 Control or 8-bit characters in the command\r\n501 5.5.4 Control or 8-bit characters in the "
               "command\r\n501 5.5.4 Control or 8-bit characters in the command\r\n501 5.5.4 Control or 8-bit "
               "characters in the command\r\n501 5.5.4 Control or 8-bit characters in the command\r\n"),
         NULL},
        {"VRFY and EXPN", DEFAULTS,
         SLICE("HELO c\r\nVRFY jos\xc3\xa9\r\nEXPN jos\xc3\xa9\r\nVRFY jos\xc3\xa9 SMTPUTF8\r\nVRFY utf8\r\nVRFY utf8 "
               "smtputf8\r\n"
               "NOOP\r\n"),
         SLICE(HELLO UTF8 UTF8 "252 2.5.0 Cannot VRFY user, but will accept message and attempt delivery\r\n"
                               "250 2.0.0 Jos?? <jos??@example.org>??\r\n"
                               "250 2.0.0 Jos\xc3\xa9 <jos\xc3\xa9@example.org>??\r\n250 2.0.0 Ok\r\n"),
         NULL, SLICE("event HELO c \nevent VRFY jos\xc3\xa9 utf8\nevent VRFY utf8 \nevent VRFY utf8 utf8\n")},
    };
    RUN(rows);
    assert_true(offers(&(struct setting){.options = DEFAULTS}, "SMTPUTF8"));
}

/* RFC 2852 section 4 */
static void e8_server_deliver_by(void **state)
{
    (void)state;
    const struct say rows[] = {
        {SLICE("BY=120;R"), "by-return by=120", NULL},
        {SLICE("BY=+120;rt"), "by-return by-trace by=120", NULL},
        {SLICE("BY=60;R"), "by-return by=60", NULL},
        {SLICE("BY=-10;N"), "by-notify by=-10", NULL},
        {SLICE("BY=0;NT"), "by-notify by-trace by=0", NULL},
        {SLICE("BY=1;N"), "by-notify by=1", NULL},
        {SLICE("BY=999999999;R"), "by-return by=999999999", NULL},
        {SLICE("BY=59;R"), NULL, "555 5.5.4 The time to deliver by"},
        {SLICE("BY=0;R"), NULL, "501 5.5.4 Syntax"},
        {SLICE("BY=-1;R"), NULL, "501 5.5.4 Syntax"},
        {SLICE("BY=1000000000;R"), NULL, "501 5.5.4"},
        {SLICE("BY=120"), NULL, "501 5.5.4"},
        {SLICE("BY=120;"), NULL, "501 5.5.4"},
        {SLICE("BY=120;X"), NULL, "501 5.5.4"},
        {SLICE("BY=120;RN"), NULL, "501 5.5.4"},
        {SLICE("BY=120;RTT"), NULL, "501 5.5.4"},
        {SLICE("BY=;R"), NULL, "501 5.5.4"},
        {SLICE("BY=-;N"), NULL, "501 5.5.4"},
        {SLICE("BY=+-1;N"), NULL, "501 5.5.4"},
        {SLICE("BY=120;R BY=120;R"), NULL, "501 5.5.4"},
    };
    CHECK(rows, false, .options = {.deliver_by_min_s = 60});
    assert_true(offers(&(struct setting){.options = {.deliver_by_min_s = 60}}, "DELIVERBY 60"));
    assert_true(offers(&(struct setting){.options = DEFAULTS}, "DELIVERBY"));
    assert_false(offers(&(struct setting){.options = {.deliver_by_min_s = -1}}, "DELIVERBY"));
    const struct say none[] = {{SLICE("BY=120;R"), NULL, "555 5.5.4"}};
    CHECK(none, false, .options = {.deliver_by_min_s = -1});
}

/* RFC 4865 sections 4 and 5; the clock says 2026-11-21T19:08:35Z */
static void e8_server_future_release(void **state)
{
    (void)state;
    const struct setting who = {.options = {.future_release_max_s = 3600}, .trusted = true, .unix_s = 1795288115};
    const struct say rows[] = {
        {SLICE("HOLDFOR=3600"), " hold=3600", NULL},
        {SLICE("holdfor=1"), " hold=1", NULL},
        {SLICE("HOLDUNTIL=2026-11-21T20:08:35Z"), " release=1795291715", NULL},
        {SLICE("HOLDUNTIL=2026-11-21T21:08:35+01:00"), " release=1795291715", NULL},
        {SLICE("HOLDUNTIL=2020-01-01T00:00:00Z"), " release=1577836800", NULL},
        {SLICE("HOLDFOR=600 BY=1200;R"), "by-return hold=600 by=1200", NULL},
        {SLICE("HOLDFOR=3601"), NULL, "501 5.5.4 Held longer"},
        {SLICE("HOLDUNTIL=2026-11-21T20:08:36Z"), NULL, "501 5.5.4 Held longer"},
        {SLICE("HOLDFOR=0"), NULL, "501 5.5.4"},
        {SLICE("HOLDFOR=-1"), NULL, "501 5.5.4"},
        {SLICE("HOLDFOR=1000000000"), NULL, "501 5.5.4"},
        {SLICE("HOLDFOR=1h"), NULL, "501 5.5.4"},
        {SLICE("HOLDFOR="), NULL, "501 5.5.4"},
        {SLICE("HOLDUNTIL=tomorrow"), NULL, "501 5.5.4"},
        {SLICE("HOLDUNTIL=2026-11-31T20:08:35Z"), NULL, "501 5.5.4"},
        {SLICE("HOLDFOR=1 HOLDUNTIL=2026-11-21T20:08:35Z"), NULL, "501 5.5.4"},
        {SLICE("HOLDUNTIL=2026-11-21T20:08:35Z HOLDFOR=1"), NULL, "501 5.5.4"},
        {SLICE("HOLDFOR=1 HOLDFOR=1"), NULL, "501 5.5.4"},
        {SLICE("BY=600;R HOLDFOR=601"), NULL, "501 5.5.4"},
        {SLICE("HOLDUNTIL=2026-11-21T20:08:35Z BY=3599;R"), NULL, "501 5.5.4"},
        {SLICE("BY=600;N HOLDFOR=601"), NULL, "501 5.5.4"}, /* RFC 4865 section 5.2.2, whatever the mode */
        {SLICE("HOLDUNTIL=2026-11-21T20:08:35Z BY=-1;N"), NULL, "501 5.5.4"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        say_check(&rows[i], false, &who);
    assert_true(offers(&who, "FUTURERELEASE 3600 2026-11-21T20:08:35Z"));
    const struct say none[] = {{SLICE("HOLDFOR=1"), NULL, "555 5.5.4"},
                               {SLICE("HOLDUNTIL=2026-11-21T20:08:35Z"), NULL, "555 5.5.4"}};
    CHECK(none, false, .options = {.future_release_max_s = 3600}, .unix_s = 1795288115);
    CHECK(none, false, .options = DEFAULTS, .trusted = true, .unix_s = 1795288115);
    assert_false(offers(&(struct setting){.options = {.future_release_max_s = 3600}, .unix_s = 1},
                        "FUTURERELEASE 3600 1970-01-01T01:00:01Z"));
}

/* RFC 6710 section 3 */
static void e8_server_priority(void **state)
{
    (void)state;
    const struct say rows[] = {
        {SLICE("MT-PRIORITY=9"), " priority=9", NULL},
        {SLICE("mt-priority=-9"), " priority=-9", NULL},
        {SLICE("MT-PRIORITY=0"), "", NULL},
        {SLICE("MT-PRIORITY=10"), NULL, "501 5.5.4"},
        {SLICE("MT-PRIORITY=-0"), NULL, "501 5.5.4"},
        {SLICE("MT-PRIORITY=+1"), NULL, "501 5.5.4"},
        {SLICE("MT-PRIORITY=-10"), NULL, "501 5.5.4"},
        {SLICE("MT-PRIORITY=-"), NULL, "501 5.5.4"},
        {SLICE("MT-PRIORITY="), NULL, "501 5.5.4"},
        {SLICE("MT-PRIORITY=a"), NULL, "501 5.5.4"},
        {SLICE("MT-PRIORITY=1 MT-PRIORITY=1"), NULL, "501 5.5.4"},
    };
    CHECK(rows, false, .options = DEFAULTS);
    assert_true(offers(&(struct setting){.options = DEFAULTS}, "MT-PRIORITY"));
}

/* RFC 8689 section 2 */
static void e9_server_requiretls(void **state)
{
    (void)state;
    const struct say secured[] = {{SLICE("REQUIRETLS"), "requiretls", NULL},
                                  {SLICE("REQUIRETLS=1"), NULL, "501 5.5.4"},
                                  {SLICE("REQUIRETLS REQUIRETLS"), NULL, "501 5.5.4"}};
    const struct say plain[] = {{SLICE("REQUIRETLS"), NULL, "530 5.7.10"}};
    CHECK(secured, false, .options = DEFAULTS, .secured = true);
    CHECK(plain, false, .options = {.starttls = true});
    assert_true(offers(&(struct setting){.options = DEFAULTS, .secured = true}, "REQUIRETLS"));
    assert_false(offers(&(struct setting){.options = {.starttls = true}}, "REQUIRETLS"));
}

/* RFC 9422 section 4 */
static void e10_server_limits(void **state)
{
    (void)state;
    assert_true(offers(&(struct setting){.options = {.max_recipients = 100, .max_messages = 20}},
                       "LIMITS MAILMAX=20 RCPTMAX=100"));
    assert_true(offers(&(struct setting){.options = {.max_recipients = 100}}, "LIMITS RCPTMAX=100"));
    assert_true(offers(&(struct setting){.options = {.max_messages = 1}}, "LIMITS MAILMAX=1"));
    assert_true(offers(&(struct setting){.options = {.max_recipients = 5000000}}, "LIMITS RCPTMAX=999999"));
    assert_false(offers(&(struct setting){.options = DEFAULTS}, "LIMITS"));
}

/* RFC 4954 section 5 */
static void e11_server_auth_of_mail(void **state)
{
    (void)state;
    const struct say rows[] = {
        {SLICE("AUTH=<>"), "auth=<>", NULL},
        {SLICE("AUTH=e+3Dmc2@example.com"), "auth=e=mc2@example.com", NULL},
        {SLICE("AUTH="), NULL, "501 5.5.4"},
        {SLICE("AUTH=foo"), NULL, "501 5.5.4"},
        {SLICE("AUTH=<a@b.example>"), NULL, "501 5.5.4"},
        {SLICE("AUTH=a+0D+0A"), NULL, "501 5.5.4"},
    };
    CHECK(rows, false, .options = {.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true});
    const struct say none[] = {{SLICE("AUTH=<>"), NULL, "555 5.5.4"}};
    CHECK(none, false, .options = DEFAULTS);
}

/* RFC 4954 section 3 item 5: 500 octets more than the 512 that any MAIL may have. */
static void e11_server_auth_of_mail_may_be_long(void **state)
{
    (void)state;
    struct drive d;
    struct setting setting = {.options = {.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true}};
    buf in;
    buf_init(&in, 4096);
    buf_append(&in, SLICE("MAIL FROM:<"));
    while (in.len < 200)
        buf_append_char(&in, 'a');
    buf_append_char(&in, '@');
    while (in.len < 400)
        buf_append(&in, SLICE("b.example."));
    buf_append(&in, SLICE("example> BODY=8BITMIME ENVID="));
    while (in.len < 510)
        buf_append_char(&in, 'c');
    buf_append(&in, SLICE(" AUTH="));
    while (in.len < 1000)
        buf_append(&in, SLICE("+2D"));
    buf_append(&in, SLICE("@x.example\r\n"));
    assert_in_range(in.len, 1012, 1014);
    say_open(&d, &setting);
    buf_clear(&d.replies);
    drive_read(&d, buf_slice(&in));
    if (!slice_starts(buf_slice(&d.replies), SLICE("250 2.1.0 ")))
        fail_msg("%.*s", SLICE_ARG(buf_slice(&d.replies)));
    drive_close(&d);
    buf_deinit(&in);
}

static void b3_server_tag_of_local_programs(void **state)
{
    (void)state;
    const struct say rows[] = {{SLICE("XTAG=job+20one/7"), "tag=job one/7", NULL},
                               {SLICE("XTAG=a+0A"), NULL, "501 5.5.4"}};
    const struct say none[] = {{SLICE("XTAG=job"), NULL, "555 5.5.4"}};
    CHECK(rows, false, .options = DEFAULTS, .permits = SMTP_PERMIT_TAG);
    CHECK(none, false, .options = DEFAULTS, .permits = SMTP_PERMIT_XCLIENT);
    assert_true(offers(&(struct setting){.options = DEFAULTS, .permits = SMTP_PERMIT_TAG}, "XTAG"));
}

/* Nothing of a MAIL that was refused, or of the message before, is there in the next. */
static void e7_server_parameters_are_forgotten(void **state)
{
    (void)state;
    struct row rows[] = {
        {"each message has its own", DEFAULTS,
         SLICE("HELO c\r\nMAIL FROM:<a@b.example> RET=FULL ENVID=x MT-PRIORITY=3 SMTPUTF8 WHAT=1\r\n"
               "MAIL FROM:<a@b.example> RET=HDRS ENVID=y\r\nRCPT TO:<c@d.example> NOTIFY=DELAY WHAT=1\r\n"
               "RCPT TO:<c@d.example> NOTIFY=DELAY ORCPT=rfc822;z\r\nRCPT TO:<c@d.example>\r\nRSET\r\n"
               "MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n"),
         SLICE(HELLO UNKNOWN SENDER UNKNOWN RECIPIENT RECIPIENT "250 2.0.0 Reset state\r\n" SENDER RECIPIENT), NULL,
         SLICE("event HELO c \nevent MAIL a@b.example hdrs envid=y\nevent RCPT c@d.example delay orcpt=rfc822;z\n"
               "event RCPT c@d.example \nevent RESET  \nevent MAIL a@b.example \nevent RCPT c@d.example \n")},
    };
    RUN(rows);
}

/* RFC 2920: whatever comes together is answered in order; what follows a refused DATA is commands. */
static void e1_server_groups_of_commands(void **state)
{
    (void)state;
    struct row rows[] = {
        {"DATA last in its group, refused", DEFAULTS,
         SLICE("EHLO c\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bad@d.example>\r\nDATA\r\nRSET\r\nNOOP\r\nQUIT\r\n"),
         SLICE("250-mx.example.org Hello "
               "c\r\n250-PIPELINING\r\n250-SIZE\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n" OFFER
               "250 HELP\r\n" SENDER
               "550 5.1.1 User unknown\r\n554 5.5.1 No valid recipients\r\n250 2.0.0 Reset state\r\n"
               "250 2.0.0 Ok\r\n" BYE),
         "quit"},
        {"two messages, RSET, VRFY and QUIT", DEFAULTS,
         SLICE("HELO c\r\n" BEGIN "DATA\r\nQUIT\r\n.\r\n" BEGIN
               "BDAT 6 LAST\r\nQUIT\r\nRSET\r\nVRFY x\r\nQUIT\r\nNOOP\r\n"),
         SLICE(HELLO BEGUN GO_AHEAD QUEUED BEGUN QUEUED
               "250 2.0.0 Reset state\r\n"
               "252 2.5.0 Cannot VRFY user, but will accept message and attempt "
               "delivery\r\n" BYE),
         "quit"},
    };
    RUN(rows);
}

/* RFC 2034 section 3: each 2xx, 4xx and 5xx has a second code of its class, in each of its lines; but not the greeting, nor replies to HELO and EHLO. */
static void e3_server_every_reply_has_its_second_code(void **state)
{
    (void)state;
    struct drive d;
    slice said, line;
    drive_open(&d,
               &OPTIONS(.auth_mechanisms = SLICE("PLAIN"), .auth_plaintext_ok = true, .etrn = true, .max_size = 100));
    drive_read(&d, SLICE("EHLO c\r\nHELO c\r\n"));
    assert_true(slice_find(buf_slice(&d.replies), SLICE("250 mx.example.org Hello c\r\n")) > 0);
    buf_clear(&d.replies);
    drive_read(
        &d, SLICE("WHAT\r\nTURN\r\nRCPT TO:<a@b>\r\nVRFY a\r\nEXPN a\r\nETRN a.example\r\nETRN "
                  "bad.example\r\nHELP\r\nHELP DATA\r\n"
                  "HELP x\r\nNOOP\r\nRSET\r\nAUTH X\r\nAUTH PLAIN !\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\nXCLIENT "
                  "NAME=a\r\nMAIL FROM:<\r\n"
                  "MAIL FROM:<a@b> SIZE=101\r\nMAIL FROM:<a@b> X=1\r\nMAIL FROM:<a@b> REQUIRETLS\r\nMAIL FROM:<a@b>\r\n"
                  "RCPT TO:<bad@b>\r\nRCPT TO:<later@b>\r\nDATA\r\nRCPT TO:<a@b>\r\nBDAT 1\r\nxBDAT 100 LAST\r\n"));
    drive_read(
        &d, SLICE("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
                  "RSET\r\n" BEGIN "DATA\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<nodata@b>\r\nDATA\r\nBDAT x\r\n"));
    assert_string_equal(d.why, "BDAT without a size");
    unsigned lines = 0;
    for (said = buf_slice(&d.replies); said.len > 0; lines++) {
        (void)slice_cut(said, '\n', &line, &said);
        bool intermediate = line.ptr[0] == '3';
        bool coded = line.len > 10 && line.ptr[4] == line.ptr[0] && line.ptr[5] == '.' && ascii_is_digit(line.ptr[6]);
        if (coded == intermediate)
            fail_msg("%.*s", SLICE_ARG(line));
    }
    assert_true(lines > 40);
    drive_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(e2_server_body),
        cmocka_unit_test(e7_server_dsn_of_mail),
        cmocka_unit_test(e7_server_dsn_of_rcpt),
        cmocka_unit_test(e6_server_utf8_addresses),
        cmocka_unit_test(e8_server_deliver_by),
        cmocka_unit_test(e8_server_future_release),
        cmocka_unit_test(e8_server_priority),
        cmocka_unit_test(e9_server_requiretls),
        cmocka_unit_test(e10_server_limits),
        cmocka_unit_test(e11_server_auth_of_mail),
        cmocka_unit_test(e11_server_auth_of_mail_may_be_long),
        cmocka_unit_test(b3_server_tag_of_local_programs),
        cmocka_unit_test(e7_server_parameters_are_forgotten),
        cmocka_unit_test(e1_server_groups_of_commands),
        cmocka_unit_test(e3_server_every_reply_has_its_second_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
