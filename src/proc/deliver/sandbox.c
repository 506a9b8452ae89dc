/* SPDX-License-Identifier: ISC */
#include "proc/deliver/deliver.h"

static bool has_pipe(const struct alias_table *table)
{
    const struct alias_entry *entry;
    for (size_t i = 0; (entry = alias_table_at(table, i)) != NULL; i++) {
        for (uint32_t t = 0; t < entry->target_count; t++) {
            if (entry->targets[t].kind == ALIAS_PIPE)
                return true;
        }
    }
    return false;
}

static bool runs_commands(const struct conf *conf)
{
    const struct route_tables *t = &conf->route;
    for (size_t i = 0; i < t->domain_count; i++) {
        if (t->domains[i].deliver.kind == DELIVER_PIPE || (t->domains[i].aliases && has_pipe(t->domains[i].aliases)))
            return true;
    }
    for (size_t i = 0; i < t->address_count; i++) {
        if (t->addresses[i].deliver.kind == DELIVER_PIPE)
            return true;
    }
    return false;
}

/* Where mailboxes lie, their users' rights say: Landlock cannot know it. */
void deliver_sandbox(const struct child_start *start, struct sandbox_profile *profile_r)
{
    *profile_r = (struct sandbox_profile){.name = "local"};
    if (runs_commands(start->conf)) {
        profile_r->calls = SANDBOX_COMMANDS;
        return;
    }
    profile_r->calls = SANDBOX_FILES | SANDBOX_CHANGES | SANDBOX_FORK | SANDBOX_IDENTITY | SANDBOX_NAMES;
    sandbox_add(profile_r, SLICE("/"), SANDBOX_READ | SANDBOX_WRITE);
}

void deliver_worker_sandbox(struct sandbox_profile *profile_r)
{
    *profile_r = (struct sandbox_profile){.name = "delivery", .calls = SANDBOX_FILES | SANDBOX_CHANGES};
    sandbox_add(profile_r, SLICE("/"), SANDBOX_READ | SANDBOX_WRITE);
}
