# SPDX-License-Identifier: ISC
"""An OpenSMTPD of our own, unpacked from its Debian package; the folders it insists on are mounted for it alone."""

import os
import subprocess

from . import account, wait
from .unpacked import Unpacked

CONFIG = """\
pki peer cert "{cert}"
pki peer key "{key}"
table users {{ bob = "{uid}:{gid}:{folder}/mail", carol = "{uid}:{gid}:{folder}/mail" }}
listen on {host} port {port} tls pki peer hostname {name}
action "in" maildir "{folder}/mail/%{{dest.user}}" userbase <users>
action "out" relay tls no-verify helo {name}
match from any for domain "{domain}" action "in"
match from any for any action "out"
"""


class OpenSMTPD(Unpacked):
    """Takes mail for bob and carol of `domain` into mail/USER/new and sends all other by MX; STARTTLS both ways."""

    def __init__(self, build, folder, host, port, inside, *, domain, name, tls):
        root = os.path.join(build, "peers", "opensmtpd")
        account.ensure("opensmtpd")
        account.ensure("opensmtpq")
        who = account.service()
        os.makedirs(os.path.join(folder, "mail"))
        account.give(os.path.join(folder, "mail"))
        tls = self.own(folder, tls)
        config = os.path.join(folder, "smtpd.conf")
        with open(config, "w") as file:
            file.write(CONFIG.format(cert=tls[0], key=tls[1], uid=who.pw_uid, gid=who.pw_gid, folder=folder, host=host,
                                     port=port, name=name, domain=domain))
        mounts = ["mount -t tmpfs none /var/spool", "mount -t tmpfs none /var/lib", "mount -t tmpfs none /run",
                  "mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd", "chmod 711 /var/spool/smtpd",
                  f"mount --bind {root}/usr/libexec /usr/libexec"]
        super().__init__(folder, inside, name, [os.path.join(root, "usr/sbin/smtpd"), "-d", "-v", "-T", "smtp", "-T", "mta",
                                                "-f", config], mounts)
        wait.until(lambda: self.alive() and self.listens(host, port), lambda: "OpenSMTPD: " + self.log())
