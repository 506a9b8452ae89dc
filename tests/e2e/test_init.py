# SPDX-License-Identifier: ISC
"""`thurn init`: from nothing to a mail that landed, and never anything overwritten."""

import base64
import json
import os
import pty
import re
import shutil
import ssl
import stat
import subprocess
import tomllib

import pytest

from harness import account, mailbox, namespace, process, wait
from harness.dialogue import Dialogue
from harness.thurn import free_port

PASSWORD = "correct horse"


def words(*args, user="alice"):
    return ["init", "example.org", "--dir", "try", *(["--user", user] if user else []), *args]


def run(binary, folder, *args, stdin=PASSWORD + "\n", expect=0, **more):
    done = subprocess.run(account.as_service([binary, *args]), cwd=folder, input=stdin, capture_output=True, text=True,
                          timeout=120, env={**os.environ, "LC_ALL": "C.UTF-8"}, **more)
    assert expect is None or done.returncode == expect, f"thurn {args}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def tree(folder):
    """{path: what is there}, of all files below."""
    found = {}
    for top, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(top, name)
            here = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[here] = os.readlink(path)
            elif os.path.isdir(path):
                found[here] = None
            else:
                with open(path, "rb") as file:
                    found[here] = file.read()
    return found


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


@pytest.fixture
def folder(work):
    account.give(work)
    return work


def moved(path):
    """Other tests' servers run beside ours: each port of the configuration becomes a free one."""
    text = read(path)
    ports = {}
    for port in ("2525", "4465", "4587"):
        ports[port] = free_port()
        text = text.replace("127.0.0.1:" + port, f"127.0.0.1:{ports[port]}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return ports


class Served:
    def __init__(self, binary, folder, conf):
        self.log, out = os.path.join(folder, "log"), os.path.join(folder, "out")
        self.process = subprocess.Popen(account.as_service([binary, "serve", "-c", conf]), cwd=folder,
                                        stdin=subprocess.DEVNULL, stdout=open(out, "wb"), stderr=open(self.log, "wb"))
        wait.until(lambda: "thurn: ready" in read(out) or self.process.poll() is not None, lambda: read(self.log))
        assert self.process.poll() is None, read(self.log)

    def close(self):
        process.end(self.process, 60)


def test_o1_init_check_serve_send_landed(binary, folder, closing):
    done = run(binary, folder, *words(user="alice=Alice Example"))
    conf = os.path.join(folder, "try", "thurn.toml")
    ports = moved(conf)
    checked = run(binary, folder, "check", "-c", conf)
    assert "error" not in checked.stderr and "signed by itself" in checked.stderr
    closing(Served(binary, folder, conf))
    run(binary, folder, "send", "--from", "alice@example.org", "--to", "postmaster@example.org", "-c", conf, stdin="hello\n")
    alice = os.path.join(folder, "try", "mail", "example.org", "alice")
    wait.until(lambda: len(mailbox.maildir(alice)) == 1, lambda: read(os.path.join(folder, "log")))
    context = ssl.create_default_context(cafile=os.path.join(folder, "try", "tls", "fullchain.pem"))
    with Dialogue("127.0.0.1", ports["4587"], name="mail.example.org") as talk:
        talk.ehlo()
        talk.starttls(context)  # the certificate is its own authority, and is for this name
        assert "PLAIN" in talk.ehlo()["AUTH"]
        talk.cmd("AUTH PLAIN " + base64.b64encode(b"\0alice@example.org\0" + PASSWORD.encode()).decode(), 235)
        talk.mail("alice@example.org", "alice@example.org")
    wait.until(lambda: len(mailbox.maildir(alice)) == 2, lambda: read(os.path.join(folder, "log")))
    assert "Alice Example" in run(binary, folder, "user", "list", "-c", conf).stdout
    for word in ("thurn serve", "thurn check", "thurn send", "signed by itself"):
        assert word in done.stderr, done.stderr
    assert PASSWORD not in done.stdout + done.stderr


def test_o1_init_what_it_makes(binary, folder):
    run(binary, folder, *words())
    top = os.path.join(folder, "try")
    conf = tomllib.loads(read(os.path.join(top, "thurn.toml")))
    assert conf["hostname"] == "mail.example.org" and conf["postmaster"] == "alice@example.org"
    assert list(conf["domain"]) == ["example.org"]
    assert stat.S_IMODE(os.stat(os.path.join(top, "tls", "privkey.pem")).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.join(top, "thurn.toml")).st_mode) == 0o644
    assert "abuse: alice" in read(os.path.join(top, "aliases"))
    below = [name for name in tree(folder) if not name.startswith("try")]
    assert below == [], "nothing outside of --dir"
    assert not [name for name in tree(top) if name.endswith(".new")]
    shown = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", os.path.join(top, "tls", "fullchain.pem")],
                           capture_output=True, text=True, timeout=60).stdout
    assert "DNS:mail.example.org" in shown


def test_o1_init_whatever_the_umask(binary, folder):
    """Else the server's user could not reach its mailboxes behind root's 077, and behind 000 others could reach the keys."""
    for mask in (0o077, 0o000):
        top = os.path.join(folder, f"deep{mask}")
        run(binary, folder, "init", "example.org", "--dir", os.path.join(top, "er"), "--user", "alice", umask=mask)
        modes = {name: stat.S_IMODE(os.stat(os.path.join(top, "er", name)).st_mode) for name in
                 ("..", ".", "mail", "mail/example.org", "tls", "tls/privkey.pem", "state", "state/accounts.db")}
        assert modes == {"..": 0o755, ".": 0o755, "mail": 0o755, "mail/example.org": 0o750, "tls": 0o755, "tls/privkey.pem": 0o600,
                         "state": 0o711, "state/accounts.db": 0o600}


def test_o1_init_twice_is_refused_and_changes_nothing(binary, folder):
    run(binary, folder, *words())
    before = tree(folder)
    again = run(binary, folder, *words(user="bob"), stdin="other\n", expect=73)
    assert tree(folder) == before and again.stdout == ""
    for name in ("try/thurn.toml", "try/aliases", "try/tls/fullchain.pem", "try/tls/privkey.pem", "try/state/accounts.db"):
        assert f"{name} is there already" in again.stderr, "all conflicts at once"
    run(binary, folder, *words("--no-user", "--dry-run", user=None), expect=73)
    assert tree(folder) == before


@pytest.mark.parametrize("name", ["thurn.toml", "aliases", "tls/privkey.pem"])
def test_o1_init_one_conflict_is_enough(binary, folder, name):
    path = os.path.join(folder, "try", name)
    os.makedirs(os.path.dirname(path))
    os.symlink("/nonexistent/somewhere", path)  # a link that leads nowhere is there, too
    account.give(folder)
    before = tree(folder)
    done = run(binary, folder, *words(), expect=73)
    assert f"{name} is there already" in done.stderr and tree(folder) == before
    assert os.readlink(path) == "/nonexistent/somewhere"


@pytest.mark.parametrize("domain", ["", ".", "example", 'exa"mple.org', "exa'mple.org", "example.org\nuser = \"root\"", "a b.org",
                                    "-a.org", "a..org", "../etc", "/etc", "192.0.2.1", "[192.0.2.1]", "x" * 64 + ".org",
                                    "\x1b[31m.org", "exa{user}.org", "$(id).org"], ids=repr)
def test_o1_init_hostile_domains(binary, folder, domain):
    done = run(binary, folder, "init", "--dir", "try", "--user", "alice", "--", domain, expect=64)
    assert "is not a domain name" in done.stderr.splitlines()[0] and "\x1b" not in done.stderr
    assert not os.path.exists(os.path.join(folder, "try"))


def test_o1_init_international_domain(binary, folder):
    run(binary, folder, "init", "Bücher.Example", "--dir", "try", "--user", "alice")
    conf = tomllib.loads(read(os.path.join(folder, "try", "thurn.toml")))
    assert list(conf["domain"]) == ["xn--bcher-kva.example"]
    run(binary, folder, "check", "--offline", "-c", "try/thurn.toml")


@pytest.mark.parametrize("args", [
    [], ["a.example", "b.example"], ["a.example", "--user", "al ice"], ["a.example", "--user", 'a"b'], ["a.example", "--user", "a@b"],
    ["a.example", "--user", "alice=Al\nice"], ["a.example", "--cert", "/x"], ["a.example", "--user", "x", "--no-user"],
    ["a.example", "--via", "smtp://x.example"], ["a.example", "--null-client"], ["a.example", "--null-client", "--via", "x.example"],
    ["a.example", "--null-client", "--via", "smtps://me:secret@x.example"], ["a.example", "--hostname", "nothing"],
    ["a.example", "--dir", "a{b"], ["a.example", "--dir", ""], ["a.example", "--dir", "nothing/../../x"],
    ["a.example", "--dir", "d" * 100]], ids=repr)
def test_o1_init_usage(binary, folder, args):
    done = run(binary, folder, "init", *args, expect=64)
    assert done.stderr.startswith(("thurn: ", "--via")) and done.stdout == ""
    assert tree(folder) == {}


def test_o1_init_without_a_password_makes_nothing(binary, folder):
    for stdin in ("", "\n"):
        done = run(binary, folder, *words(), stdin=stdin, expect=65)
        assert "one line of standard input" in done.stderr
    assert tree(folder) == {}


def test_o1_init_asks_for_the_password_on_a_terminal(binary, folder):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        argv = account.as_service([binary, *words()])
        os.execvp(argv[0], argv)
    said, typed = b"", 0
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
        while said.lower().count(b"password for alice@example.org: ") > typed:
            typed += 1
            os.write(terminal, PASSWORD.encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0, said
    assert typed == 2 and PASSWORD.encode() not in said
    assert "alice@example.org" in run(binary, folder, "user", "list", "-c", "try/thurn.toml").stdout


def test_o1_init_without_a_user(binary, folder):
    done = run(binary, folder, *words("--no-user", user=None), stdin="")
    assert "thurn user add" in done.stderr
    run(binary, folder, "check", "-c", "try/thurn.toml")
    run(binary, folder, "user", "add", "bob@example.org", "-c", "try/thurn.toml")


def test_o1_init_dry_run(binary, folder):
    done = run(binary, folder, *words("--dry-run"), stdin="")
    assert tree(folder) == {}
    assert 'hostname   = "mail.example.org"' in done.stdout and "PRIVATE KEY" not in done.stdout
    assert "privkey.pem (mode 0600)" in done.stdout


def test_o1_init_dns_records(binary, folder):
    done = run(binary, folder, *words("--json", "--hostname", "mx1.example.org"))
    records = [json.loads(line) for line in done.stdout.splitlines()]
    found = {(r["name"], r["type"]): r["value"] for r in records}
    assert found["example.org.", "MX"] == "10 mx1.example.org."
    assert found["example.org.", "TXT"] == "v=spf1 mx -all"
    assert found["_dmarc.example.org.", "TXT"].startswith("v=DMARC1; p=none;")
    assert all(r["name"] == "mx1.example.org." for r in records if r["type"] in ("A", "AAAA"))
    assert not [r for r in records if "dkim" in json.dumps(r).lower()], "it is not built yet"


def test_o1_init_dns_addresses(binary, net, folder):
    """In a namespace with addresses that are known: private ones are not published."""
    def printed(*more):
        argv = net.argv(account.as_service([binary, "init", "example.org", "--dir", "try", "--no-user", "--dry-run", *more]))
        return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60)
    lines = printed().stdout.splitlines()
    assert any(line.startswith("; mail.example.org. IN A") for line in lines), "a gap that must be filled in by hand"
    net.run("ip", "addr", "add", "198.51.100.7/24", "dev", "lo")
    net.run("ip", "addr", "add", "2001:db8::7/64", "dev", "lo", "nodad")
    lines = printed().stdout.splitlines()
    assert "mail.example.org. IN A 198.51.100.7" in lines and "mail.example.org. IN AAAA 2001:db8::7" in lines
    assert not [line for line in lines if " IN A" in line and re.search(r" (10\.77|127\.|fd77|::1)", line)]


def test_o1_init_with_a_certificate_that_is_there(binary, folder, authority):
    cert, key = (shutil.copy(path, folder) for path in authority.issue("mail.example.org"))
    account.give(folder)
    before = tree(folder)
    refused = run(binary, folder, *words("--cert", cert, "--key", cert), expect=66)
    assert "no private key" in refused.stderr and tree(folder) == before
    done = run(binary, folder, *words("--cert", cert, "--key", key))
    conf = tomllib.loads(read(os.path.join(folder, "try", "thurn.toml")))
    assert conf["tls"] == {"cert": cert, "key": key}
    assert not os.path.exists(os.path.join(folder, "try", "tls")) and "signed by itself" not in done.stderr


def test_o1_init_null_client(binary, folder):
    done = run(binary, folder, "init", "example.org", "--null-client", "--via", "smtps://web1@relay.example.net", "--dir", "try",
               "--hostname", "web1.example.org")
    assert done.stdout == "" and PASSWORD not in done.stderr
    top = os.path.join(folder, "try")
    conf = tomllib.loads(read(os.path.join(top, "thurn.toml")))
    assert conf["hostname"] == "web1.example.org" and "listen" not in conf and "domain" not in conf
    assert conf["route"]["*"] == {"via": "smtps://web1@relay.example.net", "tls": "verify",
                                  "password_file": os.path.join(top, "relay.pw")}
    assert read(os.path.join(top, "relay.pw")).strip() == PASSWORD
    assert stat.S_IMODE(os.stat(os.path.join(top, "relay.pw")).st_mode) == 0o600
    checked = run(binary, folder, "check", "--offline", "-c", "try/thurn.toml")
    assert "relay.example.net" in checked.stdout and "warning" not in checked.stderr


def test_o1_init_a_strange_folder(binary, folder):
    name = "mail's \"box\" ümlaut\\"
    run(binary, folder, "init", "example.org", "--dir", name, "--user", "alice")
    checked = run(binary, folder, "check", "--offline", "-c", os.path.join(name, "thurn.toml"))
    assert "error" not in checked.stderr
    assert "alice" in run(binary, folder, "user", "list", "-c", os.path.join(name, "thurn.toml")).stdout


def test_o1_init_where_nobody_may_write(binary, folder):
    closed = os.path.join(folder, "closed")
    os.mkdir(closed, 0o555)
    account.give(folder)
    os.chmod(closed, 0o555)
    done = run(binary, closed, *words(), expect=73)
    assert "cannot be made" in done.stderr and os.listdir(closed) == []


def test_o1_init_needs_root_for_the_machine(binary, folder):
    done = run(binary, folder, "init", "example.org", "-c", os.path.join(folder, "t.toml"), expect=77)
    assert "--dir" in done.stderr and tree(folder) == {}


@pytest.mark.skipif(namespace.possible() is not None, reason="needs root and namespaces")
def test_o1_init_a_whole_machine(binary, work):
    """As root, with an /etc, a /var/lib and a /var/mail that are ours for the while."""
    etc = os.path.join(work, "etc")
    subprocess.run(["cp", "-a", "/etc", etc], check=True, timeout=60)
    subprocess.run(["rm", "-rf", os.path.join(etc, "thurn")], check=True, timeout=60)
    for name in ("passwd", "group", "shadow", "gshadow"):
        path = os.path.join(etc, name)
        kept = [line for line in read(path).splitlines(True) if not line.startswith("thurn:")]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(kept)
    script = f"""
        set -e
        mount --bind {etc} /etc
        mkdir -p /var/lib /var/mail
        mount -t tmpfs none /var/lib
        mount -t tmpfs none /var/mail
        echo secret | {binary} init example.org --user alice >&2
        {binary} check --offline
        stat -c '%U %a %n' /etc/thurn/thurn.toml /etc/thurn/tls/privkey.pem /var/lib/thurn /var/lib/thurn/accounts.db /var/mail/example.org
        getent passwd thurn
    """
    done = subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("root 644 /etc/thurn/thurn.toml", "root 600 /etc/thurn/tls/privkey.pem", "thurn 711 /var/lib/thurn",
                 "thurn 600 /var/lib/thurn/accounts.db", "thurn 750 /var/mail/example.org"):
        assert line in done.stdout.splitlines(), done.stdout
    assert re.search(r"^thurn:x:\d+:\d+:.*:/var/lib/thurn:/usr/sbin/nologin$", done.stdout, re.M)
    assert "made  system user thurn" in done.stderr and "certbot" in done.stderr and "PTR" in done.stderr
    assert "cannot write" not in done.stderr
