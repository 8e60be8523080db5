"""What we believe against what the venue lists: after a gap, in every audit, and after a doubt."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from mm.adapters.hyperliquid import convert
from mm.adapters.hyperliquid.answers import FoundOrder
from mm.adapters.hyperliquid.desks import Desks, dex_of
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import OVERLAP_MS, ends_order, never_rested
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.unsettled import Unsettled, executed
from mm.adapters.hyperliquid.wire import OrderCore
from mm.model.actions import Severity
from mm.model.events import Account, Fill, RejectCode, Rejected, RequestKind
from mm.model.units import NS_PER_MS, Ns

MANY: Final = 10
"""Doubts of which one listing (weight 20) settles most at less cost than a question each (2)."""
HOUR_MS: Final = 3_600_000
FUNDED_MS: Final = 10_000
"""So long after a full hour its funding is in the venue's lists."""
LATE_MS: Final = 5_000
"""Streams that are well have told of it by then: what an audit alone brings to light is a fault."""
RESOLVE_FIRST_S, RESOLVE_MAX_S = 0.25, 2.0
UNLISTED: Final = "unlisted"
"""Neither known nor listed: its fills have all been told, which may be a part of it."""
NEVER_PLACED: Final = "never placed: unknown to the venue after it expired"


class Reconciler:
    """Every method raises RestError where the venue does not answer: nothing is concluded then."""

    def __init__(
        self, seat: Seat, rest: Rest, own: OwnOrders, desks: Desks, health: Health
    ) -> None:
        self._seat = seat
        self._rest = rest
        self._own = own
        self._desks = desks
        self._health = health
        self._foreign: dict[str, int] = {}
        self._filled_ms: int | None = None
        """Fills before are known, of whatever coin and order; None: as far as each desk knows."""
        self._repairs: Counter[str] = Counter()
        """By coin, since the last audit: what no stream had told in time."""
        self.audited: Ns = 0
        """When the last whole audit began."""
        self.relinking_until: Ns = 0
        """Until then a new connection's audit is awaited, which settles most doubts at once."""
        self._hour: int | None = None
        """Fundings of the hours up to here are known; None: as far as the stream's snapshot."""

    @property
    def foreign_open(self) -> int:
        """Open orders of others on our account, by the latest listings."""
        return sum(self._foreign.values())

    async def audit(self, *, after_gap: bool = False) -> None:
        """Fills that we missed, then orders and account. Fills first: an Account that is ahead of
        the fills is put right by the next of them, one that lags would stay wrong.

        `after_gap`: something is bound to have been missed, and is nobody's fault.
        """
        asked = self._seat.now()
        await self.back_fill()
        await self._back_fill_fundings()
        for dex in self._desks.dexes:
            await self._audit(dex, after_gap)
        self.audited, self.relinking_until = asked, 0

    async def _back_fill_fundings(self) -> None:
        """Once after each full hour: a stream may be silent though its connection stands."""
        hour = (self._seat.venue_ms() - FUNDED_MS) // HOUR_MS
        if self._hour is not None and hour > self._hour:
            found = await self._rest.fundings_since(self._seat.account, self._hour * HOUR_MS)
            for desk in self._desks:
                desk.outlet.put_all(desk.inbox.fundings(found, self._seat.now()))
        self._hour = hour

    async def _audit(self, dex: str, after_gap: bool) -> None:
        asked = self._seat.now()
        listed = await self.listing(dex)
        await self._compare(dex, listed, asked)
        state = await self._rest.clearinghouse(self._seat.account, dex)
        resting = [one for one in listed if not self._own.has_closed(one.oid)]
        for desk in self._desks.on(dex):
            rows = tuple(convert.open_order(one) for one in resting if one.coin == desk.coin)
            repaired = self._repairs.pop(desk.coin, 0)
            if repaired and not after_gap:
                text = "Audit: put right what no stream had told"
                self._health.note(Severity.WARNING, "order", text, coin=desk.coin, count=repaired)
            account = Account(
                ts=self._seat.now(),
                venue_ts=state.time * NS_PER_MS,
                request_ts=asked,
                position=state.position(desk.coin),
                equity=state.equity,
                orders=rows,
                repaired=0 if after_gap else repaired,
            )
            desk.outlet.put(account)

    async def back_fill(self) -> None:
        asked = self._seat.now()
        since_ms = self._filled_ms
        if since_ms is None:
            since_ms = min(desk.inbox.last_fill_ms for desk in self._desks)
        found = await self._rest.fills_since(self._seat.account, since_ms - OVERLAP_MS)
        for desk in self._desks:
            news = list(desk.inbox.recovered(found, asked, self._seat.now()))
            self._health.fills_recovered += len(news)
            late = (one for one in news if isinstance(one, Fill) and self._is_late(one.venue_ts))
            self._repairs[desk.coin] += sum(1 for _ in late)
            desk.outlet.put_all(news)
        told_ms = (desk.inbox.last_fill_ms for desk in self._desks)
        self._filled_ms = max([*told_ms, *(one.time for one in found)])

    async def listing(self, dex: str, urgent: bool = False) -> list[OrderCore]:
        """Our own open orders in our coins there; foreign ones are counted and left alone."""
        listed = await self._rest.open_orders(self._seat.account, dex, urgent=urgent)
        ours = {desk.coin for desk in self._desks.on(dex)}
        own = [one for one in listed if one.coin in ours and self._own.is_own(one.cloid)]
        self._foreign[dex] = len(listed) - len(own)
        for one in own:
            self._own.belongs(one.cloid or "", one.coin)
        return own

    async def resolve(self) -> None:
        """One pass over all doubts and queries; what stays open is asked again later."""
        while self._own.queries:
            cloid = min(self._own.queries)
            self._own.queries.discard(cloid)
            try:
                found = (await self._rest.order_status(self._seat.account, cloid)).order
            except RestError:
                self._own.queries.add(cloid)
                raise
            if found is not None:
                self._tell(cloid, found)
        if len(self._own.doubts) > MANY:
            await self._resolve_many()
        doubts = list(self._own.doubts.items())
        unsettled = [one for each in doubts if (one := await self._ask(*each)) is not None]
        if unsettled:
            await self._conclude(unsettled)

    async def run(self, doubtful: asyncio.Event) -> None:
        """Ask after doubtful orders at once, then ever more slowly until none is left."""
        while True:
            await doubtful.wait()
            doubtful.clear()
            delay_s = RESOLVE_FIRST_S
            while self._own.doubts or self._own.queries or self._awaits_fills:
                try:
                    if self._seat.now() >= self.relinking_until:
                        await self.resolve()
                    await self._recover()
                except RestError:
                    self._health.failed_polls += 1
                await asyncio.sleep(delay_s)
                delay_s = min(2.0 * delay_s, RESOLVE_MAX_S)

    @property
    def _awaits_fills(self) -> bool:
        deaf = any(desk.inbox.untold or desk.inbox.torn is not None for desk in self._desks)
        return deaf or self._own.traded

    async def _recover(self) -> None:
        """Fills that a silent stream owes us, as soon as anything else tells of them."""
        now = self._seat.now()
        if self._own.traded or any(desk.inbox.misses_fills(now) for desk in self._desks):
            await self.back_fill()
            self._own.traded = False

    async def _resolve_many(self) -> None:
        for dex in self._desks.dexes:
            for one in await self.listing(dex):
                known = self._own.doubts.get(one.cloid or "")
                if known is not None and executed(known, one.oid):
                    self._opened(one.cloid or "", one.oid)

    # -- audits ---------------------------------------------------------------------------------

    async def _compare(self, dex: str, listed: Sequence[OrderCore], asked: Ns) -> None:
        """Tell of listed orders that are news, and ask after believed ones that are not listed."""
        for one in listed:
            cloid = one.cloid or ""
            known = self._own.open.get(cloid)
            stale = known is not None and known.since >= asked
            if stale or self._own.has_closed(one.oid):
                continue
            if known is None and cloid not in self._own.doubts and not self._own.in_flight(cloid):
                self._health.orphans += 1
                self._repairs[one.coin] += 1
            now = self._seat.now()
            self._desks.put_all(self._own.updated(cloid, one.oid, now, now))
        for cloid in self._own.missing([one.cloid or "" for one in listed], asked):
            if dex_of(self._own.coin_of(cloid) or "") != dex:
                continue
            found = (await self._rest.order_status(self._seat.account, cloid)).order
            ended_ms = 0 if found is None else found.status_timestamp
            self._repairs[self._own.coin_of(cloid) or ""] += self._is_late(ended_ms * NS_PER_MS)
            if found is None:
                self._close(cloid, UNLISTED)
            else:
                self._tell(cloid, found)

    def _is_late(self, venue_ts: Ns) -> bool:
        return self._seat.venue_ms() - venue_ts // NS_PER_MS > LATE_MS

    def _tell(self, cloid: str, found: FoundOrder) -> None:
        """The venue's word on one order. Of a coin that we do not trade there is nobody to tell."""
        desk = self._desks.get(found.order.coin)
        if desk is not None:
            self._own.belongs(cloid, desk.coin)
            oid, status_ms = found.order.oid, found.status_timestamp
            now = self._seat.now()
            news = desk.inbox.order_status(cloid, oid, found.status, status_ms, now)
            desk.outlet.put_all(news)

    def _close(self, cloid: str, reason: str) -> None:
        now = self._seat.now()
        self._desks.put_all(self._own.closed(cloid, None, reason, now, now))

    # -- doubts ---------------------------------------------------------------------------------

    async def _ask(self, cloid: str, doubt: Doubt) -> Unsettled | None:
        """Conclude from the venue's evidence only. While the request may still be executed, only
        what shows that it was counts; after its expiry the order is as the venue says."""
        if self._own.in_flight(cloid):
            return None  # a later request is under way: its answer may tell
        expired = self._seat.now() > doubt.expires  # before asking: the answer is then as final
        found = (await self._rest.order_status(self._seat.account, cloid)).order
        if self._own.doubts.get(cloid) is not doubt:
            return None  # settled by the stream meanwhile
        if found is None:
            return Unsettled(cloid, doubt, None) if expired else None
        if ends_order(found.status):
            return Unsettled(cloid, doubt, found)
        if expired or executed(doubt, found.order.oid):
            self._opened(cloid, found.order.oid)
        return None

    async def _conclude(self, unsettled: Sequence[Unsettled]) -> None:
        """One listing of each exchange, and one look at the fills, for all of them: the venue
        forgets orders after some thousands, and a modify ends the old id and may have left a new
        one under the same client id."""
        wanted = {one.cloid for one in unsettled if one.may_rest}
        dexes = {dex_of(self._own.coin_of(cloid) or "") for cloid in wanted}
        listed = [row for dex in sorted(dexes) for row in await self.listing(dex)]
        resting = {row.cloid: row.oid for row in listed if row.cloid in wanted}
        gone = [one for one in unsettled if one.cloid not in resting]
        if any(one.found is None or self._lacks_fills(one) for one in gone):
            await self.back_fill()
        for one in unsettled:
            if self._own.doubts.get(one.cloid) is not one.doubt:
                continue  # settled by the stream meanwhile
            if one.cloid in resting:
                self._opened(one.cloid, resting[one.cloid])
            elif one.found is None:
                self._forgotten(one.cloid, one.doubt)
            else:
                self._ended(one.cloid, one.doubt, one.found)

    def _lacks_fills(self, one: Unsettled) -> bool:
        return one.may_have_filled and one.cloid not in self._own.filled

    def _ended(self, cloid: str, doubt: Doubt, found: FoundOrder) -> None:
        replaced = executed(doubt, found.order.oid) and not never_rested(found.status)
        if replaced or doubt.kind is RequestKind.PLACE:
            self._tell(cloid, found)
        else:
            self._close(cloid, found.status)

    def _forgotten(self, cloid: str, doubt: Doubt) -> None:
        """Neither known nor listed: fills have the last word."""
        if doubt.kind is RequestKind.PLACE and cloid not in self._own.filled:
            self._own.gone(cloid, "expired")
            self._desks.put(
                Rejected(
                    ts=self._seat.now(),
                    cloid=cloid,
                    kind=doubt.kind,
                    code=RejectCode.EXPIRED,
                    message=NEVER_PLACED,
                )
            )
        else:
            self._close(cloid, UNLISTED)

    def _opened(self, cloid: str, oid: int) -> None:
        now = self._seat.now()
        self._own.doubts.pop(cloid, None)
        self._desks.put_all(self._own.opened(cloid, oid, now, now))
