"""The adapter's own pulse: plain attributes for the metrics, and the shell's hooks."""

from collections import Counter
from collections.abc import Callable

from mm.adapters.hyperliquid.settings import Clock, Hooks
from mm.model.actions import Note, Severity
from mm.model.events import RejectCode, RequestKind
from mm.model.units import Ns, seconds


class Health:
    """Counts since start. `last_frame` by stream: book, bbo, trades, reference, user."""

    def __init__(self, clock: Clock, hooks: Hooks) -> None:
        self._clock = clock
        self._hooks = hooks
        self.reconnects = 0
        self.resubscribes = 0
        self.failed_polls = 0
        self.fills_recovered = 0
        """Fills that REST knew and the websocket had not told."""
        self.foreign_updates = 0
        """Order updates and open orders that are not ours; none is ever touched."""
        self.orphans = 0
        """Own orders that rested at the venue unknown to us: answers lost, former runs."""
        self.unresolved = 0
        """Requests whose outcome was unknown at first."""
        self.rejects: Counter[RejectCode] = Counter()
        self.sent: Counter[RequestKind] = Counter()
        self.venue_errors = 0
        """Websocket `error` frames."""
        self.left: Callable[[], dict[str, int]] = dict
        """What the venue's limits for an IP address leave us now: weight and messages of the
        minute, posts in flight."""
        self.last_frame: dict[str, Ns] = {}
        self.heard: dict[tuple[str, str], Ns] = {}
        """Last frame by (stream, coin)."""

    def feed_age_s(self, coin: str | None = None) -> dict[str, float]:
        """Seconds since the last frame, of each stream that ever had one: of one coin, or any."""
        now, last = self._clock.now(), self.last_frame
        if coin is not None:
            own = {stream: at for (stream, of), at in self.heard.items() if of == coin}
            last = {stream: own.get(stream, at) for stream, at in last.items()}
        return {stream: seconds(now - at) for stream, at in last.items()}

    def last(self, stream: str, coin: str) -> Ns:
        """When this coin's stream last said something, 0 if never; a feed of one coin may leave out
        whose it is."""
        if self.heard:
            return self.heard.get((stream, coin), 0)
        return self.last_frame.get(stream, 0)

    def note(
        self, severity: Severity, topic: str, text: str, **data: float | int | str | bool | None
    ) -> None:
        self._hooks.note(
            Note(ts=self._clock.now(), severity=severity, topic=topic, text=text, data=data)
        )

    def waits(self, wait_s: float) -> None:
        """A start or a reconnection may stand still meanwhile: say why."""
        text = "the minute's request weight is spent: questions to the venue wait"
        self.note(Severity.WARNING, "link", text, wait_s=round(wait_s, 1))

    def round_trip(self, kind: RequestKind, elapsed_s: float) -> None:
        self._hooks.round_trip(kind.value, elapsed_s)
