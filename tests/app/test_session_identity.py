"""A whole session adds up: spread, signed markouts, fees and drift are the money that was made."""

import math
from bisect import bisect_left, bisect_right
from decimal import Decimal

import pytest
from msgspec import structs

from mm.app.backtest import USER, Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.core.stochastic.adverse_selection import GRACE_NS
from mm.core.stochastic.volatility import Z90
from mm.model.actions import Step
from mm.model.estimate import Source
from mm.model.events import Bbo, Book, Event, Fill, Tick
from mm.model.units import BPS, NS_PER_MS, NS_PER_S, Ns, Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenario import Scenario
from mm.sim.scenarios import build_market, preset, truth

START_MS = 1_700_000_000_000
HORIZON = 5 * NS_PER_S
TOXIC = preset("toxic")


class Diary:
    """What an observer writes down: S by the venue's clock, and each fill."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.times: list[Ns] = []
        self.fairs: list[float] = []
        self.fills: list[Fill] = []
        self.ticked: Ns = 0

    def record(self, event: Event, step: Step) -> None:
        fair = self._engine.state.book.fair
        if isinstance(event, Tick):
            self.ticked = event.ts
        elif isinstance(event, Fill):
            self.fills.append(event)
        elif isinstance(event, Book | Bbo) and fair is not None:
            assert not self.times or event.venue_ts >= self.times[-1]
            self.times.append(event.venue_ts)
            self.fairs.append(fair)

    def before(self, ts: Ns) -> float:
        return self.fairs[bisect_left(self.times, ts) - 1]

    def markout(self, fill: Fill) -> float | None:
        """Price units against us; None while its horizon has not passed."""
        due = fill.venue_ts + HORIZON
        if due >= self.times[-1]:
            return None
        after = self.fairs[bisect_right(self.times, due) - 1]
        return -fill.side * (after - self.before(fill.venue_ts))


def session(
    latency_ms: int = 20, scenario: Scenario = TOXIC
) -> tuple[Engine, Diary, Exchange, int]:
    """A quarter of an hour on this market, evidence never fading."""
    market = build_market(scenario, 11, START_MS)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=11))
    base = EngineSettings()
    adverse = structs.replace(base.stochastic.adverse, half_life_h=1e12)
    stochastic = structs.replace(base.stochastic, adverse=adverse)
    engine = Engine(structs.replace(base, stochastic=stochastic), market.instrument)
    diary = Diary(engine)
    pace = Pace(latency_ms=latency_ms)
    backtest = Backtest(engine, exchange, START_MS, pace, [diary])
    backtest.run(START_MS + 900_000)
    return engine, diary, exchange, backtest.now // NS_PER_MS


@pytest.mark.parametrize("latency_ms", [20, 900])
def test_the_parts_sum_to_what_the_exchange_says_was_earned(latency_ms: int) -> None:
    engine, diary, exchange, now_ms = session(latency_ms)
    pnl = engine.state.pnl
    account = exchange.account(USER, now_ms)
    worth = sum((p.unrealized_pnl + p.entry_price * p.size for p in account.positions), Decimal(0))

    assert len(diary.fills) > 40
    assert pnl.total == pnl.split_total
    assert float(account.equity) == pytest.approx(100_000 + float(pnl.cash + worth), abs=1e-6)


@pytest.mark.parametrize("latency_ms", [20, 900])
def test_spread_and_markouts_are_those_that_an_observer_measures(latency_ms: int) -> None:
    """Per fill in the PnL, per arrival in the estimator; both 5 s after the fill happened."""
    engine, diary, _, _ = session(latency_ms)
    pnl, adverse = engine.state.pnl, engine.learning.components.adverse
    spread = math.fsum(
        f.side * (diary.before(f.venue_ts) - float(f.price)) * float(f.size) for f in diary.fills
    )
    markouts = [(f, m) for f in diary.fills if (m := diary.markout(f)) is not None]
    arrivals = {
        (f.side, f.venue_ts): BPS * m / diary.before(f.venue_ts)
        for f, m in markouts
        if diary.ticked - f.ts >= HORIZON + GRACE_NS
    }

    assert float(pnl.spread) == pytest.approx(spread, abs=1e-9)
    cost = math.fsum(m * float(f.size) for f, m in markouts)
    assert float(pnl.adverse) == pytest.approx(cost, abs=1e-9)
    assert len(diary.fills) > len(arrivals) > 20
    assert adverse.measured == len(arrivals)
    rows = ((side, horizon) for side in (Side.BID, Side.ASK) for horizon in adverse.horizons_s)
    means = dict(zip(rows, adverse.state().means, strict=True))
    for side in Side:
        of_side = [bps for (each, _), bps in arrivals.items() if each is side]
        assert means[side, 5.0].n == pytest.approx(len(of_side))
        assert means[side, 5.0].total == pytest.approx(math.fsum(of_side), abs=1e-9)


@pytest.mark.parametrize("informed", [0.0, 0.25])
def test_adverse_selection_is_that_of_the_market(informed: float) -> None:
    """Through the wired engine, per side: nothing where nobody knows more, else what they know."""
    takers = structs.replace(TOXIC.takers, informed_share=informed, informed_move_bps=8.0)
    scenario = structs.replace(TOXIC, takers=takers)
    engine, diary, _, _ = session(scenario=scenario)
    components, told = engine.learning.components, truth(scenario)

    assert told.adverse_bps == 8.0 * informed
    z = 0.0
    for side in (Side.BID, Side.ASK):
        noise = components.noise(diary.ticked)
        found = components.adverse.estimate(side, 5.0, noise, diary.ticked)
        error = (found.high - found.low) / 2.0 / Z90
        assert found.n > 15
        assert error < 1.5
        assert abs(found.value - told.adverse_bps) < 2.0 * error
        assert found.source is Source.OWN
        z += found.value / error / math.sqrt(2.0)
    assert (z > 3.0) is (informed > 0.0)
