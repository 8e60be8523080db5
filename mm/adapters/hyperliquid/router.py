"""Each decoded frame to whom it concerns; user frames are held back while a gap is being closed."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from mm.adapters.hyperliquid import wire
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.posts import Posts
from mm.adapters.hyperliquid.settings import Hooks
from mm.adapters.hyperliquid.stream import Stream
from mm.model.actions import Severity
from mm.model.units import Ns

UserFrame: TypeAlias = wire.FillsFrame | wire.OrdersFrame | wire.FundingsFrame

STREAM_OF: Final[dict[type, str]] = {
    wire.BookFrame: "book",
    wire.BboFrame: "bbo",
    wire.TradesFrame: "trades",
    wire.ContextFrame: "reference",
    wire.FillsFrame: "user",
    wire.OrdersFrame: "user",
    wire.FundingsFrame: "user",
}


class Router:
    """Decode, note the stream's pulse, convert, hand out."""

    def __init__(
        self, desks: Desks, health: Health, stream: Stream, posts: Posts, hooks: Hooks
    ) -> None:
        self.decoder = wire.FrameDecoder()
        self.wake: Callable[[], None] = lambda: None
        """Called when an order's status should be asked for."""
        self._desks = desks
        self._health = health
        self._record = hooks.frame
        self._posts = posts
        self._held: list[tuple[UserFrame, Ns]] | None = None
        self._now: Ns = 0
        self._noted = 0
        self._handlers: dict[type, Callable[[Any, Ns], None]] = {
            wire.BookFrame: lambda frame, ts: self._book(frame.data, ts),
            wire.BboFrame: lambda frame, ts: self._bbo(frame.data, ts),
            wire.TradesFrame: lambda frame, ts: self._trades(frame.data, ts),
            wire.ContextFrame: lambda frame, ts: self._context(frame.data, ts),
            wire.FillsFrame: self._user,
            wire.OrdersFrame: self._user,
            wire.FundingsFrame: self._user,
            wire.PostFrame: lambda frame, _: posts.reply(frame.data),
            wire.AckFrame: lambda frame, _: stream.on_ack(frame.data),
            wire.ErrorFrame: lambda frame, _: self._error(frame.data),
            wire.PongFrame: lambda _, __: stream.on_pong(),
        }

    def on_frame(self, text: str, ts: Ns) -> None:
        if self._record is not None:
            self._record(ts, text)
        self._now = ts
        frame = self.decoder.decode(text)
        if frame is None:
            self._note_unparsed()
            return
        stream = STREAM_OF.get(type(frame))
        if stream is not None:
            self._health.last_frame[stream] = ts
        self._handlers[type(frame)](frame, ts)

    def on_book_reply(self, response: wire.PostResponse) -> None:
        """The deep book that was asked for over the websocket."""
        try:
            book = msgspec.json.decode(response.payload, type=wire.InfoBook, strict=False).data
        except wire.UNREADABLE:
            self._health.failed_polls += 1
            return
        desk = None if book is None else self._desks.get(book.coin)
        if book is not None and desk is not None:
            desk.outlet.put_all(desk.inbox.book(book, self._now))

    # -- the market -----------------------------------------------------------------------------

    def _desk(self, stream: str, coin: str, ts: Ns) -> Desk | None:
        """Whose coin it is; its stream is alive."""
        self._health.heard[stream, coin] = ts
        return self._desks.get(coin)

    def _book(self, data: wire.WireBook, ts: Ns) -> None:
        if desk := self._desk("book", data.coin, ts):
            desk.outlet.put_all(desk.inbox.book(data, ts))

    def _bbo(self, data: wire.WireBbo, ts: Ns) -> None:
        if desk := self._desk("bbo", data.coin, ts):
            desk.outlet.put_all(desk.inbox.bbo(data, ts))

    def _context(self, data: wire.WireContext, ts: Ns) -> None:
        if desk := self._desk("reference", data.coin, ts):
            desk.outlet.put_all(desk.inbox.reference(data, ts))

    def _trades(self, data: list[wire.WireTrade], ts: Ns) -> None:
        """One frame holds the prints of one coin."""
        if data and (desk := self._desk("trades", data[0].coin, ts)):
            desk.outlet.put_all(desk.inbox.trades(data, ts))
            if desk.inbox.untold:
                self.wake()

    # -- a gap ----------------------------------------------------------------------------------

    def hold(self) -> None:
        self._held = []

    def drop_held(self) -> None:
        """The connection ended in the gap: the next one's back-fill has it all."""
        self._held = None

    def release(self) -> None:
        held, self._held = self._held or [], None
        for frame, ts in held:
            self._user(frame, ts)

    def _user(self, frame: UserFrame, ts: Ns) -> None:
        if self._held is not None:
            self._held.append((frame, ts))
            return
        match frame:
            case wire.FillsFrame(data=data):
                for desk in self._desks:
                    desk.outlet.put_all(desk.inbox.fills(data.fills, ts))
                    if desk.inbox.asks:
                        self.wake()
            case wire.OrdersFrame(data=data):
                self._orders(data, ts)
            case wire.FundingsFrame(data=data):
                for desk in self._desks:
                    desk.outlet.put_all(desk.inbox.fundings(data.fundings, ts))

    def _orders(self, data: list[wire.OrderUpdate], ts: Ns) -> None:
        for one in data:
            desk = self._desks.get(one.order.coin)
            if desk is None:
                self._health.foreign_updates += 1
                continue
            desk.outlet.put_all(desk.inbox.orders([one], ts))
            if desk.inbox.asks:
                self.wake()

    def _note_unparsed(self) -> None:
        """Of the first, the tenth, the hundredth: a venue that changed its protocol is noisy."""
        count = self.decoder.unparsed
        if count > self._noted and count in (1, 10, 100, 1000, 10_000):
            self._noted = count
            sample = self.decoder.samples[-1]
            self._health.note(
                Severity.WARNING, "link", "frames do not parse", count=count, sample=sample
            )

    def _error(self, words: str) -> None:
        self._health.venue_errors += 1
        self._posts.on_error(words)
