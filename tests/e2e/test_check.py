# SPDX-License-Identifier: ISC
"""`thurn check`: each thing that it finds is made once, as an admin would make it."""

import contextlib
import json
import os
import pwd
import re
import socket
import subprocess
import time

import pytest

from harness import account


def check(thurn, *args, expect=0):
    return thurn.command("check", *args, expect=expect)


def findings(thurn, *args, expect=0):
    """(findings, summary)"""
    objects = [json.loads(line) for line in check(thurn, "--json", *args, expect=expect).stdout.splitlines()]
    assert objects[-1]["severity"] == "summary"
    for one in objects[:-1]:
        assert set(one) == {"severity", "file", "line", "column", "key", "message"}
    return objects[:-1], objects[-1]


def warnings(thurn, *args):
    found, summary = findings(thurn, *args)
    assert summary["usable"] and summary["errors"] == 0
    got = [one for one in found if one["severity"] == "warning"]
    assert summary["warnings"] == len(got)
    return got


def one_warning(thurn, words, *args):
    """The warning with these words; the exit status is 0 with it, and a person reads it too."""
    found = [w for w in warnings(thurn, *args) if words in w["message"]]
    assert len(found) == 1, f"{words!r} in {warnings(thurn, *args)}"
    assert words in check(thurn, *args).stderr
    return found[0]


def make_certificate(folder, name, days, *more, key="ec:P-256"):
    """openssl's self-signed pair; days may be negative: then it has expired."""
    cert, private = (os.path.join(folder, end) for end in ("made.pem", "made.key"))
    kind, _, size = key.partition(":")
    new = ["-newkey", "ec", "-pkeyopt", f"ec_paramgen_curve:{size}"] if kind == "ec" else ["-newkey", f"rsa:{size}"]
    subprocess.run(["openssl", "req", *new, "-nodes", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                    "-keyout", private, "-out", cert + ".csr"], check=True, capture_output=True, timeout=60)
    now = time.time()
    start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + d * 86400)) for d in (-400, days))
    folder_of_ca = os.path.join(folder, "signing")
    os.makedirs(folder_of_ca, exist_ok=True)
    with open(os.path.join(folder_of_ca, "index"), "w"):
        pass
    with open(os.path.join(folder_of_ca, "conf"), "w") as file:
        file.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={folder_of_ca}/index\nnew_certs_dir={folder_of_ca}\nserial={folder_of_ca}/serial\n"
                   "default_md=sha256\npolicy=p\ncopy_extensions=copy\n[p]\ncommonName=supplied\n")
    subprocess.run(["openssl", "ca", "-batch", "-config", os.path.join(folder_of_ca, "conf"), "-selfsign", "-keyfile", private,
                    "-in", cert + ".csr", "-out", cert, "-startdate", start, "-enddate", end, "-notext", "-rand_serial", *more],
                   check=True, capture_output=True, timeout=60)
    os.chmod(private, 0o600)
    account.give(folder)
    return {"cert": cert, "key": private}


# --- the shape of what it says ---

def test_o2_check_says_who_may_send_where(serve):
    thurn = serve(start=False)
    done = check(thurn)
    assert f"Listens on 127.0.0.1:{thurn.port()} (mx).\n" in done.stdout
    assert "Nobody can sign in" in done.stdout and "Users who are signed in" not in done.stdout
    assert "Anyone may send to addresses of the domains below, and to nobody else." in done.stdout
    assert "example.org: mail is delivered into Maildirs" in done.stdout
    assert "nobody of them may relay" in done.stdout, "the open-relay self-test is told of"


def test_o2_check_json_errors_have_places_and_keys(serve):
    thurn = serve(start=False)
    thurn.write('hostname = "mail.example.org"\npostmaster = "a@example.org"\n[limits]\nmax_size = "many"\n'
                '[domain."example.org"]\nalises = "/x"\ndeliver = "discard:"\n[queue]\nretry = ["1m", "soon"]\n')
    found, summary = findings(thurn, expect=78)
    assert not summary["usable"] and summary["errors"] == 3 and summary["policy"] == []
    places = {(one["line"], one["key"]) for one in found if one["severity"] == "error"}
    assert places == {(4, "limits.max_size"), (6, 'domain."example.org".alises'), (9, "queue.retry")}
    assert all(one["file"] == thurn.path and one["column"] > 0 for one in found)


def test_o2_check_json_policy_is_what_people_read(serve):
    thurn = serve(start=False)
    _, summary = findings(thurn, "--offline")
    assert summary["policy"] == check(thurn, "--offline").stdout.splitlines()


def test_o2_check_a_file_that_is_not_there(serve):
    thurn = serve(start=False)
    os.unlink(thurn.path)
    found, summary = findings(thurn, expect=78)
    assert [one["severity"] for one in found] == ["error"] and not summary["usable"]


def test_o2_check_an_error_in_a_file_of_aliases_has_its_place(serve):
    thurn = serve(start=False)
    path = thurn.file("aliases", "one: alice\ntwo: :include:relative\nloop: loop\n")
    thurn.change({"domain": {"example.org": {"aliases": path}}})
    found, _ = findings(thurn, expect=78)
    assert {(one["file"], one["line"]) for one in found if one["severity"] == "error"} == {(path, 2)}
    thurn.file("aliases", "one: alice\nround: back\nback: round\n")
    found = warnings(thurn, "--offline")
    assert {(one["file"], one["line"]) for one in found if "leads to nobody" in one["message"]} == {(path, 2), (path, 3)}


# --- certificates ---

def test_o2_check_expired_certificate_is_a_warning_and_the_server_starts(serve, work):
    pair = make_certificate(work, "mail.example.org", -2)
    thurn = serve({"tls": pair})
    assert "expired on" in thurn.log(), "start says it, too"
    assert one_warning(thurn, "expired on", "--offline")["key"] == "tls"


@pytest.mark.parametrize("days, warned", [(15, True), (30, False)])
def test_o2_check_certificate_that_expires_soon(serve, work, days, warned):
    thurn = serve({"tls": make_certificate(work, "mail.example.org", days)}, start=False)
    assert bool([w for w in warnings(thurn, "--offline") if "renew it soon" in w["message"]]) == warned
    left = re.search(r"mail\.example\.org; (\d+) days left", check(thurn, "--offline").stdout)
    assert int(left.group(1)) in (days - 1, days)


def test_o2_check_certificate_of_another_name(serve, work):
    thurn = serve({"tls": make_certificate(work, "www.example.org", 60)}, start=False)
    one_warning(thurn, "is not for the name mail.example.org", "--offline")
    one_warning(thurn, "is signed by itself", "--offline")


def test_o2_check_certificate_of_an_unknown_authority(serve, authority):
    thurn = serve({"tls": authority.config("mail.example.org")}, start=False)
    one_warning(thurn, "does not trust its chain", "--offline")


def test_o2_check_key_that_is_too_weak_is_refused(serve, work):
    thurn = serve({"tls": make_certificate(work, "mail.example.org", 60, key="rsa:1024")}, start=False)
    found, _ = findings(thurn, "--offline", expect=78)
    assert [one for one in found if one["severity"] == "error" and "cannot be used" in one["message"]]
    thurn.command("serve", expect=78)


# --- files and users ---

def test_o2_check_key_that_everybody_may_read(serve, work):
    pair = make_certificate(work, "mail.example.org", 60)
    os.chmod(pair["key"], 0o644)
    warning = one_warning(serve({"tls": pair}, start=False), "is open to every user", "--offline")
    assert warning["key"] == "tls.key" and warning["line"] > 0


@pytest.mark.parametrize("what", ["configuration", "aliases"])
def test_o2_check_file_that_everybody_may_write(serve, what):
    thurn = serve(start=False)
    path = thurn.file("aliases", "sales: alice\n")
    thurn.change({"domain": {"example.org": {"aliases": path}}})
    os.chmod(thurn.path if what == "configuration" else path, 0o666)
    assert path in one_warning(thurn, "everybody may write to", "--offline")["message"] or what == "configuration"


def test_o2_check_state_folder_that_everybody_may_write(serve):
    thurn = serve(start=False)
    os.mkdir(thurn.state)
    os.chmod(thurn.state, 0o777)
    account.give(thurn.state)
    found, _ = findings(thurn, expect=78)
    assert [one for one in found if one["key"] == "state_dir" and "everybody may write" in one["message"]]


def test_o2_check_mailboxes_that_cannot_be_written(serve):
    thurn = serve({"domain": {"example.org": {"deliver": "maildir:{dir}/closed/{domain}/{user}"}}}, start=False)
    os.mkdir(os.path.join(thurn.folder, "closed"), 0o555)
    warning = one_warning(thurn, "cannot write to", "--offline")
    assert "/closed" in warning["message"] and warning["key"] == 'domain."example.org".deliver'
    os.rmdir(os.path.join(thurn.folder, "closed"))
    assert not [w for w in warnings(thurn, "--offline") if "cannot write" in w["message"]], "it is made when mail comes"


def test_o2_check_a_full_disk(serve):
    thurn = serve(start=False)
    assert not [w for w in warnings(thurn, "--offline") if w["key"] == "queue.min_free"]
    thurn.change({"queue": {"min_free": "900000000M"}})
    warning = one_warning(thurn, "mail is answered with 452", "--offline")
    assert warning["key"] == "queue.min_free" and "900000000M" in warning["message"]


def test_o2_check_a_queue_of_somebody_else(serve, root):
    """What a chown or a restore by root leaves: check tells, and the server says which folder it is and whose it must be."""
    thurn = serve({"domain": {"example.org": {"deliver": "hold:"}}}, root=True)
    with thurn.dial() as talk:
        talk.ehlo()
        talk.mail("x@example.com", "alice@example.org")
    thurn.stop()
    assert not [w for w in warnings(thurn, "--offline") if w["key"] == "queue.dir"]
    seg = os.path.join(thurn.state, "queue", "seg")
    for name in os.listdir(seg):
        os.chown(os.path.join(seg, name), 0, 0)
    warning = one_warning(thurn, "the queue cannot be read", "--offline")
    assert warning["key"] == "queue.dir" and seg in warning["message"] and "chown -R" in warning["message"]
    with contextlib.suppress(AssertionError):  # it ends before it is ready, or after
        thurn.start()
    thurn.logged('the spool ".*/queue" cannot be read: permission denied; all in it must belong to')
    thurn.kill()


def test_o2_check_asks_as_the_user_who_will_write(serve, root):
    thurn = serve({"domain": {"example.org": {"deliver_as": "nobody"}}}, root=True, start=False)
    assert "user nobody cannot write to" in one_warning(thurn, "cannot write to", "--offline")["message"]
    thurn.change({"domain": {"example.org": {"deliver_as": None}}})
    assert not [w for w in warnings(thurn, "--offline") if "cannot write" in w["message"]]


def test_o2_check_state_folder_of_another_user(serve, root):
    thurn = serve(root=True, start=False)
    os.mkdir(thurn.state)
    account.give(thurn.state, pwd.getpwnam("nobody"))
    found, _ = findings(thurn, "--offline", expect=78)
    assert [one for one in found if one["key"] == "state_dir" and "must belong to" in one["message"]]
    thurn.command("serve", expect=78)


# --- ports ---

def test_o2_check_port_of_another_program(serve):
    thurn = serve(start=False)
    assert not [w for w in warnings(thurn, "--offline") if "is taken" in w["message"]]
    with socket.create_server(("127.0.0.1", thurn.port())):
        warning = one_warning(thurn, f"port {thurn.port()} is taken", "--offline")
        assert warning["key"] == "listen.mx"


def test_o2_check_port_on_every_address(serve):
    thurn = serve(start=False)
    with socket.create_server(("::", thurn.port()), family=socket.AF_INET6, dualstack_ipv6=False):
        assert not [w for w in warnings(thurn, "--offline") if "is taken" in w["message"]], "of the other family"
    with socket.create_server(("0.0.0.0", thurn.port())):
        one_warning(thurn, f"port {thurn.port()} is taken", "--offline")


def test_o2_check_names_the_program_that_has_the_port(serve, root):
    thurn = serve(root=True, start=False)
    with socket.create_server(("127.0.0.1", thurn.port())):
        assert f"(process {os.getpid()})" in one_warning(thurn, "is taken", "--offline")["message"]


def test_o2_check_own_ports_are_no_conflict(serve):
    assert not [w for w in warnings(serve(), "--offline") if "is taken" in w["message"]]


# --- DNS ---

GOOD = ["example.org. MX 10 mail.example.org.", "mail.example.org. A 10.77.0.2", "2.0.77.10.in-addr.arpa. PTR mail.example.org."]


def dns_words(thurn, *args):
    return [w["message"] for w in warnings(thurn, *args) if w["message"].startswith("DNS")]


@pytest.mark.parametrize("records, words", [
    (GOOD, []),
    (GOOD[1:] + ["example.org. TXT x"], ["example.org has no MX; publish: example.org. IN MX 10 mail.example.org."]),
    (GOOD[1:] + ["example.org. MX 5 mx.example.net."], ["the MX of example.org is mx.example.net, and not mail.example.org"]),
    (GOOD[1:] + ["example.org. MX 0 ."], ['the MX of example.org is ".", and not']),
    (GOOD[:1], ["mail.example.org has no address"]),
    (GOOD[:2], ["the PTR of 10.77.0.2 is not mail.example.org"]),
    (GOOD[:2] + ["2.0.77.10.in-addr.arpa. PTR host7.provider.example."], ["the PTR of 10.77.0.2 is not"]),
], ids=["good", "no-mx", "other-mx", "null-mx", "no-address", "no-ptr", "other-ptr"])
def test_o2_check_dns(serve, net, dns, records, words):
    dns(records)
    thurn = serve(inside=net, start=False)
    found = dns_words(thurn)
    assert len(found) == len(words)
    for wanted, got in zip(words, found):
        assert wanted in got
    assert dns_words(thurn, "--offline") == []


def test_o2_check_dns_of_a_domain_that_is_not_there(serve, net, dns):
    dns(GOOD)
    thurn = serve({"domain": {"nowhere.example": {"deliver": "discard:"}}}, inside=net, start=False)
    assert ["there is no domain nowhere.example" in words for words in dns_words(thurn)] == [True]


def test_o2_check_dns_that_does_not_answer(serve, net):
    """Nothing is wrong with the configuration then."""
    thurn = serve(inside=net, start=False)
    found, summary = findings(thurn)
    assert [one["severity"] for one in found if one["message"] == "DNS not checked: no name server answers"] == ["note"]
    assert summary["usable"] and not [one for one in found if one["severity"] == "warning"]


def test_o2_check_dns_is_of_no_interest_behind_loopback(serve):
    assert "no mx listener can be reached" in check(serve(start=False)).stderr


def test_o2_check_dns_is_not_mentioned_where_no_mail_comes_in(serve):
    """A machine that only sends, or takes mail of its own programs alone: there is nothing to be said."""
    client = {"hostname": "web1.example.org", "postmaster": "it@example.net", "route": {"*": {"via": "smtp://127.0.0.1:2525"}}}
    assert check(serve(start=False, base=client)).stderr == ""
