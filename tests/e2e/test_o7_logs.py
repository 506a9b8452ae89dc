# SPDX-License-Identifier: ISC
"""The log as its readers get it: JSON, the journal, syslog; what a client that misbehaves gets of it; and that nothing waits for it. thurn-log(5) is the contract."""

import errno
import json
import os
import re
import socket
import threading

import pytest

from harness import account, fail2ban, namespace, wait
from harness.thurn import Thurn

ROOT = fail2ban.ROOT
STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
TEXT_LINE = re.compile(rf"{STAMP} thurn/[a-z]+\[\d+\]: \S.*")
FIRST = ["time", "level", "process", "pid", "event", "message"]


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as file:
        return file.read()


def listed(section):
    """The names at the beginning of the page's items."""
    text = re.search(rf"(?ms)^\.Ss {section}\n(.*?)^\.(?:Ss|Sh) ", read("man/thurn-log.5")).group(1)
    return {name for line in re.findall(r"(?m)^\.It (?:Ic|Ev) (.*)$", text) for name in line.split(" , ")}


EVENTS, FIELDS = listed("Events"), listed("Fields")


def test_o7_log_page_names_every_event_and_field():
    header = read("src/trace/event.h")
    kinds, keys = (re.search(rf"(?s)#define TRACE_{what}\(X\)(.*?)\n\n", header).group(1) for what in ("KINDS", "KEYS"))
    assert set(re.findall(r'X\(\w+, "([a-z-]+)"', kinds)) == EVENTS
    assert set(re.findall(r'X\(\w+, "([a-z-]+)"', keys)) == FIELDS
    assert set(FIRST) <= listed("JSON") | {"pid"} | {"process"}


# --- where it goes

class Elsewhere(Thurn):
    """A server that is started by lines of shell of the test's own, which may mount what they like and send standard error where they like. Needs root."""

    before = "true"

    def _argv(self, *args):
        argv = super()._argv(*args)
        if args[0] != "serve":
            return argv
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", self.before + '\nexec "$@"', "sh", *argv]


@pytest.fixture
def elsewhere(binary, work, root, request):
    reason = namespace.possible()
    if reason:
        pytest.skip(reason)
    servers = []

    def make(before, config=None):
        server = Elsewhere(binary, os.path.join(work, "thurn"), config)
        server.before = before
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        if server.process is not None:
            server.kill() if getattr(request.node, "failed", False) else server.stop()


class Daemon:
    """Reads datagrams at a path, as journald and syslogd do."""

    def __init__(self, folder):
        os.makedirs(folder)
        account.give(folder)
        self.path = os.path.join(folder, "socket")
        self.got = []
        self.open()

    def open(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.settimeout(0.1)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(self.sock, self.ending))
        self.thread.start()

    def _read(self, sock, ending):
        while not ending.is_set():
            try:
                self.got.append(sock.recv(1 << 18))
            except TimeoutError:
                continue

    def close(self):
        self.ending.set()
        self.thread.join()
        self.sock.close()
        os.unlink(self.path)

    def has(self, *parts):
        return wait.until(lambda: next((d for d in list(self.got) if all(part in d for part in parts)), None),
                          lambda: f"a datagram with {parts} in {self.got}")


def journal_fields(datagram):
    """[(name, value)] of the journal's native protocol."""
    fields = []
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, end, rest = rest[8:8 + size], rest[8 + size:9 + size], rest[9 + size:]
            assert end == b"\n" and len(value) == size
        assert re.fullmatch(rb"[A-Z][A-Z0-9_]*", name), name
        fields.append((name.decode(), value))
        datagram = rest
    return fields


JOURNAL = "mount -t tmpfs tmpfs /run; mkdir -p /run/systemd/journal; mount --bind {daemon} /run/systemd/journal"
# a /dev of its own, with what the server needs of it
SYSLOG = """mount -t tmpfs tmpfs {dev}
for name in null zero random urandom; do touch {dev}/$name; mount --bind /dev/$name {dev}/$name; done
ln -s {daemon}/socket {dev}/log
mount --rbind {dev} /dev"""
EVIL = b"<a\x1b[2J\r\n PRIORITY=0\r\n MESSAGE=forged\xff\xe2\x80\xa8\xc2\x9b\"\\>"


def send_evil(server, recipient="alice@example.org"):
    with server.dial() as talk:
        talk.ehlo()
        ident = talk.mail("eve@example.com", recipient, body=b"Message-ID: " + EVIL + b"\r\n\r\nhi\r\n")
        talk.quit()
    return ident


def refuse(server, count=1, to="you@elsewhere.example"):
    """So many refusals in one session, with the error limit off."""
    with server.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<eve@example.com>", 250)
        for done in range(0, count, 50):
            some = min(50, count - done)
            talk.send(f"RCPT TO:<{to}>\r\n" * some)
            for _ in range(some):
                talk.read(550)
        talk.quit()


def test_o7_log_journal(elsewhere, closing, work, build):
    daemon = closing(Daemon(os.path.join(work, "journal")))
    server = elsewhere(JOURNAL.format(daemon=os.path.dirname(daemon.path)), {"log": {"to": "journal"}})
    ident = send_evil(server)
    refuse(server)
    daemon.has(ident.encode(), b": removed")
    fields = dict(journal_fields(daemon.has(b"THURN_EVENT=accepted")))
    assert fields["PRIORITY"] == b"6" and fields["SYSLOG_FACILITY"] == b"2" and fields["SYSLOG_IDENTIFIER"] == b"thurn/smtpd"
    assert int(fields["SYSLOG_PID"]) in server.pids("receiver")
    assert fields["THURN_ID"].decode() == ident and fields["THURN_CLIENT"] == b"127.0.0.1" and fields["THURN_FROM"] == b"eve@example.com"
    assert fields["THURN_MESSAGE_ID"] == EVIL  # as it came: it is framed, and so nobody's field
    assert re.fullmatch(rb"\w+: client=\S+\[127\.0\.0\.1\]", fields["MESSAGE"])
    daemon.has(b"THURN_EVENT=reject")
    # the daemon is started again: what was said meanwhile comes late
    daemon.close()
    meanwhile = send_evil(server)
    server.landed("alice", 2)
    server.logged("thurn: warning: .log. to: its socket cannot be reached")
    daemon.open()
    server.logged("thurn: the log is reached again")
    daemon.has(meanwhile.encode(), b": removed")
    server.stop()
    documented = {"THURN_" + name.upper().replace("-", "_") for name in FIELDS} | {"THURN_EVENT", "MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "SYSLOG_FACILITY"}
    log = os.path.join(work, "as-fail2ban-sees-it")
    with open(log, "w", encoding="utf-8") as file:
        for datagram in daemon.got:
            names = [name for name, _ in journal_fields(datagram)]
            assert len(names) == len(set(names)) and set(names) <= documented
            said = {name: value.decode("utf-8", "replace") for name, value in journal_fields(datagram)}
            assert said["THURN_EVENT"] in EVENTS and "\n" not in said["MESSAGE"] and "\x1b" not in said["MESSAGE"]
            file.write(f"2026-11-22T08:35:00+0000 host {said['SYSLOG_IDENTIFIER']}[{said['SYSLOG_PID']}]: {said['MESSAGE']}\n")
    assert [ip for ip, _ in fail2ban.Fail2ban(build).counted(log, "normal")] == ["127.0.0.1"]
    with open(server.log_path, encoding="utf-8") as file:
        assert "thurn/" not in file.read()


@pytest.mark.parametrize("form", ["text", "json"])
def test_o7_log_syslog(elsewhere, closing, work, build, form):
    daemon = closing(Daemon(os.path.join(work, "syslog")))
    os.mkdir(os.path.join(work, "dev"))
    server = elsewhere(SYSLOG.format(dev=os.path.join(work, "dev"), daemon=os.path.dirname(daemon.path)),
                       {"log": {"to": "syslog", "format": form}})
    ident = send_evil(server)
    refuse(server)
    daemon.has(ident.encode(), b": removed")
    daemon.has(b"Relaying denied")
    server.stop()
    log = os.path.join(work, "as-syslogd-writes-it")
    with open(log, "w", encoding="utf-8") as file:
        for datagram in daemon.got:
            found = re.fullmatch(r"<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (thurn/([a-z]+)\[(\d+)\]: )([^\x00-\x1f\x7f]+)", datagram.decode("utf-8"))
            assert found and int(found.group(1)) >> 3 == 2, datagram
            if form == "json":
                entry = json.loads(found.group(6))
                assert entry["process"] == found.group(4) and entry["pid"] == int(found.group(5))
            file.write(f"{found.group(2)} host {found.group(3)}{found.group(6)}\n")
    assert [ip for ip, _ in fail2ban.Fail2ban(build).counted(log, "normal")] == ["127.0.0.1"]


# --- JSON

def objects(path):
    with open(path, "rb") as file:
        raw = file.read()
    assert raw.endswith(b"\n")
    lines = raw.decode("utf-8").split("\n")[:-1]
    for line in lines:
        assert len(line.encode()) < 4096 and not re.search("[\x00-\x1f\x7f\u2028\u2029\u202e]", line), line
    return [json.loads(line) for line in lines]


def test_o7_log_json(serve):
    server = serve({"log": {"format": "json", "level": "debug"}, "limits": {"errors": 0}})
    ident = send_evil(server)
    long = "x" * 1500
    with server.dial() as talk:
        for name in (b"a\x1b[2J\xff\xe2\x80\xa8b", b"[" + b"y" * 900):
            talk.cmd(b"EHLO " + name)
        talk.ehlo()
        talk.cmd(f"MAIL FROM:<{long}@example.com>")
        talk.cmd('MAIL FROM:<"\u2028\u202e\u0085 \\" }\u00e9"@example.com> SMTPUTF8')
        talk.cmd(b'MAIL FROM:<"\xff\x1b\x07"@example.com>')
        talk.cmd("RSET")
        talk.cmd('MAIL FROM:<"\\"event\\":\\"sent\\"}"@example.com>', 250)
        talk.cmd("RCPT TO:<\"{\\\"a\\\":1}\"@elsewhere.example>", 550)
        talk.quit()
    server.removed(ident)
    server.stop()
    found = objects(server.log_path)
    for entry in found:
        assert list(entry)[:6] == FIRST and re.fullmatch(STAMP, entry["time"])
        assert entry["event"] in EVENTS and set(entry) - set(FIRST) - {"cut"} <= FIELDS
        assert {name for name, value in entry.items() if isinstance(value, int)} <= \
            {"pid", "port", "code", "size", "recipients", "next", "lines-left-out", "cut"} | {name for name in FIELDS if name.endswith("-ms")}
    by_event = {entry["event"]: entry for entry in found}
    accepted = by_event["accepted"]
    assert accepted["message-id"] == EVIL.decode("utf-8", "replace") and accepted["id"] == ident and accepted["size"] > 0
    assert accepted["client"] == "127.0.0.1" and accepted["listener"] == "mx" and accepted["port"] == server.port()
    assert by_event["sent"]["to"] == "alice@example.org" and by_event["sent"]["code"] == 250 and by_event["sent"]["status"] == "sent"
    refused = [entry for entry in found if entry["event"] == "reject" and entry.get("dsn") == "5.7.1"]
    assert [entry["from"] for entry in refused] == ['"\\"event\\":\\"sent\\"}"@example.com'] and refused[0]["command"] == "RCPT"
    assert {"connect", "disconnect", "queued", "removed", "note"} <= set(by_event)
    assert sorted(entry["event"] for entry in found if entry.get("id") == ident) == ["accepted", "note", "queued", "removed", "sent"]


# --- clients that misbehave

def test_o7_log_of_a_client_that_misbehaves(serve):
    server = serve({"log": {"format": "json", "client_lines": 2}, "limits": {"errors": 0}})
    refuse(server, 300)
    server.stop()
    found = [entry for entry in objects(server.log_path) if entry["event"] == "reject"]
    left_out = [entry for entry in found if "lines-left-out" in entry]
    assert left_out and all(entry["client"] == "127.0.0.1" and entry["level"] == "warning" for entry in left_out)
    assert re.fullmatch(r"\d+ more lines? \(reject\) about client 127\.0\.0\.1 (was|were) left out", left_out[-1]["message"])
    written = len(found) - len(left_out)
    assert written >= 2 and written + sum(entry["lines-left-out"] for entry in left_out) == 300


# --- nothing waits for it

def test_o7_log_file_that_is_emptied(serve):
    """As logrotate's copytruncate does. A reload opens nothing anew."""
    server = serve()
    first = send_evil(server)
    server.removed(first)
    os.truncate(server.log_path, 0)
    second = send_evil(server)
    server.removed(second)
    server.reload()
    server.logged("generation 2")
    server.stop()
    text = server.log()
    assert second in text and "\0" not in text and "ready: generation 1" not in text
    assert [line for line in text.splitlines() if not TEXT_LINE.fullmatch(line)] == []


def test_o7_log_on_a_full_disk(elsewhere, work):
    disk = os.path.join(work, "disk")
    os.mkdir(disk)
    server = elsewhere(f"mount -t tmpfs -o size=64k tmpfs {disk}; chmod 777 {disk}; exec 2>{disk}/log")
    inside = f"/proc/{server.process.pid}/root{disk}"
    with open(f"{inside}/filler", "wb", buffering=0) as file, pytest.raises(OSError) as full:
        for _ in range(1000):
            file.write(bytes(4096))
    assert full.value.errno == errno.ENOSPC
    idents = [send_evil(server) for _ in range(20)]
    server.landed("alice", 20)
    os.unlink(f"{inside}/filler")

    def told():
        with open(f"{inside}/log", encoding="utf-8", errors="replace") as file:
            text = file.read()
        # the disk may have ended within a line, and another process's be next
        return sum(f"{ident}: removed" in text for ident in idents) >= 19

    wait.until(told, "the lines that waited")


def test_o7_log_reader_that_is_slow(elsewhere, work):
    """Mail goes on while a pipe is full; then whole lines are missing, and counted."""
    pipe = os.path.join(work, "pipe")
    os.mkfifo(pipe)
    os.chmod(pipe, 0o666)
    fd = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    try:
        server = elsewhere(f"exec 2>{pipe}", {"log": {"client_lines": 0}, "limits": {"errors": 0}})
        refuse(server, 1500, "x" * 200 + "@elsewhere.example")
        ident = send_evil(server)
        server.landed("alice")
        got = bytearray()

        def drained(what):
            try:
                got.extend(os.read(fd, 1 << 16))
            except BlockingIOError:
                return re.search(what, got)
            return None

        wait.until(lambda: drained(rb"warning: \d+ log lines were dropped[^\n]*\n"), "the count of what is missing")
        send_evil(server)
        wait.until(lambda: drained(rb"connect from(?s:.)*removed\n"), "lines")
        text = got[:got.rindex(b"\n")].decode()
        assert [line for line in text.split("\n") if not TEXT_LINE.fullmatch(line)] == []
        dropped = sum(int(count) for count in re.findall(r"warning: (\d+) log lines were dropped", text))
        written = text.count("NOQUEUE: reject: RCPT")
        assert written < 1500 <= written + dropped and ident
    finally:
        os.close(fd)
