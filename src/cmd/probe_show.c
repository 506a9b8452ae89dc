/* SPDX-License-Identifier: ISC */
#include "cmd/probe_show.h"

#include <stdio.h>

#include "mail/mail.h"

#define LINE_MAX_BYTES (512u * 1024)
#define TAG_WIDTH 6u
#define TIME_WIDTH 10u
#define MARGIN 2u

static void put_out(buf *b)
{
    buf_append_char(b, '\n');
    (void)fwrite(b->ptr, 1, buf_ok(b) ? b->len : 0, stdout);
    (void)fflush(stdout);
    buf_deinit(b);
}

static size_t characters(slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* One line for people; time: empty, or at the right. */
static void say(const struct probe_show *s, const char *tag, slice text, const char *time)
{
    buf b;
    if (s->json || s->quiet)
        return;
    bool red = s->color && strcmp(tag, "!") == 0;
    buf_init(&b, LINE_MAX_BYTES);
    buf_printf(&b, "%s%-*s", red ? "\033[31m" : "", (int)TAG_WIDTH, tag);
    size_t before = b.len;
    buf_append_escaped(&b, text);
    size_t used = TAG_WIDTH + characters(slice_skip(buf_slice(&b), before)), time_at = s->width - MARGIN - TIME_WIDTH;
    if (*time)
        buf_printf(&b, "%*s", used < time_at ? (int)(time_at - used + TIME_WIDTH) : (int)(strlen(time) + 2), time);
    buf_append(&b, red ? SLICE("\033[0m") : SLICE_NONE);
    put_out(&b);
}

static const char *time_text(char memory[32], const char *sign, int64_t us)
{
    (void)snprintf(memory, 32, "%s%lld ms", sign, (long long)((us + 500) / 1000));
    return memory;
}

static void object(buf *b, const char *step)
{
    buf_init(b, LINE_MAX_BYTES);
    buf_printf(b, "{\"step\":\"%s\"", step);
}

static void text_member(buf *b, const char *name, slice value)
{
    buf_printf(b, ",\"%s\":", name);
    buf_append_json(b, value);
}

static void bool_member(buf *b, const char *name, bool value)
{
    buf_printf(b, ",\"%s\":%s", name, value ? "true" : "false");
}

static void ms_member(buf *b, int64_t us)
{
    buf_printf(b, ",\"ms\":%lld.%03lld", (long long)(us / 1000), (long long)(us % 1000));
}

static void end_object(const struct probe_show *s, buf *b)
{
    buf_append_char(b, '}');
    if (s->quiet)
        buf_deinit(b);
    else
        put_out(b);
}

void probe_show_dns(const struct probe_show *s, const struct probe_show_dns *d)
{
    char time[32];
    buf b;
    bool mx = strcmp(d->type, "MX") == 0;
    if (s->json) {
        object(&b, "dns");
        text_member(&b, "type", slice_str(d->type));
        text_member(&b, "domain", d->domain);
        if (mx)
            buf_printf(&b, ",\"preference\":%u", d->preference);
        text_member(&b, "host", d->host);
        text_member(&b, "addresses", d->addresses);
        ms_member(&b, d->us);
        end_object(s, &b);
        return;
    }
    buf_init(&b, LINE_MAX_BYTES);
    if (mx)
        buf_printf(&b, "MX %u %.*s -> %.*s", d->preference, SLICE_ARG(d->host), SLICE_ARG(d->addresses));
    else
        buf_printf(&b, "%.*s -> %.*s", SLICE_ARG(d->host), SLICE_ARG(d->addresses));
    say(s, "dns", buf_slice(&b), time_text(time, "", d->us));
    buf_deinit(&b);
}

void probe_show_connect(const struct probe_show *s, slice address, enum err e, int64_t us)
{
    char time[32], memory[512];
    buf b;
    if (s->json) {
        object(&b, "tcp");
        text_member(&b, "address", address);
        bool_member(&b, "ok", e == ERR_OK);
        if (e != ERR_OK)
            text_member(&b, "why", slice_str(err_text(e)));
        ms_member(&b, us);
        end_object(s, &b);
        return;
    }
    buf_init_fixed(&b, memory, sizeof memory);
    buf_append(&b, address);
    if (e != ERR_OK)
        buf_printf(&b, ": %s", err_text(e));
    say(s, e == ERR_OK ? "tcp" : "!", buf_slice(&b), time_text(time, "", us));
}

void probe_show_sent(const struct probe_show *s, slice line)
{
    buf b;
    say(s, ">", line, "");
    if (!s->json)
        return;
    object(&b, "sent");
    text_member(&b, "line", line);
    end_object(s, &b);
}

void probe_show_reply(const struct probe_show *s, slice to, const struct smtp_reply *r, int64_t us)
{
    char time[32];
    buf b;
    if (s->json) {
        object(&b, "reply");
        text_member(&b, "to", to);
        buf_printf(&b, ",\"code\":%u", r->code);
        text_member(&b, "text", r->text);
        ms_member(&b, us);
        end_object(s, &b);
        return;
    }
    slice line, rest = r->text;
    const char *when = time_text(time, "+", us);
    bool more = true;
    while (more) {
        more = slice_cut(rest, '\n', &line, &rest);
        buf_init(&b, LINE_MAX_BYTES);
        buf_printf(&b, "%u%c%.*s", r->code, more ? '-' : ' ', SLICE_ARG(line));
        say(s, r->code < 400 ? "<" : "!", buf_slice(&b), when);
        buf_deinit(&b);
        when = "";
    }
}

/* "TLS_AES_256_GCM_SHA384" is AES_256_GCM to people. */
static slice short_cipher(slice cipher)
{
    slice short_name = cipher;
    if (!slice_starts(cipher, SLICE("TLS_")))
        return cipher;
    short_name = slice_skip(cipher, 4);
    if (slice_ends_nocase(short_name, SLICE("_SHA256")) || slice_ends_nocase(short_name, SLICE("_SHA384")))
        short_name.len -= 7;
    return short_name;
}

static void tls_json(const struct probe_show *s, const struct tls_facts *f, int64_t days_left, int64_t us)
{
    buf b, until;
    char memory[64];
    buf_init_fixed(&until, memory, sizeof memory);
    date_print_rfc3339(&until, f->until_s);
    object(&b, "tls");
    text_member(&b, "version", f->version);
    text_member(&b, "cipher", f->cipher);
    text_member(&b, "group", f->group);
    if (f->has_certificate) {
        text_member(&b, "cn", f->common_name);
        buf_append(&b, SLICE(",\"names\":["));
        for (size_t i = 0; i < f->name_count; i++) {
            buf_append(&b, i > 0 ? SLICE(",") : SLICE_NONE);
            buf_append_json(&b, f->names[i]);
        }
        buf_append_char(&b, ']');
        text_member(&b, "issuer", f->issuer);
        text_member(&b, "key", f->key);
        buf_printf(&b, ",\"key_bits\":%u", f->key_bits);
        text_member(&b, "until", buf_slice(&until));
        buf_printf(&b, ",\"days_left\":%lld", (long long)days_left);
    }
    bool_member(&b, "name_ok", f->name_ok);
    bool_member(&b, "chain_ok", f->chain_ok);
    text_member(&b, "chain_why", f->chain_why);
    ms_member(&b, us);
    end_object(s, &b);
}

static void names_line(const struct probe_show *s, const struct tls_facts *f)
{
    buf b;
    buf_init(&b, LINE_MAX_BYTES);
    buf_append(&b, SLICE("for "));
    for (size_t i = 0; i < f->name_count; i++)
        buf_printf(&b, "%s%.*s", i > 0 ? ", " : "", SLICE_ARG(f->names[i]));
    buf_printf(&b, "%s; issuer %.*s; key %.*s %u", f->name_count > 0 ? "" : "no names", SLICE_ARG(f->issuer),
               SLICE_ARG(f->key), f->key_bits);
    say(s, "tls", buf_slice(&b), "");
    buf_deinit(&b);
}

void probe_show_tls(const struct probe_show *s, const struct tls_facts *f, int64_t days_left, int64_t us)
{
    char time[32];
    buf b;
    if (s->json) {
        tls_json(s, f, days_left, us);
        return;
    }
    buf_init(&b, LINE_MAX_BYTES);
    buf_printf(&b, "%.*s %.*s", SLICE_ARG(f->version), SLICE_ARG(short_cipher(f->cipher)));
    if (f->group.len > 0)
        buf_printf(&b, " %.*s", SLICE_ARG(f->group));
    if (!f->has_certificate)
        buf_append(&b, SLICE(", no certificate"));
    else if (days_left < 0)
        buf_printf(&b, ", CN %.*s, EXPIRED %lld d ago", SLICE_ARG(f->common_name), (long long)-days_left);
    else
        buf_printf(&b, ", CN %.*s, %lld d left", SLICE_ARG(f->common_name), (long long)days_left);
    if (f->has_certificate) {
        buf_append(&b, f->name_ok ? SLICE(", name ok") : SLICE(", NOT for this name"));
        if (f->chain_ok)
            buf_append(&b, SLICE(", chain ok"));
        else
            buf_printf(&b, ", chain NOT ok: %.*s", SLICE_ARG(f->chain_why));
    }
    say(s, "tls", buf_slice(&b), time_text(time, "+", us));
    buf_deinit(&b);
    if (f->has_certificate)
        names_line(s, f);
}

void probe_show_note(const struct probe_show *s, slice text)
{
    buf b;
    say(s, "note", text, "");
    if (!s->json)
        return;
    object(&b, "note");
    text_member(&b, "text", text);
    end_object(s, &b);
}

void probe_show_fault(const struct probe_show *s, slice text, int64_t us)
{
    char time[32];
    buf b;
    say(s, "!", text, time_text(time, "+", us));
    if (!s->json)
        return;
    object(&b, "fault");
    text_member(&b, "text", text);
    ms_member(&b, us);
    end_object(s, &b);
}

void probe_show_finding(const struct probe_show *s, const struct probe_finding *f)
{
    static const char *const kinds[] = {"ok", "warning", "bad"};
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};
    buf b;
    buf_init(&b, LINE_MAX_BYTES);
    if (s->json) {
        buf_printf(&b, "{\"check\":\"%s\",\"finding\":\"%s\"", f->check, kinds[f->kind]);
        text_member(&b, "text", f->text);
        text_member(&b, "do", f->remedy);
        buf_append_char(&b, '}');
    } else {
        buf_printf(&b, "%s%-8s%s %-17s ", s->color ? colors[f->kind] : "", kinds[f->kind], s->color ? "\033[0m" : "",
                   f->check);
        buf_append_escaped(&b, f->text);
        if (f->remedy.len > 0) {
            buf_printf(&b, "\n%27s", "do: ");
            buf_append_escaped(&b, f->remedy);
        }
    }
    put_out(&b);
}

void probe_show_result(const struct probe_show *s, const struct probe_result *r)
{
    buf b;
    buf_init(&b, LINE_MAX_BYTES);
    if (s->json) {
        buf_append(&b, SLICE("{\"result\":"));
        buf_append_json(&b, r->text);
        bool_member(&b, "reached", r->reached);
        text_member(&b, "tls", slice_str(r->tls));
        buf_printf(&b, ",\"exit\":%d}", r->status);
    } else {
        buf_append(&b, s->color ? SLICE("\033[1mRESULT\033[0m ") : SLICE("RESULT "));
        buf_append_escaped(&b, r->text);
        buf_printf(&b, " (exit %d)", r->status);
    }
    put_out(&b);
}
