# SPDX-License-Identifier: ISC
"""What bench/run measures. A measure is a function (server, options) that returns {row: {column: number}}: usually one row, named after the server. It finds the server stopped and leaves it stopped."""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time

import machine
import perf
import servers

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOAD = os.environ.get("BENCH_LOAD", os.path.join(ROOT, "build/bench/bench-load"))
LIMIT_SECONDS = 180
# mode of the server, mails, sessions, mails a connection, bytes a mail (None: --size)
LOADS = {
    "accept": ("hold", 5000, 20, 1, None),
    "accept100": ("hold", 10000, 20, 100, None),
    "relay": ("relay", 5000, 20, 1, None),
    "local": ("local", 5000, 20, 1, None),
    "big": ("hold", 400, 20, 20, 1048576),
    "latency1": ("hold", 500, 1, 500, None),
    "latency50": ("hold", 3000, 50, 60, None),
}
FIELDS_OF_SERVER = 300  # bytes: Return-Path, Delivered-To, Received
WITH_BARE_SINK = {"accept", "accept100"}
# Who is slower is given fewer mails, so that its runs last about as long.
SHARES = {"thurn": 1, "postfix": 0.4, "postfix-tuned": 0.4, "exim": 0.2, "opensmtpd": 0.2}
SHARES_RELAY = {"exim": 0.08, "opensmtpd": 0.02}
LOAD_COLUMNS = [("rate", "%.0f", "mails/s"), ("best", "%.0f", "best"), ("cpu_ms", "%.3f", "CPU ms/mail"), ("p50_ms", "%.2f", "p50 ms"),
                ("p99_ms", "%.2f", "p99 ms"), ("errors", "%.0f", "errors"), ("other", "%.0f%%", "other")]
COLUMNS = {
    "tls": [("rate", "%.0f", "mails/s"), ("cpu_ms", "%.3f", "CPU ms/mail"), ("plain_ms", "%.3f", "plain accept"),
            ("handshake_ms", "%.3f", "bare handshake"), ("of_sum", "%.2f", "of their sum"), ("errors", "%.0f", "errors")],
    "idle": [("rest_kib", "%.0f", "KiB at rest"), ("processes", "%.0f", "processes"), ("greeted", "%.0f", "plain sessions"),
             ("kib_each", "%.1f", "KiB each"), ("tls_greeted", "%.0f", "TLS sessions"), ("tls_kib_each", "%.1f", "KiB each")],
    "sessions": [("greeted", "%.0f", "held"), ("wanted", "%.0f", "asked for")],
    "million": [("count", "%.0f", "deferred"), ("fill_rate", "%.0f", "taken/s"), ("full_mib", "%.0f", "MiB full"),
                ("greeting_s", "%.2f", "start to 220, s"), ("ready_s", "%.2f", "to the queue read, s"), ("started_mib", "%.0f", "MiB started"),
                ("list_s", "%.2f", "listing, s"), ("lines", "%.0f", "lines"), ("summary_s", "%.2f", "summary, s")],
    "syncs": [("hold", "%.2f", "accept"), ("relay", "%.2f", "and relay"), ("local", "%.2f", "and local")],
    "flat-queue": LOAD_COLUMNS[:1] + LOAD_COLUMNS[2:],
    "burst": [("p50_ms", "%.1f", "under way, p50 ms"), ("p99_ms", "%.1f", "p99 ms"), ("errors", "%.0f", "errors")],
}
PROFILES = {"profile-" + name: name for name in ("accept", "accept100", "relay", "local", "big", "latency1")}
PROFILE_TIMES = 8  # as many mails as the measure has: perf takes a few thousand samples a second
COLUMNS.update({name: perf.COLUMNS for name in PROFILES})
COLUMNS["flat-sessions"] = COLUMNS["flat-destinations"] = COLUMNS["flat-queue"]


def load(task, *words):
    return subprocess.Popen([LOAD, task, "-T", str(LIMIT_SECONDS)] + [str(word) for word in words],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def result(process, seconds=LIMIT_SECONDS + 30):
    out, _ = process.communicate(timeout=seconds)
    if process.returncode != 0:
        raise RuntimeError("bench-load failed")
    return json.loads(out.splitlines()[-1])


def send(server, count, sessions, per_connection, size, *more):
    return load("send", "-p", server.port, "-n", count, "-c", sessions, "-k", per_connection, "-s", size, *more)


def timed(server, count, words, far_end=None):
    """One load, and what it cost: until the far end, if there is one, has seen all of it."""
    cpu, busy, begun = server.group.seconds(), machine.busy_seconds(), time.monotonic()
    sent = result(send(server, count, *words))
    far = result(far_end) if far_end else {"cpu": 0, "end": sent["end"], "taken": sent["taken"]}
    cpu, busy, wall = server.group.seconds() - cpu, machine.busy_seconds() - busy, time.monotonic() - begun
    done = far.get("taken", far.get("files"))
    if done < count / 2:
        raise RuntimeError("%d of %d mails" % (done, count))
    rate = done / (far["end"] - sent["start"])
    return {"rate": rate, "best": rate, "cpu_ms": cpu * 1e3 / done, "p50_ms": sent["p50_ms"], "p99_ms": sent["p99_ms"],
            "errors": sent["errors"] + max(0, count - done),
            "other": max(0, busy - cpu - sent["cpu"] - far["cpu"]) / wall / os.cpu_count() * 100}


def sink(port, count, *more):
    process = load("sink", "-p", port, "-n", count, *more)
    process.stdout.readline()
    return process


def bare(count, words, whose):
    """What the machine allows: the generator into a sink that answers and does nothing else. CPU is that of one of the two."""
    port = servers.free_port()
    far_end = sink(port, count)
    busy, begun = machine.busy_seconds(), time.monotonic()
    sent = result(load("send", "-p", port, "-n", count, *words))
    far = result(far_end)
    busy, wall = machine.busy_seconds() - busy, time.monotonic() - begun
    rate = far["taken"] / (far["end"] - sent["start"])
    cpu = {"sink": far, "client": sent}[whose]["cpu"]
    return {"rate": rate, "best": rate, "cpu_ms": cpu * 1e3 / far["taken"], "p50_ms": sent["p50_ms"], "p99_ms": sent["p99_ms"],
            "errors": sent["errors"] + count - far["taken"],
            "other": max(0, busy - sent["cpu"] - far["cpu"]) / wall / os.cpu_count() * 100}


def bare_local(count, words, folder):
    """The same for a Maildir: the generator into that sink, while another process makes as many files, with room for the fields that a server adds, and does nothing else. CPU is that of sink and files."""
    os.mkdir(folder)
    port = servers.free_port()
    far_end = sink(port, count)
    busy, begun = machine.busy_seconds(), time.monotonic()
    maildir = load("maildir", "-d", folder, "-n", count, "-s", words[words.index("-s") + 1] + FIELDS_OF_SERVER)
    sent = result(load("send", "-p", port, "-n", count, *words))
    far, files = result(far_end), result(maildir)
    busy, wall = machine.busy_seconds() - busy, time.monotonic() - begun
    rate = min(far["taken"], files["files"]) / (max(far["end"], files["end"]) - sent["start"])
    return {"rate": rate, "best": rate, "cpu_ms": (far["cpu"] + files["cpu"]) * 1e3 / count, "p50_ms": sent["p50_ms"], "p99_ms": sent["p99_ms"],
            "errors": sent["errors"] + count - far["taken"],
            "other": max(0, busy - sent["cpu"] - far["cpu"] - files["cpu"]) / wall / os.cpu_count() * 100}


def begin_load(name, server, options):
    """The server runs, and so does the far end. How many mails, the generator's words, and the far end."""
    mode, count, sessions, per_connection, size = LOADS[name]
    share = SHARES[server.name]
    if mode == "relay":
        share = SHARES_RELAY.get(server.name, share)
    count = options.count or max(int(count * share), sessions)
    sessions, size = options.sessions or sessions, size or options.size
    port = servers.free_port()
    server.start(mode, port)
    if mode == "hold":  # so that processes and files that are made once are made before the clock runs
        result(send(server, min(100, count), sessions, per_connection, size))
    machine.wait_until_quiet(options.quiet)
    far_end = None
    if mode == "relay":
        far_end = sink(port, count)
    elif mode == "local":
        far_end = load("files", "-d", server.maildir, "-n", count)
    return count, ("-c", sessions, "-k", per_connection, "-s", size), far_end


def measure_load(name, server, options):
    count, words, far_end = begin_load(name, server, options)
    rows = {server.name: timed(server, count, words[1::2], far_end)}
    if name in WITH_BARE_SINK and server.name == "thurn":
        rows["bare sink"] = bare(count, words, "sink")
    if name == "local" and server.name == "thurn":
        rows["bare sink and files"] = bare_local(count, words, os.path.join(server.folder, "bare"))
    return rows


def measure_profile(name, server, options):
    own = argparse.Namespace(**{**vars(options), "count": options.count or LOADS[PROFILES[name]][1] * PROFILE_TIMES})
    recorder = perf.Profile(os.path.dirname(server.folder))
    count, words, far_end = begin_load(PROFILES[name], server, own)
    with recorder:
        timed(server, count, words[1::2], far_end)
    return recorder.rows(set(server.group.pids()), os.path.basename(LOAD)[:15])


def measure_tls(server, options):
    """On one server, one after the other: a handshake without a server, plain mails, mails under TLS."""
    count = options.count or int(3000 * SHARES[server.name])
    server.start("tls", servers.free_port())
    result(send(server, 100, 20, 1, options.size))
    result(send(server, 20, 20, 1, options.size, "-S"))
    machine.wait_until_quiet(options.quiet)
    handshake = result(load("handshake", "-n", 1000, "-d", server.tls))["server_cpu_ms"]
    plain = timed(server, count, (20, 1, options.size))
    row = timed(server, count, (20, 1, options.size, "-S"))
    row.update(plain_ms=plain["cpu_ms"], handshake_ms=handshake, of_sum=row["cpu_ms"] / (plain["cpu_ms"] + handshake))
    return {server.name: row}


def held(server, count, *more):
    """How many of so many sessions are greeted, and the KiB that each costs."""
    server.group.memory_kib()
    time.sleep(1)
    rest, processes = server.group.memory_kib()
    holder = load("idle", "-p", server.port, "-n", count, *more)
    greeted = json.loads(holder.stdout.readline())["greeted"]
    time.sleep(1)
    full, _ = server.group.memory_kib()
    holder.communicate(timeout=60)
    return {"rest_kib": rest, "processes": processes, "greeted": greeted, "kib_each": (full - rest) / greeted if greeted else float("nan")}


def measure_idle(server, options):
    count = options.count or {"thurn": 2000, "opensmtpd": 1000, "exim": 200}.get(server.name, 90)
    rows = []
    for more in ((), ("-S",)):  # a server each: what plain sessions left behind would serve the others
        server.start("tls", servers.free_port())
        result(send(server, 20, 2, 1, options.size))
        rows.append(held(server, count, *more))
        server.stop()
    row, tls = rows
    row.update(tls_greeted=tls["greeted"], tls_kib_each=tls["kib_each"])
    return {server.name: row}


def measure_sessions(server, options):
    wanted = options.count or {"thurn": 12000, "opensmtpd": 9000, "exim": 100}.get(server.name, 200)
    server.default_limits = True
    try:
        server.start("hold", servers.free_port())
    finally:
        server.default_limits = False
    return {server.name: {"wanted": wanted, "greeted": held(server, wanted, "-a")["greeted"]}}


def seconds_of(command):
    with tempfile.TemporaryFile() as out:
        begun = time.monotonic()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, timeout=LIMIT_SECONDS, check=False)
        taken = time.monotonic() - begun
        out.seek(0)
        return taken, sum(1 for _ in out)


def look_at_queue(server):
    row = {"greeting_s": server.start_again()}
    row["ready_s"] = row["summary_s"] = float("nan")
    if server.name == "thurn":
        begun = time.monotonic()
        server.wait_for_queue()
        row["ready_s"] = row["greeting_s"] + time.monotonic() - begun
        row["summary_s"], _ = seconds_of([word for word in server.list_command() if word != "list"])
    else:
        time.sleep(5)
    row["started_mib"] = server.group.memory_kib()[0] / 1024
    row["list_s"], row["lines"] = seconds_of(server.list_command())
    if row["lines"] == 0:
        row["list_s"] = float("nan")  # it has no listing, or gives none
    server.stop()
    return row


def measure_million(server, options):
    """The queue is filled once and started again for each round; the median of those is taken here."""
    count = options.deferred if server.name == "thurn" else options.deferred_peers
    port = servers.free_port()
    server.start("defer", port)
    rows, taken, begun = {}, 0, time.monotonic()
    if server.name == "thurn":
        rows["empty"] = onward(server, port, options)
    while taken < count and time.monotonic() - begun < options.fill_seconds:
        taken += result(send(server, min(50000, count - taken), 20, 1000, 1024))["taken"]
    fill_rate = taken / (time.monotonic() - begun)
    full = server.group.memory_kib()[0] / 1024
    if server.name == "thurn":
        rows["%d deferred" % taken] = onward(server, port, options)
    server.stop()
    looks = [look_at_queue(server) for _ in range(options.rounds)]
    row = {key: sorted(look[key] for look in looks)[len(looks) // 2] for key in looks[0]}
    row.update(count=taken, fill_rate=fill_rate, full_mib=full)
    return {server.name: row, **{"flat-queue/" + name: more for name, more in rows.items()}}


def onward(server, port, options):
    """Mail that finds its host, beside whatever waits."""
    count = options.count or 10000
    result(send(server, 200, 20, 10, options.size))
    machine.wait_until_quiet(options.quiet)
    return timed(server, count, (20, 10, options.size, "-t", "user@onward.test"), sink(port, count))


def measure_flat_sessions(server, options):
    rows = {}
    server.start("hold", servers.free_port())
    result(send(server, 200, 20, 10, options.size))
    for sessions, count in ((1, 3000), (20, 20000), (1000, 20000), (5000, 50000)):
        machine.wait_until_quiet(options.quiet)
        rows["%d sessions" % sessions] = timed(server, count, (sessions, 10, options.size))
    return rows


def measure_flat_destinations(server, options):
    """Each destination is an address of 127.0.0.0/8, where the sink takes one mail a connection: so that a mail costs a connection, however many destinations there are. Beside each, what it costs a
    client that does nothing but send: 20 connections at once, to as many addresses."""
    rows = {}
    for number in (1, 100, 10000):
        port = servers.free_port()
        server.more_domains = {"d%d.test" % i: "smtp:127.2.%d.%d:%d" % (i // 250, i % 250 + 1, port) for i in range(number)}
        count = options.count or 10000
        try:
            server.start("relay", port)
            far_end = sink(port, count, "-M", 1)
            rows["%d destinations" % number] = timed(server, count, (20, 10, options.size, "-D", number), far_end)
        finally:
            server.more_domains = {}
            server.stop()
        words = ("-c", 20, "-k", 1, "-s", options.size, "-A", number)
        rows["bare client, %d addresses" % number] = bare(count, words, "client")
    return rows


def measure_burst(server, options):
    """Mails for a host that answers, alone and behind so many for one that takes a second for each."""
    rows, count = {}, options.count or 2000
    slow, fast = servers.free_port(), servers.free_port()
    server.more_domains = {"d0.test": "smtp:127.0.0.1:%d" % slow}
    try:
        server.start("relay", fast)
        tar_pit = sink(slow, 10000000, "-w", 1000)
        for name, burst in (("alone", 0), ("behind %d" % options.burst, options.burst)):
            if burst:
                result(send(server, burst, 20, 1000, 1024, "-D", 1))
            machine.wait_until_quiet(options.quiet)
            far_end = sink(fast, count, "-m")
            sent = result(send(server, count, 4, 50, 1024, "-m"))
            far = result(far_end)
            rows[name] = {"p50_ms": far["age_p50_ms"], "p99_ms": far["age_p99_ms"], "errors": sent["errors"] + count - far["taken"]}
        tar_pit.kill()
        tar_pit.wait()
    finally:
        server.more_domains = {}
    return rows


SYNC_CALLS = "fsync,fdatasync,syncfs,sync,sync_file_range,msync"


def measure_syncs(server, options):
    """Calls that wait for the disk, of all the server's processes, in 100 mails on 4 sessions."""
    row = {}
    out = os.path.join(os.path.dirname(server.folder), "strace.out")
    for mode in ("hold", "relay", "local"):
        port = servers.free_port()
        server.start(mode, port)
        result(send(server, 4, 2, 1, options.size))
        far_end = sink(port, 104) if mode == "relay" else None
        watch = [word for pid in server.group.pids() for word in ("-p", str(pid))]
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-c", "-e", "trace=" + SYNC_CALLS, "-o", out] + watch,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2)
        result(send(server, 100, 4, 1, options.size))
        if far_end:
            end = time.monotonic() + 20
            while far_end.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
            far_end.kill()
            far_end.wait()
        time.sleep(3)
        tracer.send_signal(2)
        tracer.wait(20)
        with open(out, encoding="ascii", errors="replace") as file:
            calls = [re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s.*?(\w+)$", line) for line in file]
        row[mode] = sum(int(call[1]) for call in calls if call and call[2] != "total") / 100
        server.stop()
    return {server.name: row}


MEASURES = {name: (lambda server, options, name=name: measure_load(name, server, options)) for name in LOADS}
MEASURES.update({name: (lambda server, options, name=name: measure_profile(name, server, options)) for name in PROFILES})
MEASURES.update({"tls": measure_tls, "idle": measure_idle, "sessions": measure_sessions, "syncs": measure_syncs,
                 "million": measure_million, "flat-sessions": measure_flat_sessions,
                 "flat-destinations": measure_flat_destinations, "burst": measure_burst})
ONCE = {"sessions", "syncs", "million", "flat-sessions", "flat-destinations", "burst"}  # not in rounds
ONLY_THURN = {*PROFILES, "flat-sessions", "flat-destinations", "burst"}
NOT_OF_ALL = set(PROFILES)  # perf disturbs what it looks at
NAMES = {"profile": list(PROFILES), "latency": ["latency1", "latency50"], "flat": ["flat-sessions", "flat-destinations", "burst"]}
