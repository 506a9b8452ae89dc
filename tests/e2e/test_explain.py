# SPDX-License-Identifier: ISC
"""thurn explain: it says what a live session says, for generated cases, and where the mail would go."""

import contextlib
import json
import os
import random
import re

import pytest

from harness import account
from harness.dialogue import Dialogue

ALIASES = """\
sales: alice
shop: alice, bob, Carol@elsewhere.example
root: alice
both: \\bob, "|/bin/cat", {dir}/archive
loop1: loop2
loop2: loop1
dead: nobody-at-all
info: team
"""
NETWORKS = [("10.1.2.0/24", ["@example.org", ".example.org"]), ("10.9.9.9", ["*"]),
            ("fd00:1::/64", ["boss@far.example", "@shop.example"]), ("192.168.7.0/24", ["alice@example.org"])]
CLIENTS = ["192.0.2.77", "10.1.2.3", "10.1.3.3", "10.9.9.9", "fd00:1::5", "fd00:2::5", "192.168.7.1", "::ffff:10.1.2.9"]
LOGINS = ["alice@example.org", "bob@example.org", "ALICE@example.org", "acc@acc.example", "boss@far.example", "nosuch@x.example"]
SENDERS = ["alice@example.org", "bob@example.org", "Alice@Example.ORG", "alice+tag@example.org", "sales@example.org", "shop@example.org",
           "stranger@far.example", "boss@far.example", "x@shop.example", "x@sub.example.org", "", "alice", "jürgen@münchen.example",
           "a b@x", "acc@acc.example", "alice@twin.example", "x@nodot", "\"quo ted\"@far.example", "x@[192.0.2.9]"]
LOCALS = ["alice", "bob", "Alice", "alice+box", "alice-box", "nobody", "sales", "shop", "both", "loop1", "dead", "info", "team", "team-owner",
          "closed", "postmaster", "abuse", "root", "acc", "acc+x", "gone", "tickets", "daemon", "user%far.example", "far.example!user", "..", "jürgen",
          "\"a b\"", "a/b", "-x"]
DOMAINS = ["example.org", "EXAMPLE.org", "twin.example", "acc.example", "gate.example", "catch.example", "lmtp.example", "drop.example",
           "sys.example", "far.example", "notls.example", "mail.example.org", "nodot", "[192.0.2.1]", "münchen.example"]
ODD = ["postmaster", "alice", "root", "nobody", "@a.example:alice@example.org", "alice@", "@example.org", "alice@example.org>x", "alice@example..org"]
PARAMETERS = ["", "", "", "", "BODY=8BITMIME", "SIZE=999999999", "REQUIRETLS", "HOLDFOR=60", "MT-PRIORITY=3", "NONSENSE=1", "RET=HDRS ENVID=x"]


def configuration(rng, authority):
    """One of many: what decides about MAIL and RCPT is there or not."""
    deliver = "maildir:{dir}/mail/{domain}/{user}"

    def maybe(chance=0.5):
        return rng.random() < chance

    own = {"deliver": deliver, "users": ["Alice Example <alice>", "bob", "team-user", "jürgen"], "smtputf8": maybe()}
    if maybe(0.8):
        own["aliases"] = "{dir}/aliases"
    if maybe(0.3):
        own["catch_all"] = "bob"
    if maybe(0.5):
        own["subaddress"] = rng.choice(["+-", "", "-"])
    domains = {"example.org": own, "acc.example": {"deliver": deliver}}
    others = {"twin.example": {"same_as": "example.org"}, "gate.example": {"deliver": "smtp:127.0.0.1:9", "users": "any"},
              "catch.example": {"deliver": deliver, "users": ["carol"], "catch_all": rng.choice(["alice@example.org", "x@far.example"])},
              "lmtp.example": {"deliver": "lmtp:192.0.2.50:24", "users": "any"}, "drop.example": {"deliver": "discard:", "users": "any"},
              "sys.example": {"deliver": "maildir:~/Maildir", "users": "system"}}
    domains.update({name: table for name, table in others.items() if maybe(0.7)})
    lists = {"team@example.org": {"members": ["alice", "bob", "x@far.example", "closed@example.org"],
                                  "post": rng.choice(["members", "authenticated", "any", ["boss@far.example"]])},
             "closed@example.org": {"members": ["nobody", "sales@example.org"], "post": "members"}}
    tree = {"domain": domains, "list": {k: v for k, v in lists.items() if maybe(0.8)},
            "address": {"tickets@example.org": {"deliver": "pipe:/bin/cat"}},
            "relay": {"network": {n: {"senders": s} for n, s in NETWORKS if maybe()}},
            "send_as": {"bob@example.org": ["*@shop.example", "boss@far.example"]} if maybe() else {},
            "route": {"notls.example": {"tls": "none"}} if maybe() else {},
            "limits": {"connections_per_minute": 0, "errors": 0, "tarpit": "0s", "strict_paths": maybe(), "max_size": "1M"},
            "listen": {"mx": [], "submission": ["127.0.0.1:0 starttls", "127.0.0.1:0"], "lmtp": ["127.0.0.1:0"]},
            "auth": {"plaintext_on_loopback": True}, "trust": {"xclient": ["127.0.0.1"]}, "tls": authority.config("mail.example.org")}
    if maybe(0.3):
        tree["relay"]["allow"] = rng.choice([["authenticated"], ["local-socket"], []])
    if maybe(0.3):
        tree["origin"] = "example.org"
    return tree


def case(rng, thurn):
    """A question to explain; `number` is the listener's, for the session."""
    kind = rng.choice(["mx", "mx", "mx", "submission", "submission", "lmtp", "local"])
    number = rng.randrange(2) if kind == "submission" else 0
    question = {"listener": kind if kind == "local" else f"127.0.0.1:{thurn.port(kind, number)}",
                "from": rng.choice(SENDERS), "to": rng.choice(ODD) if rng.random() < 0.15 else f"{rng.choice(LOCALS)}@{rng.choice(DOMAINS)}",
                "mail": rng.choice(PARAMETERS), "tls": "none"}
    if rng.random() < 0.5:
        question["to"] = f"{rng.choice(LOCALS)}@example.org"
    if kind != "local":
        question["ip"] = rng.choice(CLIENTS)
    starttls = kind == "mx" or (kind == "submission" and number == 0)
    if kind == "submission" and rng.random() < 0.85:
        question["user"] = rng.choice(LOGINS)
    if starttls and (question.get("user") or rng.random() < 0.2):
        question["tls"] = "yes"
    return kind, number, question


def replied(talk, line):
    reply = talk.cmd(line)
    return reply.code, reply.enhanced or "0.0.0"


@contextlib.contextmanager
def session(thurn, context, kind, number, question):
    """As the question says who it is: XCLIENT tells the address, and on a submission listener the login."""
    if kind == "local":
        talk = Dialogue(None, None, unix=thurn.state + "/run/smtp.sock")
    else:
        talk = thurn.dial(kind, number)
    with talk:
        hello = "LHLO" if kind == "lmtp" else "EHLO"
        if question["tls"] == "yes":
            talk.ehlo()
            talk.starttls(context)
            talk.ehlo()
        if kind != "local":
            ip = question["ip"]
            login = f" LOGIN={question['user']}" if "user" in question else ""
            talk.cmd(f"XCLIENT ADDR={'IPV6:' if ':' in ip else ''}{ip}{login}", 220)
        talk.cmd(f"{hello} client.example.net", 250)
        yield talk


def live(thurn, context, kind, number, question):
    """(the command that decides, its code, its enhanced code)"""
    utf8 = "" if (question["from"] + question["to"]).isascii() else " SMTPUTF8"
    with session(thurn, context, kind, number, question) as talk:
        code, enhanced = replied(talk, f"MAIL FROM:<{question['from']}>{utf8}{' ' + question['mail'] if question['mail'] else ''}")
        if code // 100 != 2:
            return "MAIL", code, enhanced
        return "RCPT", *replied(talk, f"RCPT TO:<{question['to']}>")


def explained(thurn, questions, *options):
    lines = "".join(json.dumps(q) + "\n" for q in questions)
    done = thurn.command("explain", "--offline", "--json", *options, "--batch", "-", stdin=lines)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions), done.stderr
    return answers


@pytest.mark.parametrize("seed", range(8))
def test_o3_explain_says_what_a_session_says(serve, authority, seed):
    rng = random.Random(f"explain {seed}")
    thurn = serve(configuration(rng, authority), start=False)
    thurn.file("aliases", ALIASES.replace("{dir}", thurn.folder))
    thurn.command("user", "add", "acc@acc.example", stdin="secret word\n")
    thurn.start()
    context = authority.client_context()
    cases = [case(rng, thurn) for _ in range(60)]
    answers = explained(thurn, [question for _, _, question in cases])
    wrong, seen = [], set()
    for (kind, number, question), answer in zip(cases, answers):
        said = (answer["at"], answer["code"], answer["enhanced"])
        heard = live(thurn, context, kind, number, question)
        seen.add(heard)
        if said != heard:
            wrong.append(f"{question}\n   a session hears {heard}, explain says {said}: {answer['text']}\n   {answer['steps']}")
        assert answer["verdict"] == {2: "accept", 4: "temporary", 5: "refused"}[answer["code"] // 100]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:10])
    # cases that are all alike would prove little
    assert len(seen) >= 8, seen


def test_o3_explain_a_login_of_its_own(serve):
    """Not by XCLIENT: a session that signs in."""
    thurn = serve({"listen": {"mx": [], "submission": ["127.0.0.1:0"]}, "auth": {"plaintext_on_loopback": True},
                   "domain": {"example.org": {"users": "accounts"}}}, start=False)
    thurn.command("user", "add", "alice@example.org", stdin="secret word\n")
    thurn.start()
    questions = [{"user": "alice@example.org", "from": sender, "to": to}
                 for sender in ("alice@example.org", "bob@example.org") for to in ("x@far.example", "bob@example.org", "alice@example.org")]
    with thurn.dial("submission") as talk:
        talk.ehlo()
        talk.cmd("AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldCB3b3Jk", 235)
        for question, answer in zip(questions, explained(thurn, questions)):
            code, _ = replied(talk, f"MAIL FROM:<{question['from']}>")
            if code == 250:
                code, _ = replied(talk, f"RCPT TO:<{question['to']}>")
            assert answer["code"] == code, (question, answer)
            talk.cmd("RSET", 250)


def test_o3_explain_a_disk_that_is_too_full(serve):
    """As a session at the same time: 452 for any mail below min_free, and for one that is declared too big above it."""
    thurn = serve({"queue": {"min_free": "900000000M"}, "limits": {"max_size": "0"}})
    question = {"listener": f"127.0.0.1:{thurn.port()}", "from": "x@far.example", "to": "alice@example.org", "mail": "", "tls": "none",
                "ip": "127.0.0.1"}

    def said_and_heard(mail):
        asked = {**question, "mail": mail}
        [answer] = explained(thurn, [asked])
        with thurn.dial() as talk:
            talk.ehlo()
            code, enhanced = replied(talk, f"MAIL FROM:<x@far.example>{' ' + mail if mail else ''}")
        return answer, (code, enhanced)

    answer, heard = said_and_heard("")
    assert (answer["at"], answer["code"], answer["enhanced"]) == ("MAIL", *heard) == ("MAIL", 452, "4.3.1"), answer
    assert re.search(r"the disk of \S*/queue has \d+M free, and \[queue\] min_free keeps 900000000M$", answer["steps"][-1]["text"]), answer
    assert first_line(thurn, "alice@example.org", expect=75).startswith("TEMPORARY  452 4.3.1 Insufficient storage")
    thurn.stop()
    thurn.change({"queue": {"min_free": "1M"}})
    thurn.start()
    answer, heard = said_and_heard("SIZE=900000000000000")
    assert (answer["code"], answer["enhanced"]) == heard == (452, "4.3.1"), answer
    assert answer["steps"][-1]["text"].endswith("min_free keeps 1M, so SIZE=900000000000000 is too much"), answer
    answer, heard = said_and_heard("SIZE=1000")
    assert answer["code"] == heard[0] == 250, answer


def first_line(thurn, *args, expect=0):
    return thurn.command("explain", "--offline", *args, expect=expect).stdout.splitlines()[0]


def test_o3_explain_verdict_first_and_exit_status(serve):
    thurn = serve({"domain": {"example.org": {"aliases": "{dir}/aliases"}}}, start=False)
    path = thurn.file("aliases", "# the shop\nsales: alice\n")
    mailbox = thurn.maildir("alice")
    said = first_line(thurn, "sales@example.org")
    assert said == f"ACCEPT   alias {path}:2 -> alice -> maildir:{mailbox} (not there yet, and {_me(thurn)} can make it)"
    assert first_line(thurn, "bob@far.example", expect=77) == "REFUSED  550 5.7.1 Relaying denied"
    assert first_line(thurn, "nobody@example.org", expect=67) == "REFUSED  550 5.1.1 User unknown"
    assert first_line(thurn, "alice@", expect=65).startswith("REFUSED  501 5.1.3 ")
    assert "which address?" in thurn.command("explain", expect=64).stderr
    steps = thurn.command("explain", "--offline", "sales@example.org").stdout
    assert f"sales@example.org is an alias: alice ({path}:2)" in steps
    line = 1 + open(thurn.path).read().splitlines().index('[domain."example.org"]')
    assert f"({thurn.path}:{line})" in steps, steps


def test_o3_explain_says_smtputf8_once(serve):
    """An address that needs it has it; so does one whose sender has said it already."""
    thurn = serve({"domain": {"example.org": {"users": ["jürgen"], "smtputf8": True}}}, start=False)
    for more in ([], ["--mail", "SMTPUTF8"], ["--mail", "BODY=8BITMIME smtputf8"]):
        assert first_line(thurn, *more, "jürgen@example.org").startswith("ACCEPT   maildir:"), more


def _me(thurn):
    return account.SERVICE if os.geteuid() == 0 else os.environ.get("USER", "")


def test_o3_explain_tells_what_is_wrong_with_a_mailbox(serve):
    thurn = serve({"domain": {"example.org": {"users": ["alice", "bob", "carol"], "deliver": "maildir:{dir}/boxes/{user}"},
                              "lmtp.example": {"deliver": "lmtp:unix:{dir}/no.sock", "users": ["x"]}},
                   "address": {"tickets@example.org": {"deliver": "pipe:/no/such/program"}}}, start=False)
    for name in ("alice/tmp", "alice/new", "alice/cur"):
        os.makedirs(os.path.join(thurn.folder, "boxes", name))
    thurn.file("boxes/bob", "a file")
    thurn.give()
    states = {a["to"]: (r["ok"], r["state"]) for a in explained(thurn, [{"to": to} for to in (
        "alice@example.org", "bob@example.org", "carol@example.org", "tickets@example.org", "x@lmtp.example")])
        for r in a["recipients"]}
    assert states["alice@example.org"] == (True, f"exists, writable by {_me(thurn)}"), states
    assert states["bob@example.org"][0] is False and "not a folder" in states["bob@example.org"][1]
    assert states["carol@example.org"][0] is True and "can make it" in states["carol@example.org"][1]
    assert states["tickets@example.org"][0] is False and "no such program" in states["tickets@example.org"][1]
    assert states["x@lmtp.example"][0] is False, states
    os.chmod(os.path.join(thurn.folder, "boxes"), 0o555)
    said = first_line(thurn, "carol@example.org")
    assert "cannot make it" in said, said


def test_o3_explain_as_root_looks_as_the_user(serve, root):
    thurn = serve(root=True, start=False)
    os.chown(os.path.join(thurn.folder, "mail"), 0, 0)
    os.chmod(os.path.join(thurn.folder, "mail"), 0o755)
    assert f"and {account.SERVICE} cannot make it" in first_line(thurn, "alice@example.org")


def test_o3_explain_a_route_and_a_list(serve):
    thurn = serve({"route": {"far.example": {"via": "smtp://192.0.2.9:2525", "tls": "require", "source": "127.0.0.1"}},
                   "list": {"team@example.org": {"members": ["alice", "x@far.example"], "post": "any"}}}, start=False)
    [answer] = explained(thurn, [{"to": "team@example.org"}])
    home, far = sorted(answer["recipients"], key=lambda r: r["address"])
    assert home["list"] == far["list"] == "team@example.org" and home["delivery"].startswith("maildir:")
    assert (far["delivery"], far["tls"], far["source"]) == ("smtp:192.0.2.9:2525", "TLS required", "127.0.0.1")
    route = 1 + open(thurn.path).read().splitlines().index('[route."far.example"]')
    assert any(s["line"] == route and s["file"] == thurn.path for s in answer["steps"]), answer


def test_o3_explain_asks_the_name_server(serve, net, dns):
    dns(["example.net. MX 10 mx1.example.net.", "example.net. MX 20 mx2.example.net.", "mx1.example.net. A 10.77.0.9",
         "mx2.example.net. AAAA fd77::9", "deaf.example. MX 0 ."])
    thurn = serve(inside=net, start=False)
    done = thurn.command("explain", "--json", "--listener", "local", "x@example.net")
    [recipient] = json.loads(done.stdout)["recipients"]
    assert recipient["hosts"] == [{"preference": 10, "name": "mx1.example.net", "addresses": ["10.77.0.9"]},
                                  {"preference": 20, "name": "mx2.example.net", "addresses": ["fd77::9"]}]
    assert recipient["ok"]
    said = thurn.command("explain", "--listener", "local", "x@deaf.example").stdout
    assert "556 5.1.10" in said and "could not be delivered" in said
    thurn.change({"limits": {"refuse_null_mx": True}})
    said = thurn.command("explain", "--from", "a@deaf.example", "alice@example.org", expect=77).stdout
    assert said.startswith("REFUSED  550 5.7.27 ") and "has a null MX" in said


def test_o3_explain_refuses_a_line_that_is_no_question(serve):
    thurn = serve(start=False)
    for line in ('{"too": "a@b.example"}', "no json", '{"from": "a@b.example"}', '{"to": 7}'):
        done = thurn.command("explain", "--batch", "-", stdin='{"to": "alice@example.org", "listener": "mx"}\n' + line + "\n", expect=65)
        assert "line 2: " in done.stderr and done.stdout.startswith("alice@example.org\nACCEPT"), done
