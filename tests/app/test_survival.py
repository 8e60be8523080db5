"""Killed in the middle of quoting: nothing is lost, nothing doubled, nothing left behind."""

import contextlib
import json
import signal
import socket
import sqlite3
import time
from decimal import Decimal
from pathlib import Path

import pytest

from tests.app.processes import KEY, LIMIT_S, Exchange, Process, daemon, ledger, same_fills, until
from tests.patience import Stopwatch


def test_kill_9_in_the_middle_of_quoting(tmp_path: Path, exchange: Exchange) -> None:
    first = daemon(tmp_path, exchange)
    until(lambda: len(first.matches('"Fill"')) >= 5, "some fills")
    first.stop(signal.SIGKILL)
    orphans = {order["cloid"] for order in exchange.orders()}
    assert orphans
    before = len(exchange.fills())
    until(lambda: len(exchange.fills()) > before, "a fill while nobody looked", every_s=2.0)

    second = daemon(tmp_path, exchange)
    until(lambda: len(second.matches('"Quoting bid"')) >= 2, "the second run to quote")

    assert not orphans & {order["cloid"] for order in exchange.orders()}
    assert second.stop() == 0
    assert exchange.orders() == []
    assert same_fills(tmp_path, exchange)
    held = sum((one.side * one.size for one in ledger(tmp_path).values()), Decimal(0))
    assert held == exchange.position()
    assert second.matches("Position differs") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_nothing_resting_within_5_s(
    tmp_path: Path, exchange: Exchange, number: int
) -> None:
    """Ctrl-C, and a terminal that closes."""
    running = daemon(tmp_path, exchange)
    until(lambda: running.matches('"Fill"'), "the first fill")

    with Stopwatch() as watch:
        code = running.stop(number)

    assert code == 0
    assert watch.elapsed_s < 5.0
    assert exchange.orders() == []
    assert same_fills(tmp_path, exchange)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_start_that_the_venue_keeps_waiting(tmp_path: Path, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"venue.base_url=http://127.0.0.1:{silent.getsockname()[1]}"
        running = Process(
            tmp_path / "daemon.log",
            *("run", "--port", "0", "--set", "venue.network=local", "--set", address),
            MM_VENUE__PRIVATE_KEY=KEY,
        )
        silent.settimeout(LIMIT_S)
        asked, _ = silent.accept()
        with asked:
            code = running.stop(number)

    assert code == 0
    assert running.matches("Stopped by a signal before the start was complete")
    assert not running.matches("Traceback")


def test_a_crash_cancels_all_and_names_its_cause_last(tmp_path: Path, exchange: Exchange) -> None:
    """The ledger's file is held by somebody else: the daemon must not trade on without it."""
    running = daemon(tmp_path, exchange, "--set", "daemon.checkpoint_interval_s=1")
    until(lambda: running.matches('"Fill"'), "the first fill")
    (path,) = (tmp_path / "data").glob("ledger-*.db")

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as thief:
        thief.execute("BEGIN EXCLUSIVE")
        assert running.process.wait(60) == 1

    assert exchange.orders() == []
    last = json.loads(running.log.read_text().strip().splitlines()[-1])
    assert last["level"] == "error"
    assert last["event"].startswith("Stopped by LedgerError: cannot write ledger")


def test_a_pause_survives_a_restart(tmp_path: Path, exchange: Exchange) -> None:
    first = daemon(tmp_path, exchange)
    until(lambda: first.matches("Quoting bid"), "quotes")
    data = f"daemon.data_dir={tmp_path / 'data'}"
    paused = Process(tmp_path / "pause.log", "pause", "--set", data, "--reason", "lunch")
    assert paused.process.wait(60) == 0
    until(lambda: first.matches("paused: lunch"), "the pause")
    first.stop(signal.SIGKILL)

    second = daemon(tmp_path, exchange, log_name="second.log")
    until(lambda: second.matches("paused: lunch"), "the second run to be paused")
    assert not second.matches("Quoting")
    assert second.stop() == 0


def test_a_halt_survives_a_restart(tmp_path: Path, exchange: Exchange) -> None:
    first = daemon(tmp_path, exchange)
    until(lambda: first.matches('"Fill"'), "the first fill")
    data = f"daemon.data_dir={tmp_path / 'data'}"
    halted = Process(tmp_path / "halt.log", "halt", "--set", data, "--reason", "test")
    assert halted.process.wait(60) == 0
    until(lambda: exchange.orders() == [], "all orders to be cancelled", every_s=1.0)
    first.stop(signal.SIGKILL)

    second = daemon(tmp_path, exchange)
    until(lambda: len(second.matches("Link up")) >= 2, "the second run's link")
    time.sleep(3.0)
    assert exchange.orders() == []

    resumed = Process(tmp_path / "resume.log", "resume", "--set", data)
    assert resumed.process.wait(60) == 0
    until(lambda: len(exchange.orders()) >= 10, "quotes after the resume", every_s=1.0)
    assert second.stop() == 0
