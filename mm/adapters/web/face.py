"""One instrument on the page: its state now, what is new of it, and its past as it is shown."""

from collections import deque
from typing import Protocol

from mm import __version__
from mm.adapters.metrics import Metrics
from mm.adapters.web.history import FILLS, NOTES, History, point
from mm.adapters.web.stream import Backlog, Hub, State, Update, encode
from mm.model.actions import Note
from mm.model.events import Fill
from mm.model.view import HealthView, View


class Source(Protocol):
    """What the page shows and commands: the running engine, seen from outside."""

    def view(self) -> View | None: ...
    def health(self) -> HealthView: ...
    def ready(self) -> tuple[bool, str]:
        """Whether it quotes with fresh feeds and ready estimators, and if not why."""
        ...

    def command(self, verb: str, reason: str) -> None:
        """Queue an operator's command: pause, resume, halt or flatten."""
        ...


class Face:
    """Fed with `on_fill` and `on_note`; views are pulled from `source` at each beat."""

    def __init__(self, source: Source, metrics: Metrics) -> None:
        self.source = source
        self.metrics = metrics
        self.hub = Hub()
        self.history = History()
        self._fills: deque[Fill] = deque(maxlen=FILLS)
        self._notes: deque[Note] = deque(maxlen=NOTES)

    @property
    def instrument(self) -> str:
        return self.metrics.instrument

    def on_fill(self, fill: Fill) -> None:
        self.history.fills.append(fill)
        self._fills.append(fill)

    def on_note(self, note: Note) -> None:
        self.history.notes.append(note)
        self._notes.append(note)

    def measure(self) -> None:
        self.metrics.update(self.source.view(), self.source.health())

    def beat(self, instruments: tuple[str, ...]) -> None:
        """One sample to the history and the connected pages."""
        state = self.state(instruments)
        self.metrics.update(state.view, state.health)
        known = self.history.trends[-1:]
        if state.view is not None:
            self.history.sample(state.view)
        newest = self.history.trends[-1:]
        if self.hub.clients:
            now = None if state.view is None else point(state.view)
            fresh = newest[0] if newest != known else None
            update = Update(state, now, fresh, [*self._fills], [*self._notes])
            self.hub.publish(encode(update).decode())
        self._fills.clear()
        self._notes.clear()

    def state(self, instruments: tuple[str, ...]) -> State:
        ready, reason = self.source.ready()
        view, health = self.source.view(), self.source.health()
        return State(__version__, ready, reason, view, health, instruments)

    def backlog(self, instruments: tuple[str, ...]) -> Backlog:
        past = self.history
        return Backlog(
            self.state(instruments), [*past.points], past.trends, [*past.fills], [*past.notes]
        )
