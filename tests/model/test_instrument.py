"""No valid intention becomes an invalid order; rounding is away from the market, never across."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.model.instrument import Instrument
from mm.model.units import Side, depth_bps, exact, nanoseconds, price_at, seconds

BTC = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1)
DOGE = Instrument(name="DOGE", asset=1, size_decimals=0, price_decimals=6)


def instrument(size_decimals: int) -> Instrument:
    return Instrument(
        name="X", asset=2, size_decimals=size_decimals, price_decimals=6 - size_decimals
    )


instruments = st.integers(0, 6).map(instrument)
prices = st.floats(0.01, 9e5)
sides = st.sampled_from(Side)


@pytest.mark.parametrize(
    ("chosen", "price", "tick"),
    [
        (BTC, 64_123.4, "1"),
        (BTC, 9_999.9, "0.1"),
        (BTC, 10_000.0, "1"),
        (BTC, 123_456.0, "1"),
        (DOGE, 0.123456, "0.00001"),
        (DOGE, 0.0123456, "0.000001"),
        (DOGE, 12.3, "0.001"),
    ],
)
def test_the_tick_has_five_figures_and_few_decimals(
    chosen: Instrument, price: float, tick: str
) -> None:
    assert chosen.tick(price) == Decimal(tick)


@pytest.mark.parametrize(
    ("side", "price", "rounded"),
    [
        (Side.BID, 64_000.7, "64000"),
        (Side.ASK, 64_000.2, "64001"),
        (Side.BID, 9_999.96, "9999.9"),
        (Side.ASK, 9_999.96, "10000"),
        (Side.ASK, 64_000.0, "64000"),
    ],
)
def test_bids_floor_and_asks_ceil(side: Side, price: float, rounded: str) -> None:
    assert BTC.round_price(price, side) == Decimal(rounded)


@given(instruments, prices, sides)
def test_a_rounded_price_is_valid_near_and_never_closer_to_the_market(
    chosen: Instrument, price: float, side: Side
) -> None:
    try:
        rounded = chosen.round_price(price, side)
    except ValueError:
        assert side is Side.BID
        assert price < float(chosen.tick(price))
        return

    assert chosen.is_valid_price(rounded)
    assert side * (float(rounded) - price) <= price * 1e-8
    assert abs(float(rounded) - price) <= 1.001 * float(chosen.tick(price)) + price * 1e-8


@given(instruments, prices, sides)
def test_one_tick_behind_the_touch_is_valid_and_does_not_match_it(
    chosen: Instrument, touch: float, side: Side
) -> None:
    standing = chosen.round_price(touch, Side.ASK)

    behind = chosen.behind(float(standing), side)

    assert side * (standing - behind) > 0
    assert behind <= 0 or chosen.is_valid_price(behind)


@given(instruments, st.floats(0.0, 1e6))
def test_sizes_round_down_to_a_step(chosen: Instrument, size: float) -> None:
    rounded = chosen.round_size(size)

    assert rounded <= exact(size)
    assert exact(size) - rounded < chosen.size_step
    assert not rounded or chosen.is_valid_size(rounded)


@given(instruments, prices)
def test_the_smallest_order_is_accepted_and_nothing_smaller(
    chosen: Instrument, price: float
) -> None:
    at = chosen.round_price(price, Side.ASK)

    size = chosen.min_size(at)

    assert size * at >= chosen.min_notional
    assert (size - chosen.size_step) * at < chosen.min_notional


@given(instruments, st.lists(prices, min_size=1, max_size=5), st.booleans())
def test_minima_of_a_row_of_prices_are_those_of_each(
    chosen: Instrument, row: list[float], rising: bool
) -> None:
    ordered = [chosen.round_price(p, Side.ASK) for p in sorted(row, reverse=not rising)]

    assert chosen.each_min_steps(ordered) == tuple(chosen.min_steps(p) for p in ordered)


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_price_has_no_tick(price: float) -> None:
    with pytest.raises(ValueError, match="no tick"):
        BTC.tick(price)


def test_below_one_tick_there_is_no_bid() -> None:
    with pytest.raises(ValueError, match="no valid bid"):
        BTC.round_price(0.05, Side.BID)


def test_too_fine_prices_and_sizes_are_not_valid() -> None:
    assert not BTC.is_valid_price(Decimal("64000.5"))
    assert not BTC.is_valid_price(Decimal(0))
    assert not BTC.is_valid_size(Decimal("0.000001"))
    assert not BTC.is_valid_size(Decimal(0))


@given(st.floats(1.0, 1e5), st.floats(-500.0, 500.0), sides)
def test_depth_and_price_are_each_others_inverse(fair: float, depth: float, side: Side) -> None:
    assert depth_bps(side, price_at(side, depth, fair), fair) == pytest.approx(depth, abs=1e-7)


def test_sides_and_times() -> None:
    assert Side.BID.opposite is Side.ASK
    assert Side.ASK.opposite is Side.BID
    assert (Side.BID.label, Side.ASK.label) == ("bid", "ask")
    assert seconds(nanoseconds(1.5)) == 1.5
