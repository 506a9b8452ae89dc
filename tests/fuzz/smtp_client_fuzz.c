/* SPDX-License-Identifier: ISC */
/* A host's bytes into the client engine, in one piece, byte by byte, and cut at every byte: the same events come out and the same bytes go to the
 * host; and what goes there has strict line ends. The first byte chooses options, the second what the messages need of extensions and how the login goes. */
#include "smtp/talk_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct talk_message messages[] = {
    {.from = {"a@b", 3},
     .to = {{"c@d", 3}, {"e@f", 3}, {"g\r\n@h", 6}},
     .content = {"x\r\n.\r\n\xc3\xa9", 8},
     .flags = ENVELOPE_BODY_8BIT,
     .piece = 1},
    {.to = {{"c@d", 3}}, .content = {"\n.\n\r.\r", 6}},
};

/* Each with all that extensions can carry; what of it is used is the host's offer's business. */
static const struct talk_extra extras[][2] = {
    {{.now_s = 0}, {.now_s = 0}},
    {{.envelope = {.envid = {"e+=", 3}, .flags = ENVELOPE_RET_FULL, .priority = -3},
      .recipients = {{.notify = NOTIFY_NEVER}, {.notify = NOTIFY_SUCCESS, .orcpt = {"utf-8;\xc3\xa9", 8}}}},
     {.envelope = {.flags = ENVELOPE_REQUIRETLS}}},
    {{.envelope = {.flags = ENVELOPE_BODY_BINARY}}, {.envelope = {.flags = ENVELOPE_BODY_BINARY}, .converted = true}},
    {{.envelope = {.deliver_by_s = 60, .flags = ENVELOPE_BY_RETURN}, .as_it_is = true},
     {.envelope = {.deliver_by_s = -60, .flags = ENVELOPE_BY_NOTIFY | ENVELOPE_BY_TRACE | ENVELOPE_SMTPUTF8}}},
};

static const slice initial = {"\0alice\0secret", 13};

static void login_set(struct talk_login *l, uint8_t how)
{
    *l = (struct talk_login){0};
    if (how == 0)
        return;
    l->mechanism = SLICE("X");
    l->initial = how & 1 ? &initial : NULL;
    l->responses[0] = SLICE("one");
    l->responses[1] = how & 2 ? SLICE("") : SLICE_NONE;
}

static void run(struct talk *t, uint8_t bits, uint8_t more, slice in, size_t first, size_t piece)
{
    t->extras = extras[more & 3];
    login_set(&t->login, more >> 2 & 3);
    struct smtp_client_options o = {
        .tls = (enum smtp_client_tls)(bits % 3), .lmtp = bits >> 2 & 1, .auth_plaintext_ok = bits >> 3 & 1};
    o.sign_in = bits >> 4 & 1;
    talk_open(t, &o, messages, bits >> 5 & 1 ? 2 : bits >> 6 & 1);
    talk_read(t, slice_sub(in, 0, first));
    for (size_t from = first; from < in.len; from += piece)
        talk_read(t, slice_sub(in, from, from + piece < in.len ? from + piece : in.len));
    t->unverified = bits >> 7 & 1;
    talk_handshake(t);
    smtp_client_lost(t->client, ERR_CLOSED);
    talk_events(t);
    assert(t->over);
}

static void compare(const struct talk *a, const struct talk *b)
{
    if (a->early || b->early)
        return;
    if (!slice_equal(buf_slice(&a->log), buf_slice(&b->log)) || !slice_equal(buf_slice(&a->wire), buf_slice(&b->wire)))
        abort();
}

static void check_strict(slice wire)
{
    for (size_t i = 0; i < wire.len; i++) {
        bool cr_before = i > 0 && wire.ptr[i - 1] == '\r', lf_after = i + 1 < wire.len && wire.ptr[i + 1] == '\n';
        if ((wire.ptr[i] == '\n' && !cr_before) || (wire.ptr[i] == '\r' && !lf_after))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct talk whole = {0}, cut = {0};
    if (size < 2 || size > 2048)
        return 0;
    slice in = slice_of(data + 2, size - 2);
    run(&whole, data[0], data[1], in, in.len, 1);
    if ((data[1] & 3) != 2) /* binary content is sent as it is */
        check_strict(buf_slice(&whole.wire));
    run(&cut, data[0], data[1], in, 0, 1);
    compare(&whole, &cut);
    talk_close(&cut);
    size_t step = in.len / 40 + 1;
    for (size_t i = 1; i < in.len; i += step) {
        run(&cut, data[0], data[1], in, i, in.len);
        compare(&whole, &cut);
        talk_close(&cut);
    }
    talk_close(&whole);
    return 0;
}
