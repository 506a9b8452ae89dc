# SPDX-License-Identifier: ISC
"""Dovecot beside Thurn: mailboxes by LMTP, logins by its auth socket (L5, E11, E14)."""

import os

import pytest

from harness import dovecot, interop, letter, mailbox, wait


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
