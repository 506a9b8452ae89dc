/* SPDX-License-Identifier: ISC */
#include "route/alias_lines.h"

#define PREFIX_INCLUDE SLICE(":include:")
#define TARGET_SHOWN 80 /* bytes of a wrong one */

size_t alias_quoted_end(slice text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

enum err alias_unquote(struct arena *arena, slice quoted, slice *text_r)
{
    char *out = arena_alloc(arena, quoted.len + 1);
    if (!out)
        return ERR_NOMEM;
    size_t len = 0;
    for (size_t i = 0; i < quoted.len; i++) {
        if (quoted.ptr[i] == '\\' && i + 1 < quoted.len)
            i++;
        out[len++] = quoted.ptr[i];
    }
    *text_r = slice_of(out, len);
    return ERR_OK;
}

/* One target up to a comma outside of quotes. ERR_SYNTAX when a quote does not end. */
static enum err cut_target(slice *rest, slice *token_r)
{
    slice text = *rest;
    size_t i = 0;
    while (i < text.len && text.ptr[i] != ',') {
        size_t step = 1;
        if (text.ptr[i] == '"') {
            step = alias_quoted_end(slice_skip(text, i));
            if (step == 0)
                return ERR_SYNTAX;
        }
        i += step;
    }
    *token_r = slice_trim(slice_sub(text, 0, i));
    *rest = slice_skip(text, i + 1);
    return ERR_OK;
}

/* Quotes around the whole of a target, or around the whole of a command behind its bar, are taken off; those of a
 * quoted local part stay. "\alice" is \alice, as sendmail has it. */
static enum err take_quotes(struct arena *arena, slice *token)
{
    size_t bar = token->len > 0 && token->ptr[0] == '|' ? 1 : 0;
    slice quoted = slice_skip(*token, bar);
    if (quoted.len < 2 || quoted.ptr[0] != '"' || alias_quoted_end(quoted) != quoted.len)
        return ERR_OK;
    slice inner = slice_sub(quoted, 1, quoted.len - 1);
    if (bar == 0 && inner.len > 1 && inner.ptr[0] == '\\' && ascii_is_alpha(inner.ptr[1])) {
        *token = inner;
        return ERR_OK;
    }
    slice text;
    enum err e = alias_unquote(arena, inner, &text);
    if (e == ERR_OK && bar > 0)
        e = arena_printf(arena, &text, "|%.*s", SLICE_ARG(text));
    if (e == ERR_OK)
        *token = slice_trim(text);
    return e;
}

static bool is_address(struct arena *arena, slice text)
{
    struct address address;
    return address_parse(text, ADDRESS_NO_DOMAIN | ADDRESS_UTF8, arena, &address) == ERR_OK;
}

/* What is wrong with the target, or an empty slice. */
static slice classify(struct arena *arena, slice token, struct alias_target *target_r)
{
    enum alias_target_kind kind = ALIAS_ADDRESS;
    slice text = token;
    if (token.ptr[0] == '|') {
        kind = ALIAS_PIPE;
        text = slice_trim(slice_skip(token, 1));
        if (text.len == 0)
            return SLICE("no command behind \"|\"");
    } else if (token.ptr[0] == '/') {
        kind = ALIAS_FILE;
    } else if (slice_starts_nocase(token, PREFIX_INCLUDE)) {
        kind = ALIAS_INCLUDE;
        text = slice_trim(slice_skip(token, PREFIX_INCLUDE.len));
        if (text.len == 0 || text.ptr[0] != '/')
            return SLICE(":include: needs an absolute path");
    } else if (token.ptr[0] == '\\') {
        kind = ALIAS_LOCAL_FINAL;
        text = slice_skip(token, 1);
    }
    if ((kind == ALIAS_ADDRESS || kind == ALIAS_LOCAL_FINAL) && (text.len == 0 || !is_address(arena, text)))
        return SLICE("not an address");
    *target_r = (struct alias_target){kind, text};
    return SLICE_NONE;
}

static enum err append(struct alias_targets *targets, const struct alias_target *target)
{
    if (targets->count == targets->cap) {
        uint32_t cap = targets->cap == 0 ? 1 : targets->cap * 2;
        struct alias_target *grown = arena_array(targets->arena, cap, sizeof(*grown));
        if (!grown)
            return ERR_NOMEM;
        if (targets->count > 0)
            memcpy(grown, targets->targets, targets->count * sizeof(*grown));
        targets->targets = grown;
        targets->cap = cap;
    }
    struct alias_target *place = &targets->targets[targets->count];
    *place = *target;
    enum err e = arena_copy(targets->arena, target->text, &place->text);
    targets->count += e == ERR_OK;
    return e;
}

static enum err add_target(struct alias_targets *targets, slice token, struct alias_error *error_r)
{
    slice written = token;
    struct alias_target target;
    enum err e = take_quotes(targets->arena, &token);
    if (e != ERR_OK)
        return e;
    slice wrong = token.len == 0 ? SLICE("empty target") : classify(targets->arena, token, &target);
    if (wrong.len == 0)
        return append(targets, &target);
    slice text;
    size_t shown = written.len < TARGET_SHOWN ? written.len : TARGET_SHOWN;
    e = arena_printf(targets->arena, &text, "\"%.*s%s\": %.*s", (int)shown, written.ptr,
                     shown < written.len ? "..." : "", SLICE_ARG(wrong));
    if (e != ERR_OK)
        return e;
    *error_r = (struct alias_error){targets->line, text, wrong};
    return ERR_SYNTAX;
}

enum err alias_targets_read(struct alias_targets *targets, slice text, struct alias_error *error_r)
{
    if (alias_text_has_control(text)) {
        *error_r = (struct alias_error){.line = targets->line, .text = SLICE("control character")};
        return ERR_SYNTAX;
    }
    while (text.len > 0) {
        slice token;
        if (cut_target(&text, &token) != ERR_OK) {
            *error_r = (struct alias_error){.line = targets->line, .text = SLICE("a quoted text does not end")};
            return ERR_SYNTAX;
        }
        if (token.len == 0)
            continue; /* a comma at the end of a line */
        enum err e = add_target(targets, token, error_r);
        if (e != ERR_OK)
            return e;
    }
    return ERR_OK;
}
