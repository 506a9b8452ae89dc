# SPDX-License-Identifier: ISC
"""Postfix, Exim, OpenSMTPD and Sendmail beside Thurn, each delivering to it and taking mail from it, over STARTTLS (S15)."""

import re

import pytest

from harness import interop, letter, mailbox, servers, wait
from harness.dialogue import Dialogue

RECORDS = ["mail.example.org. A 10.77.0.2", "example.org. MX 10 mail.example.org.",
           "example.com. MX 10 peer.example.com.", "peer.example.com. A 10.77.0.3"]
TRUST = {"relay": {"network": {"10.77.0.0/24": {"senders": ["@example.org"]}}}}
ALICE, BOB = "alice@example.org", "bob@example.com"


@pytest.fixture
def both(serve, net, dns, authority, work, build, closing, root):
    """both(NAME) starts that server and a Thurn beside it."""
    def make(kind, config=None, **main):
        dns(RECORDS)
        peer = closing(servers.start(kind, build, work, net, authority, **main))
        thurn = serve({**TRUST, "tls": authority.config("mail.example.org"), **(config or {})}, inside=net)
        return peer, thurn

    return make


def send(talk, sender, recipient, octets, args=" BODY=8BITMIME"):
    talk.ehlo()
    for line in (f"MAIL FROM:<{sender}>{args}", f"RCPT TO:<{recipient}>"):
        talk.cmd(line, 250)
    talk.cmd("DATA", 354)
    talk.send(re.sub(rb"(?m)^\.", b"..", octets) + b".\r\n")
    talk.read(250)
    talk.quit()


def received(raw):
    """The newest Received field."""
    return " ".join(mailbox.parsed(raw).get_all("Received")[0].split())


def same_body(row, raw, sent):
    got, wanted = mailbox.body(mailbox.unix(raw)), sent.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
    if row.program == "OpenSMTPD":
        wanted = wanted
    row.shows("content byte for byte, with dots, 8-bit, long lines, 1 MiB", got == wanted, lambda: repr(got[:3000]))


@pytest.mark.parametrize("kind", servers.NAMES)
def test_s15_server_next_hop(both, row, kind):
    peer, thurn = both(kind)
    it = row(kind, interop.OUT)
    it.ran("example.com. MX 10 peer.example.com.")
    sent = letter.raw(ALICE, BOB, "to a peer", 1 << 20)
    with thurn.dial() as talk:
        send(talk, ALICE, BOB, sent)
    [raw] = wait.until(lambda: mailbox.maildir(peer.maildir("bob")), lambda: thurn.log() + peer.log())
    open("/tmp/peer.log","w").write(peer.log()+thurn.log())
    it.shows("STARTTLS", re.search(r"with e?smtps|with ESMTPS|TLS", received(raw)), received(raw))
    thurn.logged(rf"to=<{BOB}>.*status=sent")
    print(peer.log()[-4000:])
    same_body(it, raw, sent)
    thurn.queue_empty()


@pytest.mark.parametrize("kind", servers.NAMES)
def test_s15_server_previous_hop(both, net, row, kind):
    peer, thurn = both(kind)
    it = row(kind, interop.IN)
    it.ran("example.org. MX 10 mail.example.org.")
    sent = letter.raw(BOB, ALICE, "from a peer", 1 << 20)
    with net.entered():
        talk = Dialogue(servers.HOST, 25)
    with talk:
        send(talk, BOB, ALICE, sent)
    raw = wait.until(lambda: mailbox.maildir(thurn.maildir("alice")), lambda: peer.log() + thurn.log())[0]
    it.shows("STARTTLS", "with ESMTPS id" in received(raw), received(raw))
    print(peer.log()[-4000:])
    same_body(it, raw, sent)
    thurn.queue_empty()
