/* SPDX-License-Identifier: ISC */
/* Inside the room only: rules about system calls, and the program of classic BPF that the kernel runs for them. It takes no memory but the caller's: a process that enters its sandbox while there is none
 * gets an error and not a filter in part. (libseccomp 2.5, whose tables of names are used, dies or loops when an allocation of it fails.)
 * For one number the rules are tried in the order in which they were added; a call that no rule matches gets the program's `otherwise`. The numbers are searched as a tree; on Linux 5.11 and later the kernel
 * keeps what is always allowed in a bitmap of its own. Calls of an architecture that has no set, or of the x32 ABI, end the process. */
#ifndef OS_SANDBOX_PROGRAM_H
#define OS_SANDBOX_PROGRAM_H

#include <linux/filter.h>

#include "base/base.h"

#define SANDBOX_RULES_MAX 512u
#define SANDBOX_CONDITIONS_MAX 2u

/* (argument & mask) == value; value has no bit that mask has not. */
struct sandbox_condition {
    uint32_t argument; /* 0 to 5 */
    uint64_t mask, value;
};

struct sandbox_rule {
    uint32_t number;
    uint32_t action; /* SECCOMP_RET_... */
    uint32_t count;  /* of conditions, all of which must hold */
    struct sandbox_condition when[SANDBOX_CONDITIONS_MAX];
};

/* Of one architecture (AUDIT_ARCH_...). To be set to zero but for arch. */
struct sandbox_rules {
    uint32_t arch;
    uint32_t count;
    bool full;                                    /* one found no room */
    struct sandbox_rule rules[SANDBOX_RULES_MAX]; /* by number */
};

struct sandbox_program {
    uint32_t count;
    bool full;
    struct sock_filter steps[BPF_MAXINSNS];
};

bool sandbox_rules_has(const struct sandbox_rules *r, uint32_t number);
void sandbox_rules_add(struct sandbox_rules *r, const struct sandbox_rule *rule);
/* ERR_LIMIT: too many rules or steps. */
must_check enum err sandbox_program_build(const struct sandbox_rules *sets, size_t set_count, uint32_t otherwise,
                                          struct sandbox_program *p);

#endif
