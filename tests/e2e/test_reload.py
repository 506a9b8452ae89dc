# SPDX-License-Identifier: ISC
"""A new configuration takes over without a dropped session; a bad one changes nothing."""

import threading

import pytest

from harness import mailbox, process, wait
from harness.dialogue import Closed


def knows(thurn, address):
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        return talk.cmd(f"RCPT TO:<{address}>").code == 250


@pytest.mark.parametrize("how", ["SIGHUP", "command"])
def test_reload_keeps_session(serve, how):
    thurn = serve()
    old = thurn.dial()
    old.ehlo()
    old.cmd("MAIL FROM:<x@example.com>", 250)
    old.cmd("RCPT TO:<alice@example.org>", 250)
    old.cmd("DATA", 354)
    old.send("Subject: across the reload\r\n\r\nbegun ")
    thurn.change({"domain": {"example.org": {"users": ["alice", "carol"]}}})
    if how == "SIGHUP":
        thurn.reload()
    else:
        thurn.command("reload")
    wait.until(lambda: knows(thurn, "carol@example.org"), thurn.log)
    assert not knows(thurn, "bob@example.org")
    old.send("and ended\r\n.\r\n")
    old.read(250)
    old.mail("x@example.com", "bob@example.org", body=b"Subject: the old rules hold here\r\n\r\nyes\r\n")
    old.quit()
    [raw] = thurn.landed("alice")
    assert mailbox.unix(raw).endswith(b"\n\nbegun and ended\n")
    thurn.landed("bob")
    thurn.queue_empty()


def test_no_connection_is_lost_while_reloading(serve):
    thurn = serve({"limits": {"connections_per_minute": 0}})
    failures, sent, stop = [], [], threading.Event()

    def load():
        while not stop.is_set() and len(sent) < 2000:
            try:
                with thurn.dial() as talk:
                    talk.ehlo()
                    talk.mail("x@example.com", "alice@example.org", body=b"Subject: n\r\n\r\n%d\r\n" % len(sent))
                    talk.quit()
                    sent.append(1)
            except Exception as error:
                failures.append(error)

    loader = threading.Thread(target=load)
    loader.start()
    for number in range(4):
        thurn.change({"domain": {"example.org": {"users": ["alice", f"user{number}"]}}})
        thurn.reload()
        wait.until(lambda n=number: knows(thurn, f"user{n}@example.org"), thurn.log)
    stop.set()
    loader.join(60)
    assert not failures, failures[0]
    assert len(thurn.landed("alice", len(sent))) == len(sent) > 0
    thurn.queue_empty()


BAD = {
    "unknown key": ('alises = "/etc/aliases"\n', r'thurn\.toml:\d+:\d+: error: unknown key "alises"'),
    "not TOML": ("users = [\n", r"thurn\.toml:\d+:\d+: error: "),
    "wrong type": ('catch_all = 7\n', r"thurn\.toml:\d+:\d+: error: .*catch_all"),
}


@pytest.mark.parametrize("fault", BAD)
def test_bad_reload_changes_nothing(serve, fault):
    thurn = serve()
    before = {kind: thurn.pids(kind) for kind in process.KINDS}
    with open(thurn.path) as file:
        good = file.read()
    line, pattern = BAD[fault]
    head, table, rest = good.partition('[domain."example.org"]\n')
    assert table
    thurn.write(head + table + line + rest)
    done = thurn.command("reload", expect=78)
    assert "error:" in done.stderr
    thurn.reload()
    thurn.logged(pattern)
    assert knows(thurn, "alice@example.org") and knows(thurn, "bob@example.org")
    assert {kind: thurn.pids(kind) for kind in process.KINDS} == before
    thurn.write(good.replace('"bob"', '"carol"'))
    thurn.reload()
    wait.until(lambda: knows(thurn, "carol@example.org"), thurn.log)


def test_broken_alias_file_keeps_the_old_one(serve):
    thurn = serve({"domain": {"example.org": {"aliases": "{dir}/aliases"}}}, start=False)
    thurn.file("aliases", "sales: alice\n")
    thurn.start()
    assert knows(thurn, "sales@example.org")
    thurn.file("aliases", "sales: alice\nthis line has no colon\n")
    thurn.reload()
    thurn.logged(r"aliases:2\b")
    assert knows(thurn, "sales@example.org")


def test_a_listener_comes_and_goes(serve):
    thurn = serve()
    with thurn.dial() as kept:
        thurn.change({"listen": {"mx": [thurn.tree["listen"]["mx"][0], "127.0.0.1:0"]}})
        thurn.reload()
        wait.until(lambda: _greets(thurn, 1), thurn.log)
        thurn.change({"listen": {"mx": thurn.tree["listen"]["mx"][:1]}})
        thurn.reload()
        wait.until(lambda: not _greets(thurn, 1), thurn.log)
        kept.cmd("NOOP", 250)
    assert _greets(thurn, 0)


def _greets(thurn, number):
    try:
        with thurn.dial("mx", number) as talk:
            return talk.greeting.code == 220
    except (OSError, Closed):
        return False


def test_reload_says_what_changed(serve):
    thurn = serve()
    thurn.change({"relay": {"network": {"10.1.2.0/24": {"senders": ["@example.org"]}}}})
    done = thurn.command("reload")
    wait.until(lambda: "NEW: 10.1.2.0/24 may relay" in done.stdout + done.stderr + thurn.log(), thurn.log)
