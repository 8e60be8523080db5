"""A market from a recording: depth is background, prints are takers, the mid is the oracle."""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, dropwhile, islice

from mm.model.events import Book, Trades
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_MS, Ns, exact
from mm.sim.market import Background, MarketEvent, Oracle, Taker

PEEKED_RECORDS = 500
ORACLE_INTERVAL_NS = 1_000_000_000
DECIMALS = 6  # of price and size together: the venue's rule for perpetuals


class RecordedMarket:
    """Replays `records`, which come in order of receipt, from `start_ms` on; ends with them.

    `speed` recorded seconds pass per wall second. A print takes up to its own price and size, so
    orders of the exchange's clients wait behind the recorded depth. What was recorded does not
    react to us. It starts at the first book. Satisfies `mm.sim.market.Market`. Raises ValueError
    where there is no book.
    """

    def __init__(
        self, coin: str, records: Iterable[Book | Trades], start_ms: int, speed: float = 1.0
    ) -> None:
        if not (math.isfinite(speed) and speed > 0):
            raise ValueError(f"speed {speed} is not a positive number")
        source = dropwhile(lambda record: not isinstance(record, Book), records)
        peeked = list(islice(source, PEEKED_RECORDS))
        self.instrument = instrument_of(coin, peeked)
        self._records: Iterator[Book | Trades] = chain(peeked, source)
        self._first_ts = peeked[0].ts
        self._start_ms = start_ms
        self._ns_per_ms = NS_PER_MS * speed
        self._oracle_ts: Ns = self._first_ts
        self._pending: deque[MarketEvent] = deque()
        self._refill()

    def next_ms(self) -> int | None:
        return self._pending[0].time_ms if self._pending else None

    def pop(self) -> MarketEvent:
        """Raises IndexError after the end."""
        event = self._pending.popleft()
        if not self._pending:
            self._refill()
        return event

    def _refill(self) -> None:
        for record in self._records:
            self._pending.extend(self._events(record))
            if self._pending:
                return

    def _events(self, record: Book | Trades) -> Iterator[MarketEvent]:
        time_ms = self._start_ms + math.floor((record.ts - self._first_ts) / self._ns_per_ms)
        if isinstance(record, Trades):
            for trade in record.trades:
                yield Taker(time_ms, trade.aggressor, trade.price, trade.size)
            return
        yield Background(time_ms, record.bids, record.asks)
        if record.ts >= self._oracle_ts and record.bids and record.asks:
            self._oracle_ts = record.ts + ORACLE_INTERVAL_NS
            yield Oracle(time_ms, (record.bids[0][0] + record.asks[0][0]) / 2)


def instrument_of(coin: str, records: Iterable[Book | Trades]) -> Instrument:
    """The perpetual that holds these prices and, where six decimals suffice for both, sizes.

    Raises ValueError if there is no book among the records.
    """
    price_decimals = size_decimals = 0
    books = [record for record in records if isinstance(record, Book)]
    for book in books:
        for price, size in book.bids + book.asks:
            price_decimals = max(price_decimals, decimals_of(price))
            size_decimals = max(size_decimals, decimals_of(size))
    if not books:
        raise ValueError(f"the recording of {coin} has no book")
    size_decimals = max(0, min(size_decimals, DECIMALS - price_decimals))
    return Instrument(
        name=coin, asset=0, size_decimals=size_decimals, price_decimals=DECIMALS - size_decimals
    )


def decimals_of(value: float) -> int:
    """Decimals of a float as it was written."""
    exponent = exact(value).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
