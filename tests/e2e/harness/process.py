# SPDX-License-Identifier: ISC
"""What /proc tells about Thurn's processes."""

import os
import signal
import subprocess

KINDS = ("master", "receiver", "queue", "sender", "deliver", "lookup", "console")


def _read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def parent(pid):
    stat = _read(pid, "stat")
    return int(stat.rpartition(b")")[2].split()[1]) if stat else None


def state(pid):
    stat = _read(pid, "stat")
    return stat.rpartition(b")")[2].split()[0].decode() if stat else None


def children(pid):
    """Every living descendant of pid, parents first."""
    below = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and state(entry) not in (None, "Z"):
            below.setdefault(parent(entry), []).append(int(entry))
    out, todo = [], [pid]
    while todo:
        found = below.get(todo.pop(0), [])
        out += found
        todo += found
    return out


def kind(pid):
    """`receiver`, `queue`, ... from the process title `thurn: KIND` or the comm `thurn-KIND`."""
    title = _read(pid, "cmdline").replace(b"\0", b" ").strip().decode("utf-8", "replace")
    comm = _read(pid, "comm").strip().decode("utf-8", "replace")
    for text, mark in ((title, "thurn: "), (comm, "thurn-")):
        if text.startswith(mark):
            return text[len(mark):].split()[0]
    return None


def status(pid):
    """/proc/PID/status as a dict of strings."""
    lines = _read(pid, "status").decode("utf-8", "replace").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def peak_kib(pid):
    """The most memory that the process has had resident so far, in KiB."""
    return int(status(pid).get("VmHWM", "0 kB").split()[0])


def uid(pid):
    return int(status(pid)["Uid"].split()[1])


def end(process, limit=10):
    """SIGTERM to a process of ours (a Popen), and SIGKILL when that is not enough."""
    process.terminate()
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(limit)


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
