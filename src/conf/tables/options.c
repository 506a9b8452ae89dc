/* SPDX-License-Identifier: ISC */
#include "conf/option.h"

#include "conf/conf.h"
#include "conf/draft.h"

#define AT(type, member) offsetof(struct type, member)
#define ROWS(rows) (rows), sizeof(rows) / sizeof((rows)[0])
#define SECONDS_MAX ((int64_t)365 * 86400)
#define SIZE_MAX_BYTES ((int64_t)1 << 50)

static const char *const query_words[] = {"none", "authenticated", "any", NULL};
static const char *const hash_words[] = {"yescrypt", "argon2id", NULL};
static const char *const bad_job_words[] = {"hold", "delete", "dead-letter", NULL};
static const char *const log_to_words[] = {"stderr", "syslog", "journal", NULL};
static const char *const log_format_words[] = {"text", "json", NULL};
static const char *const log_level_words[] = {"debug", "info", "warning", "error", NULL};
static const char *const newline_words[] = {"normalize", "reject", NULL};

static const struct option top[] = {
    {"hostname", OPTION_STRING, AT(draft_top, hostname),
     .doc = "Name of this host, in full. Always a local domain, whose aliases are in /etc/aliases if that is there. "
            "Required."},
    {"origin", OPTION_STRING, AT(draft_top, origin), .doc = "Domain that completes bare names; hostname when absent."},
    {"postmaster", OPTION_STRING, AT(draft_top, postmaster),
     .doc = "Address that gets what nobody else can have. Required."},
    {"state_dir", OPTION_PATH, AT(draft_top, state_dir), .fallback = "/var/lib/thurn",
     .doc = "Folder of the queue, the accounts and the caches; belongs to user."},
    {"user", OPTION_STRING, AT(draft_top, user), .fallback = "thurn",
     .doc = "System user that processes run as when started by root."},
    {.name = "queue", .type = OPTION_TABLE, .offset = AT(draft_top, queue)},
    {.name = "listen", .type = OPTION_TABLE, .offset = AT(draft_top, listen)},
    {.name = "trust", .type = OPTION_TABLE, .offset = AT(draft_top, trust)},
    {.name = "tls", .type = OPTION_TABLE, .offset = AT(draft_top, tls)},
    {.name = "domain", .type = OPTION_TABLE, .offset = AT(draft_top, domain)},
    {.name = "address", .type = OPTION_TABLE, .offset = AT(draft_top, address)},
    {.name = "list", .type = OPTION_TABLE, .offset = AT(draft_top, list)},
    {.name = "route", .type = OPTION_TABLE, .offset = AT(draft_top, route)},
    {.name = "relay", .type = OPTION_TABLE, .offset = AT(draft_top, relay)},
    {.name = "send_as", .type = OPTION_TABLE, .offset = AT(draft_top, send_as)},
    {.name = "limits", .type = OPTION_TABLE, .offset = AT(draft_top, limits)},
    {.name = "auth", .type = OPTION_TABLE, .offset = AT(draft_top, auth)},
    {.name = "batch", .type = OPTION_TABLE, .offset = AT(draft_top, batch)},
    {.name = "log", .type = OPTION_TABLE, .offset = AT(draft_top, log)},
    {.name = "sender", .type = OPTION_LATER},
    {.name = "access", .type = OPTION_LATER},
    {.name = "filter", .type = OPTION_LATER},
};

static const struct option queue[] = {
    {"dir", OPTION_STRING, AT(draft_queue, dir), .doc = "Folder of the queue; STATE_DIR/queue when absent."},
    {"retry", OPTION_STRINGS, AT(draft_queue, retry),
     .fallback = "[\"1m\", \"5m\", \"15m\", \"30m\", \"1h\", \"2h\", \"4h\"]",
     .doc = "Waits between tries; the last one repeats."},
    {"give_up", OPTION_SECONDS, AT(draft_queue, give_up_s), 1, SECONDS_MAX, "5d",
     .doc = "Age at which a mail that cannot be delivered goes back; bounces give up after a day at most."},
    {"warn_after", OPTION_SECONDS, AT(draft_queue, warn_after_s), 0, SECONDS_MAX, "4h",
     .doc = "Age at which a trusted sender is told of a delay; \"0s\" is never."},
    {"min_free", OPTION_SIZE, AT(draft_queue, min_free), 0, SIZE_MAX_BYTES, "100M",
     .doc = "Free space below which no mail is taken."},
    {"connections_per_destination", OPTION_COUNT, AT(draft_queue, connections_per_destination), 1, 1000, "20",
     .doc = "Connections to one destination at a time."},
    {"signed_8bit", OPTION_STRING, AT(draft_queue, signed_8bit), .fallback = "send",
     .doc = "Signed mail (DKIM, S/MIME, PGP) that conversion would break, 8-bit for a host without 8BITMIME, or with "
            "lines over 998 bytes: send as it is, or bounce."},
};

static const struct option listen[] = {
    {"mx", OPTION_STRINGS, AT(draft_listen, mx), .fallback = "[]",
     .doc = "Where strangers bring mail for our domains: \"HOST:PORT\", with tls perhaps, or \"unix:/path\"; * is "
            "every address. AUTH is never offered."},
    {"submission", OPTION_STRINGS, AT(draft_listen, submission), .fallback = "[]",
     .doc = "Where our users bring mail for anyone, once signed in: \"HOST:PORT tls\" or \"HOST:PORT starttls\"."},
    {"lmtp", OPTION_STRINGS, AT(draft_listen, lmtp), .fallback = "[]",
     .doc =
         "Where trusted local software brings mail for our domains by LMTP: \"HOST:PORT\" or \"unix:/path\". It never "
         "relays and knows no AUTH. The word proxy behind any address asks for a PROXY header, from [trust] proxy."},
    {.name = "console", .type = OPTION_LATER},
};

static const struct option trust[] = {
    {"proxy", OPTION_STRINGS, AT(draft_trust, proxy), .fallback = "[]",
     .doc = "Addresses or networks of load balancers: only they may connect where a listener says proxy, and the "
            "client is "
            "whom their PROXY header names; where it names nobody (LOCAL, UNKNOWN) nothing is trusted by address."},
    {"xclient", OPTION_STRINGS, AT(draft_trust, xclient), .fallback = "[]",
     .doc = "Addresses or networks that may say with XCLIENT for whom they speak: policy and limits then see that "
            "client, and with LOGIN= a user who is signed in."},
    {"xforward", OPTION_STRINGS, AT(draft_trust, xforward), .fallback = "[]",
     .doc = "Addresses or networks that may say with XFORWARD where a message came from; for logs and Received only."},
};

static const struct option tls[] = {
    {"cert", OPTION_FILE, AT(draft_tls, cert), .doc = "Certificate and its chain, PEM. Like every file of a certificate or a secret it may be credential:NAME."},
    {"key", OPTION_FILE, AT(draft_tls, key), .doc = "Private key, PEM; best readable by root only."},
};

static const struct option auth[] = {
    {"via", OPTION_STRING, AT(draft_auth, via),
     .doc = "Who knows passwords: the accounts of `thurn user` when absent; \"file:PATH\", lines of LOGIN:HASH with "
            "hashes of crypt(3) "
            "or argon2id; \"dovecot:PATH\", the auth-client socket of Dovecot."},
    {"hash", OPTION_WORD, AT(draft_auth, hash), .fallback = "yescrypt", .words = hash_words,
     .doc = "What `thurn user` hashes new passwords with: yescrypt, argon2id."},
    {"plaintext_on_loopback", OPTION_BOOL, AT(draft_auth, plaintext_on_loopback), .fallback = "false",
     .doc = "Take logins without TLS on submission listeners whose address is loopback."},
    {"client_ca", OPTION_FILE, AT(draft_auth, client_ca),
     .doc = "Certificate authorities, PEM: submission asks clients for a certificate, and EXTERNAL signs in the mail "
            "address (rfc822Name) of one of theirs."},
    {"introspection", OPTION_STRING, AT(draft_auth, introspection),
     .doc = "https URL that tells whose an OAuth token is (RFC 7662); OAUTHBEARER and XOAUTH2 are offered."},
    {"introspection_id", OPTION_STRING, AT(draft_auth, introspection_id), .doc = "Our name at introspection."},
    {"introspection_secret_file", OPTION_FILE, AT(draft_auth, introspection_secret_file),
     .doc = "File with our secret at introspection; best readable by root only."},
    {"introspection_ca", OPTION_FILE, AT(draft_auth, introspection_ca),
     .doc = "Certificate authorities for introspection, PEM; the system's when absent."},
    {"jwt_key", OPTION_FILE, AT(draft_auth, jwt_key),
     .doc = "Public keys, PEM (RSA for RS256, P-256 for ES256, Ed25519 for EdDSA), that OAuth tokens are signed with; "
            "OAUTHBEARER and XOAUTH2 are offered."},
    {"jwt_issuer", OPTION_STRING, AT(draft_auth, jwt_issuer),
     .doc = "\"iss\" that a token must have; any when absent."},
    {"jwt_audience", OPTION_STRING, AT(draft_auth, jwt_audience),
     .doc = "\"aud\" that a token must have. Required with jwt_key: a token for another service is none for us."},
    {"claim", OPTION_STRING, AT(draft_auth, claim), .fallback = "email",
     .doc =
         "Claim of a token that is the login. It must be an address of one of our domains, or have a row in [send_as]: "
         "others are not signed in by a token, whoever has signed it."},
};

static const struct option domain[] = {
    {"deliver", OPTION_STRING, AT(draft_domain, deliver),
     .doc = "maildir:PATH, mbox:PATH, lmtp:HOST:PORT, lmtp:unix:PATH, smtp:HOST:PORT, mx:, pipe:COMMAND, discard: or "
            "hold:. {user}, {local} and {domain} expand."},
    {"deliver_as", OPTION_STRING, AT(draft_domain, deliver_as),
     .doc = "System user who writes the mailboxes; user when absent."},
    {"users", OPTION_STRING_OR_STRINGS, AT(draft_domain, users), .fallback = "accounts",
     .doc = "Who has a mailbox: a list of \"local\" or \"Full Name <local>\", or accounts, system, any."},
    {"catch_all", OPTION_STRING, AT(draft_domain, catch_all), .doc = "Address that gets mail for unknown users."},
    {"aliases", OPTION_STRING, AT(draft_domain, aliases),
     .doc = "File of aliases in sendmail's syntax. Names are without case, and compared in Unicode's normal form C."},
    {"subaddress", OPTION_STRING, AT(draft_domain, subaddress), .fallback = "+",
     .doc = "Signs that begin a subaddress (user+detail); \"\" is none."},
    {"same_as", OPTION_STRING, AT(draft_domain, same_as),
     .doc = "Another [domain] whose addresses these are; stands alone."},
    {.name = "dkim", .type = OPTION_LATER},
    {.name = "srs", .type = OPTION_LATER},
    {"smtputf8", OPTION_BOOL, AT(draft_domain, smtputf8), .fallback = "true",
     .doc = "Whether recipients may have signs in their local part that are not ASCII."},
};

static const struct option address[] = {
    {"deliver", OPTION_STRING, AT(draft_address, deliver), .doc = "As in [domain], for this one address."},
};

static const struct option list[] = {
    {"members", OPTION_STRING_OR_STRINGS, AT(draft_list, members),
     .doc = "Array of addresses, or the path of a file with one on each line. Required."},
    {"post", OPTION_STRING_OR_STRINGS, AT(draft_list, post), .fallback = "members",
     .doc = "Who may send to the list: members, authenticated, any, or an array of addresses."},
    {"owner", OPTION_STRING, AT(draft_list, owner),
     .doc = "Address that gets the list's bounces; NAME-owner@DOMAIN when absent."},
};

static const struct option route[] = {
    {"via", OPTION_STRING, AT(draft_route, via),
     .doc = "smtp://HOST:PORT or smtps://LOGIN@HOST; the MX of the domain when absent."},
    {"tls", OPTION_STRING, AT(draft_route, tls),
     .doc = "may, none, require or verify; may when absent, verify with smtps."},
    {"password_file", OPTION_FILE, AT(draft_route, password_file),
     .doc = "File with the password of the login in via; sent over verified TLS only."},
    {"token_file", OPTION_FILE, AT(draft_route, token_file),
     .doc = "File with an OAuth access token for the login in via, read at each start and reload."},
    {"cert", OPTION_FILE, AT(draft_route, cert),
     .doc = "Certificate shown to the host, with key; a login in via without password or token signs in by it "
            "(EXTERNAL)."},
    {"key", OPTION_FILE, AT(draft_route, key), .doc = "Private key of cert."},
    {"source", OPTION_STRING, AT(draft_route, source), .doc = "Own IP address to connect from."},
    {"helo", OPTION_STRING, AT(draft_route, helo), .doc = "Name to say in EHLO; hostname when absent."},
};

static const struct option relay[] = {
    {"allow", OPTION_STRINGS, AT(draft_relay, allow), .fallback = "[\"authenticated\", \"local-socket\"]",
     .doc = "Sessions that may send to other domains."},
    {.name = "network", .type = OPTION_TABLE, .offset = AT(draft_relay, network)},
};

static const struct option network[] = {
    {"senders", OPTION_STRINGS, AT(draft_network, senders),
     .doc = "Senders that the network may use: \"@DOMAIN\", \".DOMAIN\" (its subdomains), an address; \"*\" for a "
            "single host only. Required."},
    {"public", OPTION_BOOL, AT(draft_network, is_public), .fallback = "false",
     .doc = "Must be true for public addresses: at most a /24 (IPv6 /56)."},
};

static const struct option limits[] = {
    {"max_size", OPTION_SIZE, AT(conf_limits, max_size), 0, SIZE_MAX_BYTES, "50M",
     .doc = "Largest message; \"0\" is no limit."},
    {"sessions", OPTION_COUNT, AT(conf_limits, sessions), 0, 1000000, "10000",
     .doc = "Sessions at a time; 0 is no limit."},
    {"sessions_per_address", OPTION_COUNT, AT(conf_limits, sessions_per_address), 0, 1000000, "100",
     .doc = "Sessions at a time from one address; 0 is no limit."},
    {"connections_per_minute", OPTION_COUNT, AT(conf_limits, connections_per_minute), 0, 1000000, "300",
     .doc = "New connections a minute from one address; 0 is no limit."},
    {"messages_per_session", OPTION_COUNT, AT(conf_limits, messages_per_session), 0, 1000000, "0",
     .doc = "Messages in one session; 0 is no limit."},
    {"recipients", OPTION_COUNT, AT(conf_limits, recipients), 0, 100000, "1000",
     .doc = "Recipients of one message; 0 is no limit."},
    {"errors", OPTION_COUNT, AT(conf_limits, errors), 0, 1000000, "20",
     .doc = "Errors after which a session ends; 0 is no limit."},
    {"auth_failures", OPTION_COUNT, AT(conf_limits, auth_failures), 0, 1000000, "10",
     .doc =
         "Failed logins of one login from one address before both together are locked out for the rest of 15 minutes; "
         "an address is locked out at 3 times as many for whatever logins, a login at 20 times as many from "
         "anywhere. 0 is no limit."},
    {"user_messages_per_hour", OPTION_COUNT, AT(conf_limits, user_messages_per_hour), 0, 500000, "500",
     .doc = "Messages an hour of one login; 0 is no limit."},
    {"user_recipients_per_hour", OPTION_COUNT, AT(conf_limits, user_recipients_per_hour), 0, 500000, "2000",
     .doc = "Recipients an hour of one login; 0 is no limit."},
    {"user_alarm", OPTION_BOOL, AT(conf_limits, user_alarm), .fallback = "true",
     .doc = "A login above its hour's limits: the postmaster is told, the login's queued mail and what still comes is "
            "held "
            "until released, and twice the limit is refused. With false what is above the limit is refused."},
    {"hops", OPTION_COUNT, AT(conf_limits, hops), 0, 1000, "50",
     .doc = "Received fields above which a message is taken for a loop; 0 is no limit."},
    {"pregreet", OPTION_MILLISECONDS, AT(conf_limits, pregreet_ms), 0, 60, "0s",
     .doc = "How long to wait for clients that speak before the greeting; \"0s\" is not at all."},
    {"tarpit", OPTION_MILLISECONDS, AT(conf_limits, tarpit_ms), 0, 30, "0s",
     .doc = "How much longer each reply takes from a session's eleventh error on, up to 5 times this; \"0s\" is not at "
            "all."},
    {"command_timeout", OPTION_MILLISECONDS, AT(conf_limits, command_timeout_ms), 1, 3600, "5m",
     .doc = "Time for a command to come whole. A tenth of it under stress, as data_timeout."},
    {"data_timeout", OPTION_MILLISECONDS, AT(conf_limits, data_timeout_ms), 1, 3600, "3m",
     .doc = "Time between two pieces of a message's content."},
    {"min_rate", OPTION_COUNT, AT(conf_limits, min_rate), 0, 1000000, "256",
     .doc = "Bytes a second that content must come with on average, after a minute; 0 is any."},
    {"future_release", OPTION_SECONDS, AT(conf_limits, future_release_s), 0, SECONDS_MAX, "30d",
     .doc = "How far ahead trusted senders may date a message's release (FUTURERELEASE); \"0s\" is not at all."},
    {"refuse_null_mx", OPTION_BOOL, AT(conf_limits, refuse_null_mx), .fallback = "false",
     .doc = "Look up the MX of strangers' sender domains at MAIL, and refuse those that say that they take no mail (a "
            "null "
            "MX, RFC 7505): nobody could answer them. A name server that does not answer within 5 s refuses nobody."},
    {"etrn", OPTION_WORD, AT(conf_limits, etrn), .fallback = "none", .words = query_words,
     .doc =
         "Who may have a domain's queued mail tried at once with ETRN: none, authenticated (by [relay] networks, or a "
         "program of this machine), any; never on submission listeners. The domain must be one of ours."},
    {"vrfy", OPTION_WORD, AT(conf_limits, vrfy), .fallback = "none", .words = query_words,
     .doc = "Who may ask for users with VRFY: none, authenticated, any."},
    {"expn", OPTION_WORD, AT(conf_limits, expn), .fallback = "none", .words = query_words,
     .doc = "Who may ask for members of lists with EXPN: none, authenticated, any."},
    {"bare_newline", OPTION_WORD_BOOL, AT(conf_limits, bare_newline_reject), .fallback = "normalize",
     .words = newline_words, .doc = "What to do about a bare CR or LF in a message: normalize, reject."},
    {"strict_paths", OPTION_BOOL, AT(conf_limits, strict_paths), .fallback = "false",
     .doc = "Refuse MAIL FROM: a@b without brackets."},
};

static const struct option batch[] = {
    {"folder", OPTION_PATH, AT(draft_batch, folder),
     .doc = "Folder that `thurn batch --watch` takes jobs from, and where `thurn batch` puts those of ordinary users."},
    {"allow", OPTION_STRINGS, AT(draft_batch, allow), .fallback = "[\"root\"]",
     .doc = "Who may submit jobs: names of system users, and \"@GROUP\"."},
    {"administrators", OPTION_STRINGS, AT(draft_batch, administrators), .fallback = "[]",
     .doc = "Up to four addresses that get a report of each job."},
    {"error_limit", OPTION_COUNT, AT(draft_batch, error_limit), 0, 1000000, "5",
     .doc = "Lines of a job that are not understood at which the rest of it is given up (see bad_job); 0 is no limit."},
    {"bad_job", OPTION_WORD, AT(draft_batch, bad_job), .fallback = "hold", .words = bad_job_words,
     .doc = "What becomes of the rest of a job that cannot be run to its end: hold, delete, dead-letter."},
    {"dead_letter", OPTION_PATH, AT(draft_batch, dead_letter),
     .doc = "Folder of dead letters; STATE_DIR/batch/dead when absent."},
};

static const struct option logs[] = {
    {"to", OPTION_WORD, AT(conf_log, lines.to), .fallback = "stderr", .words = log_to_words,
     .doc = "Where lines go: stderr, syslog (/dev/log, facility mail), journal (with fields). See thurn-log(5)."},
    {"format", OPTION_WORD, AT(conf_log, lines.format), .fallback = "text", .words = log_format_words,
     .doc = "Lines for people, or JSON, one object a line: text, json. The journal has fields of its own."},
    {"level", OPTION_WORD, AT(conf_log, lines.least), .fallback = "info", .words = log_level_words,
     .doc = "The least that is written: debug, info, warning, error."},
    {"client_lines", OPTION_COUNT, AT(conf_log, lines.client_lines), 0, 1000000, "20",
     .doc = "Lines of one kind about one client's address at once; then one a second is written, and the others are "
            "counted. Lines about a mail always are written. 0 is no limit."},
    {"trace", OPTION_SIZE, AT(conf_log, trace), 0, SIZE_MAX_BYTES, "32M",
     .doc = "Disk space for the last events of all processes, below STATE_DIR/trace, from which thurn trace and thurn top "
            "read; at least 4M. 0 keeps none."},
};

const struct section option_sections[SECTION_COUNT] = {
    [SECTION_TOP] = {"", NULL, ROWS(top), .doc = "The host"},
    [SECTION_QUEUE] = {"queue", NULL, ROWS(queue), .doc = "The queue of undelivered mail"},
    [SECTION_LISTEN] = {"listen", NULL, ROWS(listen), .doc = "Where mail comes in"},
    [SECTION_TRUST] = {"trust", NULL, ROWS(trust), .doc = "Who is believed when it tells for whom it speaks"},
    [SECTION_TLS] = {"tls", NULL, ROWS(tls),
                     "Certificate of this host; [tls.\"NAME\"] is another one, by the name that a client asks for",
                     true},
    [SECTION_AUTH] = {"auth", NULL, ROWS(auth), .doc = "How users sign in"},
    [SECTION_DOMAIN] = {"domain", "example.org", ROWS(domain), .doc = "A domain of ours"},
    [SECTION_ADDRESS] = {"address", "tickets@example.org", ROWS(address),
                         .doc = "One address that is delivered elsewhere"},
    [SECTION_LIST] = {"list", "team@example.org", ROWS(list), .doc = "A mailing list"},
    [SECTION_ROUTE] = {"route", "*", ROWS(route),
                       .doc = "How mail for a foreign domain goes out; \"*\" is all that have no route of their own"},
    [SECTION_RELAY] = {"relay", NULL, ROWS(relay), .doc = "Who may send to other domains"},
    [SECTION_NETWORK] = {"relay.network", "10.1.2.0/24", ROWS(network),
                         .doc = "A network that is trusted by its address"},
    [SECTION_SEND_AS] =
        {"send_as", NULL, NULL, 0,
         .doc = "More addresses for a login: \"alice@example.org\" = [\"*@example.net\", \"info@example.org\"]"},
    [SECTION_LIMITS] = {"limits", NULL, ROWS(limits), .doc = "Limits"},
    [SECTION_BATCH] = {"batch", NULL, ROWS(batch), .doc = "Files of SMTP commands: thurn-batch(1)"},
    [SECTION_LOG] = {"log", NULL, ROWS(logs), .doc = "The log: thurn-log(5)"},
};
