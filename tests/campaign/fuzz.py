# SPDX-License-Identifier: ISC
"""Every libFuzzer driver of tests/fuzz for a while, from its corpus and what earlier runs have grown."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess

from .result import Result, Unavailable

ABOUT = "every driver of tests/fuzz, two at a time. A round is a second for each."
ROUNDS = 60
INPUT_MAX = 1 << 16
GRACE = 120   # seconds beyond its time in which a driver must have ended
_DONE = re.compile(r"#(\d+)\s+DONE\s+cov: (\d+) ft: (\d+) corp: (\d+)")
_FOUND = re.compile(r"Test unit written to (\S+)")


def _build(root, folder):
    if not shutil.which("clang"):
        raise Unavailable("clang is not here (scripts/install test)")
    env = {**os.environ, "CC": "clang", "CXX": "clang++"}
    done = subprocess.run([root / "scripts/build", folder, "-Dfuzz=true", "-Db_sanitize=address,undefined", "-Db_lundef=false"],
                          cwd=root, env=env, check=False)
    if done.returncode != 0:
        raise Unavailable(f"{folder} cannot be built")


def _run(driver, corpus, home, seconds, seed):
    """(name, what it said, its exit status, findings kept)"""
    name = driver.name.removesuffix("_fuzz")
    grown, kept = home / "corpus" / name, home / "findings"
    grown.mkdir(parents=True, exist_ok=True)
    kept.mkdir(parents=True, exist_ok=True)
    command = [driver, f"-max_total_time={seconds}", f"-max_len={INPUT_MAX}", f"-seed={seed}", "-timeout=20", "-rss_limit_mb=2048",
               "-print_final_stats=1", f"-artifact_prefix={kept}/{name}-", grown, *([corpus / name] if (corpus / name).is_dir() else [])]
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env,
                              timeout=seconds + GRACE, check=False, preexec_fn=lambda: os.nice(10))
    except subprocess.TimeoutExpired as over:
        return name, (over.stdout or b"").decode("utf-8", "replace"), None, []
    text = done.stdout.decode("utf-8", "replace")
    return name, text, done.returncode, _FOUND.findall(text)


def _judge(result, name, text, status, found):
    for path in found:
        result.findings.append(f"{name}: {path}; to see it again: {name}_fuzz {path}")
    if status is None:
        result.findings.append(f"{name}: did not end in time")
    elif status != 0 and not found:
        result.findings.append(f"{name}: exit status {status}: {text[-600:]}")
    done = _DONE.search(text)
    if done:
        runs, coverage, features, corpus = map(int, done.groups())
        result.points += runs
        result.notes.append(f"{name:<16} {runs:>9} runs, {coverage:>5} places, {features:>6} features, corpus {corpus}")
    elif status == 0:
        result.findings.append(f"{name}: said nothing of its runs: {text[-300:]}")


def run(options):
    folder = "build-fuzz"
    _build(options.root, folder)
    built = options.root / folder
    drivers = sorted(path for path in (built / "tests/fuzz").iterdir() if path.name.endswith("_fuzz") and os.access(path, os.X_OK))
    wanted = sorted(path.name.removesuffix(".c") for path in (options.root / "tests/fuzz").glob("*_fuzz.c"))
    result = Result()
    for name in set(wanted) - {path.name for path in drivers}:
        result.findings.append(f"{name} was not built")
    drivers = [path for path in drivers if path.name in wanted]
    home = pathlib.Path(built) / "campaign"
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(_run, driver, options.root / "tests/fuzz/corpus", home, options.rounds, options.seed % (1 << 31) or 1)
                for driver in drivers]
        for job in jobs:
            _judge(result, *job.result())
    return result
