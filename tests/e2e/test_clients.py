# SPDX-License-Identifier: ISC
"""The programs that people send mail with, each signing in and sending through a submission listener (S19, E12)."""

import os
import re
import smtplib
import urllib.parse

import pytest

from harness import certs, clients, desktop, interop, letter, mailbox

HERE = os.path.dirname(os.path.abspath(__file__))
LOGIN = "alice@example.org"
PASSWORD = "correct-horse-1"
BOB = "bob@example.org"


@pytest.fixture
def office(serve, authority, top):
    """A server with both kinds of submission and an account for alice, who may also show a token or a certificate; bob
    has a mailbox there."""
    issuer = certs.Issuer(top)
    thurn = serve({"tls": authority.config("mail.example.org", "localhost", "127.0.0.1"),
                   "auth": {"jwt_key": issuer.key, "jwt_audience": "thurn", "client_ca": authority.cert},
                   "listen": {"submission": ["127.0.0.1:0 tls", "127.0.0.1:0 starttls"]}}, start=False)
    thurn.command("user", "add", LOGIN, "--name", "Alice Example", stdin=PASSWORD + "\n")
    thurn.start()
    thurn.smtps, thurn.starttls = thurn.port("submission", 0), thurn.port("submission", 1)
    thurn.ca, thurn.token = authority.cert, issuer.token(LOGIN, "thurn")
    return thurn


def written(folder, name, octets, mode=0o600):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(octets if isinstance(octets, bytes) else octets.encode())
    os.chmod(path, mode)
    return path


def body_of(octets):
    return octets.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")


def ways(*pairs):
    return pytest.mark.parametrize("how, mechanism", [pair.split() for pair in pairs])


def port(office, how):
    return office.starttls if how == "STARTTLS" else office.smtps


def took(office, row, how, mechanism):
    """What landed at bob's last, after the claims that Thurn's own words prove: how TLS began, and AUTH."""
    raw = mailbox.unix(office.landed("bob")[-1])
    received = " ".join(mailbox.parsed(raw).get_all("Received")[0].split())
    row.shows(how, "with ESMTPSA id" in received, received)
    row.shows(f"AUTH {mechanism}", lambda: f"sasl_method={mechanism}, sasl_username={LOGIN}" in office.log(), office.log)
    return raw


def same_body(row, raw, sent, claim="content byte for byte, with dots, 8-bit, long lines"):
    got, wanted = mailbox.body(raw), body_of(sent)
    same = len(os.path.commonprefix([got, wanted]))
    row.shows(claim, got == wanted, f"after {same} of {len(wanted)} octets: {got[same:same + 80]!r}, not {wanted[same:same + 80]!r}")


@ways("STARTTLS PLAIN", "SMTPS LOGIN")
def test_e12_client_swaks(office, work, row, how, mechanism):
    it = row("swaks", interop.IN)
    sent = letter.raw(LOGIN, BOB, "from swaks", 1 << 20)
    done = clients.swaks("127.0.0.1", port(office, how), LOGIN, BOB, "-tls" if how == "STARTTLS" else "-tlsc",
                         "--tls-verify", "--tls-ca-path", office.ca, "--auth", mechanism, "--auth-user", LOGIN,
                         "--auth-password", PASSWORD, "--pipeline", "--data", "@" + written(work, "mail", sent[:-2]))  # swaks ends the last line
    it.ran(done.args)
    raw = took(office, it, how, mechanism)
    said = re.sub(r"\W+", " ", done.stdout)
    it.shows("PIPELINING", re.search(rf"MAIL FROM {LOGIN} RCPT TO {BOB} DATA 250".replace("@", " "), said), said)
    same_body(it, raw, sent)


@ways("STARTTLS PLAIN", "SMTPS LOGIN", "SMTPS OAUTHBEARER", "SMTPS EXTERNAL")
def test_e12_client_curl(office, authority, row, how, mechanism):
    it = row("curl", interop.IN)
    sent = letter.raw(LOGIN, BOB, "from curl", 1 << 20)
    scheme = "smtp" if how == "STARTTLS" else "smtps"
    login = ["--user", f"{LOGIN}:{PASSWORD}"]
    if mechanism == "EXTERNAL":
        cert, key = authority.issue_client(LOGIN)
        login = ["--user", f"{LOGIN}:", "--cert", cert, "--key", key]
    elif "OAUTH" in mechanism:
        login = ["--user", LOGIN, "--oauth2-bearer", office.token]
    done = clients.curl(f"{scheme}://localhost:{port(office, how)}/client.example.com", LOGIN, BOB, sent, "--ssl-reqd",
                        "--cacert", office.ca, *login, "--login-options", f"AUTH={mechanism}", "--verbose")
    it.ran([word.replace(office.token, "TOKEN") for word in done.args])
    raw = took(office, it, how, mechanism)
    same_body(it, raw, sent)


@ways("STARTTLS PLAIN", "SMTPS LOGIN", "STARTTLS SCRAM-SHA-1", "SMTPS SCRAM-SHA-256", "STARTTLS OAUTHBEARER",
      "SMTPS XOAUTH2", "STARTTLS EXTERNAL")
def test_e12_client_msmtp(office, authority, work, row, how, mechanism):
    it = row("msmtp", interop.IN)
    sent = letter.raw(LOGIN, BOB, "from msmtp", 1 << 20)
    login = [f"user {LOGIN}", f'password "{PASSWORD}"']
    if "OAUTH" in mechanism:
        login[1] = f"passwordeval cat {written(work, 'token', office.token)}"
    if mechanism == "EXTERNAL":
        cert, key = authority.issue_client(LOGIN)
        login = [f"user {LOGIN}", f"tls_cert_file {cert}", f"tls_key_file {key}"]
    done = clients.msmtp(work, "localhost", port(office, how), LOGIN, BOB, sent.replace(b"\r\n", b"\n"),
                         f"auth {mechanism.lower()}", *login, "tls on",
                         f"tls_starttls {'on' if how == 'STARTTLS' else 'off'}", f"tls_trust_file {office.ca}")
    it.ran(done.args)
    it.ran(f"msmtprc: auth {mechanism.lower()}; tls_starttls {'on' if how == 'STARTTLS' else 'off'}")
    raw = took(office, it, how, mechanism)
    same_body(it, raw, sent)


@ways("STARTTLS PLAIN", "SMTPS LOGIN")
def test_e12_client_smtplib(office, authority, row, how, mechanism):
    it = row("smtplib", interop.IN)
    sent = letter.raw(LOGIN, BOB, "from smtplib", 1 << 20)
    context = authority.client_context()
    client = (smtplib.SMTP("localhost", port(office, how), timeout=60) if how == "STARTTLS"
              else smtplib.SMTP_SSL("localhost", port(office, how), timeout=60, context=context))
    with client:
        if how == "STARTTLS":
            client.starttls(context=context)
        client.ehlo()
        client.user, client.password = LOGIN, PASSWORD
        client.auth(mechanism, client.auth_plain if mechanism == "PLAIN" else client.auth_login)
        client.sendmail(LOGIN, [BOB], sent, mail_options=["BODY=8BITMIME"])
        announced = client.esmtp_features
    it.ran("SMTP(...).auth_plain, .sendmail" if mechanism == "PLAIN" else "SMTP_SSL(...).auth_login, .sendmail")
    raw = took(office, it, how, mechanism)
    it.shows("SIZE, 8BITMIME", "size" in announced and "8bitmime" in announced, announced)
    same_body(it, raw, sent)


@ways("STARTTLS PLAIN", "SMTPS LOGIN", "SMTPS XOAUTH2")
def test_e12_client_nodemailer(office, build, row, how, mechanism):
    it = row("nodemailer", interop.IN)
    sent = letter.raw(LOGIN, BOB, "from nodemailer", 1 << 20)
    argv = ["node", os.path.join(HERE, "node", "send.js"), how, str(port(office, how)), mechanism, LOGIN, BOB]
    done = clients.run(argv, sent, env={**os.environ, "NODE_PATH": os.path.join(build, "peers/node/node_modules"),
                                        "NODE_EXTRA_CA_CERTS": office.ca, "SECRET": office.token if mechanism == "XOAUTH2" else PASSWORD})
    it.ran(argv)
    raw = took(office, it, how, mechanism)
    it.shows("SIZE, 8BITMIME", re.search(rf"MAIL FROM:<{LOGIN}>(?=.* SIZE=\d+).* BODY=8BITMIME", done.stdout), done.stdout[:3000])
    same_body(it, raw, sent)


def parts(raw):
    """(decoded text, decoded attachment) of a mail that a program has composed."""
    mail = mailbox.parsed(raw)
    [file] = list(mail.iter_attachments())
    return mail.get_body().get_content().replace("\r\n", "\n"), file.get_payload(decode=True)


def same_parts(row, raw, text, file, claim="text with dots, 8-bit, long lines"):
    got_text, got_file = parts(raw)
    row.shows(claim, got_text.rstrip("\n") == text.rstrip("\n"), lambda: repr(got_text))
    row.shows("attachment of 1 MiB byte for byte", got_file == file, "it differs")


TEXT = letter.BODY.replace(b"\r\n", b"\n")


@ways("STARTTLS PLAIN", "SMTPS LOGIN", "STARTTLS SCRAM-SHA-256", "SMTPS OAUTHBEARER")
def test_e12_client_mutt(office, work, row, how, mechanism):
    it = row("mutt", interop.IN)
    scheme = "smtp" if how == "STARTTLS" else "smtps"
    rc = written(work, "muttrc", f"""
set from="{LOGIN}" realname="Alice" use_envelope_from=yes copy=no folder="{work}" record="" charset=utf-8
set smtp_url="{scheme}://alice%40example.org@localhost:{port(office, how)}/" smtp_pass="{PASSWORD}"
set smtp_authenticators="{mechanism.lower()}" ssl_starttls=yes ssl_force_tls=yes ssl_ca_certificates_file="{office.ca}"
set certificate_file="{office.ca}" smtp_oauth_refresh_command="echo {office.token}"
""")
    file = letter.attachment()
    argv = ["mutt", "-n", "-F", rc, "-s", "from mutt", "-a", written(work, "file.bin", file), "--", BOB]
    clients.run(argv, TEXT, env={**os.environ, "HOME": work, "LC_ALL": "C.UTF-8"})
    it.ran(argv)
    it.ran(f'muttrc: smtp_url="{scheme}://..."; smtp_authenticators="{mechanism.lower()}"; ssl_force_tls=yes')
    raw = took(office, it, how, mechanism)
    same_parts(it, raw, TEXT.decode(), file)


@ways("STARTTLS PLAIN", "SMTPS LOGIN", "STARTTLS XOAUTH2")
def test_e12_client_s_nail(office, work, row, how, mechanism):
    it = row("s-nail", interop.IN)
    scheme = "smtp" if how == "STARTTLS" else "smtps"
    file = letter.attachment()
    secret, word = (office.token, "oauthbearer") if mechanism == "XOAUTH2" else (PASSWORD, mechanism.lower())
    settings = [f"mta={scheme}://alice%40example.org:{secret}@localhost:{port(office, how)}",
                f"smtp-auth={word}", f"from={LOGIN}", f"tls-ca-file={office.ca}", "tls-verify=strict",
                "ttycharset=utf-8", "sendwait", "v15-compat"] + (["smtp-use-starttls"] if how == "STARTTLS" else [])
    argv = ["s-nail", "-:/", *(word for s in settings for word in ("-S", s)), "-s", "from s-nail", "-a",
            written(work, "file.bin", file), BOB]
    clients.run(argv, TEXT, env={**os.environ, "HOME": work, "LC_ALL": "C.UTF-8"})
    it.ran([word.replace(office.token, "TOKEN") for word in argv])
    raw = took(office, it, how, mechanism)
    same_parts(it, raw, TEXT.decode(), file)


@ways("STARTTLS PLAIN", "SMTPS LOGIN")
def test_e12_client_git_send_email(office, work, row, how, mechanism):
    it = row("git send-email", interop.IN)
    env = {**os.environ, "HOME": work, "GIT_CONFIG_NOSYSTEM": "1", "EMAIL": LOGIN, "GIT_AUTHOR_NAME": "Alice",
           "GIT_COMMITTER_NAME": "Alice"}
    tree = os.path.join(work, "tree")
    os.mkdir(tree)
    text = "Gr\u00fc\u00dfe\n.\n..two dots\n"
    written(tree, "file", text)
    for argv in (["git", "init", "-q"], ["git", "add", "file"], ["git", "commit", "-q", "-m", "One patch"]):
        clients.run(argv, cwd=tree, env=env)
    argv = ["git", "send-email", "--smtp-server=localhost", f"--smtp-server-port={port(office, how)}",
            f"--smtp-encryption={'tls' if how == 'STARTTLS' else 'ssl'}", f"--smtp-ssl-cert-path={office.ca}",
            f"--smtp-auth={mechanism}", f"--smtp-user={LOGIN}", f"--smtp-pass={PASSWORD}", "--confirm=never",
            f"--from=Alice <{LOGIN}>", f"--to={BOB}", "--suppress-cc=all", "--8bit-encoding=UTF-8", "--root", "-1"]
    clients.run(argv, cwd=tree, env=env)
    it.ran(argv)
    raw = took(office, it, how, mechanism)
    patch = written(work, "patch", raw)
    again = os.path.join(work, "again")
    clients.run(["git", "init", "-q", again], env=env)
    clients.run(["git", "am", "-q", patch], cwd=again, env=env)
    with open(os.path.join(again, "file"), encoding="utf-8") as file:
        it.shows("the patch that landed applies (git am), dots and 8-bit as they were", file.read() == text, raw)


@ways("STARTTLS PLAIN", "SMTPS LOGIN")
def test_e12_client_claws(office, work, row, closing, how, mechanism):
    it = row("Claws Mail", interop.IN)
    display = closing(desktop.Display(work))
    claws = closing(desktop.Claws(work, display, port(office, how), how, mechanism, LOGIN, PASSWORD, office.tree["tls"]["cert"]))
    file = letter.attachment()
    text = "Gr\u00fc\u00dfe\n.\n..two dots\nFrom here on\n\nend\n"
    windows = claws.compose("from claws - Compose message", f"mailto:{BOB}?subject=from%20claws&body={urllib.parse.quote(text)}", written(work, "file.bin", file))
    claws.press(windows, "ctrl+Return")
    it.ran(claws.command)
    raw = took(office, it, how, mechanism)
    same_parts(it, raw, text, file, "text with dots and 8-bit, from its window (Xvfb), sent by ctrl+Return")


def gsasl(office, mechanism, *more):
    argv = ["gsasl", "--client", "--smtp", "--starttls", "--mechanism", mechanism, "--authentication-id", LOGIN,
            "--password", PASSWORD, "--x509-ca-file", office.ca, *more, f"--connect=localhost:{office.starttls}"]
    return clients.run(argv, "", expect=None)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1"])
def test_e11_server_gsasl(office, row, mechanism):
    """gsasl signs in and does no more, but with the channel binding that no mail program here knows."""
    it = row("gsasl", interop.IN)
    done = gsasl(office, mechanism, *([] if "PLUS" in mechanism else ["--no-cb"]))
    it.ran(done.args)
    it.shows("STARTTLS", done.returncode == 0 and "STARTTLS" in done.stdout, done.stdout + done.stderr)
    it.shows(f"AUTH {mechanism}", "235 2.7.0" in done.stdout, done.stdout)


def test_e11_server_gsasl_downgrade(office, row):
    """RFC 5802 section 6: a client that could bind, and was shown no -PLUS, has somebody in between."""
    it = row("gsasl", interop.IN)
    done = gsasl(office, "SCRAM-SHA-256")
    it.ran(done.args)
    it.shows("SCRAM-SHA-256 of a client that could bind is refused where -PLUS was offered",
             done.returncode != 0 and "235" not in done.stdout and "SCRAM-SHA-256-PLUS" in done.stdout, done.stdout)
