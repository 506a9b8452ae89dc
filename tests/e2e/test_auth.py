# SPDX-License-Identifier: ISC
"""AUTH (E11) on the real server: every mechanism with a client of somebody else's where there is one, every place that knows passwords."""

import base64
import http.server
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from harness import certs, clients, dovecot, scram, wait

LOGIN, PASSWORD = "alice@example.org", "correct horse 1"


def plain(login=LOGIN, password=PASSWORD):
    return base64.b64encode(f"\0{login}\0{password}".encode()).decode()


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
def office(serve, authority):
    """Two submission listeners (TLS from the start, STARTTLS); with auth=None the account store and alice in it."""
    def make(auth=None, account=True, **more):
        config = {"tls": authority.config("mail.example.org", "127.0.0.1"),
                  "listen": {"submission": ["127.0.0.1:0 tls", "127.0.0.1:0 starttls"]}}
        thurn = serve({**config, **({"auth": auth} if auth else {}), **more}, start=False)
        if account:
            thurn.command("user", "add", LOGIN, stdin=PASSWORD + "\n")
        return thurn.start()

    return make


def secured(thurn, context):
    talk = thurn.dial("submission", 0, tls=context)
    return talk, talk.ehlo()["AUTH"].split()


def gsasl(thurn, authority, mechanism, password, *more):
    argv = ["gsasl", "--smtp", f"--connect=127.0.0.1:{thurn.port('submission', 1)}", "-m", mechanism, "-a", LOGIN, "-z", "",
            "-p", password, "--hostname", "127.0.0.1", f"--x509-ca-file={authority.cert}", "--verbose", *more]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"])
def test_e11_server_scram_with_gsasl(office, authority, mechanism):
    thurn = office()
    more = [] if mechanism.endswith("PLUS") else ["--no-cb"]
    good = gsasl(thurn, authority, mechanism, PASSWORD, *more)
    assert "\n235 2.7.0" in good.stdout and good.returncode == 0, good.stdout + good.stderr
    assert "server trusted" in good.stderr
    bad = gsasl(thurn, authority, mechanism, "wrong", *more)
    assert "\n535 5.7.8" in bad.stdout, bad.stdout + bad.stderr
    assert PASSWORD not in thurn.log()


@pytest.mark.parametrize("method", ["scram-sha-256", "scram-sha-1", "plain", "login"])
def test_e11_server_msmtp(office, authority, work, method):
    thurn = office()
    settings = ["tls on", "tls_starttls on", f"tls_trust_file {authority.cert}", f"auth {method}", f"user {LOGIN}",
                f"password {PASSWORD}"]
    clients.msmtp(work, "127.0.0.1", thurn.port("submission", 1), LOGIN, "bob@example.org", "Subject: x\n\nhi\n", *settings)
    thurn.logged(f"sasl_method={method.upper()}, sasl_username={LOGIN}")


def test_e11_server_offers_only_what_fits(office, authority):
    thurn = office()
    with thurn.dial("submission", 1) as talk:
        assert "AUTH" not in talk.ehlo()
        talk.cmd("AUTH SCRAM-SHA-256 " + scram.Scram("sha256", LOGIN, PASSWORD).first(), (530, 538))
    talk, words = secured(thurn, authority.client_context())
    with talk:
        assert words == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN"]
        talk.cmd("AUTH EXTERNAL =", 504)
        talk.cmd("AUTH OAUTHBEARER bg==", 504)
        talk.cmd("AUTH CRAM-MD5", 504)
        talk.cmd("AUTH PLAIN =", 501)
        assert talk.cmd("AUTH PLAIN", 334).text == ""
        talk.cmd(plain(), 235)
        talk.cmd("AUTH PLAIN " + plain(), 503)
    with thurn.dial() as talk:
        talk.starttls(authority.client_context())
        assert "AUTH" not in talk.ehlo()
        talk.cmd("AUTH SCRAM-SHA-256", 502)


def test_e11_server_tls12_has_no_plus(office, authority):
    """There libgsasl knows tls-unique only, and takes -PLUS whenever it is offered."""
    thurn = office()
    good = gsasl(thurn, authority, "SCRAM-SHA-256", PASSWORD, "--no-cb", "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2")
    assert "\n235 2.7.0" in good.stdout and "TLS1.2" in good.stderr, good.stdout + good.stderr
    assert "PLUS" not in good.stdout


def run_scram(talk, client, digest="SCRAM-SHA-256", **more):
    first = talk.cmd(f"AUTH {digest} {client.first()}")
    return first if first.code != 334 else talk.cmd(client.final(first.text, **more))


def test_e11_server_scram_downgrade_is_noticed(office, authority):
    """A client that says "y" has not seen our -PLUS: somebody has cut it out (RFC 5802 section 6)."""
    thurn = office()
    talk, _ = secured(thurn, authority.client_context())
    with talk:
        assert run_scram(talk, scram.Scram("sha256", LOGIN, PASSWORD, "y,,")).code == 535
        reply = run_scram(talk, scram.Scram("sha256", LOGIN, PASSWORD, "n,,"))
        assert reply.code == 334
        talk.cmd("", 235)


def test_e11_server_scram_proof_and_authzid(office, authority):
    thurn = office()
    talk, _ = secured(thurn, authority.client_context())
    with talk:
        client = scram.Scram("sha1", LOGIN, PASSWORD)
        reply = run_scram(talk, client, "SCRAM-SHA-1")
        assert base64.b64decode(reply.text).decode() == client.verifier
        talk.cmd("*", 501)
        assert run_scram(talk, scram.Scram("sha256", LOGIN, PASSWORD, f"n,a={LOGIN},")).code == 334
        talk.cmd("*", 501)
        assert run_scram(talk, scram.Scram("sha256", LOGIN, PASSWORD, "n,a=bob@example.org,")).code == 535
        assert run_scram(talk, scram.Scram("sha256", LOGIN, PASSWORD), proof=b64("x" * 32)).code == 535


def test_e11_server_scram_unknown_users_look_alike(office, authority):
    thurn = office()
    context = authority.client_context()

    def ask(login):
        talk, _ = secured(thurn, context)
        with talk:
            client = scram.Scram("sha256", login, "wrong")
            return str(run_scram(talk, client)), len(client.salt), client.iterations, client.salt

    known, one, again, other = ask(LOGIN), ask("nobody@example.org"), ask("NOBODY@example.org"), ask("else@example.org")
    assert known[:3] == one[:3] == other[:3] and known[0].startswith("535 5.7.8")
    assert one[3] == again[3] and len({known[3], one[3], other[3]}) == 3
    thurn.stop()
    thurn.start()
    assert ask("nobody@example.org") == one, "the salt of nobody is the same after a restart"


def test_e11_server_accounts_of_old_get_scram_at_their_next_login(office, authority):
    thurn = office()
    thurn.stop()
    with sqlite3.connect(os.path.join(thurn.state, "accounts.db")) as db:
        db.execute("UPDATE account SET scram_salt = NULL, scram_iterations = NULL, scram_sha256 = NULL, scram_sha1 = NULL")
    thurn.give()
    thurn.start()
    talk, _ = secured(thurn, authority.client_context())
    with talk:
        assert run_scram(talk, scram.Scram("sha256", LOGIN, PASSWORD)).code == 535
        talk.cmd("AUTH PLAIN " + plain(), 235)
    talk, _ = secured(thurn, authority.client_context())
    with talk:
        assert run_scram(talk, scram.Scram("sha256", LOGIN, PASSWORD)).code == 334


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
def test_e11_server_guesses_are_locked_out(office, authority, mechanism):
    thurn = office(limits={"auth_failures": 2})
    talk, _ = secured(thurn, authority.client_context())

    def attempt(password):
        if mechanism == "PLAIN":
            return talk.cmd("AUTH PLAIN " + plain(password=password)).code
        reply = run_scram(talk, scram.Scram("sha256", LOGIN, password))
        return talk.cmd("").code if reply.code == 334 else reply.code

    with talk:
        assert [attempt("one"), attempt("two")] == [535, 535]
        assert attempt(PASSWORD) == 454
    wait.until(lambda: "[limits] auth_failures = 2 is reached" in thurn.log(), thurn.log)


def test_g5_threat_auth_before_tls_and_malformed(office, authority):
    thurn = office()
    with thurn.dial("submission", 1) as talk:
        assert "AUTH" not in talk.ehlo()
        for line in ("AUTH PLAIN " + plain(), "AUTH LOGIN", "AUTH SCRAM-SHA-256 " + b64("n,,n=alice,r=abc")):
            talk.cmd(line, (530, 538))
        talk.starttls(authority.client_context())
        talk.ehlo()
        for line, answer in [("AUTH PLAIN", "*"), ("AUTH LOGIN", "="), ("AUTH PLAIN", "!!!"), ("AUTH SCRAM-SHA-256", "*"),
                             ("AUTH LOGIN", "A" * 13000)]:
            talk.cmd(line, 334)
            talk.cmd(answer, (500, 501))
        talk.cmd("AUTH PLAIN !!!", 501)
        talk.cmd("AUTH PLAIN " + b64("no nul in it"), 501)
        talk.cmd(f"MAIL FROM:<{LOGIN}>", 530)
        known = talk.cmd("AUTH PLAIN " + plain(password="wrong"), 535)
        assert str(talk.cmd("AUTH PLAIN " + plain("nobody@example.org", "wrong"), 535)) == str(known)
        talk.cmd("AUTH PLAIN " + plain(), 235)


def test_e11_server_argon2id(office, authority):
    thurn = office({"hash": "argon2id"})
    with sqlite3.connect(os.path.join(thurn.state, "accounts.db")) as db:
        assert db.execute("SELECT password FROM account").fetchone()[0].startswith("$argon2id$")
    talk, _ = secured(thurn, authority.client_context())
    with talk:
        talk.cmd("AUTH PLAIN " + plain(password="wrong"), 535)
        talk.cmd("AUTH PLAIN " + plain(), 235)


def test_e11_server_password_file(office, authority, work):
    path = os.path.join(work, "users")

    def write(password):
        made = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True)
        with open(path + ".new", "w") as file:
            file.write(f"# people\n{LOGIN}:{made.stdout.strip()}:1000:1000\n")
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    write(PASSWORD)
    thurn = office({"via": "file:" + path}, account=False)
    talk, words = secured(thurn, authority.client_context())
    with talk:
        assert words == ["PLAIN", "LOGIN"]
        talk.cmd("AUTH PLAIN " + plain(password="another"), 535)
        write("another")
        talk.cmd("AUTH PLAIN " + plain(), 535)
        talk.cmd("AUTH PLAIN " + plain(password="another"), 235)


def test_l5_dovecot_knows_the_passwords(office, authority, work, closing, root):
    peer = closing(dovecot.Dovecot(os.path.join(work, "dovecot"), users=[(LOGIN, PASSWORD)],
                                   mechanisms="plain login scram-sha-1 scram-sha-256"))
    thurn = office({"via": "dovecot:" + peer.auth}, account=False)
    context = authority.client_context()

    def words():
        talk, offered = secured(thurn, context)
        talk.close()
        return offered

    wait.until(lambda: "SCRAM-SHA-256" in words(), thurn.log)
    assert not [word for word in words() if word.endswith("PLUS")]
    talk, _ = secured(thurn, context)
    with talk:
        talk.cmd("AUTH PLAIN " + plain(password="wrong"), 535)
        talk.cmd("AUTH LOGIN", 334)
        talk.cmd(b64(LOGIN), 334)
        talk.cmd(b64(PASSWORD), 235)
    talk, _ = secured(thurn, context)
    with talk:
        assert run_scram(talk, scram.Scram("sha256", LOGIN, "wrong")).code == 535
        client = scram.Scram("sha256", LOGIN, PASSWORD)
        assert base64.b64decode(run_scram(talk, client).text).decode() == client.verifier
        talk.cmd("", 235)


class AuthSocket:
    """What speaks Dovecot's protocol and drops the connection at the first AUTH; the next one gets its OK."""

    def __init__(self, path):
        self.listener, self.asked = socket.socket(socket.AF_UNIX), []
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        for number in range(3):
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer, peer.makefile("rw") as lines:
                lines.write("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tx\nDONE\n")
                lines.flush()
                for line in lines:
                    if not line.startswith("AUTH\t"):
                        continue
                    self.asked.append(line)
                    if number == 0:
                        break
                    lines.write(f"OK\t{line.split(chr(9))[1]}\tuser={LOGIN}\n")
                    lines.flush()

    def close(self):
        self.listener.close()


def test_l5_dovecot_away_is_temporary(office, authority, work, closing):
    peer = closing(AuthSocket(os.path.join(work, "auth")))
    thurn = office({"via": "dovecot:" + os.path.join(work, "auth")}, account=False)

    def attempt():
        talk, _ = secured(thurn, authority.client_context())
        with talk:
            return talk.cmd("AUTH PLAIN " + plain(), (235, 454))

    assert attempt().enhanced == "4.7.0"

    def connected_again():
        time.sleep(0.5)
        return attempt().code == 235

    wait.until(connected_again, thurn.log)
    assert "\tservice=smtp\tsecured\trip=127.0.0.1\tresp=" in peer.asked[0]


def test_threat_dovecot_is_asked_for_a_client_without_an_address(office, authority, work, closing):
    peer = closing(AuthSocket(os.path.join(work, "auth")))
    thurn = office({"via": "dovecot:" + os.path.join(work, "auth")}, account=False, trust={"xclient": ["127.0.0.1"]})

    def attempt():
        talk, _ = secured(thurn, authority.client_context())
        with talk:
            talk.cmd("XCLIENT ADDR=[UNAVAILABLE]", 220)
            talk.ehlo()
            time.sleep(0.5)
            return talk.cmd("AUTH PLAIN " + plain(), (235, 454)).code == 235

    wait.until(attempt, thurn.log)
    assert "ip=" not in peer.asked[0]


def test_threat_after_xclient_the_channel_proves_nothing(office, authority):
    """The channel, and the certificate, are those of who speaks for the client."""
    thurn = office({"client_ca": authority.cert}, trust={"xclient": ["127.0.0.1"]})
    context = authority.client_context()
    context.load_cert_chain(*authority.issue_client(LOGIN))
    talk, words = secured(thurn, context)
    with talk:
        assert "EXTERNAL" in words and "SCRAM-SHA-256-PLUS" in words
        talk.cmd("XCLIENT ADDR=192.0.2.5", 220)
        after = talk.ehlo()["AUTH"].split()
        assert "SCRAM-SHA-256" in after and "PLAIN" in after, after
        assert "EXTERNAL" not in after and not [word for word in after if word.endswith("PLUS")], after
        talk.cmd("AUTH EXTERNAL " + b64(LOGIN), 504)
        client = scram.Scram("sha256", LOGIN, PASSWORD)
        assert base64.b64decode(run_scram(talk, client).text).decode() == client.verifier
        talk.cmd("", 235)


def test_e11_server_external(office, authority, top):
    thurn = office({"client_ca": authority.cert})

    def context(issuer, mail):
        made = authority.client_context()
        if mail:
            made.load_cert_chain(*issuer.issue_client(mail))
        return made

    talk, words = secured(thurn, context(authority, LOGIN))
    with talk:
        assert "EXTERNAL" in words
        talk.cmd("AUTH EXTERNAL " + b64("bob@example.org"), 535)
        talk.cmd("AUTH EXTERNAL", 334)
        talk.cmd(b64(LOGIN.upper()), 235)
        talk.cmd("MAIL FROM:<bob@example.org>", 550)
        talk.cmd(f"MAIL FROM:<{LOGIN}>", 250)
    talk, _ = secured(thurn, context(authority, LOGIN))
    with talk:
        talk.cmd("AUTH EXTERNAL =", 235)
    stranger = certs.Authority(os.path.join(top, "stranger"))
    for shown in (context(stranger, LOGIN), context(authority, None)):
        talk, words = secured(thurn, shown)
        with talk:
            assert "EXTERNAL" not in words and "PLAIN" in words
            talk.cmd("AUTH EXTERNAL =", 504)
            talk.cmd("AUTH PLAIN " + plain(), 235)
    with thurn.dial() as talk:
        talk.starttls(context(authority, LOGIN))
        assert "AUTH" not in talk.ehlo()


def bearer(token, login=LOGIN):
    return b64(f"n,a={login},\1auth=Bearer {token}\1\1")


def token_is_refused(thurn, context, token, login=LOGIN):
    """RFC 7628 section 3.2.3: an error as a challenge, an answer that says nothing, then the failure."""
    talk, _ = secured(thurn, context)
    with talk:
        reply = talk.cmd("AUTH OAUTHBEARER " + bearer(token, login), 334)
        assert json.loads(base64.b64decode(reply.text))["status"] == "invalid_token"
        talk.cmd("AQ==", 535)


class Introspection:
    """An endpoint of RFC 7662 over TLS; tokens: {token: answer}."""

    def __init__(self, authority, tokens):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                token = form["token"][0]
                outer.asked.append(token)
                known = self.headers["Authorization"] == "Basic " + b64("thurn:hushhush")
                answer = tokens.get(token, {"active": False})
                if answer == "slow":
                    time.sleep(20)
                body = json.dumps(answer).encode() if answer != "garbage" else b"<html>"
                self.send_response(200 if known else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = authority.server_context("localhost", "127.0.0.1").wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_e11_server_introspection(office, authority, work, closing):
    tokens = {"good": {"active": True, "email": LOGIN, "exp": int(time.time()) + 600},
              "named": {"active": True, "username": LOGIN}, "over": {"active": True, "email": LOGIN, "exp": 5},
              "bob": {"active": True, "email": "bob@example.org"}, "garbage": "garbage", "slow": "slow",
              "foreign": {"active": True, "email": "alice@elsewhere.example"}, "bare": {"active": True, "email": "alice"}}
    endpoint = closing(Introspection(authority, tokens))
    secret = os.path.join(work, "secret")
    with open(secret, "w") as file:
        file.write("hushhush\n")
    os.chmod(secret, 0o644)
    auth = {"introspection": f"https://127.0.0.1:{endpoint.port}/introspect", "introspection_ca": authority.cert,
            "introspection_id": "thurn", "introspection_secret_file": secret}
    thurn = office(auth)
    context = authority.client_context()
    talk, words = secured(thurn, context)
    with talk:
        assert {"OAUTHBEARER", "XOAUTH2"} < set(words)
        for token in ("unknown", "over", "bob"):
            token_is_refused(thurn, context, token)
        for token, login in (("foreign", "alice@elsewhere.example"), ("bare", "alice")):
            token_is_refused(thurn, context, token, login)
        thurn.logged("its login alice@elsewhere.example is in no domain of ours")
        talk.cmd("AUTH OAUTHBEARER " + bearer("garbage"), 454)
        talk.cmd("AUTH OAUTHBEARER " + bearer("slow"), 454)
        reply = talk.cmd("AUTH XOAUTH2 " + b64(f"user={LOGIN}\1auth=Bearer unknown\1\1"), 334)
        assert json.loads(base64.b64decode(reply.text))["status"] == "400"
        talk.cmd("", 535)
        talk.cmd("AUTH XOAUTH2 " + b64(f"user={LOGIN}\1auth=Bearer named\1\1"), 235)
        talk.cmd(f"MAIL FROM:<{LOGIN}>", 250)
    settings = ["tls on", "tls_starttls on", f"tls_trust_file {authority.cert}", "auth oauthbearer", f"user {LOGIN}",
                "password good"]
    for _ in range(2):
        clients.msmtp(work, "127.0.0.1", thurn.port("submission", 1), LOGIN, "bob@example.org", "Subject: x\n\nhi\n", *settings)
    assert endpoint.asked.count("good") == 1, "what was good is good for a minute"
    thurn.logged(f"sasl_method=OAUTHBEARER, sasl_username={LOGIN}")
    assert "Bearer" not in thurn.log() and "hushhush" not in thurn.log()


@pytest.mark.parametrize("login", [LOGIN, ""])
def test_threat_token_guesses_that_are_cancelled_are_counted(office, authority, work, closing, login):
    endpoint = closing(Introspection(authority, {}))
    secret = os.path.join(work, "secret")
    with open(secret, "w") as file:
        file.write("hushhush\n")
    os.chmod(secret, 0o644)
    thurn = office({"introspection": f"https://127.0.0.1:{endpoint.port}/", "introspection_ca": authority.cert,
                    "introspection_id": "thurn", "introspection_secret_file": secret}, limits={"auth_failures": 1})
    limit = 1 if login else 3
    response = b64(f"n,{'a=' + login if login else ''},\1auth=Bearer guess\1\1")
    for number in range(limit + 2):
        talk, _ = secured(thurn, authority.client_context())
        with talk:
            code = talk.cmd("AUTH OAUTHBEARER " + response).code
            assert code == (334 if number < limit else 454), number
            if code == 334 and number % 2 == 0:
                talk.cmd("*", 501)
    assert len(endpoint.asked) == limit


def test_e11_server_introspection_needs_a_good_certificate(office, authority, closing):
    endpoint = closing(Introspection(authority, {"good": {"active": True, "email": LOGIN}}))
    thurn = office({"introspection": f"https://127.0.0.1:{endpoint.port}/"})  # the system's authorities do not know this one
    talk, _ = secured(thurn, authority.client_context())
    with talk:
        talk.cmd("AUTH OAUTHBEARER " + bearer("good"), 454)
    wait.until(lambda: "introspection: " in thurn.log(), thurn.log)
    assert not endpoint.asked


class Issuer:
    def __init__(self, folder, kind):
        self.key, self.public = os.path.join(folder, kind + ".key"), os.path.join(folder, kind + ".pem")
        self.kind = kind
        how = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "RS256" else ["ed25519"]
        subprocess.run(["openssl", "genpkey", "-algorithm", *how, "-out", self.key], check=True, capture_output=True)
        subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-out", self.public], check=True, capture_output=True)

    @staticmethod
    def part(value):
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    def token(self, algorithm=None, **claims):
        body = {"iss": "https://id.example", "aud": "mail", "email": LOGIN, "exp": int(time.time()) + 600, **claims}
        text = self.part({"alg": algorithm or self.kind, "typ": "JWT"}) + "." + self.part(body)
        path = self.key + ".text"
        with open(path, "w") as file:
            file.write(text)
        how = ["dgst", "-sha256", "-sign", self.key, path] if self.kind == "RS256" else [
            "pkeyutl", "-sign", "-rawin", "-inkey", self.key, "-in", path]
        signature = subprocess.run(["openssl", *how], check=True, capture_output=True).stdout
        return text + "." + self.part(signature)


@pytest.mark.parametrize("kind", ["RS256", "EdDSA"])
def test_e11_server_jwt(office, authority, work, kind):
    issuer = Issuer(work, kind)
    thurn = office({"jwt_key": issuer.public, "jwt_issuer": "https://id.example", "jwt_audience": "mail"},
                   limits={"auth_failures": 0})
    good = issuer.token()
    header, claims, signature = good.split(".")
    forged = Issuer.part({"alg": "none"}) + "." + claims + "."
    context = authority.client_context()
    for token in (issuer.token(exp=5), issuer.token(aud="other"), issuer.token(iss="https://evil.example"), forged,
                  issuer.token(algorithm="HS256"), header + "." + claims + "." + "AAAA" + signature[4:]):
        token_is_refused(thurn, context, token)
    token_is_refused(thurn, context, good, login="bob@example.org")
    for message in (bearer(good), b64(f"n,,\1auth=bearer {issuer.token(aud=['x', 'mail'], email=LOGIN.upper())}\1\1")):
        talk, _ = secured(thurn, context)
        with talk:
            talk.cmd("AUTH OAUTHBEARER " + message, 235)
            talk.cmd(f"MAIL FROM:<{LOGIN}>", 250)


def test_e11_server_keys_are_checked_before_use(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")}, start=False)
    empty = thurn.file("empty.pem", "")
    thurn.change({"auth": {"jwt_key": empty, "jwt_audience": "mail", "client_ca": empty}})
    done = thurn.command("check", expect=78)
    assert f"jwt_key {empty}: no public key" in done.stderr and f"client_ca {empty}: there is no certificate" in done.stderr


def test_e11_server_plaintext_only_by_choice(serve):
    """Without TLS on loopback only by the key that says so; -PLUS has no channel to bind to."""
    thurn = serve({"listen": {"submission": ["127.0.0.1:0"]}, "auth": {"plaintext_on_loopback": True}}, start=False)
    thurn.command("user", "add", LOGIN, stdin=PASSWORD + "\n")
    thurn.start()
    with thurn.dial("submission") as talk:
        words = talk.ehlo()["AUTH"].split()
        assert words == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]
        assert run_scram(talk, scram.Scram("sha256", LOGIN, PASSWORD, "y,,")).code == 334
        talk.cmd("", 235)
