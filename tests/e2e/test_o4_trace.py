# SPDX-License-Identifier: ISC
"""thurn trace, thurn top: what happened to a mail, what the server does now; with and without a server."""

import fcntl
import ipaddress
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import pytest

from harness import process, wait

MAIL = b"Message-ID: <%s@test.example>\r\nSubject: hello\r\n\r\nhello\r\n"
LINE = re.compile(r"(?m)^\d\d:\d\d:\d\d\.\d{3} +\+\S+  (.*)$")


def traced(server, *what, expect=0):
    return server.command("trace", *what, expect=expect).stdout


def events(server, *what):
    return [json.loads(line) for line in traced(server, *what, "--json").splitlines()]


def told(server, pattern, *what):
    """Waits until the trace has it: a 250 does not wait for the queue, nor a delivery for its line."""
    def look():
        out = server.command("trace", *what, expect=None).stdout
        return out if re.search(pattern, out) else None
    return wait.until(look, lambda: f"{pattern!r} in thurn trace {what}:\n{traced(server, *what, expect=None)}\n{server.log()}")


def sent(server, *to, mail_id="one", sender="carol@client.example"):
    with server.dial() as talk:
        talk.ehlo()
        return talk.mail(sender, *to, body=MAIL % mail_id.encode())


@pytest.fixture
def relaying(serve, make_sink):
    """relaying(**sink answers): a server whose mail for other domains goes to a scripted smarthost."""
    def make(**answers):
        sink = make_sink(**answers)
        return serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}, "queue": {"retry": ["1h"]},
                      "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}}})

    return make


def test_o4_trace_of_a_mail_delivered(serve):
    server = serve({})
    ident = sent(server, "alice@example.org")
    out = told(server, "left the queue", ident)
    words = LINE.findall(out)
    assert re.match(r"accepted from \S*127\.0\.0\.1\S* \(mx, port \d+\); \d+ bytes, 1 recipient$", words[0])
    assert re.match(rf"on disk \(sync \d+ ms\); replied 250 2\.0\.0 Ok: queued as {ident}$", words[1])
    assert "alice@example.org: sent (local): 250 2.0.0 delivered to maildir" in words
    assert words[-1] == "left the queue"
    assert re.search(r"(?m)^\S+ +\+0ms ", out)
    assert ident in traced(server, "<one@test.example>") and ident in traced(server, "one@test.example")
    assert ident in traced(server, "alice@example.org") and ident in traced(server, "carol@client.example")
    assert ident in traced(server, "@example.org", "--since", "1h")
    assert ident in traced(server, "--client", "127.0.0.0/8")
    assert ident in traced(server)
    kinds = [e["event"] for e in events(server, ident.lower())]
    assert kinds[0] == "accepted" and "sent" in kinds and kinds[-1] == "removed"
    first = events(server, ident)[0]
    assert first["message-id"] == "<one@test.example>" and ipaddress.ip_address(first["client"]) and first["recipients"] == 1


def test_o4_trace_of_one_recipient_among_many(relaying):
    server = relaying()
    ident = sent(server, "bob@far.example", "alice@example.org")
    told(server, "bob@far.example: sent", ident)
    out = told(server, "alice@example.org: sent", ident)
    assert "bob@far.example" in out and "no TLS; connect" in out
    mine = traced(server, "alice@example.org")
    assert "alice@example.org: sent" in mine and "bob@far.example: sent" not in mine
    assert "bob@far.example: sent" in traced(server, "carol@client.example")


def test_o4_trace_of_a_deferral_says_why_and_when(relaying):
    server = relaying(data="421 4.7.28 rate limited")
    ident = sent(server, "bob@far.example")
    out = told(server, "next try", ident)
    assert re.search(r"421 4\.7\.28 rate limited \(at DATA\): bob@far\.example deferred by .*, next try (\d{4}-\d\d-\d\d )?\d\d:\d\d", out)


def test_o4_trace_of_a_mail_that_is_held(serve):
    """Whether the route says so or an admin; a release does not change what the route says."""
    server = serve({"domain": {"hold.example": {"deliver": "hold:", "users": ["alice"]}}})
    ident = sent(server, "alice@hold.example")
    assert "held: by the route hold:hold.example" in LINE.findall(told(server, "held", ident))
    assert [e["reason"] for e in events(server, ident) if e["event"] == "held"] == ["by the route hold:hold.example"]
    server.command("queue", "hold", ident)
    server.command("queue", "release", ident)
    out = told(server, r"(?s)released.*held: by the route", ident)
    assert LINE.findall(out)[-4:] == ["held: by the route hold:hold.example", "held", "released", "held: by the route hold:hold.example"]
    assert [item["state"] for item in server.queue()] == ["held"]


def test_o4_trace_of_a_bounce_in_both_directions(relaying):
    server = relaying(rcpt="550 5.1.1 no such user")
    ident = sent(server, "bob@far.example", sender="alice@example.org")
    out = told(server, "notification is", ident)
    assert "550 5.1.1 no such user" in out and "refused for good" in out
    report = re.search(r"notification is (\w+), to alice@example.org", out).group(1)
    assert f"notification on {ident}" in told(server, f"notification on {ident}", report)


def test_o4_trace_of_refusals_by_client_and_address(serve):
    server = serve({})
    with server.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<carol@client.example>", 250)
        talk.cmd("RCPT TO:<no\x7fbody@example.org>")
        talk.cmd("RCPT TO:<nobody@example.org>", 550)
        talk.quit()
    out = told(server, "550 5.1.1 .* refused", "nobody@example.org")
    assert "from carol@client.example, to nobody@example.org" in out
    assert "to nobody@example.org" in told(server, "to nobody@example.org", "--client", "127.0.0.1")
    assert "\x7f" not in traced(server, "--client", "127.0.0.1")


def test_o4_trace_without_a_server_and_over_restarts(serve):
    server = serve({})
    ident = sent(server, "alice@example.org")
    told(server, "left the queue", ident)
    server.kill()
    assert "alice@example.org: sent" in traced(server, ident)
    server.start()
    second = sent(server, "bob@example.org")
    told(server, "left the queue", second)
    assert "alice@example.org: sent" in traced(server, ident)
    for kind in ("receiver", "queue", "deliver"):
        pid = wait.until(lambda: server.pids(kind), f"a {kind}")[0]
        process.kill(pid, signal.SIGKILL)
        wait.until(lambda: [other for other in server.pids(kind) if other != pid], f"another {kind}")
    third = sent(server, "bob@example.org")
    told(server, "left the queue", third)
    assert "bob@example.org: sent" in traced(server, second)
    assert [e["event"] for e in events(server, second)].count("accepted") == 1


def test_o4_trace_of_what_is_not_known(serve):
    server = serve({})
    done = server.command("trace", "eve@nowhere.example", expect=67)
    assert done.stdout == "" and "eve@nowhere.example" in done.stderr
    server.command("trace", "frob nicate", expect=65)
    server.command("trace", "--client", "nonsense", expect=65)
    server.command("trace", "--since", "soon", expect=64)
    server.command("trace", "a@b", "c@d", expect=64)


def test_o4_trace_falls_back_on_the_queue(relaying):
    server = relaying(data="451 4.3.0 later")
    ident = sent(server, "bob@far.example")
    told(server, "next try", ident)
    server.stop()
    for name in os.listdir(os.path.join(server.state, "trace")):
        os.unlink(os.path.join(server.state, "trace", name))
    server.start()
    done = wait.until(lambda: (d := server.command("trace", ident, expect=None)).returncode == 0 and d, "the queue's answer")
    assert "is in the queue" in done.stderr and "bob@far.example" in done.stdout


class Live:
    """thurn trace --live, into a file."""

    def __init__(self, server, *what):
        self.server, self.path = server, os.path.join(server.folder, "live")
        with open(self.path, "wb") as out:
            self.running = subprocess.Popen(server._argv("trace", "--live", *what, "-c", server.path), stdout=out,
                                            stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def shows(self, pattern):
        """Sends mails until one is seen: what comes before it follows is not shown. All that it has shown."""
        def both():
            sent(self.server, "bob@example.org")
            ident = sent(self.server, "alice@example.org")
            wanted, end = re.compile(pattern.replace("ID", ident)), time.monotonic() + 10
            while time.monotonic() < end:
                with open(self.path, encoding="utf-8") as file:
                    text = file.read()
                if wanted.search(text):
                    return text
                time.sleep(0.05)
            return None
        return wait.until(both, "a delivery in thurn trace --live")

    def close(self):
        process.end(self.running)


def test_o4_trace_live(serve, closing):
    live = closing(Live(serve({}), "alice@example.org"))
    assert "bob@example.org: sent" not in live.shows("ID  .*alice@example.org: sent")


def test_o4_trace_live_of_a_client_network(serve, closing):
    server = serve({})
    ident = sent(server, "alice@example.org")
    told(server, "left the queue", ident)
    client = events(server, ident)[0]["client"]
    network = ipaddress.ip_network((client, 8 if "." in client else 64), strict=False)
    live = closing(Live(server, "--client", str(network)))
    text = live.shows("(?s)ID  accepted from .*ID  alice@example.org: sent")
    assert client in text and "connected" in text
    server.command("trace", "--client", "192.0.2.0/24", expect=67)


def test_o4_trace_of_files_that_are_none(serve):
    server = serve({})
    ident = sent(server, "alice@example.org")
    told(server, "left the queue", ident)
    server.stop()
    folder = os.path.join(server.state, "trace")
    with open(os.path.join(folder, "sender-7"), "wb") as file:
        file.write(b"no events\n" * 1000)
    done = server.command("trace", ident)
    assert "alice@example.org: sent" in done.stdout and re.search("sender-7: left out: damaged", done.stderr)
    os.unlink(os.path.join(folder, "sender-7"))
    # cut, overwritten, emptied: what is left is told, or that nothing is
    whole = open(os.path.join(folder, "receiver-0"), "rb").read()
    for content in (whole[:70000], whole[:5000], whole[:4096] + os.urandom(len(whole) - 4096), b"", b"\0" * len(whole),
                    os.urandom(4096) + whole[4096:]):
        with open(os.path.join(folder, "receiver-0"), "r+b") as file:
            file.truncate(0)
            file.write(content)
        done = server.command("trace", ident, expect=None)
        assert done.returncode == 0 and "alice@example.org: sent" in done.stdout, done  # the other files have this
        assert server.command("top", "--json").stdout.count("\n") >= 5
    server.start()
    second = sent(server, "bob@example.org")
    assert "accepted from" in told(server, "left the queue", second)


def test_o4_trace_is_for_root_and_the_servers_user(serve):
    server = serve({}, root=True)
    sent(server, "alice@example.org")
    mode = os.stat(os.path.join(server.state, "trace"))
    assert mode.st_mode & 0o007 == 0
    for name in os.listdir(os.path.join(server.state, "trace")):
        assert os.stat(os.path.join(server.state, "trace", name)).st_mode & 0o007 == 0
    assert sum(os.stat(os.path.join(server.state, "trace", n)).st_size for n in os.listdir(os.path.join(server.state, "trace"))) <= 32 << 20


def test_o4_trace_none_is_kept_when_it_is_0(serve):
    server = serve({"log": {"trace": "0"}})
    ident = sent(server, "alice@example.org")
    server.landed("alice")
    assert os.listdir(os.path.join(server.state, "trace")) == []
    server.command("trace", ident, expect=67)


# --- thurn top

def test_o4_top_once(serve):
    server = serve({})
    ident = sent(server, "alice@example.org")
    told(server, "left the queue", ident)
    out = server.command("top", "--once").stdout
    assert re.search(r"(?m)^accepted +[\d.]+ +1 ", out) and re.search(r"(?m)^delivered +[\d.]+ +1 ", out)
    assert re.search(r"(?m)^receiver-0 +\d+ ", out) and "\x1b" not in out
    assert max(len(line) for line in out.splitlines()) <= 80
    rows = [json.loads(line) for line in server.command("top", "--json").stdout.splitlines()]
    total = [r for r in rows if r["process"] is None]
    assert len(total) == 1 and total[0]["running"] is True and total[0]["counters"]["accepted"] == 1
    assert {r["process"] for r in rows} >= {"master-0", "receiver-0", "queue-0", "sender-0", "deliver-0"}
    receiver = next(r for r in rows if r["process"] == "receiver-0")
    assert receiver["pid"] in server.pids("receiver") and receiver["gauges"]["bytes-accepted"] > 0
    server.stop()
    total = json.loads(server.command("top", "--json").stdout.splitlines()[-1])
    assert total["running"] is False and total["counters"]["accepted"] == 1 and total["gauges"]["sessions-in"] == 0


class Screen:
    """thurn top on a terminal of its own."""

    def __init__(self, server, term="xterm"):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.out = b""
        self.running = subprocess.Popen(server._argv("top", "--interval", "1", "-c", server.path), stdin=slave, stdout=slave,
                                        stderr=subprocess.DEVNULL, env={**server.env, "TERM": term})

    def resize(self, columns, lines):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        process.kill(self.running.pid, signal.SIGWINCH)

    def frames(self):
        """What was drawn, each time as lines without escapes."""
        return [[re.sub(rb"\x1b\[[\d;?]*[A-Za-z]", b"", line).rstrip(b"\r") for line in frame.split(b"\n")]
                for frame in self.read().split(b"\x1b[H")[1:-1]]

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            self.out += os.read(self.master, 65536)
        return self.out

    def shows(self, words):
        wait.until(lambda: words in self.read(), lambda: f"{words} on the screen: {self.out!r}")

    def ended(self):
        wait.until(lambda: (self.read() or True) and self.running.poll() is not None, "the end of thurn top")
        self.read()
        return self.running.returncode

    def close(self):
        process.end(self.running)
        os.close(self.master)
        os.close(self.slave)


@pytest.mark.parametrize("end, status", [(b"q", 0), (b"\x03", 0), (signal.SIGTERM, 128 + signal.SIGTERM)], ids=["q", "ctrl-c", "SIGTERM"])
def test_o4_top_leaves_the_terminal_as_it_was(serve, closing, end, status):
    server = serve({})
    screen = closing(Screen(server))
    screen.shows(b"receiver-0")
    assert screen.out.startswith(b"\x1b[?1049h\x1b[?25l")
    assert termios.tcgetattr(screen.slave)[3] & termios.ECHO == 0
    if isinstance(end, bytes) and end == b"q":
        os.write(screen.master, end)
    else:
        number = signal.SIGINT if end == b"\x03" else end
        pids = [screen.running.pid, *process.children(screen.running.pid)]
        for pid in pids:
            process.kill(pid, number)
    code = screen.ended()
    assert screen.out.endswith(b"\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(screen.slave) == screen.before
    assert code in (status, -int(end) if isinstance(end, int) else status)


# A ring file is written by a process that talks to strangers, and read by root. Layout: src/trace/layout.h.
KINDS = "note connect disconnect reject login login-failed accepted queued connected host-failed sent deferred bounced report held released removed waiting".split()
KEYS, NUMBERS_FROM, TEXT_MAX = 31, 16, 15
ESC, C1 = b"\x1b[2J\x1b]0;P\x07", b"\xc2\x9b31m\xff\xfe"


def crc32c(octets):
    crc = 0xffffffff
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def forged(when, kind, fields, message):
    body = b"".join(struct.pack("<BBq", key, 1, value) if isinstance(value, int) else struct.pack("<BBH", key, 0, len(value)) + value
                    for key, value in fields)
    rest = struct.pack("<qIBBBBH", when, 1, kind, 3, len(fields), 0, len(message)) + body + message
    rest += b"\0" * (-len(rest) % 8)
    return struct.pack("<II", len(rest) + 8, crc32c(struct.pack("<Q", 1) + rest)) + rest


def test_threat_rings_of_a_hostile_process(serve):
    server = serve({}, start=False)
    most, now = 2**63 - 1, time.time_ns() // 1000
    shapes = [lambda text: [(key, text) for key in range(TEXT_MAX)],
              lambda text: [(0, text), *((key, (-1)**key * most) for key in range(NUMBERS_FROM, KEYS))][:TEXT_MAX]]
    records = b"".join(forged(when, kind, shape(text), text) for kind in range(len(KINDS)) for shape in shapes for text in (ESC, C1)
                       for when in ((now, most, -most) if kind < 3 else (now,)))
    assert len(records) < 32768 - 16
    folder = os.path.join(server.state, "trace")
    os.makedirs(folder)
    for name in ("receiver-0", "\x1b[31m\"x-1"):
        with open(os.path.join(folder, name), "wb") as ring:
            head = struct.pack("<QIIIIq64Q7q", 0x31474e4952524854, 32768, 2, os.getpid(), 0, -most, *[2**64 - 1] * 64, *[most] * 7)
            ring.write(head.ljust(4096, b"\0") + (struct.pack("<QQ", 1, 0) + records).ljust(2 * 32768, b"\0"))
    os.mkfifo(os.path.join(folder, "queue-0"))
    os.symlink(server.path, os.path.join(folder, "sender-0"))
    shown = server.command("trace", "--limit", "0").stdout
    assert "queued as \\x1b[2J" in shown and "31m" in shown
    for argv in (["trace", "--limit", "0", "--json"], ["top", "--once"], ["top", "--once", "--json"]):
        out = server.command(*argv).stdout
        for line in out.splitlines() if "--json" in argv else []:
            json.loads(line)
        assert out
        shown += out
    assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f]", shown), re.findall(".*[\0-\x08\x0b-\x1f\x7f-\x9f].*", shown)


def test_o4_top_fits_every_screen(serve, closing):
    server = serve({})
    screen = closing(Screen(server))
    for columns, lines in ((80, 24), (40, 10), (200, 60), (1, 1)):
        screen.resize(columns, lines)
        screen.out = b""
        os.write(screen.master, b"    ")  # each key draws it again
        wait.until(lambda: len(screen.frames()) >= 3, lambda: f"frames: {screen.out!r}")
        last = screen.frames()[-1]
        assert len(last) <= lines and max(len(line) for line in last) <= columns, last
        if lines > 1:
            assert any(line.startswith(b"accepted ") for line in last)
    os.write(screen.master, b"q")
    assert screen.ended() == 0


def test_o4_top_goes_on_while_the_server_does_not(serve, closing):
    server = serve({})
    screen = closing(Screen(server))
    screen.shows(b"receiver-0")
    server.stop()
    screen.shows(b"does not run")
    screen.shows(b"The queue does not answer.")
    screen.out = b""
    server.start()
    screen.shows(b"   up ")
    screen.shows(b"The queue is empty.")
    os.write(screen.master, b"q")
    assert screen.ended() == 0


def test_o4_top_on_a_dumb_terminal_prints_once(serve, closing):
    server = serve({})
    screen = closing(Screen(server, term="dumb"))
    assert screen.ended() == 0
    assert b"receiver-0" in screen.out and b"\x1b" not in screen.out
    assert termios.tcgetattr(screen.slave) == screen.before


def test_o4_top_without_a_terminal_to_read_from(serve, closing):
    server = serve({})
    master, slave = pty.openpty()
    try:
        done = subprocess.run(server._argv("top", "-c", server.path), stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE,
                              env={**server.env, "TERM": "xterm"}, timeout=60)
        assert done.returncode == 64 and b"--once" in done.stderr
    finally:
        os.close(master)
        os.close(slave)
    server.command("top", "--interval", "0", expect=64)
    server.command("top", "--interval", "soon", expect=64)
    server.command("top", "now", expect=64)
