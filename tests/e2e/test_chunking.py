# SPDX-License-Identifier: ISC
"""BDAT (RFC 3030) on the real server: what came in chunks lies in the mailbox as it was."""

import contextlib
import os
import random
import socket

import pytest

from harness import mailbox, wait

HEAD = b"From: x@example.com\r\nSubject: chunks\r\n\r\n"


def begin(talk, args="", recipient="alice@example.org"):
    talk.cmd(f"MAIL FROM:<x@example.com>{args}", 250)
    talk.cmd(f"RCPT TO:<{recipient}>", 250)


def chunks(content, seed, most):
    """content cut into chunks of any size, with the commands before them; the last one is LAST."""
    draw, out = random.Random(seed), []
    while content:
        size = draw.randint(0, min(most, len(content)))
        out.append((size, content[:size]))
        content = content[size:]
    wire = b"".join(b"BDAT %d\r\n%s" % (size, octets) for size, octets in out)
    return wire + b"BDAT 0 LAST\r\n", len(out)


def landed(thurn, user="alice"):
    return wait.until(lambda: mailbox.maildir(thurn.maildir(user)), "a message in the mailbox")[-1]


def lines(size):
    """Text of that many bytes and more, with lines that begin with dots and lines that are commands."""
    text = b"".join(b"%06d %s\r\n.\r\n..dot\r\nQUIT\r\n" % (n, b"x" * (n % 70)) for n in range(size // 60))
    return HEAD + text


@pytest.mark.parametrize("size,most", [(2000, 7), (300_000, 9000), (12_000_000, 1_500_000)])
def test_e4_server_any_chunks_pipelined(serve, size, most):
    thurn = serve({})
    content = lines(size)
    wire, count = chunks(content, size, most)
    with thurn.dial() as talk:
        talk.ehlo()
        begin(talk)
        talk.send(wire)
        for _ in range(count):
            assert " octets received" in talk.read(250).text
        assert "queued as" in talk.read(250).text
        talk.cmd("NOOP", 250)
    assert mailbox.unix(landed(thurn)).endswith(mailbox.unix(content))


def test_e5_server_binary_octets_stay(serve):
    thurn = serve({})
    content = b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n" + bytes(range(256)) * 40 + b"\r\n.\r\n\r\r\n"
    with thurn.dial() as talk:
        talk.ehlo()
        begin(talk, " BODY=BINARYMIME")
        wire, count = chunks(content, 1, 500)
        talk.send(wire)
        for _ in range(count + 1):
            talk.read(250)
    raw = landed(thurn)
    # a Maildir's line ends are LF; no other octet is touched
    assert raw.endswith(mailbox.unix(content)), raw[-300:]


@pytest.mark.parametrize("end", ["BDAT 100\r\nhalf of it", "BDAT 100 LAST\r\nhalf of it", "BDAT 4\r\nhalf", "BDAT 4\r\nhalfBDAT 9"])
def test_threat_connection_lost_in_a_chunk(serve, end):
    thurn = serve({})
    with thurn.dial() as talk:
        talk.ehlo()
        begin(talk)
        talk.send(end)
        if end.startswith("BDAT 4"):
            talk.read(250)
    with thurn.dial() as talk:
        talk.ehlo()
        begin(talk)
        wire, count = chunks(HEAD + b"the only one\r\n", 2, 20)
        talk.send(wire)
        for _ in range(count + 1):
            talk.read(250)
    assert b"the only one" in landed(thurn)
    thurn.queue_empty()
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1


def test_threat_tls_closed_in_the_middle_of_bdat(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org")})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.starttls(authority.client_context())
        talk.ehlo()
        begin(talk)
        talk.send(b"BDAT 60 LAST\r\nSubject: half\r\n\r\n")
        plain = socket.socket(fileno=os.dup(talk.sock.fileno()))
        plain.settimeout(5)
        talk.sock.settimeout(5)
        with contextlib.suppress(OSError):
            talk.sock.unwrap()
        said = b""
        with contextlib.suppress(OSError):
            plain.sendall(b"x" * 60 + b"\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nNOOP\r\n")
            while len(said) < 100000 and (got := plain.recv(4096)):
                said += got
        plain.close()
    assert b"250" not in said, said
    thurn.queue_empty()
    assert mailbox.maildir(thurn.maildir("alice")) == [] == mailbox.maildir(thurn.maildir("bob"))


def test_threat_chunks_of_a_refused_message_are_no_commands(serve):
    thurn = serve({"limits": {"max_size": "1K"}})
    evil = b"RSET\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nBDAT 6 LAST\r\nevil\r\n"
    with thurn.dial() as talk:
        talk.ehlo()
        begin(talk)
        talk.send(b"BDAT %d\r\n" % len(evil * 40) + evil * 40)
        talk.read(552)
        talk.send(b"BDAT %d LAST\r\n" % len(evil) + evil)
        talk.read(503)
        talk.cmd("RSET", 250)
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        talk.cmd("RCPT TO:<nobody@example.org>", 550)
        talk.send(b"BDAT %d LAST\r\n" % len(evil) + evil)
        talk.read(554)
        talk.cmd("QUIT", 221)
    thurn.queue_empty()
    assert mailbox.maildir(thurn.maildir("bob")) == []
