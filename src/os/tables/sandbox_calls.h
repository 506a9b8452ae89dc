/* SPDX-License-Identifier: ISC */
/* Which system calls each group of enum sandbox_calls stands for: ROW(GROUP, NAME). A name that this machine or this libseccomp does not know is left out. Included by os/sandbox_filter.c only.
 * SANDBOX_BASE is every process's. What is in no row is answered ENOSYS, so that a newer C library finds its way without it. */

/* memory, and threads' own affairs; mmap and mprotect have conditions of their own */
ROW(SANDBOX_BASE, brk) ROW(SANDBOX_BASE, munmap) ROW(SANDBOX_BASE, mremap) ROW(SANDBOX_BASE, madvise)
ROW(SANDBOX_BASE, futex) ROW(SANDBOX_BASE, futex_waitv) ROW(SANDBOX_BASE, set_robust_list) ROW(SANDBOX_BASE, rseq)
ROW(SANDBOX_BASE, get_robust_list) ROW(SANDBOX_BASE, set_tid_address) ROW(SANDBOX_BASE, membarrier) ROW(SANDBOX_BASE, sched_yield)
ROW(SANDBOX_BASE, sched_getaffinity) ROW(SANDBOX_BASE, exit) ROW(SANDBOX_BASE, exit_group) ROW(SANDBOX_BASE, msync)
/* time, and who we are */
ROW(SANDBOX_BASE, clock_gettime) ROW(SANDBOX_BASE, clock_getres) ROW(SANDBOX_BASE, clock_nanosleep) ROW(SANDBOX_BASE, nanosleep)
ROW(SANDBOX_BASE, gettimeofday) ROW(SANDBOX_BASE, time) ROW(SANDBOX_BASE, times) ROW(SANDBOX_BASE, getrandom)
ROW(SANDBOX_BASE, getpid) ROW(SANDBOX_BASE, gettid) ROW(SANDBOX_BASE, getppid) ROW(SANDBOX_BASE, getpgrp) ROW(SANDBOX_BASE, getpgid)
ROW(SANDBOX_BASE, getuid) ROW(SANDBOX_BASE, geteuid) ROW(SANDBOX_BASE, getgid) ROW(SANDBOX_BASE, getegid)
ROW(SANDBOX_BASE, getresuid) ROW(SANDBOX_BASE, getresgid) ROW(SANDBOX_BASE, getgroups) ROW(SANDBOX_BASE, capget)
ROW(SANDBOX_BASE, uname) ROW(SANDBOX_BASE, sysinfo) ROW(SANDBOX_BASE, getrusage) ROW(SANDBOX_BASE, getrlimit) ROW(SANDBOX_BASE, umask)
ROW(SANDBOX_BASE, getcpu) ROW(SANDBOX_BASE, getitimer) ROW(SANDBOX_BASE, setitimer) ROW(SANDBOX_BASE, getpriority)
/* signals to ourselves */
ROW(SANDBOX_BASE, rt_sigaction) ROW(SANDBOX_BASE, rt_sigprocmask) ROW(SANDBOX_BASE, rt_sigreturn) ROW(SANDBOX_BASE, rt_sigpending)
ROW(SANDBOX_BASE, rt_sigtimedwait) ROW(SANDBOX_BASE, rt_sigsuspend) ROW(SANDBOX_BASE, sigaltstack) ROW(SANDBOX_BASE, restart_syscall)
/* descriptors that are open; fcntl has conditions */
ROW(SANDBOX_BASE, read) ROW(SANDBOX_BASE, readv) ROW(SANDBOX_BASE, pread64) ROW(SANDBOX_BASE, preadv) ROW(SANDBOX_BASE, preadv2)
ROW(SANDBOX_BASE, write) ROW(SANDBOX_BASE, writev) ROW(SANDBOX_BASE, pwrite64) ROW(SANDBOX_BASE, pwritev) ROW(SANDBOX_BASE, pwritev2)
ROW(SANDBOX_BASE, close) ROW(SANDBOX_BASE, close_range) ROW(SANDBOX_BASE, lseek)
ROW(SANDBOX_BASE, dup) ROW(SANDBOX_BASE, dup2) ROW(SANDBOX_BASE, dup3) ROW(SANDBOX_BASE, pipe) ROW(SANDBOX_BASE, pipe2)
ROW(SANDBOX_BASE, poll) ROW(SANDBOX_BASE, ppoll) ROW(SANDBOX_BASE, select) ROW(SANDBOX_BASE, pselect6)
ROW(SANDBOX_BASE, epoll_create) ROW(SANDBOX_BASE, epoll_create1) ROW(SANDBOX_BASE, epoll_ctl) ROW(SANDBOX_BASE, epoll_wait)
ROW(SANDBOX_BASE, epoll_pwait) ROW(SANDBOX_BASE, epoll_pwait2) ROW(SANDBOX_BASE, eventfd) ROW(SANDBOX_BASE, eventfd2)
ROW(SANDBOX_BASE, timerfd_create) ROW(SANDBOX_BASE, timerfd_settime) ROW(SANDBOX_BASE, timerfd_gettime)
ROW(SANDBOX_BASE, signalfd4)
/* sockets that are open; what opens, binds or connects them is in groups below; shutdown has conditions */
ROW(SANDBOX_BASE, sendto) ROW(SANDBOX_BASE, sendmsg) ROW(SANDBOX_BASE, sendmmsg) ROW(SANDBOX_BASE, recvfrom) ROW(SANDBOX_BASE, recvmsg)
ROW(SANDBOX_BASE, recvmmsg) ROW(SANDBOX_BASE, getsockname) ROW(SANDBOX_BASE, getpeername)
ROW(SANDBOX_BASE, getsockopt) ROW(SANDBOX_BASE, setsockopt) ROW(SANDBOX_BASE, sendfile)
/* what files are; no content */
ROW(SANDBOX_BASE, fstat) ROW(SANDBOX_BASE, newfstatat) ROW(SANDBOX_BASE, statx) ROW(SANDBOX_BASE, stat) ROW(SANDBOX_BASE, lstat)
ROW(SANDBOX_BASE, fstatfs) ROW(SANDBOX_BASE, fadvise64) ROW(SANDBOX_BASE, getcwd)

/* which of them may be opened is Landlock's part */
ROW(SANDBOX_FILES, open) ROW(SANDBOX_FILES, openat) ROW(SANDBOX_FILES, access) ROW(SANDBOX_FILES, faccessat)
ROW(SANDBOX_FILES, faccessat2) ROW(SANDBOX_FILES, readlink) ROW(SANDBOX_FILES, readlinkat) ROW(SANDBOX_FILES, getdents)
ROW(SANDBOX_FILES, getdents64) ROW(SANDBOX_FILES, statfs) ROW(SANDBOX_FILES, flock)
ROW(SANDBOX_CHANGES, ftruncate) ROW(SANDBOX_CHANGES, fallocate) ROW(SANDBOX_CHANGES, fsync) ROW(SANDBOX_CHANGES, fdatasync)
ROW(SANDBOX_CHANGES, sync_file_range) ROW(SANDBOX_CHANGES, syncfs) ROW(SANDBOX_CHANGES, copy_file_range)
ROW(SANDBOX_CHANGES, unlink) ROW(SANDBOX_CHANGES, unlinkat) ROW(SANDBOX_CHANGES, rename) ROW(SANDBOX_CHANGES, renameat)
ROW(SANDBOX_CHANGES, renameat2) ROW(SANDBOX_CHANGES, link) ROW(SANDBOX_CHANGES, linkat) ROW(SANDBOX_CHANGES, mkdir)
ROW(SANDBOX_CHANGES, mkdirat) ROW(SANDBOX_CHANGES, rmdir) ROW(SANDBOX_CHANGES, chmod) ROW(SANDBOX_CHANGES, fchmod)
ROW(SANDBOX_CHANGES, fchmodat) ROW(SANDBOX_CHANGES, fchown) ROW(SANDBOX_CHANGES, utimensat) ROW(SANDBOX_CHANGES, truncate)

ROW(SANDBOX_ACCEPT, accept) ROW(SANDBOX_ACCEPT, accept4)
/* socket itself has conditions */
ROW(SANDBOX_CONNECT | SANDBOX_NAMES | SANDBOX_RESOLVE, connect)
ROW(SANDBOX_CONNECT | SANDBOX_RESOLVE, bind)
ROW(SANDBOX_FORK, fork) ROW(SANDBOX_FORK, vfork) ROW(SANDBOX_FORK, wait4) ROW(SANDBOX_FORK, waitid) ROW(SANDBOX_FORK, setpgid)
ROW(SANDBOX_FORK, setsid) ROW(SANDBOX_FORK, kill) ROW(SANDBOX_FORK, tgkill) ROW(SANDBOX_FORK, pidfd_open)
ROW(SANDBOX_FORK, seccomp) ROW(SANDBOX_FORK, landlock_create_ruleset)
ROW(SANDBOX_FORK, landlock_add_rule) ROW(SANDBOX_FORK, landlock_restrict_self)
ROW(SANDBOX_IDENTITY, setuid) ROW(SANDBOX_IDENTITY, setgid) ROW(SANDBOX_IDENTITY, setresuid) ROW(SANDBOX_IDENTITY, setresgid)
ROW(SANDBOX_IDENTITY, setgroups) ROW(SANDBOX_IDENTITY, capset)
#if defined(__SANITIZE_ADDRESS__) || defined(SANDBOX_SANITIZED)
ROW(SANDBOX_BASE, open) ROW(SANDBOX_BASE, openat) ROW(SANDBOX_BASE, readlink) ROW(SANDBOX_BASE, personality)
#endif
