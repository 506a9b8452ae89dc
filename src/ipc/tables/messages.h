/* SPDX-License-Identifier: ISC */
/* Every message between processes: MESSAGE(name, who may send it, who may get it), with FIELDS_name(F) before it: F(type, field). Types: u8 u16 u32 u64 i64 bytes secret. No include
 * guard: read many times. New messages are added at the end of their section; all processes are of one binary, so there is no versioning. */
#ifndef FIELDS_peer
/* A place in the spool, as struct spool_place. */
#define FIELDS_PLACE(F) F(u64, segment) F(u64, id) F(u32, offset) F(u32, length) F(u32, epoch) F(u16, copy)
/* An outcome's words: as struct verdict. */
#define FIELDS_VERDICT(F)                                                                                              \
    F(u16, code) F(u8, enhanced_class) F(u8, enhanced_subject) F(u8, enhanced_detail) F(bytes, text)

/* master: `process` numbers a child and is never used again; slot is its column (receiver 0, 1...); fd is the channel */
#define FIELDS_peer(F) F(u32, process) F(u8, kind) F(u32, slot) F(u32, generation)
#define FIELDS_peer_gone(F) F(u32, process)
#define FIELDS_peers_settled(F) F(u32, count)
#define FIELDS_ready(F) F(u32, process)
#define FIELDS_drain(F) F(i64, limit_ms)
#define FIELDS_numbers_wanted(F) F(u32, count)
#define FIELDS_numbers(F) F(u64, first) F(u32, count)
/* dry_run: only say what it would change */
#define FIELDS_reload(F) F(u64, token) F(u8, dry_run)
#define FIELDS_reload_done(F) F(u64, token) F(u8, ok) F(bytes, text)
#define FIELDS_stop(F) F(u64, token)
/* Does a child that is ready still turn? It answers with the same round. */
#define FIELDS_ping(F) F(u32, round)
#define FIELDS_pong(F) F(u32, round)

/* receiver <-> queue */
#define FIELDS_hello_segment(F) F(u64, segment) F(u32, epoch) F(u32, committed) F(u8, closed)
#define FIELDS_hello_lease(F) F(u64, job) F(u64, id)
#define FIELDS_hello_end(F) F(u32, count)
#define FIELDS_announce(F) FIELDS_PLACE(F) F(u32, committed) F(bytes, head)
#define FIELDS_announce_ack(F) F(u64, bytes)
#define FIELDS_segment_closed(F) F(u64, segment) F(u32, epoch) F(u32, committed)
#define FIELDS_segment_free(F) F(u64, segment) F(u32, epoch)
/* ETRN (RFC 1985): domain as the client gave it ("example.org", "@example.org", "#queue"). status: enum etrn_status; count: messages that wait there */
#define FIELDS_etrn(F) F(u64, token) F(bytes, domain)
#define FIELDS_answer_etrn(F) F(u64, token) F(u8, status) F(u32, count)
/* A login has used up its hour (conf user_messages_per_hour, user_recipients_per_hour): the postmaster is told, and what of its mail is queued rests. At most one an hour and login from all receivers
 * together. since_s: unix time at which that hour began */
#define FIELDS_user_alarm(F) F(bytes, login) F(u32, messages) F(u32, recipients) F(i64, since_s)

/* queue <-> sender, deliver. recipients: u32 numbers, little-endian, of the head's recipients. dsn: enum result_dsn, of a 2xx */
#define FIELDS_job(F)                                                                                                  \
    F(u64, job)                                                                                                        \
    F(u32, destination) F(u32, connections) FIELDS_PLACE(F) F(i64, arrival_s) F(i64, dispatch_us) F(bytes, recipients)
#define FIELDS_result(F)                                                                                               \
    F(u64, job)                                                                                                        \
    F(u8, remote)                                                                                                      \
    F(u8, dsn) FIELDS_VERDICT(F) F(bytes, host) F(bytes, recipients) F(u32, connect_ms) F(u32, transmit_ms)
#define FIELDS_job_done(F) F(u64, job)
#define FIELDS_job_returned(F) F(u64, job)
#define FIELDS_destination_down(F) F(u32, destination) F(u8, remote) FIELDS_VERDICT(F) F(bytes, host)

/* questions to lookup; answer: 0 no, 1 yes, 2 not known (temporary) */
#define FIELDS_ask_user(F) F(u64, token) F(u8, users_kind) F(bytes, name)
#define FIELDS_answer_user(F) F(u64, token) F(u8, answer) F(bytes, full_name)
/* A message of a client who signs in. exchange: the login under way, a number that the receiver never uses again. mechanism: with the first one, then empty. flags: enum sasl_ask.
 * identities: of the client's certificate, each with an LF behind it. ip: 4 or 16 bytes, or none */
#define FIELDS_ask_sasl(F)                                                                                             \
    F(u64, token)                                                                                                      \
    F(u64, exchange)                                                                                                   \
    F(bytes, mechanism) F(u8, flags) F(secret, response) F(bytes, binding) F(bytes, identities) F(bytes, ip)
/* status: enum sasl_answer. login: as far as it is known. challenge: with SASL_ANSWER_CHALLENGE */
#define FIELDS_answer_sasl(F) F(u64, token) F(u8, status) F(bytes, login) F(secret, challenge)
#define FIELDS_sasl_gone(F) F(u64, exchange)
/* Mechanisms that can be offered to who is there already, -PLUS and EXTERNAL included: "PLAIN LOGIN" */
#define FIELDS_sasl_offer(F) F(bytes, mechanisms)
#define FIELDS_ask_mx(F) F(u64, token) F(bytes, domain)
#define FIELDS_ask_host(F) F(u64, token) F(bytes, name)
/* status: enum lookup_status. hosts: per host u16 preference, u16 name length, name, u16 address count, per address u8 length (4, 16) and bytes */
#define FIELDS_answer_mx(F) F(u64, token) F(u8, status) F(bytes, hosts)
#define FIELDS_ask_name(F) F(u64, token) F(bytes, ip)
#define FIELDS_answer_name(F) F(u64, token) F(bytes, name)

/* receiver <-> keys: as struct tls_question. One at a time: the receiver waits for the answer */
#define FIELDS_ask_sign(F) F(u64, token) F(bytes, key) F(u8, algorithm) F(bytes, block)
#define FIELDS_answer_sign(F) F(u64, token) F(u8, ok) F(bytes, signature)

/* command <-> console <-> queue. verb: enum queue_verb; filter: enum queue_filter, and of what it means only what is held; what came before, unix time; what has at least so many bytes; 0: all. progress: messages looked at, of all, matched so far */
#define FIELDS_queue_request(F)                                                                                        \
    F(u64, token)                                                                                                      \
    F(u8, verb) F(u8, filter) F(bytes, value) F(u8, dry) F(u8, held) F(i64, before_s) F(u64, larger)
#define FIELDS_queue_item(F)                                                                                           \
    F(u64, token)                                                                                                      \
    F(u64, id)                                                                                                         \
    F(bytes, from)                                                                                                     \
    F(bytes, to) F(u64, size) F(i64, arrival_s) F(u16, tries) F(i64, next_s) F(u8, state) F(bytes, reason)             \
        F(bytes, destination)
#define FIELDS_queue_destination(F)                                                                                    \
    F(u64, token) F(bytes, name) F(u32, messages) F(i64, oldest_s) F(i64, next_s) F(u8, state) F(bytes, reason)
#define FIELDS_queue_text(F) F(u64, token) F(bytes, text)
#define FIELDS_queue_end(F) F(u64, token) F(u8, exit) F(u32, count) F(bytes, text)
#define FIELDS_queue_gone(F) F(u64, token)
#define FIELDS_queue_progress(F) F(u64, token) F(u32, done) F(u32, all) F(u32, count)
#endif

MESSAGE(peer, M_MASTER, M_CHILDREN)
MESSAGE(peer_gone, M_MASTER, M_CHILDREN)
MESSAGE(peers_settled, M_MASTER, M_CHILDREN)
MESSAGE(ready, M_CHILDREN, M_MASTER)
MESSAGE(drain, M_MASTER, M_CHILDREN)
MESSAGE(numbers_wanted, M_RECEIVER | M_QUEUE, M_MASTER)
MESSAGE(numbers, M_MASTER, M_RECEIVER | M_QUEUE)
MESSAGE(reload, M_COMMAND | M_CONSOLE, M_CONSOLE | M_MASTER)
MESSAGE(reload_done, M_MASTER | M_CONSOLE, M_CONSOLE | M_COMMAND)
MESSAGE(stop, M_COMMAND | M_CONSOLE, M_CONSOLE | M_MASTER)
MESSAGE(ping, M_MASTER, M_CHILDREN)
MESSAGE(pong, M_CHILDREN, M_MASTER)
MESSAGE(hello_segment, M_RECEIVER, M_QUEUE)
MESSAGE(hello_lease, M_SENDER | M_DELIVER, M_QUEUE)
MESSAGE(hello_end, M_RECEIVER | M_SENDER | M_DELIVER, M_QUEUE)
MESSAGE(announce, M_RECEIVER, M_QUEUE)
MESSAGE(announce_ack, M_QUEUE, M_RECEIVER)
MESSAGE(segment_closed, M_RECEIVER, M_QUEUE)
MESSAGE(segment_free, M_QUEUE, M_RECEIVER)
MESSAGE(etrn, M_RECEIVER, M_QUEUE)
MESSAGE(answer_etrn, M_QUEUE, M_RECEIVER)
MESSAGE(user_alarm, M_RECEIVER, M_QUEUE)
MESSAGE(job, M_QUEUE, M_SENDER | M_DELIVER)
MESSAGE(result, M_SENDER | M_DELIVER, M_QUEUE)
MESSAGE(job_done, M_SENDER | M_DELIVER, M_QUEUE)
MESSAGE(job_returned, M_SENDER | M_DELIVER, M_QUEUE)
MESSAGE(destination_down, M_SENDER, M_QUEUE)
MESSAGE(ask_user, M_RECEIVER, M_LOOKUP)
MESSAGE(answer_user, M_LOOKUP, M_RECEIVER)
MESSAGE(ask_sasl, M_RECEIVER, M_LOOKUP)
MESSAGE(answer_sasl, M_LOOKUP, M_RECEIVER)
MESSAGE(sasl_gone, M_RECEIVER, M_LOOKUP)
MESSAGE(sasl_offer, M_LOOKUP, M_RECEIVER)
MESSAGE(ask_mx, M_SENDER | M_RECEIVER, M_LOOKUP)
MESSAGE(ask_host, M_SENDER, M_LOOKUP)
MESSAGE(answer_mx, M_LOOKUP, M_SENDER | M_RECEIVER)
MESSAGE(ask_name, M_RECEIVER, M_LOOKUP)
MESSAGE(answer_name, M_LOOKUP, M_RECEIVER)
MESSAGE(ask_sign, M_RECEIVER, M_KEYS)
MESSAGE(answer_sign, M_KEYS, M_RECEIVER)
MESSAGE(queue_request, M_COMMAND | M_CONSOLE, M_CONSOLE | M_QUEUE)
MESSAGE(queue_item, M_QUEUE | M_CONSOLE, M_CONSOLE | M_COMMAND)
MESSAGE(queue_destination, M_QUEUE | M_CONSOLE, M_CONSOLE | M_COMMAND)
MESSAGE(queue_text, M_QUEUE | M_CONSOLE, M_CONSOLE | M_COMMAND)
MESSAGE(queue_end, M_QUEUE | M_CONSOLE, M_CONSOLE | M_COMMAND)
MESSAGE(queue_gone, M_CONSOLE, M_QUEUE)
MESSAGE(queue_progress, M_QUEUE | M_CONSOLE, M_CONSOLE | M_COMMAND)
