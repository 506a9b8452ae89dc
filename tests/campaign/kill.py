# SPDX-License-Identifier: ISC
"""Ends and stops processes of one long-lived server under load, and does other rude things to it. A round is one action, drawn from the seed:

- kill: SIGKILL to one process, to all of one or several kinds, to the master alone, to all;
- stop: SIGSTOP to all of a kind for 1 to 10 s. Every client must have an answer within a minute all the same, and mail must still be
  taken meanwhile, unless it is the receivers that are stopped; while keys is stopped, mail without TLS;
- clock: the wall clock jumps, by seconds to a day, forward or back (a preload library);
- full: the disk of queue and mailboxes is full for a while;
- reload: SIGHUP;   end: SIGTERM, which must end it, and a start.

Some sessions of the clients are secured by STARTTLS; after each act mail must be taken again with TLS and without. The next hops defer, refuse, drop and stall all the while. Every 20 rounds everybody accepts, and the account is balanced: a mail that was acknowledged
may be doubled, and is never lost and never stuck.
"""
import collections
import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time

from . import disk
from .result import Result, Unavailable

ABOUT = "a round is one rude act under load: processes killed, stopped, reloaded, ended, clock jumps, a full disk; balanced every 20 rounds"
ROUNDS = 300

EVERY = 20           # rounds between balances
DRAIN_LIMIT = 180    # seconds in which all must go out when everybody accepts
BACK_LIMIT = 90      # seconds in which a killed process must be there again (the master waits up to 30 s for one that keeps dying)
TAKEN_LIMIT = 60     # seconds in which mail must be taken again after an act
ACTS = (("kill_one", 20), ("kill_kind", 15), ("kill_several", 10), ("kill_all", 10), ("kill_master", 8), ("stop", 15), ("clock", 8),
        ("full", 6), ("reload", 15), ("end", 5))
KINDS = ("receiver", "queue", "sender", "deliver", "lookup", "console", "keys")
JUMPS = (5, 61, 600, 3000, 86400)


def run(options):
    disk.end_on_sigterm()
    result = Result()
    folder = tempfile.mkdtemp(prefix="tkill-")
    os.chmod(folder, 0o755)
    medium = None
    kept = True
    try:
        try:
            disk.own_namespace()
            medium = disk.Disk("ext4", os.path.join(folder, "i"), 384 << 20)
            medium.mount()
        except Unavailable as why:
            result.notes.append(f"no disk of its own, so it is never full: {why}")
        campaign = _Campaign(options, folder, medium)
        try:
            campaign.all(result)
        except AssertionError as error:
            campaign.ledger.find(str(error))
        finally:
            campaign.close(result)
        kept = not result.clean()
    finally:
        if medium:
            medium.close()
        if kept:
            print(f"the server's folder is kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return result


class _Campaign:
    def __init__(self, options, folder, medium):
        from . import load  # when the namespace is made
        self.load, self.process = load, load.process
        self.options, self.folder = options, folder
        self.draw, self.draw_clients = random.Random(options.seed), random.Random(options.seed + 1)
        self.ledger = load.Ledger(options.seed)
        self.sinks = load.make_sinks(self.ledger, options.seed)
        self.place = medium.place if medium else os.path.join(folder, "plain")
        self.full_possible = medium is not None
        os.makedirs(self.place, exist_ok=True)
        load.give(self.place)
        self.mailboxes = load.Mailboxes(os.path.join(self.place, "mail"))
        self.shift_path = os.path.join(folder, "shift")
        self.shift = 0
        self._jump(0)
        preload = os.path.join(folder, "clock_shift.so")
        source = str(options.root / "tests/campaign/clock_shift.c")
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", preload, source], check=True, timeout=60)
        binary = shutil.copy(options.build / "thurn", os.path.join(folder, "thurn"))
        issuer = load.authority(folder)
        self.trust = issuer.client_context()
        self.server = load.servant(binary, os.path.join(folder, "t"), load.configuration(self.sinks, self.place, issuer),
                                   {"LD_PRELOAD": preload, "CLOCK_SHIFT": self.shift_path})
        self.clients = None
        self.tried, self.stopped = {}, collections.Counter()
        self.bags = {}
        self.lost = self.doubled = 0
        self.what = "start"

    def all(self, result):
        self.load.start(self.server)
        acts = [(name, weight) for name, weight in ACTS if name != "full" or self.full_possible]
        for number in range(1, self.options.rounds + 1):
            if not self.clients:
                draw = self.draw_clients
                self.clients = self.load.Load(self.ledger, self.server.port(), draw.random(), clients=draw.randint(2, 6),
                                              pause=draw.choice((0.0, 0.01, 0.05)), trust=self.trust)
            name = self.draw.choices([n for n, _ in acts], [w for _, w in acts])[0]
            self.what = f"round {number} ({name})"
            self._more_mail()
            time.sleep(self.draw.uniform(0.0, 0.6))
            getattr(self, "_" + name)()
            self._more_mail()
            self.tried[name] = self.tried.get(name, 0) + 1
            result.points += 1
            if number % EVERY == 0 or number == self.options.rounds or self._is_half_full():
                self._balance(number)

    def close(self, result):
        if self.clients:
            self.clients.stop()
        if self.server.process is not None:
            self.server.kill()
        for one in self.sinks:
            one.close()
        result.acknowledged, result.lost, result.doubled = self.ledger.acknowledged, self.lost, self.doubled
        result.findings += self.ledger.findings
        result.notes.append(", ".join(f"{name} {count}" for name, count in sorted(self.tried.items())))
        result.notes.append("stopped for a while: " + (", ".join(f"{kind} {count}" for kind, count in sorted(self.stopped.items())) or "none"))
        result.notes.append(f"{self.ledger.secured} were acknowledged over TLS, {self.ledger.refused} mails or sessions were told to try again")

    def _more_mail(self):
        """Mail is taken (again), by TLS, too."""
        begin, secured = time.monotonic(), self.ledger.secured
        while self.ledger.last_plain < begin or self.ledger.secured == secured:
            self._fail_if_ended()
            if time.monotonic() > begin + TAKEN_LIMIT:
                which = " by TLS" if self.ledger.last_plain >= begin else " without TLS" if self.ledger.secured > secured else ""
                raise AssertionError(f"{self.what}: no mail was taken{which} for {TAKEN_LIMIT} s; the log ends:{self.load.tail(self.server)}")
            time.sleep(0.01)

    def _fail_if_ended(self):
        if self.server.process and self.server.process.poll() is not None:
            raise AssertionError(f"{self.what}: the server ended with {self.server.process.returncode}; the log ends:"
                                 f"{self.load.tail(self.server)}")

    def _balance(self, number):
        """Everybody accepts, nobody sends."""
        self.clients.stop()
        self.clients = None
        lost, outcomes = self.load.drain(self.server, self.ledger, self.mailboxes, self.sinks, DRAIN_LIMIT, f"after round {number}")
        self.lost += lost
        self.doubled = self.ledger.doubled(outcomes)
        print(f"  round {number}: {self.ledger.acknowledged} acknowledged, {self.lost} lost, {self.doubled} doubled", flush=True)
        if lost or self.ledger.findings:
            raise AssertionError(f"given up after round {number}; rounds so far: {self.tried}")
        if self.full_possible:
            self._make_room()

    def _is_half_full(self):
        """On a fast machine the clients send more in a few rounds than the hosts take, and the disk would be full for longer than anybody is made to wait here."""
        if not self.full_possible:
            return False
        free = os.statvfs(self.place)
        return free.f_bavail * 2 < free.f_blocks

    def _make_room(self):
        """The mailboxes are emptied, so that the disk is full only when it is meant to be. What was in them stays in the account."""
        found = self.mailboxes.outcomes(self.ledger)
        self.ledger.arrivals += [(number, recipient, time.monotonic()) for number, recipient in found]
        for path in self.mailboxes.seen:
            os.unlink(path)
        self.mailboxes.forget()

    # --- acts ---

    def _victims(self, kind):
        return self.server.pids(kind)

    def _kind_for(self, act, kinds):
        """Each kind once before any comes again, so that a short run has had them all."""
        bag = self.bags.setdefault(act, [])
        if not bag:
            bag += self.draw.sample(kinds, len(kinds))
        return bag.pop()

    def _kill(self, pids, kinds):
        for pid in pids:
            self.process.kill(pid)
        if not self.load.all_dead(pids):
            raise AssertionError(f"{self.what}: killed processes live on")
        for kind in kinds:
            self._until_there(kind)

    def _until_there(self, kind):
        end = time.monotonic() + BACK_LIMIT
        while not self._victims(kind):
            self._fail_if_ended()
            if time.monotonic() > end:
                raise AssertionError(f"{self.what}: no {kind} for {BACK_LIMIT} s; the log ends:{self.load.tail(self.server)}")
            time.sleep(0.03)

    def _kill_one(self):
        kind = self._kind_for("kill_one", KINDS)
        pids = self._victims(kind)
        if pids:
            self._kill([self.draw.choice(pids)], [kind])

    def _kill_kind(self):
        kind = self._kind_for("kill_kind", KINDS)
        self._kill(self._victims(kind), [kind])

    def _kill_several(self):
        kinds = self.draw.sample(KINDS, self.draw.randint(2, len(KINDS)))
        self._kill([pid for kind in kinds for pid in self._victims(kind)], kinds)

    def _kill_all(self):
        self.server.kill()
        self.load.start(self.server)

    def _kill_master(self):
        pids = self.server.pids()
        self.process.kill(self.server.process.pid)
        self.server.process.wait(30)
        if not self.load.all_dead(pids):
            raise AssertionError(f"{self.what}: children outlive the master by a minute: "
                                 f"{[(p, self.process.kind(p)) for p in pids if self.process.state(p) not in (None, 'Z')]}")
        self.server.process = None
        self.load.start(self.server)

    def _stop(self):
        kind = self._kind_for("stop", (*KINDS, "master"))
        self.what += f" {kind}"
        self.stopped[kind] += 1
        pids = self._victims(kind)
        for pid in pids:
            self.process.kill(pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            time.sleep(self.draw.uniform(1, 10))
            if kind != "receiver":
                end = begin + TAKEN_LIMIT
                while (self.ledger.last_plain if kind == "keys" else self.ledger.last) < begin + 0.5:  # what was on its way when it stopped does not count
                    if time.monotonic() > end:
                        raise AssertionError(f"{self.what}: no mail was taken while it was stopped for {TAKEN_LIMIT} s")
                    time.sleep(0.05)
        finally:
            for pid in pids:
                self.process.kill(pid, signal.SIGCONT)

    def _jump(self, seconds):
        self.shift += seconds
        with open(self.shift_path, "r+b" if os.path.exists(self.shift_path) else "wb") as file:
            file.write(struct.pack("=q", self.shift))

    def _clock(self):
        """A jump away from the true time, or back to it."""
        if self.shift and self.draw.random() < 0.6:
            self.what += f" {-self.shift:+d} s"
            self._jump(-self.shift)
        else:
            seconds = self.draw.choice(JUMPS) * self.draw.choice((-1, 1))
            self.what += f" {seconds:+d} s"
            self._jump(seconds)
        time.sleep(self.draw.uniform(0.2, 2))

    def _full(self):
        filler = os.path.join(self.place, "filler")
        try:
            with open(filler, "wb", buffering=0) as file:
                with contextlib.suppress(OSError):
                    free = os.statvfs(self.place)
                    os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - (1 << 20))
                with contextlib.suppress(OSError):
                    file.seek(0, os.SEEK_END)
                    while file.write(b"\0" * (1 << 16)):
                        pass
            time.sleep(self.draw.uniform(0.5, 3))
        finally:
            os.unlink(filler)

    def _reload(self):
        self.server.reload()
        time.sleep(self.draw.uniform(0, 1))

    def _end(self):
        self.server.stop()
        self.load.start(self.server)
