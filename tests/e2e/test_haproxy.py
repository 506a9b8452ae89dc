# SPDX-License-Identifier: ISC
"""HAProxy in front of Thurn: the client is whom the PROXY header names (E13)."""

import os

import pytest

from harness import clients, haproxy, interop, letter, mailbox
from harness.dialogue import Closed, Dialogue

PROXY, CLIENT = "10.77.0.5", "10.77.0.9"


@pytest.mark.parametrize("version", [1, 2])
def test_e13_server_haproxy(serve, net, work, row, closing, authority, version):
    thurn = serve({"listen": {"mx": ["10.77.0.2:25 proxy"]}, "trust": {"proxy": [f"{PROXY}/32"]},
                   "tls": authority.config("mail.example.org")}, inside=net)
    front = closing(haproxy.HAProxy(os.path.join(work, "haproxy"), net, PROXY, 25, "10.77.0.2:25", version))
    it = row("HAProxy", interop.IN)
    it.ran(front.command)
    it.ran(front.line)
    sent = letter.raw("x@example.net", "alice@example.org", "through HAProxy", 1 << 20)
    with net.entered():
        talk = Dialogue(PROXY, 25, source=(CLIENT, 0))
    with talk:
        talk.ehlo()
        talk.starttls(authority.client_context())
        talk.ehlo()
        talk.mail("x@example.net", "alice@example.org", body=sent, args=" BODY=8BITMIME")
        talk.quit()
    raw = mailbox.unix(thurn.landed("alice")[0])
    received = " ".join(mailbox.parsed(raw).get_all("Received")[0].split())
    it.shows(f"PROXY v{version}: the client of its header is in Received and log",
             lambda: f"[{CLIENT}]" in received and f"connect from unknown[{CLIENT}]" in thurn.log(), lambda: received + thurn.log())
    it.shows("STARTTLS", "with ESMTPS id" in received, received)
    it.shows("content byte for byte, 1 MiB", mailbox.body(raw) == sent.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n"))
    with net.entered():
        stranger = Dialogue("10.77.0.2", 25, source=(CLIENT, 0), greeting=False)
    with stranger:
        stranger.send(f"PROXY TCP4 10.77.0.3 10.77.0.2 1000 25\r\n")
        with pytest.raises(Closed):
            stranger.reply()
    it.shows("a PROXY header from another address is not believed", "10.77.0.3" not in thurn.log(), thurn.log)


@pytest.mark.parametrize("version", [1, 2])
def test_e13_server_haproxy_submission(serve, net, work, row, closing, authority, version):
    thurn = serve({"listen": {"submission": ["10.77.0.2:465 tls proxy"]}, "trust": {"proxy": [PROXY]},
                   "tls": authority.config("mail.example.org", PROXY)}, inside=net, start=False)
    thurn.command("user", "add", "alice@example.org", stdin="correct-horse-1\n")
    thurn.start()
    front = closing(haproxy.HAProxy(os.path.join(work, "haproxy"), net, PROXY, 465, "10.77.0.2:465", version))
    it = row("HAProxy", interop.IN)
    it.ran(front.line)
    done = clients.swaks(PROXY, 465, "alice@example.org", "bob@example.org", "-tlsc", "--auth", "PLAIN", "--auth-user",
                         "alice@example.org", "--auth-password", "correct-horse-1", "--local-interface", CLIENT, inside=net)
    it.ran(done.args)
    raw = mailbox.unix(thurn.landed("bob")[0])
    received = " ".join(mailbox.parsed(raw).get_all("Received")[0].split())
    it.shows(f"PROXY v{version} before SMTPS", f"[{CLIENT}]" in received and "with ESMTPSA id" in received, received)
