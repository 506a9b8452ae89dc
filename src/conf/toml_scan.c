/* SPDX-License-Identifier: ISC */
#include "conf/toml_scan.h"

#include <string.h>

#define KEY_PARTS_MAX 64
#define MARK_LEN 3

enum state { PLAIN, COMMENT, BASIC, LITERAL, LONG_BASIC, LONG_LITERAL };

struct scan {
    const char *document;
    size_t len, at;
    enum state state;
    unsigned parts;
    const char *wrong;
};

static bool is_triple(const struct scan *s)
{
    const char *p = s->document + s->at;
    return s->len - s->at >= 3 && p[1] == p[0] && p[2] == p[0];
}

static void scan_plain(struct scan *s, char c)
{
    if (c == '#') {
        s->state = COMMENT;
    } else if (c == '"' || c == '\'') {
        bool is_long = is_triple(s);
        s->state = c == '"' ? (is_long ? LONG_BASIC : BASIC) : is_long ? LONG_LITERAL : LITERAL;
        s->at += is_long ? 2 : 0;
    } else if ((unsigned char)c >= 0x80) {
        s->wrong = "a character that is not ASCII must stand in quotes";
    } else if (c == '.') {
        s->wrong = ++s->parts > KEY_PARTS_MAX ? "a key has more than 64 parts" : NULL;
    } else if (c != 0 && strchr("\n=,[]{}", c)) {
        s->parts = 0;
    }
}

static void scan_short(struct scan *s, char c)
{
    char quote = s->state == BASIC ? '"' : '\'';
    if (c == '\n' || c == quote)
        s->state = PLAIN;
    else if (c == '\\' && s->state == BASIC && s->at + 1 < s->len && s->document[s->at + 1] != '\n')
        s->at++;
}

static void scan_long(struct scan *s, char c)
{
    char quote = s->state == LONG_BASIC ? '"' : '\'';
    if (c == quote && is_triple(s)) {
        /* one or two quotes may belong to the text, right before the three that end it */
        s->at += 2;
        while (s->at + 1 < s->len && s->document[s->at + 1] == quote)
            s->at++;
        s->state = PLAIN;
    } else if (c == '\\' && s->state == LONG_BASIC && s->at + 1 < s->len) {
        s->at++;
        if (strchr(" \t\r\n", s->document[s->at]) && s->document[s->at] != 0)
            s->wrong = "a line of a string must not end in a backslash";
    }
}

static void scan_one(struct scan *s)
{
    char c = s->document[s->at];
    switch (s->state) {
    case PLAIN:
        scan_plain(s, c);
        break;
    case COMMENT:
        s->state = c == '\n' ? PLAIN : COMMENT;
        break;
    case BASIC:
    case LITERAL:
        scan_short(s, c);
        break;
    default:
        scan_long(s, c);
        break;
    }
}

struct toml_scan_result toml_scan(const char *document, size_t len)
{
    struct scan s = {.document = document, .len = len};
    if (len >= MARK_LEN && memcmp(document, "\xef\xbb\xbf", MARK_LEN) == 0)
        s.at = MARK_LEN;
    for (; s.at < len; s.at++) {
        scan_one(&s);
        if (s.wrong)
            return (struct toml_scan_result){s.wrong, s.at};
    }
    return (struct toml_scan_result){0};
}
