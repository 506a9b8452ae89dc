# SPDX-License-Identifier: ISC
"""A server with fault.so in it, what it delivers to, and the mails that are sent to see what it makes of a fault."""
import contextlib
import itertools
import os
import re
import ssl
import sys
import time

from . import fault_plan
from .fault_ledger import Ledger

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))
from harness import account, certs, process, sink, thurn  # noqa: E402
from harness.dialogue import Closed, Dialogue, stuffed  # noqa: E402

ANSWER = 25.0      # a client's patience with one reply
RECOVERY = 60.0    # a server that does not take mail so long after the fault is gone is stuck
BALANCE = 90.0     # what was acknowledged arrives in this time
SORTS = "abdec"
DIED = re.compile(r"warning: (receiver|queue|sender|deliver|lookup|console|keys)\[\d+\] (.*)")
CRASHED = re.compile(r"signal (4|6|7|8|11)\b")


class Site:
    def __init__(self, binary, library, folder, name):
        self.folder, self.binary = folder, binary
        first = 10000 + (os.getpid() * 97 + sum(name.encode()) * 53) % 20000
        thurn._ports = itertools.cycle(range(first, 32000))  # the worker's own: it was forked
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        self.plan = fault_plan.Plan(os.path.join(folder, "plan"))
        self.ledger = Ledger(name)
        self.deferring, self.deferred, self.taken = False, set(), 0
        self.sink = sink.Sink(rcpt=self._recipient)
        authority = certs.Authority(os.path.join(folder, "ca"))
        self.tls, self.trust = authority.config("mail.example.org"), authority.client_context()
        self.turns = itertools.cycle((False, True))  # every second session is secured
        self.findings, self.deaths = [], {}
        self.acknowledged = self.doubled = self.strays = self.lost = 0
        self.env = {"LD_PRELOAD": library, "THURN_FAULT": self.plan.path} if library else {}
        self.runs, self.server = 0, None
        self.fresh()

    # --- the next hop

    def _recipient(self, _session, address):
        sort = address[:1]
        if self.deferring or (sort == "d" and address not in self.deferred):
            self.deferred.add(address)
            return "451 4.3.0 not yet"
        return "550 5.1.1 nobody" if sort == "e" else None

    # --- the server

    def fresh(self):
        """A spool and mailboxes with nothing in them."""
        self.runs += 1
        self.server = thurn.Thurn(self.binary, os.path.join(self.folder, f"s{self.runs}"), {
            "domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{self.sink.port}", "users": "any"}},
            "queue": {"retry": ["1s"], "give_up": "1d", "min_free": "1M"},
            "limits": {"connections_per_minute": 0}, "tls": self.tls}, env=self.env)
        self.log_seen = 0
        self.server.start()

    def ended(self):
        return self.server.process is None or self.server.process.poll() is not None

    def deaths_since(self, point):
        """Children that ended since the last look; a crash is a finding."""
        log = self.server.log()
        new, self.log_seen = log[self.log_seen:], len(log)
        died = DIED.findall(new)
        for kind, how in died:
            self.deaths[kind] = self.deaths.get(kind, 0) + 1
            if CRASHED.search(how) and not (point.call == "malloc" and "signal 6" in how):  # libraries may abort without memory
                self.findings.append(f"{point}: {kind} {how}")
        return len(died)

    def again(self, point):
        """Stops all at once and starts anew: recovery is tried, and the master forgets how often children died."""
        code = self.server.process.poll() if self.server.process else None
        if code is not None and code < 0:
            self.findings.append(f"{point}: the master died of signal {-code}")
        if code is not None:
            self.server.process = None
        else:
            self.server.kill()
        self.server.start()
        self.log_seen = len(self.server.log())

    # --- mail

    def _secure(self, talk):
        """False: TLS is not to be had for now, and the session is over."""
        reply = talk.cmd("STARTTLS")
        if reply.code == 454:
            return False
        talk._expect(reply, 220)
        try:
            talk.wrap(self.trust)
        except TimeoutError:
            raise AssertionError(f"no reply in {talk.limit} s to a handshake:\n{talk.transcript()}") from None
        except OSError:
            return False
        talk.ehlo()
        return True

    def send(self, point, sorts=SORTS, limit=ANSWER, secured=None):
        """One mail of each sort; what is refused for now is a fault's right. Where TLS is not to be had they go without, unless it was asked for."""
        todo = list(sorts)
        wanted = secured
        while todo:
            mail = None
            try:
                with contextlib.closing(Dialogue("127.0.0.1", self.server.port(), limit=limit)) as talk:
                    talk.ehlo()
                    if (next(self.turns) if wanted is None else wanted) and not self._secure(talk):
                        if secured:
                            return
                        wanted = False
                        continue
                    while todo:
                        mail = self.ledger.begin(todo.pop(0), point)
                        self._mail(talk, mail)
            except (Closed, ConnectionError):
                if mail is None:
                    todo.pop(0)  # it was to be this one, and there is nobody to talk to
                continue
            except AssertionError as error:
                self._unexpected(point, error)
                return
            except OSError as error:
                self.findings.append(f"{point}: {error}")
                return

    def _unexpected(self, point, error):
        text = str(error)
        if "no reply in" in text:
            if self.plan.armed and point.call == "accept" and point.lasting:
                return  # nobody can answer a client that nobody can accept; afterwards it must be answered
            self.findings.append(f"{point}: {text[-600:]}")
        elif re.search(r"(?m)^S: 5\d\d", text):
            self.findings.append(f"{point}: refused for good: {text[-600:]}")

    def _mail(self, talk, mail):
        replies = [talk.cmd("MAIL FROM:<bob@example.org>")]
        if replies[0].code == 250:
            replies += [talk.cmd(f"RCPT TO:<{address}>") for address in mail.recipients]
        if all(reply.code == 250 for reply in replies):
            replies.append(talk.cmd("DATA"))
            if replies[-1].code == 354:
                talk.send(stuffed(mail.content) + b".\r\n")
                replies.append(talk.read())
                mail.acknowledged = replies[-1].code == 250
        if any(reply.code >= 500 for reply in replies):
            self.findings.append(f"{mail.point}: refused for good: {talk.transcript()[-600:]}")
        if not mail.acknowledged:
            talk.cmd("RSET")

    def collect(self):
        box = self.server.maildir("bob") + "/new"
        for name in os.listdir(box) if os.path.isdir(box) else []:
            path = os.path.join(box, name)
            with open(path, "rb") as file:
                self.ledger.take(file.read(), "box")
            os.unlink(path)
        messages = self.sink.messages
        while self.taken < len(messages):
            self.ledger.take(messages[self.taken].data, "net")
            messages[self.taken].data = b""
            self.taken += 1

    def settle(self, seconds, enough=lambda: False):
        """Waits until all that was acknowledged has arrived; what is deferred counts as arrived when enough() says so."""
        end = time.monotonic() + seconds
        while True:
            self.collect()
            missing = self.ledger.missing()
            if not missing or time.monotonic() > end or (enough() and all(mail.sort == "d" for mail, _ in missing)):
                return missing
            time.sleep(0.005)

    def takes(self, point, secured):
        """Is a mail taken now?"""
        before = len(self.ledger.mails)
        self.send(point, "a", secured=secured)
        return any(mail.acknowledged for mail in list(self.ledger.mails.values())[before:])

    def probe(self, point):
        """The fault is gone: a mail is taken, soon, and one by TLS."""
        end = time.monotonic() + RECOVERY
        for secured in (False, True):
            while not self.ended() and not self.takes(point, secured):
                if time.monotonic() > end:
                    self.findings.append(f"{point}: takes no mail{' by TLS' if secured else ''} {RECOVERY:.0f} s after the fault was gone\n"
                                         f"{self.server.log()[-1500:]}")
                    return False
                time.sleep(0.05)
        return not self.ended()

    def balance(self):
        """All that was acknowledged is here now; the account is closed."""
        missing = self.settle(BALANCE)
        for mail, where in missing:
            self.findings.append(f"lost: mail {mail.ident} ({where}) of '{mail.point}'")
        if missing:
            self._show()
        self.lost += len({mail.ident for mail, _ in missing})
        acknowledged, doubled, strays = self.ledger.settle()
        self.acknowledged += acknowledged
        self.doubled += doubled
        self.strays += strays
        self.findings += self.ledger.findings
        self.ledger.findings = []

    def _show(self):
        """What waits, and why, for whoever looks into a loss."""
        with contextlib.suppress(Exception):
            print(self.server.command("queue", expect=None).stdout[-1500:], file=sys.stderr)
            for mail in self.server.queue()[:2]:
                print(self.server.command("queue", "show", mail["id"], expect=None).stdout, file=sys.stderr)
        print(self.server.log()[-2500:], file=sys.stderr)

    def close(self):
        with contextlib.suppress(AssertionError):
            if not self.ended():
                self.server.kill()
        self.sink.close()
        self.plan.close()


def copy_for_service(source, folder):
    """A copy where the ordinary user may run it."""
    target = os.path.join(folder, os.path.basename(source))
    with open(source, "rb") as file, open(target, "wb") as out:
        out.write(file.read())
    os.chmod(target, 0o755)
    account.give(target)
    return target


__all__ = ["Site", "copy_for_service", "process"]
