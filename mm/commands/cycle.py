"""What a quote cycle costs, stage by stage, and a day of a strategy-run: the real engine, warm."""

import sys
from itertools import pairwise
from statistics import median

import typer
from msgspec import Struct

from mm.app.backtest import Backtest, Pace
from mm.app.clock import cpu_ns, stopwatch_ns
from mm.app.cold_start import START_MS
from mm.app.stage_clocks import Places, StageClocks
from mm.core import guard, quoting, risk
from mm.core.engine import Engine
from mm.core.learning import Learning
from mm.core.settings import EngineSettings
from mm.core.state import State
from mm.core.strategy import glft, ladder
from mm.core.strategy.params import ParameterAggregator
from mm.model.actions import Step
from mm.model.events import Event, Tick, Trade, Trades
from mm.model.units import NS_PER_MS, NS_PER_S, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset

SEED = 3
WARM_S = 300
DAY_H = 24
PRINTS = 500
"""Public trades whose learning is timed at once."""
ROUNDS = 9

STAGES: Places = {
    "expire": (State, "expire"),
    "flush": (Learning, "flush"),
    "halted": (guard, "halted"),
    "withdraw": (guard, "unhalted"),
    "posterior": (Learning, "update_calibration_status"),
    "limits": (risk.Limits, "at"),
    "aggregate": (ParameterAggregator, "build"),
    "glft": (glft, "quote"),
    "record": (ParameterAggregator, "record"),
    "ladder": (ladder, "build"),
    "diff": (quoting, "diff"),
    "risk": (risk, "review"),
}
"""Where each stage is called: none lies inside another."""


class Stage(Struct, frozen=True):
    name: str
    median_us: float
    p99_us: float


class Report(Struct, frozen=True):
    """`cycle_us`: `Engine.step` of a Tick, nothing left out, not slowed by the stages' clocks."""

    scenario: str
    cycles: int
    cycle_us: float
    cycle_p99_us: float
    acting_us: float
    """The median of the cycles that moved an order."""
    stages: tuple[Stage, ...]
    """As parts of a cycle; a stage that a cycle did not need counts where it ran."""
    learn_us: float
    """`learn` per public trade, and what grouping that trade costs at the Tick after it."""
    group_us: float
    run_h: int
    run_s: float
    """Seconds of one core that a run of `run_h` hours at 1 s quotes took, exchange included."""


class Bench(Engine):
    """An engine on a preset market that keeps how long each Tick took, ns, and whether it acted."""

    def __init__(self, scenario: str) -> None:
        market = build_market(preset(scenario), SEED, START_MS)
        super().__init__(EngineSettings(), market.instrument)
        self.ticks: list[tuple[int, bool]] = []
        self.clocks = StageClocks(STAGES)
        exchange = Exchange([market], START_MS, ExchangeOptions(seed=SEED))
        self._backtest = Backtest(self, exchange, START_MS, Pace())

    def step(self, event: Event) -> Step:
        if not isinstance(event, Tick):
            return super().step(event)
        self.clocks.begin()
        began = stopwatch_ns()
        step = super().step(event)
        self.ticks.append((stopwatch_ns() - began, bool(step.actions)))
        self.clocks.end()
        return step

    def run(self, duration_s: int) -> None:
        self._backtest.run(self._backtest.now // NS_PER_MS + 1000 * duration_s)


def measure(scenario: str, cycles: int, run_h: int) -> Report:
    """All figures of `Report`; the last takes the longest."""
    engine = Bench(scenario)
    engine.run(WARM_S)
    engine.ticks.clear()
    engine.run(cycles)
    whole = [taken for taken, _ in engine.ticks]
    acting = [taken for taken, acted in engine.ticks if acted]
    with engine.clocks.running():
        engine.run(cycles)
    stages = engine.clocks.taken.items()
    learn_us, group_us = _learning(engine)
    return Report(
        scenario=scenario,
        cycles=cycles,
        cycle_us=_at(whole, 0.5),
        cycle_p99_us=_at(whole, 0.99),
        acting_us=_at(acting or whole, 0.5),
        stages=tuple(Stage(name, _at(t, 0.5), _at(t, 0.99)) for name, t in stages),
        learn_us=learn_us,
        group_us=group_us,
        run_h=run_h,
        run_s=_run(scenario, run_h),
    )


def table(report: Report) -> list[str]:
    lines = [f"{'stage':<12}{'p50 us':>9}{'p99 us':>9}"]
    part = "" if report.run_h == DAY_H else f" (not the {DAY_H} h of the target)"
    lines += [f"{s.name:<12}{s.median_us:>9.1f}{s.p99_us:>9.1f}" for s in report.stages]
    return [
        *lines,
        f"{'quote cycle':<12}{report.cycle_us:>9.1f}{report.cycle_p99_us:>9.1f}",
        f"of {report.cycles} cycles; median of those that move an order {report.acting_us:.1f}",
        f"learn {report.learn_us:.2f} us a trade, and {report.group_us:.2f} at the next Tick",
        f"{report.run_s:.1f} s of one core for {report.run_h} h{part} of {report.scenario!r}",
    ]


def _learning(engine: Engine) -> tuple[float, float]:
    """Microseconds a trade: when it comes, and when the Tick after it sorts it."""
    learning, state, now = engine.learning, engine.state, engine.view().ts
    rounds: list[tuple[float, float]] = []
    for number in range(ROUNDS):
        now += 10 * NS_PER_S
        prints = [_print(now, PRINTS * number + i) for i in range(PRINTS)]
        times = [stopwatch_ns()]
        learning.flush(now)
        times.append(stopwatch_ns())
        for event in prints:
            learning.learn_trades(state, event)
        times.append(stopwatch_ns())
        learning.flush(now + 5 * NS_PER_S)
        times.append(stopwatch_ns())
        idle, learn, flush = (b - a for a, b in pairwise(times))
        rounds.append((learn / PRINTS / 1e3, (flush - idle) / PRINTS / 1e3))
    return median(learn for learn, _ in rounds), median(group for _, group in rounds)


def _print(ts: int, number: int) -> Trades:
    side = Side.BID if number % 2 else Side.ASK
    return Trades(ts, (Trade(ts + number, 64_000.0, 0.01, side, number),))


def _run(scenario: str, hours: int) -> float:
    """A run from cold, by the hour so that a terminal shows how far it is."""
    engine = Bench(scenario)
    began = cpu_ns()
    quiet = not sys.stderr.isatty()
    with typer.progressbar(range(hours), label=scenario, file=sys.stderr, hidden=quiet) as bar:
        for _ in bar:
            engine.run(3600)
    return (cpu_ns() - began) / NS_PER_S


def _at(taken: list[int], quantile: float) -> float:
    ranked = sorted(taken) or [0]
    return ranked[min(len(ranked) - 1, int(quantile * len(ranked)))] / 1e3
