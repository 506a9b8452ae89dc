# SPDX-License-Identifier: ISC
"""Next hops that mean harm, one for each trick: what they do to us is bounded, mail that they did not take stays, and other mail goes on."""

import contextlib
import socket
import threading

import pytest

from harness import process, wait

GREETING = b"220 evil.example ESMTP\r\n"
EHLO = b"250-evil.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-DSN\r\n250 SIZE 100000\r\n"


class Evil:
    """Plays `script`: bytes are sent, None waits for something to be said; then it closes, or stays silent."""

    def __init__(self, script, silent=False):
        self.script, self.silent = script, silent
        self.heard = b""
        self.sessions = 0
        self.connections = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self.open:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            if not self.open:
                conn.close()
                return
            self.sessions += 1
            self.connections.append(conn)
            threading.Thread(target=self._play, args=(conn,), daemon=True).start()

    def _play(self, conn):
        conn.settimeout(30)
        with conn:
            try:
                for step in self.script:
                    if step is None:
                        got = conn.recv(1 << 20)
                        if not got:
                            return
                        self.heard += got
                    else:
                        conn.sendall(step)
                if self.silent:
                    conn.recv(1)
            except OSError:
                pass

    def close(self):
        self.open = False
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for conn in self.connections:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)


STARTTLS = b"250-evil.example\r\n250 STARTTLS\r\n"
ENDLESS = b"250-and so on, and so on, and so on\r\n" * 60000
TRICKS = {
    "endless greeting": [ENDLESS.replace(b"250", b"220")],
    "endless EHLO": [GREETING, None, ENDLESS],
    "one line of 3 MiB": [GREETING, None, b"250 " + b"x" * (3 << 20)],
    "more replies than commands": [GREETING, None, EHLO, None, b"250 ok\r\n" * 50],
    "fewer replies than commands": [GREETING, None, EHLO, None, b"250 ok\r\n"],
    "354 too early": [GREETING, None, EHLO, None, b"354 go\r\n"],
    "all at once": [GREETING + EHLO + b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n"],
    "354 and the verdict": [GREETING, None, EHLO, None, b"250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n"],
    "354, then gone": [GREETING, None, EHLO, None, b"250 ok\r\n250 ok\r\n354 go\r\n"],
    "control characters": [GREETING, None, EHLO, None, b"450-\x1b[2J\x07\0\r450 x\r\n450 \xff\xfe\x9b\r\n"],
    "421 to everything": [b"421 4.3.2 not now\r\n"],
    "plaintext after STARTTLS": [GREETING, None, b"250-evil.example\r\n250 STARTTLS\r\n", None,
                                 b"220 go\r\n250-evil.example\r\n250 AUTH PLAIN\r\n"],
    "no TLS after STARTTLS": [GREETING, None, b"250-evil.example\r\n250 STARTTLS\r\n", None, b"220 go\r\n", None,
                              b"\x16\x03\x01 this is no TLS" * 1000],
    "another protocol": [b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"],
    "binary noise": [bytes(range(256)) * 64],
}


def test_threat_hostile_server_tricks(serve, make_sink, closing):
    """Every trick at once, each at a host of its own; in their midst an honest one gets its mail."""
    evil = {name: closing(Evil(script)) for name, script in TRICKS.items()}
    good = make_sink()
    domain = {f"evil{i}.example": {"deliver": f"smtp:127.0.0.1:{e.port}", "users": "any"} for i, e in enumerate(evil.values())}
    domain["good.example"] = {"deliver": f"smtp:127.0.0.1:{good.port}", "users": "any"}
    thurn = serve({"domain": domain, "queue": {"give_up": "1d"}})
    with thurn.dial() as talk:
        talk.ehlo()
        for i in range(len(evil)):
            talk.mail("alice@example.org", f"b@evil{i}.example")
            talk.mail("alice@example.org", "b@good.example")
    wait.until(lambda: len(good.messages) == len(evil), thurn.log)
    for name, host in evil.items():
        wait.until(lambda host=host: host.sessions, lambda name=name: f"no session: {name}\n{thurn.log()}")
    wait.until(lambda: all(m["tries"] >= 1 for m in thurn.queue()), thurn.log)
    kept = {to for m in thurn.queue() for to in m["to"]}
    assert kept == {f"b@evil{i}.example" for i in range(len(evil))}, thurn.log()
    for pid in thurn.pids("sender") + thurn.pids("queue"):
        assert process.peak_kib(pid) < 64 << 10
    log = thurn.log()
    assert not any(ord(c) < 0x20 and c not in "\n\t" for c in log)
    for line in log.splitlines():
        assert len(line) < 4096


STALLS = {
    "greeting": [],
    "EHLO": [GREETING, None],
    "STARTTLS": [GREETING, None, STARTTLS, None],
    "handshake": [GREETING, None, STARTTLS, None, b"220 go\r\n"],
    "MAIL": [GREETING, None, EHLO, None],
    "RCPT": [GREETING, None, EHLO, None, b"250 ok\r\n"],
    "content": [GREETING, None, EHLO, None, b"250 ok\r\n250 ok\r\n354 go\r\n", None],
}


@pytest.mark.parametrize("phase", STALLS)
def test_threat_hostile_server_that_stalls_holds_up_nobody(serve, make_sink, closing, phase):
    """The deadline is minutes away (RFC 5321 4.5.3.2): meanwhile other hosts' mail goes."""
    evil = closing(Evil(STALLS[phase], silent=True))
    good = make_sink()
    thurn = serve({"domain": {"evil.example": {"deliver": f"smtp:127.0.0.1:{evil.port}", "users": "any"},
                              "good.example": {"deliver": f"smtp:127.0.0.1:{good.port}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        for _ in range(5):
            talk.mail("alice@example.org", "b@evil.example")
        wait.until(lambda: evil.sessions, thurn.log)
        for _ in range(20):
            talk.mail("alice@example.org", "b@good.example")
    wait.until(lambda: len(good.messages) == 20, thurn.log)
    wait.until(lambda: len(thurn.queue()) == 5, thurn.queue)
    evil.close()


def test_threat_hostile_server_strips_starttls(serve, closing, work):
    """A smarthost behind somebody who takes STARTTLS out of the offer: neither password nor mail is said."""
    evil = closing(Evil([GREETING, None, b"250-evil.example\r\n250-AUTH PLAIN LOGIN\r\n250 XXXXXXXA\r\n", None, b"235 in\r\n"]))
    with open(f"{work}/pw", "w") as file:
        file.write("sesame\n")
    thurn = serve({"route": {"*": {"via": f"smtp://alice@127.0.0.1:{evil.port}", "tls": "verify", "password_file": f"{work}/pw"}},
                   "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("alice@example.org", "b@example.net")
    thurn.logged(r"TLS is required, and the next host does not offer it")
    assert b"AUTH" not in evil.heard and b"MAIL" not in evil.heard
    assert len(thurn.queue()) == 1
