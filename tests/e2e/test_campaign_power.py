# SPDX-License-Identifier: ISC
"""A short run of ./campaign power: two cuts on ext4, and the control run that must lose mail."""

import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def campaign(name, rounds, seed, build):
    """Runs it; its output, where it was clean. Skips where the machine cannot run it."""
    argv = [sys.executable, ROOT / "campaign", name, "--rounds", str(rounds), "--seed", str(seed), "--build", build]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        try:
            out, errors = running.communicate(timeout=100)
        except BaseException:
            running.terminate()  # it ends its servers and unmounts
            print(running.communicate(timeout=60))
            raise
    if running.returncode == 69:
        pytest.skip(errors.strip())
    assert running.returncode == 0, out + errors
    return out


def test_two_power_cuts(build):
    out = campaign("power", 2, 1, build)
    assert "campaign power: 2 points, " in out and ", 0 lost, " in out, out
