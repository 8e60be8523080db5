"""The venue's action budget at the base tier, in virtual time: never used up, quotes never gone.

SOAK_BUDGET_H hours (24) by `make soak`: few fills and none, one level and five, a new address and
one whose budget is nearly spent, each beside an unlimited budget. A few hours of it always.
"""

import os
import sys
from collections.abc import Callable

import pytest
from msgspec import Struct, structs

from mm.app.backtest import USER, Backtest, Pace
from mm.core.engine import Engine
from mm.core.ration import SPENT
from mm.core.settings import EngineSettings, StrategySettings
from mm.model.actions import Cancel, Modify, Place, Step
from mm.model.events import Event, Fill, RejectCode, Rejected, Tick
from mm.model.exchange import Answer, RateLimit, Report
from mm.model.units import NS_PER_MS, NS_PER_S, Ns, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenario import Scenario
from mm.sim.scenarios import build_market, preset, scenario_from
from tests.app.absence import NEXT_TURN, ON_ITS_WAY, UNHEARD, Absence

START_MS = 1_800_000_000_000
HOUR_MS = 3_600_000
SOAK_H = float(os.environ.get("SOAK_BUDGET_H", "24"))
WARM_UP_S = 60
SAMPLE_TICKS = 10
FEW = preset("illiquid")
LIQUID = preset("liquid")
DESERT = scenario_from({"base": "thin", "takers": {"arrival_per_s": 1e-6}})
"""A price that moves, and nobody who trades."""


MOMENTS = {UNHEARD, NEXT_TURN, ON_ITS_WAY}
BASE_CAP = 10_000
NEARLY_SPENT = BASE_CAP - 300
UNLIMITED = 10**9


class Given(Struct, frozen=True):
    """The market, our levels a side, and what of the base tier's actions is used at the start."""

    scenario: Scenario
    levels: int = 5
    used: int = 0
    unlimited: bool = False


class Day(Struct):
    """What the exchange and the engine's own turns say: budgets every ten seconds."""

    absence: Absence
    least_left: int = BASE_CAP
    cancels_left: int = UNLIMITED
    """The fewest that would be left for cancels after cancelling everything that rests."""
    actions: int = 0
    fills: int = 0
    refused: int = 0
    edge_usd: float = 0.0
    """Spread earned less adverse selection and fees: what quoting brings, without inventory."""

    @property
    def per_fill(self) -> float:
        return self.actions / max(self.fills, 1)


class Venue(Exchange):
    """One that may begin with a used budget, or tell of as many actions as one likes, and is looked
    at after each of its steps."""

    unlimited = False
    watch: Callable[[Ns], None]

    def use(self, user: str, actions: int) -> None:
        account = self._accounts.known(user)
        assert account is not None
        account.requests += actions

    def resting(self, user: str) -> set[Side]:
        account = self._accounts.known(user)
        return set() if account is None else {order.side for order in account.orders.values()}

    def advance(self, now_ms: int) -> list[Answer | Report]:
        told = super().advance(now_ms)
        self.watch(now_ms * NS_PER_MS)
        return told

    def rate_limit(self, user: str) -> RateLimit:
        known = super().rate_limit(user)
        return structs.replace(known, cap=UNLIMITED) if self.unlimited else known


class Diary:
    def __init__(self, exchange: Venue, absence: Absence) -> None:
        self.day = Day(absence)
        self._exchange = exchange
        self._ticks = 0
        exchange.watch = self._watch

    def record(self, event: Event, step: Step) -> None:
        day = self.day
        self._watch(event.ts)
        day.actions += sum(isinstance(one, Place | Modify | Cancel) for one in step.actions)
        day.fills += isinstance(event, Fill)
        day.refused += isinstance(event, Rejected) and event.code is RejectCode.BUDGET
        if isinstance(event, Tick):
            self._ticks += 1
            if not self._ticks % SAMPLE_TICKS:
                self._sample()

    def _watch(self, ts: Ns) -> None:
        self.day.absence.look(ts, self._exchange.resting(USER))

    def _sample(self) -> None:
        day, limit = self.day, self._exchange.rate_limit(USER)
        day.least_left = min(day.least_left, limit.cap - limit.used)
        to_cancel = min(limit.cap + 100_000, 2 * limit.cap)
        resting = len(self._exchange.open_orders(USER))
        day.cancels_left = min(day.cancels_left, to_cancel - limit.used - resting)


def lived(given: Given, hours: float) -> Day:
    market = build_market(given.scenario, 1, START_MS)
    options = ExchangeOptions(seed=1, enforce_budget=not given.unlimited)
    exchange = Venue([market], START_MS, options)
    exchange.unlimited = given.unlimited
    exchange.use(USER, given.used)
    settings = EngineSettings(strategy=StrategySettings(levels=given.levels))
    engine = Engine(settings, market.instrument)
    diary = Diary(exchange, Absence(engine, START_MS * NS_PER_MS + WARM_UP_S * NS_PER_S))
    Backtest(engine, exchange, START_MS, Pace(), [diary]).run(START_MS + int(hours * HOUR_MS))
    pnl = engine.view().pnl
    diary.day.edge_usd = float(pnl.spread - pnl.adverse - pnl.fees)
    return diary.day


def told(given: Given, hours: float, day: Day) -> None:
    start = "unlimited" if given.unlimited else f"{BASE_CAP - given.used} left at the start"
    sys.stdout.write(
        f"\n{given.scenario.name}, levels {given.levels}, {start}, {hours:g} h: {day.actions} "
        f"actions, {day.fills} fills, {day.per_fill:.0f} actions a fill; at least "
        f"{day.least_left} left, for cancels {day.cancels_left}; refused {day.refused}; two-sided "
        f"{day.absence.two_sided:.2%} of the time; edge {day.edge_usd:.2f} USD\n"
        f"  a side was gone: {day.absence}\n"
    )


def judge(day: Day, two_sided: float = 0.99) -> None:
    """Never used up, never refused, always room to cancel it all. No side waits for actions; where
    they are few, fewer levels rest, and a fill of the last may leave none for a moment."""
    assert day.refused == 0
    assert day.least_left > 0
    assert day.cancels_left > 5_000
    assert SPENT not in day.absence.by_reason_s
    assert day.absence.by_budget <= 0.001
    assert day.absence.two_sided >= two_sided


@pytest.mark.parametrize(
    "given",
    [Given(FEW), Given(FEW, 5, NEARLY_SPENT), Given(DESERT, 5, NEARLY_SPENT)],
    ids=["few fills", "few fills, nearly spent", "no fills, nearly spent"],
)
def test_an_hour_of_few_fills_leaves_a_budget_and_both_sides(given: Given) -> None:
    judge(lived(given, 1.0))


def test_without_fills_the_second_half_of_the_budget_lasts() -> None:
    """It begins with the means of a new address, and within hours is at the pace of a day."""
    day = lived(Given(DESERT), 3.0)
    judge(day)
    assert day.least_left > BASE_CAP // 2


@pytest.mark.parametrize("levels", [1, 5])
def test_where_fills_are_many_no_side_is_gone_for_want_of_actions(levels: int) -> None:
    """The only level of a side is gone from its fill until the next order is there."""
    day = lived(Given(LIQUID, levels), 0.25)
    judge(day, two_sided=0.95)
    assert day.absence.by_reason_s.keys() <= MOMENTS


def test_what_a_spent_budget_takes_away_is_told_apart() -> None:
    absence = lived(Given(LIQUID, 1, 3 * BASE_CAP), 0.1).absence
    assert absence.by_reason_s[SPENT] > 1.0
    assert absence.by_budget > 0.0


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("used", [0, NEARLY_SPENT], ids=["new", "nearly spent"])
@pytest.mark.parametrize("levels", [1, 5])
@pytest.mark.parametrize("scenario", [FEW, preset("thin"), DESERT], ids=["few", "thin", "none"])
def test_a_day_of_few_fills_keeps_both_sides_and_never_uses_up_its_actions(
    scenario: Scenario, levels: int, used: int, capsys: pytest.CaptureFixture[str]
) -> None:
    given = Given(scenario, levels, used)
    day = lived(given, SOAK_H)
    with capsys.disabled():
        told(given, SOAK_H, day)
    judge(day)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("used", [0, NEARLY_SPENT], ids=["new", "nearly spent"])
@pytest.mark.parametrize("levels", [1, 5])
def test_a_day_of_many_fills_takes_no_side_for_want_of_actions(
    levels: int, used: int, capsys: pytest.CaptureFixture[str]
) -> None:
    given = Given(LIQUID, levels, used)
    day = lived(given, SOAK_H)
    with capsys.disabled():
        told(given, SOAK_H, day)
    judge(day, two_sided=0.95)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("levels", [1, 5])
@pytest.mark.parametrize("name", ["illiquid", "thin", "liquid"])
def test_what_the_budget_costs(name: str, levels: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside an address with all the actions that it could want. Told, and bounded loosely: the
    edge of so few fills is noise."""
    both = [Given(preset(name), levels, unlimited=each) for each in (False, True)]
    days = [lived(given, SOAK_H) for given in both]
    with capsys.disabled():
        for given, day in zip(both, days, strict=True):
            told(given, SOAK_H, day)
    limited, unlimited = days
    judge(limited, unlimited.absence.two_sided - 0.005)
    assert limited.actions <= unlimited.actions
    assert limited.edge_usd > 0.5 * unlimited.edge_usd
