"""Doubts: what became of requests whose outcome was lost, as the venue tells of it."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from mm.adapters.hyperliquid.back_fill import BackFill
from mm.adapters.hyperliquid.desks import Desks, dex_of
from mm.adapters.hyperliquid.findings import UNLISTED, Findings
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import ends_order
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.questions import Questions, raise_first
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.timers import doze
from mm.adapters.hyperliquid.unsettled import Unsettled, executed
from mm.adapters.hyperliquid.wire import OrderCore
from mm.model.events import RequestKind
from mm.model.units import Ns

MANY: Final = 10
"""Doubts of which one listing (weight 20) settles most at less cost than a question each (2)."""
RESOLVE_FIRST_S, RESOLVE_MAX_S = 0.25, 2.0


class Resolver:
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
        self.findings = Findings(seat, own, desks)
        self.audits = 0
        """Begun so far. "It rests", asked for before the latest began, may be overtaken by an end
        that no stream told while the link was down: that audit knows better."""
        self.relinking_until: Ns = 0
        """Until then a new connection is awaited, whose audit settles most doubts at once."""
        self.catching_up = False
        """That audit is under way."""
        self.hurry = asyncio.Event()
        """To be set where a doubt can be settled sooner than it was thought."""

    async def resolve(self) -> None:
        """One pass over all queries and the oldest doubts; what stays open is asked again later.
        What was learned before the venue fell silent counts: a pass may never come to its end."""
        await self._answer_queries()
        if len(self._askable) > MANY:
            await self._resolve_many()
        doubts = dict(list(self._askable.items())[:MANY])
        doubts = {cloid: doubts[cloid] for cloid in doubts if not self._own.in_flight(cloid)}
        now, begun = self._seat.now(), self.audits  # both before asking
        answers = await self.ask.statuses(doubts)
        unsettled = []
        for (cloid, doubt), found in zip(doubts.items(), answers, strict=True):
            if not isinstance(found, RestError):
                unsettled += self._judge(Unsettled(cloid, doubt, found), now, begun)
        await self._conclude(unsettled)
        raise_first(answers)

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
        begun, asked = self.audits, self._seat.now()
        found = await self.ask.status(cloid)
        if found is None:  # forgotten: then the listing tells
            listed = await self.ask.listing(dex_of(self._own.coin_of(cloid) or ""))
            if cloid in self._own.missing([one.cloid or "" for one in listed], asked):
                self.findings.close(cloid, UNLISTED)
        elif begun != self.audits and not ends_order(found.status):
            self._own.queries.add(cloid)
        else:
            self.findings.tell(cloid, found)

    async def run(self, doubtful: asyncio.Event) -> None:
        """Ask after doubtful orders at once, then ever more slowly until none is left."""
        while True:
            await doubtful.wait()
            doubtful.clear()
            delay_s = RESOLVE_FIRST_S
            while self._own.doubts or self._own.queries or self.missed.due:
                try:
                    relinking = self.catching_up or self._seat.now() < self.relinking_until
                    if not relinking:
                        await self.resolve()
                    if not relinking or self._own.traded:
                        await self.missed.recover()
                except RestError:
                    self._health.failed_polls += 1
                await doze(self.hurry, delay_s)
                delay_s = min(2.0 * delay_s, RESOLVE_MAX_S)

    async def _resolve_many(self) -> None:
        """One listing tells of all that rest, and of what has expired also that it does not: then
        its fills say how it ended, and no status has to be asked for."""
        begun, doubts = self.audits, self._own.expired(self._seat.now())
        idle = self.idle()
        expired = [Unsettled(cloid, idle[cloid], None) for cloid in doubts if cloid in idle]
        listed = [one for dex in self._desks.dexes for one in await self.ask.listing(dex)]
        for one in listed if begun == self.audits else ():
            known = self._own.doubts.get(one.cloid or "")
            if known is not None and executed(known, one.oid):
                self.findings.opened(one.cloid or "", one.oid)
        await self._see_fills(expired, listed)
        self.settle(expired, listed, begun)

    def idle(self) -> dict[str, Doubt]:
        """Of the others a later request is under way, whose answer may tell."""
        doubts = self._own.doubts.items()
        return {cloid: doubt for cloid, doubt in doubts if not self._own.in_flight(cloid)}

    def decided(
        self, doubts: dict[str, Doubt], listed: Iterable[str], asked: Ns
    ) -> list[Unsettled]:
        """Of these doubts those that the names of all that rested at `asked` decide. What has
        expired; and what had been placed and is gone: neither a cancel nor a change that is still
        under way brings it back."""
        names, placed = set(listed), self._own.rested_before(asked)
        return [
            Unsettled(cloid, doubt, None)
            for cloid, doubt in doubts.items()
            if asked > doubt.expires
            or (cloid not in names and (cloid in placed or doubt.kind is RequestKind.MODIFY))
        ]

    def _judge(self, one: Unsettled, asked: Ns, begun: int) -> list[Unsettled]:
        """Conclude from the venue's evidence only. While the request may still be executed, only
        what shows that it was counts; after its expiry the order is as the venue says."""
        cloid, doubt, found = one.cloid, one.doubt, one.found
        if self._own.doubts.get(cloid) is not doubt:
            return []  # settled by the stream meanwhile
        expired = asked > doubt.expires
        if found is None:
            return [one] if expired else []
        if ends_order(found.status):
            return [one]
        if begun == self.audits and (expired or executed(doubt, found.order.oid)):
            self.findings.opened(cloid, found.order.oid)
        return []

    async def _conclude(self, unsettled: Sequence[Unsettled]) -> None:
        """One listing of each exchange, and one look at the fills, for all of them: the venue
        forgets orders after some thousands, and a modify ends the old id and may have left a new
        one under the same client id."""
        begun = self.audits
        wanted = {one.cloid for one in unsettled if one.may_rest}
        dexes = {dex_of(self._own.coin_of(cloid) or "") for cloid in wanted}
        listed = [row for dex in sorted(dexes) for row in await self.ask.listing(dex)]
        await self._see_fills(unsettled, listed)
        self.settle(unsettled, listed, begun)

    async def _see_fills(self, unsettled: Sequence[Unsettled], listed: Sequence[OrderCore]) -> None:
        """Those of what rests no more, where they have a word to say."""
        resting = {row.cloid for row in listed}
        gone = [one for one in unsettled if one.cloid not in resting or not one.may_rest]
        filled = self._own.filled
        if any(one.may_have_filled and not (one.found and one.cloid in filled) for one in gone):
            await self.missed.fills()

    def settle(
        self, unsettled: Sequence[Unsettled], listed: Sequence[OrderCore], begun: int
    ) -> None:
        """`listed`: all that rests there, asked for when so many audits had begun. Fills of what
        does not are known."""
        wanted = {one.cloid for one in unsettled if one.may_rest}
        resting = {row.cloid: row.oid for row in listed if row.cloid in wanted}
        for one in unsettled:
            if self._own.doubts.get(one.cloid) is not one.doubt:
                continue  # settled by the stream meanwhile
            if one.cloid in resting:
                if begun == self.audits:  # else it stays in doubt, and is asked after again
                    self.findings.opened(one.cloid, resting[one.cloid])
            elif one.found is None:
                self.findings.forgotten(one.cloid, one.doubt)
            else:
                self.findings.ended(one.cloid, one.doubt, one.found)
