# SPDX-License-Identifier: ISC
"""A Dovecot of our own, from a folder: LMTP into Maildirs, and its auth socket (users from a passwd file)."""

import base64
import hmac
import json
import os
import subprocess
import time

from . import account, process, wait

KEY = b"a key that only this test and its Dovecot have"

CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
auth_verbose = yes
ssl = no
protocols = lmtp
listen = 127.0.0.1
default_internal_user = dovecot
default_login_user = dovenull
default_internal_group = dovecot
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%n
mail_plugin_dir = /nonexistent
lmtp_save_to_detail_mailbox = no
auth_mechanisms = {mechanisms}
service lmtp {{
  unix_listener {folder}/lmtp {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener {folder}/auth {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
passdb {{
  driver = passwd-file
  mechanisms = plain login scram-sha-1 scram-sha-256
  args = scheme=PLAIN username_format=%u {folder}/users
}}
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = passwd-file
  args = username_format=%n {folder}/boxes
}}
"""
OAUTH = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={folder}/keys/
username_attribute = email
"""


def token(login):
    """An access token for this login: a JWT signed with KEY (RFC 7515, HS256)."""
    def part(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b"=")

    now = int(time.time())
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(
        {"sub": login, "email": login, "iat": now - 10, "nbf": now - 10, "exp": now + 3600}).encode())
    return (signed + b"." + part(hmac.digest(KEY, signed, "sha256"))).decode()


class Dovecot:
    def __init__(self, folder, users=(), boxes=("bob", "carol"), mechanisms="plain login"):
        """users: (login, password) pairs for SASL; boxes: local parts that LMTP takes."""
        self.folder = folder
        who = account.service()
        os.mkdir(folder, 0o755)
        os.mkdir(os.path.join(folder, "mail"))
        account.give(os.path.join(folder, "mail"))
        self.lmtp, self.auth = os.path.join(folder, "lmtp"), os.path.join(folder, "auth")
        self._write("users", "".join(f"{login}:{{PLAIN}}{password}\n" for login, password in users))
        self._write("boxes", "".join(f"{box}::{who.pw_uid}:{who.pw_gid}::{folder}/mail/{box}\n" for box in boxes))
        self._write("dovecot.conf", CONFIG.format(folder=folder, mechanisms=mechanisms))
        keys = os.path.join(folder, "keys", "default", "HS256")
        os.makedirs(keys)
        self._write(os.path.join(keys, "default"), base64.b64encode(KEY).decode())
        self._write("oauth2.conf", OAUTH.format(folder=folder))
        self.command = ["dovecot", "-F", "-c", os.path.join(folder, "dovecot.conf")]
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT,
                                        stdout=open(os.path.join(folder, "out"), "wb"), start_new_session=True)
        wait.until(self._ready, lambda: "Dovecot: " + self.log())

    def _write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError("Dovecot ended: " + self.log())
        return os.path.exists(self.lmtp) and os.path.exists(self.auth)

    def log(self):
        text = ""
        for name in ("out", "log"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as file:
                    text += file.read()
        return text

    def maildir(self, user):
        return os.path.join(self.folder, "mail", user)

    def close(self):
        process.end(self.process)
