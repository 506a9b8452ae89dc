# SPDX-License-Identifier: ISC
"""Postfix and Exim as next hop and as previous hop, and Postfix's load pair."""

import os
import re
import subprocess

import pytest

from harness import account, clients, mailbox, thurn as thurn_module, wait
from harness.dialogue import Dialogue
from harness.exim import Exim

RECORDS = ["mail.example.org. A 10.77.0.2", "example.org. MX 10 mail.example.org.",
           "example.com. MX 10 peer.example.com.", "peer.example.com. A 10.77.0.3"]
BODY = (b"From: Alice <alice@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        b"Gr\xc3\xbc\xc3\x9fe\r\n.\r\n..two dots\r\n\r\n" + b"long " * 150 + b"\r\nend\r\n")
TEXT = BODY.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
TRUST = {"relay": {"network": {"10.77.0.0/24": {"senders": ["@example.org"]}}}}


def dial(net, host, port=25):
    with net.entered():
        return Dialogue(host, port)


def send(talk, sender, *recipients, body=BODY):
    talk.ehlo()
    for line in [f"MAIL FROM:<{sender}> BODY=8BITMIME", *(f"RCPT TO:<{r}>" for r in recipients)]:
        talk.cmd(line, 250)
    talk.cmd("DATA", 354)
    talk.send(re.sub(rb"(?m)^\.", b"..", body) + b".\r\n")
    talk.read(250)
    talk.quit()


def postfix_mailboxes(folder):
    uid = int(subprocess.run(["id", "-u", "nobody"], check=True, capture_output=True).stdout)
    return {"virtual_mailbox_domains": "example.com", "virtual_mailbox_base": folder,
            "virtual_mailbox_maps": "inline:{ bob@example.com=bob/ carol@example.com=carol/ }",
            "virtual_uid_maps": f"static:{uid}", "virtual_gid_maps": "static:65534", "virtual_minimum_uid": "1"}


@pytest.mark.parametrize("tls", [False, True])
def test_postfix_next_hop(serve, net, dns, make_postfix, authority, work, tls):
    box = os.path.join(work, "boxes")
    os.mkdir(box)
    os.chmod(box, 0o777)
    dns(RECORDS)
    cert, key = authority.issue("peer.example.com")
    secure = {"smtpd_tls_cert_file": cert, "smtpd_tls_key_file": key, "smtpd_tls_security_level": "encrypt"} if tls else {}
    peer = make_postfix("10.77.0.3", 25, inside=net, **postfix_mailboxes(box), **secure)
    thurn = serve(TRUST, inside=net)
    with thurn.dial() as talk:
        send(talk, "alice@example.org", "bob@example.com", "carol@example.com", "nobody@example.com")
    for user in ("bob", "carol"):
        [raw] = wait.until(lambda user=user: mailbox.maildir(os.path.join(box, user)), lambda: thurn.log() + peer.log())
        assert mailbox.body(raw) == TEXT
        assert mailbox.parsed(raw)["Return-Path"] == "<alice@example.org>"
        assert ("with ESMTPS " in str(mailbox.parsed(raw).get_all("Received"))) == tls
    [bounce] = thurn.landed("alice")
    _, [one] = mailbox.delivery_status(bounce)
    assert one["Status"] == "5.1.1" and "nobody@example.com" in one["Final-Recipient"]
    thurn.queue_empty()


def test_postfix_previous_hop(serve, net, dns, make_postfix):
    dns(RECORDS)
    peer = make_postfix("10.77.0.3", 25, inside=net, mynetworks="10.77.0.0/24", smtp_tls_security_level="may")
    thurn = serve(TRUST, inside=net)
    with dial(net, "10.77.0.3") as talk:
        send(talk, "x@example.com", "alice@example.org", "bob@example.org")
    for user in ("alice", "bob"):
        [raw] = thurn.landed(user)
        assert mailbox.body(mailbox.unix(raw)) == TEXT
        assert len(mailbox.parsed(raw).get_all("Received")) == 2
    clients.smtp_source("10.77.0.3", 25, "x@example.com", "alice@example.org", 60, 6, inside=net)
    thurn.landed("alice", 61)
    assert "status=deferred" not in peer.log()
    thurn.queue_empty()


def test_exim_next_hop(serve, net, dns, make_exim):
    dns(RECORDS)
    peer = make_exim("10.77.0.3", 25, Exim.DELIVER, inside=net)
    thurn = serve(TRUST, inside=net)
    with thurn.dial() as talk:
        send(talk, "alice@example.org", "bob@example.com", "carol@example.com")
    for user in ("bob", "carol"):
        [raw] = wait.until(lambda user=user: mailbox.maildir(peer.maildir(user)), lambda: thurn.log() + peer.log())
        assert mailbox.body(raw) == TEXT
    thurn.queue_empty()


def test_exim_previous_hop(serve, net, make_exim):
    thurn = serve(TRUST, inside=net)
    peer = make_exim("10.77.0.3", 25, Exim.relay_to("10.77.0.2", 25), inside=net)
    with dial(net, "10.77.0.3") as talk:
        send(talk, "x@example.com", "alice@example.org", "bob@example.org")
    for user in ("alice", "bob"):
        [raw] = thurn.landed(user)
        assert mailbox.body(mailbox.unix(raw)) == TEXT
    assert " ** " not in peer.log() and " == " not in peer.log()
    thurn.queue_empty()


def test_smtp_source_load(serve):
    thurn = serve({"limits": {"connections_per_minute": 0}})
    clients.smtp_source("127.0.0.1", thurn.port(), "x@example.com", "alice@example.org", 500, 20, "-l", "4096")
    clients.smtp_source("127.0.0.1", thurn.port(), "x@example.com", "bob@example.org", 100, 20, "-d")
    assert len(thurn.landed("alice", 500)) == 500 and len(thurn.landed("bob", 100)) == 100
    thurn.queue_empty()


def test_smtp_sink_next_hop(serve):
    port = thurn_module.free_port()
    user = ["-u", "nobody"] if account.is_root() else []
    sink = subprocess.Popen(["smtp-sink", *user, "-c", f"127.0.0.1:{port}", "100"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        thurn = serve({"limits": {"connections_per_minute": 0},
                       "domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{port}", "users": "any"}}})
        clients.smtp_source("127.0.0.1", thurn.port(), "x@example.com", "any@example.net", 500, 20)
        wait.until(lambda: len(re.findall(r"status=sent", thurn.log())) >= 500, thurn.log)
        thurn.queue_empty()
    finally:
        sink.terminate()
        sink.wait(10)
