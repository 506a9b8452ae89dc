# SPDX-License-Identifier: ISC
"""What a driver of a whole process leaves in /dev/shm when it aborts, the next one removes; and nothing else."""

import os
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def folder_of(pid):
    path = f"/dev/shm/thurn-queue-chaos-{pid}"
    os.makedirs(path + "/seg")
    for name in ("format", "seg/0000000000000001"):
        with open(f"{path}/{name}", "w") as file:
            file.write("x")
    return path


def test_queue_chaos_removes_what_the_dead_left(build):
    driver, corpus = os.path.join(build, "tests/fuzz/queue_chaos_corpus"), os.path.join(ROOT, "tests/fuzz/corpus/queue_chaos")
    if not os.access(driver, os.X_OK):
        pytest.skip("no queue_chaos_corpus in this build")
    gone = subprocess.Popen(["true"])
    gone.wait()
    alive, paths = os.getpid(), []
    try:
        paths = [folder_of(gone.pid), folder_of(alive), folder_of("notes"), folder_of(f"{gone.pid}x")]
        done = subprocess.run([driver, os.path.join(corpus, sorted(os.listdir(corpus))[0])], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert [os.path.exists(path) for path in paths] == [False, True, True, True]
        assert os.path.exists(paths[1] + "/seg/0000000000000001"), "of a process that lives"
    finally:
        for path in paths:
            shutil.rmtree(path, ignore_errors=True)
