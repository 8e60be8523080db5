"""What we believe against what the venue lists: after a gap, in every audit, and after a doubt."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from mm.adapters.hyperliquid import convert
from mm.adapters.hyperliquid.answers import FoundOrder
from mm.adapters.hyperliquid.back_fill import BackFill
from mm.adapters.hyperliquid.desks import Desks, dex_of
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import ends_order, never_rested
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.questions import Questions
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.unsettled import Unsettled, executed
from mm.adapters.hyperliquid.wire import OrderCore
from mm.model.actions import Severity
from mm.model.events import Account, RejectCode, Rejected, RequestKind
from mm.model.units import NS_PER_MS, Ns

MANY: Final = 10
"""Doubts of which one listing (weight 20) settles most at less cost than a question each (2)."""
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
        self.missed = BackFill(seat, rest, own, desks, health)
        self.ask = Questions(seat, rest, own, desks)
        self._repairs: Counter[str] = Counter()
        """By coin, since the last audit: what no stream had told in time."""
        self._begun = 0
        """Audits so far. "It rests", asked for before the latest began, may be overtaken by an end
        that no stream told while the link was down: that audit knows better."""
        self.audited: Ns = 0
        """When the last whole audit began."""
        self.relinking_until: Ns = 0
        """Until then a new connection's audit is awaited, which settles most doubts at once."""

    async def audit(self, *, after_gap: bool = False) -> None:
        """Fills that we missed, then orders and account. Fills first: an Account that is ahead of
        the fills is put right by the next of them, one that lags would stay wrong.

        `after_gap`: something is bound to have been missed, and is nobody's fault.
        """
        asked = self._seat.now()
        self._begun += 1
        this = self._begun
        await self.missed.fills()
        await self.missed.fundings()
        for dex in self._desks.dexes:
            if this == self._begun:
                await self._audit(dex, asked, after_gap)
        if this == self._begun:
            self.audited, self.relinking_until = asked, 0

    async def _audit(self, dex: str, began: Ns, after_gap: bool) -> None:
        """Nothing is told once a later audit has begun. Fills are known as of `began`."""
        asked, this = self._seat.now(), self._begun
        listed = await self.ask.listing(dex)
        if this != self._begun:
            return
        await self._compare(dex, listed, asked)
        wondered = self._seat.now()
        state = await self._rest.clearinghouse(self._seat.account, dex)
        self._seat.hear_time(state.time, wondered)
        if this != self._begun:
            return
        resting = [one for one in listed if self._own.end_of(one.oid) is None]
        for desk in self._desks.on(dex):
            rows = tuple(convert.open_order(one) for one in resting if one.coin == desk.coin)
            repaired = self._repairs.pop(desk.coin, 0) + self.missed.late.pop(desk.coin, 0)
            if repaired and not after_gap:
                text = "Audit: put right what no stream had told"
                self._health.note(Severity.WARNING, "order", text, coin=desk.coin, count=repaired)
            account = Account(
                ts=self._seat.now(),
                venue_ts=state.time * NS_PER_MS,
                request_ts=began,
                position=state.position(desk.coin),
                equity=state.equity,
                orders=rows,
                repaired=0 if after_gap else repaired,
            )
            desk.outlet.put(account)

    async def resolve(self) -> None:
        """One pass over all queries and the oldest doubts; what stays open is asked again later.
        What was learned before the venue fell silent counts: a pass may never come to its end."""
        await self._answer_queries()
        if len(self._askable) > MANY:
            await self._resolve_many()
        unsettled: list[Unsettled | None] = []
        try:
            for each in list(self._askable.items())[:MANY]:
                unsettled += [await self._ask(*each)]
        except RestError:
            await self._conclude(unsettled)
            raise
        await self._conclude(unsettled)

    @property
    def _askable(self) -> dict[str, Doubt]:
        """Where request weight is short, what an expiry will settle waits for it."""
        poor = not self._rest.meter.may_poll
        return self._own.expired(self._seat.now()) if poor else self._own.doubts

    async def _answer_queries(self) -> None:
        while self._own.queries:
            cloid = min(self._own.queries)
            self._own.queries.discard(cloid)
            try:
                await self._inquire(cloid)
            except RestError:
                self._own.queries.add(cloid)
                raise

    async def _inquire(self, cloid: str) -> None:
        begun, asked = self._begun, self._seat.now()
        found = await self.ask.status(cloid)
        if found is None:  # forgotten: then the listing tells
            listed = await self.ask.listing(dex_of(self._own.coin_of(cloid) or ""))
            if cloid in self._own.missing([one.cloid or "" for one in listed], asked):
                self._close(cloid, UNLISTED)
        elif begun != self._begun and not ends_order(found.status):
            self._own.queries.add(cloid)
        else:
            self._tell(cloid, found)

    async def run(self, doubtful: asyncio.Event) -> None:
        """Ask after doubtful orders at once, then ever more slowly until none is left."""
        while True:
            await doubtful.wait()
            doubtful.clear()
            delay_s = RESOLVE_FIRST_S
            while self._own.doubts or self._own.queries or self.missed.due:
                try:
                    if self._seat.now() >= self.relinking_until:
                        await self.resolve()
                    await self.missed.recover()
                except RestError:
                    self._health.failed_polls += 1
                await asyncio.sleep(delay_s)
                delay_s = min(2.0 * delay_s, RESOLVE_MAX_S)

    async def _resolve_many(self) -> None:
        """One listing tells of all that rest, and of what has expired also that it does not: then
        its fills say how it ended, and no status has to be asked for."""
        begun, doubts = self._begun, self._own.expired(self._seat.now()).items()
        idle = (one for one in doubts if not self._own.in_flight(one[0]))
        expired = [Unsettled(cloid, doubt, None) for cloid, doubt in idle]
        listed = [one for dex in self._desks.dexes for one in await self.ask.listing(dex)]
        for one in listed if begun == self._begun else ():
            known = self._own.doubts.get(one.cloid or "")
            if known is not None and executed(known, one.oid):
                self._opened(one.cloid or "", one.oid)
        await self._settle(expired, listed, begun)

    # -- audits ---------------------------------------------------------------------------------

    async def _compare(self, dex: str, listed: Sequence[OrderCore], asked: Ns) -> None:
        """Tell of listed orders that are news, and ask after believed ones that are not listed."""
        for one in listed:
            cloid = one.cloid or ""
            known = self._own.open.get(cloid)
            stale = known is not None and known.since >= asked
            if stale or self._own.end_of(one.oid) is not None:
                continue
            if known is None and cloid not in self._own.doubts and not self._own.in_flight(cloid):
                self._health.orphans += 1
                self._repairs[one.coin] += 1
            now = self._seat.now()
            self._desks.put_all(self._own.updated(cloid, one.oid, now, now))
        for cloid in self._own.missing([one.cloid or "" for one in listed], asked):
            coin = self._own.coin_of(cloid) or ""
            if dex_of(coin) != dex:
                continue
            found = await self.ask.status(cloid)
            ended_ms = 0 if found is None else found.status_timestamp
            self._repairs[coin] += self.missed.is_late(ended_ms * NS_PER_MS)
            if found is None or never_rested(found.status):  # that tells of its replacement only
                self._close(cloid, UNLISTED)
            else:
                self._tell(cloid, found)

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
        expired, begun = self._seat.now() > doubt.expires, self._begun  # both before asking
        found = await self.ask.status(cloid)
        if self._own.doubts.get(cloid) is not doubt:
            return None  # settled by the stream meanwhile
        if found is None:
            return Unsettled(cloid, doubt, None) if expired else None
        if ends_order(found.status):
            return Unsettled(cloid, doubt, found)
        if begun == self._begun and (expired or executed(doubt, found.order.oid)):
            self._opened(cloid, found.order.oid)
        return None

    async def _conclude(self, asked: Sequence[Unsettled | None]) -> None:
        """One listing of each exchange, and one look at the fills, for all of them: the venue
        forgets orders after some thousands, and a modify ends the old id and may have left a new
        one under the same client id."""
        unsettled, begun = [one for one in asked if one is not None], self._begun
        wanted = {one.cloid for one in unsettled if one.may_rest}
        dexes = {dex_of(self._own.coin_of(cloid) or "") for cloid in wanted}
        listed = [row for dex in sorted(dexes) for row in await self.ask.listing(dex)]
        await self._settle(unsettled, listed, begun)

    async def _settle(
        self, unsettled: Sequence[Unsettled], listed: Sequence[OrderCore], begun: int
    ) -> None:
        """`listed`: all that rests there, asked for when so many audits had begun."""
        wanted = {one.cloid for one in unsettled if one.may_rest}
        resting = {row.cloid: row.oid for row in listed if row.cloid in wanted}
        gone = [one for one in unsettled if one.cloid not in resting and one.may_have_filled]
        if any(one.found is None or one.cloid not in self._own.filled for one in gone):
            await self.missed.fills()
        for one in unsettled:
            if self._own.doubts.get(one.cloid) is not one.doubt:
                continue  # settled by the stream meanwhile
            if one.cloid in resting:
                if begun == self._begun:  # else it stays in doubt, and is asked after again
                    self._opened(one.cloid, resting[one.cloid])
            elif one.found is None:
                self._forgotten(one.cloid, one.doubt)
            else:
                self._ended(one.cloid, one.doubt, one.found)

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
        """The doubt is over: `oid` is what it came to, and its end may have been told meanwhile."""
        now, ended = self._seat.now(), self._own.end_of(oid)
        self._own.doubts.pop(cloid, None)
        if ended is not None:  # by its client id: of the id alone it would be half of a modify
            self._close(cloid, ended)
        else:
            self._desks.put_all(self._own.opened(cloid, oid, now, now))
