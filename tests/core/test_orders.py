"""The life of one order: what each piece of evidence does to each state."""

from decimal import Decimal

import pytest

from mm.core.orders import LINGER_NS, Order, Orders, OrderState
from mm.model.actions import Modify, Place
from mm.model.events import (
    Fill,
    OrderClosed,
    OrderOpened,
    RejectCode,
    Rejected,
    RequestKind,
    Unresolved,
)
from mm.model.units import Side

CLOID = "0x6d6d"


def placed(size: str = "2") -> Order:
    return Order(Place(CLOID, Side.BID, 1, Decimal(100), Decimal(size)), 0)


def opened(size: str = "2", oid: int = 1) -> Order:
    order = placed(size)
    order.opened(OrderOpened(0, 0, CLOID, oid))
    return order


def modifying(size: str = "3") -> Order:
    order = opened()
    order.modify_sent(Modify(CLOID, 1, Side.BID, 1, Decimal(101), Decimal(size)), 0)
    return order


def filled(order: Order, size: str, oid: int = 1) -> None:
    order.fill(
        Fill(
            ts=0,
            venue_ts=0,
            trade_id=1,
            cloid=CLOID,
            oid=oid,
            side=Side.BID,
            price=Decimal(100),
            size=Decimal(size),
            fee=Decimal(0),
            start_position=Decimal(0),
            quote=True,
        )
    )


def closed(order: Order, oid: int | None = 1, reason: str = "canceled", ts: int = 0) -> None:
    order.closed(OrderClosed(ts, ts, CLOID, oid, reason))


def rejected(
    order: Order,
    kind: RequestKind,
    code: RejectCode = RejectCode.OTHER,
    *,
    gone: bool = False,
) -> None:
    order.rejected(Rejected(0, CLOID, kind, code, "words", gone))


def test_a_placed_order_counts_before_any_word_of_it() -> None:
    order = placed()

    assert order.worst_case == 2
    assert not order.live


def test_open_then_filled_in_two_parts() -> None:
    order = opened()
    assert order.live

    filled(order, "0.5")
    assert (order.state, order.remaining) == (OrderState.OPEN, Decimal("1.5"))
    filled(order, "1.5")

    assert order.state is OrderState.CLOSED
    assert order.worst_case == 0


def test_a_fill_before_the_answer_opens_the_order() -> None:
    order = placed()

    filled(order, "0.5", oid=9)
    order.opened(OrderOpened(0, 0, CLOID, 9))

    assert (order.state, order.oid, order.remaining) == (OrderState.OPEN, 9, Decimal("1.5"))


def test_a_modify_counts_with_both_sizes_until_answered() -> None:
    order = modifying("3")
    assert order.worst_case == 5

    order.opened(OrderOpened(0, 0, CLOID, 2))

    assert (order.state, order.oid, order.price) == (OrderState.OPEN, 2, Decimal(101))
    assert order.worst_case == 5  # the old one's last fill may still be on its way
    order.expire(LINGER_NS)
    assert order.worst_case == 3


@pytest.mark.parametrize("answer_first", [True, False])
def test_the_old_ids_end_never_closes_its_replacement(answer_first: bool) -> None:
    order = modifying()
    if not answer_first:
        closed(order, oid=1)
    order.opened(OrderOpened(0, 0, CLOID, 2))
    if answer_first:
        closed(order, oid=1)
    order.expire(LINGER_NS)

    assert (order.state, order.oid, order.worst_case) == (OrderState.OPEN, 2, Decimal(3))


def test_a_fill_of_the_replaced_id_is_history() -> None:
    order = modifying()
    order.opened(OrderOpened(0, 0, CLOID, 2))

    filled(order, "2", oid=1)

    assert order.remaining == 3


def test_a_fill_of_the_new_id_before_the_answer_adopts_it() -> None:
    order = modifying("3")

    filled(order, "1", oid=2)
    closed(order, oid=1)
    assert order.live
    order.opened(OrderOpened(0, 0, CLOID, 2))

    assert (order.state, order.oid, order.remaining) == (OrderState.OPEN, 2, Decimal(2))


def test_a_modify_refused_before_its_cancel_leaves_the_old_order() -> None:
    order = modifying()

    rejected(order, RequestKind.MODIFY, RejectCode.TICK)

    assert (order.state, order.price, order.worst_case) == (
        OrderState.OPEN,
        Decimal(100),
        Decimal(2),
    )


def test_a_modify_refused_after_its_cancel_is_gone() -> None:
    order = modifying()

    rejected(order, RequestKind.MODIFY, RejectCode.POST_ONLY, gone=True)

    assert order.state is OrderState.LINGERING
    assert not order.live


def test_an_old_id_gone_and_a_modify_refused_is_gone() -> None:
    order = modifying()

    closed(order, oid=1)
    assert order.worst_case == 5  # the replacement may still come, and the old one's last fill
    rejected(order, RequestKind.MODIFY, RejectCode.OTHER)

    assert order.state is OrderState.LINGERING


def test_a_fill_that_overtakes_a_modify_ends_the_order() -> None:
    order = modifying()

    filled(order, "2")
    closed(order, oid=1, reason="filled")
    rejected(order, RequestKind.MODIFY, RejectCode.NOT_OPEN)

    assert order.state is OrderState.CLOSED


def test_filled_without_its_fills_counts_until_they_come() -> None:
    order = opened()

    closed(order, reason="filled")
    order.expire(10 * LINGER_NS)
    assert (order.state, order.worst_case) == (OrderState.LINGERING, Decimal(2))
    filled(order, "2")

    assert order.state is OrderState.CLOSED


def test_a_cancelled_order_lingers_for_its_last_fill() -> None:
    order = opened()
    order.cancel_sent(0)

    closed(order)
    assert order.worst_case == 2
    filled(order, "0.5")
    order.expire(LINGER_NS)

    assert order.state is OrderState.CLOSED


def test_a_cancel_that_came_too_late_is_gone_not_open() -> None:
    order = opened()
    order.cancel_sent(0)

    rejected(order, RequestKind.CANCEL, RejectCode.NOT_OPEN)

    assert order.state is OrderState.LINGERING


def test_a_cancel_refused_otherwise_may_be_sent_again() -> None:
    order = opened()
    order.cancel_sent(0)

    rejected(order, RequestKind.CANCEL, RejectCode.RATE)

    assert order.state is OrderState.OPEN


def test_a_refused_place_never_was() -> None:
    order = placed()

    rejected(order, RequestKind.PLACE, RejectCode.POST_ONLY)

    assert order.state is OrderState.CLOSED


@pytest.mark.parametrize(
    ("word", "state", "worst"),
    [("same", OrderState.OPEN, 2), ("new", OrderState.OPEN, 5), ("gone", OrderState.LINGERING, 5)],
)
def test_an_unresolved_modify_is_what_the_venue_says_later(
    word: str, state: OrderState, worst: int
) -> None:
    order = modifying()
    order.unresolved(Unresolved(0, CLOID, RequestKind.MODIFY))
    assert (order.state, order.worst_case) == (OrderState.UNKNOWN, Decimal(5))

    if word == "gone":
        closed(order, oid=None)
    else:
        order.opened(OrderOpened(0, 0, CLOID, 1 if word == "same" else 2))

    assert (order.state, order.worst_case) == (state, Decimal(worst))


def test_an_unresolved_cancel_of_an_order_that_rests_is_open_again() -> None:
    order = opened()
    order.cancel_sent(0)
    order.unresolved(Unresolved(0, CLOID, RequestKind.CANCEL))

    order.opened(OrderOpened(0, 0, CLOID, 1))

    assert order.state is OrderState.OPEN


def test_nothing_wakes_the_dead() -> None:
    order = opened()
    filled(order, "2")

    order.opened(OrderOpened(0, 0, CLOID, 1))
    closed(order)
    rejected(order, RequestKind.CANCEL)
    order.unresolved(Unresolved(0, CLOID, RequestKind.CANCEL))

    assert order.state is OrderState.CLOSED


def test_an_open_that_comes_after_its_cancel_was_sent_is_still_being_cancelled() -> None:
    order = placed()
    order.cancel_sent(0)

    order.opened(OrderOpened(0, 0, CLOID, 1))

    assert order.state is OrderState.CANCELLING
    assert order.oid == 1


def test_a_doubt_outlives_that_everything_is_cancelled() -> None:
    """Its end says that the modify never happened: no half of it is waited for."""
    order = modifying()
    order.unresolved(Unresolved(0, CLOID, RequestKind.MODIFY))
    order.cancel_sent(0)

    order.opened(OrderOpened(0, 0, CLOID, 1))
    assert (order.state, order.replacement) == (OrderState.OPEN, None)
    closed(order)

    assert order.ended


def test_the_book_of_orders_knows_its_worst_case_and_what_takers_see() -> None:
    orders = Orders()
    for number, price in enumerate(("99", "98", "99")):
        place = Place(f"c{number}", Side.BID, number, Decimal(price), Decimal(1))
        orders.add(Order(place, 0))
        order = orders.get(f"c{number}")
        assert order is not None
        order.opened(OrderOpened(0, 0, f"c{number}", number))
    orders.add(Order(Place("c9", Side.ASK, 1, Decimal(101), Decimal(4)), 0))

    assert orders.worst_case(Side.BID) == 3
    assert orders.worst_case(Side.ASK) == 4
    assert orders.live_prices(Side.BID) == (99.0, 98.0)
    assert orders.live_prices(Side.ASK) == ()
    assert (Side.ASK, 101.0, 4.0) in set(orders.sizes())
    assert orders.get(None) is None

    for order in orders:
        closed(order, oid=order.oid)
    assert orders.expire(LINGER_NS) == ["c0", "c1", "c2", "c9"]
    assert len(orders) == 0


def test_doubts_of_many_quick_modifies_end_each_in_its_time() -> None:
    """Else an order moved more often than doubts last would seem to grow without end."""
    order, step = opened("1"), LINGER_NS // 5
    for number in range(1, 60):
        ts = number * step
        modify = Modify(CLOID, number, Side.BID, 1, Decimal(100 + number % 2), Decimal(1))
        order.modify_sent(modify, ts)
        order.opened(OrderOpened(ts, ts, CLOID, number + 1))
        order.expire(ts)
        assert order.worst_case <= 1 + 5
    filled(order, "1", oid=59)
    assert order.worst_case == 1 + 4
    order.expire(ts + LINGER_NS)
    assert order.worst_case == 1


def test_time_alone_changes_nothing_that_takers_see() -> None:
    """A Tick expires orders, and what rests is not looked at again for it."""
    replaced, cancelled, ended = modifying(), opened(), opened()
    replaced.opened(OrderOpened(0, 0, CLOID, 2))
    cancelled.cancel_sent(0)
    closed(ended)
    for order in (placed(), opened(), modifying(), replaced, cancelled, ended):
        orders = Orders()
        orders.add(order)
        seen = orders.live_prices(Side.BID)

        orders.expire(10 * LINGER_NS)

        assert orders.live_prices(Side.BID) == seen
