# SPDX-License-Identifier: ISC
"""The server under memcheck: mail of every sort, a reload of the queue by a stop and a start, and a kill; then some of the end-to-end tests. What memcheck says is a finding.

Memcheck cannot run in a sandbox; a server that runs under it enters none, and says so (src/os/sandbox.c).
"""
import os
import pathlib
import re
import shutil
import tempfile

from . import e2e
from .result import Result, Unavailable

ABOUT = "every process of the server under valgrind's memcheck. A round is five mails, one of each sort; some end-to-end tests follow."
ROUNDS = 20
PATIENCE = "180"
TESTS = (("test_dialog.py", "bdat or auth"), ("test_bounce.py", "by_the_book or headers_only or double"),
         ("test_reload.py", "test_"),
         ("test_durability.py", "while_deferred or vanished or sigterm_lets"))
_WRAPPER = """#!/bin/sh
case "$1" in
serve) TMPDIR={folder} exec valgrind --quiet --log-file={folder}/memcheck.%p --leak-check=no --num-callers=25 --track-origins=yes {binary} "$@" ;;
*) exec {binary} "$@" ;;
esac
"""


def _sends(site, rounds, what):
    for _ in range(rounds):
        site.send(what, limit=120.0)
    site.balance()


def _tests(options, wrapper, result):
    with e2e.Suite(options.root, wrapper, {"WAIT_LIMIT": PATIENCE}) as suite:
        for name, wanted in TESTS:
            suite.run(name, result, "-k", wanted)


def _said(folder):
    """What memcheck reported, each place once."""
    seen = {}
    for path in sorted(pathlib.Path(folder).glob("memcheck.*")):
        text = re.sub(r"==\d+== ?", "", path.read_text(errors="replace"))
        for block in re.split(r"\n\s*\n", text):
            if block.strip():
                seen.setdefault(re.sub(r"0x[0-9A-F]+", "0x", block), block)
    return list(seen.values())


def run(options):
    if not shutil.which("valgrind"):
        raise Unavailable("valgrind is not here (scripts/install test)")
    os.environ["WAIT_LIMIT"] = PATIENCE
    from . import fault_server
    folder = tempfile.mkdtemp(prefix="thurn-vg-")
    os.chmod(folder, 0o777)
    result = Result()
    try:
        os.mkdir(os.path.join(folder, "bin"))
        binary = fault_server.copy_for_service(str(options.build / "thurn"), os.path.join(folder, "bin"))
        os.chmod(os.path.join(folder, "bin"), 0o755)
        wrapper = os.path.join(folder, "thurn")
        with open(wrapper, "w") as file:
            file.write(_WRAPPER.format(folder=folder, binary=binary))
        os.chmod(wrapper, 0o755)
        fault_server.BALANCE = 300.0
        site = fault_server.Site(wrapper, None, os.path.join(folder, "w"), "vg")
        try:
            _sends(site, options.rounds, "the first run")
            site.server.stop()
            site.server.start()
            _sends(site, max(1, options.rounds // 4), "after a stop")
            site.server.kill()
            site.server.start()
            _sends(site, max(1, options.rounds // 4), "after a kill")
            site.server.stop()
        finally:
            site.close()
        result.acknowledged, result.lost, result.doubled = site.acknowledged, site.lost, site.doubled
        result.points = site.acknowledged
        result.findings = list(site.findings)
        _tests(options, wrapper, result)
        result.findings += [f"memcheck: {block}" for block in _said(folder)]
        result.notes.append(f"{len(list(pathlib.Path(folder).glob('memcheck.*')))} processes were watched")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result
