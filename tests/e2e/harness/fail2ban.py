# SPDX-License-Identifier: ISC
"""fail2ban from the unpacked package, with Thurn's own filter and jail: which lines of a log count against whom. No daemon is started."""

import os
import shutil
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FILTER = os.path.join(ROOT, "packaging/fail2ban/thurn.conf")


class Fail2ban:
    def __init__(self, build):
        self.root = os.path.join(build, "peers", "fail2ban")
        self.program = os.path.join(self.root, "usr/bin/fail2ban-regex")
        assert os.path.exists(self.program), f"{self.program} is not there: scripts/install peers"

    def _run(self, program, *args):
        done = subprocess.run(["/usr/bin/python3", program, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "LC_ALL": "C.UTF-8",
                                   "PYTHONPATH": os.path.join(self.root, "usr/lib/python3/dist-packages")})
        assert done.returncode == 0 and "ERROR" not in done.stderr, (done.stdout, done.stderr)
        return done.stdout

    def counted(self, log, mode):
        """[(address, line)], in the log's order."""
        out = self._run(self.program, "-c", os.path.join(self.root, "etc/fail2ban"), "--usedns=no", "-e", "UTF-8",
                        "-o", "<ip>\t<matches>", log, f"{FILTER}[mode={mode}]")
        return [tuple(row.split("\t", 1)) for row in out.split("\n") if row]

    def configuration(self, folder):
        """A copy of /etc/fail2ban with our filter and jail, and no other jail."""
        shutil.copytree(os.path.join(self.root, "etc/fail2ban"), folder)
        for name in os.listdir(os.path.join(folder, "jail.d")):
            os.unlink(os.path.join(folder, "jail.d", name))
        shutil.copy(FILTER, os.path.join(folder, "filter.d"))
        shutil.copy(os.path.join(os.path.dirname(FILTER), "thurn.local"), os.path.join(folder, "jail.d"))
        return folder

    def client(self, folder, option):
        """fail2ban-client with an option that asks no server: -t, -d."""
        return self._run(os.path.join(self.root, "usr/bin/fail2ban-client"), "-c", folder, option)
