# SPDX-License-Identifier: ISC
"""A 250 is a promise: kills at any time, a full disk, a message larger than memory should be."""

import contextlib
import hashlib
import os
import re
import subprocess
import threading

import pytest

from harness import account, mailbox, process, wait
from harness.dialogue import Closed, Dialogue


class Load:
    """Sessions that send numbered mails until told to stop, and remember which got their 250."""

    def __init__(self, thurn, recipients, sessions=3, most=3000):
        self.thurn, self.recipients, self.most = thurn, recipients, most
        self.acknowledged = set()
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.number = 0
        self.threads = [threading.Thread(target=self._send, daemon=True) for _ in range(sessions)]
        for thread in self.threads:
            thread.start()

    def _next(self):
        with self.lock:
            self.number += 1
            return self.number

    def _send(self):
        while not self.stopped.is_set() and self.number < self.most:
            with contextlib.suppress(Closed, OSError, AssertionError):
                with self.thurn.dial(limit=5) as talk:
                    talk.ehlo()
                    for _ in range(5):
                        number = self._next()
                        talk.mail("x@example.com", *self.recipients,
                                  body=b"Subject: load\r\nX-Number: %d\r\n\r\n%s\r\n" % (number, b"text " * (number % 200)))
                        self.acknowledged.add(number)
                        if self.stopped.wait(0.005):
                            break
            self.stopped.wait(0.01)

    def more(self, count):
        """Waits until `count` more mails have been acknowledged."""
        goal = len(self.acknowledged) + count
        wait.until(lambda: len(self.acknowledged) >= goal or self.number >= self.most,
                   lambda: f"{count} more 250s; log:\n{self.thurn.log()[-4000:]}")

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(20)

    close = stop


def numbers(raws):
    return {int(n) for raw in raws for n in re.findall(rb"(?m)^X-Number: (\d+)\r?$", raw)}


def all_arrived(thurn, load, sink):
    def missing():
        return (load.acknowledged - numbers(mailbox.maildir(thurn.maildir("alice"))),
                load.acknowledged - numbers([m.data for m in list(sink.messages)]))
    wait.until(lambda: not any(missing()), lambda: f"lost: {missing()}\n{thurn.log()[-6000:]}", 30)
    thurn.queue_empty()
    assert load.acknowledged


def mailserver(serve, make_sink, **more):
    sink = make_sink()
    thurn = serve({"domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}},
                   "limits": {"connections_per_minute": 0}}, **more)
    return thurn, sink


@pytest.mark.parametrize("kind", [k for k in process.KINDS if k != "master"])
def test_kill_each_process(serve, make_sink, closing, kind):
    thurn, sink = mailserver(serve, make_sink, root=account.is_root())
    load = closing(Load(thurn, ["alice@example.org", "bob@example.net"]))
    for _ in range(3):
        load.more(15)
        victims = wait.until(lambda: thurn.pids(kind), f"a {kind} process")
        process.kill(victims[0])
        wait.until(lambda: thurn.pids(kind) and victims[0] not in thurn.pids(), lambda: f"a new {kind}\n{thurn.log()}")
    load.more(15)
    load.stop()
    all_arrived(thurn, load, sink)
    assert thurn.process.poll() is None


@pytest.mark.parametrize("what", ["all", "master", "children"])
def test_kill_all(serve, make_sink, closing, what):
    thurn, sink = mailserver(serve, make_sink)
    load = closing(Load(thurn, ["alice@example.org", "bob@example.net"]))
    for _ in range(4):
        load.more(25)
        if what == "children":
            for pid in thurn.pids():
                if pid != thurn.process.pid:
                    process.kill(pid)
            continue
        if what == "all":
            thurn.kill()
        else:
            pids = thurn.pids()
            process.kill(thurn.process.pid)
            thurn.process.wait(10)
            wait.until(lambda: not [p for p in pids if process.state(p) not in (None, "Z")], "the children's end")
        thurn.start()
    load.more(25)
    load.stop()
    all_arrived(thurn, load, sink)


def test_kill_while_deferred(serve, make_sink):
    """A queue of deferred mail survives, with its schedule, and a clean stop, too."""
    sink = make_sink(mail="451 4.3.0 later")
    thurn = serve({"domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        ids = [talk.mail("x@example.com", f"u{n}@example.net") for n in range(30)]
    wait.until(lambda: len([m for m in thurn.queue() if m["tries"] >= 2]) == 30, lambda: str(thurn.queue()[:3]))
    thurn.kill()
    thurn.start()
    assert {m["id"] for m in wait.until(lambda: len(thurn.queue()) == 30 and thurn.queue(), thurn.log)} == set(ids)
    thurn.stop()
    sink.answers.clear()
    thurn.start()
    wait.until(lambda: len(set(sink.recipients())) == 30, thurn.log)
    thurn.queue_empty()


def test_ids_are_never_used_twice(serve):
    thurn = serve()
    ids = []
    for _ in range(4):
        with thurn.dial() as talk:
            talk.ehlo()
            ids += [talk.mail("x@example.com", "alice@example.org") for _ in range(5)]
        thurn.kill()
        thurn.start()
    assert len(set(ids)) == len(ids)


@pytest.fixture
def small_disk(work, root):
    """A 24 MiB ext4 on a loop device (a tmpfs where there is none), mounted and handed to the ordinary user."""
    image, place = os.path.join(work, "image"), os.path.join(work, "disk")
    os.mkdir(place)
    with open(image, "wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True, timeout=30)
    done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, timeout=30)
    if done.returncode != 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20M", "tmpfs", place], check=True, timeout=30)
    account.give(place)
    yield place
    subprocess.run(["umount", "-l", place], check=True, timeout=30)


def test_threat_disk_full_452(serve, small_disk):
    state = os.path.join(small_disk, "state")
    thurn = serve({"state_dir": state, "queue": {"min_free": "2M", "retry": ["1s"]},
                   "domain": {"hold.example": {"deliver": "hold:", "users": "any"}}})
    accepted, refused = [], None
    with thurn.dial() as talk:
        talk.ehlo()
        for number in range(60):
            body = b"Subject: fill\r\nX-Number: %d\r\n\r\n" % number + b"0123456789abcde\r\n" * 30000
            reply = talk.cmd("MAIL FROM:<x@example.com> SIZE=%d" % len(body))
            if reply.code == 250:
                talk.cmd("RCPT TO:<any@hold.example>", 250)
                reply = talk.cmd("DATA", (354, 452))
                if reply.code == 354:
                    talk.send(body + b".\r\n")
                    reply = talk.read((250, 452, 451))
            if reply.code != 250:
                refused = reply
                break
            accepted.append(re.search(r"queued as (\S+)", reply.text).group(1))
        assert refused is not None and refused.code in (452, 451), "24 MiB held 60 mails of half a MiB"
        assert refused.code == 452 and refused.enhanced == "4.3.1"
        talk.cmd("NOOP", 250)
        talk.cmd("RSET", 250)
        reply = talk.cmd("MAIL FROM:<x@example.com> SIZE=20000000")
        assert (reply.code, reply.enhanced) == (452, "4.3.1"), "more than the whole disk has"
    assert accepted, "nothing at all was taken"
    assert {m["id"] for m in thurn.queue()} == set(accepted)
    thurn.kill()
    thurn.start()
    assert {m["id"] for m in wait.until(lambda: thurn.queue(), thurn.log)} == set(accepted), "kept over a kill with a full disk"
    thurn.command("queue", "remove", "--destination", "hold.example", "--yes", expect=None)
    thurn.command("queue", "remove", *[m["id"] for m in thurn.queue()], "--yes", expect=None)
    thurn.queue_empty()

    def accepts():
        with thurn.dial() as talk:
            talk.ehlo()
            return talk.cmd("MAIL FROM:<x@example.com> SIZE=600000").code == 250
    wait.until(accepts, lambda: "room again after the removal\n" + thurn.log())
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "alice@example.org")
    thurn.landed("alice")


def test_threat_disk_filled_by_others(serve, small_disk):
    """Somebody else fills the disk to the last byte while a mail comes in: 452 or 451, and outcomes are still recorded."""
    thurn = serve({"state_dir": os.path.join(small_disk, "state"), "queue": {"min_free": "1M", "retry": ["1s"]}})
    filler = os.path.join(small_disk, "filler")
    taken = 1
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "alice@example.org")
        thurn.landed("alice")
        with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
            while file.write(b"\0" * (1 << 16)):
                pass
        if talk.cmd("MAIL FROM:<x@example.com>", (250, 452)).code == 250:
            talk.cmd("RCPT TO:<alice@example.org>", (250, 452))
            talk.cmd("DATA", (354, 452))
            if talk.log[-1].startswith("S: 354"):
                talk.send(b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 100000 + b".\r\n")
                reply = talk.read((452, 451, 250))
                taken += reply.code == 250
        os.unlink(filler)
        wait.until(lambda: talk.cmd("RSET", 250) and talk.cmd("MAIL FROM:<x@example.com>").code == 250, thurn.log)
        talk.cmd("RSET", 250)
        talk.mail("x@example.com", "bob@example.org")
    thurn.landed("bob")
    thurn.queue_empty()
    assert len(mailbox.maildir(thurn.maildir("alice"))) == taken


BIG = 45 << 20
ROOM_KIB = 24 << 10


def test_big_message_bounded_memory(serve, make_sink):
    thurn, sink = mailserver(serve, make_sink)
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "alice@example.org", "bob@example.net")
    thurn.landed("alice")
    wait.until(lambda: sink.messages, thurn.log)
    before = {pid: process.peak_kib(pid) for pid in thurn.pids()}
    line = b"".join(b"%02x" % (n % 251) for n in range(38)) + b"\r\n"
    block = line * 4096
    digest = hashlib.sha256()
    with thurn.dial(limit=150) as talk:
        talk.ehlo()
        talk.cmd(f"MAIL FROM:<x@example.com> SIZE={BIG}", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        talk.cmd("RCPT TO:<bob@example.net>", 250)
        talk.cmd("DATA", 354)
        talk.sock.sendall(b"Subject: big\r\n\r\n")
        for _ in range(BIG // len(block)):
            talk.sock.sendall(block)
            digest.update(block)
        talk.send(b".\r\n")
        talk.read(250)
    wait.until(lambda: len(sink.messages) == 2, thurn.log, 150)
    raws = thurn.landed("alice", 2, limit=150)
    big = max(raws, key=len)
    body = sink.messages[1].data.partition(b"\r\n\r\n")[2]
    assert hashlib.sha256(body).digest() == digest.digest()
    assert mailbox.unix(big).partition(b"\n\n")[2] == body.replace(b"\r\n", b"\n")
    for pid in thurn.pids():
        grown = process.peak_kib(pid) - before.get(pid, 8 << 10)
        assert grown < ROOM_KIB, f"{process.kind(pid)} grew by {grown} KiB for a message of {BIG >> 10} KiB"
    thurn.queue_empty()


def test_many_bodies_at_once_are_bounded(serve):
    """Forty clients stop in the middle of a large body: memory has a bound, and others are still served (or told 452)."""
    thurn = serve({"limits": {"connections_per_minute": 0}})
    talks = []
    for _ in range(40):
        talk = thurn.dial()
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        if talk.cmd("DATA", (354, 452, 451)).code == 354:
            talk.sock.settimeout(60)
            talk.sock.sendall(b"Subject: half\r\n\r\n" + b"0123456789abcde\r\n" * (3 << 16))
        talks.append(talk)
    for pid in thurn.pids("receiver"):
        assert process.peak_kib(pid) < 96 << 10
    for talk in talks:
        talk.close()
    with thurn.dial() as talk:
        talk.ehlo()
        wait.until(lambda: talk.cmd("RSET", 250) and talk.cmd("MAIL FROM:<x@example.com>").code == 250, thurn.log)
        talk.cmd("RSET", 250)
        talk.mail("x@example.com", "bob@example.org")
    thurn.landed("bob")
    assert not mailbox.maildir(thurn.maildir("alice"))


def test_vanished_client(serve):
    thurn = serve()
    for half in (b"", b"Subject: half\r\n", b"Subject: half\r\n\r\ntext\r\n.", b"Subject: half\r\n\r\ntext\r\n.\r"):
        talk = Dialogue("127.0.0.1", thurn.port())
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        talk.cmd("DATA", 354)
        talk.send(half)
        talk.close()
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "bob@example.org")
    thurn.landed("bob")
    thurn.queue_empty()
    assert not mailbox.maildir(thurn.maildir("alice"))


def test_sigterm_lets_a_transaction_end(serve):
    thurn = serve()
    talk = thurn.dial()
    talk.ehlo()
    talk.cmd("MAIL FROM:<x@example.com>", 250)
    talk.cmd("RCPT TO:<alice@example.org>", 250)
    talk.cmd("DATA", 354)
    talk.send(b"Subject: last\r\n\r\nhalf ")
    thurn.process.terminate()
    talk.send(b"done\r\n.\r\n")
    try:
        taken = talk.read().code == 250
    except Closed:
        taken = False
    talk.close()
    assert thurn.process.wait(wait.LIMIT) == 0
    thurn.process = None
    thurn.start()
    if taken:
        thurn.landed("alice")
