# SPDX-License-Identifier: ISC
"""What a test has shown of a real program: one row of docs/interop.md, made by scripts/interop from the run's results.

A row can say only what the test asserted: each claim goes in together with its evidence, and a row of a test that
fails is never written.
"""

import functools
import json
import os
import re
import shlex
import subprocess

from . import wait

IN, OUT, BOTH = "to Thurn", "from Thurn", "both"

# program: (command that tells the version, where in what it prints). A path below build/peers is written {peers}/...
VERSIONS = {
    "Claws Mail": (["claws-mail", "--version"], r"version (\S+)"),
    "Dovecot": (["dovecot", "--version"], r"^(\S+)"),
    "Exim": (["{peers}/exim/usr/sbin/exim4", "-bV"], r"Exim version (\S+)"),
    "HAProxy": (["haproxy", "-v"], r"version (\S+?)-"),
    "OpenSMTPD": (["{peers}/opensmtpd/usr/sbin/smtpd", "-h"], r"OpenSMTPD (\S+)"),
    "Postfix": (["postconf", "-dh", "mail_version"], r"^(\S+)"),
    "Sendmail": (["cat", "{peers}/sendmail/usr/share/sendmail/cf/m4/version.m4"], r"^DZ([0-9.]+)"),
    "PHP mail()": (["{peers}/php/usr/bin/php8.2", "-n", "-v"], r"^PHP (\S+)"),
    "anacron": (["{peers}/anacron/usr/sbin/anacron", "-V"], r"Anacron (\S+)"),
    "at": (["{peers}/at/usr/bin/at", "-V"], r"at version (\S+)"),
    "bsd-mailx": (["zcat", "{peers}/bsd-mailx/usr/share/doc/bsd-mailx/changelog.Debian.gz"], r"^bsd-mailx \((\S+)\)"),
    "check_mailq": (["perl", "-I{peers}/monitoring-plugins/usr/lib/nagios/plugins",
                     "{peers}/monitoring-plugins/usr/lib/nagios/plugins/check_mailq", "-V"], r"check_mailq v(\S+)"),
    "cron": (["zcat", "{peers}/cron/usr/share/doc/cron/changelog.Debian.gz"], r"^cron \((\S+)\)"),
    "curl": (["curl", "--version"], r"^curl (\S+)"),
    "git send-email": (["git", "--version"], r"version (\S+)"),
    "gsasl": (["gsasl", "--version"], r"GNU SASL\) (\S+)"),
    "logwatch": (["logwatch", "--version"], r"Logwatch (\S+)"),
    "msmtp": (["msmtp", "--version"], r"version (\S+)"),
    "mutt": (["mutt", "-v"], r"Mutt (\S+)"),
    "nodemailer": (["cat", "{peers}/node/node_modules/nodemailer/package.json"], r'"version": "([^"]+)"'),
    "s-nail": (["s-nail", "-:/", "-V"], r"v(\d\S+?),? "),
    "smartd": (["zcat", "{peers}/smartmontools/usr/share/doc/smartmontools/changelog.Debian.gz"], r"^smartmontools \((\S+)\)"),
    "smtp-server": (["cat", "{peers}/node/node_modules/smtp-server/package.json"], r'"version": "([^"]+)"'),
    "smtplib": (["/usr/bin/python3", "--version"], r"Python (\S+)"),
    "swaks": (["swaks", "--version"], r"version (\S+)"),
}


@functools.cache
def version(program, build):
    command, pattern = VERSIONS[program]
    argv = [word.replace("{peers}", os.path.join(build, "peers")) for word in command]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    found = re.search(pattern, done.stdout + done.stderr, re.M)
    assert found, f"no version of {program} in\n{done.stdout}{done.stderr}"
    return found.group(1)


def told(argv):
    """A command as one line for a page: this run's folders and ports, and whoever ran it, left out."""
    line = argv if isinstance(argv, str) else shlex.join(argv)
    line = re.sub(r"^ip netns exec \S+ ", "", line)
    line = re.sub(r"/\S*/te2e-[^/\s]+/ca/ca\.pem", "ca.pem", line)
    line = re.sub(r"/[^\s:='\"]*/te2e-[^/\s]+(?:/t\d+|(?=/))", "DIR", line)
    line = re.sub(r"/\S*/build(?:-\w+)?/peers/", "build/peers/", line)
    line = re.sub(r"/\S*/tests/e2e/", "tests/e2e/", line)
    return re.sub(r"(?<![\w.])[1-6]\d{4}(?![\w.])", "PORT", line)


class Row:
    def __init__(self, program, direction, build):
        assert direction in (IN, OUT, BOTH)
        self.program, self.direction = program, direction
        self.version = version(program, build)
        self.claims = []
        self.commands = []

    def ran(self, argv):
        """The command (or the line of a configuration) that did it."""
        line = told(argv)
        if line not in self.commands:
            self.commands.append(line)

    def shows(self, claim, evidence, why=""):
        """A claim and what proves it; the test fails where the evidence is false. Evidence that a log or a file must have is
        a function: a program may write it later than the mail lands, and it is asked until it is there."""
        said = lambda: f"{self.program} has not shown {claim}\n{why() if callable(why) else why}"  # noqa: E731
        if callable(evidence):
            wait.until(evidence, said)
        assert evidence, said()
        if claim not in self.claims:
            self.claims.append(claim)

    def json(self):
        assert self.claims and self.commands, f"an empty row of {self.program}"
        return json.dumps({"program": self.program, "version": self.version, "direction": self.direction,
                           "claims": self.claims, "commands": self.commands})
