# SPDX-License-Identifier: ISC
"""A Postfix of our own: configuration, queue and data in a folder, in the foreground, in a namespace or on loopback.

It is the system's package; the packaged configuration and queue are never touched.
"""

import contextlib
import os
import re
import signal
import subprocess

from . import wait

MAIN = {
    "compatibility_level": "3.6",
    "command_directory": "/usr/sbin",
    "daemon_directory": "/usr/lib/postfix/sbin",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "mydestination": "",
    "inet_protocols": "ipv4",
    "maillog_file": "/dev/stdout",
    "alias_maps": "",
    "alias_database": "",
    "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
    "minimal_backoff_time": "1s",
    "maximal_backoff_time": "2s",
    "queue_run_delay": "1s",
    "smtp_host_lookup": "dns",
    "smtpd_peername_lookup": "no",
}


class Postfix:
    def __init__(self, folder, host, port, *, inside=None, name="postfix.example.net", **main):
        self.folder, self.host, self.port, self.inside = folder, host, port, inside
        self.etc, self.log_path = os.path.join(folder, "etc"), os.path.join(folder, "log")
        for part in ("etc", "queue", "data", "mail"):
            os.makedirs(os.path.join(folder, part))
        uid = int(subprocess.run(["id", "-u", "postfix"], check=True, capture_output=True).stdout)
        os.chown(os.path.join(folder, "data"), uid, -1)
        settings = {**MAIN, "myhostname": name, "inet_interfaces": host, "mynetworks": f"127.0.0.0/8 {host}/32",
                    "queue_directory": os.path.join(folder, "queue"), "data_directory": os.path.join(folder, "data"),
                    **main}
        with open(os.path.join(self.etc, "main.cf"), "w") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        with open("/usr/share/postfix/master.cf.dist") as source, open(os.path.join(self.etc, "master.cf"), "w") as file:
            file.write(self._services(source.read()))
        # A session of its own: the postfix script and the master stay out of pytest's process group.
        self.command = ["postfix", "-c", self.etc, "start-fg"]
        self.process = subprocess.Popen(self._argv(*self.command), start_new_session=True,
                                        stdin=subprocess.DEVNULL, stdout=open(self.log_path, "wb"),
                                        stderr=subprocess.STDOUT)
        wait.until(self._started, lambda: "Postfix: " + self.log())

    def _services(self, text):
        text = re.sub(r"(?m)^smtp(\s+inet)", rf"{self.host}:{self.port}\1", text)
        lines = []
        for line in text.splitlines():
            fields = line.split()
            if line[:1].isalnum() and len(fields) >= 8:
                fields[4] = "n"
                line = "  ".join(fields)
            lines.append(line)
        if not any(line.startswith("postlog") for line in lines):
            lines.append("postlog unix-dgram n - n - 1 postlogd")
        return "\n".join(lines) + "\n"

    def _argv(self, *argv):
        return self.inside.argv(argv) if self.inside else list(argv)

    def _started(self):
        if self.process.poll() is not None:
            raise AssertionError("Postfix ended: " + self.log())
        return "daemon started" in self.log()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def logged(self, pattern):
        return wait.until(lambda: re.search(pattern, self.log()), lambda: f"{pattern!r} in Postfix's log\n{self.log()}")

    def close(self):
        """Ends the whole session of processes (`postfix stop` would wait for each delivery to end)."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)
                return
