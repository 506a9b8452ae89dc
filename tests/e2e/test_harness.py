# SPDX-License-Identifier: ISC
"""The harness held against Postfix and Exim alone: what fails here is the tests' fault, not Thurn's."""

import tomllib

from harness import clients, mailbox, toml, wait
from harness.dialogue import Dialogue
from harness.exim import Exim

RECORDS = [
    "example.com. MX 10 mx1.example.com.", "example.com. MX 20 mx2.example.com.",
    "mx1.example.com. A 10.77.0.11", "mx2.example.com. A 10.77.0.12", "mx2.example.com. AAAA fd77::c",
    "null.example. MX 0 .",
]


def dial(net, host, port):
    with net.entered():
        return Dialogue(host, port)


def test_harness_toml():
    tree = {"hostname": "h", "queue": {"retry": ["1s"]}, "domain": {"a.example": {"users": ["Alice \"A\" <alice>"]}},
            "route": {"*": {"via": "smtp://127.0.0.1:25"}}, "empty": {}}
    assert tomllib.loads(toml.dumps(tree)) == tree


def test_harness_names(net, dns):
    server = dns(RECORDS, broken=["broken.example."])
    said = net.run("unbound-host", "-r", "-t", "MX", "example.com", text=True).stdout
    assert "mail is handled by 10 mx1.example.com." in said
    assert "fd77::c" in net.run("unbound-host", "-r", "mx2.example.com", text=True).stdout
    assert "NXDOMAIN" in net.run("unbound-host", "-r", "nowhere.example", text=True).stdout
    assert "SERVFAIL" in net.run("unbound-host", "-r", "broken.example", text=True).stdout
    assert server.queries("MX", "example.com") >= 1


def test_harness_postfix_next_hop(net, dns, make_sink, make_postfix):
    dns(RECORDS)
    first = make_sink("10.77.0.11", 25, inside=net, mail="450 4.3.0 later")
    second = make_sink("10.77.0.12", 25, inside=net)
    make_postfix("10.77.0.3", 25, inside=net, mynetworks="10.77.0.0/24")
    with dial(net, "10.77.0.3", 25) as talk:
        talk.ehlo()
        talk.mail("a@example.org", "b@example.com", "c@example.com", body=b"Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n")
        talk.quit()
    wait.until(lambda: second.messages, "the mail at the second MX")
    assert second.messages[0].data.endswith(b"\r\n\r\n.dot\r\n..\r\nend\r\n")
    assert sorted(second.recipients()) == ["b@example.com", "c@example.com"]
    assert first.sessions and not first.messages


def test_harness_exim(net, make_exim, make_sink):
    sink = make_sink("10.77.0.11", 25, inside=net)
    exim = make_exim("10.77.0.3", 25, Exim.relay_to("10.77.0.11", 25), inside=net)
    with dial(net, "10.77.0.3", 25) as talk:
        talk.ehlo()
        talk.cmd("MAIL FROM:<a@example.org>", 250)
        talk.cmd("RCPT TO:<b@example.com>", 250)
        talk.cmd("DATA", 354)
        talk.send(b"Subject: x\r\n\r\nhello\r\n.\r\n")
        talk.read(250)
    wait.until(lambda: sink.messages, exim.log)
    assert sink.messages[0].sender == "a@example.org"


def test_harness_sink_tls_login(make_sink, authority, work):
    context = authority.server_context("127.0.0.1")
    sink = make_sink(tls=context, users={"joe": "secret"})
    clients.smtplib_send("127.0.0.1", sink.port, "a@example.org", ["b@example.com"], "Subject: x\n\n.hi\n",
                         starttls=authority.client_context(), login=("joe", "secret"))
    assert sink.messages[0].session.login == "joe"
    assert sink.messages[0].session.tls == "TLSv1.3"
    assert mailbox.body(sink.messages[0].data) == b".hi\r\n"
    clients.msmtp(work, "127.0.0.1", sink.port, "a@example.org", "c@example.com", "Subject: y\n\nhello\n")
    clients.curl(f"smtp://127.0.0.1:{sink.port}/client", "a@example.org", "d@example.com", "Subject: z\r\n\r\nhello\r\n")
    clients.swaks("127.0.0.1", sink.port, "a@example.org", "e@example.com")
    clients.smtp_source("127.0.0.1", sink.port, "a@example.org", "f@example.com", 20, 4)
    assert sink.recipients()[:4] == ["b@example.com", "c@example.com", "d@example.com", "e@example.com"]
    assert len(sink.messages) == 24
