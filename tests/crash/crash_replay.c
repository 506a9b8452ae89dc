/* SPDX-License-Identifier: ISC */
/* What a power cut may leave of a recorded run of the server, and what a start makes of it.
 *
 *   crash_replay points RUN                          how many cut points the record has, and what was done in it
 *   crash_replay complete RUN ROOT                   is all that was ever done to the files below ROOT in the record?
 *   crash_replay check RUN WORK CUTS SEED PART PARTS NESTED [FIRST LAST]   this part of so many cuts, drawn evenly; each NESTED-th one is cut again in its
 *                                                  recovery; only those from FIRST to LAST
 *   crash_replay control RUN WORK CUTS SEED WHAT     the same on a disk where the syncs of something do nothing: everything, folders, segments, large, checkpoint, numbers, mailboxes
 *   crash_replay make RUN WORK CUT SEED              the state in WORK, and what was promised in it and not served
 *
 * RUN is the folder of a run: record, account, sent, thurn.toml. WORK is an empty folder, in memory at best. Each check is a process of its own, so that none that is lost
 * takes the rest along. SIGTERM: it stops, and tells what it has done. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account.h"
#include "recovery.h"

#define FINDINGS_MAX 12
#define CHECK_LIMIT_S 120
#define MAILS_MAX 100000
#define NESTED_RECORD (64u << 20)
#define NESTED_CUTS 24
#define AGAIN_EVERY 5 /* of the cuts one in so many is recovered three times, the third from a checkpoint */

/* What a check tells its parent. */
struct report {
    uint64_t lost, doubled, again, findings, nested, moved, reports;
    size_t len;
    char text[8192];
};

struct seen {
    uint64_t id, digest;
};

struct check {
    struct account *account;
    const struct conf *conf;
    struct report *report;
    uint64_t at; /* the moment of the cut */
    uint64_t seed;
    size_t cut;
    struct seen *seen, *before; /* of this and of the recovery before */
    size_t seen_count, before_count;
    bool quiet; /* a control run: what is found is counted, not told */
    bool inner; /* a cut in the recovery of another */
    size_t inner_cut;
};

static const char *run;
static volatile sig_atomic_t enough;
static struct record_file *record;
static struct account account;
static struct conf *conf;

static void die(const char *what, const char *name)
{
    fprintf(stderr, "crash_replay: %s: %s\n", what, name);
    exit(2);
}

static void add_finding(struct check *c, const char *text)
{
    struct report *r = c->report;
    if (c->quiet) {
        r->findings++;
        return;
    }
    char where[64] = "";
    if (c->inner)
        snprintf(where, sizeof(where), ", in its recovery %zu", c->inner_cut);
    if (r->findings++ < FINDINGS_MAX && r->len < sizeof(r->text) - 700)
        r->len += (size_t)snprintf(r->text + r->len, sizeof(r->text) - r->len, "FOUND cut %zu, seed %llu%s: %.400s\n",
                                   c->cut, (unsigned long long)c->seed, where, text);
}

static void found_text(void *ctx, const char *text)
{
    add_finding(ctx, text);
}

__attribute__((format(printf, 2, 3))) static void found(struct check *c, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    add_finding(c, text);
}

/* --- one recovery */

static void take_recipients(struct check *c, struct account_mail *mail, const struct recovery_message *m)
{
    for (uint32_t i = 0; i < m->open_count; i++) {
        const struct envelope *envelope;
        const struct recipient *r = spool_head_recipient(m->head, m->open[i], &envelope);
        uint32_t k = 0;
        while (r && k < mail->recipient_count && !slice_equal(slice_str(mail->recipients[k].address), r->address))
            k++;
        if (!r || k == mail->recipient_count) {
            slice address = r ? r->address : SLICE("none");
            found(c, "mail %llu has a recipient that was never given: %.*s", (unsigned long long)mail->number,
                  SLICE_ARG(address));
            continue;
        }
        c->report->again += mail->recipients[k].served_at <= c->at;
        account_mark(c->account, mail, r->address);
    }
}

static void take_message(void *ctx, const struct recovery_message *m)
{
    struct check *c = ctx;
    if (c->seen_count == MAILS_MAX)
        die("too many mails", run);
    c->seen[c->seen_count++] = (struct seen){m->id, m->schedule};
    if (m->err != ERR_OK) {
        found(c, "mail with id %llu cannot be read: %s", (unsigned long long)m->id, err_text(m->err));
        return;
    }
    bool report;
    const char *why;
    struct account_mail *mail = account_find(c->account, m->content, &report, &why);
    if (!mail) {
        found(c, "in the queue, id %llu: a mail %s", (unsigned long long)m->id, why);
        return;
    }
    if (report) {
        c->report->reports++;
        account_mark_report(c->account, mail, m->content);
        return;
    }
    if (mail->id && mail->id != m->id)
        found(c, "mail %llu has another id than its 250 said", (unsigned long long)mail->number);
    if (mail->removed_at <= c->at) {
        c->report->doubled += !c->quiet;
        found(c, "mail %llu was done, durably, and is back", (unsigned long long)mail->number);
    }
    c->report->moved += m->copy > 0;
    take_recipients(c, mail, m);
}

static int by_id(const void *a, const void *b)
{
    const struct seen *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* What the server said of itself: with nothing damaged there is nothing to warn of. */
static void read_log(struct check *c, int fd)
{
    char text[2048];
    log_flush();
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return;
    text[n] = 0;
    char *line = text;
    for (char *one; (one = strsep(&line, "\n"));) {
        if (*one)
            found(c, "it says: %s", one);
    }
    if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
        die("the log cannot be emptied", run);
}

static void compare(struct check *c, const char *what)
{
    qsort(c->seen, c->seen_count, sizeof(*c->seen), by_id);
    for (size_t i = 1; i < c->seen_count; i++) {
        if (c->seen[i].id == c->seen[i - 1].id)
            found(c, "two messages have the id %llu", (unsigned long long)c->seen[i].id);
    }
    if (what && (c->seen_count != c->before_count || memcmp(c->seen, c->before, c->seen_count * sizeof(*c->seen)) != 0))
        found(c, "%s does not find the same: %zu and %zu mails", what, c->before_count, c->seen_count);
    struct seen *swap = c->before;
    c->before = c->seen;
    c->before_count = c->seen_count;
    c->seen = swap;
    c->seen_count = 0;
}

static bool recover(struct check *c, const char *queue, int log, const char *what, bool checkpoint)
{
    struct recovery *r = NULL;
    bool started = recovery_begin(queue, c->conf, &r);
    c->seen_count = 0;
    if (started)
        recovery_list(r, take_message, c);
    for (size_t i = 0; started && i < c->seen_count; i++) {
        if (c->seen[i].id >= recovery_number(r))
            found(c, "the id %llu will be given to another mail", (unsigned long long)c->seen[i].id);
    }
    for (uint64_t i = 1; started && i < c->account->count; i++) {
        const struct account_mail *m = &c->account->mails[i];
        if (m->acknowledged_at <= c->at && m->id >= recovery_number(r))
            found(c, "the id of mail %llu will be given to another mail", (unsigned long long)i);
    }
    if (started && checkpoint)
        recovery_checkpoint(r);
    read_log(c, log);
    if (!started) {
        found(c, "%s: the queue does not start", what ? what : "recovery");
        return false;
    }
    recovery_end(&r);
    compare(c, what);
    return true;
}

static void balance(struct check *c)
{
    for (uint64_t i = 1; i < c->account->count; i++) {
        const struct account_mail *m = &c->account->mails[i];
        for (uint32_t k = 0; k < m->recipient_count; k++) {
            if (!account_is_lost(c->account, m, k, c->at))
                continue;
            c->report->lost++;
            found(c, "LOST: mail %llu for %s (its 250 at %llu, the cut at %llu)", (unsigned long long)i,
                  m->recipients[k].address, (unsigned long long)m->acknowledged_at, (unsigned long long)c->at);
        }
    }
}

/* --- folders */

static void remove_all(const char *path)
{
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));) {
        char below[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        if (unlink(below) != 0)
            remove_all(below);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static char *content_of(const char *path, size_t size)
{
    char *content = malloc(size + 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t got = 0;
    while (content && fd >= 0 && got < size) {
        ssize_t n = read(fd, content + got, size - got);
        if (n <= 0)
            die("cannot be read", path);
        got += (size_t)n;
    }
    close(fd);
    return content;
}

/* A real folder, as what is durable before a record begins. */
static uint64_t take_folder(struct disk *d, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        die("is not there", path);
    uint64_t inode = st.st_ino;
    if (!disk_find(d, inode))
        (void)disk_put(d, inode, true, NULL, 0);
    DIR *dir = opendir(path);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char below[512];
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || stat(below, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            (void)take_folder(d, below);
        else if (!disk_find(d, st.st_ino))
            (void)disk_put(d, st.st_ino, false, content_of(below, (size_t)st.st_size), (size_t)st.st_size);
        disk_name_put(d, inode, strdup(e->d_name), disk_find(d, st.st_ino));
    }
    if (dir)
        closedir(dir);
    return inode;
}

/* --- a cut, and a cut in its recovery */

static int open_log(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    log_open(SLICE("crash"), fd, LOG_WARNING);
    return fd;
}

/* Each of its own writes cut off: recovery from that is held to the same promises. */
static void check_nested(struct check *c, const struct disk_state *outer, const char *work, const char *queue)
{
    char again[512];
    struct stat st;
    snprintf(again, sizeof(again), "%s/again", work);
    struct record_file *r = mmap(NULL, NESTED_RECORD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r == MAP_FAILED || stat(queue, &st) != 0)
        die("no memory", work);
    *r = (struct record_file){.size = NESTED_RECORD, .used = RECORD_START, .clock = 1, .device = st.st_dev};
    struct disk d;
    /* What is there now is durable: the machine has started from it. It is read before the recovery changes it. */
    struct disk before = {0};
    uint64_t root = take_folder(&before, queue);
    int log = open_log();
    record_into(r);
    bool good = recover(c, queue, log, NULL, true);
    record_into(NULL);
    if (!good || r->full)
        die("a recovery cannot be recorded", work);
    disk_open(&d, r);
    memcpy(d.table, before.table, sizeof(d.table));
    d.names = before.names, d.name_count = before.name_count, d.name_cap = before.name_cap;
    size_t cuts = d.effect_count, taken = 0, index = 0;
    c->inner = true;
    for (const struct disk_moment *m; (m = disk_step(&d));) {
        if (!m->cut || index++ * NESTED_CUTS / cuts < taken)
            continue;
        taken++;
        struct disk_state s;
        c->inner_cut = index - 1;
        disk_draw(&d, disk_hash(c->seed, m->at), &s);
        if (mkdir(again, 0700) != 0 || !disk_state_make(&s, root, again, NULL))
            die("the state cannot be made", again);
        disk_state_close(&s);
        account_begin(c->account);
        account_mailboxes(c->account, outer, found_text, c);
        if (recover(c, again, log, NULL, false))
            balance(c);
        c->report->nested++;
        remove_all(again);
    }
    munmap(r, NESTED_RECORD);
}

static void check_in_child(struct check *c, const struct disk_state *s, const char *work, bool nested)
{
    char queue[512], keep[512];
    snprintf(queue, sizeof(queue), "%s/queue", work);
    snprintf(keep, sizeof(keep), "%s/keep", work);
    const struct disk_name *top = disk_state_find(s, c->account->root, "queue");
    if (top && (mkdir(queue, 0700) != 0 || !disk_state_make(s, top->object->inode, queue, keep)))
        die("the state cannot be made", queue);
    if (nested) {
        check_nested(c, s, work, queue);
        return;
    }
    int log = open_log();
    if (recover(c, queue, log, NULL, false) || c->quiet)
        balance(c);
    c->report->again *= c->report->findings == 0;
    uint64_t again = c->report->again;
    if (!c->quiet && c->cut % AGAIN_EVERY == 0 && recover(c, queue, log, "a second recovery", true))
        (void)recover(c, queue, log, "a recovery after a checkpoint", false);
    c->report->again = again;
}

static void check(struct check *c, const struct disk_state *s, const char *work, bool nested)
{
    account_begin(c->account);
    account_mailboxes(c->account, s, found_text, c);
    pid_t child = fork();
    int status = 0;
    if (child < 0)
        die("fork", work);
    if (child == 0) {
        signal(SIGTERM, SIG_DFL);
        alarm(CHECK_LIMIT_S);
        check_in_child(c, s, work, nested);
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || status != 0)
        found(c, "recovery ended with %s %d", WIFSIGNALED(status) ? "signal" : "status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    char queue[512];
    snprintf(queue, sizeof(queue), "%s/queue", work);
    remove_all(queue);
    snprintf(queue, sizeof(queue), "%s/again", work);
    remove_all(queue);
}

/* --- the whole */

static void open_run(const char *path)
{
    char name[512];
    struct stat st;
    run = path;
    snprintf(name, sizeof(name), "%s/record", path);
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        die("cannot be read", name);
    record = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (record == MAP_FAILED)
        die("cannot be mapped", name);
    if (record->full)
        die("the record is not whole", name);
    account_open(&account, path, record);
    buf messages;
    buf_init(&messages, 1 << 16);
    snprintf(name, sizeof(name), "%s/thurn.toml", path);
    if (conf_load_alone(name, false, &messages, &conf) != ERR_OK) {
        fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
        die("cannot be used", name);
    }
    buf_deinit(&messages);
}

static void disk_begin(struct disk *d)
{
    disk_open(d, record);
    (void)disk_put(d, account.root, true, NULL, 0);
}

static const char *ignored;

static bool is_named(const struct record_event *e, const char *name)
{
    return e && e->name_len == strlen(name) && memcmp(e->bytes + e->data_len, name, e->name_len) == 0;
}

/* What a file is for, by its name and its folder's. */
static bool ignores(const struct disk *d, const struct disk_object *o)
{
    const struct disk_object *folder = o->made ? disk_find(d, o->made->folder) : NULL;
    const struct record_event *in = folder ? folder->made : NULL;
    if (strcmp(ignored, "everything") == 0)
        return true;
    if (o->folder)
        return strcmp(ignored, "folders") == 0;
    if (strcmp(ignored, "segments") == 0)
        return is_named(in, "seg");
    if (strcmp(ignored, "large") == 0)
        return is_named(in, "large");
    if (strcmp(ignored, "mailboxes") == 0)
        return is_named(in, "tmp");
    if (strcmp(ignored, "checkpoint") == 0)
        return is_named(o->made, "checkpoint.new");
    return strcmp(ignored, "numbers") == 0 && o->made && o->made->name_len > 9 &&
           memcmp(o->made->bytes + o->made->data_len, ".numbers.", 9) == 0;
}

static size_t count_cuts(const struct disk *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->moment_count; i++)
        n += d->moments[i].cut;
    return n;
}

static struct check *new_check(void)
{
    struct check *c = calloc(1, sizeof(*c));
    c->account = &account;
    c->conf = conf;
    c->seen = calloc(MAILS_MAX, sizeof(*c->seen));
    c->before = calloc(MAILS_MAX, sizeof(*c->before));
    c->report = mmap(NULL, sizeof(*c->report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return c;
}

static uint64_t count_promised(uint64_t at)
{
    uint64_t n = 0;
    for (uint64_t i = 1; i < account.count; i++)
        n += account.mails[i].number && account.mails[i].acknowledged_at <= at;
    return n;
}

/* The time is up: what was done until then counts. */
static void on_enough(int number)
{
    (void)number;
    enough = 1;
}

static int run_checks(char **args, bool control)
{
    size_t first = 0, last = SIZE_MAX, cuts = strtoul(args[1], NULL, 10), part = 0, parts = 1, nested = 0, index = 0,
           taken = 0, done = 0;
    uint64_t seed = strtoull(args[2], NULL, 10), promised = 0;
    struct disk d;
    struct check *c = new_check();
    if (control) {
        ignored = args[3];
    } else {
        part = strtoul(args[3], NULL, 10);
        parts = strtoul(args[4], NULL, 10);
        nested = strtoul(args[5], NULL, 10);
        first = args[6] ? strtoul(args[6], NULL, 10) : first;
        last = args[6] && args[7] ? strtoul(args[7], NULL, 10) : last;
    }
    disk_begin(&d);
    d.ignores = control ? ignores : NULL;
    c->quiet = control;
    char keep[512];
    snprintf(keep, sizeof(keep), "%s/keep", args[0]);
    if (mkdir(keep, 0700) != 0 && errno != EEXIST)
        die("cannot be made", keep);
    size_t all = count_cuts(&d);
    cuts = cuts < all ? cuts : all;
    signal(SIGTERM, on_enough);
    for (const struct disk_moment *m; !enough && (m = disk_step(&d));) {
        if (!m->cut)
            continue;
        bool take = index * cuts / all != (index + 1) * cuts / all;
        c->cut = index++;
        if (!take || taken++ % parts != part || c->cut < first || c->cut > last)
            continue;
        struct disk_state s;
        c->at = m->at;
        c->seed = disk_hash(seed, c->cut);
        promised = count_promised(m->at);
        disk_draw(&d, c->seed, &s);
        check(c, &s, args[0], false);
        if (nested && done % nested == nested / 2)
            check(c, &s, args[0], true);
        disk_state_close(&s);
        done++;
        if (c->report->len) {
            fwrite(c->report->text, 1, c->report->len, stdout);
            fflush(stdout);
            c->report->len = 0;
        }
    }
    printf("points %zu acknowledged %llu lost %llu doubled %llu again %llu findings %llu nested %llu moved %llu "
           "reports %llu\n",
           done, (unsigned long long)promised, (unsigned long long)c->report->lost,
           (unsigned long long)c->report->doubled, (unsigned long long)c->report->again,
           (unsigned long long)c->report->findings, (unsigned long long)c->report->nested,
           (unsigned long long)c->report->moved, (unsigned long long)c->report->reports);
    remove_all(keep);
    return 0;
}

/* Is it the first sector of a segment under a higher epoch than that of its birth (QUEUE.md)? */
static bool is_recycling(const struct record_event *e)
{
    uint32_t epoch = 0;
    if (e->kind != RECORD_WRITE || e->offset != 0 || e->data_len < DISK_SECTOR || memcmp(e->bytes, "THURNSEG", 8) != 0)
        return false;
    memcpy(&epoch, e->bytes + 36, sizeof(epoch));
    return epoch > 1;
}

static int points(void)
{
    struct disk d;
    size_t count[RECORD_NOTE + 1] = {0}, births = 0, recycled = 0, checkpoints = 0, large = 0, removed = 0;
    disk_begin(&d);
    ignored = "";
    while (disk_step(&d))
        continue;
    for (size_t i = 0; i < d.effect_count; i++) {
        const struct record_event *e = d.effects[i].event;
        const struct disk_object *folder = e->folder ? disk_find(&d, e->folder) : NULL;
        bool in_segments = folder && is_named(folder->made, "seg"),
             in_large = folder && is_named(folder->made, "large");
        count[e->kind <= RECORD_NOTE ? e->kind : 0]++;
        births += e->kind == RECORD_CREATE && in_segments;
        removed += e->kind == RECORD_UNLINK && in_segments;
        large += e->kind == RECORD_CREATE && in_large;
        checkpoints += e->kind == RECORD_RENAME && is_named(e, "checkpoint.new");
        recycled += is_recycling(e);
    }
    printf("points %zu writes %zu syncs %zu names %zu checkpoints %zu births %zu recycled %zu removed %zu large %zu\n",
           count_cuts(&d), count[RECORD_WRITE], count[RECORD_SYNC] + count[RECORD_SYNC_ALL],
           count[RECORD_CREATE] + count[RECORD_RENAME] + count[RECORD_LINK] + count[RECORD_UNLINK], checkpoints, births,
           recycled, removed, large);
    return 0;
}

static int make(char **args)
{
    size_t cut = strtoul(args[1], NULL, 10), index = 0;
    uint64_t seed = disk_hash(strtoull(args[2], NULL, 10), cut);
    struct disk d;
    struct disk_state s;
    const struct disk_moment *m;
    disk_begin(&d);
    while ((m = disk_step(&d)) && (!m->cut || index++ != cut))
        continue;
    if (!m)
        die("no such cut", args[1]);
    disk_draw(&d, seed, &s);
    if (!disk_state_make(&s, account.root, args[0], NULL))
        die("the state cannot be made", args[0]);
    for (uint64_t i = 1; i < account.count; i++) {
        const struct account_mail *mail = &account.mails[i];
        for (uint32_t k = 0; mail->number && mail->acknowledged_at <= m->at && k < mail->recipient_count; k++) {
            if (mail->recipients[k].served_at > m->at)
                printf("%llu %s\n", (unsigned long long)i, mail->recipients[k].address);
        }
    }
    return 0;
}

static int differ(const struct disk_state *s, uint64_t folder, const char *path)
{
    int wrong = 0;
    size_t here = 0, there = 0;
    for (size_t i = 0; i < s->name_count; i++) {
        const struct disk_name *n = &s->names[i];
        char below[512];
        struct stat st;
        if (n->folder != folder)
            continue;
        here++;
        snprintf(below, sizeof(below), "%s/%.*s", path, (int)n->name_len, n->name);
        if (!n->object || lstat(below, &st) != 0) {
            printf("only in the record: %s\n", below);
            wrong++;
        } else if (n->object->folder) {
            wrong += differ(s, n->object->inode, below);
        } else {
            size_t size;
            char *content = disk_state_content(s, n->object, &size), *real = content_of(below, (size_t)st.st_size);
            if (size != (size_t)st.st_size || memcmp(content, real, size) != 0) {
                printf("not as recorded: %s\n", below);
                wrong++;
            }
            free(content);
            free(real);
        }
    }
    DIR *d = opendir(path);
    while (d && readdir(d))
        there++;
    if (d)
        closedir(d);
    if (there != here + 2) {
        printf("%s has %zu names, the record %zu\n", path, there - 2, here);
        wrong++;
    }
    return wrong;
}

/* The record is whole when playing all of it gives what is there. */
static int complete(char **args)
{
    struct disk d;
    struct disk_state s;
    disk_begin(&d);
    while (disk_step(&d))
        continue;
    disk_draw_all(&d, &s);
    int wrong = differ(&s, account.root, args[0]);
    printf("%zu names, %d differ\n", s.name_count, wrong);
    return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        die("usage: see the source", argv[0]);
    open_run(argv[2]);
    if (strcmp(argv[1], "points") == 0)
        return points();
    if (strcmp(argv[1], "complete") == 0 && argc == 4)
        return complete(argv + 3);
    if (strcmp(argv[1], "make") == 0 && argc == 6)
        return make(argv + 3);
    if (strcmp(argv[1], "check") == 0 && (argc == 9 || argc == 11))
        return run_checks(argv + 3, false);
    if (strcmp(argv[1], "control") == 0 && argc == 7)
        return run_checks(argv + 3, true);
    die("usage: see the source", argv[1]);
}
