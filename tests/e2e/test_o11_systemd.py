# SPDX-License-Identifier: ISC
"""Under a service manager: sockets that it opened, what it is told (READY, RELOADING, WATCHDOG, STOPPING), credentials."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest
from harness import account, process, thurn, wait

needs_activate = pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="no systemd-socket-activate")


class Manager:
    """The socket that a service manager listens on for sd_notify(3)."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)
        self.socket.setblocking(False)
        self.heard = []

    def all(self):
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard += self.socket.recv(4096).decode().split("\n")
        return self.heard

    def hears(self, word, count=1):
        wait.until(lambda: self.all().count(word) >= count, lambda: f"{count} times {word}, heard {self.heard}")

    def close(self):
        self.socket.close()


class Activated(thurn.Thurn):
    """thurn serve as systemd starts it for a socket unit. systemd-socket-activate waits for the first connection."""

    def __init__(self, *args, passed, fdname="", **more):
        super().__init__(*args, **more)
        self.passed, self.fdname, self.first = passed, fdname, None

    def _argv(self, *args):
        argv = super()._argv(*args)
        if args[0] != "serve":
            return argv
        handed = [x for key in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "LC_ALL") if key in self.env
                  for x in ("-E", f"{key}={self.env[key]}")]
        names = ["--fdname=" + self.fdname] if self.fdname else []
        return ["systemd-socket-activate", *(x for place in self.passed for x in ("-l", place)), *names, *handed, *argv]

    def call(self):
        """Connects as the first client, whose connection waits until the server is there. True when it is done."""
        if self.first is None:
            host, _, port = self.passed[0].rpartition(":")
            with contextlib.suppress(ConnectionRefusedError):
                self.first = socket.create_connection((host, int(port)), wait.LIMIT)
        return self.first is not None

    def _ready(self):
        self.call()
        return super()._ready()

    def refused(self):
        """Starts it, and returns its exit status: it does not come up."""
        with pytest.raises(AssertionError, match="thurn serve ended with"):
            self.start()
        status, self.process = self.process.returncode, None
        return status

    def close(self):
        if self.first:
            self.first.close()
        if self.process is not None:
            self.kill()


@pytest.fixture
def activated(binary, work, closing):
    def make(passed, config=None, *, fdname="", env=None):
        place = os.path.join(work, "activated")
        return closing(Activated(binary, place, config, passed=passed, fdname=fdname, env=env))

    return make


@pytest.fixture
def manager(work, closing):
    return closing(Manager(work))


@needs_activate
def test_o11_socket_activation(activated, manager):
    mx, other = f"127.0.0.1:{thurn.free_port()}", f"127.0.0.1:{thurn.free_port()}"
    env = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"}
    server = activated([mx], {"listen": {"mx": [mx, other]}}, fdname="mx", env=env).start()
    manager.hears("READY=1")

    # the connection that was there before the server, and one to an address that the server bound itself
    assert server.first.makefile("rb").readline().startswith(b"220 ")
    server.logged(rf"listening on {re.escape(mx)} as passed by the service manager")
    server.logged(rf"listening on {re.escape(other)}(?! as passed)")
    for number in (0, 1):
        with server.dial(number=number) as client:
            assert client.greeting.code == 220

    # the watchdog hears of us again and again, and it is told of a reload's beginning and end
    manager.hears("WATCHDOG=1", 3)
    server.command("reload")
    heard = manager.all()
    assert heard.count("RELOADING=1") == 1 and any(re.fullmatch(r"MONOTONIC_USEC=\d+", word) for word in heard)
    assert "READY=1" in heard[heard.index("RELOADING=1"):]  # told before `thurn reload` has its answer

    # a reload that has no use for the passed socket is refused: strangers would wait there for ever
    server.change({"listen": {"mx": [other]}})
    done = server.command("reload", expect=78)
    assert f"passes a socket for {mx}, which [listen] does not name" in done.stderr
    with server.dial(number=1) as client:
        assert client.greeting.code == 220
    with socket.create_connection(mx.split(":"), wait.LIMIT) as client:
        assert client.makefile("rb").readline().startswith(b"220 ")
    manager.hears("RELOADING=1", 2)
    manager.hears("READY=1", 3)

    server.stop()
    manager.hears("STOPPING=1")


@needs_activate
def test_o11_sockets_that_nobody_wants(activated):
    mx, other = f"127.0.0.1:{thurn.free_port()}", f"127.0.0.1:{thurn.free_port()}"
    server = activated([mx], {"listen": {"mx": [other]}})
    assert server.refused() == 78
    assert f"thurn: the service manager passes a socket for {mx}, which [listen] does not name" in server.log()


@needs_activate
def test_o11_sockets_under_another_name(activated):
    mx = f"127.0.0.1:{thurn.free_port()}"
    server = activated([mx], {"listen": {"mx": [mx]}}, fdname="submission")
    assert server.refused() == 78
    assert f'passes a socket for {mx} as "submission" (FileDescriptorName=)' in server.log()


def test_o11_watchdog_wants_answers_of_all(serve, manager):
    server = serve(env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"})
    manager.hears("WATCHDOG=1", 2)
    lookup, = server.pids("lookup")
    os.kill(lookup, signal.SIGSTOP)
    try:
        server.logged("lookup does not answer: the service manager's watchdog is not told")
        silent = manager.all().count("WATCHDOG=1")
        server.logged("lookup does not answer")
        with server.dial() as client:  # the others go on
            assert client.greeting.code == 220
        assert manager.all().count("WATCHDOG=1") == silent
    finally:
        os.kill(lookup, signal.SIGCONT)
    manager.hears("WATCHDOG=1", silent + 1)
    process.kill(lookup, signal.SIGKILL)  # and a new one in its place is as good
    manager.hears("WATCHDOG=1", manager.all().count("WATCHDOG=1") + 2)


def test_o11_credentials(serve, work, authority):
    cert, key = authority.issue("mail.example.org", "127.0.0.1")
    folder = os.path.join(work, "credentials")
    os.mkdir(folder, 0o700)
    for source, name in ((cert, "tls.cert"), (key, "tls.key")):
        shutil.copy(source, os.path.join(folder, name))
    account.give(folder)
    tls = {"cert": "credential:tls.cert", "key": "credential:tls.key"}
    server = serve({"tls": tls}, env={"CREDENTIALS_DIRECTORY": folder})
    with server.dial() as client:
        client.ehlo()
        client.starttls(authority.client_context())
        client.ehlo()
    assert server.command("check").returncode == 0

    # what the service has not been given is an error that names where it should be
    server.change({"tls": {**tls, "key": "credential:tls.kez"}})
    done = server.command("check", expect=78)
    assert f"{folder}/tls.kez" in done.stderr
    server.change({"tls": {**tls, "key": "credential:../tls.key"}})
    assert 'must be a path, or "credential:NAME"' in server.command("check", expect=78).stderr
    server.change({"tls": tls})


def test_o11_the_units_are_what_systemd_knows():
    """Every line of the units is understood; paths of programs that are not installed here are not its business."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging")
    units = [os.path.join(folder, name) for name in ("thurn.service", "thurn.socket")]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=120)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if re.search(r"thurn\.(service|socket)", line)
             and "is not executable" not in line]
    assert not lines, lines
