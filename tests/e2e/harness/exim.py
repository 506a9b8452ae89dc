# SPDX-License-Identifier: ISC
"""An Exim of our own, unpacked from its Debian packages (they conflict with Postfix's, so they are never installed)."""

import glob
import os
import re
import subprocess

from . import account, process, wait

PACKAGES = ("exim4-base", "exim4-daemon-light")
USER = "Debian-exim"
TRUSTED = "/etc/exim4/trusted_configs"

CONFIG = """\
primary_hostname = {name}
exim_path = {binary}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/spool/exim.pid
daemon_smtp_ports = {port}
local_interfaces = {host}
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
{tls}
acl_smtp_rcpt = all
{main}
begin acl
all:
  accept
begin routers
{routers}
begin transports
out:
  driver = smtp
  {tls_out}
  allow_localhost
  {transport}
file:
  driver = appendfile
  directory = {folder}/mail/$local_part_data
  maildir_format
  create_directory
  return_path_add
  user = {user}
begin retry
* * F,1h,1s
{more}"""


def unpacked(build):
    """The path of exim4 below BUILD/peers/exim, fetched and unpacked when it is not there yet."""
    root = os.path.join(build, "peers", "exim")
    binary = os.path.join(root, "usr", "sbin", "exim4")
    if not os.path.exists(binary):
        os.makedirs(root, exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", *PACKAGES], cwd=root, check=True, capture_output=True, timeout=120)
        for package in glob.glob(os.path.join(root, "*.deb")):
            subprocess.run(["dpkg", "-x", package, root], check=True, timeout=60)
    return binary


class Exim:
    """routers is the text of the routers section; usually DELIVER or relay_to(...)."""

    DELIVER = "local:\n  driver = accept\n  local_parts = alice : bob : carol\n  transport = file\n"

    @staticmethod
    def relay_to(host, port):
        return (f"on:\n  driver = manualroute\n  route_list = * {host}::{port}\n  self = send\n"
                "  transport = out\n")

    def __init__(self, build, folder, host, port, routers, *, inside=None, name="exim.example.net", main="", transport="", tls=None,
                 debug=False, more=""):
        """tls: (certificate, key) for STARTTLS both ways, required on the way out; debug: the log has each dialogue."""
        self.host, self.port, self.inside, self.folder = host, port, inside, folder
        account.ensure(USER)
        self.binary = unpacked(build)
        for part in ("spool", "log", "mail"):
            os.makedirs(os.path.join(folder, part))
        account.give(folder, account.ensure(USER))
        self.config = os.path.join(folder, "exim.conf")
        with open(self.config, "w") as file:
            file.write(CONFIG.format(name=name, binary=self.binary, folder=folder, port=port, host=host, main=main,
                                     routers=routers, transport=transport, user=USER, more=more,
                                     tls=f"tls_advertise_hosts = *\ntls_certificate = {tls[0]}\ntls_privatekey = {tls[1]}"
                                     if tls else "tls_advertise_hosts =",
                                     tls_out="hosts_require_tls = *" if tls else "hosts_avoid_tls = *"))
        os.chown(self.config, 0, 0)
        self._trust()
        self.command = [self.binary, "-C", self.config, "-bdf", "-q1s", *(["-d-all+acl+transport+receive"] if debug else [])]
        self.process = subprocess.Popen(inside.argv(self.command) if inside else self.command, stdin=subprocess.DEVNULL,
                                        stdout=open(os.path.join(folder, "out"), "wb"), stderr=subprocess.STDOUT)
        wait.until(self._started, lambda: "Exim: " + self.log())

    def _trust(self):
        """Without this line Exim gives up root at once for a configuration that is not its built-in one."""
        os.makedirs(os.path.dirname(TRUSTED), exist_ok=True)
        with open(TRUSTED, "a+") as file:
            file.seek(0)
            if self.config not in file.read().splitlines():
                file.write(self.config + "\n")

    def _untrust(self):
        with open(TRUSTED) as file:
            rest = [line for line in file if line.strip() != self.config]
        with open(TRUSTED, "w") as file:
            file.writelines(rest)

    def _argv(self, *args):
        argv = [self.binary, "-C", self.config, *args]
        return self.inside.argv(argv) if self.inside else argv

    def _started(self):
        if self.process.poll() is not None:
            raise AssertionError("Exim ended: " + self.log())
        return "listening for SMTP" in self.log()

    def log(self):
        text = ""
        for path in [os.path.join(self.folder, "out"), *sorted(glob.glob(os.path.join(self.folder, "log", "*")))]:
            with open(path, encoding="utf-8", errors="replace") as file:
                text += file.read()
        return text

    def logged(self, pattern):
        return wait.until(lambda: re.search(pattern, self.log()), lambda: f"{pattern!r} in Exim's log\n{self.log()}")

    def maildir(self, user):
        return os.path.join(self.folder, "mail", user)

    def close(self):
        process.end(self.process)
        self._untrust()
