# SPDX-License-Identifier: ISC
"""packaging/thurn.service: what systemd itself says of it."""

import os
import re
import shutil
import subprocess

import pytest

UNIT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/thurn.service")
WORST = 3.0


def exposure(path):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", path], capture_output=True, text=True,
                          timeout=120, env={**os.environ, "LC_ALL": "C.UTF-8"})
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert "gnoring" not in done.stderr, done.stderr  # a setting that systemd does not know protects nobody
    return float(found.group(1))


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze")
def test_g8_exposure_of_the_unit(tmp_path):
    assert exposure(UNIT) <= WORST
    # and the figure is one that a weaker unit would not reach
    with open(UNIT) as unit:
        weaker = unit.read().replace("SystemCallFilter=@system-service", "SystemCallFilter=@system-service @mount")
    path = tmp_path / "thurn.service"
    path.write_text(re.sub(r"(?m)^CapabilityBoundingSet=.*\n", "", weaker))
    assert exposure(str(path)) > WORST
