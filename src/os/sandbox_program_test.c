/* SPDX-License-Identifier: ISC */
/* The programs are run here as the kernel would, and must say what the rules say. */
#include "os/sandbox_program.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os/os.h"
#include "os/sandbox.h"
#include "os/sandbox_filter.h"
#ifdef FAULTS
#include <sys/wait.h>
#include <unistd.h>

#include <fault.h>
#endif

#define OTHERWISE (SECCOMP_RET_ERRNO | 38u)
#define ALLOW SECCOMP_RET_ALLOW
#define KILL SECCOMP_RET_KILL_PROCESS

static struct sandbox_rules sets[2];
static struct sandbox_program program;

static uint32_t word(const struct seccomp_data *d, uint32_t at)
{
    uint32_t w;
    assert_true(at % 4 == 0 && at < sizeof *d);
    memcpy(&w, (const char *)d + at, sizeof w);
    return w;
}

static uint32_t run(const struct seccomp_data *d)
{
    uint32_t a = 0, at = 0;
    for (unsigned steps = 0; steps < BPF_MAXINSNS; steps++) {
        assert_true(at < program.count);
        const struct sock_filter *s = &program.steps[at++];
        bool holds = false;
        switch (s->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            a = word(d, s->k);
            continue;
        case BPF_ALU | BPF_AND | BPF_K:
            a &= s->k;
            continue;
        case BPF_RET | BPF_K:
            return s->k;
        case BPF_JMP | BPF_JA:
            at += s->k;
            continue;
        case BPF_JMP | BPF_JEQ | BPF_K:
            holds = a == s->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            holds = a >= s->k;
            break;
        default:
            fail_msg("step %u is no such step: %u", at - 1, s->code);
        }
        at += holds ? s->jt : s->jf;
    }
    fail_msg("it has no end");
    return 0;
}

/* What the rules say, told apart from how they are looked up. */
static uint32_t meant(const struct sandbox_rules *rules, size_t count, const struct seccomp_data *d)
{
    for (size_t i = 0; i < count; i++) {
        if (rules[i].arch != d->arch)
            continue;
        if (d->arch == AUDIT_ARCH_X86_64 && (uint32_t)d->nr >= 0x40000000u && d->nr != -1)
            return KILL;
        for (uint32_t j = 0; j < rules[i].count; j++) {
            const struct sandbox_rule *r = &rules[i].rules[j];
            bool holds = r->number == (uint32_t)d->nr;
            for (uint32_t k = 0; k < r->count; k++)
                holds = holds && (d->args[r->when[k].argument] & r->when[k].mask) == r->when[k].value;
            if (holds)
                return r->action;
        }
        return OTHERWISE;
    }
    return KILL;
}

static void begin(uint32_t arch, uint32_t other)
{
    memset(sets, 0, sizeof sets);
    sets[0].arch = arch;
    sets[1].arch = other;
}

static void add(struct sandbox_rules *r, uint32_t number, uint32_t action, uint32_t count,
                struct sandbox_condition when)
{
    struct sandbox_rule rule = {.number = number, .action = action, .count = count, .when = {when}};
    sandbox_rules_add(r, &rule);
}

static uint32_t asked(uint32_t arch, int number, uint64_t first)
{
    struct seccomp_data d = {.nr = number, .arch = arch, .args = {first}};
    return run(&d);
}

static void an_argument_is_compared_whole_or_by_its_mask(void **state)
{
    (void)state;
    static const struct {
        struct sandbox_condition when;
        uint64_t argument;
        bool holds;
    } rows[] = {
        {{0, UINT64_MAX, 7}, 7, true},
        {{0, UINT64_MAX, 7}, 6, false},
        {{0, UINT64_MAX, 7}, 0x100000007, false},
        {{0, UINT64_MAX, 0x100000007}, 0x100000007, true},
        {{0, UINT32_MAX, 7}, 0x100000007, true},
        {{0, 4, 4}, 5, true},
        {{0, 4, 4}, 3, false},
        {{0, 4, 0}, 3, true},
        {{0, 4, 0}, 7, false},
        {{0, 0x400000000, 0x400000000}, 0x400000001, true},
        {{0, 0x400000000, 0x400000000}, 4, false},
        {{0, 0, 0}, 99, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        begin(AUDIT_ARCH_X86_64, 0);
        add(&sets[0], 5, ALLOW, 1, rows[i].when);
        assert_int_equal(sandbox_program_build(sets, 1, OTHERWISE, &program), ERR_OK);
        assert_int_equal(asked(AUDIT_ARCH_X86_64, 5, rows[i].argument), rows[i].holds ? ALLOW : OTHERWISE);
        assert_int_equal(asked(AUDIT_ARCH_X86_64, 4, rows[i].argument), OTHERWISE);
    }
}

static void threat_other_architectures_end_the_process(void **state)
{
    (void)state;
    begin(AUDIT_ARCH_X86_64, AUDIT_ARCH_I386);
    add(&sets[0], 1, ALLOW, 0, (struct sandbox_condition){0});
    add(&sets[1], 2, ALLOW, 0, (struct sandbox_condition){0});
    assert_int_equal(sandbox_program_build(sets, 2, OTHERWISE, &program), ERR_OK);
    assert_int_equal(asked(AUDIT_ARCH_X86_64, 1, 0), ALLOW);
    assert_int_equal(asked(AUDIT_ARCH_X86_64, 2, 0), OTHERWISE);
    assert_int_equal(asked(AUDIT_ARCH_I386, 2, 0), ALLOW);
    assert_int_equal(asked(AUDIT_ARCH_I386, 1, 0), OTHERWISE);
    assert_int_equal(asked(AUDIT_ARCH_AARCH64, 1, 0), KILL);
    assert_int_equal(asked(AUDIT_ARCH_X86_64, 0x40000001, 0), KILL); /* x32 */
    assert_int_equal(asked(AUDIT_ARCH_X86_64, -1, 0), OTHERWISE);
    assert_int_equal(sandbox_program_build(sets, 1, OTHERWISE, &program), ERR_OK);
    assert_int_equal(asked(AUDIT_ARCH_I386, 2, 0), KILL);
}

static uint32_t draw(uint32_t *state, uint32_t below)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static void programs_say_what_the_rules_say(void **state)
{
    (void)state;
    static const uint64_t masks[] = {UINT64_MAX, UINT32_MAX, 3, 0x300000000, 0x100000001};
    uint32_t seed = 7;
    for (int round = 0; round < 200; round++) {
        begin(AUDIT_ARCH_X86_64, AUDIT_ARCH_I386);
        uint32_t rules = draw(&seed, 120), numbers = 1 + draw(&seed, 60);
        for (uint32_t i = 0; i < rules; i++) {
            struct sandbox_rule r = {draw(&seed, numbers), 0x7ff00000u + i, draw(&seed, 3), {{0}}};
            for (uint32_t j = 0; j < r.count; j++) {
                uint64_t mask = masks[draw(&seed, 5)], value = (uint64_t)draw(&seed, 4) << (32 * draw(&seed, 2));
                r.when[j] = (struct sandbox_condition){draw(&seed, 6), mask, value & mask};
            }
            sandbox_rules_add(&sets[draw(&seed, 2)], &r);
        }
        assert_int_equal(sandbox_program_build(sets, 2, OTHERWISE, &program), ERR_OK);
        for (int i = 0; i < 200; i++) {
            struct seccomp_data d = {.nr = (int)draw(&seed, numbers + 1),
                                     .arch = draw(&seed, 2) ? AUDIT_ARCH_X86_64 : AUDIT_ARCH_I386};
            for (int j = 0; j < 6; j++)
                d.args[j] = (uint64_t)draw(&seed, 4) << (32 * draw(&seed, 2));
            assert_int_equal(run(&d), meant(sets, 2, &d));
        }
    }
}

static void too_many_rules_make_no_program(void **state)
{
    (void)state;
    begin(AUDIT_ARCH_X86_64, 0);
    for (uint32_t i = 0; i <= SANDBOX_RULES_MAX; i++)
        add(&sets[0], i, ALLOW, 0, (struct sandbox_condition){0});
    assert_int_equal(sandbox_program_build(sets, 1, OTHERWISE, &program), ERR_LIMIT);
    begin(AUDIT_ARCH_X86_64, AUDIT_ARCH_I386);
    for (uint32_t i = 0; i < SANDBOX_RULES_MAX; i++)
        add(&sets[i % 2], i, ALLOW, 1, (struct sandbox_condition){0, UINT64_MAX, 7});
    for (uint32_t i = 0; i < SANDBOX_RULES_MAX / 2; i++)
        add(&sets[i % 2], i, ALLOW, 1, (struct sandbox_condition){0, UINT64_MAX, 7});
    assert_int_equal(sandbox_program_build(sets, 2, OTHERWISE, &program), ERR_LIMIT);
}

#ifdef FAULTS
/* There is no memory from here on: that is no reason to die, to wait for ever, or to go without. */
static int enter_without_memory(unsigned calls)
{
    static struct fault_plan none = {
        .kinds = ~0u, .calls = 1u << FAULT_MALLOC, .error = 12, .first = 1, .last = UINT64_MAX};
    const struct sandbox_profile p = {.name = "test", .calls = calls};
    (void)alarm(60);
    fault_plan = &none;
    atomic_store(&none.armed, 1);
    return sandbox_enter(&p) != ERR_OK ? 1 : getsid(0) != -1 ? 2 : 0; /* nobody's profile has it */
}

static void a_sandbox_needs_no_memory(void **state)
{
    (void)state;
    for (unsigned calls = SANDBOX_BASE; calls < SANDBOX_COMMANDS; calls <<= 1) {
        int status = -1;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(enter_without_memory(calls));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_argument_is_compared_whole_or_by_its_mask),
        cmocka_unit_test(threat_other_architectures_end_the_process),
        cmocka_unit_test(programs_say_what_the_rules_say),
        cmocka_unit_test(too_many_rules_make_no_program),
#ifdef FAULTS
        cmocka_unit_test(a_sandbox_needs_no_memory),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
