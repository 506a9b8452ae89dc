# SPDX-License-Identifier: ISC
"""Power cuts under load. A round mounts an image, starts `thurn serve` with queue and mailboxes on it, sends mail with several clients to
local and remote recipients (next hops that defer, refuse, drop, stall), cuts the power at a moment drawn from the seed (disk.py says how):
in the middle of it all, while the server starts, while it ends, or while it reloads. Then it ends the server, mounts what the cut has left,
and starts again. After some rounds everybody accepts, and the account is balanced.
"""
import contextlib
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from . import disk
from .result import Result, Unavailable

ABOUT = ("a round is one power cut under load on a file system in an image: ext4 and xfs by their shutdown ioctl, btrfs and ext4 by an atomic "
         "copy of the image; then control runs without syncs")
ROUNDS = 100

SHARES = (("ext4", disk.Disk, 40), ("xfs", disk.Disk, 30), ("btrfs", disk.CopiedDisk, 15), ("ext4", disk.CopiedDisk, 15))
BLOCK = 10         # cuts of one image
MOMENTS = (("load", 70), ("start", 10), ("end", 10), ("reload", 10))
FLUSHES = ((disk.FLUSH_NOTHING, 80), (disk.FLUSH_LOG, 10), (disk.FLUSH_ALL, 10))
# Small images have small segments, which are full and used again soon. xfs and btrfs have a least size.
SIZES = {"ext4": (96 << 20, 256 << 20), "xfs": (320 << 20, 512 << 20), "btrfs": (256 << 20, 512 << 20)}
OPTIONS = {"ext4": ("", "data=writeback", "data=journal", "nodelalloc", "commit=1"), "xfs": ("",), "btrfs": ("", "compress=lzo")}
DRAIN_LIMIT = 120  # seconds in which all must go out when everybody accepts


def run(options):
    disk.end_on_sigterm()
    disk.own_namespace()
    result = Result()
    folder = tempfile.mkdtemp(prefix="tpower-")
    os.chmod(folder, 0o755)
    kept = True
    try:
        campaign = _Campaign(options, folder, result)
        campaign.all()
        kept = bool(result.findings or result.lost)
    finally:
        if kept:
            print(f"the servers' folders are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return result


def _shares(rounds):
    """How many cuts each kind gets. A few rounds are ext4's."""
    if rounds < 10:
        return [(*SHARES[0][:2], rounds)]
    cuts = [(kind, how, rounds * share // 100) for kind, how, share in SHARES]
    left = rounds - sum(count for _, _, count in cuts)
    return [(kind, how, count + (left if n == 0 else 0)) for n, (kind, how, count) in enumerate(cuts)]


def _drawn(draw, table):
    return draw.choices([value for value, _ in table], [weight for _, weight in table])[0]


class _Campaign:
    def __init__(self, options, folder, result):
        self.options, self.folder, self.result = options, folder, result
        self.binary = shutil.copy(options.build / "thurn", os.path.join(folder, "thurn"))
        from . import load  # when the namespace is made
        self.issuer = load.authority(folder)
        self.no_sync = os.path.join(folder, "no_sync.so")
        source = options.root / "tests/campaign/no_sync.c"
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-o", self.no_sync, str(source)], check=True, timeout=60)
        self.blocks = 0

    def all(self):
        self.result.control_lost = 0
        for kind, how, cuts in _shares(self.options.rounds):
            name = kind + (" by copy" if how is disk.CopiedDisk else " by ioctl")
            try:
                self._kind(name, kind, how, cuts)
            except Unavailable as why:
                if kind == "ext4" and how is disk.Disk:
                    raise
                self.result.notes.append(f"{name}: not tried: {why}")

    def _kind(self, name, kind, how, cuts):
        """`cuts` cuts of this kind in blocks, then one control run."""
        before = (self.result.points, self.result.acknowledged, self.result.lost, self.result.doubled)
        start = time.monotonic()
        while cuts > 0:
            block = min(cuts, BLOCK)
            done = self.result.points
            self._block(name, kind, how, block, False)
            cuts -= max(1, self.result.points - done)
            print(f"  {name}: {self.result.points - before[0]} cuts, {self.result.acknowledged - before[1]} acknowledged, "
                  f"{self.result.lost - before[2]} lost, {time.monotonic() - start:.0f} s", flush=True)
        for _ in range(3):  # on a busy machine the kernel may happen to have written all of it
            lost, acknowledged = self._block(name, kind, how, 1, True)
            if lost:
                break
        self.result.control_lost += lost
        if not lost:
            self.result.findings.append(f"{name}: the control run lost none of {acknowledged} mails")
        now = (self.result.points, self.result.acknowledged, self.result.lost, self.result.doubled)
        cuts, acknowledged_here, lost_here, doubled = (b - a for a, b in zip(before, now))
        self.result.notes.append(f"{name}: {cuts} cuts, {acknowledged_here} acknowledged, {lost_here} lost, {doubled} doubled; "
                                 f"without syncs, 1 cut: {acknowledged} acknowledged, {lost} lost")

    def _block(self, name, kind, how, cuts, control):
        """Some cuts of one image. Returns what was lost and acknowledged."""
        self.blocks += 1
        folder = os.path.join(self.folder, f"b{self.blocks}")
        os.makedirs(folder)
        draw = random.Random(f"{self.options.seed}.{self.blocks}")
        medium = how(kind, os.path.join(folder, "i"), draw.choice(SIZES[kind]), "" if control else draw.choice(OPTIONS[kind]))
        block = _Block(self, name, folder, medium, draw, control)
        try:
            block.all(cuts)
        except AssertionError as error:
            block.ledger.find(f"{name}: {error}")
        finally:
            block.close()
            medium.close()
        ledger = block.ledger
        if not control:
            self.result.points += block.cuts
            self.result.acknowledged += ledger.acknowledged
            self.result.lost += block.lost
            self.result.doubled += block.doubled
            self.result.findings += ledger.findings
        return block.lost, ledger.acknowledged


class _Block:
    """One image, one account."""

    def __init__(self, campaign, name, folder, medium, draw, control):
        from . import load  # here, when the namespace is made and the path is set
        self.load, self.name, self.medium, self.draw, self.control = load, name, medium, draw, control
        self.trust = campaign.issuer.client_context()
        self.ledger = load.Ledger(draw.randrange(1 << 31))
        self.sinks = load.make_sinks(self.ledger, self.ledger.seed)
        self.mailboxes = load.Mailboxes(os.path.join(medium.place, "mail"))
        env = {"LD_PRELOAD": campaign.no_sync} if control else None
        self.server = load.servant(campaign.binary, os.path.join(folder, "t"), load.configuration(self.sinks, medium.place, campaign.issuer), env)
        self.lost = self.doubled = self.cuts = 0
        medium.mount()
        load.give(medium.place)
        medium.sync()

    def all(self, cuts):
        for number in range(1, cuts + 1):
            self._cut(number)
            if self.control:
                self._control_balance()
            elif number == cuts or self._nearly_full() or self.draw.random() < 0.3:
                self._balance()
                if self._nearly_full():
                    return

    def _nearly_full(self):
        """A full disk is `kill`'s business."""
        room = os.statvfs(self.medium.place)
        return room.f_bavail < room.f_blocks * 0.6

    def _cut(self, number):
        """Starts on what is there, and cuts at some moment."""
        moment = "load" if self.control else _drawn(self.draw, MOMENTS)
        flush = disk.FLUSH_NOTHING if self.control else _drawn(self.draw, FLUSHES)
        what = f"{self.name} ({self.medium.options}), cut {number} of seed {self.ledger.seed} (at {moment})"
        copied = isinstance(self.medium, disk.CopiedDisk)
        self.begin = self.end = None
        clients = None
        if moment == "start":
            self._cut_while_starting(flush)
        else:
            if self.server.process is None:
                self.load.start(self.server)
            if self.control:
                self.medium.sync()  # what is lost shall be mail, not the folder that it lies in
            clients = self.load.Load(self.ledger, self.server.port(), self.draw.random(), pause=self.draw.choice((0.0, 0.02)),
                                     trust=self.trust)
            self._wait_for_mail()
            time.sleep(self.draw.uniform(0.0, 1.2))
            if moment == "end":
                self.server.process.send_signal(signal.SIGTERM)
            elif moment == "reload":
                self.server.reload()
            if moment != "load":
                time.sleep(self.draw.uniform(0.0, 0.3))
            self._power_goes(flush)
            if not copied and self.draw.random() < 0.5:
                time.sleep(self.draw.uniform(0.0, 0.5))  # the server lives on a dead disk for a while
            self.server.kill()
            clients.stop()
        over = time.monotonic()
        if not copied:
            for mail in self.ledger.promised_after(self.end):
                self.ledger.find(f"{what}: mail {mail} got its 250 though its data ended after the disk had died")
        self.ledger.withdraw(self.begin)
        self.ledger.forget_arrivals(self.end, over)
        self.medium.unmount()
        self.medium.after()
        self.medium.mount()
        self.mailboxes.forget()
        self.cuts += 1
        if self.cuts % 5 == 0:
            self._check(what)

    def _power_goes(self, flush):
        begin = time.monotonic()
        self.medium.cut(flush)
        self.begin, self.end = begin, time.monotonic()

    def _cut_while_starting(self, flush):
        """It may have begun already to deliver what waits."""
        if self.server.process is not None:
            self.server.stop()
        wait = self.draw.uniform(0.0, 0.3)

        def later():
            time.sleep(wait)
            self._power_goes(flush)
            process = self.server.process
            if process is not None:
                pids = [process.pid, *self.load.process.children(process.pid)]
                for number in (signal.SIGSTOP, signal.SIGKILL):
                    for pid in pids:
                        self.load.process.kill(pid, number)

        cutter = threading.Thread(target=later, daemon=True)
        cutter.start()
        with contextlib.suppress(AssertionError):
            self.load.start(self.server)
        cutter.join(120)
        if self.begin is None:
            raise AssertionError("the cut did not return")
        if self.server.process is not None:
            self.server.kill()

    def _wait_for_mail(self):
        goal = self.ledger.acknowledged + 5
        end = time.monotonic() + 60
        while self.ledger.acknowledged < goal:
            if time.monotonic() > end:
                raise AssertionError(f"no mail is taken; the log ends:{self.load.tail(self.server)}")
            time.sleep(0.01)

    def _check(self, what):
        """The journal was replayed: the file system itself must be sound."""
        self.medium.unmount()
        complaint = self.medium.check()
        if complaint:
            self.ledger.find(f"{what}: the file system is not sound: {complaint}")
        self.medium.mount()

    def _balance(self):
        self.load.start(self.server)
        lost, outcomes = self.load.drain(self.server, self.ledger, self.mailboxes, self.sinks, DRAIN_LIMIT,
                                         f"{self.name}, after cut {self.cuts} of seed {self.ledger.seed}")
        self.lost += lost
        self.doubled = self.ledger.doubled(outcomes)
        if lost or self.ledger.findings:
            raise AssertionError("this image is given up")

    def _control_balance(self):
        """What is lost for certain: neither at a sink, nor in a mailbox, nor in the queue of a server that starts (if it does)."""
        for one in self.sinks:
            one.calm = True
        waiting = set()
        try:
            self.load.start(self.server)
            end = time.monotonic() + 20
            while time.monotonic() < end and self.server.queue():
                time.sleep(0.2)
            waiting = {row["id"] for row in self.server.queue()}
        except AssertionError:
            pass  # it does not start on what is left
        idents = {number: ident for ident, number in self.ledger.ids.items()}
        missing = self.ledger.missing(self.ledger.outcomes(self.mailboxes))
        self.lost = len({number for number, _ in missing if idents.get(number) not in waiting})

    def close(self):
        if self.server.process is not None:
            self.server.kill()
        for one in self.sinks:
            one.close()
