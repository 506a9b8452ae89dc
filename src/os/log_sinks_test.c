/* SPDX-License-Identifier: ISC */
/* What a reader of each sink gets: JSON, the journal, syslog; and how much of one client. */
#include "os/os.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#define F(n, t) ((struct log_field){.name = SLICE(n), .text = SLICE(t)})
#define N(n, v) ((struct log_field){.name = SLICE(n), .number = true, .value = (v)})

static int kept_stderr = -1, ends[2] = {-1, -1}, daemon_fd = -1;
static char folder[] = "/tmp/os_log_XXXXXX", path[64], text[1 << 20];

/* Standard error is a pipe to us. */
static int setup(void **state)
{
    (void)state;
    kept_stderr = dup(2);
    if (kept_stderr < 0 || pipe(ends) != 0 || dup2(ends[1], 2) < 0)
        return 1;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    log_open(SLICE("smtpd"), 2, LOG_INFO);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dup2(kept_stderr, 2);
    os_close(&kept_stderr);
    os_close(&ends[0]);
    os_close(&ends[1]);
    log_open(SLICE("smtpd"), 2, LOG_INFO);
    return 0;
}

static void daemon_start(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    unlink(path);
    daemon_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_true(daemon_fd >= 0);
    assert_int_equal(bind(daemon_fd, (struct sockaddr *)&a, sizeof a), 0);
}

static int setup_daemon(void **state)
{
    memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/socket", folder);
    daemon_start();
    return setup(state);
}

static int teardown_daemon(void **state)
{
    int failed = teardown(state);
    os_close(&daemon_fd);
    unlink(path);
    return failed || rmdir(folder) != 0;
}

static size_t seen(void)
{
    size_t len = 0;
    ssize_t n;
    log_flush();
    while ((n = read(ends[0], text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    return len;
}

/* The next datagram, or 0. */
static size_t datagram(void)
{
    ssize_t n = recv(daemon_fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    return n > 0 ? (size_t)n : 0;
}

static void use(enum log_to to, enum log_format format, uint32_t client_lines)
{
    const struct log_settings s = {
        .to = to, .format = format, .least = LOG_INFO, .client_lines = client_lines, .socket = slice_str(path)};
    assert_int_equal(log_use(&s), ERR_OK);
}

static unsigned lines_with(const char *what)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        count++;
    return count;
}

static const char *member(const json_t *o, const char *name)
{
    const char *value = json_string_value(json_object_get(o, name));
    assert_non_null(value);
    return value;
}

static void record(enum log_level level, slice event, const struct log_field *fields, size_t count, slice message)
{
    struct log_said said = {
        .level = level, .now_us = os_wall_us(), .event = event, .fields = fields, .count = count, .message = message};
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(fields[i].name, SLICE("client")))
            said.client = fields[i].text;
        said.of_mail = said.of_mail || slice_equal(fields[i].name, SLICE("id"));
    }
    log_say(&said);
}

static void a_json_line_has_the_facts_by_their_names(void **state)
{
    (void)state;
    const struct log_field fields[] = {F("client", "192.0.2.1"), N("code", 554), N("delay-ms", -3)};
    use(LOG_TO_STDERR, LOG_JSON, 0);
    record(LOG_WARNING, SLICE("reject"), fields, 3, SLICE("NOQUEUE: reject"));
    assert_true(seen() > 0);
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    assert_int_equal(strlen(member(o, "time")), strlen("2026-11-21T12:00:00.123Z"));
    assert_string_equal(member(o, "level"), "warning");
    assert_string_equal(member(o, "process"), "smtpd");
    assert_int_equal(json_integer_value(json_object_get(o, "pid")), getpid());
    assert_string_equal(member(o, "event"), "reject");
    assert_string_equal(member(o, "message"), "NOQUEUE: reject");
    assert_string_equal(member(o, "client"), "192.0.2.1");
    assert_int_equal(json_integer_value(json_object_get(o, "code")), 554);
    assert_int_equal(json_integer_value(json_object_get(o, "delay-ms")), -3);
    json_decref(o);
}

/* Whatever a peer says: one line, one object, no longer than what a pipe takes whole. */
static void json_is_valid_on_hostile_bytes(void **state)
{
    (void)state;
    static char bytes[5000];
    use(LOG_TO_STDERR, LOG_JSON, 0);
    for (unsigned seed = 0; seed < 300; seed++) {
        struct log_field fields[16];
        size_t len = seed < 256 ? 300 : sizeof bytes;
        for (size_t i = 0; i < len; i++)
            bytes[i] = seed < 256 ? (char)(i % 3 ? seed : i) : (char)(i * seed >> 3);
        for (size_t i = 0; i < 16; i++)
            fields[i] = (struct log_field){.name = SLICE("client-name"), .text = slice_of(bytes, len)};
        record(LOG_INFO, SLICE("connect"), fields, seed % 17, slice_of(bytes, len));
        size_t n = seen();
        assert_true(n > 0 && n <= 4096);
        assert_ptr_equal(strchr(text, '\n'), text + n - 1);
        json_t *o = json_loads(text, JSON_ALLOW_NUL, NULL);
        if (!o)
            fail_msg("not JSON: %s", text);
        assert_string_equal(member(o, "event"), "connect");
        if (len == sizeof bytes)
            assert_true(json_is_true(json_object_get(o, "cut")));
        json_decref(o);
    }
}

/* systemd.journal-fields: NAME=VALUE, or NAME, 8 bytes of length, the value. */
static void the_journal_gets_fields(void **state)
{
    (void)state;
    const struct log_field fields[] = {F("client-name", "a\nPRIORITY=0\nMESSAGE=forged"), F("id", "7K3QX2M9"),
                                       N("sync-ms", 6)};
    use(LOG_TO_JOURNAL, LOG_TEXT, 20);
    record(LOG_ERROR, SLICE("accepted"), fields, 3, SLICE("line\nbreak"));
    log_flush();
    size_t len = datagram();
    assert_true(len > 0);
    char pid[64];
    snprintf(pid, sizeof pid, "\nSYSLOG_PID=%d\n", getpid());
    static const char *const wanted[] = {"PRIORITY=3\n",
                                         "\nSYSLOG_FACILITY=2\n",
                                         "\nSYSLOG_IDENTIFIER=thurn/smtpd\n",
                                         "\nTHURN_EVENT=accepted\n",
                                         "\nTHURN_ID=7K3QX2M9\n",
                                         "\nTHURN_SYNC_MS=6\n",
                                         "\nMESSAGE=error: line\\x0abreak\n"};
    slice all = slice_of(text, len);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        assert_true(slice_find(all, slice_str(wanted[i])) >= 0);
    assert_true(slice_find(all, slice_str(pid)) >= 0);
    static const char framed[] = "\nTHURN_CLIENT_NAME\n\x1b\0\0\0\0\0\0\0a\nPRIORITY=0\nMESSAGE=forged\n";
    assert_true(slice_find(all, slice_of(framed, sizeof framed - 1)) >= 0);
    assert_int_equal(seen(), 0); /* and nothing on standard error */
}

static void syslog_gets_a_line_each(void **state)
{
    (void)state;
    char month[8], process[64];
    int priority, day, hour, minute, second, pid, end = 0;
    use(LOG_TO_SYSLOG, LOG_TEXT, 20);
    log_line(LOG_WARNING, "one");
    log_line(LOG_INFO, "two\n<0>three");
    log_flush();
    assert_true(datagram() > 0);
    assert_int_equal(sscanf(text, "<%d>%3s %2d %2d:%2d:%2d %32[^[][%d]: warning: one%n", &priority, month, &day, &hour,
                            &minute, &second, process, &pid, &end),
                     8);
    assert_int_equal(priority, 2 * 8 + 4);
    assert_string_equal(process, "thurn/smtpd");
    assert_int_equal(pid, getpid());
    assert_int_equal(text[end], 0);
    assert_true(datagram() > 0);
    assert_non_null(strstr(text, "]: two\\x0a<0>three"));
    assert_int_equal(datagram(), 0);
    use(LOG_TO_SYSLOG, LOG_JSON, 20);
    log_line(LOG_INFO, "four");
    log_flush();
    assert_true(datagram() > 0);
    assert_non_null(strstr(text, "]: {\"time\":\""));
}

/* The daemon is started again: nothing is lost, also of a child that could not connect by itself. */
static void a_daemon_may_be_started_again(void **state)
{
    (void)state;
    int go[2], status;
    char c;
    use(LOG_TO_JOURNAL, LOG_TEXT, 20);
    assert_int_equal(pipe(go), 0);
    os_close(&daemon_fd);
    unlink(path);
    pid_t pid = fork();
    if (pid == 0) {
        log_line(LOG_INFO, "of the child");
        log_flush();
        bool told = read(go[0], &c, 1) == 1;
        log_close(); /* goes out now, if it has not gone with the parent's */
        _exit(told ? 0 : 1);
    }
    log_line(LOG_INFO, "of the parent");
    log_flush();
    assert_int_not_equal(log_reconnect(), ERR_OK);
    daemon_start();
    assert_int_equal(log_reconnect(), ERR_OK);
    log_flush();
    assert_true(datagram() > 0);
    assert_non_null(strstr(text, "MESSAGE=of the parent\n"));
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(datagram() > 0);
    assert_non_null(strstr(text, "MESSAGE=of the child\n"));
    close(go[0]);
    close(go[1]);
}

static void a_full_daemon_is_not_waited_for_and_losses_are_told(void **state)
{
    (void)state;
    unsigned kept = 0, lost = 0;
    char line[300];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = 0;
    use(LOG_TO_JOURNAL, LOG_TEXT, 20);
    for (int i = 0; i < 3000; i++) {
        log_line(LOG_INFO, "%s", line);
        if (i % 100 == 0)
            log_flush();
    }
    for (int i = 0; i < 3000; i++) {
        log_flush();
        while (datagram() > 0) {
            char *count = strstr(text, "MESSAGE=warning: ");
            if (count)
                assert_int_equal(sscanf(count, "MESSAGE=warning: %u log lines were dropped", &lost), 1);
            else
                kept++;
        }
    }
    assert_true(lost > 0);
    assert_int_equal(kept + lost, 3000);
}

/* A disk that is full within a line: what came of the line afterwards would be a line of its own. */
static void a_line_that_was_cut_off_is_not_gone_on_with(void **state)
{
    (void)state;
    static const char forged[] = "2026-11-22T08:35:00.123Z thurn/smtpd[1]: forged";
    char file[] = "/tmp/os_log_cut_XXXXXX";
    int fd = mkstemp(file), status;
    assert_true(fd >= 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {.rlim_cur = 90, .rlim_max = RLIM_INFINITY};
        signal(SIGXFSZ, SIG_IGN);
        log_open(SLICE("smtpd"), fd, LOG_INFO);
        setrlimit(RLIMIT_FSIZE, &limit);
        for (int i = 0; i < 3; i++)
            log_line(LOG_INFO, "%.*s%s", 20 + i * 12, "........................................", forged);
        bool waits = log_flush() >= 0;
        limit.rlim_cur = RLIM_INFINITY;
        setrlimit(RLIMIT_FSIZE, &limit);
        log_line(LOG_INFO, "last");
        log_close();
        _exit(waits ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    text[n] = 0;
    os_close(&fd);
    unlink(file);
    char mine[32];
    snprintf(mine, sizeof mine, " thurn/smtpd[%d]: ", pid);
    unsigned lines = 0;
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1, lines++) {
        *end = 0;
        assert_ptr_equal(strstr(at, mine), at + strlen("2026-11-21T19:08:35.123Z"));
    }
    assert_int_equal(lines, 5); /* three, the first cut; then what was lost, and the last */
}

static void reject(const char *client, const char *id)
{
    struct log_field fields[2] = {{.name = SLICE("client"), .text = slice_str(client)},
                                  {.name = SLICE("id"), .text = slice_str(id)}};
    record(LOG_INFO, SLICE("reject"), fields, id ? 2 : 1, slice_str(client));
}

static void a_client_that_misbehaves_gets_few_lines(void **state)
{
    (void)state;
    use(LOG_TO_STDERR, LOG_TEXT, 5);
    for (int i = 0; i < 200; i++)
        reject("192.0.2.1", NULL);
    reject("192.0.2.2", NULL);
    reject("192.0.2.1", "7K3QX2M9");
    for (int i = 0; i < 200; i++)
        reject("local", NULL);
    assert_true(seen() > 0);
    unsigned of_client = lines_with("]: 192.0.2.1\n");
    assert_true(of_client >= 6 && of_client < 100); /* five, the mail's, and one for each second that passed */
    assert_int_equal(lines_with("]: 192.0.2.2\n"), 1);
    assert_int_equal(lines_with("]: local\n"), 200);
}

static void what_was_left_out_is_told(void **state)
{
    (void)state;
    unsigned count = 0;
    use(LOG_TO_STDERR, LOG_JSON, 1);
    for (int i = 0; i < 100; i++)
        reject("2001:db8::1", NULL);
    assert_true(log_flush() > 0);
    log_close();
    assert_true(seen() > 0);
    unsigned written = 0;
    for (char *at = text, *end; (end = strchr(at, '\n')); at = end + 1) {
        json_t *o = json_loadb(at, (size_t)(end - at), 0, NULL);
        assert_non_null(o);
        assert_string_equal(member(o, "event"), "reject");
        assert_string_equal(member(o, "client"), "2001:db8::1");
        json_t *left_out = json_object_get(o, "lines-left-out");
        count += left_out ? (unsigned)json_integer_value(left_out) : 0;
        written += !left_out;
        json_decref(o);
    }
    assert_true(count > 0);
    assert_int_equal(written + count, 100);
}

/* Who has one address of IPv6 has a /64. */
static void a_network_of_ipv6_is_one_client(void **state)
{
    (void)state;
    char client[64];
    use(LOG_TO_STDERR, LOG_TEXT, 5);
    for (int i = 0; i < 200; i++) {
        snprintf(client, sizeof client, "2001:db8::%x", i + 1);
        reject(client, NULL);
    }
    reject("2001:db8:0:1::1", NULL);
    assert_true(seen() > 0);
    assert_true(lines_with("]: 2001:db8::") < 100);
    assert_int_equal(lines_with("]: 2001:db8:0:1::1\n"), 1);
}

/* A busy peer that gets mail in keeps its lines, however many. */
static void mail_that_was_taken_fills_the_bucket(void **state)
{
    (void)state;
    use(LOG_TO_STDERR, LOG_TEXT, 5);
    for (int i = 0; i < 100; i++) {
        reject("192.0.2.1", NULL);
        reject("192.0.2.1", "7K3QX2M9");
    }
    assert_true(seen() > 0);
    assert_int_equal(lines_with("]: 192.0.2.1\n"), 200);
}

static void more_clients_than_buckets_are_no_harm(void **state)
{
    (void)state;
    char client[64];
    use(LOG_TO_STDERR, LOG_TEXT, 1);
    for (int i = 0; i < 5000; i++) {
        snprintf(client, sizeof client, "10.0.%d.%d", i / 250, i % 250);
        reject(client, NULL);
        reject(client, NULL);
        if (i % 100 == 99)
            assert_true(seen() > 0);
    }
    log_close();
    assert_true(seen() > 0);
}

static void a_stream_of_the_journal_gets_priorities(void **state)
{
    (void)state;
    struct stat st;
    char stream[64];
    assert_int_equal(fstat(2, &st), 0);
    snprintf(stream, sizeof stream, "%lu:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    use(LOG_TO_STDERR, LOG_TEXT, 0);
    log_line(LOG_ERROR, "bad");
    unsetenv("JOURNAL_STREAM");
    use(LOG_TO_STDERR, LOG_TEXT, 0);
    log_line(LOG_ERROR, "worse");
    assert_true(seen() > 0);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "<3>thurn/smtpd[%d]: error: bad\n", getpid());
    assert_ptr_equal(strstr(text, wanted), text);
    assert_true(ascii_is_digit(strchr(text, '\n')[1]));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define D(f) cmocka_unit_test_setup_teardown(f, setup_daemon, teardown_daemon)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_json_line_has_the_facts_by_their_names),
        T(json_is_valid_on_hostile_bytes),
        D(the_journal_gets_fields),
        D(syslog_gets_a_line_each),
        D(a_daemon_may_be_started_again),
        D(a_full_daemon_is_not_waited_for_and_losses_are_told),
        T(a_line_that_was_cut_off_is_not_gone_on_with),
        T(a_client_that_misbehaves_gets_few_lines),
        T(what_was_left_out_is_told),
        T(a_network_of_ipv6_is_one_client),
        T(mail_that_was_taken_fills_the_bucket),
        T(more_clients_than_buckets_are_no_harm),
        T(a_stream_of_the_journal_gets_priorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
