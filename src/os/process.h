/* SPDX-License-Identifier: ISC */
/* Processes and privileges: users, forking children and workers, dropping to a user, limits, titles. What each kind may do after the drop is ARCHITECTURE.md's table of processes; there are no seccomp or Landlock filters. */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include "base/base.h"

struct os_user {
    uint32_t uid, gid;
    slice name, full_name, home; /* in the arena given */
};

/* ERR_NOTFOUND, ERR_IO (the name service failed: temporary). */
must_check enum err os_user_by_name(slice name, struct arena *arena, struct os_user *user_r);
must_check enum err os_user_by_uid(uint32_t uid, struct arena *arena, struct os_user *user_r);
/* By the user's own group or by membership; a group that is not there has no members. ERR_IO as above. */
must_check enum err os_user_in_group(const struct os_user *user, slice group, bool *member_r);
/* False only when the name service says so. */
bool os_group_exists(slice group);
/* Is this the user's own group: named like the user, with nobody else in it? */
must_check enum err os_group_is_private(const struct os_user *user, uint32_t gid, bool *private_r);
/* Loads the name service's modules for users and their groups, for a process that cannot open them later. ERR_IO: it does not answer; what could be loaded is. */
must_check enum err os_names_load(void);
uint32_t os_uid(void);
/* What this machine calls itself, with or without a domain; empty when it has no name. */
void os_host_name(buf *out);

enum process_caps { PROCESS_NO_CAPS, PROCESS_SETUID_CAPS /* CAP_SETUID, CAP_SETGID, CAP_KILL, CAP_CHOWN not */ };

/* Becomes the user for good (groups, gid, uid, all three of each), keeping only caps, no_new_privs unless caps are kept, not dumpable. As an ordinary user already: only no_new_privs and dumpable. Checked afterwards. */
must_check enum err process_become(const struct os_user *user, enum process_caps caps);
/* In deliver's worker: becomes the recipient's user for good, nothing kept. Refuses uid 0 and gid 0 (ERR_PERMISSION). */
must_check enum err process_become_recipient(const struct os_user *user);

/* In the child: title for ps ("thurn: receiver"), dies with its parent (PR_SET_PDEATHSIG, checked against a race), signals reset, all descriptors closed but 0, 1, 2 and those in keep. */
void process_child_begin(const char *title, uint32_t parent_pid, const int *keep, size_t keep_count);
/* Remembers argv's memory for titles; called once from main. */
void process_title_init(int argc, char **argv);
void process_title(const char *title);
/* Called first of all in main: where the caller has closed 0, 1 or 2 something takes its place that can neither be read nor written, so that no socket or file of ours gets the number, and with it words that are for people. */
void process_streams_init(void);
/* fork; 0 in the child, the pid in the parent, *pidfd_r (may be NULL) watches it. */
must_check enum err process_fork(int *pid_r);
uint32_t process_pid(void);
uint32_t process_gid(void);
/* The exit status in a status of waitpid; 128 + n when signal n killed it. */
int process_status_code(int status);
/* Processors that this machine has working now, at least 1. */
uint32_t process_cores(void);
/* Ends a forked child at once: nothing of the parent's is flushed or torn down a second time. */
/* For a process that was just forked: what it starts cannot open the terminal that the server was started from, and so not type into it (TIOCSTI). */
void process_leave_terminal(void);
void process_exit(int status) __attribute__((noreturn));
/* The next child that ended; ERR_AGAIN when none. status as waitpid. */
must_check enum err process_reap(int *pid_r, int *status_r);
void process_kill(int pid, int signal_number);
/* "exited with status 1", "killed by signal 9 (Killed)". */
void process_status_print(buf *b, int status);
/* Raises the soft descriptor limit to the hard one; returns it. */
uint64_t process_raise_descriptors(void);
/* Runs a command by /bin/sh -c as the current user with a clean environment (PATH, HOME, USER, SHELL, LANG and those given as NAME=value), its input from in_fd, output to out_fd, own process group, rlimits (CPU seconds, memory, files, core 0). Returns the pid. */
struct process_command {
    slice command;
    const slice *environment;
    size_t environment_count;
    slice folder;
    int in_fd, out_fd;
    uint64_t memory_max;
    uint32_t cpu_seconds;
};
must_check enum err process_command_start(const struct process_command *c, int *pid_r);

/* Memory shared with children that will be forked; zeroed. */
must_check enum err process_shared_memory(size_t size, void **memory_r);

#endif
