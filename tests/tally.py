#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Counts the tests of one run:   tally.py FILE [AGAIN]      what to run again:   tally.py --failed FILE

FILE is meson's testlog.json or a JUnit file. Prints `PASSED FAILED SKIPPED` on the first line, then one line for
each failed test, and what a failed program said. A cmocka program counts as many tests as it says it ran; one that crashed counts its crash.
AGAIN is a file of the same kind: its results take the place of the first ones, and a test that failed only in the first run is named.
--failed prints the names of what failed, one a line, as meson and pytest take them; nothing when more than AGAIN_MOST did, or a unit test
of anything but processes."""

import json
import re
import sys
import xml.etree.ElementTree

AGAIN_MOST = 3  # more are no accident
PROCESSES = "proc_"  # unit tests of whole processes; what fails elsewhere does not depend on who else runs
CMOCKA = re.compile(r"^\[\s+(PASSED|FAILED|SKIPPED)\s+\] (\d+) test\(s\)", re.M)
CASE = re.compile(r"^\[\s+FAILED\s+\] (?!\d+ test)(\S+)", re.M)
WELL = re.compile(r"^(\[ RUN |\[ +OK \]|\[=+\]|$)")
SAID_MOST = 40  # lines of what a failed program said


def output_of(record):
    return (record.get("stdout") or "") + (record.get("stderr") or "")


def said_by(record):
    """What a failed program said, as lines, less what went well."""
    lines = [line for line in output_of(record).splitlines() if not WELL.match(line)]
    return ["    " + line[:200] for line in lines[:SAID_MOST]]


def count_program(record):
    """(passed, failed, skipped, lines about the failed) of one line of testlog.json."""
    output = output_of(record)
    said = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for word, number in CMOCKA.findall(output):
        said[word] += int(number)
    passed, failed, skipped = said["PASSED"], said["FAILED"], said["SKIPPED"]
    names = ["failed: %s: %s" % (record["name"], case) for case in sorted(set(CASE.findall(output)))] if failed else []
    if record["result"] == "SKIP":
        return 0, 0, max(skipped, 1), []
    if record["result"] != "OK" and not failed:
        failed, names = 1, ["failed: %s: %s" % (record["name"], record["result"].lower())]
    if record["result"] == "OK" and not passed and not skipped:
        passed = 1
    return passed, failed, skipped, names + (said_by(record) if failed else [])


def read_meson(path):
    """{name of a program: its line of testlog.json}"""
    with open(path, encoding="utf-8") as file:
        return {record["name"]: record for record in map(json.loads, file)}


def count_meson(path, again=None):
    records, second = read_meson(path), read_meson(again) if again else {}
    total, lines = [0, 0, 0], []
    for name, record in records.items():
        first = count_program(record)
        last = count_program(second[name]) if name in second else first
        total = [a + b for a, b in zip(total, last)]
        if first[1] and not last[1]:
            lines += ["passed when it ran again, alone: %s; the first time:" % name] + ["    " + line for line in first[3]]
        lines += last[3]
    return total, lines


def read_junit(path):
    """{(file, test): (how it ended, the first words of why)}"""
    cases = {}
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        bad = [child for child in case if child.tag in ("failure", "error")]
        name = case.get("classname"), case.get("name")
        if bad:
            cases[name] = "failed", ((bad[0].get("message") or "").splitlines() or [""])[0][:160]
        elif name not in cases:  # a test may pass and its fixture fail: two of one name
            cases[name] = "skipped" if case.find("skipped") is not None else "passed", ""
    return cases


def count_junit(path, again=None):
    cases, second = read_junit(path), read_junit(again) if again else {}
    lines = []
    for name, (how, why) in cases.items():
        if name in second and how == "failed":
            cases[name] = second[name]
            if second[name][0] != "failed":
                lines.append("passed when it ran again, alone: %s::%s: the first time: %s" % (*name, why))
    lines += ["failed: %s::%s: %s" % (*name, why) for name, (how, why) in cases.items() if how == "failed"]
    ends = [how for how, _ in cases.values()]
    return [ends.count("passed"), ends.count("failed"), ends.count("skipped")], lines


def print_failed(path):
    if path.endswith(".xml"):
        names = ["%s.py::%s" % (file.replace(".", "/"), test) for (file, test), (how, _) in read_junit(path).items() if how == "failed"]
    else:
        names = [name for name, record in read_meson(path).items() if count_program(record)[1]]
        if not all(name.startswith(PROCESSES) for name in names):
            return
    for name in names if len(names) <= AGAIN_MOST else []:
        print(name)


def main():
    if sys.argv[1] == "--failed":
        print_failed(sys.argv[2])
        return
    path = sys.argv[1]
    total, lines = (count_junit if path.endswith(".xml") else count_meson)(path, *sys.argv[2:3])
    print(*total)
    for line in lines:
        print(line)


if __name__ == "__main__":
    main()
