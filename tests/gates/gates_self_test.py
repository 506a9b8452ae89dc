# SPDX-License-Identifier: ISC
"""Breaks each rule of gates.py once, in a temporary tree, and sees that it is caught, and that nothing else is."""

import os
import shutil
import subprocess
import tempfile

SPDX = "/* SPDX-License-Identifier: ISC */\n"
PYTHON = "# SPDX-License-Identifier: ISC\n"
TABLE = "```may-use\nbase:\nmail: base   PURE\nos: base\nproc/NAME: base mail os\n```\n"
GOOD = {
    "ARCHITECTURE.md": TABLE,
    ".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 4\nColumnLimit: 120\nBreakBeforeBraces: Linux\n"
                     "SortIncludes: Never\nAllowShortFunctionsOnASingleLine: None\n",
    "src/base/base.h": SPDX + "int base_one(void);\n",
    "src/base/base.c": SPDX + '#include "base/base.h"\n#include <stdlib.h>\n\n'
                              "int base_one(void)\n{\n    free(NULL);\n    return 1;\n}\n",
    "src/mail/mail.h": SPDX + "int mail_date(int day);\n",
    "src/mail/mail.c": SPDX + '#include "mail/mail.h"\n#include "base/base.h"\n\n'
                              "int mail_date(int day)\n{\n    return day + base_one();\n}\n",
    "src/os/os.h": SPDX,
    "src/proc/queue/queue.h": SPDX,
    "src/proc/sender/sender.h": SPDX,
    "src/proc/sender/sender.c": SPDX + '#include "proc/sender/sender.h"\n#include "mail/mail.h"\n',
    "docs/interop.md": "| program | test |\n|---|---|\n| swaks | `tests/e2e/test_a.py::test_one[x]` |\n",
    "tests/e2e/test_a.py": PYTHON + "def test_one(row):\n    pass\n\n\ndef test_two():\n    pass\n",
    "src/thurn.c": SPDX + '#include "proc/sender/sender.h"\n#include "proc/queue/queue.h"\n',
}
LONG = "void long_one(int *n)\n{\n" + "    /* a comment is no code */\n\n" * 40 + "    *n = 1;\n" * 58 + "}\n"
SWITCH = ("int choice(int n)\n{\n    switch (n) {\n" + "".join("    case %d:\n        return 1;\n" % n for n in range(20))
          + "    default:\n        return 0;\n    }\n}\n")
BRANCHES = ("int branchy(int n)\n{\n" + "".join("    if (n == %d)\n        return 2;\n" % n for n in range(15))
            + "    return n;\n}\n")

# what is broken: (file, its new text, a part of the one line that must come)
BROKEN = [
    ("not a face", "src/os/a.c", SPDX + '#include "base/other.h"\n', "src/os/a.c:2: another room's header that is not its face"),
    ("may not use", "src/mail/a.c", SPDX + '#include "os/os.h"\n', "src/mail/a.c:2: room mail may not use os"),
    ("another kind", "src/proc/sender/a.c", SPDX + '#include "proc/queue/queue.h"\n',
     "src/proc/sender/a.c:2: room proc/sender may not use proc/queue"),
    ("private header from main", "src/thurn.c", SPDX + '#include "proc/queue/index.h"\n', "src/thurn.c:2: another room's header"),
    ("include without room", "src/os/a.c", SPDX + '#include "os.h"\n', 'src/os/a.c:2: quoted include of "os.h"'),
    ("room without row", "src/extra/a.c", SPDX, "src/extra/a.c:1: room has no row"),
    ("no table", "ARCHITECTURE.md", "# nothing\n", "ARCHITECTURE.md:1: no may-use block"),
    ("uv.h outside", "src/os/file.c", SPDX + "#include <uv.h>\n", "src/os/file.c:2: <uv.h> included"),
    ("openssl outside", "src/os/file.c", SPDX + "#include <openssl/ssl.h>\n", "src/os/file.c:2: <openssl/ssl.h> included"),
    ("system call in PURE", "src/mail/clock.c", SPDX + "#include <time.h>\n\nlong mail_now(void);\n\n"
     "long mail_now(void)\n{\n    return time(NULL);\n}\n", "src/mail/clock.c:8: PURE room mail needs a symbol, limit pure_symbols.txt, actual time"),
    ("malloc in PURE", "src/mail/heap.c", SPDX + "#include <stdlib.h>\n\nvoid *mail_heap(void);\n\n"
     "void *mail_heap(void)\n{\n    return malloc(4);\n}\n", "src/mail/heap.c:8: PURE room mail needs a symbol"),
    ("clock in base", "src/base/clock.c", SPDX + "#include <time.h>\n\nlong base_now(void);\n\n"
     "long base_now(void)\n{\n    return time(NULL);\n}\n", "src/base/clock.c:8: PURE room base needs a symbol"),
    ("code named like a test", "src/mail/self_test.c", SPDX + "int mail_self;\n", "src/mail/self_test.c:1: named like a test"),
    ("long function", "src/os/a.c", SPDX + LONG, "src/os/a.c:2: code lines of long_one(), limit 60, actual 61"),
    ("complex function", "src/os/a.c", SPDX + BRANCHES, "src/os/a.c:2: complexity of branchy(), limit 15, actual 16"),
    ("six parameters", "src/os/a.c", SPDX + "int six(int a, int b, int (*c)(int, int), int d, int e, int f)\n{\n    return a;\n}\n",
     "src/os/a.c:2: parameters of six(), limit 5, actual 6"),
    ("long file", "src/os/a.h", SPDX + "int a;\n" * 600, "src/os/a.h:601: lines of the file, limit 600, actual 601"),
    ("own header not first", "src/mail/mail.c", SPDX + '#include "base/base.h"\n#include "mail/mail.h"\n',
     "src/mail/mail.c:2: own header not included first"),
    ("no SPDX", "src/os/a.c", "int a;\n", "src/os/a.c:1: no SPDX line"),
    ("no SPDX in a script", "scripts/a", "#!/bin/sh\necho\n", "scripts/a:2: no SPDX line"),
    ("left for later", "src/os/a.c", SPDX + "/* TO" "DO: later */\n", "src/os/a.c:2: work left in the tree"),
    ("our side of a conflict", "docs/a.md", "one\n" + "<" * 7 + " HEAD\n", "docs/a.md:2: conflict of a merge left in the tree, limit none, actual <<<<<<<"),
    ("their side of a conflict", "scripts/b", "two\n\n" + ">" * 7 + " a-branch\n", "scripts/b:3: conflict of a merge left in the tree"),
    ("row without a test", "docs/interop.md", "| swaks | `tests/e2e/test_a.py::test_one` |\n| x | `tests/e2e/test_a.py::test_no` |\n",
     "docs/interop.md:2: row without its test"),
    ("row of a test that makes none", "docs/interop.md",
     "| swaks | `tests/e2e/test_a.py::test_one` |\n| x | `tests/e2e/test_a.py::test_two` |\n", "docs/interop.md:2: row without its test"),
    ("test without its row", "tests/e2e/test_b.py", PYTHON + "def test_three(work, row):\n    pass\n",
     "tests/e2e/test_b.py:2: test whose rows are not in docs/interop.md"),
    ("layout", "src/os/a.c", SPDX + "int  a;\n", "src/os/a.c:2: layout"),
]
# what must not be reported
KEPT = [
    ("a switch counts 1", "src/os/a.c", SPDX + SWITCH),
    ("sizes of tests are free", "src/os/a_test.c", SPDX + LONG + BRANCHES),
    ("sizes and layout of tables are free", "src/os/tables/a.c", SPDX + "int  a;\n" * 700),
    ("underlines and quotes are no conflicts", "docs/a.md", "Title\n=======\n" + ">" * 7 + "\n " + "<" * 7 + " a\n" + "<" * 8 + " b\n"),
    ("a binary file is no conflict", "tests/a.bin", "\0\n" + "<" * 7 + " c\n"),
    ("uv.h in the loop", "src/os/loop_timer.c", SPDX + "#include <uv.h>\n"),
]


def make_tree(root, changes):
    for path, text in {**GOOD, **changes}.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


def build_rooms(root):
    for room in ("base", "mail"):
        folder = os.path.join(root, "build/src", room, "lib%s.a.p" % room)
        os.makedirs(folder)
        for name in os.listdir(os.path.join(root, "src", room)):
            if name.endswith(".c"):
                subprocess.run(["cc", "-Isrc", "-c", "src/%s/%s" % (room, name), "-o", os.path.join(folder, name + ".o")],
                               cwd=root, check=True)


def failures_of(check_all, changes):
    root = tempfile.mkdtemp(prefix="thurn-gates-")
    try:
        make_tree(root, changes)
        build_rooms(root)
        return ["%s:%d: %s, limit %s, actual %s" % row for row in check_all(root, os.path.join(root, "build"))]
    finally:
        shutil.rmtree(root)


def run(check_all):
    failed = 0
    cases = [("the good tree", {}, None)] + [(n, {p: t}, None) for n, p, t in KEPT] + [(n, {p: t}, w) for n, p, t, w in BROKEN]
    for name, changes, wanted in cases:
        found = failures_of(check_all, changes)
        good = not found if wanted is None else any(line.startswith(wanted) for line in found) and len(found) == 1
        if not good:
            failed += 1
            print("gates self-test: %s: wanted %s, got %s" % (name, wanted or "nothing", found or "nothing"))
    print("gates self-test: %d cases, %d failed" % (len(cases), failed))
    return 1 if failed else 0
