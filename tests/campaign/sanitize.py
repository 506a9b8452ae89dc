# SPDX-License-Identifier: ISC
"""End-to-end tests on a server that was built with the address and undefined-behaviour sanitizers. What these say, in any log, is a finding, and a test that fails is one."""
import shutil

from . import e2e
from .result import Result, Unavailable

ABOUT = "end-to-end tests of a server with ASan and UBSan. A round is one file of tests/e2e, as many as there are here: " + ", ".join(e2e.FILES)
ROUNDS = len(e2e.FILES)
_FOLDER = "build-asan"  # as ./test has it
_SAID = r"ERROR: \w+Sanitizer|runtime error:"


def run(options):
    if not shutil.which("clang"):
        raise Unavailable("clang is not here (scripts/install test)")
    e2e.build(options.root, _FOLDER, {"CC": "clang", "CXX": "clang++"}, ["-Db_sanitize=address,undefined", "-Db_lundef=false"])
    # A confined process may start no program that finds names to addresses, and no tracer that looks for leaks.
    environment = {"ASAN_OPTIONS": "detect_leaks=0:symbolize=0", "UBSAN_OPTIONS": "print_stacktrace=1:symbolize=0"}
    result = Result()
    with e2e.Suite(options.root, options.root / _FOLDER / "thurn", environment) as suite:
        for name in e2e.FILES[:options.rounds]:
            suite.run(name, result)
        result.findings += suite.said("log.*", _SAID, 40)
        suite.kept = not result.clean()
    return result


__all__ = ["ABOUT", "ROUNDS", "run"]
