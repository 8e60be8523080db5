"""Left alone for long: memory, loop, log and disk stay as they were. `make soak` runs it.

SOAK_S is the length of the run on real sockets (an hour), SOAK_DAYS of that in virtual time (7),
SOAK_HOURS of that of the whole daemon in virtual time (24).
Every fault that the local exchange knows comes by turns, one each half minute.
"""

import json
import os
import re
import sys
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from statistics import linear_regression, quantiles
from typing import Any

import pytest
from msgspec import structs

from mm.app.backtest import USER, Backtest, Pace
from mm.app.simulate.plan import draw
from mm.app.simulate.run import simulate
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.units import NS_PER_MS, NS_PER_S
from mm.sim.exchange import Exchange as SimulatedExchange
from mm.sim.exchange import ExchangeOptions
from mm.sim.scenarios import build_market, preset
from tests.app.bad_day import FAULTS, TURN_S, BadDay
from tests.app.processes import Exchange, Process, daemon, ledger, traded, until

SOAK_S = float(os.environ.get("SOAK_S", "3600"))
SOAK_DAYS = int(os.environ.get("SOAK_DAYS", "7"))
SETTLE_SHARE = 0.5
"""Of the run: SQLite's cache, the page's chart (15 minutes), 5,000 closed orders and the like fill
first. The latest 10,000 fills and an hour's arrivals do not: what they grow by counts."""
JOURNAL_MB = TAPE_MB = 2.0
ORDERS = 20_000
DISK = {
    "recorder.journal_keep_gb": JOURNAL_MB / 1e3,
    "recorder.tape_keep_gb": TAPE_MB / 1e3,
    "recorder.enabled": "true",
    "recorder.ledger_keep_orders": ORDERS,
}
"""So small that all of them are full after minutes. What grows then are fills, which stay."""
FILL_KB = 0.5
"""In the ledger, its indices and a minute's mark of equity included."""
SLACK_MB = 2.0
DAILY_MB = 1.0
"""Of memory, over days whose second half is whole days: measured are 0.1."""
SOAK_HOURS = float(os.environ.get("SOAK_HOURS", "24"))
LOSSES_PER_H = 30
LOSSES = ("drop_clean", "drop_abrupt", "drop_again", "half_open", "refuse", "mute")
OF_ITS_OWN = ("stochastic.policy=", "risk.max_daily_loss", "risk.max_drawdown", "portfolio.")
START_MS = 1_800_000_000_000
DAY_MS = 86_400_000
REPEAT_S = 60.0

pytestmark = [pytest.mark.soak, pytest.mark.timeout(0)]


def rss_mb(pid: int | str = "self") -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> tuple[float, float]:
    """Processor time that the event loop's thread had, and that it waited for: lag that is not ours
    but of a machine with too much to do."""
    had, waited, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
    return int(had) / NS_PER_S, int(waited) / NS_PER_S


def disk_mb(directory: Path) -> float:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) / 1e6


def slope_per_hour(samples: list[tuple[float, float]]) -> float:
    """Of (seconds, value), after the run has settled."""
    settled = [pair for pair in samples if pair[0] > samples[-1][0] * SETTLE_SHARE]
    return linear_regression(*zip(*settled, strict=True)).slope * 3600.0


def repeated(lines: list[dict[str, Any]]) -> list[str]:
    """Warnings and errors that come again within a minute, whatever numbers are in them."""
    last: dict[tuple[str, str], float] = {}
    found = []
    for line in lines:
        if line["level"] not in ("warning", "error"):
            continue
        key = line["topic"], re.sub(r"[0-9.]+", "#", line["event"])
        at = datetime.fromisoformat(line["ts"]).timestamp()
        if at - last.get(key, 0.0) < REPEAT_S:
            found.append(f"{line['ts']} {line['event']} after {at - last[key]:.1f} s")
        last[key] = at
    return found


class Watch:
    """Samples a daemon each second: memory, event loop, disk."""

    def __init__(self, page: str, pid: int, data: Path) -> None:
        self._page, self._pid, self._data = page, pid, data
        self.rss: list[tuple[float, float]] = []
        self.disk: list[tuple[float, float]] = []
        self.kept_mb: dict[str, float] = {}
        """The most that a directory of the recorder's ever had."""
        self.lag_ms: list[float] = []
        self.cpu_s = 0.0, 0.0
        self._began = time.monotonic()

    @property
    def at_s(self) -> float:
        return time.monotonic() - self._began

    def finish(self) -> None:
        self.cpu_s = cpu_s(self._pid)

    def sample(self) -> None:
        at = self.at_s
        with urllib.request.urlopen(f"{self._page}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        lag = re.search(r"^mm_loop_lag_seconds(?:{.*})? (\S+)", text, re.MULTILINE)
        assert lag is not None
        self.lag_ms.append(float(lag[1]) * 1e3)
        self.rss.append((at, rss_mb(self._pid)))
        self.disk.append((at, disk_mb(self._data)))
        for name in ("journal", "tape"):
            self.kept_mb[name] = max(self.kept_mb.get(name, 0.0), disk_mb(self._data / name))


def lost(directory: Path, exchange: Exchange) -> list[int]:
    """Fills that the venue still tells of and the ledger has not, or not to the digit."""
    rows = ledger(directory)
    return [tid for tid, fill in exchange.fills().items() if rows.get(tid) != traded(fill)]


def told(running: Process, watch: Watch, day: BadDay, lines: list[dict[str, Any]]) -> str:
    had_s, waited_s = watch.cpu_s
    lag = quantiles(watch.lag_ms, n=1000)
    log_mb = running.log.stat().st_size / 1e6 / watch.at_s * 3600.0
    kept = ", ".join(f"{name} at most {mb:.1f} MB" for name, mb in watch.kept_mb.items())
    texts = [line["event"] for line in lines if line["level"] in ("warning", "error")]
    return (
        f"\n{SOAK_S:.0f} s at 10x, {sum(day.seen.values())} turns of {len(day.seen)} faults: "
        f"{len(running.matches('Fill'))} fills, {len(running.matches('Link up'))} links\n"
        f"RSS {watch.rss[0][1]:.0f} to {watch.rss[-1][1]:.0f} MB, "
        f"{slope_per_hour(watch.rss):+.1f} MB/h in the second half\n"
        f"loop lag p50 {lag[499]:.1f}, p99 {lag[989]:.1f}, p99.9 {lag[998]:.1f} ms "
        f"(processor: {had_s:.0f} s, waited for: {waited_s:.0f} s)\n"
        f"disk {watch.disk[-1][1]:.0f} MB, {slope_per_hour(watch.disk):+.1f} MB/h in the second "
        f"half; {kept}; log {log_mb:.1f} MB/h\n"
        f"warnings and errors: {len(texts)} lines, {len(set(texts))} texts, "
        f"{len(repeated(lines))} repeated within a minute\n"
    )


def test_an_hour_of_a_busy_market_with_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange = Exchange(tmp_path)
    bounds = (word for name, most in DISK.items() for word in ("--set", f"{name}={most}"))
    running = daemon(tmp_path, exchange, *bounds)
    until(lambda: running.matches('"Fill"'), "the first fill")
    page = running.matches(r"http://127\.0\.0\.1:\d+")[0]
    watch = Watch(page, running.process.pid, tmp_path / "data")
    day = BadDay(exchange)
    while watch.at_s < SOAK_S:
        watch.sample()
        day.live(watch.at_s)
        time.sleep(1.0)
    watch.finish()
    day.end()
    fills = len(running.matches('"Fill"'))
    until(lambda: len(running.matches('"Fill"')) > fills, "trading goes on after all that")
    assert running.stop() == 0

    lines = [json.loads(line) for line in running.log.read_text().splitlines()]
    with capsys.disabled():
        sys.stdout.write(told(running, watch, day, lines))
    assert not running.matches("Traceback")
    assert set(day.seen) == set(FAULTS) or len(FAULTS) * TURN_S > SOAK_S
    assert repeated(lines) == []
    assert lost(tmp_path, exchange) == []
    assert exchange.orders() == []
    assert slope_per_hour(watch.rss) < 10.0
    assert quantiles(watch.lag_ms, n=100)[98] < 50.0
    assert watch.kept_mb["journal"] <= JOURNAL_MB
    assert watch.kept_mb["tape"] <= TAPE_MB
    fills_per_h = len(ledger(tmp_path)) / watch.at_s * 3600.0
    assert slope_per_hour(watch.disk) < fills_per_h * FILL_KB / 1e3 + SLACK_MB


def test_days_in_virtual_time(capsys: pytest.CaptureFixture[str]) -> None:
    """One engine, its exchange, no sockets: what grows would show within days."""
    market = build_market(preset("liquid"), 1, START_MS)
    exchange = SimulatedExchange([market], START_MS, ExchangeOptions(seed=1))
    engine = Engine(EngineSettings(), market.instrument)
    backtest = Backtest(engine, exchange, START_MS, Pace())
    samples: list[tuple[float, float]] = []
    for hour in range(1, SOAK_DAYS * 24 + 1):
        backtest.run(START_MS + hour * DAY_MS // 24)
        samples.append((hour * 3600.0, rss_mb()))
        if not hour % 24:
            with capsys.disabled():
                sys.stdout.write(f"\nday {hour // 24}: RSS {samples[-1][1]:.1f} MB")
    backtest.run(START_MS + SOAK_DAYS * DAY_MS + 60_000)  # the last hour's funding arrives
    view = engine.view()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{SOAK_DAYS} days of liquid: RSS {samples[0][1]:.0f} to {samples[-1][1]:.0f} MB "
            f"({slope_per_hour(samples) * 24:+.1f} MB/day once settled), "
            f"PnL {view.pnl.total:.2f} USD, {view.calibration.fill_count} arrivals\n"
        )
    assert view.safety.halt_reason == ""
    assert SOAK_DAYS < 2 or slope_per_hour(samples) * 24 < DAILY_MB
    equity = exchange.account(USER, backtest.now // NS_PER_MS).equity
    assert abs(view.pnl.total - (equity - 100_000)) < 1  # it marks at S as of a latency ago


def test_a_day_of_the_whole_daemon_with_lost_connections(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In virtual time, adapter, ledger and the exchange's server included, all promises watched.

    In a slow market: all fills are compared at the end, and the exchange keeps 10,000.
    """
    least = round(LOSSES_PER_H * SOAK_HOURS)
    plan = draw(1, LOSSES, SOAK_HOURS * 3600.0, least)
    kept = tuple(one for one in plan.settings if not one.startswith(OF_ITS_OWN))
    world = {"scenario": "liquid", "speed": 0.1, "coins": ("BTC",), "opening": (), "settings": kept}
    outcome = simulate(1, structs.replace(plan, **world))
    losses, served_s = len(outcome.served_s), sorted(outcome.served_s)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{outcome.virtual_s / 3600.0:.1f} h, {sum(outcome.faults.values())} faults, "
            f"{losses} links lost, served again after {served_s[losses // 2]:.1f} s (median), "
            f"{served_s[-1]:.1f} s (most); {outcome.fills} fills, {outcome.boots} start\n"
        )
    assert not outcome.violation, "\n".join(outcome.trace[-60:])
    assert outcome.boots == 1
    assert losses > least / 2
