# SPDX-License-Identifier: ISC
"""Exim and OpenSMTPD, unpacked from their Debian packages by `scripts/install peers` (as packages they conflict with Postfix)."""

import os
import pwd
import shutil
import subprocess

import servers

USER = "Debian-exim"
TRUSTED = "/etc/exim4/trusted_configs"
CONFIG = """\
primary_hostname = mx.bench.test
exim_path = {binary}
spool_directory = {dir}/spool
log_file_path = {dir}/log/%slog
pid_file_path = {dir}/spool/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
acl_smtp_rcpt = all
{main}
begin acl
all:
  accept
begin routers
only:
  {router}
begin transports
out:
  driver = smtp
  port = {sink}
  hosts_avoid_tls = *
  allow_localhost
maildir:
  driver = appendfile
  directory = {dir}/mail/Maildir
  maildir_format
  create_directory
  user = {user}
begin retry
* * F,2h,15m; G,16h,1h,1.5; F,4d,6h
"""
NOBODY = "driver = redirect\n  data = :blackhole:"
ONWARD = "driver = manualroute\n  route_list = * 127.0.0.1\n  self = send\n  transport = out"
# more of the main section, and the one router
MODES = {
    "hold": ("queue_only\ntls_advertise_hosts =", NOBODY),
    "tls": ("queue_only\ntls_advertise_hosts = *\ntls_certificate = {tls}/cert.pem\ntls_privatekey = {dir}/key.pem", NOBODY),
    "relay": ("tls_advertise_hosts =", ONWARD),
    "defer": ("queue_only\ntls_advertise_hosts =", ONWARD),
    "local": ("tls_advertise_hosts =", "driver = accept\n  transport = maildir"),
}


def make_account(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home", name], check=True)


class Exim(servers.Server):
    """Its bound of 20 sessions would refuse most of every measure, so it is raised, except where it is measured."""

    config = None

    def set_up(self, mode, sink):
        make_account(USER)
        self.fresh_folders("spool", "log", "mail")
        for name in ("spool", "log"):
            shutil.chown(os.path.join(self.folder, name), USER, USER)
        main, router = MODES[mode]
        if not self.default_limits:
            main += "\nsmtp_accept_max = 6000"
        words = {"dir": self.folder, "tls": self.tls, "port": self.port, "sink": sink, "binary": self.binary, "user": servers.MAIL_USER.pw_name}
        if mode == "tls":
            key = shutil.copy(os.path.join(self.tls, "key.pem"), self.folder)
            shutil.chown(key, USER)
        self.write("exim.conf", CONFIG.format(main=main.format(**words), router=router.format(**words), **words))
        self.config = os.path.join(self.folder, "exim.conf")
        self.maildir = os.path.join(self.folder, "mail/Maildir/new")
        self.trust()

    def trust(self):
        """Without this line Exim's children give up root for a configuration that is not the built-in one."""
        os.makedirs(os.path.dirname(TRUSTED), exist_ok=True)
        with open(TRUSTED, "a+", encoding="utf-8") as file:
            file.seek(0)
            if self.config not in file.read().splitlines():
                file.write(self.config + "\n")

    def launch(self):
        with open(os.path.join(self.folder, "out"), "ab") as log:
            self.process = self.group.run([self.binary, "-C", self.config, "-bdf", "-q30m"], stdout=log, stderr=log)

    def stop(self):
        self.end_process()
        if self.config and os.path.exists(TRUSTED):
            with open(TRUSTED, encoding="utf-8") as file:
                rest = [line for line in file if line.strip() != self.config]
            with open(TRUSTED, "w", encoding="utf-8") as file:
                file.writelines(rest)

    def list_command(self):
        return [self.binary, "-C", self.config, "-bp"]


class OpenSMTPD(servers.Server):
    """OpenSMTPD, unpacked likewise. Its spool and the folder of its helpers are compiled in: they are mounted for it alone."""

    CONFIG = """\
{pki}table users {{ "@" = {user} }}
smtp limit max-mails 1000000
listen on 127.0.0.1 port {port} hostname mx.bench.test {tls}
action "act" {action}
match from any for any action "act"
"""
    ACTIONS = {"local": 'maildir "{dir}/mail/Maildir" virtual <users>'}
    RELAY = "relay host smtp://127.0.0.1:{sink}"

    def set_up(self, mode, sink):
        for name in ("opensmtpd", "opensmtpq"):
            make_account(name)
        self.fresh_folders("spool", "mail", "libexec")
        os.mkdir(os.path.join(self.folder, "spool/smtpd"))
        os.chmod(os.path.join(self.folder, "spool/smtpd"), 0o711)
        words = {"dir": self.folder, "port": self.port, "sink": sink, "user": servers.MAIL_USER.pw_name}
        words["action"] = self.ACTIONS.get(mode, self.RELAY).format(**words)
        words["pki"] = words["tls"] = ""
        if mode == "tls":
            paths = {name: shutil.copy(os.path.join(self.tls, name), self.folder) for name in ("cert.pem", "key.pem")}
            for path in paths.values():
                os.chmod(path, 0o600)
            words["pki"] = 'pki mx.bench.test cert "%s"\npki mx.bench.test key "%s"\n' % (paths["cert.pem"], paths["key.pem"])
            words["tls"] = "tls pki mx.bench.test"
        self.write("smtpd.conf", self.CONFIG.format(**words))
        self.pause = ["-P", "mta"] if mode in ("hold", "tls") else []
        self.maildir = os.path.join(self.folder, "mail/Maildir/new")

    def launch(self):
        root = os.path.dirname(os.path.dirname(os.path.dirname(self.binary)))
        mounts = ["mount --bind %s/spool /var/spool" % self.folder, "mount -t tmpfs none /var/lib", "mount -t tmpfs none /run",
                  "mkdir -p /var/lib/opensmtpd/empty", "mount --bind %s/libexec /usr/libexec" % os.path.join(root, "usr")]
        with open(os.path.join(self.folder, "out"), "ab") as log:
            self.process = self.group.run([self.binary, "-d", *self.pause, "-f", os.path.join(self.folder, "smtpd.conf")], mounts,
                                          stdout=log, stderr=log)

    def stop(self):
        self.end_process()

    def list_command(self):
        control = shutil.copy(os.path.join(os.path.dirname(self.binary), "smtpctl"), self.folder)
        shutil.chown(control, group="opensmtpq")  # it refuses to work without
        os.chmod(control, 0o2755)
        return ["nsenter", "-m", "-t", str(min(self.group.pids())), control, "show", "queue"]


def make(name, folder, group, options):
    if name == "thurn":
        return servers.Thurn(name, folder, group, options.thurn)
    if name == "exim":
        return Exim(name, folder, group, os.path.join(options.peers, "exim/usr/sbin/exim4"))
    if name == "opensmtpd":
        return OpenSMTPD(name, folder, group, os.path.join(options.peers, "opensmtpd/usr/sbin/smtpd"))
    return servers.Postfix(name, folder, group, "postfix")
