/* SPDX-License-Identifier: ISC */
/* Whole jobs against a server in memory that dies at any call, before or after what it was asked to do, and a disk that fails at any write: each mail comes to be exactly once. */
#include "cmd/batch_job.h"
#include "cmd/batch_late.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ENTRIES_MAX 64
#define NEVER UINT32_MAX

/* A mail that the server has: in its queue, or delivered. */
struct entry {
    uint64_t id;
    char tag[64], subject[32], to[128];
    bool held, gone;
    unsigned delivered;
};

static struct {
    struct entry entries[ENTRIES_MAX];
    size_t count;
    /* the transaction */
    char tag[64], to[128];
    buf content;
    bool late_is_there;
    struct entry late; /* committed when nobody waits for it any more */
    /* when it dies: at this call from now; before it has done it, or after */
    uint32_t dies_at;
    enum { DIES_BEFORE, DIES_AFTER, DIES_AND_COMMITS_LATE } dies;
    uint32_t calls;
    bool dead;
    unsigned slow;  /* so many releases come before the queue knows of the mail */
    int late_after; /* calls that come before the late one arrives */
} server;

static uint64_t server_run;
static bool keeps; /* what was let go is not delivered, and waits in the queue */
static char folder[64], dir[80], job_path[80], reply_path[80];

static void keep(char *to, size_t size, slice s)
{
    assert_true(s.len < size);
    if (s.len > 0)
        memcpy(to, s.ptr, s.len);
    to[s.len] = 0;
}

static void arrive(struct entry e)
{
    assert_true(server.count < ENTRIES_MAX);
    e.id = 1000 + server.count;
    server.entries[server.count++] = e;
}

/* Does the server still live when it has got the question? */
static bool lives(void)
{
    if (server.late_is_there && server.late_after-- <= 0) {
        server.late_is_there = false;
        arrive(server.late);
    }
    if (server.dead)
        return false;
    server.calls++;
    if (server.calls == server.dies_at && server.dies != DIES_AFTER)
        server.dead = true;
    return !server.dead;
}

static enum err answered(void)
{
    if (server.calls == server.dies_at)
        server.dead = true;
    return server.dead ? ERR_CLOSED : ERR_OK;
}

static struct verdict rcpt(slice line)
{
    if (slice_find(line, SLICE("<nobody@")) >= 0)
        return status_verdict(STATUS_USER_UNKNOWN);
    if (slice_find(line, SLICE("<later@")) >= 0)
        return status_verdict(STATUS_LOOKUP_UNAVAILABLE);
    ptrdiff_t at = slice_find(line, SLICE("<"));
    size_t len = strlen(server.to);
    keep(server.to + len, sizeof server.to - len, slice_skip(line, (size_t)at));
    return status_verdict(STATUS_RECIPIENT_OK);
}

static enum err fake_command(void *ctx, slice line, struct verdict *reply_r)
{
    (void)ctx;
    if (!lives())
        return ERR_CLOSED;
    *reply_r = status_verdict(STATUS_OK);
    if (slice_starts(line, SLICE("MAIL"))) {
        ptrdiff_t at = slice_find(line, SLICE(" XTAG="));
        assert_true(at > 0);
        keep(server.tag, sizeof server.tag, slice_skip(line, (size_t)at + 6));
        server.to[0] = 0;
        buf_clear(&server.content);
    } else if (slice_starts(line, SLICE("RCPT"))) {
        *reply_r = rcpt(line);
    } else if (slice_equal(line, SLICE("DATA"))) {
        *reply_r = (struct verdict){.code = 354};
    }
    return answered();
}

static enum err fake_content(void *ctx, slice piece)
{
    (void)ctx;
    if (!lives())
        return ERR_CLOSED;
    buf_append(&server.content, piece);
    return answered();
}

static enum err fake_end(void *ctx, struct verdict *reply_r)
{
    static char words[64];
    struct entry e = {.held = true};
    slice line, rest;
    (void)ctx;
    (void)slice_cut(buf_slice(&server.content), '\n', &line, &rest);
    keep(e.subject, sizeof e.subject, slice_trim(line));
    keep(e.tag, sizeof e.tag, slice_str(server.tag));
    keep(e.to, sizeof e.to, slice_str(server.to));
    if (!lives()) {
        if (server.calls == server.dies_at && server.dies == DIES_AND_COMMITS_LATE && !server.late_is_there) {
            server.late = e;
            server.late_is_there = true;
            server.calls++;
        }
        return ERR_CLOSED;
    }
    arrive(e);
    buf b;
    buf_init_fixed(&b, words, sizeof words);
    buf_append(&b, SLICE("Ok: queued as "));
    queue_id_print(&b, server.entries[server.count - 1].id);
    *reply_r = status_verdict_text(STATUS_OK, buf_slice(&b));
    return answered();
}

static void fake_abandon(void *ctx)
{
    (void)ctx;
    server.tag[0] = 0;
}

static enum err fake_find(void *ctx, slice tag, uint64_t ids[BATCH_SERVER_IDS_MAX], size_t *count_r)
{
    size_t count = 0;
    (void)ctx;
    if (!lives())
        return ERR_CLOSED;
    for (size_t i = 0; i < server.count; i++) {
        if (!server.entries[i].gone && slice_equal(slice_str(server.entries[i].tag), tag))
            ids[count++] = server.entries[i].id;
    }
    *count_r = count;
    return answered();
}

static struct entry *find(uint64_t id)
{
    for (size_t i = 0; i < server.count; i++) {
        if (server.entries[i].id == id && !server.entries[i].gone)
            return &server.entries[i];
    }
    return NULL;
}

static enum err fake_release(void *ctx, uint64_t id, bool fresh)
{
    (void)ctx;
    (void)fresh;
    if (!lives())
        return ERR_CLOSED;
    struct entry *e = server.slow > 0 ? NULL : find(id);
    server.slow -= server.slow > 0;
    if (e && e->held) {
        e->held = false;
        e->gone = !keeps;
        e->delivered++;
    }
    enum err died = answered();
    return died != ERR_OK ? died : e ? ERR_OK : ERR_NOTFOUND;
}

static enum err fake_remove(void *ctx, uint64_t id)
{
    (void)ctx;
    if (!lives())
        return ERR_CLOSED;
    struct entry *e = find(id);
    if (e) {
        assert_true(e->held); /* nothing that may be on its way already is ever taken back */
        e->gone = true;
    }
    enum err died = answered();
    return died != ERR_OK ? died : e ? ERR_OK : ERR_NOTFOUND;
}

static enum err fake_run(void *ctx, uint64_t *run_r)
{
    (void)ctx;
    *run_r = server_run;
    return ERR_OK;
}

static const struct batch_server calls = {.command = fake_command,
                                          .content = fake_content,
                                          .end = fake_end,
                                          .abandon = fake_abandon,
                                          .find = fake_find,
                                          .release = fake_release,
                                          .remove = fake_remove,
                                          .run = fake_run};

/* --- running jobs --- */

static void write_file(const char *path, slice text)
{
    int fd = -1;
    assert_int_equal(os_open(AT_FDCWD, slice_str(path), O_WRONLY | O_CREAT | O_TRUNC, 0600, &fd), ERR_OK);
    assert_int_equal(os_write(fd, text), ERR_OK);
    os_close(&fd);
}

static void read_file(const char *path, buf *b)
{
    buf_clear(b);
    assert_int_equal(os_file_read(AT_FDCWD, slice_str(path), b), ERR_OK);
}

static void reset(const char *job)
{
    buf_deinit(&server.content);
    memset(&server, 0, sizeof server);
    buf_init(&server.content, 1 << 20);
    server.dies_at = NEVER;
    (void)unlink(reply_path);
    write_file(job_path, slice_str(job));
}

struct outcome {
    enum err error;
    bool bad;
    struct batch_progress progress; /* its texts are gone */
    char reason[256];
};

static const slice administrators[] = {{"root@example.org", 16}};

static enum err to_the_end(struct batch_job *j, bool report)
{
    enum err e = ERR_OK;
    if (j->checkpoint->progress.state == BATCH_RUNNING) {
        e = batch_job_run(j);
        if (e == ERR_OK)
            e = batch_job_settle(j, j->bad ? SLICE("held") : SLICE("done"), slice_str(j->reason));
    }
    if (e == ERR_OK && report)
        e = batch_job_report(j, administrators, 1, SLICE("Subject: report\r\n\r\nall well\r\n"));
    return e == ERR_OK && j->checkpoint->progress.state != BATCH_HELD ? batch_late_keep(j->checkpoint, j->server) : e;
}

/* As one process would: opens the job (or makes it), runs it, ends. */
static struct outcome process(slice job, bool report)
{
    struct outcome o = {.error = ERR_OK};
    struct batch_checkpoint c;
    struct batch_job j = {.checkpoint = &c, .server = &calls, .error_limit = 5, .fd = -1, .reply_fd = -1};
    struct batch_submission s = {
        .job = job, .uid = 1000, .user = SLICE("alice"), .path = slice_str(job_path), .reply_path = SLICE_NONE};
    j.options.hostname = SLICE("mail.example.org");
    o.error = batch_checkpoint_open(&c, slice_str(dir), job);
    if (o.error == ERR_NOTFOUND) {
        (void)unlink(reply_path);
        char name[128];
        (void)snprintf(name, sizeof name, "%s/%.*s.job", dir, SLICE_ARG(job));
        (void)unlink(name);
        o.error = batch_checkpoint_create(&c, slice_str(dir), &s);
    }
    if (o.error != ERR_OK)
        return o;
    o.error = os_open(AT_FDCWD, slice_str(job_path), O_RDONLY, 0, &j.fd);
    if (o.error == ERR_OK)
        o.error = os_open(AT_FDCWD, slice_str(reply_path), O_WRONLY | O_CREAT | O_APPEND, 0600, &j.reply_fd);
    if (o.error == ERR_OK)
        o.error = to_the_end(&j, report);
    o.bad = j.bad;
    memcpy(o.reason, j.reason, sizeof o.reason);
    o.progress = c.progress;
    os_close(&j.fd);
    os_close(&j.reply_fd);
    batch_checkpoint_close(&c);
    return o;
}

static unsigned delivered(const char *subject)
{
    unsigned n = 0;
    for (size_t i = 0; i < server.count; i++)
        n += strcmp(server.entries[i].subject, subject) == 0 ? server.entries[i].delivered : 0;
    return n;
}

static unsigned left(void)
{
    unsigned n = 0;
    for (size_t i = 0; i < server.count; i++)
        n += !server.entries[i].gone;
    return n;
}

static void expect_replies(const char *text)
{
    buf b;
    buf_init(&b, 1 << 20);
    read_file(reply_path, &b);
    if (!slice_equal(buf_slice(&b), slice_str(text)))
        fail_msg("the replies are\n%.*sand not\n%s", SLICE_ARG(buf_slice(&b)), text);
    buf_deinit(&b);
}

/* --- what jobs say --- */

#define MAIL(n)                                                                                                        \
    "MAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\nDATA\nSubject: " #n "\n\n..dot and MAIL FROM:<x@y>\n.\n"
#define GREETING "220 mail.example.org ESMTP Thurn\n"
#define HELO_REPLY "250 mail.example.org Hello x.example\n"

static slice new_job(char memory[BATCH_JOB_ID])
{
    batch_job_id(memory);
    return slice_of(memory, BATCH_JOB_ID);
}

static struct outcome run_text(const char *text)
{
    char memory[BATCH_JOB_ID];
    reset(text);
    return process(new_job(memory), false);
}

static void b1_many_mails_of_one_file(void **state)
{
    (void)state;
    struct outcome o =
        run_text("HELO x.example\r\n" MAIL(1) MAIL(2) "RSET\nNOOP\nHELP NOOP\nQUIT\nEHLO x.example\n" MAIL(3));
    assert_int_equal(o.error, ERR_OK);
    assert_int_equal(o.progress.mails, 3);
    assert_int_equal(delivered("Subject: 1") + delivered("Subject: 2") + delivered("Subject: 3"), 3);
    assert_int_equal(o.progress.errors, 0);
    assert_string_equal(server.entries[0].to, "<b@example.org>");
    assert_int_equal(left(), 0);
}

static void b1_verb_and_tick(void **state)
{
    (void)state;
    struct outcome o =
        run_text("TICK begin\nHELO x.example\nverb on\nNOOP\nTICK 2\nVERB OFF\nSTARTTLS\nNOOP\nVERB\nTICK\n");
    assert_int_equal(o.error, ERR_OK);
    assert_int_equal(o.progress.errors, 2);
    expect_replies(GREETING "TICK begin\n250 2.0.0 Ok\n" HELO_REPLY
                            "verb on\n250 2.0.0 Commands and replies are shown\nNOOP\n250 2.0.0 Ok\n"
                            "TICK 2\n250 2.0.0 Ok\nVERB OFF\n250 2.0.0 Replies are shown\n"
                            "250 2.0.0 Nothing to encrypt, this is a file\n250 2.0.0 Ok\n"
                            "501 5.5.4 VERB ON or VERB OFF\n501 5.5.4 TICK needs a word to mark this place with\n");
}

static void b1_the_text_of_a_refused_mail_is_never_run(void **state)
{
    (void)state;
    static const char *const begins[] = {
        "MAIL FROM:<a@example.org>\nRCPT TO:<nobody@example.org>\n", /* nobody is left */
        "MAIL FROM:<a@example.org>\n",                               /* nobody is named */
        "MAIL FROM:a b c\nRCPT TO:<b@example.org>\n",                /* no transaction */
        "",
    };
    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "HELO x.example\n%sDATA\nSubject: no\n\nQUIT\n" MAIL(hidden) MAIL(2),
                       begins[i]);
        struct outcome o = run_text(text);
        assert_int_equal(o.error, ERR_OK);
        /* the hidden mail's dot ends the text that begins before it */
        assert_int_equal(o.progress.mails, 1);
        assert_int_equal(delivered("Subject: hidden"), 0);
        assert_int_equal(delivered("Subject: 2"), 1);
        assert_true(o.progress.errors <= 1);
    }
}

static void b1_what_is_no_command_of_a_job(void **state)
{
    (void)state;
    static const char *const lines[] = {"AUTH PLAIN AHgAeQ==",
                                        "BDAT 5 LAST",
                                        "ETRN x.example",
                                        "XCLIENT NAME=x",
                                        "FROB",
                                        "MAIL",
                                        "RCPT TO:<b@example.org>",
                                        "MAIL FROM:<a@example.org> XTAG=mine",
                                        "MAIL FROM:<a@example.org> FOO=1",
                                        "\x01\x02\xff",
                                        "VERB maybe"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "EHLO x.example\n%s\n" MAIL(1), lines[i]);
        struct outcome o = run_text(text);
        assert_int_equal(o.error, ERR_OK);
        assert_int_equal(o.progress.errors, 1);
        assert_int_equal(o.progress.mails, 1);
    }
}

static void b1_nul_and_long_lines_are_errors_with_their_line(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    buf text;
    buf_init(&text, 1 << 20);
    buf_append(&text, SLICE("HELO x.example\nMAIL FROM:<a\0b@example.org>\n"));
    for (int i = 0; i < 200000; i++)
        buf_append_char(&text, 'x');
    buf_append(&text, SLICE("\n" MAIL(1)));
    reset("");
    write_file(job_path, buf_slice(&text));
    struct outcome o = process(new_job(memory), false);
    assert_int_equal(o.error, ERR_OK);
    assert_int_equal(o.progress.errors, 2);
    assert_int_equal(o.progress.mails, 1);
    buf_deinit(&text);
}

/* --- once, whatever dies --- */

#define JOB4 "HELO x.example\n" MAIL(1) "FROB\n" MAIL(2) MAIL(3) "RSET\n" MAIL(4) "QUIT\n"

static void expect_each_once(bool report)
{
    assert_int_equal(delivered("Subject: 1"), 1);
    assert_int_equal(delivered("Subject: 2"), 1);
    assert_int_equal(delivered("Subject: 3"), 1);
    assert_int_equal(delivered("Subject: 4"), 1);
    assert_int_equal(delivered("Subject: report"), report);
}

/* As `thurn batch` does at its start and the watcher now and then. */
static void look_late(void)
{
    assert_int_equal(batch_late_sweep(slice_str(dir), &calls), ERR_OK);
}

/* The server is started anew, after which nothing of before can turn up. */
static void start_anew(void)
{
    server_run++;
    look_late();
    assert_false(batch_late_any(slice_str(dir)));
}

/* Runs until nothing dies any more. */
static struct outcome again_and_again(slice job)
{
    struct outcome o = process(job, true);
    for (int i = 0; o.error != ERR_OK && i < 5; i++) {
        server.dead = false;
        server.dies_at = NEVER;
        os_file_fault(0, 0, ERR_OK);
        o = process(job, true);
    }
    assert_int_equal(o.error, ERR_OK);
    assert_int_equal(o.progress.mails, 4);
    assert_int_equal(o.progress.errors, 1);
    return o;
}

static void b3_once_whenever_the_server_dies(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    uint32_t n = 1;
    for (int dies = DIES_BEFORE; dies <= DIES_AND_COMMITS_LATE; dies++) {
        for (n = 1;; n++) {
            reset(JOB4);
            server.dies_at = n;
            server.dies = dies;
            server.late_after = (int)(n % 7);
            (void)again_and_again(new_job(memory));
            expect_each_once(true);
            if (server.dies_at == n)
                break; /* it lived to the end */
            /* what came when the job was over is held, delivered never, until somebody looks */
            assert_true(left() <= (dies == DIES_AND_COMMITS_LATE ? 1 : 0));
            look_late();
            assert_int_equal(left(), 0);
            expect_each_once(true);
        }
        assert_true(n > 30);
    }
}

/* Two deaths, the second while the job is being taken up again. */
static void b3_once_when_it_dies_twice(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    for (uint32_t n = 1; n < 40; n += 3) {
        for (uint32_t m = 1; m < 14; m++) {
            reset(JOB4);
            server.dies_at = n;
            server.dies = n % 2 ? DIES_AFTER : DIES_AND_COMMITS_LATE;
            slice job = new_job(memory);
            if (process(job, true).error == ERR_OK)
                continue;
            server.dead = false;
            server.calls = 0;
            server.dies_at = m;
            server.dies = m % 2 ? DIES_BEFORE : DIES_AFTER;
            (void)again_and_again(job);
            expect_each_once(true);
        }
    }
}

static void b3_once_whichever_write_fails(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    uint64_t n = 1;
    for (bool failed = true; failed; n++) {
        reset(JOB4);
        slice job = new_job(memory);
        os_file_fault(n, 1u << OS_CALL_WRITE | 1u << OS_CALL_SYNC, ERR_IO);
        failed = process(job, true).error != ERR_OK;
        os_file_fault(0, 0, ERR_OK);
        (void)again_and_again(job);
        expect_each_once(true);
        assert_int_equal(left(), 0);
    }
    assert_true(n > 20);
}

/* A 250 does not wait for the queue to know of the mail. */
static void b3_nothing_stays_held_when_the_queue_is_slow_to_know(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    for (unsigned slow = 1; slow < 4; slow++) {
        reset(JOB4);
        server.slow = slow;
        (void)again_and_again(new_job(memory));
        expect_each_once(true);
        assert_int_equal(left(), 0);
    }
}

/* A job of which call n dies; true when that leaves a copy that nobody has heard of when the job is over. */
static bool leave_copy(uint32_t n, slice job)
{
    reset(JOB4);
    start_anew();
    server.calls = 0;
    server.dies_at = n;
    server.dies = DIES_AND_COMMITS_LATE;
    server.late_after = 100000;
    (void)again_and_again(job);
    return server.late_is_there;
}

/* The copy turns up when the job is over and forgotten: it is removed, and nothing else is. */
static void b3_a_copy_that_comes_after_the_end_is_removed(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    unsigned copies = 0;
    for (uint32_t n = 1; n < 80; n++) {
        keeps = true;
        bool copy = leave_copy(n, new_job(memory));
        keeps = false;
        look_late(); /* too early */
        assert_int_equal(left(), 5);
        if (!copy)
            continue;
        copies++;
        assert_true(batch_late_any(slice_str(dir)));
        server.late_after = 0;
        look_late();
        look_late();
        assert_int_equal(server.count, 6);
        assert_int_equal(left(), 5);
        expect_each_once(true);
        assert_true(batch_late_any(slice_str(dir))); /* there may be another one, for all that is known */
        start_anew();
        assert_int_equal(left(), 5);
    }
    assert_true(copies >= 4);
}

/* One look dies at any of its calls; the next one does the rest. */
static void b3_looking_for_late_copies_may_die(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    for (uint32_t m = 1; m < 8; m++) {
        for (int dies = DIES_BEFORE; dies <= DIES_AFTER; dies++) {
            uint32_t n = 1;
            while (!leave_copy(n, new_job(memory)))
                assert_true(++n < 100);
            server.late_after = 0;
            server.calls = 0;
            server.dies_at = m;
            server.dies = dies;
            (void)!batch_late_sweep(slice_str(dir), &calls);
            server.dead = false;
            server.dies_at = NEVER;
            look_late();
            assert_int_equal(left(), 0);
            expect_each_once(true);
        }
    }
}

/* The mail itself, not a copy: the queue hears of it when the job is over. */
static void b3_a_mail_that_the_queue_hears_of_after_the_end_is_let_go(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    reset(JOB4);
    start_anew();
    server.slow = 1000;
    slice job = new_job(memory);
    assert_int_equal(process(job, true).error, ERR_OK);
    assert_int_equal(left(), 5);
    assert_int_equal(delivered("Subject: 1"), 0);
    server.slow = 0;
    look_late();
    expect_each_once(true);
    assert_int_equal(left(), 0);
    assert_true(batch_late_has(slice_str(dir), job) == batch_late_any(slice_str(dir)));
    start_anew();
    expect_each_once(true);
}

static void b3_a_job_without_doubt_leaves_nothing(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    reset(JOB4);
    start_anew();
    (void)again_and_again(new_job(memory));
    assert_false(batch_late_any(slice_str(dir)));
}

/* The reply file of a job that was interrupted is that of one that was not, but for the queue ids. */
static void b3_replies_are_neither_lost_nor_twice(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    buf whole, b;
    buf_init(&whole, 1 << 20);
    buf_init(&b, 1 << 20);
    reset(JOB4);
    (void)again_and_again(new_job(memory));
    read_file(reply_path, &whole);
    for (uint32_t n = 1; n < 40; n++) {
        reset(JOB4);
        server.dies_at = n;
        (void)again_and_again(new_job(memory));
        read_file(reply_path, &b);
        assert_int_equal(b.len, whole.len);
    }
    buf_deinit(&whole);
    buf_deinit(&b);
}

/* A checkpoint that was cut while its last group was written. */
static void b3_a_torn_checkpoint(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID], path[128];
    for (uint32_t n = 6; n < 40; n += 5) {
        for (int cut = 1; cut < 60; cut += 7) {
            buf b;
            buf_init(&b, 1 << 20);
            reset(JOB4);
            slice job = new_job(memory);
            server.dies_at = n;
            server.dies = DIES_BEFORE;
            if (process(job, true).error == ERR_OK)
                break;
            (void)snprintf(path, sizeof path, "%s/%.*s.job", dir, SLICE_ARG(job));
            /* a group of which a part is missing: what was not synced was not relied on */
            read_file(path, &b);
            buf_append(&b, slice_sub(SLICE("begin 12 0\nlost 12\ncommit 00000000\n"), 0, (size_t)cut % 34));
            write_file(path, buf_slice(&b));
            (void)again_and_again(job);
            expect_each_once(true);
            buf_deinit(&b);
        }
    }
}

static void b3_later_stops_the_job_and_nothing_is_lost(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    reset("HELO x.example\n" MAIL(
        1) "MAIL FROM:<a@example.org>\nRCPT TO:<later@example.org>\nDATA\nSubject: 2\n.\n" MAIL(3));
    slice job = new_job(memory);
    struct outcome o = process(job, false);
    assert_int_equal(o.error, ERR_AGAIN);
    assert_int_equal(o.progress.mails, 1);
    assert_non_null(strstr(o.reason, "451 4.4.3"));
    assert_int_equal(delivered("Subject: 1"), 1);
    assert_int_equal(delivered("Subject: 3"), 0);
}

/* --- bad jobs --- */

static void b4_the_rest_is_held_at_the_limit(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    reset("HELO x.example\n" MAIL(1) "A\nB\nC\nD\n" MAIL(2) "E\n" MAIL(3));
    slice job = new_job(memory);
    struct outcome o = process(job, false);
    assert_int_equal(o.error, ERR_OK);
    assert_true(o.bad);
    assert_int_equal(o.progress.state, BATCH_HELD);
    assert_int_equal(o.progress.errors, 5);
    assert_int_equal(o.progress.mails, 2);
    assert_int_equal(delivered("Subject: 3"), 0);
}

static void resume(slice job)
{
    struct batch_checkpoint c;
    struct batch_record r = {.kind = BATCH_RECORD_RESUMED};
    assert_int_equal(batch_checkpoint_open(&c, slice_str(dir), job), ERR_OK);
    batch_checkpoint_add(&c, &r);
    assert_int_equal(batch_checkpoint_commit(&c), ERR_OK);
    batch_checkpoint_close(&c);
}

static void b4_a_corrected_file_goes_on_behind_the_last_mail(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    reset("HELO x.example\n" MAIL(1) "A\nB\nC\nD\nE\n" MAIL(2));
    slice job = new_job(memory);
    struct outcome o = process(job, false);
    assert_int_equal(o.progress.state, BATCH_HELD);
    write_file(job_path, slice_str("HELO x.example\n" MAIL(1) "NOOP\n" MAIL(2)));
    resume(job);
    o = process(job, false);
    assert_int_equal(o.error, ERR_OK);
    assert_int_equal(o.progress.state, BATCH_DONE);
    assert_int_equal(o.progress.errors, 0);
    assert_int_equal(delivered("Subject: 1"), 1);
    assert_int_equal(delivered("Subject: 2"), 1);
}

static void b4_another_beginning_is_not_gone_on_with(void **state)
{
    (void)state;
    char memory[BATCH_JOB_ID];
    static const char *const others[] = {"HELO y.example\n" MAIL(1) MAIL(2), "HELO x.example\n", ""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        reset("HELO x.example\n" MAIL(1) "A\nB\nC\nD\nE\n");
        slice job = new_job(memory);
        (void)process(job, false);
        write_file(job_path, slice_str(others[i]));
        resume(job);
        struct outcome o = process(job, false);
        assert_int_equal(o.progress.state, BATCH_HELD);
        assert_non_null(strstr(o.reason, "not what it was"));
        assert_int_equal(server.count, 1);
    }
}

static void b4_a_file_that_ends_inside_a_message_hands_it_over_to_nobody(void **state)
{
    (void)state;
    static const char *const ends[] = {"MAIL FROM:<a@example.org>\n",
                                       "MAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\n",
                                       "MAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\nDATA\nSubject: x\n",
                                       "MAIL FROM:<a@example.org>\nRCPT TO:<b@example.org>\nDATA\nSubject: x\n\n.x"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, "HELO x.example\n" MAIL(1) "%s", ends[i]);
        struct outcome o = run_text(text);
        assert_int_equal(o.error, ERR_OK);
        assert_int_equal(o.progress.state, BATCH_HELD);
        assert_int_equal(o.progress.mails, 1);
        assert_int_equal(o.progress.errors, 1);
        assert_int_equal(server.count, 1);
    }
}

static int begin(void **state)
{
    (void)state;
    /* thousands of syncs, which nothing here waits for the disk to honour */
    (void)snprintf(folder, sizeof folder, "%s/batch_job_test.XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(dir, sizeof dir, "%s/batch", folder);
    (void)snprintf(job_path, sizeof job_path, "%s/job", folder);
    (void)snprintf(reply_path, sizeof reply_path, "%s/replies", folder);
    return batch_checkpoint_folder(slice_str(dir), NULL) == ERR_OK ? 0 : -1;
}

static int end(void **state)
{
    char command[128];
    (void)state;
    buf_deinit(&server.content);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b1_many_mails_of_one_file),
        cmocka_unit_test(b1_verb_and_tick),
        cmocka_unit_test(b1_the_text_of_a_refused_mail_is_never_run),
        cmocka_unit_test(b1_what_is_no_command_of_a_job),
        cmocka_unit_test(b1_nul_and_long_lines_are_errors_with_their_line),
        cmocka_unit_test(b3_once_whenever_the_server_dies),
        cmocka_unit_test(b3_once_when_it_dies_twice),
        cmocka_unit_test(b3_once_whichever_write_fails),
        cmocka_unit_test(b3_nothing_stays_held_when_the_queue_is_slow_to_know),
        cmocka_unit_test(b3_a_copy_that_comes_after_the_end_is_removed),
        cmocka_unit_test(b3_looking_for_late_copies_may_die),
        cmocka_unit_test(b3_a_mail_that_the_queue_hears_of_after_the_end_is_let_go),
        cmocka_unit_test(b3_a_job_without_doubt_leaves_nothing),
        cmocka_unit_test(b3_replies_are_neither_lost_nor_twice),
        cmocka_unit_test(b3_a_torn_checkpoint),
        cmocka_unit_test(b3_later_stops_the_job_and_nothing_is_lost),
        cmocka_unit_test(b4_the_rest_is_held_at_the_limit),
        cmocka_unit_test(b4_a_corrected_file_goes_on_behind_the_last_mail),
        cmocka_unit_test(b4_another_beginning_is_not_gone_on_with),
        cmocka_unit_test(b4_a_file_that_ends_inside_a_message_hands_it_over_to_nobody),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
