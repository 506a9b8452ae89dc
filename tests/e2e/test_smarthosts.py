# SPDX-License-Identifier: ISC
"""Real servers as smarthosts: Thurn signs in with what they offer, or shows its certificate (E11, R8)."""

import json
import os
import subprocess

import pytest

from harness import account, dovecot, interop, letter, mailbox, servers, wait

LOGIN, PASSWORD = "acme@example.com", "s3cret words"
ALICE, BOB = "alice@example.org", "bob@example.com"
RECORDS = ["peer.example.com. A 10.77.0.3"]


def through(serve, net, authority, via, **route):
    """A Thurn that sends everything to `via`, with verified TLS."""
    thurn = serve({"relay": {"network": {"10.77.0.0/24": {"senders": ["@example.org"]}}},
                   "route": {"*": {"via": via, "tls": "verify", **route}}},
                  inside=net, start=False, env={"SSL_CERT_FILE": authority.cert})
    thurn.file("password", PASSWORD + "\n", 0o600)
    thurn.file("token", dovecot.token(LOGIN) + "\n", 0o600)
    return thurn.start()


def hand_over(thurn):
    sent = letter.raw(ALICE, BOB, "to a smarthost", 1 << 20)
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail(ALICE, BOB, body=sent, args=" BODY=8BITMIME")
        talk.quit()
    return sent


def same_body(it, raw, sent):
    it.shows("content byte for byte, 1 MiB",
             mailbox.body(mailbox.unix(raw)) == sent.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n"), lambda: repr(raw[:3000]))


@pytest.fixture
def host(net, dns, work, build, closing, authority, root):
    """host(...) starts a Postfix as the smarthost, with these settings of its main.cf."""
    def make(**main):
        dns(RECORDS)
        return closing(servers.start("Postfix", build, work, net, authority, mynetworks="127.0.0.2/32", **main))

    return make


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"])
def test_e11_client_postfix(serve, host, net, work, closing, authority, row, mechanism):
    sasl = closing(dovecot.Dovecot(os.path.join(work, "dovecot"), users=[(LOGIN, PASSWORD)], mechanisms=mechanism.lower()))
    peer = host(smtpd_sasl_auth_enable="yes", smtpd_sasl_type="dovecot", smtpd_sasl_path=sasl.auth, smtpd_tls_auth_only="yes",
                smtpd_relay_restrictions="permit_sasl_authenticated, reject",
                smtpd_recipient_restrictions="permit_sasl_authenticated, reject")
    it = row("Postfix", interop.OUT)
    secret = {"token_file": "{dir}/token"} if "OAUTH" in mechanism else {"password_file": "{dir}/password"}
    thurn = through(serve, net, authority, f"smtp://{LOGIN}@peer.example.com:25", **secret)
    it.ran(f'{" ".join(peer.command)}, via = "smtp://{LOGIN}@peer.example.com:25"')
    sent = hand_over(thurn)
    raw = wait.until(lambda: mailbox.maildir(peer.maildir("bob")), lambda: thurn.log() + peer.log()[-4000:] + sasl.log())[0]
    received = " ".join(mailbox.parsed(raw).get_all("Received")[0].split())
    it.shows("STARTTLS", "with ESMTPSA" in received, received)
    it.shows(f"AUTH {mechanism} (its SASL is Dovecot's)",
             lambda: f"sasl_method={mechanism}, sasl_username={LOGIN}" in peer.log(), peer.log)
    same_body(it, raw, sent)
    thurn.queue_empty()


def test_e11_client_postfix_certificate(serve, host, net, authority, row):
    peer = host(smtpd_tls_security_level="encrypt", smtpd_tls_req_ccert="yes", smtpd_tls_CAfile=authority.cert,
                smtpd_tls_loglevel="1", smtpd_relay_restrictions="permit_tls_all_clientcerts, reject",
                smtpd_recipient_restrictions="permit_tls_all_clientcerts, reject", smtpd_tls_received_header="yes")
    it = row("Postfix", interop.OUT)
    cert, key = authority.issue("mail.example.org")
    thurn = through(serve, net, authority, "smtp://peer.example.com:25", cert=cert, key=key)
    it.ran(f'{" ".join(peer.command)}, via = "smtp://peer.example.com:25" with cert and key')
    sent = hand_over(thurn)
    raw = wait.until(lambda: mailbox.maildir(peer.maildir("bob")), lambda: thurn.log() + peer.log()[-4000:])[0]
    received = " ".join(mailbox.parsed(raw).get_all("Received")[0].split())
    it.shows("client certificate, asked for and verified", 'Client CN "mail.example.org"' in received
             and "(verified OK)" in received, received)
    same_body(it, raw, sent)
    thurn.queue_empty()


EXTERNAL = """\
begin authenticators
by_certificate:
  driver = external
  public_name = EXTERNAL
  server_advertise_condition = $tls_in_certificate_verified
  server_param2 = ${certextract{subject,CN}{$tls_in_peercert}}
  server_condition = ${if eq{$auth2}{mail.example.org}}
  server_set_id = $auth2
"""


def test_e11_client_exim_external(serve, net, dns, work, build, closing, authority, row, root):
    dns(RECORDS)
    peer = closing(servers.start("Exim", build, work, net, authority, ca=authority.cert, more=EXTERNAL))
    it = row("Exim", interop.OUT)
    cert, key = authority.issue("mail.example.org")
    thurn = through(serve, net, authority, "smtp://mail.example.org@peer.example.com:25", cert=cert, key=key)
    it.ran(f'{" ".join(peer.command)}, via = "smtp://mail.example.org@peer.example.com:25" with cert and key')
    sent = hand_over(thurn)
    raw = wait.until(lambda: mailbox.maildir(peer.maildir("bob")), lambda: thurn.log() + peer.log()[-6000:])[0]
    received = " ".join(mailbox.parsed(raw).get_all("Received")[0].split())
    it.shows("STARTTLS", "with esmtpsa" in received, received)
    it.shows("AUTH EXTERNAL by a certificate", lambda: "A=by_certificate:mail.example.org" in peer.log(), peer.log)
    same_body(it, raw, sent)
    thurn.queue_empty()


@pytest.mark.parametrize("mechanism", ["PLAIN"])
def test_e11_client_smtp_server(serve, net, dns, work, build, authority, row, mechanism, root):
    dns(RECORDS)
    cert, key = authority.issue("peer.example.com")
    box = os.path.join(work, "node")
    os.mkdir(box)
    argv = ["node", os.path.join(os.path.dirname(__file__), "node", "receive.js"), "10.77.0.3", "25", cert, key, LOGIN, box]
    out = os.path.join(work, "node.out")
    process = subprocess.Popen(net.argv(argv), stdin=subprocess.DEVNULL, stdout=open(out, "wb"), stderr=subprocess.STDOUT,
                               env={**os.environ, "NODE_PATH": os.path.join(build, "peers/node/node_modules"),
                                    "SECRET": PASSWORD})
    try:
        def lines():
            with open(out) as file:
                return file.read().splitlines()

        wait.until(lambda: "listening" in lines(), lambda: "\n".join(lines()))
        it = row("smtp-server", interop.OUT)
        thurn = through(serve, net, authority, f"smtp://{LOGIN}@peer.example.com:25", password_file="{dir}/password")
        it.ran(argv)
        it.ran(f'via = "smtp://{LOGIN}@peer.example.com:25"')
        sent = hand_over(thurn)
        wait.until(lambda: len(lines()) > 1 and lines()[1].endswith("}"), lambda: thurn.log() + "\n".join(lines()))
        session = json.loads(lines()[1])
        it.shows("STARTTLS", session["secure"], session)
        it.shows(f"AUTH {mechanism}", session["user"] == mechanism, session)
        it.shows("8BITMIME", session["mail"]["args"].get("BODY", "").upper() == "8BITMIME", session)
        with open(os.path.join(box, "1"), "rb") as file:
            same_body(it, file.read(), sent)
        thurn.queue_empty()
    finally:
        process.terminate()
        process.wait(10)
