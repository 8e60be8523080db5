"""What set a price is named rightly, whatever the tick is there."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.core.quoting import bound_by
from mm.core.strategy.ladder import Frame, build
from mm.model.instrument import Instrument
from mm.model.market_params import MarketParams
from mm.model.quote import Binding, Ladder, Quote, SideQuote
from mm.model.units import Side, price_at

BTC = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)


def first_level(
    side: Side, fair: float, depth: float, best_bid: float | None, best_ask: float | None
) -> tuple[SideQuote, Ladder]:
    """The quote of one side and the ladder that is made of it."""
    params = MarketParams(
        ts=0,
        fair=fair,
        sigma=1.0,
        kappa=0.25,
        arrival=0.1,
        gamma=0.05,
        maker_fee_bps=1.5,
        adverse_bid_bps=0.0,
        adverse_ask_bps=0.0,
        min_edge_bps=0.1,
        max_inventory_lots=10,
    )
    frame = Frame(
        instrument=BTC,
        lot_size=Decimal("0.01"),
        room_bid=Decimal(1),
        room_ask=Decimal(1),
        best_bid=best_bid,
        best_ask=best_ask,
        levels=1,
        entropy_ratio=0.8,
        spacing_per_kappa=0.25,
    )
    quote = SideQuote(side, depth, (), Binding.GLFT)
    bid, ask = (quote, None) if side is Side.BID else (None, quote)
    return quote, build(Quote(bid, ask, 0.0, 0.0), params, frame)


@pytest.mark.parametrize(
    ("side", "fair", "depth"), [(Side.ASK, 99_990.0, 2.0), (Side.BID, 100_010.0, 2.0)]
)
def test_a_coarser_tick_beyond_a_power_of_ten_is_no_clamp(
    side: Side, fair: float, depth: float
) -> None:
    """99,990 has ticks of 1, 100,010 of 10: rounding up moves the ask by up to a whole bp."""
    assert bound_by(*first_level(side, fair, depth, 90_000.0, 110_000.0)) == Binding.GLFT


@given(
    side=st.sampled_from(Side),
    fair=st.floats(99_000.0, 101_000.0),
    depth=st.floats(0.0, 30.0),
    opposite=st.floats(-20.0, 20.0),
)
def test_clamp_is_named_exactly_where_the_opposite_touch_was_in_the_way(
    side: Side, fair: float, depth: float, opposite: float
) -> None:
    touch = float(BTC.round_price(price_at(side.opposite, opposite, fair), side.opposite))
    bid, ask = (None, touch) if side is Side.BID else (touch, None)
    free = BTC.round_price(price_at(side, depth, fair), side)
    expected = Binding.CLAMP if side * (free - BTC.behind(touch, side)) > 0 else Binding.GLFT
    assert bound_by(*first_level(side, fair, depth, bid, ask)) == expected


@pytest.mark.parametrize("side", Side)
def test_s_itself_is_the_clamp_of_a_quote_beyond_it(side: Side) -> None:
    assert bound_by(*first_level(side, 100_000.0, -3.0, 90_000.0, 110_000.0)) == Binding.CLAMP
