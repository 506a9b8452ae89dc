# SPDX-License-Identifier: ISC
"""HAProxy in front of a listener: it passes the octets on, behind a PROXY header that names the client."""

import os
import subprocess

from . import process, wait

CONFIG = """\
global
  log stderr format raw local0
  maxconn 100
defaults
  mode tcp
  log global
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen mail
  bind {front}
  source {host}
  server thurn {back} {word}
"""
WORDS = {1: "send-proxy", 2: "send-proxy-v2"}


class HAProxy:
    def __init__(self, folder, inside, host, port, back, version):
        """Listens at host:port of the namespace and connects from `host` to `back` with this version of the header."""
        os.makedirs(folder)
        self.config, self._out = os.path.join(folder, "haproxy.cfg"), os.path.join(folder, "out")
        self.line = f"server thurn {back} {WORDS[version]}"
        with open(self.config, "w") as file:
            file.write(CONFIG.format(front=f"{host}:{port}", host=host, back=back, word=WORDS[version]))
        self.command = ["haproxy", "-db", "-f", self.config]
        self.process = subprocess.Popen(inside.argv(self.command), stdin=subprocess.DEVNULL,
                                        stdout=open(self._out, "wb"), stderr=subprocess.STDOUT, start_new_session=True)
        self.host, self.port, self.inside = host, port, inside
        wait.until(self._ready, lambda: "HAProxy: " + self.log())

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError("HAProxy ended: " + self.log())
        listening = self.inside.run("ss", "-Hltn", f"src {self.host}:{self.port}", text=True).stdout
        return bool(listening.strip())

    def log(self):
        with open(self._out, encoding="utf-8", errors="replace") as file:
            return file.read()

    def close(self):
        process.end(self.process)
