/* SPDX-License-Identifier: ISC */
#include "os/sandbox_program.h"

#include <assert.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#define X32 0x40000000u
#define HALVES 2u

static uint32_t first_after(const struct sandbox_rules *r, uint32_t number)
{
    uint32_t at = r->count;
    while (at > 0 && r->rules[at - 1].number > number)
        at--;
    return at;
}

bool sandbox_rules_has(const struct sandbox_rules *r, uint32_t number)
{
    uint32_t at = first_after(r, number);
    return at > 0 && r->rules[at - 1].number == number;
}

void sandbox_rules_add(struct sandbox_rules *r, const struct sandbox_rule *rule)
{
    uint32_t at = first_after(r, rule->number);
    if (r->count == SANDBOX_RULES_MAX) {
        r->full = true;
        return;
    }
    memmove(&r->rules[at + 1], &r->rules[at], (r->count - at) * sizeof r->rules[0]);
    r->rules[at] = *rule;
    r->count++;
}

static uint32_t put(struct sandbox_program *p, struct sock_filter step)
{
    if (p->count == BPF_MAXINSNS) {
        p->full = true;
        return 0;
    }
    p->steps[p->count] = step;
    return p->count++;
}

static void put_load(struct sandbox_program *p, size_t offset)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void put_return(struct sandbox_program *p, uint32_t action)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

/* Goes on with the next step if it holds, or else behind what is put before here(). */
static uint32_t put_unless(struct sandbox_program *p, uint16_t test, uint32_t value, bool holds)
{
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, holds ? 1 : 0, holds ? 0 : 1));
    return put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 0, 0, 0));
}

static void here(struct sandbox_program *p, uint32_t jump)
{
    p->steps[jump].k = p->count - jump - 1;
}

static size_t half_offset(uint32_t argument, unsigned half)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    size_t place = half;
#else
    size_t place = HALVES - 1 - half;
#endif
    return offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t) + place * sizeof(uint32_t);
}

/* Behind it is the next rule for the same number. */
static void put_rule(struct sandbox_program *p, const struct sandbox_rule *rule)
{
    uint32_t misses[SANDBOX_CONDITIONS_MAX * HALVES], count = 0;
    for (uint32_t i = 0; i < rule->count; i++) {
        const struct sandbox_condition *c = &rule->when[i];
        assert((c->value & ~c->mask) == 0);
        for (unsigned half = 0; half < HALVES; half++) {
            uint32_t mask = (uint32_t)(c->mask >> (32 * half)), value = (uint32_t)(c->value >> (32 * half));
            if (mask == 0)
                continue;
            put_load(p, half_offset(c->argument, half));
            if (mask != UINT32_MAX)
                put(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
            misses[count++] = put_unless(p, BPF_JEQ, value, true);
        }
    }
    put_return(p, rule->action);
    for (uint32_t i = 0; i < count; i++)
        here(p, misses[i]);
}

static void put_number(struct sandbox_program *p, const struct sandbox_rule *rules, uint32_t count, uint32_t otherwise)
{
    uint32_t other = put_unless(p, BPF_JEQ, rules[0].number, true);
    for (uint32_t i = 0; i < count; i++)
        put_rule(p, &rules[i]);
    here(p, other);
    put_return(p, otherwise);
}

/* Where the second half begins, at the first rule of a number; 0: there is one number only. */
static uint32_t middle(const struct sandbox_rule *rules, uint32_t count)
{
    uint32_t at = count / 2;
    while (at > 0 && rules[at - 1].number == rules[at].number)
        at--;
    if (at > 0)
        return at;
    for (at = count / 2 + 1; at < count; at++) {
        if (rules[at - 1].number != rules[at].number)
            return at;
    }
    return 0;
}

/* Recursion as deep as the logarithm of the numbers, or nearly. */
static void put_tree(struct sandbox_program *p, const struct sandbox_rule *rules, uint32_t count, uint32_t otherwise)
{
    uint32_t half = middle(rules, count);
    if (half == 0) {
        put_number(p, rules, count, otherwise);
        return;
    }
    uint32_t upper = put_unless(p, BPF_JGE, rules[half].number, false);
    put_tree(p, rules, half, otherwise);
    here(p, upper);
    put_tree(p, rules + half, count - half, otherwise);
}

static void put_set(struct sandbox_program *p, const struct sandbox_rules *r, uint32_t otherwise)
{
    put_load(p, offsetof(struct seccomp_data, nr));
    if (r->arch == AUDIT_ARCH_X86_64) {
        uint32_t usual = put_unless(p, BPF_JGE, X32, true);
        uint32_t x32 = put_unless(p, BPF_JEQ, UINT32_MAX, true); /* a tracer has made it none */
        put_return(p, otherwise);
        here(p, x32);
        put_return(p, SECCOMP_RET_KILL_PROCESS);
        here(p, usual);
    }
    if (r->count > 0)
        put_tree(p, r->rules, r->count, otherwise);
    else
        put_return(p, otherwise);
}

enum err sandbox_program_build(const struct sandbox_rules *sets, size_t set_count, uint32_t otherwise,
                               struct sandbox_program *p)
{
    p->count = 0;
    p->full = false;
    for (size_t i = 0; i < set_count; i++) {
        put_load(p, offsetof(struct seccomp_data, arch));
        uint32_t other = put_unless(p, BPF_JEQ, sets[i].arch, true);
        put_set(p, &sets[i], otherwise);
        here(p, other);
        p->full = p->full || sets[i].full;
    }
    put_return(p, SECCOMP_RET_KILL_PROCESS);
    return p->full ? ERR_LIMIT : ERR_OK;
}
