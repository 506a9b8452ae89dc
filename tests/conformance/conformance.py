#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Makes docs/conformance.md from the tables beside this file, and holds them to the tests that they name.

A table is a file rfcNUMBER.txt. Its first line that is no comment is `rfc NUMBER: TITLE`; then comes one block a requirement:

    [SECTION] MUST|SHOULD|MAY server|client|both: what is required, in our own words,
        perhaps over several indented lines
        unit ROOM/FILE:FUNCTION      src/ROOM/FILE_test.c has that cmocka test, and meson runs that program
        e2e FILE::FUNCTION           tests/e2e/test_FILE.py has that test
        dialog NAME                  tests/dialog/NAME.smtp, which runs on the engine and on the real server
        different: WHY               what we do otherwise, or do not do at all, and why

MUST NOT is written as MUST with a "never" or a "not" in the text. A block without any of the last four is a hole.

    conformance.py [--build DIR]    fails when a named test is not there or the page is out of date, and counts the holes
    conformance.py --collect        also asks pytest whether it collects the end-to-end tests that are named
    conformance.py --write          writes the page
    conformance.py --holes          lists the holes
    conformance.py --self-test      breaks each rule once and sees whether it is caught
"""

import argparse
import ast
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "docs/conformance.md"
BLOCK = re.compile(r"\[([0-9A-Z.]+)\] (MUST|SHOULD|MAY) (server|client|both): (\S.*)$")
TITLE = re.compile(r"rfc ([0-9]+): (\S.*)$")
PROOF = re.compile(r"(unit|e2e|dialog) (\S+)$")


class Row:
    def __init__(self, place, section, level, side, text):
        self.place, self.section, self.level, self.side, self.text = place, section, level, side, text
        self.tests, self.different = [], ""

    def is_hole(self):
        return not self.tests and not self.different


class Table:
    def __init__(self, path, errors):
        self.number, self.title, self.rows = "", "", []
        self.errors = errors
        in_different = False
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                place = "%s:%d" % (os.path.relpath(path, ROOT), number)
                if line.strip() and not line.startswith("#"):
                    in_different = self.take(place, line.rstrip(), in_different)
        if path != os.path.join(os.path.dirname(path), "rfc%s.txt" % self.number):
            errors.append("%s: the file of RFC %s has another name" % (os.path.relpath(path, ROOT), self.number))

    def take(self, place, line, in_different):
        """One line; returns whether the next may go on with what is different."""
        text = line.strip()
        title, block = TITLE.match(line), BLOCK.match(line)
        proof = PROOF.match(text)
        if title and not self.number:
            self.number, self.title = title.groups()
        elif block and self.number:
            self.rows.append(Row(place, *block.groups()))
        elif line.startswith(" ") and self.rows:
            return self.take_indented(text, proof, in_different)
        else:
            self.errors.append("%s: not a title, a requirement, or an indented line: %s" % (place, line))
        return False

    def take_indented(self, text, proof, in_different):
        row = self.rows[-1]
        if proof:
            row.tests.append(proof.groups())
            return False
        if text.startswith("different: "):
            row.different = text[len("different: "):]
            return True
        if in_different:
            row.different += " " + text
            return True
        row.text += " " + text
        return False


def read(root, path):
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


class Tests:
    """What tests the tree has, and which of the unit tests the build runs."""
    def __init__(self, root, build, collect=False):
        self.root = root
        self.programs = self.built_tests(build) if build else None
        self.collected = self.collected_tests(root) if collect else None
        self.functions = {}

    @staticmethod
    def built_tests(build):
        out = subprocess.run(["meson", "introspect", build, "--tests"], capture_output=True, text=True, check=False)
        if out.returncode != 0:
            return None
        base = os.path.abspath(build)
        return {os.path.relpath(test["cmd"][0], base) for test in json.loads(out.stdout)}

    @staticmethod
    def collected_tests(root):
        out = subprocess.run(["/usr/bin/python3", "-m", "pytest", "tests/e2e", "--collect-only", "-q", "-p", "no:cacheprovider"],
                             cwd=root, capture_output=True, text=True, check=False)
        return {line.partition("[")[0] for line in out.stdout.splitlines() if "::" in line}

    def wrong(self, kind, name):
        """What is wrong with a test's name, or nothing."""
        return {"unit": self.wrong_unit, "e2e": self.wrong_e2e, "dialog": self.wrong_dialog}[kind](name)

    def wrong_unit(self, name):
        place, _, function = name.partition(":")
        path = "src/%s_test.c" % place
        text = read(self.root, path)
        if not function or text is None:
            return "there is no %s" % path
        if not re.search(r"\bvoid %s\(void \*\*" % re.escape(function), text):
            return "%s has no test %s" % (path, function)
        if len(re.findall(r"\b%s\b" % re.escape(function), text)) < 2:
            return "%s never runs %s" % (path, function)
        folder, file = os.path.split(place)
        room = os.path.join("src", folder, folder.replace("/", "_"))
        programs = {"%s_%s_test" % (room, file)} | ({room + "_test"} if file == os.path.basename(folder) else set())
        if self.programs is not None and not programs & self.programs:
            return "meson does not run %s" % path
        return ""

    def wrong_e2e(self, name):
        file, _, function = name.partition("::")
        path = "tests/e2e/test_%s.py" % file
        if path not in self.functions:
            text = read(self.root, path)
            nodes = ast.parse(text).body if text is not None else []
            self.functions[path] = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        if not function.startswith("test_") or function not in self.functions[path]:
            return "%s has no test %s" % (path, function)
        if self.collected is not None and "%s::%s" % (path, function) not in self.collected:
            return "pytest does not collect %s::%s" % (path, function)
        return ""

    def wrong_dialog(self, name):
        path = "tests/dialog/%s.smtp" % name
        return "" if os.path.exists(os.path.join(self.root, path)) else "there is no %s" % path


def read_tables(root, errors):
    paths = glob.glob(os.path.join(root, "tests/conformance/rfc*.txt"))
    return sorted((Table(path, errors) for path in paths), key=lambda table: int(table.number or 0))


def check_tests(tables, tests, errors):
    for table in tables:
        for row in table.rows:
            for kind, name in row.tests:
                wrong = tests.wrong(kind, name)
                if wrong:
                    errors.append("%s: %s" % (row.place, wrong))


def counts(rows):
    tested = sum(1 for row in rows if row.tests)
    holes = sum(1 for row in rows if row.is_hole())
    return len(rows), tested, len(rows) - tested - holes, holes


def cell(text):
    return text.replace("|", "\\|")


def print_row(row):
    shown = ["`%s %s`" % test for test in row.tests]
    if row.different:
        shown.append("different: " + cell(row.different))
    return "| %s | %s | %s | %s | %s |" % (row.section, row.level, row.side, cell(row.text),
                                           "<br>".join(shown) or "**hole**")


HEAD = """# Conformance

What the RFCs ask of Thurn, and the tests that show it. Made by `tests/conformance/conformance.py` from the tables beside it; `./test` fails
when a test named here is not in the tree or this page is older than the tables. A requirement that no test shows is a **hole**;
what is deliberately different says why. A test is named as `unit ROOM/FILE:FUNCTION` (src/ROOM/FILE_test.c),
`e2e FILE::FUNCTION` (tests/e2e/test_FILE.py) or `dialog NAME` (tests/dialog/NAME.smtp, played to the engine in memory and to the real
server). The words are ours, not the RFC's. The table of RFC 2033 was written from memory, without its text at hand: section
numbers and levels there may be wrong.

| RFC | requirements | shown by tests | different | holes |
|---|---|---|---|---|"""


def print_page(tables):
    lines = [HEAD]
    for table in tables:
        lines.append("| [%s](#rfc-%s) %s | %d | %d | %d | %d |" % ((table.number, table.number, table.title) + counts(table.rows)))
    every = [row for table in tables for row in table.rows]
    lines.append("| all | %d | %d | %d | %d |" % counts(every))
    for table in tables:
        lines += ["", "## RFC %s" % table.number, "", table.title + ".", "",
                  "| section | level | side | requirement | shown by |", "|---|---|---|---|---|"]
        lines += [print_row(row) for row in table.rows]
    return "\n".join(lines) + "\n"


def check(root, build, collect=False):
    errors = []
    tables = read_tables(root, errors)
    check_tests(tables, Tests(root, build, collect), errors)
    if not tables:
        errors.append("there are no tables")
    if read(root, PAGE) != print_page(tables):
        errors.append("%s is out of date: run tests/conformance/conformance.py --write" % PAGE)
    return tables, errors


def self_test():
    """Each case is files over a good tree, and what must be said of it."""
    good = {
        "tests/conformance/rfc1.txt": "rfc 1: One\n[1] MUST both: a | b\n    more\n    unit a/b:t1\n    e2e c::test_d\n    dialog e\n"
                                      "[2] MAY server: c\n    different: w\n     hy\n[3] SHOULD client: d\n",
        "src/a/b_test.c": "static void t1(void **state)\n{\n}\ncmocka_unit_test(t1)\n",
        "tests/e2e/test_c.py": "def test_d():\n    pass\n",
        "tests/dialog/e.smtp": "S: 220 *\n",
    }
    table = "tests/conformance/rfc1.txt"
    cases = [
        ({}, None),
        ({"src/a/b_test.c": "static void t2(void **state)\n"}, "has no test t1"),
        ({"src/a/b_test.c": "static void t1(void **state)\n"}, "never runs t1"),
        ({"src/a/b_test.c": None}, "there is no src/a/b_test.c"),
        ({"tests/e2e/test_c.py": "def test_x():\n    pass\n"}, "has no test test_d"),
        ({"tests/e2e/test_c.py": None}, "has no test test_d"),
        ({"tests/dialog/e.smtp": None}, "there is no tests/dialog/e.smtp"),
        ({table: "rfc 2: Two\n"}, "has another name"),
        ({table: "rfc 1: One\n[1] WILL both: a\n"}, "not a title"),
        ({PAGE: "old\n"}, "out of date"),
    ]
    failed = 0
    for changes, said in cases:
        with tempfile.TemporaryDirectory() as root:
            files = dict(good)
            for path, content in good.items():
                put(root, path, content)
            put(root, PAGE, print_page(read_tables(root, [])))
            for path, content in {**files, **changes}.items():
                put(root, path, content)
            if PAGE not in changes and any(path.startswith("tests/conformance") for path in changes):
                put(root, PAGE, print_page(read_tables(root, [])))
            tables, errors = check(root, None)
            right = not errors if said is None else any(said in error for error in errors)
            if said is None:
                page = read(root, PAGE)
                right = right and counts(tables[0].rows) == (3, 1, 1, 1) and "a \\| b more" in page and "**hole**" in page
            if not right:
                failed += 1
                print("not caught: %s: %s" % (said, errors))
    print("conformance self-test: %d cases, %d failed" % (len(cases), failed))
    return 1 if failed else 0


def put(root, path, content):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    if content is None:
        os.remove(full)
    else:
        with open(full, "w", encoding="utf-8") as file:
            file.write(content)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--collect", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--holes", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if options.write:
        put(ROOT, PAGE, print_page(read_tables(ROOT, [])))
    tables, errors = check(ROOT, options.build, options.collect)
    for error in errors:
        print(error)
    every = [row for table in tables for row in table.rows]
    if options.holes:
        for row in every:
            if row.is_hole():
                print("%s: [%s] %s %s: %s" % (row.place, row.section, row.level, row.side, row.text))
    print("conformance: %d requirements, %d shown by tests, %d different, %d holes" % counts(every))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
