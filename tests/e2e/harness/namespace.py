# SPDX-License-Identifier: ISC
"""A network namespace of our own: any address, any port, and a resolv.conf that names our name server.

The addresses sit on the namespace's loopback device, so no packet leaves the machine. Sockets made by the test itself
inside `entered()` belong to the namespace for life, whichever thread uses them later.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def possible():
    """None when namespaces work here, else the reason why not."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    done = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, timeout=20)
    return None if done.returncode == 0 else "the kernel gives no network namespaces"


class Namespace:
    V4 = "10.77.0."
    V6 = "fd77::"

    def __init__(self, name, addresses=20):
        self.name = name
        self._ip("netns", "add", name)
        self.etc = f"/etc/netns/{name}"
        os.makedirs(self.etc, exist_ok=True)
        with open(f"{self.etc}/resolv.conf", "w") as file:
            file.write(f"nameserver {self.V4}1\noptions timeout:1 attempts:2\n")
        batch = ["link set lo up"]
        batch += [f"addr add {self.V4}{n}/24 dev lo" for n in range(1, addresses + 1)]
        batch += [f"addr add {self.V6}{n:x}/64 dev lo nodad" for n in range(1, addresses + 1)]
        subprocess.run(["ip", "-n", name, "-batch", "-"], input="\n".join(batch), text=True,
                       check=True, capture_output=True, timeout=20)
        self.run("sysctl", "-qw", "net.ipv4.ip_unprivileged_port_start=0")

    @staticmethod
    def _ip(*args):
        subprocess.run(["ip", *args], check=True, capture_output=True, timeout=20)

    def argv(self, argv):
        """argv, run inside (same pid: ip netns exec replaces itself)."""
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, *argv, **more):
        more = {"check": True, "capture_output": True, "timeout": 60, **more}
        return subprocess.run(self.argv(argv), **more)

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is inside for the while."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def pids(self):
        done = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, timeout=20)
        return [int(p) for p in done.stdout.split()]

    def close(self):
        for pid in self.pids():
            if pid != os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, timeout=20)
        shutil.rmtree(self.etc, ignore_errors=True)
