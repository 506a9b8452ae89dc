# SPDX-License-Identifier: ISC
"""A scriptable SMTP or LMTP server that records what it gets.

Each stage (greeting, ehlo, helo, mail, rcpt, data, end, rset, quit, auth, starttls) may be given an answer:
  "250 Ok"              that reply ("\\n" between the lines of one of many lines);
  b"..."                those bytes exactly (hostile servers);
  DROP                  close the connection without a word;
  [a, b, c]             one each time, the last for ever after;
  f(session, argument)  whatever it returns, None for the usual answer.
"""

import base64
import contextlib
import re
import socket
import ssl
import threading

DROP = object()
IDLE = 120.0
LINE_MAX = 1 << 20


class Message:
    def __init__(self, sender, args):
        self.sender, self.args = sender, args
        self.recipients = []
        self.data = b""
        self.session = None


class Session:
    def __init__(self, sink, conn, peer):
        self.sink, self.conn, self.peer = sink, conn, peer
        self.commands = []
        self.tls = None
        self.login = None
        self.helo = None
        self.message = None
        self.messages = []
        self.ended = threading.Event()
        self._in = b""

    # --- bytes ---

    def say(self, answer):
        if answer is DROP:
            raise ConnectionAbortedError
        if isinstance(answer, str):
            lines = answer.split("\n")
            code = lines[0][:3]
            out = [f"{code}-{line[4:] if i == 0 else line}" for i, line in enumerate(lines[:-1])]
            last = lines[-1] if len(lines) == 1 else f"{code} {lines[-1]}"
            answer = "".join(line + "\r\n" for line in out + [last]).encode("utf-8")
        self.conn.sendall(answer)

    def line(self):
        while b"\n" not in self._in:
            if len(self._in) > LINE_MAX:
                raise ConnectionAbortedError
            got = self.conn.recv(65536)
            if not got:
                raise EOFError
            self._in += got
        line, _, self._in = self._in.partition(b"\n")
        return line.removesuffix(b"\r")

    def body(self, stop_after=None):
        """The octets of DATA up to CRLF . CRLF, dots undone; stop_after: cut off after so many octets."""
        raw = b"\r\n" + self._in
        self._in = b""
        while b"\r\n.\r\n" not in raw:
            if stop_after is not None and len(raw) > stop_after:
                raise ConnectionAbortedError
            got = self.conn.recv(1 << 18)
            if not got:
                raise EOFError
            raw += got
            if stop_after is None and len(raw) > (1 << 27):
                raise ConnectionAbortedError
        self.raw, _, self._in = raw.partition(b"\r\n.\r\n")
        self.raw = (self.raw + b"\r\n")[2:]
        return re.sub(rb"(?m)^\.", b"", self.raw)

    # --- the session ---

    @staticmethod
    def refused(reply):
        """Does this answer, text or bytes, refuse? A scripted oddity counts as taken."""
        return (reply if isinstance(reply, str) else reply.decode("latin-1"))[:1] in ("4", "5")

    def answer(self, stage, argument, usual):
        scripted = self.sink.scripted(stage, self, argument)
        return usual if scripted is None else scripted

    def run(self):
        self.say(self.answer("greeting", "", f"220 {self.sink.name} ESMTP sink"))
        while True:
            line = self.line().decode("utf-8", "surrogateescape")
            self.commands.append(line)
            verb, _, argument = line.partition(" ")
            handler = getattr(self, "_" + verb.lower(), None)
            if handler is None:
                self.say("500 5.5.2 what?")
            elif handler(argument) is False:
                return

    def _ehlo(self, argument):
        self.helo = argument
        words = [self.sink.name] + [w for w in self.sink.extensions if w != "STARTTLS" or not self.tls]
        reply = self.answer("ehlo", argument, "250 " + "\n".join(words))
        self.say(reply)

    _lhlo = _ehlo

    def _helo(self, argument):
        self.helo = argument
        self.say(self.answer("helo", argument, f"250 {self.sink.name}"))

    def _starttls(self, argument):
        reply = self.answer("starttls", argument, "220 2.0.0 go ahead")
        self.say(reply)
        code = reply[:3] if isinstance(reply, str) else reply[:3].decode()
        if code == "220":
            self._in = b""
            self.conn = self.sink.tls.wrap_socket(self.conn, server_side=True)
            self.tls = self.conn.version()

    def _auth(self, argument):
        mechanism, _, initial = argument.partition(" ")
        name = secret = ""
        if mechanism.upper() == "PLAIN":
            if not initial:
                self.say("334 ")
                initial = self.line().decode()
            _, name, secret = base64.b64decode(initial).decode().split("\0")
        else:
            if not initial:
                self.say("334 VXNlcm5hbWU6")
                initial = self.line().decode()
            name = base64.b64decode(initial).decode()
            self.say("334 UGFzc3dvcmQ6")
            secret = base64.b64decode(self.line()).decode()
        good = self.sink.users.get(name) == secret
        self.login = name if good else None
        self.say(self.answer("auth", name, "235 2.7.0 welcome" if good else "535 5.7.8 wrong"))

    def _mail(self, argument):
        found = re.match(r"(?i)FROM:<([^>]*)>\s*(.*)", argument)
        self.message = Message(found.group(1), found.group(2)) if found else Message(argument, "")
        reply = self.answer("mail", argument, "250 2.1.0 Ok")
        if reply is DROP or self.refused(reply):
            self.message = None
        self.say(reply)

    def _rcpt(self, argument):
        found = re.match(r"(?i)TO:<([^>]*)>\s*(.*)", argument)
        address = found.group(1) if found else argument
        reply = self.answer("rcpt", address, "250 2.1.5 Ok")
        if reply is not DROP and not self.refused(reply):
            if self.message:
                self.message.recipients.append(address)
            else:
                reply = "503 5.5.1 MAIL first"
        self.say(reply)

    def _data(self, argument):
        if not self.message or not self.message.recipients:
            self.say("503 5.5.1 RCPT first")
            return
        reply = self.answer("data", argument, "354 go on")
        self.say(reply)
        if not (reply if isinstance(reply, str) else reply.decode("latin-1")).startswith("3"):
            self.message = None
            return
        self.message.data = self.body(self.sink.die_after)
        self.message.session = self
        for target in self.message.recipients if self.sink.lmtp else [None]:
            end = self.answer("end", target, f"250 2.0.0 Ok: sunk {len(self.sink.messages)}")
            if end is not DROP and not self.refused(end) and self.message not in self.messages:
                self.messages.append(self.message)
                self.sink.took(self.message)
            self.say(end)
        self.message = None

    def _rset(self, argument):
        self.message = None
        self.say(self.answer("rset", argument, "250 2.0.0 Ok"))

    def _noop(self, argument):
        self.say("250 2.0.0 Ok")

    def _quit(self, argument):
        self.say(self.answer("quit", argument, "221 2.0.0 bye"))
        return False


class Sink:
    """Listens at once; `port` 0 is any free one. Give `inside` (a Namespace) to listen in a network namespace."""

    def __init__(self, host="127.0.0.1", port=0, *, name="sink.example.net", inside=None, lmtp=False, unix=None,
                 extensions=("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES"),
                 tls=None, smtps=False, users=None, die_after=None, session=Session, **answers):
        self.name, self.lmtp, self.tls, self.smtps = name, lmtp, tls, smtps
        self.users = users or {}
        self.extensions = list(extensions)
        if tls and not smtps and "STARTTLS" not in self.extensions:
            self.extensions.append("STARTTLS")
        if users:
            self.extensions.append("AUTH PLAIN LOGIN")
        self.die_after = die_after
        self.session = session
        self.answers = answers
        self.sessions = []
        self.messages = []
        self._lock = threading.Lock()
        with inside.entered() if inside else contextlib.nullcontext():
            if unix:
                self.socket = socket.socket(socket.AF_UNIX)
                self.socket.bind(unix)
            else:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                self.socket = socket.socket(family)
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind((host, port))
            self.socket.listen(128)
        self.host = host
        self.port = None if unix else self.socket.getsockname()[1]
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self._open:
            try:
                conn, peer = self.socket.accept()
            except OSError:
                return
            conn.settimeout(IDLE)
            session = self.session(self, conn, peer)
            with self._lock:
                self.sessions.append(session)
            threading.Thread(target=self._serve, args=(session,), daemon=True).start()

    def _serve(self, session):
        try:
            if self.smtps:
                session.conn = self.tls.wrap_socket(session.conn, server_side=True)
                session.tls = session.conn.version()
            session.run()
        except (EOFError, OSError, ssl.SSLError):
            pass
        finally:
            with contextlib.suppress(OSError):
                session.conn.close()
            session.ended.set()

    def scripted(self, stage, session, argument):
        with self._lock:
            answer = self.answers.get(stage)
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(session, argument)
        return answer

    def took(self, message):
        with self._lock:
            self.messages.append(message)

    def recipients(self):
        return [r for m in list(self.messages) for r in m.recipients]

    def close(self):
        self._open = False
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for session in list(self.sessions):
            with contextlib.suppress(OSError):
                session.conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
