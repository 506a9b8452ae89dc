# SPDX-License-Identifier: ISC
"""sendmail, mailq and newaliases (O6): what they promise, and the programs that call them, each as it is."""

import os
import re
import resource
import shutil
import subprocess

import pytest

from harness import account, interop, letter, machine, mailbox, wait

BOB = "bob@example.org"
CAROL = "carol@example.org"
TEXT = letter.BODY.replace(b"\r\n", b"\n")
ODD = "one\n.\n..two\nGrüße\n"
DOTLESS = ODD.replace("\n.\n", "\n")


@pytest.fixture(scope="session")
def etc(top):
    return machine.etc(top)


@pytest.fixture
def desk(root, etc, serve, work, build, closing):
    """A machine with a server that does local mail only, run as an ordinary user."""
    thurn = serve({"origin": "example.org", "user": account.SERVICE, "domain": {"example.org": {
        "users": ["alice", "bob", "carol", "root"], "aliases": "{dir}/aliases"}}}, start=False)
    thurn.file("aliases", "sales: bob\n")
    thurn.start()
    return closing(machine.Machine(work, etc, thurn, build))


def landed(desk, user="bob", subject=None):
    """The first mail of the user, or the one with this subject; its Maildir is in no order."""
    def found():
        raws = [mailbox.unix(raw) for raw in mailbox.maildir(desk.thurn.maildir(user))]
        return [raw for raw in raws if subject is None or mailbox.parsed(raw)["Subject"] == subject]

    return wait.until(found, lambda: f"a mail {subject} for {user}\n{desk.thurn.log()}")[0]


def parsed(desk, user="bob", subject=None):
    return mailbox.parsed(landed(desk, user, subject))


def sendmail(desk, *args, text="Subject: x\n\nhello\n", **more):
    return desk.run("/usr/sbin/sendmail", *args, text=text, **more)


# --- what it promises ---


def test_o6_sendmail_exit_status(desk):
    assert sendmail(desk, BOB).stderr == ""
    for args, text, status, word in [
            (["nobody@example.org"], "x\n", 67, "550 5.1.1"),
            (["-t"], "Subject: no recipients\n\n", 65, "no recipients"),
            (["-t"], "To: two words\n\n", 65, "two words"),
            ([], "x\n", 64, "nobody to send to"), (["-Z", BOB], "x\n", 64, "-Z"),
            (["-f", "a b", BOB], "x\n", 65, "a b"),
            (["-bd"], "", 64, "serve"), (["-bv"], "", 64, "whom")]:
        done = sendmail(desk, *args, text=text, expect=status)
        assert word in done.stderr and done.stdout == "", done.stderr
    # one of two is unknown: the other one gets it, and the caller is told
    done = sendmail(desk, BOB, "nobody@example.org", text="Subject: partly\n\n", expect=67)
    assert "nobody@example.org" in done.stderr and BOB not in done.stderr
    landed(desk, subject="partly")
    desk.thurn.stop()
    done = sendmail(desk, BOB, expect=75)
    assert "not been sent" in done.stderr
    assert desk.run("/usr/sbin/sendmail", "-bs", expect=75).stdout.startswith("421 4.3.2 ")


def test_o6_sendmail_size(desk):
    """A message that is larger than the memory we may have goes through; one that is larger than the server takes is refused."""
    head, line = "Subject: big\n\n", "x" * 99 + "\n"
    limit = lambda: resource.setrlimit(resource.RLIMIT_DATA, (24 << 20, 24 << 20))  # noqa: E731
    sendmail(desk, BOB, text=head + line * 300000, preexec_fn=limit)
    assert mailbox.body(landed(desk)) == (line * 300000).encode()
    done = sendmail(desk, BOB, text=head + line * 600000, expect=69)
    assert "552 5.3.4" in done.stderr
    done = sendmail(desk, "-t", text="To: " + ",\n ".join(f"u{i}@example.org" for i in range(90000)) + "\n\n", expect=65)
    assert "1 MiB" in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", ">&- 2>&-"])
def test_o6_sendmail_with_closed_descriptors(desk, closed):
    """What it says to nobody must not go to the server, nor into the message."""
    argv = [desk.thurn.binary, "sendmail", "-c", desk.thurn.path, BOB, "nobody@example.org"]
    for options, body in (["-v"], "small\n"), ([], "large\n" + ("x" * 99 + "\n") * 30000):
        done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", *argv, *options], input=f"Subject: {body[:5]}\n\n{body}", text=True, timeout=60)
        assert done.returncode == 67
        assert landed(desk, subject=body[:5]).partition(b"\n\n")[2].decode() == body
    assert subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *argv], capture_output=True, timeout=60).returncode == 74


def test_o6_sendmail_header(desk):
    text = ("From somebody Sat Nov 21 12:00:00 2026\nTo: Friends: bob, \"A, B\" <alice@example.org>;,\n\troot (not nobody)\nBcc: carol,\n  alice\n"
            "Subject: who gets it\n\none\n.\nnot this\n")
    sendmail(desk, "-t", BOB, text=text)
    for user in ("bob", "alice", "carol", "root"):
        raw = landed(desk, user)
        mail = mailbox.parsed(raw)
        assert mail["Bcc"] is None and b"somebody" not in raw
        assert mailbox.body(raw) == b"one\n"
        assert mail["From"] == f"Carol Example <{CAROL}>" and mail["Return-Path"] == f"<{CAROL}>"
        assert mail["Date"] and re.fullmatch(r"<\S+@mail.example.org>", mail["Message-ID"])
        assert len(desk.thurn.landed(user)) == 1
    # only those of the latest forwarding
    sendmail(desk, "-ti", "-f", "<>", "-F", "Ä \"x\"", text="Resent-To: bob\nTo: alice, carol\nSubject: again\n\n.\n..\n")
    raw = landed(desk, subject="again")
    assert mailbox.body(raw) == b".\n..\n" and mailbox.parsed(raw)["Return-Path"] == "<>"
    [sender] = mailbox.parsed(raw)["From"].addresses
    assert sender.display_name == "Ä \"x\"" and sender.addr_spec == CAROL
    assert len(desk.thurn.landed("alice")) == 1


def test_o6_sendmail_content(desk):
    """LF or CRLF, NUL, 8-bit, long lines, no header, no end of the last line: what can be kept is kept."""
    long = b"long " * 5000
    rows = [(b"no header at all, with Gr\xfc\xdfe", b"no header at all, with Gr\xfc\xdfe\n"), (b"\n\n.leading dot\n", b"\n.leading dot\n"),
            (b"X: y\r\n\r\nline\r\nline\r\n", b"line\nline\n"), (b"X: y\n\n" + long + b"\nNUL \0 NUL\n", long + b"\nNUL \0 NUL\n"),
            (b"X: a header alone\n", b""), (b"", b"")]
    for text, _ in rows:
        sendmail(desk, BOB, text=text)
    bodies = [mailbox.body(mailbox.unix(raw)) for raw in desk.thurn.landed("bob", len(rows))]
    assert sorted(bodies) == sorted(wanted for _, wanted in rows)


def test_o6_sendmail_reports(desk):
    """-N, -V and -R: the report that was asked for comes, with the id, and without the text."""
    sendmail(desk, "-N", "success", "-V", "letter-1", "-Rhdrs", "-f", CAROL, BOB, text="Subject: x\n\nsecret\n")
    raw = landed(desk, "carol")
    fields, [recipient] = mailbox.delivery_status(raw)
    assert fields["Original-Envelope-Id"] == "letter-1" and recipient["Action"] == "delivered"
    assert b"secret" not in raw
    done = sendmail(desk, "-v", BOB)
    assert "> MAIL FROM:<carol@example.org>" in done.stderr and re.search("< 250 .* queued as ", done.stderr) and done.stdout == ""


def test_o6_sendmail_verify(desk):
    done = sendmail(desk, "-bv", BOB, "sales", "nobody", "Bob <bob@example.org>", expect=67)
    assert done.stdout.splitlines() == ["bob@example.org... deliverable", "sales@example.org... deliverable",
                                        "nobody@example.org... 550 5.1.1 User unknown"]
    assert sendmail(desk, "-bv", "root").stdout == "root@example.org... deliverable\n"
    assert mailbox.maildir(desk.thurn.maildir("bob")) == []


def test_o6_sendmail_smtp(desk, row):
    """As Symfony Mailer's sendmail transport speaks: one process, its dialogue, a mail after the other."""
    argv = desk.argv(["/usr/sbin/sendmail", "-bs"])
    talk = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=desk.env())

    def say(line, code):
        if line is not None:
            talk.stdin.write(line.encode() + b"\r\n")
            talk.stdin.flush()
        while True:
            reply = talk.stdout.readline().decode()
            if reply[3:4] != "-":
                assert reply.startswith(code), reply
                return

    say(None, "220")
    say("EHLO [127.0.0.1]", "250")
    for number in range(2):
        say(f"MAIL FROM:<{CAROL}>", "250")
        say(f"RCPT TO:<{BOB}>", "250")
        say("DATA", "354")
        say(f"Subject: number {number}\r\n\r\n..\r\n" + "x\r\n" * 100000 + ".", "250")
    say("RSET", "250")
    say("QUIT", "221")
    assert talk.wait(60) == 0
    assert mailbox.body(landed(desk, subject="number 1")) == b".\n" + b"x\n" * 100000
    it = row("swaks", interop.IN)
    argv = ["swaks", "--pipe", "/usr/sbin/sendmail -bs", "--from", CAROL, "--to", BOB, "--header", "Subject: from swaks"]
    desk.run(*argv)
    it.ran(argv)
    it.shows("a session through a pipe (sendmail -bs)", landed(desk, subject="from swaks"))
    # all at once, and no QUIT
    commands = f"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<{BOB}>\r\nDATA\r\nSubject: blind\r\n\r\n.\r\n"
    assert "250 2.0.0 Ok: queued as" in desk.run("/usr/sbin/sendmail", "-bs", text=commands).stdout
    landed(desk, subject="blind")


def test_o6_sendmail_batch(desk):
    job = f"HELO x\nMAIL FROM:<{CAROL}>\nRCPT TO:<{BOB}>\nDATA\nSubject: of a job\n\nx\n.\nQUIT\n"
    done = desk.run("/usr/sbin/sendmail", "-bS", text=job, root=True)
    assert "250 2.0.0 Ok: queued as" in done.stdout
    landed(desk, subject="of a job")


def test_o6_mailq(root, etc, serve, make_sink, work, build, closing, row):
    sink = make_sink(mail="451 4.7.1 come back later")
    thurn = serve({"queue": {"retry": ["1h"], "give_up": "5d"}, "domain": {"example.net": {
        "deliver": f"smtp:127.0.0.1:{sink.port}", "users": "any"}}})
    desk = closing(machine.Machine(work, etc, thurn, build))
    mailq = lambda **more: desk.run("/usr/bin/mailq", root=True, **more)  # noqa: E731
    it = row("check_mailq", interop.OUT)
    check = ["perl", "-I" + desk.peer("monitoring-plugins", "usr/lib/nagios/plugins"),
             desk.peer("monitoring-plugins", "usr/lib/nagios/plugins/check_mailq"), "-M", "postfix", "-w", "2", "-c", "9"]
    it.ran(check)
    assert mailq().stdout == "Mail queue is empty\n"
    said = desk.run(*check, root=True).stdout
    it.shows("an empty mailq is OK", said.startswith("OK: "), said)
    done = desk.run("/usr/bin/mailq", expect=77)
    assert "only root and the server's own user" in done.stderr and done.stdout == ""
    for user in ("a", "b"):
        sendmail(desk, "-f", CAROL, f"{user}@example.net", "c@example.net")
    wait.until(lambda: mailq().stdout.count("come back later") == 2, lambda: mailq().stdout)
    lines = mailq().stdout.splitlines()
    assert lines[0] == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------"
    assert re.fullmatch(rf"[0-9A-Z]+ +\d+ (Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d  {CAROL}", lines[1])
    assert re.fullmatch(r" *\(.*451 4.7.1 come back later.*\)", lines[2])
    assert lines[3:6] == [" " * 41 + "a@example.net", " " * 41 + "c@example.net", ""]
    assert re.fullmatch(r"-- \d+ Kbytes in 2 Requests\.", lines[-1])
    said = desk.run(*check, root=True, expect=1).stdout
    it.shows("two mails in mailq are a warning", "WARNING: postfix mailq is 2" in said, said)
    thurn.command("queue", "hold", lines[1].split()[0])
    assert f"{lines[1].split()[0]}! " in mailq().stdout
    sink.answers.clear()
    sendmail(desk, "-q", root=True)
    wait.until(lambda: "b@example.net" in sink.recipients(), thurn.log)
    assert "a@example.net" not in sink.recipients()
    sendmail(desk, "-q", expect=77)


def test_o6_newaliases(desk):
    aliases = desk.thurn.file("aliases", "sales: bob,\n  alice\ninfo: :include:" + desk.thurn.file("included", "bob\n") + "\n")
    longest = len(":include:") + len(os.path.join(desk.thurn.folder, "included"))
    sendmail(desk, "-bv", "info", expect=67)
    done = desk.run("/usr/bin/newaliases", root=True)
    total = len("sales") + len("bob, alice") + len("info") + longest
    assert f"{aliases}: 2 aliases, longest {longest} bytes, {total} bytes total\n" in done.stdout
    sendmail(desk, "-bv", "info")
    desk.thurn.file("aliases", "sales: bob\n\ninfo bob\n")
    done = desk.run("/usr/bin/newaliases", root=True, expect=78)
    assert f"{aliases}:3" in done.stderr and done.stdout == ""
    sendmail(desk, "-bv", "info")  # what was, is
    desk.thurn.file("aliases", "sales: bob\n")
    desk.thurn.stop()
    done = sendmail(desk, "-bi", root=True)
    assert "1 alias, longest 3 bytes, 8 bytes total" in done.stdout and "no server" in done.stderr


# --- the programs that call it ---


def written(desk, name, octets):
    path = os.path.join(desk.home, name)
    with open(path, "wb") as file:
        file.write(octets if isinstance(octets, bytes) else octets.encode())
    return path


def test_o6_caller_cron(desk, row):
    it = row("cron", interop.IN)
    tab = os.path.join(desk.spooled("cron/crontabs", 0o1730), "carol")
    with open(tab, "w") as file:
        file.write(f"@reboot cat {written(desk, 'odd', ODD)}\n")
    os.chown(tab, machine.UID, machine.UID)
    os.chmod(tab, 0o600)
    argv = [desk.peer("cron", "usr/sbin/cron"), "-f"]
    desk.start(*argv)
    it.ran(argv)
    it.ran("crontab of carol: @reboot cat FILE")
    mail = parsed(desk, "carol")
    it.shows("a job's output, dots and 8-bit as they were", mail.get_content() == ODD, mail.get_content())
    it.shows("the user as sender", mail["Return-Path"] == f"<{CAROL}>" and b"(Cron Daemon)" in landed(desk, "carol"), mail)


def test_o6_caller_anacron(desk, row):
    it = row("anacron", interop.IN)
    tab = written(desk, "anacrontab", f"MAILTO=carol\nSHELL=/bin/sh\n1 0 job cat {written(desk, 'odd', DOTLESS)}\n")  # it has no -i
    argv = [desk.peer("anacron", "usr/sbin/anacron"), "-d", "-f", "-n", "-t", tab, "-S", desk.spooled("anacron", 0o755)]
    desk.run(*argv, root=True)
    it.ran(argv)
    mail = parsed(desk, "carol")
    it.shows("a job's output, 8-bit as it was", mail.get_content() == DOTLESS, mail.get_content())
    it.shows("its From", "Anacron" in mail["From"] and mail["Return-Path"] == "<root@example.org>", mail)


def test_o6_caller_at(desk, row):
    it = row("at", interop.IN)
    for name in ("atjobs", "atspool"):
        sequence = os.path.join(desk.spooled(f"cron/{name}", 0o1770, 1, 1), ".SEQ")
        open(sequence, "w").close()
        os.chown(sequence, 1, 1)
    argv = [desk.peer("at", "usr/bin/at"), "now"]
    desk.run(*argv, root=True, text=f"cat {written(desk, 'odd', ODD)}\n", expect=None)  # it would wake the daemon, which begins after it
    daemon = [desk.peer("at", "usr/sbin/atd"), "-f"]
    desk.start(*daemon)
    it.ran(argv)
    it.ran(daemon)
    mail = parsed(desk, "root")
    it.shows("a job's output, dots and 8-bit as they were", mailbox.body(landed(desk, "root")) == ODD.encode(), mail)
    it.shows("its Subject", mail["Subject"].startswith("Output from your job"), mail)


def test_o6_caller_php(desk, row):
    it = row("PHP mail()", interop.IN)
    php = shutil.copy(desk.peer("php", "usr/bin/php8.2"), desk.home)
    code = ('mail("bob@example.org", "=?utf-8?B?w4Q=?=", "one\\n.\\n..two\\r\\nGrüße\\n", '
            '["From" => "Shop <shop@example.org>", "Bcc" => "alice@example.org"], "-fbounces@example.org") or exit(1);')
    argv = [php, "-n", "-r", code]
    desk.run(*argv)
    it.ran(["php", *argv[1:]])
    mail = parsed(desk)
    it.shows("text with dots and 8-bit", mailbox.body(landed(desk)) == ODD.encode() + b"\n", mail)  # PHP ends the last line
    it.shows("its From, and -f as sender", mail["From"] == "Shop <shop@example.org>" and mail["Return-Path"] == "<bounces@example.org>", mail)
    it.shows("Bcc gets it and is not seen", parsed(desk, "alice")["Bcc"] is None and mail["Bcc"] is None, mail)


def test_o6_caller_mutt(desk, row):
    it = row("mutt", interop.IN)
    rc = written(desk, "muttrc", 'set realname="Carol" hostname=example.org copy=no record="" charset=utf-8 use_envelope_from=yes\n')
    argv = ["mutt", "-n", "-F", rc, "-s", "from mutt", "-a", written(desk, "file.bin", letter.attachment()), "--", BOB]
    desk.run(*argv, text=TEXT)
    it.ran(argv)
    mail = parsed(desk)
    [got] = mail.iter_attachments()
    it.shows("sendmail -oem -oi -f", mail["Return-Path"] == f"<{CAROL}>", mail["Return-Path"])
    it.shows("text with dots, 8-bit, long lines", mail.get_body().get_content().rstrip("\n") == TEXT.decode().rstrip("\n"), mail)
    it.shows("attachment of 1 MiB byte for byte", got.get_payload(decode=True) == letter.attachment(), "it differs")


@pytest.mark.parametrize("program", ["s-nail", "bsd-mailx"])
def test_o6_caller_mailx(desk, row, program):
    it = row(program, interop.IN)
    argv = ["s-nail", "-:/", "-S", "v15-compat", "-S", "sendwait", "-S", "ttycharset=utf-8"] if program == "s-nail" else \
        [desk.peer("bsd-mailx", "usr/bin/bsd-mailx")]
    argv += ["-s", "from mailx", "-b", "alice", "bob", "sales@example.org"]
    desk.run(*argv, text=ODD)
    it.ran(argv)
    mail = parsed(desk)
    text = mail.get_content() if mail["MIME-Version"] else mailbox.body(landed(desk)).decode()
    it.shows("text with dots and 8-bit", text == ODD, mail)
    it.shows("Bcc gets it and is not seen", parsed(desk, "alice")["Bcc"] is None, mail)


def test_o6_caller_git_send_email(desk, row):
    it = row("git send-email", interop.IN)
    env = {"GIT_CONFIG_NOSYSTEM": "1", "EMAIL": CAROL, "GIT_AUTHOR_NAME": "Carol", "GIT_COMMITTER_NAME": "Carol"}
    tree, again = os.path.join(desk.home, "tree"), os.path.join(desk.home, "again")
    argv = ["git", "-C", tree, "send-email", "--confirm=never", f"--from=Carol <{CAROL}>", f"--to={BOB}", "--suppress-cc=all",
            "--8bit-encoding=UTF-8", "--root", "-1"]
    script = 'set -e; git init -q "$1"; printf "%s" "$2" >"$1/file"; git -C "$1" add file; git -C "$1" commit -q -m "One patch"; shift 2; exec "$@"'
    desk.run("sh", "-c", script, "sh", tree, ODD, *argv, env=env)
    it.ran(argv)
    raw = landed(desk)
    script = 'set -e; git init -q "$1"; cd "$1"; git am -q; cat file'
    done = desk.run("sh", "-c", script, "sh", again, text=raw, env=env)
    it.shows("the patch that landed applies (git am), dots and 8-bit as they were", done.stdout == ODD, done.stdout)


def test_o6_caller_logwatch(desk, row):
    it = row("logwatch", interop.IN)
    argv = ["logwatch", "--output", "mail", "--format", "text", "--mailto", BOB, "--range", "all", "--service", "zz-sys"]
    desk.run(*argv, root=True)
    it.ran(argv)
    mail = parsed(desk)
    it.shows("its report", "Logwatch" in mail["Subject"] and "Logwatch End" in mail.get_content(), mail)


def test_o6_caller_smartd(desk, row):
    it = row("smartd", interop.IN)
    argv = [desk.peer("smartmontools", "usr/share/smartmontools/smartd_warning.sh")]
    env = {"SMARTD_MAILER": desk.peer("bsd-mailx", "usr/bin/bsd-mailx"), "SMARTD_ADDRESS": f"{BOB} sales", "SMARTD_FAILTYPE": "EmailTest",
           "SMARTD_MESSAGE": "TEST EMAIL from smartd for device: /dev/sda", "SMARTD_DEVICEINFO": "Disk of Größe 1\n.\nx"}
    desk.run(*argv, root=True, env=env)
    it.ran(["smartd_warning.sh"])  # what smartd starts, with what it has found in the environment
    mail = parsed(desk)
    it.shows("its warning, dots and 8-bit as they were", "TEST EMAIL from smartd" in mail.get_content() and "Größe 1\n.\nx\n" in mail.get_content(), mail)
    it.shows("its Subject, and root as sender", mail["Subject"].startswith("SMART error (EmailTest)") and mail["Return-Path"] == "<root@example.org>", mail)
