/* SPDX-License-Identifier: ISC */
#include "cmd/control.h"
#include "cmd/sendmail.h"

#define FILE_MAX ((size_t)16 << 20)
#define ARENA_MAX ((size_t)1 << 30)

/* What a target was written with, and does not have any more. */
static size_t target_len(const struct alias_target *t)
{
    static const size_t marks[] = {[ALIAS_LOCAL_FINAL] = 1, [ALIAS_PIPE] = 1, [ALIAS_INCLUDE] = sizeof ":include:" - 1};
    return t->text.len + ((size_t)t->kind < sizeof marks / sizeof marks[0] ? marks[t->kind] : 0);
}

static void print_table(const struct alias_table *table, slice path)
{
    size_t count = 0, longest = 0, total = 0;
    const struct alias_entry *entry;
    for (; (entry = alias_table_at(table, count)) != NULL; count++) {
        size_t len = 0;
        for (uint32_t i = 0; i < entry->target_count; i++)
            len += target_len(&entry->targets[i]) + (i > 0 ? sizeof ", " - 1 : 0);
        longest = len > longest ? len : longest;
        total += entry->key.len + len;
    }
    (void)printf("%.*s: %zu %s, longest %zu bytes, %zu bytes total\n", SLICE_ARG(path), count,
                 count == 1 ? "alias" : "aliases", longest, total);
}

/* Once more, alone: the configuration's own table has the files that it includes in it. */
static enum err print_file(slice path)
{
    struct arena arena;
    struct alias_table *table = NULL;
    struct alias_error error;
    buf content;
    arena_init(&arena, ARENA_MAX);
    buf_init(&content, FILE_MAX);
    enum err e = os_file_read(AT_FDCWD, path, &content);
    struct alias_source source = {path, buf_slice(&content)};
    if (e == ERR_OK)
        e = alias_table_parse(&arena, source, (struct hash_key){0}, &table, &error);
    if (e == ERR_OK)
        print_table(table, path);
    alias_table_free(table);
    buf_deinit(&content);
    arena_deinit(&arena);
    return e;
}

static int reload(const struct command *c)
{
    char name[] = "reload", option[] = "-c";
    char *path = (char *)(uintptr_t)c->conf_path;
    char *argv[] = {name, path ? option : NULL, path, NULL};
    optind = 1;
    return cmd_reload(path ? 3 : 1, argv);
}

int sendmail_aliases(const struct command *c)
{
    struct conf *conf = NULL;
    /* all of it, since that is what a server would take */
    int status = command_load_whole(c, &conf);
    if (status != 0)
        return status;
    for (size_t i = 0; i < conf->alias_table_count; i++) {
        slice path = alias_table_name(conf->alias_tables[i]);
        if (print_file(path) != ERR_OK)
            command_say("%.*s has changed in this moment", SLICE_ARG(path));
    }
    if (conf->alias_table_count == 0)
        command_say("no [domain] has aliases");
    bool runs = control_answers(conf);
    conf_close(&conf);
    if (!runs)
        command_say("no server runs here now; it reads the aliases when it starts");
    return fflush(stdout) != 0 ? EX_IOERR : runs ? reload(c) : 0;
}
