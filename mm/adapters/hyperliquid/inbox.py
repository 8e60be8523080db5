"""From frames to events: dedupes fills, fundings and replayed trades; sorts ours from theirs."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Final

from mm.adapters.hyperliquid import convert, rejects, wire
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.recent import Recent
from mm.model.events import Event, Rejected, RequestKind
from mm.model.units import NS_PER_MS, NS_PER_S, Ns

OVERLAP_MS: Final = 60_000
"""How far back of the last known fill a back-fill asks."""
REMEMBERED: Final = 10_000
"""Fills: five times what the venue repeats at once, and what a ledger gives back."""
CROSSING_NS: Final = NS_PER_S // 5
"""A print and its fill, or two fills, may come in either order within so long."""
GIVE_UP_NS: Final = 10 * NS_PER_S
"""A print whose fill the venue does not know of by then is not asked after any more."""


class Inbox:
    """One account, one coin. Every method is synchronous and returns what there is to tell."""

    def __init__(self, account: str, coin: str, own: OwnOrders, health: Health) -> None:
        self._account = account
        self._coin = coin
        self._own = own
        self._health = health
        self._fills: Recent[tuple[int, int], None] = Recent(REMEMBERED)
        self._trades: Recent[tuple[int, int], None] = Recent(4096)
        self._fundings: Recent[int, None] = Recent(1024)
        self._fill_floor_ms = 0
        self._funding_floor_ms = 0
        self._trade_floor_ms = 0
        self._book_ms = 0
        self.known_ms = 0
        """Fills up to then, or the last before it, were told in former runs."""
        self.last_fill_ms = 0
        self._held_after: Decimal | None = None
        """Our position after the last fill told, by the venue's own word."""
        self.untold: Recent[tuple[int, int], Ns] = Recent(1024)
        """Prints of our own whose fill was not told yet, and when they were heard."""
        self.torn: Ns | None = None
        """When a fill began at another position than the one before it left."""

    def remember(
        self, known: Iterable[tuple[int, int]], fill_ms: int, funding_ms: int, first_ms: int = 0
    ) -> None:
        """Told before: `known` (trade id, ms) fills, and all of before the given times.

        `fill_ms` is that of the last known fill: back-fills start a little before it, but not
        before `first_ms`: what was traded until then is in the position that we began with.
        """
        for key in known:
            self._fills[key] = None
        self.known_ms = self.last_fill_ms = fill_ms
        known_from_ms = fill_ms - OVERLAP_MS if self._fills else fill_ms + 1
        self._fill_floor_ms = max(known_from_ms, first_ms + 1)
        self._funding_floor_ms = funding_ms + 1

    @property
    def asks(self) -> bool:
        """Is there an order, or a fill, that the venue should be asked for?"""
        return bool(self._own.queries or self.untold or self.torn is not None)

    def drop_trades_before(self, venue_ms: int) -> None:
        """A subscription replays old prints unmarked: we were not watching when they happened."""
        self._trade_floor_ms = max(self._trade_floor_ms, venue_ms)

    def misses_fills(self, now: Ns) -> bool:
        """Did something tell of a fill that its own stream should have told by now?"""
        heard = [*self.untold.values(), *(() if self.torn is None else (self.torn,))]
        return any(now - ts >= CROSSING_NS for ts in heard)

    # -- the market -----------------------------------------------------------------------------

    def book(self, data: wire.WireBook, ts: Ns) -> Iterator[Event]:
        if data.coin == self._coin and data.time >= self._book_ms:
            self._book_ms = data.time
            yield convert.book(data, ts)

    def bbo(self, data: wire.WireBbo, ts: Ns) -> Iterator[Event]:
        if data.coin == self._coin:
            yield convert.bbo(data, ts)

    def reference(self, data: wire.WireContext, ts: Ns) -> Iterator[Event]:
        if data.coin == self._coin and (event := convert.reference(data, ts)) is not None:
            yield event

    def trades(self, data: list[wire.WireTrade], ts: Ns) -> Iterator[Event]:
        fresh = []
        for one in data:
            key = (one.time, one.tid)
            old = one.time < self._trade_floor_ms or key in self._trades
            if one.coin == self._coin and not old:
                self._trades[key] = None
                fresh.append(one)
        event = convert.trades(fresh, ts, self._account)
        for own in event.own:
            key = (own.trade_id, own.venue_ts // NS_PER_MS)
            if key not in self._fills:
                self.untold[key] = ts
        if event.trades:
            yield event

    # -- our account ----------------------------------------------------------------------------

    def fills(self, data: Iterable[wire.WireFill], ts: Ns) -> Iterator[Event]:
        """New ones only, oldest first; snapshots and back-fills may repeat what was told."""
        for one in sorted(data, key=lambda fill: fill.time):  # of one time: as they came
            key = (one.tid, one.time)
            ours = one.coin == self._coin and convert.usable_fill(one)
            if not ours or one.time < self._fill_floor_ms or key in self._fills:
                continue
            self._fills[key] = None
            self.untold.pop(key, None)
            self._follow(one, ts)
            self.last_fill_ms = max(self.last_fill_ms, one.time)
            own = self._own.is_own(one.cloid)
            if one.cloid is not None and own:
                self._own.filled[one.cloid] = None
            yield convert.fill(one, ts, self._account, own)

    def recovered(self, data: Iterable[wire.WireFill], asked: Ns, ts: Ns) -> Iterator[Event]:
        """Of all fills that the venue knew after `asked`: those that are news."""
        torn = self.torn
        yield from self.fills(data, ts)
        self.torn = torn if torn is not None and torn >= asked else None
        for key in [key for key, heard in self.untold.items() if asked - heard > GIVE_UP_NS]:
            del self.untold[key]

    def _follow(self, one: wire.WireFill, ts: Ns) -> None:
        """Each fill begins where the one before it ended; else some between were not told."""
        if one.time < self.last_fill_ms:
            return  # late: what came since has told of the gap
        if self._held_after not in (None, one.start_position):
            self.torn = ts
        sign = 1 if one.side == "B" else -1
        self._held_after = one.start_position + sign * one.sz

    def fundings(self, data: Iterable[wire.WireFunding], ts: Ns) -> Iterator[Event]:
        for one in sorted(data, key=lambda funding: funding.time):
            usable = one.coin == self._coin and one.usdc.is_finite()
            if usable and one.time >= self._funding_floor_ms and one.time not in self._fundings:
                self._fundings[one.time] = None
                yield convert.funding(one, ts)

    def orders(self, data: list[wire.OrderUpdate], ts: Ns) -> Iterator[Event]:
        for one in data:
            cloid = one.order.cloid
            if cloid is None or one.order.coin != self._coin or not self._own.is_own(cloid):
                self._health.foreign_updates += 1
                continue
            self._own.belongs(cloid, self._coin)
            yield from self.order_status(cloid, one.order.oid, one.status, one.status_timestamp, ts)

    def order_status(
        self, cloid: str, oid: int, status: str, status_ms: int, ts: Ns
    ) -> Iterator[Event]:
        """A status of one of our orders, from an update or an answer."""
        venue_ts = status_ms * NS_PER_MS
        if status == "open":
            yield from self._own.updated(cloid, oid, ts, venue_ts)
        elif never_rested(status):
            yield from self._rejected(cloid, status, ts)
        elif ends_order(status):
            yield from self._own.closed(cloid, oid, status, ts, venue_ts)
        elif not is_known(status):
            self._own.queries.add(cloid)

    def _rejected(self, cloid: str, status: str, ts: Ns) -> Iterator[Event]:
        """It never rested. The answer says so, and better; but where that is lost, this is it."""
        doubt = self._own.doubts.get(cloid)
        if doubt is not None and doubt.kind is RequestKind.PLACE:
            self._own.gone(cloid, status)
            code = rejects.classify_status(status)
            self._health.rejects[code] += 1
            yield Rejected(ts=ts, cloid=cloid, kind=doubt.kind, code=code, message=status)


def is_known(status: str) -> bool:
    """Does it say whether the order rests?"""
    return status in ("open", "triggered") or ends_order(status)


def never_rested(status: str) -> bool:
    return status.lower().endswith("rejected")


def ends_order(status: str) -> bool:
    """Does an order of this status rest no more? By rule: the venue adds statuses unannounced."""
    lowered = status.lower()
    return status == "filled" or lowered.endswith(("canceled", "cancel", "rejected"))
