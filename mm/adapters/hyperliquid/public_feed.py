"""Market data without an account or a key: for paper trading and for recording."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from mm.adapters.hyperliquid import convert, encode, wire
from mm.adapters.hyperliquid.bootstrap import PAUSES_S, listing_of
from mm.adapters.hyperliquid.budget import WeightMeter
from mm.adapters.hyperliquid.desks import dex_of
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.posts import Posts
from mm.adapters.hyperliquid.recent import Recent
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.router import STREAM_OF
from mm.adapters.hyperliquid.settings import BOOK_WEIGHT, Clock, VenueError, VenueSettings
from mm.adapters.hyperliquid.stream import MARKET_CHANNELS, LinkLostError, Stream
from mm.adapters.hyperliquid.timers import every
from mm.model.events import Bbo, Book, Reference, Trades
from mm.model.instrument import Instrument
from mm.model.units import Ns

NOBODY: Final = "0x" + "0" * 40
REMEMBERED_TRADES: Final = 4096

Public: TypeAlias = Book | Bbo | Trades | Reference


class Audience(Protocol):
    """Who listens; called on the event loop, must not block."""

    def on_up(self) -> None:
        """Connected and subscribed; what is heard from now on is whole, until `on_lost`."""
        ...

    def on_market(self, coin: str, event: Public) -> None: ...
    def on_lost(self, reason: str) -> None: ...


class PublicFeed:
    """`instruments` once, then `run` for ever: connects again and again, as the stream does.

    It has no way to send an action. Prints from before the first display of a connection are left
    out: the venue replays some on each subscription, and nobody was watching then.
    """

    def __init__(
        self,
        settings: VenueSettings,
        clock: Clock,
        health: Health,
        audience: Audience,
        record: Callable[[Ns, str], None] | None = None,
    ) -> None:
        """`record`: told (receive time, raw frame) of each frame, before it is decoded."""
        self._settings = settings
        self._health = health
        self._audience = audience
        self._record = record
        self._meter = WeightMeter(clock.now, settings.asking.weight_per_min)
        self._stream = Stream(settings, NOBODY, clock, health, self)
        self._posts = Posts(settings.request_timeout_s)
        health.left = self._left
        self._decoder = wire.FrameDecoder()
        self._trades: Recent[tuple[int, int], None] = Recent(REMEMBERED_TRADES)
        self._floor_ms: dict[str, int] = {}
        """Of this connection's first display, by coin."""
        self._polled: Iterator[str] = iter(())
        self._now: Ns = 0
        self._handlers: dict[type, Callable[[Any], None]] = {
            wire.BookFrame: lambda frame: self._book(frame.data),
            wire.BboFrame: lambda frame: self._bbo(frame.data),
            wire.TradesFrame: lambda frame: self._prints(frame.data),
            wire.ContextFrame: lambda frame: self._reference(frame.data),
            wire.PostFrame: lambda frame: self._posts.reply(frame.data),
            wire.AckFrame: lambda frame: self._stream.on_ack(frame.data),
            wire.PongFrame: lambda _: self._stream.on_pong(),
        }

    async def instruments(self) -> dict[str, Instrument]:
        """What the venue says of each coin. Raises VenueError: one line that names the fix."""
        settings = self._settings
        async with Rest(settings.url, settings.request_timeout_s, self._meter) as rest:
            for pause_s in PAUSES_S:
                try:
                    return await self._listed(rest)
                except RestError as error:
                    if not error.busy:
                        hint = "check the network, and that the venue is up"
                        raise VenueError(f"{error}; {hint}") from None
                await asyncio.sleep(pause_s)
        raise VenueError(f"{settings.url} is too busy to start with: try later")

    async def _listed(self, rest: Rest) -> dict[str, Instrument]:
        coins, network = self._settings.coins, self._settings.network
        dexes = dict.fromkeys(dex_of(coin) for coin in coins)
        listings = {dex: await listing_of(dex, network, rest) for dex in dexes}
        return {coin: listings[dex_of(coin)].instrument(coin) for coin in coins}

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stream.run())
            group.create_task(every(self._settings.poll_book_s, self._poll_book))

    def _left(self) -> dict[str, int]:
        return {"weight": self._meter.spare, "messages": self._stream.messages.spare}

    # -- the stream's listener ------------------------------------------------------------------

    async def on_connected(self) -> None:
        self._floor_ms.clear()
        await self._stream.subscribe(*MARKET_CHANNELS)
        await self._stream.acknowledged(*MARKET_CHANNELS)
        self._audience.on_up()

    def on_frame(self, text: str, ts: Ns) -> None:
        if self._record is not None:
            self._record(ts, text)
        frame = self._decoder.decode(text)
        stream = STREAM_OF.get(type(frame))
        if stream is not None:
            self._health.last_frame[stream] = ts
        handler = self._handlers.get(type(frame))
        if handler is not None:
            self._now = ts
            handler(frame)

    def on_lost(self, reason: str) -> None:
        self._posts.lose_all(reason)
        self._audience.on_lost(reason)

    # -- frames ---------------------------------------------------------------------------------

    def _book(self, data: wire.WireBook) -> None:
        self._display("book", data.coin, data.time)
        self._audience.on_market(data.coin, convert.book(data, self._now))

    def _bbo(self, data: wire.WireBbo) -> None:
        self._display("bbo", data.coin, data.time)
        self._audience.on_market(data.coin, convert.bbo(data, self._now))

    def _display(self, stream: str, coin: str, time_ms: int) -> None:
        self._health.heard[stream, coin] = self._now
        self._floor_ms.setdefault(coin, time_ms)

    def _prints(self, data: list[wire.WireTrade]) -> None:
        """One frame holds the prints of one coin."""
        fresh = [one for one in data if self._is_news(one)]
        event = convert.trades(fresh, self._now)
        if event.trades:
            self._audience.on_market(fresh[0].coin, event)

    def _is_news(self, one: wire.WireTrade) -> bool:
        self._health.heard["trades", one.coin] = self._now
        key = (one.time, one.tid)
        known = key in self._trades
        self._trades[key] = None
        floor_ms = self._floor_ms.get(one.coin)
        return not known and floor_ms is not None and one.time >= floor_ms

    def _reference(self, data: wire.WireContext) -> None:
        self._health.heard["reference", data.coin] = self._now
        event = convert.reference(data, self._now)
        if event is not None:
            self._audience.on_market(data.coin, event)

    async def _poll_book(self) -> None:
        """The fast book shows five levels: look deeper, at one coin after the other."""
        stream = self._stream
        if not (stream.is_open and stream.messages.may_add_risk and self._meter.may_look):
            return
        coin = next(self._polled, None)
        if coin is None:
            self._polled = iter(self._settings.coins)
            coin = next(self._polled)
        self._meter.spend(BOOK_WEIGHT)
        request_id = self._posts.expect(self._on_deep_book, lambda _: None)
        try:
            question = {"type": "l2Book", "coin": coin}
            await self._stream.send(encode.post(request_id, "info", question))
        except LinkLostError as error:
            self._posts.lose(request_id, str(error))

    def _on_deep_book(self, response: wire.PostResponse) -> None:
        try:
            book = msgspec.json.decode(response.payload, type=wire.InfoBook, strict=False).data
        except wire.UNREADABLE:
            self._health.failed_polls += 1
            return
        if book is not None:
            self._book(book)
