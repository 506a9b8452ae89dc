# SPDX-License-Identifier: ISC
"""Requirements of docs/conformance.md that need the whole server and that no other test shows."""

from harness import mailbox


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
