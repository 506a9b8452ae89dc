# SPDX-License-Identifier: ISC
"""The sessions of the textbooks and RFC 5321's verbs, word for word where scripts rely on the words."""

import re

import pytest

from harness import mailbox, wait
from harness.dialogue import Dialogue

BOOK = {"hostname": "mail.example.com", "postmaster": "recipient@example.com",
        "domain": {"example.org": None, "example.com": {"deliver": "maildir:{dir}/mail/{domain}/{user}",
                                                        "users": ["recipient"]}}}


def test_textbook_session(serve):
    thurn = serve(BOOK)
    with thurn.dial() as talk:
        assert talk.greeting.code == 220 and talk.greeting.text.startswith("mail.example.com")
        assert str(talk.cmd("HELO client.example.com")) == "250 mail.example.com Hello client.example.com"
        assert str(talk.cmd("MAIL FROM: sender@example.com")) == "250 2.1.0 <sender@example.com>... Sender ok"
        assert str(talk.cmd("RCPT TO: recipient@example.com")) == "250 2.1.5 <recipient@example.com>... Recipient ok"
        assert str(talk.cmd("DATA")) == '354 Enter mail, end with "." on a line by itself'
        talk.send("Subject: A first mail\r\n\r\nThis is the text.\r\n..dots\r\n.\r\n")
        queued = talk.read(250)
        ident = re.fullmatch(r"250 2\.0\.0 Ok: queued as ([0-9A-Z]+)", str(queued)).group(1)
        assert str(talk.quit()) == "221 2.0.0 mail.example.com closing connection"
    [raw] = thurn.landed("recipient", domain="example.com")
    assert mailbox.unix(raw).endswith(b"Subject: A first mail\n\nThis is the text.\n.dots\n")
    mail = mailbox.parsed(raw)
    assert mail["Return-Path"] == "<sender@example.com>"
    assert mail["Delivered-To"] == "recipient@example.com"
    received = " ".join(mail["Received"].split())
    assert received.startswith("from client.example.com (") and "[127.0.0.1])" in received
    assert f"by mail.example.com (Thurn) with SMTP id {ident}" in received
    assert "for <recipient@example.com>;" in received
    thurn.logged(rf"{ident}: .*status=sent")
    thurn.queue_empty()


def test_ehlo_lists_what_is_offered(serve):
    thurn = serve()
    with thurn.dial() as talk:
        offered = talk.ehlo()
        assert {"SIZE", "8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES", "HELP"} <= set(offered)
        assert offered["SIZE"] == str(50 << 20)
        assert "AUTH" not in offered and "STARTTLS" not in offered


def test_rset_noop_and_order(serve):
    thurn = serve()
    with thurn.dial() as talk:
        talk.cmd("MAIL FROM:<a@example.com>", 503)
        talk.cmd("HELO 192.0.2.1", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 503)
        talk.cmd("DATA", 503)
        assert talk.cmd("NOOP anything", 250).enhanced == "2.0.0"
        assert talk.cmd("MAIL FROM:<>", 250).enhanced == "2.1.0"
        talk.cmd("MAIL FROM:<a@example.com>", 503)
        talk.cmd("DATA", (503, 554))
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        assert talk.cmd("RSET", 250).enhanced == "2.0.0"
        talk.cmd("RCPT TO:<alice@example.org>", 503)
        talk.cmd("mail from:<a@example.com>", 250)
        talk.cmd("EHLO again.example.com", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 503)
        assert talk.cmd("BLURB", 500).enhanced == "5.5.2"
        assert talk.cmd("MAIL FROM:<a@example.com> WHAT=ever").code == 555
        assert talk.cmd("MAIL FROM:a@@b", (501, 553)).enhanced[0] == "5"
        assert talk.cmd("RSET now", 501).enhanced == "5.5.4"
        talk.mail("a@example.com", "alice@example.org")
        talk.quit()
    assert len(thurn.landed("alice")) == 1


def test_recipients_known_and_unknown(serve):
    thurn = serve()
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<a@example.com>", 250)
        assert talk.cmd("RCPT TO:<nobody@example.org>", 550).enhanced == "5.1.1"
        assert talk.cmd("RCPT TO:<someone@example.net>", 550).enhanced == "5.7.1"
        talk.cmd("RCPT TO:<ALICE@Example.ORG>", 250)
        talk.cmd("RCPT TO:<@one.example,@two.example:bob@example.org>", 250)
        talk.cmd("RCPT TO:<Postmaster>", 250)
        talk.cmd("RCPT TO:<postmaster@example.org>", 250)
        talk.cmd("RCPT TO:<>", (501, 550, 553))
        talk.data(b"Subject: x\r\n\r\ny\r\n")
    thurn.landed("bob")
    thurn.landed("alice")
    thurn.queue_empty()


def test_strict_paths(serve):
    thurn = serve({"limits": {"strict_paths": True}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM: a@example.com", 501)
        talk.cmd("MAIL FROM: <a@example.com>", 501)
        talk.cmd("MAIL FROM:<a@example.com>", 250)


def test_help(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org")})
    with thurn.dial() as talk:
        text = talk.cmd("HELP", 214).text
        for verb in ("HELO", "EHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT", "VRFY", "EXPN", "HELP"):
            assert verb in text
        assert "MAIL" in talk.cmd("HELP MAIL", 214).text
        assert talk.cmd("HELP SIZE", 214).text != text
        assert "TLS" in talk.cmd("HELP STARTTLS", 214).text
        talk.cmd("HELP BLURB", (214, 501, 502, 504))


VRFY = {"domain": {"example.org": {"users": ["Alice Example <alice>", "bob"]},
                   "example.net": {"deliver": "maildir:{dir}/mail/{domain}/{user}", "users": ["bob"]}},
        "list": {"team@example.org": {"members": ["alice@example.org", "carol@example.com"]}}}


def test_vrfy_expn(serve):
    thurn = serve({**VRFY, "limits": {"vrfy": "any", "expn": "any"}})
    with thurn.dial() as talk:
        talk.ehlo()
        assert str(talk.cmd("VRFY alice@example.org")) == "250 2.1.5 Alice Example <alice@example.org>"
        assert str(talk.cmd("VRFY alice")) == "250 2.1.5 Alice Example <alice@example.org>"
        assert "<bob@example.org>" in talk.cmd("VRFY bob@example.org", 250).text
        talk.cmd("VRFY bob", 553)
        assert talk.cmd("VRFY nobody@example.org", 550).enhanced == "5.1.1"
        members = talk.cmd("EXPN team@example.org", 250)
        assert len(members.lines) == 2
        assert "<alice@example.org>" in members.lines[0] and "<carol@example.com>" in members.lines[1]
        assert talk.cmd("EXPN nolist", 550).enhanced == "5.1.1"
        talk.cmd("VRFY", 501)


def test_vrfy_of_a_bare_name_beside_domains_that_take_any(serve):
    thurn = serve({**VRFY, "domain": {**VRFY["domain"], "a.example": {"deliver": "hold:", "users": "any"},
                                      "b.example": {"deliver": "discard:", "users": "any"}},
                   "limits": {"vrfy": "any", "expn": "any"}})
    with thurn.dial() as talk:
        talk.ehlo()
        assert str(talk.cmd("VRFY alice")) == "250 2.1.5 Alice Example <alice@example.org>"
        assert len(talk.cmd("EXPN team", 250).lines) == 2
        talk.cmd("VRFY bob", 553)
        talk.cmd("VRFY whoever", 553)


def test_long_reverse_path(serve):
    """VERP and SRS make local parts above the 64 octets of RFC 5321 4.5.3.1.1, which is a least limit."""
    thurn = serve()
    sender = "SRS0=HHHH=TT=" + "verp" * 55 + "@" + "list." * 30 + "example.net"
    with thurn.dial() as talk:
        talk.ehlo("my-pc.")
        talk.mail(sender, "alice@example.org")
    [raw] = thurn.landed("alice")
    assert raw.startswith(f"Return-Path: <{sender}>".encode())


def test_one_recipient_too_many_is_not_blamed_on_another(serve):
    thurn = serve({"limits": {"recipients": 1}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<a@example.net>", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        assert talk.cmd("RCPT TO:<bob@example.org>", 452).enhanced == "4.5.3"
    thurn.logged(r"NOQUEUE: reject: RCPT from \S+: 452 4\.5\.3 Too many recipients .*; from=<[^>]*> proto=")


def test_vrfy_expn_tell_nothing_by_default(serve):
    thurn = serve(VRFY)
    with thurn.dial() as talk:
        talk.ehlo()
        known, unknown = talk.cmd("VRFY alice", 252), talk.cmd("VRFY nobody", 252)
        assert known.text.replace("alice", "nobody") == unknown.text
        assert talk.cmd("EXPN team@example.org", 252).text.count("alice") == 0


def test_size_limit(serve):
    thurn = serve({"limits": {"max_size": "1M"}})
    with thurn.dial() as talk:
        assert talk.ehlo()["SIZE"] == str(1 << 20)
        assert talk.cmd("MAIL FROM:<a@example.com> SIZE=1048577", 552).enhanced == "5.3.4"
        talk.cmd("MAIL FROM:<a@example.com> SIZE=1000", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        reply = talk.data(b"Subject: big\r\n\r\n" + (b"y" * 76 + b"\r\n") * 20000, 552)
        assert reply.enhanced == "5.3.4"
        talk.mail("a@example.com", "alice@example.org", body=b"Subject: small\r\n\r\nok\r\n")
        talk.cmd("MAIL FROM:<a@example.com> SIZE=99999999999999999999999999", (501, 552))
        talk.cmd("MAIL FROM:<a@example.com> SIZE=-1", 501)
    [raw] = thurn.landed("alice")
    assert b"Subject: small" in raw


def test_ipv6_client(serve):
    thurn = serve({"listen": {"mx": ["[::1]:0"]}})
    with Dialogue("::1", thurn.port()) as talk:
        talk.ehlo("[IPv6:::1]")
        talk.mail("a@example.com", "alice@example.org")
    [raw] = thurn.landed("alice")
    assert "[IPv6:::1]" in mailbox.parsed(raw)["Received"]


@pytest.mark.parametrize("limit, code", [({"recipients": 3}, "4.5.3"), ({"messages_per_session": 1}, None)])
def test_session_limits(serve, limit, code):
    thurn = serve({"limits": limit})
    with thurn.dial() as talk:
        talk.ehlo()
        if code:
            talk.cmd("MAIL FROM:<a@example.com>", 250)
            for _ in range(3):
                talk.cmd("RCPT TO:<alice@example.org>", 250)
            assert talk.cmd("RCPT TO:<bob@example.org>", 452).enhanced == code
            talk.data(b"Subject: x\r\n\r\ny\r\n")
        else:
            talk.mail("a@example.com", "alice@example.org")
            talk.cmd("MAIL FROM:<a@example.com>", (421, 450, 451, 452))
    thurn.landed("alice")


def test_errors_end_a_session(serve):
    thurn = serve({"limits": {"errors": 5}})
    with thurn.dial() as talk:
        talk.ehlo()
        codes = []
        while len(codes) < 10 and 421 not in codes:
            codes.append(talk.cmd("BLURB").code)
        assert codes[:4] == [500] * 4 and codes[-1] == 421
        assert talk.at_end()


def test_sessions_per_address(serve):
    thurn = serve({"limits": {"sessions_per_address": 2}})
    first, second = thurn.dial(), thurn.dial()
    assert first.greeting.code == second.greeting.code == 220
    third = thurn.dial()
    assert third.greeting.code == 421
    third.close()
    first.quit()
    wait.until(lambda: _greets(thurn), "a free place after QUIT")
    second.close()


def _greets(thurn):
    with thurn.dial() as talk:
        return talk.greeting.code == 220


def test_g4_pregreet(serve):
    thurn = serve({"limits": {"pregreet": "1s"}})
    with thurn.dial() as patient:
        assert patient.greeting.code == 220
        patient.ehlo()
        patient.mail("a@example.com", "alice@example.org")
    with thurn.dial(greeting=False) as hasty:
        hasty.send("EHLO hasty.example.com\r\nMAIL FROM:<a@example.com>\r\n")
        assert hasty.read().code in (421, 521, 554)
        assert hasty.at_end()
    thurn.landed("alice")


def test_web_browsers_are_sent_away(serve):
    """A request that a browser was tricked into: whatever it carries is never run as commands."""
    thurn = serve()
    for verb in (b"GET / HTTP/1.1", b"POST / HTTP/1.1", b"CONNECT mail.example.org:25 HTTP/1.1"):
        with thurn.dial() as talk:
            talk.send(verb + b"\r\nHost: mail.example.org\r\n\r\nHELO x.example.com\r\nMAIL FROM:<a@example.com>\r\n")
            assert b"Sender ok" not in talk.drained()
    with thurn.dial() as talk:
        talk.ehlo()


def test_own_names(serve):
    """root, postmaster, abuse and mailer-daemon of the host have a home, and bare names mean the origin."""
    thurn = serve({"origin": "example.org"})
    with thurn.dial() as talk:
        talk.ehlo()
        for name in ("root", "postmaster", "abuse", "mailer-daemon"):
            talk.mail("a@example.com", f"{name}@mail.example.org", body=f"Subject: {name}\r\n\r\nx\r\n".encode())
        talk.mail("a@example.com", "bob")
    assert len(thurn.landed("alice", 4)) == 4 and len(thurn.landed("bob")) == 1
    thurn.command("send", "--from", "root", "--to", "bob", "-", stdin="Subject: cron\n\nx\n")
    assert mailbox.parsed(thurn.landed("bob", 2)[1])["Return-Path"] == "<root@example.org>"


def test_connections_per_minute(serve):
    thurn = serve({"limits": {"connections_per_minute": 5}})
    codes = []
    for _ in range(8):
        with thurn.dial() as talk:
            codes.append(talk.greeting.code)
    assert codes[:5] == [220] * 5 and codes[-1] == 421
