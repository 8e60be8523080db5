"""Candles of every width, kept as one-minute bars of the exchange's own prints."""

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from msgspec import Struct

from mm.adapters.hyperliquid.server.shapes import number
from mm.adapters.hyperliquid.server.subscriptions import INTERVALS_MS
from mm.model.exchange import TradeReport

MINUTE_MS = 60_000
KEPT_BARS = 7 * 24 * 60
MAX_CANDLES = 5000


class Bar(Struct):
    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    trades: int

    def extend(self, later: "Bar") -> None:
        self.high = max(self.high, later.high)
        self.low = min(self.low, later.low)
        self.close = later.close
        self.volume += later.volume
        self.trades += later.trades


class Candles:
    """A week of minutes per coin; wider candles are merged from them when asked for."""

    def __init__(self) -> None:
        self._bars: dict[str, deque[Bar]] = {}

    def add(self, trade: TradeReport) -> None:
        price, minute = trade.price, trade.time_ms - trade.time_ms % MINUTE_MS
        bar = Bar(minute, price, price, price, price, trade.size, 1)
        bars = self._bars.setdefault(trade.coin, deque(maxlen=KEPT_BARS))
        if bars and bars[-1].open_ms == minute:
            bars[-1].extend(bar)
        else:
            bars.append(bar)

    def between(self, coin: str, interval: str, start_ms: int, end_ms: int) -> list[dict[str, Any]]:
        """Candles that opened in [start, end], oldest first, at most the latest 5000."""
        width = INTERVALS_MS[interval]
        bars = self._bars.get(coin, ())
        first = start_ms - start_ms % width
        wanted = (bar for bar in bars if first <= bar.open_ms < end_ms + width)
        merged = [bar for bar in _merge(wanted, width) if start_ms <= bar.open_ms <= end_ms]
        return [_row(coin, interval, bar) for bar in merged[-MAX_CANDLES:]]

    def latest(self, coin: str, interval: str) -> dict[str, Any] | None:
        bars = self._bars.get(coin)
        if not bars:
            return None
        width = INTERVALS_MS[interval]
        start = bars[-1].open_ms - bars[-1].open_ms % width
        newest_first = _while_since(reversed(bars), start)
        (merged,) = _merge(reversed(list(newest_first)), width)
        return _row(coin, interval, merged)


def _while_since(bars: Iterable[Bar], start_ms: int) -> Iterator[Bar]:
    for bar in bars:
        if bar.open_ms < start_ms:
            return
        yield bar


def _merge(bars: Iterable[Bar], width_ms: int) -> Iterator[Bar]:
    merged: Bar | None = None
    for bar in bars:
        opened = bar.open_ms - bar.open_ms % width_ms
        if merged is not None and merged.open_ms == opened:
            merged.extend(bar)
            continue
        if merged is not None:
            yield merged
        merged = Bar(opened, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trades)
    if merged is not None:
        yield merged


def _row(coin: str, interval: str, bar: Bar) -> dict[str, Any]:
    return {
        "t": bar.open_ms,
        "T": bar.open_ms + INTERVALS_MS[interval] - 1,
        "s": coin,
        "i": interval,
        "o": number(bar.open),
        "c": number(bar.close),
        "h": number(bar.high),
        "l": number(bar.low),
        "v": number(bar.volume),
        "n": bar.trades,
    }
