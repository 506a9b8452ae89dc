/* SPDX-License-Identifier: ISC */
#include "child/check.h"

#define WORDS_MAX 8192
#define ARENA_MAX (64u * 1024)
#define PATH_BYTES 4096
#define REAP_MS 2
#define OTHERS_WRITE 0002

static void check_source(struct check *c, const struct conf_source *source)
{
    char memory[WORDS_MAX];
    buf words;
    if (!(source->stamp.mode & OTHERS_WRITE))
        return;
    buf_init_fixed(&words, memory, sizeof memory);
    buf_printf(&words, "everybody may write to %.*s, and so decide about mail; take that away with: chmod o-w %.*s",
               SLICE_ARG(source->path), SLICE_ARG(source->path));
    check_say(c, CONF_WARNING, "", buf_slice(&words));
}

void check_modes(struct check *c)
{
    for (size_t i = 0; i < c->conf->source_count; i++)
        check_source(c, &c->conf->sources[i]);
}

/* In a child, for good: modes, groups and lists of rights are the kernel's to know. */
static enum err ask_as(const struct os_user *user, slice path)
{
    int pid = 0, ended = 0, status = 0;
    if (os_uid() != 0)
        return os_writable(path) ? ERR_OK : ERR_PERMISSION;
    enum err e = process_fork(&pid);
    if (e == ERR_OK && pid == 0)
        process_exit(process_become(user, PROCESS_NO_CAPS) == ERR_OK && os_writable(path) ? 0 : 1);
    while (e == ERR_OK && ended != pid) {
        e = process_reap(&ended, &status);
        if (e == ERR_AGAIN) {
            os_sleep_ms(REAP_MS);
            e = ERR_OK;
        }
    }
    return e == ERR_OK && process_status_code(status) != 0 ? ERR_PERMISSION : e;
}

static void check_path(struct check *c, const char *key, slice who, slice path)
{
    char memory[WORDS_MAX];
    buf words;
    struct arena arena;
    struct os_user user = {.uid = 0};
    struct os_file_stamp stamp;
    slice there = path;
    arena_init(&arena, ARENA_MAX);
    buf_init_fixed(&words, memory, sizeof memory);
    enum err e = os_uid() == 0 ? os_user_by_name(who, &arena, &user) : ERR_OK;
    if (e != ERR_OK)
        buf_printf(&words, "there is no system user \"%.*s\"", SLICE_ARG(who));
    else if (check_nearest(&there, &stamp) != ERR_OK || !stamp.is_dir)
        buf_printf(&words, "%.*s is no folder", SLICE_ARG(there));
    else if (ask_as(&user, there) != ERR_OK)
        buf_printf(&words, "%s%.*s cannot write to %.*s", os_uid() == 0 ? "user " : "you",
                   SLICE_ARG(os_uid() == 0 ? who : SLICE_NONE), SLICE_ARG(there));
    if (words.len > 0 && there.len < path.len)
        buf_printf(&words, " (nor make %.*s)", SLICE_ARG(path));
    check_say(c, CONF_WARNING, key, buf_slice(&words));
    arena_deinit(&arena);
}

/* The folder below which all mailboxes of the domain are: {domain} is known, {user} is not. */
static slice mailbox_folder(const struct route_domain *d, buf *path)
{
    slice rest = d->deliver.argument;
    for (ptrdiff_t at; (at = slice_find(rest, SLICE("{domain}"))) >= 0; rest = slice_skip(rest, (size_t)at + 8)) {
        buf_append(path, slice_sub(rest, 0, (size_t)at));
        buf_append(path, d->name);
    }
    buf_append(path, rest);
    slice whole = buf_slice(path);
    ptrdiff_t variable = slice_find_char(whole, '{');
    return os_path_parent(variable < 0 ? whole : slice_sub(whole, 0, (size_t)variable + 1));
}

static void check_domain(struct check *c, const struct route_domain *d)
{
    char memory[PATH_BYTES];
    char key_memory[320];
    buf path, key;
    bool files = d->deliver.kind == DELIVER_MAILDIR || d->deliver.kind == DELIVER_MBOX;
    if (!files || d->deliver.home || d->same_as)
        return;
    buf_init_fixed(&path, memory, sizeof memory);
    buf_init_fixed(&key, key_memory, sizeof key_memory);
    buf_printf(&key, "domain.\"%.*s\".deliver%c", SLICE_ARG(d->name), 0);
    check_path(c, key_memory, d->deliver_as.len > 0 ? d->deliver_as : c->conf->user, mailbox_folder(d, &path));
}

/* As the server will insist on when it starts. */
static void check_state_owner(struct check *c)
{
    char memory[WORDS_MAX];
    buf words;
    struct arena arena;
    struct os_user user;
    struct os_file_stamp stamp;
    slice state = c->conf->state_dir, who = c->conf->user;
    buf_init_fixed(&words, memory, sizeof memory);
    arena_init(&arena, ARENA_MAX);
    enum err e = os_user_by_name(who, &arena, &user);
    if (e == ERR_NOTFOUND)
        buf_printf(
            &words,
            "there is no user \"%.*s\" on this system; make it with: useradd --system --user-group --home-dir %.*s "
            "--shell /usr/sbin/nologin %.*s",
            SLICE_ARG(who), SLICE_ARG(state), SLICE_ARG(who));
    else if (e == ERR_OK && os_file_stamp(AT_FDCWD, state, false, &stamp) == ERR_OK && stamp.uid != 0 &&
             stamp.uid != user.uid)
        buf_printf(&words, "state_dir \"%.*s\" belongs to uid %u; it must belong to %.*s: chown -R %.*s it",
                   SLICE_ARG(state), stamp.uid, SLICE_ARG(who), SLICE_ARG(who));
    check_say(c, CONF_ERROR, e == ERR_OK ? "state_dir" : "user", buf_slice(&words));
    arena_deinit(&arena);
}

/* The name of the first file in the folder that is another's; empty: none. */
static slice find_foreign(slice folder, uint32_t uid, buf *name)
{
    struct os_dir *dir = NULL;
    struct os_file_stamp stamp;
    slice found;
    enum err e = os_dir_open(AT_FDCWD, folder, &dir);
    while (e == ERR_OK && name->len == 0) {
        e = os_dir_next(dir, &found);
        if (e != ERR_OK)
            break;
        char memory[PATH_BYTES];
        buf path;
        buf_init_fixed(&path, memory, sizeof memory);
        buf_printf(&path, "%.*s/%.*s", SLICE_ARG(folder), SLICE_ARG(found));
        if (os_file_stamp(AT_FDCWD, buf_slice(&path), false, &stamp) == ERR_OK && stamp.uid != uid)
            buf_append(name, buf_slice(&path));
    }
    if (dir)
        os_dir_close(&dir);
    return buf_slice(name);
}

/* The folders are handed over at the start; files in them are taken as they are, and after a chown or a restore by root they cannot be read. */
static void check_segments(struct check *c)
{
    char memory[PATH_BYTES], name_memory[PATH_BYTES], words_memory[WORDS_MAX];
    buf path, name, words;
    struct arena arena;
    struct os_user user;
    slice who = c->conf->user;
    arena_init(&arena, ARENA_MAX);
    buf_init_fixed(&path, memory, sizeof memory);
    buf_init_fixed(&name, name_memory, sizeof name_memory);
    buf_init_fixed(&words, words_memory, sizeof words_memory);
    buf_printf(&path, "%.*s/seg", SLICE_ARG(c->conf->queue.dir));
    if (os_user_by_name(who, &arena, &user) == ERR_OK && find_foreign(buf_slice(&path), user.uid, &name).len > 0)
        buf_printf(&words, "%.*s does not belong to %.*s, and so the queue cannot be read: chown -R %.*s %.*s",
                   SLICE_ARG(buf_slice(&name)), SLICE_ARG(who), SLICE_ARG(who), SLICE_ARG(c->conf->queue.dir));
    check_say(c, CONF_WARNING, "queue.dir", buf_slice(&words));
    arena_deinit(&arena);
}

/* Others than the server's user may ask, too, so the folder is not opened for reading. */
static enum err ask_space(slice *path, struct spool_space *space)
{
    struct os_file_stamp stamp;
    int fd = -1;
    enum err e = check_nearest(path, &stamp);
    if (e == ERR_OK)
        e = os_open(AT_FDCWD, *path, O_PATH | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = spool_space_ask(fd, space);
    os_close(&fd);
    return e;
}

bool child_space_lacks(const struct conf *conf, uint64_t size, buf *why)
{
    struct spool_space space;
    slice path = conf->queue.dir;
    uint64_t least = conf->queue.min_free;
    if (ask_space(&path, &space) != ERR_OK || spool_space_has(&space, least, size))
        return false;
    buf_printf(why, "the disk of %.*s has ", SLICE_ARG(path));
    if (space.inodes < SPOOL_INODES_LEAST)
        buf_printf(why, "room for %llu more files only (df -i)", (unsigned long long)space.inodes);
    else
        buf_printf(why, "%lluM free, and [queue] min_free keeps %lluM", (unsigned long long)(space.bytes >> 20),
                   (unsigned long long)(least >> 20));
    if (spool_space_has(&space, least, 0))
        buf_printf(why, ", so SIZE=%llu is too much", (unsigned long long)size);
    return true;
}

static void check_space(struct check *c)
{
    char memory[WORDS_MAX];
    buf words;
    buf_init_fixed(&words, memory, sizeof memory);
    if (child_space_lacks(c->conf, 0, &words))
        buf_append(&words, SLICE(": mail is answered with 452 until there is more"));
    check_say(c, CONF_WARNING, "queue.min_free", buf_slice(&words));
}

void check_users(struct check *c)
{
    bool before = c->failed;
    c->failed = false;
    if (os_uid() == 0)
        check_state_owner(c);
    if (os_uid() == 0)
        check_segments(c);
    check_space(c);
    for (size_t i = 0; !c->failed && i < c->conf->route.domain_count; i++)
        check_domain(c, &c->conf->route.domains[i]);
    c->failed = c->failed || before;
}
