#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Counts the tests of one run:   tally.py FILE

FILE is meson's testlog.json or a JUnit file. Prints `PASSED FAILED SKIPPED` on the first line, then one line for
each failed test. A cmocka program counts as many tests as it says it ran; one that crashed counts its crash."""

import json
import re
import sys
import xml.etree.ElementTree

CMOCKA = re.compile(r"^\[\s+(PASSED|FAILED|SKIPPED)\s+\] (\d+) test\(s\)", re.M)
CASE = re.compile(r"^\[\s+FAILED\s+\] (?!\d+ test)(\S+)", re.M)


def count_program(record):
    """(passed, failed, skipped, names of the failed) of one line of testlog.json."""
    output = (record.get("stdout") or "") + (record.get("stderr") or "")
    said = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for word, number in CMOCKA.findall(output):
        said[word] += int(number)
    passed, failed, skipped = said["PASSED"], said["FAILED"], said["SKIPPED"]
    names = sorted(set("%s: %s" % (record["name"], case) for case in CASE.findall(output))) if failed else []
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


def count_junit(path):
    passed = failed = skipped = 0
    names = []
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        bad = [child for child in case if child.tag in ("failure", "error")]
        if bad:
            failed += 1
            message = (bad[0].get("message") or "").splitlines()[:1]
            names.append("%s::%s: %s" % (case.get("classname"), case.get("name"), message[0][:160] if message else ""))
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
    return [passed, failed, skipped], names


def main():
    path = sys.argv[1]
    total, names = count_junit(path) if path.endswith(".xml") else count_meson(path)
    print(*total)
    for name in names:
        print("failed: " + name)


if __name__ == "__main__":
    main()
