# SPDX-License-Identifier: ISC
"""A Sendmail of our own, unpacked from its Debian packages; its sendmail.cf is made with m4 as its manual says."""

import os
import subprocess

from . import wait
from .unpacked import Unpacked

CONFIG = """\
divert(-1)
include(`{cf}/m4/cf.m4')
OSTYPE(`linux')
define(`confDOMAIN_NAME', `{name}')
define(`QUEUE_DIR', `{folder}/queue')
define(`STATUS_FILE', `{folder}/statistics')
define(`HELP_FILE', `{folder}/help')
define(`confPID_FILE', `{folder}/pid')
define(`confLOG_LEVEL', `14')
define(`confCW_FILE', `-o {folder}/none')
define(`confTO_IDENT', `0s')
define(`confDONT_PROBE_INTERFACES', `True')
define(`confDONT_BLAME_SENDMAIL', `GroupReadableKeyFile')
define(`confMIN_QUEUE_AGE', `0')
define(`confTO_QUEUERETURN', `5m')
define(`confCACERT_PATH', `/mnt')
define(`confCACERT', `{ca}')
define(`confSERVER_CERT', `{cert}')
define(`confSERVER_KEY', `{key}')
define(`confCLIENT_CERT', `{cert}')
define(`confCLIENT_KEY', `{key}')
undefine(`ALIAS_FILE')
FEATURE(`promiscuous_relay')
FEATURE(`accept_unresolvable_domains')
FEATURE(`no_default_msa')
FEATURE(`nocanonify')
DAEMON_OPTIONS(`Name=MTA, Addr={host}, Port={port}')
{more}
MAILER(`smtp')
MAILER_DEFINITIONS
Mdrop, P={folder}/drop, F=mDFMPnu, S=EnvFromSMTP/HdrFromSMTP, R=EnvToSMTP/HdrFromSMTP, L=0, T=DNS/RFC822/X-Unix, A=drop {folder}/mail/$u
LOCAL_RULE_0
R$+ < @ {domain} . >	$#drop $@ {domain} $: $1
R$+ < @ {domain} >	$#drop $@ {domain} $: $1
"""
DROP = """\
#!/bin/sh
box=${1%@*}
mkdir -p "$box/tmp" "$box/new" && cat >"$box/tmp/$$" && mv "$box/tmp/$$" "$box/new/$$"
"""


class Sendmail(Unpacked):
    """Takes mail for `domain` into mail/USER/new and sends all other by MX; STARTTLS both ways. -X records each dialogue."""

    def __init__(self, build, folder, host, port, inside, *, domain, name, tls, ca, more=""):
        root = os.path.join(build, "peers", "sendmail")
        self.dialogue = os.path.join(folder, "dialogue")
        for part in ("queue", "mail"):
            os.makedirs(os.path.join(folder, part))
        os.chmod(os.path.join(folder, "queue"), 0o700)
        os.chmod(os.path.join(folder, "mail"), 0o777)  # mailers run as Sendmail's default user
        drop, config = os.path.join(folder, "drop"), os.path.join(folder, "sendmail.cf")
        with open(drop, "w") as file:
            file.write(DROP)
        os.chmod(drop, 0o755)
        tls = ["/mnt/" + os.path.basename(path) for path in self.own(folder, (*tls, ca))]
        text = CONFIG.format(cf=os.path.join(root, "usr/share/sendmail/cf"), folder=folder, name=name, ca=tls[2], cert=tls[0],
                             key=tls[1], host=host, port=port, domain=domain, more=more)
        with open(config, "wb") as file:
            file.write(subprocess.run(["m4"], input=text.encode(), capture_output=True, check=True, timeout=30).stdout)
        super().__init__(folder, inside, name, [os.path.join(root, "usr/libexec/sendmail/sendmail"), "-C", config,
                                                "-bD", "-q1s", "-X", self.dialogue],
                         # Sendmail reads no key below a folder that all may write to, as /tmp is
                         [f"mount --bind {folder} /mnt"])
        wait.until(lambda: self.alive() and self.listens(host, port), lambda: "Sendmail: " + self.log())

    def log(self):
        return self.out() + self.read(self.dialogue)
