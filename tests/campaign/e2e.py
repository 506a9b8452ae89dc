# SPDX-License-Identifier: ISC
"""What the campaigns that run files of tests/e2e share: a run of one file on another binary, and what its servers said."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from .result import Unavailable

FILES = ("test_dialog.py", "test_durability.py", "test_reload.py", "test_peers.py")  # the core: engine, spool, processes, other servers
FILE_LIMIT = 1800
SERVER_LIMIT = "120"  # seconds that a test waits for a server
_PASSED = re.compile(r"(\d+) passed")


def build(root, folder, compilers, options):
    done = subprocess.run([root / "scripts/build", folder, "--target", "thurn", *options], cwd=root, env={**os.environ, **compilers},
                          check=False)
    if done.returncode != 0:
        raise Unavailable(f"{folder} cannot be built")


class Suite:
    """Keeps what the tests leave behind in a folder of its own, until it is closed."""

    def __init__(self, root, binary, environment):
        self.root, self.kept = root, False
        self.folder = tempfile.mkdtemp(prefix="ts-")  # short, as there are socket paths below it
        os.chmod(self.folder, 0o1777)  # programs of the ordinary user have their temporary files there, too
        self.environment = {**os.environ, "WAIT_LIMIT": SERVER_LIMIT, **environment, "THURN": str(binary), "TMPDIR": self.folder,
                            "KEEP": "1"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.kept:
            print(f"what the tests left is kept in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, name, result, *more):
        """One file; each test that passed is a point, each that failed a finding."""
        command = ["/usr/bin/python3", "-m", "pytest", f"tests/e2e/{name}", "-q", "-p", "no:cacheprovider", "-rfE", *more]
        try:
            done = subprocess.run(command, cwd=self.root, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=FILE_LIMIT, check=False)
        except subprocess.TimeoutExpired:
            result.findings.append(f"{name}: did not end in {FILE_LIMIT} s")
            return
        with open(os.path.join(self.folder, f"{name}.out"), "w") as file:
            file.write(done.stdout)
        passed = _PASSED.search(done.stdout)
        result.points += int(passed.group(1)) if passed else 0
        last = done.stdout.strip().rpartition("\n")[2].strip("= ")
        result.notes.append(f"{name}: {last}")
        print(f"  {name}: {last}", flush=True)
        failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        result.findings += [line[:300] for line in failed]
        if done.returncode != 0 and not failed:
            result.findings.append(f"{name}: pytest ended with {done.returncode}: {done.stdout[-600:]}")

    def said(self, pattern, what, lines):
        """From each file of that name the first place that matches, and the lines after it; each place once."""
        seen = {}
        for path in sorted(pathlib.Path(self.folder).rglob(pattern)):
            text = path.read_text(errors="replace")
            found = re.search(rf"(?m)^.*(?:{what}).*$", text)
            if found:
                block = "\n".join(text[found.start():].splitlines()[:lines])
                seen.setdefault(re.sub(r"0x[0-9a-f]+|==\d+==", "", found.group(0)), f"{path}:\n{block}")
        return list(seen.values())
