/* SPDX-License-Identifier: ISC */
/* Pipe commands: the message on standard input, facts in the environment and never in the command line, bounded in time, memory and output. */
#include "proc/deliver/work.h"

#define OUTPUT_MAX 1024u
#define MEMORY_MAX (2048ull * 1024 * 1024)
#define CPU_SECONDS 600u
#define SIGNAL_KILL 9
#define KILL_WAIT_MS 10000
#define EX_NOUSER 67
#define EX_TEMPFAIL 75

struct run {
    int pid;
    int in[2], out[2]; /* ours is [0] */
    int64_t until_ms;
    buf output;
    bool fed;
};

static enum err environment_fill(struct arena *a, const struct item *i, slice *env, size_t *count_r)
{
    const struct {
        const char *name;
        slice value;
    } rows[] = {
        {"SENDER", i->sender}, {"RECIPIENT", i->recipient}, {"USER", i->user}, {"LOGNAME", i->user}, {"HOME", i->home}};
    size_t n = 0;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        if (rows[k].value.len == 0 && k > 1)
            continue;
        enum err e = arena_printf(a, &env[n], "%s=%.*s", rows[k].name, SLICE_ARG(rows[k].value));
        if (e != ERR_OK)
            return e;
        n++;
    }
    *count_r = n;
    return ERR_OK;
}

/* Accounts of services often name a home that does not exist. */
static slice folder_of(const struct item *i)
{
    struct os_file_stamp stamp;
    bool there = i->home.len > 0 && os_file_stamp(AT_FDCWD, i->home, true, &stamp) == ERR_OK && stamp.is_dir;
    return there ? i->home : SLICE("/");
}

static enum err start(struct run *r, const struct item *i)
{
    struct arena a;
    arena_init(&a, 65536);
    slice env[8];
    struct process_command c = {
        .command = i->path,
        .environment = env,
        .folder = folder_of(i),
        .memory_max = MEMORY_MAX,
        .cpu_seconds = CPU_SECONDS,
    };
    enum err e = environment_fill(&a, i, env, &c.environment_count);
    if (e == ERR_OK)
        e = socket_pair(r->in);
    if (e == ERR_OK)
        e = socket_pair(r->out);
    if (e == ERR_OK) {
        c.in_fd = r->in[1];
        c.out_fd = r->out[1];
        e = process_command_start(&c, &r->pid);
    }
    os_close(&r->in[1]);
    os_close(&r->out[1]);
    arena_deinit(&a);
    return e;
}

/* What the command says is kept to a bound and read on, so that it never waits for us. False at its end. */
static bool read_output(struct run *r, int64_t wait_ms)
{
    char bytes[4096];
    size_t got;
    if (socket_wait(r->out[0], false, wait_ms) != ERR_OK)
        return true;
    enum err e = socket_take(r->out[0], bytes, sizeof bytes, &got);
    if (e == ERR_AGAIN)
        return true;
    if (e != ERR_OK)
        return false;
    size_t room = OUTPUT_MAX - r->output.len;
    buf_append(&r->output, slice_of(bytes, got < room ? got : room));
    return true;
}

static void feed(struct run *r, struct work_body *body)
{
    slice piece = work_body_next(body);
    while (piece.len > 0 && os_now_ms() < r->until_ms) {
        size_t sent;
        enum err e = socket_send_fd(r->in[0], piece, -1, &sent);
        if (e == ERR_OK) {
            piece = slice_skip(piece, sent);
            if (piece.len == 0)
                piece = work_body_next(body);
        } else if (e == ERR_AGAIN) {
            (void)read_output(r, 0);
            os_sleep_ms(2);
        } else {
            break; /* It does not want the rest: its exit code judges. */
        }
    }
    r->fed = !body->gone;
    os_close(&r->in[0]);
}

static bool ended(struct run *r, int *status_r)
{
    int pid;
    return process_reap(&pid, status_r) == ERR_OK && pid == r->pid;
}

/* False when it had to be killed. Its end counts, not that of its output: something that it has left behind may hold that open. */
static bool wait_end(struct run *r, int *status_r)
{
    bool output = true;
    while (os_now_ms() < r->until_ms && r->fed) {
        if (ended(r, status_r)) {
            for (int i = 0; output && i < 16; i++)
                output = read_output(r, 0);
            return true;
        }
        if (output)
            output = read_output(r, 20);
        else
            os_sleep_ms(5);
    }
    process_kill(-r->pid, SIGNAL_KILL);
    int64_t until_ms = os_now_ms() + KILL_WAIT_MS;
    while (!ended(r, status_r) && os_now_ms() < until_ms)
        os_sleep_ms(10);
    return false;
}

static struct verdict judge(const struct run *r, bool by_itself, int status)
{
    static char memory[OUTPUT_MAX + 256];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    int code = process_status_code(status);
    if (!by_itself)
        buf_append(&b, SLICE("command took too long and was killed"));
    else
        process_status_print(&b, status);
    slice said = slice_trim(buf_slice(&r->output));
    if (said.len > 0) {
        buf_append(&b, SLICE("; it said: "));
        for (size_t k = 0; k < said.len; k++)
            buf_append_char(&b, said.ptr[k] >= 0x20 && said.ptr[k] < 0x7f ? said.ptr[k] : ' ');
    }
    if (by_itself && code == 0)
        return status_verdict_text(STATUS_DELIVERED, SLICE("delivered to command"));
    if (!by_itself || code >= 126 || code == EX_TEMPFAIL)
        return status_verdict_text(STATUS_PIPE_TEMPORARY, buf_slice(&b));
    return status_verdict_text(code == EX_NOUSER ? STATUS_USER_UNKNOWN : STATUS_PIPE_FAILED, buf_slice(&b));
}

struct verdict command_deliver(const struct item *i, struct work_body *body, int64_t limit_ms)
{
    struct run r = {.in = {-1, -1}, .out = {-1, -1}, .until_ms = os_now_ms() + limit_ms};
    buf_init(&r.output, OUTPUT_MAX);
    enum err e = start(&r, i);
    struct verdict v;
    if (e == ERR_OK) {
        int status = 0;
        feed(&r, body);
        bool by_itself = wait_end(&r, &status);
        v = judge(&r, by_itself, status);
    } else {
        v = work_verdict(e, SLICE("command could not be started"));
    }
    os_close(&r.in[0]);
    os_close(&r.out[0]);
    buf_deinit(&r.output);
    return v;
}
