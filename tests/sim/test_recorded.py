"""A recording drives the exchange: same prices and sizes, time moved to now."""

import math
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.model.events import Book, Levels, Trade, Trades
from mm.model.units import NS_PER_MS, Side
from mm.sim.market import Background, Market, MarketEvent, Oracle, Taker
from mm.sim.recorded import RecordedMarket, decimals_of, instrument_of

T0 = 1_723_161_255_030_314_667
START_MS = 1_900_000_000_000
BIDS: Levels = ((100.0, 1.5), (99.9, 2.25))
ASKS: Levels = ((100.2, 1.0), (100.3, 4.0))


def book(at_ms: float, bids: Levels = BIDS, asks: Levels = ASKS) -> Book:
    ts = T0 + round(at_ms * NS_PER_MS)
    return Book(ts, ts, bids, asks)


def trades(at_ms: float, *rows: tuple[float, float, Side]) -> Trades:
    ts = T0 + round(at_ms * NS_PER_MS)
    printed = (Trade(ts, price, size, side, n) for n, (price, size, side) in enumerate(rows))
    return Trades(ts, tuple(printed))


def played(records: Iterable[Book | Trades], speed: float = 1.0) -> list[MarketEvent]:
    source: Market = RecordedMarket("BTC", records, START_MS, speed)
    events = []
    while (next_ms := source.next_ms()) is not None:
        events.append(source.pop())
        assert events[-1].time_ms == next_ms
    return events


class TestPlayback:
    def test_books_and_prints_become_background_and_takers(self) -> None:
        records: list[Book | Trades] = [
            book(0),
            trades(5, (100.2, 0.5, Side.BID), (100.3, 0.1, Side.BID)),
            book(7, asks=((100.3, 3.9),)),
            trades(9, (100.0, 1.5, Side.ASK)),
        ]
        assert played(records) == [
            Background(START_MS, BIDS, ASKS),
            Oracle(START_MS, 100.1),
            Taker(START_MS + 5, Side.BID, 100.2, 0.5),
            Taker(START_MS + 5, Side.BID, 100.3, 0.1),
            Background(START_MS + 7, BIDS, ((100.3, 3.9),)),
            Taker(START_MS + 9, Side.ASK, 100.0, 1.5),
        ]

    def test_begins_with_the_first_book(self) -> None:
        events = played([trades(0, (100.0, 1.0, Side.ASK)), book(50), book(60)])
        assert [event.time_ms - START_MS for event in events] == [0, 0, 10]

    def test_the_oracle_is_the_mid_once_a_second(self) -> None:
        events = played([book(at) for at in range(0, 3_500, 100)])
        oracles = [event for event in events if isinstance(event, Oracle)]
        assert [event.time_ms - START_MS for event in oracles] == [0, 1_000, 2_000, 3_000]
        assert {event.price for event in oracles} == {100.1}

    def test_a_one_sided_book_is_shown_and_has_no_mid(self) -> None:
        events = played([book(0, asks=()), book(10)])
        assert [type(event) for event in events] == [Background, Background, Oracle]

    def test_speed_compresses_time_only(self) -> None:
        records: list[Book | Trades] = [book(0), trades(40, (100.2, 0.5, Side.BID)), book(100)]
        slow, fast = played(records), played(records, speed=10.0)
        assert [event.time_ms - START_MS for event in fast] == [0, 0, 4, 10]
        assert [type(event) for event in fast] == [type(event) for event in slow]

    def test_is_read_lazily(self) -> None:
        def endless() -> Iterable[Book]:
            at = 0
            while True:
                yield book(at)
                at += 1

        source = RecordedMarket("BTC", endless(), START_MS)
        for _ in range(2_000):
            source.pop()
        assert source.next_ms() is not None

    def test_its_end_is_final(self) -> None:
        source = RecordedMarket("BTC", [book(0)], START_MS)
        source.pop()
        source.pop()
        assert source.next_ms() is None
        with pytest.raises(IndexError):
            source.pop()

    @given(st.lists(st.integers(0, 5_000), min_size=1), st.sampled_from([0.3, 1.0, 7.0]))
    def test_time_never_goes_back(self, gaps_ms: Sequence[int], speed: float) -> None:
        at, records = 0, []
        for gap in gaps_ms:
            at += gap
            records.append(book(at))
        times = [event.time_ms for event in played(records, speed)]
        assert times == sorted(times)
        assert times[0] == START_MS

    @pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
    def test_refuses_a_speed_that_is_not_a_positive_number(self, speed: float) -> None:
        with pytest.raises(ValueError, match="speed"):
            RecordedMarket("BTC", [book(0)], START_MS, speed)

    def test_refuses_a_recording_without_a_book(self) -> None:
        with pytest.raises(ValueError, match="recording of BTC has no book"):
            RecordedMarket("BTC", [trades(0, (100.0, 1.0, Side.ASK))], START_MS)


class TestInstrument:
    @pytest.mark.parametrize(
        ("level", "size_decimals", "price_decimals"),
        [
            ((61_800.2, 2.507), 3, 3),
            ((105_055.0, 3.03622), 5, 1),
            ((0.012345, 1_200.0), 0, 6),
            ((0.0123, 17.12345), 2, 4),
            ((0.01234567, 1.5), 0, 6),
        ],
    )
    def test_holds_the_recorded_prices_then_sizes(
        self, level: tuple[float, float], size_decimals: int, price_decimals: int
    ) -> None:
        found = instrument_of("X", [book(0, bids=(level,), asks=())])
        assert (found.size_decimals, found.price_decimals) == (size_decimals, price_decimals)
        assert (found.name, found.significant_figures) == ("X", 5)

    def test_decimals_as_written(self) -> None:
        written = {0.1: 1, 105055.0: 0, 1e-7: 7, 3.03622: 5, 1e22: 0, 120.0: 0}
        assert {value: decimals_of(value) for value in written} == written
