"""Whatever the venue's tick and lot, it takes every order: judged by the exchange, not by us."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from mm.app.backtest import Backtest, Pace
from mm.app.cold_start import START_MS
from mm.core.engine import Engine
from mm.core.settings import EngineSettings
from mm.model.actions import Modify, Place, Step
from mm.model.events import Event, Fill, RejectCode, Rejected, Rules
from mm.model.instrument import Instrument
from mm.model.units import Side
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.scenarios import build_market, preset
from tests.core.stage import INSTRUMENT, Stage
from tests.core.stage import settings as engine_settings

OURS = (
    RejectCode.TICK,
    RejectCode.SIZE,
    RejectCode.MIN_NOTIONAL,
    RejectCode.MARGIN,
    RejectCode.ORACLE,
    RejectCode.MALFORMED,
    RejectCode.OTHER,
)
"""Refusals that no move of the market excuses."""


class Judged:
    """Counts what the exchange refused, and looks at each order before it is sent."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.refused: Counter[RejectCode] = Counter()
        self.orders = self.fills = 0

    def record(self, event: Event, step: Step) -> None:
        self.fills += isinstance(event, Fill)
        if isinstance(event, Rejected):
            self.refused[event.code] += 1
        for action in step.actions:
            if isinstance(action, Place | Modify):
                self.orders += 1
                assert self.instrument.is_valid_price(action.price)
                assert self.instrument.is_valid_size(action.size)


def judge(price: float, size_decimals: int, chosen: EngineSettings, seed: int) -> Judged:
    """A minute and a half of trading in a market of this price and lot."""
    scenario = structs.replace(preset("liquid"), price=price, size_decimals=size_decimals)
    market = build_market(scenario, seed, START_MS, 2.0)
    exchange = Exchange([market], START_MS, ExchangeOptions(seed=seed, faucet_usdc=Decimal(3_000)))
    judged = Judged(market.instrument)
    engine = Engine(chosen, market.instrument)
    Backtest(engine, exchange, START_MS, Pace(), [judged]).run(START_MS + 90_000)
    return judged


@pytest.mark.parametrize(
    ("price", "size_decimals"),
    [
        (99_999.0, 5),  # the tick changes from 1 to 1 where the figures end: integers always
        (10_000.3, 5),
        (999.97, 3),
        (100.004, 2),
        (9.9998, 1),
        (1.00003, 0),
        (0.099998, 0),
        (123_456.0, 5),
    ],
)
def test_at_powers_of_ten_the_exchange_takes_every_order(price: float, size_decimals: int) -> None:
    judged = judge(price, size_decimals, EngineSettings(), seed=11)

    assert judged.orders > 20
    assert judged.fills > 0
    assert not {code for code in OURS if judged.refused[code]}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.floats(-1.0, 5.0),
    st.integers(0, 5),
    st.sampled_from((30.0, 200.0, 1_000.0)),
    st.sampled_from((1, 5, 9)),
    st.integers(0, 1_000),
)
def test_no_intention_becomes_an_order_that_the_exchange_refuses(
    magnitude: float, size_decimals: int, lot_usd: float, levels: int, seed: int
) -> None:
    """Lots near the minimum notional too, and an account that leverage binds."""
    price = 10.0**magnitude
    decimals = min(size_decimals, max(0, int(magnitude) + 1))  # a tick of 1 bp or so at the most
    base = EngineSettings()
    strategy = structs.replace(base.strategy, lot_usd=lot_usd, levels=levels)
    risk = structs.replace(base.risk, max_position_usd=2.5 * lot_usd, max_order_usd=2.5 * lot_usd)
    judged = judge(price, decimals, structs.replace(base, strategy=strategy, risk=risk), seed)

    assert not {code for code in OURS if judged.refused[code]}


@pytest.mark.parametrize("size_decimals", [0, 1, 2])
def test_new_rules_bind_every_order_from_then_on(size_decimals: int) -> None:
    """A coarser lot, as after an upgrade: what rests is replaced as quotes move."""
    stage = Stage(Engine(engine_settings(), INSTRUMENT))
    stage.start()
    stage.warm()
    fresh = structs.replace(
        INSTRUMENT, size_decimals=size_decimals, price_decimals=6 - size_decimals
    )
    stage.happen(Rules(stage.ts, fresh))
    before = len(stage.actions)
    for number in range(12):
        stage.tick(100.0 + 0.3 * number)
        if number == 5:
            stage.fill(Side.ASK)

    sent = [a for a in stage.actions[before:] if isinstance(a, Place | Modify)]
    assert sent
    assert all(fresh.is_valid_size(one.size) and fresh.is_valid_price(one.price) for one in sent)
    assert stage.engine.state.lot_size(100.0) == fresh.round_size(1000.0 / 100.0)
