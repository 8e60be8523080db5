"""One end of a link in memory: an asyncio transport with latency and limited buffers."""

import asyncio
import errno
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mm.app.simulate.host import current_host

if TYPE_CHECKING:
    from mm.app.simulate.network import Network

Address: TypeAlias = tuple[str, int]

KERNEL_BYTES: Final = 200_000
"""What the buffers of both kernels and the wire hold before a writer must wait."""


class Endpoint(asyncio.Transport):
    """One end of a link, belonging to the host in whose context it was made."""

    def __init__(self, network: "Network", way: int, addresses: tuple[Address, Address]) -> None:
        super().__init__()
        self.host = current_host()
        self.context: Context = copy_context()
        self.peer: Endpoint
        self.void = False
        """What is said from here vanishes."""
        self._network, self._way = network, way
        self._protocol: Any = None
        self._extra = {"sockname": addresses[0], "peername": addresses[1]}
        self._closing = self._lost = self._eof_sent = self._eof_told = False
        self._arrives = 0.0
        self._unread = 0
        self._high, self._low = 65_536, 16_384
        self._writing_paused = self._reading_paused = False
        self._held: deque[Callable[[], None]] = deque()

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    # -- writing --------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._closing or self._eof_sent or not data:
            return
        for piece in self._network.pieces(bytes(data)):
            self._unread += len(piece)
            self._say(self.peer._hear, piece)
        if not self._writing_paused and self.get_write_buffer_size() > self._high:
            self._writing_paused = True
            self._protocol.pause_writing()

    def _say(self, hear: Callable[..., None], *words: object) -> None:
        """Deliver on the other side, after all that was said before."""
        self._arrives = self._network.arrival(self._way, self._arrives)
        if not self.void:
            loop, context = self._network.loop, self.peer.context
            loop.call_exactly(self._arrives, hear, *words, context=context)

    def _read(self, count: int) -> None:
        """The other side took so many of our bytes."""
        self._unread -= count
        if self._writing_paused and self.get_write_buffer_size() <= self._low:
            self._writing_paused = False
            if not self._lost:
                self.context.run(self._protocol.resume_writing)

    def write_eof(self) -> None:
        if not (self._closing or self._eof_sent):
            self._eof_sent = True
            self._say(self.peer._end)

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return max(0, self._unread - KERNEL_BYTES)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 65_536 if high is None else high
        self._low = self._high // 4 if low is None else low

    # -- reading --------------------------------------------------------------------------------

    def _hear(self, data: bytes) -> None:
        if self._reading_paused:
            self._held.append(lambda: self._hear(data))
            return
        self.peer._read(len(data))
        if not self._lost:
            if self._closing:
                return  # the application does not listen any more
            self._protocol.data_received(data)

    def _end(self) -> None:
        """The other side says no more."""
        if self._reading_paused:
            self._held.append(self._end)
        elif not (self._lost or self._eof_told):
            self._eof_told = True
            if not self._protocol.eof_received():
                self.close()

    def pause_reading(self) -> None:
        self._reading_paused = True

    def resume_reading(self) -> None:
        self._reading_paused = False
        if self._held:
            self._network.loop.call_soon(self._catch_up, context=self.context)

    def _catch_up(self) -> None:
        while self._held and not self._reading_paused:
            self._held.popleft()()

    def is_reading(self) -> bool:
        return not (self._reading_paused or self._closing)

    # -- the end --------------------------------------------------------------------------------

    def close(self) -> None:
        if not self._closing:
            if not self._eof_sent:
                self._say(self.peer._end)
            self._closing = True
            self._network.loop.call_soon(self._lose, None, context=self.context)

    def abort(self) -> None:
        """The other side sees a reset or an end, as the kernels happen to stand."""
        if not self._lost:
            if self._network.random.random() < 0.5:
                self._say(self.peer._reset)
            else:
                self._say(self.peer._end)
            self._closing = True
            self._network.loop.call_soon(self._lose, None, context=self.context)

    def _reset(self) -> None:
        self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._network.forget(self)
            self._protocol.connection_lost(error)

    def vanish(self) -> None:
        """Our process is dead: the kernel tells the other side."""
        if not self._lost:
            self._lost = self._closing = True
            reset = self._network.random.random() < 0.5
            self._say(self.peer._reset if reset else self.peer._end)

    def is_closing(self) -> bool:
        return self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - as asyncio
        return self._extra.get(name, default)
