# SPDX-License-Identifier: ISC
"""Faults from outside: the Nth call of a kind fails in one kind of process of a running server, for every N of a workload."""
import errno
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import traceback

from .fault_plan import KINDS, SHORT, Point
from .result import Result, Unavailable

ABOUT = "a call fails in a process of the server: no acknowledged mail is lost, and it goes on. A round is one fault."
ROUNDS = 2000
A_BATCH = 40     # faults between two balances
SHOWN = 40
SLOW = 5.0       # a fault that takes longer is named
MOST = 200       # numbers of one call that are tried

_DISK = (errno.EIO, errno.ENOSPC)
ERRORS = {
    "write": (*_DISK, errno.EINTR, SHORT), "pwrite": (*_DISK, errno.EINTR, SHORT), "pwritev": (*_DISK, errno.EINTR, SHORT),
    "fdatasync": (*_DISK, errno.EINTR), "fsync": (*_DISK, errno.EINTR), "syncfs": _DISK,
    "open": (errno.EMFILE, errno.ENOMEM, errno.EINTR, *_DISK), "rename": _DISK, "link": _DISK, "unlink": _DISK, "mkdir": _DISK,
    "fallocate": (*_DISK, errno.EINTR), "ftruncate": _DISK, "stat": (errno.EIO,), "mmap": (errno.ENOMEM,),
    "malloc": (errno.ENOMEM,), "read": (errno.EIO, errno.EINTR, SHORT), "pread": (errno.EIO, errno.EINTR, SHORT),
    "recvmsg": (errno.EINTR, errno.ENOMEM, SHORT), "recv": (errno.EINTR, errno.ECONNRESET, SHORT),
    "sendmsg": (errno.EINTR, errno.ENOBUFS, SHORT), "send": (errno.EINTR, errno.ECONNRESET, SHORT),
    "accept": (errno.EMFILE, errno.ENOMEM, errno.ECONNABORTED), "socket": (errno.EMFILE, errno.ENOMEM),
    "connect": (errno.ETIMEDOUT, errno.ECONNREFUSED), "fork": (errno.EAGAIN, errno.ENOMEM),
}
DISK_CALLS = {"write", "pwrite", "pwritev", "fdatasync", "fsync", "syncfs", "open", "rename", "link", "unlink", "mkdir", "fallocate",
              "ftruncate"}
KEEPERS = {"receiver", "queue", "deliver", "other"}  # whose disk calls stand between a mail and its loss


def _survey(site, phase):
    """{(kind, call): calls} of the workload in a phase."""
    site.plan.count()
    if phase == "serve":
        site.send("survey", secured=True)
        site.settle(10, lambda: True)
    elif phase == "stop":
        site.server.stop()
    else:
        site.server.start()
    counts = site.plan.counts()
    site.plan.disarm()
    return counts


def _numbers(count, chance):
    """Every N, and one that comes too late; of very many calls a part, the first among them."""
    if count < MOST:
        return range(1, count + 2)
    return sorted({*range(1, MOST // 4), *(int(count ** chance.random()) for _ in range(MOST))})


def _points(counts, chance):
    """(all N of the calls that keep mail, all others): each with all its errors, and as a fault that lasts."""
    keeping, others = [], []
    for phase, numbers in counts.items():
        for (kind, call), count in numbers.items():
            kept = kind in KEEPERS and call in DISK_CALLS
            for error in ERRORS[call]:
                for nth in _numbers(count, chance):
                    (keeping if kept else others).append(Point(kind, call, error, nth, phase=phase))
                    if error not in (SHORT, errno.EINTR) and call != "malloc":
                        others.append(Point(kind, call, error, nth, lasting=True, phase=phase))
    return keeping, others


def _chosen(counts, rounds, chance):
    keeping, others = _points(counts, chance)
    total = len(keeping) + len(others)
    slow = [point for point in keeping + others if point.phase != "serve"]
    slow = chance.sample(slow, min(len(slow), rounds // 12))
    keeping = [point for point in keeping if point.phase == "serve"]
    if len(keeping) > rounds * 2 // 3:
        keeping = chance.sample(keeping, rounds * 2 // 3)
    others = [point for point in others if point.phase == "serve"]
    points = slow + keeping + chance.sample(others, max(0, min(len(others), rounds - len(keeping) - len(slow))))
    chance.shuffle(points)
    points.sort(key=lambda point: point.phase == "serve")  # starts and stops first: they are few, and slow
    return points, total


# --- one fault

def _while_serving(site, point):
    site.plan.arm(point)
    before = sum(mail.acknowledged for mail in site.ledger.mails.values())
    if point.kind == "keys":
        site.send(point, secured=True)
        if not site.takes(point, False):
            site.findings.append(f"{point}: no mail is taken without TLS\n{site.server.log()[-1500:]}")
    else:
        site.send(point)
    acknowledged = sum(mail.acknowledged for mail in site.ledger.mails.values()) - before
    until = [0.0]

    def enough():
        if site.plan.hits and not until[0]:
            until[0] = time.monotonic() + 0.1  # what comes of it may take a while
        return time.monotonic() > until[0] or site.ended()
    site.settle(1.0, enough)
    return acknowledged


def _while_stopping(site, point):
    site.deferring = True
    site.send(point, "abe")
    site.plan.arm(point)
    site.server.process.terminate()
    try:
        site.server.process.wait(60)
    except Exception:  # noqa: BLE001
        site.findings.append(f"{point}: SIGTERM did not end it in 60 s")
        site.server.kill()
    site.deferring = False


def _while_starting(site, point):
    site.deferring = True
    site.send(point, "abe")
    site.server.kill()
    site.deferring = False
    site.plan.arm(point)
    try:
        site.server.start()
    except AssertionError as error:
        if "in vain" in str(error) and not point.lasting:  # it tries again, as it should
            site.findings.append(f"{point}: neither ready nor ended: {str(error)[-1500:]}")


def _promise(site, point, acknowledged):
    """While every sync fails nothing is acknowledged; what had a failed sync is never used again."""
    if point.kind == "receiver" and point.lasting and point.call in ("fdatasync", "pwritev") and acknowledged and point.nth == 1:
        site.findings.append(f"{point}: {acknowledged} acknowledged without a sync")
    if site.plan.reused:
        site.findings.append(f"{point}: a descriptor was used {site.plan.reused} times after its sync had failed")


def _try(site, point):
    """True when the fault was met."""
    acknowledged = 0
    if point.phase == "serve":
        acknowledged = _while_serving(site, point)
    elif point.phase == "stop":
        _while_stopping(site, point)
    else:
        _while_starting(site, point)
    met = site.plan.hits > 0
    site.plan.disarm()
    _promise(site, point, acknowledged)
    died = site.deaths_since(point)
    if site.ended():
        site.again(point)
    well = site.probe(point)
    if died or not well or site.ended():
        site.again(point)
    return met


# --- many

def _work(folder, binary, library, name, points, say):
    from . import fault_server
    site = fault_server.Site(binary, library, folder, name)
    met, spent, slow = 0, {}, []
    begin = said = time.monotonic()
    try:
        for n, point in enumerate(points, 1):
            started = time.monotonic()
            met += _try(site, point)
            spent.setdefault(point.phase, []).append(time.monotonic() - started)
            if spent[point.phase][-1] > SLOW:
                slow.append(f"{point}: {spent[point.phase][-1]:.1f} s")
            if n % A_BATCH == 0 or n == len(points):
                site.balance()
            if say and time.monotonic() - said > 20:
                said = time.monotonic()
                print(f"  {n} of {len(points)} faults ({n / (said - begin) * 60:.0f} a minute), "
                      f"{site.acknowledged} acknowledged", flush=True)
            if len(site.findings) > SHOWN:
                site.findings.append(f"stopped after {n} of {len(points)} faults: too much was found")
                break
    except Exception:  # noqa: BLE001
        site.findings.append(f"at '{point}': {traceback.format_exc()}\n{site.server.log()[-3000:]}")
    site.close()
    return {"points": met, "missed": n - met, "acknowledged": site.acknowledged, "lost": site.lost, "doubled": site.doubled,
            "strays": site.strays, "findings": site.findings, "deaths": site.deaths, "slow": slow,
            "spent": {phase: sum(times) / len(times) for phase, times in spent.items()}, "seconds": time.monotonic() - begin}


# Sinks are threads, and what forks must have none: so each server has a process of its own.
def _worker(pipe, work, args):
    pipe.send(work(*args))
    pipe.close()


def _begin(work, *args):
    ours, theirs = multiprocessing.Pipe(False)
    job = multiprocessing.Process(target=_worker, args=(theirs, work, args))
    job.start()
    theirs.close()
    return job, ours


def _end(begun):
    job, pipe = begun
    try:
        return pipe.recv()
    except EOFError:
        return None
    finally:
        job.join()


def _traced(site, out, point):
    """The same fault by strace(1), to show that the preloaded library does not fool itself; how many calls were made to fail."""
    pid = site.server.pids(point.kind)[0]
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", out, "-e", f"trace={point.call}", "-e",
                               f"inject={point.call}:error={errno.errorcode[point.error]}:when={point.nth}", "-p", str(pid)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while _status(pid).get("TracerPid") != str(tracer.pid) and time.monotonic() < end and tracer.poll() is None:
        time.sleep(0.02)
    site.send(point)
    site.settle(2.0, lambda: True)
    tracer.send_signal(signal.SIGINT)
    tracer.wait(60)
    with open(out, encoding="utf-8", errors="replace") as file:
        met = file.read().count("INJECTED")
    site.deaths_since(point)
    if not site.probe(point) or site.ended():
        site.again(point)
    return met


def _status(pid):
    from harness import process
    return process.status(pid)


def _by_strace(folder, binary, count, seed):
    from . import fault_server
    chance = random.Random(seed)
    site = fault_server.Site(binary, None, os.path.join(folder, "st"), "st")
    met = 0
    try:
        for _ in range(count):
            point = Point(chance.choice(("receiver", "queue")), chance.choice(("fdatasync", "pwritev")), chance.choice(_DISK), chance.randint(1, 5))
            met += _traced(site, os.path.join(folder, "trace"), point) > 0
        site.balance()
    except Exception:  # noqa: BLE001
        site.findings.append(f"strace: {traceback.format_exc()}")
    site.close()
    return met, site.acknowledged, site.lost, site.findings


def _survey_all(folder, binary, library):
    from . import fault_server
    site = fault_server.Site(binary, library, os.path.join(folder, "survey"), "s")
    try:
        counts = {"serve": _survey(site, "serve")}
        site.deferring = True
        site.send("survey", "abe")
        counts["stop"] = _survey(site, "stop")
        counts["start"] = _survey(site, "start")
        site.deferring = False
        site.balance()
    finally:
        site.close()
    return counts, site.findings


def _place():
    """In memory where there is room: what a disk makes of a sync is not what is tried here."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 2 << 30 else None


def run(options):
    library = options.build / "tests/fault/fault.so"
    binary = options.build / "thurn"
    if not library.exists() or not binary.exists():
        raise Unavailable(f"{library if binary.exists() else binary} is not built (scripts/build build)")
    folder = tempfile.mkdtemp(prefix="thurn-fault-", dir=_place())
    os.chmod(folder, 0o755)
    try:
        return _run(options, folder, str(binary), str(library))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(options, folder, binary, library):
    from . import fault_server
    binary = fault_server.copy_for_service(binary, folder)
    library = fault_server.copy_for_service(library, folder)
    result = Result()
    surveyed = _end(_begin(_survey_all, folder, binary, library))
    if surveyed is None or surveyed[1]:
        result.findings.append(f"without any fault: {surveyed[1] if surveyed else 'the survey ended without a word'}")
        return result
    counts = surveyed[0]
    points, total = _chosen(counts, options.rounds, random.Random(options.seed))
    deaths, missed, strays, seconds = {}, 0, 0, 0.0
    jobs = [_begin(_work, os.path.join(folder, f"w{n}"), binary, library, f"w{n}", points[n::2], n == 0) for n in range(2)]
    for got in map(_end, jobs):
        if got is None:
            result.findings.append("a worker ended without a word")
            continue
        result.points += got["points"]
        result.acknowledged += got["acknowledged"]
        result.lost += got["lost"]
        result.doubled += got["doubled"]
        result.findings += got["findings"]
        missed, strays, seconds = missed + got["missed"], strays + got["strays"], max(seconds, got["seconds"])
        result.notes += [f"slow: {line}" for line in got["slow"][:10]]
        result.notes.append("seconds for each fault: " + ", ".join(f"{phase} {mean:.2f}" for phase, mean in sorted(got["spent"].items())))
        for kind, number in got["deaths"].items():
            deaths[kind] = deaths.get(kind, 0) + number
    if shutil.which("strace") and os.geteuid() == 0:
        traced = _end(_begin(_by_strace, folder, binary, max(2, options.rounds // 200), options.seed))
        met, acknowledged, lost, findings = traced or (0, 0, 0, ["the traced server ended without a word"])
        result.points, result.acknowledged, result.lost = result.points + met, result.acknowledged + acknowledged, result.lost + lost
        result.findings += findings
        result.notes.append(f"by strace: {met} faults met, {acknowledged} acknowledged, {lost} lost")
    result.notes.append(f"{len(points)} of {total} faults chosen, {result.points} met ({result.points / max(seconds, 1) * 60:.0f} a minute), {missed} came too late "
                        "in the workload")
    result.notes.append("calls of the workload: " + ", ".join(
        f"{phase} {kind} {sum(n for (k, _), n in numbers.items() if k == kind)}" for phase, numbers in counts.items() for kind in KINDS
        if any(k == kind for k, _ in numbers)))
    result.notes.append("processes that ended and were started again: " + (", ".join(f"{kind} {n}" for kind, n in sorted(deaths.items()))
                                                                           or "none"))
    result.notes.append(f"{strays} mails arrived although their sender was told to try again")
    return result


__all__ = ["ABOUT", "ROUNDS", "run"]
