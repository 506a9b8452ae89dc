# SPDX-License-Identifier: ISC
"""An X display without a screen (Xvfb) and Claws Mail on it: set up by its settings files, driven by its keys."""

import contextlib
import itertools
import os
import subprocess

from . import wait

SETTINGS = {
    "accountrc": """\
[Account: 1]
account_name=alice
is_default=1
name=Alice Example
address={login}
protocol=6
smtp_server=localhost
use_smtp_auth=1
smtp_auth_method={method}
smtp_user_id={login}
ssl_smtp={tls}
set_smtpport=1
smtp_port={port}
""",
    "clawsrc": "[Common]\nconfig_version=4\nautowrap=0\nlinewrap_before_sending=0\nenable_aspell=0\n",
    "passwordstorerc": "[account:1]\nsend {password}\n",
    "folderlist.xml": """\
<?xml version="1.0" encoding="UTF-8"?>
<folderlist>
<folder type="mh" name="Mail" path="Mail" account_id="1">
<folderitem type="inbox" name="inbox" path="inbox"/>
<folderitem type="outbox" name="sent" path="outbox"/>
<folderitem type="draft" name="draft" path="draft"/>
<folderitem type="queue" name="queue" path="queue"/>
<folderitem type="trash" name="trash" path="trash"/>
</folder>
</folderlist>
""",
}
TLS = {"SMTPS": 1, "STARTTLS": 2}
_displays = itertools.count()
METHODS = {"LOGIN": 1, "CRAM-MD5": 2, "PLAIN": 16}  # Claws Mail's own numbers


class Display:
    def __init__(self, folder):
        reader, writer = os.pipe()
        number = 1000 + os.getpid() * 7 % 30000 + next(_displays)  # its own: runs side by side would race for the first free one
        self.process = subprocess.Popen(["Xvfb", f":{number}", "-displayfd", str(writer), "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
                                        pass_fds=[writer], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=open(os.path.join(folder, "xvfb.log"), "wb"), start_new_session=True)
        os.close(writer)
        with os.fdopen(reader) as told:
            self.name = ":" + told.readline().strip()  # an empty line when it ended at once
        assert self.name != ":", "Xvfb did not start"

    def close(self):
        self.process.terminate()
        self.process.wait(10)


class Claws:
    def __init__(self, folder, display, port, how, mechanism, login, password, cert):
        """cert: the server's certificate, which the user has accepted before."""
        self.home, self.display = os.path.join(folder, "claws"), display
        for name in ("inbox", "outbox", "queue", "draft", "trash"):
            os.makedirs(os.path.join(self.home, "Mail", name))
        settings = os.path.join(self.home, ".claws-mail")
        os.makedirs(os.path.join(settings, "certs"))
        subprocess.run(["openssl", "x509", "-in", cert, "-outform", "DER", "-out",
                        os.path.join(settings, "certs", f"localhost.{port}.cert")], check=True, capture_output=True, timeout=20)
        for name, text in SETTINGS.items():
            with open(os.path.join(settings, name), "w") as file:
                file.write(text.format(login=login, password=password, port=port, tls=TLS[how], method=METHODS[mechanism]))
        self.env = {**os.environ, "DISPLAY": display.name, "HOME": self.home, "LC_ALL": "C.UTF-8"}
        self.process = None

    def compose(self, title, mailto, *files):
        """Opens a window with a new mail in it, as a click on a mailto link does. Now and then Claws Mail comes up without one: then it is started again."""
        self.command = ["claws-mail", "--debug", "--compose", mailto, "--attach", *files]
        for last in (False, False, True):
            self._start()
            try:
                return wait.until(lambda: self._windows(title), lambda: f"a window {title!r}\n{self.log()}", wait.LIMIT if last else wait.LIMIT / 2)
            except AssertionError:
                if last:
                    raise
                self.close()

    def _start(self):
        self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL,
                                        stdout=open(os.path.join(self.home, "log"), "wb"), stderr=subprocess.STDOUT,
                                        start_new_session=True)

    def log(self):
        with open(os.path.join(self.home, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def _xdotool(self, *argv):
        done = subprocess.run(["xdotool", *argv], env=self.env, capture_output=True, text=True, timeout=20)
        return done.stdout.split()

    def _windows(self, title):
        return self._xdotool("search", "--onlyvisible", "--name", title)

    def press(self, windows, keys):
        """Gives the first of the windows the keys."""
        self._xdotool("windowfocus", "--sync", windows[0], "key", "--window", windows[0], keys)

    def close(self):
        if self.process:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
                return
            self.process.kill()
            self.process.wait(10)
