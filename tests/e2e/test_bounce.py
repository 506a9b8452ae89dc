# SPDX-License-Identifier: ISC
"""What comes back: RFC 3464 reports that a person understands, delay warnings, and never a bounce of a bounce."""

import re

import pytest

from harness import mailbox, wait


@pytest.fixture
def post(serve, make_sink):
    """post(queue={...}, **sink answers): a server whose mail for others goes to a scripted smarthost."""
    def make(queue=None, **answers):
        sink = make_sink(**answers)
        thurn = serve({"queue": queue or {}, "route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}},
                       "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}}})
        thurn.sink = sink
        return thurn

    return make


def send(thurn, sender, *recipients, body=b"From: alice@example.org\r\nSubject: Lunch?\r\n\r\nAt noon.\r\n"):
    with thurn.dial() as talk:
        talk.ehlo()
        return talk.mail(sender, *recipients, body=body)


def test_bounce_by_the_book(post):
    thurn = post(rcpt=lambda s, a: "550 5.1.1 <%s> is unknown to us" % a if a.startswith("nobody") else None)
    ident = send(thurn, "alice@example.org", "nobody@example.com", "friend@example.com")
    [raw] = thurn.landed("alice")
    assert thurn.sink.recipients() == ["friend@example.com"]
    mail = mailbox.parsed(raw)
    assert mail["Return-Path"] == "<>"
    assert mail["Auto-Submitted"].startswith("auto-")
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "delivery-status"
    assert mail["From"] and mail["To"] and mail["Subject"] and mail["Date"] and mail["Message-ID"]
    assert "alice@example.org" in mail["To"] and "mailer-daemon@" in mail["From"].lower()
    parts = list(mail.iter_parts())
    assert [p.get_content_type() for p in parts][:2] == ["text/plain", "message/delivery-status"]
    words = parts[0].get_content()
    assert "nobody@example.com" in words and "is unknown to us" in words and "friend@example.com" not in words
    message, recipients = mailbox.delivery_status(raw)
    assert message["Reporting-MTA"].replace(" ", "") == "dns;mail.example.org"
    assert message["Arrival-Date"]
    [one] = recipients
    assert one["Final-Recipient"].replace(" ", "").lower() == "rfc822;nobody@example.com"
    assert one["Action"] == "failed" and one["Status"] == "5.1.1"
    assert re.match(r"smtp; ?550 5\.1\.1 .*is unknown to us", one["Diagnostic-Code"])
    assert one["Remote-MTA"].startswith("dns;")
    original = mailbox.report_part(raw, "message/rfc822").get_payload(0)
    assert original["Subject"] == "Lunch?" and "At noon." in original.get_content()
    thurn.logged(rf"{ident}: to=<nobody@example\.com>.*dsn=5\.1\.1, status=bounced")
    thurn.queue_empty()


def test_bounce_of_a_large_mail_returns_headers_only(post):
    thurn = post(end="554 5.6.0 do not like it")
    send(thurn, "alice@example.org", "b@example.com",
         body=b"From: alice@example.org\r\nSubject: Big\r\n\r\n" + b"0123456789abcdef\r\n" * 4000)
    [raw] = thurn.landed("alice")
    assert len(raw) < 50 << 10
    part = mailbox.report_part(raw, "text/rfc822-headers")
    assert part is not None and "Subject: Big" in part.get_payload()


def test_bounce_when_given_up(post):
    thurn = post(queue={"give_up": "5s", "retry": ["1s"]}, rcpt="451 4.2.0 mailbox busy")
    send(thurn, "alice@example.org", "b@example.com")
    [raw] = thurn.landed("alice")
    _, [one] = mailbox.delivery_status(raw)
    assert one["Action"] == "failed" and "mailbox busy" in one["Diagnostic-Code"]
    assert re.fullmatch(r"[45]\.\d+\.\d+", one["Status"])
    assert len([c for s in thurn.sink.sessions for c in s.commands if c.startswith("RCPT")]) >= 2
    thurn.queue_empty()


def test_552_to_rcpt_is_temporary(post):
    thurn = post(rcpt=["552 5.5.3 too many", None])
    send(thurn, "alice@example.org", "b@example.com")
    wait.until(lambda: thurn.sink.messages, thurn.log)
    thurn.queue_empty()
    assert not mailbox.maildir(thurn.maildir("alice"))


def test_double_bounce(post):
    """The sender's own address is refused, too: the postmaster hears of it or the log does, and it ends there."""
    thurn = post(rcpt="550 5.1.1 no such user")
    thurn.removed(send(thurn, "ghost@example.net", "nobody@example.com"))
    thurn.queue_empty()
    tried = [c for s in thurn.sink.sessions for c in s.commands if c.startswith(("MAIL", "RCPT"))]
    assert tried.count("RCPT TO:<nobody@example.com>") == 1
    assert len([c for c in tried if "ghost@example.net" in c and c.startswith("RCPT")]) == 1, "one bounce, tried once"
    notices = mailbox.maildir(thurn.maildir("alice"))
    assert len(notices) <= 1
    for raw in notices:
        assert mailbox.parsed(raw)["Return-Path"] == "<>"
        assert b"ghost@example.net" in raw
    if not notices:
        thurn.logged("(?i)double.bounce|undeliverable bounce")


def test_null_sender_is_never_bounced(post):
    thurn = post(rcpt="550 5.1.1 no such user")
    thurn.removed(send(thurn, "", "nobody@example.com"))
    thurn.queue_empty()
    assert not [c for s in thurn.sink.sessions for c in s.commands if c.startswith("RCPT") and "nobody" not in c]


def test_delay_warning(post):
    thurn = post(queue={"retry": ["1s"], "warn_after": "2s", "give_up": "90s"}, rcpt="451 4.3.0 come back later")
    ident = send(thurn, "alice@example.org", "b@example.com")
    [raw] = thurn.landed("alice")
    mail = mailbox.parsed(raw)
    assert mail["Return-Path"] == "<>" and mail["Auto-Submitted"].startswith("auto-")
    _, [one] = mailbox.delivery_status(raw)
    assert one["Action"] == "delayed" and one["Status"].startswith("4.")
    assert one["Will-Retry-Until"]
    [queued] = wait.until(lambda: [m for m in thurn.queue() if m["id"] == ident], thurn.queue)
    assert queued["id"] == ident and "come back later" in queued["reason"]
    tries = queued["tries"]
    wait.until(lambda: [m for m in thurn.queue() if m["id"] == ident and m["tries"] >= tries + 3], thurn.log)
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1, "one warning a mail"
    thurn.sink.answers["rcpt"] = None
    wait.until(lambda: thurn.sink.messages, thurn.log)
    thurn.queue_empty()
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1


def test_strangers_get_no_delay_warning(serve, make_sink):
    sink = make_sink(rcpt="451 4.3.0 later")
    thurn = serve({"queue": {"retry": ["1s"], "warn_after": "1s"},
                   "domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}})
    send(thurn, "alice@example.org", "x@example.net")
    wait.until(lambda: thurn.queue() and thurn.queue()[0]["tries"] >= 4, thurn.log)
    assert not mailbox.maildir(thurn.maildir("alice"))
