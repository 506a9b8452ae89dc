# SPDX-License-Identifier: ISC
"""Where mail for others goes: MX hosts in a network namespace with a name server of its own, and smarthosts."""

import os
import re
import threading
import time

import pytest

from harness import mailbox, wait
from harness.sink import DROP

TRUST = {"relay": {"network": {"10.77.0.0/24": {"senders": ["@example.org", "@example.com"]}}}}
HOME = ["mail.example.org. A 10.77.0.2", "example.org. MX 10 mail.example.org."]
TWO = HOME + ["example.com. MX 20 mx2.example.com.", "example.com. MX 10 mx1.example.com.",
              "mx1.example.com. A 10.77.0.11", "mx2.example.com. A 10.77.0.12"]


def send(thurn, *recipients, body=b"Subject: out\r\n\r\nhello\r\n", sender="alice@example.org"):
    with thurn.dial() as talk:
        talk.ehlo()
        ident = talk.mail(sender, *recipients, body=body)
        talk.quit()
    return ident


def bounced(thurn, user="alice"):
    [raw] = thurn.landed(user)
    message, recipients = mailbox.delivery_status(raw)
    return message, recipients, raw


@pytest.mark.parametrize("root", [False, True])
def test_mx_preference(serve, net, dns, make_sink, root):
    server = dns(TWO)
    first, second = make_sink("10.77.0.11", 25, inside=net), make_sink("10.77.0.12", 25, inside=net)
    thurn = serve(TRUST, inside=net, root=root)
    ident = send(thurn, "b@example.com", "c@example.com", "d@example.com")
    wait.until(lambda: len(first.recipients()) == 3, thurn.log)
    assert len(first.messages) == 1, "one transaction carries all recipients of a destination"
    assert not second.sessions
    assert server.queries("MX", "example.com") == 1
    head, _, text = first.messages[0].data.partition(b"\r\n\r\n")
    assert b"\r\nSubject: out\r\n" in head + b"\r\n" and text == b"hello\r\n"
    assert first.sessions[0].helo == "mail.example.org"
    thurn.logged(rf"{ident}: to=<b@example\.com>, relay=mx1\.example\.com\[10\.77\.0\.11\]:25, .*status=sent")
    thurn.queue_empty()


def test_mx_reuses_the_session(serve, net, dns, make_sink):
    dns(TWO)
    first = make_sink("10.77.0.11", 25, inside=net)
    thurn = serve({**TRUST, "queue": {"connections_per_destination": 1}}, inside=net)
    with thurn.dial() as talk:
        talk.ehlo()
        for number in range(10):
            talk.mail("alice@example.org", f"u{number}@example.com")
    wait.until(lambda: len(first.messages) == 10, thurn.log)
    assert len(first.sessions) < 10
    thurn.queue_empty()


REFUSALS = {
    "nothing listens": None,
    "421 greeting": {"greeting": "421 4.3.2 not now"},
    "554 greeting": {"greeting": "554 5.3.2 no service here"},
    "421 after EHLO": {"ehlo": "421 4.3.2 going down"},
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_mx_second_host(serve, net, dns, make_sink, refusal):
    dns(TWO)
    if REFUSALS[refusal]:
        make_sink("10.77.0.11", 25, inside=net, **REFUSALS[refusal])
    second = make_sink("10.77.0.12", 25, inside=net)
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@example.com")
    wait.until(lambda: second.messages, thurn.log)
    assert second.recipients() == ["b@example.com"]
    thurn.queue_empty()


@pytest.mark.parametrize("root", [False, True])
def test_changed_resolv_conf_is_followed(serve, net, dns, make_sink, root):
    """Name servers of another network, as after a new lease of DHCP: no reload is needed, and the sandbox lets it read the file."""
    dns(["example.net. MX 10 mx.example.net.", "mx.example.net. A 10.77.0.11"])
    path = os.path.join(net.etc, "resolv.conf")
    with open(path) as file:
        good = file.read()
    with open(path, "w") as file:
        file.write("nameserver 10.77.0.19\n")
    sink = make_sink("10.77.0.11", 25, inside=net)
    thurn = serve(TRUST, inside=net, root=root)
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("alice@example.org", "bob@example.net")
    thurn.logged(r"status=deferred \(451 4\.4\.3 ", 3 * wait.LIMIT)
    lookups = thurn.pids("lookup")
    with open(path, "w") as file:
        file.write(good)
    wait.until(lambda: sink.messages, thurn.log)
    thurn.logged(r"dns: /etc/resolv\.conf has changed")
    assert thurn.pids("lookup") == lookups
    thurn.queue_empty()


def test_changed_resolv_conf_that_cannot_be_read_is_not_followed(serve, net, dns, make_sink):
    """Whoever writes it may take our right to it, for a while or by mistake: the name servers stay, and it is told once."""
    dns([f"n{i}.example. MX 10 mx.example.net." for i in range(12)] + ["mx.example.net. A 10.77.0.11"])
    path = os.path.join(net.etc, "resolv.conf")
    sink = make_sink("10.77.0.11", 25, inside=net)
    thurn = serve(TRUST, inside=net, root=True)
    with open(path, "w") as file:
        file.write("nameserver 10.77.0.19\n")
    os.chmod(path, 0o600)
    refused = r"dns: /etc/resolv\.conf has changed, and cannot be followed yet: "
    for i in range(12):  # each is a question
        send(thurn, f"bob@n{i}.example")
        time.sleep(0.5)
    thurn.logged(refused)
    wait.until(lambda: len(sink.messages) == 12, thurn.log)
    thurn.queue_empty()
    assert len(re.findall(refused, thurn.log())) == 1
    os.chmod(path, 0o644)
    time.sleep(2.5)
    send(thurn, "bob@other.example")
    thurn.logged(r"dns: /etc/resolv\.conf has changed: ")


def test_mx_helo_when_ehlo_is_refused(serve, net, dns, make_sink):
    dns(TWO)
    old = make_sink("10.77.0.11", 25, inside=net, extensions=[], ehlo="502 5.5.1 what is that?")
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@example.com", "c@example.com")
    wait.until(lambda: old.messages, thurn.log)
    assert "HELO mail.example.org" in old.sessions[0].commands
    assert sorted(old.recipients()) == ["b@example.com", "c@example.com"]


def test_mx_address_fallback(serve, net, dns, make_sink):
    dns(HOME + ["plain.example. A 10.77.0.13", "six.example. AAAA fd77::e", "cname.example. CNAME plain.example."])
    four, six = make_sink("10.77.0.13", 25, inside=net), make_sink("fd77::e", 25, inside=net)
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@plain.example", "c@six.example")
    wait.until(lambda: four.messages and six.messages, thurn.log)
    assert four.recipients() == ["b@plain.example"] and six.recipients() == ["c@six.example"]
    thurn.queue_empty()


def test_mx_both_families(serve, net, dns, make_sink):
    dns(HOME + ["example.com. MX 10 both.example.com.", "both.example.com. A 10.77.0.11", "both.example.com. AAAA fd77::b"])
    four = make_sink("10.77.0.11", 25, inside=net)
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@example.com")
    wait.until(lambda: four.messages, thurn.log)


def test_mx_null(serve, net, dns):
    dns(HOME + ["null.example. MX 0 .", "null.example. A 10.77.0.11"])
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@null.example")
    _, [one], _ = bounced(thurn)
    assert one["Status"] == "5.1.10" and one["Action"] == "failed"
    thurn.queue_empty()


def test_mx_unknown_domain_and_broken_dns(serve, net, dns):
    dns(HOME, broken=["broken.example."])
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@nowhere.example")
    _, [one], _ = bounced(thurn)
    assert one["Status"].startswith("5.1.2") or one["Status"].startswith("5.4.4")
    send(thurn, "c@broken.example")
    wait.until(lambda: any("c@broken.example" in m["to"] and m["tries"] >= 1 for m in thurn.queue()), thurn.log)
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1, "a name server's failure is temporary"


def test_mx_ourselves(serve, net, dns, make_sink):
    dns(HOME + ["only.example. MX 10 mail.example.org.",
                "backup.example. MX 10 best.example.", "backup.example. MX 20 mail.example.org.",
                "backup.example. MX 30 worst.example.", "best.example. A 10.77.0.11", "worst.example. A 10.77.0.12",
                "address.example. MX 10 alias.example.", "alias.example. A 10.77.0.2"])
    worst = make_sink("10.77.0.12", 25, inside=net)
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@only.example")
    _, [one], _ = bounced(thurn)
    assert one["Status"] == "5.4.6"
    send(thurn, "c@backup.example")
    wait.until(lambda: any("c@backup.example" in m["to"] and m["tries"] >= 1 for m in thurn.queue()), thurn.log)
    assert not worst.sessions, "what is not better than ourselves is never tried"
    best = make_sink("10.77.0.11", 25, inside=net)
    wait.until(lambda: best.messages, thurn.log)
    assert not worst.sessions
    send(thurn, "d@address.example")
    wait.until(lambda: len(mailbox.maildir(thurn.maildir("alice"))) == 2, thurn.log)
    thurn.queue_empty()


def test_mx_loopback_is_refused(serve, net, dns):
    dns(HOME + ["trick.example. MX 10 local.example.", "local.example. A 127.0.0.1",
                "zero.example. MX 10 nil.example.", "nil.example. A 0.0.0.0"])
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@trick.example")
    send(thurn, "b@zero.example")
    thurn.landed("alice", 2)
    thurn.queue_empty()


def test_mx_dies_in_data(serve, net, dns, make_sink):
    dns(TWO)
    body = b"Subject: long\r\n\r\n" + b"".join(b"line %d\r\n" % n for n in range(40000))
    first = make_sink("10.77.0.11", 25, inside=net, die_after=1000)
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@example.com", body=body)
    wait.until(lambda: first.sessions and first.sessions[0].ended.is_set(), thurn.log)
    first.die_after = None
    second = make_sink("10.77.0.12", 25, inside=net)
    wait.until(lambda: first.messages or second.messages, thurn.log)
    thurn.queue_empty()
    [message] = first.messages + second.messages
    assert message.data.partition(b"\r\n\r\n")[2] == body.partition(b"\r\n\r\n")[2]


def test_mx_dies_after_the_dot(serve, net, dns, make_sink):
    """The reply to the final dot is lost: the mail may come twice, and must come once."""
    dns(TWO)
    first = make_sink("10.77.0.11", 25, inside=net, end=[DROP, "250 2.0.0 Ok"])
    thurn = serve(TRUST, inside=net)
    send(thurn, "b@example.com")
    wait.until(lambda: first.messages, thurn.log)
    thurn.queue_empty()


def test_backup_mx(serve, net, dns, make_sink):
    dns(HOME + ["backup.example. MX 10 best.example.", "backup.example. MX 20 mail.example.org.", "best.example. A 10.77.0.11"])
    thurn = serve({"domain": {"backup.example": {"deliver": "mx:", "users": "any"}}}, inside=net)
    send(thurn, "any@backup.example", sender="x@example.net")
    wait.until(lambda: any(m["tries"] >= 1 for m in thurn.queue()), thurn.log)
    best = make_sink("10.77.0.11", 25, inside=net)
    wait.until(lambda: best.recipients() == ["any@backup.example"], thurn.log)


SMARTHOST = HOME + ["relay.example.net. A 10.77.0.11"]


@pytest.mark.parametrize("scheme, port", [("smtps", 465), ("smtp", 587)])
def test_smarthost_login(serve, net, dns, make_sink, authority, scheme, port):
    dns(SMARTHOST)
    relay = make_sink("10.77.0.11", port, inside=net, tls=authority.server_context("relay.example.net"),
                      smtps=scheme == "smtps", users={"acme": "s3cret word"})
    thurn = serve({**TRUST, "route": {"*": {"via": f"{scheme}://acme@relay.example.net:{port}", "tls": "verify",
                                            "password_file": "{dir}/password"}}},
                  inside=net, start=False, env={"SSL_CERT_FILE": authority.cert})
    thurn.file("password", "s3cret word\n", 0o600)
    thurn.start()
    send(thurn, "b@example.com", "c@example.net")
    wait.until(lambda: len(relay.recipients()) == 2, thurn.log)
    session = relay.messages[0].session
    assert session.login == "acme" and session.tls
    assert len(relay.messages) == 1, "one smarthost is one destination"
    assert "s3cret" not in thurn.log()
    thurn.queue_empty()


@pytest.mark.parametrize("fault", ["other name", "unknown authority", "no tls"])
def test_smarthost_password_needs_verified_tls(serve, net, dns, make_sink, authority, fault):
    dns(SMARTHOST)
    name = "other.example.net" if fault == "other name" else "relay.example.net"
    context = None if fault == "no tls" else authority.server_context(name)
    relay = make_sink("10.77.0.11", 587, inside=net, tls=context, users={"acme": "s3cret"})
    env = {} if fault == "unknown authority" else {"SSL_CERT_FILE": authority.cert}
    thurn = serve({**TRUST, "route": {"*": {"via": "smtp://acme@relay.example.net:587", "tls": "verify",
                                            "password_file": "{dir}/password"}}}, inside=net, start=False, env=env)
    thurn.file("password", "s3cret\n", 0o600)
    thurn.start()
    send(thurn, "b@example.com")
    wait.until(lambda: any(m["tries"] >= 2 for m in thurn.queue()), thurn.log)
    assert relay.sessions and not relay.messages
    assert not [c for s in relay.sessions for c in s.commands if c.upper().startswith("AUTH")]


def test_wrong_smarthost_password_is_temporary(serve, net, dns, make_sink, authority):
    dns(SMARTHOST)
    relay = make_sink("10.77.0.11", 465, inside=net, tls=authority.server_context("relay.example.net"), smtps=True,
                      users={"acme": "right"})
    thurn = serve({**TRUST, "route": {"*": {"via": "smtps://acme@relay.example.net:465", "tls": "verify",
                                            "password_file": "{dir}/password"}}},
                  inside=net, start=False, env={"SSL_CERT_FILE": authority.cert})
    thurn.file("password", "wrong\n", 0o600)
    thurn.start()
    send(thurn, "b@example.com")
    wait.until(lambda: any(m["tries"] >= 1 and "535" in m["reason"] for m in thurn.queue()), thurn.log)
    relay.users["acme"] = "wrong"
    wait.until(lambda: relay.messages, thurn.log)


def test_route_for_one_domain(serve, net, dns, make_sink):
    dns(TWO)
    mx, special = make_sink("10.77.0.11", 25, inside=net), make_sink("10.77.0.15", 2525, inside=net)
    thurn = serve({**TRUST, "route": {"special.example": {"via": "smtp://10.77.0.15:2525"}}}, inside=net)
    send(thurn, "b@example.com", "c@special.example")
    wait.until(lambda: mx.messages and special.messages, thurn.log)
    assert mx.recipients() == ["b@example.com"] and special.recipients() == ["c@special.example"]


def test_null_client(serve, net, dns, make_sink):
    dns(SMARTHOST)
    relay = make_sink("10.77.0.11", 25, inside=net)
    thurn = serve({"postmaster": "it@example.com", "listen": None, "domain": None,
                   "route": {"*": {"via": "smtp://relay.example.net:25"}}}, inside=net)
    body = "Subject: cron\n\nout of paper\n"
    thurn.command("send", "--from", "root", "--to", "b@example.com", "-", stdin=body)
    thurn.command("send", "--from", "root", "--to", "root", "-", stdin=body)
    wait.until(lambda: len(relay.messages) == 2, thurn.log)
    assert {m.sender for m in relay.messages} == {"root@mail.example.org"}
    assert sorted(relay.recipients()) == ["b@example.com", "it@example.com"]
    thurn.queue_empty()


def test_loop_ends(serve, make_sink):
    """Two servers each of which holds the other for the home of a domain."""
    one = serve({"limits": {"hops": 8}, **_gateway(1)}, start=False, folder="one")
    two = serve({"hostname": "two.example.net", "limits": {"hops": 8}, **_gateway(one.port())}, folder="two")
    one.change(_gateway(two.port()))
    one.start()
    with one.dial() as talk:
        talk.ehlo()
        talk.mail("alice@example.org", "lost@loop.example")
    [raw] = one.landed("alice")
    _, [status] = mailbox.delivery_status(raw)
    assert status["Status"] == "5.4.6"
    one.queue_empty()
    two.queue_empty()


def _gateway(port):
    return {"domain": {"example.org": {"deliver": "maildir:{dir}/mail/{domain}/{user}", "users": ["alice", "bob"]},
                       "loop.example": {"deliver": f"smtp:127.0.0.1:{port}", "users": "any"}}}


def test_too_many_hops_is_refused(serve):
    thurn = serve()
    hops = b"".join(b"Received: from a by b; Sat, 21 Nov 2026 12:00:00 +0000\r\n" for _ in range(51))
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<a@example.com>", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        assert talk.data(hops + b"Subject: x\r\n\r\ny\r\n", 554).enhanced == "5.4.6"
        talk.mail("a@example.com", "alice@example.org", body=hops[:2000].rpartition(b"\r\n")[0] + b"\r\n\r\nok\r\n")
    thurn.landed("alice")


def test_slow_next_hop_holds_up_nobody(serve, make_sink):
    go = threading.Event()
    slow = make_sink(mail=lambda *_: go.wait(30) and None)
    quick = make_sink()
    thurn = serve({"domain": {"slow.example": {"deliver": f"smtp:127.0.0.1:{slow.port}", "users": "any"},
                              "quick.example": {"deliver": f"smtp:127.0.0.1:{quick.port}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("a@example.com", "b@slow.example")
        talk.mail("a@example.com", "b@quick.example")
    wait.until(lambda: quick.messages, thurn.log)
    assert not slow.messages
    go.set()
    wait.until(lambda: slow.messages, thurn.log)
    thurn.queue_empty()
