"""Killed at random points of its life, again and again, against one exchange that lives on.

`make crash KILLS=200` runs the long form and prints what each life kept of the one before.
"""

import json
import os
import signal
import sys
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import pytest

from tests.app.processes import Exchange, Process, daemon, ledger, same_fills, until

KILLS = int(os.environ.get("KILLS", "3"))
LONG_FORM = KILLS >= 50
"""`make crash` has a machine to itself: then it is judged how soon and how near it quotes again."""
SEED = int(os.environ.get("SEED", "1"))
MAY_FORGET = 0.25
"""Of the calibration: at this speed an eighth of it may come within a checkpoint's second."""
DIES_YOUNG = 0.3
"""Share of the lives that end while starting; the others end after their first quotes."""
AUDIT_EVERY = 10
DRIFT = 1.02
"""The price may carry a worst case over the limit by this much, as in the simulation."""


class Life:
    """One start of the daemon, until it is killed."""

    def __init__(self, directory: Path, exchange: Exchange, number: int) -> None:
        self.born = time.monotonic()
        name = f"life-{number}.log"
        every_second = ("--set", "daemon.checkpoint_interval_s=1")
        self.process: Process = daemon(directory, exchange, *every_second, log_name=name)
        self.first: dict[str, Any] | None = None
        """The first state that the page would have shown with both sides quoted; and the last."""
        self.last: dict[str, Any] | None = None
        self.quoted_after_s = 0.0

    def watch(self) -> bool:
        """Look once; True as soon as both sides quote."""
        pages = self.process.matches(r"http://127\.0\.0\.1:\d+")
        if not pages:
            return False
        try:
            with urllib.request.urlopen(f"{pages[-1]}/api/state", timeout=2) as answer:
                view = json.load(answer)["view"]
        except (OSError, ValueError):
            return False
        if view is None or view["bid"]["blocked"] or view["ask"]["blocked"] or not view["orders"]:
            return False
        if self.first is None:
            self.first, self.quoted_after_s = view, time.monotonic() - self.born
        self.last = view
        return True


def half_spread(view: dict[str, Any]) -> float:
    """h: what the calibration's multiplier scales."""
    terms = {term["name"]: term["bps"] for term in view["bid"]["terms"]}
    return float(terms["half_spread"] / view["calibration"]["multiplier"])


def progress(view: dict[str, Any]) -> float:
    return float(view["calibration"]["progress"])


class Matrix:
    """What each life must have kept of the one before."""

    def __init__(self, directory: Path, exchange: Exchange) -> None:
        self._directory = directory
        self._exchange = exchange
        self._before: dict[str, Any] | None = None
        self._orphans: set[str] = set()
        self.ready_s: list[float] = []
        self.moved: list[float] = []
        self.lives = 0

    def live(self, random: Random) -> None:
        """Start the daemon and kill it some time later, whatever it is doing."""
        self.lives += 1
        life = Life(self._directory, self._exchange, self.lives)
        try:
            if random.random() > DIES_YOUNG:
                until(life.watch, "both sides to quote")
            end = time.monotonic() + random.uniform(0.2, 5.0)
            while time.monotonic() < end:
                life.watch()
                time.sleep(0.1)
            resting = {order["cloid"] for order in self._exchange.orders()}
        finally:
            life.process.stop(signal.SIGKILL)
        assert not life.process.matches("Traceback|Position differs")
        if life.first is None:
            return
        assert not resting & self._orphans, "orders of a life before still rest"
        self._orphans = {order["cloid"] for order in self._within_limit(life.last or life.first)}
        if self._before is not None:  # a restart, not the first start
            self.ready_s.append(life.quoted_after_s)
            self.moved.append(abs(half_spread(life.first) / half_spread(self._before) - 1.0))
            lost = progress(self._before) - progress(life.first)
            assert lost < MAY_FORGET, f"life {self.lives} forgot {lost:.0%} of the calibration"
        self._before = life.last

    def _within_limit(self, view: dict[str, Any]) -> list[dict[str, Any]]:
        """What the dead left resting, which must not take its position over the limit."""
        held = self._exchange.position()
        rows = self._exchange.orders()
        for code, side in (("B", 1), ("A", -1)):
            resting = sum((Decimal(row["sz"]) for row in rows if row["side"] == code), Decimal(0))
            worst_usd = float(side * held + resting) * view["market"]["fair"]
            assert worst_usd < view["position"]["max_notional_usd"] * DRIFT
        return rows

    def audit(self) -> None:
        """One more life, ended in peace: it must know all that the exchange knows."""
        life = Life(self._directory, self._exchange, self.lives + 1)
        until(life.watch, "both sides to quote")
        assert life.process.stop() == 0
        assert self._exchange.orders() == []
        assert same_fills(self._directory, self._exchange)
        rows = ledger(self._directory).values()
        held = sum((one.side * one.size for one in rows), Decimal(0))
        assert held == self._exchange.position()
        self._before, self._orphans = life.last, set()

    def report(self) -> str:
        """What an operator wants to know of a restart."""
        if not self.ready_s:
            return "none of them after the first quotes"
        return (
            f"{len(ledger(self._directory))} fills, each kept once; quoting after "
            f"{median(self.ready_s):.1f} s (median), {max(self.ready_s):.1f} s (longest); "
            f"half-spread within 5 % of the last life's in {self._near} of {len(self.moved)}"
        )

    @property
    def _near(self) -> int:
        """An arrival in the last second before a kill is lost as evidence, and may move it more."""
        return sum(each < 0.05 for each in self.moved)

    def judge(self) -> None:
        assert max(self.ready_s) < 10.0
        assert self._near >= 0.9 * len(self.moved)


@pytest.mark.timeout(KILLS * 60 + 120)
def test_killed_at_random_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exchange = Exchange(tmp_path, weight_per_min=1_000_000)  # nobody restarts so often for real
    random = Random(SEED)
    matrix = Matrix(tmp_path, exchange)
    for number in range(1, KILLS + 1):
        matrix.live(random)
        if number % AUDIT_EVERY == 0 or number == KILLS:
            matrix.audit()
    with capsys.disabled():
        sys.stdout.write(f"\n{KILLS} kills, SEED={SEED}: {matrix.report()}\n")
    if LONG_FORM:
        matrix.judge()
