"""What the adapter knows of our orders: ends are final, doubts end by evidence only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid.own import Doubt, News, OwnOrders
from mm.adapters.hyperliquid.recent import Recent
from mm.model.events import OrderOpened, RequestKind
from tests.adapters.hyperliquid.stand import cloid

ONE = cloid(1)


def own() -> OwnOrders:
    return OwnOrders("6d6d")


def shown(news: list[News]) -> list[tuple[str, int | None]]:
    return [(type(event).__name__, event.oid) for event in news]


def test_a_late_open_of_a_closed_id_is_told_with_its_end() -> None:
    orders = own()
    assert shown(orders.closed(ONE, 5, "filled", 0, 0)) == [("OrderClosed", 5)]
    assert shown(orders.opened(ONE, 5, 0, 0)) == [("OrderOpened", 5), ("OrderClosed", 5)]
    assert orders.open == {}


def test_history_overtaken_by_an_answer_is_silent() -> None:
    orders = own()
    orders.opened(ONE, 6, 0, 0)
    assert orders.updated(ONE, 5, 0, 0) == []
    assert orders.updated(ONE, 6, 0, 0) == []
    assert shown(orders.updated(ONE, 7, 0, 0)) == [("OrderOpened", 7)]


def test_the_old_id_of_a_modify_ends_without_its_order() -> None:
    orders = own()
    orders.opened(ONE, 5, 0, 0)
    orders.opened(ONE, 6, 0, 0)
    assert shown(orders.closed(ONE, 5, "canceled", 0, 0)) == [("OrderClosed", 5)]
    assert orders.open[ONE].oid == 6
    assert shown(orders.closed(ONE, None, "canceled", 0, 0)) == [("OrderClosed", None)]
    assert orders.open == {}
    assert orders.closed(ONE, 6, "canceled", 0, 0) == [], "told already, by the cancel's answer"


def test_what_was_replaced_by_what_has_ended_never_opens_again() -> None:
    """Its end may never be told: in a gap it would be believed open for ever."""
    orders = own()
    orders.opened(ONE, 6, 0, 0)
    orders.gone(ONE, "canceled")
    assert orders.updated(ONE, 5, 0, 0) == []
    assert orders.open == {}


def test_the_late_end_of_a_replaced_id_settles_no_doubt_after_its_successors_end() -> None:
    orders = own()
    orders.opened(ONE, 5, 0, 0)
    orders.opened(ONE, 6, 0, 0)
    orders.doubts[ONE] = Doubt(kind=RequestKind.MODIFY, expires=9, oid=6)
    orders.closed(ONE, 6, "canceled", 0, 0)
    orders.closed(ONE, 5, "canceled", 0, 0)
    assert ONE in orders.doubts


@pytest.mark.parametrize(("kind", "target"), [(RequestKind.CANCEL, None), (RequestKind.MODIFY, 6)])
def test_the_late_end_of_a_replaced_id_settles_no_doubt(
    kind: RequestKind, target: int | None
) -> None:
    """A modify was answered, then the next request lost, then the old id's end was told."""
    orders = own()
    orders.opened(ONE, 5, 0, 0)
    orders.opened(ONE, 6, 0, 0)
    orders.doubts[ONE] = Doubt(kind=kind, expires=9, oid=target)
    assert shown(orders.closed(ONE, 5, "canceled", 0, 0)) == [("OrderClosed", 5)]
    assert ONE in orders.doubts
    orders.closed(ONE, 6, "canceled", 0, 0)
    assert (ONE in orders.doubts) is (target == 6)


def test_the_late_answer_of_an_id_that_was_replaced_is_history() -> None:
    """`make lifecycles N=1 SEED=2005938`: its order was asked for by an id that was gone."""
    orders = own()
    orders.opened(ONE, 6, 0, 0)
    orders.doubts[ONE] = Doubt(kind=RequestKind.MODIFY, expires=9, oid=6)
    assert orders.opened(ONE, 5, 0, 0) == []
    assert orders.open[ONE].oid == 6
    assert ONE in orders.doubts


@pytest.mark.parametrize(
    ("kind", "oid", "opened", "settled"),
    [
        (RequestKind.PLACE, None, 5, True),
        (RequestKind.MODIFY, 5, 6, True),
        (RequestKind.MODIFY, 5, 5, False),
        (RequestKind.CANCEL, None, 5, False),
    ],
)
def test_what_an_open_order_says_about_a_doubt(
    kind: RequestKind, oid: int | None, opened: int, settled: bool
) -> None:
    orders = own()
    orders.doubts[ONE] = Doubt(kind=kind, expires=9, oid=oid)
    orders.opened(ONE, opened, 0, 0)
    assert (ONE not in orders.doubts) is settled


@pytest.mark.parametrize(
    ("kind", "oid", "closed", "reason", "settled"),
    [
        (RequestKind.PLACE, None, 5, "filled", True),
        (RequestKind.CANCEL, None, 5, "canceled", True),
        (RequestKind.MODIFY, 5, 5, "canceled", False),
        (RequestKind.MODIFY, 5, 5, "filled", False),
        (RequestKind.MODIFY, 5, 6, "canceled", True),
        (RequestKind.MODIFY, 5, None, "canceled", True),
    ],
)
def test_what_an_end_says_about_a_doubt(
    kind: RequestKind, oid: int | None, closed: int | None, reason: str, settled: bool
) -> None:
    orders = own()
    orders.opened(ONE, 5, 0, 0)
    orders.doubts[ONE] = Doubt(kind=kind, expires=9, oid=oid)
    orders.closed(ONE, closed, reason, 0, 0)
    assert (ONE not in orders.doubts) is settled


def test_an_end_under_a_later_id_ends_the_order_whose_replacement_was_unheard() -> None:
    orders = own()
    orders.opened(ONE, 5, 0, 0)
    assert shown(orders.closed(ONE, 6, "filled", 0, 0)) == [("OrderClosed", 6)]
    assert orders.open == {}


def test_missing_is_what_was_open_before_the_question_and_is_under_no_request() -> None:
    orders = own()
    for number in range(1, 6):
        orders.opened(cloid(number), number, ts=number, venue_ts=0)
    orders.sent([cloid(2)])
    orders.doubts[cloid(3)] = Doubt(kind=RequestKind.CANCEL, expires=9)
    assert orders.missing([cloid(4)], asked=5) == [cloid(1)]
    orders.answered([cloid(2)])
    assert orders.missing([cloid(4)], asked=6) == [cloid(1), cloid(2), cloid(5)]


def test_in_flight_counts_requests() -> None:
    orders = own()
    orders.sent([ONE])
    orders.sent([ONE])
    orders.answered([ONE])
    assert orders.in_flight(ONE)
    orders.answered([ONE])
    assert not orders.any_in_flight


events = st.tuples(st.sampled_from(["opened", "updated", "closed"]), st.integers(1, 6))


@given(st.lists(events, max_size=40))
def test_no_closed_id_is_ever_left_open(history: list[tuple[str, int]]) -> None:
    """Whatever the order of news: a consumer that believes it all ends with no dead order."""
    orders = own()
    dead: set[int] = set()
    open_oid: int | None = None
    for what, oid in history:
        if what == "closed":
            news = orders.closed(ONE, oid, "canceled", 0, 0)
            dead.add(oid)
        else:
            tell = orders.opened if what == "opened" else orders.updated
            news = tell(ONE, oid, 0, 0)
        for event in news:
            if isinstance(event, OrderOpened):
                open_oid = event.oid
            elif event.oid == open_oid:
                open_oid = None
        known = orders.open.get(ONE)
        assert known is None or known.oid not in dead
        assert open_oid not in dead


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    memory: Recent[int, str] = Recent(3)
    for key in range(5):
        memory[key] = ""
    assert list(memory) == [2, 3, 4]


def test_what_is_heard_of_again_is_not_the_oldest() -> None:
    """An order that rested while thousands came and went had no coin any more: its cancel broke."""
    memory: Recent[int, str] = Recent(3)
    for key in (1, 2, 3, 1, 4):
        memory[key] = ""
    assert list(memory) == [3, 1, 4]
