# SPDX-License-Identifier: ISC
"""The servers that the benchmark measures. Each keeps its configuration, queue and mail in a folder of its own, listens
on a free port of 127.0.0.1, and is started with an empty queue. The modes:

    hold    mail is queued durably and stays there
    relay   all mail goes on to 127.0.0.1:SINK
    local   mail for user@local.test goes into one Maildir, `maildir`, as the account nobody
    tls     as hold, and STARTTLS is offered with the certificate in `tls`
    defer   all mail is for a host where nothing answers; mail for onward.test goes to 127.0.0.1:SINK (Thurn only)
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time

MAIL_USER = pwd.getpwnam("nobody")
POSTFIX_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
POSTFIX_MAIN = """\
compatibility_level = 3.6
queue_directory = {dir}/queue
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.bench.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
disable_dns_lookups = yes
alias_maps =
"""
POSTFIX_MODES = {
    "hold": "smtpd_recipient_restrictions = check_recipient_access static:hold, permit_mynetworks, reject\n",
    "relay": "default_transport = smtp:[127.0.0.1]:{sink}\n",
    "defer": "default_transport = smtp:[127.0.0.1]:9\nminimal_backoff_time = 4000s\nqueue_run_delay = 3600s\n",
    "tls": "smtpd_recipient_restrictions = check_recipient_access static:hold, permit_mynetworks, reject\n"
           "smtpd_tls_cert_file = {tls}/cert.pem\nsmtpd_tls_key_file = {tls}/key.pem\nsmtpd_tls_security_level = may\n",
    "local": "virtual_mailbox_domains = local.test\nvirtual_mailbox_base = {dir}/mail\n"
             "virtual_mailbox_maps = static:user/Maildir/\nvirtual_uid_maps = static:{uid}\nvirtual_gid_maps = static:{gid}\n",
}
# What a busy site would set: as many processes as sessions, connections to the next hop kept.
POSTFIX_TUNED = """\
default_process_limit = 400
in_flow_delay = 0
default_destination_concurrency_limit = 50
smtp_destination_concurrency_limit = 50
initial_destination_concurrency = 20
virtual_destination_concurrency_limit = 50
smtpd_peername_lookup = no
smtp_connection_cache_destinations = static:all
"""
THURN = """\
hostname = "mx.bench.test"
postmaster = "user@local.test"
state_dir = "{dir}/state"
user = "{user}"

[listen]
mx = ["127.0.0.1:{port}"]
"""
THURN_LIMITS = """
[limits]
sessions = 15000
sessions_per_address = 15000
connections_per_minute = 0
"""
THURN_DOMAIN = """
[domain."{name}"]
deliver = "{deliver}"
users = ["user"]
"""
THURN_MODES = {
    "hold": {"local.test": "hold:"},
    "relay": {"local.test": "smtp:127.0.0.1:{sink}"},
    "local": {"local.test": "maildir:{dir}/mail/{{user}}"},
    "tls": {"local.test": "hold:"},
    "defer": {"local.test": "smtp:127.0.0.1:9", "onward.test": "smtp:127.0.0.1:{sink}"},
}
THURN_MORE = {
    "tls": '\n[tls]\ncert = "{tls}/cert.pem"\nkey = "{tls}/key.pem"\n',
    "defer": '\n[queue]\nretry = ["4000s"]\n',
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name, folder, group, binary):
        self.name, self.folder, self.group, self.binary = name, os.path.join(folder, name), group, binary
        self.tls = os.path.join(folder, "tls")
        self.port = self.maildir = self.process = None
        self.default_limits = False  # of sessions: else they are raised where a measure would meet them

    def fresh_folders(self, *owned):
        """What was there is put aside until the benchmark's end: an ext4 without a journal makes no use of inodes that were deleted in the last five minutes
        and passes over each of them whenever a file is made, which costs every server that makes files some tenths of a millisecond a file."""
        if os.path.exists(self.folder):
            os.rename(self.folder, tempfile.mkdtemp(prefix=self.name + "-", dir=os.path.dirname(self.folder)))
        os.makedirs(self.folder)
        for name in owned:
            os.mkdir(os.path.join(self.folder, name))
        for name in set(owned) & {"mail", "state"}:
            os.chown(os.path.join(self.folder, name), MAIL_USER.pw_uid, MAIL_USER.pw_gid)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as file:
            file.write(text)

    def wait_for_greeting(self):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                    if s.recv(512).startswith(b"220"):
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError("%s does not greet; its folder is %s" % (self.name, self.folder))

    def start(self, mode, sink):
        self.port = free_port()
        self.set_up(mode, sink)
        return self.start_again()

    def start_again(self):
        """With the queue as it is. The seconds until it greeted."""
        begun = time.monotonic()
        self.launch()
        self.wait_for_greeting()
        return time.monotonic() - begun

    def end_process(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                pass
        self.group.end()
        if self.process:
            self.process.wait()
        self.process = None


class Postfix(Server):
    def set_up(self, mode, sink):
        self.fresh_folders("etc", "queue", "data", "mail")
        shutil.chown(os.path.join(self.folder, "data"), "postfix")
        words = {"dir": self.folder, "port": self.port, "sink": sink, "tls": self.tls, "uid": MAIL_USER.pw_uid,
                 "gid": MAIL_USER.pw_gid}
        main = POSTFIX_MAIN + POSTFIX_MODES[mode]
        self.write("etc/main.cf", main.format(**words) + (POSTFIX_TUNED if self.name == "postfix-tuned" else ""))
        self.write("etc/master.cf", POSTFIX_MASTER.format(**words))
        self.maildir = os.path.join(self.folder, "mail/user/Maildir/new")

    def postfix(self, verb):
        return ["postfix", "-c", os.path.join(self.folder, "etc"), verb]

    def launch(self):
        with open(os.path.join(self.folder, "start.log"), "wb") as log:
            if self.group.run(self.postfix("start"), stdout=log, stderr=log).wait(60) != 0:
                raise RuntimeError("postfix does not start; see %s/start.log" % self.folder)

    def stop(self):
        subprocess.run(self.postfix("stop"), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        self.group.end()

    def list_command(self):
        return ["postqueue", "-c", os.path.join(self.folder, "etc"), "-p"]


class Thurn(Server):
    more_domains = {}  # a measure's own: their names and deliveries

    def set_up(self, mode, sink):
        self.fresh_folders("state", "mail")
        words = {"dir": self.folder, "tls": self.tls, "sink": sink, "port": self.port, "user": MAIL_USER.pw_name}
        text = THURN + ("" if self.default_limits else THURN_LIMITS) + THURN_MORE.get(mode, "")
        text = text.format(**words)
        for name, deliver in {**THURN_MODES[mode], **self.more_domains}.items():
            text += THURN_DOMAIN.format(name=name, deliver=deliver.format(**words))
        self.write("thurn.toml", text)
        self.maildir = os.path.join(self.folder, "mail/user/new")

    def launch(self):
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = self.group.run([self.binary, "serve", "-c", os.path.join(self.folder, "thurn.toml")],
                                          stdout=log, stderr=log)

    def stop(self):
        self.end_process()

    def list_command(self):
        return [self.binary, "queue", "list", "-c", os.path.join(self.folder, "thurn.toml")]

    def wait_for_queue(self):
        """Until it has said how many messages the queue has."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
                if any("queue has" in line for line in log):
                    return
            time.sleep(0.02)
        raise RuntimeError("the queue does not come up; its folder is %s" % self.folder)
