# SPDX-License-Identifier: ISC
"""fail2ban-regex from the unpacked package, with Thurn's own filter: which lines of a log count against whom."""

import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
FILTER = os.path.join(ROOT, "packaging/fail2ban/thurn.conf")


class Fail2ban:
    def __init__(self, build):
        self.root = os.path.join(build, "peers", "fail2ban")
        self.program = os.path.join(self.root, "usr/bin/fail2ban-regex")
        assert os.path.exists(self.program), f"{self.program} is not there: scripts/install peers"

    def counted(self, log, mode):
        """[(address, line)], in the log's order."""
        done = subprocess.run(["/usr/bin/python3", self.program, "-c", os.path.join(self.root, "etc/fail2ban"), "--usedns=no",
                               "-e", "UTF-8", "-o", "<ip>\t<matches>", log, f"{FILTER}[mode={mode}]"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              env={**os.environ, "LC_ALL": "C.UTF-8",
                                   "PYTHONPATH": os.path.join(self.root, "usr/lib/python3/dist-packages")})
        assert done.returncode == 0 and "ERROR" not in done.stderr, (done.stdout, done.stderr)
        return [tuple(row.split("\t", 1)) for row in done.stdout.split("\n") if row]
