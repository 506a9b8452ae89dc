# SPDX-License-Identifier: ISC
"""What `thurn --help` says is held to the man pages, to bash's completion and to the documents: nothing is forgotten, nothing is made up."""

import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MAN = os.path.join(ROOT, "man")
COMPLETION = os.path.join(ROOT, "packaging/completion/thurn")
PAGE = re.compile(r"[\w.-]+\.[158]")
DOCUMENTS = ["README.md"] + sorted("docs/" + name for name in os.listdir(os.path.join(ROOT, "docs")) if name.endswith(".md"))


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as file:
        return file.read()


class Help:
    """What the program says of itself."""

    def __init__(self, binary):
        self.binary = binary
        self.subcommands = re.findall(r"(?m)^  ([a-z]+) +\S", self.ask("--help"))
        self.text = {name: self.ask(name, "--help") for name in self.subcommands}

    def ask(self, *args):
        done = subprocess.run([self.binary, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stderr, (args, done.stderr)
        return done.stdout

    def options(self, name):
        return set(re.findall(r"(?<![\w-])--[a-z0-9][a-z0-9-]*", self.text[name]))

    def verbs(self, name):
        found = re.findall(rf"(?m)^(?:usage:| ) *thurn {name} ([a-z][a-z|]*)(?: |$)", self.text[name])
        return {verb for words in found for verb in words.split("|")}


@pytest.fixture(scope="module")
def told(binary):
    return Help(binary)


def pages_of(name):
    """thurn-queue.8 for queue; sendmail.8 for what has a name of its own."""
    return [page for page in sorted(os.listdir(MAN)) if re.fullmatch(rf"(thurn-)?{name}\.[18]", page)]


# --- man pages

def test_o11_pages_are_all_installed():
    built = set(re.findall(r"'([\w.-]+\.[158])'", re.search(r"pages = \[(.*?)\]", read("man/meson.build"), re.S).group(1)))
    there = {name for name in os.listdir(MAN) if PAGE.fullmatch(name)}
    assert built == there
    assert there >= {"thurn.8"}


def test_o11_help_fits_a_terminal(told):
    """A terminal of 80 columns shows each line as it is."""
    said = {"": told.ask("--help"), **told.text}
    assert len(said) > 15
    assert [(name, len(line), line) for name, text in said.items() for line in text.splitlines() if len(line) > 79] == []


def test_o11_pages_of_every_subcommand(told):
    assert "serve" in told.subcommands and "queue" in told.subcommands
    assert [name for name in told.subcommands if not pages_of(name)] == []
    overview = read("man/thurn.8")
    assert [name for name in told.subcommands if not re.search(rf"(?m)^\.It Xr (thurn-)?{name} [18]", overview)] == []


def test_o11_pages_have_every_option(told):
    missing = []
    for name in told.subcommands:
        text = "".join(read("man", page) for page in pages_of(name))
        # in mdoc an option --json is "Fl -json"
        written = {"-" + word for word in re.findall(r"(?<![\w-])(-[a-z0-9][a-z0-9-]*)", text.replace("\\-", "-"))}
        missing += [(name, option) for option in sorted(told.options(name)) if option not in written]
    assert missing == []


def test_o11_pages_refer_to_pages():
    """Every Xr thurn... leads to a page of ours."""
    ours = {name for name in os.listdir(MAN) if PAGE.fullmatch(name)} | {"thurn.toml.5"}
    sources = [name for name in os.listdir(MAN) if PAGE.fullmatch(name) or name.startswith("thurn.toml.5.")]
    wrong = [(name, ref) for name in sources for ref in re.findall(r"(?m)^\.(?:It )?Xr (thurn\S* \d)", read("man", name))
             if ref.replace(" ", ".") not in ours]
    assert wrong == []


# --- completion

def completed(binary, work, *lines):
    """What bash offers at the end of each line."""
    bin_folder = os.path.join(work, "bin")
    os.makedirs(bin_folder, exist_ok=True)
    if not os.path.exists(os.path.join(bin_folder, "thurn")):
        shutil.copy(binary, os.path.join(bin_folder, "thurn"))
    script = (f". {shlex.quote(COMPLETION)}\n"
              'for line; do COMP_LINE=$line COMP_POINT=${#line}; _thurn thurn; printf "%s\\t" "${COMPREPLY[@]}"; echo; done\n')
    done = subprocess.run(["bash", "--norc", "-c", script, "bash", *lines], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=200, env={**os.environ, "THURN_COMPLETION_SECONDS": "60", "PATH": bin_folder + ":" + os.environ["PATH"]}, cwd=work)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [set(filter(None, line.split("\t"))) for line in done.stdout.splitlines()]


def test_o11_completion_knows_what_help_says(told, work):
    names, rest = completed(told.binary, work, "thurn ", "thurn qu")
    assert names == set(told.subcommands) and rest == {"queue"}
    offered = completed(told.binary, work, *(f"thurn {name} --" for name in told.subcommands))
    for name, options in zip(told.subcommands, offered, strict=True):
        assert options == told.options(name) | {"--help"}, name
    with_verbs = [name for name in told.subcommands if told.verbs(name)]
    assert {"queue", "user"} <= set(with_verbs) and "retry" in told.verbs("queue")
    offered = completed(told.binary, work, *(f"thurn {name} " for name in with_verbs))
    for name, verbs in zip(with_verbs, offered, strict=True):
        assert verbs == told.verbs(name), name
    assert completed(told.binary, work, "thurn queue list --color ", "thurn check --color=al") == [{"auto", "always", "never"}, {"always"}]
    with open(os.path.join(work, "my.toml"), "w"):
        pass
    assert completed(told.binary, work, "thurn check -c my", "thurn queue list --config my.t") == [{"my.toml"}, {"my.toml"}]


def test_o11_completion_asks_the_queue(serve):
    server = serve({"address": {"later@example.org": {"deliver": "hold:"}}})
    evil = "x`touch${IFS}evil`@example.org"
    for sender in ("eve@example.net", evil):
        with server.dial() as client:
            client.ehlo()
            client.mail(sender, "later@example.org")
    idents = {item["id"] for item in server.queue()}
    assert len(idents) == 2
    show, destination, to, sender, nobody = completed(
        server.binary, server.folder, f"thurn queue -c {server.path} show ", f"thurn queue -c {server.path} list ",
        f"thurn queue -c {server.path} remove --to la", f"thurn queue -c {server.path} list --from ", "thurn queue -c /nowhere show ")
    assert show == idents
    assert destination == {item["destination"] for item in server.queue() if re.fullmatch(r"[\w.@-]+", item["destination"])}
    assert to == {"later@example.org"}
    assert sender == {"eve@example.net"}  # and the other is not run, nor offered to be
    assert not os.path.exists(os.path.join(server.folder, "evil"))
    assert nobody == set()


def test_o11_completion_knows_the_accounts(serve, root):
    server = serve(start=False, root=True)
    server.command("user", "add", "alice@example.org", stdin="a good password 1\n")
    assert completed(server.binary, server.folder, f"thurn user -c {server.path} passwd al", f"thurn user -c {server.path} remove ") == \
        [{"alice@example.org"}] * 2


# --- documents

def blocks(text, kind):
    """Fenced blocks of a kind; indented ones, too, for shell commands."""
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```", text)


def commands_in(text):
    """Every command line in a document that begins with thurn, as lists of words."""
    lines = [line for block in blocks(text, "(?:sh|console|)") for line in block.splitlines()]
    lines += re.findall(r"(?m)^ {4}(\S.*)$", text)
    lines += re.findall(r"`([^`\n]+)`", text)
    for line in lines:
        line = re.sub(r"^[$#] ", "", line.strip())
        for part in re.split(r"\s(?:\||&&|;)\s", line):
            found = re.match(r"(?:sudo )?(?:build/)?thurn ([^#<>]*)", part)
            if found and found.group(1).strip():
                yield found.group(1).split("   ")[0].split()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_o11_documents_name_real_commands(told, document):
    wrong = []
    for words in commands_in(read(document)):
        name = words[0].rstrip(",.;:")
        if name in ("--help", "--version", "SUBCOMMAND"):
            continue
        if name not in told.subcommands:
            wrong.append(" ".join(words))
            continue
        known = told.options(name) | {"--help", "--color", "--config"}
        wrong += [f"{name} {word}" for word in words[1:]
                  if re.match(r"--[a-z]", word) and re.match(r"--[a-z0-9-]*", word).group() not in known]
        verbs = told.verbs(name)
        if verbs and len(words) > 1 and re.fullmatch(r"[a-z]+", words[1]) and words[1] not in verbs:
            wrong.append(" ".join(words))
    assert wrong == []


ABSENT = re.compile(r": error: \S+: (?:not found|no such file)|error: .*(?:no such user|there is no (?:system )?user)|: not found$")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_o11_documents_have_good_configurations(told, work, document):
    """Each block is a configuration, or a part of one: keys, types and bounds are as `thurn check` wants them. Only the files that it names may be missing here."""
    for number, block in enumerate(blocks(read(document), "toml"), 1):
        tree = tomllib.loads(block)
        head = "" if "hostname" in tree else 'hostname = "mail.example.org"\npostmaster = "postmaster@mail.example.org"\n'
        if "tls" not in tree and re.search(r"tls\b|client_ca", json.dumps([tree.get("listen"), tree.get("auth")])):
            block += '\n[tls]\ncert = "/etc/thurn/tls/fullchain.pem"\nkey = "/etc/thurn/tls/privkey.pem"\n'
        path = os.path.join(work, f"block{number}.toml")
        with open(path, "w") as file:
            file.write(head + block)
        done = subprocess.run([told.binary, "check", "-c", path], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        errors = [line for line in done.stderr.splitlines() if " error: " in line and not ABSENT.search(line)]
        assert errors == [], block


def test_o11_documents_quote_real_replies():
    """A code with its enhanced code in the guide by symptom is one that the server has."""
    table = set(re.findall(r"STATUS\(\w+, (\d+), (\d), (\d+), (\d+), \"([^\"]*)\"\)", read("src/mail/tables/status_table.h")))
    codes = {(code, ".".join(enhanced)) for code, *enhanced, _ in table}
    texts = {(code, ".".join(enhanced)): [] for code, *enhanced, _ in table}
    for code, *enhanced, text in table:
        texts[code, ".".join(enhanced)].append(text)
    quoted = re.findall(r"\b([245]\d\d) (\d\.\d+\.\d+)((?: <[^>]*>:)?)(?: ([A-Z][A-Za-z' ]*[a-z]))?", read("docs/troubleshooting.md"))
    assert len(quoted) > 15
    assert [row for row in quoted if (row[0], row[1]) not in codes and row[0] != "250"] == []
    system = {"Connection refused", "There is no such socket"}  # why there was no connection: client.c has the words
    assert [row for row in quoted if row[3] and row[3] not in system
            and not any(text.startswith(row[3]) for text in texts.get((row[0], row[1]), []))] == []
