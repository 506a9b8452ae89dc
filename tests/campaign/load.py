# SPDX-License-Identifier: ISC
"""What the campaigns `power` and `kill` share: clients that remember what was promised to them, next hops that misbehave by a seed,
and the account of what became of each mail.

A mail carries a digest of itself, so that whatever arrives can be compared with what was sent. An outcome of a mail for a recipient is its
arrival at a sink, its file in the recipient's Maildir, or a bounce in its sender's Maildir. The account is balanced when every recipient of
every acknowledged mail has one, and the queue is empty.
"""
import collections
import hashlib
import os
import pathlib
import random
import re
import socket
import ssl
import sys
import threading
import time

os.environ.setdefault("WAIT_LIMIT", "90")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from harness import account, certs, process, sink, thurn  # noqa: E402

REPLY_LIMIT = 60.0  # seconds in which a client must have an answer, whatever is stopped or dead
SENDER = "sender@bounce.example"
LOCAL = ("alice@example.org", "bob@example.org", "carol@example.org")
MARK = re.compile(rb"(?im)^X-Digest: ([0-9a-f]{64})\r?$")
NUMBER = re.compile(rb"(?im)^Message-ID: <(\d+)\.(\d+)@load\.example>\r?$")
FAILED = re.compile(rb"(?im)^Final-Recipient: *rfc822; *(\S+?)\r?\n(?:[^\r\n]+\r?\n)*?Action: *failed")


class Mail:
    __slots__ = ("recipients", "asked", "acknowledged")

    def __init__(self, recipients):
        self.recipients = recipients
        self.asked = None         # when the end of data was sent
        self.acknowledged = None  # when the 250 was read


class Ledger:
    """Every mail that was begun, and every outcome that the sinks saw. Findings are lines of text."""

    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.mails = {}
        self.arrivals = []  # (number, recipient, when)
        self.ids = {}
        self.findings = []
        self.refused = 0
        self.acknowledged = 0
        self.secured = 0    # of these, by TLS
        self.last = 0.0     # when the newest 250 was read
        self.last_plain = 0.0

    def find(self, text):
        with self.lock:
            if len(self.findings) < 200:
                self.findings.append(text)

    def _recipients(self, number):
        draw = self.random
        kinds = draw.choices(("local", "remote", "second", "both", "wrong"), (5, 5, 2, 2, 1))[0]
        local, remote = draw.choice(LOCAL), f"u{number % 50}@example.net"
        return {"local": [local], "remote": [remote], "second": [f"u{number % 50}@example.com"], "both": [local, remote],
                "wrong": [f"nobody{number}@example.net", local]}[kinds]

    def draw(self, large):
        """A new mail: (number, recipients, its bytes before dot-stuffing, which they do not need)."""
        with self.lock:
            number = len(self.mails) + 1
            recipients = self._recipients(number)
            size = int(self.random.paretovariate(0.8) * 200)
            if self.random.random() < 0.005:
                size = large
            octets = self.random.randbytes(min(size, large) // 2)
            self.mails[number] = Mail(recipients)
        text = octets.hex().encode()
        body = b"".join(text[at:at + 76] + b"\r\n" for at in range(0, len(text), 76))
        rest = (b"Message-ID: <%d.%d@load.example>\r\nFrom: <%s>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nSubject: load %d\r\n\r\n"
                % (number, self.seed, SENDER.encode(), number)) + body
        return number, recipients, b"X-Digest: %s\r\n%s" % (hashlib.sha256(rest).hexdigest().encode(), rest)

    def promised(self, number, asked, when, ident, secured=False):
        with self.lock:
            mail = self.mails[number]
            mail.asked, mail.acknowledged = asked, when
            self.acknowledged += 1
            self.secured += secured
            self.last = when
            if not secured:
                self.last_plain = when
            if ident in self.ids:
                self.findings.append(f"queue id {ident} was given twice: to mails {self.ids[ident]} and {number}")
            self.ids[ident] = number

    def withdraw(self, since):
        """Promises read after `since` do not count: the cut was already running."""
        with self.lock:
            for mail in self.mails.values():
                if mail.acknowledged is not None and mail.acknowledged >= since:
                    mail.acknowledged = None
                    self.acknowledged -= 1

    def promised_after(self, moment):
        """Mails whose end of data was sent after `moment` and that still got a 250."""
        with self.lock:
            return [n for n, m in self.mails.items() if m.asked is not None and m.acknowledged is not None and m.asked > moment]

    def recognise(self, raw, where):
        """The number of the mail that these bytes are; a finding where they are not what was sent."""
        found, number = MARK.search(raw), NUMBER.search(raw)
        if not found or not number:
            self.find(f"{where}: not a mail that was sent, {len(raw)} bytes: {raw[:300]!r}")
            return None
        rest = raw[found.end():].removeprefix(b"\r").removeprefix(b"\n")
        if b"\r\n" not in rest:
            rest = rest.replace(b"\n", b"\r\n")
        if hashlib.sha256(rest).hexdigest().encode() != found.group(1):
            self.find(f"{where}: mail {int(number.group(1))} is not as it was sent ({len(raw)} bytes)")
        if int(number.group(1)) not in self.mails or int(number.group(2)) != self.seed:
            self.find(f"{where}: mail {number.group(0)!r} was never sent")
            return None
        return int(number.group(1))

    def arrived(self, number, recipients, when):
        with self.lock:
            self.arrivals += [(number, recipient, when) for recipient in recipients]

    def forget_arrivals(self, begin, end):
        """What sinks took in this time does not count (a server lived on that the cut had ended)."""
        with self.lock:
            self.arrivals = [a for a in self.arrivals if not begin < a[2] <= end]

    def missing(self, outcomes):
        with self.lock:
            return [(n, r) for n, m in self.mails.items() if m.acknowledged is not None for r in m.recipients if not outcomes[n, r]]

    def outcomes(self, mailboxes):
        with self.lock:
            count = collections.Counter((n, r) for n, r, _ in self.arrivals)
        for number, recipient in mailboxes.outcomes(self):
            count[number, recipient] += 1
        return count

    def doubled(self, outcomes):
        return sum(1 for (n, _), times in outcomes.items() if times > 1 and self.mails[n].acknowledged is not None)


class Mailboxes:
    """The Maildirs below `top`/DOMAIN/USER. A file is read once, until forget()."""

    def __init__(self, top):
        self.top = top
        self.seen = {}

    def forget(self):
        self.seen = {}

    def outcomes(self, ledger):
        now = {}
        for domain in _names(self.top):
            for user in _names(os.path.join(self.top, domain)):
                new = os.path.join(self.top, domain, user, "new")
                for name in _names(new):
                    path = os.path.join(new, name)
                    now[path] = self.seen.get(path) or self._read(path, f"{user}@{domain}", ledger)
        self.seen = now
        return [outcome for found in now.values() for outcome in found]

    @staticmethod
    def _read(path, owner, ledger):
        with open(path, "rb") as file:
            raw = file.read()
        if owner != SENDER:
            number = ledger.recognise(raw, path)
            return [(number, owner)] if number is not None else [(0, owner)]
        number = NUMBER.search(raw)
        failed = FAILED.findall(raw)
        if not number or not failed or int(number.group(1)) not in ledger.mails:
            ledger.find(f"{path}: not a bounce of a mail that was sent, {len(raw)} bytes: {raw[:300]!r}")
            return [(0, owner)]
        return [(int(number.group(1)), recipient.decode()) for recipient in failed]


def _names(path):
    try:
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []


class Next(sink.Sink):
    """A next hop with faults drawn from a seed while `calm` is false. It keeps no content."""

    STALL = 2.0

    def __init__(self, ledger, seed, unreachable):
        self.ledger, self.random, self.unreachable = ledger, random.Random(seed), unreachable
        self.calm = False
        super().__init__(greeting=self._greeting, mail=self._fault("451 4.3.0 not now", 3), rcpt=self._rcpt,
                         data=self._fault("451 4.3.0 not now", 2), end=self._end)

    def _chance(self, percent):
        with self._lock:
            return not self.calm and self.random.uniform(0, 100) < percent

    def _greeting(self, _session, _argument):
        if self._chance(self.unreachable):
            return sink.DROP if self._chance(50) else "421 4.3.2 no service"
        return None

    def _fault(self, reply, percent):
        return lambda *_: reply if self._chance(percent) else None

    def _rcpt(self, _session, address):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        if self._chance(0.3):
            time.sleep(self.STALL)
        return "550 5.7.1 not you" if self._chance(2) else "451 4.2.1 not now" if self._chance(8) else None

    def _end(self, session, _argument):
        if self._chance(1):
            return sink.DROP
        if self._chance(1):
            self.took(session.message)  # taken, and the sender never hears of it: it must come again
            return sink.DROP
        return "554 5.6.0 not that" if self._chance(2) else "451 4.3.0 not now" if self._chance(5) else None

    def took(self, message):
        number = self.ledger.recognise(message.data, f"sink {self.port}")
        if number is not None:
            self.ledger.arrived(number, message.recipients, time.monotonic())
        message.data = b""

    def _serve(self, session):
        super()._serve(session)
        with self._lock:
            self.sessions.remove(session)


class Refused(Exception):
    pass


class Client(threading.Thread):
    """Sends mail after mail until it is stopped, and writes each 250 into the ledger. Some of its sessions are secured by STARTTLS, where there is `trust`."""

    SECURED = 0.4

    def __init__(self, ledger, port, seed, large, pause, trust=None):
        super().__init__(daemon=True)
        self.trust, self.secured = trust, False
        self.ledger, self.port, self.large, self.pause = ledger, port, large, pause
        self.random = random.Random(seed)
        self.stopped = threading.Event()
        self.conn = None

    def run(self):
        while not self.stopped.is_set():
            try:
                self._session()
            except Refused:
                with self.ledger.lock:
                    self.ledger.refused += 1
            except TimeoutError:
                if not self.stopped.is_set():
                    self.ledger.find(f"a client had no answer in {REPLY_LIMIT:.0f} s")
            except OSError:
                pass
            finally:
                if self.conn:
                    self.conn.close()
                    self.conn = None
            self.stopped.wait(0.02)

    def stop(self):
        self.stopped.set()
        conn = self.conn
        if conn:
            try:
                socket.socket.shutdown(conn, socket.SHUT_RDWR)  # what is below TLS: its thread is still reading
            except OSError:
                pass

    def _reply(self):
        while True:
            line = self.input.readline(1000)
            if not line.endswith(b"\n"):
                raise ConnectionAbortedError
            if line[3:4] != b"-":
                return line

    def _expect(self, code):
        line = self._reply()
        if line.startswith(code):
            return line
        if line.startswith(b"5"):
            self.ledger.find(f"a good mail was refused for good: {line!r}")
        raise Refused(line)

    def _session(self):
        self.conn = socket.create_connection(("127.0.0.1", self.port), REPLY_LIMIT)
        self.conn.settimeout(REPLY_LIMIT)
        self.input = self.conn.makefile("rb")
        self._expect(b"220")
        self._greet()
        self.secured = self.trust is not None and self.random.random() < self.SECURED
        if self.secured:
            self._secure()
        for _ in range(self.random.randint(1, 20)):
            if self.stopped.is_set():
                return
            self._mail()
            if self.pause:
                self.stopped.wait(self.random.uniform(0, self.pause))

    def _greet(self):
        self.conn.sendall(b"EHLO client.example.com\r\n")
        self._expect(b"250")

    def _secure(self):
        self.conn.sendall(b"STARTTLS\r\n")
        self._expect(b"220")
        try:
            self.conn = self.trust.wrap_socket(self.conn, server_hostname="mail.example.org", suppress_ragged_eofs=True)
        except ssl.SSLError as error:
            raise Refused(error) from error
        self.input = self.conn.makefile("rb")
        self._greet()

    def _mail(self):
        number, recipients, data = self.ledger.draw(self.large)
        lines = [f"MAIL FROM:<{SENDER}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"]
        self.conn.sendall("".join(line + "\r\n" for line in lines).encode())
        for _ in lines[:-1]:
            self._expect(b"250")
        self._expect(b"354")
        if self.random.random() < 0.03:
            half = len(data) // 2
            self.conn.sendall(data[:half])
            if self.random.random() < 0.3:
                raise ConnectionAbortedError  # this client has changed its mind
            self.stopped.wait(0.1)
            data = data[half:]
        asked = time.monotonic()
        self.conn.sendall(data + b".\r\n")
        line = self._expect(b"250")
        self.ledger.promised(number, asked, time.monotonic(), line.split()[-1].decode("ascii", "replace"), self.secured)


class Load:
    """Several clients. stop() ends them all and waits for their end."""

    def __init__(self, ledger, port, seed, clients=4, large=1 << 19, pause=0.02, trust=None):
        self.clients = [Client(ledger, port, f"{seed}.{n}", large, pause, trust) for n in range(clients)]
        for client in self.clients:
            client.start()

    def stop(self):
        for client in self.clients:
            client.stop()
        for client in self.clients:
            client.join(REPLY_LIMIT + 10)


def make_sinks(ledger, seed):
    """The two next hops: of example.net, and of example.com, which mostly cannot be reached."""
    return [Next(ledger, f"{seed}.net", 5), Next(ledger, f"{seed}.com", 85)]


def authority(folder):
    """Who issues the server's certificate."""
    return certs.Authority(os.path.join(folder, "ca"))


def configuration(sinks, place, issuer):
    """The changes to the harness's configuration: queue and mailboxes below `place`, retries every second."""
    return {"tls": issuer.config("mail.example.org"), "state_dir": f"{place}/state", "limits": {"connections_per_minute": 0},
            "queue": {"retry": ["1s"], "give_up": "5d", "warn_after": "0s", "min_free": "2M"},
            "domain": {"example.org": {"deliver": f"maildir:{place}/mail/{{domain}}/{{user}}", "users": ["alice", "bob", "carol"]},
                       "bounce.example": {"deliver": f"maildir:{place}/mail/{{domain}}/{{user}}", "users": ["sender"]},
                       "example.net": {"deliver": f"smtp:127.0.0.1:{sinks[0].port}", "users": "any"},
                       "example.com": {"deliver": f"smtp:127.0.0.1:{sinks[1].port}", "users": "any"}}}


def tail(server, lines=15):
    """The end of the server's log, for a finding."""
    with open(server.log_path, encoding="utf-8", errors="replace") as file:
        return "".join("\n    " + line.rstrip() for line in file.readlines()[-lines:])


def drain(server, ledger, mailboxes, sinks, limit, what):
    """Everybody accepts: waits until the account is balanced and the queue empty. Returns (lost, outcomes); what did not go out is found."""
    for one in sinks:
        one.calm = True
    end = time.monotonic() + limit
    pause = 0.05
    while True:
        outcomes = ledger.outcomes(mailboxes)
        missing = ledger.missing(outcomes)
        queue = None
        if not missing:
            queue = server.queue()
            if not queue:
                break
        if time.monotonic() > end:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)
    for one in sinks:
        one.calm = False
    if not missing and not queue:
        return 0, outcomes
    queue = server.queue() if queue is None else queue
    outcomes = ledger.outcomes(mailboxes)
    missing = ledger.missing(outcomes)
    waiting = {row["id"]: row for row in queue}
    idents = {number: ident for ident, number in ledger.ids.items()}
    lost = {n for n, _ in missing if idents.get(n) not in waiting}
    for row in list(waiting.values())[:5]:
        ledger.find(f"{what}: stuck in the queue {limit} s after everybody accepts: {row}")
    for number in sorted(lost)[:5]:
        ledger.find(f"{what}: mail {number}, queue id {idents.get(number)}, is gone, recipients "
                    f"{[r for n, r in missing if n == number]} of {ledger.mails[number].recipients}")
    ledger.find(f"{what}: {len(lost)} lost, {len(waiting)} stuck; folder {server.folder}; its log ends:{tail(server)}")
    return len(lost), outcomes


def servant(binary, folder, config, env=None):
    """A server of the harness that was not started yet; its own files lie in `folder`."""
    return thurn.Thurn(binary, folder, config, env=env)


def start(server, limit=60.0):
    """Starts it. A worker that was born while its parent was killed may hold the spool's lock for a moment longer."""
    end = time.monotonic() + limit
    while True:
        try:
            return server.start()
        except AssertionError:
            if server.process is None or server.process.poll() != 75 or time.monotonic() > end:
                raise
            time.sleep(0.2)


def all_dead(pids, limit=60.0):
    """Waits until none of these runs. True when that is so."""
    end = time.monotonic() + limit
    while [p for p in pids if process.state(p) not in (None, "Z")]:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def give(path):
    account.give(path)
