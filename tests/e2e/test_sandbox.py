# SPDX-License-Identifier: ISC
"""The sandbox of the running server: what /proc says of each process, and what happens to one that is made to do what it must not. (Every deed in every kind: tests/sandbox.)"""

import ctypes
import os
import platform
import signal

import pytest

from harness import process, wait

CHILDREN = ("receiver", "queue", "sender", "deliver", "lookup", "console", "keys")
SETGID, SETUID, KILL = 1 << 6, 1 << 7, 1 << 5
EXECVE, LETTER = 59, b"Subject: hello\r\n\r\nhello\r\n"


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in (
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es "
        "fs gs").split()]


ATTACH, GET, PUT, GO_ON, DETACH, ALL = 16, 12, 13, 7, 17, 0x40000000


def ptrace(request, pid, data=None):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert libc.ptrace(request, pid, None, data) == 0, os.strerror(ctypes.get_errno())


def caught_in_a_call(pid, regs):
    """Stops the process; it stays stopped when it was waiting in a system call, which is known by its registers."""
    ptrace(ATTACH, pid)
    os.waitpid(pid, ALL)
    ptrace(GET, pid, ctypes.addressof(regs))
    if ctypes.c_longlong(regs.orig_rax).value >= 0:
        return True
    ptrace(DETACH, pid)
    return False


def make_call(pid, number):
    """Makes a process that waits in a system call make another one, without arguments; the signal that comes of it, or None."""
    regs = Registers()
    wait.until(lambda: caught_in_a_call(pid, regs), f"{pid} to wait in a system call")
    regs.rip -= 2  # the instruction that entered it
    regs.rax, regs.orig_rax = number, (1 << 64) - 1
    regs.rdi = regs.rsi = regs.rdx = regs.r10 = 0
    ptrace(PUT, pid, ctypes.addressof(regs))
    ptrace(GO_ON, pid)
    _, status = os.waitpid(pid, ALL)
    came = os.WSTOPSIG(status) if os.WIFSTOPPED(status) else None
    if came is not None:
        ptrace(DETACH, pid, came)
    return came


def capabilities(pid, which):
    return int(process.status(pid)[which], 16)


def send(thurn):
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "alice@example.org", body=LETTER)


def test_g8_every_child_is_confined(serve, root, authority):
    thurn = serve({"tls": authority.config("mail.example.org")}, root=True)
    send(thurn)
    thurn.landed("alice")
    for kind in CHILDREN + ("delivery",):
        pids = [pid for pid in thurn.pids() if process.kind(pid) == kind]
        assert pids, kind
        for pid in pids:
            status = process.status(pid)
            assert status["Seccomp"] == "2", kind
            assert status["NoNewPrivs"] == "1", kind
            wanted = KILL | SETGID | SETUID if kind == "deliver" else 0
            for which in ("CapPrm", "CapEff"):
                assert capabilities(pid, which) == wanted, (kind, which)
            for which in ("CapInh", "CapBnd", "CapAmb"):
                assert capabilities(pid, which) == 0, (kind, which)
            assert "0" not in status["Uid"].split(), kind
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0, kind  # not dumpable: its files in /proc are root's
    thurn.logged(r"sandbox: seccomp, Landlock \d")


def test_g8_commands_keep_their_set_id_programs(serve, root):
    """With a pipe command in the configuration deliver has a filter, and the way to gain privileges by exec is open."""
    thurn = serve({"domain": {"example.org": {"deliver": "pipe:/usr/bin/tee {dir}/mail/piped", "users": ["alice"]}}}, root=True)
    pid, = [pid for pid in thurn.pids() if process.kind(pid) == "deliver"]
    status = process.status(pid)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "0")
    send(thurn)
    piped = os.path.join(thurn.folder, "mail", "piped")
    wait.until(lambda: os.path.exists(piped) and b"hello" in open(piped, "rb").read(), lambda: thurn.log())


def test_threat_a_command_cannot_type_into_the_terminal(serve):
    """A session of its own has no terminal: /dev/tty, and TIOCSTI with it, stays with whoever started the server."""
    thurn = serve({"domain": {"example.org": {"deliver": "pipe:/usr/bin/cut -d' ' -f6 /proc/self/stat >{dir}/mail/session", "users": ["alice"]}}})
    send(thurn)
    session = os.path.join(thurn.folder, "mail", "session")
    wait.until(lambda: os.path.exists(session) and open(session).read().strip(), lambda: thurn.log())
    assert int(open(session).read()) not in (0, os.getsid(thurn.pids()[0]))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="knows the registers of x86_64 only")
def test_threat_a_child_that_is_taken_over_runs_no_program(serve, root, authority):
    """Each child is made to call execve: it is ended, the log names it and the call, and the server goes on."""
    thurn = serve({"tls": authority.config("mail.example.org")}, root=True)
    for kind in CHILDREN:
        pid = [pid for pid in thurn.pids() if process.kind(pid) == kind][0]
        assert make_call(pid, EXECVE) == signal.SIGSYS, kind
        thurn.logged(rf"thurn/\w+\[{pid}\]: error: sandbox: the system call execve \(59\) is forbidden")
        wait.until(lambda: process.state(pid) is None, lambda: f"{kind} lives on:\n{thurn.log()}")
    wait.until(lambda: {process.kind(pid) for pid in thurn.pids()} >= set(CHILDREN), lambda: thurn.log())
    send(thurn)
    thurn.landed("alice")
