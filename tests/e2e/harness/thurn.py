# SPDX-License-Identifier: ISC
"""Runs `thurn serve` on a configuration of its own, and `thurn COMMAND -c` against it."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import subprocess

from . import account, mailbox, process, toml, wait
from .dialogue import Dialogue

CONFIG = {
    "hostname": "mail.example.org",
    "postmaster": "alice@example.org",
    "queue": {"retry": ["1s"], "give_up": "60s", "min_free": "1M"},
    "listen": {"mx": []},
    "domain": {"example.org": {"deliver": "maildir:{dir}/mail/{domain}/{user}", "users": ["alice", "bob"]}},
}


_ports = itertools.cycle(range(10000 + os.getpid() * 97 % 20000, 32000))


def free_port(host="127.0.0.1"):
    """A port that nobody listens on, below those that the kernel gives to clients, and another one each time."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in itertools.islice(_ports, 1000):
        with socket.socket(family) as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


def _placed(tree, folder):
    """The tree with {dir} replaced in every string ({user}, {domain} are Thurn's own)."""
    if isinstance(tree, dict):
        return {_placed(k, folder): _placed(v, folder) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_placed(v, folder) for v in tree]
    return tree.replace("{dir}", folder) if isinstance(tree, str) else tree


class Thurn:
    """One server. `folder` holds thurn.toml, state/, mail/ and the logs; `inside` is a Namespace or None.

    root=False runs everything as the ordinary user; root=True starts as root with `user` set to that account.
    """

    def __init__(self, binary, folder, config=None, *, inside=None, root=False, env=None, base=CONFIG):
        self.binary, self.folder, self.inside, self.root = binary, folder, inside, root
        os.makedirs(folder, exist_ok=True)
        os.makedirs(os.path.join(folder, "mail"), exist_ok=True)
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
        self.state = os.path.join(folder, "state")
        self.path = os.path.join(folder, "thurn.toml")
        self.host = "10.77.0.2" if inside else "127.0.0.1"
        self.ports = {}
        self.tree = {}
        self.process = None
        self.runs = 0
        self.configure(toml.merged(base, config or {}))

    # --- configuration ---

    def configure(self, tree):
        """Writes the tree as thurn.toml; fills in state_dir, user, and a free port wherever a listener says HOST:0."""
        tree = _placed(tree, self.folder)
        tree.setdefault("state_dir", self.state)
        if self.root:
            tree.setdefault("user", account.SERVICE)
        listen = tree.setdefault("listen", {})
        if "mx" in listen and listen["mx"] == []:
            listen["mx"] = [f"{self.host}:25" if self.inside else f"{self.host}:0"]
        for kind, places in listen.items():
            if isinstance(places, list):
                listen[kind] = [self._ported(kind, n, place) for n, place in enumerate(places)]
        self.tree = tree
        self.write(toml.dumps(tree))

    def _ported(self, kind, number, place):
        address, space, rest = place.partition(" ")
        host, _, port = address.rpartition(":")
        if port == "0":
            port = str(self.ports.get((kind, number)) or free_port(host.strip("[]")))
        if port.isdigit():
            self.ports[kind, number] = int(port)
        return f"{host}:{port}{space}{rest}"

    def change(self, changes):
        self.configure(toml.merged(self.tree, changes))

    def write(self, text):
        with open(self.path, "w") as file:
            file.write(text)
        self.give()

    def give(self):
        if not self.root:
            account.give(self.folder)
        else:
            account.give(os.path.join(self.folder, "mail"))

    def file(self, name, text, mode=0o644):
        """Writes a file into the folder; returns its path."""
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, mode)
        if not self.root:
            account.give(path)
        return path

    # --- running ---

    def _argv(self, *args):
        argv = [self.binary, *args]
        if not self.root:
            argv = account.as_service(argv)
        return self.inside.argv(argv) if self.inside else argv

    def start(self):
        self.runs += 1
        self.log_path = os.path.join(self.folder, f"log.{self.runs}")
        self.out_path = os.path.join(self.folder, f"out.{self.runs}")
        with open(self.log_path, "wb") as log, open(self.out_path, "wb") as out:
            self.process = subprocess.Popen(self._argv("serve", "-c", self.path), stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=log, env=self.env, cwd=self.folder)
        wait.until(self._ready, lambda: f"'thurn: ready'; the log says:\n{self.log()}")
        return self

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"thurn serve ended with {self.process.returncode}:\n{self.log()}")
        with open(self.out_path) as out:
            return "thurn: ready\n" in out.read()

    def stop(self):
        """SIGTERM: drains and exits 0, and no child outlives the master."""
        pids = self.pids()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(wait.LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"SIGTERM did not end it:\n{self.log()}") from None
        self.process = None
        assert code == 0, f"exit status {code} after SIGTERM:\n{self.log()}"
        wait.until(lambda: not [p for p in pids if process.state(p) not in (None, "Z")], "the children's end")

    def kill(self):
        """SIGKILL to every process at once, as a power cut would."""
        if self.process is None:
            return
        process.kill(self.process.pid, signal.SIGSTOP)  # or it makes a child that is not in the list
        pids = [self.process.pid, *process.children(self.process.pid)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                process.kill(pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process = None
        wait.until(lambda: not [p for p in pids if process.state(p) not in (None, "Z")], "the end of all")

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def pids(self, kind=None):
        all_pids = [self.process.pid, *process.children(self.process.pid)]
        return [p for p in all_pids if kind is None or process.kind(p) == kind]

    def log(self):
        text = ""
        for run in range(1, self.runs + 1):
            with open(os.path.join(self.folder, f"log.{run}"), encoding="utf-8", errors="replace") as file:
                text += file.read()
        return text

    def logged(self, pattern, limit=wait.LIMIT):
        """Waits for a log line that matches; returns the match."""
        return wait.until(lambda: re.search(pattern, self.log()), lambda: f"log line {pattern!r} in\n{self.log()}", limit)

    # --- speaking to it ---

    def port(self, kind="mx", number=0):
        return self.ports[kind, number]

    def dial(self, kind="mx", number=0, *, host=None, **more):
        with self.inside.entered() if self.inside else contextlib.nullcontext():
            return Dialogue(host or self.host, self.port(kind, number), **more)

    def command(self, *args, stdin=None, expect=0, root=None):
        """Runs `thurn ARGS -c FILE` (the verb's words first); returns the finished process, text streams."""
        argv = self._argv(*args, "-c", self.path)
        done = subprocess.run(argv, input=stdin if stdin is not None else "", capture_output=True, text=True,
                              timeout=120, env=self.env, cwd=self.folder)
        if expect is not None:
            assert done.returncode == expect, \
                f"thurn {' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def queue(self):
        """The queue as `thurn queue list --json` gives it."""
        out = self.command("queue", "list", "--json").stdout
        return [json.loads(line) for line in out.splitlines() if line.strip()]

    def removed(self, *ids, limit=wait.LIMIT):
        """Waits until the queue is done with these mails. (A 250 does not wait for the queue to know of a mail, so an
        empty queue right after it means nothing.)"""
        for ident in ids:
            self.logged(rf"{ident}: removed", limit)

    def queue_empty(self, limit=wait.LIMIT):
        wait.until(lambda: not self.queue(), lambda: f"an empty queue: {self.queue()}\n{self.log()}", limit)

    # --- what landed ---

    def maildir(self, user, domain="example.org"):
        return os.path.join(self.folder, "mail", domain, user)

    def landed(self, user, count=1, domain="example.org", limit=wait.LIMIT):
        """Waits for `count` messages in the user's Maildir; returns them raw."""
        path = self.maildir(user, domain)
        wait.until(lambda: len(mailbox.maildir(path)) >= count,
                   lambda: f"{count} messages in {path}, there are {len(mailbox.maildir(path))}\n{self.log()}", limit)
        return mailbox.maildir(path)
