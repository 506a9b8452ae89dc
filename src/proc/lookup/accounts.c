/* SPDX-License-Identifier: ISC */
#include "proc/lookup/state.h"

#include <stdlib.h>

#include "proc/lookup/reader.h"
#include "proc/lookup/worker.h"

#define USERS_WAITING_MAX 4096u
#define FULL_NAME_MAX 256u
#define ARENA_MAX (64u * 1024)
#define PATH_MAX_BYTES 4096

struct accounts {
    struct lookup *lookup;
    char log_path[PATH_MAX_BYTES], index_path[PATH_MAX_BYTES]; /* as SQLite names them */
    struct store *keeper; /* never asked: while it is open nobody removes the log and the index */
    struct reader reader;
    struct worker *users;
};

struct task {
    struct worker_task base;
    struct asker asker;
    enum users_kind kind;
    enum resolve_answer answer;
    char full_name[FULL_NAME_MAX];
    size_t full_name_len;
    slice name; /* behind the struct, in the same memory */
};

static void task_free(struct worker_task *base)
{
    free(base);
}

static void keep_full_name(struct task *t, slice name)
{
    t->full_name_len = name.len < sizeof t->full_name ? name.len : 0;
    if (t->full_name_len > 0)
        memcpy(t->full_name, name.ptr, t->full_name_len);
}

static void find_account(struct reader *r, struct task *t)
{
    struct store *store = NULL;
    slice full_name = SLICE_NONE;
    enum err e = reader_store(r, &store);
    if (e != ERR_OK) {
        t->answer = e == ERR_NOTFOUND ? RESOLVE_NO : RESOLVE_UNKNOWN;
        return;
    }
    t->answer = child_user_account(store, t->name, &full_name);
    keep_full_name(t, full_name);
}

static void find_system_user(struct task *t)
{
    struct arena arena;
    slice full_name = SLICE_NONE;
    arena_init(&arena, ARENA_MAX);
    t->answer = child_user_system(t->name, &arena, &full_name);
    keep_full_name(t, full_name);
    arena_deinit(&arena);
}

static void work_user(void *thread_ctx, struct worker_task *base)
{
    struct task *t = (struct task *)base;
    if (t->kind == USERS_SYSTEM)
        find_system_user(t);
    else
        find_account(thread_ctx, t);
}

static void send_user(struct lookup *l, struct asker asker, enum resolve_answer answer, slice full_name)
{
    static const uint8_t wire[] = {[RESOLVE_NO] = 0, [RESOLVE_YES] = 1, [RESOLVE_UNKNOWN] = 2};
    struct ipc_message m = {.type = IPC_answer_user, .fd = -1};
    m.u.answer_user.token = asker.token;
    m.u.answer_user.answer = wire[answer];
    m.u.answer_user.full_name = full_name;
    lookup_answer(l, asker, &m);
}

static void on_done(void *ctx, struct worker_task *base)
{
    struct accounts *a = ctx;
    struct task *t = (struct task *)base;
    send_user(a->lookup, t->asker, t->answer, slice_of(t->full_name, t->full_name_len));
    task_free(base);
}

static const struct worker_ops user_ops = {work_user, on_done, task_free};

/* A store that cannot be opened is complained about when it is needed. */
static void keep_open(struct accounts *a)
{
    char memory[512];
    buf why;
    buf_init_fixed(&why, memory, sizeof memory);
    enum err e = store_open(a->reader.path, true, &a->keeper, &why);
    if (e == ERR_OK)
        return;
    log_line(LOG_WARNING, "accounts \"%.*s\": %.*s", SLICE_ARG(a->reader.path), SLICE_ARG(buf_slice(&why)));
}

enum err accounts_open(struct lookup *l, struct accounts **accounts_r)
{
    buf b;
    struct accounts *a = calloc(1, sizeof *a);
    if (!a)
        return ERR_NOMEM;
    a->lookup = l;
    enum err e = reader_init(&a->reader, l->child.conf->state_dir);
    buf_init_fixed(&b, a->log_path, sizeof a->log_path);
    buf_printf(&b, "%.*s-wal%c", SLICE_ARG(a->reader.path), 0);
    buf_init_fixed(&b, a->index_path, sizeof a->index_path);
    buf_printf(&b, "%.*s-shm%c", SLICE_ARG(a->reader.path), 0);
    if (e != ERR_OK || !buf_ok(&b)) {
        accounts_close(&a);
        return ERR_LIMIT;
    }
    keep_open(a);
    *accounts_r = a;
    return ERR_OK;
}

void accounts_places(const struct accounts *a, struct sandbox_profile *p)
{
    sandbox_add(p, a->reader.path, SANDBOX_READ | SANDBOX_WRITE);
    sandbox_add(p, slice_str(a->log_path), SANDBOX_READ | SANDBOX_WRITE);
    sandbox_add(p, slice_str(a->index_path), SANDBOX_READ | SANDBOX_WRITE);
}

enum err accounts_start(struct accounts *a)
{
    struct worker_start users = {&user_ops, &a->reader, a, USERS_WAITING_MAX};
    return worker_open(a->lookup->child.loop, &users, &a->users);
}

void accounts_close(struct accounts **a)
{
    if (!*a)
        return;
    worker_close(&(*a)->users);
    reader_close(&(*a)->reader);
    store_close(&(*a)->keeper);
    free(*a);
    *a = NULL;
}

/* name is kept in lower case; it must be short. */
static struct task *task_make(struct asker asker, slice name)
{
    struct task *t = calloc(1, sizeof(struct task) + name.len);
    if (!t)
        return NULL;
    char *text = (char *)(t + 1);
    for (size_t i = 0; i < name.len; i++)
        text[i] = ascii_lower(name.ptr[i]);
    t->asker = asker;
    t->name = slice_of(text, name.len);
    return t;
}

void accounts_ask_user(struct accounts *a, struct asker asker, enum users_kind kind, slice name)
{
    if (child_user_impossible(name)) {
        send_user(a->lookup, asker, RESOLVE_NO, SLICE_NONE);
        return;
    }
    struct task *t = task_make(asker, name);
    if (t)
        t->kind = kind;
    if (t && worker_add(a->users, &t->base) == ERR_OK)
        return;
    if (t)
        task_free(&t->base);
    send_user(a->lookup, asker, RESOLVE_UNKNOWN, SLICE_NONE);
}
