"""What a tape holds: frames, damage, span, prices, spreads, prints."""

from collections import Counter
from pathlib import Path

from msgspec import Struct

from mm.adapters.tape import open_tape
from mm.adapters.tape_lines import tape_bytes
from mm.model.events import Book, Trade, Trades
from mm.model.units import BPS, Ns, seconds

SPREAD_DECIMALS = 4  # of bps: spreads are counted, not kept, so that a day's tape fits in memory


class BookSummary(Struct, frozen=True):
    """Medians are over book updates with both sides."""

    updates: int
    low: float
    high: float
    median_spread_bps: float
    median_levels: float


class PrintSummary(Struct, frozen=True):
    count: int
    per_s: float
    volume: float
    notional_usd: float
    median_size: float
    buyer_share: float
    """Of the volume: aggressive buyers'."""


class TapeSummary(Struct, frozen=True):
    """`frames` by kind; `bad` and `unused` lines by reason. None: the tape has none of it."""

    path: str
    venue: str
    coin: str
    size_bytes: int
    lines: int
    frames: dict[str, int]
    bad: dict[str, int]
    unused: dict[str, int]
    first_ns: Ns
    span_s: float
    longest_gap_s: float
    books: BookSummary | None
    prints: PrintSummary | None


def summary(path: Path | str, symbol: str = "") -> TapeSummary:
    """Reads the whole tape. Raises TapeError as `open_tape` does."""
    tape = open_tape(path, symbol)
    books, prints = _Books(), _Prints()
    for record in tape:
        if isinstance(record, Book):
            books.add(record)
        elif isinstance(record, Trades):
            prints.add(record.trades)
    report = tape.report
    first_ns = report.first_ns or 0
    span_s = seconds((report.last_ns or 0) - first_ns)
    return TapeSummary(
        path=str(path),
        venue=tape.venue,
        coin=tape.coin,
        size_bytes=tape_bytes(tape.path),
        lines=report.lines,
        frames=report.frames,
        bad=report.bad,
        unused=report.unused,
        first_ns=first_ns,
        span_s=span_s,
        longest_gap_s=seconds(report.longest_gap_ns),
        books=books.summary(),
        prints=prints.summary(span_s),
    )


class _Books:
    def __init__(self) -> None:
        self._spreads: Counter[float] = Counter()
        self._levels: Counter[float] = Counter()
        self._low = float("inf")
        self._high = 0.0

    def add(self, book: Book) -> None:
        if not (book.bids and book.asks):
            return
        bid, ask = book.bids[0][0], book.asks[0][0]
        mid = (bid + ask) / 2
        self._spreads[round(BPS * (ask - bid) / mid, SPREAD_DECIMALS)] += 1
        self._levels[min(len(book.bids), len(book.asks))] += 1
        self._low, self._high = min(self._low, mid), max(self._high, mid)

    def summary(self) -> BookSummary | None:
        if not self._spreads:
            return None
        return BookSummary(
            updates=self._spreads.total(),
            low=self._low,
            high=self._high,
            median_spread_bps=_median(self._spreads),
            median_levels=_median(self._levels),
        )


class _Prints:
    def __init__(self) -> None:
        self._sizes: Counter[float] = Counter()
        self._volume = self._bought = self._notional = 0.0

    def add(self, trades: tuple[Trade, ...]) -> None:
        for trade in trades:
            self._sizes[trade.size] += 1
            self._volume += trade.size
            self._notional += trade.size * trade.price
            self._bought += trade.size if trade.aggressor > 0 else 0.0

    def summary(self, span_s: float) -> PrintSummary | None:
        if not self._sizes:
            return None
        count = self._sizes.total()
        return PrintSummary(
            count=count,
            per_s=count / span_s if span_s > 0 else 0.0,
            volume=self._volume,
            notional_usd=self._notional,
            median_size=_median(self._sizes),
            buyer_share=self._bought / self._volume,
        )


def _median(counts: Counter[float]) -> float:
    """Lower median of counted values."""
    left = (counts.total() + 1) // 2
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    raise ValueError("no median of nothing")
