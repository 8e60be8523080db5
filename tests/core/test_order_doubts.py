"""Races in which an order was once lost, stuck or counted too small: each found, each told here."""

from decimal import Decimal

import pytest

from mm.core.audit import GRACE_NS, IN_DOUBT_NS
from mm.core.orders import LINGER_NS, Order, Orders, OrderState
from mm.core.risk import Limits, review
from mm.model.actions import Modify, Place
from mm.model.events import (
    Account,
    Fill,
    OpenOrder,
    OrderClosed,
    OrderOpened,
    OwnPrint,
    RejectCode,
    Rejected,
    RequestKind,
    Trades,
    Unresolved,
)
from mm.model.units import NS_PER_S, Ns, Side
from tests.core.stage import Stage
from tests.shapes import some_fill

CLOID = "0x6d6d"


def placed(*, flatten: bool = False) -> Order:
    return Order(Place(CLOID, Side.BID, 1, Decimal(100), Decimal(2), flatten=flatten), 0)


def opened(order: Order, oid: int = 1) -> Order:
    order.opened(OrderOpened(0, 0, CLOID, oid))
    return order


def modifying(size: str = "1") -> Order:
    order = opened(placed())
    order.modify_sent(Modify(CLOID, 1, Side.BID, 1, Decimal(101), Decimal(size)), 0)
    return order


def filled(order: Order, size: str, oid: int = 1) -> None:
    order.fill(some_fill(cloid=CLOID, oid=oid, size=Decimal(size)))


def closed(order: Order, oid: int | None = 1, reason: str = "canceled", ts: Ns = 0) -> None:
    order.closed(OrderClosed(ts, ts, CLOID, oid, reason))


def refused(order: Order, kind: RequestKind, *, gone: bool = False) -> None:
    order.rejected(Rejected(0, CLOID, kind, RejectCode.OTHER, "words", gone))


# -- modify ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["filled", "scheduledCancel", "marginCanceled"])
@pytest.mark.parametrize("in_doubt", [True, False])
def test_an_id_that_ended_otherwise_was_not_replaced(reason: str, in_doubt: bool) -> None:
    """The venue port takes this as the end of its doubt and tells no more: nobody may wait."""
    order = modifying()
    if in_doubt:
        order.unresolved(Unresolved(0, CLOID, RequestKind.MODIFY))

    closed(order, reason=reason)
    assert (order.ended, order.worst_case) == (True, Decimal(2))
    filled(order, "2")

    assert order.state is OrderState.CLOSED


def test_the_last_fill_of_a_replaced_id_may_come_after_its_replacement() -> None:
    order = modifying("1")
    closed(order)
    assert order.worst_case == 3
    opened(order, 2)
    assert order.worst_case == 3

    filled(order, "0.5", oid=1)
    assert order.worst_case == Decimal("2.5")
    order.expire(LINGER_NS)

    assert (order.state, order.worst_case) == (OrderState.OPEN, Decimal(1))


def test_a_replacement_that_filled_first_keeps_its_predecessors_fills_in_mind() -> None:
    order = opened(modifying("1"), 2)

    filled(order, "1", oid=2)
    assert (order.live, order.worst_case) == (False, Decimal(2))
    order.expire(LINGER_NS)

    assert order.state is OrderState.CLOSED


def test_gone_while_a_modify_is_in_doubt_may_have_traded_both() -> None:
    order = modifying("3")
    order.unresolved(Unresolved(0, CLOID, RequestKind.MODIFY))

    closed(order, oid=None, reason="filled")
    assert order.worst_case == 5
    filled(order, "1", oid=2)
    assert (order.state, order.live) == (OrderState.LINGERING, False), "a late fill wakes nothing"
    order.expire(LINGER_NS)

    assert order.state is OrderState.CLOSED


def test_an_ended_id_never_opens_again() -> None:
    """A late `open` of the old id is no evidence on the modify that ended it."""
    order = modifying("3")
    order.unresolved(Unresolved(0, CLOID, RequestKind.MODIFY))
    closed(order)

    opened(order, 1)
    closed(order)
    assert order.state is OrderState.UNKNOWN
    opened(order, 2)

    assert (order.state, order.oid, order.price) == (OrderState.OPEN, 2, Decimal(101))


def test_one_request_at_a_time_a_fill_is_not_the_answer() -> None:
    """Else the loss of the answer would be taken for that of a later request."""
    order = placed()
    filled(order, "1", oid=1)
    assert order.busy
    order = opened(order, 1)
    assert not order.busy

    order.modify_sent(Modify(CLOID, 1, Side.BID, 1, Decimal(101), Decimal(3)), 0)
    filled(order, "1", oid=2)
    assert order.busy
    assert order.live
    order.unresolved(Unresolved(0, CLOID, RequestKind.MODIFY))
    opened(order, 2)

    assert (order.state, order.remaining, order.price) == (
        OrderState.OPEN,
        Decimal(2),
        Decimal(101),
    )


def test_the_lost_answer_of_a_place_says_nothing_of_its_modify() -> None:
    order = modifying("3")

    order.unresolved(Unresolved(0, CLOID, RequestKind.PLACE))
    opened(order, 1)

    assert (order.state, order.worst_case) == (OrderState.MODIFYING, Decimal(5))


def test_what_has_ended_bars_the_other_side_no_more(stage: Stage) -> None:
    """It counts until its last fill is seen, but there is nothing left to cross with."""
    state = stage.engine.state
    order = first(stage)
    closed_word = OrderClosed(stage.ts, stage.ts, order.cloid, order.oid, "filled")
    stage.happen(closed_word)
    ask = Place("new", Side.ASK, 9, order.price, order.size)
    limits = Limits.at(state.settings.risk, stage.mid, None)
    others = Orders()
    others.add(order)

    reviewed = review([ask], others, Decimal(0), limits)

    assert order.worst_case > 0
    assert reviewed.refused == []


# -- cancel all -----------------------------------------------------------------------------------


def test_cancelling_everything_wakes_no_ended_order() -> None:
    never = placed()
    refused(never, RequestKind.PLACE)
    gone = opened(placed())
    closed(gone)

    for order in (never, gone):
        order.cancel_sent(0)

    assert (never.state, gone.state) == (OrderState.CLOSED, OrderState.LINGERING)


def test_a_halt_on_the_refusal_of_an_order_still_lets_go_of_it(stage: Stage) -> None:
    """The event that ends an order may also be the one that halts."""
    state = stage.engine.state
    closed_order = first(stage)
    stage.happen(OrderClosed(stage.ts, stage.ts, closed_order.cloid, None, "canceled"))
    stage.silent = True
    stage.tick()
    (order,) = [one for one in state.orders if one.state is OrderState.PENDING]
    state.kill.equity.peak = Decimal(10**9)

    stage.happen(Rejected(stage.ts, order.cloid, RequestKind.PLACE, RejectCode.OTHER, "words"))
    assert state.kill.halted
    stage.tick()

    assert state.orders.get(order.cloid) is None


def test_an_exit_that_filled_in_part_is_followed_by_another(stage: Stage) -> None:
    """Immediate-or-cancel: the venue says `filled` with less, and of the rest not a word."""
    stage.fill(Side.BID)
    stage.command("flatten")
    stage.tick()
    stage.silent = True
    while not (exits := [o for o in stage.engine.state.orders if o.flatten]):
        stage.tick()
    (order,) = exits
    held = stage.engine.state.pnl.position
    half = held / 2
    stage.happen(OrderClosed(stage.ts, stage.ts, order.cloid, 900, "filled"))
    at, fee = order.price, Decimal(0)
    stage.happen(
        Fill(stage.ts, stage.ts, 900, order.cloid, 900, Side.ASK, at, half, fee, held, False)
    )

    for _ in range(3):
        stage.tick()

    (again,) = [o for o in stage.engine.state.orders if o.flatten]
    assert again.cloid != order.cloid
    assert again.size == half


# -- audits ---------------------------------------------------------------------------------------


def row(order: Order) -> OpenOrder:
    assert order.oid is not None
    return OpenOrder(order.cloid, order.oid, order.side, order.price, order.remaining, False)


def audit(stage: Stage, *rows: OpenOrder) -> None:
    held = stage.engine.state.pnl.position
    stage.happen(Account(stage.ts, stage.ts, stage.ts, held, Decimal(10_000), rows))


def first(stage: Stage, side: Side = Side.BID) -> Order:
    return next(order for order in stage.engine.state.orders if order.side is side)


def test_a_cancel_that_nobody_answers_is_sent_again_if_the_order_rests(stage: Stage) -> None:
    """The sweep behind CancelAll reports only what it cancelled."""
    stage.silent = True
    order = first(stage)
    order.cancel_sent(stage.ts)
    stage.ts += IN_DOUBT_NS + NS_PER_S

    audit(stage, *(row(one) for one in stage.engine.state.orders))

    assert order.state is OrderState.OPEN


def test_orders_that_nobody_answers_for_are_let_go_while_halted(stage: Stage) -> None:
    """CancelAll goes out at every tick: it must not make the orders look new for ever."""
    stage.silent = True
    stage.command("halt")
    for _ in range(2 + IN_DOUBT_NS // NS_PER_S):
        stage.tick()
    assert len(stage.engine.state.orders) > 0

    audit(stage)
    stage.tick()
    audit(stage)
    stage.tick()
    stage.tick()

    assert len(stage.engine.state.orders) == 0


def test_a_reduced_order_that_filled_at_less_is_let_go_after_two_audits(stage: Stage) -> None:
    """The venue shrinks reduce-only orders: `filled` may come with less than was asked."""
    stage.silent = True
    order = first(stage)
    stage.happen(OrderClosed(stage.ts, stage.ts, order.cloid, order.oid, "filled"))
    part = order.size / 2
    at, fee = order.price, Decimal(0)
    oid = order.oid or 0
    stage.happen(
        Fill(stage.ts, stage.ts, 901, order.cloid, oid, Side.BID, at, part, fee, fee, True)
    )
    stage.ts += GRACE_NS
    others = [row(one) for one in stage.engine.state.orders if one is not order]

    audit(stage, *others)
    assert order.worst_case == part
    stage.ts += 20 * NS_PER_S
    audit(stage, *others)
    stage.tick()

    assert stage.engine.state.orders.get(order.cloid) is None


# -- prints that name us --------------------------------------------------------------------------


def own(tid: int, size: str) -> OwnPrint:
    return OwnPrint(venue_ts=0, trade_id=tid, side=Side.BID, size=Decimal(size))


def filled_print(stage: Stage, tid: int, size: str) -> Fill:
    return some_fill(ts=stage.ts, trade_id=tid, cloid=None, size=Decimal(size), quote=False)


def test_a_print_of_ours_counts_until_its_fill_is_told(stage: Stage) -> None:
    """Where the account's stream was silent, a part of a cancelled order had traded unheard: the
    worst case exceeded the limit by it until the next audit."""
    orders = stage.engine.state.orders
    before = orders.worst_case(Side.BID)
    stage.happen(Trades(stage.ts, (), (own(901, "0.5"), own(902, "0.25"))))
    assert orders.worst_case(Side.BID) == before + Decimal("0.75")

    stage.happen(filled_print(stage, 901, "0.5"))
    assert orders.worst_case(Side.BID) == before + Decimal("0.25")

    stage.ts += NS_PER_S
    stage.audit()
    assert orders.worst_case(Side.BID) == before, "the audit has read all fills"


def test_a_print_after_its_fill_counts_nothing(stage: Stage) -> None:
    stage.happen(filled_print(stage, 901, "1"))
    before = stage.engine.state.orders.worst_case(Side.BID)
    stage.happen(Trades(stage.ts, (), (own(901, "1"),)))
    assert stage.engine.state.orders.worst_case(Side.BID) == before
