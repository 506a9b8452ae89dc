#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Counts the tests of one run:   tally.py FILE [AGAIN]      what to run again:   tally.py --failed FILE

FILE is meson's testlog.json or a JUnit file. Prints `PASSED FAILED SKIPPED` on the first line, then one line for
each failed test. A cmocka program counts as many tests as it says it ran; one that crashed counts its crash.
AGAIN is a JUnit file, too: its results take the place of the first ones, and a test that failed only in the first run is named.
--failed prints the pytest names of what failed, one a line; nothing when more than AGAIN_MOST did."""

import json
import re
import sys
import xml.etree.ElementTree

AGAIN_MOST = 3  # more are no accident
CMOCKA = re.compile(r"^\[\s+(PASSED|FAILED|SKIPPED)\s+\] (\d+) test\(s\)", re.M)
CASE = re.compile(r"^\[\s+FAILED\s+\] (?!\d+ test)(\S+)", re.M)
REASON = re.compile(r"\[\s+ERROR\s+\] --- (.*)\n\[\s+LINE\s+\] --- (\S+):.*\n\[\s+FAILED\s+\] (\S+)")


def count_program(record):
    """(passed, failed, skipped, names of the failed) of one line of testlog.json."""
    output = (record.get("stdout") or "") + (record.get("stderr") or "")
    said = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for word, number in CMOCKA.findall(output):
        said[word] += int(number)
    passed, failed, skipped = said["PASSED"], said["FAILED"], said["SKIPPED"]
    why = {case: ": %s (%s)" % (what[:160], where) for what, where, case in REASON.findall(output)}
    cases = sorted(set(CASE.findall(output))) if failed else []
    names = ["%s: %s%s" % (record["name"], case, why.get(case, "")) for case in cases]
    if record["result"] == "SKIP":
        return 0, 0, max(skipped, 1), []
    if record["result"] != "OK" and not failed:
        failed, names = 1, ["%s: %s" % (record["name"], record["result"].lower())]
    if record["result"] == "OK" and not passed and not skipped:
        passed = 1
    return passed, failed, skipped, names


def count_meson(path):
    total, names = [0, 0, 0], []
    with open(path, encoding="utf-8") as file:
        for line in file:
            counts = count_program(json.loads(line))
            total = [a + b for a, b in zip(total, counts)]
            names += counts[3]
    return total, names


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
    names = [name for name, (how, _) in read_junit(path).items() if how == "failed"]
    for file, test in names if len(names) <= AGAIN_MOST else []:
        print("%s.py::%s" % (file.replace(".", "/"), test))


def main():
    if sys.argv[1] == "--failed":
        print_failed(sys.argv[2])
        return
    path = sys.argv[1]
    if path.endswith(".xml"):
        total, lines = count_junit(path, *sys.argv[2:3])
    else:
        total, names = count_meson(path)
        lines = ["failed: " + name for name in names]
    print(*total)
    for line in lines:
        print(line)


if __name__ == "__main__":
    main()
