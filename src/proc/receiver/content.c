/* SPDX-License-Identifier: ISC */
/* Content on its way into the spool. Our trace field goes first; the content's own beginning is looked at only as far as it must be: its first line, and for trusted
 * sessions its header. One message a part is written at the same time: lists are few, and a body is never kept to be written later. */
#include "proc/receiver/state.h"

#define PREFIX_MAX 2048
#define HELD_MAX (192u << 10)  /* with a whole read of the loop after HEADER_MAX */
#define HEADER_MAX (64u << 10) /* a longer header is not mended */
#define MENDED_MAX (200u << 10)

static enum err append_prefix(struct session *s, struct part *p)
{
    const struct transaction *t = s->transaction;
    struct received_facts f = {.origin = peer_origin(s),
                               .hostname = s->r->conf->route.hostname,
                               .tls = net_tls_text(s->net),
                               .rcpt = t->rcpt_count == 1 ? t->rcpt : SLICE_NONE,
                               .id = p->id,
                               .unix_s = t->arrival_s,
                               .priority = t->priority};
    char memory[PREFIX_MAX];
    buf b;
    buf_init_fixed(&b, memory, sizeof(memory));
    received_print(&b, &f);
    if (p->list)
        route_list_id_print(&b, p->list);
    if (!buf_ok(&b))
        return ERR_LIMIT;
    struct body_scan scan;
    body_scan_init(&scan);
    body_scan_feed(&scan, buf_slice(&b));
    p->prefix = body_scan_end(&scan);
    return spool_message_append(p->message, buf_slice(&b));
}

/* The first part that there is has the number that was drawn at MAIL. */
static enum err open_parts(struct session *s)
{
    struct transaction *t = s->transaction;
    uint64_t id = t->id;
    for (uint32_t i = 0; i < t->part_count; i++) {
        struct part *p = &t->parts[i];
        if (p->count == 0)
            continue;
        p->id = id ? id : numbers_draw(s->r);
        id = 0;
        enum err e = p->id ? spool_message_begin(s->r->writer, t->storing, &p->message) : ERR_LIMIT;
        if (e == ERR_OK)
            e = append_prefix(s, p);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}

void content_data(struct session *s)
{
    struct transaction *t = s->transaction;
    int64_t now_us = os_wall_us();
    t->arrival_s = now_us / 1000000;
    t->arrival_us = (uint32_t)(now_us % 1000000);
    t->storing = storing_take(s);
    t->stage = t->trusted ? CONTENT_HEADER : CONTENT_FIRST_LINE;
    buf_init(&t->held, HELD_MAX);
    body_scan_init(&t->scan);
    enum err e = t->storing ? parts_split(t) : ERR_NOMEM;
    if (e == ERR_OK)
        e = open_parts(s);
    if (e == ERR_OK) {
        session_answer_status(s, STATUS_OK);
        return;
    }
    enum status status = e == ERR_NOMEM || e == ERR_NOSPACE ? STATUS_INSUFFICIENT_SPACE : STATUS_LOCAL_ERROR;
    struct verdict v = status_verdict(status);
    log_reject(s, "DATA", &v, t->rcpt);
    transaction_abort(s);
    session_answer(s, &v);
}

static void drop_messages(struct transaction *t)
{
    for (uint32_t i = 0; i < t->part_count; i++)
        spool_message_abort(&t->parts[i].message);
}

static void append(struct session *s, slice in)
{
    struct transaction *t = s->transaction;
    if (t->trusted)
        body_scan_feed(&t->scan, in);
    for (uint32_t i = 0; i < t->part_count && t->lost == ERR_OK; i++) {
        struct spool_message *m = t->parts[i].message;
        if (!m)
            continue;
        t->lost = spool_message_append(m, in);
        s->congested = s->congested || (t->lost == ERR_OK && spool_message_congested(m));
    }
    if (t->lost != ERR_OK) {
        s->congested = false;
        drop_messages(t);
    }
}

static void append_mended(struct session *s, slice header)
{
    const struct transaction *t = s->transaction;
    const struct header_added add = {.from = t->reverse_path,
                                     .hostname = s->r->conf->route.hostname,
                                     .origin = s->r->conf->route.origin,
                                     .authors = s->route.login.len > 0 || s->route.local_socket,
                                     .id = t->id,
                                     .unix_s = t->arrival_s,
                                     .offset_min = os_utc_offset_min(t->arrival_s)};
    buf mended;
    buf_init(&mended, MENDED_MAX);
    header_mend(&mended, header, &add);
    append(s, buf_ok(&mended) ? buf_slice(&mended) : header);
    buf_deinit(&mended);
}

/* What was held back, with nothing mended when the header is not whole. */
static void let_go(struct session *s, slice content, bool whole)
{
    struct transaction *t = s->transaction;
    bool header = t->stage == CONTENT_HEADER;
    t->stage = CONTENT_THROUGH;
    if (header && whole) {
        append_mended(s, content);
        return;
    }
    if (!header && header_first_line(content) == HEADER_NONE) {
        t->headless = true;
        append(s, SLICE("\r\n"));
    }
    append(s, content);
}

static void hold(struct session *s, slice in)
{
    struct transaction *t = s->transaction;
    size_t before = t->held.len;
    bool first = t->stage == CONTENT_FIRST_LINE;
    /* nearly always the first piece tells */
    if (first && before == 0 && header_first_line(in) != HEADER_UNDECIDED) {
        let_go(s, in, true);
        return;
    }
    buf_append(&t->held, in);
    if (!buf_ok(&t->held)) {
        t->lost = ERR_NOMEM;
        drop_messages(t);
        return;
    }
    slice content = buf_slice(&t->held);
    bool told = first ? header_first_line(content) != HEADER_UNDECIDED : header_has_end(content, before);
    if (!told && content.len < HEADER_MAX)
        return;
    let_go(s, content, told);
    buf_release(&t->held);
}

void content_piece(struct session *s, slice in)
{
    struct transaction *t = s->transaction;
    if (t->lost != ERR_OK)
        return;
    if (t->stage == CONTENT_THROUGH)
        append(s, in);
    else
        hold(s, in);
}

void content_finish(struct session *s)
{
    struct transaction *t = s->transaction;
    if (t->lost == ERR_OK && t->stage != CONTENT_THROUGH && (t->held.len > 0 || t->stage == CONTENT_HEADER))
        let_go(s, buf_slice(&t->held), true);
    buf_release(&t->held);
    s->congested = false;
}

struct body_facts content_facts(struct transaction *t, const struct part *p, const struct body_facts *engine)
{
    struct body_scan scan = t->scan;
    struct body_facts f = t->trusted ? body_scan_end(&scan) : *engine;
    const struct body_facts *prefix = &p->prefix;
    if (t->headless) {
        f.header_len = 2;
        f.size += 2;
        f.received = 0;
        f.eight_bit_header = false;
    }
    f.size += prefix->size;
    f.header_len += (uint32_t)prefix->size;
    f.received += prefix->received;
    f.eight_bit |= prefix->eight_bit;
    f.eight_bit_header |= prefix->eight_bit_header;
    if (f.longest_line < prefix->longest_line)
        f.longest_line = prefix->longest_line;
    f.ends_in_crlf = f.ends_in_crlf || f.size == prefix->size;
    return f;
}

void content_abort(struct transaction *t)
{
    drop_messages(t);
    buf_deinit(&t->held);
    if (t->storing)
        storing_give_back(t->storing);
    t->storing = NULL;
}
