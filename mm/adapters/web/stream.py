"""The page's feed: one encoding per beat, a bounded queue per client, no waiting for the slow."""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web
from msgspec import Struct

from mm.adapters.web.history import Point, Trend
from mm.model.actions import Note
from mm.model.events import Fill
from mm.model.view import HealthView, View

MAX_CLIENTS = 32
MAX_QUEUED = 12
"""Messages (3 s at 4 Hz) that a client may lag before it is dropped; it reconnects afresh."""

encode = msgspec.json.Encoder().encode


class State(Struct, frozen=True, gc=False):
    """`/api/state`. Decimals are JSON strings, exact; times are ns; no number is NaN (null)."""

    version: str
    ready: bool
    reason: str
    """"" or why it is not ready."""
    view: View | None
    health: HealthView
    instruments: tuple[str, ...] = ()
    """All that this daemon quotes: each has a state of its own at `?instrument=NAME`."""


class Backlog(Struct, frozen=True, tag_field="type", tag="backlog", gc=False):
    """First message of `/api/stream`: everything that the page can show."""

    state: State
    points: list[Point]
    trends: list[Trend]
    fills: list[Fill]
    notes: list[Note]


class Update(Struct, frozen=True, tag_field="type", tag="update", gc=False):
    """Every later message: the state now, and what is new since the last one."""

    state: State
    point: Point | None
    trend: Trend | None
    fills: list[Fill]
    notes: list[Note]


class Client:
    """One websocket: a queue that its writer drains, and the way to cut it off."""

    def __init__(self, socket: web.WebSocketResponse, abort: Callable[[], None]) -> None:
        self.socket = socket
        self.abort = abort
        self._queue: asyncio.Queue[str] = asyncio.Queue(MAX_QUEUED)

    def offer(self, message: str) -> bool:
        """False where the client lags too far behind."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            return False
        return True

    async def write(self) -> None:
        while True:
            await self.socket.send_str(await self._queue.get())


class Hub:
    """All connected pages."""

    def __init__(self) -> None:
        self.clients: set[Client] = set()
        self.dropped = 0

    @property
    def full(self) -> bool:
        return len(self.clients) >= MAX_CLIENTS

    def publish(self, message: str) -> None:
        for client in [*self.clients]:
            if not client.offer(message):
                self.clients.discard(client)
                self.dropped += 1
                client.abort()

    async def serve(self, client: Client, backlog: str) -> None:
        """Until the client goes away or is dropped. What it says is ignored."""
        client.offer(backlog)
        self.clients.add(client)
        writer = asyncio.create_task(client.write())
        try:
            async for _ in client.socket:
                pass
        finally:
            self.clients.discard(client)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def close(self, timeout_s: float) -> None:
        clients = [*self.clients]
        closing = (client.socket.close(code=1001, message=b"stopping") for client in clients)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*closing, return_exceptions=True)
        except TimeoutError:
            for client in clients:
                client.abort()
