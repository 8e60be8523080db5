"""A pair where nothing happens is quoted all the same, and soon."""

import pytest
from msgspec import structs

from mm.app.backtest import Backtest, Pace
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.actions import Place, Step
from mm.model.estimate import Source
from mm.model.events import Event, Trades
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import MarketEvent
from mm.sim.scripted import calm_market

START_MS = 1_700_000_000_000


class FirstOrders:
    def __init__(self) -> None:
        self.at_s: dict[Side, float] = {}
        self.trades = 0

    def record(self, event: Event, step: Step) -> None:
        self.trades += isinstance(event, Trades)
        for action in step.actions:
            if isinstance(action, Place):
                self.at_s.setdefault(action.side, event.ts / 1e9 - START_MS / 1e3)


def quiet(*events: MarketEvent, interval_s: float = 1.0) -> tuple[FirstOrders, Engine]:
    """Two minutes of a book that stands still: no trade, no move, nobody."""
    market = calm_market(START_MS, *events)
    exchange = Exchange([market], START_MS, ExchangeOptions())
    base = EngineSettings()
    strategy = structs.replace(base.strategy, quote_interval_s=interval_s)
    engine = Engine(structs.replace(base, strategy=strategy), market.instrument)
    first = FirstOrders()
    backtest = Backtest(engine, exchange, START_MS, Pace(quote_interval_s=interval_s), [first])
    backtest.run(START_MS + 120_000)
    return first, engine


@pytest.mark.parametrize("interval_s", [0.5, 1.0, 4.0])
def test_the_first_quote_waits_no_longer_than_the_warm_up_is_allowed_to(interval_s: float) -> None:
    first, engine = quiet(interval_s=interval_s)
    most_s = engine.settings.stochastic.volatility.max_warmup_s

    assert first.trades == 0
    assert set(first.at_s) == set(Side)
    assert max(first.at_s.values()) <= most_s + interval_s + 0.1


def test_it_says_that_it_quotes_from_priors_and_how_wide_they_are() -> None:
    _, engine = quiet()
    market = engine.view().market

    for estimate in (market.sigma, market.kappa, market.arrival):
        assert estimate is not None
        assert estimate.source is Source.PRIOR
        assert estimate.high > 4.0 * estimate.low
        assert estimate.age_s is None or estimate.n == 0.0
    assert market.kappa_confidence == 0.0
    for row in market.adverse:
        assert (row.mean_bps, row.n) == (0.0, 0.0)
        assert row.se_bps == pytest.approx(2.0)
        assert (row.source, row.age_s) == (Source.PRIOR, None)
