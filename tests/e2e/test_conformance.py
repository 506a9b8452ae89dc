# SPDX-License-Identifier: ISC
"""Requirements of docs/conformance.md that need the whole server and that no other test shows."""

from harness import mailbox, wait


def test_s6_a_name_of_two_domains_is_ambiguous(serve):
    thurn = serve({"limits": {"vrfy": "any"},
                   "domain": {"example.org": {"users": ["Alice Example <alice>", "bob"]},
                              "example.net": {"deliver": "discard:", "users": ["Alice Other <alice>"]}}})
    with thurn.dial() as talk:
        talk.ehlo()
        reply = talk.cmd("VRFY alice", 553)
        assert reply.enhanced == "5.1.4", talk.transcript()
        talk.cmd("VRFY alice@example.org", 250)
        talk.cmd("VRFY bob", 250)


def test_e6_received_says_utf8smtp(serve):
    """RFC 6531 section 4.3."""
    thurn = serve()
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("a@example.com", "bob@example.org", args=" SMTPUTF8")
    received = mailbox.parsed(thurn.landed("bob")[0]).get_all("Received")
    assert len(received) == 1 and " with UTF8SMTP id " in " ".join(received[0].split()), received


def test_e8_lists_and_reports_keep_the_priority(serve, make_sink):
    """RFC 6710: what is made of a mail is as urgent as the mail. RFC 3461 section 6: and a report asks for no report."""
    sink = make_sink(extensions=("PIPELINING", "8BITMIME", "DSN", "MT-PRIORITY"),
                     rcpt=lambda _, address: "550 5.1.1 no such user" if "nobody" in address else None)
    thurn = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}},
                   "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}},
                   "list": {"team@example.org": {"members": ["friend@example.com"], "post": "any",
                                                 "owner": "bob@example.org"}}})
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("alice@example.org", "team@example.org", args=" MT-PRIORITY=-5")
        talk.mail("author@example.com", "nobody@example.com", args=" MT-PRIORITY=-4")

    def mails():
        return [c for s in sink.sessions for c in s.commands if c.upper().startswith("MAIL")]

    wait.until(lambda: any("MAIL FROM:<> " in m for m in mails()), thurn.log)
    said = {m.split("<")[1].split(">")[0]: m.rpartition("MT-PRIORITY=")[2].split()[0] for m in mails() if "MT-PRIORITY=" in m}
    assert said["bob@example.org"] == "-5" and said[""] == "-4", mails()
    assert ": priority=-5" in thurn.log() and ": priority=-4" in thurn.log(), thurn.log()
    wait.until(lambda: any("author@example.com" in c for s in sink.sessions for c in s.commands if c.startswith("RCPT")), thurn.log)
    bounce = [c for s in sink.sessions for c in s.commands if "MAIL FROM:<>" in c or "RCPT TO:<author@example.com>" in c]
    assert not any("RET=" in c or ("NOTIFY=" in c and "NOTIFY=NEVER" not in c) for c in bounce), bounce


def test_e8_a_strangers_priority_is_lowered_and_told(serve):
    """RFC 6710 section 4.1: X.3.6 says which priority it is now."""
    thurn = serve()
    with thurn.dial() as talk:
        talk.ehlo()
        reply = talk.cmd("MAIL FROM:<a@example.com> MT-PRIORITY=5", 250)
        assert reply.enhanced == "2.3.6" and "0" in str(reply), talk.transcript()
        talk.cmd("RSET", 250)
        assert talk.cmd("MAIL FROM:<a@example.com> MT-PRIORITY=-5", 250).enhanced == "2.1.0"


def test_s7_programs_files_and_lists_are_named_by_their_mailbox(serve):
    """RFC 5321 sections 3.5.1 and 3.5.2: what VRFY and EXPN return can be written to."""
    thurn = serve(start=False)
    path = thurn.file("aliases", 'both: bob, "|/bin/cat"\nprogram: "|/bin/cat"\n')
    thurn.change({"limits": {"vrfy": "any", "expn": "any"},
                  "list": {"team@example.org": {"members": ["alice@example.org", "x@example.com"], "post": "any"}},
                  "domain": {"example.org": {"aliases": path}}})
    thurn.start()
    with thurn.dial() as talk:
        talk.ehlo()
        assert str(talk.cmd("EXPN program", 250)).count("<program@example.org>") == 1
        both = str(talk.cmd("EXPN both", 250))
        assert "<both@example.org>" in both and "<bob@example.org>" in both and "cat" not in both
        assert "<alice@example.org>" in str(talk.cmd("EXPN alice", 250))
        assert "<team@example.org>" in str(talk.cmd("VRFY team", 250))
        talk.cmd("MAIL FROM:<a@example.com>", 250)
        for name in ("program", "both", "team", "bob"):
            talk.cmd(f"RCPT TO:<{name}@example.org>", 250)
