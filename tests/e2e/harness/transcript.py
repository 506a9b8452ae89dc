# SPDX-License-Identifier: ISC
"""Reads and plays the files of test/dialog (the format: test/dialog/README)."""

import re

ESCAPES = {"r": "\r", "n": "\n", "0": "\0", "t": "\t", "\\": "\\"}


class Transcript:
    def __init__(self, path):
        self.path = path
        self.options = []
        self.steps = []
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                self._read(number, line.rstrip("\n"))

    def _read(self, number, line):
        if line.startswith("# ") and ": " in line and not self.steps:
            name, _, value = line[2:].partition(": ")
            self.options.append((name, value))
        elif line.startswith(("C: ", "S: ", "B: ")):
            self.steps.append((number, line[0], line[3:]))
        elif line in ("C:", "S:"):
            self.steps.append((number, line[0], ""))
        elif line and not line.startswith("#"):
            raise ValueError(f"{self.path}:{number}: not a transcript line: {line!r}")

    def option(self, name):
        return [value for key, value in self.options if key == name]


def raw(text):
    """The bytes of a B: line: \\r \\n \\0 \\t \\\\ and \\xHH are undone, nothing is added."""
    out = re.sub(r"\\(x[0-9A-Fa-f]{2}|.)",
                 lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" else ESCAPES[m[1]], text)
    return out.encode("latin-1")


def matches(pattern, line):
    """`*` stands for any run of characters, also none; all else is itself."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), line) is not None


def play(transcript, dialogue):
    """Plays all the steps; the greeting is the first S: line, so the dialogue must not have read it yet."""
    for number, side, text in transcript.steps:
        if side == "C":
            dialogue.send(text + "\r\n")
        elif side == "B":
            dialogue.send(raw(text))
        elif text == "(closed)":
            assert dialogue.at_end(), f"{transcript.path}:{number}: not closed\n{dialogue.transcript()}"
        else:
            line = dialogue._line()
            assert matches(text, line), f"{transcript.path}:{number}: wanted {text!r}, got {line!r}\n{dialogue.transcript()}"
