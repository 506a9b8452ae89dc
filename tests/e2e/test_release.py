# SPDX-License-Identifier: ISC
"""What scripts/release and the package are built with: the training load. The builds themselves take minutes, and are not made here (test_package.py makes one where debhelper is)."""

import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("THURN_BUILD") or os.path.join(ROOT, "build")


def train(folder):
    return subprocess.run([os.path.join(ROOT, "scripts/train"), folder], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=400)


def test_the_training_load_is_taken():
    done = train(BUILD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("trained with 18700 mails; no profiles: ")


def test_a_server_that_does_not_start_ends_the_training(top):
    folder = os.path.join(top, "broken")
    os.makedirs(os.path.join(folder, "bench"))
    with open(os.path.join(folder, "thurn"), "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho no server here\nexit 3\n")
    os.chmod(os.path.join(folder, "thurn"), 0o755)
    os.symlink(os.path.join(BUILD, "bench/bench-load"), os.path.join(folder, "bench/bench-load"))
    done = train(folder)
    assert done.returncode == 1
    assert "the server does not greet:\nno server here" in done.stderr


def test_a_binary_for_use_has_its_sandbox():
    with open(os.path.join(BUILD, "thurn"), "rb") as file:
        assert b"in a build for training" not in file.read()
