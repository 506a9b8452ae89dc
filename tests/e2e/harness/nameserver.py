# SPDX-License-Identifier: ISC
"""Unbound as the only name server of a namespace, serving the test's records as local data.

libunbound forwards to the server that resolv.conf names and wants an answer with RA set, which an authoritative-only
server never gives; unbound with local data sets RA and AA alike. The whole tree is a local zone ("." static), so a
name that no record mentions is NXDOMAIN at once. DNSSEC is off on both sides: there is no signed root here.
`test.`, `invalid.` and the private reverse zones are answered NXDOMAIN inside libunbound itself and never get here.
"""

import os
import re
import socket
import subprocess
import threading

from . import wait


class NameServer:
    def __init__(self, folder, inside, records, broken=()):
        """records: lines such as "example.com. MX 10 mx1.example.com."; broken: domains that answer SERVFAIL."""
        self.folder, self.inside = folder, inside
        os.makedirs(folder, exist_ok=True)
        self.config = os.path.join(folder, "unbound.conf")
        self.log = os.path.join(folder, "unbound.log")
        with open(self.config, "w") as file:
            file.write(self._text(records, broken))
        self.refuser = self._refuse() if broken else None
        self.process = subprocess.Popen(inside.argv(["unbound", "-d", "-p", "-c", self.config]),
                                        stdout=subprocess.DEVNULL, stderr=open(os.path.join(folder, "err"), "wb"))
        wait.until(self._answers, lambda: "unbound: " + open(os.path.join(folder, "err")).read())

    def _text(self, records, broken):
        lines = ["server:", "  interface: 10.77.0.1", "  access-control: 0.0.0.0/0 allow", '  username: ""',
                 '  chroot: ""', f'  directory: "{self.folder}"', '  module-config: "iterator"', "  use-syslog: no",
                 f'  logfile: "{self.log}"', "  log-queries: yes", "  num-threads: 1", "  do-not-query-localhost: no",
                 '  local-zone: "." static', '  local-data: "ready.example. TXT ready"']
        lines += [f'  local-zone: "{zone}" transparent' for zone in broken]
        lines += [f"  local-data: '{self._record(r)}'" for r in records]
        for zone in broken:
            lines += ["forward-zone:", f'  name: "{zone}"', "  forward-addr: 10.77.0.1@5353"]
        lines += ["remote-control:", "  control-enable: no"]
        return "\n".join(lines) + "\n"

    def _refuse(self):
        """A server that answers REFUSED to all, so that unbound says SERVFAIL without a wait."""
        with self.inside.entered():
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(("10.77.0.1", 5353))

        def answer():
            while True:
                try:
                    query, peer = server.recvfrom(4096)
                except OSError:
                    return
                if len(query) >= 12:
                    server.sendto(query[:2] + b"\x81\x85" + query[4:6] + b"\0" * 6 + query[12:].split(b"\0\0\x29")[0], peer)

        threading.Thread(target=answer, daemon=True).start()
        return server

    @staticmethod
    def _record(line):
        name, rest = line.split(None, 1)
        return f"{name} 60 IN {rest}"

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("unbound ended: " + open(os.path.join(self.folder, "err")).read())
        done = self.inside.run("unbound-host", "-r", "-t", "TXT", "ready.example.", check=False)
        return b"ready" in done.stdout

    def queries(self, kind, name):
        """How often this question was asked so far."""
        with open(self.log) as file:
            return len(re.findall(rf"info: \S+ {re.escape(name)}\.? {kind} IN", file.read(), re.I))

    def close(self):
        self.process.kill()
        self.process.wait(10)
        if self.refuser:
            self.refuser.close()
