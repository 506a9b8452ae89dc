/* SPDX-License-Identifier: ISC */
#include "cmd/explain.h"

static const char *word_of(const struct explanation *x)
{
    return verdict_ok(&x->verdict)                           ? "accept"
           : verdict_class(&x->verdict) == VERDICT_TEMPORARY ? "temporary"
                                                             : "refused";
}

static void print_reply(buf *out, const struct explanation *x)
{
    buf_printf(out, "%u ", x->verdict.code);
    if (x->verdict.enhanced[0] > 0)
        buf_printf(out, "%u.%u.%u ", x->verdict.enhanced[0], x->verdict.enhanced[1], x->verdict.enhanced[2]);
    buf_append_escaped(out, x->verdict.text);
}

static void print_delivery(buf *out, const struct explain_recipient *r)
{
    buf_append_escaped(out, r->delivery);
    if (r->state.len > 0 || r->tls.len > 0)
        buf_append(out, SLICE(" ("));
    buf_append_escaped(out, r->state);
    if (r->tls.len > 0)
        buf_printf(out, "%s%.*s", r->state.len > 0 ? "; " : "", SLICE_ARG(r->tls));
    if (r->source.len > 0)
        buf_printf(out, ", from %.*s", SLICE_ARG(r->source));
    if (r->state.len > 0 || r->tls.len > 0)
        buf_append_char(out, ')');
}

static void print_hosts(buf *out, const struct explain_recipient *r)
{
    for (size_t i = 0; i < r->host_count; i++) {
        const struct explain_host *h = &r->hosts[i];
        buf_printf(out, "       %5u %.*s -> ", h->preference, SLICE_ARG(h->name));
        buf_append(out, h->addresses.len > 0 ? h->addresses : SLICE("no address"));
        buf_append_char(out, '\n');
    }
}

static void print_verdict(buf *out, const struct explanation *x)
{
    const struct explain_recipient *one = x->recipient_count == 1 ? &x->recipients[0] : NULL;
    if (!verdict_ok(&x->verdict)) {
        buf_append(out, verdict_class(&x->verdict) == VERDICT_TEMPORARY ? SLICE("TEMPORARY  ") : SLICE("REFUSED  "));
        print_reply(out, x);
        if (!slice_equal(slice_str(x->at), SLICE("RCPT")))
            buf_printf(out, " (at %s)", x->at);
    } else if (one) {
        buf_append(out, SLICE("ACCEPT   "));
        buf_append_escaped(out, one->chain);
        print_delivery(out, one);
    } else {
        buf_printf(out, "ACCEPT   %zu recipients", x->recipient_count);
    }
    buf_append_char(out, '\n');
}

static void print_steps(buf *out, const struct explanation *x)
{
    for (size_t i = 0; i < x->step_count; i++) {
        const struct explain_step *s = &x->steps[i];
        buf_printf(out, "%3zu. ", i + 1);
        buf_append_escaped(out, s->text);
        if (s->line > 0) {
            buf_append(out, SLICE(" ("));
            buf_append_escaped(out, s->file);
            buf_printf(out, ":%u)", s->line);
        }
        buf_append_char(out, '\n');
    }
}

void explain_print_text(buf *out, const struct explanation *x)
{
    print_verdict(out, x);
    print_steps(out, x);
    for (size_t i = 0; i < x->recipient_count; i++) {
        const struct explain_recipient *r = &x->recipients[i];
        if (x->recipient_count > 1) {
            buf_append(out, r->wrong ? SLICE("  !  ") : SLICE("  -> "));
            buf_append_escaped(out, r->address);
            buf_append(out, SLICE("  "));
            print_delivery(out, r);
            buf_append_char(out, '\n');
        }
        print_hosts(out, r);
    }
    if (x->recipient_count == 1 && x->recipients[0].wrong) {
        buf_append(out, SLICE("  !  it would be accepted, and could not be delivered now: "));
        buf_append_escaped(out, x->recipients[0].state);
        buf_append_char(out, '\n');
    }
}

static void add(buf *out, const char *name, slice value)
{
    buf_printf(out, "\"%s\":", name);
    buf_append_json(out, value);
    buf_append_char(out, ',');
}

static void json_hosts(buf *out, const struct explain_recipient *r)
{
    buf_append(out, SLICE("\"hosts\":["));
    for (size_t i = 0; i < r->host_count; i++) {
        slice one, rest = r->hosts[i].addresses;
        buf_printf(out, "%s{\"preference\":%u,\"name\":", i == 0 ? "" : ",", r->hosts[i].preference);
        buf_append_json(out, r->hosts[i].name);
        buf_append(out, SLICE(",\"addresses\":["));
        for (bool first = true; rest.len > 0; first = false) {
            (void)slice_cut(rest, ',', &one, &rest);
            buf_append(out, first ? SLICE_NONE : SLICE(","));
            buf_append_json(out, slice_trim(one));
        }
        buf_append(out, SLICE("]}"));
    }
    buf_append(out, SLICE("]"));
}

static void json_recipients(buf *out, const struct explanation *x)
{
    buf_append(out, SLICE("\"recipients\":["));
    for (size_t i = 0; i < x->recipient_count; i++) {
        const struct explain_recipient *r = &x->recipients[i];
        buf_append(out, i == 0 ? SLICE("{") : SLICE(",{"));
        add(out, "address", r->address);
        add(out, "list", r->list ? r->list->address : SLICE_NONE);
        add(out, "delivery", r->delivery);
        add(out, "state", r->state);
        buf_printf(out, "\"ok\":%s,", r->wrong ? "false" : "true");
        add(out, "tls", r->tls);
        add(out, "source", r->source);
        json_hosts(out, r);
        buf_append_char(out, '}');
    }
    buf_append(out, SLICE("]"));
}

static void json_steps(buf *out, const struct explanation *x)
{
    buf_append(out, SLICE("\"steps\":["));
    for (size_t i = 0; i < x->step_count; i++) {
        const struct explain_step *s = &x->steps[i];
        buf_append(out, i == 0 ? SLICE("{") : SLICE(",{"));
        add(out, "text", s->text);
        add(out, "file", s->file);
        buf_printf(out, "\"line\":%u}", s->line);
    }
    buf_append(out, SLICE("],"));
}

void explain_print_json(buf *out, const struct explanation *x)
{
    buf_append_char(out, '{');
    add(out, "to", x->question.to);
    add(out, "from", x->question.from);
    add(out, "ip", x->ip_text);
    add(out, "user", x->session.login);
    add(out, "listener", x->listener ? x->listener->text : SLICE("local"));
    buf_printf(out, "\"tls\":%s,", x->secured ? "true" : "false");
    add(out, "verdict", slice_str(word_of(x)));
    add(out, "at", slice_str(x->at));
    buf_printf(out, "\"code\":%u,\"enhanced\":\"%u.%u.%u\",", x->verdict.code, x->verdict.enhanced[0],
               x->verdict.enhanced[1], x->verdict.enhanced[2]);
    add(out, "text", x->verdict.text);
    json_steps(out, x);
    json_recipients(out, x);
    buf_append(out, SLICE("}\n"));
}
