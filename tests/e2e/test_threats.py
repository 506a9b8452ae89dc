# SPDX-License-Identifier: ISC
"""One test for each fault or attack that has hit a mail server and that this one can meet."""

import os
import re
import socket
import stat
import threading

import pytest

from harness import account, mailbox, process, wait
from harness.dialogue import Closed

EVIL = (b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n"
        b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")
ENDS = {
    "LF.LF": b"\n.\n", "LF.CRLF": b"\n.\r\n", "CRLF.LF": b"\r\n.\n", "CR.CR": b"\r.\r", "CRLF.CR": b"\r\n.\r",
    "CR.CRLF": b"\r.\r\n", "CRLF.NUL.CRLF": b"\r\n.\0\r\n", "CRLF NUL . CRLF": b"\r\n\0.\r\n", "LFCR.CRLF": b"\n\r.\r\n",
    "LF.CR": b"\n.\r", "CRLF.CRCRLF": b"\r\n.\r\r\n",
}


def begin(talk, *recipients, sender="x@example.com"):
    talk.cmd(f"MAIL FROM:<{sender}>", 250)
    for recipient in recipients or ("alice@example.org",):
        talk.cmd(f"RCPT TO:<{recipient}>", 250)
    talk.cmd("DATA", 354)


def only_reply(talk):
    """The code of the one reply that DATA's content got: the next reply must be NOOP's, or the end."""
    reply = talk.read()
    try:
        assert talk.cmd("NOOP").lines[0].startswith("250 2.0.0"), talk.transcript()
        talk.cmd("QUIT", 221)
    except Closed:
        assert reply.code >= 500 or reply.code == 421, talk.transcript()
    return reply.code


def alive(thurn):
    """A new session works, and no process had to be restarted meanwhile."""
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "bob@example.org", body=b"Subject: still here\r\n\r\nyes\r\n")
        talk.quit()
    assert thurn.process.poll() is None


@pytest.fixture
def intact():
    """intact(thurn) before the attack; at the end the very same processes must run."""
    seen = []

    def look(thurn):
        seen.append((thurn, thurn.pids()))
        return thurn

    yield look
    for thurn, pids in seen:
        if thurn.process:
            gone = [p for p in pids if p not in thurn.pids()]
            assert not gone, f"processes died: {gone}\n{thurn.log()[-4000:]}"


@pytest.mark.parametrize("mode", ["normalize", "reject"])
@pytest.mark.parametrize("end", ENDS)
def test_g1_threat_smuggling_in(serve, intact, end, mode):
    thurn = intact(serve({"limits": {"bare_newline": mode}}))
    with thurn.dial() as talk:
        talk.ehlo()
        begin(talk)
        talk.send(b"Subject: outer\r\n\r\nbefore" + ENDS[end] + EVIL.replace(b"\r\n.\r\n", b"\r\n") + b"after\r\n.\r\n")
        code = only_reply(talk)
        if mode == "reject" and re.search(rb"(?<!\r)\n|\r(?!\n)", b"x" + ENDS[end] + b"x"):
            assert 500 <= code < 560, talk.transcript()
    alive(thurn)
    [raw] = thurn.landed("bob")
    assert b"still here" in raw
    thurn.queue_empty()
    landed = mailbox.maildir(thurn.maildir("alice"))
    assert len(landed) == (1 if code == 250 else 0)
    for raw in landed:
        assert b"smuggled" in raw and b"after\n" in mailbox.unix(raw), "all up to the real end is one mail"


@pytest.mark.parametrize("end", ENDS)
def test_g1_threat_smuggling_out(serve, make_sink, end):
    sink = make_sink()
    thurn = serve({"domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        begin(talk, "carol@example.net")
        talk.send(b"Subject: outer\r\n\r\nbefore" + ENDS[end] + EVIL.replace(b"\r\n.\r\n", b"\r\n") + b"after\r\n.\r\n")
        if talk.read((250, 550, 554, 501, 500)).code != 250:
            return
    wait.until(lambda: sink.messages, thurn.log)
    thurn.queue_empty()
    assert len(sink.messages) == 1 and sink.recipients() == ["carol@example.net"]
    raw = sink.messages[0].session.raw
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw), "no bare CR or LF leaves us"
    assert raw.endswith(b"after\r\n")


def test_g2_threat_plaintext_after_starttls_is_discarded(serve, authority, intact):
    thurn = intact(serve({"tls": authority.config("mail.example.org")}))
    with thurn.dial() as talk:
        talk.ehlo()
        talk.send(b"STARTTLS\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<alice@example.org>\r\n")
        talk.read(220)
        try:
            talk.wrap(authority.client_context())
        except OSError:
            return  # closing at once is right, too
        talk.cmd("RCPT TO:<alice@example.org>", 503)
        assert "SIZE" in talk.ehlo()
        talk.cmd("DATA", 503)


def test_g2_threat_reply_text_after_starttls_is_discarded(serve, make_sink, authority):
    sink = make_sink(tls=authority.server_context("127.0.0.1"),
                     starttls=b"220 2.0.0 go\r\n250-injected.example.net\r\n250 AUTH PLAIN\r\n")
    thurn = serve({"domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "carol@example.net")
    wait.until(lambda: sink.messages or thurn.queue() and thurn.queue()[0]["tries"] >= 1, thurn.log)
    for session in sink.sessions:
        after = session.commands[session.commands.index("STARTTLS") + 1:] if "STARTTLS" in session.commands else []
        assert not after or after[0].startswith("EHLO "), "the first command under TLS is EHLO"
    assert "injected.example.net" not in thurn.log()


def test_threat_tls_closed_in_the_middle_of_data(serve, authority, intact):
    thurn = intact(serve({"tls": authority.config("mail.example.org")}))
    with thurn.dial() as talk:
        talk.ehlo()
        talk.starttls(authority.client_context())
        talk.ehlo()
        begin(talk)
        talk.send(b"Subject: half\r\n\r\nhalf a line")
        plain = socket.socket(fileno=os.dup(talk.sock.fileno()))
        plain.settimeout(5)
        talk.sock.settimeout(5)
        try:
            talk.sock.unwrap()
        except OSError:
            pass
        try:
            plain.sendall(b"\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<bob@example.org>\r\nNOOP\r\n")
            said = b""
            while len(said) < 100000:
                got = plain.recv(4096)
                if not got:
                    break
                said += got
        except (ConnectionError, TimeoutError):
            pass
        assert b"250" not in said, said
        plain.close()
    alive(thurn)
    thurn.landed("bob")
    assert not mailbox.maildir(thurn.maildir("alice"))


SHELL = [";touch {m};", "$(touch$IFS{m})", "`touch$IFS{m}`", "|touch$IFS{m}", "${run{/bin/touch{m}}}", "a;touch${IFS}{m}",
         "-oQ{m}", "--{m}", "../../../../../../{m}", "..", "alice/../bob", "/{m}", "alice+/../../x", "%n%n%s%s",
         "{user}", "{local}"]


def test_threat_shell_syntax_in_an_address(serve):
    server = serve({"domain": {"any.example": {"deliver": "pipe:{dir}/pipe.sh", "users": "any"},
                               "box.example": {"deliver": "maildir:{dir}/mail/{domain}/{user}", "users": ["alice"],
                                               "subaddress": "+"}},
                    "limits": {"errors": 0, "tarpit": "0s"}}, start=False)
    marker = f"/tmp/p{os.getpid()}"  # short, for a local part has 64 octets at most
    server.file("pipe.sh", f"#!/bin/sh\ncat >> {server.folder}/mail/taken\n", 0o755)
    server.start()
    taken = []
    with server.dial() as talk:
        talk.ehlo()
        for form in SHELL:
            local = form.replace("{m}", marker)
            for text in (local, '"' + local.replace('"', "") + '"'):
                sender = talk.cmd(f"MAIL FROM:<{text}@example.com>")
                if sender.code != 250:
                    assert sender.code in (501, 553), talk.transcript()
                    talk.cmd("MAIL FROM:<x@example.com>", 250)
                box = talk.cmd(f"RCPT TO:<{text}@box.example>")
                assert box.code in (501, 550, 553) or text.strip('"').startswith("alice+"), talk.transcript()
                if talk.cmd(f"RCPT TO:<{text}@any.example>").code == 250:
                    taken.append(talk.data(b"Subject: one\r\n\r\n"))
                else:
                    talk.cmd("RSET", 250)
    server.removed(*taken)
    path = os.path.join(server.folder, "mail", "taken")
    came = open(path).read().count("Subject: one") if os.path.exists(path) else 0
    sent = [ident for ident in taken if re.search(rf"{ident}: to=.*status=sent", server.log())]
    assert came == len(sent)
    assert not os.path.exists(marker)
    for top, folders, files in os.walk(os.path.join(server.folder, "mail")):
        assert os.path.basename(marker) not in top + " ".join(folders + files)


CONTROL = "550 5.1.1 \x1b[2Jgone\x07 \x00nul \x7f\x9b no\ttab"
HOSTILE = {
    "endless line": lambda s, a: b"250 " + b"a" * (3 << 20),
    "endless lines": lambda s, a: b"250-more\r\n" * (1 << 18),
    "codes differ": lambda s, a: b"250-one\r\n550 two\r\n",
    "not a reply": lambda s, a: b"hello there\r\n",
    "no text": lambda s, a: b"250\r\n",
    "bare LF": lambda s, a: b"250 ok\n",
    "two at once": lambda s, a: b"250 ok\r\n250 ok\r\n250 ok\r\n550 no\r\n",
    "code 999": lambda s, a: b"999 what\r\n",
    "a NUL": lambda s, a: b"250 o\0k\r\n",
}


STAGES = ["greeting", "ehlo", "mail", "rcpt", "data", "end"]
NOT_TAKEN = ["endless line", "endless lines", "codes differ", "not a reply", "code 999"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_threat_hostile_replies(serve, make_sink, intact, kind):
    """One next hop for each stage; whatever they say, it is bounded, kept apart, and no reason to lose mail."""
    sinks = {stage: make_sink(**{stage: HOSTILE[kind]}) for stage in STAGES}
    good = make_sink()
    domain = {f"{stage}.example": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}
              for stage, sink in [*sinks.items(), ("good", good)]}
    thurn = intact(serve({"domain": domain}))
    with thurn.dial() as talk:
        talk.ehlo()
        for stage in [*STAGES, "good"]:
            talk.mail("alice@example.org", f"b@{stage}.example")
    wait.until(lambda: good.messages, thurn.log)
    for stage, sink in sinks.items():
        wait.until(lambda sink=sink: sink.sessions, lambda stage=stage: f"a session at {stage}\n{thurn.log()}")
    if kind in NOT_TAKEN:
        wait.until(lambda: all(m["tries"] >= 1 for m in thurn.queue()), thurn.log)
        gone = set(STAGES) - {m["to"][0].partition("@")[2].removesuffix(".example") for m in thurn.queue()}

        def bounced():
            return "".join(raw.decode("latin-1") for raw in mailbox.maildir(thurn.maildir("alice")))

        for stage in gone:
            wait.until(lambda stage=stage: f"b@{stage}.example" in bounced() or sinks[stage].messages,
                       lambda stage=stage: f"what became of the mail lost at {stage}\n{thurn.log()}")
    for pid in thurn.pids("sender") + thurn.pids("queue"):
        assert process.peak_kib(pid) < 64 << 10, process.kind(pid)
    for line in thurn.log().splitlines():
        assert len(line) < 4096
    alive(thurn)


def test_threat_control_characters_in_a_reply(serve, make_sink):
    sink = make_sink(rcpt=CONTROL.encode("latin-1") + b"\r\n")
    thurn = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}},
                   "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("alice@example.org", "b@example.net")
    [raw] = thurn.landed("alice")
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", raw), "no control character in the bounce"
    assert b"gone" in raw
    log = thurn.log()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", log), "nor in the log"
    thurn.queue_empty()


def test_threat_split_reply(serve, make_sink):
    """A reply that arrives byte by byte is a reply."""
    def dribble(session, _):
        for octet in b"250-2.1.0 one\r\n250 2.1.0 two":
            session.conn.sendall(bytes([octet]))
        return b"\r\n"
    sink = make_sink(mail=dribble)
    thurn = serve({"domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "b@example.net")
    wait.until(lambda: sink.messages, thurn.log)


def pipelined(talk, octets, count):
    """Writes in one thread and reads replies in this one; returns the codes of up to `count` replies."""
    def write():
        try:
            talk.sock.sendall(octets)
        except OSError:
            pass

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    codes = []
    try:
        while len(codes) < count:
            codes.append(talk.reply().code)
            del talk.log[:-50]
    except Closed:
        pass
    writer.join(60)
    return codes


@pytest.mark.parametrize("size", [1000, 64 << 10, 1 << 20])
@pytest.mark.parametrize("tail", [b"MAIL FROM:<evil@example.net>", b"QUIT"])
def test_g3_threat_long_command_line(serve, intact, size, tail):
    thurn = intact(serve())
    with thurn.dial() as talk:
        talk.ehlo()
        codes = pipelined(talk, b"NOOP " + b"a" * size + tail + b"\r\nVRFY\r\n", 2)
        if size > 2000:
            assert codes in ([500, 501], [500], [421], []), codes
        else:
            assert codes in ([500, 501], [250, 501]), codes
        if len(codes) == 2:
            talk.cmd("RCPT TO:<alice@example.org>", 503)
    alive(thurn)


def test_g3_threat_endless_command_line(serve, intact):
    """A line that never ends takes no memory and holds nobody up."""
    thurn = intact(serve())
    with thurn.dial() as talk:
        talk.ehlo()
        try:
            for _ in range(400):
                talk.sock.sendall(b"A" * (1 << 16))
        except OSError:
            pass
        for pid in thurn.pids("receiver"):
            assert process.peak_kib(pid) < 64 << 10
    alive(thurn)


@pytest.mark.parametrize("errors", [0, 20])
def test_g3_threat_very_many_recipients(serve, intact, errors):
    thurn = intact(serve({"limits": {"errors": errors}}))
    count = 20000
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        codes = pipelined(talk, b"RCPT TO:<alice@example.org>\r\n" * count, count)
        assert codes[:1000] == [250] * 1000
        assert set(codes[1000:]) <= {452, 421}
        if errors == 0:
            assert len(codes) == count, "every command is answered"
            talk.cmd("DATA", 354)
            talk.send(b"Subject: once\r\n\r\nx\r\n.\r\n")
            talk.read(250)
            talk.quit()
            thurn.landed("alice")
    for pid in thurn.pids("receiver"):
        assert process.peak_kib(pid) < 64 << 10
    alive(thurn)


def test_threat_1500_pipelined_commands(serve, intact):
    thurn = intact(serve())
    with thurn.dial() as talk:
        talk.ehlo()
        group = b"MAIL FROM:<x@example.com>\r\nRCPT TO:<alice@example.org>\r\nRSET\r\n"
        codes = pipelined(talk, group * 500 + b"NOOP\r\n", 1501)
        assert codes == [250] * 1501
        talk.quit()
    alive(thurn)


def test_threat_pipelined_without_reading(serve, intact):
    """A client that sends for ever and never reads: its replies are not gathered without bound."""
    thurn = intact(serve())
    with thurn.dial() as talk:
        talk.ehlo()
        talk.sock.settimeout(2)
        try:
            for _ in range(300):
                talk.sock.sendall(b"HELP\r\n" * 10000)
        except OSError:
            pass
        for pid in thurn.pids("receiver"):
            assert process.peak_kib(pid) < 64 << 10
    alive(thurn)


def test_threat_nul_and_8bit_in_commands(serve, intact):
    thurn = intact(serve({"limits": {"errors": 0}}))
    with thurn.dial() as talk:
        talk.ehlo()
        for line in (b"MAIL FROM:<a\0b@example.com>", b"MAIL FROM:<a@example.com>\0", b"MAIL\0 FROM:<a@example.com>",
                     "MAIL FROM:<ä@example.com>".encode(), b"MAIL FROM:<a@ex\xffmple.com>", b"MAIL FROM:<a@example.com\x1b>",
                     b"MAIL FROM:<a\rb@example.com>", b"NO\0OP", b"\xff\xfb\x01", b"\0" * 10):
            assert 500 <= talk.cmd(line).code <= 559, talk.transcript()
            talk.cmd("RSET", 250)
        for line in (b"EHLO a\0b", b"HELO \xff.example.com", b"EHLO x\x1b[2J"):
            assert talk.cmd(line).code in (250, 500, 501), talk.transcript()
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.com>", 250)
        for line in (b"RCPT TO:<alice\0@example.org>", b"RCPT TO:<alice@example.org\0.example.net>",
                     b"RCPT TO:<al\xefice@example.org>"):
            assert talk.cmd(line).code in (500, 501, 550, 553), talk.transcript()
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        talk.data(b"Subject: nul\r\n\r\nbefore\0after \xe4\xff\r\nend\r\n", (250, 550, 554))
        taken = talk.log[-1].startswith("S: 250")
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", thurn.log()), "a control character in the log"
    alive(thurn)
    if taken:
        [raw] = thurn.landed("alice")
        assert raw.endswith(b"before\0after \xe4\xff\nend\n"), "kept whole"


def test_threat_endless_header_and_long_lines(serve, intact):
    thurn = intact(serve({"limits": {"max_size": "8M"}}))
    with thurn.dial(limit=30) as talk:
        talk.ehlo()
        begin(talk)
        talk.send(b"X-Long: " + b"a" * (1 << 20) + b"\r\n" + b"X-Many: 1\r\n" * 100000 + b"\r\nend\r\n.\r\n")
        first = talk.read((250, 552, 550, 554))
        begin(talk)
        talk.send(b"To: " + b"someone@example.com,\r\n " * 10000 + b"x@example.com\r\n\r\n" + b"b" * (1 << 20) + b"\r\n.\r\n")
        second = talk.read((250, 552, 550, 554))
    for pid in thurn.pids():
        assert process.peak_kib(pid) < 96 << 10, process.kind(pid)
    count = [first.code, second.code].count(250)
    if count:
        thurn.landed("alice", count)
    alive(thurn)


@pytest.mark.parametrize("shape", ["deep", "wide", "unfinished"])
def test_threat_mime_bombs(serve, intact, make_sink, shape):
    """Content that must be converted for the next host: whatever its shape, it goes there or comes back, in bounded memory."""
    sink = make_sink(extensions=("PIPELINING", "SIZE 104857600"))
    thurn = intact(serve({"domain": {"seven.example": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}}))
    part = "Content-Type: multipart/mixed; boundary=\"b{0}\"\r\n\r\n--b{0}\r\n"
    if shape == "wide":
        body = part.format(0) + "Content-Type: text/plain; charset=utf-8\r\n\r\n\u00e9\r\n--b0\r\n" * 20000 + "\r\n\u00e9\r\n--b0--\r\n"
    else:
        ends = "".join(f"\r\n--b{i}--\r\n" for i in reversed(range(3000))) if shape == "deep" else ""
        body = "".join(part.format(i) for i in range(3000)) + "Content-Type: text/plain\r\n\r\n\u00e9\r\n" + ends
    with thurn.dial(limit=30) as talk:
        talk.ehlo()
        talk.mail("bob@example.org", "x@seven.example", args=" BODY=8BITMIME", body=("MIME-Version: 1.0\r\n" + body).encode())
    wait.until(lambda: sink.messages or os.path.exists(thurn.maildir("bob") + "/new") and os.listdir(thurn.maildir("bob") + "/new"), thurn.log)
    if sink.messages:
        assert sink.messages[0].data.isascii(), "what was not offered was sent"
    for pid in thurn.pids():
        assert process.peak_kib(pid) < 96 << 10, process.kind(pid)
    alive(thurn)


def sockets_below(folder):
    return [os.path.join(top, name) for top, _, files in os.walk(folder) for name in files
            if stat.S_ISSOCK(os.lstat(os.path.join(top, name)).st_mode)]


GARBAGE = [b"\0" * 4096, b"\xff" * 65536, b"GET / HTTP/1.0\r\n\r\n", b"{", b"\x00\x00\x00\x01", b"\xff\xff\xff\xff" * 3, b""]


def test_threat_garbage_on_internal_sockets(serve, intact):
    thurn = intact(serve())
    paths = sockets_below(thurn.state)
    assert paths, "the control socket is in state_dir"
    for path in paths:
        for octets in GARBAGE:
            for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
                with socket.socket(socket.AF_UNIX, kind) as sock:
                    sock.settimeout(1)
                    try:
                        sock.connect(path)
                        sock.sendall(octets)
                        sock.recv(4096)
                    except OSError:
                        pass
    assert thurn.queue() == []
    alive(thurn)


def test_threat_state_is_closed_to_others(serve):
    thurn = serve()
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "alice@example.org")
    thurn.landed("alice")
    for top, folders, files in os.walk(thurn.state):
        for path in [top] + [os.path.join(top, name) for name in files]:
            info = os.lstat(path)
            assert not info.st_mode & stat.S_IWOTH or stat.S_ISSOCK(info.st_mode), f"{path} is world-writable"
            if stat.S_ISREG(info.st_mode):
                assert not info.st_mode & stat.S_IROTH, f"{path} is world-readable"


def test_threat_symlinked_spool_is_refused(serve, work):
    thurn = serve(start=False)
    elsewhere = os.path.join(work, "elsewhere")
    os.makedirs(elsewhere)
    os.makedirs(thurn.state)
    os.symlink(elsewhere, os.path.join(thurn.state, "queue"))
    account.give(work)
    done = thurn.command("serve", expect=None)
    assert done.returncode in (69, 73, 74, 77, 78), done.stderr
    assert not os.listdir(elsewhere)


def test_threat_unknown_users_are_refused_at_rcpt(serve, make_sink):
    """No backscatter: what cannot be delivered is never taken, and nobody is written to because of it."""
    sink = make_sink()
    thurn = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<forged@example.net>", 250)
        talk.cmd("RCPT TO:<nobody@example.org>", 550)
        talk.cmd("DATA", (503, 554))
        talk.quit()
    assert not thurn.queue() and not sink.sessions
    thurn.logged(r"NOQUEUE: reject: RCPT from .*: 550 5\.1\.1 .*nobody@example\.org")
