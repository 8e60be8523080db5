"""Binance USD-M frames to books and trades: bookTicker, trade, depth diffs and a REST snapshot.

The local book follows Binance's own recipe: buffer diffs, take the snapshot, drop diffs that end
before it, then apply each whole (quantities are absolute), checking that each names the last one.
"""

from bisect import bisect_left, insort
from collections import deque
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from mm.adapters.tape_lines import BadLine, TapeReport, positive
from mm.model.events import Book, Levels, Trade, Trades
from mm.model.units import NS_PER_MS, Ns, Side

KEPT_LEVELS = 20
BUFFERED_DIFFS = 2_000
QUOTE_ASSETS = ("USDT", "USDC", "BUSD", "FDUSD", "USD")

Pairs: TypeAlias = list[tuple[float, float]]


class Envelope(Struct, gc=False):
    """A combined-stream frame, or the fields by which a bare frame or a snapshot is known."""

    stream: str = ""
    data: Raw = Raw()
    e: str = ""
    last_update: int | None = msgspec.field(name="lastUpdateId", default=None)


class Ticker(Struct, gc=False):
    s: str
    u: int
    bid: float = msgspec.field(name="b")
    bid_size: float = msgspec.field(name="B")
    ask: float = msgspec.field(name="a")
    ask_size: float = msgspec.field(name="A")
    T: int = 0


class Print(Struct, gc=False):
    """`m`: the buyer was the maker. `X` other than MARKET: insurance fund and the like."""

    s: str
    p: float
    q: float
    m: bool
    T: int
    t: int | None = None
    a: int | None = None
    X: str = "MARKET"


class Diff(Struct, gc=False):
    """Absolute quantities of the levels touched between updates `U` and `u`."""

    s: str
    U: int
    u: int
    b: Pairs
    a: Pairs
    T: int = 0
    pu: int | None = None


class Snapshot(Struct, gc=False):
    last_update: int = msgspec.field(name="lastUpdateId")
    bids: Pairs
    asks: Pairs
    T: int = 0


_envelope = msgspec.json.Decoder(Envelope)
_ticker = msgspec.json.Decoder(Ticker, strict=False)
_print = msgspec.json.Decoder(Print, strict=False)
_diff = msgspec.json.Decoder(Diff, strict=False)
_snapshot = msgspec.json.Decoder(Snapshot, strict=False)


def is_binance(frame: dict[str, Any]) -> bool:
    return "lastUpdateId" in frame or "e" in frame or ("stream" in frame and "data" in frame)


def coin_of(symbol: str) -> str:
    """`BTCUSDT` is BTC: the quote asset and a delivery suffix are dropped."""
    base = symbol.upper().partition("_")[0]
    for quote in QUOTE_ASSETS:
        if base.endswith(quote) and len(base) > len(quote):
            return base[: -len(quote)]
    return base


class HalfBook:
    """One side by key = -side·price, so that the best key is the smallest."""

    __slots__ = ("keys", "side", "sizes")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.keys: list[float] = []
        self.sizes: dict[float, float] = {}

    def set(self, price: float, size: float) -> None:
        """Size 0 removes the level."""
        key = -self.side * price
        if size > 0.0:
            if key not in self.sizes:
                insort(self.keys, key)
            self.sizes[key] = size
        elif key in self.sizes:
            del self.sizes[key]
            del self.keys[bisect_left(self.keys, key)]

    def clear(self) -> None:
        self.keys.clear()
        self.sizes.clear()

    def touch(self, price: float, size: float) -> None:
        """Make this the best level: better ones are gone."""
        at = bisect_left(self.keys, -self.side * price)
        for key in self.keys[:at]:
            del self.sizes[key]
        del self.keys[:at]
        self.set(price, size)

    def levels(self) -> Levels:
        sizes = self.sizes
        return tuple([(abs(key), sizes[key]) for key in self.keys[:KEPT_LEVELS]])


class BinanceDecoder:
    """Frames of one symbol to neutral records. The first symbol met is the tape's, unless named."""

    def __init__(self, report: TapeReport, symbol: str = "") -> None:
        self.symbol = symbol
        self._report = report
        self._bids, self._asks = HalfBook(Side.BID), HalfBook(Side.ASK)
        self._ticker: Ticker | None = None
        self._early: deque[Diff] = deque(maxlen=BUFFERED_DIFFS)
        self._updated = 0
        """Last update id in the book; 0 before the snapshot."""
        self._last_trade = -1

    @property
    def coin(self) -> str:
        return coin_of(self.symbol)

    def decode(self, ts: Ns, raw: bytes) -> Book | Trades | None:
        """The record that this frame makes, if any. Raises BadLine, msgspec.DecodeError."""
        envelope = _envelope.decode(raw)
        if envelope.last_update is not None:
            return self._snapshot(ts, _snapshot.decode(raw))
        data: bytes | Raw = envelope.data if envelope.stream else raw
        kind = envelope.stream.partition("@")[2].partition("@")[0] or envelope.e
        match kind:
            case "bookTicker":
                return self._on_ticker(ts, _ticker.decode(data))
            case "trade" | "aggTrade":
                return self._on_print(ts, _print.decode(data), kind)
            case "depth" | "depthUpdate":
                return self._on_diff(ts, _diff.decode(data))
        self._report.count_unused(kind or "unknown frame")
        return None

    def gap(self) -> None:
        """Its depth is numbered: what is missing is noticed there."""

    def _ours(self, symbol: str, kind: str) -> bool:
        if not self.symbol:
            self.symbol = symbol.upper()
        if symbol.upper() == self.symbol:
            return True
        self._report.count_unused(f"{kind} of another symbol")
        return False

    # -- the touch ------------------------------------------------------------------------------

    def _on_ticker(self, ts: Ns, ticker: Ticker) -> Book | None:
        if not self._ours(ticker.s, "bookTicker"):
            return None
        positive(ticker.bid, ticker.bid_size, ticker.ask, ticker.ask_size)
        if ticker.bid >= ticker.ask:
            raise BadLine("crossed book")
        self._report.count_frame("bookTicker")
        if ticker.u <= max(self._updated, self._ticker.u if self._ticker else 0):
            return None  # the book already knows more
        self._ticker = ticker
        self._overlay(ticker)
        return self._book(ts, ticker.T)

    def _overlay(self, ticker: Ticker) -> None:
        if not self._updated:
            self._bids.clear()
            self._asks.clear()
        self._bids.touch(ticker.bid, ticker.bid_size)
        self._asks.touch(ticker.ask, ticker.ask_size)

    # -- the depth ------------------------------------------------------------------------------

    def _snapshot(self, ts: Ns, snapshot: Snapshot) -> Book | None:
        for price, size in snapshot.bids + snapshot.asks:
            positive(price, size)
        self._report.count_frame("snapshot")
        for half, levels in ((self._bids, snapshot.bids), (self._asks, snapshot.asks)):
            half.clear()
            for price, size in levels:
                half.set(price, size)
        self._updated = snapshot.last_update
        early = [diff for diff in self._early if diff.u >= snapshot.last_update]
        self._early.clear()
        for diff in early:
            self._apply(diff)
        return self._settled(ts, snapshot.T)

    def _on_diff(self, ts: Ns, diff: Diff) -> Book | None:
        if not self._ours(diff.s, "depth"):
            return None
        for price, size in diff.b + diff.a:
            if size != 0.0:
                positive(price, size)
        self._report.count_frame("depth")
        if not self._updated:
            self._early.append(diff)
            return None
        if diff.u < self._updated:
            return None  # before the snapshot
        self._apply(diff)
        return self._settled(ts, diff.T)

    def _apply(self, diff: Diff) -> None:
        """A broken sequence is counted, and heals: quantities are absolute, the ticker rules."""
        follows = diff.pu == self._updated if diff.pu is not None else self._updated + 1 == diff.U
        if not (follows or self._updated >= diff.U):
            self._report.count_bad("depth sequence is broken")
        self._updated = diff.u
        for price, size in diff.b:
            self._bids.set(price, size)
        for price, size in diff.a:
            self._asks.set(price, size)

    def _settled(self, ts: Ns, time_ms: int) -> Book | None:
        """The book after a change of depth, with the ticker's touch where that is newer."""
        ticker = self._ticker
        if ticker is not None and ticker.u > self._updated:
            self._overlay(ticker)
        if self._bids.keys and self._asks.keys and -self._bids.keys[0] >= self._asks.keys[0]:
            self._updated = 0
            raise BadLine("crossed book")
        return self._book(ts, time_ms)

    def _book(self, ts: Ns, time_ms: int) -> Book:
        venue_ts = time_ms * NS_PER_MS or ts
        return Book(ts, venue_ts, self._bids.levels(), self._asks.levels())

    # -- prints ---------------------------------------------------------------------------------

    def _on_print(self, ts: Ns, trade: Print, kind: str) -> Trades | None:
        if not self._ours(trade.s, kind):
            return None
        if trade.X != "MARKET":
            self._report.count_unused(f"{kind} outside the book")
            return None
        positive(trade.p, trade.q)
        trade_id = trade.t if trade.t is not None else trade.a
        if trade_id is None:
            raise BadLine("wrong fields")
        self._report.count_frame(kind)
        if trade_id <= self._last_trade:
            return None
        self._last_trade = trade_id
        aggressor = Side.ASK if trade.m else Side.BID
        venue_ts = trade.T * NS_PER_MS
        return Trades(ts, (Trade(venue_ts, trade.p, trade.q, aggressor, trade_id),))
