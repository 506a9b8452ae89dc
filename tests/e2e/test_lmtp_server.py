# SPDX-License-Identifier: ISC
"""The LMTP listener (RFC 2033): for local software, for our domains, with a reply for each recipient."""

import smtplib

import pytest

from harness import mailbox
from harness.dialogue import Dialogue, stuffed


def received(raw):
    return " ".join(mailbox.parsed(raw)["Received"].split())


def test_e14_server_lmtp_replies_for_each_recipient(serve):
    thurn = serve({"listen": {"lmtp": ["127.0.0.1:0"]}})
    with thurn.dial("lmtp") as talk:
        assert "LMTP" in talk.greeting.text
        talk.cmd("EHLO client.example.com", (500, 502, 503))
        talk.cmd("HELO client.example.com", (500, 502, 503))
        offered = talk.cmd("LHLO client.example.com", 250).text
        assert "PIPELINING" in offered and "ENHANCEDSTATUSCODES" in offered and "AUTH" not in offered
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.cmd("RCPT TO:<nobody@example.org>", 550)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        talk.cmd("DATA", 354)
        talk.send(stuffed(b"Subject: hello\r\n\r\nhello\r\n") + b".\r\n")
        talk.read(250)
        talk.read(250)
        talk.quit()
    [raw] = thurn.landed("bob")
    assert " with LMTP id" in received(raw), received(raw)
    thurn.landed("alice")


def test_e14_server_lmtp_without_a_recipient(serve):
    thurn = serve({"listen": {"lmtp": ["127.0.0.1:0"]}})
    with thurn.dial("lmtp") as talk:
        talk.cmd("LHLO c", 250)
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<nobody@example.org>", 550)
        talk.cmd("DATA", (503, 554))


def test_e14_server_lmtp_by_bdat(serve):
    thurn = serve({"listen": {"lmtp": ["127.0.0.1:0"]}})
    with thurn.dial("lmtp") as talk:
        talk.cmd("LHLO c", 250)
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        talk.send(b"BDAT 9\r\nSubject: ")
        talk.read(250)
        talk.send(b"BDAT 6 LAST\r\nx\r\n\r\n\n")
        talk.read(250)
        talk.read(250)
    thurn.landed("bob")


def test_e14_server_lmtp_on_a_unix_socket(serve):
    thurn = serve({"listen": {"lmtp": ["unix:{dir}/lmtp.sock"]}})
    client = smtplib.LMTP(thurn.folder + "/lmtp.sock")
    client.sendmail("x@example.net", ["bob@example.org", "alice@example.org"], "Subject: hello\r\n\r\nhello\r\n")
    client.quit()
    thurn.landed("bob")
    thurn.landed("alice")


@pytest.mark.parametrize("place", ["127.0.0.1:0", "unix:{dir}/lmtp.sock"])
def test_threat_lmtp_never_relays(serve, place):
    """Not even for networks that may: what comes here was accepted elsewhere, and is for us."""
    thurn = serve({"listen": {"lmtp": [place]}, "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}}})
    unix = thurn.folder + "/lmtp.sock" if place.startswith("unix") else None
    with Dialogue(None, None, unix=unix) if unix else thurn.dial("lmtp") as talk:
        talk.cmd("LHLO c", 250)
        talk.cmd("MAIL FROM:<alice@example.org>", 250)
        assert talk.cmd("RCPT TO:<x@example.net>", 550).enhanced == "5.7.1"
        talk.cmd("AUTH PLAIN AGEAYg==", (500, 502, 503, 504))
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<alice@example.org>", 250)
        talk.cmd("RCPT TO:<x@example.net>", 250)


def test_e14_server_lmtp_over_starttls(serve, authority):
    thurn = serve({"listen": {"lmtp": ["127.0.0.1:0 starttls"]}, "tls": authority.config("mail.example.org", "127.0.0.1")})
    with thurn.dial("lmtp") as talk:
        talk.cmd("LHLO c", 250)
        talk.starttls(authority.client_context())
        talk.cmd("LHLO c", 250)
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.data(b"Subject: s\r\n\r\n")
    [raw] = thurn.landed("bob")
    assert " with LMTPS id" in received(raw)
