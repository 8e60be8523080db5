"""No limit is exceeded by anything that is approved, filled in any order."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mm.core.orders import Order, Orders
from mm.core.risk import Limits, review
from mm.core.settings import RiskSettings
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.events import OrderOpened
from mm.model.units import Side

LIMITS = Limits(max_position=Decimal(10), max_order_usd=Decimal(1000), fair=Decimal(100))


def place(side: Side, size: str, price: str | None = None, cloid: str = "new") -> Place:
    at = Decimal(price or (99 if side is Side.BID else 101))
    return Place(cloid, side, 1, at, Decimal(size))


def resting(*places: Place) -> Orders:
    orders = Orders()
    for number, placed in enumerate(places):
        order = Order(placed, 0)
        order.opened(OrderOpened(0, 0, placed.cloid, number))
        orders.add(order)
    return orders


def reasons(*actions: Action, orders: Orders | None = None, position: str = "0") -> list[str]:
    reviewed = review(actions, orders or Orders(), Decimal(position), LIMITS)
    return [refusal.reason for refusal in reviewed.refused]


def test_within_the_limits_all_is_approved() -> None:
    actions = [place(Side.BID, "9", "99"), place(Side.ASK, "9", "101")]

    assert review(actions, Orders(), Decimal(0), LIMITS).approved == actions


def test_position_and_all_resting_orders_count_together() -> None:
    orders = resting(place(Side.BID, "4", cloid="a"))

    assert reasons(place(Side.BID, "2"), orders=orders, position="4") == []
    (reason,) = reasons(place(Side.BID, "3"), orders=orders, position="4")
    assert "max_position" in reason


def test_each_action_sees_what_those_before_it_leave() -> None:
    assert len(reasons(place(Side.BID, "6"), place(Side.BID, "6", cloid="b"))) == 1


def test_the_other_side_has_room_of_its_own() -> None:
    assert reasons(place(Side.ASK, "9"), position="9") == []
    assert len(reasons(place(Side.BID, "9"), position="9")) == 1


def test_an_order_above_the_order_limit_is_refused() -> None:
    (reason,) = reasons(place(Side.BID, "10.2", "99"))
    assert "max_order_usd" in reason


def test_our_own_orders_never_cross() -> None:
    orders = resting(place(Side.ASK, "1", "100", cloid="a"))

    (reason,) = reasons(place(Side.BID, "1", "100"), orders=orders)

    assert "cross" in reason


def test_a_refused_modify_becomes_a_cancel() -> None:
    orders = resting(place(Side.BID, "9", cloid="a"))
    modify = Modify("a", 0, Side.BID, 1, Decimal(99), Decimal(9))

    reviewed = review([modify], orders, Decimal(0), LIMITS)

    assert reviewed.approved == [Cancel("a")]
    assert len(reviewed.refused) == 1


@pytest.mark.parametrize(("price", "size"), [("0", "1"), ("1", "0"), ("-1", "1")])
def test_malformed_orders_are_refused(price: str, size: str) -> None:
    assert reasons(Place("a", Side.BID, 1, Decimal(price), Decimal(size))) == ["malformed order"]


def test_beyond_the_limit_only_reducing_is_allowed() -> None:
    assert reasons(place(Side.ASK, "9"), position="15") == []
    assert len(reasons(place(Side.BID, "1"), position="15")) == 1


def test_equity_only_ever_lowers_the_users_limit() -> None:
    settings = RiskSettings(max_position_usd=1000.0, max_leverage=2.0)

    assert Limits.at(settings, 100.0, None).max_position == 10
    assert Limits.at(settings, 100.0, Decimal(10**9)).max_position == 10
    assert Limits.at(settings, 100.0, Decimal(100)).max_position == 2
    assert Limits.at(settings, 100.0, Decimal(-5)).max_position == 0
    assert Limits.at(settings, 100.0, None).room(Side.ASK, Decimal(-4)) == 6


orders_of = st.lists(
    st.tuples(st.sampled_from(Side), st.integers(1, 9), st.integers(1, 30)), max_size=6
)


@given(orders_of, orders_of, st.integers(-10, 10))
def test_whatever_fills_the_position_stays_within_the_limit(
    held: list[tuple[Side, int, int]], asked: list[tuple[Side, int, int]], position: int
) -> None:
    orders = Orders()
    before = [
        Place(f"h{n}", side, n, Decimal(100) - side * away, Decimal(size))
        for n, (side, size, away) in enumerate(held)
    ]
    for action in review(before, orders, Decimal(position), LIMITS).approved:
        assert isinstance(action, Place)
        orders.add(Order(action, 0))
    actions = [
        Place(f"a{n}", side, n, Decimal(100) - side * away, Decimal(size))
        for n, (side, size, away) in enumerate(asked)
    ]

    for action in review(actions, orders, Decimal(position), LIMITS).approved:
        assert isinstance(action, Place)
        orders.add(Order(action, 0))

    for side in Side:
        assert side * position + orders.worst_case(side) <= LIMITS.max_position
    bids = [o.price for o in orders.side(Side.BID)]
    asks = [o.price for o in orders.side(Side.ASK)]
    assert not (bids and asks) or max(bids) < min(asks)


@pytest.mark.parametrize("lots", [1, 2, 4])
@pytest.mark.parametrize("moved", ["0.901", "0.99", "1", "1.01", "1.099"])
def test_a_limit_of_few_lots_stays_so_until_the_lot_is_cut_anew(lots: int, moved: str) -> None:
    lot, price = Decimal("0.01562"), Decimal(64_000)  # 1,000 USD in steps of 0.00001
    limits = structs.replace(LIMITS, max_position=1000 * lots / (price * Decimal(moved)))

    assert limits.whole_lots(lot) == lots


def test_less_than_a_lot_is_one_to_the_quoting_model() -> None:
    assert LIMITS.whole_lots(Decimal(40)) == 1
