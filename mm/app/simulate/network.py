"""Sockets in memory: ordered bytes with latency, limited buffers, and everything that goes wrong.

A link joins two endpoints, which are asyncio transports. Bytes on one way keep their order and may
be cut anywhere. Words are lost only when a link is void (half-open) or broken.
"""

import asyncio
import errno
from collections.abc import Callable
from contextvars import copy_context
from random import Random
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from mm.app.simulate.endpoint import Address, Endpoint
from mm.app.simulate.host import Host, current_host

if TYPE_CHECKING:
    from mm.app.simulate.loop import SimLoop

CUT_SHARE: Final = 0.02
"""Share of writes that arrive in two pieces."""
RETRY_S: Final = 1.0
"""How long after a partition heals TCP may take to notice."""


class Weather(Struct):
    """What the wire does now. Latencies in seconds, of one way."""

    base_s: tuple[float, float] = (0.01, 0.01)
    """Of words to the listener, of words to the caller."""
    jitter_s: float = 0.002
    """Mean of an exponential on top."""
    parted_until: float = 0.0
    """Until then nothing arrives and no connection opens; what was said arrives later."""
    refusing: bool = False
    """New connections are refused."""


class Socket:
    """As much of a socket as a server shows of its own."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def getsockname(self) -> Address:
        return self._address


class Listener:
    """A bound address; satisfies what aiohttp asks of an asyncio server."""

    def __init__(
        self, network: "Network", factory: Callable[[], asyncio.Protocol], at: Address
    ) -> None:
        self.factory = factory
        self.host = current_host()
        self.context = copy_context()
        self.sockets: list[Socket] = [Socket(at)]
        self._network, self._at = network, at

    def close(self) -> None:
        self.sockets = []
        self._network.unlisten(self._at, self)

    async def wait_closed(self) -> None:
        """At once: connections are the application's to close."""

    def is_serving(self) -> bool:
        return bool(self.sockets)


class Network:
    """All listeners and links, and the weather between them."""

    def __init__(self, loop: "SimLoop", random: Random) -> None:
        self.loop = loop
        self.random = random
        self.weather = Weather()
        self.endpoints: dict[Endpoint, None] = {}
        """Open ones, oldest first; callers' ends come right before listeners'."""
        self._listeners: dict[Address, Listener] = {}
        self._ports = 40_000

    # -- for the loop ---------------------------------------------------------------------------

    def listen(self, factory: Callable[[], asyncio.Protocol], at: Address) -> Listener:
        if at in self._listeners:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        listener = self._listeners[at] = Listener(self, factory, at)
        return listener

    def unlisten(self, at: Address, listener: Listener) -> None:
        if self._listeners.get(at) is listener:
            del self._listeners[at]

    async def reach(self, at: Address) -> None:
        """The handshake's way there and back. Raises ConnectionRefusedError."""
        there = self.arrival(0, 0.0) - self.loop.now
        await asyncio.sleep(there + self.arrival(1, 0.0) - self.loop.now)
        if self.loop.now < self.weather.parted_until:
            await asyncio.sleep(self.weather.parted_until - self.loop.now + RETRY_S)
        self._listener(at)

    def connect(
        self, factory: Callable[[], asyncio.Protocol], at: Address
    ) -> tuple[Endpoint, asyncio.Protocol]:
        listener = self._listener(at)
        self._ports += 1
        host = current_host()
        here = (host.address if host is not None else "10.0.0.1", self._ports)
        near = Endpoint(self, 0, (here, at))
        far = listener.context.run(Endpoint, self, 1, (at, here))
        near.peer, far.peer = far, near
        self.endpoints[near] = self.endpoints[far] = None
        protocol = factory()
        self.loop.call_soon(lambda: far.begin(listener.factory()), context=far.context)
        near.begin(protocol)
        return near, protocol

    def _listener(self, at: Address) -> Listener:
        listener = self._listeners.get(at)
        up = listener is not None and (listener.host is None or listener.host.alive)
        if listener is None or not up or self.weather.refusing:
            self.loop.felt["refused"] += 1
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"Connect call failed {at}")
        return listener

    # -- for endpoints --------------------------------------------------------------------------

    def arrival(self, way: int, after: float) -> float:
        """When a word said now arrives: after all words before it."""
        weather, now = self.weather, self.loop.now
        self.loop.felt["words"] += 1
        due = now + weather.base_s[way] + self.random.expovariate(1.0 / weather.jitter_s)
        if now < weather.parted_until:
            self.loop.felt["parted"] += 1
            due = max(due, weather.parted_until + self.random.random() * RETRY_S)
        return max(due, after + 1e-6)

    def pieces(self, data: bytes) -> list[bytes]:
        if len(data) < 2 or self.random.random() >= CUT_SHARE:
            return [data]
        at = self.random.randrange(1, len(data))
        return [data[:at], data[at:]]

    def forget(self, endpoint: Endpoint) -> None:
        self.endpoints.pop(endpoint, None)

    # -- for nature -----------------------------------------------------------------------------

    def of(self, host: Host) -> list[Endpoint]:
        return [one for one in self.endpoints if one.host is host]

    def bury(self, host: Host) -> None:
        """The process is gone: its links end, its addresses are free."""
        for endpoint in self.of(host):
            self.forget(endpoint)
            endpoint.vanish()
        for at, listener in list(self._listeners.items()):
            if listener.host is host:
                del self._listeners[at]
