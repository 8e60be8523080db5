"""Left alone for long: memory, loop, log and disk stay as they were. `make soak` runs it.

SOAK_S is the length of the run on real sockets (an hour), SOAK_DAYS of that in virtual time (7).
"""

import json
import os
import re
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from statistics import linear_regression, quantiles

import pytest

from mm.app.backtest import USER, Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.units import NS_PER_MS, NS_PER_S
from mm.sim.exchange import Exchange as SimulatedExchange
from mm.sim.exchange import ExchangeOptions
from mm.sim.scenarios import build_market, preset
from tests.app.processes import Exchange, daemon, until

SOAK_S = float(os.environ.get("SOAK_S", "3600"))
SOAK_DAYS = int(os.environ.get("SOAK_DAYS", "7"))
SETTLE_SHARE = 0.5
"""Of the run: the page's histories fill first, and ten thousand fills are remembered."""
START_MS = 1_800_000_000_000
DAY_MS = 86_400_000

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


def repeated_in_a_minute(log: Path) -> tuple[int, str]:
    """The warning that one minute has most of."""
    seen: Counter[tuple[str, str]] = Counter()
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if entry["level"] in ("warning", "error"):
            seen[entry["ts"][:16], entry["event"]] += 1
    (minute, event), count = max(seen.items(), key=lambda item: item[1], default=(("", ""), 0))
    return count, f"{event} at {minute}"


class Watch:
    """Samples a daemon each second: memory, event loop, disk."""

    def __init__(self, page: str, pid: int, data: Path) -> None:
        self._page, self._pid, self._data = page, pid, data
        self.rss: list[tuple[float, float]] = []
        self.disk: list[tuple[float, float]] = []
        self.lag_ms: list[float] = []
        self._began = time.monotonic()

    def sample(self) -> None:
        at = time.monotonic() - self._began
        with urllib.request.urlopen(f"{self._page}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        lag = re.search(r"^mm_loop_lag_seconds(?:{.*})? (\S+)", text, re.MULTILINE)
        assert lag is not None
        self.lag_ms.append(float(lag[1]) * 1e3)
        self.rss.append((at, rss_mb(self._pid)))
        self.disk.append((at, disk_mb(self._data)))


def test_an_hour_of_a_busy_market_with_faults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = ("--set", "exchange.faults=drops")
    exchange = Exchange(tmp_path, 1200, *faulty)
    running = daemon(tmp_path, exchange)
    until(lambda: running.matches('"Fill"'), "the first fill")
    page = running.matches(r"http://127\.0\.0\.1:\d+")[0]
    watch = Watch(page, running.process.pid, tmp_path / "data")
    end = time.monotonic() + SOAK_S
    while time.monotonic() < end:
        watch.sample()
        time.sleep(1.0)
    had_s, waited_s = cpu_s(running.process.pid)
    assert running.stop() == 0

    lag_p99 = quantiles(watch.lag_ms, n=100)[98]
    growth, disk = slope_per_hour(watch.rss), slope_per_hour(watch.disk)
    count, which = repeated_in_a_minute(running.log)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{SOAK_S:.0f} s at 10x with drops: {len(running.matches('Fill'))} fills, "
            f"{len(running.matches('Link up'))} links, RSS {watch.rss[0][1]:.0f} to "
            f"{watch.rss[-1][1]:.0f} MB ({growth:+.1f} MB/h once settled), loop lag p99 "
            f"{lag_p99:.1f} ms (processor: {had_s:.0f} s, waited for: {waited_s:.0f} s), "
            f"disk {disk:+.1f} MB/h, most repeated warning {count}x: {which}\n"
        )
    assert not running.matches("Traceback")
    assert growth < 10.0
    assert lag_p99 < 50.0
    assert count <= 1


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
    backtest.run(START_MS + SOAK_DAYS * DAY_MS + 60_000)  # the last hour's funding arrives
    view = engine.view()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{SOAK_DAYS} days of liquid: RSS {samples[0][1]:.0f} to {samples[-1][1]:.0f} MB "
            f"({slope_per_hour(samples) * 24:+.1f} MB/day once settled), "
            f"PnL {view.pnl.total:.2f} USD, {view.calibration.fill_count} arrivals\n"
        )
    assert view.safety.halt_reason == ""
    equity = exchange.account(USER, backtest.now // NS_PER_MS).equity
    assert abs(view.pnl.total - (equity - 100_000)) < 1  # it marks at S as of a latency ago
