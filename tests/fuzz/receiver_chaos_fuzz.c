/* SPDX-License-Identifier: ISC */
/* The whole process receiver in a world where anything comes at any time: clients that speak in pieces, stall, break TLS and hang up; answers of lookup, queue and keys that come late, twice, of the
 * wrong kind, or for a session that has gone or waits for something else; a disk that is slow, full or failing, and is done with a mail whose client has gone; a queue and a lookup that die and come
 * again; time; a drain. After each event the lists, counts and pointers must agree, who waits for an answer must have a question open, and no client may have heard of more mail than is on disk.
 * In the end everything goes well: then nobody may wait any more, all sessions must end, and all be given back.
 * Input: each byte chooses the next event, and the bytes behind it what it is about. */
#include "chaos.h"
#include "proc/receiver/receiver.h"
#include "proc/receiver/state.h"

#define WIRES_MAX 32u
#define LISTENERS 6u /* the last is the local socket */
#define TOKENS_MAX 16u
#define WAITING_MAX 256u
#define STEPS_MAX 400u
#define STORED_MAX 1024u
#define FD_FIRST 100000
#define FDS 512

struct loop_watch {
    int fd;
    void (*call)(void *ctx, bool readable, bool writable);
    void *ctx;
};

/* A client. */
struct wire {
    const struct net_ops *ops;
    void *ctx;
    int fd;
    bool paused, blocked, failed, last, gone, handshaking, tls;
    buf in;
    size_t pending;
};

struct spool_message {
    void *cookie;
    buf start;
};

struct waiting {
    struct spool_done done;
    buf head;
};

static struct {
    struct wire *wires[WIRES_MAX];
    struct loop_watch *watches[WIRES_MAX + 1];
    buf peeked[FDS]; /* of connections whose PROXY header is waited for */
    bool fd_open[FDS], fd_eof[FDS];
    unsigned fd_count;
    struct {
        uint64_t token;
        enum ipc_type answer;
    } tokens[TOKENS_MAX];
    unsigned token_count;
    struct waiting disk[WAITING_MAX];
    unsigned disk_count, disk_ready;
    buf head; /* of the last one that is done */
    unsigned messages, announced, stored_count;
    uint64_t stored[STORED_MAX]; /* with all its parts that were before it */
    bool numbers_wanted;
    uint64_t number;
    struct {
        void (*accepted)(void *ctx, int fd, const struct socket_address *peer);
        void *ctx;
    } listeners[LISTENERS];
    unsigned listener_count;
} w;

static struct conf *conf;
static void *shared;

static struct receiver *receiver(void)
{
    return chaos.child->ctx;
}

static void house_make(void)
{
    static struct conf_tls pair;
    static const char text[] =
        "hostname = \"mx.test.example\"\npostmaster = \"alice@test.example\"\n"
        "[listen]\nmx = [\"127.0.0.1:2525\", \"127.0.0.1:2526 proxy\"]\n"
        "submission = [\"127.0.0.1:2587\", \"127.0.0.1:2465\"]\nlmtp = [\"127.0.0.1:2424\"]\n"
        "[auth]\nplaintext_on_loopback = true\n"
        "[trust]\nproxy = [\"192.0.2.0/24\"]\nxclient = [\"192.0.2.0/25\"]\nxforward = [\"192.0.2.0/25\"]\n"
        "[domain.\"test.example\"]\ndeliver = \"maildir:/var/mail/{user}\"\nusers = [\"Alice Example <alice>\", "
        "\"bob\"]\n"
        "[domain.\"acc.example\"]\ndeliver = \"maildir:/var/mail/{user}\"\nusers = \"accounts\"\n"
        "[list.\"team@test.example\"]\nmembers = [\"alice@test.example\", \"x@far.example\"]\npost = \"any\"\n"
        "[limits]\nvrfy = \"any\"\nexpn = \"any\"\netrn = \"any\"\nauth_failures = 0\nsessions_per_address = 0\n"
        "connections_per_minute = 0\nuser_messages_per_hour = 0\nuser_recipients_per_hour = 0\n"
        "tarpit = \"1s\"\npregreet = \"1s\"\n";
    buf messages;
    if (conf)
        return;
    buf_init(&messages, 1 << 16);
    enum err e = conf_parse(SLICE("chaos.toml"), slice_str(text), false, &messages, &conf);
    if (e != ERR_OK)
        (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
    CHECK(e == ERR_OK && conf->listener_count == LISTENERS - 1);
    buf_deinit(&messages);
    /* As if there were a certificate. */
    conf->tls = &pair;
    conf->tls_count = 1;
    for (size_t i = 0; i < conf->listener_count; i++)
        conf->listeners[i].tls = i == 3 ? CONF_TLS_IMPLICIT : CONF_TLS_STARTTLS;
    shared = calloc(1, limits_region_size());
    limits_region_init(shared, (struct hash_key){7, 8});
}

/* --- descriptors and connections */

static int fd_new(void)
{
    CHECK(w.fd_count < FDS);
    w.fd_open[w.fd_count] = true;
    return FD_FIRST + (int)w.fd_count++;
}

void __real_os_close(int *fd);
void __wrap_os_close(int *fd)
{
    if (*fd < FD_FIRST) {
        __real_os_close(fd);
        return;
    }
    CHECK(w.fd_open[*fd - FD_FIRST]);
    w.fd_open[*fd - FD_FIRST] = false;
    *fd = -1;
}

enum err __wrap_loop_watch_open(struct loop *l, int fd, void (*call)(void *ctx, bool readable, bool writable),
                                void *ctx, struct loop_watch **watch_r)
{
    (void)l;
    unsigned at = 0;
    while (at <= WIRES_MAX && w.watches[at])
        at++;
    if (at > WIRES_MAX || chance(4))
        return ERR_NOMEM;
    struct loop_watch *watch = calloc(1, sizeof *watch);
    *watch = (struct loop_watch){fd, call, ctx};
    w.watches[at] = watch;
    *watch_r = watch;
    return ERR_OK;
}

void __wrap_loop_watch_set(struct loop_watch *watch, bool read, bool write)
{
    CHECK(watch->call && read && !write);
}

void __wrap_loop_watch_close(struct loop_watch **watch)
{
    for (unsigned i = 0; i <= WIRES_MAX; i++)
        if (w.watches[i] == *watch)
            w.watches[i] = NULL;
    free(*watch);
    *watch = NULL;
}

enum err __wrap_net_listen(struct loop *l, int fd,
                           void (*accepted)(void *ctx, int fd, const struct socket_address *peer), void *ctx,
                           struct net_listener **listener_r)
{
    (void)l;
    CHECK(fd >= 0 && (unsigned)fd < LISTENERS);
    w.listeners[fd].accepted = accepted;
    w.listeners[fd].ctx = ctx;
    *listener_r = (struct net_listener *)(void *)&w.listeners[fd];
    return ERR_OK;
}

void __wrap_net_listener_close(struct net_listener **n)
{
    if (*n)
        memset(*n, 0, sizeof w.listeners[0]);
    *n = NULL;
}

static struct wire *wire_of(const struct net_connection *c)
{
    return (struct wire *)(void *)(uintptr_t)c;
}

enum err __wrap_net_accept(struct loop *l, int fd, const struct net_ops *ops, void *ctx, struct net_connection **c_r)
{
    (void)l;
    unsigned at = 0;
    while (at < WIRES_MAX && w.wires[at])
        at++;
    if (at == WIRES_MAX || chance(4)) {
        __wrap_os_close(&fd);
        return ERR_NOMEM;
    }
    struct wire *x = calloc(1, sizeof *x);
    *x = (struct wire){.ops = ops, .ctx = ctx, .fd = fd};
    buf_init(&x->in, 1u << 20);
    w.wires[at] = x;
    *c_r = (struct net_connection *)(void *)x;
    return ERR_OK;
}

void __wrap_net_close(struct net_connection **c)
{
    struct wire *x = wire_of(*c);
    *c = NULL;
    if (!x)
        return;
    for (unsigned i = 0; i < WIRES_MAX; i++)
        if (w.wires[i] == x)
            w.wires[i] = NULL;
    __wrap_os_close(&x->fd);
    buf_deinit(&x->in);
    free(x);
}

void __wrap_net_close_after_write(struct net_connection **c, int64_t timeout_ms)
{
    (void)timeout_ms;
    __wrap_net_close(c);
}

static bool is_stored(slice text)
{
    char memory[64];
    buf id;
    buf_init_fixed(&id, memory, sizeof memory);
    for (unsigned i = 0; i < w.stored_count; i++) {
        buf_clear(&id);
        queue_id_print(&id, w.stored[i]);
        if (slice_starts(text, buf_slice(&id)))
            return true;
    }
    return false;
}

enum err __wrap_net_write(struct net_connection *c, slice data)
{
    struct wire *x = wire_of(c);
    CHECK(!x->last && data.len > 0);
    if (x->failed || x->handshaking)
        return ERR_CLOSED;
    for (slice rest = data; rest.len > 0;) {
        const char *at = memmem(rest.ptr, rest.len, "queued as ", 10);
        if (!at)
            break;
        rest = slice_skip(rest, (size_t)(at - rest.ptr) + 10);
        CHECK(is_stored(rest));
    }
    if (chance(2)) {
        x->failed = true;
        return ERR_CLOSED;
    }
    x->blocked = x->blocked || chance(6);
    x->pending += x->blocked ? data.len + 70000 : 0;
    return ERR_OK;
}

enum err __wrap_net_write_last(struct net_connection *c, slice data)
{
    enum err e = __wrap_net_write(c, data);
    wire_of(c)->last = true;
    return e;
}

size_t __wrap_net_write_pending(const struct net_connection *c)
{
    return wire_of(c)->pending;
}

void __wrap_net_pause(struct net_connection *c, bool pause)
{
    CHECK(wire_of(c)->paused != pause);
    wire_of(c)->paused = pause;
}

int __wrap_net_fd(const struct net_connection *c)
{
    return wire_of(c)->fd;
}

enum err __wrap_net_start_tls_server(struct net_connection *c, const struct tls_server *t)
{
    struct wire *x = wire_of(c);
    CHECK(t && !x->handshaking && !x->tls);
    if (chance(8))
        return ERR_TLS;
    x->handshaking = true;
    buf_clear(&x->in);
    return ERR_OK;
}

slice __wrap_net_tls_text(const struct net_connection *c)
{
    return wire_of(c)->tls ? SLICE("TLSv1.3 CHAOS") : SLICE_NONE;
}

slice __wrap_net_tls_error(const struct net_connection *c)
{
    return wire_of(c)->gone ? SLICE("broken") : SLICE_NONE;
}

bool __wrap_net_tls_binding(const struct net_connection *c, uint8_t binding[TLS_BINDING_SIZE])
{
    memset(binding, 7, TLS_BINDING_SIZE);
    return wire_of(c)->tls;
}

void __wrap_net_tls_client_mails(const struct net_connection *c, buf *out)
{
    if (wire_of(c)->tls)
        buf_append(out, SLICE("alice@test.example\n"));
}

bool __wrap_tls_pair_apart(const struct tls_pair *pair)
{
    return pair->signer != NULL;
}

enum err __wrap_tls_server_open(const struct tls_pair *pairs, size_t count, slice ticket_key, struct tls_server **t_r,
                                buf *why)
{
    static char dummy;
    (void)pairs;
    (void)count;
    (void)ticket_key;
    (void)why;
    *t_r = (struct tls_server *)(void *)&dummy;
    return ERR_OK;
}

void __wrap_tls_server_close(struct tls_server **t)
{
    *t = NULL;
}

enum err __wrap_socket_local_address(int fd, struct socket_address *a_r)
{
    (void)fd;
    *a_r = (struct socket_address){.ip_len = 4, .ip = {127, 0, 0, 1}, .port = 25};
    return ERR_OK;
}

enum err __wrap_socket_peer_user(int fd, uint32_t *uid_r, uint32_t *pid_r)
{
    (void)fd;
    *uid_r = 1000;
    *pid_r = 2;
    return chance(16) ? ERR_IO : ERR_OK;
}

enum err __wrap_socket_peek(int fd, void *out, size_t size, size_t *got_r)
{
    const buf *b = &w.peeked[fd - FD_FIRST];
    CHECK(w.fd_open[fd - FD_FIRST]);
    if (b->len == 0)
        return w.fd_eof[fd - FD_FIRST] ? ERR_CLOSED : ERR_AGAIN;
    *got_r = b->len < size ? b->len : size;
    memcpy(out, b->ptr, *got_r);
    return ERR_OK;
}

enum err __wrap_socket_take(int fd, void *out, size_t size, size_t *got_r)
{
    enum err e = __wrap_socket_peek(fd, out, size, got_r);
    if (e == ERR_OK)
        buf_consume(&w.peeked[fd - FD_FIRST], *got_r);
    return e;
}

/* --- the spool's writer */

enum err __wrap_spool_writer_open(const struct spool_writer_options *o, struct spool_writer **writer_r)
{
    (void)o;
    *writer_r = (struct spool_writer *)(void *)&w;
    return ERR_OK;
}

void __wrap_spool_writer_close(struct spool_writer **writer)
{
    *writer = NULL;
}

void __wrap_spool_writer_supply_numbers(struct spool_writer *writer, uint64_t first, uint32_t count)
{
    (void)writer;
    CHECK(first > 0 && count > 0);
}

int __wrap_spool_writer_wake_fd(const struct spool_writer *writer)
{
    (void)writer;
    return LISTENERS;
}

void __wrap_spool_writer_flush(struct spool_writer *writer)
{
    CHECK(writer);
}

enum err __wrap_spool_writer_room(struct spool_writer *writer, uint64_t size)
{
    (void)writer;
    (void)size;
    return chance(4) ? ERR_NOSPACE : ERR_OK;
}

void __wrap_spool_writer_recycle(struct spool_writer *writer, uint64_t segment, uint32_t epoch)
{
    (void)writer;
    (void)segment;
    (void)epoch;
}

bool __wrap_spool_writer_segment(const struct spool_writer *writer, size_t i, struct spool_segment_state *state_r)
{
    (void)writer;
    *state_r = (struct spool_segment_state){.segment = 5 + i, .epoch = 1, .committed = 4096, .closed = true};
    return i < 2;
}

static struct waiting *disk_add(enum spool_done_kind kind, void *cookie)
{
    CHECK(w.disk_count < WAITING_MAX);
    struct waiting *x = &w.disk[w.disk_count++];
    *x = (struct waiting){.done = {.kind = kind, .cookie = cookie}};
    buf_init(&x->head, 4u << 20);
    return x;
}

enum err __wrap_spool_message_begin(struct spool_writer *writer, void *cookie, struct spool_message **message_r)
{
    (void)writer;
    if (chance(4) || w.disk_count > WAITING_MAX / 2)
        return ERR_NOMEM;
    struct spool_message *m = calloc(1, sizeof *m);
    m->cookie = cookie;
    buf_init(&m->start, 8u << 20);
    w.messages++;
    *message_r = m;
    return ERR_OK;
}

enum err __wrap_spool_message_append(struct spool_message *m, slice content)
{
    if (chance(3))
        return ERR_NOSPACE;
    buf_append(&m->start, content);
    return ERR_OK;
}

bool __wrap_spool_message_congested(const struct spool_message *m)
{
    if (!chance(16))
        return false;
    (void)disk_add(SPOOL_DONE_DRAINED, m->cookie);
    return true;
}

slice __wrap_spool_message_start(const struct spool_message *m)
{
    return buf_slice(&m->start);
}

void __wrap_spool_message_abort(struct spool_message **m)
{
    if (!*m)
        return;
    buf_deinit(&(*m)->start);
    free(*m);
    *m = NULL;
    w.messages--;
}

enum err __wrap_spool_message_commit(struct spool_message **m, const struct spool_head *head)
{
    void *cookie = (*m)->cookie;
    __wrap_spool_message_abort(m);
    if (chance(4))
        return ERR_NOSPACE;
    struct waiting *x = disk_add(SPOOL_DONE_COMMITTED, cookie);
    spool_head_encode(&x->head, head);
    x->done.place = (struct spool_place){.segment = 5, .id = head->id, .length = 100, .epoch = 1};
    x->done.segment = 5;
    x->done.epoch = 1;
    return ERR_OK;
}

/* What has a part that failed is not stored, whatever becomes of the others; the ones before it are in w.stored, and the client hears of the first. */
static void taint(const void *cookie)
{
    const struct storing *st = cookie;
    for (unsigned i = 0; i < w.stored_count; i++)
        if (w.stored[i] == st->id)
            w.stored[i] = 0;
}

/* The oldest one, as if the thread had just said so. */
bool __wrap_spool_writer_next_done(struct spool_writer *writer, struct spool_done *done_r)
{
    (void)writer;
    if (w.disk_ready == 0)
        return false;
    w.disk_ready--;
    struct waiting x = w.disk[0];
    w.disk_count--;
    memmove(&w.disk[0], &w.disk[1], w.disk_count * sizeof w.disk[0]);
    buf_deinit(&w.head);
    w.head = x.head;
    *done_r = x.done;
    done_r->head = buf_slice(&w.head);
    if (x.done.kind != SPOOL_DONE_COMMITTED)
        return true;
    done_r->err = chance(16) ? ERR_NOSPACE : ERR_OK;
    done_r->closed_segment = chance(16) ? 5 : 0;
    if (done_r->err != ERR_OK)
        done_r->place = (struct spool_place){0};
    if (done_r->err != ERR_OK) {
        taint(x.done.cookie);
    } else if (w.stored_count < STORED_MAX) {
        w.stored[w.stored_count++] = x.done.place.id;
    }
    return true;
}

static void disk_turns(unsigned most)
{
    w.disk_ready = most < w.disk_count ? most : w.disk_count;
    for (unsigned i = 0; i <= WIRES_MAX; i++)
        if (w.watches[i] && w.watches[i]->fd == (int)LISTENERS) {
            w.watches[i]->call(w.watches[i]->ctx, true, false);
            return;
        }
}

/* --- the other processes */

static void asked(uint64_t token, enum ipc_type answer)
{
    w.tokens[w.token_count % TOKENS_MAX].token = token;
    w.tokens[w.token_count++ % TOKENS_MAX].answer = answer;
}

static void chaos_sent(struct hub_peer *p, const struct ipc_message *m)
{
    CHECK(p ? m->type != IPC_numbers_wanted : m->type == IPC_numbers_wanted);
    switch (m->type) {
    case IPC_numbers_wanted:
        w.numbers_wanted = true;
        break;
    case IPC_ask_user:
        asked(m->u.ask_user.token, IPC_answer_user);
        break;
    case IPC_ask_mx:
        asked(m->u.ask_mx.token, IPC_answer_mx);
        break;
    case IPC_ask_sasl:
        asked(m->u.ask_sasl.token, IPC_answer_sasl);
        break;
    case IPC_ask_name:
        asked(m->u.ask_name.token, IPC_answer_name);
        break;
    case IPC_etrn:
        asked(m->u.etrn.token, IPC_answer_etrn);
        break;
    case IPC_announce:
        CHECK(++w.announced <= w.stored_count && p->kind == PROCESS_QUEUE);
        break;
    default:
        break;
    }
}

static void answer(uint64_t token, enum ipc_type type, unsigned how)
{
    struct ipc_message m = {.type = type, .fd = -1};
    struct hub_peer *p = peer_find(type == IPC_answer_etrn ? PROCESS_QUEUE : PROCESS_LOOKUP);
    slice name = how & 8 ? SLICE("alice@test.example") : how & 16 ? SLICE("client.far.example") : SLICE_NONE;
    if (!p)
        return;
    if (type == IPC_answer_user)
        m.u.answer_user = (struct ipc_answer_user){token, (uint8_t)(how & 3), name};
    else if (type == IPC_answer_mx)
        m.u.answer_mx = (struct ipc_answer_mx){token, (uint8_t)(how & 3), SLICE_NONE};
    else if (type == IPC_answer_sasl)
        m.u.answer_sasl = (struct ipc_answer_sasl){token, (uint8_t)(how & 7), name, SLICE("challenge")};
    else if (type == IPC_answer_name)
        m.u.answer_name = (struct ipc_answer_name){token, name};
    else
        m.u.answer_etrn = (struct ipc_answer_etrn){token, (uint8_t)(how & 3), 3};
    chaos_tell(p, &m);
}

static void some_answer(void)
{
    static const enum ipc_type types[] = {IPC_answer_user, IPC_answer_mx, IPC_answer_sasl, IPC_answer_name,
                                          IPC_answer_etrn};
    unsigned which = draw(256), how = draw(256), known = w.token_count < TOKENS_MAX ? w.token_count : TOKENS_MAX;
    if (known == 0)
        return;
    unsigned at = (w.token_count - 1 - (which & 15) % known) % TOKENS_MAX;
    answer(w.tokens[at].token, which >> 4 < 14 ? w.tokens[at].answer : types[how % 5], how);
}

static void numbers_come(void)
{
    struct ipc_message m = {.type = IPC_numbers, .fd = -1, .u.numbers = {w.number, chaos.calm ? 8192 : 66}};
    if (!w.numbers_wanted)
        return;
    w.numbers_wanted = false;
    w.number += 8192;
    chaos_tell(NULL, &m);
}

static void other_message(void)
{
    struct ipc_message m = {.fd = -1};
    struct hub_peer *queue = peer_find(PROCESS_QUEUE), *lookup = peer_find(PROCESS_LOOKUP),
                    *keys = peer_find(PROCESS_KEYS);
    switch (draw(5)) {
    case 0:
        m.type = IPC_announce_ack;
        m.u.announce_ack.bytes = draw(256) * 64u;
        if (queue)
            chaos_tell(queue, &m);
        break;
    case 1:
        m.type = IPC_segment_free;
        m.u.segment_free = (struct ipc_segment_free){5, 1};
        if (queue)
            chaos_tell(queue, &m);
        break;
    case 2:
        m.type = IPC_sasl_offer;
        m.u.sasl_offer.mechanisms = SLICE("PLAIN LOGIN SCRAM-SHA-256-PLUS EXTERNAL");
        if (lookup)
            chaos_tell(lookup, &m);
        break;
    case 3:
        m.type = IPC_answer_sign;
        m.u.answer_sign = (struct ipc_answer_sign){draw(3), 1, SLICE("signature")};
        if (keys)
            chaos_tell(keys, &m);
        break;
    default:
        if (w.disk_count < WAITING_MAX / 2)
            (void)disk_add(SPOOL_DONE_NUMBERS_LOW, NULL);
        break;
    }
}

/* --- clients */

static const char *const words[] = {
    "EHLO client.example\r\n",
    "LHLO client.example\r\n",
    "HELO client.example\r\n",
    "MAIL FROM:<someone@far.example>\r\n",
    "MAIL FROM:<alice@test.example>\r\n",
    "MAIL FROM:<>\r\n",
    "RCPT TO:<alice@test.example>\r\n",
    "RCPT TO:<carol@acc.example>\r\n",
    "RCPT TO:<team@test.example>\r\n",
    "RCPT TO:<x@elsewhere.example>\r\n",
    "DATA\r\n",
    "Subject: x\r\n\r\nhello\r\n.\r\n",
    "From: Alice <alice@test.example>\r\n",
    ".\r\n",
    "BDAT 5 LAST\r\nhello",
    "BDAT 7\r\nSubject",
    "RSET\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "VRFY carol\r\n",
    "VRFY carol@acc.example\r\n",
    "EXPN team@test.example\r\n",
    "ETRN @test.example\r\n",
    "STARTTLS\r\n",
    "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
    "AUTH LOGIN\r\n",
    "YWxpY2U=\r\n",
    "*\r\n",
    "XCLIENT NAME=client.example ADDR=198.51.100.7 LOGIN=alice@test.example\r\n",
    "XFORWARD NAME=client.example ADDR=198.51.100.8 PROTO=ESMTP\r\n",
    "XCLIENT ADDR=[UNAVAILABLE]\r\n",
    "what?\r\n",
};
#define WORDS (sizeof words / sizeof words[0])

static struct wire *some_wire(void)
{
    unsigned from = draw(WIRES_MAX);
    for (unsigned i = 0; i < WIRES_MAX; i++)
        if (w.wires[(from + i) % WIRES_MAX])
            return w.wires[(from + i) % WIRES_MAX];
    return NULL;
}

static bool still_there(const struct wire *x)
{
    for (unsigned i = 0; i < WIRES_MAX; i++)
        if (w.wires[i] == x)
            return true;
    return false;
}

/* What the client has said comes, if anybody reads. */
static void deliver(struct wire *x, size_t most)
{
    if (x->paused || x->handshaking || x->gone || x->in.len == 0)
        return;
    size_t len = x->in.len < most ? x->in.len : most;
    char *copy = malloc(len);
    memcpy(copy, x->in.ptr, len);
    buf_consume(&x->in, len);
    x->ops->data(x->ctx, slice_of(copy, len));
    free(copy);
}

static void wire_secured(struct wire *x)
{
    if (!x->handshaking || x->gone)
        return;
    x->handshaking = false;
    x->tls = true;
    x->ops->secured(x->ctx);
}

static void wire_drained(struct wire *x)
{
    if (!x->blocked || x->failed) /* who has said all still reads */
        return;
    x->blocked = false;
    x->pending = 0;
    x->ops->drained(x->ctx);
}

/* A paused connection does not notice an end, but a break. */
static void wire_closed(struct wire *x, enum err why)
{
    if (x->gone || (x->paused && why == ERR_CLOSED))
        return;
    x->gone = true;
    x->ops->closed(x->ctx, why);
}

static void say(struct wire *x, unsigned count, size_t most)
{
    for (unsigned i = 0; i < count && x->in.len < 100000; i++)
        buf_append(&x->in, slice_str(words[draw(WORDS)]));
    deliver(x, most);
}

/* What brings a session to a mail on disk, up to a place. */
static void say_usual(struct wire *x)
{
    static const unsigned usual[] = {0, 3, 7, 6, 10, 11}, to_list[] = {0, 4, 8, 7, 10, 12, 11};
    unsigned how = draw(256), to = how >> 4;
    for (unsigned i = 0; i < (how & 8 ? 7 : 6) && i <= to; i++)
        buf_append(&x->in, slice_str(words[how & 8 ? to_list[i] : usual[i]]));
    deliver(x, how & 4 ? SIZE_MAX : 1 + draw(256));
}

static void wire_event(void)
{
    static const enum err whys[] = {ERR_CLOSED, ERR_TIMEOUT, ERR_TLS, ERR_CLOSED};
    struct wire *x = some_wire();
    if (!x)
        return;
    switch (draw(9)) {
    case 0:
    case 1:
        say(x, 1, SIZE_MAX);
        break;
    case 2:
        say(x, 1 + draw(8), SIZE_MAX);
        break;
    case 3:
        say(x, 1, 1 + draw(64));
        break;
    case 4:
        deliver(x, SIZE_MAX);
        break;
    case 5:
        say_usual(x);
        break;
    case 6:
        wire_closed(x, whys[draw(4)]);
        break;
    case 7:
        wire_secured(x);
        break;
    default:
        wire_drained(x);
        break;
    }
}

static void connects(void)
{
    unsigned how = draw(256), at = (how & 15) % LISTENERS;
    if (!w.listeners[at].accepted || w.fd_count == FDS)
        return;
    struct socket_address peer = {.ip_len = 4, .ip = {192, 0, 2, (uint8_t)(how & 0xf0)}, .port = 1024};
    if (how & 64)
        peer.ip[0] = 198;
    if (at == LISTENERS - 1)
        peer = (struct socket_address){0};
    int fd = fd_new();
    w.listeners[at].accepted(w.listeners[at].ctx, fd, &peer);
}

static void proxied_event(void)
{
    static const char *const headers[] = {
        "PROXY TCP4 198.51.100.9 192.0.2.1 7 25\r\n", "PROXY ", "UNKNOWN\r\n", "PROXY UNKNOWN\r\n", "EHLO x\r\n", ""};
    unsigned how = draw(256);
    for (unsigned i = 0; i <= WIRES_MAX; i++) {
        struct loop_watch *watch = w.watches[(how + i) % (WIRES_MAX + 1)];
        if (!watch || watch->fd < FD_FIRST)
            continue;
        const char *header = headers[how / 33 % 6];
        if (w.peeked[watch->fd - FD_FIRST].max == 0)
            buf_init(&w.peeked[watch->fd - FD_FIRST], 65536);
        buf_append(&w.peeked[watch->fd - FD_FIRST], slice_str(header));
        w.fd_eof[watch->fd - FD_FIRST] = !*header;
        watch->call(watch->ctx, true, false);
        return;
    }
}

/* --- what must be true between events */

static void check_asks(const struct receiver *r)
{
    uint32_t used = 0, unused = 0, sessions = 0;
    for (uint32_t i = 0; i < r->ask_count; i++) {
        const struct ask *a = &r->asks[i];
        if (!a->session)
            continue;
        used++;
        CHECK((a->name ? a->session->asked_name : a->session->asked) == i + 1);
    }
    for (uint32_t number = r->ask_free; number; number = r->asks[number - 1].next_free) {
        CHECK(!r->asks[number - 1].session);
        CHECK(++unused <= r->ask_count);
    }
    CHECK(used + unused == r->ask_count);
    LIST_FOREACH(l, &r->sessions) {
        const struct session *s = LIST_ENTRY(l, struct session, link);
        CHECK(!s->asked || r->asks[s->asked - 1].session == s);
        CHECK(!s->asked_name || r->asks[s->asked_name - 1].session == s);
        sessions += (s->asked != 0) + (s->asked_name != 0);
    }
    CHECK(used == sessions);
}

static void check_session(const struct session *s)
{
    bool asks = s->wait == WAIT_SENDER || s->wait == WAIT_RESOLVE || s->wait == WAIT_VERIFY || s->wait == WAIT_LOGIN ||
                s->wait == WAIT_ETRN;
    CHECK(s->net && still_there(wire_of(s->net)) && wire_of(s->net)->ctx == s);
    CHECK(asks ? s->wait_until_ms != INT64_MAX : !s->asked);
    CHECK((s->wait == WAIT_STORE) == (s->storing != NULL));
    CHECK(!s->storing || s->storing->session == s);
    CHECK(s->wait != WAIT_VERIFY || s->verify);
    CHECK(s->wait != WAIT_LOGIN || s->auth);
    CHECK((s->wait != WAIT_RESOLVE && s->wait != WAIT_SENDER) || s->transaction);
    CHECK(!s->over && !s->broken);
    CHECK(s->paused == wire_of(s->net)->paused);
    /* Who reads nothing waits for something that will come. */
    CHECK(!s->paused || s->wait != WAIT_NONE || s->congested || s->blocked || smtp_server_waits(s->smtp));
    CHECK(!s->blocked || wire_of(s->net)->blocked);
}

static void check(void)
{
    const struct receiver *r = receiver();
    size_t sessions = 0, storings = 0;
    uint64_t bytes = 0;
    unsigned messages = 0, wires = 0;
    LIST_FOREACH(l, &r->sessions) {
        const struct session *s = LIST_ENTRY(l, struct session, link);
        check_session(s);
        sessions++;
        for (uint32_t i = 0; s->transaction && i < s->transaction->part_count; i++)
            messages += s->transaction->parts[i].message != NULL;
        bytes += s->transaction ? s->transaction->counted : 0;
    }
    for (unsigned i = 0; i < WIRES_MAX; i++) {
        CHECK(!w.wires[i] || !w.wires[i]->last);
        wires += w.wires[i] != NULL;
    }
    for (unsigned i = 0; i < w.disk_count; i++) {
        bool first = w.disk[i].done.kind == SPOOL_DONE_COMMITTED;
        for (unsigned k = 0; first && k < i; k++)
            first = w.disk[k].done.kind != SPOOL_DONE_COMMITTED || w.disk[k].done.cookie != w.disk[i].done.cookie;
        storings += first;
    }
    CHECK(sessions == r->session_count && wires == sessions);
    CHECK(storings == r->storing_count && bytes == r->transaction_bytes && messages == w.messages);
    CHECK(r->sweeping || (sessions == 0 && list_empty(&r->proxied)));
    CHECK(!r->draining || sessions + storings > 0 || chaos.stopped);
    check_asks(r);
}

/* --- events */

static void event(void)
{
    static const int64_t waits[] = {0, 1000, 1000, 3000, 11000, 40000, 301000, 700000};
    unsigned what = draw(32);
    if (what < 14)
        wire_event();
    else if (what < 17)
        connects();
    else if (what < 22)
        some_answer();
    else if (what < 25)
        chaos_pass(waits[draw(8)]);
    else if (what < 27)
        disk_turns(1 + draw(4));
    else if (what == 27)
        numbers_come();
    else if (what == 28)
        chaos_peer_event((enum process_kind[]){PROCESS_QUEUE, PROCESS_LOOKUP, PROCESS_KEYS, PROCESS_LOOKUP}[draw(4)]);
    else if (what == 29)
        other_message();
    else if (what == 30)
        proxied_event();
    else if (draw(8) == 7)
        chaos_drain(draw(2) ? 30000 : 600000);
}

static void calm_turn(struct receiver *r)
{
    numbers_come();
    for (uint32_t i = 0; i < r->ask_count; i++) {
        const struct session *s = r->asks[i].session;
        if (!s)
            continue;
        enum ipc_type type = r->asks[i].name          ? IPC_answer_name
                             : s->wait == WAIT_LOGIN  ? IPC_answer_sasl
                             : s->wait == WAIT_ETRN   ? IPC_answer_etrn
                             : s->wait == WAIT_SENDER ? IPC_answer_mx
                                                      : IPC_answer_user;
        answer((uint64_t)r->asks[i].generation << 32 | (i + 1), type, 1);
    }
    disk_turns(WAITING_MAX);
    for (unsigned i = 0; i < WIRES_MAX; i++) {
        struct wire *x = w.wires[i];
        if (x)
            wire_secured(x);
        if (x && still_there(x))
            wire_drained(x);
        if (x && still_there(x))
            deliver(x, SIZE_MAX);
        /* What cannot be written any more is closed. */
        if (x && still_there(x) && x->failed)
            wire_closed(x, ERR_TIMEOUT);
    }
}

/* From now on all that is asked for is given, and clients say no more. */
static void calm(void)
{
    struct receiver *r = receiver();
    chaos.calm = true;
    if (!peer_find(PROCESS_QUEUE))
        (void)peer_begin(PROCESS_QUEUE, 0);
    if (!peer_find(PROCESS_LOOKUP))
        (void)peer_begin(PROCESS_LOOKUP, 0);
    for (unsigned turn = 0; turn < 500 && !chaos.stopped; turn++) {
        calm_turn(r);
        chaos_pass(turn < 200 ? 1000 : 60000);
        turn_end();
        check();
        if (turn == 199)
            LIST_FOREACH(l, &r->sessions) {
                const struct session *s = LIST_ENTRY(l, struct session, link);
                CHECK(s->wait == WAIT_NONE && !s->congested && !s->blocked && !s->paused);
            }
        if (list_empty(&r->sessions) && list_empty(&r->proxied) && w.disk_count == 0)
            break;
    }
    CHECK(chaos.stopped || (list_empty(&r->sessions) && list_empty(&r->proxied) && w.disk_count == 0));
    CHECK(!r->draining || chaos.stopped);
}

static void chaos_live(void)
{
    (void)peer_begin(PROCESS_QUEUE, 0);
    (void)peer_begin(PROCESS_LOOKUP, 0);
    (void)peer_begin(PROCESS_KEYS, 0);
    numbers_come();
    chaos.calm = false;
    bool to_the_end = draw(4) != 3;
    for (unsigned i = 0; chaos.left > 0 && i < STEPS_MAX && !chaos.stopped; i++) {
        event();
        turn_end();
        check();
    }
    if (to_the_end && !chaos.stopped)
        calm();
}

/* The process would end with them. */
static void storings_free(void)
{
    for (unsigned i = 0; i < w.disk_count; i++) {
        struct waiting *x = &w.disk[i];
        bool first = x->done.kind == SPOOL_DONE_COMMITTED;
        for (unsigned k = 0; first && k < i; k++)
            first = w.disk[k].done.kind != SPOOL_DONE_COMMITTED || w.disk[k].done.cookie != x->done.cookie;
        if (first) {
            log_stored_none(x->done.cookie);
            free(x->done.cookie);
        }
        buf_deinit(&x->head);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int listen_fds[LISTENERS] = {0, 1, 2, 3, 4, 5};
    static const size_t listen_conf[LISTENERS] = {0, 1, 2, 3, 4, SIZE_MAX};
    house_make();
    chaos_log();
    memset(&w, 0, sizeof w);
    w.number = 1;
    chaos_begin(data, size);
    chaos.calm = true; /* one that cannot start ends, with its memory */
    struct child_start start = {.kind = PROCESS_RECEIVER,
                                .process = 1,
                                .conf = conf,
                                .hash_key = {5, 6},
                                .spool_fd = -1,
                                .listen_fds = listen_fds,
                                .listen_conf = listen_conf,
                                .listen_count = LISTENERS,
                                .shared = shared};
    (void)receiver_main(&start);
    CHECK(limits_sessions(shared) == 0 && w.messages == 0);
    for (unsigned i = 0; i < WIRES_MAX; i++)
        CHECK(!w.wires[i] && !w.watches[i]);
    for (unsigned i = 0; i < FDS; i++) {
        CHECK(!w.fd_open[i]);
        buf_deinit(&w.peeked[i]);
    }
    storings_free();
    buf_deinit(&w.head);
    chaos_end();
    (void)log_flush();
    return 0;
}
