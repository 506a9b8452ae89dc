/* SPDX-License-Identifier: ISC */
/* The whole process sender in a world where anything comes at any time: jobs, answers of lookup (late, twice, for nobody), hosts that connect, refuse, reply well, badly, in part or out of turn,
 * stall, break TLS and hang up, time, a queue and a lookup that die and come again, a drain. After each event the lists, counts and pointers must agree; no job ends twice or is lost; a recipient
 * whose mail a host has taken is told as taken, and is given to no second host. In the end everything goes well, and then each job must come to its end and all memory be given back.
 * Input: each byte chooses the next event, and the bytes behind it what it is about. */
#include "chaos.h"
#include "proc/sender/sender.h"
#include "proc/sender/state.h"

#define JOBS_MAX 48u
#define MAIL_RECIPIENTS 6u /* three in each of its two envelopes */
#define WIRES_MAX 64u
#define OWED_MAX 64u
#define TOKENS_MAX 16u
#define STEPS_MAX 400u
#define CALM_TURNS 4000u
#define TAKEN "250 taken\r\n"

/* --- what the queue knows of its jobs */

struct seen_job {
    bool live, listed, wild /* a host talked nonsense while it had it */;
    uint32_t mask; /* recipients */
    unsigned place, kind, flags;
    uint16_t code[MAIL_RECIPIENTS]; /* result; 0 none */
    bool remote[MAIL_RECIPIENTS], taken[MAIL_RECIPIENTS];
};

enum owed { GREETING, EHLO, MAIL, RCPT, DATA, END, CHUNK, STARTTLS, AUTH, RESET, QUIT, OTHER };

/* A connection, with the host at its other end. */
struct wire {
    const struct net_ops *ops;
    void *ctx;
    bool connecting, handshaking, tls, verified, blocked, failed, gone, lmtp, wild, implicit, mail, content, starttls;
    unsigned features, auth_step;
    buf unsent, in, out;
    uint64_t chunk_left;
    struct {
        uint8_t what; /* enum owed */
        uint32_t job, recipient;
    } owed[OWED_MAX];
    unsigned owed_count;
    struct {
        uint32_t job, recipient;
    } accepted[MAIL_RECIPIENTS], confirm[MAIL_RECIPIENTS];
    unsigned accepted_count, confirm_count, confirm_done;
};

struct spool_entry {
    struct spool_head head;
    struct envelope envelopes[2];
    struct recipient recipients[MAIL_RECIPIENTS];
    char addresses[MAIL_RECIPIENTS][64];
    slice content;
    char *piece;
};

static struct {
    struct seen_job jobs[JOBS_MAX]; /* number N is at N - 1 */
    uint32_t job_count, entries, leases;
    struct wire *wires[WIRES_MAX];
    uint64_t tokens[TOKENS_MAX];
    unsigned token_count;
    unsigned place_first,
        place_count; /* of the domains of this input's jobs: where they are few, more comes together */
} w;

static struct conf *conf;

enum kind { PLAIN, EIGHT_BIT, LONG_LINE, SIGNED, UTF8, BINARY, LARGE, HUGE_EIGHT_BIT, KINDS };
static buf contents[KINDS];
static struct body_facts facts[KINDS];

static const char *const places[] = {
    "one.example",  "far.example",  "[192.0.2.9]",   "unix.example",  "lmtp.example",
    "must.example", "sure.example", "smart.example", "smtps.example", "near.example",
};
#define PLACES (sizeof places / sizeof places[0])

static void content_make(enum kind k, slice head, slice filler, size_t size)
{
    struct body_scan scan;
    buf_init(&contents[k], 4u << 20);
    buf_append(&contents[k], head);
    while (contents[k].len < size)
        buf_append(&contents[k], filler);
    body_scan_init(&scan);
    body_scan_feed(&scan, buf_slice(&contents[k]));
    facts[k] = body_scan_end(&scan);
}

static void house_make(void)
{
    static const char format[] =
        "hostname = \"mx.test.example\"\npostmaster = \"alice@test.example\"\n"
        "[domain.\"one.example\"]\ndeliver = \"smtp:one.test:2525\"\nusers = \"any\"\n"
        "[domain.\"near.example\"]\ndeliver = \"smtp:192.0.2.77:25\"\nusers = \"any\"\n"
        "[domain.\"lmtp.example\"]\ndeliver = \"lmtp:127.0.0.1:24\"\nusers = \"any\"\n"
        "[domain.\"unix.example\"]\ndeliver = \"lmtp:unix:/run/lmtp.sock\"\nusers = \"any\"\n"
        "[route.\"must.example\"]\nvia = \"smtp://one.test:25\"\ntls = \"require\"\n"
        "[route.\"sure.example\"]\nvia = \"smtp://one.test:25\"\ntls = \"verify\"\n"
        "[route.\"smart.example\"]\nvia = \"smtp://alice@one.test:587\"\ntls = \"verify\"\npassword_file = \"%s\"\n"
        "[route.\"smtps.example\"]\nvia = \"smtps://alice@one.test:465\"\ntls = \"verify\"\npassword_file = \"%s\"\n";
    char path[] = "/tmp/sender_chaos.XXXXXX", text[4096];
    buf messages;
    if (conf)
        return;
    /* It has to be there; what is in it comes from os_file_read. */
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    os_close(&fd);
    (void)snprintf(text, sizeof text, format, path, path);
    buf_init(&messages, 1 << 16);
    enum err e = conf_parse(SLICE("chaos.toml"), slice_str(text), false, &messages, &conf);
    (void)unlink(path);
    if (e != ERR_OK)
        (void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&messages)));
    CHECK(e == ERR_OK);
    buf_deinit(&messages);
    content_make(PLAIN, SLICE("Subject: x\r\n\r\nhello\r\n.dot\r\n"), SLICE_NONE, 0);
    content_make(EIGHT_BIT, SLICE("Subject: x\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n"), SLICE_NONE, 0);
    content_make(LONG_LINE, SLICE("Subject: x\r\n\r\n"), SLICE("xxxxxxxxxx"), 1200);
    content_make(SIGNED, SLICE("DKIM-Signature: v=1; b=x\r\n\r\ngr\xc3\xbc\xc3\x9f\r\n"), SLICE_NONE, 0);
    content_make(UTF8, SLICE("Subject: gr\xc3\xbc\xc3\x9f\r\n\r\nhello\r\n"), SLICE_NONE, 0);
    content_make(BINARY, slice_of("Subject: x\r\n\r\n\0\n\r\xff\r\n", 20), SLICE_NONE, 0);
    content_make(LARGE, SLICE("Subject: x\r\n\r\n"), SLICE("The quick brown fox jumps over.\r\n"), 150000);
    content_make(HUGE_EIGHT_BIT, SLICE("Subject: x\r\n\r\n"),
                 SLICE("gr\xc3\xbc\xc3\x9f und so weiter und so fort.\r\n"), 1100000);
}

/* --- the spool */

static enum err entry_open(const struct spool_place *place, struct spool_entry **entry_r)
{
    static const slice senders[2] = {{"s@test.example", 14}, {"owner-list@test.example", 23}};
    CHECK(place->id >= 1 && place->id <= w.job_count);
    const struct seen_job *j = &w.jobs[place->id - 1];
    if (chance(2))
        return ERR_CORRUPT;
    struct spool_entry *e = calloc(1, sizeof *e);
    for (uint32_t i = 0; i < MAIL_RECIPIENTS; i++) {
        (void)snprintf(e->addresses[i], sizeof e->addresses[i], "j%u.r%u@%s", (unsigned)place->id - 1, i,
                       places[j->place]);
        e->recipients[i].address = slice_str(e->addresses[i]);
    }
    for (uint32_t i = 0; i < 2; i++)
        e->envelopes[i] = (struct envelope){.reverse_path = senders[i],
                                            .flags = j->flags,
                                            .recipient_count = 3,
                                            .recipients = &e->recipients[(size_t)3 * i]};
    e->content = buf_slice(&contents[j->kind]);
    e->head = (struct spool_head){.id = place->id,
                                  .arrival_s = CHAOS_WALL_S,
                                  .facts = facts[j->kind],
                                  .envelope_count = 2,
                                  .envelopes = e->envelopes};
    w.entries++;
    *entry_r = e;
    return ERR_OK;
}

enum err __wrap_spool_entry_open(struct spool_reader *r, const struct spool_place *place, struct spool_entry **entry_r)
{
    (void)r;
    return entry_open(place, entry_r);
}

enum err __wrap_spool_entry_open_head(struct spool_reader *r, const struct spool_place *place,
                                      struct spool_entry **entry_r)
{
    (void)r;
    return entry_open(place, entry_r);
}

void __wrap_spool_entry_close(struct spool_entry **e)
{
    if (!*e)
        return;
    free((*e)->piece);
    free(*e);
    *e = NULL;
    w.entries--;
}

const struct spool_head *__wrap_spool_entry_head(const struct spool_entry *e)
{
    return &e->head;
}

enum err __wrap_spool_entry_content(struct spool_entry *e, uint64_t offset, size_t max, slice *content_r)
{
    free(e->piece);
    e->piece = NULL;
    if (chance(2))
        return ERR_IO;
    slice piece = slice_sub(e->content, (size_t)offset, (size_t)offset + max);
    e->piece = malloc(piece.len ? piece.len : 1);
    if (piece.len > 0)
        memcpy(e->piece, piece.ptr, piece.len);
    *content_r = slice_of(e->piece, piece.len);
    return ERR_OK;
}

enum err __wrap_spool_reader_open(int dir_fd, struct spool_reader **reader_r)
{
    (void)dir_fd;
    *reader_r = NULL;
    return ERR_OK;
}

void __wrap_spool_reader_trim(struct spool_reader *r)
{
    (void)r;
}

enum err __wrap_os_file_read(int at, slice path, buf *b)
{
    (void)at;
    (void)path;
    if (chance(16))
        return ERR_NOTFOUND;
    buf_append(b, SLICE("sesame\n"));
    return ERR_OK;
}

enum err __wrap_tls_client_open(bool verify, struct tls_client **t_r, buf *why)
{
    static char dummy[2];
    (void)why;
    *t_r = (struct tls_client *)(void *)&dummy[verify];
    return ERR_OK;
}

void __wrap_tls_client_close(struct tls_client **t)
{
    *t = NULL;
}

/* --- connections */

static struct wire *wire_of(const struct net_connection *c)
{
    return (struct wire *)(void *)(uintptr_t)c;
}

static void wire_free(struct wire *x)
{
    for (unsigned i = 0; i < WIRES_MAX; i++)
        if (w.wires[i] == x)
            w.wires[i] = NULL;
    buf_deinit(&x->unsent);
    buf_deinit(&x->in);
    buf_deinit(&x->out);
    free(x);
}

static void owe(struct wire *x, enum owed what, uint32_t job, uint32_t recipient)
{
    CHECK(x->owed_count < OWED_MAX);
    x->owed[x->owed_count].what = (uint8_t)what;
    x->owed[x->owed_count].job = job;
    x->owed[x->owed_count++].recipient = recipient;
}

enum err __wrap_net_connect(struct loop *l, const struct net_route *route, const struct net_ops *ops, void *ctx,
                            struct net_connection **c_r)
{
    (void)l;
    unsigned at = 0;
    while (at < WIRES_MAX && w.wires[at])
        at++;
    if (at == WIRES_MAX || chance(6))
        return ERR_UNREACHABLE;
    struct wire *x = calloc(1, sizeof *x);
    *x = (struct wire){.ops = ops, .ctx = ctx, .connecting = true};
    x->lmtp = route->to->path[0] || route->to->port == 24;
    x->implicit = route->to->port == 465;
    x->features = chaos.calm ? 0xffbf : draw(256) | draw(256) << 8;
    buf_init(&x->unsent, 2u << 20);
    buf_init(&x->in, 8u << 20);
    buf_init(&x->out, 1u << 20);
    owe(x, GREETING, 0, 0);
    w.wires[at] = x;
    *c_r = (struct net_connection *)(void *)x;
    return ERR_OK;
}

void __wrap_net_close_after_write(struct net_connection **c, int64_t timeout_ms)
{
    (void)timeout_ms;
    wire_free(wire_of(*c));
    *c = NULL;
}

static bool command_is(slice line, const char *verb)
{
    return slice_starts(line, slice_str(verb));
}

static void rcpt(struct wire *x, slice line)
{
    unsigned job = 0, recipient = 0;
    char memory[128];
    buf text;
    buf_init_fixed(&text, memory, sizeof memory - 1);
    buf_append(&text, slice_sub(line, 0, sizeof memory - 1));
    memory[text.len] = 0;
    CHECK(sscanf(memory, "RCPT TO:<j%u.r%u@", &job, &recipient) == 2);
    CHECK(job < w.job_count && recipient < MAIL_RECIPIENTS);
    CHECK(w.jobs[job].mask >> recipient & 1);
    CHECK(w.jobs[job].live || x->wild);
    if (x->wild)
        w.jobs[job].wild = true;
    owe(x, RCPT, job, recipient);
}

static void command(struct wire *x, slice line)
{
    if (x->auth_step > 0)
        owe(x, AUTH, 0, 0);
    else if (command_is(line, "EHLO") || command_is(line, "LHLO") || command_is(line, "HELO"))
        owe(x, EHLO, 0, 0);
    else if (command_is(line, "MAIL"))
        owe(x, MAIL, 0, 0);
    else if (command_is(line, "RCPT"))
        rcpt(x, line);
    else if (command_is(line, "DATA"))
        owe(x, DATA, 0, 0);
    else if (command_is(line, "BDAT")) {
        char memory[64] = {0};
        memcpy(memory, line.ptr, line.len < 63 ? line.len : 63);
        x->chunk_left = strtoull(memory + 4, NULL, 10);
        owe(x, strstr(memory, "LAST") ? END : CHUNK, 0, 0);
    } else if (command_is(line, "STARTTLS"))
        owe(x, STARTTLS, 0, 0);
    else if (command_is(line, "AUTH"))
        owe(x, AUTH, 0, 0);
    else if (command_is(line, "RSET"))
        owe(x, RESET, 0, 0);
    else if (command_is(line, "QUIT"))
        owe(x, QUIT, 0, 0);
    else
        owe(x, OTHER, 0, 0);
}

/* What has come to the host so far. */
static void host_reads(struct wire *x)
{
    slice in = buf_slice(&x->in);
    for (slice line; in.len > 0 && x->owed_count + 2 < OWED_MAX;) {
        if (x->chunk_left > 0) {
            size_t n = in.len < x->chunk_left ? in.len : (size_t)x->chunk_left;
            x->chunk_left -= n;
            in = slice_skip(in, n);
            continue;
        }
        slice rest;
        const char *end = memmem(in.ptr, in.len, "\r\n", 2);
        if (!end)
            break;
        line = slice_of(in.ptr, (size_t)(end - in.ptr));
        rest = slice_skip(in, line.len + 2);
        in = rest;
        if (!x->content) {
            command(x, line);
        } else if (slice_equal(line, SLICE("."))) {
            x->content = false;
            owe(x, END, 0, 0);
        }
    }
    buf_consume(&x->in, x->in.len - in.len);
}

enum err __wrap_net_write(struct net_connection *c, slice data)
{
    struct wire *x = wire_of(c);
    if (x->failed || x->handshaking)
        return ERR_CLOSED;
    if (chance(1)) {
        x->failed = true;
        return ERR_CLOSED;
    }
    buf_append(&x->unsent, data);
    if (!buf_ok(&x->unsent)) {
        x->failed = true;
        return ERR_LIMIT;
    }
    x->blocked = x->blocked || chance(6);
    if (x->blocked || x->connecting)
        return ERR_OK;
    buf_append(&x->in, buf_slice(&x->unsent));
    buf_clear(&x->unsent);
    return ERR_OK;
}

void __wrap_net_write_max(struct net_connection *c, size_t max)
{
    wire_of(c)->unsent.max = max;
}

size_t __wrap_net_write_pending(const struct net_connection *c)
{
    return wire_of(c)->unsent.len;
}

enum err __wrap_net_start_tls_client(struct net_connection *c, const struct tls_client *t, slice name)
{
    struct wire *x = wire_of(c);
    CHECK(t && (name.len == 0 || name.ptr[name.len - 1] != 0) && !x->handshaking && !x->tls);
    if (chance(4))
        return ERR_TLS;
    x->handshaking = true;
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

bool __wrap_net_tls_verified(const struct net_connection *c)
{
    return wire_of(c)->verified;
}

bool __wrap_net_tls_binding(const struct net_connection *c, uint8_t binding[TLS_BINDING_SIZE])
{
    memset(binding, 7, TLS_BINDING_SIZE);
    return wire_of(c)->tls;
}

/* --- the hosts' replies */

static void ehlo_reply(struct wire *x)
{
    static const char *const offers[] = {"PIPELINING",   "8BITMIME",      "STARTTLS",    "CHUNKING",
                                         "SMTPUTF8",     "DSN",           "LIMITS ",     "REQUIRETLS",
                                         "BINARYMIME",   "SIZE 90000000", "AUTH PLAIN",  "AUTH LOGIN",
                                         "DELIVERBY 60", "SIZE 20",       "MT-PRIORITY", "ENHANCEDSTATUSCODES"};
    static const char *const limits[] = {"RCPTMAX=1", "MAILMAX=1", "RCPTMAX=2 MAILMAX=2", "RCPTDOMAINMAX=1"};
    unsigned features = x->features;
    if (features & 1u << 9 || chaos.calm)
        features &= ~(1u << 13);
    if (chaos.calm) /* with all that a job may insist on */
        features = (features | 0x594) & ~(1u << 6);
    for (unsigned i = 0; i < 16; i++) {
        if (!(features >> i & 1) || (i == 2 && x->tls))
            continue;
        buf_append(&x->out, SLICE("250-"));
        buf_append(&x->out, slice_str(offers[i]));
        if (i == 6)
            buf_append(&x->out, slice_str(limits[features >> 10 & 3]));
        buf_append(&x->out, SLICE("\r\n"));
    }
    buf_append(&x->out, SLICE("250 done\r\n"));
}

static void end_reply(struct wire *x, const char *bad)
{
    unsigned count = x->lmtp ? x->accepted_count : 1;
    bool good = !bad && x->accepted_count > 0;
    for (unsigned i = 0; i < count; i++)
        buf_append(&x->out, bad ? slice_str(bad) : good ? SLICE(TAKEN) : SLICE("554 nobody\r\n"));
    for (unsigned i = 0; good && i < x->accepted_count; i++) {
        x->confirm[i].job = x->accepted[i].job;
        x->confirm[i].recipient = x->accepted[i].recipient;
    }
    x->confirm_count = good ? x->accepted_count : 0;
    x->accepted_count = 0;
    x->mail = false;
}

/* The reply to the first thing that the host owes one for. bad: instead of a good one. */
static void reply(struct wire *x, const char *bad)
{
    enum owed what = x->owed[0].what;
    uint32_t job = x->owed[0].job, recipient = x->owed[0].recipient;
    x->owed_count--;
    memmove(&x->owed[0], &x->owed[1], x->owed_count * sizeof x->owed[0]);
    if (what == END) {
        end_reply(x, bad);
        return;
    }
    if (bad) {
        x->auth_step = 0;
        buf_append(&x->out, slice_str(bad));
        return;
    }
    switch (what) {
    case GREETING:
        buf_append(&x->out, SLICE("220 host.example ESMTP\r\n"));
        break;
    case EHLO:
        ehlo_reply(x);
        break;
    case RCPT:
        if (x->mail && x->accepted_count < MAIL_RECIPIENTS) {
            x->accepted[x->accepted_count].job = job;
            x->accepted[x->accepted_count++].recipient = recipient;
        }
        buf_append(&x->out, x->mail ? SLICE("250 2.1.5 yes\r\n") : SLICE("503 no mail\r\n"));
        break;
    case DATA:
        x->content = x->accepted_count > 0 || draw(2);
        buf_append(&x->out, x->content ? SLICE("354 go\r\n") : SLICE("554 5.5.1 nobody\r\n"));
        break;
    case CHUNK:
        buf_append(&x->out, x->accepted_count > 0 ? SLICE("250 more\r\n") : SLICE("503 no\r\n"));
        break;
    case STARTTLS:
        x->starttls = true;
        buf_append(&x->out, SLICE("220 go\r\n"));
        break;
    case AUTH:
        x->auth_step = x->features & 1u << 10 ? 3 : x->auth_step + 1;
        buf_append(&x->out, x->auth_step == 1   ? SLICE("334 VXNlcm5hbWU6\r\n")
                            : x->auth_step == 2 ? SLICE("334 UGFzc3dvcmQ6\r\n")
                                                : SLICE("235 in\r\n"));
        x->auth_step %= 3;
        break;
    case QUIT:
        buf_append(&x->out, SLICE("221 bye\r\n"));
        break;
    case MAIL:
    case RESET:
        x->mail = what == MAIL;
        x->accepted_count = 0;
        buf_append(&x->out, SLICE("250 2.0.0 fine\r\n"));
        break;
    case END:
    case OTHER:
        buf_append(&x->out, SLICE("500 what?\r\n"));
        break;
    }
}

static bool still_there(const struct wire *x)
{
    for (unsigned i = 0; i < WIRES_MAX; i++)
        if (w.wires[i] == x)
            return true;
    return false;
}

/* The first n bytes of what the host has said come; the connection may be gone then. */
static void deliver(struct wire *x, size_t n)
{
    slice said = slice_sub(buf_slice(&x->out), 0, n);
    if (x->connecting || x->handshaking || x->gone || said.len == 0)
        return;
    /* LMTP has a reply for each: those that are not here whole yet are counted from the end. */
    size_t left = x->out.len - said.len, open = left == 0 ? 0 : x->confirm_count;
    if (x->lmtp && (left + sizeof TAKEN - 2) / (sizeof TAKEN - 1) < open)
        open = (left + sizeof TAKEN - 2) / (sizeof TAKEN - 1);
    for (; x->confirm_done + open < x->confirm_count; x->confirm_done++) {
        struct seen_job *j = &w.jobs[x->confirm[x->confirm_done].job];
        if (x->wild)
            j->wild = true;
        if (j->wild)
            continue;
        CHECK(!j->taken[x->confirm[x->confirm_done].recipient]);
        j->taken[x->confirm[x->confirm_done].recipient] = true;
    }
    if (open == 0)
        x->confirm_count = x->confirm_done = 0;
    char *copy = malloc(said.len);
    size_t len = said.len;
    memcpy(copy, said.ptr, len);
    buf_consume(&x->out, len);
    x->ops->data(x->ctx, slice_of(copy, len));
    free(copy);
}

static void replies(struct wire *x, unsigned most, const char *bad)
{
    host_reads(x);
    if (x->out.len > 0 && x->starttls) /* it says no more before the handshake */
        most = 0;
    while (most-- > 0 && x->owed_count > 0 && !x->content && x->confirm_count == 0 && !x->connecting) {
        bool last = x->owed[0].what == STARTTLS || x->owed[0].what == QUIT;
        reply(x, bad);
        if (last)
            break;
    }
}

static struct wire *some_wire(void)
{
    unsigned from = draw(WIRES_MAX);
    for (unsigned i = 0; i < WIRES_MAX; i++)
        if (w.wires[(from + i) % WIRES_MAX])
            return w.wires[(from + i) % WIRES_MAX];
    return NULL;
}

static void wire_connected(struct wire *x)
{
    if (!x->connecting || x->gone)
        return;
    x->connecting = false;
    x->ops->connected(x->ctx);
}

static void wire_secured(struct wire *x, bool verified)
{
    if (!x->handshaking || x->gone)
        return;
    x->handshaking = false;
    x->starttls = false;
    x->tls = true;
    x->verified = verified;
    buf_clear(&x->out);
    x->ops->secured(x->ctx);
}

static void wire_closed(struct wire *x, enum err why)
{
    if (x->gone)
        return;
    x->gone = true;
    x->ops->closed(x->ctx, why);
}

static void wire_drained(struct wire *x)
{
    if (x->gone || x->failed || x->connecting || x->unsent.len == 0)
        return;
    x->blocked = false;
    buf_append(&x->in, buf_slice(&x->unsent));
    buf_clear(&x->unsent);
    x->ops->drained(x->ctx);
}

static void wire_odd(struct wire *x)
{
    static const char *const bad[] = {
        "451 4.3.0 later\r\n",
        "550 5.1.1 no\r\n",
        "421 4.3.2 closing\r\n",
        "452-4.5.3 too\r\n452 4.5.3 many\r\n",
        "999 what\r\n",
        "\xff\xfe\r\n",
        "250\r\n",
        "354 go\r\n",
        "250 out of turn\r\n",
        "421 out of turn\r\n",
        "2",
        "250-never ends\r\n",
    };
    unsigned which = draw(12);
    host_reads(x);
    if (which < 4 && x->owed_count > 0 && !x->content && x->confirm_count == 0) {
        reply(x, bad[which]);
        deliver(x, SIZE_MAX);
        return;
    }
    x->wild = true;
    for (unsigned i = 0; i < x->accepted_count; i++)
        w.jobs[x->accepted[i].job].wild = true;
    for (unsigned i = 0; i < x->owed_count; i++)
        if (x->owed[i].what == RCPT)
            w.jobs[x->owed[i].job].wild = true;
    for (unsigned i = 0; i < x->confirm_count; i++)
        w.jobs[x->confirm[i].job].wild = true;
    buf_append(&x->out, slice_str(bad[which]));
    deliver(x, SIZE_MAX);
}

/* --- queue and lookup */

static struct seen_job *job_of(uint64_t number)
{
    CHECK(number >= 1 && number <= w.job_count);
    CHECK(w.jobs[number - 1].live);
    return &w.jobs[number - 1];
}

static void on_result(const struct ipc_result *m)
{
    struct seen_job *j = job_of(m->job);
    for (size_t i = 0; i + 4 <= m->recipients.len; i += 4) {
        uint32_t r = get_u32(m->recipients.ptr + i);
        CHECK(r < MAIL_RECIPIENTS && j->mask >> r & 1);
        CHECK(j->code[r] == 0 && m->code >= 200 && m->code < 600);
        j->code[r] = m->code;
        j->remote[r] = m->remote;
        if (j->wild)
            continue;
        CHECK(!j->taken[r] || m->code < 300);
        CHECK(j->taken[r] || m->code >= 300);
    }
}

static void on_done(uint64_t number)
{
    struct seen_job *j = job_of(number);
    for (uint32_t r = 0; r < MAIL_RECIPIENTS; r++)
        CHECK(!(j->mask >> r & 1) || j->code[r] != 0);
    j->live = false;
}

static void on_returned(uint64_t number)
{
    struct seen_job *j = job_of(number);
    for (uint32_t r = 0; r < MAIL_RECIPIENTS; r++)
        CHECK(j->code[r] == 0);
    j->live = false;
}

static void chaos_sent(struct hub_peer *p, const struct ipc_message *m)
{
    CHECK(p);
    if (m->type == IPC_ask_host || m->type == IPC_ask_mx) {
        CHECK(p->kind == PROCESS_LOOKUP);
        w.tokens[w.token_count++ % TOKENS_MAX] = m->type == IPC_ask_host ? m->u.ask_host.token : m->u.ask_mx.token;
        return;
    }
    CHECK(p->kind == PROCESS_QUEUE);
    if (m->type == IPC_result)
        on_result(&m->u.result);
    else if (m->type == IPC_job_done)
        on_done(m->u.job_done.job);
    else if (m->type == IPC_job_returned)
        on_returned(m->u.job_returned.job);
    else if (m->type == IPC_hello_lease)
        w.leases += job_of(m->u.hello_lease.job)->live;
    else if (m->type == IPC_hello_end)
        CHECK(m->u.hello_end.count == w.leases);
}

static void job_arrives(void)
{
    static const uint32_t flags[] = {0, ENVELOPE_BODY_8BIT, ENVELOPE_REQUIRETLS, ENVELOPE_BY_NOTIFY};
    struct hub_peer *queue = peer_find(PROCESS_QUEUE);
    if (w.job_count == JOBS_MAX || !queue)
        return;
    unsigned first = draw(256), second = draw(256);
    struct seen_job *j = &w.jobs[w.job_count++];
    *j = (struct seen_job){
        .live = true, .place = (w.place_first + first % w.place_count) % PLACES, .flags = flags[second >> 6]};
    static const uint32_t masks[] = {1, 3, 7, 8, 9, 63, 2, 36};
    j->mask = masks[second & 7];
    unsigned kind = second >> 3 & 7;
    /* What takes several turns to convert takes long here, too: not often, and then once. */
    j->kind = kind == HUGE_EIGHT_BIT && (w.job_count > 1 || draw(64) != 63) ? EIGHT_BIT : kind;
    if (j->kind == UTF8)
        j->flags |= ENVELOPE_SMTPUTF8;
    if (j->kind == BINARY)
        j->flags |= ENVELOPE_BODY_BINARY;
    char recipients[4 * MAIL_RECIPIENTS];
    size_t len = 0;
    for (uint32_t i = 0; i < MAIL_RECIPIENTS; i++)
        if (j->mask >> i & 1) {
            put_u32(recipients + len, i);
            len += 4;
        }
    struct spool_place place = {.segment = 1, .id = w.job_count, .length = 1000};
    struct ipc_message m = {.type = IPC_job, .fd = -1};
    m.u.job.job = w.job_count;
    m.u.job.destination = 1 + j->place;
    m.u.job.connections = 1 + first / 64;
    CHILD_PLACE_SET(m.u.job, &place);
    m.u.job.arrival_s = CHAOS_WALL_S;
    m.u.job.dispatch_us = CHAOS_WALL_S * INT64_C(1000000);
    /* The slice lives for the call only. */
    char *copy = malloc(len);
    memcpy(copy, recipients, len);
    m.u.job.recipients = slice_of(copy, len);
    chaos_tell(queue, &m);
    free(copy);
}

static void lookup_answers(uint64_t token, uint8_t status, unsigned hosts)
{
    struct hub_peer *lookup = peer_find(PROCESS_LOOKUP);
    if (!lookup)
        return;
    /* preference, name, one address or two; the last octet is chosen */
    static const char one[] = "\x0a\x00\x08\x00one.test\x01\x00\x04\xc0\x00\x02";
    static const char two[] = "\x14\x00\x08\x00two.test\x02\x00\x04\xc0\x00\x02\x51\x04\xc0\x00\x02";
    buf b;
    buf_init(&b, 4096);
    unsigned octet = hosts >> 4;
    for (unsigned i = 0; i < (hosts & 3); i++) {
        buf_append(&b, i & 1 ? slice_of(two, sizeof two - 1) : slice_of(one, sizeof one - 1));
        buf_append_char(&b, (char)(1 + octet + i));
    }
    if ((hosts & 12) == 12)
        buf_append(&b, SLICE("\x0a"));
    struct ipc_message m = {.type = IPC_answer_mx, .fd = -1};
    m.u.answer_mx.token = token;
    m.u.answer_mx.status = status;
    m.u.answer_mx.hosts = buf_slice(&b);
    chaos_tell(lookup, &m);
    buf_deinit(&b);
}

static void some_answer(void)
{
    unsigned which = draw(256), hosts = draw(256);
    unsigned known = w.token_count < TOKENS_MAX ? w.token_count : TOKENS_MAX;
    if (known == 0)
        return;
    uint64_t token = w.tokens[(w.token_count - 1 - (which & 16 ? which % 16 % known : 0)) % TOKENS_MAX];
    static const uint8_t status[] = {LOOKUP_FOUND, LOOKUP_FOUND,   LOOKUP_FOUND, LOOKUP_TEMPORARY,
                                     LOOKUP_NONE,  LOOKUP_NULL_MX, LOOKUP_FOUND, 77};
    lookup_answers(token, status[which >> 5], hosts);
}

static void peer_event(enum process_kind kind)
{
    w.leases = 0;
    chaos_peer_event(kind);
}

/* --- what must be true between events */

static void check_job(struct job *j)
{
    CHECK(j->number >= 1 && j->number <= w.job_count);
    struct seen_job *seen = &w.jobs[j->number - 1];
    CHECK(seen->live && !seen->listed);
    seen->listed = true;
}

static bool in_list(const struct list *head, const struct list *l)
{
    LIST_FOREACH(at, head) {
        if (at == l)
            return true;
    }
    return false;
}

static void check_session(const struct sender *s, const struct session *x)
{
    const struct destination *d = x->destination;
    CHECK(in_list(&s->destinations, &d->link));
    CHECK(in_list(&d->sessions, &x->link));
    CHECK(x->connection || x->broken);
    CHECK(!x->idle || (!x->job && x->ready));
    CHECK((x->entry != NULL) == (x->job != NULL));
    if (!x->stale && d->hop.unix_path.len == 0 && d->target_count > 0) {
        CHECK(x->target < d->target_count);
        CHECK(memcmp(&d->targets[x->target].address, &x->address, sizeof x->address) == 0);
    }
    if (x->job)
        CHECK(in_list(&s->jobs, &x->job->all) && list_empty(&x->job->link));
}

static void check_destination(struct sender *s, struct destination *d)
{
    uint32_t sessions = 0, opening = 0, idle = 0, jobs = 0;
    bool busy_seen = false;
    LIST_FOREACH(l, &d->sessions) {
        const struct session *x = LIST_ENTRY(l, struct session, link);
        CHECK(x->destination == d);
        CHECK(!x->idle || !busy_seen);
        busy_seen = busy_seen || !x->idle;
        sessions++;
        opening += !x->ready;
        idle += x->idle;
    }
    LIST_FOREACH(l, &d->jobs) {
        CHECK(in_list(&s->jobs, &LIST_ENTRY(l, struct job, link)->all));
        jobs++;
    }
    CHECK(sessions == d->session_count && opening == d->opening && idle == d->idle && jobs == d->job_count);
    CHECK((jobs > 0) == in_list(&s->waiting, &d->waits));
    CHECK((d->asking != 0) == in_list(&s->asking, &d->asks));
    CHECK(table_get(&s->destination_by_key, d->key) == d);
    if (d->asking)
        CHECK(table_get(&s->destination_by_token, slice_of(&d->asking, sizeof d->asking)) == d);
    CHECK(d->target_count <= TARGETS_MAX);
}

static void check_pace(const struct sender *s)
{
    uint32_t young = 0, idle = 0;
    LIST_FOREACH(l, &s->young) {
        const struct session *x = LIST_ENTRY(l, struct session, pace);
        CHECK(x->young && !x->idle && in_list(&s->sessions, &x->all));
        young++;
    }
    LIST_FOREACH(l, &s->idlers) {
        const struct session *x = LIST_ENTRY(l, struct session, pace);
        CHECK(x->idle && !x->young && in_list(&s->sessions, &x->all));
        idle++;
    }
    LIST_FOREACH(l, &s->openers) {
        CHECK(in_list(&s->destinations, &LIST_ENTRY(l, struct destination, opens)->link));
    }
    CHECK(young == s->young_count && idle == s->idle);
}

static void check(void)
{
    struct sender *s = sender_get();
    uint32_t sessions = 0, idle = 0, entries = 0, waiting = 0, carried = 0, all = 0;
    uint64_t converting = 0;
    LIST_FOREACH(l, &s->destinations) {
        struct destination *d = LIST_ENTRY(l, struct destination, link);
        check_destination(s, d);
        sessions += d->session_count;
        idle += d->idle;
        waiting += d->job_count;
    }
    CHECK(sessions == s->session_count && idle == s->idle && !s->opener);
    check_pace(s);
    LIST_FOREACH(l, &s->sessions) {
        const struct session *x = LIST_ENTRY(l, struct session, all);
        check_session(s, x);
        sessions--;
        entries += x->entry != NULL;
        carried += x->job != NULL;
        converting += x->converting;
    }
    CHECK(sessions == 0 && entries == w.entries && converting == s->converting && !s->sweep_at && !s->arrived);
    LIST_FOREACH(l, &s->jobs) {
        check_job(LIST_ENTRY(l, struct job, all));
        all++;
    }
    CHECK(all == waiting + carried);
    LIST_FOREACH(l, &s->held)
        check_job(LIST_ENTRY(l, struct job, all));
    LIST_FOREACH(l, &s->done) {
        CHECK(!sender_job_open(LIST_ENTRY(l, struct job, all)));
        check_job(LIST_ENTRY(l, struct job, all));
    }
    for (uint32_t i = 0; i < w.job_count; i++) {
        struct seen_job *j = &w.jobs[i];
        /* Without a queue a job that goes back goes without a word. */
        CHECK(j->listed || !j->live || !peer_find(PROCESS_QUEUE));
        j->live = j->listed;
        j->listed = false;
    }
}

/* --- events */

static void wire_event(unsigned what)
{
    struct wire *x = some_wire();
    if (!x)
        return;
    switch (what) {
    case 0:
        wire_connected(x);
        break;
    case 1:
        replies(x, UINT32_MAX, NULL);
        deliver(x, SIZE_MAX);
        break;
    case 2:
        replies(x, 1, NULL);
        deliver(x, 1 + draw(32));
        break;
    case 3:
        wire_odd(x);
        break;
    case 4: {
        static const enum err whys[] = {ERR_CLOSED, ERR_TIMEOUT, ERR_UNREACHABLE, ERR_TLS};
        wire_closed(x, whys[draw(4)]);
        break;
    }
    case 5:
        wire_secured(x, draw(2));
        break;
    case 6:
        wire_drained(x);
        break;
    case 7: /* as a host does that is well */
        if (x->connecting)
            wire_connected(x);
        else if (x->handshaking)
            wire_secured(x, true);
        else {
            replies(x, UINT32_MAX, NULL);
            deliver(x, SIZE_MAX);
        }
        break;
    }
}

/* The addresses of a destination are as old as they may get; sessions there go on. */
static void targets_expire(void)
{
    unsigned which = draw(8);
    LIST_FOREACH(l, &sender_get()->destinations) {
        if (which-- == 0)
            LIST_ENTRY(l, struct destination, link)->targets_until_ms = 0;
    }
}

static void event(void)
{
    static const int64_t waits[] = {0, 250, 1000, 2500, 30000, 61000, 290000, 301000};
    unsigned what = draw(24);
    if (what < 14)
        wire_event(what < 8 ? what : what < 12 ? 7 : what == 12 ? 1 : 2);
    else if (what < 17)
        job_arrives();
    else if (what < 19)
        some_answer();
    else if (what < 22)
        chaos_pass(waits[draw(8)]);
    else if (what == 22)
        peer_event(draw(2) ? PROCESS_QUEUE : PROCESS_LOOKUP);
    else if (draw(16) < 12)
        targets_expire();
    else
        chaos_drain(draw(2) ? 30000 : 600000);
}

/* From now on all that is asked for is given. */
static void calm(void)
{
    struct sender *s = sender_get();
    chaos.calm = true;
    w.leases = 0;
    if (!peer_find(PROCESS_QUEUE))
        (void)peer_begin(PROCESS_QUEUE, 0);
    if (!peer_find(PROCESS_LOOKUP))
        (void)peer_begin(PROCESS_LOOKUP, 0);
    check();
    for (unsigned turn = 0; turn < CALM_TURNS && !chaos.stopped; turn++) {
        LIST_FOREACH(l, &s->destinations) {
            uint64_t token = LIST_ENTRY(l, struct destination, link)->asking;
            if (token)
                lookup_answers(token, LOOKUP_FOUND, 1);
        }
        for (unsigned i = 0; i < WIRES_MAX; i++) {
            struct wire *x = w.wires[i];
            if (x && (x->gone || x->failed))
                continue;
            if (x)
                wire_drained(x);
            if (x && still_there(x) && x->connecting)
                wire_connected(x);
            if (x && still_there(x) && x->handshaking)
                wire_secured(x, true);
            if (x && still_there(x)) {
                replies(x, UINT32_MAX, NULL);
                deliver(x, SIZE_MAX);
            }
        }
        chaos_pass(turn % 8 == 7 ? 20000 : 250);
        turn_end();
        check();
        if (list_empty(&s->destinations) && list_empty(&s->sessions))
            break;
    }
    if (chaos.stopped)
        return;
    CHECK(list_empty(&s->jobs) && list_empty(&s->done) && list_empty(&s->sessions) && list_empty(&s->destinations));
    CHECK(s->child.draining ? chaos.stopped : list_empty(&s->held));
}

static void chaos_live(void)
{
    (void)peer_begin(PROCESS_QUEUE, 0);
    (void)peer_begin(PROCESS_LOOKUP, 0);
    bool to_the_end = draw(4) != 3;
    w.place_first = draw(PLACES);
    w.place_count = 1 + draw(4);
    for (unsigned i = 0; chaos.left > 0 && i < STEPS_MAX && !chaos.stopped; i++) {
        event();
        turn_end();
        check();
    }
    if (to_the_end && !chaos.stopped)
        calm();
    /* The process would end with its jobs; here the next input follows. */
    LIST_FOREACH(l, &sender_get()->destinations) {
        struct destination *d = LIST_ENTRY(l, struct destination, link);
        for (struct job *j = sender_job_first(d); j; j = sender_job_first(d))
            sender_job_return(sender_get(), j);
    }
}

static void jobs_free(struct list *jobs)
{
    LIST_FOREACH(l, jobs)
        sender_job_return(sender_get(), LIST_ENTRY(l, struct job, all));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sender *s = sender_get();
    house_make();
    chaos_log();
    memset(&w, 0, sizeof w);
    chaos_begin(data, size);
    *s = (struct sender){0};
    struct child_start start = {.kind = PROCESS_SENDER, .process = 1, .conf = conf, .hash_key = {5, 6}, .spool_fd = -1};
    CHECK(sender_main(&start) == 0);
    CHECK(w.entries == 0 && s->converting == 0 && s->session_count == 0);
    for (unsigned i = 0; i < WIRES_MAX; i++)
        CHECK(!w.wires[i]);
    chaos_end();
    jobs_free(&s->jobs);
    jobs_free(&s->held);
    jobs_free(&s->done);
    route_index_close(&s->routes);
    arena_deinit(&s->secrets);
    buf_deinit(&s->out);
    (void)log_flush();
    return 0;
}
