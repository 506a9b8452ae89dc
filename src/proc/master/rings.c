/* SPDX-License-Identifier: ISC */
/* The files in which processes tell what happens (trace/ring.h): STATE/trace/KIND-SLOT, made and mapped here before the fork. Nothing but `thurn trace` and `thurn top` needs them, so whatever is in their way the server runs without.
 * The space is divided by how much a kind has to tell, for two generations at a time; further ones get small files beside. */
#include "proc/master/state.h"

#define FOLDER_MODE 02750u /* files get the group, which may read them */
#define PATH_MAX_BYTES 4096
#define SLOTS_MAX 64u /* of a kind */
#define DISK_SHARE 16 /* of the whole file system, at most one part in so many */
#define SMALL_WEIGHT 1u

struct master_ring {
    struct master_ring *next;
    enum process_kind kind;
    uint32_t slot;
    size_t size;
    struct trace_ring *ring;
};

static const struct {
    uint32_t weight;
    uint32_t slots; /* at the same time, of two generations; 0: twice the receivers */
} shares[PROCESS_KIND_COUNT] = {
    [PROCESS_MASTER] = {2, 1},  [PROCESS_RECEIVER] = {4, 0}, [PROCESS_QUEUE] = {8, 1},   [PROCESS_SENDER] = {6, 2},
    [PROCESS_DELIVER] = {4, 2}, [PROCESS_LOOKUP] = {1, 2},   [PROCESS_CONSOLE] = {1, 2}, [PROCESS_KEYS] = {1, 2},
};

static uint32_t slots_of(const struct master_rings *r, enum process_kind kind)
{
    return kind == PROCESS_RECEIVER ? 2 * r->receivers : shares[kind].slots;
}

static size_t size_of(const struct master_rings *r, enum process_kind kind, uint32_t slot)
{
    uint64_t weights = 0;
    for (int k = 0; k < PROCESS_KIND_COUNT; k++)
        weights += (uint64_t)shares[k].weight * slots_of(r, (enum process_kind)k);
    if (shares[kind].weight == 0 || slot >= SLOTS_MAX)
        return 0;
    return r->bytes / weights * (slot < slots_of(r, kind) ? shares[kind].weight : SMALL_WEIGHT);
}

static void complain(struct master_rings *r, const char *what, enum err e)
{
    if (!r->complained)
        log_line(LOG_WARNING, "%s: %s: running without (some) events for thurn trace and thurn top", what, err_text(e));
    r->complained = true;
}

static enum err open_folder(struct master *m, const struct master_generation *g)
{
    char memory[PATH_MAX_BYTES];
    struct os_file_stamp stamp;
    buf path;
    int fd = -1;
    buf_init_fixed(&path, memory, sizeof memory);
    buf_append(&path, g->conf->state_dir);
    buf_append(&path, SLICE("/trace"));
    enum err e = buf_ok(&path) ? os_mkdir(AT_FDCWD, buf_slice(&path), 0750) : ERR_LIMIT;
    if (e == ERR_OK || e == ERR_EXISTS)
        e = os_open(AT_FDCWD, buf_slice(&path), O_RDONLY | O_DIRECTORY, 0, &fd);
    if (e == ERR_OK)
        e = os_fd_stamp(fd, &stamp);
    if (e == ERR_OK && m->root && stamp.uid == 0)
        e = os_chown(fd, SLICE("."), g->user.uid, g->user.gid);
    else if (e == ERR_OK && stamp.uid != g->user.uid)
        e = ERR_PERMISSION;
    if (e == ERR_OK)
        e = os_fchmod(fd, FOLDER_MODE);
    if (e == ERR_OK)
        m->rings.folder_fd = fd;
    else
        os_close(&fd);
    return e;
}

/* What it may have of the disk: new files leave free what the queue wants free. */
static enum err check_space(const struct master *m, const char *name, size_t size)
{
    uint64_t bytes = 0, total = 0, inodes = 0;
    struct os_file_stamp stamp;
    if (os_file_stamp(m->rings.folder_fd, slice_str(name), false, &stamp) == ERR_OK && stamp.size <= size &&
        stamp.size + TRACE_RING_LEAST > size)
        return ERR_OK;
    enum err e = os_free_space(m->rings.folder_fd, &bytes, &total, &inodes);
    if (e == ERR_OK && bytes < size + m->rings.min_free)
        e = ERR_NOSPACE;
    return e;
}

static void set_size(struct master *m, const struct conf *conf)
{
    uint64_t bytes = 0, total = 0, inodes = 0;
    struct master_rings *r = &m->rings;
    r->bytes = conf->log.trace;
    r->min_free = conf->queue.min_free;
    r->complained = false;
    if (r->folder_fd >= 0 && os_free_space(r->folder_fd, &bytes, &total, &inodes) == ERR_OK &&
        r->bytes > total / DISK_SHARE)
        r->bytes = total / DISK_SHARE;
}

static void print_name(char name[32], enum process_kind kind, uint32_t slot)
{
    buf b;
    buf_init_fixed(&b, name, 32);
    buf_printf(&b, "%s-%u%c", process_kind_name(kind), slot, 0);
}

/* The files of processes that this configuration does not have, or all. */
static void sweep(struct master_rings *r)
{
    struct os_dir *dir = NULL;
    slice name;
    if (os_dir_open(r->folder_fd, SLICE("."), &dir) != ERR_OK)
        return;
    while (os_dir_next(dir, &name) == ERR_OK) {
        bool wanted = false;
        for (int k = 0; k < PROCESS_KIND_COUNT; k++) {
            for (uint32_t slot = 0; r->bytes > 0 && slot < slots_of(r, (enum process_kind)k); slot++) {
                char text[32];
                print_name(text, (enum process_kind)k, slot);
                wanted |= slice_equal(name, slice_str(text));
            }
        }
        if (!wanted && slice_find_char(name, '-') > 0) {
            enum err e = os_unlink(r->folder_fd, name);
            (void)e; /* it is in nobody's way */
        }
    }
    os_dir_close(&dir);
}

void master_rings_open(struct master *m, const struct master_generation *g)
{
    struct master_rings *r = &m->rings;
    for (size_t i = 0; i < g->seat_count; i++)
        r->receivers += g->seats[i].kind == PROCESS_RECEIVER;
    enum err e = open_folder(m, g);
    set_size(m, g->conf);
    if (e == ERR_OK)
        sweep(r);
    else if (r->bytes > 0)
        complain(r, "the folder \"trace\" below state_dir", e);
    trace_ring_use(master_ring_of(m, PROCESS_MASTER, 0));
}

void master_rings_reload(struct master *m, const struct conf *conf)
{
    set_size(m, conf);
}

static struct master_ring *find(struct master_rings *r, enum process_kind kind, uint32_t slot)
{
    for (struct master_ring *x = r->first; x; x = x->next) {
        if (x->kind == kind && x->slot == slot)
            return x;
    }
    struct master_ring *x = calloc(1, sizeof *x);
    if (!x)
        return NULL;
    *x = (struct master_ring){.next = r->first, .kind = kind, .slot = slot};
    r->first = x;
    return x;
}

struct trace_ring *master_ring_of(struct master *m, enum process_kind kind, uint32_t slot)
{
    struct master_rings *r = &m->rings;
    char name[32];
    size_t size = size_of(r, kind, slot);
    struct master_ring *x = r->folder_fd >= 0 ? find(r, kind, slot) : NULL;
    if (!x || (x->ring && x->size == size))
        return x ? x->ring : NULL;
    trace_ring_close(&x->ring);
    x->size = size;
    if (r->bytes == 0 || size == 0)
        return NULL;
    print_name(name, kind, slot);
    enum err e = check_space(m, name, size);
    if (e == ERR_OK)
        e = trace_ring_open(r->folder_fd, name, size, &x->ring);
    if (e != ERR_OK)
        complain(r, name, e);
    return x->ring;
}

void master_ring_rest(struct master *m, enum process_kind kind, uint32_t slot)
{
    for (const struct master_ring *x = m->rings.first; x; x = x->next) {
        if (x->kind == kind && x->slot == slot && x->ring)
            trace_ring_rest(x->ring);
    }
}

void master_rings_leave(struct master *m, const struct trace_ring *mine)
{
    for (struct master_ring *x = m->rings.first; x; x = x->next) {
        /* The master's own was not inherited. */
        if (x->ring != mine && x->kind != PROCESS_MASTER)
            trace_ring_close(&x->ring);
    }
}

void master_rings_close(struct master *m)
{
    struct master_rings *r = &m->rings;
    for (struct master_ring *x = r->first, *next; x; x = next) {
        next = x->next;
        if (x->ring && x->kind == PROCESS_MASTER)
            trace_ring_rest(x->ring);
        trace_ring_close(&x->ring);
        free(x);
    }
    r->first = NULL;
    os_close(&r->folder_fd);
}
