# SPDX-License-Identifier: ISC
"""The clients that people use, each as one call that sends one mail: swaks, curl, msmtp, smtplib; and Postfix's load pair."""

import os
import smtplib
import subprocess


def run(argv, text="", inside=None, expect=0, **more):
    """Runs a client; `text` is its input, str or bytes. What it prints comes back as text."""
    argv = inside.argv(argv) if inside else argv
    done = subprocess.run(argv, input=text.encode() if isinstance(text, str) else text, capture_output=True, timeout=120,
                          **more)
    done.stdout, done.stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    assert expect is None or done.returncode == expect, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def swaks(host, port, sender, recipient, *more, expect=0, inside=None):
    argv = ["swaks", "--server", host, "--port", str(port), "--from", sender, "--to", recipient,
            "--helo", "client.example.com", "--timeout", "20", *more]
    return run(argv, inside=inside, expect=expect)


def curl(url, sender, recipient, text, *more, expect=0, inside=None):
    argv = ["curl", "-sS", "--max-time", "30", "--url", url, "--mail-from", sender, "--mail-rcpt", recipient,
            "--upload-file", "-", *more]
    return run(argv, text, inside=inside, expect=expect)


def msmtp(folder, host, port, sender, recipient, text, *settings, expect=0, inside=None):
    path = os.path.join(folder, "msmtprc")
    lines = ["account default", f"host {host}", f"port {port}", f"from {sender}", "timeout 20", *settings]
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    os.chmod(path, 0o600)
    return run(["msmtp", "-C", path, recipient], text, inside=inside, expect=expect)


def smtplib_send(host, port, sender, recipients, text, *, tls=None, starttls=None, login=None):
    """tls: a context for SMTPS; starttls: a context for STARTTLS; login: (name, password)."""
    if tls:
        client = smtplib.SMTP_SSL(host, port, context=tls, timeout=60)
    else:
        client = smtplib.SMTP(host, port, timeout=60)
    with client:
        if starttls:
            client.starttls(context=starttls)
        if login:
            client.login(*login)
        return client.sendmail(sender, recipients, text)


def smtp_source(host, port, sender, recipient, count, sessions, *more, inside=None):
    """Postfix's load generator; it exits 0 only when each of `count` mails got its 250."""
    return run(["smtp-source", "-s", str(sessions), "-m", str(count), "-f", sender, "-t", recipient, *more,
                 f"inet:{host}:{port}"], inside=inside)
