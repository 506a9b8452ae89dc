# SPDX-License-Identifier: ISC
"""Plays each transcript of tests/dialog against the real server."""

import glob
import os
import tomllib

import pytest

from harness import transcript

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "dialog")
FILES = sorted(glob.glob(os.path.join(FOLDER, "*.smtp")))


def config(script):
    limits = dict(value.split(" ", 1) for value in script.option("limit"))
    lists = {}
    for value in script.option("list"):
        name, *members = value.split()
        lists[f"{name}@example.org"] = {"members": members, "post": "any"}
    return {"limits": {key: tomllib.loads(f"v = {value}")["v"] for key, value in limits.items()}, "list": lists,
            "domain": {"example.org": {"users": ["Alice Example <alice>", "bob", "carol"]}}}


def test_there_are_transcripts():
    assert len(FILES) >= 10


@pytest.mark.parametrize("path", FILES, ids=[os.path.basename(f)[:-5] for f in FILES])
def test_dialog(serve, path):
    script = transcript.Transcript(path)
    tree = config(script)
    if not tree["list"]:
        del tree["list"]
    thurn = serve(tree)
    with thurn.dial(greeting=False) as talk:
        transcript.play(script, talk)
