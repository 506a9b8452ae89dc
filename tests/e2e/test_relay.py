# SPDX-License-Identifier: ISC
"""Never an open relay: the tricks of old, and configurations that would be one."""

import pytest

from harness import wait

TRICKS = [
    "victim@example.net", "@example.org:victim@example.net", "@example.org,@mail.example.org:victim@example.net",
    "victim%example.net@example.org", "victim%example.net@[127.0.0.1]", '"victim@example.net"@example.org',
    "victim@example.net@example.org", "example.net!victim", "example.net!victim@example.org", "victim@[192.0.2.1]",
    "victim@example.org.example.net", "victim@example.net.", "victim@example.org@example.net", '"victim%example.net"',
    "victim@EXAMPLE.NET", "victim(a)@example.net", "victim@notexample.org", "victim@sub.example.org",
]
SENDERS = ["spam@example.com", "alice@example.org", "postmaster@example.org", "", "spam@mail.example.org", "spam@localhost"]


@pytest.mark.parametrize("sender", SENDERS)
def test_g6_open_relay_refused(serve, make_sink, sender):
    sink = make_sink()
    thurn = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}, "limits": {"errors": 0}})
    with thurn.dial() as talk:
        talk.ehlo()
        for trick in TRICKS:
            if talk.cmd(f"MAIL FROM:<{sender}>").code != 250:
                return
            reply = talk.cmd(f"RCPT TO:<{trick}>")
            assert reply.code in (501, 550, 551, 553, 554), talk.transcript()
            talk.cmd("DATA", (503, 554))
            talk.cmd("RSET", 250)
        talk.cmd(f"MAIL FROM:<{sender}>", 250)
        assert talk.cmd("RCPT TO:<victim@example.net>", 550).enhanced == "5.7.1"
    thurn.logged(r"NOQUEUE: reject: RCPT from \S+: 550 5\.7\.1 ")
    assert not sink.sessions and not thurn.queue()


INTERNATIONAL = ["victim@example.org\uff20example.net", "victim@example.net\u3002", "victim@ex\u00e4mple.org", "victim@example.o\u042fg",
                 "victim\uff20example.net@example.org", "victim@xn--example.org", "victim@example.org\uff0eexample.net",
                 "victim@\uff3b127.0.0.1\uff3d", "victim@exa\u00admple.net", "victim%example.net\u00e9@example.org"]


def test_g6_threat_no_spelling_relays(serve, make_sink):
    """A domain is judged as what it will be looked up as; who is ours by any spelling is one of our users or nobody."""
    sink = make_sink()
    thurn = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}, "limits": {"errors": 0}})
    with thurn.dial() as talk:
        talk.ehlo()
        for trick in INTERNATIONAL:
            talk.cmd("MAIL FROM:<spam@example.com> SMTPUTF8", 250)
            talk.send(f"RCPT TO:<{trick}>\r\n".encode())
            assert talk.read().code in (501, 550, 553), talk.transcript()
            talk.cmd("RSET", 250)
        talk.cmd("MAIL FROM:<spam@example.com> SMTPUTF8", 250)
        talk.send("RCPT TO:<bob@e\uff58ample\u3002\uff2f\uff32g>\r\n".encode())
        assert talk.read().code == 250, "example.org in wide letters is example.org"
    assert not sink.sessions and not thurn.queue()


@pytest.mark.parametrize("prelude", [
    [], [("XCLIENT ADDR=[UNAVAILABLE]", 220)], [("XCLIENT ADDR=10.9.9.9 NAME=mail.example.org HELO=mail.example.org", 220)],
    [("XFORWARD ADDR=10.1.1.1 SOURCE=LOCAL", 250)], [("ETRN example.net", (250, 251, 252, 253, 458, 459, 502))],
    [("MAIL FROM:<alice@example.org> AUTH=alice@example.org", 555), ("RSET", 250)]])
def test_g6_threat_no_extension_relays(serve, make_sink, prelude):
    sink = make_sink()
    thurn = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}, "trust": {key: ["127.0.0.1"] for key in ("xclient", "xforward")},
                   "relay": {"network": {"10.1.1.1": {"senders": ["*"]}}}})
    with thurn.dial() as talk:
        talk.ehlo()
        for line, code in prelude:
            talk.cmd(line, code)
        talk.ehlo()
        for args in ("", " BODY=BINARYMIME", " SMTPUTF8", " RET=FULL ENVID=x"):
            talk.cmd("MAIL FROM:<alice@example.org>" + args, 250)
            talk.cmd("RCPT TO:<victim@example.net> NOTIFY=SUCCESS ORCPT=rfc822;bob@example.org", 550)
            talk.send(b"BDAT 6 LAST\r\nx\r\n\r\n\n")
            assert talk.read().code in (503, 554)
            talk.cmd("RSET", 250)
    assert not sink.sessions and not thurn.queue()


def test_g6_threat_relay_network_needs_its_senders(serve, make_sink):
    sink = make_sink()
    thurn = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}},
                   "relay": {"network": {"127.0.0.0/24": {"senders": ["@example.org", ".corp.example", "one@example.com"]}}}})
    with thurn.dial() as talk:
        talk.ehlo()
        for sender, code in [("alice@example.org", 250), ("a@x.corp.example", 250), ("one@example.com", 250), ("", 250),
                             ("two@example.com", 550), ("a@sub.example.org", 550), ("a@notcorp.example", 550)]:
            talk.cmd(f"MAIL FROM:<{sender}>", 250)
            talk.cmd("RCPT TO:<friend@example.net>", code)
            talk.cmd("RSET", 250)
        talk.mail("alice@example.org", "friend@example.net")
    wait.until(lambda: sink.recipients() == ["friend@example.net"], thurn.log)


OPEN = {
    "everyone": {"0.0.0.0/0": {"senders": ["*"]}},
    "wide net with any sender": {"10.0.0.0/8": {"senders": ["*"]}},
    "public space": {"198.51.100.0/24": {"senders": ["@example.org"]}},
    "public and too wide": {"198.51.0.0/16": {"senders": ["@example.org"], "public": True}},
    "no senders": {"10.1.2.0/24": {}},
    "IPv6 everyone": {"::/0": {"senders": ["*"]}},
}


@pytest.mark.parametrize("name", OPEN)
def test_g6_open_relay_configuration_refused(serve, name):
    thurn = serve({"relay": {"network": OPEN[name]}}, start=False)
    done = thurn.command("check", expect=78)
    assert "error:" in done.stderr and next(iter(OPEN[name])) in done.stderr
    thurn.command("serve", expect=78)


def test_s10_server_null_mx_of_the_sender(serve, net, dns):
    """RFC 7505 section 4.2; a name server that fails, a domain that there is not, and whom we know are no reason to refuse."""
    server = dns(["null.example. MX 0 .", "example.org. MX 0 .", "good.example. MX 10 mx.good.example.",
                  "mx.good.example. A 10.77.0.11"], broken=["broken.example."])
    thurn = serve({"limits": {"refuse_null_mx": True}}, inside=net)
    with thurn.dial() as talk:
        talk.ehlo()
        assert talk.cmd("MAIL FROM:<a@null.example>", 550).enhanced == "5.7.27"
        for sender in ("a@good.example", "a@nowhere.example", "a@broken.example", "alice@example.org", "", "a@[10.77.0.9]"):
            talk.cmd(f"MAIL FROM:<{sender}>", 250)
            talk.cmd("RSET", 250)
        talk.send("MAIL FROM:<a@null.example>\r\nRCPT TO:<bob@example.org>\r\nMAIL FROM:<a@good.example>\r\n"
                  "RCPT TO:<bob@example.org>\r\nNOOP\r\n")
        assert [talk.read().code for _ in range(5)] == [550, 503, 250, 250, 250]
        talk.data(b"Subject: x\r\n\r\n")
    thurn.logged(r"reject: MAIL from .*550 5\.7\.27 .*\(\[limits\] refuse_null_mx\); from=<a@null\.example>")
    assert server.queries("MX", "example.org") == 0
    thurn.landed("bob")


def test_s10_server_null_mx_is_not_asked_for_unless_wanted(serve, net, dns):
    server = dns(["null.example. MX 0 ."])
    thurn = serve(inside=net)
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("a@null.example", "bob@example.org")
    thurn.landed("bob")
    assert server.queries("MX", "null.example") == 0
