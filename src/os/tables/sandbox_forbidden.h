/* SPDX-License-Identifier: ISC */
/* System calls that only somebody who has taken over a process would make: ROW(NAME). Where a profile does not allow one, it ends the process, and the log names it.
 * EVER(NAME): the same, and no pipe command needs it either: with SANDBOX_COMMANDS these are answered EPERM, everything else is open. Included by os/sandbox_filter.c only. */
ROW(execve) ROW(execveat) ROW(fork) ROW(vfork)
ROW(socket) ROW(connect) ROW(bind) ROW(listen) ROW(accept) ROW(accept4)
ROW(setuid) ROW(setgid) ROW(setreuid) ROW(setregid) ROW(setresuid) ROW(setresgid) ROW(setgroups) ROW(setfsuid) ROW(setfsgid) ROW(capset)
ROW(chroot) ROW(chown) ROW(lchown) ROW(fchownat) ROW(setxattr) ROW(symlink) ROW(symlinkat) ROW(mknod) ROW(mknodat)
ROW(memfd_create) ROW(memfd_secret) ROW(shmget) ROW(shmat) ROW(msgget) ROW(semget) ROW(mq_open)
ROW(inotify_init) ROW(inotify_init1) ROW(inotify_add_watch) ROW(tkill) ROW(rt_sigqueueinfo) ROW(rt_tgsigqueueinfo)
EVER(ptrace) EVER(process_vm_readv) EVER(process_vm_writev) EVER(pidfd_getfd) EVER(kcmp) EVER(process_madvise)
EVER(mount) EVER(umount2) EVER(pivot_root) EVER(unshare) EVER(setns) EVER(move_mount) EVER(open_tree) EVER(fsopen)
EVER(fsmount) EVER(fsconfig) EVER(fspick) EVER(mount_setattr)
EVER(bpf) EVER(perf_event_open) EVER(userfaultfd) EVER(io_uring_setup) EVER(io_uring_enter) EVER(io_uring_register)
EVER(init_module) EVER(finit_module) EVER(delete_module) EVER(kexec_load) EVER(kexec_file_load) EVER(reboot)
EVER(swapon) EVER(swapoff) EVER(acct) EVER(quotactl) EVER(quotactl_fd) EVER(settimeofday) EVER(clock_settime) EVER(clock_adjtime)
EVER(adjtimex) EVER(sethostname) EVER(setdomainname) EVER(syslog) EVER(vhangup) EVER(nfsservctl) EVER(lookup_dcookie)
EVER(keyctl) EVER(add_key) EVER(request_key) EVER(open_by_handle_at) EVER(fanotify_init)
EVER(modify_ldt) EVER(iopl) EVER(ioperm) EVER(move_pages) EVER(migrate_pages) EVER(mbind) EVER(set_mempolicy)
