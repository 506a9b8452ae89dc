# SPDX-License-Identifier: ISC
"""A machine whose sendmail is Thurn: a mount namespace a command, with a copy of /etc (one user more, no jobs of others, Thurn's configuration), an empty
/var/spool and /run, and the binary in the place of /usr/sbin/sendmail, which Debian's mailq and newaliases are links to."""

import os
import shutil
import subprocess

from . import clients, process

CAROL, UID = "carol", 61234
PERMIT = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
MOUNT = ('mount --bind "$1" /etc; mount --bind "$2" /etc/thurn/thurn.toml; mount --bind "$3" /var/spool; mount -t tmpfs tmpfs /run; '
         'mount --bind "$4" /usr/sbin/sendmail; shift 4; exec "$@"')


def etc(folder):
    """A copy of /etc for any number of machines."""
    copy = os.path.join(folder, "etc")
    subprocess.run(["cp", "-a", "/etc", copy], check=True, timeout=120)
    for name in ("crontab", "cron.allow", "cron.deny", "at.allow", "at.deny"):
        if os.path.exists(os.path.join(copy, name)):
            os.unlink(os.path.join(copy, name))
    shutil.rmtree(os.path.join(copy, "cron.d"), ignore_errors=True)
    os.makedirs(os.path.join(copy, "thurn"), exist_ok=True)
    lines = {"thurn/thurn.toml": "", "pam.d/cron": PERMIT, "pam.d/atd": PERMIT, "group": f"{CAROL}:x:{UID}:\n",
             "passwd": f"{CAROL}:x:{UID}:{UID}:Carol Example,,,:{folder}:/bin/sh\n"}
    for name, text in lines.items():
        with open(os.path.join(copy, name), "a" if name in ("group", "passwd") else "w") as file:
            file.write(text)
    return copy


class Machine:
    def __init__(self, folder, etc_copy, thurn, build):
        self.etc, self.thurn, self.peers = etc_copy, thurn, os.path.join(build, "peers")
        self.spool, self.home = os.path.join(folder, "spool"), os.path.join(folder, "home")
        os.mkdir(self.spool)
        os.mkdir(self.home)
        os.chown(self.home, UID, UID)
        self.processes = []

    def spooled(self, name, mode, owner=0, group=0):
        """A folder below /var/spool."""
        path = os.path.join(self.spool, name)
        os.makedirs(path, exist_ok=True)
        os.chown(path, owner, group)
        os.chmod(path, mode)
        return path

    def peer(self, package, path):
        return os.path.join(self.peers, package, path)

    def argv(self, argv, root=False):
        who = [] if root else ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--inh-caps=-all", "--"]
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", MOUNT, "sh", self.etc, self.thurn.path, self.spool,
                self.thurn.binary, *who, *argv]

    def env(self):
        return {"HOME": self.home, "LC_ALL": "C.UTF-8", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def run(self, *argv, text="", expect=0, root=False, **more):
        return clients.run(self.argv(argv, root), text, expect=expect, env={**self.env(), **more.pop("env", {})},
                           cwd=self.home, **more)

    def start(self, *argv, **more):
        """A daemon, as root, until the test ends; streams as pipes where asked for."""
        started = subprocess.Popen(self.argv(argv, True), env=self.env(), cwd=self.home,
                                   **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more})
        self.processes.append(started)
        return started

    def close(self):
        for one in self.processes:
            process.end(one)
