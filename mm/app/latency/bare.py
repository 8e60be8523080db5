"""The same libraries doing the same work with nothing around them: one loop, one coroutine.

websockets on uvloop, msgspec, the same engine and the same signature; no inbox, outlet, runner,
ledger, journal, metrics, page, budget, deadlines or recovery. A floor, not a market maker.
"""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from mm.adapters.hyperliquid import answers, convert, encode, rejects, wire
from mm.adapters.hyperliquid.sign import Signer
from mm.app.clock import WallClock, stopwatch_ns
from mm.app.latency.samples import Samples
from mm.app.latency.setting import KEY, WARM_S, Watched, config, quoting_engine
from mm.core.engine import Engine
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.events import Event, OrderClosed, OrderOpened, Rejected, RequestKind, Tick
from mm.model.exchange import Filled, Item, Refused, Resting
from mm.model.units import NS_PER_MS, NS_PER_S, Ns

ASSET = 0
EXPIRES_MS = 5_000
SUBSCRIPTIONS: tuple[dict[str, Any], ...] = (
    {"type": "bbo", "coin": "BTC"},
    {"type": "l2Book", "coin": "BTC", "fast": True},
    {"type": "trades", "coin": "BTC"},
)
Sent = tuple[RequestKind, list[str]]


def measure(url: str, duration_s: float) -> Samples:
    watched = Watched()
    with watched.engines():
        uvloop.run(_run(url, duration_s, watched))
    return watched.end()


async def _run(url: str, duration_s: float, watched: Watched) -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(WARM_S, watched.begin)
    address = "ws" + url.removeprefix("http") + "/ws"
    async with connect(address, compression=None, ping_interval=None, proxy=None) as socket:
        for one in SUBSCRIPTIONS:
            message = {"method": "subscribe", "subscription": one}
            await socket.send(msgspec.json.encode(message).decode())
        stack = Stack(url, socket, watched)
        try:
            async with asyncio.timeout(WARM_S + duration_s):
                await stack.run()
        except TimeoutError:
            await stack.act([Cancel(order.cloid) for order in stack.engine.state.orders])


class Stack:
    def __init__(self, url: str, socket: ClientConnection, watched: Watched) -> None:
        self._socket, self._watched = socket, watched
        self._clock = WallClock()
        self._decode = msgspec.json.Decoder(wire.Frame, strict=False).decode
        self._signer = Signer(KEY)
        self._sent: dict[int, Sent] = {}
        self._nonce = 0
        now = self._clock.now()
        self._tick_due = now + NS_PER_S
        self.engine: Engine = quoting_engine(config(url, Path()), now)

    async def run(self) -> None:
        while True:
            text = await self._socket.recv()
            came, ts = stopwatch_ns(), self._clock.now()
            frame = self._decode(text)
            decoded = stopwatch_ns() - came
            self._watched.counted()
            for event in self._events(frame, ts):
                self._watched.came(ts, came, decoded)
                await self.act(self.engine.step(event).actions)
            if ts >= self._tick_due:
                self._tick_due += NS_PER_S
                await self.act(self.engine.step(Tick(self._clock.now())).actions)

    def _events(self, frame: wire.Frame, ts: Ns) -> Iterator[Event]:
        match frame:
            case wire.BboFrame(data=data):
                yield convert.bbo(data, ts)
            case wire.BookFrame(data=data):
                yield convert.book(data, ts)
            case wire.TradesFrame(data=data):
                yield convert.trades(data, ts)
            case wire.PostFrame(data=reply) if reply.id in self._sent:
                kind, cloids = self._sent.pop(reply.id)
                items = answers.items(reply.response.payload, len(cloids))
                for cloid, item in zip(cloids, items, strict=True):
                    yield outcome(kind, cloid, item, ts)

    async def act(self, actions: Sequence[Action]) -> None:
        """At most three requests: cancels, modifies, places."""
        cancels = [a for a in actions if isinstance(a, Cancel)]
        modifies = [a for a in actions if isinstance(a, Modify)]
        places = [a for a in actions if isinstance(a, Place)]
        if cancels:
            request = encode.cancel([a.cloid for a in cancels], lambda _: ASSET)
            await self._send(request, (RequestKind.CANCEL, [a.cloid for a in cancels]))
        if modifies:
            request = encode.modify(modifies, lambda _: ASSET)
            await self._send(request, (RequestKind.MODIFY, [a.cloid for a in modifies]))
        if places:
            request = encode.place(places, lambda _: ASSET)
            await self._send(request, (RequestKind.PLACE, [a.cloid for a in places]))

    async def _send(self, action: encode.WireAction, sent: Sent) -> None:
        now_ms = self._clock.now() // NS_PER_MS
        self._nonce = max(self._nonce + 1, now_ms)
        expires, began = now_ms + EXPIRES_MS, stopwatch_ns()
        signature = self._signer.sign(action, self._nonce, None, expires, mainnet=False)
        self._watched.signed(stopwatch_ns() - began)
        self._sent[self._nonce] = sent
        envelope = {
            "action": action,
            "nonce": self._nonce,
            "signature": signature,
            "vaultAddress": None,
            "expiresAfter": expires,
        }
        text = encode.post(self._nonce, "action", envelope)
        encoded = stopwatch_ns()
        await self._socket.send(text)
        self._watched.wrote(stopwatch_ns() - encoded)


def outcome(kind: RequestKind, cloid: str, item: Item, ts: Ns) -> Event:
    """What an answer means to the engine."""
    match item:
        case Resting(oid=oid):
            return OrderOpened(ts, ts, cloid, oid)
        case Filled(oid=oid):
            return OrderClosed(ts, ts, cloid, oid, "filled")
        case Refused(message=message):
            gone = rejects.order_gone(message)
            return Rejected(ts, cloid, kind, rejects.classify(message), message, gone)
        case _:
            return OrderClosed(ts, ts, cloid, None, "canceled")
