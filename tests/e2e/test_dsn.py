# SPDX-License-Identifier: ISC
"""What a sender may ask to hear (RFC 3461), and when mail is to go (RFC 2852, 4865, 6710): through aliases, lists and next hops, and through restarts."""

import datetime
import email.utils
import re

import pytest

from harness import mailbox, process, wait
from harness.thurn import free_port

DSN = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN")
PLAIN = ("PIPELINING", "SIZE 104857600", "8BITMIME", "ENHANCEDSTATUSCODES")
BODY = b"From: alice@example.org\r\nSubject: Lunch?\r\n\r\nAt noon.\r\n"
ALIASES = """\
single: bob
outside: friend@example.com
several: bob, friend@example.com
"""


@pytest.fixture
def post(serve, make_sink):
    """post(extensions=..., config..., sink answers): a server whose mail for others goes to a scripted smarthost."""
    def make(config=None, extensions=DSN, queue=None, **answers):
        sink = make_sink(extensions=extensions, **answers)
        thurn = serve(start=False)
        path = thurn.file("aliases", ALIASES)
        thurn.change({"queue": queue or {}, "route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}},
                      "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}},
                      "domain": {"example.org": {"aliases": path}},
                      "list": {"team@example.org": {"members": ["bob@example.org", "friend@example.com"], "post": "any",
                                                    "owner": "bob@example.org"}},
                      **(config or {})})
        thurn.start()
        thurn.sink = sink
        return thurn

    return make


def send(thurn, *recipients, args="", sender="alice@example.org", body=BODY):
    """Each recipient is (address, parameters of RCPT); the queue id."""
    with thurn.dial() as talk:
        talk.ehlo()
        talk.cmd(f"MAIL FROM:<{sender}>{args}", 250)
        for address, parameters in recipients:
            talk.cmd(f"RCPT TO:<{address}>{parameters}", 250)
        return talk.data(body)


def report(raw):
    """(per-message fields, {final recipient: its fields}, content type of what is returned) of a report that is well-formed."""
    mail = mailbox.parsed(raw)
    assert mail["Return-Path"] == "<>" and mail["Auto-Submitted"].startswith("auto-")
    assert mail.get_content_type() == "multipart/report" and mail.get_param("report-type") == "delivery-status"
    message, recipients = mailbox.delivery_status(raw)
    by_address = {r["Final-Recipient"].partition(";")[2].strip(): r for r in recipients}
    return message, by_address, list(mail.iter_parts())[2].get_content_type()


def commands(thurn, verb):
    return [c for s in thurn.sink.sessions for c in s.commands if c.upper().startswith(verb)]


def quiet(thurn, *ids):
    """All of it is done, and alice has nothing."""
    thurn.removed(*ids)
    thurn.queue_empty()
    assert not mailbox.maildir(thurn.maildir("alice"))


def test_e7_server_delivered(post):
    thurn = post()
    ident = send(thurn, ("bob@example.org", " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2Bhome@example.org"),
                 args=" RET=FULL ENVID=QQ+2B314")
    [raw] = thurn.landed("alice")
    message, [(address, one)], returned = (lambda m, r, t: (m, r.items(), t))(*report(raw))
    assert message["Original-Envelope-Id"] == "QQ+314"
    assert message["Reporting-MTA"].replace(" ", "") == "dns;mail.example.org"
    assert (address, one["Action"], one["Status"]) == ("bob@example.org", "delivered", "2.0.0")
    assert one["Original-Recipient"].replace(" ", "") == "rfc822;bob+home@example.org"
    assert returned == "text/rfc822-headers", "RET is for failures"
    assert b"At noon." not in raw and b"Subject: Lunch?" in raw
    thurn.removed(ident)
    thurn.queue_empty()
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1


def test_e7_server_lmtp_is_delivery(post, make_sink):
    lmtp = make_sink(lmtp=True)
    thurn = post({"domain": {"box.example": {"deliver": f"lmtp:127.0.0.1:{lmtp.port}", "users": "any"}}})
    send(thurn, ("x@box.example", " NOTIFY=SUCCESS"))
    _, recipients, _ = report(thurn.landed("alice")[0])
    assert recipients["x@box.example"]["Action"] == "delivered"


def test_e7_client_host_with_dsn_takes_over(post):
    thurn = post()
    ident = send(thurn, ("friend@example.com", " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;pal@example.com"),
                 args=" RET=HDRS ENVID=QQ314")
    quiet(thurn, ident)
    [mail] = commands(thurn, "MAIL")
    [rcpt] = commands(thurn, "RCPT")
    assert "RET=HDRS" in mail and "ENVID=QQ314" in mail
    assert "NOTIFY=SUCCESS,DELAY" in rcpt and "ORCPT=rfc822;pal@example.com" in rcpt


def test_e7_client_host_without_dsn_is_relayed(post):
    thurn = post(extensions=PLAIN)
    ident = send(thurn, ("friend@example.com", " NOTIFY=SUCCESS"), ("other@example.com", ""), args=" ENVID=QQ314")
    [raw] = thurn.landed("alice")
    message, recipients, _ = report(raw)
    assert list(recipients) == ["friend@example.com"]
    one = recipients["friend@example.com"]
    assert one["Action"] == "relayed" and one["Status"].startswith("2.") and one["Remote-MTA"].startswith("dns;")
    assert message["Original-Envelope-Id"] == "QQ314"
    thurn.removed(ident)
    assert not [c for c in commands(thurn, "MAIL") + commands(thurn, "RCPT") if "NOTIFY" in c or "ENVID" in c]


@pytest.mark.parametrize("notify", [" NOTIFY=NEVER", " NOTIFY=SUCCESS", " NOTIFY=DELAY"])
def test_e7_server_failure_not_wanted(post, notify):
    thurn = post(rcpt="550 5.1.1 no such user")
    quiet(thurn, send(thurn, ("nobody@example.com", notify)))


def test_e7_server_ret(post):
    thurn = post(rcpt="550 5.1.1 no such user")
    big = BODY + b"0123456789abcdef\r\n" * 5000
    send(thurn, ("nobody@example.com", ""), args=" RET=HDRS")
    _, _, returned = report(thurn.landed("alice")[0])
    assert returned == "text/rfc822-headers"
    send(thurn, ("nobody@example.com", ""), args=" RET=FULL", body=big)
    reports = thurn.landed("alice", 2)
    [full] = [r for r in reports if report(r)[2] == "message/rfc822"]
    assert full.count(b"0123456789abcdef") == 5000


def test_e7_server_delay_for_a_stranger_who_asks(serve, make_sink):
    sink = make_sink(rcpt="451 4.3.0 later")
    thurn = serve({"queue": {"retry": ["1s"], "warn_after": "2s"},
                   "domain": {"example.net": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}})
    send(thurn, ("quiet@example.net", ""), sender="bob@example.org")
    send(thurn, ("x@example.net", " NOTIFY=DELAY"))
    [raw] = thurn.landed("alice")
    _, recipients, _ = report(raw)
    assert recipients["x@example.net"]["Action"] == "delayed"
    assert recipients["x@example.net"]["Will-Retry-Until"]
    wait.until(lambda: len([m for m in thurn.queue() if m["tries"] >= 4]) == 2, thurn.log)
    assert not mailbox.maildir(thurn.maildir("bob"))


def test_e7_server_alias_with_one_target_hands_on(post):
    thurn = post()
    send(thurn, ("single@example.org", " NOTIFY=SUCCESS ORCPT=rfc822;single@example.org"), args=" ENVID=one")
    message, recipients, _ = report(thurn.landed("alice")[0])
    assert message["Original-Envelope-Id"] == "one"
    assert recipients["bob@example.org"]["Action"] == "delivered"
    assert recipients["bob@example.org"]["Original-Recipient"].replace(" ", "") == "rfc822;single@example.org"
    ident = send(thurn, ("outside@example.org", " NOTIFY=SUCCESS ORCPT=rfc822;outside@example.org"), args=" ENVID=two")
    thurn.removed(ident)
    [rcpt] = commands(thurn, "RCPT")
    assert rcpt.startswith("RCPT TO:<friend@example.com>") and "NOTIFY=SUCCESS" in rcpt
    assert "ORCPT=rfc822;outside@example.org" in rcpt and "ENVID=two" in commands(thurn, "MAIL")[0]
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1, "the next host answers"


def test_e7_server_alias_with_several_targets_is_expanded(post):
    thurn = post()
    ident = send(thurn, ("several@example.org", " NOTIFY=SUCCESS,FAILURE"), args=" ENVID=three")
    message, recipients, _ = report(thurn.landed("alice")[0])
    assert message["Original-Envelope-Id"] == "three"
    assert list(recipients) == ["several@example.org"]
    assert recipients["several@example.org"]["Action"] == "expanded"
    thurn.removed(ident)
    thurn.queue_empty()
    [rcpt] = commands(thurn, "RCPT")
    assert "NOTIFY=FAILURE" in rcpt and "SUCCESS" not in rcpt
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1
    assert len(mailbox.maildir(thurn.maildir("bob"))) == 1


def test_e7_server_alias_of_who_wanted_only_success(post):
    thurn = post(rcpt="550 5.1.1 no such user")
    ident = send(thurn, ("several@example.org", " NOTIFY=SUCCESS"))
    _, recipients, _ = report(thurn.landed("alice")[0])
    assert recipients["several@example.org"]["Action"] == "expanded"
    thurn.removed(ident)
    thurn.queue_empty()
    assert "NOTIFY=NEVER" in commands(thurn, "RCPT")[0]
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1, "no failure for who did not ask for it"


def test_e7_server_list_is_the_end_of_the_mail(post):
    thurn = post(rcpt="550 5.1.1 no such user")
    send(thurn, ("team@example.org", " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;team@example.org"), args=" ENVID=QQ314 RET=FULL")
    message, recipients, _ = report(thurn.landed("alice")[0])
    assert message["Original-Envelope-Id"] == "QQ314"
    assert list(recipients) == ["team@example.org"] and recipients["team@example.org"]["Action"] == "delivered"
    assert recipients["team@example.org"]["Original-Recipient"].replace(" ", "") == "rfc822;team@example.org"
    letter_and_bounce = thurn.landed("bob", 2)
    thurn.queue_empty()
    [bounce] = [m for m in letter_and_bounce if mailbox.parsed(m)["Return-Path"] == "<>"]
    message, recipients, _ = report(bounce)
    assert message["Original-Envelope-Id"] is None, "the owner did not send it"
    assert recipients["friend@example.com"]["Action"] == "failed"
    [mail] = commands(thurn, "MAIL")
    assert mail.startswith("MAIL FROM:<bob@example.org>") and "ENVID" not in mail and "RET" not in mail
    assert "team@example.org" not in commands(thurn, "RCPT")[0]
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1


def test_e7_server_list_without_success_is_silent(post):
    thurn = post()
    quiet(thurn, send(thurn, ("team@example.org", " NOTIFY=NEVER")))
    assert len(mailbox.maildir(thurn.maildir("bob"))) == 1
    assert "NOTIFY=FAILURE" in commands(thurn, "RCPT")[0]


def test_e7_server_null_reverse_path_hears_nothing(post):
    thurn = post(extensions=PLAIN)
    quiet(thurn, send(thurn, ("friend@example.com", " NOTIFY=SUCCESS"), ("several@example.org", " NOTIFY=SUCCESS"), sender=""))


def test_e7_server_restart_between(post):
    """What was asked for is known to the process that comes after a kill."""
    thurn = post(extensions=PLAIN, rcpt="451 4.2.0 later", queue={"retry": ["1s"]})
    ident = send(thurn, ("friend@example.com", " NOTIFY=SUCCESS ORCPT=rfc822;pal@example.com"), args=" ENVID=QQ314")
    wait.until(lambda: thurn.queue() and thurn.queue()[0]["tries"] >= 2, thurn.log)
    thurn.kill()
    thurn.sink.answers["rcpt"] = None
    thurn.start()
    message, recipients, _ = report(thurn.landed("alice")[0])
    assert message["Original-Envelope-Id"] == "QQ314"
    one = recipients["friend@example.com"]
    assert one["Action"] == "relayed" and one["Original-Recipient"].replace(" ", "") == "rfc822;pal@example.com"
    thurn.removed(ident)
    thurn.stop()
    thurn.start()
    thurn.queue_empty()
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1


def test_e7_server_no_report_is_lost_when_the_queue_is_killed(post):
    """Whatever a mail asked for, and wherever the queue dies: each sender is told. (Twice at most where a kill took a result.)"""
    thurn = post(extensions=PLAIN, queue={"retry": ["1s"]})
    thurn.stop()
    thurn.change({"domain": {"late.example": {"deliver": "smtp:127.0.0.1:1", "users": "any"}}})
    thurn.start()

    def kill():
        [victim] = wait.until(lambda: thurn.pids("queue"), thurn.log)
        process.kill(victim)
        wait.until(lambda: thurn.pids("queue") not in ([], [victim]), thurn.log)

    kinds = {"local": ("bob@example.org", " NOTIFY=SUCCESS", ""), "relay": ("friend@example.com", " NOTIFY=SUCCESS", ""),
             "alias": ("several@example.org", " NOTIFY=SUCCESS", ""), "list": ("team@example.org", " NOTIFY=SUCCESS", ""),
             "held": ("bob@example.org", " NOTIFY=SUCCESS", " HOLDFOR=3"), "late": ("x@late.example", "", " BY=2;R"),
             "slow": ("y@late.example", "", " BY=2;N")}
    wanted = {f"{kind}-{n}" for kind in kinds for n in range(40)}
    with thurn.dial() as talk:
        talk.ehlo()
        for n in range(40):
            for kind, (address, parameters, args) in kinds.items():
                talk.cmd(f"MAIL FROM:<alice@example.org> ENVID={kind}-{n}{args}", 250)
                talk.cmd(f"RCPT TO:<{address}>{parameters}", 250)
                talk.data(BODY)
            if n % 13 == 12:
                kill()
    for _ in range(3):
        thurn.kill()
        thurn.start()

    def told():
        return [mailbox.delivery_status(raw)[0]["Original-Envelope-Id"] for raw in mailbox.maildir(thurn.maildir("alice"))]

    wait.until(lambda: not wanted - set(told()), lambda: f"{sorted(wanted - set(told()))}\n{thurn.log()}", 60)
    assert set(told()) == wanted and len(told()) < 2 * len(wanted)


def test_e6_server_international_report(post):
    thurn = post(extensions=(*DSN, "SMTPUTF8"), rcpt="550 5.1.1 unbekannt")
    send(thurn, ("dörte@example.com", ""), args=" SMTPUTF8")
    [raw] = thurn.landed("alice")
    part = mailbox.report_part(raw, "message/global-delivery-status")
    assert part is not None and part["Content-Transfer-Encoding"] == "8bit"
    assert "Final-Recipient: utf-8; dörte@example.com".encode() in raw
    assert mailbox.report_part(raw, "message/global") is not None


def test_e8_server_deliver_by_return(post):
    thurn = post(queue={"retry": ["1s", "30s"]}, rcpt="451 4.2.0 later", extensions=(*DSN, "DELIVERBY"))
    ident = send(thurn, ("friend@example.com", ""), args=" BY=4;R")
    message, recipients, _ = report(thurn.landed("alice")[0])
    one = recipients["friend@example.com"]
    assert (one["Action"], one["Status"]) == ("failed", "5.4.7")
    assert email.utils.parsedate_to_datetime(message["Arrival-Date"])
    thurn.removed(ident)
    thurn.queue_empty()


def test_e8_server_deliver_by_notify_once(post):
    thurn = post(queue={"retry": ["1s"]}, rcpt="451 4.2.0 later", extensions=(*DSN, "DELIVERBY"))
    send(thurn, ("friend@example.com", " NOTIFY=FAILURE,DELAY"), args=" BY=2;N")
    _, recipients, _ = report(thurn.landed("alice")[0])
    assert (recipients["friend@example.com"]["Action"], recipients["friend@example.com"]["Status"]) == ("delayed", "4.4.7")
    thurn.kill()
    thurn.start()
    wait.until(lambda: thurn.queue() and thurn.queue()[0]["tries"] >= 1, thurn.log)
    thurn.sink.answers["rcpt"] = None
    wait.until(lambda: thurn.sink.messages, thurn.log)
    thurn.queue_empty()
    assert len(mailbox.maildir(thurn.maildir("alice"))) == 1


def test_e8_server_future_release(post):
    thurn = post()
    ident = send(thurn, ("bob@example.org", ""), args=" HOLDFOR=3000")
    soon = send(thurn, ("bob@example.org", ""), args=" HOLDFOR=3")
    for again in range(2):
        item = wait.until(lambda: next((m for m in thurn.queue() if m["id"] == ident), None), thurn.log)
        assert item["reason"].startswith("held until ") and item["tries"] == 0
        left = datetime.datetime.fromisoformat(item["next"].replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
        assert 2000 < left.total_seconds() <= 3001  # a second that has begun counts
        if again == 0:
            thurn.kill()
            thurn.start()
    thurn.landed("bob")
    thurn.removed(soon)
    wait.until(lambda: [m["id"] for m in thurn.queue()] == [ident], thurn.queue)
    thurn.command("queue", "retry", ident)
    thurn.landed("bob", 2)


def test_e8_queue_tells_what_the_sender_asked(serve):
    """Beside a host that nobody listens at: what waits longer says why, and has not been tried."""
    thurn = serve(start=False)
    thurn.change({"route": {"*": {"via": f"smtp://127.0.0.1:{free_port()}"}},
                  "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}}})
    thurn.start()
    to = ("friend@example.com", "")
    later = send(thurn, to, args=" HOLDFOR=3000")
    by = send(thurn, to, args=" BY=600;N")
    back = send(thurn, to, args=" BY=600;R MT-PRIORITY=3")
    wait.until(lambda: {m["id"] for m in thurn.queue() if m["tries"]} == {by, back}, thurn.log)
    items = {m["id"]: m for m in thurn.queue()}
    assert items[later]["reason"].startswith("held until ")
    assert "451 4.4.1 Connection refused" in items[by]["reason"]
    assert "held until" not in thurn.command("queue").stdout

    def shown(ident):
        return thurn.command("queue", "show", ident).stdout

    assert re.search(r"^not before 20\S+Z$", shown(later), re.M) and "deferred, 0 tries" in shown(later)
    assert re.search(r"^tell at    20\S+Z$", shown(by), re.M) and "priority" not in shown(by)
    assert re.search(r"^return at  20\S+Z$", shown(back), re.M) and re.search(r"^priority   3$", shown(back), re.M)


def test_e8_server_priority_goes_first(post):
    """While the host takes nothing mail gathers; then the most urgent leaves before the rest."""
    thurn = post(queue={"retry": ["60s"], "connections_per_destination": 1}, mail="451 4.3.2 not now", extensions=(*DSN, "MT-PRIORITY"))
    held = []
    for n, priority in enumerate((-4, 0, 4, 0, 9, -9)):
        held.append(send(thurn, (f"p{priority}n{n}@example.com", ""), args=f" MT-PRIORITY={priority}"))
    wait.until(lambda: len(thurn.queue()) == 6 and all(m["tries"] for m in thurn.queue()), thurn.log)
    thurn.command("queue", "hold", *held)
    thurn.sink.answers["mail"] = None
    thurn.command("queue", "release", "--to", "@example.com", "--yes")
    thurn.queue_empty()
    order = [r.partition("n")[0] for r in thurn.sink.recipients()]
    assert sorted(order, key=lambda p: -int(p[1:])) == order, order


def test_e15_server_etrn(serve, make_sink):
    sink = make_sink(rcpt="451 4.2.0 later")
    thurn = serve({"queue": {"retry": ["30s"]}, "limits": {"etrn": "any"},
                   "domain": {"gate.example": {"deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}})
    ident = send(thurn, ("x@gate.example", ""))
    wait.until(lambda: thurn.queue() and thurn.queue()[0]["tries"] >= 1, thurn.log)
    sink.answers["rcpt"] = None
    with thurn.dial() as talk:
        assert "ETRN" in talk.ehlo()
        talk.cmd("ETRN nobody.example", 459)
        talk.cmd("ETRN gate.example", 253)
        thurn.removed(ident)
        talk.cmd("ETRN gate.example", 251)


def test_queue_orders_survive_the_kill_after_their_answer(post):
    thurn = post(rcpt="451 4.2.0 later", queue={"retry": ["30s"]})
    ids = [send(thurn, (f"f{n}@example.com", "")) for n in range(3)]
    wait.until(lambda: len(thurn.queue()) == 3 and all(m["tries"] for m in thurn.queue()), thurn.log)
    thurn.command("queue", "hold", ids[0])
    thurn.command("queue", "remove", ids[1])
    thurn.kill()
    thurn.start()
    wait.until(lambda: sorted(m["id"] for m in thurn.queue()) == sorted([ids[0], ids[2]]), thurn.queue)
    thurn.command("queue", "release", ids[0])
    thurn.kill()
    thurn.sink.answers["rcpt"] = None
    thurn.start()
    thurn.command("queue", "retry", "--to", "@example.com", "--yes")
    thurn.queue_empty()
    assert sorted(thurn.sink.recipients()) == ["f0@example.com", "f2@example.com"]
