# SPDX-License-Identifier: ISC
"""Into mailboxes: aliases, lists, catch-all, every way of delivery, system users."""

import os
import pwd
import re
import shutil
import stat

import pytest

from harness import account, mailbox, process, wait

BODY = b"From: x@example.com\r\nSubject: hello\r\n\r\nfirst line\r\n.dot\r\nFrom here on\r\n\r\nlast line\r\n"
TEXT = BODY.replace(b"\r\n", b"\n")


def send(thurn, *recipients, sender="x@example.com", body=BODY):
    with thurn.dial() as talk:
        talk.ehlo()
        return talk.mail(sender, *recipients, body=body)


ALIASES = """\
# the office
sales:    alice,
          bob
boss:     alice
chief:    boss
away:     carol@example.net
both:     bob, carol@example.net
crew:     :include:{folder}/crew
Support:  bob
"""


def test_alias_list_catchall(serve, make_sink):
    sink = make_sink()
    thurn = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}, "limits": {"expn": "any", "vrfy": "any"},
                   "domain": {"example.org": {"aliases": "{dir}/aliases", "users": ["alice", "bob", "rest"],
                                              "catch_all": "rest", "subaddress": "+"},
                              "alias.example": {"same_as": "example.org"}},
                   "address": {"ticket@example.org": {"deliver": "maildir:{dir}/mail/tickets"}},
                   "list": {"team@example.org": {"members": ["alice@example.org", "carol@example.net"], "post": "any"},
                            "file@example.org": {"members": "{dir}/members", "post": "any"}}}, start=False)
    thurn.file("aliases", ALIASES.replace("{folder}", thurn.folder))
    thurn.file("crew", "alice\nbob\n")
    thurn.file("members", "# people\nbob@example.org\n\nAlice <alice@example.org>\n")
    thurn.start()
    send(thurn, "sales@example.org")
    send(thurn, "CHIEF@example.org")
    send(thurn, "alice@example.org", "boss@example.org", "sales@example.org")
    assert len(thurn.landed("alice", 3)) == 3 and len(thurn.landed("bob", 2)) == 2
    send(thurn, "away@example.org")
    send(thurn, "both@example.org")
    wait.until(lambda: sink.recipients() == ["carol@example.net"] * 2, thurn.log)
    thurn.landed("bob", 3)
    send(thurn, "crew@example.org", "support@example.org")
    thurn.landed("bob", 4)
    send(thurn, "alice+lists@example.org")
    raw = thurn.landed("alice", 5)[-1]
    assert mailbox.parsed(raw)["Delivered-To"].startswith("alice")
    send(thurn, "bob@alias.example")
    thurn.landed("bob", 5)
    send(thurn, "whoever@example.org")
    assert len(thurn.landed("rest")) == 1
    send(thurn, "ticket@example.org")
    wait.until(lambda: mailbox.maildir(os.path.join(thurn.folder, "mail", "tickets")), thurn.log)
    with thurn.dial() as talk:
        talk.ehlo()
        assert {line.split("<")[1] for line in talk.cmd("EXPN team", 250).lines} == {"alice@example.org>", "carol@example.net>"}
        assert len(talk.cmd("EXPN file@example.org", 250).lines) == 2
        assert "alice@example.org" in talk.cmd("EXPN sales", 250).text
    assert mailbox.unix(thurn.landed("rest")[0]).endswith(TEXT)
    thurn.queue_empty()


def test_alias_that_goes_round(serve):
    thurn = serve({"domain": {"example.org": {"aliases": "{dir}/aliases"}}}, start=False)
    thurn.file("aliases", "round: about\nabout: round\n")
    thurn.start()
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        assert talk.cmd("RCPT TO:<round@example.org>").code in (450, 451, 550, 554)


POSTERS = [
    # post, sender, code at RCPT
    ("members", "alice@example.org", 250), ("members", "carol@example.com", 250), ("members", "x@example.com", 550),
    ("any", "x@example.com", 250),
    (["boss@example.net", "bob@example.org"], "boss@example.net", 250), (["boss@example.net"], "alice@example.org", 550),
    ("authenticated", "alice@example.org", 550),
]


def test_list_poster_policy(serve, make_sink):
    sink = make_sink()
    lists = {f"l{n}@example.org": {"members": ["alice@example.org", "bob@example.org", "carol@example.com"], "post": post}
             for n, (post, _, _) in enumerate(POSTERS)}
    thurn = serve({"list": lists, "route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}})
    expected = 0
    for number, (_, sender, code) in enumerate(POSTERS):
        with thurn.dial() as talk:
            talk.ehlo()
            talk.cmd(f"MAIL FROM:<{sender}>", 250)
            reply = talk.cmd(f"RCPT TO:<l{number}@example.org>", code)
            if code == 250:
                talk.data(BODY)
                expected += 1
            else:
                assert reply.enhanced in ("5.7.1", "5.7.2")
    raws = thurn.landed("bob", expected)
    wait.until(lambda: len(sink.messages) == expected, thurn.log)
    assert {m.sender for m in sink.messages} <= {f"l{n}-owner@example.org" for n in range(len(POSTERS))}
    for raw in raws:
        mail = mailbox.parsed(raw)
        assert re.search(r"<l\d\.example\.org>", mail["List-Id"])
        assert re.fullmatch(r"<l\d-owner@example\.org>", mail["Return-Path"])
        assert mail["From"] == "x@example.com" and mail["Subject"] == "hello"
        assert mailbox.unix(raw).endswith(TEXT.partition(b"\n\n")[2])
    send(thurn, "l0-owner@example.org")
    thurn.queue_empty()
    assert len(mailbox.maildir(thurn.maildir("bob"))) == expected, "the owner's mail is not the list's"


def test_list_does_not_loop(serve):
    thurn = serve({"list": {"team@example.org": {"members": ["alice@example.org"], "post": "any"}}})
    looped = [b"List-Id: <team.example.org>\r\n" + BODY, b"Auto-Submitted: auto-replied\r\n" + BODY]
    for sender, body in [("", BODY)] + [("x@example.com", body) for body in looped]:
        with thurn.dial() as talk:
            talk.ehlo()
            talk.cmd(f"MAIL FROM:<{sender}>", 250)
            if talk.cmd("RCPT TO:<team@example.org>").code == 250:
                talk.data(body, (250, 550, 554))
    send(thurn, "team@example.org", body=BODY.replace(b"hello", b"the good one"))
    wait.until(lambda: any(b"the good one" in raw for raw in mailbox.maildir(thurn.maildir("alice"))), thurn.log)
    thurn.queue_empty()
    raws = mailbox.maildir(thurn.maildir("alice"))
    members = [raw for raw in raws if b"Return-Path: <team-owner@example.org>" in raw]
    assert len(members) == 1 and b"the good one" in members[0]


PIPE = """#!/bin/sh
cat > {folder}/mail/piped.$$
env > {folder}/mail/piped-env
id -u > {folder}/mail/piped-uid
ls /proc/self/fd | wc -l > {folder}/mail/piped-fds
echo done > {folder}/mail/piped-done
"""


@pytest.mark.parametrize("root", [False, True])
def test_maildir_mbox_lmtp_pipe(serve, make_sink, root):
    if root and not account.is_root():
        pytest.skip("this needs root")
    lmtp = make_sink(lmtp=True)
    thurn = serve({"domain": {
        "mbox.example": {"deliver": "mbox:{dir}/mail/{user}.mbox", "users": ["alice"]},
        "lmtp.example": {"deliver": f"lmtp:127.0.0.1:{lmtp.port}", "users": ["alice", "bob"]},
        "pipe.example": {"deliver": "pipe:{dir}/pipe.sh", "users": ["alice"]},
        "discard.example": {"deliver": "discard:", "users": ["alice"]},
        "hold.example": {"deliver": "hold:", "users": ["alice"]}}}, root=root, start=False)
    thurn.file("pipe.sh", PIPE.replace("{folder}", thurn.folder), 0o755)
    thurn.env["SECRET_OF_THE_CALLER"] = "1"
    thurn.start()
    ident = send(thurn, "alice@example.org", "alice@mbox.example", "alice@lmtp.example", "bob@lmtp.example",
                 "alice@pipe.example", "alice@discard.example", "alice@hold.example")

    [raw] = thurn.landed("alice")
    assert raw.endswith(TEXT) and b"\r" not in raw
    assert raw.startswith(b"Return-Path: <x@example.com>\nDelivered-To: alice@example.org\n")
    [path] = mailbox.files(thurn.maildir("alice"))
    assert re.fullmatch(r"\d+\.M\d+P\d+\w*\.[^,/]+,S=%d" % len(raw), os.path.basename(path))
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o077 == 0
    assert os.stat(path).st_uid == account.service().pw_uid
    assert not os.listdir(os.path.join(thurn.maildir("alice"), "tmp"))

    mbox = os.path.join(thurn.folder, "mail", "alice.mbox")
    raw = wait.until(lambda: os.path.exists(mbox) and open(mbox, "rb").read(), thurn.log)
    assert re.match(rb"From x@example\.com (Mon|Tue|Wed|Thu|Fri|Sat|Sun) ", raw)
    assert b"\n>From here on\n" in raw and raw.endswith(b"last line\n\n") and b"\r" not in raw
    send(thurn, "alice@mbox.example", sender="")
    wait.until(lambda: open(mbox, "rb").read().count(b"\n\nFrom MAILER-DAEMON ") == 1, thurn.log)

    wait.until(lambda: lmtp.messages, thurn.log)
    assert sorted(lmtp.recipients()) == ["alice@lmtp.example", "bob@lmtp.example"]
    assert lmtp.sessions[0].commands[0] == "LHLO mail.example.org"
    assert lmtp.messages[0].data.endswith(BODY)

    done = os.path.join(thurn.folder, "mail", "piped-done")
    wait.until(lambda: os.path.exists(done), thurn.log)
    [piped] = [n for n in os.listdir(os.path.join(thurn.folder, "mail")) if re.fullmatch(r"piped\.\d+", n)]
    raw = open(os.path.join(thurn.folder, "mail", piped), "rb").read()
    assert raw.endswith(TEXT) and b"Delivered-To: alice@pipe.example\n" in raw
    assert "SECRET_OF_THE_CALLER" not in open(os.path.join(thurn.folder, "mail", "piped-env")).read()
    assert int(open(os.path.join(thurn.folder, "mail", "piped-uid")).read()) == account.service().pw_uid
    assert int(open(os.path.join(thurn.folder, "mail", "piped-fds")).read()) <= 4, "no descriptor of ours leaks in"

    wait.until(lambda: [(m["id"], m["to"]) for m in thurn.queue()] == [(ident, ["alice@hold.example"])],
               lambda: f"only what is held in the queue: {thurn.queue()}")


def test_lmtp_without_a_server_says_so(serve, work):
    """The log, `thurn queue` and `thurn queue show` name the socket and that it is not there."""
    place = f"{work}/none.sock"
    thurn = serve({"queue": {"retry": ["1h"]}, "domain": {"lmtp.example": {"deliver": f"lmtp:unix:{place}", "users": ["alice"]}}})
    ident = send(thurn, "alice@lmtp.example", sender="alice@example.org")
    thurn.logged(rf"{ident}: to=<alice@lmtp.example>, relay=unix:{place}, .*status=deferred \(451 4.4.1 There is no such socket\)")
    wait.until(lambda: "There is no such socket" in thurn.command("queue", "show", ident).stdout, thurn.log)


def test_lmtp_answers_each_recipient(serve, make_sink):
    replies = {"alice@lmtp.example": "250 2.0.0 Ok", "bob@lmtp.example": "552 5.2.2 full", "carl@lmtp.example": "452 4.2.2 full"}
    lmtp = make_sink(lmtp=True, end=lambda s, a: replies[a])
    thurn = serve({"domain": {"lmtp.example": {"deliver": f"lmtp:127.0.0.1:{lmtp.port}", "users": ["alice", "bob", "carl"]}}})
    send(thurn, *replies, sender="alice@example.org")
    [raw] = thurn.landed("alice")
    _, [one] = mailbox.delivery_status(raw)
    assert one["Final-Recipient"].endswith("bob@lmtp.example") and one["Status"] == "5.2.2"
    replies["carl@lmtp.example"] = "250 2.0.0 Ok"
    thurn.queue_empty()
    assert len([c for s in lmtp.sessions for c in s.commands if "alice@lmtp" in c and c.startswith("RCPT")]) == 1


def test_lmtp_over_unix_socket(serve, make_sink, work):
    path = os.path.join(work, "lmtp.sock")
    lmtp = make_sink(lmtp=True, unix=path)
    os.chmod(path, 0o777)
    thurn = serve({"domain": {"lmtp.example": {"deliver": f"lmtp:unix:{path}", "users": ["alice"]}}})
    send(thurn, "alice@lmtp.example")
    wait.until(lambda: lmtp.recipients() == ["alice@lmtp.example"], thurn.log)


EXITS = [("exit 75", "deferred"), ("exit 67", "bounced"), ("exit 1", None), ("kill -9 $$", "deferred")]


@pytest.mark.parametrize("end, outcome", EXITS)
def test_pipe_exit_codes(serve, end, outcome):
    thurn = serve({"domain": {"pipe.example": {"deliver": "pipe:{dir}/pipe.sh", "users": ["alice"]}}}, start=False)
    thurn.file("pipe.sh", f"#!/bin/sh\necho sorry about that\n{end}\n", 0o755)
    thurn.start()
    ident = send(thurn, "alice@pipe.example", sender="alice@example.org")
    found = thurn.logged(rf"{ident}: to=<alice@pipe\.example>.* status=(\w+)")
    assert outcome in (None, found.group(1)), found.group(0)
    if outcome == "bounced":
        [raw] = thurn.landed("alice")
        assert "sorry about that" in raw.decode()


def test_unreadable_mailbox_is_tried_again(serve):
    thurn = serve()
    box = thurn.maildir("alice")
    os.makedirs(os.path.dirname(box))
    with open(box, "w") as file:
        file.write("a file where the Maildir should be\n")
    thurn.give()
    send(thurn, "alice@example.org", "bob@example.org")
    thurn.landed("bob")
    wait.until(lambda: thurn.queue() and thurn.queue()[0]["tries"] >= 2, thurn.log)
    os.unlink(box)
    thurn.landed("alice")
    thurn.queue_empty()


@pytest.mark.parametrize("part", ["new", "tmp"])
def test_threat_symlink_in_maildir_is_not_followed(serve, work, part):
    thurn = serve()
    target = os.path.join(work, "victim")
    os.makedirs(target)
    for folder in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(thurn.maildir("alice"), folder))
    os.rmdir(os.path.join(thurn.maildir("alice"), part))
    os.symlink(target, os.path.join(thurn.maildir("alice"), part))
    account.give(work)
    send(thurn, "alice@example.org")
    wait.until(lambda: thurn.queue() and thurn.queue()[0]["tries"] >= 1, thurn.log)
    assert not os.listdir(target)
    os.unlink(os.path.join(thurn.maildir("alice"), part))
    os.mkdir(os.path.join(thurn.maildir("alice"), part))
    thurn.give()
    thurn.landed("alice")
    assert not os.listdir(target)


def test_threat_symlink_mbox_is_not_followed(serve, work):
    thurn = serve({"domain": {"mbox.example": {"deliver": "mbox:{dir}/mail/{user}.mbox", "users": ["alice"]}}})
    target = os.path.join(work, "victim")
    with open(target, "w") as file:
        file.write("precious\n")
    os.symlink(target, os.path.join(thurn.folder, "mail", "alice.mbox"))
    account.give(work)
    send(thurn, "alice@mbox.example")
    wait.until(lambda: thurn.queue() and thurn.queue()[0]["tries"] >= 1, thurn.log)
    assert open(target).read() == "precious\n"


@pytest.fixture
def people(root, top):
    """Two system accounts with homes of their own."""
    homes = []
    for name in ("thurnalice", "thurnbob"):
        home = f"/var/tmp/{name}"
        who = account.ensure(name, home)
        assert who.pw_dir == home
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(home, 0o700)
        os.chown(home, who.pw_uid, who.pw_gid)
        homes.append(home)
    yield [pwd.getpwnam("thurnalice"), pwd.getpwnam("thurnbob")]
    for home in homes:
        shutil.rmtree(home, ignore_errors=True)


def test_system_user_uid(serve, people):
    alice, bob = people
    thurn = serve({"postmaster": "thurnalice@example.org",
                   "domain": {"example.org": {"deliver": "maildir:~/Maildir", "users": "system"}}}, root=True)
    send(thurn, "thurnalice@example.org", "thurnbob@example.org")
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        assert talk.cmd("RCPT TO:<no-such-person@example.org>", 550).enhanced == "5.1.1"
    for who in people:
        box = os.path.join(who.pw_dir, "Maildir")
        [raw] = wait.until(lambda box=box: mailbox.maildir(box), thurn.log)
        assert raw.endswith(TEXT)
        for top, folders, files in os.walk(box):
            for path in [top] + [os.path.join(top, name) for name in files]:
                info = os.lstat(path)
                assert (info.st_uid, info.st_gid) == (who.pw_uid, who.pw_gid), path
                assert stat.S_IMODE(info.st_mode) & 0o077 == 0, path
    send(thurn, "root@mail.example.org")
    wait.until(lambda: len(mailbox.maildir(os.path.join(alice.pw_dir, "Maildir"))) == 2, thurn.log)
    assert not os.path.exists("/root/Maildir/new") or not [
        p for p in mailbox.files("/root/Maildir") if thurn.folder in open(p, errors="replace").read()]
    thurn.queue_empty()
    assert bob.pw_uid != alice.pw_uid


def test_g8_privileges_after_a_root_start(serve, root):
    thurn = serve(root=True)
    kinds = {kind: thurn.pids(kind) for kind in process.KINDS}
    assert kinds["master"] == [thurn.process.pid]
    service = account.service().pw_uid
    for kind in ("receiver", "queue", "sender", "lookup", "console"):
        assert kinds[kind], f"no {kind} in {[process.kind(p) for p in thurn.pids()]}"
        for pid in kinds[kind]:
            status = process.status(pid)
            assert set(status["Uid"].split()) == {str(service)}, kind
            assert status["NoNewPrivs"] == "1", kind
            for field in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                assert int(status[field], 16) == 0, f"{kind} {field}"
            assert status["Groups"].split() in ([], [str(account.service().pw_gid)]), kind
    [deliver] = kinds["deliver"][:1]
    allowed = (1 << 7) | (1 << 6) | (1 << 5)
    status = process.status(deliver)
    assert int(status["CapEff"], 16) & ~allowed == 0 and int(status["CapPrm"], 16) & ~allowed == 0


def test_a_child_dies_with_its_master(serve):
    thurn = serve()
    pids = thurn.pids()
    process.kill(thurn.process.pid)
    thurn.process.wait(10)
    thurn.process = None
    wait.until(lambda: not [p for p in pids if process.state(p) not in (None, "Z")], "the children's end")
