# SPDX-License-Identifier: ISC
"""What servers have in common that run from an unpacked Debian package, with a host name and mounts of their own."""

import os
import re
import shlex
import shutil
import socket
import subprocess

from . import process, wait


class Unpacked:
    """`mounts` are shell lines run before it, in a mount namespace that ends with it."""

    def __init__(self, folder, inside, name, argv, mounts=()):
        self.folder, self.inside = folder, inside
        self._out = os.path.join(folder, "out")
        script = "\n".join(["set -e", f"hostname {name}", *mounts, "exec " + shlex.join(argv)])
        self.command = argv
        self.process = subprocess.Popen(inside.argv(["unshare", "--uts", "--mount", "sh", "-c", script]),
                                        stdin=subprocess.DEVNULL, stdout=open(self._out, "wb"), stderr=subprocess.STDOUT,
                                        start_new_session=True)

    @staticmethod
    def own(folder, tls):
        """Copies of a certificate and its key that belong to root alone, as these servers want them."""
        paths = []
        for path in tls:
            paths.append(shutil.copy(path, folder))
            os.chmod(paths[-1], 0o600)
        return paths

    @staticmethod
    def read(path):
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def out(self):
        return self.read(self._out)

    def log(self):
        return self.out()

    def logged(self, pattern):
        return wait.until(lambda: re.search(pattern, self.log()), lambda: f"{pattern!r} in\n{self.log()}")

    def alive(self):
        if self.process.poll() is not None:
            raise AssertionError("it ended: " + self.log())
        return True

    def listens(self, host, port):
        with self.inside.entered():
            probe = socket.socket()
        with probe:
            return probe.connect_ex((host, port)) == 0

    def maildir(self, user):
        return os.path.join(self.folder, "mail", user)

    def close(self):
        process.end(self.process)
