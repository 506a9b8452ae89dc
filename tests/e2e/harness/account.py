# SPDX-License-Identifier: ISC
"""The system accounts that the tests use, and running a command as one of them."""

import contextlib
import os
import pwd
import subprocess

SERVICE = "thurntest"


def is_root():
    return os.geteuid() == 0


def ensure(name, home="/nonexistent"):
    """The passwd entry of a system account, made when it is missing (root only)."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", home,
             "--shell", "/usr/sbin/nologin", name],
            check=False, capture_output=True, timeout=30)  # another worker may have been first
        return pwd.getpwnam(name)


def service():
    """The account that stands for an ordinary user: `thurntest` under root, else the caller's own."""
    return ensure(SERVICE) if is_root() else pwd.getpwuid(os.geteuid())


def as_service(argv):
    """argv, run as the ordinary user, without any privilege."""
    if not is_root():
        return list(argv)
    who = service()
    return ["setpriv", f"--reuid={who.pw_uid}", f"--regid={who.pw_gid}", "--clear-groups",
            "--inh-caps=-all", "--"] + list(argv)


def give(path, who=None):
    """Hands a file or folder, with all below, to the ordinary user."""
    if not is_root():
        return
    who = who or service()
    os.chown(path, who.pw_uid, who.pw_gid)
    for top, folders, files in os.walk(path):
        for name in folders + files:
            with contextlib.suppress(FileNotFoundError):  # a running server's files come and go
                os.chown(os.path.join(top, name), who.pw_uid, who.pw_gid, follow_symlinks=False)
