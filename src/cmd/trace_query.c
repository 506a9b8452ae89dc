/* SPDX-License-Identifier: ISC */
#include "cmd/trace_query.h"

static bool read_message_id(slice text, struct trace_query *q)
{
    if (text.len < 3 || text.ptr[0] != '<' || text.ptr[text.len - 1] != '>')
        return false;
    q->kind = TRACE_QUERY_MESSAGE_ID;
    q->text = slice_sub(text, 1, text.len - 1);
    return true;
}

enum err trace_query_read(slice text, struct trace_query *q)
{
    uint64_t id;
    if (read_message_id(text, q))
        return ERR_OK;
    q->text = text;
    if (slice_find_char(text, '@') >= 0) {
        q->kind = TRACE_QUERY_ADDRESS;
        return ERR_OK;
    }
    if (queue_id_read(text, &id) != ERR_OK)
        return ERR_SYNTAX;
    q->kind = TRACE_QUERY_ID;
    q->text = slice_of(q->id, queue_id_write(q->id, id));
    return ERR_OK;
}

enum err trace_query_read_client(slice text, struct trace_query *q)
{
    slice ip, bits;
    size_t len = 0;
    uint64_t prefix;
    q->kind = TRACE_QUERY_CLIENT;
    q->text = text;
    q->network = (struct route_network){.text = text};
    if (slice_equal(text, SLICE("local")))
        return ERR_OK;
    bool has_bits = slice_cut(text, '/', &ip, &bits);
    if (address_ip_parse(ip, q->network.ip, &len) != ERR_OK)
        return ERR_SYNTAX;
    prefix = 8 * len;
    if (has_bits && slice_to_u64(bits, 8 * len, &prefix) != ERR_OK)
        return ERR_SYNTAX;
    q->network.ip_len = (uint8_t)len;
    q->network.bits = (uint8_t)prefix;
    return ERR_OK;
}

static bool client_matches(const struct trace_query *q, slice client)
{
    uint8_t ip[16];
    size_t len = 0;
    if (q->network.ip_len == 0)
        return slice_equal(client, q->text);
    return address_ip_parse(client, ip, &len) == ERR_OK && route_networks_contain(&q->network, 1, ip, (uint8_t)len);
}

static bool address_matches(const struct trace_query *q, slice address)
{
    if (slice_equal_nocase(address, q->text))
        return true;
    return q->text.ptr[0] == '@' && slice_ends_nocase(address, q->text);
}

static bool id_matches(slice wanted, slice text)
{
    return text.len > 0 && slice_equal(wanted, text);
}

static slice without_brackets(slice id)
{
    return id.len >= 2 && id.ptr[0] == '<' && id.ptr[id.len - 1] == '>' ? slice_sub(id, 1, id.len - 1) : id;
}

static bool is_recipient(const struct trace_query *q, const struct trace_event *e)
{
    return address_matches(q, trace_text(e, TRACE_KEY_TO)) || address_matches(q, trace_text(e, TRACE_KEY_ORIGINAL_TO));
}

enum trace_match trace_query_match(const struct trace_query *q, const struct trace_record *r)
{
    const struct trace_event *e = &r->event;
    bool whole = false;
    if (r->time_us < q->since_us)
        return TRACE_MATCH_NOT;
    switch (q->kind) {
    case TRACE_QUERY_ALL:
        whole = true;
        break;
    case TRACE_QUERY_ID:
        whole =
            id_matches(q->text, trace_text(e, TRACE_KEY_ID)) || id_matches(q->text, trace_text(e, TRACE_KEY_REPORT));
        break;
    case TRACE_QUERY_MESSAGE_ID:
        whole = id_matches(q->text, without_brackets(trace_text(e, TRACE_KEY_MESSAGE_ID)));
        break;
    case TRACE_QUERY_CLIENT:
        whole = client_matches(q, trace_text(e, TRACE_KEY_CLIENT));
        break;
    case TRACE_QUERY_ADDRESS:
        /* Some write Message-IDs without brackets. */
        whole = address_matches(q, trace_text(e, TRACE_KEY_FROM)) ||
                id_matches(q->text, without_brackets(trace_text(e, TRACE_KEY_MESSAGE_ID))) ||
                address_matches(q, trace_text(e, TRACE_KEY_LOGIN));
        if (!whole && is_recipient(q, e))
            return TRACE_MATCH_PART;
        break;
    }
    return whole ? TRACE_MATCH_WHOLE : TRACE_MATCH_NOT;
}

bool trace_query_shows(const struct trace_query *q, const struct trace_record *r)
{
    return q->kind != TRACE_QUERY_ADDRESS || trace_text(&r->event, TRACE_KEY_TO).len == 0 || is_recipient(q, &r->event);
}
