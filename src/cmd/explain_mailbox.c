/* SPDX-License-Identifier: ISC */
/* What a mailbox's user would find: a process of its own becomes that user, so that root sees what deliver's workers will. */
#include "cmd/explain.h"

#include <signal.h>

#define LOOK_MS 5000

enum look {
    LOOK_WRITABLE = 1,
    LOOK_TO_BE_MADE,
    LOOK_NOT_WRITABLE,
    LOOK_NO_PLACE, /* it is not there, and cannot be made */
    LOOK_NOT_A_FOLDER,
    LOOK_NOT_A_FILE,
    LOOK_NOT_A_MAILDIR,
    LOOK_COMMAND,
    LOOK_NO_COMMAND,
    LOOK_NO_USER,
    LOOK_NO_ANSWER,
};

/* Whose they are said of comes between the two. */
static const struct {
    const char *before, *after;
    bool wrong;
} looks[] = {
    [LOOK_WRITABLE] = {"exists, writable by ", "", false},
    [LOOK_TO_BE_MADE] = {"not there yet, and ", " can make it", false},
    [LOOK_NOT_WRITABLE] = {"exists, not writable by ", "", true},
    [LOOK_NO_PLACE] = {"not there, and ", " cannot make it in the folder above", true},
    [LOOK_NOT_A_FOLDER] = {"not a folder that ", " could write to", true},
    [LOOK_NOT_A_FILE] = {"not a file that ", " could write to", true},
    [LOOK_NOT_A_MAILDIR] = {"no folders tmp and new that are writable by ", "", true},
    [LOOK_COMMAND] = {"the program is there, run as ", "", false},
    [LOOK_NO_COMMAND] = {"there is no such program to run as ", "", true},
    [LOOK_NO_USER] = {"the server cannot become ", "", true},
    [LOOK_NO_ANSWER] = {"the file system does not answer ", "", true},
};

static bool is_writable_below(slice path, const char *name)
{
    char memory[4096];
    buf b;
    buf_init_fixed(&b, memory, sizeof memory);
    buf_printf(&b, "%.*s/%s", SLICE_ARG(path), name);
    return buf_ok(&b) && os_writable(buf_slice(&b));
}

/* The nearest folder above that there is must let it be made. */
static enum look look_at_parent(slice path, bool many)
{
    struct os_file_stamp stamp;
    do
        path = os_path_parent(path);
    while (many && path.len > 1 && os_file_stamp(AT_FDCWD, path, true, &stamp) == ERR_NOTFOUND);
    return os_writable(path) ? LOOK_TO_BE_MADE : LOOK_NO_PLACE;
}

static enum look look_at_maildir(slice path)
{
    struct os_file_stamp stamp;
    enum err e = os_file_stamp(AT_FDCWD, path, true, &stamp);
    if (e == ERR_NOTFOUND)
        return look_at_parent(path, true);
    if (e != ERR_OK)
        return LOOK_NOT_WRITABLE;
    if (!stamp.is_dir)
        return LOOK_NOT_A_FOLDER;
    if (is_writable_below(path, "tmp") && is_writable_below(path, "new"))
        return LOOK_WRITABLE;
    return os_writable(path) ? LOOK_NOT_A_MAILDIR : LOOK_NOT_WRITABLE;
}

/* A file is opened for writing as deliver will; its folder must take the lock beside it. */
static enum look look_at_file(slice path)
{
    struct os_file_stamp stamp;
    int fd = -1;
    enum err e = os_file_stamp(AT_FDCWD, path, true, &stamp);
    if (e == ERR_NOTFOUND)
        return look_at_parent(path, false);
    if (e == ERR_OK && !stamp.is_regular)
        return LOOK_NOT_A_FILE;
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, path, O_WRONLY | O_APPEND, 0, &fd);
    os_close(&fd);
    return e == ERR_OK ? LOOK_WRITABLE : LOOK_NOT_WRITABLE;
}

/* The shell finds what has no path, and what is no plain word is its business. */
static enum look look_at_command(slice command)
{
    struct os_file_stamp stamp;
    slice program = slice_trim(command);
    size_t len = 0;
    while (len < program.len && program.ptr[len] != ' ' && program.ptr[len] != '\t')
        len++;
    program = slice_sub(program, 0, len);
    if (program.len == 0 || program.ptr[0] != '/')
        return LOOK_COMMAND;
    bool there = os_file_stamp(AT_FDCWD, program, true, &stamp) == ERR_OK && stamp.is_regular && (stamp.mode & 0111);
    return there ? LOOK_COMMAND : LOOK_NO_COMMAND;
}

static enum look look(const struct mailbox *m)
{
    switch (m->kind) {
    case MAILBOX_MAILDIR:
        return look_at_maildir(m->path);
    case MAILBOX_COMMAND:
        return look_at_command(m->path);
    default:
        return look_at_file(m->path);
    }
}

static void run_look(int fd, const struct mailbox *m, bool become)
{
    if (become && process_become_recipient(&m->user) != ERR_OK)
        process_exit(LOOK_NO_USER);
    char answer = (char)look(m);
    process_exit(os_write(fd, slice_of(&answer, 1)) == ERR_OK ? 0 : LOOK_NO_ANSWER);
}

static void end(int pid)
{
    int status;
    enum err e = ERR_OK;
    process_kill(pid, SIGKILL);
    for (int i = 0; e == ERR_OK && i < LOOK_MS && process_reap(&pid, &status) == ERR_AGAIN; i++)
        e = os_wait(&(struct os_wait){.fd = -1}, 1, 1);
}

/* In a process of its own, whether it becomes another or not: a file system that hangs does not hold us up. */
static enum look look_as_user(const struct mailbox *m, bool become)
{
    int pair[2], pid;
    char answer = 0;
    if (socket_pair(pair) != ERR_OK)
        return LOOK_NO_ANSWER;
    enum err e = process_fork(&pid);
    if (e == ERR_OK && pid == 0)
        run_look(pair[1], m, become);
    os_close(&pair[1]);
    if (e == ERR_OK && socket_wait(pair[0], false, LOOK_MS) == ERR_OK) {
        size_t got = 0;
        if (socket_take(pair[0], &answer, 1, &got) != ERR_OK || got != 1)
            answer = LOOK_NO_USER;
    }
    os_close(&pair[0]);
    if (e == ERR_OK)
        end(pid);
    return answer > 0 && answer <= LOOK_NO_ANSWER ? (enum look)answer : LOOK_NO_ANSWER;
}

void explain_mailbox_look(struct explanation *x, const struct recipient *recipient, struct explain_recipient *r)
{
    static const char *const kinds[] = {[MAILBOX_MAILDIR] = "maildir:",
                                        [MAILBOX_MBOX] = "mbox:",
                                        [MAILBOX_FILE] = "file:",
                                        [MAILBOX_COMMAND] = "pipe:"};
    const struct mailbox_house *h = &x->house->mailboxes;
    struct mailbox m;
    struct verdict v = child_mailbox_find(h, &x->arena, recipient, &m);
    if (!verdict_ok(&v)) {
        r->delivery = SLICE("none");
        r->state = explain_text(x, "%.*s", SLICE_ARG(v.text));
        r->wrong = true;
        return;
    }
    enum look seen = look_as_user(&m, h->root);
    r->delivery = explain_text(x, "%s%.*s", kinds[m.kind], SLICE_ARG(m.path));
    r->wrong = looks[seen].wrong;
    r->state = explain_text(x, "%s%.*s%s", looks[seen].before, SLICE_ARG(m.user.name), looks[seen].after);
}
