# SPDX-License-Identifier: ISC
"""Bounded polling. A test never sleeps for a fixed time and never waits without an end."""

import os
import time

LIMIT = float(os.environ.get("WAIT_LIMIT", "60"))
TOLD = 6000
PAUSE = 0.03


def until(probe, what, limit=LIMIT):
    """Calls probe() until it gives something true, and returns that; fails with `what` at the limit."""
    end = time.monotonic() + limit
    while True:
        got = probe()
        if got:
            return got
        if time.monotonic() > end:
            said = what() if callable(what) else what
            raise AssertionError(f"waited {limit:.0f} s in vain for {said[-TOLD:]}")
        time.sleep(PAUSE)


def steady(probe, seconds):
    """True when probe() stays true for the whole of `seconds` (for things that must not happen)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not probe():
            return False
        time.sleep(PAUSE)
    return True
