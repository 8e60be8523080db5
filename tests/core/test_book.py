"""The market without ourselves."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.core.book import OWN_LINGER_NS, MarketBook, OwnDepth
from mm.model.events import Account, Bbo, Book, Levels
from mm.model.units import NS_PER_S, Side

STEP = 0.001
BIDS: Levels = ((99.0, 1.0), (98.0, 2.0))
ASKS: Levels = ((101.0, 1.0), (102.0, 2.0))


def book(*, microprice: bool = False) -> MarketBook:
    return MarketBook(STEP, microprice, 200.0)


def snapshot(bids: Levels = BIDS, asks: Levels = ASKS, *, at_s: float = 1.0) -> Book:
    ts = round(at_s * NS_PER_S)
    return Book(ts, ts, bids, asks)


def touch(bid: float | None, ask: float | None, *, at_s: float = 2.0, size: float = 1.0) -> Bbo:
    ts = round(at_s * NS_PER_S)
    return Bbo(ts, ts, (bid, size) if bid else None, (ask, size) if ask else None)


def test_fair_is_the_mid_of_what_others_quote() -> None:
    market = book()

    market.apply(snapshot(), ())

    assert market.fair == 100.0
    assert market.half_spread_bps() == pytest.approx(100.0)


def test_our_own_touch_moves_nothing() -> None:
    market = book()
    ours = [(Side.BID, 99.9, 0.5), (Side.ASK, 100.3, 0.5)]

    market.apply(snapshot(((99.9, 0.5), *BIDS), ((100.3, 0.5), *ASKS)), ours)
    assert market.fair == 100.0

    market.apply(touch(99.9, 100.3, size=0.5), ours)
    assert (market.bid, market.ask, market.fair) == (99.0, 101.0, 100.0)


def test_a_gone_order_is_still_ours_in_a_late_snapshot() -> None:
    market = book()
    market.apply(snapshot(((99.9, 0.5), *BIDS)), [(Side.BID, 99.9, 0.5)])

    market.apply(snapshot(((99.9, 0.5), *BIDS), at_s=1.5), ())
    assert market.bid == 99.0

    late = 1.1 + OWN_LINGER_NS / NS_PER_S
    market.apply(snapshot(((99.9, 0.5), *BIDS), at_s=late), ())
    assert market.bid == 99.9


def test_size_beside_ours_at_one_price_is_foreign() -> None:
    market = book()

    market.apply(snapshot(((99.5, 0.8), *BIDS)), [(Side.BID, 99.5, 0.5)])

    assert market.bid == 99.5
    assert market.bids[0][1] == pytest.approx(0.3)


def test_a_snapshot_full_of_our_ladder_keeps_what_stands_behind_it() -> None:
    market = book()
    market.apply(snapshot(), ())
    ladder = tuple((99.9 - 0.1 * i, 0.1) for i in range(5))

    market.apply(
        snapshot(ladder, ASKS, at_s=2.0), [(Side.BID, price, size) for price, size in ladder]
    )

    assert market.bid == 99.0
    assert market.fair == 100.0


def test_a_side_that_is_empty_without_us_keeps_the_last_fair_price_near_the_oracle() -> None:
    market = book()
    market.apply(snapshot(), ())

    market.apply(snapshot((), ASKS, at_s=2.0), ())
    assert (market.bid, market.fair) == (None, 100.0)

    market.oracle = 90.0
    market.apply(snapshot((), ASKS, at_s=3.0), ())
    assert market.fair == pytest.approx(90.0 * 1.02)


def test_an_older_snapshot_says_nothing_new() -> None:
    market = book()
    market.apply(touch(99.5, 100.5, at_s=5.0), ())

    market.apply(Book(6 * NS_PER_S, 4 * NS_PER_S, BIDS, ASKS), ())

    assert market.fair == 100.0
    assert (market.bid, market.ask) == (99.5, 100.5)
    assert market.seen_ts == 5 * NS_PER_S


def test_a_backlog_of_old_frames_is_not_fresh() -> None:
    market = book()
    skew = 3 * NS_PER_S  # the venue's clock is behind ours, always
    market.apply(Book(10 * NS_PER_S, 10 * NS_PER_S - skew, BIDS, ASKS), ())
    assert market.seen_ts == 10 * NS_PER_S

    market.apply(Book(40 * NS_PER_S, 20 * NS_PER_S - skew, BIDS, ASKS), ())

    assert market.seen_ts is not None
    assert 20 * NS_PER_S <= market.seen_ts < 20.1 * NS_PER_S

    for second in range(41, 2041):  # a clock that was set back looks old, and is believed in time
        market.apply(Book(second * NS_PER_S, (second - 1) * NS_PER_S - skew, BIDS, ASKS), ())
    assert market.seen_ts > 2039.9 * NS_PER_S


def told(at_s: float, asked_s: float | None, venue_s: float, began_s: float = 0.0) -> Account:
    """An audit that began then, and asked for the venue's clock at `asked_s`."""
    ts, began, venue_ts = (round(one * NS_PER_S) for one in (at_s, began_s, venue_s))
    asked = 0 if asked_s is None else round(asked_s * NS_PER_S)
    return Account(ts, venue_ts, began, Decimal(0), Decimal(1000), (), asked_ts=asked)


@pytest.mark.parametrize("ppm", [50_000, -50_000])
def test_a_clock_that_drifts_like_none_keeps_a_fresh_book_fresh(ppm: int) -> None:
    market, rate = book(), 1.0 + ppm * 1e-6
    for venue_s in range(1, 600):
        ts = round((venue_s + 0.1) * rate * NS_PER_S)
        if venue_s % 20 == 0:
            market.hear_clock(told(ts / NS_PER_S, (venue_s - 0.4) * rate, venue_s - 0.2))
        market.apply(Book(ts, venue_s * NS_PER_S, BIDS, ASKS), ())
        assert market.seen_ts is not None
        assert ts - market.seen_ts < 1.5 * NS_PER_S


def test_the_venues_clock_makes_no_backlog_fresh() -> None:
    market = book()
    market.apply(Book(10 * NS_PER_S, 10 * NS_PER_S, BIDS, ASKS), ())
    market.hear_clock(told(20.2, 20.0, 20.1))
    market.apply(Book(20 * NS_PER_S, 12 * NS_PER_S, BIDS, ASKS), ())
    assert market.seen_ts is not None
    assert market.seen_ts < 12.1 * NS_PER_S


def test_an_answer_of_this_machine_says_nothing_of_clocks() -> None:
    """Paper's: its time is that of the last frame, however long ago that was."""
    market = book()
    market.apply(Book(10 * NS_PER_S, 10 * NS_PER_S, BIDS, ASKS), ())
    market.hear_clock(told(20.0, None, 10.0, began_s=20.0))
    market.apply(Book(20 * NS_PER_S, 12 * NS_PER_S, BIDS, ASKS), ())
    assert market.seen_ts is not None
    assert market.seen_ts < 12.1 * NS_PER_S


def test_a_crossed_book_is_no_price() -> None:
    market = book()
    market.apply(snapshot(), ())

    market.apply(snapshot(((103.0, 1.0),), ASKS, at_s=2.0), ())

    assert market.fair == 100.0


def test_fills_are_measured_against_the_price_before_them() -> None:
    market = book()
    market.apply(snapshot(at_s=1.0), ())
    market.apply(snapshot(((99.5, 1.0),), ((101.5, 1.0),), at_s=2.0), ())

    assert market.fair_before(2 * NS_PER_S) == 100.0
    assert market.fair_before(2 * NS_PER_S + 1) == 100.5
    assert market.fair_before(0) == 100.0


def test_no_price_before_the_first_book() -> None:
    market = book()

    assert market.fair is None
    assert market.fair_before(NS_PER_S) is None
    assert market.half_spread_bps() is None


@given(
    st.floats(1.0, 1e5),
    st.floats(1e-4, 0.05),
    st.floats(1e-3, 1e6),
    st.floats(1e-3, 1e6),
)
def test_microprice_stays_inside_the_touch(
    mid: float, half: float, bid_size: float, ask_size: float
) -> None:
    market = book(microprice=True)
    bid, ask = mid * (1 - half), mid * (1 + half)

    market.apply(snapshot(((bid, bid_size),), ((ask, ask_size),)), ())

    assert market.fair is not None
    assert bid * (1 - 1e-12) <= market.fair <= ask * (1 + 1e-12)
    heavier_bid = bid_size > ask_size * (1 + 1e-9)
    assert not heavier_bid or market.fair >= 0.5 * (bid + ask) * (1 - 1e-12)


looks = st.lists(
    st.tuples(
        st.integers(0, 3 * OWN_LINGER_NS // 2),
        st.lists(
            st.tuples(st.sampled_from(Side), st.sampled_from([99.0, 100.0]), st.integers(1, 3)),
            max_size=4,
        ),
    ),
    max_size=12,
)


@given(looks)
def test_own_depth_is_what_was_tracked_within_the_time_that_it_lingers(
    found: list[tuple[int, list[tuple[Side, float, int]]]],
) -> None:
    own, now = OwnDepth(), 0
    last: dict[tuple[Side, float], tuple[float, int]] = {}
    for wait, orders in found:
        now += wait
        last = {key: seen for key, seen in last.items() if now - seen[1] <= OWN_LINGER_NS}
        tracked = {(side, price): 0.0 for side, price, _ in orders}
        for side, price, size in orders:
            tracked[side, price] += float(size)
        last |= {key: (size, now) for key, size in tracked.items()}

        sizes = own.at(now, [(side, price, float(size)) for side, price, size in orders])

        told = {(side, price): size for side in Side for price, size in sizes[side].items()}
        assert told == {key: size for key, (size, _) in last.items()}
