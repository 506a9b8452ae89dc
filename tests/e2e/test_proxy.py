# SPDX-License-Identifier: ISC
"""Who speaks for others: the PROXY protocol, XCLIENT, XFORWARD."""

import socket
import ssl
import struct

import pytest

from harness import mailbox
from harness.dialogue import Closed

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source, port=4000, family="TCP4"):
    destination = "192.0.2.1" if family == "TCP4" else "2001:db8::1"
    return f"PROXY {family} {source} {destination} {port} 25\r\n".encode()


def v2(source=None, port=4000, command=1, tlvs=b""):
    if source is None:
        return SIGNATURE + bytes([0x20 | command, 0]) + struct.pack("!H", len(tlvs)) + tlvs
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    destination = "2001:db8::1" if ":" in source else "192.0.2.1"
    body = socket.inet_pton(family, source) + socket.inet_pton(family, destination) + struct.pack("!HH", port, 25) + tlvs
    return SIGNATURE + bytes([0x20 | command, 0x21 if ":" in source else 0x11]) + struct.pack("!H", len(body)) + body


BALANCED = {"listen": {"mx": ["127.0.0.1:0 proxy"]}, "trust": {"proxy": ["127.0.0.1"]}}
XCLIENT = {"trust": {"xclient": ["127.0.0.1"], "xforward": ["127.0.0.1"]}}


def received(raw):
    return " ".join(mailbox.parsed(raw)["Received"].split())


def speak(talk, header, pieces=False):
    if pieces:
        for i in range(len(header)):
            talk.send(header[i:i + 1])
    else:
        talk.send(header)
    return talk.read()


@pytest.mark.parametrize("header, ip", [
    (v1("198.51.100.77"), "198.51.100.77"),
    (v1("2001:db8::77", family="TCP6"), "2001:db8::77"),
    (v2("198.51.100.77"), "198.51.100.77"),
    (v2("2001:db8::77", tlvs=b"\x04\0\x03abc"), "2001:db8::77"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (v2(command=0), "127.0.0.1"),
    (v2("198.51.100.77", command=0), "127.0.0.1"),
])
@pytest.mark.parametrize("pieces", [False, True])
def test_e13_server_proxy_header(serve, header, ip, pieces):
    thurn = serve(BALANCED)
    with thurn.dial(greeting=False) as talk:
        assert speak(talk, header, pieces).code == 220
        talk.ehlo()
        talk.mail("a@example.net", "bob@example.org")
        talk.quit()
    [raw] = thurn.landed("bob")
    assert f"[{ip}]" in received(raw) or f"[IPv6:{ip}]" in received(raw), received(raw)
    thurn.logged(rf"connect from unknown\[{ip}\]" if ip != "127.0.0.1" else r"connect from \S+\[127\.0\.0\.1\]")
    thurn.logged(rf"disconnect from \S+\[{ip}\]")


def test_e13_server_proxy_with_commands_in_the_same_packet(serve):
    thurn = serve(BALANCED)
    with thurn.dial(greeting=False) as talk:
        talk.send(v2("198.51.100.77") + b"EHLO client.example.com\r\n")
        assert talk.read().code == 220
        assert talk.read().code == 250


def test_e13_server_proxy_before_tls(serve, authority):
    """The header is plain even where the client's TLS begins at once, and in the same packet."""
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1"), "trust": {"proxy": ["127.0.0.1"]},
                   "listen": {"mx": ["127.0.0.1:0 tls proxy"]}})

    raw = socket.create_connection(("127.0.0.1", thurn.port()), 20)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = authority.client_context().wrap_bio(incoming, outgoing, server_hostname="mail.example.org")
    first = v1("198.51.100.77")
    for _ in range(20):
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            raw.sendall(first + outgoing.read())
            first = b""
            incoming.write(raw.recv(65536))
    raw.sendall(outgoing.read())
    for _ in range(20):
        try:
            assert tls.read().startswith(b"220 ")
            break
        except ssl.SSLWantReadError:
            incoming.write(raw.recv(65536))
    raw.close()
    thurn.logged(r"connect from unknown\[198\.51\.100\.77\]")


def test_threat_proxy_header_from_a_stranger_is_not_read(serve):
    thurn = serve({"listen": {"mx": ["127.0.0.1:0 proxy"]}, "trust": {"proxy": ["192.0.2.9"]}})
    with thurn.dial(greeting=False) as talk:
        with pytest.raises((Closed, AssertionError)):
            speak(talk, v1("198.51.100.77"))
    thurn.logged(r"refused proxy unknown\[127\.0\.0\.1\]: it is not in \[trust\] proxy")
    assert "198.51.100.77" not in thurn.log()


@pytest.mark.parametrize("bad", [b"EHLO x\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP4 " + b"1" * 200, b"GET / HTTP/1.0\r\n\r\n",
                                 SIGNATURE + b"\x31\x11\0\x0c" + b"\0" * 12, SIGNATURE + b"\x21\x11\xff\xff" + b"\0" * 600])
def test_threat_a_bad_proxy_header_ends_the_connection(serve, bad):
    thurn = serve(BALANCED)
    with thurn.dial(greeting=False) as talk:
        with pytest.raises((Closed, AssertionError)):
            speak(talk, bad)
    thurn.logged(r"refused proxy unknown\[127\.0\.0\.1\]: its PROXY header cannot be read")
    with thurn.dial(greeting=False) as talk:
        assert speak(talk, v1("198.51.100.77")).code == 220


def test_e13_server_health_checks_are_no_errors(serve):
    thurn = serve(BALANCED)
    for _ in range(3):
        socket.create_connection(("127.0.0.1", thurn.port())).close()
    with thurn.dial(greeting=False) as talk:
        assert speak(talk, v2(command=0)).code == 220
        talk.quit()
    assert "refused" not in thurn.log() and "WARN" not in thurn.log().upper().replace("THURN", "")


def test_e13_server_limits_are_the_clients(serve):
    thurn = serve({**BALANCED, "limits": {"sessions_per_address": 1}})
    talks = []
    for source, code in [("198.51.100.77", 220), ("198.51.100.78", 220), ("198.51.100.77", 421)]:
        talk = thurn.dial(greeting=False)
        talks.append(talk)
        assert speak(talk, v1(source)).code == code, source
    for talk in talks:
        talk.close()
    thurn.logged(r"refused unknown\[198\.51\.100\.77\]: \[limits\] sessions_per_address = 1 is reached")
    with thurn.dial(greeting=False) as talk:
        assert speak(talk, v1("198.51.100.79")).code == 220


def test_e13_server_trust_by_address_is_the_clients(serve, make_sink):
    """What the balancer's own address may do is nothing to its clients."""
    sink = make_sink()
    thurn = serve({**BALANCED, "route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}},
                   "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}, "10.9.9.9": {"senders": ["*"]}}}})
    for source, code in [("198.51.100.77", 550), ("10.9.9.9", 250)]:
        with thurn.dial(greeting=False) as talk:
            assert speak(talk, v1(source)).code == 220
            talk.ehlo()
            talk.cmd("MAIL FROM:<a@example.org>", 250)
            talk.cmd("RCPT TO:<x@example.net>", code)


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ffff:: ffff:: 1 2\r\n", v2(command=0),
                                    v2("10.9.9.9", command=0), SIGNATURE + b"\x21\x31\0\xd8" + b"\0" * 216])
def test_threat_a_proxy_that_names_nobody_is_trusted_with_nothing(serve, header):
    thurn = serve({**BALANCED, "trust": {key: ["127.0.0.1"] for key in ("proxy", "xclient", "xforward")},
                   "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}, "10.9.9.9": {"senders": ["*"]}}}})
    with thurn.dial(greeting=False) as talk:
        assert speak(talk, header).code == 220
        offered = talk.ehlo()
        assert not {"XCLIENT", "XFORWARD", "FUTURERELEASE"} & set(offered), offered
        talk.cmd("XCLIENT ADDR=10.9.9.9", 550)
        talk.cmd("MAIL FROM:<a@example.org>", 250)
        talk.cmd("RCPT TO:<x@example.net>", 550)


def test_threat_ipv4_addresses_in_the_dress_of_ipv6(serve):
    """Clients whose addresses a proxy writes as ::ffff:... are not all one."""
    thurn = serve({**BALANCED, **XCLIENT, "trust": {key: ["127.0.0.1"] for key in ("proxy", "xclient")},
                   "listen": {"mx": ["127.0.0.1:0 proxy", "127.0.0.1:0"]}, "limits": {"sessions_per_address": 1}})
    talks = []
    for source, code in [("::ffff:198.51.100.77", 220), ("::ffff:198.51.100.78", 220), ("198.51.100.77", 421)]:
        talks.append(thurn.dial(greeting=False))
        assert speak(talks[-1], v2(source)).code == code, source
    talks.append(thurn.dial("mx", 1))
    talks[-1].ehlo()
    talks[-1].cmd("XCLIENT ADDR=IPV6:::ffff:198.51.100.78", 421)
    for talk in talks:
        talk.close()
    thurn.logged(r"connect from unknown\[198\.51\.100\.77\]")


def test_threat_what_xforward_said_before_tls_is_forgotten(serve, authority):
    thurn = serve({**XCLIENT, "tls": authority.config("mail.example.org", "127.0.0.1")})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("XFORWARD NAME=spike.example.com ADDR=10.9.9.9", 250)
        talk.starttls(authority.client_context())
        talk.ehlo()
        talk.mail("a@example.org", "bob@example.org")
    [raw] = thurn.landed("bob")
    assert "10.9.9.9" not in received(raw)


def test_threat_a_proxy_header_that_does_not_come(serve):
    thurn = serve(BALANCED)
    with thurn.dial(greeting=False) as talk:
        talk.send(b"PROXY TCP4 ")
        with pytest.raises((Closed, AssertionError)):
            talk.read()
    thurn.logged(r"refused proxy unknown\[127\.0\.0\.1\]: its PROXY header did not come in time")


def test_e13_server_xclient(serve, make_sink):
    sink = make_sink()
    thurn = serve({**XCLIENT, "route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}},
                   "relay": {"network": {"10.9.9.9": {"senders": ["*"]}}}})
    with thurn.dial() as talk:
        assert "NAME" in talk.ehlo()["XCLIENT"].split()
        talk.cmd("MAIL FROM:<a@example.org>", 250)
        talk.cmd("RCPT TO:<x@example.net>", 550)
        talk.cmd("RSET", 250)
        talk.cmd("XCLIENT NAME=spike.example.com ADDR=10.9.9.9 HELO=spike", 220)
        offered = talk.ehlo("spike.example.com")
        assert "XCLIENT" not in offered, "10.9.9.9 is no trusted peer"
        talk.mail("a@example.org", "x@example.net", "bob@example.org")
        talk.quit()
    [raw] = thurn.landed("bob")
    assert "from spike.example.com (spike.example.com [10.9.9.9])" in received(raw), received(raw)
    thurn.logged(r"connect from spike\.example\.com\[10\.9\.9\.9\]")


def test_threat_xclient_from_a_stranger(serve):
    thurn = serve()
    with thurn.dial() as talk:
        offered = talk.ehlo()
        assert "XCLIENT" not in offered and "XFORWARD" not in offered
        talk.cmd("XCLIENT ADDR=10.9.9.9", 550)
        talk.cmd("XFORWARD ADDR=10.9.9.9", 550)
    thurn.logged(r"reject: XCLIENT from \S+\[127\.0\.0\.1\]: 550 5\.7\.0 .*\(\[trust\] xclient\)")
    thurn.logged(r"reject: XFORWARD from .*\(\[trust\] xforward\)")


def test_e13_server_xclient_login(serve, make_sink):
    sink = make_sink()
    thurn = serve({**XCLIENT, "route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("XCLIENT ADDR=192.0.2.5 LOGIN=alice@example.org", 220)
        talk.ehlo()
        talk.cmd("MAIL FROM:<bob@example.org>", 550)
        talk.mail("alice@example.org", "bob@example.org", body=b"From: alice@example.org\r\n\r\nhi\r\n")
    [raw] = thurn.landed("bob")
    assert "with ESMTPA id" in received(raw)


def test_e13_server_xclient_is_counted(serve):
    thurn = serve({**XCLIENT, "limits": {"sessions_per_address": 2}})
    with thurn.dial() as one, thurn.dial() as two:
        for talk, code in [(one, 220), (two, 220)]:
            talk.ehlo()
            talk.cmd("XCLIENT ADDR=192.0.2.5", code)
        with thurn.dial() as three:
            three.ehlo()
            three.cmd("XCLIENT ADDR=192.0.2.5", 421)


def test_e13_server_xforward_is_for_the_log_only(serve):
    thurn = serve({**XCLIENT, "relay": {"network": {"10.9.9.9": {"senders": ["*"]}}}})
    with thurn.dial() as talk:
        assert "NAME" in talk.ehlo()["XFORWARD"].split()
        talk.cmd("XFORWARD NAME=spike.example.com ADDR=10.9.9.9", 250)
        talk.cmd("XFORWARD HELO=spike PROTO=SMTP", 250)
        talk.cmd("MAIL FROM:<a@example.org>", 250)
        talk.cmd("RCPT TO:<x@example.net>", 550)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.data(b"Subject: one\r\n\r\n")
        talk.mail("a@example.org", "bob@example.org", body=b"Subject: two\r\n\r\n")
    one, two = sorted(thurn.landed("bob", 2), key=lambda raw: b"Subject: two" in raw)
    assert "from spike (spike.example.com [10.9.9.9])" in received(one) and "with SMTP id" in received(one), received(one)
    assert "10.9.9.9" not in received(two) and "with ESMTP id" in received(two)
    thurn.logged(r"orig_client=spike\.example\.com\[10\.9\.9\.9\]")
