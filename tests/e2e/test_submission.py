# SPDX-License-Identifier: ISC
"""Signing in and sending: TLS in and out, PLAIN and LOGIN, own addresses only."""

import base64

import pytest

from harness import clients, mailbox, wait

PASSWORD = "correct horse 1"


def plain(login, password):
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def office(serve, authority, make_sink):
    """A server with both kinds of submission, an account for alice, and a smarthost that takes everything."""
    def make(config=None, **more):
        sink = make_sink()
        tree = {"tls": authority.config("mail.example.org", "127.0.0.1"),
                "listen": {"submission": ["127.0.0.1:0 tls", "127.0.0.1:0 starttls"]},
                "route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}}
        thurn = serve({**tree, **(config or {})}, start=False, **more)
        thurn.command("user", "add", "alice@example.org", "--name", "Alice Example", stdin=PASSWORD + "\n")
        thurn.start()
        thurn.sink = sink
        return thurn

    return make


def test_e12_server_login_first(office, authority):
    thurn = office()
    context = authority.client_context()
    with thurn.dial("submission", 1) as talk:
        assert "AUTH" not in talk.ehlo()
        assert talk.cmd("AUTH PLAIN " + plain("alice@example.org", PASSWORD)).code in (530, 538)
        assert talk.cmd("MAIL FROM:<alice@example.org>", 530).enhanced == "5.7.0"
        talk.starttls(context)
        assert set(talk.ehlo()["AUTH"].split()) >= {"PLAIN", "LOGIN"}
        assert talk.cmd("MAIL FROM:<alice@example.org>", 530).enhanced == "5.7.0"
        wrong = talk.cmd("AUTH PLAIN " + plain("alice@example.org", "wrong"), 535)
        unknown = talk.cmd("AUTH PLAIN " + plain("nobody@example.org", "wrong"), 535)
        assert wrong.enhanced == "5.7.8" and str(wrong) == str(unknown)
        assert talk.cmd("AUTH PLAIN " + plain("alice@example.org", PASSWORD), 235).enhanced == "2.7.0"
        talk.cmd("AUTH PLAIN " + plain("alice@example.org", PASSWORD), 503)
        talk.mail("alice@example.org", "someone@example.net", body=b"Subject: one\r\n\r\nhello\r\n")
        talk.quit()
    with thurn.dial("submission", 0, tls=context) as talk:
        talk.ehlo()
        talk.cmd("AUTH LOGIN", 334)
        talk.cmd(b64("alice@example.org"), 334)
        talk.cmd(b64(PASSWORD), 235)
        talk.mail("alice@example.org", "someone@example.net", body=b"Subject: two\r\n\r\nhello\r\n")
        talk.quit()
    wait.until(lambda: len(thurn.sink.messages) == 2, thurn.log)
    mail = mailbox.parsed(thurn.sink.messages[0].data)
    assert "with ESMTPSA id" in " ".join(mail["Received"].split())
    assert mail["Date"] and mail["Message-ID"], "a trusted session's mail is completed"
    assert PASSWORD not in thurn.log()


def test_e11_server_never_on_mx(office, authority):
    thurn = office()
    with thurn.dial() as talk:
        assert "STARTTLS" in talk.ehlo()
        talk.starttls(authority.client_context())
        assert "AUTH" not in talk.ehlo()
        assert talk.cmd("AUTH PLAIN " + plain("alice@example.org", PASSWORD)).code in (502, 503, 500, 504)
        talk.cmd("MAIL FROM:<alice@example.org>", 250)
        assert talk.cmd("RCPT TO:<someone@example.net>", 550).enhanced == "5.7.1"


def test_e12_server_smtps_listener(office, authority):
    thurn = office()
    with thurn.dial("submission", 0, tls=authority.client_context()) as talk:
        assert talk.sock.version() in ("TLSv1.3", "TLSv1.2")
        offered = talk.ehlo()
        assert "STARTTLS" not in offered and "AUTH" in offered
        talk.cmd("STARTTLS", (502, 503, 500, 454))
        talk.quit()


def test_e12_server_own_addresses_only(office, authority):
    thurn = office({"send_as": {"alice@example.org": ["sales@example.org", "*@shop.example"]}})
    with thurn.dial("submission", 0, tls=authority.client_context()) as talk:
        talk.ehlo()
        talk.cmd("AUTH PLAIN " + plain("alice@example.org", PASSWORD), 235)
        assert talk.cmd("MAIL FROM:<bob@example.org>", 550).enhanced == "5.7.1"
        talk.mail("sales@example.org", "x@example.net", body=b"From: sales@example.org\r\n\r\nhi\r\n")
        talk.mail("any@shop.example", "x@example.net", body=b"From: any@shop.example\r\n\r\nhi\r\n")
        talk.cmd("MAIL FROM:<alice@example.org>", 250)
        talk.cmd("RCPT TO:<x@example.net>", 250)
        reply = talk.data(b"From: The Boss <bob@example.org>\r\nSubject: pay\r\n\r\nnow\r\n", 550)
        assert reply.enhanced == "5.7.1"
    wait.until(lambda: len(thurn.sink.messages) == 2, thurn.log)


def test_e12_server_bcc_is_removed(office, authority):
    thurn = office()
    with thurn.dial("submission", 0, tls=authority.client_context()) as talk:
        talk.ehlo()
        talk.cmd("AUTH PLAIN " + plain("alice@example.org", PASSWORD), 235)
        talk.mail("alice@example.org", "x@example.net",
                  body=b"From: alice@example.org\r\nBcc: secret@example.net,\r\n other@example.net\r\nSubject: s\r\n\r\nhi\r\n")
    wait.until(lambda: thurn.sink.messages, thurn.log)
    assert b"secret@example.net" not in thurn.sink.messages[0].data
    assert b"other@example.net" not in thurn.sink.messages[0].data
    assert thurn.sink.messages[0].data.endswith(b"\r\n\r\nhi\r\n")


def test_g5_auth_abuse(office, authority):
    thurn = office({"limits": {"auth_failures": 3}})
    with thurn.dial("submission", 0, tls=authority.client_context()) as talk:
        talk.ehlo()
        talk.cmd("AUTH PLAIN", 334)
        assert talk.cmd("*", 501).enhanced[0] == "5"
        talk.cmd("AUTH PLAIN not-base64!", 501)
        talk.cmd("AUTH PLAIN " + b64("no nul in it"), (501, 535))
        talk.cmd("AUTH NOSUCH", 504)
        talk.cmd("AUTH LOGIN", 334)
        talk.cmd("=", (501, 334, 535))
    with thurn.dial("submission", 0, tls=authority.client_context()) as talk:
        talk.ehlo()
        codes = []
        while len(codes) < 8 and 421 not in codes:
            codes.append(talk.cmd("AUTH PLAIN " + plain("alice@example.org", "guess")).code)
        assert 535 in codes and set(codes) <= {535, 421, 454}
    with thurn.dial("submission", 0, tls=authority.client_context(), greeting=False) as talk:
        if talk.reply().code == 220:
            talk.ehlo()
            talk.cmd("AUTH PLAIN " + plain("alice@example.org", PASSWORD), (421, 454, 535))


def test_s15_starttls_in_and_out(serve, authority, make_sink):
    out = make_sink(tls=authority.server_context("127.0.0.1"))
    thurn = serve({"tls": authority.config("mail.example.org"),
                   "domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{out.port}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.starttls(authority.client_context())
        talk.cmd("MAIL FROM:<a@example.com>", 503)
        assert "STARTTLS" not in talk.ehlo()
        talk.mail("a@example.com", "alice@example.org", "carol@example.net")
        talk.quit()
    [raw] = thurn.landed("alice")
    assert "with ESMTPS id" in " ".join(mailbox.parsed(raw)["Received"].split())
    wait.until(lambda: out.messages, thurn.log)
    assert out.messages[0].session.tls in ("TLSv1.3", "TLSv1.2")


def test_starttls_refused_by_next_hop_still_sends(serve, make_sink):
    out = make_sink(extensions=["PIPELINING", "STARTTLS"], starttls="454 4.7.0 not now")
    thurn = serve({"domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{out.port}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("a@example.com", "carol@example.net")
    wait.until(lambda: out.messages, thurn.log)
    assert out.messages[0].session.tls is None


TEXT = "From: alice@example.org\nTo: carol@example.net\nSubject: from {}\n\nhello\n.dot\n"


def test_real_clients(office, authority, work):
    thurn = office()
    tls_port, start_port = thurn.port("submission", 0), thurn.port("submission", 1)
    login = ("alice@example.org", PASSWORD)
    ca = authority.cert
    clients.smtplib_send("127.0.0.1", start_port, login[0], ["carol@example.net"], TEXT.format("smtplib"),
                         starttls=authority.client_context(), login=login)
    clients.swaks("127.0.0.1", start_port, login[0], "carol@example.net", "-tls", "--auth", "PLAIN", "--auth-user",
                  login[0], "--auth-password", PASSWORD, "--header", "From: alice@example.org",
                  "--header", "Subject: from swaks", "--body", "hello\n.dot\n")
    clients.swaks("127.0.0.1", tls_port, login[0], "carol@example.net", "-tlsc", "--auth", "LOGIN", "--auth-user",
                  login[0], "--auth-password", PASSWORD, "--header", "From: alice@example.org",
                  "--header", "Subject: from swaks-smtps", "--body", "hello\n.dot\n")
    clients.curl(f"smtps://127.0.0.1:{tls_port}/client.example.com", login[0], "carol@example.net",
                 TEXT.format("curl").replace("\n", "\r\n"), "--cacert", ca, "--user", ":".join(login))
    clients.msmtp(work, "127.0.0.1", start_port, login[0], "carol@example.net", TEXT.format("msmtp"), "auth on",
                  f"user {login[0]}", f'password "{PASSWORD}"', "tls on", "tls_starttls on", f"tls_trust_file {ca}")
    wait.until(lambda: len(thurn.sink.messages) == 5, thurn.log)
    said = {mailbox.parsed(m.data)["Subject"] for m in thurn.sink.messages}
    assert said == {f"from {c}" for c in ("smtplib", "swaks", "swaks-smtps", "curl", "msmtp")}
    for message in thurn.sink.messages:
        assert b"hello\r\n.dot\r\n" in message.data


def test_real_clients_to_mx(serve, work):
    thurn = serve()
    port = thurn.port()
    clients.smtplib_send("127.0.0.1", port, "c@example.com", ["alice@example.org"], TEXT.format("smtplib"))
    clients.swaks("127.0.0.1", port, "c@example.com", "alice@example.org")
    clients.swaks("127.0.0.1", port, "c@example.com", "alice@example.org", "--pipeline")
    clients.swaks("127.0.0.1", port, "c@example.com", "nobody@example.org", expect=24)
    clients.curl(f"smtp://127.0.0.1:{port}/client.example.com", "c@example.com", "alice@example.org", TEXT.format("curl"))
    clients.msmtp(work, "127.0.0.1", port, "c@example.com", "alice@example.org", TEXT.format("msmtp"))
    thurn.landed("alice", 5)
    thurn.queue_empty()
