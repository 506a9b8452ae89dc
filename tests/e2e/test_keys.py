# SPDX-License-Identifier: ISC
"""The process keys: private keys are in no other process, and handshakes go on when it dies, and through a reload."""

import os
import re
import signal
import ssl
import subprocess

import pytest

from harness import account, process, wait

KINDS = {"rsa": ["-newkey", "rsa:2048"], "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}
LETTER = b"Subject: hello\r\n\r\nhello\r\n"


def make_pair(folder, kind, name):
    cert, key = os.path.join(folder, f"{kind}.pem"), os.path.join(folder, f"{kind}.key")
    subprocess.run(["openssl", "req", "-x509", *KINDS[kind], "-nodes", "-days", "30", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName=DNS:{name}", "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    os.chmod(key, 0o600)
    if not account.is_root():
        account.give(key)
    return {"cert": cert, "key": key}


def secrets_of(key):
    """The private numbers of a key's file, as they lie in memory: in both orders of bytes."""
    text = subprocess.run(["openssl", "pkey", "-in", key, "-noout", "-text"], check=True, capture_output=True, text=True, timeout=60).stdout
    found = []
    for name in ("priv", "privateExponent", "prime1", "prime2", "exponent1", "exponent2"):
        match = re.search(rf"^{name}:\n((?: +[0-9a-f:]+\n)+)", text, re.M)
        if match:
            number = bytes.fromhex(re.sub(r"[\s:]", "", match[1])).lstrip(b"\0")
            found += [number, number[::-1]]
    assert found, text
    return found


def memory(pid):
    """All that the process can write to, a piece at a time."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            place, rights = line.split()[:2]
            begin, end = (int(x, 16) for x in place.split("-"))
            if rights.startswith("rw"):
                mem.seek(begin)
                yield mem.read(end - begin)


def holds(pid, secrets):
    return any(secret in piece for piece in memory(pid) for secret in secrets)


def greeted(thurn, context, name="mail.example.org"):
    try:
        with thurn.dial(name=name) as talk:
            talk.ehlo()
            talk.starttls(context)
            talk.ehlo()
        return True
    except (OSError, AssertionError, EOFError):
        return False


@pytest.fixture
def context(authority):
    made = authority.client_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def test_g8_no_other_process_has_a_private_key(serve, root, work, context):
    pairs = {kind: make_pair(work, kind, name) for kind, name in (("ec", "mail.example.org"), ("rsa", "rsa.example.org"))}
    thurn = serve({"tls": {**pairs["ec"], "rsa.example.org": pairs["rsa"]}}, root=True)
    secrets = {kind: secrets_of(pair["key"]) for kind, pair in pairs.items()}
    for name in ("mail.example.org", "rsa.example.org"):
        with thurn.dial(name=name) as talk:
            talk.ehlo()
            talk.starttls(context)
            talk.ehlo()
            talk.mail("x@example.com", "alice@example.org", body=LETTER)
    thurn.landed("alice", 2)
    keys, = thurn.pids("keys")
    for kind in KINDS:
        assert holds(keys, secrets[kind]), kind  # or the search finds nothing anywhere
        for pid in thurn.pids():
            if pid != keys:
                assert not holds(pid, secrets[kind]), (kind, process.kind(pid))


def test_handshakes_go_on_when_keys_dies(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")})
    context = authority.client_context()
    assert greeted(thurn, context), thurn.log()
    receivers = thurn.pids("receiver")
    for _ in range(2):
        victim, = thurn.pids("keys")
        process.kill(victim)
        wait.until(lambda: thurn.pids("keys") not in ([], [victim]), thurn.log)
        wait.until(lambda: greeted(thurn, context), thurn.log)
    assert thurn.pids("receiver") == receivers


def test_threat_keys_that_stands_still_stops_handshakes_only(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")})
    context = authority.client_context()
    keys, = thurn.pids("keys")
    process.kill(keys, signal.SIGSTOP)
    try:
        for _ in range(2):
            assert not greeted(thurn, context)
        with thurn.dial() as talk:
            talk.ehlo()
            talk.mail("x@example.com", "alice@example.org", body=LETTER)
    finally:
        process.kill(keys, signal.SIGCONT)
    thurn.landed("alice")
    thurn.logged("a handshake fails: no signature by the process keys")
    wait.until(lambda: greeted(thurn, context), thurn.log)
    assert thurn.pids("keys") == [keys]


def refused(thurn):
    """STARTTLS is answered 454; the session is as good as before, and a mail goes its way."""
    with thurn.dial() as talk:
        talk.ehlo()
        if talk.cmd("STARTTLS", (220, 454)).code == 220:
            return False
        talk.mail("x@example.com", "alice@example.org", body=LETTER)
        talk.quit()
    return True


def test_starttls_is_454_while_keys_stands_still(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")})
    context = authority.client_context()
    keys, = thurn.pids("keys")
    process.kill(keys, signal.SIGSTOP)
    try:
        assert not greeted(thurn, context)  # each receiver finds it out by a handshake that fails
        wait.until(lambda: refused(thurn), thurn.log)
    finally:
        process.kill(keys, signal.SIGCONT)
    thurn.landed("alice")
    wait.until(lambda: greeted(thurn, context), thurn.log)


def test_starttls_is_454_while_keys_is_dead(serve, authority):
    """The more often it dies, the longer it is away."""
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")})

    def away():
        for pid in thurn.pids("keys"):
            process.kill(pid)
        return refused(thurn)
    wait.until(away, thurn.log)
    thurn.landed("alice")
    wait.until(lambda: greeted(thurn, authority.client_context()), thurn.log)


def test_a_reload_has_keys_of_its_own(serve, authority):
    """A session from before the reload still gets its signature, and when it has gone its keys go."""
    thurn = serve({"tls": authority.config("mail.example.org", "127.0.0.1")})
    context = authority.client_context()
    old, = thurn.pids("keys")
    with thurn.dial() as talk:
        talk.ehlo()
        thurn.change({"limits": {"errors": 17}})
        thurn.reload()
        thurn.logged(r"reloaded .*: generation 2")
        wait.until(lambda: greeted(thurn, context), thurn.log)
        assert old in thurn.pids("keys")
        talk.starttls(context)
        talk.ehlo()
        talk.quit()
    wait.until(lambda: len(thurn.pids("keys")) == 1 and old not in thurn.pids("keys"), thurn.log)
    assert greeted(thurn, context), thurn.log()


def test_without_tls_there_are_no_keys(serve):
    assert serve().pids("keys") == []


def test_ed25519_works_with_a_warning(serve, work, context):
    cert, key = os.path.join(work, "ed.pem"), os.path.join(work, "ed.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "30", "-subj", "/CN=mail.example.org",
                    "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    account.give(key)
    thurn = serve({"tls": {"cert": cert, "key": key}})
    thurn.logged(r"ed\.key is neither RSA nor ECDSA")
    assert greeted(thurn, context), thurn.log()
