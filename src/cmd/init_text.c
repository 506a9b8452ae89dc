/* SPDX-License-Identifier: ISC */
#include "cmd/init.h"

/* A basic string of TOML is written like one of JSON. */
static void append_key(buf *out, const char *key, slice value)
{
    buf_append(out, slice_str(key));
    buf_append_json(out, value);
    buf_append_char(out, '\n');
}

static void append_head(const struct init *n, buf *out)
{
    buf_printf(out,
               "# Made by `thurn init` for %.*s. All keys: thurn.toml(5), or `thurn config --defaults`.\n"
               "# After a change: `thurn check`, then `thurn reload`.\n",
               SLICE_ARG(n->domain));
    append_key(out, "hostname   = ", n->hostname);
    append_key(out, "postmaster = ", n->postmaster);
    if (!slice_equal(n->state_dir, SLICE(INIT_STATE)))
        append_key(out, "state_dir  = ", n->state_dir);
    if (n->root && !slice_equal(n->system_user, SLICE(INIT_USER)))
        append_key(out, "user       = ", n->system_user);
}

static void append_tls(const struct init *n, buf *out)
{
    buf_append(out, SLICE("\n[tls]\n"));
    if (!n->words.cert)
        buf_append(out, SLICE("# Signed by itself, for the start: put an authority's in its place (certbot, acme.sh; "
                              "`thurn reload` reads it).\n"));
    append_key(out, "cert = ", n->cert);
    append_key(out, "key  = ", n->key);
}

static void append_listen(const struct init *n, buf *out)
{
    if (n->words.dir)
        buf_append(out, SLICE("\n[listen]\n"
                              "# For a trial, on this machine only. A real server has \"*:25\", \"*:465 tls\" and "
                              "\"*:587 starttls\".\n"
                              "mx         = [\"127.0.0.1:2525\"]\n"
                              "submission = [\"127.0.0.1:4465 tls\", \"127.0.0.1:4587 starttls\"]\n"));
    else
        buf_append(out,
                   SLICE("\n[listen]\n"
                         "mx         = [\"*:25\"]                          # strangers: only to our domains; login "
                         "is never offered\n"
                         "submission = [\"*:465 tls\", \"*:587 starttls\"]   # our users: only after login\n"));
}

static void append_domain(const struct init *n, buf *out)
{
    char memory[INIT_TEXT_MAX];
    buf deliver;
    buf_init_fixed(&deliver, memory, sizeof memory);
    buf_printf(&deliver, "maildir:%.*s/{domain}/{user}", SLICE_ARG(n->mail_dir));
    buf_append(out, SLICE("\n[domain."));
    buf_append_json(out, n->domain);
    buf_append(out, SLICE("]\n"));
    append_key(out, "deliver = ", buf_slice(&deliver));
    buf_append(out, SLICE("users   = \"accounts\"   # thurn user add, list, passwd, remove\n"));
    append_key(out, "aliases = ", n->aliases);
}

static void append_route(const struct init *n, buf *out)
{
    buf_append(out,
               SLICE("\n# A null client: it takes mail of this machine's programs only, and sends all of it here.\n"
                     "[route.\"*\"]\n"));
    append_key(out, "via = ", slice_str(n->words.via));
    if (n->relay_login.len > 0)
        append_key(out, "password_file = ", n->password_file);
    if (n->relay_login.len > 0 || slice_starts(slice_str(n->words.via), SLICE("smtps:")))
        buf_append(out, SLICE("tls = \"verify\"\n"));
}

void init_text_conf(const struct init *n, buf *out)
{
    append_head(n, out);
    if (n->words.null_client) {
        append_route(n, out);
        return;
    }
    append_tls(n, out);
    append_listen(n, out);
    append_domain(n, out);
}

void init_text_aliases(const struct init *n, buf *out)
{
    static const char *const names[] = {"postmaster", "abuse", "hostmaster", "root"};
    slice target = n->local.len > 0 ? n->local : SLICE("alice");
    buf_printf(out,
               "# Other names of the users of %.*s, as aliases(5) has them: NAME: ADDRESS, ADDRESS\n"
               "# The running server notices a change.\n",
               SLICE_ARG(n->domain));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal(target, slice_str(names[i])))
            continue;
        buf_printf(out, "%s%s: %.*s\n", n->local.len > 0 ? "" : "#", names[i], SLICE_ARG(target));
    }
}
