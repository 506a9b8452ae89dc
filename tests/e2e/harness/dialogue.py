# SPDX-License-Identifier: ISC
"""A raw SMTP client: sends exactly the bytes it is told and reads replies, each with a time-out and a bound."""

import contextlib
import re
import socket
import ssl

LIMIT = 60.0
REPLY_MAX = 1 << 20


class Closed(Exception):
    """The server closed the connection (or reset it) where a reply was awaited."""


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])
        self.text = "\n".join(line[4:] for line in lines)

    @property
    def enhanced(self):
        found = re.match(r"\d{3}[ -](\d\.\d{1,3}\.\d{1,3})\b", self.lines[0])
        return found.group(1) if found else None

    def __str__(self):
        return "\n".join(self.lines)

    __repr__ = __str__


class Dialogue:
    def __init__(self, host, port, *, tls=None, name=None, unix=None, limit=LIMIT, greeting=True, source=None):
        """Connects (with TLS from the first byte if `tls` is a context) and reads the greeting."""
        self.limit = limit
        self.log = []
        self._in = b""
        if unix:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(limit)
            self.sock.connect(unix)
        else:
            self.sock = socket.create_connection((host, port), limit, source_address=source)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name = name or "mail.example.org"
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=self.name)
        self.greeting = self.reply() if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def transcript(self):
        return "\n".join(self.log)

    def send(self, octets):
        """Sends these bytes, nothing added."""
        if isinstance(octets, str):
            octets = octets.encode("utf-8")
        shown = octets if len(octets) < 300 else octets[:300] + b"..."
        self.log.append("C: " + repr(shown)[2:-1])
        try:
            self.sock.sendall(octets)
        except (ConnectionError, ssl.SSLError) as error:
            raise Closed(f"{error} in\n{self.transcript()}") from error

    def _line(self):
        while b"\n" not in self._in:
            if len(self._in) > REPLY_MAX:
                raise AssertionError("a reply line without end")
            try:
                got = self.sock.recv(65536)
            except (ConnectionError, ssl.SSLError) as error:
                raise Closed(f"{error} in\n{self.transcript()}") from error
            except TimeoutError:
                raise AssertionError(f"no reply in {self.limit} s:\n{self.transcript()}") from None
            if not got:
                raise Closed(f"end of connection in\n{self.transcript()}")
            self._in += got
        line, _, self._in = self._in.partition(b"\n")
        assert line.endswith(b"\r"), f"reply line without CR: {line!r}"
        text = line[:-1].decode("utf-8", "replace")
        self.log.append("S: " + text)
        return text

    def reply(self):
        lines = [self._line()]
        assert re.match(r"[2-5][0-9]{2}( |-|$)", lines[0]), f"not a reply: {lines[0]!r}\n{self.transcript()}"
        while lines[-1][3:4] == "-":
            lines.append(self._line())
            assert lines[-1][:3] == lines[0][:3], f"code changes within a reply:\n{self.transcript()}"
            assert len(lines) < 5000
        return Reply(lines)

    def cmd(self, line, expect=None):
        """Sends one command line (CRLF added), returns its reply; `expect` is a code or a tuple of codes."""
        self.send((line if isinstance(line, bytes) else line.encode("utf-8")) + b"\r\n")
        return self._expect(self.reply(), expect)

    def _expect(self, reply, expect):
        if expect is not None:
            wanted = expect if isinstance(expect, tuple) else (expect,)
            assert reply.code in wanted, f"wanted {wanted}:\n{self.transcript()}"
        return reply

    def read(self, expect=None):
        return self._expect(self.reply(), expect)

    def ehlo(self, name="client.example.com"):
        """Says EHLO; returns {keyword: parameters}."""
        reply = self.cmd(f"EHLO {name}", 250)
        words = [line[4:].partition(" ") for line in reply.lines[1:]]
        return {word.upper(): rest for word, _, rest in words}

    def starttls(self, context):
        self.cmd("STARTTLS", 220)
        self.wrap(context)

    def wrap(self, context):
        self._in = b""
        self.sock = context.wrap_socket(self.sock, server_hostname=self.name)
        self.log.append(f"-- {self.sock.version()}")

    def mail(self, sender, *recipients, body=b"Subject: hello\r\n\r\nhello\r\n", args=""):
        """A whole transaction that must succeed; returns the queue id of the 250."""
        self.cmd(f"MAIL FROM:<{sender}>{args}", 250)
        for recipient in recipients:
            self.cmd(f"RCPT TO:<{recipient}>", 250)
        return self.data(body)

    def data(self, body, expect=250):
        """DATA with dot-stuffing and the end mark; returns the queue id, or the reply where another code is expected."""
        self.cmd("DATA", 354)
        self.send(stuffed(body) + b".\r\n")
        reply = self.read(expect)
        return queue_id(reply) if reply.code == 250 else reply

    def quit(self):
        reply = self.cmd("QUIT", 221)
        assert self.at_end(), self.transcript()
        self.close()
        return reply

    def at_end(self):
        """True when the server has closed, with nothing more said."""
        try:
            return not self._in and self.sock.recv(1) == b""
        except (ConnectionError, ssl.SSLError):
            return True
        except TimeoutError:
            return False

    def drained(self, limit=None):
        """Everything the server still says until it closes or `limit` seconds pass in silence."""
        self.sock.settimeout(limit or self.limit)
        out, self._in = self._in, b""
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            while len(out) < (1 << 26):
                got = self.sock.recv(65536)
                if not got:
                    break
                out += got
        self.sock.settimeout(self.limit)
        self.log.append(f"S: {out[:2000]!r}")
        return out


def queue_id(reply):
    found = re.search(r"queued as (\S+)", reply.text)
    assert found, f"no queue id in {reply}"
    return found.group(1)


def stuffed(body):
    return re.sub(rb"(?m)^\.", b"..", body)
