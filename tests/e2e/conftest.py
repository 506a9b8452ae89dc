# SPDX-License-Identifier: ISC
"""Fixtures of the end-to-end tests. Run with Debian's /usr/bin/python3; THURN names another binary than build/thurn."""

import itertools
import os
import shutil
import signal
import sys
import tempfile

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

from harness import account, certs, exim, interop, namespace, nameserver, postfix, sink, thurn  # noqa: E402

TEST_LIMIT = 240
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def no_test_hangs(request):
    def over(*_):
        raise TimeoutError(f"{request.node.name} ran for {TEST_LIMIT} s")

    signal.signal(signal.SIGALRM, over)
    signal.alarm(TEST_LIMIT)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.failed = True


@pytest.fixture(scope="session")
def top():
    """A folder that the ordinary user may enter (pytest's own are closed to it)."""
    path = tempfile.mkdtemp(prefix="te2e-")
    os.chmod(path, 0o755)
    yield path
    if not os.environ.get("KEEP"):
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def binary(top):
    """build/thurn (or $THURN), copied to where the ordinary user may run it."""
    source = os.environ.get("THURN") or os.path.join(ROOT, "build", "thurn")
    assert os.access(source, os.X_OK), f"{source} is not there: build it first, or name it in THURN"
    return shutil.copy(source, os.path.join(top, "thurn"))


@pytest.fixture(scope="session")
def build():
    """The build folder: unpacked peers live below it."""
    return os.environ.get("THURN_BUILD") or os.path.join(ROOT, "build")


@pytest.fixture(scope="session")
def authority(top):
    return certs.Authority(os.path.join(top, "ca"))


@pytest.fixture
def row(build, record_property, request):
    """row(program, direction) begins a row of docs/interop.md; it is kept when the test passes."""
    rows = []

    def begin(program, direction):
        rows.append(interop.Row(program, direction, build))
        return rows[-1]

    yield begin
    if not getattr(request.node, "failed", False):
        for one in rows:
            record_property("interop", one.json())


@pytest.fixture
def work(top, request):
    """This test's own folder, handed to the ordinary user."""
    path = os.path.join(top, f"t{next(_numbers)}")  # short: socket paths below it have 107 characters at most
    os.mkdir(path, 0o755)
    print(f"this test's files were in {path} (KEEP=1 keeps them)")
    account.give(path)
    yield path
    if not os.environ.get("KEEP"):
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def closing():
    """closing(x) calls x.close() at the test's end, the last first."""
    things = []

    def later(thing):
        things.append(thing)
        return thing

    yield later
    for thing in reversed(things):
        thing.close()


@pytest.fixture
def serve(binary, work, request, closing):
    """serve({changes to thurn.CONFIG}, ...) starts a server; at the end each that still runs must stop cleanly.

    It asks for `closing` so that peers and namespaces end after it.
    """
    servers = []

    def make(config=None, *, start=True, folder="thurn", **more):
        server = thurn.Thurn(binary, os.path.join(work, folder), config, **more)
        servers.append(server)
        return server.start() if start else server

    yield make
    failed = getattr(request.node, "failed", False)
    for server in servers:
        if server.process is not None:
            server.kill() if failed else server.stop()


@pytest.fixture
def make_sink(closing):
    return lambda *args, **more: closing(sink.Sink(*args, **more))


def _need_namespaces():
    reason = namespace.possible()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def net(closing):
    """A network namespace with 10.77.0.1 to .20 and fd77::1 to ::14 on it."""
    _need_namespaces()
    return closing(namespace.Namespace(f"thurn-{os.getpid()}-{next(_numbers)}"))


@pytest.fixture
def dns(net, work, closing):
    """dns([records]) starts the namespace's name server."""
    return lambda records, **more: closing(nameserver.NameServer(os.path.join(work, "dns"), net, records, **more))


@pytest.fixture
def make_postfix(work, closing):
    def make(host, port, **more):
        _need_root("Postfix")
        return closing(postfix.Postfix(os.path.join(work, "postfix"), host, port, **more))

    return make


@pytest.fixture
def make_exim(work, build, closing):
    def make(host, port, routers, **more):
        _need_root("Exim")
        return closing(exim.Exim(build, os.path.join(work, "exim"), host, port, routers, **more))

    return make


def _need_root(what):
    if not account.is_root():
        pytest.skip(f"{what} needs root to run")


@pytest.fixture
def root():
    """For tests of what only root can do."""
    _need_root("this")
