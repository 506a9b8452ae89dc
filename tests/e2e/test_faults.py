# SPDX-License-Identifier: ISC
"""Single faults whose outcome is known: the rule about syncs, a segment that the disk does not give. `./campaign fault` tries all the others."""

import errno
import os
import subprocess
import sys

import pytest

from conftest import ROOT
from harness import wait

sys.path.insert(0, os.path.join(ROOT, "tests"))
from campaign import fault_server  # noqa: E402
from campaign.fault_plan import Point  # noqa: E402

LONG = 60.0


@pytest.fixture
def site(binary, build, work, closing):
    library = os.path.join(build, "tests", "fault", "fault.so")
    assert os.path.exists(library), f"{library} is not built"
    return closing(fault_server.Site(binary, fault_server.copy_for_service(library, work), os.path.join(work, "site"), "t"))


def test_no_250_while_syncs_fail(site):
    """Every fdatasync of the receiver fails: nothing is acknowledged, no descriptor is used again; afterwards mail is taken."""
    point = Point("receiver", "fdatasync", errno.EIO, 1, lasting=True)
    site.plan.arm(point)
    site.send(point)
    assert site.plan.hits > 0
    assert not any(mail.acknowledged for mail in site.ledger.mails.values())
    assert site.plan.reused == 0
    site.plan.disarm()
    assert site.probe(point), site.findings
    site.balance()
    assert not site.findings and site.acknowledged == 2  # the probe's: one plain, one by TLS


def test_segment_that_cannot_be_read(site):
    """It is set aside and named; new mail goes its way; when the disk gives it again its mail is delivered."""
    point = Point("queue", "pread", errno.EIO, 1, lasting=True, phase="start")
    site.deferring = True
    site.send(point, "bb")
    wait.until(lambda: len([m for m in site.server.queue() if m["tries"] >= 1]) == 2, site.server.log, LONG)
    site.server.kill()
    site.deferring = False
    site.plan.arm(point)
    site.server.start()
    said = wait.until(lambda: "cannot be read" in site.server.command("queue").stderr and site.server.command("queue").stderr,
                      site.server.log, LONG)
    assert "its mail waits" in said
    assert not site.sink.messages
    site.send(point, "a")
    wait.until(lambda: (site.collect(), any(ident[0] == "a" for ident, _ in site.ledger.arrived))[1], site.server.log, LONG)
    assert len(site.ledger.missing()) == 2
    site.plan.disarm()
    site.balance()
    assert not site.findings, site.findings
    assert "cannot be read" not in site.server.command("queue").stderr


def test_campaign_in_short(build):
    """A few faults of `./campaign fault`, always the same ones."""
    done = subprocess.run([os.path.join(ROOT, "campaign"), "fault", "--seed", "11", "--rounds", "16", "--build", build],
                          capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "clean" in done.stdout
