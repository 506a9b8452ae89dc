/* SPDX-License-Identifier: ISC */
/* Any content from a client engine to a server engine, cut anywhere: it arrives once, as it was but for strict line ends, and nothing in it
 * is ever a command. The first two bytes choose options, the next two the cuts. */
#include "smtp/pair_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text that ENVID and ORCPT may have; empty when there is none. */
static slice printable(slice from, char *memory, const char *before)
{
    size_t len = strlen(before);
    memcpy(memory, before, len);
    for (size_t i = 0; i < from.len; i++)
        memory[len++] = (char)(0x21 + (unsigned char)from.ptr[i] % 94);
    return from.len > 0 ? slice_of(memory, len) : SLICE_NONE;
}

/* What the server was told is what the client's envelope said. */
static void check_told(const struct pair *p, const struct talk_extra *x)
{
    buf wanted;
    buf_init(&wanted, 4096);
    drive_print_rcpt(&wanted, x->recipients[0].notify, x->recipients[0].orcpt);
    slice told = buf_slice(&p->server.told), line;
    (void)slice_cut(told, '\n', &line, &told);
    if (!slice_starts(told, buf_slice(&wanted)))
        abort();
    buf_clear(&wanted);
    buf_append(&wanted, SLICE(" envid "));
    buf_append_escaped(&wanted, x->envelope.envid);
    buf_printf(&wanted, " by 0 priority %d", x->envelope.priority);
    if (slice_find(line, buf_slice(&wanted)) < 0)
        abort();
    buf_deinit(&wanted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > 8192)
        return 0;
    bool binary = data[0] >> 2 & 1, lmtp = data[0] >> 3 & 1;
    uint32_t flags = binary ? ENVELOPE_BODY_BINARY : data[0] >> 4 & 1 ? ENVELOPE_BODY_8BIT : 0;
    slice words = slice_of(data + 4, size - 4 < 32 ? size - 4 : 32);
    char id_memory[64], original_memory[64];
    struct talk_extra extras[2] = {{.now_s = 0}, {.now_s = 0}};
    extras[0].envelope = (struct envelope){
        .flags = flags, .envid = printable(words, id_memory, ""), .priority = (int8_t)(data[2] % 19 - 9)};
    extras[0].recipients[0] =
        (struct recipient){.notify = data[3] % 8 * 2 & 14, .orcpt = printable(words, original_memory, "rfc822;")};
    struct pair p = {.seed = data[2] * 256U + data[3], .client = {.extras = extras}};
    struct smtp_server_options so = {.bare_newline_reject = data[0] & 1, .starttls = data[0] >> 1 & 1};
    struct smtp_client_options co = {.tls = SMTP_CLIENT_TLS_MAY, .lmtp = lmtp};
    so.lmtp = lmtp;
    slice content = slice_of(data + 4, size - 4);
    bool refused = slice_find(content, SLICE("refuse me")) >= 0;
    struct talk_message m[2] = {
        {SLICE("a@b.example"),
         {SLICE("c@d.example"), SLICE("bad@d.example"), SLICE("later@d.example")},
         content,
         0,
         data[1],
         false},
        {SLICE("a@b.example"), {SLICE("c@d.example")}, SLICE("second\r\n"), 0, 0, false},
    };
    buf wanted;
    buf_init(&wanted, 1 << 16);
    if (binary)
        buf_append(&wanted, content);
    else
        pair_normalise(content, &wanted);
    buf_append(&wanted, SLICE("\n--\n"));
    if (refused)
        buf_clear(&wanted);
    buf_append(&wanted, SLICE("second\r\n\n--\n"));
    pair_run(&p, &so, &co, m, 2);
    if (!slice_equal(buf_slice(&p.server.taken), buf_slice(&wanted)) || p.client.done != 2)
        abort();
    if (slice_find(buf_slice(&p.client.log), SLICE("failed in phase")) >= 0)
        abort();
    check_told(&p, &extras[0]);
    pair_close(&p);
    buf_deinit(&wanted);
    return 0;
}
