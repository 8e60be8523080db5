"""Hyperliquid frames to books and trades: l2Book, bbo, trades of one coin."""

from collections import deque
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Raw, Struct

from mm.adapters.tape_lines import BadLine, TapeReport, positive
from mm.model.events import Book, Levels, Trade, Trades
from mm.model.units import NS_PER_MS, Ns, Side

REMEMBERED_TRADES = 2_000  # the venue repeats recent trades after each subscription


class Envelope(Struct, gc=False):
    channel: str
    data: Raw = Raw()


class Level(Struct, gc=False):
    px: float
    sz: float


class L2Book(Struct, gc=False):
    coin: str
    time: int
    levels: tuple[list[Level], list[Level]]


class Bbo(Struct, gc=False):
    coin: str
    time: int
    bbo: tuple[Level | None, Level | None]


class WsTrade(Struct, gc=False):
    coin: str
    side: str
    px: float
    sz: float
    time: int
    tid: int


class InfoReply(Struct, gc=False):
    """What the venue answered to a question over the websocket."""

    type: str = ""
    data: L2Book | None = None


class Response(Struct, gc=False):
    type: str
    payload: Raw = Raw()


class PostReply(Struct, gc=False):
    response: Response


_envelope = msgspec.json.Decoder(Envelope)
_book = msgspec.json.Decoder(L2Book, strict=False)
_bbo = msgspec.json.Decoder(Bbo, strict=False)
_post = msgspec.json.Decoder(PostReply)
_info = msgspec.json.Decoder(InfoReply, strict=False)
_trades = msgspec.json.Decoder(list[WsTrade], strict=False)


def is_hyperliquid(frame: dict[str, Any]) -> bool:
    return "channel" in frame


def levels_of(rows: list[Level], side: Side) -> Levels:
    """Raises BadLine unless the levels are positive and sorted, best first."""
    for row in rows:
        positive(row.px, row.sz)
    if any(side * (ahead.px - behind.px) <= 0.0 for ahead, behind in pairwise(rows)):
        raise BadLine("book levels are not sorted")
    return tuple([(row.px, row.sz) for row in rows])


def with_touch(levels: Levels, touch: Level | None, side: Side) -> Levels:
    """These levels with this touch; None: the side is empty."""
    if touch is None:
        return ()
    behind = tuple([level for level in levels if side * (touch.px - level[0]) > 0.0])
    return ((touch.px, touch.sz), *behind)


def behind(levels: Levels, shown: Levels, side: Side) -> Levels:
    """These levels behind the touch of what is `shown`; an empty side stays empty."""
    if not shown:
        return ()
    touch = shown[0]
    return (touch, *[level for level in levels if side * (touch[0] - level[0]) > 0.0])


def crossed(bids: Levels, asks: Levels) -> bool:
    return bool(bids and asks and bids[0][0] >= asks[0][0])


class HyperliquidDecoder:
    """Frames of one coin to neutral records. The first coin met is the tape's, unless named."""

    def __init__(self, report: TapeReport, symbol: str = "") -> None:
        self.coin = symbol
        self._report = report
        self._bids: Levels = ()
        self._asks: Levels = ()
        self._book_ms = 0
        """Venue time of the last book or touch; 0 before the first."""
        self._depth_ms = 0
        """That of the last book: touches are told sooner than depth, which then stands behind."""
        self._start_ms = 0
        self._seen: set[int] = set()
        self._order: deque[int] = deque()

    def decode(self, ts: Ns, raw: bytes) -> Book | Trades | None:
        """The record that this frame makes, if any. Raises BadLine, msgspec.DecodeError."""
        envelope = _envelope.decode(raw)
        match envelope.channel:
            case "l2Book":
                return self._on_book(ts, _book.decode(envelope.data))
            case "bbo":
                return self._on_bbo(ts, _bbo.decode(envelope.data))
            case "trades":
                return self._on_trades(ts, _trades.decode(envelope.data))
            case "post":
                return self._on_post(ts, _post.decode(envelope.data).response)
        self._report.count_unused(envelope.channel)
        return None

    def gap(self) -> None:
        """Prints from before the next book are the venue's replay: what they met is not known."""
        self._start_ms = 0

    def _on_post(self, ts: Ns, response: Response) -> Book | None:
        """A recorder asks for deep books now and then."""
        reply = _info.decode(response.payload) if response.type == "info" else InfoReply()
        if reply.type != "l2Book" or reply.data is None:
            self._report.count_unused("post")
            return None
        return self._on_book(ts, reply.data)

    def _ours(self, coin: str, kind: str) -> bool:
        if not self.coin:
            self.coin = coin
        if coin == self.coin:
            return True
        self._report.count_unused(f"{kind} of another coin")
        return False

    def _on_book(self, ts: Ns, book: L2Book) -> Book | None:
        if not self._ours(book.coin, "l2Book"):
            return None
        bids = levels_of(book.levels[0], Side.BID)
        asks = levels_of(book.levels[1], Side.ASK)
        if self._depth_ms <= book.time < self._book_ms and not crossed(bids, asks):
            bids, asks = behind(bids, self._bids, Side.BID), behind(asks, self._asks, Side.ASK)
            self._depth_ms = book.time
            return self._show(ts, self._book_ms, bids, asks, "l2Book")
        self._depth_ms = max(self._depth_ms, book.time)
        return self._show(ts, book.time, bids, asks, "l2Book")

    def _on_bbo(self, ts: Ns, update: Bbo) -> Book | None:
        if not self._ours(update.coin, "bbo"):
            return None
        bid, ask = update.bbo
        for touch in (bid, ask):
            if touch is not None:
                positive(touch.px, touch.sz)
        bids = with_touch(self._bids, bid, Side.BID)
        asks = with_touch(self._asks, ask, Side.ASK)
        return self._show(ts, update.time, bids, asks, "bbo")

    def _show(self, ts: Ns, time_ms: int, bids: Levels, asks: Levels, kind: str) -> Book | None:
        if crossed(bids, asks):
            raise BadLine("crossed book")
        self._report.count_frame(kind)
        if time_ms < self._book_ms:
            return None  # bbo and l2Book arrive in either order
        self._start_ms = self._start_ms or time_ms
        self._book_ms = time_ms
        self._bids, self._asks = bids, asks
        return Book(ts, time_ms * NS_PER_MS, bids, asks)

    def _on_trades(self, ts: Ns, trades: list[WsTrade]) -> Trades | None:
        kept = [self._trade(trade) for trade in trades if self._ours(trade.coin, "trade")]
        self._report.count_frame("trades")
        new = tuple([trade for trade in kept if trade is not None])
        return Trades(ts, new) if new else None

    def _trade(self, trade: WsTrade) -> Trade | None:
        """None for a trade that is older than the tape's first book, or a repetition."""
        positive(trade.px, trade.sz)
        if trade.side not in ("A", "B"):
            raise BadLine("wrong fields")
        if trade.time < self._start_ms or not self._start_ms:
            self._report.count_unused("trade before the first book")
            return None
        if trade.tid in self._seen:
            self._report.count_unused("trade repeated")
            return None
        self._seen.add(trade.tid)
        self._order.append(trade.tid)
        if len(self._order) > REMEMBERED_TRADES:
            self._seen.discard(self._order.popleft())
        aggressor = Side.BID if trade.side == "B" else Side.ASK
        return Trade(trade.time * NS_PER_MS, trade.px, trade.sz, aggressor, trade.tid)
