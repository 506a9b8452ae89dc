/* SPDX-License-Identifier: ISC */
#include "conf/conf.h"

#include "conf/reader.h"

#define ARENA_MAX ((size_t)1 << 30)

static void *allocate(void *context, size_t size)
{
    return arena_alloc(context, size);
}

static void read_document(struct reader *r)
{
    option_read(&r->m, &option_sections[SECTION_TOP], r->root, &r->top);
    option_read(&r->m, &option_sections[SECTION_LIMITS], r->top.limits, &r->conf->limits);
    read_basics(r);
    read_log(r);
    read_queue(r);
    read_tls(r);
    read_auth(r);
    read_trust(r);
    read_listen(r);
    read_domains(r);
    read_addresses(r);
    read_lists(r);
    read_routes(r);
    read_relay(r);
    read_send_as(r);
    read_batch(r);
    if (!r->m.failed && !r->alone)
        check_whole(r);
}

/* The reader lives in the arena that it fills. */
static struct reader *begin(slice path, slice content, bool alone)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct conf *c = arena_alloc(&arena, sizeof(*c));
    struct reader *r = arena_alloc(&arena, sizeof(*r));
    if (!c || !r) {
        arena_deinit(&arena);
        return NULL;
    }
    c->arena = arena;
    *r = (struct reader){.conf = c, .arena = &c->arena, .alone = alone};
    r->memory = (struct toml_memory){allocate, &c->arena};
    messages_init(&r->m, &c->arena, path, content);
    if (arena_copy(r->arena, path, &c->path) != ERR_OK || arena_copy(r->arena, content, &c->text) != ERR_OK)
        r->m.out_of_memory = true;
    return r;
}

static void parse(struct reader *r, slice content)
{
    struct toml_error error;
    switch (toml_tree_parse(content.ptr, content.len, &r->memory, &r->root, &error)) {
    case TOML_OK:
        read_document(r);
        break;
    case TOML_SYNTAX:
        messages_error(&r->m, error.place, "%s", error.text);
        break;
    case TOML_NO_MEMORY:
        r->m.out_of_memory = true;
        break;
    }
}

/* Where what was found goes: as text for people, or one by one. */
struct output {
    buf *messages;
    bool color;
    const struct conf_sink *sink;
};

static void tell(struct reader *r, const struct output *to)
{
    if (to->sink)
        messages_tell(&r->m, r->root, to->sink);
    else
        messages_print(&r->m, to->color, to->messages);
}

static void tell_file(const struct output *to, slice path, const char *text)
{
    const struct conf_finding f = {.severity = CONF_ERROR, .file = path, .text = slice_str(text)};
    if (to->sink)
        to->sink->take(to->sink->ctx, &f);
    else
        conf_finding_print(&f, to->messages);
}

static enum err finish(struct reader *r, const struct output *to, struct conf **conf_r)
{
    struct conf *c = r->conf;
    bool failed = r->m.failed;
    enum err e = r->m.out_of_memory ? ERR_NOMEM : failed ? ERR_SYNTAX : ERR_OK;
    tell(r, to);
    if (e == ERR_NOMEM)
        tell_file(to, r->m.path, "out of memory");
    if (e != ERR_OK)
        conf_close(&c);
    else
        *conf_r = c;
    return e;
}

enum err conf_parse(slice path, slice content, bool color, buf *messages, struct conf **conf_r)
{
    struct reader *r = begin(path, content, false);
    const struct output to = {.messages = messages, .color = color};
    if (!r)
        return ERR_NOMEM;
    parse(r, content);
    return finish(r, &to, conf_r);
}

static enum err load(const char *path, bool alone, const struct output *to, struct conf **conf_r)
{
    struct os_file_stamp stamp;
    buf content;
    buf_init(&content, TOML_DOCUMENT_MAX + 1);
    enum err e = os_file_stamp(AT_FDCWD, slice_str(path), true, &stamp);
    if (e == ERR_OK)
        e = stamp.is_dir ? ERR_UNSUPPORTED : os_file_read(AT_FDCWD, slice_str(path), &content);
    if (e != ERR_OK) {
        tell_file(to, slice_str(path),
                  e == ERR_LIMIT         ? "file is larger than 4 MiB"
                  : e == ERR_UNSUPPORTED ? "is a folder"
                  : e == ERR_NOTFOUND    ? "not found; `thurn init DOMAIN` makes one, -c FILE names another"
                                         : err_text(e));
        buf_deinit(&content);
        return e;
    }
    struct reader *r = begin(slice_str(path), buf_slice(&content), alone);
    if (r) {
        reader_add_source(r, r->conf->path, &stamp, false);
        parse(r, buf_slice(&content));
        e = finish(r, to, conf_r);
    }
    buf_deinit(&content);
    return r ? e : ERR_NOMEM;
}

enum err conf_load(const char *path, bool color, buf *messages, struct conf **conf_r)
{
    const struct output to = {.messages = messages, .color = color};
    return load(path, false, &to, conf_r);
}

enum err conf_load_told(const char *path, const struct conf_sink *sink, struct conf **conf_r)
{
    const struct output to = {.sink = sink};
    return load(path, false, &to, conf_r);
}

enum err conf_load_again(const struct conf *old, buf *messages, struct conf **conf_r)
{
    struct reader *r = begin(old->path, old->text, false);
    const struct output to = {.messages = messages};
    if (!r)
        return ERR_NOMEM;
    for (size_t i = 0; i < old->source_count; i++)
        if (slice_equal(old->sources[i].path, old->path))
            reader_add_source(r, r->conf->path, &old->sources[i].stamp, false);
    parse(r, old->text);
    return finish(r, &to, conf_r);
}

enum err conf_load_alone(const char *path, bool color, buf *messages, struct conf **conf_r)
{
    const struct output to = {.messages = messages, .color = color};
    return load(path, true, &to, conf_r);
}

void conf_close(struct conf **conf)
{
    if (!*conf)
        return;
    struct arena arena = (*conf)->arena;
    for (size_t i = 0; i < (*conf)->alias_table_count; i++)
        alias_table_free((*conf)->alias_tables[i]);
    arena_deinit(&arena);
    *conf = NULL;
}
