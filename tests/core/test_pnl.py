"""Profit adds up: to the last digit, whatever the order of fills, moves and funding."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.core.pnl import Pnl
from mm.model.events import Fill, Funding
from mm.model.units import NS_PER_S, Side
from tests.shapes import some_fill

HORIZON = 5 * NS_PER_S
prices = st.decimals("1", "99999", places=1)
sizes = st.decimals("0.001", "50", places=3)
fees = st.decimals("-5", "5", places=6)


def fill(
    side: Side, price: str, size: str, *, fee: str = "0", ts_s: int = 0, late_s: int = 0
) -> Fill:
    """At `ts_s` by the venue's clock; we hear of it `late_s` later."""
    ts, venue_ts = (ts_s + late_s) * NS_PER_S, ts_s * NS_PER_S
    numbers = {"price": Decimal(price), "size": Decimal(size), "fee": Decimal(fee)}
    return some_fill(ts=ts, venue_ts=venue_ts, side=side, **numbers)


def test_a_bid_filled_below_fair_earns_the_depth_and_pays_the_fee() -> None:
    pnl = Pnl(HORIZON)
    pnl.mark(100.0, 0)

    pnl.fill(fill(Side.BID, "99.9", "2", fee="0.03"), 100.0)

    assert pnl.position == 2
    assert pnl.spread == Decimal("0.2")
    assert pnl.total == Decimal("0.17")


def test_buy_then_drop_is_a_positive_adverse_cost() -> None:
    pnl = Pnl(HORIZON)
    pnl.mark(100.0, 0)
    pnl.fill(fill(Side.BID, "99.9", "2"), 100.0)

    pnl.mark(99.5, 6 * NS_PER_S)  # the first S after the horizon; S in force at it was still 100
    assert pnl.adverse == 0
    pnl.fill(fill(Side.BID, "99.4", "2", ts_s=6), 99.5)
    pnl.mark(99.0, 8 * NS_PER_S)
    pnl.mark(99.0, 12 * NS_PER_S)

    assert pnl.adverse == Decimal("1.0")


def test_sell_then_drop_is_a_negative_adverse_cost() -> None:
    pnl = Pnl(HORIZON)
    pnl.mark(100.0, 0)
    pnl.fill(fill(Side.ASK, "100.1", "1"), 100.0)

    pnl.mark(99.0, 1 * NS_PER_S)
    pnl.mark(99.0, 6 * NS_PER_S)

    assert pnl.adverse == Decimal("-1.0")
    assert pnl.spread == Decimal("0.1")


def test_a_fill_that_came_late_is_measured_five_seconds_after_it_happened() -> None:
    """We hear of it 3 s late, and the horizon still lies at second 5."""
    pnl = Pnl(HORIZON)
    pnl.mark(100.0, 0)
    pnl.mark(99.0, 2 * NS_PER_S)
    pnl.fill(fill(Side.BID, "99.9", "2", late_s=3), 100.0)

    pnl.mark(98.0, 5 * NS_PER_S)  # in force at the horizon
    pnl.mark(95.0, 6 * NS_PER_S)

    assert pnl.adverse == Decimal(4)
    assert pnl.total == pnl.split_total


def test_a_fill_that_came_after_its_horizon_is_measured_at_once() -> None:
    pnl = Pnl(HORIZON)
    pnl.mark(100.0, 0)
    pnl.mark(97.0, 9 * NS_PER_S)

    pnl.fill(fill(Side.BID, "99.9", "2", ts_s=1, late_s=9), 100.0, 98.5)

    assert pnl.adverse == Decimal(3)
    assert pnl.inventory == Decimal(-3)
    assert pnl.total == pnl.split_total == Decimal("-5.8")


def test_fills_out_of_order_are_each_measured_at_their_own_horizon() -> None:
    pnl = Pnl(HORIZON)
    pnl.mark(100.0, 0)
    pnl.fill(fill(Side.BID, "99.9", "1", ts_s=4), 100.0)
    pnl.fill(fill(Side.BID, "99.9", "1", ts_s=1, late_s=3), 100.0)

    pnl.mark(99.0, 7 * NS_PER_S)  # after the horizon of the second, before that of the first
    assert pnl.adverse == 0
    pnl.mark(98.0, 10 * NS_PER_S)

    assert pnl.adverse == Decimal(1)


def test_a_rebate_is_a_gain() -> None:
    pnl = Pnl(HORIZON)
    pnl.mark(100.0, 0)

    pnl.fill(fill(Side.BID, "100", "1", fee="-0.01"), 100.0)

    assert pnl.total == Decimal("0.01")
    assert pnl.fees == Decimal("-0.01")


def test_what_earlier_runs_earned_is_carried_not_split() -> None:
    pnl = Pnl(HORIZON)
    pnl.restore(Decimal(3), Decimal(-290))

    pnl.mark(100.0, 0)

    assert pnl.carried == pnl.total == 10
    assert pnl.spread == pnl.inventory == 0


def test_the_parts_of_earlier_runs_come_back_and_what_they_miss_is_carried() -> None:
    old = Pnl(HORIZON)
    old.mark(100.0, 0)
    old.fill(fill(Side.BID, "99.5", "2", fee="0.125"), 100.0)
    saved = old.state()
    old.fill(fill(Side.BID, "99", "1", fee="0.25"), 100.0)  # after the checkpoint

    new = Pnl(HORIZON)
    new.restore(old.position, old.cash)
    new.load(saved)
    new.mark(100.0, 0)

    assert (new.spread, new.fees) == (Decimal(1), Decimal("0.125"))
    assert new.carried == Decimal("0.75")
    assert new.total == new.split_total == old.total


def test_a_fill_before_the_first_price_is_marked_at_its_own() -> None:
    pnl = Pnl(HORIZON)

    pnl.fill(fill(Side.ASK, "50", "1", fee="0.5"), None)

    assert pnl.total == pnl.split_total == Decimal("-0.5")


def test_taking_over_the_venues_position_moves_no_profit() -> None:
    pnl = Pnl(HORIZON)
    pnl.mark(100.0, 0)
    pnl.fill(fill(Side.BID, "99", "1"), 100.0)
    before = pnl.total

    pnl.adopt(Decimal("0.25"))

    assert pnl.position == Decimal("0.25")
    assert pnl.total == pnl.split_total == before


moves = st.tuples(st.just("move"), prices, sizes, fees, st.sampled_from(Side))
trades = st.tuples(st.just("fill"), prices, sizes, fees, st.sampled_from(Side))
hours = st.tuples(st.just("fund"), prices, sizes, fees, st.sampled_from(Side))


@given(
    st.lists(st.one_of(moves, trades, hours), max_size=40),
    st.decimals("-10", "10", places=3),
    st.decimals("-1000", "1000", places=2),
)
def test_the_split_sums_to_the_total_exactly(
    steps: list[tuple[str, Decimal, Decimal, Decimal, Side]], position: Decimal, cash: Decimal
) -> None:
    pnl = Pnl(HORIZON)
    pnl.restore(position, cash)
    held, paid = position, cash

    for number, (kind, price, size, fee, side) in enumerate(steps):
        ts = number * 2 * NS_PER_S
        if kind == "move":
            pnl.mark(float(price), ts)
        elif kind == "fund":
            pnl.fund(Funding(ts, ts, fee, 0.0))
            paid += fee
        else:
            held += side * size
            paid -= side * size * price + fee
            pnl.fill(fill(side, str(price), str(size), fee=str(fee), ts_s=2 * number), float(price))
        assert pnl.position == held
        assert pnl.cash == paid
        if number and pnl.total != pnl.split_total:
            pytest.fail(f"{pnl.total} is not {pnl.split_total} after {kind}")
