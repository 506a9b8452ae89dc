/* SPDX-License-Identifier: ISC */
#include "cmd/explain.h"

#define RECIPIENTS_LOOKED_AT 1000u

static void set_lmtp(struct explanation *x, const struct next_hop *hop, struct explain_recipient *r)
{
    struct os_file_stamp stamp;
    if (hop->unix_path.len == 0) {
        r->delivery = explain_text(x, "lmtp:%.*s:%u", SLICE_ARG(hop->host), hop->port);
        return;
    }
    r->delivery = explain_text(x, "lmtp:unix:%.*s", SLICE_ARG(hop->unix_path));
    enum err e = os_file_stamp(AT_FDCWD, hop->unix_path, true, &stamp);
    r->wrong = e != ERR_OK || stamp.is_dir || stamp.is_regular;
    r->state = e == ERR_OK ? slice_str(r->wrong ? "not a socket" : "the socket is there") : slice_str(err_text(e));
}

static void find(struct explanation *x, const struct recipient *recipient, struct explain_recipient *r)
{
    struct next_hop hop = route_next(x->house->routes, recipient);
    switch (hop.kind) {
    case NEXT_LOCAL:
        explain_mailbox_look(x, recipient, r);
        break;
    case NEXT_LMTP:
        set_lmtp(x, &hop, r);
        break;
    case NEXT_SMTP:
        explain_remote_find(x, &hop, r);
        break;
    case NEXT_DISCARD:
        r->delivery = SLICE("discard:");
        r->state = SLICE("thrown away");
        break;
    case NEXT_HOLD:
        r->delivery = SLICE("hold:");
        r->state = SLICE("rests in the queue until it is released");
        break;
    default:
        r->delivery = SLICE("none");
        r->state = SLICE("the configuration has no delivery for it: it waits in the queue");
        r->wrong = true;
        break;
    }
}

void explain_deliveries_find(struct explanation *x)
{
    size_t count = 0;
    for (size_t i = 0; i < x->result->group_count; i++)
        count += x->result->groups[i].count;
    x->recipients = arena_array(&x->arena, count, sizeof *x->recipients);
    x->out_of_memory = x->out_of_memory || !x->recipients;
    for (size_t i = 0; i < x->result->group_count && x->recipients; i++) {
        const struct resolve_group *g = &x->result->groups[i];
        for (size_t k = 0; k < g->count && x->recipient_count < RECIPIENTS_LOOKED_AT; k++) {
            struct explain_recipient *r = &x->recipients[x->recipient_count++];
            *r = (struct explain_recipient){.address = g->recipients[k].address, .list = g->list};
            r->chain = explain_trail_chain(x, &g->recipients[k]);
            find(x, &g->recipients[k], r);
        }
    }
}
