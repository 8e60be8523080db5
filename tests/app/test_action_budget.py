"""The venue's action budget at the base tier, in virtual time: spent with care, and outlived.

SOAK_BUDGET_H hours (24) of few fills, and of hardly any, by `make soak`; one of them always.
"""

import os
import sys

import pytest
from msgspec import Struct

from mm.app.backtest import USER, Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.actions import Cancel, Modify, Place, Step
from mm.model.events import Event, Fill, RejectCode, Rejected, Tick
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenario import Scenario
from mm.sim.scenarios import build_market, preset, scenario_from

START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
SOAK_H = float(os.environ.get("SOAK_BUDGET_H", "24"))
WARM_UP_TICKS = 60
SAMPLE_TICKS = 10
DESERT = scenario_from({"base": "thin", "takers": {"arrival_per_s": 1e-6}})
"""A price that moves, and nobody who trades."""


class Day(Struct):
    """What the exchange and the engine's own turns say, every ten seconds."""

    samples: int = 0
    two_sided: int = 0
    most_used: float = 0.0
    """Of the cap, at any moment."""
    most_used_by_cancel: float = 0.0
    """Of the cancels' own cap, were everything that rests cancelled at that moment."""
    actions: int = 0
    fills: int = 0
    refused: int = 0

    @property
    def per_fill(self) -> float:
        return self.actions / max(self.fills, 1)


class Diary:
    def __init__(self, exchange: Exchange) -> None:
        self.day = Day()
        self._exchange = exchange
        self._ticks = 0

    def record(self, event: Event, step: Step) -> None:
        day = self.day
        day.actions += sum(isinstance(one, Place | Modify | Cancel) for one in step.actions)
        day.fills += isinstance(event, Fill)
        day.refused += isinstance(event, Rejected) and event.code is RejectCode.BUDGET
        if isinstance(event, Tick):
            self._ticks += 1
            if self._ticks > WARM_UP_TICKS and not self._ticks % SAMPLE_TICKS:
                self._sample()

    def _sample(self) -> None:
        day, limit = self.day, self._exchange.rate_limit(USER)
        rows = self._exchange.open_orders(USER)
        day.samples += 1
        day.two_sided += {row.side for row in rows} == set(Side)
        day.most_used = max(day.most_used, limit.used / limit.cap)
        to_cancel = min(limit.cap + 100_000, 2 * limit.cap)
        day.most_used_by_cancel = max(day.most_used_by_cancel, (limit.used + len(rows)) / to_cancel)


def lived(scenario: Scenario, hours: float) -> Day:
    market = build_market(scenario, 1, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=1))
    diary = Diary(exchange)
    engine = Engine(EngineSettings(), market.instrument)
    Backtest(engine, exchange, START_MS, Pace(), [diary]).run(START_MS + int(hours * HOUR_MS))
    return diary.day


def told(name: str, hours: float, day: Day) -> None:
    sys.stdout.write(
        f"\n{name}, {hours:g} h: {day.actions} actions, {day.fills} fills, {day.per_fill:.0f} "
        f"actions a fill; budget at most {day.most_used:.1%} used, {day.refused} refused for it; "
        f"two-sided {day.two_sided / day.samples:.2%} of the time\n"
    )


def test_an_hour_of_few_fills_leaves_a_budget_and_both_sides() -> None:
    day = lived(preset("illiquid"), 1.0)
    assert day.fills
    assert day.refused == 0
    assert day.most_used < 1.0
    assert day.two_sided == day.samples


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("scenario", [preset("illiquid"), DESERT], ids=["few", "hardly any"])
def test_a_day_of_few_fills_keeps_both_sides_and_room_to_cancel(
    scenario: Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five levels spend more than few fills earn: the budget ends within the day. From then on the
    quotes live on what the venue grants, without asking for more."""
    day = lived(scenario, SOAK_H)
    with capsys.disabled():
        told(f"fills: {scenario.name}", SOAK_H, day)
    assert day.fills
    assert day.refused < 0.01 * day.actions
    assert day.most_used_by_cancel < 0.75
    assert day.two_sided > 0.97 * day.samples
