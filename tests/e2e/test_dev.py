# SPDX-License-Identifier: ISC
"""`thurn dev`: the faults that a developer's program meets, played with real clients."""

import os
import smtplib
import subprocess
import time

import pytest

from harness import account, process, wait
from harness.dialogue import Closed, Dialogue
from harness.thurn import free_port

LETTER = "Subject: hello\r\n\r\nhello\r\n"


class Dev:
    def __init__(self, binary, folder):
        self.folder, self.port = folder, free_port()
        self.log_path = os.path.join(folder, "log")
        out = os.path.join(folder, "out")
        self.process = subprocess.Popen(account.as_service([binary, "dev", "--port", str(self.port)]), cwd=folder,
                                        stdin=subprocess.DEVNULL, stdout=open(out, "wb"), stderr=open(self.log_path, "wb"))
        wait.until(lambda: "Faults" in open(out).read() or self.process.poll() is not None, self.log)
        self.said = open(out).read()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def logged(self, text):
        wait.until(lambda: text in self.log(), lambda: f"{text!r} in\n{self.log()}")

    def client(self):
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example.com", timeout=60)

    def dial(self):
        return Dialogue("127.0.0.1", self.port)

    def letters(self, user, domain="test.example"):
        path = os.path.join(self.folder, "thurn-dev", "mail", domain, user, "new")
        found = []
        for name in sorted(os.listdir(path)) if os.path.isdir(path) else []:
            with open(os.path.join(path, name), encoding="utf-8", errors="replace") as file:
                found.append(file.read())
        return found

    def close(self):
        process.end(self.process, 60)


@pytest.fixture
def dev(binary, work, closing):
    account.give(work)
    return closing(Dev(binary, work))


def test_o1_dev_says_where_and_how(dev, binary):
    assert f"smtp://127.0.0.1:{dev.port}" in dev.said and "./thurn-dev/mail/" in dev.said
    assert "Console" not in dev.said, "there is none yet"
    shown = subprocess.run([binary, "dev", "--help"], capture_output=True, text=True, timeout=60).stdout
    for fault in ("CODE@", "slow@", "drop@", "CODE-data@", "slow-data@", "drop-data@", "bounce@", "defer@"):
        assert fault in shown


def test_o1_dev_refuses_with_the_code_asked_for(dev):
    with dev.client() as client:
        client.ehlo()
        for local, code in (("450", 450), ("452", 452), ("550", 550), ("552", 552), ("554", 554), ("4xx", 451), ("5xx", 550)):
            client.mail("me@example.com")
            said, text = client.rcpt(f"{local}@any.example")
            assert said == code and text.startswith(b"%d." % (code // 100)), text
            assert client.rcpt("you@test.example")[0] == 250
            client.rset()
        for local, code in (("451-data", 451), ("554-data", 554), ("4xx-data", 451), ("5xx-data", 550)):
            with pytest.raises(smtplib.SMTPDataError) as caught:
                client.sendmail("me@example.com", ["you@test.example", f"{local}@test.example"], LETTER)
            assert caught.value.smtp_code == code
        client.sendmail("me@example.com", ["last@test.example"], LETTER)
    wait.until(lambda: dev.letters("last"), dev.log)
    assert not dev.letters("you"), "what was refused was not delivered"


def test_o1_dev_421_closes(dev):
    with dev.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<me@example.com>", 250)
        talk.cmd("RCPT TO:<421@test.example>", 421)
        with pytest.raises(Closed):
            talk.cmd("NOOP")
    with dev.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<me@example.com>", 250)
        talk.cmd("RCPT TO:<421-data@test.example>", 250)
        talk.data(LETTER.encode(), expect=421)
        with pytest.raises(Closed):
            talk.cmd("NOOP")


def test_o1_dev_drops_the_connection(dev):
    with dev.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<me@example.com>", 250)
        with pytest.raises(Closed):
            talk.cmd("RCPT TO:<drop@test.example>")
    with dev.client() as client:
        client.ehlo()
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            client.sendmail("me@example.com", ["drop-data@test.example"], LETTER)
    with dev.client() as client:
        client.sendmail("me@example.com", ["after@test.example"], LETTER)
    wait.until(lambda: dev.letters("after"), dev.log)
    assert not dev.letters("drop-data")


def test_o1_dev_answers_slowly(dev):
    with dev.dial() as slow, dev.dial() as content, dev.dial() as quick:
        for talk in (slow, content, quick):
            talk.ehlo()
            talk.cmd("MAIL FROM:<me@example.com>", 250)
        content.cmd("RCPT TO:<slow-data@test.example>", 250)
        content.cmd("DATA", 354)
        began = time.monotonic()
        slow.send("RCPT TO:<slow@test.example>\r\n")
        content.send(LETTER + ".\r\n")
        quick.cmd("RCPT TO:<you@test.example>", 250)
        quick.data(LETTER.encode())
        slow.read(250)
        content.read(250)
        assert time.monotonic() - began >= 4.9
        slow.data(LETTER.encode())
    wait.until(lambda: dev.letters("slow") and dev.letters("slow-data") and dev.letters("you"), dev.log)
    assert len(dev.letters("slow-data")) == 1


def test_o1_dev_bounces_and_defers(dev):
    with dev.client() as client:
        client.sendmail("me@example.com", ["bounce@test.example"], LETTER)
        client.sendmail("me@example.com", ["defer@test.example"], LETTER)
    wait.until(lambda: dev.letters("me", "example.com"), dev.log)
    report = dev.letters("me", "example.com")[0]
    assert "multipart/report" in report and "bounce@test.example" in report
    dev.logged("to=<defer@test.example>")
    assert "status=deferred" in next(line for line in dev.log().splitlines() if "to=<defer@test.example>" in line)
