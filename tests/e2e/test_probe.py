# SPDX-License-Identifier: ISC
"""thurn probe (O5): the dialogue with Thurn itself, with scripted servers good and bad, with Postfix; and the audit."""

import base64
import contextlib
import json
import os
import pty
import re
import socket
import ssl
import subprocess
import threading

import pytest

from harness import certs, mailbox, sink, wait

LOGIN, PASSWORD = "alice@example.org", "correct horse 1"
USAGE, BAD, NO_USER, NO_HOST, UNAVAILABLE, TEMPORARY, PROTOCOL, NO_PERMISSION = 64, 65, 67, 68, 69, 75, 76, 77


class Said:
    def __init__(self, done):
        self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
        self.all = done.stdout + done.stderr

    def steps(self, kind=None):
        """The objects of --json but the last, or those of one kind of step."""
        every = [json.loads(line) for line in self.out.splitlines()][:-1]
        return [one for one in every if kind in (None, one.get("step"))]

    def result(self):
        return json.loads(self.out.splitlines()[-1])

    def findings(self):
        return {one["check"]: one["finding"] for one in self.steps()}


@pytest.fixture
def probe(binary):
    def run(*args, expect=0, stdin="", inside=None):
        argv = [binary, "probe", "--helo", "client.example.net", "--timeout", "100", *args]
        done = subprocess.run(inside.argv(argv) if inside else argv, input=stdin, capture_output=True, text=True, timeout=230)
        assert expect is None or done.returncode == expect, f"{args}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return Said(done)

    return run


def at(server):
    return f"127.0.0.1:{server.port}"


def written(folder, name, text, mode=0o600):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    os.chmod(path, mode)
    return path


# --- Thurn itself

@pytest.fixture
def office(serve, authority, work):
    issuer = certs.Issuer(work)
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1"),
                   "auth": {"jwt_key": issuer.key, "jwt_audience": "thurn", "client_ca": authority.cert},
                   "listen": {"submission": ["127.0.0.1:0 tls", "127.0.0.1:0 starttls"]}}, start=False)
    thurn.command("user", "add", LOGIN, stdin=PASSWORD + "\n")
    thurn.start()
    thurn.token = issuer.token(LOGIN, "thurn")
    return thurn


def hidden(said, *secrets):
    for secret in secrets:
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
            assert form not in said.all, said.all


def test_o5_probe_every_mechanism(office, probe, authority, work):
    token = written(work, "token", office.token + "\n")
    cert, key = authority.issue_client(LOGIN)
    smtps = ("smtps://127.0.0.1:%d" % office.port("submission", 0), "--ca", authority.cert, "--quit-after", "auth")
    for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
        said = probe(*smtps, "--user", LOGIN, "--auth", mechanism, stdin=PASSWORD + "\n")
        assert f"AUTH {mechanism}" in said.out and "signed in" in said.out.splitlines()[-1]
        hidden(said, PASSWORD, f"\0{LOGIN}\0{PASSWORD}")
    for mechanism in ("OAUTHBEARER", "XOAUTH2"):
        said = probe(*smtps, "--user", LOGIN, "--auth", mechanism, "--token-file", token)
        assert f"AUTH {mechanism}" in said.out and "signed in" in said.out.splitlines()[-1]
        hidden(said, office.token)
    said = probe(*smtps, "--auth", "EXTERNAL", "--cert", cert, "--key", key)
    assert "AUTH EXTERNAL" in said.out and "signed in" in said.out.splitlines()[-1]
    assert "AUTH SCRAM-SHA-256-PLUS" in probe(*smtps, "--user", LOGIN, stdin=PASSWORD + "\n").out, "the best of what is offered"


def test_o5_probe_login_by_starttls_and_where_the_password_comes_from(office, probe, authority, work, binary):
    target = ("127.0.0.1:%d" % office.port("submission", 1), "--ca", authority.cert, "--tls", "verify", "--user", LOGIN)
    with_file = written(work, "password", PASSWORD + "\n")
    said = probe(*target, "--password-file", with_file, "--to", "bob@example.org", "--subject", "from a file")
    assert re.search(r"(?m)^tls +TLSv1\.3 .*CN mail\.example\.org, .* d left, name ok, chain ok", said.out), said.out
    assert said.out.splitlines()[-1] == "RESULT reachable, TLS verified, signed in, all accepted (exit 0)"
    hidden(said, PASSWORD)
    # The first line is the password, what follows is the message.
    probe(*target, "--to", "bob@example.org", "--data", "-",
          stdin=f"{PASSWORD}\nFrom: {LOGIN}\nTo: bob@example.org\nSubject: from standard input\n\nhello\n.dot\n")
    raw = office.landed("bob", 2)
    assert {mailbox.parsed(one)["Subject"] for one in raw} == {"from a file", "from standard input"}
    assert any(b"hello\n.dot\n" in one for one in raw)
    said = probe(*target, stdin="wrong\n", expect=NO_PERMISSION)
    assert said.out.splitlines()[-1] == "RESULT reachable, TLS verified, login refused (exit 77)"
    master, slave = pty.openpty()
    asking = subprocess.Popen([binary, "probe", *target], stdin=slave, stdout=subprocess.PIPE, stderr=slave, text=True)
    os.close(slave)
    asked = b""
    while b"Password for alice@example.org: " not in asked:
        asked += os.read(master, 1000)
    os.write(master, PASSWORD.encode() + b"\n")
    out, _ = asking.communicate(timeout=wait.LIMIT)
    assert asking.returncode == 0 and "signed in" in out and PASSWORD not in out
    os.set_blocking(master, False)
    with contextlib.suppress(OSError):
        assert PASSWORD.encode() not in os.read(master, 1000), "it was echoed"
    os.close(master)


def test_o5_probe_a_password_is_not_for_everybody(probe, make_sink, authority):
    """Unverified TLS to another machine gets no password; here it is loopback, so the host's name is what fails."""
    server = make_sink(tls=authority.server_context("other.example"), users={LOGIN: PASSWORD})
    said = probe(at(server), "--user", LOGIN, "--auth", "SCRAM-SHA-256-PLUS", stdin=PASSWORD + "\n", expect=NO_PERMISSION)
    assert "NOT for this name, chain NOT ok" in said.out
    probe(at(server), "--tls", "verify", "--user", LOGIN, stdin=PASSWORD + "\n", expect=PROTOCOL)
    assert not any(line.startswith("AUTH PLAIN") for s in server.sessions for line in s.commands)
    probe(at(server), "--user", LOGIN, "--auth", "LOGIN", stdin=PASSWORD + "\n")
    echo = make_sink(users={LOGIN: "x"}, auth=f"535 5.7.8 {PASSWORD} is wrong")
    said = probe(at(echo), "--user", LOGIN, stdin=PASSWORD + "\n", expect=NO_PERMISSION)
    hidden(said, PASSWORD, f"\0{LOGIN}\0{PASSWORD}")


@pytest.fixture
def box(serve):
    return serve({"listen": {"mx": ["127.0.0.1:0", "127.0.0.1:0 proxy"], "lmtp": ["127.0.0.1:0", "unix:{dir}/lmtp"]},
                  "trust": {key: ["127.0.0.1"] for key in ("proxy", "xclient", "xforward")}})


def received(raw):
    return " ".join(mailbox.parsed(raw)["Received"].split())


def test_o5_probe_extensions(box, probe, work):
    mx = "127.0.0.1:%d" % box.port()
    picture = written(work, "a picture.bin", bytes(range(256)) * 40)
    said = probe(mx, "--from", "x@example.net", "--to", "alice@example.org", "--to", "bob@example.org", "--bdat=1000", "--size",
                 "--8bitmime", "--pipelining", "--notify", "SUCCESS,FAILURE", "--ret", "hdrs", "--envid", "a+b c",
                 "--orcpt", "rfc822;alice@example.org", "--attach", picture, "--header", "X-Probe: 1")
    for line in ("ENVID=a+2Bb+20c", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;alice@example.org", "> +BDAT 1000\n", r"BDAT \d+ LAST"):
        assert re.search(line.replace("+2B", r"\+2B").replace("+20", r"\+20"), said.out), (line, said.out)
    assert "is not offered" not in said.out
    [raw] = box.landed("bob")  # alice is postmaster, too: the report of success has nowhere to go
    mail = mailbox.parsed(raw)
    assert mail["X-Probe"] == "1" and [p.get_payload(decode=True) for p in mail.walk() if p.get_filename() == "a picture.bin"] \
        == [bytes(range(256)) * 40]
    said = probe(mx, "--to", "alice@example.org", "--from", "jürgen@example.net", "--smtputf8")
    assert "jürgen@example.net> SMTPUTF8" in said.out
    binary = written(work, "binary", b"Subject: b\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n\r\n\0\n\r.\n")
    probe(mx, "--from", "x@example.net", "--to", "bob@example.org", "--binarymime", "--bdat", "--data", binary)
    said = probe(mx, "--to", "alice@example.org", "--requiretls", expect=None)
    assert "note  REQUIRETLS is not offered" in said.out


def test_o5_probe_speaks_for_others(box, probe):
    proxied = "127.0.0.1:%d" % box.port("mx", 1)
    for number, (version, source, ip) in enumerate([("v1", "198.51.100.7:4000", "198.51.100.7"),
                                                    ("v2", "[2001:db8::7]:4000", "2001:db8::7")], 1):
        probe(proxied, "--proxy", version, source, "--from", "x@example.net", "--to", "alice@example.org")
        assert any(ip in received(raw) for raw in box.landed("alice", number))
    mx = "127.0.0.1:%d" % box.port()
    said = probe(mx, "--xclient", "ADDR=203.0.113.9,NAME=spike.example.com", "--from", "x@example.net", "--to", "bob@example.org")
    assert "XCLIENT ADDR=203.0.113.9 NAME=spike.example.com" in said.out and "203.0.113.9" in received(box.landed("bob")[0])
    probe(mx, "--xforward", "ADDR=203.0.113.10", "--from", "x@example.net", "--to", "bob@example.org")
    box.logged(r"203\.0\.113\.10")
    said = probe(mx, "--command", "NOOP", "--command", "XYZZY one", "--command", "HELP", expect=UNAVAILABLE)
    assert re.search(r"(?m)^>     XYZZY one\n!     5\d\d ", said.out) and said.out.count("\n>     ") >= 4


def test_o5_probe_lmtp_and_sockets(box, probe):
    to = ("--from", "x@example.net", "--to", "alice@example.org", "--to", "bob@example.org")
    said = probe("lmtp:127.0.0.1:%d" % box.port("lmtp"), *to)
    assert "LHLO client.example.net" in said.out and len(re.findall(r"(?m)^<     250 2\.\d\.\d .*queued", said.out)) == 2, said.out
    said = probe("unix:" + os.path.join(box.folder, "lmtp"), "--lmtp", *to, "--to", "nobody@example.org", "--json", expect=NO_USER)
    assert [one["code"] for one in said.steps("reply") if one["to"] == "."] == [250, 250]
    assert said.result() == {"result": "reachable, no TLS, recipient refused", "reached": True, "tls": "none", "exit": NO_USER}
    box.landed("alice", 2)


# --- what it says and how it ends

def test_o5_probe_quit_after(probe, make_sink, authority):
    server = make_sink(tls=authority.server_context("127.0.0.1"), users={LOGIN: PASSWORD})
    expected = {"connect": ["QUIT"], "helo": ["EHLO", "QUIT"], "starttls": ["EHLO", "STARTTLS", "QUIT"],
                "auth": ["EHLO", "STARTTLS", "EHLO", "AUTH", "QUIT"],
                "mail": ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "QUIT"],
                "rcpt": ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "QUIT"],
                "data": ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA"]}
    for number, (stage, verbs) in enumerate(expected.items()):
        probe(at(server), "--to", "a@example.org", "--user", LOGIN, "--ca", authority.cert, "--quit-after", stage,
              stdin=PASSWORD + "\n")
        assert server.sessions[number].ended.wait(wait.LIMIT)
        assert [line.split(" ")[0] for line in server.sessions[number].commands] == verbs
    assert server.messages == []


@pytest.mark.parametrize("answers, status, words", [
    ({"rcpt": "550 5.1.1 no such user"}, NO_USER, "recipient refused"),
    ({"rcpt": ["250 2.1.5 Ok", "450 4.2.1 later"]}, TEMPORARY, "recipient refused"),
    ({"mail": "554 5.7.1 go away"}, UNAVAILABLE, "sender refused"),
    ({"data": "451 4.3.0 later"}, TEMPORARY, "DATA refused"),
    ({"end": "554 5.6.0 no"}, UNAVAILABLE, "mail refused"),
    ({"ehlo": "502 5.5.1 what", "helo": "250 sink"}, 0, "all accepted"),
    ({"mail": sink.DROP}, TEMPORARY, "connection lost"),
    ({"rcpt": b"HTTP/1.1 400 Bad Request\r\n"}, PROTOCOL, "no SMTP"),
])
def test_o5_probe_exit_statuses(probe, make_sink, answers, status, words):
    said = probe(at(make_sink(**answers)), "--to", "a@example.org", "--to", "b@example.org", expect=status)
    assert said.out.splitlines()[-1] == f"RESULT reachable, no TLS, {words} (exit {status})"


def test_o5_probe_what_is_not_reached(probe, make_sink):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        said = probe("127.0.0.1:%d" % closed.getsockname()[1], expect=UNAVAILABLE)
    assert said.out.splitlines()[-1] == "RESULT not reached: connection refused (exit 69)"
    assert "refused in the greeting (exit 75)" in probe(at(make_sink(greeting="421 4.3.2 later")), expect=TEMPORARY).out
    assert "refused in the greeting (exit 69)" in probe(at(make_sink(greeting="554 5.7.1 no")), expect=UNAVAILABLE).out
    assert "not reached" in probe("unix:/nowhere/at/all", expect=UNAVAILABLE).out
    for wrong in ((), ("a b",), ("host:99999",), ("h:25", "--tls", "perhaps"), ("h:25", "--yes"), ("h:25", "--to", "a\nb"),
                  ("h:25", "--cert", "x"), ("h:25", "--frobnicate")):
        assert "usage: thurn probe" in probe(*wrong, expect=USAGE).err
    assert "usage: thurn probe" in probe("--help").out
    probe("127.0.0.1:1", "--to", "a@example.org", "--data", "/nowhere/at/all", expect=66)


def test_o5_probe_tls_demands(probe, make_sink, authority):
    plain = make_sink()
    assert "no TLS (exit 76)" in probe(at(plain), "--tls", "require", expect=PROTOCOL).out
    secure = make_sink(tls=authority.server_context("mx.example.net", "127.0.0.1"))
    said = probe(at(secure), "--tls", "verify", "--ca", authority.cert, "--json")
    [facts] = said.steps("tls")
    assert facts["version"] == "TLSv1.3" and facts["cn"] == "mx.example.net" and facts["name_ok"] and facts["chain_ok"]
    assert facts["names"] == ["mx.example.net", "127.0.0.1"] and facts["issuer"] == "Test Authority" and facts["key_bits"] == 256
    assert facts["group"] and 27 <= facts["days_left"] <= 30 and said.result()["tls"] == "verified"
    assert "TLS not verified: chain not ok (exit 76)" in probe(at(secure), "--tls", "verify", expect=PROTOCOL).out
    other = make_sink(tls=authority.server_context("mx.example.net"))
    assert "TLS not verified: not for this name (exit 76)" in probe(at(other), "--tls", "verify", "--ca", authority.cert,
                                                                    expect=PROTOCOL).out
    assert not any("STARTTLS" in c for c in make_sink_commands(probe, secure))
    said = probe(at(plain), "--tls", "smtps", expect=PROTOCOL)
    assert "TLS failed" in said.out
    injected = make_sink(tls=authority.server_context("127.0.0.1"), starttls=b"220 go\r\n250 injected\r\n")
    assert "plaintext behind STARTTLS (exit 76)" in probe(at(injected), expect=PROTOCOL).out


def make_sink_commands(probe, server):
    """The commands of a session with --tls none."""
    probe(at(server), "--tls", "none")
    assert server.sessions[-1].ended.wait(wait.LIMIT)
    return server.sessions[-1].commands


def test_o5_probe_hostile_replies(probe, make_sink):
    paint = make_sink(greeting=b"220 \x1b[31mred\x07\xc2\x9b1m\xff\r\n", ehlo=b"250-a\x08\r\n250 \x1b]0;title\x07\r\n")
    for more in ((), ("--json",)):
        said = probe(at(paint), *more)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said.out), repr(said.out)
    flood = make_sink(greeting=b"220-" + b"a" * (3 << 20) + b"\r\n220 b\r\n")
    said = probe(at(flood), expect=PROTOCOL)
    assert len(said.out) < 10000 and "no SMTP" in said.out
    many = make_sink(greeting=b"220-x\r\n" * 100000 + b"220 y\r\n")
    assert len(probe(at(many)).out) < 20000

    def drip(session, _):
        with contextlib.suppress(OSError):
            while not session.ended.wait(0.2):
                session.conn.sendall(b"2")
        return sink.DROP

    slow = make_sink(ehlo=drip)
    assert "no reply in time (exit 75)" in probe(at(slow), "--timeout", "1", expect=TEMPORARY).out


def test_o5_probe_domains(probe, net, dns, make_sink):
    dns(["example.com. MX 10 mx1.example.com.", "example.com. MX 20 mx2.example.com.", "example.com. MX 5 gone.example.com.",
         "mx1.example.com. A 10.77.0.9", "mx2.example.com. A 10.77.0.4", "null.example. MX 0 .",
         "bare.example. A 10.77.0.4", "bare.example. AAAA fd77::9"], broken=["broken.example"])
    server = make_sink("10.77.0.4", 25, inside=net)
    said = probe("example.com", "--source", "10.77.0.7", "--json", inside=net)
    assert [(one["preference"], one["host"], one["addresses"]) for one in said.steps("dns")] == [
        (5, "gone.example.com", "no address"), (10, "mx1.example.com", "10.77.0.9"), (20, "mx2.example.com", "10.77.0.4")]
    assert [(one["address"], one["ok"]) for one in said.steps("tcp")] == [("10.77.0.9:25", False), ("10.77.0.4:25", True)]
    assert server.sessions[0].peer[0] == "10.77.0.7"
    said = probe("example.com", inside=net)
    assert re.search(r"(?m)^dns   MX 20 mx2\.example\.com -> 10\.77\.0\.4 +\d+ ms$", said.out), said.out
    said = probe("bare.example", inside=net)
    assert "dns   bare.example -> fd77::9, 10.77.0.4" in said.out and "tcp   10.77.0.4:25" in said.out
    assert "tcp " not in probe("bare.example:25", "--ipv6", expect=UNAVAILABLE, inside=net).out
    assert "fd77::9" not in probe("bare.example:25", "--ipv4", inside=net).out
    assert "null MX (exit 68)" in probe("null.example", expect=NO_HOST, inside=net).out
    assert "no such name (exit 68)" in probe("nowhere.example", expect=NO_HOST, inside=net).out
    assert "no answer from the DNS (exit 75)" in probe("broken.example", expect=TEMPORARY, inside=net).out


# --- the audit

class Weak(sink.Session):
    """Does what servers must not: lines of at most 4096 octets, whatever ends them; what came before TLS is kept; a dot alone ends data."""

    def line(self):
        while b"\n" not in self._in and len(self._in) < 4096:
            got = self.conn.recv(65536)
            if not got:
                raise EOFError
            self._in += got
        head, end, rest = self._in[:4096].partition(b"\n")
        self._in = rest + self._in[4096:]
        return head.rstrip(b"\r").lstrip(b"\0")

    def body(self, stop_after=None):
        text = b""
        while (line := self.line()) != b".":
            text += line + b"\r\n"
        return text

    def _starttls(self, argument):
        self.say("220 2.0.0 go ahead")
        kept, self._in = self._in, b""
        self.conn = self.sink.tls.wrap_socket(self.conn, server_side=True)
        self.tls, self._in = self.conn.version(), kept

    def _vrfy(self, argument):
        self.say(f"250 2.1.5 <{argument}>")

    _expn = _vrfy


def weak_context(folder):
    cert, key = os.path.join(folder, "weak.pem"), os.path.join(folder, "weak.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", "9", "-subj", "/CN=weak.example",
                    "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:eNULL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.load_cert_chain(cert, key)
    return context


def test_o5_probe_audit_finds_what_is_bad(probe, make_sink, work):
    weak = make_sink(session=Weak, tls=weak_context(work), users={"a": "b"}, extensions=["PIPELINING"],
                     greeting="220 sink.example.net ESMTP Postfix (3.1.4)")
    said = probe(at(weak), "--audit", "--yes", "--to", "bob@example.org", "--json", expect=BAD)
    found = said.findings()
    for check in ("relay", "smuggling", "injection", "ciphers", "key", "certificate", "long-line"):
        assert found[check] == "bad", (check, said.out)
    for check in ("greeting", "size", "tls-1.0", "tls-1.1", "key-exchange", "auth-plaintext", "vrfy", "expn"):
        assert found[check] == "warning", (check, said.out)
    told = {one["check"]: one for one in said.steps()}
    assert "LF . LF" in told["smuggling"]["text"] and "CR . CR;" not in told["smuggling"]["text"]
    assert all(one["do"] for one in said.steps() if one["finding"] != "ok")
    assert said.result()["exit"] == BAD
    strangers = [r for m in weak.messages for r in m.recipients if r != "bob@example.org"]
    assert weak.messages and strangers == [], "a message went to a stranger"


def test_o5_probe_audit_of_thurn(probe, serve, authority):
    """Nothing bad; and the mailbox gets the one message that was announced."""
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1"), "listen": {"submission": ["127.0.0.1:0 starttls"]}})
    mx = "127.0.0.1:%d" % thurn.port()
    said = probe(mx, "--audit", "--yes", "--ca", authority.cert, "--to", "bob@example.org")
    assert not re.search(r"(?m)^(bad|warning)", said.out), said.out
    assert re.search(r"(?m)^RESULT audit: 0 bad, 0 warnings, \d+ ok; \d+ connections \(exit 0\)$", said.out)
    for words in (r"^ok +relay +\d+ forms", r"^ok +smuggling +\d+ false ends of a message are content", r"^ok +injection",
                  r"^ok +tls-1\.0", r"^ok +key-exchange"):
        assert re.search("(?m)" + words, said.out), said.out
    [raw] = thurn.landed("bob")
    assert mailbox.parsed(raw)["Subject"] == "thurn probe: ends of data"
    said = probe("127.0.0.1:%d" % thurn.port("submission", 0), "--audit", "--yes", "--ca", authority.cert, "--json")
    assert said.findings()["auth-plaintext"] == "ok" and said.findings()["smuggling"] == "warning", said.out
    assert [check for check, finding in said.findings().items() if finding == "bad"] == [], said.out


def test_o5_probe_audit_of_postfix(probe, net, make_postfix, authority, work):
    cert, key = authority.issue("postfix.example.net")
    box = os.path.join(work, "boxes")
    os.mkdir(box)
    os.chmod(box, 0o777)
    make_postfix("10.77.0.3", 25, inside=net, mynetworks="127.0.0.0/8", smtpd_tls_cert_file=cert, smtpd_tls_key_file=key,
                 smtpd_tls_security_level="may", smtpd_forbid_bare_newline="yes", disable_vrfy_command="yes",
                 smtpd_error_sleep_time="0s",
                 virtual_mailbox_domains="example.com", virtual_mailbox_base=box, virtual_minimum_uid="1",
                 virtual_mailbox_maps="inline:{ bob@example.com=bob/ }", virtual_uid_maps="static:65534", virtual_gid_maps="static:65534")
    said = probe("10.77.0.3:25", "--audit", "--yes", "--ca", authority.cert, "--to", "bob@example.com", "--json", inside=net)
    assert [check for check, finding in said.findings().items() if finding == "bad"] == [], said.out
    for check in ("relay", "smuggling", "injection", "long-line", "auth-plaintext", "vrfy"):
        assert said.findings()[check] == "ok", said.out


def test_o5_probe_audit_asks_first(probe, make_sink):
    server = make_sink()
    said = probe(at(server), "--audit", "--to", "bob@example.org", expect=USAGE)
    assert "Say --yes to begin." in said.out and "bob@example.org" in said.out
    assert server.sessions == []
    assert "with a domain" in probe(at(server), "--audit", "--yes", "--to", "bob", expect=USAGE).err
    assert "not for LMTP" in probe("lmtp:" + at(server), "--audit", "--yes", expect=USAGE).err
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        said = probe("127.0.0.1:%d" % closed.getsockname()[1], "--audit", "--yes", expect=UNAVAILABLE)
    assert said.out == "RESULT no host could be reached (exit 69)\n"
