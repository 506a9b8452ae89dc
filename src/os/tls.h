/* SPDX-License-Identifier: ISC */
/* TLS contexts over OpenSSL 3, which is seen in os/tls only (os/net moves bytes through it). TLS 1.2 and 1.3, no renegotiation, no compression, one session ticket, buffers
 * released when idle. Keys are loaded after fork, by the processes that need them. Errors come back as one line of plain English. */
#ifndef OS_TLS_H
#define OS_TLS_H

#include "base/base.h"

struct tls_server;
struct tls_client;
struct tls_session; /* one handshake and stream, driven by os/net */

/* What is asked of whoever holds a private key, in a handshake. key: tells it by the SHA-256 of the public one. bytes: for TLS_SIGN_ECDSA a digest, for TLS_SIGN_RSA a padded block of the key's size. */
enum tls_sign { TLS_SIGN_RSA = 1, TLS_SIGN_ECDSA = 2 };
#define TLS_KEY_ID_SIZE 32
#define TLS_SIGNATURE_MAX 2048
struct tls_question {
    slice key, bytes;
    uint8_t algorithm; /* enum tls_sign */
};
/* Somebody else who signs. sign appends to signature; it may wait, and the handshake waits with it. Any error fails the handshake. */
struct tls_signer {
    enum err (*sign)(void *ctx, const struct tls_question *q, buf *signature);
    void *ctx;
};

struct tls_pair {
    slice name;      /* SNI name; empty: default */
    slice cert, key; /* paths */
    const struct tls_signer *
        signer; /* not NULL: the key's file is not read, and this one signs, if tls_pair_apart; must outlive what is opened */
};

/* Once, before the processes that use TLS are forked: all that OpenSSL makes at its first use is made, by a handshake with itself, and what TLS needs is there (else it would be missing until the process ends, when memory was
 * short for a moment). ERR_TLS: why says what is not. A few milliseconds. */
must_check enum err tls_prepare(buf *why);

/* Loads and matches all pairs. On error `why` names the file and what is wrong (ERR_TLS, ERR_NOTFOUND, ERR_PERMISSION). ticket_key: 80 bytes shared by all receivers, or empty. */
must_check enum err tls_server_open(const struct tls_pair *pairs, size_t count, slice ticket_key,
                                    struct tls_server **t_r, buf *why);
void tls_server_close(struct tls_server **t);
/* From here on its sessions ask clients for a certificate and take who has none, or one that is not valid: see tls_session_client_mails. ca_path: the authorities, PEM. Its sessions give no
 * tickets. Errors as tls_server_open. */
must_check enum err tls_server_ask_clients(struct tls_server *t, slice ca_path, buf *why);
/* Checks a pair without keeping it: readable, belong together, can be used. Warnings (expired or soon, unknown chain, another name, weak key) go to `warnings`, one line each. */
must_check enum err tls_pair_check(const struct tls_pair *pair, int64_t now_s, buf *why, buf *warnings);

/* The end of a certificate's validity, "2026-12-30 10:00 UTC"; "an unreadable date" when the pair cannot be read. */
void tls_pair_print_end(const struct tls_pair *pair, buf *b);
/* Appends, for people, the names that the pair's certificate is for and the days left: "mail.example.org, example.org; 89 days left". Errors as tls_server_open. */
must_check enum err tls_pair_describe(const struct tls_pair *pair, int64_t now_s, buf *out, buf *why);

/* A new key (ECDSA, P-256) and a certificate that it signs itself, as PEM: for this name, valid from yesterday on and for so many days. Nobody trusts such a certificate: it is for a
 * server's first hours. The caller wipes key_pem. ERR_TLS. */
must_check enum err tls_self_signed(slice name, int64_t now_s, int days, buf *cert_pem, buf *key_pem);

/* Can its signatures be those of another process? RSA and ECDSA can. False also when there is no certificate to be read. */
bool tls_pair_apart(const struct tls_pair *pair);

/* Keys for others who have none: those of the pairs of which tls_pair_apart. The public halves are known by the certificates. Errors as tls_server_open. */
struct tls_keys;
must_check enum err tls_keys_open(const struct tls_pair *pairs, size_t count, struct tls_keys **k_r, buf *why);
void tls_keys_close(struct tls_keys **k);
/* Appends at most TLS_SIGNATURE_MAX bytes. The question may be hostile: it signs what a handshake could need and nothing else, so that who asks cannot have a secret decrypted. ERR_NOTFOUND: no such key; ERR_SYNTAX: no such
 * question; ERR_TLS. */
must_check enum err tls_keys_sign(const struct tls_keys *k, const struct tls_question *q, buf *signature);

/* System trust store, which all that are open in the process share: for one thread only. verify: a handshake with a bad chain or name fails; otherwise it is only noted. */
must_check enum err tls_client_open(bool verify, struct tls_client **t_r, buf *why);
void tls_client_close(struct tls_client **t);
/* The certificate that we show when a server asks for one. Errors as tls_server_open. */
must_check enum err tls_client_identify(struct tls_client *t, const struct tls_pair *pair, buf *why);

/* Trusts the authorities of this file (PEM) and no others. Errors as tls_server_open. */
must_check enum err tls_client_trust(struct tls_client *t, slice ca_path, buf *why);

/* For os/net: sans-I/O. Feed what the peer sent; take what must go to the peer; read and write plaintext. */
must_check enum err tls_session_open_server(const struct tls_server *t, struct tls_session **s_r);
/* name: for SNI and verification; ERR_SYNTAX: no name that a certificate could have, where one is demanded. */
must_check enum err tls_session_open_client(const struct tls_client *t, slice name, struct tls_session **s_r);
void tls_session_close(struct tls_session **s);
must_check enum err tls_session_feed(struct tls_session *s, slice cipher);
/* ERR_OK when the handshake is done, ERR_AGAIN, ERR_TLS. */
must_check enum err tls_session_handshake(struct tls_session *s);
/* Plaintext: *got_r bytes; ERR_AGAIN when more is needed, ERR_CLOSED after close_notify, ERR_TLS. */
must_check enum err tls_session_read(struct tls_session *s, void *out, size_t size, size_t *got_r);
must_check enum err tls_session_write(struct tls_session *s, slice plain);
void tls_session_shutdown(struct tls_session *s);
/* Appends what must be sent to the peer now. */
void tls_session_output(struct tls_session *s, buf *out);
slice tls_session_text(const struct tls_session *s);
bool tls_session_verified(const struct tls_session *s);
slice tls_session_error(const struct tls_session *s);
/* What a handshake came to, for people. The text is the arena's; a certificate's words are the peer's: escape them. */
#define TLS_FACTS_NAMES_MAX 16u
struct tls_facts {
    slice version, cipher, group;     /* "TLSv1.3", "TLS_AES_256_GCM_SHA384", "X25519"; group empty: none was used */
    bool has_certificate;             /* without one, what follows is empty */
    slice common_name, issuer;        /* of subject and issuer; the issuer's organization where it has no such name */
    slice names[TLS_FACTS_NAMES_MAX]; /* DNS names and addresses that it is for */
    size_t name_count;
    int64_t from_s, until_s; /* unix time */
    slice key;               /* "RSA", "EC", "ED25519" */
    unsigned key_bits;
    bool name_ok, chain_ok; /* for the name that the session was opened with; by the authorities of its client */
    slice chain_why;        /* why not */
};
/* Client side, after the handshake. name: as for tls_session_open_client. ERR_NOMEM. */
must_check enum err tls_session_facts(const struct tls_session *s, slice name, struct arena *arena,
                                      struct tls_facts *facts_r);
#define TLS_BINDING_SIZE 32
/* What both ends of this channel know and nobody between them: tls-exporter of RFC 9266. False: there is none (no handshake yet; TLS 1.2). */
bool tls_session_binding(const struct tls_session *s, uint8_t binding[TLS_BINDING_SIZE]);
/* Server side: appends the rfc822Names of the client's certificate, each with an LF behind it, when it verifies against tls_server_ask_clients; else nothing. */
void tls_session_client_mails(const struct tls_session *s, buf *out);

#endif
