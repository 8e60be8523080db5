"""A crowd of half-open connections at a real daemon: page and venue have what they need."""

import resource
import signal
import socket
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from tests.app.processes import Exchange, daemon, until

CROWD = 300
MAX_FILES = 200
HALF = b"POST /api/halt HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9"


def files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def test_a_crowd_takes_neither_the_page_nor_the_venues_connection(tmp_path: Path) -> None:
    """Of 200 files the daemon needs some 20, and the crowd would take them all."""
    exchange = Exchange(tmp_path)
    port = exchange.url.rsplit(":")[-1]
    running = daemon(tmp_path, exchange)
    until(lambda: running.matches("Quoting bid"), "the first quote")
    (page,) = set(running.matches(r"http://127\.0\.0\.1:\d+")) - {exchange.url}
    pid = running.process.pid
    before = files(pid)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (MAX_FILES, MAX_FILES))
    with ExitStack() as crowd:
        for number in range(CROWD):
            visitor = socket.create_connection(("127.0.0.1", int(page.rsplit(":")[-1])), 10)
            crowd.enter_context(visitor)
            if number % 2:
                visitor.sendall(HALF)

        exchange.command.stop(signal.SIGKILL)
        until(lambda: running.matches("Link down"), "the loss")
        Exchange(tmp_path, 1200, "--port", port)
        until(lambda: len(running.matches("Link up")) > 1, "the venue again")

        with urllib.request.urlopen(f"{page}/healthz", timeout=60) as answer:
            assert answer.status == 200
        assert files(pid) < before + 64 + 32
