#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""Checks the rules of the house that no compiler checks, and prints one line a failure:

    file:line: what, limit, actual

The include graph is held to the `may-use` block of ARCHITECTURE.md, the object files of PURE rooms (in the build
folder) to pure_symbols.txt, functions and files to their sizes, each .c to including its own header first, each
file to its SPDX line and to no sign of a merge that was not finished, docs/interop.md to its tests, and the layout to
clang-format. There is no list of exceptions: tests (`*_test.c`, tests/) and tables (folders named tables/) are left
out of the sizes by name and folder, for all alike; tables are laid out by hand.

    gates.py [--build DIR]      the tree this file lies in; DIR is a plain gcc build (default build)
    gates.py --self-test        breaks each rule once in a tree of its own and sees whether it is caught
"""

import argparse
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CODE_LINES, COMPLEXITY, PARAMETERS, FILE_LINES = 60, 15, 5, 600
C_FILES = (".c", ".h", ".cc", ".cpp", ".hpp")
SIGNED_FILES = C_FILES + (".py", ".sh", ".def", "meson.build", "meson_options.txt")
LEFT_FOR_LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK)\b")
CONFLICT = re.compile(rb"^(<{7}|>{7}) ", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SIDES = {"uv.h": ("src/os/loop", "src/os/net"), "openssl/": ("src/os/tls", "src/crypt/", "bench/load")}  # the load generator is a client of its own


def read(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def list_files(root):
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            f for f in folders
            if not (f.startswith(".") and f != ".ci") and f not in ("__pycache__", "thurn-dev", "node_modules", "corpus")
            and not (folder == root and (f == "build" or f.startswith("build-"))))
        found += [os.path.relpath(os.path.join(folder, name), root) for name in sorted(names)]
    return found


def is_test(path):
    return path.startswith("tests/") or os.path.splitext(path)[0].endswith("_test")


def is_table(path):
    return "tables" in path.split("/")[:-1]


def is_sized(path):
    return path.endswith(C_FILES) and not is_test(path) and not is_table(path)


def without_comments(text):
    """The same text with comments, and what is inside strings, blanked; line breaks stay."""
    def blank(match):
        token = match.group(0)
        if token[0] in "\"'":
            return token[0] + re.sub(r"[^\n]", " ", token[1:-1]) + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


# --- rooms: who may include whom

def room_of(path):
    """The room of a path below src/: 'smtp', 'proc/queue', or None for src/thurn.c and what is not in src/."""
    parts = path.split("/")
    if parts[0] != "src" or len(parts) < 3:
        return None
    return "/".join(parts[1:3]) if parts[1] == "proc" and len(parts) > 3 else parts[1]


def read_table(root):
    """{room: (set of rooms it may use, is it PURE)} from ARCHITECTURE.md, or None."""
    path = os.path.join(root, "ARCHITECTURE.md")
    block = re.search(r"^```may-use\n(.*?)^```", read(path), re.S | re.M) if os.path.exists(path) else None
    if not block:
        return None
    table = {}
    for line in block.group(1).splitlines():
        room, colon, words = line.partition(":")
        words = words.split()
        if colon:
            table[room.strip()] = (set(words) - {"PURE"}, "PURE" in words)
    return table


def row_of(table, room):
    return table.get("proc/NAME" if room.startswith("proc/") else room)


def check_include(path, line, kind, target, table):
    for header, places in SIDES.items():
        if kind == "<" and target.startswith(header) and not path.startswith(places):
            return [(path, line, "<%s> included" % target, "only in " + "*, ".join(places) + "*", path)]
    room = room_of(path)
    if kind == "<" or (room is None and path != "src/thurn.c"):
        return []
    other = room_of("src/" + target)
    if other is None:
        return [(path, line, 'quoted include of "%s"' % target, '"room/file.h"', target)]
    if other == room:
        return []
    face = "%s/%s.h" % (other, other.split("/")[-1])
    failures = []
    if target != face:
        failures.append((path, line, "another room's header that is not its face", '"%s"' % face, '"%s"' % target))
    if room and other not in row_of(table, room)[0]:
        failures.append((path, line, "room %s may not use %s" % (room, other),
                         "may use " + (" ".join(sorted(row_of(table, room)[0])) or "nothing"), other))
    return failures


def check_own_header(path, first, files):
    own = os.path.splitext(path)[0] + ".h"
    if not path.startswith("src/") or not path.endswith((".c", ".cc", ".cpp")) or own not in files:
        return []
    if first and first[1] == own[len("src/"):]:
        return []
    return [(path, first[0] if first else 1, "own header not included first", '"%s"' % own[len("src/"):],
             '"%s"' % first[1] if first else "none")]


def check_includes(root, files):
    table = read_table(root)
    if table is None:
        return [("ARCHITECTURE.md", 1, "no may-use block", "one", "none")]
    failures, unknown, known = [], set(), set(files)
    for path in files:
        if not path.endswith(C_FILES):
            continue
        room = room_of(path)
        if room and row_of(table, room) is None:
            if room not in unknown:
                failures.append((path, 1, "room has no row in the may-use block", "a row", room))
            unknown.add(room)
            continue
        first = None
        for number, text in enumerate(read(os.path.join(root, path)).splitlines(), 1):
            include = INCLUDE.match(text)
            if include:
                first = first or (number, include.group(2))
                failures += check_include(path, number, include.group(1), include.group(2), table)
        failures += check_own_header(path, first, known)
    return failures


# --- PURE rooms: what their object files need

def nm(objects, flag):
    """[(object file, symbol)] that are undefined (flag -u) or defined for others (flag -g)."""
    if not objects:
        return []
    out = subprocess.run(["nm", "-P", "-A", flag] + objects, capture_output=True, text=True, check=True).stdout
    rows = []
    for line in out.splitlines():
        name, _, rest = line.partition(": ")
        fields = rest.split()
        if len(fields) >= 2 and (fields[1] in "Uwv") == (flag == "-u"):
            rows.append((name, fields[0]))
    return rows


def objects_of(build, room):
    found = []
    for folder, _, names in os.walk(os.path.join(build, "src", room)):
        if folder.endswith("lib%s.a.p" % room):
            found += [os.path.join(folder, name) for name in names if name.endswith(".o")]
    return sorted(found)


def read_symbols():
    lists, name = {}, None
    for line in read(os.path.join(HERE, "pure_symbols.txt")).splitlines():
        if line.startswith("["):
            name = line.strip("[] ")
            lists[name] = set()
        elif line.strip() and not line.startswith("#"):
            lists[name].add(line.strip())
    return lists


def place_of(root, room, obj, symbol):
    """The first line that names the symbol in the source that the object file was made from, else in its room."""
    source = re.sub(r"\.o$", "", os.path.basename(obj))
    files = [f for f in list_files(root) if f.startswith("src/%s/" % room)]
    wanted = re.compile(r"\b%s\b" % re.escape(re.sub(r"^__(?:isoc\d+_)?(\w+?)(?:_chk)?$", r"\1", symbol)))
    files.sort(key=lambda f: os.path.basename(f) != source)
    for path in files:
        for number, text in enumerate(without_comments(read(os.path.join(root, path))).splitlines(), 1):
            if wanted.search(text) and not INCLUDE.match(text):
                return path, number
    return (files[0] if files else "src/%s" % room), 1


def check_test_names(root, build):
    """A source named like a test, and so free of the sizes, may not be part of a room's library."""
    failures = []
    for folder, _, names in os.walk(os.path.join(build, "src")):
        if re.search(r"/lib\w+\.a\.p$", folder):
            path = os.path.relpath(os.path.dirname(folder), build)
            failures += [(path + "/" + name[:-2], 1, "named like a test, but built into the room", "another name", name[:-2])
                         for name in names if name.endswith("_test.c.o") and os.path.exists(os.path.join(root, path, name[:-2]))]
    return failures


def check_pure(root, files, build):
    table, lists, failures = read_table(root) or {}, read_symbols(), []
    for room, (uses, pure) in table.items():
        if not (pure or room == "base"):
            continue
        if not any(f.startswith("src/%s/" % room) and f.endswith(".c") and not is_test(f) for f in files):
            continue
        objects = objects_of(build, room)
        if not objects:
            failures.append(("src/%s/meson.build" % room, 1, "no object files of a PURE room", "built in " + build, "none"))
            continue
        allowed = set(lists["pure"]) | (lists["base"] if room == "base" else set())
        for friend in {room} | uses:
            allowed |= {symbol for _, symbol in nm(objects_of(build, friend), "-g")}
        for obj, symbol in nm(objects, "-u"):
            if symbol not in allowed:
                path, line = place_of(root, room, obj, symbol)
                failures.append((path, line, "PURE room %s needs a symbol" % room, "pure_symbols.txt", symbol))
    return failures


# --- sizes

def parameters(code, start, name):
    """How many parameters the function has whose definition begins at the line `start` (from 1) of the code."""
    text = "\n".join(code[start - 1:])
    match = re.search(r"\b%s\s*\(" % re.escape(name), text)
    if not match:
        return 0
    depth, commas, inside = 1, 0, ""
    for char in text[match.end():]:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(char, 0)
        if depth == 0:
            break
        commas += char == "," and depth == 1
        inside += char
    return 0 if inside.strip() in ("", "void") else commas + 1


def check_function(row, code):
    """One row of pmccabe: modified complexity, complexity, statements, first line, lines, file(line): name."""
    complexity, _, _, first, length, place = row.split(None, 5)
    first, length = int(first), int(length)
    name = place.rsplit(": ", 1)[1].strip()
    path = place.split("(", 1)[0]
    lines = sum(1 for text in code[first - 1:first - 1 + length] if text.strip())
    count = parameters(code, first, name.split("::")[-1])
    failures = []
    for what, limit, actual in (("code lines", CODE_LINES, lines), ("complexity", COMPLEXITY, int(complexity)),
                                ("parameters", PARAMETERS, count)):
        if actual > limit:
            failures.append((path, first, "%s of %s()" % (what, name), limit, actual))
    return failures


def check_sizes(root, files):
    failures, sized = [], [f for f in files if is_sized(f)]
    code = {}
    for path in sized:
        text = read(os.path.join(root, path))
        code[path] = without_comments(text).split("\n")
        total = text.count("\n")
        if total > FILE_LINES:
            failures.append((path, total, "lines of the file", FILE_LINES, total))
    if not sized:
        return failures
    run = subprocess.run(["pmccabe"] + sized, capture_output=True, text=True, cwd=root, check=False)
    for line in run.stderr.splitlines():
        match = re.search(r'"?([\w./-]+)"?(?:\((\d+)\)|, line (\d+))', line)
        path, number = (match.group(1), int(match.group(2) or match.group(3))) if match else (sized[0], 1)
        failures.append((path, number, "pmccabe cannot read this", "no message", line.strip()))
    for row in run.stdout.splitlines():
        if row.count("\t") >= 5:
            failures += check_function(row, code[row.split("\t")[5].split("(", 1)[0]])
    return failures


# --- words and layout

def check_words(root, files):
    failures = []
    for path in files:
        full = os.path.join(root, path)
        if os.path.islink(full) or path.endswith((".png", ".ico", ".pem", ".eml", ".md")):
            continue
        lines = read(full).splitlines()
        script = bool(lines) and lines[0].startswith("#!")
        line = lines[1] if script and len(lines) > 1 else lines[0] if lines else ""
        if (script or path.endswith(SIGNED_FILES)) and "SPDX-License-Identifier: ISC" not in line:
            failures.append((path, 2 if script else 1, "no SPDX line", "SPDX-License-Identifier: ISC", line[:60] or "empty"))
        for number, text in enumerate(lines, 1):
            match = LEFT_FOR_LATER.search(text)
            if match:
                failures.append((path, number, "work left in the tree", "none", match.group(1)))
    return failures


def check_conflicts(root, files):
    """No text file has what git leaves of two sides that it could not merge."""
    failures = []
    for path in files:
        full = os.path.join(root, path)
        if os.path.islink(full) or not os.path.isfile(full):
            continue
        with open(full, "rb") as file:
            data = file.read()
        if b"\0" in data:
            continue
        failures += [(path, data.count(b"\n", 0, match.start()) + 1, "conflict of a merge left in the tree", "none", match.group(1).decode())
                     for match in CONFLICT.finditer(data)]
    return failures


def check_layout(root, files):
    named = [f for f in files if f.endswith(C_FILES) and not is_table(f)]
    if not named:
        return []
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", "--style=file", "--ferror-limit=1"] + named,
                         capture_output=True, text=True, cwd=root, check=False)
    failures, seen = [], set()
    for line in run.stderr.splitlines():
        match = re.match(r"(.+?):(\d+):\d+: (?:error|warning): ", line)
        if match and match.group(1) not in seen:
            seen.add(match.group(1))
            failures.append((match.group(1), int(match.group(2)), "layout", ".clang-format", "differs"))
    if run.returncode != 0 and not failures:
        failures.append((".clang-format", 1, "clang-format failed", "exit 0", run.stderr.strip()[:200]))
    return failures


# --- pages that tests prove

def check_pages(root, files):
    """Each row of docs/interop.md ends with the test that shows it, and each test that makes rows has one there."""
    page, folder = "docs/interop.md", "tests/e2e/"
    if page not in files:
        return []
    tests = {}
    for path in files:
        if path.startswith(folder + "test_"):
            text = read(os.path.join(root, path))
            for match in re.finditer(r"^def (test_\w+)\(([^)]*)\)", text, re.M):
                makes_rows = re.search(r"\brow\b", match.group(2))
                tests["%s::%s" % (path, match.group(1))] = text[:match.start()].count("\n") + 1 if makes_rows else 0
    failures, seen = [], set()
    for number, line in enumerate(read(os.path.join(root, page)).splitlines(), 1):
        named = re.search(r"\| `([^`|]+?)(\[[^`|]*\])?` \|$", line)
        if named:
            seen.add(named.group(1))
            if not tests.get(named.group(1)):
                failures.append((page, number, "row without its test", "a test with rows", named.group(1)))
    failures += [(name.split("::")[0], line, "test whose rows are not in " + page, "a row", name.split("::")[1])
                 for name, line in tests.items() if line and name not in seen]
    return failures


def check_all(root, build):
    files = list_files(root)
    return (check_includes(root, files) + check_pure(root, files, build) + check_test_names(root, build)
            + check_sizes(root, files) + check_words(root, files) + check_conflicts(root, files)
            + check_layout(root, files) + check_pages(root, files))


def main():
    root = os.path.dirname(os.path.dirname(HERE))
    arguments = argparse.ArgumentParser(description="checks the rules of the house; one line a failure")
    arguments.add_argument("--build", default="build", help="a plain gcc build folder (default: build)")
    arguments.add_argument("--self-test", action="store_true", help="break each rule once and see it caught")
    options = arguments.parse_args()
    if options.self_test:
        import gates_self_test
        return gates_self_test.run(check_all)
    failures = sorted(check_all(root, os.path.join(root, options.build)))
    for path, line, what, limit, actual in failures:
        print("%s:%d: %s, limit %s, actual %s" % (path, line, what, limit, actual))
    print("gates: %s" % ("%d failures" % len(failures) if failures else "all kept"))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
