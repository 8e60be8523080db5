"""The running daemon, seen by those who watch and command it: recorders, and the web's source."""

from collections.abc import Callable, Iterator
from typing import Protocol

from mm.adapters.hyperliquid.health import Health
from mm.adapters.journal import JournalWriter
from mm.adapters.latch import FLATTEN, HALT, PAUSE
from mm.adapters.ledger import Ledger
from mm.adapters.metrics import Metrics
from mm.adapters.web.face import Face
from mm.app.live import LagWatch, Runner
from mm.app.ports import Clock
from mm.model.actions import Halt, Note, Step
from mm.model.events import Command, Event, Fill, Tick
from mm.model.units import Ns, seconds
from mm.model.view import HealthView, View


class LedgerRecorder:
    """Fills, orders, commands and latch survive; equity is marked at each Tick."""

    def __init__(self, ledger: Ledger, instrument: str) -> None:
        self._ledger = ledger
        self._instrument = instrument

    def record(self, event: Event, step: Step) -> None:
        try:
            for verb, reason in _holds(event, step):  # before anything that a full disk may refuse
                self._ledger.hold(self._instrument, reason, verb)
        finally:
            self._ledger.record_event(self._instrument, event)
            if step.actions:
                self._ledger.record_actions(event.ts, self._instrument, step.actions)


def _holds(event: Event, step: Step) -> Iterator[tuple[str, str]]:
    """(verb, why) of what is to hold the instrument back from now on; "" of what no more is."""
    if isinstance(event, Command):
        why = "" if event.verb == "resume" else event.reason or event.source
        for verb in (PAUSE, FLATTEN):
            if event.verb in (verb, "resume"):
                yield verb, why
    for action in step.actions:
        if isinstance(action, Halt):
            yield HALT, action.reason


class JournalRecorder:
    def __init__(self, journal: JournalWriter) -> None:
        self._journal = journal

    def record(self, event: Event, step: Step) -> None:
        self._journal.append(event, step)


class MetricsRecorder:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def record(self, event: Event, step: Step) -> None:
        self._metrics.observe(event, step)


class Timekeeper:
    """How long a quote cycle takes, and how old a market event is when its orders are queued."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock

    def on_turn(self, event: Event, step: Step, took_s: float) -> None:
        if isinstance(event, Tick):
            self._metrics.observe_cycle_s(took_s)
        elif step.actions:
            self._metrics.observe_tick_to_order_s(seconds(self._clock.now() - event.ts))


class Narrator:
    """Notes go to the log and the page, fills to the page. `instrument`: whose, where several."""

    def __init__(self, log: Callable[[Note, str], None], instrument: str = "") -> None:
        self._log = log
        self._instrument = instrument
        self.face: Face | None = None

    def record(self, event: Event, step: Step) -> None:
        if self.face is not None and isinstance(event, Fill):
            self.face.on_fill(event)
        for note in step.notes:
            self.note(note)

    def note(self, note: Note) -> None:
        self._log(note, self._instrument)
        if self.face is not None and note.severity != "debug":
            self.face.on_note(note)


class Pulse(Protocol):
    health: Health


class Daemon:
    """What the page shows and commands; satisfies the web server's Source."""

    def __init__(
        self,
        runner: Runner,
        venue: Pulse,
        clock: Clock,
        lag: LagWatch,
        journal: JournalWriter | None,
        coin: str | None = None,
    ) -> None:
        """`coin`: whose feeds' age is shown, where several share the connection."""
        self._coin = coin
        self._runner = runner
        self._venue = venue
        self._clock = clock
        self._lag = lag
        self._started: Ns = clock.now()
        self._journal = journal
        self._seen: tuple[int, View] | None = None

    def view(self) -> View:
        """The view after the last turn, built once however many ask."""
        if self._seen is None or self._seen[0] != self._runner.turns:
            self._seen = (self._runner.turns, self._runner.engine.view())
        return self._seen[1]

    def health(self) -> HealthView:
        pulse = self._venue.health
        return HealthView(
            uptime_s=seconds(self._clock.now() - self._started),
            feed_age_s=pulse.feed_age_s(self._coin),
            reconnects=pulse.reconnects,
            loop_lag_s=self._lag.lag_s,
            journal_dropped=0 if self._journal is None else self._journal.dropped,
            orphans=pulse.orphans,
            limits_left=pulse.left(),
        )

    def ready(self) -> tuple[bool, str]:
        safety = self.view().safety
        if safety.ready:
            return True, ""
        return False, "; ".join(safety.reasons) or safety.halt_reason or safety.state

    def command(self, verb: str, reason: str) -> None:
        self._runner.handle(Command(self._clock.now(), verb, "operator", reason))
