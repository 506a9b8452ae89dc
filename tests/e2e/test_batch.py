# SPDX-License-Identifier: ISC
"""thurn batch: files of SMTP commands become queued mail, each mail exactly once. B1 to B5."""

import base64
import json
import os
import re
import shutil
import subprocess
import time

import pytest

from harness import account, mailbox, wait
from harness.dialogue import Dialogue

ROOT_ONLY = pytest.mark.skipif(not account.is_root(), reason="needs other users' files")
STRACE = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def mail(subject, to="bob@example.org", body="hello"):
    return f"MAIL FROM:<alice@example.org>\nRCPT TO:<{to}>\nDATA\nSubject: {subject}\n\n{body}\n.\n"


def job(*subjects):
    return "HELO batch.example.org\n" + "".join(mail(s) for s in subjects) + "QUIT\n"


def allowed(more=None):
    return {"batch": {"allow": [account.service().pw_name, "root"], **(more or {})}}


def subjects(server, user="bob", domain="example.org"):
    found = [str(mailbox.parsed(raw)["Subject"]) for raw in mailbox.maildir(server.maildir(user, domain))]
    return sorted(found)


def states(server):
    folder = os.path.join(server.state, "batch")
    return sorted(n for n in os.listdir(folder) if n.endswith(".job")) if os.path.isdir(folder) else []


# --- B1 ---

@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_b1_a_file_of_mails(serve, end):
    server = serve(allowed())
    text = ("HELO batch.example.org\nVERB ON\nTICK part-one\n" + mail("one", body="..dot\n..") +
            "VERB OFF\n" + mail("two") + "NOOP\nQUIT\n")
    path = server.file("job", text.replace("\n", end))
    done = server.command("batch", path)
    assert "Mails      2 queued, 0 not queued" in done.stdout
    ids = re.findall(r"line \d+: (\w+) from <alice@example.org> to <bob@example.org>", done.stdout)
    assert len(ids) == 2
    got = server.landed("bob", 2)
    assert mailbox.body(mailbox.unix(next(m for m in got if b"Subject: one" in m))) == b".dot\n.\n"
    replies = open(path + ".replies").read()
    assert replies.startswith("220 mail.example.org ESMTP Thurn\n250 mail.example.org Hello batch.example.org\nVERB ON\n")
    assert "\nTICK part-one\n250 2.0.0 Ok\nMAIL FROM:<alice@example.org>\n250 2.1.0" in replies
    assert f"\n250 2.0.0 Ok: queued as {ids[1]}\n250 2.0.0 Ok\n221 2.0.0 mail.example.org closing connection\n" in replies
    assert replies.count("MAIL FROM") == 1
    assert states(server) == []


def test_b1_standard_input_and_json(serve):
    server = serve(allowed())
    done = server.command("batch", "-", stdin=job("one"))
    assert done.stdout.startswith("220 mail.example.org") and "250 2.0.0 Ok: queued as" in done.stdout
    done = server.command("batch", "--json", "-", stdin=job("two"))
    report = json.loads(done.stdout)
    assert report["state"] == "done" and report["mails_queued"] == 1 and report["errors"] == 0
    assert report["queued"][0]["to"] == ["bob@example.org"] and report["queued"][0]["line"] == 2
    server.landed("bob", 2)
    assert os.listdir(os.path.join(server.state, "batch")) == []


def test_b1_a_large_file_is_streamed(serve):
    server = serve(allowed())
    path = server.file("job", job(*[f"n{i}" for i in range(300)]) + "HELO x\n" + mail("big", body="x" * 70 + "\n" * 2 + ("y" * 900 + "\n") * 3000))
    assert "301 queued" in server.command("batch", path).stdout
    server.landed("bob", 301)
    assert len(set(subjects(server))) == 301


def test_b1_a_server_that_closes_between_mails(serve):
    server = serve({**allowed(), "limits": {"messages_per_session": 2}})
    path = server.file("job", job(*[f"n{i}" for i in range(7)]))
    assert "7 queued" in server.command("batch", path).stdout
    expect_each_once(server, [f"n{i}" for i in range(7)])


def test_b1_any_bytes_in_a_mail(serve):
    server = serve(allowed())
    path = server.file("job", "")
    with open(path, "wb") as file:
        file.write(job("one").encode().replace(b"hello", b"\x00\xff\x80 nul\r\n" + b"z" * 900 + b"\nMAIL FROM:<>"))
    server.command("batch", path)
    [raw] = server.landed("bob", 1)
    assert mailbox.body(mailbox.unix(raw)) == b"\x00\xff\x80 nul\n" + b"z" * 900 + b"\nMAIL FROM:<>\n"


def test_b1_a_reply_file_that_is_somebodys_else(serve):
    server = serve(allowed())
    path = server.file("job", job("one"))
    target = server.file("precious", "precious")
    for make in (os.symlink, os.link):
        make(target, path + ".replies")
        server.command("batch", path, expect=73)
        os.unlink(path + ".replies")
    assert open(target).read() == "precious" and server.queue() == [] and states(server) == []


def test_b1_exit_codes(serve):
    server = serve(allowed())
    refused = server.file("refused", "HELO x\n" + mail("no", to="nobody@example.org") + mail("yes"))
    done = server.command("batch", refused, expect=69)
    assert "line 3: RCPT TO:<nobody@example.org>\n      550 5.1.1 User unknown" in done.stdout
    wrong = server.file("wrong", "HELO x\nFROB\n" + mail("yes too"))
    done = server.command("batch", wrong, expect=65)
    assert "line 2: FROB\n      500 5.5.2 Command not recognized" in done.stdout
    server.command("batch", os.path.join(server.folder, "missing"), expect=66)
    server.command("batch", "--resume", "NOSUCHJOB", expect=65)
    assert sorted(subjects(server)) or server.landed("bob", 2)


def test_b1_who_is_not_allowed(serve):
    server = serve({"batch": {"allow": ["nobody", "@nogroup"]}})
    done = server.command("batch", server.file("job", job("one")), expect=77)
    assert f"{account.service().pw_name} is not in [batch] allow" in done.stderr
    assert server.queue() == []


# --- B3 ---

def strace(server, call, when, *args):
    """`thurn batch ARGS`, killed when it makes this system call for the when-th time."""
    argv = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when={when}",
            server.binary, "batch", *args, "-c", server.path]
    return subprocess.run(account.as_service(argv), capture_output=True, text=True, timeout=60, cwd=server.folder)


def run_on(server, path):
    """The same command again until it has ended."""
    for _ in range(20):
        done = server.command("batch", path, expect=None)
        if done.returncode != 75:
            return done
        time.sleep(0.2)
    raise AssertionError(done.stderr)


def ids(server, subject, user="bob"):
    """Queue ids of the copies of this mail. A server that is killed may deliver one id twice, as it says itself; a second id would be a job's doing."""
    found = []
    for raw in mailbox.maildir(server.maildir(user)):
        if f"Subject: {subject}\n".encode() in mailbox.unix(raw):
            found.append(re.search(rb"with ESMTP id (\w+)", raw).group(1).decode())
    return found


def expect_each_once(server, names, killed=False):
    def complete():
        got = subjects(server)
        return all(n in got for n in names) and not server.queue()

    wait.until(complete, lambda: f"{names} in {subjects(server)}, queue {server.queue()}\n{server.log()}")
    for name in names:
        found = ids(server, name)
        assert len(set(found) if killed else found) == 1, f"{name}: {found}\n{server.log()}"


@STRACE
@pytest.mark.parametrize("call, least", [("fdatasync", 9), ("sendmsg", 15), ("recvfrom", 15), ("unlink,unlinkat", 1)],
                         ids=["sync", "send", "receive", "remove"])
def test_b3_killed_anywhere_and_started_again(serve, call, least):
    """After mail k, for every k, and inside of each: what is synced, sent to the server, or read from it."""
    server = serve(allowed())
    killed = 0
    for when in range(1, 60):
        names = [f"{when}.{k}" for k in range(1, 4)]
        path = server.file(f"job{when}", job(*names))
        done = strace(server, call, when, path)
        killed += done.returncode in (-9, 137)
        if done.returncode in (-9, 137):
            done = run_on(server, path)
        assert done.returncode == 0, done.stderr
        expect_each_once(server, names)
        replies = open(path + ".replies").read()
        assert replies.count("250 2.0.0 Ok: queued as") == 3 and replies.endswith("closing connection\n")
        assert states(server) == []
        if killed < when:
            break
    assert killed >= least, f"there were only {killed} calls to be killed at"


@STRACE
def test_b3_killed_with_the_server(serve):
    """Both die; the server comes back first."""
    server = serve(allowed())
    for when in (2, 5, 6, 9, 10, 11, 14):
        names = [f"{when}.{k}" for k in range(1, 4)]
        path = server.file(f"job{when}", job(*names))
        done = strace(server, "sendmsg", when, path)
        assert done.returncode in (-9, 137)
        server.kill()
        server.command("batch", path, expect=75)
        server.start()
        assert run_on(server, path).returncode == 0
        expect_each_once(server, names, killed=True)


def test_b3_the_server_is_killed_under_a_job(serve):
    server = serve(allowed())
    names = [f"n{k}" for k in range(400)]
    path = server.file("job", job(*names))
    for pause in (0.05, 0.15, 0.3):
        argv = account.as_service([server.binary, "batch", path, "-c", server.path])
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=server.folder) as running:
            time.sleep(pause)
            server.kill()
            running.communicate(timeout=60)
            assert running.returncode in (75, 0)
        server.start()
        if running.returncode == 0:
            break
    else:
        assert run_on(server, path).returncode == 0
    expect_each_once(server, names, killed=True)


@STRACE
def test_b3_another_file_in_the_place_of_one_that_is_done(serve):
    """A job that could not be reported is no reason to take tomorrow's file of the same name for done."""
    server = serve(allowed())
    path = server.file("job", job("one"))
    done = strace(server, "unlink,unlinkat", 1, path)
    assert done.returncode in (-9, 137) and len(states(server)) == 1
    server.file("job", job("another"))
    told = server.command("batch", path, expect=75)
    ident = states(server)[0][:13]
    assert f"--resume {ident}" in told.stderr
    server.command("batch", "--resume", ident, expect=0)
    server.command("batch", path, expect=0)
    expect_each_once(server, ["one", "another"])
    assert states(server) == []


def test_b3_two_at_once_are_one_job(serve):
    server = serve(allowed())
    met = 0
    for turn in range(20):
        names = [f"{turn}.{k}" for k in range(60)]
        path = server.file(f"job{turn}", job(*names))
        argv = account.as_service([server.binary, "batch", path, "-c", server.path])
        both = [subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=server.folder)
                for _ in range(2)]
        told = [one.communicate(timeout=60)[1] for one in both]
        expect_each_once(server, names)
        if [one.returncode for one in both] == [0, 0]:
            continue  # one began when the other had ended
        assert sorted(one.returncode for one in both) == [0, 75], told
        assert "the job of this file is running" in "".join(told)
        met += 1
        if met == 5:
            break
    assert met > 0


def test_b3_without_a_server_the_job_stays(serve):
    server = serve(allowed())
    server.stop()
    path = server.file("job", job("one"))
    done = server.command("batch", path, expect=75)
    ident = re.search(r"--resume (\w+)", done.stderr).group(1)
    done = server.command("batch", "-", stdin=job("two"), expect=75)
    other = re.search(r"--resume (\w+)", done.stderr).group(1)
    assert len(states(server)) == 2
    server.start()
    server.command("batch", "--resume", ident)
    server.command("batch", "--resume", other)
    expect_each_once(server, ["one", "two"])
    assert states(server) == []


# --- B4 ---

def test_b4_the_rest_is_held_and_goes_on_when_it_is_put_right(serve):
    server = serve(allowed())
    bad = "HELO x\n" + mail("one") + "A\nB\nC\nD\n" + mail("two") + "E\n" + mail("three")
    path = server.file("job", bad)
    done = server.command("batch", path, expect=65)
    assert "State      held: too many lines are not understood" in done.stdout
    ident = re.search(r"--resume (\w+)", done.stderr).group(1)
    expect_each_once(server, ["one", "two"])
    again = server.command("batch", path, expect=65)  # does not begin anew
    assert ident in again.stderr and "held" in again.stderr
    server.file("job", bad.replace("E\n", "NOOP\n"))
    done = server.command("batch", "--resume", ident, expect=65)  # the errors before stay in its report
    assert "State      done" in done.stdout and "Errors     4" in done.stdout
    expect_each_once(server, ["one", "two", "three"])


@pytest.mark.parametrize("what", ["delete", "dead-letter"])
def test_b4_other_ends_of_a_bad_job(serve, what):
    server = serve(allowed({"bad_job": what, "error_limit": 1}))
    path = server.file("job", "HELO x\n" + mail("one") + "FROB\n" + mail("two"))
    done = server.command("batch", path, expect=65)
    assert "State      " + ("deleted" if what == "delete" else "dead letter") in done.stdout
    expect_each_once(server, ["one"])
    assert states(server) == [] and os.path.exists(path)
    dead = os.path.join(server.state, "batch", "dead")
    if what == "delete":
        assert not os.path.exists(dead)
    else:
        [name] = os.listdir(dead)
        assert name.endswith("-job") and open(os.path.join(dead, name)).read() == open(path).read()


# --- B5 ---

def test_b5_one_report_to_each_administrator(serve):
    server = serve(allowed({"administrators": ["alice@example.org", "bob@example.org"]}))
    path = server.file("job", "HELO x\n" + mail("one") + mail("no", to="nobody@example.org") + "FROB\n" + "x" * 1000 + "\n")
    printed = server.command("batch", path, expect=65).stdout
    assert max(map(len, printed.splitlines())) < 400
    for user, count in (("alice", 1), ("bob", 2)):
        server.landed(user, count)
        [report] = [m for m in mailbox.maildir(server.maildir(user)) if b"Auto-Submitted: auto-generated" in m]
        parsed = mailbox.parsed(report)
        assert re.fullmatch(r"Batch job \w{13} done: 1 queued, 1 not, 2 errors", parsed["Subject"])
        text, data = parsed.iter_parts()
        assert "line 10: RCPT TO:<nobody@example.org>" in text.get_content()
        assert data.get_content_type() == "application/json"
        content = json.loads(base64.b64decode(data.get_payload()))
        assert content["mails_queued"] == 1 and [e["command"][:9] for e in content["not_understood"]] == ["FROB", "x" * 9]
        assert [q["from"] for q in content["queued"]] == ["alice@example.org"]


# --- B2 ---

def watch_once(server, expect=None, **more):
    return server.command("batch", "--watch", "--once", expect=expect, **more)


def folder(server, mode=0o1733):
    path = os.path.join(server.folder, "jobs")
    os.mkdir(path)
    os.chmod(path, mode)
    account.give(path)
    return path


def drop(path, name, text, mode=0o644, uid=None, age=10):
    full = os.path.join(path, name)
    with open(full, "w") as file:
        file.write(text)
    os.chmod(full, mode)
    who = account.service()
    if account.is_root():
        os.chown(full, who.pw_uid if uid is None else uid, who.pw_gid if uid is None else uid)
    os.utime(full, (time.time() - age,) * 2)
    return full


def below(path, kind, suffix=""):
    place = os.path.join(path, kind)
    return sorted(n for n in os.listdir(place) if n.endswith(suffix))


def test_b2_a_watched_folder(serve):
    server = serve(allowed({"folder": "{dir}/jobs"}))
    jobs = folder(server)
    drop(jobs, "first.smtp", job("one", "two"))
    drop(jobs, ".second.smtp", job("hidden"))
    watch_once(server, expect=0)
    expect_each_once(server, ["one", "two"])
    assert "hidden" not in subjects(server) and os.path.exists(os.path.join(jobs, ".second.smtp"))
    done = below(jobs, "done")
    assert [re.sub(r"^\w{13}-", "", n) for n in done] == [
        "first.smtp", "first.smtp.json", "first.smtp.replies", "first.smtp.report"]
    assert below(jobs, "work") == [] and states(server) == []
    report = json.load(open(os.path.join(jobs, "done", done[1])))
    assert report["submitter"] == account.service().pw_name and report["mails_queued"] == 2


def test_b2_a_file_that_is_being_written_waits(serve):
    server = serve(allowed({"folder": "{dir}/jobs"}))
    jobs = folder(server)
    drop(jobs, "job", job("one"), age=0)
    argv = account.as_service([server.binary, "batch", "--watch", "-c", server.path])
    with subprocess.Popen(argv, stderr=subprocess.PIPE, cwd=server.folder) as running:
        try:
            wait.until(lambda: below(jobs, "done", "job") if os.path.isdir(os.path.join(jobs, "done")) else [], "the job's end")
            second = watch_once(server, expect=75)
            assert "is watched already" in second.stderr
            drop(jobs, "later", job("two"))
            wait.until(lambda: len(below(jobs, "done", ".replies")) == 2, "the second job's end")
        finally:
            running.terminate()
            running.communicate(timeout=60)
    expect_each_once(server, ["one", "two"])


@ROOT_ONLY
def test_b2_whose_file_it_is(serve, work):
    """Root watches; the owner of a file is who submits, and what others could have written counts as nobody's."""
    stranger = account.ensure("thurnstranger")
    server = serve({"batch": {"allow": [account.SERVICE], "folder": "{dir}/jobs"}}, root=True)
    jobs = folder(server)
    service = account.service()
    drop(jobs, "good", job("good"))
    drop(jobs, "private", job("private"), mode=0o600)
    drop(jobs, "own-group", job("own-group"), mode=0o664)
    drop(jobs, "stranger", job("stranger"), uid=stranger.pw_uid)
    drop(jobs, "root", job("root"), uid=0)
    drop(jobs, "world", job("world"), mode=0o646)
    os.chown(drop(jobs, "group", job("group"), mode=0o664), service.pw_uid, stranger.pw_gid)
    outside = drop(server.folder, "outside", job("link"))
    os.symlink(outside, os.path.join(jobs, "link"))
    os.link(drop(server.folder, "second", job("second")), os.path.join(jobs, "second"))
    os.mkfifo(os.path.join(jobs, "pipe"))
    watch_once(server)
    expect_each_once(server, ["good", "own-group", "private"])
    assert subjects(server) == ["good", "own-group", "private"]
    why = {re.sub(r"^\w{13}-", "", n)[:-5]: json.load(open(os.path.join(jobs, "held", n)))["reason"]
           for n in below(jobs, "held", ".json")}
    assert why == {"stranger": "thurnstranger is not in [batch] allow", "root": "root is not in [batch] allow",
                   "world": "the file may be written by everybody", "group": "the file may be written by a group",
                   "second": "the file has a second name"}
    assert os.path.islink(os.path.join(jobs, "link")) and os.path.exists(os.path.join(jobs, "pipe"))
    replies = [n for n in below(jobs, "done", ".replies") if "private" in n]
    assert os.stat(os.path.join(jobs, "done", replies[0])).st_uid == service.pw_uid


def test_b2_whose_call_it_is(serve):
    """Who runs a job himself is known to the kernel at both sockets, and is matched to the same list as the owner of a file."""
    name = account.service().pw_name
    server = serve({"batch": {"allow": ["nobody"], "folder": "{dir}/jobs"}})
    jobs = folder(server)
    refused = f"{name} is not in [batch] allow"
    assert refused in server.command("batch", server.file("job", job("called")), expect=77).stderr
    drop(jobs, "dropped", job("dropped"))
    watch_once(server)
    [report] = below(jobs, "held", ".json")
    assert json.load(open(os.path.join(jobs, "held", report)))["reason"] == refused
    assert subjects(server) == [] and server.queue() == []


@ROOT_ONLY
def test_b2_threat_an_ordinary_user_reaches_no_mail_of_jobs(serve, binary):
    """Even one who may submit: no tag over the local socket, no word at the control socket, no checkpoints."""
    user = account.ensure("thurnuser")
    server = serve({"batch": {"allow": ["thurnuser"], "folder": "{dir}/jobs"}}, root=True)
    folder(server)
    as_user = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--inh-caps=-all", "--"]
    told = {}
    for words in (("batch", "--resume", "0" * 13), ("batch", "--watch", "--once"), ("queue", "remove", "0" * 13)):
        done = subprocess.run([*as_user, binary, *words, "-c", server.path], capture_output=True, text=True, timeout=60, cwd="/")
        told[words] = done.returncode
    assert set(told.values()) == {77}, told
    speak = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile('rw', newline='')\n"
             "for line in ('EHLO c', 'MAIL FROM:<a@example.org> XTAG=JOB/1'):\n"
             "    while f.readline()[3:4] == '-': pass\n"
             "    f.write(line + '\\r\\n'); f.flush()\n"
             "while (got := f.readline())[3:4] == '-': pass\n"
             "print(got)")
    done = subprocess.run([*as_user, "/usr/bin/python3", "-c", speak, server.state + "/run/smtp.sock"], capture_output=True,
                          text=True, timeout=60, cwd="/")
    print(done.stdout, done.stderr)
    assert done.stdout.startswith("5"), (done.stdout, done.stderr)


@ROOT_ONLY
def test_b2_an_ordinary_user_uses_the_drop_box(serve, binary):
    user = account.ensure("thurnuser")
    server = serve({"batch": {"allow": ["thurnuser"], "folder": "{dir}/jobs"}}, root=True)
    jobs = folder(server)
    path = os.path.join(server.folder, "mine.smtp")
    with open(path, "w") as file:
        file.write(job("mine"))
    argv = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--inh-caps=-all", "--",
            binary, "batch", path, "-c", server.path]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    ident = done.stdout.strip()
    assert os.listdir(jobs) == [f"{ident}-mine.smtp"]
    time.sleep(2.1)
    watch_once(server, expect=0)
    expect_each_once(server, ["mine"])
    report = json.load(open(os.path.join(jobs, "done", f"{ident}-mine.smtp.json")))
    assert report["job"] == ident and report["submitter"] == "thurnuser"


def id_of_user(uid, drawn="0A1B2C"):
    signs = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return drawn + "".join(signs[uid >> 5 * k & 31] for k in reversed(range(7)))


@ROOT_ONLY
def test_b2_threat_a_strangers_file_is_no_job_of_mine(serve):
    """Who sees the name of my file in the drop box cannot get at my mails' tags, nor at my answers, by naming another like it."""
    stranger = account.ensure("thurnstranger")
    server = serve({"batch": {"allow": [account.SERVICE, "thurnstranger"], "folder": "{dir}/jobs"}}, root=True)
    jobs = folder(server)
    name = id_of_user(account.service().pw_uid) + "-pay"
    drop(jobs, name, job("mine"))
    watch_once(server, expect=0)
    mine = {n: open(os.path.join(jobs, "done", n)).read() for n in below(jobs, "done")}
    assert sorted(mine) == [name + suffix for suffix in ("", ".json", ".replies", ".report")]
    drop(jobs, name, job("other"), uid=stranger.pw_uid)
    watch_once(server, expect=0)
    drop(jobs, name, job("again"))
    watch_once(server, expect=0)
    expect_each_once(server, ["mine", "other", "again"])
    assert {n: open(os.path.join(jobs, "done", n)).read() for n in mine} == mine
    done = {n[:13] for n in below(jobs, "done")}
    assert len(done) == 3 and name[:13] in done


@STRACE
def test_b2_threat_a_drop_box_full_of_rubbish(serve):
    """What is no job stays where it is; it costs a look, not a look at all the others."""
    server = serve(allowed({"folder": "{dir}/jobs"}))
    jobs = folder(server)
    for n in range(600):
        os.mkdir(os.path.join(jobs, f"rubbish{n}"))
    drop(jobs, "z", job("one"))
    log = server.file("strace", "", mode=0o666)
    argv = ["strace", "-f", "-o", log, "-e", "trace=getdents64", server.binary, "batch", "--watch", "--once", "-c", server.path]
    subprocess.run(account.as_service(argv), check=True, timeout=60, cwd=server.folder)
    expect_each_once(server, ["one"])
    assert 0 < open(log).read().count("getdents64") < 100


def test_b2_a_folder_that_anybody_could_change_is_refused(serve):
    server = serve(allowed({"folder": "{dir}/jobs"}))
    jobs = folder(server, 0o777)
    drop(jobs, "job", job("one"))
    assert "sticky" in watch_once(server, expect=78).stderr
    assert server.queue() == []


def test_b4_a_held_job_of_the_folder_is_put_right(serve):
    server = serve(allowed({"folder": "{dir}/jobs", "error_limit": 1}))
    jobs = folder(server)
    drop(jobs, "job", "HELO x\n" + mail("one") + "FROB\n" + mail("two"))
    watch_once(server, expect=65)
    [name] = below(jobs, "held", "-job")
    drop(os.path.join(jobs, "held"), name, job("one", "two").replace("batch.example.org", "x"))
    server.command("batch", "--resume", name[:13], expect=0)
    expect_each_once(server, ["one", "two"])
    assert below(jobs, "held") == [] and len(below(jobs, "done")) == 4 and states(server) == []


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def leave_late(server, ident, line):
    """As a job does that was interrupted in this mail and has ended: the run of the server is that of its control socket."""
    place = os.path.join(server.state, "batch", ident + ".late")
    run = os.stat(os.path.join(server.state, "run", "control.sock")).st_mtime_ns
    group = f"job 1 0 1 ={ident} =x =/x =\nserver {run}\ndoubt {line} 0 0\n".encode()
    with open(place, "wb") as file:
        file.write(group + f"commit {crc32c(group):08x}\n".encode())
    account.give(place)
    return place


@pytest.mark.parametrize("watch", [False, True], ids=["direct", "watch"])
def test_b3_a_copy_that_comes_after_the_end_is_removed(serve, watch):
    """The queue hears of it when the job is over: it is removed by whoever runs jobs next, and the file stays until the server is another one."""
    server = serve(allowed({"folder": "{dir}/jobs"}))
    folder(server)
    server.command("batch", server.file("first", job("first")))
    ident, other = "0" * 12 + "1", "0" * 12 + "2"
    place = leave_late(server, ident, 2)

    def run(name):
        if watch:
            watch_once(server, expect=0)
        else:
            server.command("batch", server.file(name, job(name)))

    run("second")
    with Dialogue(None, None, unix=server.state + "/run/smtp.sock") as talk:
        talk.ehlo()
        late = talk.mail("alice@example.org", "bob@example.org", args=f" XTAG={ident}/2")
        stays = [talk.mail("alice@example.org", "bob@example.org", args=f" XTAG={tag}")
                 for tag in (f"{ident}/3", f"{other}/2")]
    wait.until(lambda: {late, *stays} <= {m["id"] for m in server.queue()}, server.log)
    run("third")
    wait.until(lambda: {m["id"] for m in server.queue()} == set(stays), server.log)
    assert os.path.exists(place)
    server.stop()
    server.start()
    run("fourth")
    assert not os.path.exists(place)
    wait.until(lambda: {m["id"] for m in server.queue()} == set(stays), server.log)
    names = ["first"] if watch else ["first", "fourth", "second", "third"]
    wait.until(lambda: subjects(server) == names, lambda: f"{subjects(server)}\n{server.log()}")


@STRACE
@pytest.mark.parametrize("call, least", [("rename,renameat,renameat2,unlink,unlinkat", 6), ("fsync", 8), ("fdatasync", 6)],
                         ids=["rename", "fsync", "fdatasync"])
def test_b3_the_watcher_killed_anywhere(serve, call, least):
    server = serve(allowed({"folder": "{dir}/jobs"}))
    jobs = folder(server)
    killed = 0
    for when in range(1, 60):
        names = [f"{when}.{k}" for k in range(1, 3)]
        drop(jobs, f"job{when}", job(*names))
        done = strace(server, call, when, "--watch", "--once")
        killed += done.returncode in (-9, 137)
        watch_once(server, expect=0)
        expect_each_once(server, names)
        assert below(jobs, "work") == [] and states(server) == []
        assert len(below(jobs, "done", f"job{when}.replies")) == 1
        if killed < when:
            break
    assert killed >= least, f"there were only {killed} calls to be killed at"
