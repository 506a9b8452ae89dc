# SPDX-License-Identifier: ISC
"""A new configuration takes over without a dropped session; a bad one changes nothing."""

import os
import re
import shutil
import ssl
import threading

import pytest

from harness import account, certs, mailbox, process, wait
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


def test_o14_reload_tells_whom_it_concerns(serve):
    thurn = serve({"limits": {"connections_per_minute": 0}, "domain": {"old.example": {"deliver": "discard:", "users": ["x"]}}})
    thurn.change({"domain": {"example.org": {"users": ["alice", "carol"]}, "old.example": None, "new.example": {"deliver": "discard:", "users": ["y"]}},
                  "limits": {"recipients": 7}, "listen": {"mx": [thurn.tree["listen"]["mx"][0], "127.0.0.1:0"]}})
    wanted = {"GONE: user bob@example.org", "NEW: user carol@example.org", "CHANGED: limit recipients: 7 (was: 1000)",
              f"NEW: mx listens on 127.0.0.1:{thurn.port('mx', 1)}: no TLS"}
    beginnings = ("GONE: domain old.example", "NEW: domain new.example")
    dry = thurn.command("reload", "--dry-run").stdout.splitlines()
    assert dry[-1] == "not reloaded: this was a dry run"
    assert knows(thurn, "bob@example.org") and not knows(thurn, "carol@example.org")
    done = thurn.command("reload").stdout.splitlines()
    assert done[-1] == "reloaded" and done[:-1] == dry[:-1]
    assert wanted <= set(done) and all(any(line.startswith(b) for line in done) for b in beginnings), done
    for line in done[:-1]:
        assert line in thurn.log(), line
    assert not knows(thurn, "bob@example.org") and knows(thurn, "carol@example.org")
    assert thurn.command("reload", "--dry-run").stdout == "nothing would change\n"
    thurn.write("hostname = 7\n")
    with open(thurn.path, "a") as file:
        file.write(f'state_dir = "{thurn.state}"\n')
    done = thurn.command("reload", "--dry-run", expect=78)
    assert "error: " in done.stderr and knows(thurn, "carol@example.org")


def served_by(thurn, context):
    """The serial number of the certificate that the server shows."""
    with thurn.dial() as talk:
        talk.ehlo()
        talk.starttls(context)
        return talk.sock.getpeercert()["serialNumber"]


def install(pair, to):
    for source, target in zip(pair, to):
        beside = target + ".new"
        shutil.copy(source, beside)
        account.give(beside)
        os.replace(beside, target)


def test_o10_a_new_certificate_is_picked_up(serve, top, work):
    """With a session that goes on over it; a broken pair changes nothing, and is told of once."""
    first, second, other = (certs.Authority(os.path.join(work, name)) for name in ("first", "second", "third"))
    context = ssl.create_default_context(cafile=first.cert)
    context.load_verify_locations(second.cert)
    pairs = [a.issue("mail.example.org") for a in (first, second, other)]
    files = [os.path.join(work, "cert.pem"), os.path.join(work, "key.pem")]
    install(pairs[0], files)
    thurn = serve({"tls": {"cert": files[0], "key": files[1]}, "limits": {"connections_per_minute": 0}})
    before = served_by(thurn, context)
    with thurn.dial() as kept:
        kept.ehlo()
        kept.starttls(context)
        kept.ehlo()
        kept.cmd("MAIL FROM:<x@example.com>", 250)
        with open(thurn.path, "a") as file:  # what nobody asked to be read is not read
            file.write("this is no configuration\n")
        install(pairs[1], files)
        thurn.logged(rf"CHANGED: certificate of mail\.example\.org: {re.escape(files[0])} is another, valid until \d{{4}}-\d\d-\d\d \d\d:\d\d UTC")
        wait.until(lambda: served_by(thurn, context) != before, thurn.log)
        after = served_by(thurn, context)
        kept.cmd("RCPT TO:<alice@example.org>", 250)
        kept.data(b"Subject: across the renewal\r\n\r\nyes\r\n")
        kept.quit()
    install([pairs[2][0], pairs[1][1]], files)  # a certificate that its key does not match
    thurn.logged(r"reload failed: nothing has changed")
    assert served_by(thurn, context) == after
    install(pairs[0], files)
    wait.until(lambda: served_by(thurn, context) == before, thurn.log)
    assert thurn.log().count("reload failed") == 1, thurn.log()
    thurn.landed("alice")
