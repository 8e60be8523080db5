"""What this adapter knows of our own orders at the venue, so that news is told once and truly.

Answers, order updates and listings race each other. An order id that once closed stays closed:
a late `open` for it is told together with its end, never as a living order.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from mm.adapters.hyperliquid.recent import Recent
from mm.model.events import OrderClosed, OrderOpened, RequestKind
from mm.model.units import Ns

REMEMBERED: Final = 5_000
"""Orders that rest no more: ten minutes of the busiest market; late news is of seconds ago."""

News = OrderOpened | OrderClosed


class Resting(Struct, frozen=True, gc=False):
    """An order that the venue says rests. `since`: when we first heard so."""

    oid: int
    since: Ns


class Doubt(Struct, frozen=True, gc=False):
    """A request with unknown outcome. `oid`: the target's at the time, of a modify.

    After `expires` (our clock, with the margin for skew) the venue can no longer execute it.
    `to_cancel`: it is a cancel that nobody has answered, to be sent again until somebody does.
    `nonce`: that of a placing or a change, to be used up.
    """

    kind: RequestKind
    expires: Ns
    oid: int | None = None
    to_cancel: bool = False
    nonce: int | None = None


class OwnOrders:
    """Keyed by client id; only ids with our prefix are ours."""

    def __init__(self, prefix: str) -> None:
        self._prefix = "0x" + prefix.lower().removeprefix("0x")
        self.open: dict[str, Resting] = {}
        self.doubts: dict[str, Doubt] = {}
        self.queries: set[str] = set()
        """Client ids whose state the venue should be asked for."""
        self.traded = False
        """An order of ours took while no stream could tell of it: its fills are to be asked for."""
        self.filled: Recent[str, None] = Recent(REMEMBERED)
        """Client ids that had a fill: evidence that they were placed."""
        self._closed: Recent[int, str] = Recent(REMEMBERED)
        self._latest: Recent[str, int] = Recent(REMEMBERED)
        """The last venue id of each client id: they only grow, so earlier ones are history."""
        self._coins: Recent[str, str] = Recent(REMEMBERED)
        self._in_flight: Counter[str] = Counter()

    def is_own(self, cloid: str | None) -> bool:
        return cloid is not None and cloid.startswith(self._prefix)

    def belongs(self, cloid: str, coin: str) -> None:
        """This client id is an order in that coin."""
        self._coins[cloid] = coin

    def coin_of(self, cloid: str) -> str | None:
        """None where nobody has said so."""
        return self._coins.get(cloid)

    def expired(self, now: Ns) -> dict[str, Doubt]:
        """Doubts about requests that can no longer be executed."""
        return {cloid: doubt for cloid, doubt in self.doubts.items() if now > doubt.expires}

    def rested_before(self, asked: Ns) -> set[str]:
        """Orders believed open since before then."""
        return {cloid for cloid, rest in self.open.items() if rest.since < asked}

    # -- requests -------------------------------------------------------------------------------

    def sent(self, cloids: Iterable[str]) -> None:
        self._in_flight.update(cloids)

    def answered(self, cloids: Iterable[str]) -> None:
        self._in_flight.subtract(cloids)
        self._in_flight += Counter()  # drops the zeros

    def in_flight(self, cloid: str) -> bool:
        return cloid in self._in_flight

    @property
    def any_in_flight(self) -> bool:
        return bool(self._in_flight)

    # -- news -----------------------------------------------------------------------------------

    def opened(self, cloid: str, oid: int, ts: Ns, venue_ts: Ns) -> list[News]:
        """The venue says that `oid` rests.

        Of the target of a doubtful modify that is no news: the answer may be that of an earlier
        request, come late, and says nothing of the modify. Nor is an id before the latest: history
        that other word overtook.
        """
        known = self.open.get(cloid)
        if oid < self._latest.get(cloid, 0):
            return []
        self._latest[cloid] = oid
        news: list[News] = [OrderOpened(ts=ts, venue_ts=venue_ts, cloid=cloid, oid=oid)]
        self._open_settles(cloid, oid)
        doubt = self.doubts.get(cloid)
        if doubt is not None and doubt.kind is RequestKind.MODIFY and doubt.oid == oid:
            return []
        reason = self._closed.get(oid)
        if reason is None:
            if known is None or known.oid != oid:
                self.open[cloid] = Resting(oid=oid, since=ts)
        else:
            news.append(OrderClosed(ts=ts, venue_ts=venue_ts, cloid=cloid, oid=oid, reason=reason))
        return news

    def updated(self, cloid: str, oid: int, ts: Ns, venue_ts: Ns) -> list[News]:
        """`opened`, but silent where it is no news: it does not end a doubt about a change."""
        known, doubt = self.open.get(cloid), self.doubts.get(cloid)
        changes = doubt is None or doubt.kind is not RequestKind.PLACE
        if known is not None and known.oid == oid and changes:
            return []
        return self.opened(cloid, oid, ts, venue_ts)

    def closed(self, cloid: str, oid: int | None, reason: str, ts: Ns, venue_ts: Ns) -> list[News]:
        """The venue says that `oid`, or whatever rests under `cloid`, rests no more."""
        if oid is None:
            self.gone(cloid, reason)
        else:
            self._close_settles(cloid, oid)
            known = self.open.get(cloid)
            if known is not None and known.oid <= oid:
                del self.open[cloid]  # an earlier one was replaced unheard
            self._latest[cloid] = max(oid, self._latest.get(cloid, 0))
            if oid in self._closed:
                return []
            self._closed[oid] = reason
        return [OrderClosed(ts=ts, venue_ts=venue_ts, cloid=cloid, oid=oid, reason=reason)]

    def gone(self, cloid: str, reason: str) -> None:
        """As `closed`, where the news is told otherwise."""
        known = self.open.pop(cloid, None)
        self.doubts.pop(cloid, None)
        if known is not None:
            self._closed[known.oid] = reason

    def end_of(self, oid: int) -> str | None:
        """How it ended; None where it may rest."""
        return self._closed.get(oid)

    def missing(self, listed: Iterable[str], asked: Ns) -> list[str]:
        """Orders believed open before `asked` that the venue's listing lacks."""
        present = set(listed)
        return [
            cloid
            for cloid, rest in self.open.items()
            if cloid not in present
            and rest.since < asked
            and cloid not in self.doubts
            and not self.in_flight(cloid)
        ]

    def _open_settles(self, cloid: str, oid: int) -> None:
        doubt = self.doubts.get(cloid)
        if doubt is None or doubt.kind is RequestKind.CANCEL:
            return
        if doubt.kind is RequestKind.PLACE or doubt.oid != oid:
            del self.doubts[cloid]

    def _close_settles(self, cloid: str, oid: int) -> None:
        """A modify closes the old id: that says nothing of the new one, however late it is told."""
        doubt, latest = self.doubts.get(cloid), self._latest.get(cloid, 0)
        if doubt is not None and doubt.oid != oid and oid >= latest:
            del self.doubts[cloid]
