"""How long each loss of the link lasted: until all was subscribed again, until quotes may be."""

from collections.abc import Callable, Collection

from mm.app.simulate.venue_side import VenueSide
from mm.core.engine import Engine
from mm.core.guard import unhalted
from mm.core.orders import OrderState
from mm.model.events import Event, Link, Start
from mm.model.units import Ns


class Losses:
    """Seconds, each from the first drop that fell into it; not those that a process died in. Time
    in which no client could have been back does not count."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.served_s: list[float] = []
        """Until a connection that was opened since had every subscription."""
        self.quoted_s: list[float] = []
        """Until the link was up as well, nothing blocked quotes, and no order was in doubt."""
        self.linked_at: float | None = None
        """Since when the link is up; None: it is not."""
        self.venue: VenueSide
        self._now = now
        self._barred_s = 0.0
        """For how long no client could have had a link, in all."""
        self._old: Collection[object] = ()
        """The connections that were lost: a half-open one is served as before."""
        self._unserved_at: float | None = None
        self._unquoted_at: float | None = None
        """Both by the clock that stands meanwhile."""

    def look(self, since_s: float, *, barred: bool) -> None:
        """`since_s`: the time since it last looked."""
        self._barred_s += since_s if barred else 0.0

    def turn(self, event: Event, engines: Collection[Engine]) -> None:
        """After each, of any coin."""
        now = self._now() - self._barred_s
        match event:
            case Start():
                self._unserved_at = self._unquoted_at = self.linked_at = None
            case Link(up=True):
                self.linked_at = self._now()
            case Link():
                self._lost(now)
        if self._unserved_at is not None and self._is_served(self._old):
            self.served_s.append(max(0.0, now - self._unserved_at))
            self._unserved_at = None
        if self._unquoted_at is not None and self._may_quote(engines, event.ts):
            self.quoted_s.append(max(0.0, now - self._unquoted_at))
            self._unquoted_at = None

    def _lost(self, now: float) -> None:
        self.linked_at = None
        if self._unserved_at is None:
            self._unserved_at, self._old = now, set(self.venue.server.connections)
        if self._unquoted_at is None:
            self._unquoted_at = now

    def _is_served(self, old: Collection[object]) -> bool:
        return self.venue.subscriptions(old) >= self.venue.wanted

    def _may_quote(self, engines: Collection[Engine], ts: Ns) -> bool:
        if not engines or self.linked_at is None or not self._is_served(()):
            return False
        return not any(
            unhalted(engine.state, ts).no_price
            or any(order.state is OrderState.UNKNOWN for order in engine.state.orders)
            for engine in engines
        )
