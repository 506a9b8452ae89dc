# SPDX-License-Identifier: ISC
"""thurn queue: filters alone and together, with every verb; what a wrong or an empty value does."""

import json
import os
import socket
import threading

import pytest

from harness import wait

SMALL = b"Subject: small\r\n\r\nhello\r\n"
LARGE = b"Subject: large\r\n\r\n" + (b"x" * 900 + b"\r\n") * 80


@pytest.fixture
def waiting(serve, make_sink):
    """A server with three deferred mails: ids small, large, and held, which is on hold. Its smarthost is in .sink."""
    sink = make_sink(mail="451 4.7.1 greylisted, come back")
    server = serve({"route": {"*": {"via": f"smtp://127.0.0.1:{sink.port}"}}, "queue": {"retry": ["1h"], "give_up": "5d"},
                    "relay": {"network": {"127.0.0.1/32": {"senders": ["*"]}}}})
    server.sink = sink
    with server.dial() as talk:
        talk.ehlo()
        server.small = talk.mail("alice@example.org", "bob@far.example", body=SMALL)
        server.large = talk.mail("carol@example.org", "bob@far.example", body=LARGE)
        server.held = talk.mail("carol@example.org", "eve@other.example", body=SMALL)
    wait.until(lambda: len([m for m in server.queue() if m["reason"]]) == 3, lambda: str(server.queue()))
    server.command("queue", "hold", server.held)
    return server


def ids(server, *args):
    return {json.loads(line)["id"] for line in server.command("queue", "list", *args, "--json").stdout.splitlines()}


def test_o4_queue_lists_by_filters(waiting):
    s = waiting
    everything = {s.small, s.large, s.held}
    assert ids(s) == everything
    for args, wanted in [
            (["--held"], {s.held}), (["--larger", "10K"], {s.large}), (["--larger", "1"], everything), (["--larger", "1G"], set()),
            (["--older", "1d"], set()), (["--older", "5000w"], set()), (["--older", "1h", "--held"], set()),
            (["--held", "--larger", "10K"], set()), (["--from", "carol@example.org"], {s.large, s.held}),
            (["--from", "carol@example.org", "--held"], {s.held}), (["--from", "<carol@example.org>", "--larger", "10K"], {s.large}),
            (["--to", "@far.example", "--larger", "10K"], {s.large}), (["--to", "bob@far.example", "--held"], set()),
            (["--destination", "other.example", "--held"], {s.held}), (["other.example", "--held"], {s.held}),
            (["far.example", "--larger", "10K"], {s.large}), (["--reason", "greylisted", "--held"], {s.held}),
            (["--reason", "no such words"], set()), (["--from", "<>"], set())]:
        assert ids(s, *args) == wanted, args
    wait.until(lambda: ids(s, "--older", "1s") == everything, "a second to pass")
    table = s.command("queue", "list", "--held")
    assert s.held in table.stdout and s.small not in table.stdout and " held" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80
    none = s.command("queue", "list", "--older", "1d")
    assert none.stdout == "" and "no message matches" in none.stderr


def test_o4_queue_bulk_asks_first(waiting):
    s = waiting
    for verb in ("retry", "hold", "release", "remove"):
        done = s.command("queue", verb, "--larger", "10K", expect=64)
        assert "1 message matches" in done.stderr and "--yes" in done.stderr and done.stdout == ""
        done = s.command("queue", verb, "--older", "1d", "--yes")
        assert "0 messages match" in done.stderr
    assert ids(s, "--held") == {s.held} and len(ids(s)) == 3
    done = s.command("queue", "hold", "--larger", "10K", "--yes")
    assert "1 message held" in done.stderr and ids(s, "--held") == {s.held, s.large}
    # what is held is not tried again, and that is said
    s.sink.answers.clear()
    done = s.command("queue", "retry", "--from", "carol@example.org", "--yes")
    assert "release" in done.stderr and len(ids(s, "--held")) == 2
    s.command("queue", "release", "--held", "--larger", "10K", "--yes")
    wait.until(lambda: s.large not in ids(s), s.log)
    assert ids(s, "--held") == {s.held}
    done = s.command("queue", "remove", "--held", "--from", "carol@example.org", "--yes")
    assert "1 message removed" in done.stderr and s.held not in ids(s)
    s.command("queue", "retry", "--larger", "1", "--yes")
    s.queue_empty()
    assert sorted(s.sink.recipients()) == ["bob@far.example"] * 2


def test_o4_queue_wrong_values_do_nothing(waiting):
    for args, word in [
            (["remove", "--reason", "", "--yes"], "value"), (["remove", "--from", "", "--yes"], "<>"), (["remove", "--to", "", "--yes"], "value"),
            (["remove", "--to", "<>", "--yes"], "<>"), (["remove", "--destination", "", "--yes"], "value"), (["list", ""], "name"),
            (["list", "--older", "soon"], "--older"), (["list", "--older", "0s"], "--older"), (["list", "--older", "-1h"], "--older"),
            (["list", "--older", "99999999999w"], "--older"), (["list", "--larger", "0"], "--larger"), (["list", "--larger=-1"], "--larger"),
            (["list", "--larger", "big"], "--larger"), (["list", "--from", "a@b", "--to", "c@d"], "one"), (["remove", "--yes"], "which"),
            (["remove", waiting.small, "--held"], "either"), (["show", waiting.small, "--held"], "show"), (["--held"], "verb")]:
        done = waiting.command("queue", *args, expect=64)
        assert word in done.stderr.split("usage:")[0] and done.stdout == "", args
    assert len(waiting.queue()) == 3


def test_o4_queue_without_a_server_that_understands(serve):
    """Something else listens there, or a server of another version: it closes."""
    server = serve(start=False)
    path = os.path.join(server.state, "run", "control.sock")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        os.chmod(path, 0o666)
        listening.listen()

        def close_all():
            for answer in (b"", b"\xff" * 64):
                taken, _ = listening.accept()
                taken.settimeout(60)
                taken.recv(65536)
                taken.sendall(answer)
                taken.close()
        closer = threading.Thread(target=close_all, daemon=True)
        closer.start()
        for _ in range(2):
            done = server.command("queue", "remove", "--held", "--yes", expect=75)
            assert "version" in done.stderr and done.stdout == ""
        closer.join(60)
