/* SPDX-License-Identifier: ISC */
#include "cmd/sendmail_options.h"

enum takes { TAKES_NOTHING, TAKES_VALUE, TAKES_JOINED /* a value that is joined, or none */ };

struct row {
    char letter;
    enum takes takes;
    /* NULL: read over. value is empty for flags, and for a joined value that is not there. */
    bool (*take)(struct sendmail_options *o, const char *value, buf *wrong);
};

static bool take_mode(struct sendmail_options *o, const char *value, buf *wrong)
{
    static const struct {
        const char *letter;
        enum sendmail_mode mode;
    } modes[] = {{"m", SENDMAIL_DELIVER}, {"s", SENDMAIL_SMTP},    {"S", SENDMAIL_BATCH},
                 {"p", SENDMAIL_QUEUE},   {"i", SENDMAIL_ALIASES}, {"v", SENDMAIL_VERIFY}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(value, modes[i].letter) == 0) {
            o->mode = modes[i].mode;
            return true;
        }
    }
    buf_printf(wrong, "there is no mode -b%s here%s", value,
               strcmp(value, "d") == 0 || strcmp(value, "D") == 0 ? "; `thurn serve` is the server" : "");
    return false;
}

static bool take_flush(struct sendmail_options *o, const char *value, buf *wrong)
{
    if (*value)
        buf_printf(wrong, "-q%s: the running server tries again by itself; `thurn queue retry` orders it for some mail",
                   value);
    o->mode = SENDMAIL_FLUSH;
    return *value == 0;
}

static bool take_body(struct sendmail_options *o, const char *value, buf *wrong)
{
    bool eight_bit = slice_equal_nocase(slice_str(value), SLICE("8BITMIME"));
    if (!eight_bit && !slice_equal_nocase(slice_str(value), SLICE("7BIT"))) {
        buf_printf(wrong, "-B is 7BIT or 8BITMIME, not \"%s\"", value);
        return false;
    }
    o->flags = eight_bit ? o->flags | ENVELOPE_BODY_8BIT : o->flags & ~(uint32_t)ENVELOPE_BODY_8BIT;
    return true;
}

static bool take_from(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)wrong;
    o->from = value;
    return true;
}

static bool take_full_name(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)wrong;
    o->full_name = value;
    return true;
}

static bool take_conf(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)wrong;
    o->conf_path = value;
    return true;
}

/* Read over, it would let the caller believe that mail goes another way than it does. */
static bool take_foreign_conf(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)o;
    buf_printf(wrong,
               "-C %s: sendmail has one configuration, /etc/thurn/thurn.toml; `thurn sendmail -c FILE` takes another",
               value);
    return false;
}

static bool take_dots(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)value;
    (void)wrong;
    o->dots_are_text = true;
    return true;
}

static bool take_aliases(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)value;
    (void)wrong;
    o->mode = SENDMAIL_ALIASES;
    return true;
}

static bool take_header(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)value;
    (void)wrong;
    o->header_recipients = true;
    return true;
}

static bool take_verbose(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)value;
    (void)wrong;
    o->verbose = true;
    return true;
}

static bool take_notify(struct sendmail_options *o, const char *value, buf *wrong)
{
    static const struct {
        slice word;
        enum notify bit;
    } words[] = {{SLICE("never"), NOTIFY_NEVER},
                 {SLICE("success"), NOTIFY_SUCCESS},
                 {SLICE("failure"), NOTIFY_FAILURE},
                 {SLICE("delay"), NOTIFY_DELAY}};
    unsigned notify = 0;
    bool good = true, more = true;
    for (slice word, rest = slice_str(value); more;) {
        size_t i = 0;
        more = slice_cut(rest, ',', &word, &rest);
        while (i < 4 && !slice_equal_nocase(slice_trim(word), words[i].word))
            i++;
        good = good && i < 4;
        notify |= i < 4 ? (unsigned)words[i].bit : 0U;
    }
    if (!good || (notify & NOTIFY_NEVER && notify != NOTIFY_NEVER)) {
        buf_printf(wrong, "-N is never, or of success, failure and delay with commas, not \"%s\"", value);
        return false;
    }
    o->notify = (uint8_t)notify;
    return true;
}

static bool take_return(struct sendmail_options *o, const char *value, buf *wrong)
{
    bool full = slice_equal_nocase(slice_str(value), SLICE("full"));
    if (!full && !slice_equal_nocase(slice_str(value), SLICE("hdrs"))) {
        buf_printf(wrong, "-R is full or hdrs, not \"%s\"", value);
        return false;
    }
    o->flags &= ~(uint32_t)(ENVELOPE_RET_FULL | ENVELOPE_RET_HDRS);
    o->flags |= full ? ENVELOPE_RET_FULL : ENVELOPE_RET_HDRS;
    return true;
}

static bool take_envid(struct sendmail_options *o, const char *value, buf *wrong)
{
    slice id = slice_str(value);
    if (id.len == 0 || id.len > 100 || slice_printable_len(id) != id.len) {
        buf_printf(wrong, "-V is 1 to 100 printable ASCII characters");
        return false;
    }
    o->envid = id;
    return true;
}

/* -oi; the others say how sendmail queues, and what it does about errors. */
static bool take_old_option(struct sendmail_options *o, const char *value, buf *wrong)
{
    (void)wrong;
    o->dots_are_text = o->dots_are_text || *value == 'i';
    return true;
}

static bool take_long_option(struct sendmail_options *o, const char *value, buf *wrong)
{
    slice name, setting;
    bool is_set = slice_cut(slice_str(value), '=', &name, &setting);
    (void)wrong;
    if (!slice_equal_nocase(slice_trim(name), SLICE("IgnoreDots")))
        return true;
    setting = slice_trim(setting);
    o->dots_are_text = !is_set || setting.len == 0 || !strchr("nNfF0", setting.ptr[0]);
    return true;
}

static const struct row rows[] = {
    {'A', TAKES_VALUE, NULL}, /* which of sendmail's two configurations */
    {'B', TAKES_VALUE, take_body},
    {'C', TAKES_VALUE, take_foreign_conf},
    {'D', TAKES_VALUE, NULL}, /* where debugging goes */
    {'E', TAKES_NOTHING, NULL},
    {'F', TAKES_VALUE, take_full_name},
    {'G', TAKES_NOTHING, NULL}, /* a gateway's submission */
    {'I', TAKES_NOTHING, take_aliases},
    {'L', TAKES_VALUE, NULL}, /* name in the log */
    {'M', TAKES_VALUE, NULL}, /* a macro */
    {'N', TAKES_VALUE, take_notify},
    {'O', TAKES_VALUE, take_long_option},
    {'R', TAKES_VALUE, take_return},
    {'U', TAKES_NOTHING, NULL}, /* a user's submission */
    {'V', TAKES_VALUE, take_envid},
    {'X', TAKES_VALUE, NULL}, /* a log of the traffic */
    {'a', TAKES_NOTHING, NULL},
    {'b', TAKES_VALUE, take_mode},
    {'c', TAKES_NOTHING, NULL},
    {'d', TAKES_JOINED, NULL}, /* what to debug */
    {'e', TAKES_VALUE, NULL},  /* how errors are told */
    {'f', TAKES_VALUE, take_from},
    {'h', TAKES_VALUE, NULL}, /* hops so far */
    {'i', TAKES_NOTHING, take_dots},
    {'m', TAKES_NOTHING, NULL}, /* to me, too */
    {'n', TAKES_NOTHING, NULL}, /* no aliases */
    {'o', TAKES_VALUE, take_old_option},
    {'p', TAKES_VALUE, NULL}, /* where it came from */
    {'q', TAKES_JOINED, take_flush},
    {'r', TAKES_VALUE, take_from},
    {'s', TAKES_NOTHING, NULL}, /* UNIX From lines */
    {'t', TAKES_NOTHING, take_header},
    {'v', TAKES_NOTHING, take_verbose},
    {'x', TAKES_NOTHING, NULL}, /* AIX */
};
static const struct row conf_row = {'c', TAKES_VALUE, take_conf};

static const struct row *find(const struct sendmail_options *o, char letter)
{
    if (letter == 'c' && !o->by_name)
        return &conf_row;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].letter == letter)
            return &rows[i];
    }
    return NULL;
}

/* The letters of one word; *next_r says that the word behind it was a value. */
static bool take_letters(struct sendmail_options *o, const char *word, const char *behind, bool *next_r, buf *wrong)
{
    for (const char *at = word + 1; *at; at++) {
        const struct row *row = find(o, *at);
        const char *value = at + 1;
        if (!row) {
            buf_printf(wrong, "unknown option -%c in \"%s\"", *at, word);
            return false;
        }
        if (row->takes == TAKES_VALUE && !*value) {
            if (!behind) {
                buf_printf(wrong, "option -%c needs a value", *at);
                return false;
            }
            value = behind;
            *next_r = true;
        }
        if (row->take && !row->take(o, row->takes == TAKES_NOTHING ? "" : value, wrong))
            return false;
        if (row->takes != TAKES_NOTHING)
            return true;
    }
    return true;
}

static bool take_long(struct sendmail_options *o, const char *word, buf *wrong)
{
    if (strcmp(word, "--help") == 0)
        o->mode = SENDMAIL_HELP;
    else if (strcmp(word, "--version") == 0)
        o->mode = SENDMAIL_VERSION;
    else
        buf_printf(wrong, "unknown option \"%s\"", word);
    return o->mode == SENDMAIL_HELP || o->mode == SENDMAIL_VERSION;
}

bool sendmail_options_read(struct sendmail_options *o, int argc, char **argv, buf *wrong)
{
    bool options = true;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool next = false;
        if (!options || word[0] != '-' || !word[1]) {
            o->words[o->word_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            options = false;
        } else if (word[1] == '-') {
            if (!take_long(o, word, wrong))
                return false;
        } else if (!take_letters(o, word, i + 1 < argc ? argv[i + 1] : NULL, &next, wrong)) {
            return false;
        }
        i += next;
    }
    return true;
}
