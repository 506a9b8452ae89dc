# SPDX-License-Identifier: ISC
"""The command line: what people and scripts may rely on."""

import datetime
import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import account, mailbox, wait
from harness.dialogue import Dialogue

COMMANDS = ["serve", "init", "dev", "check", "explain", "queue", "trace", "top", "send", "probe", "sendmail", "mailq", "newaliases", "batch", "user", "reload", "config"]


def run(binary, *args, stdin="", **more):
    return subprocess.run([binary, *args], input=stdin, capture_output=True, text=True, timeout=60, **more)


@pytest.mark.parametrize("args", [[], *[[c] for c in COMMANDS], *[["queue", v] for v in (
    "list", "show", "retry", "hold", "release", "remove")], *[["user", v] for v in ("add", "passwd", "list", "remove")]],
    ids=" ".join)
def test_help_everywhere(binary, args):
    done = run(binary, *args, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert "thurn" in done.stdout and len(done.stdout.splitlines()) >= 2
    for word in args:
        assert word in done.stdout


@pytest.mark.parametrize("args", [["frobnicate"], ["queue", "frobnicate"], ["--frobnicate"], ["queue", "--frobnicate"],
                                  ["user", "add"], ["batch", "--test", "x"], ["serve", "-c"], ["queue", "show"]], ids=" ".join)
def test_usage_errors(binary, args):
    done = run(binary, *args)
    assert done.returncode == 64, done.stderr
    assert done.stdout == "" and done.stderr.strip()


@pytest.mark.parametrize("args, word", [
    (["user", "add", "jürgen@example.org"], "ASCII"),
    (["check", "--nonsense"], "--nonsense"), (["queue", "list", "--nonsense"], "--nonsense"), (["check", "now"], "now"), (["check", "--color=red"], "red"), (["dev", "--port", "70000"], "70000"),
    (["queue", "frobnicate"], "frobnicate"), (["queue", "hold"], "ids"), (["user", "frobnicate"], "frobnicate"),
    (["user", "passwd"], "address"), (["send", "a", "b"], "b"), (["send"], "--to"), (["batch"], "file"), (["batch", "--once", "x"], "--watch"),
    (["batch", "--watch", "x"], "--watch"), (["batch", "x", "y"], "y"), (["reload", "now"], "now")],
    ids=lambda v: v if isinstance(v, str) else " ".join(v))
def test_usage_errors_say_what_is_wrong(binary, args, word):
    done = run(binary, *args)
    assert done.returncode == 64
    assert done.stderr.startswith("thurn: ") and word in done.stderr.splitlines()[0]


def test_version(binary):
    done = run(binary, "--version")
    assert done.returncode == 0 and re.match(r"thurn \d+\.\d+", done.stdout)


# --- check ---

def test_check_good(serve):
    thurn = serve(start=False)
    done = thurn.command("check")
    assert "example.org" in done.stdout and "maildir:" in done.stdout
    assert "error" not in done.stderr


def test_e13_server_check_tells_who_may_speak_for_anyone(serve):
    thurn = serve({"trust": {"xclient": ["192.0.2.0/28"]}}, start=False)
    assert "192.0.2.0/28 may say with XCLIENT" in thurn.command("check").stdout


GOOD_HEAD = 'hostname = "mail.example.org"\npostmaster = "alice@example.org"\n'


def check(serve, text):
    thurn = serve(start=False)
    thurn.write(text)
    return thurn, thurn.command("check", expect=None)


def test_check_unknown_key(serve):
    text = GOOD_HEAD + '\n[domain."example.org"]\ndeliver = "discard:"\nalises = "/etc/aliases"\n'
    thurn, done = check(serve, text)
    assert done.returncode == 78
    lines = done.stderr.splitlines()
    assert lines[0] == f'{thurn.path}:6:1: error: unknown key "alises" in [domain."example.org"]'
    assert any('alises = "/etc/aliases"' in line for line in lines), "the line itself"
    assert any(re.match(r"\W*\^", line.partition("|")[2] or line) for line in lines), "a caret below it"
    assert any('did you mean "aliases"?' in line for line in lines)


def test_check_tells_all_errors_in_one_run(serve):
    text = ('hostnam = "x"\npostmaster = 7\n[limits]\nmax_size = "many"\nsessions = -1\n[queue]\nretry = "1m"\n'
            '[domain."example.org"]\ndeliver = "carrier-pigeon:"\nusers = "nobody-knows"\n[nonsense]\na = 1\n')
    thurn, done = check(serve, text)
    assert done.returncode == 78
    places = {int(m) for m in re.findall(rf"(?m)^{re.escape(thurn.path)}:(\d+):\d+: error: ", done.stderr)}
    assert places >= {1, 2, 4, 5, 7, 9, 10}, done.stderr
    assert places & {11, 12}


def test_check_syntax_error(serve):
    thurn, done = check(serve, GOOD_HEAD + "[limits\nmax_size = 1\n")
    assert done.returncode == 78
    assert re.match(rf"{re.escape(thurn.path)}:[34]:\d+: error: ", done.stderr)


@pytest.mark.parametrize("text, word", [
    ('[tls]\ncert = "/nonexistent/cert.pem"\nkey = "/nonexistent/key.pem"\n', "cert"),
    ('[domain."example.org"]\ndeliver = "maildir:/var/mail/{user}"\nusers = "any"\n', "any"),
    ('[domain."example.org"]\ndeliver = "maildir:/var/mail/{usr}"\n', "usr"),
    ('user = "root"\n', "root"),
    ('user = "no-such-account-here"\n', "no-such-account-here"),
    ('[queue]\ndir = "postgresql:host=db"\n', "postgresql"),
    ('[listen]\nmx = ["*:99999"]\n', "99999"),
    ('[list."team@example.net"]\nmembers = ["a@example.org"]\n', "example.net"),
    ('[route."*"]\nvia = "http://relay.example.net"\n', "via"),
])
def test_check_refuses(serve, text, word):
    tables = text if text.startswith("[") else ""
    head = GOOD_HEAD + ("" if tables else text)
    _, done = check(serve, head + tables)
    assert done.returncode == 78, done.stdout + done.stderr
    assert re.search(r":\d+:\d+: error: ", done.stderr) and word in done.stderr


@pytest.mark.parametrize("text", [
    '[domain."example.org"]\ndkim = ["s:/k"]\n',
    '[filter]\nmilters = ["unix:/run/rspamd/milter.sock"]\n', '[domain."example.org"]\nusers = "verify"\n',
    '[sender."@example.org"]\nvia = "smtp://127.0.0.1:25"\n', '[access]\nblock = { clients = ["192.0.2.1"] }\n'])
def test_check_says_not_yet(serve, text):
    _, done = check(serve, GOOD_HEAD + text)
    assert done.returncode == 78
    assert "not yet" in done.stderr


def test_serve_says_why_it_cannot_listen(serve):
    thurn = serve({"listen": {"lmtp": ["unix:/nonexistent/lmtp"]}}, start=False)
    done = thurn.command("serve", expect=69)
    assert "unix:/nonexistent/lmtp: its folder is not there" in done.stderr


def test_serve_refuses_what_check_refuses(serve):
    thurn = serve(start=False)
    thurn.write('hostnam = "x"\n')
    done = thurn.command("serve", expect=78)
    assert f"{thurn.path}:1:1: error: " in done.stderr and "thurn: ready" not in done.stdout


def test_missing_configuration(binary):
    done = run(binary, "check", "-c", "/nonexistent/thurn.toml")
    assert done.returncode == 78 and "/nonexistent/thurn.toml" in done.stderr
    assert "thurn init DOMAIN" in done.stderr and "-c FILE" in done.stderr


def test_config_defaults(serve):
    out = serve(start=False).command("config", "--defaults").stdout
    for word in ("max_size", "recipients", "retry", "give_up", "hostname"):
        assert word in out


# --- queue ---

@pytest.fixture
def held(serve, make_sink, net, dns):
    """A server with three mails that wait for a next hop which is not ready, from alice."""
    sink = make_sink("10.77.0.11", 25, inside=net, mail="451 4.7.1 greylisted, come back")
    dns(["example.com. MX 10 mx.example.com.", "example.net. MX 10 mx.example.com.", "mx.example.com. A 10.77.0.11"])
    thurn = serve({"queue": {"retry": ["1h"], "give_up": "5d"},
                   "relay": {"network": {"10.77.0.0/24": {"senders": ["@example.org"]}}}}, inside=net)
    with thurn.dial() as talk:
        talk.ehlo()
        thurn.ids = [talk.mail("alice@example.org", to) for to in ("a@example.com", "b@example.com", "c@example.net")]
    wait.until(lambda: len([m for m in thurn.queue() if m["tries"] >= 1 and m["reason"]]) == 3, lambda: str(thurn.queue()))
    thurn.sink = sink
    return thurn


def test_queue_list(held):
    mails = {m["id"]: m for m in held.queue()}
    assert set(mails) == set(held.ids)
    one = mails[held.ids[0]]
    assert set(one) >= {"id", "from", "to", "size", "age", "tries", "next", "reason", "destination"}
    assert one["from"] == "alice@example.org" and one["to"] == ["a@example.com"]
    assert isinstance(one["size"], int) and one["size"] > 20 and isinstance(one["age"], int) and one["age"] < 60
    assert one["tries"] == 1 and "greylisted" in one["reason"] and one["destination"] == "example.com"
    at = datetime.datetime.fromisoformat(one["next"].replace("Z", "+00:00"))
    ahead = at - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(minutes=20) < ahead < datetime.timedelta(minutes=100)
    table = held.command("queue", "list", "example.com").stdout
    assert table.splitlines()[0].split() == ["ID", "AGE", "SIZE", "FROM", "TO", "TRIES", "NEXT"]
    assert held.ids[0] in table and held.ids[2] not in table
    summary = held.command("queue").stdout.splitlines()
    assert summary[0].split() == ["DESTINATION", "MSGS", "OLDEST", "NEXT", "TRY", "REASON"]
    assert {line.split()[0]: line.split()[1] for line in summary[1:]} == {"example.com": "2", "example.net": "1"}
    assert "\x1b" not in table + "".join(summary)


def test_o4_tables_are_as_wide_as_asked(held):
    """80 columns where nobody says otherwise; with COLUMNS (or a wide terminal) nothing is cut."""
    def widest(columns):
        done = subprocess.run(held._argv("queue", "-c", held.path), capture_output=True, text=True, timeout=60,
                              env={**held.env, "COLUMNS": columns})
        assert done.returncode == 0
        return done.stdout, max(len(line) for line in done.stdout.splitlines())

    for columns in ("", "20", "80", "many", "-5"):
        assert widest(columns)[1] <= 80, columns
    text, width = widest("200")
    assert "451 4.7.1 greylisted, come back" in text and width <= 200


def test_queue_show(held):
    text = held.command("queue", "show", held.ids[0]).stdout
    for word in (held.ids[0], "alice@example.org", "a@example.com", "greylisted"):
        assert word in text
    done = held.command("queue", "show", "ZZZZZZZZ", expect=None)
    assert done.returncode == 65 and "there is no message ZZZZZZZZ" in done.stderr and "thurn trace ZZZZZZZZ" in done.stderr


def test_queue_retry(held):
    held.sink.answers.clear()
    held.command("queue", "retry", held.ids[0])
    wait.until(lambda: "a@example.com" in held.sink.recipients(), held.log)
    held.command("queue", "retry", "--destination", "example.net", "--yes")
    wait.until(lambda: "c@example.net" in held.sink.recipients(), held.log)


def test_queue_hold_and_release(held):
    held.sink.answers.clear()
    held.command("queue", "hold", held.ids[0])
    held.command("queue", "retry", "--from", "alice@example.org", "--yes")
    wait.until(lambda: {m["id"] for m in held.queue()} == {held.ids[0]}, lambda: str(held.queue()))
    assert sorted(held.sink.recipients()) == ["b@example.com", "c@example.net"]
    held.command("queue", "release", held.ids[0])
    held.queue_empty()
    assert sorted(held.sink.recipients()) == ["a@example.com", "b@example.com", "c@example.net"]


def test_queue_remove_asks_before_bulk(held):
    done = held.command("queue", "remove", "--reason", "greylisted", expect=None)
    assert "3" in done.stdout + done.stderr and len(held.queue()) == 3, "counted, not removed"
    assert done.returncode != 0
    held.command("queue", "remove", "--to", "c@example.net", "--yes")
    assert {m["id"] for m in held.queue()} == set(held.ids[:2])
    held.command("queue", "remove", held.ids[0])
    assert {m["id"] for m in held.queue()} == {held.ids[1]}
    held.kill()
    held.start()
    assert {m["id"] for m in wait.until(held.queue, held.log)} == {held.ids[1]}, "removal is durable"
    assert not mailbox.maildir(held.maildir("alice")), "and sends no bounce"


def test_held_domain_waits_for_release(serve):
    thurn = serve({"domain": {"hold.example": {"deliver": "hold:", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        ident = talk.mail("x@example.com", "a@hold.example")
    wait.until(lambda: [m["id"] for m in thurn.queue()] == [ident], lambda: str(thurn.queue()))
    thurn.kill()
    thurn.start()
    wait.until(lambda: [m["id"] for m in thurn.queue()] == [ident], lambda: str(thurn.queue()))
    thurn.command("queue", "remove", ident)
    thurn.queue_empty()


def test_queue_needs_a_server(serve):
    done = serve(start=False).command("queue", "list", expect=69)
    assert "no server runs here" in done.stderr and "thurn serve" in done.stderr


@pytest.mark.parametrize("command, word", [(["queue"], "the queue is empty"), (["reload"], "reloaded")], ids=["queue", "reload"])
def test_o4_who_waits_for_a_server_that_hangs_is_told(serve, command, word):
    thurn = serve()
    console, = thurn.pids("console")
    os.kill(console, signal.SIGSTOP)
    try:
        with subprocess.Popen(thurn._argv(*command, "-c", thurn.path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True) as asking:
            assert asking.stdout.readline().startswith("thurn: the server does not answer yet; waiting for it")
            os.kill(console, signal.SIGCONT)
            assert word in asking.communicate(timeout=60)[0]
            assert asking.returncode == 0
    finally:
        os.kill(console, signal.SIGCONT)


def test_o4_what_is_not_for_everybody_says_whose_it_is(serve, root):
    thurn = serve({"domain": {"example.org": {"users": "accounts"}}}, root=True)
    thurn.command("user", "add", "alice@example.org", stdin="a password\n")
    for command in (["queue"], ["queue", "list"], ["reload"], ["trace"], ["top", "--once"], ["mailq"], ["user", "list"]):
        done = run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", thurn.binary, *command, "-c", thurn.path)
        assert done.returncode == 77 and not done.stdout, (command, done.stdout, done.stderr)
        assert "only root and the server's own user may" in done.stderr, (command, done.stderr)


# --- send, user, reload ---

def test_send(serve):
    thurn = serve()
    ident = thurn.command("send", "--from", "bob@example.org", "--to", "alice@example.org", "--subject", "Hi there",
                          "-", stdin="first\n.\nlast\n").stdout.strip()
    assert re.fullmatch(r"[0-9A-Z]+", ident)
    [raw] = thurn.landed("alice")
    mail = mailbox.parsed(raw)
    assert mail["Subject"] == "Hi there" and mail["From"] == "bob@example.org" and mail["To"] == "alice@example.org"
    assert mail["Date"] and mail["Message-ID"] and mail["Return-Path"] == "<bob@example.org>"
    assert mailbox.body(raw) == b"first\n.\nlast\n"
    path = thurn.file("mail.eml", "From: bob@example.org\nTo: all\nSubject: In the file\n\nhello\n")
    thurn.command("send", "--from", "bob@example.org", "--to", "alice@example.org", "--to", "bob@example.org", path)
    assert b"Subject: In the file\n" in thurn.landed("alice", 2)[1]
    thurn.landed("bob")
    done = thurn.command("send", "--from", "bob@example.org", "--to", "nobody@example.org", "-", stdin="x\n", expect=None)
    assert done.returncode == 67 and "5.1.1" in done.stderr


def test_an_ordinary_user_sends_though_only_root_reads_the_key(serve, authority):
    if not account.is_root():
        pytest.skip("this needs root")
    cert, key = authority.issue("mail.example.org")
    thurn = serve(root=True, start=False)
    own = thurn.file("key.pem", open(key).read(), mode=0o600)
    thurn.change({"tls": {"cert": cert, "key": own}})
    thurn.start()
    message = ["--from", "bob@example.org", "--to", "alice@example.org", "-", "-c", thurn.path]
    done = subprocess.run(account.as_service([thurn.binary, "send", *message]), input="hello\n", capture_output=True,
                          text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    thurn.landed("alice")


def test_send_needs_a_server(serve):
    thurn = serve(start=False)
    thurn.command("send", "--from", "bob@example.org", "--to", "alice@example.org", "-", stdin="x\n", expect=69)


PLANTED = """
import os, socket, sys
os.umask(0)
s = socket.socket(socket.AF_UNIX)
s.bind("thurn-dev/run/smtp.sock")
s.listen(5)
print("there", flush=True)
while True:
    client, _ = s.accept()
    client.sendall(b"220 mine ESMTP\\r\\n250 2.0.0 Ok\\r\\n250 2.0.0 Ok\\r\\n354 go\\r\\n250 2.0.0 Ok: queued as MINE\\r\\n")
    print(client.recv(100), flush=True)
"""


def test_threat_a_planted_socket_gets_no_mail(root, work, binary):
    """In a folder where others may write, somebody has made what looks like a `thurn dev`."""
    if os.path.exists("/etc/thurn/thurn.toml"):
        pytest.skip("this machine has a configuration")
    run = os.path.join(work, "thurn-dev", "run")
    os.makedirs(run)
    account.give(work)
    sendmail = os.path.join(work, "sendmail")
    os.symlink(binary, sendmail)
    planted = subprocess.Popen(account.as_service(["/usr/bin/python3", "-c", PLANTED]), cwd=work, stdout=subprocess.PIPE, text=True)
    try:
        assert planted.stdout.readline() == "there\n"
        for argv, status in [([binary, "send", "--from", "a@example.org", "--to", "b@example.org", "-"], 77),
                             ([sendmail, "b@example.org"], 78), ([binary, "sendmail", "b@example.org"], 78), ([sendmail, "-bs"], 78)]:
            done = subprocess.run(argv, input="hello\n", cwd=work, capture_output=True, text=True, timeout=60)
            assert done.returncode == status and done.stdout == "", (argv, done)
    finally:
        planted.kill()
        assert "hello" not in planted.communicate(timeout=60)[0]


@pytest.mark.parametrize("root", [False, True])
def test_user(serve, root):
    if root and not account.is_root():
        pytest.skip("this needs root")
    thurn = serve({"domain": {"example.org": {"users": "accounts"}}}, root=root, start=False)
    thurn.command("user", "add", "alice@example.org", "--name", "Alice Example", stdin="first password\n")
    thurn.command("user", "add", "zoe@example.org", stdin="another one\n")
    # said before a password is asked for: none is there to be read
    done = thurn.command("user", "add", "alice@example.org", stdin="", expect=65)
    assert "there is an account alice@example.org already" in done.stderr
    assert thurn.command("user", "add", "bob@elsewhere.example", stdin="x\n", expect=None).returncode != 0
    listed = thurn.command("user", "list").stdout
    assert "alice@example.org" in listed and "Alice Example" in listed and "zoe@example.org" in listed
    names = [json.loads(line) for line in thurn.command("user", "list", "--json").stdout.splitlines()]
    assert len(names) == 2
    thurn.start()
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        talk.cmd("RCPT TO:<zoe@example.org>", 250)
        talk.cmd("RCPT TO:<nobody@example.org>", 550)
        talk.cmd("RSET", 250)
        thurn.command("user", "passwd", "alice@example.org", stdin="second password\n")
        thurn.command("user", "remove", "zoe@example.org")
        wait.until(lambda: _refused(talk, "zoe@example.org"), "zoe's end")
    assert "zoe@example.org" not in thurn.command("user", "list").stdout
    assert thurn.command("user", "remove", "zoe@example.org", expect=None).returncode == 67
    for top, _, files in os.walk(thurn.state):
        for name in files:
            path = os.path.join(top, name)
            if os.path.isfile(path):
                assert b"second password" not in open(path, "rb").read(), path


def _refused(talk, address):
    talk.cmd("RSET", 250)
    talk.cmd("MAIL FROM:<x@example.com>", 250)
    return talk.cmd(f"RCPT TO:<{address}>").code == 550


def test_reload_needs_a_server(serve):
    serve(start=False).command("reload", expect=69)


def test_second_server_on_the_same_state_is_refused(serve):
    thurn = serve()
    done = thurn.command("serve", expect=None)
    assert done.returncode not in (0, 64) and done.stderr.strip()
    with thurn.dial() as talk:
        talk.ehlo()


# --- dev ---

def test_dev(binary, net, work):
    """In a namespace of its own, since its ports are fixed."""
    account.give(work)
    argv = net.argv(account.as_service([binary, "dev"]))
    out, log = os.path.join(work, "out"), os.path.join(work, "log")
    server = subprocess.Popen(argv, cwd=work, stdout=open(out, "wb"), stderr=open(log, "wb"))
    try:
        wait.until(lambda: "Faults" in open(out).read() or server.poll() is not None, lambda: open(log).read())
        text = open(out).read()
        assert "smtp://127.0.0.1:1025" in text and "./thurn-dev/mail/" in text
        with net.entered():
            talk = Dialogue("127.0.0.1", 1025)
        with talk:
            talk.ehlo()
            assert talk.cmd("VRFY you@test.example").code in (250, 252)
            talk.mail("me@example.com", "you@test.example", "Other.One@else.example")
            talk.cmd("MAIL FROM:<me@example.com>", 250)
            assert 400 <= talk.cmd("RCPT TO:<4xx@test.example>").code < 500
            talk.cmd("RCPT TO:<550@test.example>", 550)
            began = time.monotonic()
            talk.cmd("RCPT TO:<slow@test.example>", 250)
            assert time.monotonic() - began >= 4
            talk.cmd("RCPT TO:<451@test.example>", 451)
        mail = os.path.join(work, "thurn-dev", "mail")

        def landed():
            return [os.path.join(top, name) for top, _, files in os.walk(mail) for name in files
                    if os.path.basename(top) == "new"]
        wait.until(lambda: len(landed()) == 2, lambda: str(landed()))
        sent = net.run(*account.as_service([binary, "send", "--to", "you@test.example"]), cwd=work, input=b"hello\n",
                       check=False)
        assert sent.returncode == 0, sent.stderr
        wait.until(lambda: len(landed()) == 3, lambda: str(landed()))
        server.send_signal(signal.SIGTERM)
        assert server.wait(wait.LIMIT) == 0
    finally:
        if server.poll() is None:
            server.kill()
