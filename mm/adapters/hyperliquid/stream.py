"""One websocket connection, for ever: subscribe, ping, notice silence, reconnect with patience."""

import asyncio
from collections import deque
from collections.abc import Iterable
from random import Random
from typing import Any, Final, Protocol

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from mm.adapters.hyperliquid import wire
from mm.adapters.hyperliquid.budget import MINUTE, MessageMeter
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.rest import RestError
from mm.adapters.hyperliquid.settings import Clock, VenueSettings
from mm.model.units import NS_PER_S, Ns, seconds

FIRST_BACKOFF_S: Final = 0.25
STEADY_S: Final = 10.0
"""A connection that served us, or stood this long, starts the backoff anew..."""
FREE: Final = 14
"""...while there were no more than so many within a minute: the venue allows 30 to an address."""
DOUBLINGS: Final = 4
"""Of the backoff, whatever the failures, to 4 s: a venue that is back serves us soon, and twenty
tries a minute are not too many. Only a crowd makes us wait for longer."""
CLOSE_S: Final = 0.5

USER_CHANNELS: Final = ("userFills", "orderUpdates", "userFundings")
MARKET_CHANNELS: Final = ("bbo", "l2Book", "trades", "activeAssetCtx")
STREAMS: Final = {
    "l2Book": "book",
    "bbo": "bbo",
    "trades": "trades",
    "activeAssetCtx": "reference",
}
SILENCE: Final = {"l2Book": 1.0, "activeAssetCtx": 2.0, "bbo": 6.0, "trades": 24.0}
"""Silence that calls for a new subscription, in units of `book_stale_s`.

bbo and trades may be silent with nothing wrong: asking again is cheap and tells.
"""


class LinkLostError(Exception):
    """The connection is of no more use; the text says why."""


LOSSES: Final = (LinkLostError, RestError, WebSocketException, OSError)


class Listener(Protocol):
    async def on_connected(self) -> None:
        """The socket is open: subscribe and reconcile. LinkLostError or RestError: try again."""
        ...

    def on_frame(self, text: str, ts: Ns) -> None: ...
    def on_lost(self, reason: str) -> None: ...


class Stream:
    """`run` connects again and again; `send` and `subscribe` act on the present connection."""

    def __init__(
        self,
        settings: VenueSettings,
        account: str,
        clock: Clock,
        health: Health,
        listener: Listener,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._health = health
        self._listener = listener
        self._user = account
        self._opening = len(USER_CHANNELS) + len(MARKET_CHANNELS) * len(settings.coins)
        """Frames that a connection begins with: it is of no use where there is no room for them."""
        self.messages = MessageMeter(clock.now, settings.asking.messages_per_min)
        self._socket: ClientConnection | None = None
        self._jitter = Random(clock.now())  # noqa: S311 - spreads reconnects, guards nothing
        self._subscribed: dict[tuple[str, str], Ns] = {}
        """When we last asked for (channel, coin); "" for the account's own."""
        self._acks: set[str] = set()
        self._acked = asyncio.Event()
        self._last_frame: Ns = 0
        self.served = False
        """To be set when the listener has all that it wants of the present connection."""
        self._tries: deque[Ns] = deque()
        """When we connected, within the last minute."""
        self._suspected = False
        self._asked: Ns | None = None
        """When the ping went out that no pong has answered yet."""

    @property
    def is_open(self) -> bool:
        return self._socket is not None

    @property
    def is_doubtful(self) -> bool:
        """Open or not: silent for `book_stale_s`, or a request of ours went unanswered."""
        silent_s = seconds(self._clock.now() - self._last_frame)
        return self._suspected or silent_s > self._settings.book_stale_s

    def suspect(self) -> None:
        """Something that we said was not answered: a ping tells whether we are heard at all."""
        self._suspected = True

    def on_pong(self) -> None:
        self._suspected, self._asked = False, None

    async def run(self) -> None:
        failures = 0
        while True:
            opened, self.served = self._clock.now(), False
            self._tries.append(opened)
            await self._once()
            self._health.reconnects += 1
            stood = seconds(self._clock.now() - opened)
            failures = 0 if self.served or stood > STEADY_S else failures + 1
            pause_s = self.backoff(self._patience(failures))
            await asyncio.sleep(max(pause_s, self.messages.wait_s(self._opening)))

    def _patience(self, failures: int) -> int:
        """How often the backoff doubles after so many in a row."""
        return max(min(failures, DOUBLINGS), self._crowd())

    def _crowd(self) -> int:
        """Tries above `FREE` within the last minute, two counted as one failure."""
        since = self._clock.now() - MINUTE
        while self._tries and self._tries[0] <= since:
            self._tries.popleft()
        return max(0, len(self._tries) - FREE) // 2

    def backoff(self, attempt: int) -> float:
        """Seconds before the next try: doubling, jittered, bounded."""
        ceiling = min(self._settings.reconnect_max_s, FIRST_BACKOFF_S * 2.0 ** min(attempt, 16))
        return ceiling * self._jitter.uniform(0.5, 1.0)

    async def send(self, text: str) -> None:
        """Raises LinkLostError where there is no connection, or it ends here."""
        if self._socket is None:
            raise LinkLostError("not connected")
        self.messages.spend()
        try:
            await self._socket.send(text)
        except ConnectionClosed as error:
            raise LinkLostError(str(error)) from None

    async def subscribe(self, *channels: str) -> None:
        """To a market's channel for each coin."""
        for channel in channels:
            for coin in ("",) if channel in USER_CHANNELS else self._settings.coins:
                await self._subscribe(channel, coin)

    async def _subscribe(self, channel: str, coin: str) -> None:
        self._subscribed[channel, coin] = self._clock.now()
        await self._ask("subscribe", channel, coin)

    async def acknowledged(self, *channels: str) -> None:
        """Wait until the venue has confirmed these subscriptions. Raises LinkLostError."""
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                while not self._acks.issuperset(channels):
                    self._acked.clear()
                    await self._acked.wait()
        except TimeoutError:
            missing = sorted(set(channels) - self._acks)
            raise LinkLostError(f"no answer to subscriptions {missing}") from None

    def on_ack(self, ack: wire.Ack) -> None:
        if ack.method == "subscribe":
            self._acks.add(ack.subscription.type)
            self._acked.set()

    # -- one connection -------------------------------------------------------------------------

    async def _once(self) -> None:
        """Live through one connection. The listener hears of its end before it is closed."""
        try:
            async with connect(
                self._settings.ws_url,
                compression=None,
                ping_interval=None,
                open_timeout=self._settings.request_timeout_s,
                close_timeout=CLOSE_S,
                max_size=2**24,
                proxy=None,
            ) as socket:
                self._listener.on_lost(await self._live(socket))
        except (WebSocketException, OSError, TimeoutError) as error:
            self._listener.on_lost(f"{self._settings.ws_url}: {_first_words(error)}")

    async def _live(self, socket: ClientConnection) -> str:
        """Why it ended."""
        self._socket = socket
        self._subscribed.clear()
        self._acks.clear()
        self._last_frame = self._clock.now()
        self.on_pong()
        jobs = (self._read(socket), self._watch(), self._listener.on_connected())
        tasks = [asyncio.create_task(job) for job in jobs]
        try:  # no task group: it forgets a cancellation in the moment in which a task of it fails
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self._socket = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return _ended_by(tasks)

    async def _read(self, socket: ClientConnection) -> None:
        now, on_frame = self._clock.now, self._listener.on_frame
        while True:
            text = await socket.recv()
            self._last_frame = ts = now()
            on_frame(text if isinstance(text, str) else text.decode(errors="replace"), ts)

    async def _watch(self) -> None:
        """Ping; notice a silent connection (LinkLostError) and silent channels.

        A book comes twice a second, changed or not: a connection on which nothing came for
        `book_stale_s` is pinged at once, and dead after as long again. So is one on which frames
        come but no pong: half-open, what we say is lost.
        """
        ping_s = self._settings.ping_s
        interval = min(ping_s, self._settings.book_stale_s)
        pinged = self._clock.now()
        while True:
            await asyncio.sleep(min(1.0, interval / 4.0))
            now = self._clock.now()
            silent_s = seconds(now - self._last_frame)
            if silent_s > 2.0 * interval:
                raise LinkLostError(f"no frame for {2.0 * interval:g} s")
            if self._asked is not None and seconds(now - self._asked) > interval:
                raise LinkLostError(f"no pong for {interval:g} s")
            hurry = self._suspected or silent_s >= interval
            due_s = min(1.0, interval) if hurry else ping_s
            if self._asked is None and seconds(now - pinged) >= due_s:
                self._asked = pinged = now
                await self.send('{"method":"ping"}')
            await self._resubscribe_silent(now)

    async def _resubscribe_silent(self, now: Ns) -> None:
        for (channel, coin), since in list(self._subscribed.items()):
            if channel not in SILENCE or not self.messages.may_add_risk:
                continue
            last = max(since, self._health.last(STREAMS[channel], coin))
            if now - last > SILENCE[channel] * self._settings.book_stale_s * NS_PER_S:
                self._health.resubscribes += 1
                await self._ask("unsubscribe", channel, coin)
                await self._subscribe(channel, coin)

    async def _ask(self, method: str, channel: str, coin: str) -> None:
        subscription: dict[str, Any] = {"type": channel}
        if channel in USER_CHANNELS:
            subscription["user"] = self._user
        else:
            subscription["coin"] = coin
        if channel == "l2Book":
            subscription["fast"] = True
        frame = {"method": method, "subscription": subscription}
        await self.send(msgspec.json.encode(frame).decode())


def _ended_by(tasks: Iterable[asyncio.Task[None]]) -> str:
    """What the venue or the wire did. Raises what is neither."""
    errors = [task.exception() for task in tasks if task.done() and not task.cancelled()]
    for error in errors:
        if error is not None and not isinstance(error, LOSSES):
            raise error
    return next((_first_words(error) for error in errors if error is not None), "")


def first_leaf(error: BaseException) -> BaseException:
    """The first single exception within a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _first_words(error: BaseException) -> str:
    """In one line; of a group, its first leaf's."""
    leaf = first_leaf(error)
    return next(iter(str(leaf).splitlines()), type(leaf).__name__)
