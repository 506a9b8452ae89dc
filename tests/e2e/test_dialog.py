# SPDX-License-Identifier: ISC
"""Plays each transcript of tests/dialog against the real server."""

import glob
import os
import tomllib

import pytest

from harness import transcript

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "dialog")
FILES = sorted(glob.glob(os.path.join(FOLDER, "*.smtp")))


RELAY = {"network": {"127.0.0.1/32": {"senders": ["@example.org"]}}}


def config(script):
    trusted = script.option("trust")
    tree = {"trust": {key: ["127.0.0.1"] for key in trusted if key != "relay"}, "relay": RELAY if "relay" in trusted else {},
            "listen": {kind: ["127.0.0.1:0"] for kind in script.option("listen")}}
    limits = dict(value.split(" ", 1) for value in script.option("limit"))
    lists = {}
    for value in script.option("list"):
        name, *members = value.split()
        lists[f"{name}@example.org"] = {"members": members, "post": "any"}
    tree |= {"limits": {key: tomllib.loads(f"v = {value}")["v"] for key, value in limits.items()}, "list": lists,
             "domain": {"example.org": {"users": ["Alice Example <alice>", "bob", "carol"]}}}
    return {key: value for key, value in tree.items() if value}


def test_there_are_transcripts():
    assert len(FILES) >= 10


@pytest.mark.parametrize("path", FILES, ids=[os.path.basename(f)[:-5] for f in FILES])
def test_dialog(serve, path):
    script = transcript.Transcript(path)
    thurn = serve(config(script))
    with thurn.dial((script.option("listen") or ["mx"])[0], greeting=False) as talk:
        transcript.play(script, talk)
