/* SPDX-License-Identifier: ISC */
/* What a worker does with an item: content, Maildir, mbox, commands; and the format in which it hears of it. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "proc/deliver/descriptors_test.h"
#include "proc/deliver/work.h"

static char dir[64];
static buf ahead;
static char chunk[WORK_ROOM];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof(dir), "/tmp/work_test.XXXXXX");
    buf_init(&ahead, 64 << 20);
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    os_file_fault(0, 0, ERR_OK);
    buf_deinit(&ahead);
    (void)snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static slice path_of(const char *name)
{
    static char paths[8][256];
    static int at;
    char *p = paths[at++ % 8];
    (void)snprintf(p, 256, "%s/%s", dir, name);
    return slice_str(p);
}

/* A body that is all there. */
static struct work_body body_of(slice trace, slice content)
{
    buf_clear(&ahead);
    buf_append(&ahead, content);
    return (struct work_body){
        .socket = -1, .ahead = buf_slice(&ahead), .left = content.len, .trace = trace, .chunk = chunk};
}

static struct item item_for(uint8_t kind, slice path)
{
    return (struct item){.number = 1,
                         .kind = kind,
                         .path = path,
                         .trace = SLICE("Return-Path: <s@x.example>\r\nDelivered-To: a@b.example\r\n"),
                         .sender = SLICE("s@x.example"),
                         .recipient = SLICE("a@b.example"),
                         .user = SLICE("nobody"),
                         .home = SLICE("/"),
                         .hostname = SLICE("mx.b.example")};
}

static const char *file_text(const char *path)
{
    static char text[1 << 20];
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    return text;
}

/* The number of files in a folder; the last one's path in `one`. */
static int files_in(slice folder, char one[512])
{
    int count = 0;
    DIR *d = opendir(folder.ptr);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        count++;
        if (one)
            (void)snprintf(one, 512, "%s/%s", folder.ptr, e->d_name);
    }
    if (d)
        closedir(d);
    return count;
}

/* --- the content --- */

static void crlf_becomes_lf_wherever_it_is_cut(void **state)
{
    (void)state;
    static const char content[] = "a\r\n\r\r\n\rb\r\r\n\n\r\nend\r", wanted[] = "T: x\na\n\r\n\rb\r\n\n\nend\r";
    size_t len = sizeof(content) - 1;
    for (size_t first = 0; first <= len; first++) {
        for (size_t second = first; second <= len; second++) {
            int pair[2];
            char out[128];
            size_t at = 0, sent, cuts[4] = {0, first, second, len};
            assert_int_equal(socket_pair(pair), ERR_OK);
            struct work_body b = {.socket = pair[1], .left = len, .trace = SLICE("T: x\r\n"), .chunk = chunk};
            for (size_t i = 0; i < 3; i++) {
                slice piece = slice_of(content + cuts[i], cuts[i + 1] - cuts[i]);
                if (piece.len == 0)
                    continue;
                assert_int_equal(socket_send_fd(pair[0], piece, -1, &sent), ERR_OK);
                /* A lone CR at a piece's end is kept back: do not wait for more than has been sent. */
                if (piece.len == 1 && piece.ptr[0] == '\r' && i < 2 && cuts[i + 1] < len && b.trace.len == 0)
                    continue;
                slice got = work_body_next(&b);
                memcpy(out + at, got.ptr, got.len);
                at += got.len;
            }
            close(pair[0]);
            for (slice got = work_body_next(&b); got.len > 0; got = work_body_next(&b)) {
                memcpy(out + at, got.ptr, got.len);
                at += got.len;
            }
            close(pair[1]);
            assert_false(b.gone);
            assert_int_equal(at, sizeof(wanted) - 1);
            assert_memory_equal(out, wanted, at);
        }
    }
}

static void a_body_that_breaks_off_is_known(void **state)
{
    (void)state;
    int pair[2];
    size_t sent;
    assert_int_equal(socket_pair(pair), ERR_OK);
    assert_int_equal(socket_send_fd(pair[0], SLICE("half"), -1, &sent), ERR_OK);
    close(pair[0]);
    struct work_body b = {.socket = pair[1], .left = 10, .chunk = chunk};
    assert_int_equal(work_body_next(&b).len, 4);
    assert_int_equal(work_body_next(&b).len, 0);
    assert_true(b.gone);
    close(pair[1]);
}

/* --- items --- */

static void items_and_answers_come_back_as_they_went(void **state)
{
    (void)state;
    char memory[4096];
    buf b;
    struct item in = item_for(ITEM_COMMAND, SLICE("cat > /dev/null")), out;
    size_t used = 0;
    in.body_size = 1ull << 40;
    buf_init_fixed(&b, memory, sizeof(memory));
    item_encode(&b, &in);
    for (size_t cut = 0; cut < b.len; cut++)
        assert_int_equal(item_decode(slice_sub(buf_slice(&b), 0, cut), &out, &used), ERR_AGAIN);
    assert_int_equal(item_decode(buf_slice(&b), &out, &used), ERR_OK);
    assert_int_equal(used, b.len);
    assert_int_equal(out.body_size, in.body_size);
    assert_true(slice_equal(out.path, in.path) && slice_equal(out.trace, in.trace));
    assert_true(slice_equal(out.hostname, in.hostname) && slice_equal(out.home, in.home));
    b.ptr[4 + 16] = 99; /* no such kind */
    assert_int_equal(item_decode(buf_slice(&b), &out, &used), ERR_SYNTAX);
    put_u32(b.ptr, ITEM_FRAME_MAX + 1);
    assert_int_equal(item_decode(buf_slice(&b), &out, &used), ERR_SYNTAX);

    struct item_answer answer = {7, status_verdict(STATUS_MAILBOX_FULL)}, back;
    buf_clear(&b);
    item_answer_encode(&b, &answer);
    assert_int_equal(item_answer_decode(buf_slice(&b), &back, &used), ERR_OK);
    assert_int_equal(back.number, 7);
    assert_int_equal(back.verdict.code, 452);
    assert_true(slice_equal(back.verdict.text, answer.verdict.text));
    put_u16(b.ptr + 12, 199);
    assert_int_equal(item_answer_decode(buf_slice(&b), &back, &used), ERR_SYNTAX);
}

/* --- Maildir --- */

static struct maildir_batch *batch;
static unsigned codes[128], code_count;

static void on_done(void *ctx, uint64_t number, const struct verdict *v)
{
    (void)ctx;
    assert_true(number < 128);
    codes[number] = v->code;
    code_count++;
}

static int maildir_set_up(void **state)
{
    memset(codes, 0, sizeof(codes));
    code_count = 0;
    batch = maildir_batch_open();
    return set_up(state);
}

static int maildir_tear_down(void **state)
{
    free(batch);
    return tear_down(state);
}

static bool maildir_add(uint64_t number, slice path, slice content, struct verdict *v)
{
    struct item i = item_for(ITEM_MAILDIR, path);
    struct work_body b = body_of(i.trace, content);
    i.number = number;
    return maildir_batch_add(batch, &i, &b, v);
}

static void a_maildir_is_made_and_its_files_say_their_size(void **state)
{
    (void)state;
    struct verdict v;
    char one[512];
    slice box = path_of("d.example/deep/alice");
    assert_true(maildir_add(1, box, SLICE("Subject: x\r\n\r\nhi\r\n"), &v));
    assert_int_equal(files_in(path_of("d.example/deep/alice/new"), NULL), 0);
    maildir_batch_end(batch, on_done, NULL);
    assert_int_equal(codes[1], 250);
    assert_int_equal(files_in(path_of("d.example/deep/alice/new"), one), 1);
    assert_int_equal(files_in(path_of("d.example/deep/alice/tmp"), NULL), 0);
    assert_int_equal(files_in(path_of("d.example/deep/alice/cur"), NULL), 0);
    const char *text = file_text(one);
    assert_string_equal(text, "Return-Path: <s@x.example>\nDelivered-To: a@b.example\nSubject: x\n\nhi\n");
    char size[64];
    (void)snprintf(size, sizeof(size), ".mx.b.example,S=%zu", strlen(text));
    assert_string_equal(one + strlen(one) - strlen(size), size);
    struct stat st;
    assert_int_equal(stat(one, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(path_of("d.example/deep/alice").ptr, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_batch_is_full_of_mails_or_mailboxes_or_bytes(void **state)
{
    (void)state;
    struct verdict v;
    char name[32];
    buf big;
    unsigned n = 0, boxes = 0;
    buf_init(&big, 8 << 20);
    memset(buf_reserve(&big, 6 << 20), 'x', 6 << 20);
    buf_grown(&big, 6 << 20);
    for (; !maildir_batch_full(batch); n++)
        assert_true(maildir_add(n, path_of("big"), buf_slice(&big), &v));
    assert_int_equal(n, 3);
    buf_deinit(&big);
    maildir_batch_end(batch, on_done, NULL);
    for (n = 0; !maildir_batch_full(batch); n++)
        assert_true(maildir_add(n, path_of("one"), SLICE("x\r\n"), &v));
    assert_int_equal(n, 100);
    maildir_batch_end(batch, on_done, NULL);
    assert_int_equal(files_in(path_of("one/new"), NULL), 100);
    for (int round = 0; round < 3; round++) {
        for (n = 0; !maildir_batch_full(batch); n++) {
            (void)snprintf(name, sizeof(name), "box%u", boxes++);
            assert_true(maildir_add(n, path_of(name), SLICE("x\r\n"), &v));
        }
        assert_int_equal(maildir_batch_count(batch), 32);
        maildir_batch_end(batch, on_done, NULL);
    }
    assert_int_equal(code_count, 3 + 100 + boxes);
    for (unsigned i = 0; i < boxes; i++) {
        (void)snprintf(name, sizeof(name), "box%u/new", i);
        assert_int_equal(files_in(path_of(name), NULL), 1);
    }
}

static void threat_links_are_refused(void **state)
{
    (void)state;
    struct verdict v;
    static const char *const where[] = {"", "/new", "/tmp"};
    assert_int_equal(mkdir(path_of("elsewhere").ptr, 0700), 0);
    assert_int_equal(mkdir(path_of("elsewhere/new").ptr, 0700), 0);
    assert_int_equal(mkdir(path_of("elsewhere/tmp").ptr, 0700), 0);
    for (int i = 0; i < 3; i++) {
        char name[32], sub[160];
        (void)snprintf(name, sizeof(name), "box%d", i);
        assert_int_equal(mkdir(path_of(name).ptr, 0700), 0);
        (void)snprintf(sub, sizeof(sub), "%s/new", name);
        assert_int_equal(mkdir(path_of(sub).ptr, 0700), 0);
        (void)snprintf(sub, sizeof(sub), "%s/tmp", name);
        assert_int_equal(mkdir(path_of(sub).ptr, 0700), 0);
        (void)snprintf(sub, sizeof(sub), "rm -r %s/%s%s", dir, name, where[i]);
        assert_int_equal(system(sub), 0);
        char to[192];
        (void)snprintf(to, sizeof(to), "%s/elsewhere%s", dir, where[i]);
        (void)snprintf(sub, sizeof(sub), "%s%s", name, where[i]);
        assert_int_equal(symlink(to, path_of(sub).ptr), 0);
        assert_false(maildir_add(1, path_of(name), SLICE("x\r\n"), &v));
        assert_int_equal(v.code, 451);
    }
    assert_int_equal(files_in(path_of("elsewhere/new"), NULL), 0);
    assert_int_equal(files_in(path_of("elsewhere/tmp"), NULL), 0);
}

static void a_full_disk_defers_and_leaves_nothing(void **state)
{
    (void)state;
    struct verdict v;
    slice box = path_of("box");
    assert_true(maildir_add(1, box, SLICE("x\r\n"), &v));
    maildir_batch_end(batch, on_done, NULL);
    os_file_fault(1, 1u << OS_CALL_WRITE, ERR_NOSPACE);
    assert_false(maildir_add(2, box, SLICE("x\r\n"), &v));
    assert_int_equal(v.code, 452);
    assert_int_equal(v.enhanced[1], 2);
    assert_int_equal(v.enhanced[2], 2);
    assert_int_equal(files_in(path_of("box/tmp"), NULL), 0);
}

/* Each call of a batch fails once: whatever is not told as delivered is not there, what is told is. */
static void no_failure_of_a_call_loses_or_doubles(void **state)
{
    (void)state;
    static const unsigned calls[] = {OS_CALL_SYNC, OS_CALL_RENAME};
    for (size_t c = 0; c < 2; c++) {
        for (uint64_t nth = 1; nth <= 6; nth++) {
            char name[32];
            struct verdict v;
            (void)snprintf(name, sizeof(name), "box%d-%d", (int)c, (int)nth);
            slice box = path_of(name);
            assert_true(maildir_add(1, box, SLICE("x\r\n"), &v));
            maildir_batch_end(batch, on_done, NULL);
            for (uint64_t n = 2; n < 7; n++)
                assert_true(maildir_add(n, box, SLICE("x\r\n"), &v));
            os_file_fault(nth, 1u << calls[c], ERR_IO);
            maildir_batch_end(batch, on_done, NULL);
            os_file_fault(0, 0, ERR_OK);
            int told = 0;
            for (uint64_t n = 1; n < 7; n++)
                told += codes[n] == 250;
            (void)snprintf(name, sizeof(name), "box%d-%d/new", (int)c, (int)nth);
            int there = files_in(path_of(name), NULL);
            if (c == 0 && nth == 2) /* the folder could not be synced: told as not delivered, and may be there */
                assert_true(told == 1 && there == 6);
            else
                assert_int_equal(told, there);
            (void)snprintf(name, sizeof(name), "box%d-%d/tmp", (int)c, (int)nth);
            assert_int_equal(files_in(path_of(name), NULL), 0);
        }
    }
}

/* Folders of several mailboxes are synced by one call; when it fails, none of their mails is told as delivered, and the next batch is. */
static void many_folders_that_cannot_be_synced_are_no_delivery(void **state)
{
    (void)state;
    struct verdict v;
    static const enum err faults[] = {ERR_OK, ERR_IO, ERR_NOSPACE, ERR_OK};
    static const unsigned wanted[] = {250, 451, 452, 250};
    for (unsigned round = 0; round < 4; round++) {
        for (uint64_t n = 0; n < 12; n++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "box%d", (int)n % 6);
            assert_true(maildir_add(n, path_of(name), SLICE("x\r\n"), &v));
        }
        os_file_fault(faults[round] == ERR_OK ? 0 : 2, 1u << OS_CALL_SYNC, faults[round]);
        maildir_batch_end(batch, on_done, NULL);
        os_file_fault(0, 0, ERR_OK);
        for (unsigned n = 0; n < 12; n++)
            assert_int_equal(codes[n], wanted[round]);
    }
}

static void a_mailbox_that_was_removed_is_made_again(void **state)
{
    (void)state;
    struct verdict v;
    char command[128];
    slice box = path_of("box");
    assert_true(maildir_add(1, box, SLICE("x\r\n"), &v));
    maildir_batch_end(batch, on_done, NULL);
    (void)snprintf(command, sizeof(command), "rm -r %s/box", dir);
    assert_int_equal(system(command), 0);
    assert_true(maildir_add(2, box, SLICE("x\r\n"), &v));
    maildir_batch_end(batch, on_done, NULL);
    assert_int_equal(codes[2], 250);
    assert_int_equal(files_in(path_of("box/new"), NULL), 1);
    /* and in the middle of a batch: it waits */
    assert_true(maildir_add(3, box, SLICE("x\r\n"), &v));
    assert_int_equal(system(command), 0);
    maildir_batch_end(batch, on_done, NULL);
    assert_int_equal(codes[3], 451);
}

/* --- mbox --- */

static struct verdict mbox_add(slice path, slice content)
{
    struct item i = item_for(ITEM_MBOX, path);
    struct work_body b = body_of(SLICE_NONE, content);
    return mbox_deliver(&i, &b);
}

static const char *after_from_line(const char *text)
{
    assert_memory_equal(text, "From s@x.example ", 17);
    return strchr(text, '\n') + 1;
}

static void from_lines_are_quoted_wherever_they_are_cut(void **state)
{
    (void)state;
    static const char content[] = "From a\r\n>From b\r\n>>From c\r\nFrom\r\nFro m\r\nxFrom d\r\n>From",
                      wanted[] = ">From a\n>>From b\n>>>From c\nFrom\nFro m\nxFrom d\n>From\n\n";
    for (size_t cut = 0; cut + 1 < sizeof(content); cut++) {
        int pair[2];
        size_t sent;
        unlink(path_of("box").ptr);
        assert_int_equal(socket_pair(pair), ERR_OK);
        assert_int_equal(socket_send_fd(pair[0], slice_sub(slice_str(content), cut, sizeof(content) - 1), -1, &sent),
                         ERR_OK);
        struct item i = item_for(ITEM_MBOX, path_of("box"));
        struct work_body b = body_of(SLICE_NONE, slice_sub(slice_str(content), 0, cut));
        b.socket = pair[1];
        b.left = sizeof(content) - 1;
        assert_int_equal(mbox_deliver(&i, &b).code, 250);
        assert_string_equal(after_from_line(file_text(path_of("box").ptr)), wanted);
        close(pair[0]);
        close(pair[1]);
    }
}

static void mails_follow_each_other_in_an_mbox(void **state)
{
    (void)state;
    assert_int_equal(mbox_add(path_of("new/box"), SLICE("one\r\n")).code, 250);
    assert_int_equal(mbox_add(path_of("new/box"), SLICE("")).code, 250);
    assert_int_equal(mbox_add(path_of("new/box"), SLICE("three")).code, 250);
    const char *text = after_from_line(file_text(path_of("new/box").ptr));
    assert_memory_equal(text, "one\n\nFrom ", 10);
    text = after_from_line(text + 5);
    assert_memory_equal(text, "\nFrom ", 6);
    assert_string_equal(after_from_line(text + 1), "three\n\n");
    struct stat st;
    assert_int_equal(stat(path_of("new/box").ptr, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_failed_write_leaves_the_mbox_as_it_was(void **state)
{
    (void)state;
    assert_int_equal(mbox_add(path_of("box"), SLICE("one\r\n")).code, 250);
    char before[256];
    (void)snprintf(before, sizeof(before), "%.255s", file_text(path_of("box").ptr));
    for (uint64_t nth = 1; nth <= 3; nth++) {
        os_file_fault(nth, 1u << OS_CALL_WRITE, ERR_NOSPACE);
        assert_int_equal(mbox_add(path_of("box"), SLICE("two\r\n")).code, 452);
        assert_string_equal(file_text(path_of("box").ptr), before);
    }
    os_file_fault(1, 1u << OS_CALL_SYNC, ERR_IO);
    assert_int_equal(mbox_add(path_of("box"), SLICE("two\r\n")).code, 451);
    assert_string_equal(file_text(path_of("box").ptr), before);
    /* the content breaks off */
    int pair[2];
    assert_int_equal(socket_pair(pair), ERR_OK);
    close(pair[0]);
    struct item i = item_for(ITEM_MBOX, path_of("box"));
    struct work_body b = body_of(SLICE_NONE, SLICE("half"));
    b.socket = pair[1];
    b.left = 100;
    assert_int_equal(mbox_deliver(&i, &b).code, 451);
    assert_string_equal(file_text(path_of("box").ptr), before);
    close(pair[1]);
}

static void what_is_no_file_of_ours_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mbox_add(path_of("real"), SLICE("one\r\n")).code, 250);
    assert_int_equal(symlink(path_of("real").ptr, path_of("link").ptr), 0);
    assert_int_equal(mbox_add(path_of("link"), SLICE("x\r\n")).code, 451);
    assert_int_equal(mkfifo(path_of("fifo").ptr, 0600), 0);
    assert_int_equal(mbox_add(path_of("fifo"), SLICE("x\r\n")).code, 451);
    assert_int_equal(mkdir(path_of("folder").ptr, 0700), 0);
    assert_int_equal(mbox_add(path_of("folder"), SLICE("x\r\n")).code, 451);
    assert_null(strstr(file_text(path_of("real").ptr), "\nx\n"));
}

static void a_locked_mbox_waits(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(mbox_add(path_of("box"), SLICE("one\r\n")).code, 250);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path_of("box").ptr, O_RDWR);
        struct flock lock = {.l_type = F_WRLCK};
        _exit(fcntl(fd, F_SETLK, &lock) == 0 && write(ready[1], "x", 1) == 1 ? (sleep(60), 0) : 1);
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(mbox_add(path_of("box"), SLICE("two\r\n")).code, 451);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(mbox_add(path_of("box"), SLICE("two\r\n")).code, 250);
    close(ready[0]);
    close(ready[1]);
}

static void dev_null_takes_everything(void **state)
{
    (void)state;
    assert_int_equal(mbox_add(SLICE("/dev/null"), SLICE("x\r\n")).code, 250);
}

/* --- commands --- */

static struct verdict command(const char *command_line, slice content, int64_t limit_ms)
{
    struct item i = item_for(ITEM_COMMAND, slice_str(command_line));
    struct work_body b = body_of(i.trace, content);
    i.home = slice_str(dir);
    return command_deliver(&i, &b, limit_ms);
}

static void exit_codes_judge(void **state)
{
    (void)state;
    static const struct {
        const char *command;
        unsigned code;
    } rows[] = {{"exit 0", 250},   {"exit 75", 451},         {"exit 67", 550},
                {"exit 65", 554},  {"exit 1", 554},          {"kill -9 $$", 451},
                {"/no/such", 451}, {"cat > /dev/null", 250}, {"exec <&-; exit 0", 250}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct verdict v = command(rows[i].command, SLICE("x\r\n"), 20000);
        if (v.code != rows[i].code)
            fail_msg("%s: %u %.*s", rows[i].command, v.code, SLICE_ARG(v.text));
    }
}

static void a_command_gets_mail_and_facts_and_little_else(void **state)
{
    (void)state;
    struct item i =
        item_for(ITEM_COMMAND, SLICE("cat > mail; env > facts; ls /proc/self/fd > open; echo \"$@\" > args"));
    i.sender = SLICE("\"$(touch pwned);`touch pwned`\"@x.example");
    i.recipient = SLICE("a'\"; touch pwned; #@b.example");
    i.home = slice_str(dir);
    struct work_body b = body_of(i.trace, SLICE("Subject: x\r\n\r\nhi\r\n"));
    setenv("SECRET", "1", 1);
    assert_int_equal(command_deliver(&i, &b, 20000).code, 250);
    assert_string_equal(file_text(path_of("mail").ptr),
                        "Return-Path: <s@x.example>\nDelivered-To: a@b.example\nSubject: x\n\nhi\n");
    const char *env = file_text(path_of("facts").ptr);
    assert_non_null(strstr(env, "SENDER=\"$(touch pwned);`touch pwned`\"@x.example\n"));
    assert_non_null(strstr(env, "RECIPIENT=a'\"; touch pwned; #@b.example\n"));
    assert_non_null(strstr(env, "LOGNAME=nobody\n"));
    assert_null(strstr(env, "SECRET"));
    assert_int_equal(access(path_of("pwned").ptr, F_OK), -1);
    assert_string_equal(file_text(path_of("open").ptr), "0\n1\n2\n3\n"); /* 3 is ls's own */
}

static void output_is_bounded_and_cleaned(void **state)
{
    (void)state;
    struct verdict v =
        command("printf 'bad\\033[2J\\nthing'; head -c 3000000 /dev/zero; exit 65", SLICE("x\r\n"), 20000);
    assert_int_equal(v.code, 554);
    assert_true(v.text.len < 1400);
    assert_true(slice_find(v.text, SLICE("bad [2J thing")) > 0);
    for (size_t i = 0; i < v.text.len; i++)
        assert_true((unsigned char)v.text.ptr[i] >= 0x20);
}

static void descriptors_that_a_command_passes_are_not_taken(void **state)
{
    (void)state;
    unsigned before = descriptors();
    struct verdict v = command("exec python3 -c 'import socket; s = socket.socket(fileno=1)\n"
                               "for i in range(20): socket.send_fds(s, [b\"x\"], [0] * 8)\nprint(flush=True)'",
                               SLICE("x\r\n"), 20000);
    if (v.code != 250)
        fail_msg("%u %.*s", v.code, SLICE_ARG(v.text));
    assert_int_equal(descriptors(), before);
}

static void a_command_that_takes_too_long_is_killed_with_its_children(void **state)
{
    (void)state;
    int64_t began = os_now_ms();
    struct verdict v = command("sleep 61 & sleep 62; exit 0", SLICE("x\r\n"), 300);
    assert_int_equal(v.code, 451);
    assert_true(os_now_ms() - began < 20000);
}

static void command_gives(const char *line, slice content, int64_t limit_ms, unsigned code)
{
    struct verdict v = command(line, content, limit_ms);
    if (v.code != code)
        fail_msg("%s: %u %.*s", line, v.code, SLICE_ARG(v.text));
}

static void a_command_need_not_read(void **state)
{
    (void)state;
    buf big;
    buf_init(&big, 16 << 20);
    memset(buf_reserve(&big, 8 << 20), 'x', 8 << 20);
    buf_grown(&big, 8 << 20);
    command_gives("exit 0", buf_slice(&big), 20000, 250);
    command_gives("sleep 60", buf_slice(&big), 300, 451);
    command_gives("test $(wc -c) -gt 8000000", buf_slice(&big), 20000, 250);
    buf_deinit(&big);
}

static void something_left_behind_does_not_hold_the_mail_up(void **state)
{
    (void)state;
    assert_int_equal(command("sleep 3 & exit 0", SLICE("x\r\n"), 2000).code, 250);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define MAILDIR_TEST(name) cmocka_unit_test_setup_teardown(name, maildir_set_up, maildir_tear_down)

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        TEST(crlf_becomes_lf_wherever_it_is_cut),
        TEST(a_body_that_breaks_off_is_known),
        TEST(items_and_answers_come_back_as_they_went),
        MAILDIR_TEST(a_maildir_is_made_and_its_files_say_their_size),
        MAILDIR_TEST(a_batch_is_full_of_mails_or_mailboxes_or_bytes),
        MAILDIR_TEST(threat_links_are_refused),
        MAILDIR_TEST(a_full_disk_defers_and_leaves_nothing),
        MAILDIR_TEST(no_failure_of_a_call_loses_or_doubles),
        MAILDIR_TEST(many_folders_that_cannot_be_synced_are_no_delivery),
        MAILDIR_TEST(a_mailbox_that_was_removed_is_made_again),
        TEST(from_lines_are_quoted_wherever_they_are_cut),
        TEST(mails_follow_each_other_in_an_mbox),
        TEST(a_failed_write_leaves_the_mbox_as_it_was),
        TEST(what_is_no_file_of_ours_is_refused),
        TEST(a_locked_mbox_waits),
        TEST(dev_null_takes_everything),
        TEST(exit_codes_judge),
        TEST(a_command_gets_mail_and_facts_and_little_else),
        TEST(output_is_bounded_and_cleaned),
        TEST(descriptors_that_a_command_passes_are_not_taken),
        TEST(a_command_that_takes_too_long_is_killed_with_its_children),
        TEST(a_command_need_not_read),
        TEST(something_left_behind_does_not_hold_the_mail_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
