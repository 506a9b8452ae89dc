# SPDX-License-Identifier: ISC
"""Guards: limits, rates, lock-outs, time-outs, the tarpit; each with its code and a log line that names the rule."""

import base64
import contextlib
import ssl
import time

import pytest

from harness import mailbox, wait
from harness.dialogue import Closed, Dialogue

PASSWORD = "correct horse 1"
LOGIN = "alice@example.org"
LETTER = b"From: alice@example.org\r\nSubject: hello\r\n\r\nhello\r\n"


def plain(login, password):
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


@pytest.fixture
def office(serve, authority):
    """Submission over TLS, with an account for alice."""
    def make(limits, **more):
        thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1"), "limits": limits,
                       "listen": {"submission": ["127.0.0.1:0 tls"]}}, start=False, **more)
        thurn.command("user", "add", LOGIN, "--name", "Alice Example", stdin=PASSWORD + "\n")
        return thurn.start()

    return make


def away_from_the_end_of(seconds):
    """Counts begin anew at whole windows of the clock: a test that counts must not meet one."""
    rest = seconds - time.time() % seconds
    if rest < min(60, seconds / 3):
        time.sleep(rest + 0.1)


def signed_in(thurn, authority, password=PASSWORD, code=235, **more):
    talk = thurn.dial("submission", 0, tls=authority.client_context(), **more)
    talk.ehlo()
    talk.cmd("AUTH PLAIN " + plain(LOGIN, password), code)
    return talk


def rule(thurn, text):
    thurn.logged(text.replace("[", r"\[").replace("]", r"\]"))


# G7: what a login may send in an hour


def test_g7_above_the_hours_messages_mail_is_held_and_then_refused(office, authority):
    away_from_the_end_of(3600)
    thurn = office({"user_messages_per_hour": 2})
    with signed_in(thurn, authority) as talk:
        taken = [talk.mail(LOGIN, "bob@example.org", body=LETTER) for _ in range(4)]
        reply = talk.cmd(f"MAIL FROM:<{LOGIN}>", 452)
        assert reply.enhanced == "4.7.1"
    rule(thurn, "user_messages_per_hour = 2")
    thurn.logged(rf"{LOGIN} has sent 3 messages to 3 recipients in this hour: its mail is held")
    thurn.landed("bob", 2)
    wait.until(lambda: {m["id"] for m in thurn.queue() if m["state"] == "held"} == set(taken[2:]),
               lambda: f"the two above the limit are held: {thurn.queue()}")
    assert len(mailbox.maildir(thurn.maildir("bob"))) == 2
    thurn.command("queue", "release", taken[2])
    thurn.landed("bob", 3)
    assert thurn.log().count("its mail is held") == 1, "one alarm an hour"


def test_g7_the_postmaster_is_told_once(office, authority):
    away_from_the_end_of(3600)
    thurn = office({"user_messages_per_hour": 1})
    with signed_in(thurn, authority) as talk:
        for _ in range(2):
            talk.mail(LOGIN, "bob@example.org", body=LETTER)
    [raw] = thurn.landed("alice")  # alice is the postmaster
    assert LOGIN.encode() in raw and b"2 messages" in raw, raw
    time.sleep(1)
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1


def test_g7_recipients_are_counted_and_refused_one_by_one(office, authority):
    away_from_the_end_of(3600)
    thurn = office({"user_recipients_per_hour": 1, "user_messages_per_hour": 0})
    with signed_in(thurn, authority) as talk:
        talk.cmd(f"MAIL FROM:<{LOGIN}>", 250)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.cmd("RCPT TO:<alice@example.org>", 250)
        assert talk.cmd("RCPT TO:<postmaster@example.org>", 452).enhanced == "4.7.1"
        held = talk.data(LETTER)
    wait.until(lambda: [m["id"] for m in thurn.queue() if m["state"] == "held"] == [held], thurn.queue)


def test_g7_without_an_alarm_the_limit_is_the_limit(office, authority):
    away_from_the_end_of(3600)
    thurn = office({"user_messages_per_hour": 1, "user_alarm": False})
    with signed_in(thurn, authority) as talk:
        talk.mail(LOGIN, "bob@example.org", body=LETTER)
        talk.cmd(f"MAIL FROM:<{LOGIN}>", 452)
    thurn.landed("bob", 1)
    thurn.queue_empty()


def test_g7_a_login_told_by_xclient_is_one_however_it_is_spelt(serve):
    away_from_the_end_of(3600)
    thurn = serve({"limits": {"user_messages_per_hour": 1, "user_alarm": False}, "trust": {"xclient": ["127.0.0.1"]}})
    for login, code in [(LOGIN, 250), (LOGIN.upper(), 452)]:
        with thurn.dial() as talk:
            talk.ehlo()
            talk.cmd(f"XCLIENT ADDR=192.0.2.5 LOGIN={login}", 220)
            talk.ehlo()
            assert talk.cmd(f"MAIL FROM:<{LOGIN}>").code // 100 == code // 100, login
            if code == 250:
                talk.cmd("RCPT TO:<bob@example.org>", 250)
                talk.data(LETTER)


def test_g7_strangers_have_no_login_to_count(serve):
    thurn = serve({"limits": {"user_messages_per_hour": 1}})
    with thurn.dial() as talk:
        talk.ehlo()
        for _ in range(3):
            talk.mail("x@example.net", "bob@example.org")
    thurn.landed("bob", 3)


# G6: guesses


def test_threat_guesses_lock_out_the_guesser_and_not_the_owner(office, authority):
    away_from_the_end_of(900)
    thurn = office({"auth_failures": 2, "tarpit": "0s"})
    with thurn.dial("submission", 0, tls=authority.client_context()) as talk:
        talk.ehlo()
        for _ in range(2):
            talk.cmd("AUTH PLAIN " + plain(LOGIN, "guess"), 535)
        assert talk.cmd("AUTH PLAIN " + plain(LOGIN, PASSWORD), 454).enhanced == "4.7.0"
    rule(thurn, "[limits] auth_failures = 2")
    with signed_in(thurn, authority, code=454):
        pass
    with signed_in(thurn, authority, source=("127.0.0.2", 0)):
        pass


# G5: limits by address and network


def test_g3_a_network_has_ten_times_an_addresss_sessions(serve):
    thurn = serve({"limits": {"sessions_per_address": 1}})
    talks = []
    for i in range(10, 20):
        talks.append(thurn.dial(source=(f"127.0.0.{i}", 0)))
        assert talks[-1].greeting.code == 220
    with thurn.dial(source=("127.0.0.30", 0)) as talk:
        assert talk.greeting.code == 421
    rule(thurn, "refused unknown[127.0.0.30]: [limits] sessions_per_address = 10 is reached by its network")
    with thurn.dial(source=("127.0.1.30", 0)) as talk:
        assert talk.greeting.code == 220
    for talk in talks:
        talk.close()


def test_g3_a_networks_connections_are_counted_too(serve):
    thurn = serve({"limits": {"connections_per_minute": 1}})
    away_from_the_end_of(60)
    codes = []
    for i in range(10, 32):
        with thurn.dial(source=(f"127.0.0.{i}", 0)) as talk:
            codes.append(talk.greeting.code)
    assert codes[:10] == [220] * 10 and 421 in codes, codes
    rule(thurn, "connections_per_minute = 10 is reached by its network")


# G4: time


def test_g3_an_idle_client_is_sent_away(serve):
    thurn = serve({"limits": {"command_timeout": "1s"}})
    with thurn.dial() as talk:
        talk.ehlo()
        assert talk.read(421).enhanced == "4.4.2"
        assert talk.at_end()
    thurn.logged(r"timeout after EHLO from \S+\[127\.0\.0\.1\]")


def test_threat_one_byte_a_second_does_not_hold_a_command_open(serve):
    thurn = serve({"limits": {"command_timeout": "3s"}})
    with thurn.dial() as talk:
        began = time.monotonic()
        with contextlib.suppress(Closed):
            for byte in b"EHLO client.example.com" * 10:
                talk.send(bytes([byte]))
                time.sleep(0.5)
                if time.monotonic() - began > 90:
                    break
        with contextlib.suppress(Closed):
            assert talk.read().code == 421
        assert time.monotonic() - began < 90, "it would have taken 115 s"
    thurn.logged("timeout after")


def test_threat_content_that_stops_coming(serve):
    thurn = serve({"limits": {"data_timeout": "1s"}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.cmd("DATA", 354)
        talk.send("Subject: half\r\n\r\nha")
        assert talk.read(421).enhanced == "4.4.2"
    thurn.logged("timeout after DATA")
    assert not mailbox.maildir(thurn.maildir("bob")) and not thurn.queue()


def test_threat_content_that_comes_too_slowly(serve):
    """A least rate: a byte now and then keeps every time-out quiet."""
    thurn = serve({"limits": {"min_rate": 1000000, "data_timeout": "50s"}})
    with thurn.dial(limit=100) as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.cmd("DATA", 354)
        began = time.monotonic()
        with contextlib.suppress(Closed):
            while time.monotonic() - began < 75:
                talk.send("x\r\n")
                time.sleep(1)
                if "Too slow" in thurn.log() or "too slow" in thurn.log():
                    break
    thurn.logged("too slow after")
    assert not thurn.queue()


def test_g3_under_stress_clients_have_a_tenth_of_the_time(serve):
    thurn = serve({"limits": {"sessions": 10, "command_timeout": "50s"}})
    with contextlib.ExitStack() as stack:
        talks = [stack.enter_context(thurn.dial()) for _ in range(9)]
        began = time.monotonic()
        assert talks[0].read(421).enhanced == "4.4.2"
        assert time.monotonic() - began < 49
    thurn.logged("under stress: clients have a tenth of the time")
    thurn.logged("no longer under stress")


# G3: errors


def test_g4_the_tarpit_makes_errors_dear(serve):
    thurn = serve({"limits": {"tarpit": "1s", "errors": 0}})
    with thurn.dial() as talk:
        talk.ehlo()
        for _ in range(10):
            talk.cmd("NONSENSE", 500)
        began = time.monotonic()
        talk.cmd("NONSENSE", 500)
        assert time.monotonic() - began >= 0.9
        talk.cmd("NOOP", 250)
        began = time.monotonic()
        talk.send(b"NONSENSE\r\n" * 500 + b"NOOP\r\n")
        for _ in range(500):
            talk.read(500)
        talk.read(250)
        assert 0.9 <= time.monotonic() - began < 200, "one wait for what came together"
        talk.mail("x@example.net", "bob@example.org")
        talk.quit()
    thurn.landed("bob")


def test_g4_the_tarpit_and_a_client_that_leaves(serve):
    thurn = serve({"limits": {"tarpit": "1s", "errors": 0}})
    for _ in range(3):
        with thurn.dial() as talk:
            talk.send(b"NONSENSE\r\n" * 30)
    thurn.logged(r"disconnect from \S+\[127\.0\.0\.1\]")
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.net", "bob@example.org")
    thurn.landed("bob")


def test_g3_the_error_budget(serve):
    thurn = serve({"limits": {"errors": 3, "tarpit": "0s"}})
    with thurn.dial() as talk:
        talk.cmd("NONSENSE", 500)
        talk.cmd("NONSENSE", 500)
        assert talk.cmd("NONSENSE", 421).enhanced == "4.7.0"
    rule(thurn, "([limits] errors = 3)")


# TLS


def test_threat_tls_closed_in_the_middle_of_a_chunk(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.starttls(authority.client_context())
        talk.ehlo()
        talk.cmd("MAIL FROM:<x@example.net>", 250)
        talk.cmd("RCPT TO:<bob@example.org>", 250)
        talk.send(b"BDAT 1000 LAST\r\nSubject: half\r\n\r\n")
        with contextlib.suppress(OSError, ssl.SSLError, ValueError):
            plain_socket = talk.sock.unwrap()
            plain_socket.sendall(b"x" * 1000)
            plain_socket.close()
    thurn.logged(r"lost connection after \S+ from")
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.net", "alice@example.org")
    thurn.landed("alice")
    thurn.queue_empty()
    assert not mailbox.maildir(thurn.maildir("bob"))


def test_a_mail_refused_for_its_size_is_logged_with_its_sender(serve):
    thurn = serve({"limits": {"max_size": "1000"}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<big@example.net> SIZE=5000", 552)
    thurn.logged(r"reject: MAIL from .*552 5\.3\.4 .*\[limits\] max_size = 1000.*from=<big@example\.net>")


def test_threat_a_local_client_beyond_the_sessions_kills_nobody(serve):
    """Whoever has no address is refused like anybody else."""
    thurn = serve({"limits": {"sessions": 1}, "listen": {"lmtp": ["unix:{dir}/lmtp.sock"]}})
    with thurn.dial() as talk:
        talk.ehlo()
        with Dialogue(None, None, unix=thurn.folder + "/lmtp.sock", greeting=False) as local:
            assert local.read().code == 421
        rule(thurn, "refused unknown[local]: [limits] sessions = 1 is reached")
        talk.cmd("NOOP", 250)
