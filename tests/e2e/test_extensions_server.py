# SPDX-License-Identifier: ISC
"""What a client may ask of the server by extension, and what lands in mailboxes and the queue."""

import os
import socket
import subprocess
import time

import pytest

from harness import mailbox, wait
from harness.dialogue import Closed, Dialogue

HELD = {"domain": {"rest.example": {"deliver": "hold:", "users": "any"}}}
LETTER = b"Subject: hello\r\n\r\nhello\r\n"


def received(raw):
    return " ".join(mailbox.parsed(raw)["Received"].split())


def begin(talk, *recipients, args=""):
    talk.ehlo()
    talk.cmd("MAIL FROM:<x@example.net>" + args, 250)
    for recipient in recipients:
        talk.cmd(f"RCPT TO:<{recipient}>", 250)


def local(thurn, **more):
    return Dialogue(None, None, unix=thurn.state + "/run/smtp.sock", **more)


def entry(thurn, ident):
    return wait.until(lambda: next((m for m in thurn.queue() if m["id"] == ident), None),
                      lambda: f"{ident} in {thurn.queue()}\n{thurn.log()}")


# E4: CHUNKING


def bdat(talk, data, last=False, expect=250):
    talk.send(f"BDAT {len(data)}{' LAST' if last else ''}\r\n".encode() + data)
    return talk.read(expect)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_e4_server_bdat_in_chunks(serve, size):
    thurn = serve()
    body = b"Subject: chunks\r\n\r\n.\r\n..\r\n.dot\r\nend\r\n"
    with thurn.dial() as talk:
        assert "CHUNKING" in talk.ehlo()
        begin(talk, "bob@example.org")
        for at in range(0, len(body), size):
            bdat(talk, body[at:at + size])
        bdat(talk, b"", last=True)
        talk.quit()
    [raw] = thurn.landed("bob")
    assert raw.replace(b"\r\n", b"\n").endswith(b"\n\n.\n..\n.dot\nend\n"), "no dot is taken away"


def test_e4_server_rset_between_chunks(serve):
    thurn = serve()
    with thurn.dial() as talk:
        begin(talk, "bob@example.org")
        bdat(talk, b"Subject: gone\r\n")
        talk.cmd("RSET", 250)
        talk.mail("x@example.net", "bob@example.org", body=b"Subject: there\r\n\r\n")
    [raw] = thurn.landed("bob")
    assert b"there" in raw and b"gone" not in raw


def test_threat_bdat_after_a_refused_recipient_swallows_its_octets(serve):
    thurn = serve()
    inner = b"MAIL FROM:<smuggled@example.net>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n\r\n.\r\n"
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<nobody@example.org>", 550)
        assert bdat(talk, inner, last=True, expect=(503, 554)).code in (503, 554)
        talk.cmd("NOOP", 250)
        talk.mail("x@example.net", "bob@example.org")
        talk.quit()
    thurn.landed("bob")
    assert not mailbox.maildir(thurn.maildir("alice"))


@pytest.mark.parametrize("size", ["-1", "x", "99999999999999999999999999", "", "1 FIRST", "0x10"])
def test_threat_bdat_with_a_malformed_size(serve, size):
    thurn = serve()
    with thurn.dial() as talk:
        begin(talk, "bob@example.org")
        talk.send(f"BDAT {size}\r\nRSET\r\nMAIL FROM:<y@example.net>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n".encode())
        assert talk.read().code == 501
        with pytest.raises(Closed):
            talk.read()
    assert not mailbox.maildir(thurn.maildir("alice"))


def test_e4_server_bdat_beyond_the_size(serve):
    thurn = serve({"limits": {"max_size": "1000"}})
    with thurn.dial() as talk:
        begin(talk, "bob@example.org")
        bdat(talk, b"a" * 900)
        bdat(talk, b"b" * 900, last=True, expect=552)
        talk.cmd("NOOP", 250)
        talk.mail("x@example.net", "bob@example.org")
    assert len(thurn.landed("bob")) == 1


def test_e4_server_bdat_through_a_list(serve):
    thurn = serve({"list": {"team@example.org": {"members": ["alice@example.org", "bob@example.org"], "post": "any"}}})
    with thurn.dial() as talk:
        begin(talk, "team@example.org", "bob@example.org")
        bdat(talk, LETTER[:5])
        bdat(talk, LETTER[5:], last=True)
    thurn.landed("bob", 2)
    assert b"List-Id" in thurn.landed("alice")[0]


# E5: BINARYMIME


def test_e5_server_binary_content_arrives_as_it_was(serve):
    thurn = serve()
    body = bytes(range(256)) * 4
    header = (b"Subject: bin\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
              b"Content-Transfer-Encoding: binary\r\n\r\n")
    with thurn.dial() as talk:
        assert "BINARYMIME" in talk.ehlo()
        begin(talk, "bob@example.org", args=" BODY=BINARYMIME")
        talk.cmd("DATA", 503)
        bdat(talk, header + body, last=True)
    thurn.landed("bob")


# E6: SMTPUTF8


def test_e6_server_smtputf8(serve):
    thurn = serve({"domain": {"bücher.example": {"deliver": "maildir:{dir}/mail/buch/{user}", "users": ["jürgen"]},
                              "plain.example": {"deliver": "discard:", "users": "any", "smtputf8": False}}})
    with thurn.dial() as talk:
        assert "SMTPUTF8" in talk.ehlo()
        assert talk.cmd("MAIL FROM:<józef@example.net>", 553).enhanced == "5.6.7"
        talk.cmd("MAIL FROM:<józef@exämple.net> SMTPUTF8", 250)
        talk.cmd("RCPT TO:<ju\u0308rgen@BÜCHER.example>", 250)  # decomposed, and another case
        assert talk.cmd("RCPT TO:<jürgen@plain.example>", 553).enhanced == "5.6.7"
        talk.cmd("RCPT TO:<zoë@bücher.example>", 550)
        talk.data("Subject: grüße\r\n\r\nhällo\r\n".encode())
        talk.quit()
    path = os.path.join(thurn.folder, "mail", "buch", "jürgen")
    wait.until(lambda: mailbox.maildir(path), thurn.log)
    [raw] = mailbox.maildir(path)
    assert "with UTF8SMTP id" in received(raw), received(raw)
    assert "józef@xn--exmple-cua.net" in raw.decode("utf-8")
    thurn.logged("to=<jürgen@xn--bcher-kva.example>")


def test_e6_server_vrfy(serve):
    thurn = serve({"domain": {"example.org": {"users": ["alice", "bob", "jürgen"]}}, "limits": {"vrfy": "any"}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("VRFY jürgen@example.org", 553)
        assert "jürgen@example.org" in talk.cmd("VRFY ju\u0308rgen@example.org SMTPUTF8", 250).text
        talk.cmd("VRFY zoë@example.org SMTPUTF8", 550)
        talk.cmd("VRFY bob", 250)


def test_e6_server_a_domain_that_is_no_name(serve):
    thurn = serve()
    with thurn.dial() as talk:
        talk.ehlo()
        assert talk.cmd(b"MAIL FROM:<a@\xff\xfe.example> SMTPUTF8").code in (500, 501, 553)
        talk.cmd("MAIL FROM:<a@-ä-.example> SMTPUTF8", 501)
        talk.cmd("MAIL FROM:<a@example.net> SMTPUTF8", 250)
        talk.cmd("RCPT TO:<a@" + "ä" * 80 + ".example>", 501)


# E8: the schedule


def test_e8_server_priority_of_strangers_is_lowered(serve):
    thurn = serve()
    with thurn.dial() as talk:
        assert "MT-PRIORITY" in talk.ehlo()
        reply = talk.cmd("MAIL FROM:<x@example.net> MT-PRIORITY=4", 250)
        assert reply.enhanced == "2.3.6" and reply.text.split()[1] == "0", reply
        talk.cmd("RSET", 250)
        assert talk.cmd("MAIL FROM:<x@example.net> MT-PRIORITY=-3", 250).enhanced != "2.3.6"
        talk.cmd("RSET", 250)
        talk.cmd("MAIL FROM:<x@example.net> MT-PRIORITY=10", 501)
    with local(thurn) as talk:
        talk.ehlo()
        assert talk.cmd("MAIL FROM:<x@example.net> MT-PRIORITY=4", 250).enhanced != "2.3.6"


def test_e8_server_future_release_is_for_those_whom_we_know(serve):
    thurn = serve()
    with thurn.dial() as talk:
        assert "FUTURERELEASE" not in talk.ehlo()
        assert talk.cmd("MAIL FROM:<x@example.net> HOLDFOR=60").code in (501, 555)
    with local(thurn) as talk:
        assert "FUTURERELEASE" in talk.ehlo()
        began = time.time()
        ident = talk.mail("alice@example.org", "bob@example.org", args=" HOLDFOR=3")
    assert entry(thurn, ident)["id"] == ident
    thurn.landed("bob")
    assert time.time() - began >= 3  # never before, however late


def test_e8_server_deliver_by(serve, make_sink):
    thurn = serve()
    with thurn.dial() as talk:
        assert "DELIVERBY" in talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.net> BY=-1;R", 501)
        talk.mail("x@example.net", "bob@example.org", args=" BY=120;R")
    thurn.landed("bob")


# E9: REQUIRETLS


def test_e9_server_requiretls_needs_tls(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")})
    with thurn.dial() as talk:
        assert "REQUIRETLS" not in talk.ehlo()
        assert talk.cmd("MAIL FROM:<x@example.net> REQUIRETLS").code in (530, 555, 501)
        talk.starttls(authority.client_context())
        assert "REQUIRETLS" in talk.ehlo()
        talk.mail("x@example.net", "bob@example.org", args=" REQUIRETLS")
    thurn.landed("bob")


# E10: LIMITS


def test_e10_server_limits(serve):
    thurn = serve({"limits": {"recipients": 3, "messages_per_session": 2}})
    with thurn.dial() as talk:
        words = talk.ehlo()["LIMITS"].split()
        assert "RCPTMAX=3" in words and "MAILMAX=2" in words


# E15: ETRN


def test_e15_server_etrn(serve):
    thurn = serve({"limits": {"etrn": "any"}})
    with thurn.dial() as talk:
        assert "ETRN" in talk.ehlo()
        talk.cmd("ETRN example.org", (250, 251))
        talk.cmd("ETRN stranger.example", 459)
        talk.cmd("ETRN", 501)


def test_e15_server_etrn_is_nobodys_by_default(serve):
    thurn = serve()
    with thurn.dial() as talk:
        assert "ETRN" not in talk.ehlo()
        talk.cmd("ETRN example.org", (459, 500, 502))


def test_e15_server_etrn_tries_what_waits(serve, make_sink):
    port = socket.socket()
    port.bind(("127.0.0.1", 0))
    number = port.getsockname()[1]
    port.close()
    thurn = serve({"limits": {"etrn": "any"}, "queue": {"retry": ["1h"], "give_up": "2h"},
                   "domain": {"gate.example": {"deliver": f"smtp:127.0.0.1:{number}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        ident = talk.mail("x@example.net", "b@gate.example")
        wait.until(lambda: entry(thurn, ident)["tries"] >= 1, thurn.log)
        sink = make_sink(port=number)
        assert talk.cmd("ETRN gate.example", (250, 252, 253)).code == 253
    wait.until(lambda: sink.messages, thurn.log)


# XTAG: for local programs


def test_xtag_on_the_local_socket_rests_until_released(serve):
    thurn = serve()
    with thurn.dial() as talk:
        talk.ehlo()
        assert talk.cmd("MAIL FROM:<x@example.net> XTAG=job/1").code in (501, 555)
    with local(thurn) as talk:
        talk.ehlo()
        one = talk.mail("alice@example.org", "bob@example.org", args=" XTAG=job/1")
        talk.mail("alice@example.org", "bob@example.org", body=b"Subject: two\r\n\r\n")
    thurn.landed("bob")
    assert entry(thurn, one)["state"] == "held"
    assert len(mailbox.maildir(thurn.maildir("bob"))) == 1
    thurn.command("queue", "release", one)
    thurn.landed("bob", 2)


ORDINARY = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
lines = s.makefile("rw", newline="")
for line in (None, "EHLO c", "MAIL FROM:<alice@example.org> XTAG=job/1"):
    if line:
        lines.write(line + "\\r\\n")
        lines.flush()
    while (got := lines.readline())[3:4] == "-":
        assert "XTAG" not in got, got
    print(got.strip())
"""


def test_threat_an_ordinary_user_marks_no_mail_as_a_jobs(serve, root):
    """thurn batch would take it for a line of its job that has been sent."""
    thurn = serve()
    ran = subprocess.run(["/usr/bin/python3", "-c", ORDINARY, thurn.state + "/run/smtp.sock"], user=65534, group=65534,
                         capture_output=True, text=True, timeout=30)
    assert ran.stdout.splitlines()[-1].startswith("555 "), (ran.stdout, ran.stderr)


# RFC 3848, RFC 6531 section 4.3


@pytest.mark.parametrize("verb, tls, args, name", [("HELO", False, "", "SMTP"), ("EHLO", False, "", "ESMTP"),
                                                   ("EHLO", True, "", "ESMTPS"), ("EHLO", False, " SMTPUTF8", "UTF8SMTP"),
                                                   ("EHLO", True, " SMTPUTF8", "UTF8SMTPS")])
def test_e6_server_with_what_protocol(serve, authority, verb, tls, args, name):
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")})
    with thurn.dial() as talk:
        if tls:
            talk.ehlo()
            talk.starttls(authority.client_context())
        talk.cmd(f"{verb} client.example.com", 250)
        talk.mail("x@example.net", "bob@example.org", args=args)
    [raw] = thurn.landed("bob")
    assert f" with {name} id" in received(raw)


def test_e9_server_requiretls_that_can_never_be_kept_is_refused_at_rcpt(serve, authority):
    """What the configuration says goes out without TLS would come back as a bounce (RFC 8689 section 4.2.1)."""
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1"),
                   "domain": {"far.example": {"deliver": "lmtp:192.0.2.9:24", "users": "any"},
                              "named.example": {"deliver": "lmtp:store.example.net:24", "users": "any"},
                              "near.example": {"deliver": "lmtp:127.0.0.1:9", "users": "any"},
                              "local.example": {"deliver": "lmtp:localhost:9", "users": "any"}},
                   "route": {"plain.example": {"via": "smtp://192.0.2.9:25", "tls": "none"}},
                   "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.starttls(authority.client_context())
        assert "REQUIRETLS" in talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.net> REQUIRETLS", 250)
        for domain in ("far.example", "named.example", "plain.example"):
            assert talk.cmd(f"RCPT TO:<a@{domain}>", 550).enhanced == "5.7.30"
        for domain in ("near.example", "local.example", "elsewhere.example"):
            talk.cmd(f"RCPT TO:<a@{domain}>", 250)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.cmd("RSET", 250)
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<a@far.example>", 250)
