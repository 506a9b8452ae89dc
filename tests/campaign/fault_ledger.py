# SPDX-License-Identifier: ISC
"""What was sent, what was acknowledged, and what arrived: the account that every point is held to."""
import collections
import dataclasses
import re
import threading

# What becomes of a mail: local, relayed, both and large, deferred once and then relayed, refused by the next hop.
WHERE = {"a": ("box",), "b": ("net",), "c": ("box", "net"), "d": ("net",), "e": ("bounce",)}
LARGE = 300_000  # above what a segment takes


@dataclasses.dataclass
class Mail:
    ident: str
    sort: str
    point: object
    acknowledged: bool = False

    @property
    def body(self):
        line = f"{self.ident} as it was sent\r\n".encode()
        return line * (LARGE // len(line) if self.sort == "c" else 3 + len(self.ident) % 5)

    @property
    def recipients(self):
        box, net = "bob@example.org", f"{self.ident}@example.net"
        return [address for where, address in (("box", box), ("net", net), ("bounce", net)) if where in WHERE[self.sort]]

    @property
    def content(self):
        return f"Message-ID: <{self.ident}@fault.example>\r\nSubject: {self.sort}\r\n\r\n".encode() + self.body


class Ledger:
    def __init__(self, name):
        self.name, self.mails, self.serial = name, {}, 0
        self.closed = set()
        self.late = 0  # copies of what was accounted for before
        self.arrived = collections.Counter()
        self.findings = []
        self.lock = threading.Lock()

    def begin(self, sort, point):
        self.serial += 1
        mail = Mail(f"{sort}{self.name}x{self.serial}", sort, point)
        self.mails[mail.ident] = mail
        return mail

    def take(self, raw, where):
        """One mail that landed in the mailbox (LF line ends) or at the next hop."""
        idents = re.findall(rb"(?m)^Message-ID: <(\w+)@fault\.example>", raw, re.IGNORECASE)
        ident = idents[-1].decode() if idents else None
        mail = self.mails.get(ident)
        if ident in self.closed:
            self.late += 1
            return
        if mail is None:
            self.findings.append(f"a mail arrived ({where}) that nobody sent: {raw[:300]!r}")
            return
        if where == "box" and b"multipart/report" in raw:
            where = "bounce"
        if where not in WHERE[mail.sort]:
            self.findings.append(f"mail {ident} of '{mail.point}' arrived as {where}: {raw[-1500:]!r}" if where == "bounce"
                                 else f"mail {ident} of '{mail.point}' arrived as {where}")
            return
        if where != "bounce" and not raw.replace(b"\r\n", b"\n").endswith(b"\n\n" + mail.body.replace(b"\r\n", b"\n")):
            self.findings.append(f"mail {ident} of '{mail.point}' arrived ({where}) as something else: {len(raw)} bytes, ends {raw[-80:]!r}")
        with self.lock:
            self.arrived[ident, where] += 1

    def missing(self):
        """(mail, where) of what was acknowledged and has not arrived."""
        return [(mail, where) for mail in self.mails.values() if mail.acknowledged for where in WHERE[mail.sort]
                if not self.arrived[mail.ident, where]]

    def settle(self):
        """The account is closed: returns (acknowledged, doubled, of the unacknowledged that arrived), and is empty afterwards."""
        acknowledged = sum(mail.acknowledged for mail in self.mails.values())
        doubled = sum(count - 1 for count in self.arrived.values())
        strays = len({ident for ident, _ in self.arrived if not self.mails[ident].acknowledged})
        self.closed.update(self.mails)
        self.mails.clear()
        self.arrived.clear()
        doubled, self.late = doubled + self.late, 0
        return acknowledged, doubled, strays
