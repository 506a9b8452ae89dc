# SPDX-License-Identifier: ISC
"""The Debian package: built, installed into a fresh system in a folder, used, upgraded, removed, purged. The tests build on each other."""

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess

import pytest
from harness import account, chroot, process, wait

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONF = "etc/thurn/thurn.toml"
NAME = "box.example.org"
LINKS = {"usr/sbin/sendmail": "../bin/thurn", "usr/lib/sendmail": "../bin/thurn", "usr/bin/mailq": "thurn",
         "usr/bin/newaliases": "thurn"}


@pytest.fixture(scope="module")
def package():
    """The path of the .deb that scripts/deb builds; without the profile, which takes minutes, unless TRAINED_PACKAGE is set."""
    if not account.is_root():
        pytest.skip("installing a package needs root")
    if not shutil.which("dpkg-buildpackage") or not shutil.which("dh"):
        pytest.skip("no debhelper")
    build_options = {} if os.environ.get("TRAINED_PACKAGE") else {"DEB_BUILD_OPTIONS": "noprofile"}
    done = subprocess.run([os.path.join(ROOT, "scripts/deb")], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=1200, env={**os.environ, **build_options})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def field(package, name):
    return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def depends(package):
    return [re.match(r"[a-z0-9.+-]+", one.strip()).group() for one in field(package, "Depends").split(",")]


@pytest.fixture(scope="module")
def box(package, top, tmp_path_factory):
    """The system in a folder with the package installed."""
    build = os.environ.get("THURN_BUILD") or os.path.join(ROOT, "build")
    try:
        tarball = chroot.base(build, depends(package))
    except chroot.Missing as missing:
        pytest.skip(f"no fresh Debian system: {missing}")
    system = chroot.Chroot(tarball, os.path.join(top, "box"))
    probe = system.run("mountpoint", "-q", "/proc", expect=None)
    if probe.returncode != 0:
        system.close()
        pytest.skip("no mounts of one's own in a folder here")
    system.write("etc/mailname", NAME + "\n")
    shutil.copy(package, system.path("thurn.deb"))
    system.run("useradd", "--create-home", "alice")
    install(system)
    yield system
    system.close()


def install(system):
    return system.run("dpkg", "--force-confold", "-i", "/thurn.deb")


@contextlib.contextmanager
def served(system, log):
    """thurn serve as the installed unit starts it."""
    command = re.search(r"(?m)^ExecStart=(.*)$", system.read("lib/systemd/system/thurn.service")).group(1).split()
    with open(log, "wb") as out:
        server = system.start(*command, out=out)

    def text():
        with open(log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def master():
        assert server.poll() is None, text()
        return [pid for pid in process.children(server.pid) if process.kind(pid) == "master"] if "thurn: ready" in text() else []

    try:
        pid, = wait.until(master, lambda: "'thurn: ready' in\n" + text())
        yield text
        os.kill(pid, signal.SIGTERM)
        assert server.wait(wait.LIMIT) == 0, text()
    finally:
        if server.poll() is None:
            server.kill()
            server.wait(wait.LIMIT)


def test_o11_package_says_what_it_is(package):
    for name in ("Provides", "Conflicts", "Replaces"):
        assert "mail-transport-agent" in field(package, name)


def test_o11_package_installs(box):
    # the user, and what belongs to it
    user = dict(zip(("name", "password", "uid", "gid", "gecos", "home", "shell"),
                    box.run("getent", "passwd", "thurn").stdout.strip().split(":")))
    assert user["home"] == "/var/lib/thurn" and user["shell"].endswith("nologin") and int(user["uid"]) < 1000
    for path, owner, mode in (("var/lib/thurn", "thurn", 0o711), (CONF, "root", 0o644), ("usr/bin/thurn", "root", 0o755),
                              ("var/mail/thurn", "thurn", 0o660), ("etc/aliases", "root", 0o644)):
        found = os.stat(box.path(path))
        assert stat.S_IMODE(found.st_mode) == mode, path
        assert found.st_uid == (int(user["uid"]) if owner == "thurn" else 0), path
    assert {path: os.readlink(box.path(path)) for path in LINKS} == LINKS
    for path in ("lib/systemd/system/thurn.service", "usr/share/bash-completion/completions/thurn",
                 "usr/share/man/man8/thurn.8.gz", "usr/share/man/man5/thurn.toml.5.gz", "usr/share/doc/thurn/copyright"):
        assert os.path.isfile(box.path(path)), path

    # the configuration that it made is good, takes nothing from the network, and bears the machine's mail name
    assert f'hostname   = "{NAME}"' in box.read(CONF)
    said = box.run("thurn", "check")
    assert said.stderr == ""
    assert "Programs on this host may send to anyone, through the local socket." in said.stdout
    assert "No port is open: only programs on this host bring mail." in said.stdout
    assert "Anyone" not in said.stdout and "signed in" not in said.stdout


def test_o11_package_delivers(box, tmp_path):
    with served(box, tmp_path / "log") as log:
        listening = re.findall(r"listening on (\S+)", log())
        assert listening and all(place.startswith("unix:") for place in listening)
        box.run("/usr/sbin/sendmail", "-i", "alice", stdin="Subject: for alice\n\nhello\n")
        new = box.path("home/alice/Maildir/new")
        wait.until(lambda: os.path.isdir(new) and os.listdir(new), log)
        with open(os.path.join(new, os.listdir(new)[0])) as file:
            assert "Subject: for alice" in file.read()
        # root's is in the mailbox that the configuration names, until an alias says otherwise
        box.run("/usr/sbin/sendmail", "-i", "root", stdin="Subject: for root\n\nhello\n")
        wait.until(lambda: "Subject: for root" in box.read("var/mail/thurn"), log)
        # and what has to wait is in the queue, for mailq, too
        box.run("/usr/sbin/sendmail", "-i", "x@nowhere.invalid", stdin="Subject: for nobody\n\nhello\n")
        wait.until(lambda: "for nobody" in box.read("var/mail/thurn") or "nowhere.invalid" in box.run("mailq").stdout, log)


def test_o11_package_keeps_what_was_changed(box):
    changed = box.read(CONF).replace("users   = \"system\"", "users   = \"system\" # ours")
    box.write(CONF, changed)
    box.write("etc/aliases", "root: alice\n")
    install(box)
    assert box.read(CONF) == changed
    assert box.read("etc/aliases") == "root: alice\n"
    box.run("thurn", "check")
    # removed and installed again, it is as before
    box.run("dpkg", "-r", "thurn")
    assert not os.path.exists(box.path("usr/bin/thurn")) and box.read(CONF) == changed
    install(box)
    assert box.read(CONF) == changed
    box.run("thurn", "check")


def test_o11_package_purge_keeps_mail_that_waits(box, tmp_path):
    box.write(CONF, box.read(CONF) + f'\n[address."later@{NAME}"]\ndeliver = "hold:"\n')
    with served(box, tmp_path / "log") as log:
        box.run("/usr/sbin/sendmail", "-i", "later", stdin="Subject: waits\n\nhello\n")
        wait.until(lambda: f"later@{NAME}" in box.run("thurn", "queue", "list", "--json").stdout, log)
    said = box.run("dpkg", "--purge", "thurn")
    assert "mail waits in /var/lib/thurn/queue" in said.stderr + said.stdout
    assert os.listdir(box.path("var/lib/thurn/queue/seg"))

    # installed again with the configuration that was kept, it has the mail
    saved = box.read("var/lib/thurn/thurn.toml.purged")
    assert "later@" in saved and not os.path.exists(box.path(CONF))
    install(box)
    assert "later@" not in box.read(CONF)
    box.write(CONF, saved)
    os.remove(box.path("var/lib/thurn/thurn.toml.purged"))
    with served(box, tmp_path / "log2") as log:
        mails = wait.until(lambda: box.run("thurn", "queue", "list", "--json").stdout.splitlines(), log)
        assert [json.loads(mail)["to"] for mail in mails] == [[f"later@{NAME}"]]
        box.run("thurn", "queue", "remove", json.loads(mails[0])["id"])
        wait.until(lambda: not box.run("thurn", "queue", "list", "--json").stdout, log)


def test_o11_package_purge_leaves_nothing_else(box):
    box.run("dpkg", "--purge", "thurn")
    left = box.run("find", "/", "-xdev", "-path", "/proc", "-prune", "-o", "-name", "*thurn*", "-print").stdout.split()
    # mail, the account that owns it, and the file that this test brought
    assert sorted(left) == ["/thurn.deb", "/var/mail/thurn"]
    assert "Subject: for root" in box.read("var/mail/thurn")
    assert "Subject: for alice" in "".join(
        open(os.path.join(box.path("home/alice/Maildir/new"), name)).read() for name in os.listdir(box.path("home/alice/Maildir/new")))
