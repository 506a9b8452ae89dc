# SPDX-License-Identifier: ISC
"""Power cuts of the whole server: what all its processes do to the disk is recorded, and replayed with every legal loss.

tests/crash/recorder.h has what is recorded, tests/crash/disk.h what a disk may lose, tests/crash/crash_replay.c what is checked.
"""
import collections
import contextlib
import ctypes
import mmap
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
os.environ.setdefault("WAIT_LIMIT", "120")
from harness import account, process, sink, thurn, wait  # noqa: E402
from harness.dialogue import Closed  # noqa: E402

from campaign.result import Result, Unavailable  # noqa: E402

ABOUT = "a round is a cut point: the power goes there, and some of what was not synced is lost"
ROUNDS = 10500
POINTS_LEAST = 1800   # of a record: with fewer, there would be no recycled segment in it
RECORD_SIZE = 3 << 30  # a sparse file
SESSIONS = 6
MORE_POINTS = 900     # of more load, when no segment was recycled
MORE_TIMES = 5
MOST_SECONDS = 600    # that the load may take
LIMIT = 120.0
REPLAY_LIMIT = 1100.0  # seconds, after which the replay ends with what it has tried
SYNC_US = 1500
FREE_BYTES = 16 << 20
CHECKPOINT_MS = 400
SERVED_EVERY = 500    # one cut in so many is given to the real server
NESTED_EVERY = 50     # one in so many is cut again in its recovery
BIRTH = 160           # so many cuts from the very first on are all tried, whatever the rounds: the spool is being made
CONTROLS = ["everything", "folders", "segments", "large", "checkpoint", "numbers", "mailboxes"]
CONTROL_CUTS = 40
SHORT = 1000          # below so many rounds the controls are short, too
USERS = [f"u{n}" for n in range(6)]


class Record:
    """The mapping that the recorder of each process writes into (struct record_file)."""
    HEAD = struct.Struct("<QQQQIIIIQQI")

    def __init__(self, library, path, device):
        self.path = path
        with open(path, "wb") as file:
            file.truncate(RECORD_SIZE)
            file.write(self.HEAD.pack(RECORD_SIZE, 4096, 1, 0, 0, 0, 0, SYNC_US, device, FREE_BYTES, CHECKPOINT_MS))
        os.chmod(path, 0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)
        os.environ["THURN_RECORD"] = str(path)
        self.library = ctypes.CDLL(str(library))
        del os.environ["THURN_RECORD"]

    def _head(self):
        return self.HEAD.unpack(self.map[:self.HEAD.size])

    def points(self):
        return self._head()[3]

    def note(self, text):
        self.library.record_note(text.encode())

    @contextlib.contextmanager
    def shut(self):
        """No call of any recorded process is under way, and none begins."""
        self.map[32:36] = struct.pack("<I", 1)
        try:
            yield
        finally:
            self.map[32:36] = struct.pack("<I", 0)

    def idle(self):
        return self._head()[5] == 0


def stop_between_calls(record, pids, number=signal.SIGKILL):
    """Kills at a moment when of each call it is known whether it was done."""
    with record.shut():
        for _ in range(1000):
            wait.until(record.idle, "the end of all calls", LIMIT)
            for pid in pids:
                process.kill(pid, signal.SIGSTOP)
            wait.until(lambda: all(process.state(p) in (None, "T", "Z") for p in pids), "all to stop", LIMIT)
            if record.idle():
                break
            for pid in pids:
                process.kill(pid, signal.SIGCONT)
        for pid in pids:
            process.kill(pid, number)
        wait.until(lambda: all(process.state(p) in (None, "Z") for p in pids), "the end of all", LIMIT)


def number_of(data):
    found = re.search(rb"(?m)^X-Number: (\d+)\r?$", data)
    return int(found.group(1)) if found else None


def reported(data):
    """The recipients that a report is about; None for any other mail."""
    if b"multipart/report" not in data.partition(b"X-Number:")[0]:
        return None
    return re.findall(rb"(?m)^Final-Recipient: rfc822; (\S+?)\r?$", data)


class Sinks:
    """Takes mail, or does not, as the recipient's name says; what it takes it notes before it says so."""

    def __init__(self, note):
        self.note = note
        self.tries = collections.Counter()
        self.lock = threading.Lock()
        self.easy = False
        self.one = sink.Sink(rcpt=self._rcpt, end=self._end)
        self.sender = sink.Sink(end=self._end)
        self.port, self.sender_port = self.one.port, self.sender.port

    def _rcpt(self, _session, address):
        kind = re.match(r"[a-z]*", address).group()
        with self.lock:
            self.tries[address] += 1
            tries = self.tries[address]
        if self.easy or kind == "ok":
            return None
        if kind == "fail":
            return "550 5.1.1 nobody here"
        return "451 4.3.0 later" if tries <= int(re.match(r"[a-z]*(\d)", address).group(1)) else None

    def _end(self, session, _target):
        message = session.message
        number, about = number_of(message.data), reported(message.data)
        for address in message.recipients if about is None else [a.decode() for a in about]:
            self.note(f"{'sunk' if about is None else 'told'} {number} {address}")
        message.data = b""  # thousands of them are kept

    def close(self):
        self.one.close()
        self.sender.close()


class Load:
    """Mails of all kinds, each with a number; it keeps what it sent, and the id of what got a 250."""

    def __init__(self, server, rng):
        self.server, self.lock = server, threading.Lock()
        self.rng = rng
        self.sent, self.ids, self.recipients = {}, {}, {}
        self.stopped, self.threads = threading.Event(), []
        self.start()

    def start(self):
        self.stopped.clear()
        self.threads = [threading.Thread(target=self._run, args=(random.Random(self.rng.random()),), daemon=True)
                        for _ in range(SESSIONS)]
        for thread in self.threads:
            thread.start()

    def _letter(self, rng):
        with self.lock:
            number = len(self.sent) + 1
            kinds = rng.choices(["local", "ok", "fail", "later"], [5, 4, 1, 2], k=rng.choice([1, 1, 1, 2, 3, 5]))
            recipients = []
            for i, kind in enumerate(kinds):
                if kind == "local":
                    recipients.append(f"{rng.choice(USERS)}@local.example")
                else:
                    often = rng.choice([1, 2, 2, 3, 4]) if kind == "later" else ""
                    recipients.append(f"{kind}{often}-{number}-{i}@net.example")
            size = rng.randrange(130000, 300000) if rng.random() < 0.02 else rng.randrange(4000)
            lines = [b"THURNSEG" + bytes(rng.choices(b"abc .", k=50)), b"." * rng.randrange(1, 4)]
            while size > 0:
                lines.append(b"%x" % rng.getrandbits(4 * 70))
                size -= 72
            content = b"X-Number: %d\r\nSubject: load\r\n\r\n" % number + b"\r\n".join(lines) + b"\r\n"
            self.sent[number], self.recipients[number] = content, list(dict.fromkeys(recipients))
        return number

    def _run(self, rng):
        while not self.stopped.is_set():
            with contextlib.suppress(Closed, OSError, AssertionError):
                with self.server.dial(limit=30) as talk:
                    talk.ehlo()
                    for _ in range(rng.randrange(1, 20)):
                        if self.stopped.is_set():
                            break
                        number = self._letter(rng)
                        self.ids[number] = talk.mail("s@sender.example", *self.recipients[number],
                                                     body=self.sent[number])
            self.stopped.wait(0.02)

    def stop(self):
        self.stopped.set()
        for thread in self.threads:
            thread.join(LIMIT)

    def write(self, folder, root):
        """What crash_replay reads: account, and sent."""
        with open(folder / "sent", "wb") as sent, open(folder / "account", "w") as accounts:
            accounts.write(f"root {os.stat(root).st_ino}\ncount {len(self.sent)}\n")
            for number, content in self.sent.items():
                accounts.write(" ".join(["mail", str(number), self.ids.get(number, "-"), str(sent.tell()),
                                         str(len(content)), *self.recipients[number]]) + "\n")
                sent.write(content)


def configuration(root, sinks):
    def smtp(port):
        return {"deliver": f"smtp:127.0.0.1:{port}", "users": "any"}
    return {
        "hostname": "mail.example.org",
        "postmaster": "u0@local.example",
        "queue": {"dir": f"{root}/queue", "retry": ["1s"], "give_up": "1h", "min_free": "1M"},
        "listen": {"mx": []},
        "limits": {"connections_per_minute": 0},
        "domain": {
            "local.example": {"deliver": f"maildir:{root}/mail/{{domain}}/{{user}}", "users": USERS},
            "net.example": smtp(sinks.port),
            "sender.example": smtp(sinks.sender_port),
        },
    }


class Campaign:
    def __init__(self, options):
        self.options = options
        self.result = Result()
        self.rng = random.Random(options.seed)
        self.tools = options.build / "tests/crash"
        for need in (options.build / "thurn", self.tools / "record.so", self.tools / "crash_replay"):
            if not need.exists():
                raise Unavailable(f"{need} is not built")
        if not os.access("/dev/shm", os.W_OK):
            raise Unavailable("/dev/shm cannot be written")
        self.shm = pathlib.Path(tempfile.mkdtemp(prefix="thurn-crash-", dir="/dev/shm"))
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="thurn-crash-"))
        for path in (self.shm, self.folder):
            path.chmod(0o755)
        if os.stat(self.shm).st_dev == os.stat(self.folder).st_dev:
            raise Unavailable("the folder for temporary files is /dev/shm itself: what is recorded must be apart from the rest")
        self.root = self.shm / "root"
        self.root.mkdir()
        account.give(self.root)
        self.run_folder = self.shm / "run"
        self.run_folder.mkdir()

    def close(self):
        if os.environ.get("KEEP"):
            print(f"kept: {self.shm} {self.folder}")
            return
        shutil.rmtree(self.shm, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def tool(self, *args, **more):
        return subprocess.run([str(self.tools / "crash_replay"), *map(str, args)], capture_output=True, text=True,
                              timeout=1500, **more)

    # --- the run that is recorded

    def record(self):
        binary = shutil.copy(self.options.build / "thurn", self.folder / "thurn")
        library = shutil.copy(self.tools / "record.so", self.folder / "record.so")
        record = Record(library, self.run_folder / "record", os.stat(self.root).st_dev)
        sinks = Sinks(record.note)
        server = thurn.Thurn(str(binary), str(self.folder / "server"), configuration(self.root, sinks), base={},
                             env={"LD_PRELOAD": str(library), "THURN_RECORD": str(record.path)})
        load = None
        try:
            server.start()
            load = Load(server, self.rng)
            self._disturb(record, server, max(self.options.rounds * 21 // 20, POINTS_LEAST))
            load.stop()
            self._drain(server)
            self._recycle(record, server, load)
            server.stop()
        finally:
            if load:
                load.stop()
            if server.process:
                server.kill()
            sinks.close()
        load.write(self.run_folder, self.root)
        shutil.copy(server.path, self.run_folder / "thurn.toml")
        log = server.log()
        notes = {"moved": "MOVED", "failed": "status=bounced", "deferred": "status=deferred", "sent": "status=sent"}
        said = ", ".join(f"{log.count(text)} {name}" for name, text in notes.items() if log.count(text))
        self.result.notes.append(f"{len(load.sent)} mails sent, {len(load.ids)} acknowledged; {said}")
        whole = self.tool("complete", self.run_folder, self.root)
        if whole.returncode != 0:
            self.result.findings.append(f"the record is not what was done: {whole.stdout}{whole.stderr}")

    def _disturb(self, record, server, goal):
        """Until the record has so many points: now and then a reload, the death of a process or of all, a stop and a start."""
        acts = [self._reload, self._kill_queue, self._kill_all, self._reload, self._kill_receiver, self._restart]
        end, next_act, step = time.monotonic() + MOST_SECONDS, goal / 8, 0
        while record.points() < goal and time.monotonic() < end:
            if record.points() >= next_act:
                acts[step % len(acts)](record, server)
                step += 1
                next_act += max(goal / 8, 1200) if step < len(acts) else 3000
            time.sleep(0.02)

    def _has_recycled(self):
        """Whether a segment is there that was recycled: its epoch is above 1 (QUEUE.md)."""
        for path in (self.root / "queue/seg").glob("*"):
            with contextlib.suppress(OSError, struct.error), path.open("rb") as file:
                magic, epoch = struct.unpack("<8s28xI", file.read(40))
                if magic == b"THURNSEG" and epoch > 1:
                    return True
        return False

    def _recycle(self, record, server, load):
        """A short load may end before a segment of a process that lives is free again: then there is some more."""
        for _ in range(MORE_TIMES):
            if self._has_recycled():
                return
            goal, end = record.points() + MORE_POINTS, time.monotonic() + LIMIT
            load.start()
            while record.points() < goal and time.monotonic() < end:
                time.sleep(0.02)
            load.stop()
            self._drain(server)

    def _reload(self, _record, server):
        server.change({"queue": {"warn_after": f"{self.rng.randrange(2, 9)}h"}})
        server.reload()

    def _kill_queue(self, record, server):
        stop_between_calls(record, server.pids("queue"))

    def _kill_receiver(self, record, server):
        stop_between_calls(record, server.pids("receiver")[:1])

    def _kill_all(self, record, server):
        pids = server.pids()
        stop_between_calls(record, pids)
        server.process.wait(LIMIT)
        server.process = None
        server.start()

    def _restart(self, _record, server):
        server.stop()
        server.start()

    def _drain(self, server):
        """The run itself loses nothing: in the end the queue is empty."""
        def empty():
            with contextlib.suppress(AssertionError):  # the queue may be starting
                return not server.queue()
        wait.until(empty, lambda: f"an empty queue:\n{server.log()[-4000:]}", LIMIT)

    # --- replays

    def replay(self):
        self.done = self._numbers(self.tool("points", self.run_folder).stdout)
        self.result.notes.append("the record: " + ", ".join(f"{count} {name}" for name, count in self.done.items()))
        totals = collections.Counter()
        self._replay(totals, self.options.rounds, self.options.seed, NESTED_EVERY)
        self._replay(totals, self.done["points"], self.options.seed + 1, 0, "0", str(min(BIRTH, self.options.rounds) - 1))
        for name in ("points", "acknowledged", "lost", "doubled"):
            setattr(self.result, name, totals[name])
        self.result.notes.append(f"{totals['nested']} further cuts in the recovery itself; {totals['again']} times a recipient would be "
                                 "served again, because the note that it was served was not synced yet")
        for name, count in {**self.done, "moved": totals["moved"], "reports": totals["reports"]}.items():
            if count == 0:
                self.result.findings.append(f"the load made none of these, so that nothing is shown about them: {name}")

    def _replay(self, totals, cuts, seed, nested, *between):
        parts, running = 2, []
        for part in range(parts):
            work = self.shm / f"work{part}"
            work.mkdir(exist_ok=True)
            running.append(subprocess.Popen(
                [str(self.tools / "crash_replay"), "check", str(self.run_folder), str(work), str(cuts), str(seed), str(part),
                 str(parts), str(nested), *between], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        try:
            end = time.monotonic() + REPLAY_LIMIT
            for one in running:
                try:
                    out, _ = one.communicate(timeout=max(1.0, end - time.monotonic()))
                except subprocess.TimeoutExpired:
                    one.terminate()
                    out, _ = one.communicate(timeout=LIMIT)
                    self.result.notes.append("the time is up: not all cuts were tried")
                self._take(out, one.returncode, totals)
        finally:
            for one in running:
                one.kill()

    @staticmethod
    def _numbers(line):
        words = line.split()
        return {name: int(count) for name, count in zip(words[::2], words[1::2])}

    def _take(self, out, status, totals):
        for line in out.splitlines():
            if line.startswith("FOUND "):
                self.result.findings.append(line[6:])
        last = out.splitlines()[-1] if out.strip() else ""
        if status != 0 or not last.startswith("points "):
            self.result.findings.append(f"crash_replay ended with {status}: {out[-500:]}")
            return
        for name, count in self._numbers(last).items():
            totals[name] = max(totals[name], count) if name == "acknowledged" else totals[name] + count

    def control(self):
        """The same where the syncs of something do nothing: each kind of sync is needed, and the replay sees that it is."""
        work = self.shm / "control"
        work.mkdir()
        said, cuts = [], CONTROL_CUTS if self.options.rounds >= SHORT else CONTROL_CUTS // 4
        for what in CONTROLS:
            done = self.tool("control", self.run_folder, work, cuts, self.options.seed, what)
            totals = collections.Counter()
            self._take(done.stdout + done.stderr, done.returncode, totals)
            said.append(f"{what} {totals['lost']} lost, {totals['findings'] - totals['lost']} other faults")
            if what == "everything":
                self.result.control_lost = totals["lost"]
            if totals["findings"] == 0:
                self.result.findings.append(f"without the syncs of {what} nothing was found, so that this run proves nothing of them")
        self.result.notes.append(f"controls, {cuts} cuts without the syncs of: {'; '.join(said)}")

    # --- the real server, started from a state

    def serve(self):
        points = self.done["points"]
        count = max(2, self.options.rounds // SERVED_EVERY)
        for n in range(count):
            self._serve_one((2 * n + 1) * points // (2 * count), n)
        self.result.notes.append(f"{count} of these states were given to the real server, which delivered what was promised")

    def _serve_one(self, cut, n):
        place = self.shm / f"state{n}"
        place.mkdir()
        made = self.tool("make", self.run_folder, place, cut, self.options.seed)
        if made.returncode != 0:
            self.result.findings.append(f"cut {cut}: {made.stderr}")
            return
        promised = {tuple(line.split()) for line in made.stdout.splitlines()}
        seen = set()

        def note(text):
            seen.add(tuple(text.split()[1:]))
        sinks = Sinks(note)
        sinks.easy = True
        account.give(place)
        server = thurn.Thurn(str(self.folder / "thurn"), str(self.folder / f"again{n}"), configuration(place, sinks), base={})
        try:
            server.start()

            def missing():
                return promised - seen - self._mailboxes(place)
            with contextlib.suppress(AssertionError):
                wait.until(lambda: not missing(), "all that was promised", LIMIT)
            for number, address in sorted(missing())[:5]:
                self.result.lost += 1
                self.result.findings.append(f"cut {cut}: the server lost mail {number} for {address}")
            server.stop()
        except AssertionError as error:
            self.result.findings.append(f"cut {cut}: the server: {str(error)[-1500:]}")
        finally:
            if server.process:
                server.kill()
            sinks.close()
            shutil.rmtree(place, ignore_errors=True)

    @staticmethod
    def _mailboxes(place):
        there = set()
        for path in place.glob("mail/local.example/*/new/*"):
            with contextlib.suppress(FileNotFoundError):
                there.add((str(number_of(path.read_bytes())), f"{path.parent.parent.name}@local.example"))
        return there


def run(options):
    campaign = Campaign(options)
    try:
        campaign.record()
        campaign.replay()
        campaign.control()
        campaign.serve()
    finally:
        campaign.close()
    return campaign.result
