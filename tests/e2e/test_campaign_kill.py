# SPDX-License-Identifier: ISC
"""A short run of ./campaign kill."""

from test_campaign_power import campaign


def test_a_few_kills(build):
    out = campaign("kill", 3, 4, build)
    assert "campaign kill: 3 points, " in out and ", 0 lost, " in out, out
