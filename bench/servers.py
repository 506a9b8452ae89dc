# SPDX-License-Identifier: ISC
"""The servers that the benchmark measures. Each keeps its configuration, queue and mail in a folder of its own, listens
on a free port of 127.0.0.1, and is started with an empty queue. The modes:

    hold    mail is queued durably and stays there
    relay   all mail goes on to 127.0.0.1:SINK
    local   mail for user@local.test goes into one Maildir, `maildir`, as the account nobody
"""

import os
import pwd
import shutil
import socket
import subprocess
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

[limits]
sessions = 15000
sessions_per_address = 15000
connections_per_minute = 0

[domain."local.test"]
deliver = "{deliver}"
users = ["user"]
"""
THURN_MODES = {"hold": "hold:", "relay": "smtp:127.0.0.1:{sink}", "local": "maildir:{dir}/mail/{{user}}"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, name, folder, group):
        self.name, self.folder, self.group = name, os.path.join(folder, name), group
        self.port = self.maildir = None

    def fresh_folders(self, *owned):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        for name in owned:
            os.mkdir(os.path.join(self.folder, name))
        for name in set(owned) & {"mail", "state"}:
            os.chown(os.path.join(self.folder, name), MAIL_USER.pw_uid, MAIL_USER.pw_gid)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as file:
            file.write(text)

    def wait_for_greeting(self):
        end = time.monotonic() + 20
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
        self.launch()
        self.wait_for_greeting()


class Postfix(Server):
    def set_up(self, mode, sink):
        self.fresh_folders("etc", "queue", "data", "mail")
        shutil.chown(os.path.join(self.folder, "data"), "postfix")
        words = {"dir": self.folder, "port": self.port, "sink": sink, "uid": MAIL_USER.pw_uid, "gid": MAIL_USER.pw_gid}
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


class Thurn(Server):
    def __init__(self, name, folder, group, binary):
        super().__init__(name, folder, group)
        self.binary, self.process = binary, None

    def set_up(self, mode, sink):
        self.fresh_folders("state", "mail")
        deliver = THURN_MODES[mode].format(dir=self.folder, sink=sink)
        self.write("thurn.toml", THURN.format(dir=self.folder, port=self.port, deliver=deliver, user=MAIL_USER.pw_name))
        self.maildir = os.path.join(self.folder, "mail/user/new")

    def launch(self):
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = self.group.run([self.binary, "serve", "-c", os.path.join(self.folder, "thurn.toml")],
                                          stdout=log, stderr=log)

    def stop(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
            self.group.end()
            self.process.wait()
            self.process = None


def make(name, folder, group, binary):
    return Thurn(name, folder, group, binary) if name == "thurn" else Postfix(name, folder, group)
