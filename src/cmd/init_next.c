/* SPDX-License-Identifier: ISC */
#include "cmd/init.h"

void init_next_quote(slice path, buf *out)
{
    bool plain = path.len > 0;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        plain = plain && (ascii_is_alpha(c) || ascii_is_digit(c) || c == '/' || c == '.' || c == '-' || c == '_' ||
                          c == '+' || c == ',' || c == '@');
    }
    if (plain) {
        buf_append(out, path);
        return;
    }
    buf_append_char(out, '\'');
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] == '\'')
            buf_append(out, SLICE("'\\''"));
        else
            buf_append_char(out, path.ptr[i]);
    }
    buf_append_char(out, '\'');
}

/* " -c FILE", or nothing when FILE is the one that all look for. */
static void option(const struct init *n, buf *out)
{
    if (slice_equal(n->conf_path, SLICE(COMMAND_CONF)))
        return;
    buf_append(out, SLICE(" -c "));
    init_next_quote(n->conf_path, out);
}

static void print_certificate(const struct init *n, FILE *to)
{
    int shown = n->words.dir ? 0 : 1;
    if (n->words.cert)
        return;
    (void)fprintf(
        to,
        "\nThe certificate is signed by itself and good for %d days. Other servers take it; mail programs warn\n"
        "of it, and some refuse it. Replace it by an authority's:\n",
        INIT_DAYS);
    if (shown)
        (void)fprintf(to,
                      "    certbot certonly --standalone -d %.*s\n"
                      "and name what it made in %.*s, then `thurn reload`:\n"
                      "    cert = \"/etc/letsencrypt/live/%.*s/fullchain.pem\"\n"
                      "    key  = \"/etc/letsencrypt/live/%.*s/privkey.pem\"\n",
                      SLICE_ARG(n->hostname), SLICE_ARG(n->conf_path), SLICE_ARG(n->hostname), SLICE_ARG(n->hostname));
    else
        (void)fprintf(to, "    %.*s and %.*s\n", SLICE_ARG(n->cert), SLICE_ARG(n->key));
}

static void print_public(const struct init *n, FILE *to)
{
    if (n->words.null_client || n->words.dir)
        return;
    (void)fprintf(to,
                  "\nPublish the DNS records above. Let your provider set the PTR of the address to %.*s: without\n"
                  "it many servers take no mail from here. Let TCP ports 25, 465 and 587 through the firewall.\n",
                  SLICE_ARG(n->hostname));
}

static void print_commands(const struct init *n, slice c, FILE *to)
{
    struct os_file_stamp stamp;
    bool systemd = !n->words.dir && os_file_stamp(AT_FDCWD, SLICE("/run/systemd/system"), true, &stamp) == ERR_OK;
    slice whom = n->address.len > 0 ? n->address : n->postmaster;
    (void)fprintf(to, "\nNext:\n    thurn check%.*s\n", SLICE_ARG(c));
    if (systemd)
        (void)fprintf(to, "    systemctl enable --now thurn      or, in the foreground: thurn serve%.*s\n",
                      SLICE_ARG(c));
    else
        (void)fprintf(to, "    thurn serve%.*s\n", SLICE_ARG(c));
    if (n->words.no_user)
        (void)fprintf(to, "    thurn user add NAME@%.*s%.*s\n", SLICE_ARG(n->domain), SLICE_ARG(c));
    (void)fprintf(to, "    echo hello | thurn send --from %.*s --to %.*s%.*s\n", SLICE_ARG(whom), SLICE_ARG(whom),
                  SLICE_ARG(c));
    if (n->address.len > 0)
        (void)fprintf(to, "    ls %.*s/%.*s/%.*s/new\n", SLICE_ARG(n->mail_dir), SLICE_ARG(n->domain),
                      SLICE_ARG(n->local));
}

void init_next_print(const struct init *n, FILE *to)
{
    buf c;
    buf_init(&c, INIT_TEXT_MAX);
    option(n, &c);
    if (!n->words.null_client)
        print_certificate(n, to);
    print_public(n, to);
    print_commands(n, buf_slice(&c), to);
    buf_deinit(&c);
}
