"""One websocket client: its subscriptions, its bounded send queue, its abrupt end."""

import asyncio
from collections import deque
from collections.abc import Callable

from aiohttp import WSMsgType
from aiohttp.web import WebSocketResponse

from mm.adapters.hyperliquid.server.options import Clock, Limits
from mm.adapters.hyperliquid.server.subscriptions import Subscription
from mm.model.units import Ns, nanoseconds


def _at_once(frame: bytes) -> list[tuple[float, bytes]]:
    return [(0.0, frame)]


class Connection:
    """`send` never blocks and never raises; a consumer that falls behind is dropped."""

    def __init__(
        self,
        socket: WebSocketResponse,
        transport: asyncio.Transport,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self.subscriptions: set[Subscription] = set()
        self.silent = False
        """A half-open link, on purpose: frames are swallowed, nothing is closed."""
        self._socket, self._transport = socket, transport
        self._clock, self.limits = clock, limits
        self._frames: deque[bytes] = deque()
        self._waiting = 0
        self._wake = asyncio.Event()
        self._sent_ts: Ns = clock.now()
        self.dropped = ""
        """Why it was dropped, or ""."""
        self.deliveries: Callable[[bytes], list[tuple[float, bytes]]] = _at_once

    def send(self, frame: bytes) -> None:
        for late_s, said in self.deliveries(frame):
            if late_s:
                asyncio.get_running_loop().call_later(late_s, self._queue, said)
            else:
                self._queue(said)

    def _queue(self, frame: bytes) -> None:
        if self.dropped or self.silent:
            return
        limits = self.limits
        if len(self._frames) >= limits.send_queue or self._waiting > limits.send_queue_bytes:
            self.drop("slow consumer")
            return
        self._frames.append(frame)
        self._waiting += len(frame)
        self._wake.set()

    def drop(self, reason: str) -> None:
        """Cut the TCP connection: no close frame, no message (the client sees 1006)."""
        if not self.dropped:
            self.dropped = reason
            self._frames.clear()
            self._waiting = 0
            self._transport.abort()

    def drop_if_idle(self, now: Ns, sooner_s: float = 0.0) -> None:
        """The venue cuts a connection to which it has sent nothing for a minute."""
        if now - self._sent_ts > nanoseconds(sooner_s or self.limits.idle_s):
            self.drop("idle")

    async def write(self) -> None:
        """Send queued frames until cancelled or the peer has gone."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._frames:
                frame = self._frames.popleft()
                self._waiting -= len(frame)
                try:
                    await self._socket.send_frame(frame, WSMsgType.TEXT)
                except ConnectionError:
                    self.drop("peer gone")
                    return
                self._sent_ts = self._clock.now()
