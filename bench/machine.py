# SPDX-License-Identifier: ISC
"""The machine under the benchmark: accounting of a server's processes by a control group of its own (version 1's
cpuacct, or version 2), the processor time of everything else, and what the machine is."""

import os
import signal
import subprocess
import time

V1 = "/sys/fs/cgroup/cpuacct"
V2 = "/sys/fs/cgroup"


class Group:
    """A control group that a server's processes, and all that they fork, are in. Only this harness puts any there."""

    def __init__(self, name):
        self.version_1 = os.path.isdir(V1)
        self.path = os.path.join(V1 if self.version_1 else V2, "thurn-bench-%d-%s" % (os.getpid(), name))
        self.resolv = "/var/tmp/thurn-bench-%d-%s.resolv" % (os.getpid(), name)
        os.mkdir(self.path)

    def run(self, command, mounts=(), **options):
        """Starts a command inside the group, in a mount namespace where DNS is asked of 127.0.0.1 only; `mounts` are shell lines run before it."""
        def enter():
            with open(os.path.join(self.path, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(os.getpid()))
        script = "\n".join(["set -e", 'echo "nameserver 127.0.0.1" > "$0"', 'mount --bind "$0" /etc/resolv.conf', *mounts, 'exec "$@"'])
        return subprocess.Popen(["unshare", "-m", "sh", "-c", script, self.resolv] + command, preexec_fn=enter,
                                stdin=subprocess.DEVNULL, **options)

    def seconds(self):
        """User and system seconds of all processes that are or were in the group."""
        if self.version_1:
            with open(os.path.join(self.path, "cpuacct.usage"), encoding="ascii") as file:
                return int(file.read()) / 1e9
        with open(os.path.join(self.path, "cpu.stat"), encoding="ascii") as file:
            return int(dict(line.split() for line in file)["usage_usec"]) / 1e6

    def pids(self):
        with open(os.path.join(self.path, "cgroup.procs"), encoding="ascii") as file:
            return [int(line) for line in file]

    def memory_kib(self):
        """Proportional set size of all processes, in KiB, and their number."""
        total = count = 0
        for pid in self.pids():
            try:
                with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as file:
                    total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:"))
                count += 1
            except OSError:
                pass  # it has ended since it was listed
        return total, count

    def end(self):
        """Ends what is left in the group, by SIGTERM and after a while by SIGKILL."""
        for attempt in range(60):
            pids = self.pids()
            if not pids:
                return
            for pid in pids:
                try:
                    if attempt % 10 == 0 or attempt > 40:
                        os.kill(pid, signal.SIGTERM if attempt < 40 else signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.2)

    def remove(self):
        self.end()
        if os.path.exists(self.resolv):
            os.unlink(self.resolv)
        for _ in range(20):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.1)


def busy_seconds():
    """Seconds of all processors so far, without idle time and waiting for disks."""
    with open("/proc/stat", encoding="ascii") as file:
        fields = file.readline().split()
    return sum(int(fields[i]) for i in (1, 2, 3, 6, 7, 8)) / os.sysconf("SC_CLK_TCK")


def wait_until_quiet(seconds):
    """Waits, at most so long, until the rest of the machine uses less than a fifth of a processor."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = busy_seconds()
        time.sleep(0.5)
        if busy_seconds() - before < 0.1:
            return


def describe():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return "%d x %s, Linux %s" % (os.cpu_count(), models[0] if models else os.uname().machine, os.uname().release)
