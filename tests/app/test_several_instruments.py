"""Three coins on one account: the daemon that really runs, on the exchange that really runs."""

import json
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mm.app.replay import replay
from tests.app.processes import Exchange, Process, daemon, until

COINS = ("BTC", "ETH", "SOL")
THREE = (
    '[[instruments]]\nname = "BTC"\n[[instruments]]\nname = "ETH"\n[[instruments]]\nname = "SOL"\n'
)
AMPLE_WEIGHT = 100_000
LOSS = "drawdown: equity|daily loss: equity"


class Floor:
    """The exchange and the daemon's directory; questions are asked by coin."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "three.toml").write_text(THREE)
        self.config = ("--config", str(directory / "three.toml"))
        self.exchange = Exchange(directory, AMPLE_WEIGHT, *self.config)

    def run(self, *more: str) -> Process:
        quick = ("--set", "stochastic.volatility.max_warmup_s=1")
        return daemon(self.directory, self.exchange, *self.config, *quick, *more)

    def say(self, *words: str) -> None:
        data = f"daemon.data_dir={self.directory / 'data'}"
        said = Process(self.directory / "said.log", *words, "--set", data)
        assert said.process.wait(60) == 0, (self.directory / "said.log").read_text()

    def resting(self) -> dict[str, set[str]]:
        """Client ids by coin."""
        found: dict[str, set[str]] = {coin: set() for coin in COINS}
        for order in self.exchange.orders():
            found[order["coin"]].add(order["cloid"])
        return found

    def quoting(self, *coins: str) -> bool:
        """These rest on both sides, and no other rests at all."""
        sides: dict[str, set[str]] = {}
        for order in self.exchange.orders():
            sides.setdefault(order["coin"], set()).add(order["side"])
        return sides == {coin: {"A", "B"} for coin in coins}

    def kill(self, running: Process, *coins: str) -> dict[str, set[str]]:
        """Kill it in a moment when one of these coins has orders; what it left resting.

        It stands still while we look: else it may be between two quotes by the time it dies.
        """
        found: dict[str, set[str]] = {}

        def caught() -> bool:
            running.process.send_signal(signal.SIGSTOP)
            found.update(self.resting())
            if any(found[coin] for coin in coins):
                return True
            running.process.send_signal(signal.SIGCONT)
            return False

        until(caught, "orders to rest", every_s=0.3)
        running.stop(signal.SIGKILL)
        return found

    def positions(self) -> dict[str, Decimal]:
        rows = self.exchange.ask(type="clearinghouseState")["assetPositions"]
        return {row["position"]["coin"]: Decimal(row["position"]["szi"]) for row in rows}

    def ledger(self, query: str) -> list[Any]:
        (path,) = (self.directory / "data").glob("ledger-*.db")
        with closing(sqlite3.connect(path)) as database:
            return database.execute(query).fetchall()

    def agrees(self) -> bool:
        """Each fill of the exchange once in the ledger, under its own coin."""
        rows = self.ledger("SELECT instrument, trade_id, side, price, size FROM fills")
        ours = {(tid, coin): (side, Decimal(px), Decimal(sz)) for coin, tid, side, px, sz in rows}
        theirs = {
            (tid, f["coin"]): (1 if f["side"] == "B" else -1, Decimal(f["px"]), Decimal(f["sz"]))
            for tid, f in self.exchange.fills().items()
        }
        return len(ours) == len(rows) and ours == theirs

    def held(self) -> dict[str, Decimal]:
        """What the ledger's fills come to."""
        found = dict.fromkeys(COINS, Decimal(0))
        for coin, side, size in self.ledger("SELECT instrument, side, size FROM fills"):
            found[coin] += side * Decimal(size)
        return {coin: size for coin, size in found.items() if size}


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    found = Floor(tmp_path)
    yield found
    found.exchange.command.stop()


def fills_of(running: Process, coin: str) -> int:
    return len(running.matches(rf'"Fill", "data": {{"instrument": "{coin}"'))


def test_three_coins_through_halt_kill_restart_and_stop(floor: Floor) -> None:
    first = floor.run()
    until(lambda: all(fills_of(first, coin) for coin in COINS), "a fill on each coin")

    floor.say("halt", "--instrument", "ETH", "--reason", "test")
    until(lambda: floor.quoting("BTC", "SOL"), "ETH to leave and the others to stay", every_s=0.5)

    orphans = floor.kill(first, "BTC", "SOL")
    second = floor.run()
    until(lambda: len(second.matches('"Link up"')) >= 6, "the second run's links")
    until(lambda: floor.quoting("BTC", "SOL"), "each as it was, by the ledger", every_s=0.5)
    left = floor.resting()
    assert not any(orphans[coin] & left[coin] for coin in COINS)

    floor.say("resume")
    until(lambda: floor.quoting(*COINS), "all three after the resume", every_s=0.5)
    runs = {cloid[6:14] for cloids in floor.resting().values() for cloid in cloids}
    assert len(runs) == 3, "each coin's client ids are of a run of their own"

    assert second.stop() == 0
    assert floor.exchange.orders() == []
    assert floor.agrees()
    assert floor.held() == {coin: size for coin, size in floor.positions().items() if size}
    assert second.matches("Position differs|Orphan order|Deposit or withdrawal") == []
    journals = list((floor.directory / "data" / "journal").glob("*.mmj"))
    assert len(journals) == 6
    for journal in journals:
        assert replay(journal).mismatch is None


def test_the_accounts_loss_halts_all(floor: Floor) -> None:
    """Any step back from the peak is too much: whichever coin takes it, all three leave."""
    tight = ("max_daily_loss_fraction", "max_drawdown_fraction")
    running = floor.run(*(word for name in tight for word in ("--set", f"risk.{name}=0.0000001")))
    until(lambda: running.matches(LOSS), "a loss")
    until(lambda: floor.exchange.orders() == [], "all three to leave", every_s=0.5)

    latches = floor.ledger("SELECT instrument, reason FROM latches")
    assert {coin for coin, reason in latches if re.search(LOSS, reason)} == set(COINS)
    assert running.stop() == 0


def test_the_portfolio_limit_holds_at_the_venue_and_kill_9_leaves_nothing(floor: Floor) -> None:
    """Three lots do not fit: at no look are positions and orders together above the limit."""
    limit = 2_000.0
    quick = ("--set", "daemon.watchdog_s=3")
    running = floor.run("--set", f"portfolio.max_gross_usd={limit}", *quick)
    until(lambda: floor.quoting(*COINS), "a part of a lot on each", every_s=0.5)
    worst = []
    for _ in range(20):
        worst.append(gross(floor))
        time.sleep(0.2)
    floor.kill(running, *COINS)
    until(lambda: floor.exchange.orders() == [], "the watchdog to clear all three", every_s=0.5)

    assert max(worst) > 0.8 * limit
    assert max(worst) < 1.02 * limit, "but for what prices did since"
    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    assert {line["topic"] for line in lines if line["level"] == "error"} == {"watchdog"}


def gross(floor: Floor) -> float:
    """Σ over coins of the larger worst case, USD at mid."""
    mids = {coin: float(price) for coin, price in floor.exchange.ask(type="allMids").items()}
    orders, held = floor.exchange.orders(), floor.positions()
    total = 0.0
    for coin in COINS:
        position = float(held.get(coin, 0))
        sides = {"B": position, "A": -position}
        for order in orders:
            if order["coin"] == coin:
                sides[order["side"]] += float(order["sz"])
        total += max(sides.values()) * mids[coin]
    return total
