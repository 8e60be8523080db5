"""From what rests to what should, with the fewest actions."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.core.diff import Band, Tolerance, diff, even
from mm.core.orders import Order, OrderState
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.events import OrderOpened
from mm.model.quote import Ladder, Level
from mm.model.units import Side

TOLERANCE = even(1.0)


def cloids() -> Iterator[str]:
    return (f"new{n}" for n in count(1))


def level(side: Side, number: int, price: str, size: str = "1") -> Level:
    return Level(side, number, Decimal(price), Decimal(size))


def resting(wanted: Level, cloid: str = "a", oid: int = 7) -> Order:
    order = Order(Place(cloid, wanted.side, wanted.level, wanted.price, wanted.size), 0)
    order.opened(OrderOpened(0, 0, cloid, oid))
    return order


def changes(wanted: Ladder, *orders: Order) -> list[Action]:
    return diff(wanted, orders, TOLERANCE, cloids())


def test_an_empty_book_is_filled_from_the_touch_outward() -> None:
    bids = (level(Side.BID, 1, "100"), level(Side.BID, 2, "99"))
    asks = (level(Side.ASK, 1, "101"),)

    actions = changes(Ladder(bids, asks))

    assert [(type(a), a.level) for a in actions if isinstance(a, Place)] == [
        (Place, 1),
        (Place, 1),
        (Place, 2),
    ]


def test_an_unchanged_price_leaves_the_order_alone() -> None:
    wanted = level(Side.BID, 1, "100.00")

    assert changes(Ladder((level(Side.BID, 1, "100.009"),)), resting(wanted)) == []


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("off_bps", "stays"), [(4, True), (-4, False), (6, False), (-1, True)])
def test_an_order_may_lag_away_from_the_market_more_than_towards_it(
    side: Side, off_bps: int, stays: bool
) -> None:
    order = resting(level(side, 1, str(Decimal(100) - side * Decimal(off_bps) / 100)))
    wanted = level(side, 1, "100")
    ladder = Ladder((wanted,)) if side is Side.BID else Ladder((), (wanted,))

    actions = diff(ladder, [order], Tolerance(Band(5.0, 1.5, 1.5), Band(0.0, 0.0, 0.0)), cloids())

    assert (actions == []) is stays


def test_a_moved_price_modifies_in_place() -> None:
    order = resting(level(Side.BID, 1, "100"))

    (action,) = changes(Ladder((level(Side.BID, 1, "100.02", "2"),)), order)

    assert action == Modify("a", 7, Side.BID, 1, Decimal("100.02"), Decimal(2))


@pytest.mark.parametrize(("filled", "acts"), [("0.1", False), ("0.5", True)])
def test_a_partly_filled_order_is_topped_up_once_it_is_much_smaller(
    filled: str, acts: bool
) -> None:
    order = resting(level(Side.BID, 1, "100"))
    order.filled = Decimal(filled)

    assert bool(changes(Ladder((level(Side.BID, 1, "100"),)), order)) is acts


def test_what_is_not_wanted_is_cancelled() -> None:
    order = resting(level(Side.ASK, 3, "105"))

    assert changes(Ladder(), order) == [Cancel("a")]


def test_two_orders_on_one_level_become_one() -> None:
    wanted = level(Side.BID, 1, "100")

    actions = changes(Ladder((wanted,)), resting(wanted, "a"), resting(wanted, "b", 8))

    assert actions == [Cancel("b")]


@pytest.mark.parametrize(
    "state",
    [OrderState.PENDING, OrderState.MODIFYING, OrderState.CANCELLING, OrderState.UNKNOWN],
)
def test_what_is_in_flight_is_left_to_its_answer(state: OrderState) -> None:
    order = resting(level(Side.BID, 1, "100"))
    order.state = state

    assert changes(Ladder((level(Side.BID, 1, "90"),)), order) == []
    assert changes(Ladder(), order) == []


def test_a_level_that_becomes_reducing_is_replaced_as_such() -> None:
    order = resting(level(Side.ASK, 1, "100"))
    wanted = Level(Side.ASK, 1, Decimal(100), Decimal(1), reduce_only=True)

    (action,) = changes(Ladder((), (wanted,)), order)

    assert isinstance(action, Modify)
    assert action.reduce_only


levels = st.lists(st.integers(1, 300), max_size=5, unique=True)


def ladder(bids: list[int], asks: list[int]) -> Ladder:
    return Ladder(
        tuple(
            level(Side.BID, i, str(1000 - ticks)) for i, ticks in enumerate(sorted(bids), start=1)
        ),
        tuple(
            level(Side.ASK, i, str(1000 + ticks)) for i, ticks in enumerate(sorted(asks), start=1)
        ),
    )


@given(levels, levels, levels, levels)
def test_applying_the_difference_gives_what_was_wanted(
    bids: list[int], asks: list[int], new_bids: list[int], new_asks: list[int]
) -> None:
    before, after = ladder(bids, asks), ladder(new_bids, new_asks)
    orders = {
        f"{wanted.side}{wanted.level}": resting(wanted, f"{wanted.side}{wanted.level}", n)
        for n, wanted in enumerate((*before.bids, *before.asks))
    }

    for action in diff(after, list(orders.values()), even(0.0), cloids()):
        match action:
            case Place():
                orders[action.cloid] = Order(action, 0)
            case Modify():
                orders[action.cloid].modify_sent(action, 0)
                orders[action.cloid].opened(OrderOpened(0, 0, action.cloid, 1000 + action.oid))
            case Cancel():
                del orders[action.cloid]

    rest = {(o.side, o.level, o.price) for o in orders.values()}
    assert rest == {(w.side, w.level, w.price) for w in (*after.bids, *after.asks)}
    assert diff(after, list(orders.values()), even(0.0), cloids()) == []
