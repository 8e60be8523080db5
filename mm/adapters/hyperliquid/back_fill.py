"""Fills and fundings that no stream told, from the venue's lists of them."""

from collections import Counter
from typing import Final

from mm.adapters.hyperliquid.desks import Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import OVERLAP_MS
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.model.events import Fill
from mm.model.units import NS_PER_MS, Ns

HOUR_MS: Final = 3_600_000
FUNDED_MS: Final = 10_000
"""So long after a full hour its funding is in the venue's lists."""
AGAIN_MS: Final = 10_000
"""How far back of an earlier back-fill the next one asks: longer than an answer takes, and no more,
for twenty rows weigh as much as an action."""
LATE_MS: Final = 5_000
"""Streams that are well have told of it by then: what an audit alone brings to light is a fault."""


class BackFill:
    """Every coroutine raises RestError where the venue does not answer: it is asked again then."""

    def __init__(
        self, seat: Seat, rest: Rest, own: OwnOrders, desks: Desks, health: Health
    ) -> None:
        self._seat = seat
        self._rest = rest
        self._own = own
        self._desks = desks
        self._health = health
        self.late: Counter[str] = Counter()
        """By coin: fills that it brought to light so late that a stream must have failed."""
        self._filled_ms: int | None = None
        """Fills before are known, of whatever coin and order; None: as far as each desk was told
        at the start. What streams tell since is no evidence: one may have left some out."""
        self._hour: int | None = None
        """Fundings of the hours up to here are known; None: as far as the stream's snapshot."""

    @property
    def due(self) -> bool:
        """Is there anything that tells of fills that have not been told?"""
        deaf = any(desk.inbox.untold or desk.inbox.torn is not None for desk in self._desks)
        return deaf or self._own.traded

    def is_late(self, venue_ts: Ns) -> bool:
        return self._seat.venue_ms() - venue_ts // NS_PER_MS > LATE_MS

    async def recover(self) -> None:
        """Fills that a silent stream owes us, as soon as anything else tells of them."""
        now = self._seat.now()
        traded, self._own.traded = self._own.traded, False  # what trades while we ask is asked for
        if not traded and not any(desk.inbox.misses_fills(now) for desk in self._desks):
            return
        try:
            await self.fills()
        except RestError:
            self._own.traded |= traded
            raise

    async def fills(self, *, urgent: bool = False) -> None:
        """`urgent`: waits for no request weight."""
        asked = self._seat.now()
        if self._filled_ms is None:
            since_ms = min(desk.inbox.known_ms for desk in self._desks) - OVERLAP_MS
        else:
            since_ms = self._filled_ms - AGAIN_MS
        found = await self._rest.fills_since(self._seat.account, since_ms, urgent=urgent)
        for desk in self._desks:
            news = list(desk.inbox.recovered(found, asked, self._seat.now()))
            self._health.fills_recovered += len(news)
            late = (one for one in news if isinstance(one, Fill))
            self.late[desk.coin] += sum(1 for one in late if self.is_late(one.venue_ts))
            desk.outlet.put_all(news)
        told_ms = (desk.inbox.last_fill_ms for desk in self._desks)
        self._filled_ms = max([*told_ms, *(one.time for one in found)])

    async def fundings(self) -> None:
        """Once after each full hour: a stream may be silent though its connection stands."""
        hour = (self._seat.venue_ms() - FUNDED_MS) // HOUR_MS
        if self._hour is not None and hour > self._hour:
            found = await self._rest.fundings_since(self._seat.account, self._hour * HOUR_MS)
            for desk in self._desks:
                desk.outlet.put_all(desk.inbox.fundings(found, self._seat.now()))
        self._hour = hour
