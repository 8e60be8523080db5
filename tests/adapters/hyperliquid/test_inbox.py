"""Fills, fundings and prints are told once, whatever is repeated; foreign things never are."""

import json
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mm.adapters.hyperliquid import wire
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import GIVE_UP_NS, Inbox
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.settings import NO_HOOKS
from mm.model.events import (
    Fill,
    Funding,
    OrderClosed,
    OrderOpened,
    OwnPrint,
    RejectCode,
    Rejected,
    RequestKind,
    Trades,
)
from mm.model.units import NS_PER_MS, NS_PER_S, Side
from tests.adapters.hyperliquid.stand import WallClock, cloid

ME = "0x" + "ab" * 20
FLOOR_MS = 1_000_000


def inbox() -> Inbox:
    found = Inbox(ME, "BTC", OwnOrders("6d6d"), Health(WallClock(), NO_HOOKS))
    found.remember((), FLOOR_MS, FLOOR_MS)
    return found


def fill(tid: int, time_ms: int, coin: str = "BTC", **more: str) -> wire.WireFill:
    row: dict[str, Any] = {
        "coin": coin, "px": "100", "sz": "1", "side": "B", "time": time_ms, "startPosition": "0",
        "oid": tid, "crossed": False, "fee": "0.1", "tid": tid, "cloid": cloid(tid),
    }  # fmt: skip
    return msgspec.json.decode(json.dumps(row | more), type=wire.WireFill, strict=False)


def update(number: int, oid: int, status: str) -> wire.OrderUpdate:
    row = {"coin": "BTC", "side": "B", "limitPx": "1", "sz": "1", "oid": oid}
    whole = {"order": row | {"cloid": cloid(number)}, "status": status, "statusTimestamp": 5}
    return msgspec.json.decode(json.dumps(whole), type=wire.OrderUpdate, strict=False)


keys = st.lists(st.tuples(st.integers(0, 30), st.integers(FLOOR_MS - 5, FLOOR_MS + 5)), max_size=30)


@given(st.lists(keys, max_size=5))
def test_each_fill_is_told_once_however_often_it_comes(
    batches: list[list[tuple[int, int]]],
) -> None:
    box = inbox()
    told: list[tuple[int, int]] = []
    for batch in batches:
        events = [e for e in box.fills([fill(*key) for key in batch], 0) if isinstance(e, Fill)]
        stamps = [event.venue_ts for event in events]
        assert stamps == sorted(stamps), "a snapshot comes in no order: ours has one"
        told += [(event.trade_id, event.venue_ts // NS_PER_MS) for event in events]
    expected = {key for batch in batches for key in batch if key[1] > FLOOR_MS}
    assert len(told) == len(set(told))
    assert set(told) == expected


def test_known_fills_are_not_told_and_their_neighbours_are() -> None:
    box = inbox()
    box.remember([(7, FLOOR_MS)], FLOOR_MS, FLOOR_MS)
    found = list(box.fills([fill(7, FLOOR_MS), fill(8, FLOOR_MS), fill(9, FLOOR_MS - 1)], 0))
    assert [event.trade_id for event in found if isinstance(event, Fill)] == [9, 8]


def test_what_was_traded_before_the_first_run_is_not_told_after_a_restart() -> None:
    """It is in the position that run began with, be it a minute before a fill of ours."""
    box = inbox()
    box.remember([(7, FLOOR_MS)], FLOOR_MS, FLOOR_MS, FLOOR_MS - 10)
    found = box.fills([fill(8, FLOOR_MS - 10), fill(9, FLOOR_MS - 9)], 0)
    assert [event.trade_id for event in found if isinstance(event, Fill)] == [9]


def test_other_coins_and_numberless_fills_are_left_out() -> None:
    strange = fill(2, FLOOR_MS + 1, px="NaN")
    assert not list(inbox().fills([fill(1, FLOOR_MS + 1, coin="ETH"), strange], 0))


def test_fundings_once_each_and_only_new_ones() -> None:
    box = inbox()
    rows = [
        wire.WireFunding(time=FLOOR_MS + at, coin=coin, usdc=Decimal("-2.5"), funding_rate=1e-5)
        for at, coin in ((-1, "BTC"), (1, "BTC"), (1, "BTC"), (2, "ETH"), (3, "BTC"))
    ]
    found = [event for event in box.fundings(rows, 0) if isinstance(event, Funding)]
    assert [event.venue_ts // NS_PER_MS - FLOOR_MS for event in found] == [1, 3]
    assert not list(box.fundings(rows, 0))


def test_replayed_prints_are_dropped_by_time_and_by_id() -> None:
    box = inbox()
    box.drop_trades_before(100)

    def prints(*stamps: int) -> list[int]:
        rows = [
            wire.WireTrade(coin="BTC", side="B", px=1.0, sz=1.0, time=at, tid=at) for at in stamps
        ]
        events = [event for event in box.trades(rows, 0) if isinstance(event, Trades)]
        return [trade.trade_id for event in events for trade in event.trades]

    assert prints(98, 99, 100, 101) == [100, 101]
    assert prints(100, 101, 102) == [102]
    assert prints(100) == []


def test_an_older_book_does_not_follow_a_newer() -> None:
    box = inbox()

    def book(time_ms: int) -> wire.WireBook:
        return wire.WireBook(coin="BTC", time=time_ms, levels=([], []))

    assert list(box.book(book(5), 0))
    assert not list(box.book(book(4), 0))
    assert list(box.book(book(5), 0))


def test_order_updates_become_news_once() -> None:
    box = inbox()
    opened = list(box.orders([update(1, 11, "open"), update(1, 11, "open")], 0))
    assert [type(event) for event in opened] == [OrderOpened]
    closed = list(box.orders([update(1, 11, "scheduledCancel"), update(1, 11, "canceled")], 0))
    assert [event.reason for event in closed if isinstance(event, OrderClosed)] == [
        "scheduledCancel"
    ]


def test_an_unknown_status_is_asked_after_and_a_trigger_is_nothing() -> None:
    box = inbox()
    assert not list(box.orders([update(1, 11, "somethingNew"), update(2, 12, "triggered")], 0))
    assert box.asks


def test_a_refusal_by_update_counts_only_where_the_answer_is_lost() -> None:
    own = OwnOrders("6d6d")
    box = Inbox(ME, "BTC", own, Health(WallClock(), NO_HOOKS))
    assert not list(box.orders([update(1, 11, "badAloPxRejected")], 0))
    own.doubts[cloid(1)] = Doubt(kind=RequestKind.PLACE, expires=1)
    (event,) = box.orders([update(1, 11, "badAloPxRejected")], 0)
    assert isinstance(event, Rejected)
    assert event.code is RejectCode.POST_ONLY
    assert not own.doubts


# -- fills that their own stream does not tell of ---------------------------------------------


def own_print(tid: int, at_ms: int, *, buyer: str = ME, seller: str = "0x0") -> wire.WireTrade:
    users = (buyer, seller)
    return wire.WireTrade(coin="BTC", side="A", px=1.0, sz=0.3, time=at_ms, tid=tid, users=users)


def prints(box: Inbox, *rows: wire.WireTrade, ts: int = 0) -> list[OwnPrint]:
    events = [event for event in box.trades(list(rows), ts) if isinstance(event, Trades)]
    return [own for event in events for own in event.own]


def test_a_print_of_ours_calls_for_its_fill_until_that_is_told() -> None:
    box, at = inbox(), FLOOR_MS + 1
    (own,) = prints(box, own_print(7, at), own_print(8, at, buyer="0x1"))
    assert (own.trade_id, own.side, own.size) == (7, Side.BID, Decimal("0.3"))
    assert not box.misses_fills(0), "its fill may be a moment behind"
    assert box.misses_fills(NS_PER_S)

    list(box.fills([fill(7, at)], NS_PER_S))
    assert not box.misses_fills(2 * NS_PER_S)


def test_a_print_after_its_fill_is_no_news() -> None:
    box, at = inbox(), FLOOR_MS + 1
    list(box.fills([fill(7, at)], 0))
    prints(box, own_print(7, at))
    assert not box.misses_fills(NS_PER_S)


def test_a_print_that_the_venue_knows_no_fill_of_is_given_up() -> None:
    box = inbox()
    prints(box, own_print(7, FLOOR_MS + 1))
    list(box.recovered([], NS_PER_S, NS_PER_S))
    assert box.misses_fills(NS_PER_S), "it may be late there, too"
    list(box.recovered([], GIVE_UP_NS + 1, GIVE_UP_NS + 1))
    assert not box.misses_fills(2 * GIVE_UP_NS)


def test_a_fill_that_does_not_begin_where_the_last_one_ended_tells_of_a_gap() -> None:
    box = inbox()
    list(box.fills([fill(1, FLOOR_MS + 1), fill(2, FLOOR_MS + 2, startPosition="1")], 0))
    assert not box.asks
    list(box.fills([fill(4, FLOOR_MS + 4, startPosition="3")], 0))
    assert box.asks
    assert box.misses_fills(NS_PER_S)

    list(box.recovered([fill(3, FLOOR_MS + 3, startPosition="2")], 1, NS_PER_S))
    assert not box.asks
