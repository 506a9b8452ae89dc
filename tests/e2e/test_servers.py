# SPDX-License-Identifier: ISC
"""Postfix, Exim, OpenSMTPD and Sendmail beside Thurn, each delivering to it and taking mail from it, over STARTTLS (S15)."""

import re

import pytest

from harness import clients, interop, letter, mailbox, servers, wait
from harness.dialogue import Dialogue

RECORDS = ["mail.example.org. A 10.77.0.2", "example.org. MX 10 mail.example.org.",
           "example.com. MX 10 peer.example.com.", "peer.example.com. A 10.77.0.3"]
TRUST = {"relay": {"network": {"10.77.0.0/24": {"senders": ["@example.org"]}}}}
THURN = "mail.example.org"
ALICE, BOB = "alice@example.org", "bob@example.com"
CONTENT = "content byte for byte, with dots, 8-bit, long lines, 1 MiB"


@pytest.fixture
def both(serve, net, dns, authority, work, build, closing, root):
    """both(NAME) starts that server and a Thurn beside it."""
    def make(kind, config=None, **main):
        dns(RECORDS)
        peer = closing(servers.start(kind, build, work, net, authority, **main))
        thurn = serve({**TRUST, "tls": authority.config("mail.example.org"), **(config or {})}, inside=net)
        return peer, thurn

    return make


def send(talk, sender, recipient, octets, args=" BODY=8BITMIME", notify=""):
    talk.ehlo()
    for line in (f"MAIL FROM:<{sender}>{args}", f"RCPT TO:<{recipient}>{notify}"):
        talk.cmd(line, 250)
    talk.cmd("DATA", 354)
    talk.send(re.sub(rb"(?m)^\.", b"..", octets) + b".\r\n")
    talk.read(250)
    talk.quit()


def first(box, why):
    return wait.until(lambda: mailbox.maildir(box), why)[0]


def received(raw):
    """The newest Received field."""
    return " ".join(mailbox.parsed(raw).get_all("Received")[0].split())


SAID = re.compile(r"(?:>>>|<<<|SMTP[|+<>]{2}|(?:postfix/smtpd?\S+ [<>] \S+:)) ?(?!.*\[)([ -~]+?)\r?$")
SPEAKER = re.compile(r"^\d+ |postfix/smtpd?\[\d+\]|\b(?:smtp|mta): \S+:")


def sessions(peer):
    """What was said, line by line, in each session that the peer's own log tells of: commands and replies alone. Its
    processes write at the same time, each line with who it is."""
    spoken = {}
    for line in peer.log().splitlines():
        said = SAID.search(line)
        if said and re.match(r"\d{3}[ -]|(?i:EHLO|STARTTLS|MAIL|RCPT|DATA$|BDAT|QUIT)", said[1]):
            who = SPEAKER.search(line)
            spoken.setdefault(who and who[0], []).append(said[1])
    found = []
    for lines in spoken.values():
        starts = [n for n, line in enumerate(lines) if re.match(r"220[ -].*ESMTP", line)]
        found += [lines[a:b] for a, b in zip(starts, [*starts[1:], len(lines)])]
    return found


def sessions_of(peer, server):
    """The text of each session in which this host was the server."""
    return ["\n".join(one) for one in sessions(peer) if re.match(r"220[ -]" + re.escape(server), one[0])]


def shows_extensions(it, peer, server, words):
    """A claim for each word that one of the two put to use; a peer writes its log late and may need a second session."""
    used = {"STARTTLS": r"^STARTTLS\n220", "SIZE": r"^MAIL .* SIZE=\d+", "8BITMIME": r"^MAIL .* BODY=8BITMIME",
            "PIPELINING": r"^(MAIL .*\nRCPT|RCPT .*\n(DATA|BDAT|RCPT))", "CHUNKING": r"^BDAT \d+",
            "DSN": r"^RCPT .* NOTIFY=SUCCESS", "SMTPUTF8": r"^MAIL .* SMTPUTF8"}
    for word in words.split():
        it.shows(word, lambda word=word: any(re.search(used[word], text, re.M | re.I) for text in sessions_of(peer, server)),
                 lambda: "\n\n".join(sessions_of(peer, server)) or peer.log())


def same_body(it, raw, sent):
    got, wanted = mailbox.body(mailbox.unix(raw)), sent.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
    it.shows(CONTENT, got == wanted, lambda: repr(got[:3000]))


TO_PEER = {"Postfix": "STARTTLS SIZE 8BITMIME", "Exim": "STARTTLS SIZE 8BITMIME", "OpenSMTPD": "SIZE 8BITMIME",
           "Sendmail": "STARTTLS SIZE 8BITMIME"}
FROM_PEER = {"Postfix": "STARTTLS SIZE 8BITMIME PIPELINING", "Exim": "STARTTLS SIZE PIPELINING CHUNKING", "OpenSMTPD": "STARTTLS",
             "Sendmail": "STARTTLS SIZE 8BITMIME PIPELINING"}


@pytest.mark.parametrize("kind", servers.NAMES)
def test_s15_server_next_hop(both, row, kind):
    peer, thurn = both(kind)
    it = row(kind, interop.OUT)
    it.ran(f"{' '.join(peer.command)}, the MX of example.com")
    sent = letter.raw(ALICE, BOB, "to a peer", 1 << 20)
    with thurn.dial() as talk:
        send(talk, ALICE, BOB, sent)
    raw = first(peer.maildir("bob"), lambda: thurn.log() + peer.log()[-4000:])
    thurn.logged(rf"to=<{BOB}>.*status=sent")
    if kind == "OpenSMTPD":  # 6.8 offers STARTTLS when it runs on OpenSSL 3, and then cannot sign in the handshake
        it.shows("its TLS handshake fails: sent without", lambda: "TLS handshake failed" in thurn.log(), thurn.log)
    else:
        assert re.search(r"with (ESMTPS|esmtps)", received(raw)), received(raw)
    shows_extensions(it, peer, servers.NAME, TO_PEER[kind])
    same_body(it, raw, sent)
    thurn.queue_empty()


@pytest.mark.parametrize("kind", servers.NAMES)
def test_s15_server_previous_hop(both, net, row, kind):
    peer, thurn = both(kind)
    it = row(kind, interop.IN)
    it.ran(f"{' '.join(peer.command)}, Thurn the MX of example.org")
    sent = letter.raw(BOB, ALICE, "from a peer", 1 << 20)
    with net.entered():
        talk = Dialogue(servers.HOST, 25)
    with talk:
        send(talk, BOB, ALICE, sent)
    raw = first(thurn.maildir("alice"), lambda: peer.log()[-4000:] + thurn.log())
    assert "with ESMTPS id" in received(raw), received(raw)
    shows_extensions(it, peer, THURN, FROM_PEER[kind])
    same_body(it, raw, sent)
    thurn.queue_empty()


WIDE = "gr\u00fcn"


def wide_letter(sender, recipient):
    return (f"From: Gr\u00fcn <{sender}>\r\nTo: <{recipient}>\r\nSubject: Gr\u00fc\u00dfe\r\nMIME-Version: 1.0\r\n"
            "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <wide@test.example>\r\n"
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u00fc\u00dfe\r\n").encode()


@pytest.mark.parametrize("kind", ["Postfix", "Exim"])
def test_e6_client_smtputf8(both, row, kind):
    peer, thurn = both(kind)
    it = row(kind, interop.OUT)
    it.ran(f"{' '.join(peer.command)}, the MX of example.com")
    sender, recipient = "alice@example.org", f"{WIDE}@example.com"
    with thurn.dial() as talk:
        send(talk, sender, recipient, wide_letter(sender, recipient), " BODY=8BITMIME SMTPUTF8")
    raw = first(peer.maildir(WIDE), lambda: thurn.log() + peer.log()[-4000:])
    shows_extensions(it, peer, servers.NAME, "SMTPUTF8")
    it.shows("recipient and header in UTF-8 as they were", f"Subject: Gr\u00fc\u00dfe\n".encode() in mailbox.unix(raw), repr(raw))
    thurn.queue_empty()


@pytest.mark.parametrize("kind", ["Postfix", "Exim"])
def test_e6_server_smtputf8(both, net, row, kind):
    peer, thurn = both(kind, {"domain": {"example.org": {"users": ["alice", "bob", WIDE]}}})
    it = row(kind, interop.IN)
    it.ran(f"{' '.join(peer.command)}, Thurn the MX of example.org")
    sender, recipient = BOB, f"{WIDE}@example.org"
    with net.entered():
        talk = Dialogue(servers.HOST, 25)
    with talk:
        send(talk, sender, recipient, wide_letter(sender, recipient), " BODY=8BITMIME SMTPUTF8")
    raw = first(thurn.maildir(WIDE), lambda: peer.log()[-4000:] + thurn.log())
    shows_extensions(it, peer, THURN, "SMTPUTF8")
    it.shows("recipient and header in UTF-8 as they were", f"Subject: Gr\u00fc\u00dfe\n".encode() in mailbox.unix(raw), repr(raw))
    assert "with UTF8SMTPS id" in received(raw), received(raw)
    thurn.queue_empty()


def report_for(raw, recipient):
    """The fields of this recipient in a delivery report."""
    _, blocks = mailbox.delivery_status(raw)
    [one] = [block for block in blocks if recipient in (block["Original-Recipient"] or block["Final-Recipient"])]
    return one


@pytest.mark.parametrize("kind", ["Postfix", "Sendmail"])
def test_e7_client_dsn(both, row, kind):
    peer, thurn = both(kind)
    it = row(kind, interop.OUT)
    it.ran(f"{' '.join(peer.command)}, the MX of example.com")
    with thurn.dial() as talk:
        send(talk, ALICE, BOB, letter.raw(ALICE, BOB), " BODY=8BITMIME RET=HDRS ENVID=QQ314159",
             f" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{BOB}")
    [report] = thurn.landed("alice")
    shows_extensions(it, peer, servers.NAME, "DSN")
    action = {"Postfix": "delivered", "Sendmail": "relayed"}[kind]  # to Sendmail a mailbox behind a program is not its own
    it.shows("its report of success comes back", report_for(report, BOB)["Action"].startswith(action), report)
    assert mailbox.delivery_status(report)[0]["Original-Envelope-Id"] == "QQ314159"
    thurn.queue_empty()


@pytest.mark.parametrize("kind", ["Postfix", "Sendmail"])
def test_e7_server_dsn(both, net, row, kind):
    peer, thurn = both(kind)
    it = row(kind, interop.IN)
    it.ran(f"{' '.join(peer.command)}, Thurn the MX of example.org")
    with net.entered():
        talk = Dialogue(servers.HOST, 25)
    with talk:
        send(talk, BOB, ALICE, letter.raw(BOB, ALICE), " BODY=8BITMIME RET=HDRS ENVID=QQ314159",
             f" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;{ALICE}")
    first(thurn.maildir("alice"), lambda: peer.log()[-4000:] + thurn.log())
    shows_extensions(it, peer, THURN, "DSN")
    report = first(peer.maildir("bob"), lambda: peer.log()[-4000:] + thurn.log())
    it.shows("Thurn's report of success reaches the sender there", report_for(report, ALICE)["Action"] == "delivered", report)
    assert mailbox.delivery_status(report)[0]["Original-Envelope-Id"] == "QQ314159"
    thurn.queue_empty()


def test_e14_server_postfix_lmtp(serve, net, dns, authority, work, build, closing, row, root):
    dns(RECORDS)
    peer = closing(servers.start("Postfix", build, work, net, authority, relay_domains="example.org",
                                 transport_maps="inline:{ example.org=lmtp:inet:10.77.0.2:24 }"))
    thurn = serve({"listen": {"lmtp": ["10.77.0.2:24"]}}, inside=net)
    it = row("Postfix", interop.IN)
    it.ran(f"{' '.join(peer.command)}, transport_maps = inline:{{ example.org=lmtp:inet:10.77.0.2:24 }}")
    sent = letter.raw(BOB, ALICE, "by LMTP", 1 << 20)
    with net.entered():
        talk = Dialogue(servers.HOST, 25)
    with talk:
        talk.ehlo()
        talk.cmd(f"MAIL FROM:<{BOB}> BODY=8BITMIME", 250)
        for recipient in (ALICE, "bob@example.org", "nobody@example.org"):
            talk.cmd(f"RCPT TO:<{recipient}>", 250)
        talk.cmd("DATA", 354)
        talk.send(re.sub(rb"(?m)^\.", b"..", sent) + b".\r\n")
        talk.read(250)
        talk.quit()
    for user in ("alice", "bob"):
        raw = first(thurn.maildir(user), lambda: peer.log()[-4000:] + thurn.log())
        it.shows("LMTP", "with LMTP id" in received(raw), received(raw))
        same_body(it, raw, sent)
    it.shows("one reply a recipient: two are taken, one is refused",
             peer.logged(r"to=<alice@example\.org>.*status=sent") and peer.logged(r"to=<bob@example\.org>.*status=sent")
             and peer.logged(r"to=<nobody@example\.org>.*status=bounced \(host .* said: 550"))
    thurn.queue_empty()


def test_e13_server_postfix_xforward(both, net, row):
    peer, thurn = both("Postfix", {"trust": {"xforward": [servers.HOST]}}, smtp_send_xforward_command="yes",
                       smtpd_authorized_xforward_hosts="10.77.0.0/24", relayhost="[10.77.0.2]")
    it = row("Postfix", interop.IN)
    it.ran(f"{' '.join(peer.command)}, smtp_send_xforward_command = yes")
    with net.entered():
        talk = Dialogue(servers.HOST, 25, source=("10.77.0.9", 0))
    with talk:
        send(talk, BOB, ALICE, letter.raw(BOB, ALICE))
    raw = first(thurn.maildir("alice"), lambda: peer.log()[-4000:] + thurn.log())
    it.shows("XFORWARD: the client that it speaks for is logged", lambda: re.search(r"XFORWARD .*ADDR=10\.77\.0\.9", peer.log())
             and "10.77.0.9" in thurn.log(), lambda: thurn.log() + peer.log()[-4000:])
    assert "(TLSv1.3" in received(raw)


def test_e13_server_swaks_xclient(serve, net, row):
    thurn = serve({"trust": {"xclient": ["10.77.0.5"]}}, inside=net)
    it = row("swaks", interop.IN)
    done = clients.swaks("10.77.0.2", 25, BOB, ALICE, "--local-interface", "10.77.0.5", "--xclient-addr", "10.77.0.9",
                         "--xclient-name", "there.example.net", "--xclient-helo", "there.example.net", inside=net)
    it.ran(done.args)
    raw = thurn.landed("alice")[0]
    it.shows("XCLIENT: the client that it names is whom Thurn sees", lambda: "(there.example.net [10.77.0.9])"
             in received(raw) and "[10.77.0.9]" in thurn.log(), received(raw))
    clients.swaks("10.77.0.2", 25, BOB, ALICE, "--local-interface", "10.77.0.6", "--xclient-addr", "10.77.0.9", inside=net,
                  expect=None)
    it.shows("XCLIENT is not offered to others", lambda: "[10.77.0.6]" in thurn.log(), thurn.log)
