"""An asyncio event loop in virtual time: no sockets, no threads, every choice from one seed.

Time stands still while callbacks run and jumps to the next timer when none is ready. What asyncio
promises is kept (callbacks of `call_soon` in order, timers never early); what it does not promise,
the order of timers that fall due together, the seed decides.
"""

import asyncio
import heapq
import socket
from asyncio import events
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from random import Random
from typing import Any, Final, NoReturn, TypeAlias

from mm.app.simulate.endpoint import Address
from mm.app.simulate.host import Host, current_host
from mm.app.simulate.network import Listener, Network
from mm.app.simulate.poison import Poisonable
from mm.model.units import NS_PER_S, Ns

BUSY_ROUNDS: Final = 50_000
"""So many rounds in one instant are a loop that never waits."""
LATE_S: Final = 1e-4
"""A timer rings up to this much late, as real ones do."""

Timer: TypeAlias = tuple[float, int, Any]
"""When, a number, and an asyncio.TimerHandle, which is slow to compare and hides `_scheduled`."""


class SimTask(asyncio.Task[Any]):
    """Knows its host, and hashes by age: sets of tasks have one order in every run."""

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        loop: "SimLoop",
        number: int,
        name: str | None = None,
        context: Context | None = None,
    ) -> None:
        self.number = number
        self.body = Poisonable(coro)
        self.host = context[Host.var] if context and Host.var in context else current_host()
        super().__init__(self.body, loop=loop, name=name or f"task {number}", context=context)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def title(self) -> str:
        return f"{self.get_name()} ({self.body.__name__})"


class SimLoop(asyncio.BaseEventLoop):
    """`now` is virtual seconds. Exceptions that nobody handles are kept in `unhandled`."""

    def __init__(self, seed: str) -> None:
        super().__init__()
        self.now = 1000.0
        self.random = Random(f"{seed} loop")
        self.network = Network(self, Random(f"{seed} network"))
        self.unhandled: list[dict[str, Any]] = []
        self.felt: Counter[str] = Counter()
        """How often each thing that goes wrong has touched somebody."""
        self._scheduled: list[Timer] = []
        self._timers = 0
        self._tasks = 0
        self._rounds = 0
        self._dialled: dict[socket.socket, Address] = {}
        self.set_task_factory(self._task)  # type: ignore[arg-type]  # the stub wants keywords
        self.set_exception_handler(lambda _, context: self.unhandled.append(context))

    def time(self) -> float:
        """That of the machine whose code is running: a suspension does not count."""
        return self.now - _asleep_s()

    def elapsed_ns(self) -> Ns:
        return round(self.now * NS_PER_S)

    def _task(
        self,
        _: asyncio.AbstractEventLoop,
        coro: Coroutine[Any, Any, Any],
        context: Context | None = None,
    ) -> SimTask:
        self._tasks += 1
        return SimTask(coro, loop=self, number=self._tasks, context=context)

    # -- timers and callbacks -------------------------------------------------------------------

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self._set(
            when + _asleep_s() + self.random.random() * LATE_S, callback, args, context
        )

    def call_exactly(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As `call_at`, by `now` and not a moment late: words on one wire stay in order."""
        return self._set(when, callback, args, context)

    def _set(
        self,
        when: float,
        callback: Callable[..., object],
        args: tuple[object, ...],
        context: Context | None,
    ) -> asyncio.TimerHandle:
        timer: Any = asyncio.TimerHandle(when, callback, args, self, context)
        timer._scheduled = True
        self._timers += 1
        heapq.heappush(self._scheduled, (when, self._timers, timer))
        handle: asyncio.TimerHandle = timer
        return handle

    def call_soon(
        self,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """As asyncio's without its debugging: half of all that is called is called soon."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]  # asyncio's own
        return handle

    def _run_once(self) -> None:
        """One round: what is ready; else time goes on to the next timer."""
        scheduled, ready = self._scheduled, self._ready  # type: ignore[attr-defined]  # asyncio's own
        self._drop_cancelled(scheduled)
        if not ready and not self._stopping:  # type: ignore[attr-defined]  # asyncio's own
            if not scheduled:
                raise RuntimeError("nothing will ever happen again: every task waits for another")
            if scheduled[0][0] > self.now:
                self.now, self._rounds = scheduled[0][0], 0
        self._rounds += 1
        if self._rounds > BUSY_ROUNDS:
            raise RuntimeError(f"time stands still: {list(ready)[:3]}")
        while scheduled and scheduled[0][0] <= self.now:
            _, _, timer = heapq.heappop(scheduled)
            timer._scheduled = False
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            host: Host | None = handle._context.get(Host.var)
            if not handle._cancelled and (host is None or host.admits(handle)):
                handle._run()

    def _drop_cancelled(self, scheduled: list[Timer]) -> None:
        while scheduled and scheduled[0][2]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]  # asyncio's own
            heapq.heappop(scheduled)[2]._scheduled = False

    def resume(self, handles: list[events.Handle]) -> None:
        """What a frozen host missed, in the order in which it came."""
        self._ready.extend(handles)  # type: ignore[attr-defined]  # asyncio's own

    def take_timers(self, host: Host) -> list[Timer]:
        """All that wait for this host, until they are put back."""
        self._drop_cancelled(self._scheduled)
        taken: list[Timer] = []
        kept: list[Timer] = []
        for one in self._scheduled:
            (taken if one[2]._context.get(Host.var) is host else kept).append(one)
        self._scheduled[:] = kept
        heapq.heapify(self._scheduled)
        return taken

    def put_timers(self, timers: list[Timer], later_s: float) -> None:
        for when, number, timer in timers:
            heapq.heappush(self._scheduled, (when + later_s, number, timer))

    # -- what a simulation must not do, and what it does instead --------------------------------

    def _write_to_self(self) -> None:
        """Called to wake a selector: there is none."""

    def _process_events(self, event_list: object) -> None:
        """There are none."""

    def run_in_executor(self, executor: object, func: object, *args: object) -> NoReturn:
        raise RuntimeError("a simulation has no threads")

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: object) -> None:
        host = current_host()
        if host is not None:
            host.signals[sig] = lambda: self.call_soon(callback, *args)

    async def getaddrinfo(  # type: ignore[override]  # wider is fine
        self, host: str, port: int, **_: object
    ) -> list[tuple[int, int, int, str, Address]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:  # noqa: ANN401 - as asyncio
        await self.network.reach(address)
        self._dialled[sock] = address

    async def create_connection(  # type: ignore[override]  # the stub has an overload for each option
        self,
        factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: socket.socket | None = None,
        **_: object,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        if sock is not None:
            address = self._dialled.pop(sock)
            sock.close()
        else:
            address = (str(host), int(port or 0))
            await self.network.reach(address)
        return self.network.connect(factory, address)

    async def create_server(  # type: ignore[override]  # the stub has an overload for each option
        self,
        factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int | None = None,
        **_: object,
    ) -> Listener:
        return self.network.listen(factory, (str(host), int(port or 0)))


def _asleep_s() -> float:
    host = current_host()
    return 0.0 if host is None else host.asleep_s


def run(loop: SimLoop, story: Awaitable[None]) -> None:
    """Run the story to its end, then let go of everything without another callback."""
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(story)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
