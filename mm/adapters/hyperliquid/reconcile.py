"""What we believe against what the venue lists: after a gap, and in every audit."""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from mm.adapters.hyperliquid import convert
from mm.adapters.hyperliquid.desks import Desks, dex_of
from mm.adapters.hyperliquid.findings import UNLISTED
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import never_rested
from mm.adapters.hyperliquid.others import Others
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.questions import raise_first
from mm.adapters.hyperliquid.resolve import Resolver
from mm.adapters.hyperliquid.rest import Rest, RestError
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.wire import OrderCore
from mm.model.actions import Severity
from mm.model.events import Account
from mm.model.units import NS_PER_MS, Ns


class Caught(Struct, frozen=True):
    """What rested when a gap was closed, by exchange: asked for at `asked`, by this audit."""

    asked: Ns
    audit: int
    listed: dict[str, list[OrderCore]]


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
        self.resolver = resolver = Resolver(seat, rest, own, desks, health)
        self.missed, self.ask, self._findings = resolver.missed, resolver.ask, resolver.findings
        self.others = Others(seat, rest, desks, self.ask, health)
        self._repairs: Counter[str] = Counter()
        """By coin, since the last audit: what no stream had told in time."""
        self.audited: Ns = 0
        """When the last whole audit began."""

    async def audit(self) -> None:
        """Fills that we missed, then orders and account. Fills first: an Account that is ahead of
        the fills is put right by the next of them, one that lags would stay wrong."""
        asked, this = self._begin()
        await self.missed.fills()
        await self.missed.fundings()
        for dex in self._desks.dexes:
            if this == self.resolver.audits:
                await self._audit(dex, asked)
        if this == self.resolver.audits:
            self.audited, self.resolver.relinking_until = asked, 0

    async def _audit(self, dex: str, began: Ns) -> None:
        """Nothing is told once a later audit has begun. Fills are known as of `began`."""
        asked, this = self._seat.now(), self.resolver.audits
        listed = await self.ask.listing(dex)
        if this != self.resolver.audits:
            return
        self._open(listed, asked)
        await self._end_missing(dex, listed, asked)
        await self._tell_account(dex, listed, began)

    async def catch_up(self, empty: Ns | None = None) -> Caught:
        """After a gap, user channels being subscribed again: what rests, then the fills. They say
        of all that rests no more how it ended, so no status has to be asked for.

        `empty`: what was asked for then has shown that nothing rests, so it is not asked again.
        What was missed is nobody's fault.
        """
        asked, this = self._begin()
        doubts = self.resolver.idle()
        listed: dict[str, list[OrderCore]] = {dex: [] for dex in self._desks.dexes}
        self.resolver.catching_up = True
        try:
            meter = self._rest.meter
            if empty is None:
                listed = {dex: await self.ask.listing(dex, meter.may_relink) for dex in listed}
            await self.missed.fills(urgent=meter.may_relink)
        finally:
            self.resolver.catching_up = False
        asked = asked if empty is None else empty
        if this == self.resolver.audits:
            rows = [one for dex in listed for one in listed[dex]]
            names = {one.cloid or "" for one in rows}
            self._open(rows, asked)
            self.resolver.settle(self.resolver.decided(doubts, names, asked), rows, this)
            for cloid in self._own.missing(names, asked):
                self._findings.close(cloid, UNLISTED)
            self._repairs.clear()
            self.missed.late.clear()
            self.resolver.relinking_until = 0
        return Caught(asked, this, listed)

    async def confirm(self, caught: Caught) -> None:
        """Position and equity, which may wait until quotes are up again; then an audit is whole."""
        await self.missed.fundings()
        for dex, listed in caught.listed.items():
            if caught.audit == self.resolver.audits:
                await self._tell_account(dex, listed, caught.asked)
        if caught.audit == self.resolver.audits:
            self.audited = caught.asked

    def _begin(self) -> tuple[Ns, int]:
        self.resolver.audits += 1
        self.others.look()
        return self._seat.now(), self.resolver.audits

    async def _tell_account(self, dex: str, listed: Sequence[OrderCore], began: Ns) -> None:
        this, wondered = self.resolver.audits, self._seat.now()
        state = await self._rest.clearinghouse(self._seat.account, dex)
        self._seat.hear_time(state.time, wondered)
        beside = await self.others.beside(dex, state)
        if this != self.resolver.audits:
            return
        resting = [one for one in listed if self._own.end_of(one.oid) is None]
        for desk in self._desks.on(dex):
            rows = tuple(convert.open_order(one) for one in resting if one.coin == desk.coin)
            repaired = self._repairs.pop(desk.coin, 0) + self.missed.late.pop(desk.coin, 0)
            if repaired:
                text = "Audit: put right what no stream had told"
                self._health.note(Severity.WARNING, "order", text, coin=desk.coin, count=repaired)
            account = Account(
                ts=self._seat.now(),
                venue_ts=state.time * NS_PER_MS,
                request_ts=began,
                asked_ts=wondered,
                position=state.position(desk.coin),
                equity=state.equity,
                orders=rows,
                repaired=repaired,
                beside=beside[desk.coin],
            )
            desk.outlet.put(account)

    # -- audits ---------------------------------------------------------------------------------

    def _open(self, listed: Sequence[OrderCore], asked: Ns) -> None:
        """Tell of listed orders that are news."""
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

    async def _end_missing(self, dex: str, listed: Sequence[OrderCore], asked: Ns) -> None:
        """Ask after orders that we believe in and that are not listed."""
        missing = self._own.missing([one.cloid or "" for one in listed], asked)
        missing = [cloid for cloid in missing if dex_of(self._own.coin_of(cloid) or "") == dex]
        answers = await self.ask.statuses(missing)
        for cloid, found in zip(missing, answers, strict=True):
            if isinstance(found, RestError):
                continue
            ended_ms = 0 if found is None else found.status_timestamp
            coin = self._own.coin_of(cloid) or ""
            self._repairs[coin] += self.missed.is_late(ended_ms * NS_PER_MS)
            if found is None or never_rested(found.status):  # that tells of its replacement only
                self._findings.close(cloid, UNLISTED)
            else:
                self._findings.tell(cloid, found)
        raise_first(answers)
