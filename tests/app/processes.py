"""Real processes, watched from outside: the daemon, and an exchange that outlives it."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest

from mm.adapters.hyperliquid.sign import Signer
from tests.patience import Stopwatch

ROOT = Path(__file__).parents[2]
KEY = "0x" + "ab" * 32
USER = Signer(KEY).address
LIMIT_S = 60.0


def until(question: Callable[[], object], what: str, every_s: float = 0.1) -> None:
    """Wait for a true answer; a test that waits says what for."""
    with Stopwatch() as watch:
        while not question():
            if watch.elapsed_s > LIMIT_S:
                pytest.fail(f"{what}: not within {LIMIT_S:g} s")
            time.sleep(every_s)


class Process:
    """One `mm` command with its output in a file."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []
    """All of a test: none outlives it (conftest)."""

    def __init__(self, log: Path, *arguments: str, **environ: str) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MM_")}
        self.log = log
        with log.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mm", *arguments],
                cwd=log.parent,
                env={**kept, "PYTHONPATH": str(ROOT), **environ},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.started.append(self.process)

    def matches(self, pattern: str) -> list[str]:
        return re.findall(pattern, self.log.read_text())

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


class Exchange:
    """A local exchange of its own process, asked over HTTP like any client asks it."""

    def __init__(self, directory: Path, weight_per_min: int = 1200, *more: str) -> None:
        self.command = Process(
            directory / "exchange.log",
            *("exchange", "--port", "0", "--seed", "5", "--speed", "10"),
            *("--set", f"exchange.weight_per_min={weight_per_min}"),
            *more,
        )
        address = r"http://127\.0\.0\.1:\d+"
        until(lambda: self.command.matches(address), "the exchange")
        self.url = self.command.matches(address)[0]

    def ask(self, **question: object) -> Any:  # noqa: ANN401 - JSON
        """Costs weight of the address that the daemon shares: ask rarely."""
        request = urllib.request.Request(
            f"{self.url}/info",
            json.dumps({"user": USER, **question}).encode(),
            {"Content-Type": "application/json"},
        )
        deadline = time.monotonic() + 2 * LIMIT_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as refusal:
                with refusal:
                    if refusal.code != 429 or time.monotonic() > deadline:
                        raise
            time.sleep(2.0)

    def fills(self) -> dict[int, dict[str, Any]]:
        """All of them, page by page: the venue gives 2,000 at a time, oldest first."""
        found: dict[int, dict[str, Any]] = {}
        start_ms = 0
        while True:
            page = self.ask(type="userFillsByTime", startTime=start_ms)
            new = {fill["tid"]: fill for fill in page if fill["tid"] not in found}
            if not new:
                return found
            found |= new
            start_ms = max(fill["time"] for fill in page)

    def orders(self) -> list[dict[str, Any]]:
        return list(self.ask(type="frontendOpenOrders"))

    def position(self) -> Decimal:
        rows = self.ask(type="clearinghouseState")["assetPositions"]
        return sum((Decimal(row["position"]["szi"]) for row in rows), Decimal(0))


def daemon(
    directory: Path,
    exchange: Exchange,
    *more: str,
    log_name: str = "daemon.log",
    **environ: str,
) -> Process:
    return Process(
        directory / log_name,
        "run",
        "--port",
        "0",
        *("--set", "venue.network=local", "--set", f"venue.base_url={exchange.url}"),
        *("--set", f"daemon.data_dir={directory / 'data'}"),
        *("--set", "daemon.watchdog_s=none"),  # what a kill leaves is for the restart to find
        *more,
        MM_VENUE__PRIVATE_KEY=KEY,
        **environ,
    )


class Traded(NamedTuple):
    """A fill, by what it did to position and cash."""

    side: int
    price: Decimal
    size: Decimal
    fee: Decimal


def ledger(directory: Path) -> dict[int, Traded]:
    """Fills by trade id, of which the ledger's key lets each be there once."""
    (path,) = (directory / "data").glob("ledger-*.db")
    with contextlib.closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT trade_id, side, price, size, fee FROM fills").fetchall()
    assert len({row[0] for row in rows}) == len(rows)
    return {tid: Traded(side, *map(Decimal, numbers)) for tid, side, *numbers in rows}


def traded(fill: dict[str, Any]) -> Traded:
    """As the exchange tells it."""
    numbers = (Decimal(fill[name]) for name in ("px", "sz", "fee"))
    return Traded(1 if fill["side"] == "B" else -1, *numbers)


def same_fills(directory: Path, exchange: Exchange) -> bool:
    """Each fill of the exchange is in the ledger, once, to the digit."""
    return ledger(directory) == {tid: traded(fill) for tid, fill in exchange.fills().items()}
