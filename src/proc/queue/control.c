/* SPDX-License-Identifier: ISC */
/* What an admin asks and orders, and ETRN and the alarm with it: listings in slices, so that a million mails neither stop the loop nor fill the memory of a slow console; bulk actions
 * in slices, too. What changes the queue is answered when it is on disk. */
#include "proc/queue/listing.h"

#define SLICE_MESSAGES 2000
#define PENDING_MAX (1u * 1024 * 1024)
#define PROGRESS_MS 1000
#define WAIT_MS 20       /* for a slow console, or the disk */
#define ETRN_MAX 16u     /* at the same time */
#define MEMORY_TRIES 100 /* WAIT_MS apart, after which a listing ends with an error */
#define NO_MEMORY SLICE("the queue is out of memory: try again later")

struct seen {
    uint32_t handle;
    const struct sched_message *message;
    const struct spool_head *head;
    slice destination;
    bool any;
    slice reason;
    int64_t next_s;
    uint16_t tries;
    enum queue_item_state state;
};

/* While a destination does not answer, its attempts stand for those of all that waits for it, and no longer than it. */
static uint16_t part_tries(const struct sched_part *p, const struct sched_destination *d)
{
    bool longer = p->state == SCHED_WAITING && p->next_s > d->retry_s;
    return longer || d->state == SCHED_UP || p->tries > d->fails ? p->tries : d->fails;
}

static void see(const struct queue *q, const struct listing *l, uint32_t message, struct seen *s)
{
    s->handle = message;
    s->message = sched_message(q->sched, message);
    s->state = QUEUE_ITEM_HELD;
    s->next_s = INT64_MAX;
    for (uint32_t part = s->message->first_part; part; part = sched_part(q->sched, part)->next_in_message) {
        const struct sched_part *p = sched_part(q->sched, part);
        const struct sched_destination *d = sched_destination(q->sched, p->destination);
        if (!listing_part_matches(q, l, part))
            continue;
        if (!s->any || sched_part_reason(q->sched, part).len > 0) {
            s->any = true;
            s->destination = sched_label_text(q->sched, p->label);
            s->reason = sched_part_reason(q->sched, part);
        }
        uint16_t tries = part_tries(p, d);
        s->tries = tries > s->tries ? tries : s->tries;
        if (p->state == SCHED_PART_HELD)
            continue;
        int64_t at = sched_part_time(q->sched, part, l->now_s);
        s->next_s = at < s->next_s ? at : s->next_s;
        if (p->state == SCHED_LEASED || (p->state == SCHED_READY && d->state != SCHED_DOWN))
            s->state = QUEUE_ITEM_ACTIVE;
        else if (s->state == QUEUE_ITEM_HELD)
            s->state = QUEUE_ITEM_DEFERRED;
    }
}

/* Recipients that are still open, joined by commas; in `to` unless it is one. */
static slice open_recipients(const struct queue *q, const struct seen *s, buf *to)
{
    slice first = SLICE_NONE;
    uint32_t found = 0;
    for (uint32_t part = s->message->first_part; part; part = sched_part(q->sched, part)->next_in_message) {
        const uint32_t *list;
        uint32_t count =
            sched_part(q->sched, part)->state == SCHED_ENDING ? 0 : sched_part_recipients(q->sched, part, &list);
        for (uint32_t i = 0; i < count; i++) {
            const struct envelope *e;
            const struct recipient *r = spool_head_recipient(s->head, list[i], &e);
            if (!r || r->address.len == 0)
                continue;
            if (found++ == 0) {
                first = r->address;
                continue;
            }
            if (to->len == 0)
                buf_append(to, first);
            buf_append_char(to, ',');
            buf_append(to, r->address);
        }
    }
    return found > 1 ? buf_slice(to) : first;
}

static void item_send(struct queue *q, const struct listing *l, const struct seen *s)
{
    buf to;
    buf_init(&to, 1u * 1024 * 1024);
    struct ipc_message m = {.type = IPC_queue_item, .fd = -1};
    struct ipc_queue_item *item = &m.u.queue_item;
    item->token = l->token;
    item->id = s->message->id;
    item->from = s->head->envelope_count ? s->head->envelopes[0].reverse_path : SLICE_NONE;
    item->to = open_recipients(q, s, &to);
    item->size = s->head->facts.size;
    item->arrival_s = s->message->arrival_s;
    item->tries = s->tries;
    item->next_s = s->next_s == INT64_MAX ? 0 : s->next_s;
    item->state = (uint8_t)s->state;
    item->reason = s->reason;
    item->destination = s->destination;
    ipc_hub_send(q->child.hub, l->peer, &m);
    buf_deinit(&to);
}

static void text_send(struct queue *q, const struct listing *l, buf *text)
{
    struct ipc_message m = {.type = IPC_queue_text, .fd = -1, .u.queue_text = {l->token, buf_slice(text)}};
    if (text->len > 0)
        ipc_hub_send(q->child.hub, l->peer, &m);
    buf_deinit(text);
}

static void show_send(struct queue *q, const struct listing *l, const struct seen *s)
{
    buf text;
    buf_init(&text, 1u * 1024 * 1024);
    const struct spool_head *h = s->head;
    buf_printf(&text, "client     %.*s[%.*s]\nhelo       %.*s\nprotocol   %.*s\n", SLICE_ARG(h->origin.client_name),
               SLICE_ARG(h->origin.client_ip), SLICE_ARG(h->origin.helo), SLICE_ARG(h->origin.protocol));
    if (h->origin.login.len > 0)
        buf_printf(&text, "login      %.*s\n", SLICE_ARG(h->origin.login));
    queue_wish_show(q, s->handle, &text);
    for (uint32_t part = s->message->first_part; part; part = sched_part(q->sched, part)->next_in_message) {
        const struct sched_part *p = sched_part(q->sched, part);
        const uint32_t *list;
        uint32_t count = sched_part_recipients(q->sched, part, &list);
        static const char *const words[] = {"?", "ready", "being delivered", "deferred", "held", "done"};
        const struct sched_destination *d = sched_destination(q->sched, p->destination);
        bool waits = p->state == SCHED_READY && d->state == SCHED_DOWN;
        uint16_t tries = part_tries(p, d);
        for (uint32_t i = 0; i < count; i++) {
            const struct envelope *e;
            const struct recipient *r = spool_head_recipient(h, list[i], &e);
            if (r)
                buf_printf(&text, "recipient  <%.*s> %s, %u %s, %s %.*s\n", SLICE_ARG(r->address),
                           words[waits ? SCHED_WAITING : p->state], tries, tries == 1 ? "try" : "tries", d->key,
                           SLICE_ARG(sched_part_reason(q->sched, part)));
        }
    }
    text_send(q, l, &text);
}

static void part_act(struct queue *q, struct listing *l, uint32_t part)
{
    switch ((enum queue_verb)l->verb) {
    case QUEUE_VERB_RETRY:
        sched_part_retry(q->sched, part);
        break;
    case QUEUE_VERB_REMOVE:
        if (sched_part(q->sched, part)->state == SCHED_LEASED)
            l->busy++;
        else
            queue_outcome_removed(q, part);
        break;
    case QUEUE_VERB_SUMMARY:
    case QUEUE_VERB_LIST:
    case QUEUE_VERB_SHOW:
    case QUEUE_VERB_HOLD:
    case QUEUE_VERB_RELEASE:
        break;
    }
}

static void message_act(struct queue *q, struct listing *l, uint32_t message)
{
    if (l->dry)
        return;
    if (l->verb == QUEUE_VERB_HOLD || l->verb == QUEUE_VERB_RELEASE) {
        queue_outcome_hold(q, message, l->verb == QUEUE_VERB_HOLD, l->reason);
        return;
    }
    for (uint32_t part = sched_message(q->sched, message)->first_part, next; part; part = next) {
        next = sched_part(q->sched, part)->next_in_message;
        if (listing_part_matches(q, l, part))
            part_act(q, l, part);
    }
}

static void head_unreadable(struct listing *l, uint64_t id, enum err e)
{
    l->unread++;
    queue_log_note(LOG_ERROR, id, "its record cannot be read", slice_str(err_text(e)));
}

/* What can be told without its head. */
static bool within_bounds(const struct listing *l, const struct seen *s)
{
    return s->any && (!l->held || s->state == QUEUE_ITEM_HELD) &&
           (l->before_s == 0 || s->message->arrival_s <= l->before_s);
}

static void message_visit(struct queue *q, struct listing *l, uint32_t message)
{
    struct seen s = {0};
    if (!listing_may_match(q, l, message))
        return;
    see(q, l, message, &s);
    if (!within_bounds(l, &s))
        return;
    if (l->heads) {
        const struct sched_message *m = s.message;
        struct spool_place place = {m->segment, m->id, m->offset, m->length, m->epoch, m->copy};
        enum err e = spool_heads_read(l->heads, &place, &s.head);
        if (e != ERR_OK) {
            head_unreadable(l, m->id, e);
            return;
        }
    }
    if (l->heads && !listing_head_matches(l, s.head))
        return;
    l->count++;
    l->kept += l->verb == QUEUE_VERB_RETRY && s.state == QUEUE_ITEM_HELD;
    if (l->verb == QUEUE_VERB_LIST || l->verb == QUEUE_VERB_SHOW)
        item_send(q, l, &s);
    if (l->verb == QUEUE_VERB_SHOW)
        show_send(q, l, &s);
    message_act(q, l, message);
}

static void etrn_answer(struct queue *q, struct hub_peer *p, uint64_t token, enum etrn_status status, uint32_t count)
{
    struct ipc_message m = {.type = IPC_answer_etrn, .fd = -1};
    m.u.answer_etrn = (struct ipc_answer_etrn){.token = token, .status = (uint8_t)status, .count = count};
    ipc_hub_send(q->child.hub, p, &m);
}

static bool has_failed(const struct listing *l)
{
    return l->tries >= MEMORY_TRIES;
}

static void end_send(struct queue *q, const struct listing *l)
{
    struct ipc_message m = {.type = IPC_queue_end, .fd = -1};
    char text[128];
    if (l->filter == FILTER_LOGIN && has_failed(l))
        log_line(LOG_ERROR, "out of memory: queued mail of %.*s is not held", SLICE_ARG(l->value));
    if (l->filter == FILTER_ETRN)
        etrn_answer(q, l->peer, l->token, l->count ? ETRN_STARTED : ETRN_NOTHING_WAITS, l->count);
    if (l->filter == FILTER_ETRN || l->filter == FILTER_LOGIN)
        return;
    m.u.queue_end.token = l->token;
    m.u.queue_end.count = l->count;
    if (l->kept > 0 && !l->dry)
        m.u.queue_end.text = SLICE("what is held was left alone: `thurn queue release` ends that");
    if (l->busy > 0)
        m.u.queue_end.text = SLICE("some are being delivered at this moment and were left alone");
    if (l->unread > 0) {
        int n = snprintf(text, sizeof text, "left out: %u of which the record cannot be read, see the log", l->unread);
        m.u.queue_end.text = slice_of(text, (size_t)n);
        m.u.queue_end.exit = 1;
    }
    if (has_failed(l)) {
        m.u.queue_end.text = NO_MEMORY;
        m.u.queue_end.exit = 1;
    }
    ipc_hub_send(q->child.hub, l->peer, &m);
}

static void listing_remove(struct queue *q, struct listing *l)
{
    struct listing **link = &q->listings;
    while (*link != l)
        link = &(*link)->next;
    *link = l->next;
    queue_summary_close(&l->summary);
    free(l);
}

/* The next message that the filter may mean, or 0. */
static uint32_t listing_next(const struct queue *q, struct listing *l)
{
    if (l->filter != QUEUE_FILTER_TAG)
        return l->at = sched_message_next(q->sched, l->at);
    const struct wish *w = queue_wish_next(q, &l->at);
    return w ? w->message : 0;
}

/* True when all of it was visited. */
static bool messages_visit(struct queue *q, struct listing *l)
{
    for (int i = 0; i < SLICE_MESSAGES; i++) {
        if ((l->peer && ipc_hub_pending(q->child.hub, l->peer) > PENDING_MAX) || queue_batch_behind(q))
            return false;
        l->passed++;
        uint32_t message = l->filter == QUEUE_FILTER_ID ? sched_message_find(q->sched, l->id) : listing_next(q, l);
        if (message)
            message_visit(q, l, message);
        if (!message || l->filter == QUEUE_FILTER_ID)
            return true;
        if ((i & 63) == 63)
            arena_reset(&q->turn);
    }
    return false;
}

/* It is tried again, but not for ever: whoever asked waits. True when it is over. */
static bool memory_lacks(struct listing *l)
{
    l->tries++;
    return has_failed(l);
}

/* The same. */
static bool listing_step(struct queue *q, struct listing *l)
{
    if (l->verb == QUEUE_VERB_SUMMARY) {
        if (!l->summary)
            l->summary = queue_summary_make(q, &l->count);
        if (!l->summary)
            return memory_lacks(l);
        if (!queue_summary_send(q, l->summary, l->peer, l->token))
            return false;
        buf text;
        buf_init(&text, 64u * 1024);
        queue_aside_print(q, &text);
        text_send(q, l, &text);
        return true;
    }
    l->now_s = os_wall_s();
    if (listing_needs_head(l) && spool_heads_open(q->reader, &l->heads) != ERR_OK)
        return memory_lacks(l);
    l->tries = 0;
    bool all = messages_visit(q, l);
    spool_heads_close(&l->heads);
    return all;
}

/* A promise of what was done holds when its record is on disk: nothing else would survive a stop. */
static bool is_durable(const struct queue *q, const struct listing *l)
{
    bool changes = l->verb == QUEUE_VERB_HOLD || l->verb == QUEUE_VERB_RELEASE || l->verb == QUEUE_VERB_REMOVE;
    return !changes || l->dry || queue_batch_durable(q, l->serial);
}

static bool listing_finished(struct queue *q, struct listing *l)
{
    if (!l->visited && !listing_step(q, l))
        return false;
    if (!l->visited)
        l->serial = q->batch_serial;
    l->visited = true;
    return is_durable(q, l);
}

/* So that whoever waits sees that it goes on. Those of our own have nobody. */
static void progress_send(struct queue *q, struct listing *l)
{
    struct ipc_message m = {.type = IPC_queue_progress, .fd = -1};
    int64_t now_ms = loop_now_ms(q->child.loop);
    if (l->filter > QUEUE_FILTER_TAG || now_ms - l->told_ms < PROGRESS_MS ||
        ipc_hub_pending(q->child.hub, l->peer) > PENDING_MAX)
        return;
    l->told_ms = now_ms;
    uint32_t all = sched_message_count(q->sched);
    m.u.queue_progress = (struct ipc_queue_progress){l->token, l->passed < all ? l->passed : all, all, l->count};
    ipc_hub_send(q->child.hub, l->peer, &m);
}

void queue_control_step(struct queue *q)
{
    bool waits = true;
    if (!q->recovered)
        return;
    for (struct listing *l = q->listings, *next; l; l = next) {
        next = l->next;
        if (!listing_finished(q, l)) {
            progress_send(q, l);
            waits = waits &&
                    (l->visited || l->tries > 0 || (l->peer && ipc_hub_pending(q->child.hub, l->peer) > PENDING_MAX));
            continue;
        }
        end_send(q, l);
        listing_remove(q, l);
    }
    if (q->listings)
        loop_timer_start(q->tick, waits ? WAIT_MS : 0);
}

bool queue_control_busy(const struct queue *q)
{
    return q->listings != NULL;
}

/* NULL without memory. */
static struct listing *listing_new(struct queue *q, slice value, slice reason)
{
    struct listing *l = calloc(1, sizeof *l + value.len + reason.len);
    if (!l)
        return NULL;
    char *memory = (char *)(l + 1);
    if (value.len)
        memcpy(memory, value.ptr, value.len);
    if (reason.len)
        memcpy(memory + value.len, reason.ptr, reason.len);
    l->value = slice_of(memory, value.len);
    l->reason = slice_of(memory + value.len, reason.len);
    l->told_ms = loop_now_ms(q->child.loop);
    l->next = q->listings;
    q->listings = l;
    loop_timer_start(q->tick, 0);
    return l;
}

void queue_control_request(struct queue *q, struct hub_peer *p, const struct ipc_queue_request *r)
{
    if (!listing_is_sound(r)) {
        struct ipc_message m = {.type = IPC_queue_end, .fd = -1};
        m.u.queue_end = (struct ipc_queue_end){.token = r->token, .exit = 1, .text = SLICE("not understood")};
        ipc_hub_send(q->child.hub, p, &m);
        return;
    }
    struct listing *l = listing_new(q, r->value, SLICE_NONE);
    if (!l) {
        struct ipc_message m = {.type = IPC_queue_end, .fd = -1};
        m.u.queue_end = (struct ipc_queue_end){.token = r->token, .exit = 1, .text = NO_MEMORY};
        ipc_hub_send(q->child.hub, p, &m);
        return;
    }
    l->peer = p;
    l->token = r->token;
    l->verb = r->verb;
    l->filter = r->filter;
    l->dry = r->dry != 0;
    l->held = r->held != 0;
    l->before_s = r->before_s;
    l->larger = r->larger;
    l->tag = queue_wish_tag(l->value);
    if (l->filter == QUEUE_FILTER_ID && queue_id_read(l->value, &l->id) != ERR_OK)
        l->id = 0;
}

/* Which domains a client may ask for: those that are ours, though not to be delivered here. */
static bool etrn_is_ours(const struct queue *q, slice name)
{
    bool below = name.len > 1 && name.ptr[0] == '@';
    slice domain = below ? slice_skip(name, 1) : name;
    if (domain.len == 0 || route_domain_find(q->routes, domain))
        return domain.len > 0;
    const struct route_tables *t = &q->conf->route;
    for (size_t i = 0; below && i < t->domain_count; i++) {
        slice ours = t->domains[i].name;
        if (slice_ends_nocase(ours, domain) && ours.len > domain.len && ours.ptr[ours.len - domain.len - 1] == '.')
            return true;
    }
    return false;
}

static size_t etrn_count(const struct queue *q)
{
    size_t n = 0;
    for (const struct listing *l = q->listings; l; l = l->next)
        n += l->filter == FILTER_ETRN;
    return n;
}

void queue_control_etrn(struct queue *q, struct hub_peer *p, const struct ipc_etrn *e)
{
    if (!etrn_is_ours(q, e->domain)) {
        etrn_answer(q, p, e->token, ETRN_NOT_OURS, 0);
        return;
    }
    struct listing *l = q->recovered && etrn_count(q) < ETRN_MAX ? listing_new(q, e->domain, SLICE_NONE) : NULL;
    if (!l) {
        etrn_answer(q, p, e->token, ETRN_UNABLE, 0);
        return;
    }
    l->peer = p;
    l->token = e->token;
    l->verb = QUEUE_VERB_RETRY;
    l->filter = FILTER_ETRN;
}

void queue_control_hold_login(struct queue *q, slice login, slice reason)
{
    struct listing *l = listing_new(q, login, reason);
    if (!l) {
        log_line(LOG_ERROR, "out of memory: queued mail of %.*s is not held", SLICE_ARG(login));
        return;
    }
    l->verb = QUEUE_VERB_HOLD;
    l->filter = FILTER_LOGIN;
}

void queue_control_gone(struct queue *q, const struct hub_peer *p, uint64_t token)
{
    for (struct listing *l = q->listings, *next; l; l = next) {
        next = l->next;
        if (l->peer == p && l->token == token)
            listing_remove(q, l);
    }
}

void queue_control_peer_down(struct queue *q, const struct hub_peer *p)
{
    for (struct listing *l = q->listings, *next; l; l = next) {
        next = l->next;
        if (l->peer == p)
            listing_remove(q, l);
    }
}
