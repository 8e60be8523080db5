"""A simulated process: what it runs can be killed or frozen as a whole, between two callbacks."""

import asyncio
import signal
from asyncio import events
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from mm.app.simulate.loop import SimLoop, SimTask, Timer


class Host:
    """One process on one machine. Everything that it starts is known by the context it runs in."""

    var: ClassVar[ContextVar["Host"]] = ContextVar("simulated host")

    def __init__(self, loop: "SimLoop", name: str, address: str) -> None:
        self.loop = loop
        self.name = name
        self.address = address
        self.alive = True
        self.frozen = False
        self.asleep_s = 0.0
        """How long its machine has been suspended, in all: so much its timers are behind."""
        self.signals: dict[int, Callable[[], object]] = {}
        self.on_death: list[Callable[[], object]] = []
        """What the kernel does for a dead process: close files, drop locks."""
        self._missed: list[events.Handle] = []
        self._suspended: tuple[float, list[Timer]] | None = None
        """Since when, and what has stood still."""
        self._graves: list[SimTask] = []
        """Tasks of the dead: kept, for what is let go runs its `finally` clauses."""

    def start(self, main: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """A task whose every callback belongs to this host."""
        context = copy_context()
        context.run(Host.var.set, self)
        return self.loop.create_task(main, name=name, context=context)

    def admits(self, handle: events.Handle) -> bool:
        """May this callback of ours run now? While frozen it waits."""
        if self.alive and self.frozen:
            self._missed.append(handle)
        return self.alive and not self.frozen

    def tasks(self) -> list["SimTask"]:
        """Those that have not ended, oldest first."""
        found: Any = asyncio.all_tasks(self.loop)
        return sorted((t for t in found if t.host is self), key=lambda task: int(task.number))

    # -- signals --------------------------------------------------------------------------------

    def kill(self) -> None:
        """kill -9: not another callback, not a `finally`. Sockets and files close."""
        self._graves += self.tasks()
        for task in self._graves:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant
        self.alive = self.frozen = False
        self._missed.clear()
        self.loop.network.bury(self)
        self.close_files()

    def close_files(self) -> None:
        """However a process ends."""
        for close in self.on_death:
            close()

    def freeze(self) -> None:
        """SIGSTOP: time goes on without it."""
        self.frozen = True

    def suspend(self) -> None:
        """Its machine sleeps: even its timers stand still, until it is thawed."""
        self.frozen = True
        self._suspended = self.loop.now, self.loop.take_timers(self)

    def thaw(self) -> int:
        """SIGCONT: all timers that fell due ring, all that was received is there. How much."""
        self.frozen = False
        if self._suspended is not None:
            (since, timers), self._suspended = self._suspended, None
            slept_s = self.loop.now - since
            self.asleep_s += slept_s
            self.loop.put_timers(timers, slept_s)
        missed, self._missed = self._missed, []
        self.loop.resume(missed)
        return len(missed)

    def terminate(self) -> bool:
        """SIGTERM. Does somebody listen for it?"""
        handler = self.signals.get(signal.SIGTERM)
        if handler is not None:
            handler()
        return handler is not None


def current_host() -> Host | None:
    """The process that the running callback belongs to; None: nature."""
    return Host.var.get(None)
