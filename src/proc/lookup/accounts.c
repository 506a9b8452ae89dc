/* SPDX-License-Identifier: ISC */
#include "proc/lookup/state.h"

#include <stdlib.h>

#include "proc/lookup/worker.h"
#include "store/store.h"

#define USERS_WAITING_MAX 4096u
#define LOGINS_WAITING_MAX 64u
#define NAME_MAX_BYTES 320u
#define FULL_NAME_MAX 256u
#define ARENA_MAX (64u * 1024)
#define PATH_MAX_BYTES 4096

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

/* What a thread has for itself. The store is opened when it is first asked and there is one: the first `thurn user add` may come later than the server. */
struct reader {
    slice path;
    struct store *store;
    enum err complained; /* said once, not at each question */
};

struct accounts {
    struct lookup *lookup;
    char path[PATH_MAX_BYTES];
    struct reader users_reader, logins_reader;
    struct worker *users, *logins;
};

struct task {
    struct worker_task base;
    struct asker asker;
    bool is_login;
    enum users_kind kind;
    enum answer answer;
    char full_name[FULL_NAME_MAX];
    size_t full_name_len;
    slice name, password; /* behind the struct, in the same memory */
    size_t size;
};

static void task_free(struct worker_task *base)
{
    struct task *t = (struct task *)base;
    explicit_bzero(t, t->size);
    free(t);
}

/* ERR_NOTFOUND: no accounts yet. */
static enum err reader_store(struct reader *r, struct store **store_r)
{
    char memory[512];
    buf why;
    enum err e = ERR_OK;
    if (!r->store) {
        buf_init_fixed(&why, memory, sizeof memory);
        e = store_open(r->path, false, &r->store, &why);
        if (e != ERR_OK && e != ERR_NOTFOUND && r->complained != e)
            log_line(LOG_ERROR, "accounts \"%.*s\": %.*s", SLICE_ARG(r->path), SLICE_ARG(buf_slice(&why)));
        r->complained = e;
    }
    if (e == ERR_OK)
        *store_r = r->store;
    return e;
}

static void keep_full_name(struct task *t, slice name)
{
    t->full_name_len = name.len < sizeof t->full_name ? name.len : 0;
    if (t->full_name_len > 0)
        memcpy(t->full_name, name.ptr, t->full_name_len);
}

static enum answer answer_of(enum err e)
{
    return e == ERR_OK                                                   ? ANSWER_YES
           : e == ERR_NOTFOUND || e == ERR_SYNTAX || e == ERR_PERMISSION ? ANSWER_NO
                                                                         : ANSWER_UNKNOWN;
}

static void find_account(struct reader *r, struct task *t)
{
    struct store *store = NULL;
    struct store_account account;
    enum err e = reader_store(r, &store);
    if (e != ERR_OK) {
        t->answer = e == ERR_NOTFOUND ? ANSWER_NO : ANSWER_UNKNOWN;
        return;
    }
    e = store_account_find(store, t->name, &account);
    if (e == ERR_OK)
        keep_full_name(t, account.full_name);
    t->answer = e == ERR_OK ? ANSWER_YES : e == ERR_NOTFOUND ? ANSWER_NO : ANSWER_UNKNOWN;
}

/* root has no mailbox here: deliver never becomes it. */
static void find_system_user(struct task *t)
{
    struct arena arena;
    struct os_user user;
    arena_init(&arena, ARENA_MAX);
    enum err e = os_user_by_name(t->name, &arena, &user);
    if (e == ERR_OK && user.uid == 0)
        e = ERR_NOTFOUND;
    if (e == ERR_OK)
        keep_full_name(t, user.full_name);
    t->answer = answer_of(e);
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

static void work_login(void *thread_ctx, struct worker_task *base)
{
    struct task *t = (struct task *)base;
    struct store *store = NULL;
    enum err e = reader_store(thread_ctx, &store);
    if (e != ERR_OK) {
        t->answer = e == ERR_NOTFOUND ? ANSWER_NO : ANSWER_UNKNOWN;
        return;
    }
    e = store_password_check(store, t->name, t->password);
    t->answer = e == ERR_OK ? ANSWER_YES : e == ERR_PERMISSION ? ANSWER_NO : ANSWER_UNKNOWN;
}

static void send_user(struct lookup *l, struct asker asker, enum answer answer, slice full_name)
{
    struct ipc_message m = {.type = IPC_answer_user, .fd = -1};
    m.u.answer_user.token = asker.token;
    m.u.answer_user.answer = (uint8_t)answer;
    m.u.answer_user.full_name = full_name;
    lookup_answer(l, asker, &m);
}

static void send_login(struct lookup *l, struct asker asker, enum answer answer, slice login)
{
    struct ipc_message m = {.type = IPC_answer_login, .fd = -1};
    m.u.answer_login.token = asker.token;
    m.u.answer_login.answer = (uint8_t)answer;
    m.u.answer_login.login = login;
    lookup_answer(l, asker, &m);
}

static void on_done(void *ctx, struct worker_task *base)
{
    struct accounts *a = ctx;
    struct task *t = (struct task *)base;
    if (t->is_login)
        send_login(a->lookup, t->asker, t->answer, t->name);
    else
        send_user(a->lookup, t->asker, t->answer, slice_of(t->full_name, t->full_name_len));
    task_free(base);
}

static const struct worker_ops user_ops = {work_user, on_done, task_free};
static const struct worker_ops login_ops = {work_login, on_done, task_free};

enum err accounts_open(struct lookup *l, struct accounts **accounts_r)
{
    buf path;
    struct accounts *a = calloc(1, sizeof *a);
    if (!a)
        return ERR_NOMEM;
    a->lookup = l;
    buf_init_fixed(&path, a->path, sizeof a->path);
    buf_append(&path, l->child.conf->state_dir);
    buf_append(&path, SLICE("/accounts.db"));
    a->users_reader.path = a->logins_reader.path = buf_slice(&path);
    struct worker_start users = {&user_ops, &a->users_reader, a, USERS_WAITING_MAX};
    struct worker_start logins = {&login_ops, &a->logins_reader, a, LOGINS_WAITING_MAX};
    enum err e = buf_ok(&path) ? worker_open(l->child.loop, &users, &a->users) : ERR_LIMIT;
    if (e == ERR_OK)
        e = worker_open(l->child.loop, &logins, &a->logins);
    if (e != ERR_OK) {
        accounts_close(&a);
        return e;
    }
    *accounts_r = a;
    return ERR_OK;
}

void accounts_close(struct accounts **a)
{
    if (!*a)
        return;
    worker_close(&(*a)->users);
    worker_close(&(*a)->logins);
    store_close(&(*a)->users_reader.store);
    store_close(&(*a)->logins_reader.store);
    free(*a);
    *a = NULL;
}

/* name is kept in lower case; both must be short. */
static struct task *task_make(struct asker asker, slice name, slice password)
{
    size_t size = sizeof(struct task) + name.len + password.len;
    struct task *t = calloc(1, size);
    if (!t)
        return NULL;
    char *text = (char *)(t + 1);
    for (size_t i = 0; i < name.len; i++)
        text[i] = ascii_lower(name.ptr[i]);
    if (password.len > 0)
        memcpy(text + name.len, password.ptr, password.len);
    t->size = size;
    t->asker = asker;
    t->name = slice_of(text, name.len);
    t->password = slice_of(text + name.len, password.len);
    return t;
}

void accounts_ask_user(struct accounts *a, struct asker asker, enum users_kind kind, slice name)
{
    if (name.len == 0 || name.len > NAME_MAX_BYTES || slice_find_char(name, 0) >= 0) {
        send_user(a->lookup, asker, ANSWER_NO, SLICE_NONE);
        return;
    }
    struct task *t = task_make(asker, name, SLICE_NONE);
    if (t)
        t->kind = kind;
    if (t && worker_add(a->users, &t->base) == ERR_OK)
        return;
    if (t)
        task_free(&t->base);
    send_user(a->lookup, asker, ANSWER_UNKNOWN, SLICE_NONE);
}

void accounts_ask_login(struct accounts *a, struct asker asker, slice login, slice password)
{
    /* What cannot be a password is cut so that it is still wrong after a hash's time. */
    struct task *t = task_make(asker, slice_sub(login, 0, NAME_MAX_BYTES), slice_sub(password, 0, 1024));
    if (t)
        t->is_login = true;
    if (t && worker_add(a->logins, &t->base) == ERR_OK)
        return;
    if (t)
        task_free(&t->base);
    send_login(a->lookup, asker, ANSWER_UNKNOWN, SLICE_NONE);
}
