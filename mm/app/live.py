"""Wall time: venue and ticker hand events to one engine; what it decides goes to the venue."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import structs

from mm.app.clock import stopwatch_ns
from mm.app.ports import Clock, Outbox, Recorder, Turner
from mm.app.turn import turn
from mm.core.engine import Engine
from mm.model.actions import Action, Step
from mm.model.events import Event, Tick
from mm.model.units import NS_PER_S, Ns, nanoseconds

MAX_PENDING = 10_000
LAG_PERIOD_S = 0.1


class Runner:
    """Gives events to the engine one at a time, in order, and its actions to the venue.

    `handle` is called from any callback on the loop and runs the turn there and then: no queue hop
    between a fill and the answer to it. An exception in a turn propagates to the caller's task,
    which ends the daemon: better to stop flat than to quote on a broken state. Where the caller is
    none of the daemon's tasks, as a request to the page, the next event ends it.
    """

    def __init__(
        self,
        engine: Engine,
        recorders: Sequence[Recorder],
        on_turn: Callable[[Event, Step, float], None] | None = None,
    ) -> None:
        """`on_turn`: told each event, what came of it and the seconds it took, after sending."""
        self.engine = engine
        self._recorders = recorders
        self._on_turn = on_turn
        self._venue: Outbox | None = None
        self._pending: deque[Event] = deque()
        self._busy = False
        self._broken: Exception | None = None
        self._last: Ns = 0
        self.turns = 0

    def attach(self, venue: Outbox) -> None:
        self._venue = venue

    def handle(self, event: Event) -> None:
        """Run the turn of this event, after those that are pending; time never steps back."""
        if self._broken is not None:
            raise self._broken
        self._pending.append(event)
        if self._busy:
            if len(self._pending) > MAX_PENDING:
                raise RuntimeError("the engine does not keep up with the venue's events")
            return
        self._busy = True
        try:
            while self._pending:
                self._turn(self._pending.popleft())
        except Exception as error:
            self._broken = error
            raise
        finally:
            self._busy = False

    def _turn(self, event: Event) -> None:
        if event.ts < self._last:  # it waited in a buffer while others went ahead
            event = structs.replace(event, ts=self._last)
        self._last = event.ts
        self.turns += 1
        began = stopwatch_ns()
        step = turn(self.engine, self._recorders, event)
        took_s = (stopwatch_ns() - began) / NS_PER_S
        if step.actions:
            self._send(step.actions)
        if self._on_turn is not None:
            self._on_turn(event, step, took_s)

    def _send(self, actions: tuple[Action, ...]) -> None:
        if self._venue is None:
            raise RuntimeError("actions before a venue was attached")
        self._venue.send(actions)


async def tick(runner: Turner, clock: Clock, period_s: float) -> None:
    """The quote timer. After a stall it goes on from now: missed ticks are not made up."""
    period = nanoseconds(period_s)
    while True:
        now = clock.now()
        await clock.sleep_until(now - now % period + period)
        runner.handle(Tick(clock.now()))


class LagWatch:
    """How late the event loop wakes us: the largest delay of the last second, s."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._recent: deque[float] = deque([0.0], maxlen=10)

    async def run(self) -> None:
        while True:
            due = self._clock.now() + nanoseconds(LAG_PERIOD_S)
            await asyncio.sleep(LAG_PERIOD_S)
            self._recent.append(max(0.0, (self._clock.now() - due) / NS_PER_S))

    @property
    def lag_s(self) -> float:
        return max(self._recent)
