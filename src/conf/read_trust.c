/* SPDX-License-Identifier: ISC */
#include "conf/reader.h"

static struct conf_peers read_peers(struct reader *r, const struct toml_node *node)
{
    struct route_network *networks = reader_array(r, toml_count(node), sizeof(*networks));
    size_t count = 0;
    for (const struct toml_node *child = toml_first(node); child && networks; child = child->next) {
        struct route_network n;
        if (!read_network_text(r, child->place, toml_text(child), &n))
            continue;
        read_network_check_size(r, child->place, &n);
        networks[count++] = n;
    }
    return (struct conf_peers){networks, count};
}

void read_trust(struct reader *r)
{
    struct draft_trust draft = {0};
    option_read(&r->m, &option_sections[SECTION_TRUST], r->top.trust, &draft);
    r->conf->trust = (struct conf_trust){.proxy = read_peers(r, draft.proxy),
                                         .xclient = read_peers(r, draft.xclient),
                                         .xforward = read_peers(r, draft.xforward)};
}
