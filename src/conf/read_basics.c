/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

#define RETRY_MAX 100
#define RETRY_LONGEST ((int64_t)7 * 86400)
#define DAY 86400
#define TRACE_LEAST ((uint64_t)4 << 20)

static const struct toml_place top_place = {1, 1};

/* Default of a key, as the option table has it. */
static slice fallback(enum section_id id, const char *name)
{
    const struct section *section = &option_sections[id];
    for (size_t i = 0; i < section->count; i++) {
        if (slice_equal(slice_str(section->options[i].name), slice_str(name)))
            return slice_str(section->options[i].fallback);
    }
    return SLICE_NONE;
}

/* Nothing is said of a key that is there and wrong: that has been said already. */
static void missing(struct reader *r, const char *key)
{
    for (const struct toml_node *node = r->root->first; node; node = node->next) {
        if (slice_equal(toml_key(node), slice_str(key)))
            return;
    }
    messages_error(&r->m, top_place, "\"%s\" is missing", key);
}

static void check_user(struct reader *r, const struct toml_node *node)
{
    struct os_user user;
    enum err e = os_user_by_name(toml_text(node), r->arena, &user);
    if (e == ERR_OK && user.uid == 0)
        messages_error(&r->m, node->place, "\"user\" must not be root: processes give its powers up");
    else if (e != ERR_OK)
        messages_error(&r->m, node->place, "\"user\": there is no user \"%.*s\" on this system",
                       SLICE_ARG(toml_text(node)));
}

static void read_user(struct reader *r)
{
    const struct toml_node *node = r->top.user;
    r->conf->user = node ? toml_text(node) : fallback(SECTION_TOP, "user");
    if (!node)
        return;
    if (node->text_len == 0 || node->text_len > 32 || slice_find_char(toml_text(node), '/') >= 0)
        messages_error(&r->m, node->place, "\"user\" must be the name of a system user");
    else if (!slice_equal(toml_text(node), fallback(SECTION_TOP, "user")))
        check_user(r, node); /* the default is looked for by whoever needs it, written or not */
}

void read_basics(struct reader *r)
{
    struct route_tables *t = &r->conf->route;
    if (r->top.hostname)
        t->hostname = reader_domain(r, r->top.hostname->place, toml_text(r->top.hostname));
    else
        missing(r, "hostname");
    if (t->hostname.len > 0 && slice_find_char(t->hostname, '.') < 0)
        messages_warn(&r->m, r->top.hostname->place, "\"hostname\" should be a full name like \"mail.example.org\"");
    t->origin = t->hostname;
    if (r->top.origin)
        t->origin = reader_domain(r, r->top.origin->place, toml_text(r->top.origin));
    if (r->top.postmaster)
        t->postmaster = reader_address(r, r->top.postmaster, SLICE_NONE);
    else
        missing(r, "postmaster");
    t->postmaster_line = r->top.postmaster ? r->top.postmaster->place.line : 0;
    r->conf->state_dir = r->top.state_dir ? toml_text(r->top.state_dir) : fallback(SECTION_TOP, "state_dir");
    while (r->conf->state_dir.len > 1 && r->conf->state_dir.ptr[r->conf->state_dir.len - 1] == '/')
        r->conf->state_dir.len--;
    read_user(r);
}

/* The schedule of the option table, read like a document. */
static const struct toml_node *default_retry(struct reader *r)
{
    struct toml_error error;
    const struct toml_node *root;
    slice text = reader_join(r, SLICE("retry"), " = ", fallback(SECTION_QUEUE, "retry"));
    if (toml_tree_parse(text.ptr, text.len, &r->memory, &root, &error) == TOML_OK)
        return root->first;
    r->m.out_of_memory = true;
    return NULL;
}

static void read_retry(struct reader *r, const struct toml_node *node)
{
    struct conf_queue *queue = &r->conf->queue;
    size_t count = toml_count(node);
    int64_t *retry = reader_array(r, count, sizeof(*retry));
    if (!retry)
        return;
    if (count == 0 || count > RETRY_MAX) {
        messages_error(&r->m, node->place, "\"retry\" must have between 1 and %d durations", RETRY_MAX);
        return;
    }
    size_t i = 0;
    for (const struct toml_node *child = node->first; child; child = child->next, i++) {
        if (units_parse_duration(toml_text(child), &retry[i]) != ERR_OK)
            messages_error(&r->m, child->place, "\"%.*s\" is not a duration like \"90s\", \"4h\" or \"5d\"",
                           SLICE_ARG(toml_text(child)));
        else if (retry[i] < 1 || retry[i] > RETRY_LONGEST)
            messages_error(&r->m, child->place, "a wait in \"retry\" must be between 1s and 7d, not \"%.*s\"",
                           SLICE_ARG(toml_text(child)));
    }
    queue->retry_s = retry;
    queue->retry_count = count;
}

static slice read_queue_dir(struct reader *r, const struct toml_node *node)
{
    slice dir = node ? toml_text(node) : SLICE_NONE;
    if (!node)
        return reader_join(r, r->conf->state_dir, "", SLICE("/queue"));
    if (slice_starts(dir, SLICE("postgresql:")))
        messages_error(&r->m, node->place, "a queue in PostgreSQL is not yet built; \"dir\" must be a folder");
    else if (dir.len == 0 || dir.ptr[0] != '/')
        messages_error(&r->m, node->place, "\"dir\" must be an absolute path, not \"%.*s\"", SLICE_ARG(dir));
    return dir;
}

static const char *const signed_words[] = {"send", "bounce", NULL};

void read_queue(struct reader *r)
{
    struct draft_queue draft = {0};
    option_read(&r->m, &option_sections[SECTION_QUEUE], r->top.queue, &draft);
    struct conf_queue *queue = &r->conf->queue;
    *queue = (struct conf_queue){.give_up_s = draft.give_up_s,
                                 .bounce_give_up_s = draft.give_up_s < DAY ? draft.give_up_s : DAY,
                                 .warn_after_s = draft.warn_after_s,
                                 .min_free = draft.min_free,
                                 .connections_per_destination = draft.connections_per_destination};
    queue->dir = read_queue_dir(r, draft.dir);
    queue->signed_8bit_bounce = draft.signed_8bit && option_word(&r->m, draft.signed_8bit, signed_words) == 1;
    const struct toml_node *retry = draft.retry ? draft.retry : default_retry(r);
    if (retry)
        read_retry(r, retry);
}

void read_log(struct reader *r)
{
    struct log_settings *log = &r->conf->log.lines;
    option_read(&r->m, &option_sections[SECTION_LOG], r->top.log, &r->conf->log);
    if (r->conf->log.trace > 0 && r->conf->log.trace < TRACE_LEAST)
        messages_error(&r->m, r->top.log->place, "[log] trace is 0 (none) or at least \"4M\"");
    if (log->to == LOG_TO_JOURNAL && log->format == LOG_JSON)
        messages_error(&r->m, r->top.log->place,
                       "[log] format = \"json\" is for stderr and syslog: the journal has the same facts as fields");
}
