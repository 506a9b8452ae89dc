# SPDX-License-Identifier: ISC
"""Dovecot beside Thurn: mailboxes by LMTP, logins by its auth socket (L5, E11, E14)."""

import os
import re

import pytest

from harness import clients, dovecot, interop, letter, mailbox, wait


@pytest.fixture
def make_dovecot(work, closing, root):
    return lambda **more: closing(dovecot.Dovecot(os.path.join(work, "dovecot"), **more))


def test_l5_dovecot_lmtp(serve, make_dovecot, row):
    peer = make_dovecot()
    it = row("Dovecot", interop.OUT)
    thurn = serve({"domain": {"example.com": {"deliver": f"lmtp:unix:{peer.lmtp}", "users": ["bob", "carol", "gone"]}}})
    it.ran(f'{" ".join(peer.command)}, deliver = "lmtp:unix:DIR/dovecot/lmtp"')
    sent = letter.raw("x@example.net", "bob@example.com", "to Dovecot", 1 << 20)
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.net", "bob@example.com", "carol@example.com", "gone@example.com", body=sent, args=" BODY=8BITMIME")
        talk.quit()
    wanted = sent.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
    for user in ("bob", "carol"):
        [raw] = wait.until(lambda user=user: mailbox.maildir(peer.maildir(user)), lambda: thurn.log() + peer.log())
        received = " ".join(mailbox.parsed(raw).get_all("Received")[0].split())
        it.shows("LMTP", "with LMTP" in received, received)
        it.shows("content byte for byte, with dots, 8-bit, long lines, 1 MiB", mailbox.body(mailbox.unix(raw)) == wanted,
                 lambda raw=raw: repr(raw[:3000]))
        assert mailbox.parsed(raw)["Return-Path"] == "<x@example.net>"
    it.shows("one reply a recipient: two are taken and one is refused after the dot or at RCPT",
             thurn.logged(r"to=<gone@example\.com>.*status=bounced"))
    thurn.logged(r"to=<bob@example\.com>.*status=sent")
    thurn.queue_empty()


LOGIN, PASSWORD = "alice@example.org", "correct-horse-1"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_e11_server_dovecot_sasl(serve, make_dovecot, authority, work, row, mechanism):
    peer = make_dovecot(users=[(LOGIN, PASSWORD)], mechanisms="plain login scram-sha-1 scram-sha-256")
    it = row("Dovecot", interop.BOTH)
    thurn = serve({"tls": authority.config("mail.example.org", "localhost"), "auth": {"via": f"dovecot:{peer.auth}"},
                   "listen": {"submission": ["127.0.0.1:0 starttls"]}})
    it.ran(f'{" ".join(peer.command)}, [auth] via = "dovecot:DIR/dovecot/auth"')
    sent = letter.raw(LOGIN, "bob@example.org", "by Dovecot's leave")
    settings = [f"auth {mechanism.lower()}", f"user {LOGIN}", "tls on", "tls_starttls on", f"tls_trust_file {authority.cert}"]
    for password, code in (("wrong", 77), (PASSWORD, 0)):
        done = clients.msmtp(work, "localhost", thurn.port("submission"), LOGIN, "bob@example.org", sent, *settings,
                             f'password "{password}"', expect=code)
    it.ran(done.args)
    thurn.landed("bob")
    it.shows(f"AUTH {mechanism} of msmtp, answered by its auth socket; a wrong password is refused",
             lambda: f"sasl_method={mechanism}, sasl_username={LOGIN}" in thurn.log()
             and re.search(r"\(?alice@example\.org.*([Pp]assword mismatch|[Aa]uth.* fail|Invalid)", peer.log()), lambda: peer.log())
