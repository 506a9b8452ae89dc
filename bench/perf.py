# SPDX-License-Identifier: ISC
"""Where the time of all processors goes while a load runs, by perf's clock: the table that tells how much of it is our own code. Each sample is counted for its process, and there for
the system call that it was in. A sample whose instruction is the one behind a system call's is the kernel's, too: interrupts are off on the way out, so that is where time spent on it shows."""

import collections
import os
import re
import shutil
import subprocess

OWN, ENTRY = "our code and its libraries", "entry and exit of calls, interrupts"
GROUPS = {
    "send": ("sendto", "sendmsg"),
    "receive": ("recvfrom", "recvmsg", "read"),
    "connections made and closed": ("accept4", "close", "socket", "connect", "bind", "shutdown", "getsockopt", "setsockopt"),
    "waiting and waking": ("epoll_wait", "epoll_pwait", "epoll_ctl", "futex", "poll"),
    "files": ("fdatasync", "fsync", "syncfs", "pwrite64", "pwritev", "pwritev2", "write", "writev", "pread64", "openat", "renameat", "renameat2", "unlinkat",
              "fallocate", "ftruncate", "newfstat", "fstat"),
}
ROWS = [OWN, *GROUPS, "other calls", ENTRY, "generator and sink", "everything else", "idle"]
PROCESSES = ["receiver", "queue", "sender", "deliver", "delivery", "lookup"]
COLUMNS = [(name, "%.1f%%", name) for name in PROCESSES] + [("all", "%.1f%%", "all"), ("server", "%.1f%%", "of the server's own time")]
GROUP_OF = {call: group for group, calls in GROUPS.items() for call in calls}


class Profile:
    """perf runs between enter and exit; rows() afterwards, while the server still runs."""

    def __init__(self, folder):
        self.file = os.path.join(folder, "perf.data")
        self.perf = None
        if not shutil.which("perf"):
            raise RuntimeError("perf is not installed; scripts/install bench installs it")

    def __enter__(self):
        self.perf = subprocess.Popen(["perf", "record", "-q", "-a", "-g", "-F", "4000", "-e", "cpu-clock", "-o", self.file],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *error):
        self.perf.send_signal(2)
        self.perf.wait(60)

    def samples(self):
        """(command, process id, [(address, symbol)], innermost first) of each."""
        script = subprocess.Popen(["perf", "script", "-i", self.file, "-F", "comm,pid,ip,sym"], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace")
        head, stack = None, []
        for line in script.stdout:
            words = line.split()
            if words and head is None:
                head = line.rsplit(None, 1)
            elif words:
                stack.append((int(words[0], 16), words[1] if len(words) > 1 else ""))
            elif head:
                yield head[0].strip(), int(head[1]), stack
                head, stack = None, []
        script.wait(60)

    def rows(self, pids, load):
        """Percents of all processors' time while perf ran, of the server's processes and of all, and of the time of the server's processes alone; load: the command that made the load."""
        behind = BehindCall()
        count = {row: collections.Counter() for row in ROWS}
        total = 0
        for command, pid, stack in self.samples():
            total += 1
            if pid in pids and stack:
                process = next((name for name in PROCESSES if ("thurn-" + name)[:15] == command), "other")
                count[kind(pid, stack, behind)][process] += 1
            elif pid == 0 and any(symbol in ("do_idle", "default_idle", "pv_native_safe_halt") for _, symbol in stack):
                count["idle"]["all"] += 1
            else:
                count["generator and sink" if command == load else "everything else"]["all"] += 1
        if total == 0:
            raise RuntimeError("perf took no samples")
        rows = {}
        server = {name: sum(of.values()) - of["all"] for name, of in count.items()}  # "all" is nobody's here
        for name, of in count.items():
            rows[name] = {process: 100 * of[process] / total for process in PROCESSES if of[process]}
            rows[name]["all"] = 100 * sum(of.values()) / total
            rows[name]["server"] = 100 * server[name] / sum(server.values()) if server[name] else float("nan")
            for process in PROCESSES:
                rows[name].setdefault(process, float("nan"))
        return rows


class BehindCall:
    """Is there a system call's instruction right before this address of a process?"""

    def __init__(self):
        self.known = {}

    def __call__(self, pid, address):
        if (pid, address) not in self.known:
            try:
                with open("/proc/%d/mem" % pid, "rb") as memory:
                    memory.seek(address - 2)
                    self.known[pid, address] = memory.read(2) == b"\x0f\x05"
            except OSError:
                self.known[pid, address] = False
        return self.known[pid, address]


def kind(pid, stack, behind):
    address = stack[0][0]
    if address < 1 << 63:
        return ENTRY if behind(pid, address) else OWN
    for _, symbol in stack:
        call = re.match(r"__(?:x64|se)_sys_(\w+)", symbol)
        if call:
            return GROUP_OF.get(call[1], "other calls")
    return ENTRY
