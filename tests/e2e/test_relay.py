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


def test_g6_relay_network_needs_its_senders(serve, make_sink):
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
