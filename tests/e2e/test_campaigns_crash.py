# SPDX-License-Identifier: ISC
"""A short `./campaign crash`: power cuts of the whole server, see RELIABILITY.md."""

import os
import signal
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIMIT = 600


def test_no_cut_loses_mail(build):
    signal.alarm(LIMIT)
    done = subprocess.run([os.path.join(ROOT, "campaign"), "crash", "--rounds", "100", "--seed", "1", "--build", build],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
    if done.returncode == 69:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
