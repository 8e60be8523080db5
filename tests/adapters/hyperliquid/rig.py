"""A server on a loopback port with the real exchange behind it, in time that the test moves."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeAlias

import aiohttp

from mm.adapters.hyperliquid.server import Cadence, HyperliquidServer, Options
from mm.adapters.hyperliquid.sign import Signer
from mm.model.instrument import Instrument
from mm.model.units import NS_PER_MS, Ns
from mm.sim.exchange import Exchange, ExchangeOptions
from mm.sim.market import Background, Market, MarketEvent

Json: TypeAlias = dict[str, Any]
LIMIT_S = 60.0
Parsed: TypeAlias = Any  # JSON of any shape: a test knows which

START_MS = 1_800_000_000_000
BTC = Instrument(name="BTC", asset=0, size_decimals=5, price_decimals=1, max_leverage=40)
ETH = Instrument(name="ETH", asset=1, size_decimals=4, price_decimals=2, max_leverage=25)
ALICE = Signer("0x" + "a1" * 32)
BOB = Signer("0x" + "b0" * 32)


class ScriptedMarket:
    """The events that a test writes down, and nothing else."""

    def __init__(self, instrument: Instrument, events: Iterable[MarketEvent]) -> None:
        self.instrument = instrument
        self._events = deque(events)

    def next_ms(self) -> int | None:
        return self._events[0].time_ms if self._events else None

    def pop(self) -> MarketEvent:
        return self._events.popleft()


def background(mid: float, half_spread: float, levels: int = 30) -> Background:
    """A book of whole-number prices, two units a level."""
    steps = range(levels)
    return Background(
        START_MS,
        tuple((mid - half_spread - i, 2.0 + i) for i in steps),
        tuple((mid + half_spread + i, 2.0 + i) for i in steps),
    )


def btc_market(*events: MarketEvent) -> ScriptedMarket:
    return ScriptedMarket(BTC, [background(80_000.0, 10.0), *events])


def eth_market(*events: MarketEvent) -> ScriptedMarket:
    return ScriptedMarket(ETH, [background(2_000.0, 1.0), *events])


class HandClock:
    """Stands still until moved."""

    def __init__(self) -> None:
        self.now_ns: Ns = START_MS * NS_PER_MS

    def now(self) -> Ns:
        return self.now_ns


class TickingClock(HandClock):
    """Every look takes a millisecond."""

    def now(self) -> Ns:
        self.now_ns += NS_PER_MS
        return self.now_ns


class Client:
    """A websocket client that reads frames and knows which channel it waits for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.seen: list[Json] = []
        self._early: deque[Json] = deque()

    async def say(self, message: Json | str) -> None:
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def hear(self) -> Json:
        return self._early.popleft() if self._early else await self._receive()

    async def _receive(self) -> Json:
        message = await asyncio.wait_for(self.socket.receive(), LIMIT_S)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        frame: Json = json.loads(message.data)
        self.seen.append(frame)
        return frame

    async def until(self, channel: str) -> Parsed:
        """The data of the next frame of this channel; others are passed over."""
        while (frame := await self.hear())["channel"] != channel:
            pass
        return frame.get("data")

    async def subscribe(self, **subscription: object) -> Json:
        """Subscribe and return the acknowledged subscription, which no data may precede."""
        await self.say({"method": "subscribe", "subscription": subscription})
        while (ack := await self._receive())["channel"] != "subscriptionResponse":
            assert ack["channel"] != subscription["type"], ack
            self._early.append(ack)
        assert ack["data"]["method"] == "subscribe"
        found: Json = ack["data"]["subscription"]
        return found

    async def is_cut(self) -> bool:
        """Whether the connection ends without a close frame (1006)."""
        while True:
            message = await asyncio.wait_for(self.socket.receive(), LIMIT_S)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return self.socket.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE

    async def settle(self) -> list[Json]:
        """Everything sent so far."""
        await self.say({"method": "ping"})
        frames = []
        while (frame := await self.hear())["channel"] != "pong":
            frames.append(frame)
        return frames


class Rig:
    def __init__(self, server: HyperliquidServer, exchange: Exchange, clock: HandClock) -> None:
        self.server, self.exchange, self.clock = server, exchange, clock
        self.http: aiohttp.ClientSession
        self._nonce = START_MS

    @property
    def now_ms(self) -> int:
        return self.clock.now() // NS_PER_MS

    def advance(self, ms: int = 100) -> None:
        """Let this much time pass, in steps of a block or so."""
        while ms > 0:
            step = min(ms, 50)
            self.clock.now_ns += step * NS_PER_MS
            self.server.advance()
            ms -= step

    async def info(self, **body: object) -> Parsed:
        status, found = await self.post("/info", json.dumps(body))
        assert status == 200, found
        return json.loads(found)

    async def post(self, path: str, body: str | bytes) -> tuple[int, str]:
        async with self.http.post(f"{self.server.url}{path}", data=body) as response:
            return response.status, await response.text()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        async with self.http.ws_connect(f"{self.server.url}/ws") as socket:
            yield Client(socket)

    def signed(self, signer: Signer, action: Json, **changes: object) -> Json:
        """The envelope of an action; `changes` after signing where a test tampers."""
        self._nonce += 1
        envelope = {
            "action": action,
            "nonce": self._nonce,
            "signature": signer.sign(action, self._nonce, None, None, mainnet=False),
            "vaultAddress": None,
            "expiresAfter": None,
        }
        return envelope | changes

    async def act(self, signer: Signer, action: Json) -> Json:
        """Send over HTTP, let a block pass, return the answer."""
        return await self.send(self.signed(signer, action))

    async def send(self, envelope: Json) -> Json:
        request = asyncio.create_task(self.post("/exchange", json.dumps(envelope)))
        while not request.done():
            self.advance(50)
            await asyncio.wait({request}, timeout=0.002)  # its bytes take real time to arrive
        status, body = request.result()
        assert status == 200, body
        answer: Json = json.loads(body)
        return answer


def order(is_buy: bool, price: str, size: str, tif: str = "Gtc", **more: object) -> Json:
    """An order item for BTC; `more` replaces or adds keys of the wire."""
    item = {"a": 0, "b": is_buy, "p": price, "s": size, "r": False}
    return item | {"t": {"limit": {"tif": tif}}} | more


def place(*orders: Json) -> Json:
    return {"type": "order", "orders": list(orders), "grouping": "na"}


def statuses(answer: Json) -> list[Any]:
    assert answer["status"] == "ok", answer
    found: list[Any] = answer["response"]["data"]["statuses"]
    return found


@asynccontextmanager
async def rig(
    options: Options | None = None,
    markets: Callable[[], list[Market]] | None = None,
    rules: ExchangeOptions | None = None,
    clock: HandClock | None = None,
) -> AsyncIterator[Rig]:
    """The pump sleeps: time passes only by `advance`."""
    clock = clock or HandClock()
    exchange = Exchange(
        markets() if markets else [btc_market(), eth_market()],
        START_MS,
        rules or ExchangeOptions(schedule_cancel_volume=None, funding_rate=Decimal("0.0000125")),
    )
    options = options or Options(cadence=Cadence(pump_s=3600.0))
    async with (
        HyperliquidServer(exchange, clock, options) as server,
        aiohttp.ClientSession() as http,
    ):
        found = Rig(server, exchange, clock)
        found.http = http
        found.advance(100)
        yield found
