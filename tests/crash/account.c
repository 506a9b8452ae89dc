/* SPDX-License-Identifier: ISC */
#include "account.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mail/mail.h"

#define MARK "X-Number: "
#define FINAL "Final-Recipient: rfc822; "
#define REPORT "multipart/report"
#define HEAD_MAX 8192 /* what stands before our own header, at most */

static void die(const char *what, const char *path)
{
    fprintf(stderr, "crash_replay: %s: %s\n", path, what);
    exit(2);
}

static char *read_file(const char *folder, const char *name, size_t *size_r)
{
    char path[512];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        die("cannot be read", path);
    char *text = malloc((size_t)st.st_size + 1);
    size_t got = 0;
    while (text && got < (size_t)st.st_size) {
        ssize_t n = read(fd, text + got, (size_t)st.st_size - got);
        if (n <= 0)
            die("cannot be read", path);
        got += (size_t)n;
    }
    close(fd);
    text[got] = 0;
    *size_r = got;
    return text;
}

static uint64_t number(char **at)
{
    char *word = strsep(at, " ");
    return word ? strtoull(word, NULL, 10) : 0;
}

static void read_mail(struct account *a, char *line, slice sent)
{
    uint64_t n = number(&line);
    if (n == 0 || n >= a->count)
        die("no such number", "account");
    struct account_mail *m = &a->mails[n];
    *m = (struct account_mail){.number = n, .acknowledged_at = ACCOUNT_NEVER, .removed_at = ACCOUNT_NEVER};
    const char *id = strsep(&line, " ");
    if (id && strcmp(id, "-") != 0 && queue_id_read(slice_str(id), &m->id) != ERR_OK)
        die("not a queue id", id);
    size_t offset = number(&line), size = number(&line);
    m->content = slice_sub(sent, offset, offset + size);
    for (char *word; (word = strsep(&line, " "));) {
        m->recipients = realloc(m->recipients, (m->recipient_count + 1) * sizeof(*m->recipients));
        if (!m->recipients)
            abort();
        m->recipients[m->recipient_count++] = (struct account_recipient){word, ACCOUNT_NEVER, 0};
    }
}

static struct account_mail *by_id(struct account *a, uint64_t id)
{
    for (uint64_t i = 1; i < a->count; i++) {
        if (a->mails[i].id == id && id)
            return &a->mails[i];
    }
    return NULL;
}

static void served(struct account *a, uint64_t n, const char *address, uint64_t at)
{
    struct account_mail *m = n < a->count ? &a->mails[n] : NULL;
    for (uint32_t i = 0; m && i < m->recipient_count; i++) {
        if (strcmp(m->recipients[i].address, address) == 0 && at < m->recipients[i].served_at)
            m->recipients[i].served_at = at;
    }
}

static void take_note(struct account *a, const struct record_event *e)
{
    char text[256], what[16], first[128], second[128];
    snprintf(text, sizeof(text), "%.*s", (int)e->data_len, e->bytes);
    int words = sscanf(text, "%15s %127s %127s", what, first, second);
    uint64_t id;
    if (words == 3 && (strcmp(what, "sunk") == 0 || strcmp(what, "told") == 0)) {
        served(a, strtoull(first, NULL, 10), second, e->begin);
        return;
    }
    if (words != 2 || queue_id_read(slice_str(first), &id) != ERR_OK)
        return;
    struct account_mail *m = by_id(a, id);
    if (m && strcmp(what, "queued") == 0)
        m->acknowledged_at = e->begin < m->acknowledged_at ? e->begin : m->acknowledged_at;
    if (m && strcmp(what, "removed") == 0)
        m->removed_at = e->begin < m->removed_at ? e->begin : m->removed_at;
}

void account_open(struct account *a, const char *folder, const struct record_file *record)
{
    size_t size, sent_size;
    *a = (struct account){0};
    a->memory = read_file(folder, "account", &size);
    char *sent = read_file(folder, "sent", &sent_size), *text = a->memory;
    for (char *line; (line = strsep(&text, "\n"));) {
        char *word = strsep(&line, " ");
        if (strcmp(word, "root") == 0)
            a->root = number(&line);
        if (strcmp(word, "count") == 0) {
            a->count = number(&line) + 1;
            a->mails = calloc(a->count, sizeof(*a->mails));
        }
        if (strcmp(word, "mail") == 0)
            read_mail(a, line, slice_of(sent, sent_size));
    }
    uint64_t end = record->used < record->size ? record->used : record->size;
    for (uint64_t at = RECORD_START; at < end;) {
        const struct record_event *e = (const struct record_event *)((const char *)record + at);
        if (e->kind == RECORD_NOTE)
            take_note(a, e);
        at += e->length;
    }
}

void account_begin(struct account *a)
{
    a->round++;
}

/* But for CR, which a mailbox has not. */
static bool same_text(slice a, slice b)
{
    size_t i = 0, k = 0;
    for (;;) {
        while (i < a.len && a.ptr[i] == '\r')
            i++;
        while (k < b.len && b.ptr[k] == '\r')
            k++;
        if (i == a.len || k == b.len)
            return i == a.len && k == b.len;
        if (a.ptr[i++] != b.ptr[k++])
            return false;
    }
}

struct account_mail *account_find(struct account *a, slice content, bool *report_r, const char **why_r)
{
    const char *mark = memmem(content.ptr, content.len, MARK, sizeof(MARK) - 1);
    const char *report = memmem(content.ptr, content.len, REPORT, sizeof(REPORT) - 1);
    *why_r = "without a number";
    if (!mark)
        return NULL;
    char digits[24];
    slice left = slice_skip(content, (size_t)(mark - content.ptr));
    snprintf(digits, sizeof(digits), "%.*s", (int)(left.len - 10 < 20 ? left.len - 10 : 20), left.ptr + 10);
    uint64_t n = strtoull(digits, NULL, 10);
    *why_r = "of a number that was never sent";
    if (n == 0 || n >= a->count || !a->mails[n].number)
        return NULL;
    *report_r = report && report < mark;
    *why_r = "not as it was sent";
    if (*report_r)
        return memmem(content.ptr, content.len, FINAL, sizeof(FINAL) - 1) &&
                       slice_ends_nocase(slice_trim(content), SLICE("--"))
                   ? &a->mails[n]
                   : NULL;
    return same_text(left, a->mails[n].content) ? &a->mails[n] : NULL;
}

void account_mark(struct account *a, struct account_mail *m, slice address)
{
    for (uint32_t i = 0; i < m->recipient_count; i++) {
        if (slice_equal(slice_str(m->recipients[i].address), address))
            m->recipients[i].found = a->round;
    }
}

void account_mark_report(struct account *a, struct account_mail *m, slice content)
{
    const char *at = content.ptr, *end = content.ptr + content.len;
    while ((at = memmem(at, (size_t)(end - at), FINAL, sizeof(FINAL) - 1))) {
        at += sizeof(FINAL) - 1;
        const char *stop = at;
        while (stop<end && * stop> ' ')
            stop++;
        account_mark(a, m, slice_of(at, (size_t)(stop - at)));
    }
}

/* USER of mail/DOMAIN/USER/new, as an address. */
static void mailbox(struct account *a, const struct disk_state *s, uint64_t new_folder, const char *address,
                    void (*found)(void *ctx, const char *text), void *ctx)
{
    for (size_t i = 0; i < s->name_count; i++) {
        const struct disk_name *n = &s->names[i];
        struct disk_object *o = n->object;
        if (n->folder != new_folder || !o || o->folder)
            continue;
        /* What was whole and durable once is so until it is changed. */
        if (o->judged == o->version && o->verdict > 0 && !disk_is_pending(s->disk, o)) {
            account_mark(a, &a->mails[o->verdict], slice_str(address));
            continue;
        }
        size_t size;
        bool report = false;
        const char *why;
        char *content = disk_state_content(s, o, &size);
        struct account_mail *m = account_find(a, slice_of(content, size), &report, &why);
        if (m && !report) {
            account_mark(a, m, slice_str(address));
            o->judged = disk_is_pending(s->disk, o) ? 0 : o->version;
            o->verdict = (int32_t)m->number;
        } else {
            char text[512];
            snprintf(text, sizeof(text), "mailbox %s, file %.*s: a mail %s", address, (int)n->name_len, n->name, why);
            found(ctx, text);
        }
        free(content);
    }
}

void account_mailboxes(struct account *a, const struct disk_state *s, void (*found)(void *ctx, const char *text),
                       void *ctx)
{
    const struct disk_name *mail = disk_state_find(s, a->root, "mail");
    for (size_t i = 0; mail && i < s->name_count; i++) {
        const struct disk_name *domain = &s->names[i];
        if (domain->folder != mail->object->inode || !domain->object)
            continue;
        for (size_t k = 0; k < s->name_count; k++) {
            const struct disk_name *user = &s->names[k];
            char address[256];
            if (user->folder != domain->object->inode || !user->object)
                continue;
            snprintf(address, sizeof(address), "%.*s@%.*s", (int)user->name_len, user->name, (int)domain->name_len,
                     domain->name);
            const struct disk_name *new_folder = disk_state_find(s, user->object->inode, "new");
            if (new_folder)
                mailbox(a, s, new_folder->object->inode, address, found, ctx);
        }
    }
}

bool account_is_lost(const struct account *a, const struct account_mail *m, uint32_t recipient, uint64_t at)
{
    const struct account_recipient *r = &m->recipients[recipient];
    return m->number && m->acknowledged_at <= at && r->served_at > at && r->found != a->round;
}
