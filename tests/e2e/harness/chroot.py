# SPDX-License-Identifier: ISC
"""A Debian system in a folder, by debootstrap from the mirror that this machine's apt uses."""

import os
import re
import shutil
import subprocess

LIMIT = 600


class Missing(Exception):
    """What it needs is not here: words for a skipped test."""


def _apt_setting(name):
    done = subprocess.run(["apt-config", "shell", "value", name], capture_output=True, text=True, timeout=60)
    found = re.search(r"value='(.*)'", done.stdout)
    return found.group(1) if found else None


def mirror():
    """(URI, suite) of the system's own suite, from apt's sources."""
    with open("/etc/os-release") as file:
        suite = dict(line.rstrip().split("=", 1) for line in file if "=" in line).get("VERSION_CODENAME", "").strip('"')
    done = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                           "Created-By: Packages"], capture_output=True, text=True, timeout=60)
    for line in done.stdout.splitlines():
        uri, release, component = (line.split() + ["", "", ""])[:3]
        if release == suite and component == "main" and uri.startswith("http"):
            return uri, suite
    raise Missing("apt's sources name no mirror of this system's suite")


def _environment():
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
           "HOME": "/root", "TERM": "dumb"}
    for name in ("http_proxy", "https_proxy", "no_proxy"):
        value = os.environ.get(name) or (_apt_setting("Acquire::http::Proxy") if name == "http_proxy" else None)
        if value:
            env[name] = value
    return env


def base(build, packages):
    """The path of a tarball with a minimal system and these packages, made once in the build folder."""
    uri, suite = mirror()
    path = os.path.join(build, f"debootstrap-{suite}.tar")
    listed = path + ".packages"
    wanted = " ".join(sorted(packages))
    if os.path.exists(path) and os.path.exists(listed) and open(listed).read() == wanted:
        return path
    if not shutil.which("debootstrap"):
        raise Missing("no debootstrap")
    folder = path + f".new.{os.getpid()}"
    try:
        try:
            done = subprocess.run(["debootstrap", "--variant=minbase", "--include=" + ",".join(sorted(packages)), suite,
                                   folder, uri], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=LIMIT, env=_environment())
        except subprocess.TimeoutExpired:
            raise Missing(f"debootstrap took longer than {LIMIT} s") from None
        if done.returncode != 0:
            raise Missing("debootstrap failed: " + " / ".join((done.stdout + done.stderr).splitlines()[-3:]))
        shutil.rmtree(os.path.join(folder, "var/cache/apt/archives"), ignore_errors=True)
        subprocess.run(["tar", "-C", folder, "-cf", path + ".new", "."], check=True, timeout=LIMIT)
        os.rename(path + ".new", path)
        with open(listed, "w") as file:
            file.write(wanted)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return path


class Chroot:
    """The system unpacked into a folder of its own, in which no package starts a service."""

    def __init__(self, tarball, folder):
        self.folder = folder
        os.makedirs(folder)
        subprocess.run(["tar", "-C", folder, "-xf", tarball], check=True, timeout=LIMIT)
        os.chmod(folder, 0o755)
        self.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)

    def path(self, name):
        return os.path.join(self.folder, name.lstrip("/"))

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def argv(self, *argv):
        """argv in the system, with mounts and a /proc of its own, and gone when this process goes."""
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--root", self.folder, "--wd", "/", "--",
                "sh", "-c", 'mount -t proc proc /proc 2>/dev/null; exec "$@"', "sh", *argv]

    def run(self, *argv, stdin="", expect=0, limit=120):
        done = subprocess.run(self.argv(*argv), input=stdin, capture_output=True, text=True, timeout=limit,
                              env=_environment())
        assert expect is None or done.returncode == expect, \
            f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def start(self, *argv, out):
        return subprocess.Popen(self.argv(*argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_environment())

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)
