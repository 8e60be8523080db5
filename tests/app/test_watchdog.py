"""The watchdog as it is needed: real processes, killed and stopped, beside foreign orders."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mm.adapters.hyperliquid.sign import Signer
from tests.app.processes import KEY, Exchange, Process, daemon, until

FOREIGN = "0xbeef" + "0" * 28
WATCHED = ("--set", "daemon.watchdog_s=3", "--set", "venue.timing.dead_man_s=none")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    running = Exchange(tmp_path, weight_per_min=1_000_000)  # the test asks all the time
    yield running
    running.command.stop()


def watched(directory: Path, exchange: Exchange, name: str = "daemon.log") -> Process:
    """With its watchdog's lines in the same log."""
    running = daemon(directory, exchange, *WATCHED, log_name=name)
    until(lambda: own(exchange), "quotes", every_s=0.5)
    until(lambda: children(running.process.pid), "the watchdog")
    return running


def own(exchange: Exchange) -> list[str]:
    return [row["cloid"] for row in exchange.orders() if row["cloid"] != FOREIGN]


def children(pid: int) -> list[int]:
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in found.stdout.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def place_foreign(exchange: Exchange) -> None:
    """An order of the same account that somebody else placed."""
    price = "50000"
    item = {"a": 0, "b": True, "p": price, "s": "0.001", "r": False}
    order = item | {"t": {"limit": {"tif": "Gtc"}}, "c": FOREIGN}
    action: dict[str, Any] = {"type": "order", "orders": [order], "grouping": "na"}
    nonce = time.time_ns() // 1_000_000
    signature = Signer(KEY).sign(action, nonce, None, None, mainnet=False)
    body = {"action": action, "nonce": nonce, "signature": signature}
    request = urllib.request.Request(
        f"{exchange.url}/exchange", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert "resting" in answer.read().decode()


def test_stopped_it_loses_its_orders_and_comes_back_killed_it_leaves_nothing(
    tmp_path: Path, exchange: Exchange
) -> None:
    place_foreign(exchange)
    running = watched(tmp_path, exchange)
    (watchdog,) = children(running.process.pid)
    environment = Path(f"/proc/{watchdog}/environ").read_bytes()
    arguments = Path(f"/proc/{watchdog}/cmdline").read_bytes()
    assert KEY[2:].encode() not in environment + arguments
    assert b"MM_" not in environment

    os.kill(running.process.pid, signal.SIGSTOP)
    until(lambda: running.matches("No sign of life from the daemon"), "the watchdog to notice")
    until(lambda: own(exchange) == [], "the orders to be cancelled", every_s=0.5)
    os.kill(running.process.pid, signal.SIGCONT)
    until(lambda: own(exchange), "quotes after the stop", every_s=0.5)
    until(lambda: running.matches("The daemon lives again"), "the watchdog to notice")
    assert children(running.process.pid) == [watchdog]

    running.process.kill()
    running.process.wait()
    until(lambda: own(exchange) == [], "the orders to be cancelled", every_s=0.5)
    until(lambda: not alive(watchdog), "the watchdog to end")

    assert [row["cloid"] for row in exchange.orders()] == [FOREIGN]
    assert running.matches("The daemon died: its orders are cancelled")
    assert running.matches('"Nothing of it rests any more", "data": {"cancelled": [1-9]')
    assert KEY[2:] not in running.log.read_text()


def test_a_restarted_daemon_is_left_alone_and_a_dead_watchdog_replaced(
    tmp_path: Path, exchange: Exchange
) -> None:
    first = watched(tmp_path, exchange)
    (orphan,) = children(first.process.pid)
    os.kill(orphan, signal.SIGSTOP)  # it wakes when the next run quotes already
    first.process.kill()
    first.process.wait()
    second = daemon(tmp_path, exchange, *WATCHED, log_name="second.log")
    until(lambda: second.matches('"Quoting bid"'), "the second run to quote")
    until(lambda: len(own(exchange)) > 3, "its orders", every_s=0.5)
    os.kill(orphan, signal.SIGCONT)
    until(lambda: not alive(orphan), "the first run's watchdog to end")

    assert first.matches('"Nothing of it rests any more", "data": {"cancelled": 0}')
    assert len(own(exchange)) > 3

    (watchdog,) = children(second.process.pid)
    os.kill(watchdog, signal.SIGKILL)
    until(lambda: second.matches("The watchdog died and is replaced"), "it to be noticed")
    until(lambda: watchdog not in children(second.process.pid) != [], "another")
    (last,) = children(second.process.pid)
    assert second.stop() == 0
    until(lambda: not alive(last), "the watchdog to end with its daemon")
    assert own(exchange) == []
