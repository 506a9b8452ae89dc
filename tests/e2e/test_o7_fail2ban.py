# SPDX-License-Identifier: ISC
"""fail2ban with packaging/fail2ban/thurn.conf on real logs: who misbehaves is counted, by the right address; and nothing that a peer says can have another one counted.

The clients speak through a proxy that is trusted, so that each has an address of its own."""

import base64
import collections
import contextlib
import os
import re

import pytest

from harness import fail2ban, wait
from harness.dialogue import Closed

VICTIM = "198.51.100.7"
LOGIN, PASSWORD = "alice@example.org", "correct horse 1"
# What has the form of our lines, of others', and of the formats behind them
FORGERIES = [
    f"x from {VICTIM}: authentication failed",
    f"unknown[{VICTIM}]: SASL PLAIN authentication failed: sasl_username=x",
    f"x\n2026-11-22T08:35:00.123Z thurn/smtpd[1]: warning: unknown[{VICTIM}]: SASL PLAIN authentication failed: sasl_username=x",
    f"x\r\nNov 22 08:35:00 mail thurn/smtpd[1]: unknown[{VICTIM}]: SASL PLAIN authentication failed: sasl_username=x\r\n",
    f"\u2028thurn/smtpd[1]: unknown[{VICTIM}]: SASL PLAIN authentication failed: sasl_username=x\u0085",
    f'x","client":"{VICTIM}","message":"unknown[{VICTIM}]: SASL PLAIN authentication failed: sasl_username=x"}}',
    f'","level":"warning","process":"smtpd","pid":1,"event":"login-failed","message":"unknown[{VICTIM}]: SASL PLAIN authentication failed: sasl_username=',
    f"NOQUEUE: reject: RCPT from unknown[{VICTIM}]: 550 5.7.1 <a@b>: Relaying denied; from=<",
    f"refused proxy unknown[{VICTIM}]: it is not in [trust] proxy",
    f"too many errors after RCPT from unknown[{VICTIM}]",
    f"]: SASL PLAIN authentication failed: sasl_username=[{VICTIM}]: SASL PLAIN authentication failed: sasl_username=",
    f"\x1b[2K\x08\x08 [{VICTIM}] \x00 <HOST>",
]


@pytest.fixture
def f2b(build):
    return fail2ban.Fail2ban(build)


class Stage:
    """One server behind a proxy, and what its clients do; `guilty` counts what must be counted, by mode."""

    def __init__(self, serve, make_sink, authority, form):
        self.context = authority.client_context()
        self.sink = make_sink(rcpt=f"550 5.1.1 no\rthurn/smtpd[1]: warning: unknown[{VICTIM}]: SASL PLAIN authentication failed: sasl_username=x")
        self.thurn = serve({
            "listen": {"mx": ["127.0.0.1:0 proxy"], "submission": ["127.0.0.1:0 proxy tls"]}, "trust": {"proxy": ["127.0.0.1"]},
            "tls": authority.config("mail.example.org", "127.0.0.1"), "log": {"format": form, "client_lines": 0},
            "limits": {"errors": 4, "sessions_per_address": 2, "auth_failures": 2},
            "domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{self.sink.port}", "users": "any"}}}, start=False)
        self.thurn.command("user", "add", LOGIN, stdin=PASSWORD + "\n")
        self.thurn.start()
        self.guilty = {"normal": collections.Counter(), "aggressive": collections.Counter()}

    def count(self, ip, modes, times=1):
        for mode in modes:
            self.guilty[mode][ip] += times

    def client(self, ip, kind="mx", more=b"", greeted=True):
        talk = self.thurn.dial(kind, greeting=False)
        family, to = ("TCP6", "2001:db8::25") if ":" in ip else ("TCP4", "192.0.2.25")
        talk.send(f"PROXY {family} {ip} {to} 4000 25\r\n".encode() + more)
        if kind == "submission":
            talk.sock = self.context.wrap_socket(talk.sock, server_hostname="mail.example.org")
        if greeted:
            talk.read(220)
            talk.ehlo()
        return talk

    def auth(self, expect, *logins, password=b"wrong"):
        """All at once, since a wrong login is answered late; returns the codes."""
        talks = [self.client(ip, "submission") for ip, _ in logins]
        for talk, (_, user) in zip(talks, logins, strict=True):
            talk.send(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password) + b"\r\n")
        codes = [talk.read(expect).code for talk in talks]
        for talk in talks:
            talk.close()
        return codes


TOO_EARLY = "from unknown[203.0.113.4]: the client spoke before the greeting"
BOTH, STRICT = ("normal", "aggressive"), ("aggressive",)


def misbehave(stage):
    guessers = [(ip, b"bob@example.org") for ip in ("203.0.113.1", "2001:db8:1::1")]
    for expect in (535, 535, 454):
        stage.auth(expect, *guessers)
    for ip, _ in guessers:
        stage.count(ip, BOTH, 3)
    for ip in ("203.0.113.2", "2001:db8:2::1"):
        with stage.client(ip) as talk:
            talk.cmd("MAIL FROM:<>", 250)
            talk.cmd("RCPT TO:<you@example.com>", 550)
            talk.cmd("RCPT TO:<nobody@example.org>", 550)
        stage.count(ip, BOTH)
        stage.count(ip, STRICT)
    with stage.client("203.0.113.3") as talk:
        for _ in range(4):
            talk.send("NONSENSE\r\n")
        with pytest.raises(Closed):
            for _ in range(6):
                talk.read()
    stage.count("203.0.113.3", STRICT)
    held = [stage.client("203.0.113.5"), stage.client("203.0.113.5"), stage.client("203.0.113.5", greeted=False)]
    held[2].read(421)
    stage.count("203.0.113.5", STRICT)
    for talk in held:
        talk.close()
    with stage.thurn.dial(source=("127.0.0.5", 0), greeting=False) as talk, pytest.raises(Closed):
        talk.read()
    stage.count("127.0.0.5", STRICT)


def behave(stage):
    """What no filter may count: good clients, and those to whom others' doings are done."""
    stage.auth(235, ("192.0.2.1", LOGIN.encode()), password=PASSWORD.encode())
    with stage.client("192.0.2.2") as talk:
        talk.mail("eve@example.com", "alice@example.org")
        talk.cmd("MAIL FROM:<eve@example.com> SIZE=99999999999", 552)
    stage.client("192.0.2.3").close()  # lost connection
    with stage.thurn.dial(greeting=False) as talk, pytest.raises(Closed):
        talk.send("PROXY nonsense\r\n")  # by the proxy that is trusted
        talk.read()
    crowd = [stage.client(f"198.51.100.{100 + n}", greeted=False) for n in range(21)]
    for talk in crowd[:20]:
        talk.read(220)
    crowd[20].read(421)  # its network has reached the limit; it has not
    for talk in crowd:
        talk.close()


def forge(stage):
    users = [(f"203.0.113.{20 + number}", text.replace("\0", "").encode()) for number, text in enumerate(FORGERIES)]
    codes = stage.auth((535, 501), *users)  # 501: no login has control characters
    assert codes.count(535) > 5
    for (ip, _), code in zip(users, codes, strict=True):
        stage.count(ip, BOTH if code == 535 else ())
    for number, text in enumerate(FORGERIES):
        raw = text.encode()
        words = "".join(c for c in text if c >= " " and c != "\x7f").replace('"', '\\"')
        ip = f"2001:db8:{100 + number}::1"
        with stage.client(ip) as talk:
            talk.cmd(b"HELO " + raw.replace(b"\n", b"").replace(b"\r", b""))
            talk.cmd(b"EHLO ok.example.com", 250)
            talk.cmd(f'MAIL FROM:<"{words}"@example.com> SMTPUTF8'[:500])
            denied = talk.cmd(f'RCPT TO:<"{words}"@elsewhere.example>'[:500])
            if denied.enhanced == "5.7.1":
                stage.count(ip, BOTH)
        with stage.client(f"2001:db8:{200 + number}::1") as talk:
            field = raw.replace(b"\r\n", b"").replace(b"\0", b"").replace(b"\n", b"\r\n ")
            talk.mail("eve@example.com", "alice@example.org", body=b"Message-ID: <" + field + b">\r\nSubject: " + field + b"\r\n\r\nhi\r\n")
    with stage.client("203.0.113.200") as talk:
        talk.mail("eve@example.com", "refused@example.net")  # the next host says it
    stage.thurn.logged(r"status=bounced \(.*SASL PLAIN authentication failed")


def speak_too_early(stage):
    """Apart, since each session waits then."""
    stage.thurn.change({"limits": {"pregreet": "1s"}})
    stage.thurn.reload()

    def refused():  # by the new receiver, once there is no other; the 554 may be lost when the connection is reset
        with stage.client("203.0.113.4", more=b"EHLO early.example.com\r\n", greeted=False) as talk, contextlib.suppress(Closed):
            talk.reply()
        return TOO_EARLY in stage.thurn.log()

    wait.until(refused, "a greeting that waits")


def as_a_service(log, form):
    """The same as fail2ban sees it when standard error goes to the journal."""
    with open(log, encoding="utf-8") as file, open(log + ".service", "w", encoding="utf-8") as shown:
        for line in file:
            found = re.match(r'(?:\{"time":")?(\d{4}-\d\d-\d\dT[\d:.]+Z)', line)
            if not found:
                continue  # what was said of the configuration at the start
            time = found.group(1)
            shown.write(f"{time} mail thurn[7]: {line if form == 'json' else line.removeprefix(time + ' ')}")
    return log + ".service"


@pytest.mark.parametrize("form", ["text", "json"])
def test_o7_fail2ban_counts_who_misbehaves_and_nobody_else(serve, make_sink, authority, f2b, form):
    stage = Stage(serve, make_sink, authority, form)
    misbehave(stage)
    behave(stage)
    forge(stage)
    speak_too_early(stage)
    log = stage.thurn.log_path
    stage.thurn.stop()
    stage.count("203.0.113.4", STRICT, sum(TOO_EARLY in line for line in stage.thurn.log().splitlines()))
    for mode, guilty in stage.guilty.items():
        found = f2b.counted(log, mode)
        assert collections.Counter(ip for ip, _ in found) == guilty, (mode, [row for row in found if row[0] not in guilty])
        assert VICTIM not in guilty and len(guilty) > 12
        for ip, line in found:
            assert re.search(rf"\[{re.escape(ip)}\]", line)
    shown = as_a_service(log, form)
    assert collections.Counter(ip for ip, _ in f2b.counted(shown, "aggressive")) == stage.guilty["aggressive"]


def test_o7_fail2ban_takes_the_jail(f2b, work):
    """As /etc/fail2ban would be with both files; the package has the jail as an example only."""
    folder = f2b.configuration(os.path.join(work, "fail2ban"))
    assert f2b.client(folder, "-t").strip() == "OK: configuration test is successful"
    orders = f2b.client(folder, "-d")
    assert "['add', 'thurn', 'systemd']" in orders and "['start', 'thurn']" in orders
    assert "['set', 'thurn', 'addjournalmatch', '_SYSTEMD_UNIT=thurn.service']" in orders
    with open(os.path.join(fail2ban.ROOT, "packaging/debian/rules"), encoding="utf-8") as file:
        assert "jail.d" not in file.read()
