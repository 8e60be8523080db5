"""The action budget: never used up by plan, and outlived where it is."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mm.core.orders import Order, Orders
from mm.core.ration import (
    BURST,
    EARLY,
    GRANT_NS,
    GRANTED_PER_S,
    LEAST_PER_S,
    Pace,
    Ration,
    affordable_per_s,
    band_bps,
)
from mm.core.settings import StrategySettings
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.events import ActionBudget, OrderOpened
from mm.model.units import NS_PER_S, Side

ONE = Decimal(1)
DAY_S = 86_400.0
MARKET = 2.5, 0.25
"""σ and κ of a thin market."""
CANCEL = Cancel("a")
NEARER = Modify("b", 1, Side.BID, 1, Decimal(100), ONE)
RETREAT = Modify("b", 1, Side.BID, 1, Decimal(98), ONE)
FIRST = [Place("c", Side.BID, 1, ONE, ONE), Place("d", Side.ASK, 1, ONE, ONE)]
DEEPER = Place("e", Side.ASK, 2, ONE, ONE)
ALL: list[Action] = [CANCEL, NEARER, *FIRST, DEEPER]
SPENT = ActionBudget(0, 10_000, 10_000)


def orders() -> Orders:
    """One bid at 99, to be moved."""
    resting = Orders()
    order = Order(Place("b", Side.BID, 1, Decimal(99), ONE), 0)
    order.opened(OrderOpened(0, 0, "b", 1))
    resting.add(order)
    return resting


def left(actions: int, sharers: int = 1) -> ActionBudget:
    return ActionBudget(0, 10_000 - actions, 10_000, sharers)


def emptied(actions: int = 5_000) -> Ration:
    """Its bucket is empty, at time 0."""
    ration = Ration(StrategySettings())
    ration.pace(left(actions), 0.0, MARKET, 0)
    for _ in range(int(BURST)):
        ration.of([NEARER], orders(), left(actions), 0)
    return ration


def test_an_unknown_budget_holds_nothing_back() -> None:
    ration = Ration(StrategySettings())
    assert ration.pace(None, 0.0, MARKET, 0) == Pace(math.inf, 0.0, 5)
    assert [ration.of(ALL * 20, orders(), None, ts) for ts in (1, 2)] == [ALL * 20, ALL * 20]


@given(st.integers(101, 1_000_000), st.integers(1, 8))
def test_the_pace_falls_with_what_is_left_and_is_shared(actions: int, sharers: int) -> None:
    """In ten minutes nobody spends more than a sixth of what lies above the early half, and with
    it little of the rest; all together no more than one alone."""
    alone = affordable_per_s(left(actions), 0.0, DAY_S)
    assert affordable_per_s(left(actions, sharers), 0.0, DAY_S) == pytest.approx(alone / sharers)
    assert affordable_per_s(left(actions - 1), 0.0, DAY_S) <= alone
    assert 600.0 * alone <= max(actions - EARLY, 0) / 6 + max(actions / 144, 600 * LEAST_PER_S)


def test_without_a_fill_a_new_address_still_has_actions_after_three_days() -> None:
    remaining = 10_000.0
    for _ in range(3 * 24 * 60):
        remaining -= 60.0 * affordable_per_s(left(int(remaining)), 0.0, DAY_S)
    assert remaining > 100


def test_what_fills_earn_is_spent_but_for_a_fifth() -> None:
    poor, earning = (affordable_per_s(left(300), each, DAY_S) for each in (0.0, 1.0))
    assert earning - poor == pytest.approx(0.8)
    assert poor == LEAST_PER_S


def test_a_spent_budget_has_the_venues_grant_and_no_more() -> None:
    assert affordable_per_s(SPENT, 9.0, DAY_S) == GRANTED_PER_S


@given(st.floats(0.1, 10.0), st.floats(1e-3, 100.0), st.integers(1, 10), st.floats(1.01, 3.0))
def test_a_band_costs_what_is_affordable(
    sigma: float, per_s: float, levels: int, more: float
) -> None:
    band = band_bps(sigma, per_s, levels)
    deep = 4.0 * band
    assert 2 * (sigma / band) ** 2 + 2 * (levels - 1) * (sigma / deep) ** 2 == pytest.approx(per_s)
    assert band_bps(sigma, more * per_s, levels) < band < band_bps(more * sigma, per_s, levels)


def test_fewer_actions_mean_fewer_levels_then_one_with_ever_wider_bands() -> None:
    ration, seen = Ration(StrategySettings()), []
    for actions in (100_000, 9_000, 6_000, 5_500, 5_000, 3_000, 300):
        pace = ration.pace(left(actions), 0.0, MARKET, 0)
        seen.append((pace.levels, pace.band_bps))
    levels, bands = zip(*seen, strict=True)
    assert levels[0] == 5
    assert levels[-3:] == (1, 1, 1)
    assert list(levels) == sorted(levels, reverse=True)
    assert list(bands) == sorted(bands)


@given(st.floats(1.0, 1_000.0), st.integers(1, 8))
def test_what_the_minute_leaves_widens_the_bands_only_as_the_bucket_empties(
    per_s: float, sharers: int
) -> None:
    """A full one may be spent at the pace of the actions that are left; an empty one fills at what
    the minute leaves."""
    rich = ActionBudget(0, 0, 10**9, sharers)
    short = structs.replace(rich, per_s=per_s)
    ration = Ration(StrategySettings())
    full = ration.pace(short, 0.0, MARKET, 0)
    assert full.per_s == pytest.approx(per_s / sharers)
    free = Ration(StrategySettings()).pace(rich, 0.0, MARKET, 0).band_bps
    assert full.band_bps == pytest.approx(free)

    ration.of([DEEPER] * int(BURST), orders(), short, 0)
    empty = ration.pace(short, 0.0, MARKET, 0)
    assert empty.levels == full.levels
    assert empty.band_bps > band_bps(MARKET[0], per_s / sharers, 5)


def test_what_may_go_at_once_bounds_what_was_saved() -> None:
    """Nothing comes nearer; sides that have no order get one, and what must retreat does."""
    ration = Ration(StrategySettings())
    few = ActionBudget(0, 0, 10**9, sharers=2, at_once=7.0)
    ration.pace(few, 0.0, MARKET, 0)
    assert ration.of([NEARER] * 10, orders(), few, 0) == [NEARER] * 3

    none = structs.replace(few, at_once=0.0)
    ration.pace(none, 0.0, MARKET, NS_PER_S)
    asked: list[Action] = [CANCEL, NEARER, RETREAT, *FIRST, DEEPER]
    assert ration.of(asked, orders(), none, NS_PER_S) == [CANCEL, RETREAT, *FIRST]


def test_levels_do_not_dance_while_the_market_breathes() -> None:
    ration = Ration(StrategySettings())
    for actions in (6_000, 7_000, 8_000):
        ration = Ration(StrategySettings())
        seen = {
            ration.pace(left(actions), 0.0, (2.5 * (1.0 + 0.1 * (-1) ** n), 0.25), 0).levels
            for n in range(20)
        }
        assert len(seen) <= 2


def test_an_emptier_bucket_widens_the_bands_and_fills_again() -> None:
    budget = left(5_000)
    full = Ration(StrategySettings()).pace(budget, 0.0, MARKET, 0).band_bps
    ration = emptied()
    assert ration.pace(budget, 0.0, MARKET, 1).band_bps > 4.0 * full
    hour = 3_600 * NS_PER_S
    assert ration.pace(budget, 0.0, MARKET, hour).band_bps == pytest.approx(full)


def test_an_empty_bucket_stops_what_comes_nearer_and_nothing_else() -> None:
    ration = emptied()
    assert ration.of(ALL, orders(), left(5_000), 0) == [CANCEL, *FIRST]
    assert ration.of([RETREAT], orders(), left(5_000), 0) == [RETREAT]
    grown = Modify("b", 1, Side.BID, 1, Decimal(98), Decimal(2))
    assert ration.of([grown], orders(), left(5_000), 0) == []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), max_size=60))
def test_no_more_than_a_burst_above_the_pace(asked: list[tuple[int, int]]) -> None:
    """Whatever is asked for and when: orders that come nearer are paid for first."""
    ration, budget, ts, sent = Ration(StrategySettings()), left(5_000), 0, 0
    pace = ration.pace(budget, 0.0, MARKET, ts)
    for wait_s, count in asked:
        ts += wait_s * NS_PER_S
        ration.pace(budget, 0.0, MARKET, ts)
        sent += len(ration.of([NEARER] * count, orders(), budget, ts))
        assert sent <= BURST + pace.per_s * ts / NS_PER_S + 1e-6


def test_spent_cancels_pass_and_missing_orders_go_before_changes() -> None:
    ration, resting = Ration(StrategySettings()), orders()
    assert ration.of(ALL, resting, SPENT, 1) == [CANCEL, *FIRST, DEEPER]
    assert ration.of(ALL, resting, SPENT, GRANT_NS) == [CANCEL]
    both: list[Action] = [CANCEL, NEARER]
    assert ration.of(both, resting, SPENT, 1 + GRANT_NS) == both
    assert ration.of([NEARER], resting, SPENT, 2 + GRANT_NS) == []


def test_an_empty_decision_does_not_use_the_grant() -> None:
    ration = Ration(StrategySettings())
    assert ration.of([], orders(), SPENT, 1) == []
    assert ration.of([NEARER], orders(), SPENT, 2) == [NEARER]


def test_the_grant_is_shared_by_all_instruments() -> None:
    ration, shared = Ration(StrategySettings()), ActionBudget(0, 10_000, 10_000, sharers=3)
    assert ration.of([NEARER], orders(), shared, 1) == [NEARER]
    assert ration.of([NEARER], orders(), shared, 1 + 2 * GRANT_NS) == []
    assert ration.of([NEARER], orders(), shared, 1 + 3 * GRANT_NS) == [NEARER]
