"""What we believe against what the venue lists: after a gap, in every audit, and after a doubt."""

from collections.abc import Sequence
from typing import Final

from mm.adapters.hyperliquid import convert
from mm.adapters.hyperliquid.answers import FoundOrder
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import OVERLAP_MS, Inbox, ends_order, never_rested
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.rest import Rest
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.wire import OrderCore
from mm.model.events import Account, RejectCode, Rejected, RequestKind
from mm.model.units import NS_PER_MS, Ns

MANY: Final = 10
"""Doubts of which one listing (weight 20) settles most at less cost than a question each (2)."""
NEVER_PLACED: Final = "never placed: unknown to the venue after it expired"


class Reconciler:
    """Every method raises RestError where the venue does not answer: nothing is concluded then."""

    def __init__(
        self, seat: Seat, rest: Rest, own: OwnOrders, inbox: Inbox, outlet: Outlet, health: Health
    ) -> None:
        self._seat = seat
        self._rest = rest
        self._own = own
        self._inbox = inbox
        self._outlet = outlet
        self._health = health
        self.foreign_open = 0
        """Open orders of others on our account, by the latest listing."""

    async def audit(self) -> None:
        """Fills that we missed, then orders and account. Fills first: an Account that is ahead of
        the fills is put right by the next of them, one that lags would stay wrong."""
        await self.back_fill()
        asked = self._seat.now()
        listed = await self.listing()
        await self._compare(listed, asked)
        state = await self._rest.clearinghouse(self._seat.account)
        resting = [one for one in listed if not self._own.has_closed(one.oid)]
        self._outlet.put(
            Account(
                ts=self._seat.now(),
                venue_ts=state.time * NS_PER_MS,
                request_ts=asked,
                position=state.position(self._seat.coin),
                equity=state.equity,
                orders=tuple(convert.open_order(one) for one in resting),
            )
        )

    async def back_fill(self) -> None:
        start_ms = self._inbox.last_fill_ms - OVERLAP_MS
        found = await self._rest.fills_since(self._seat.account, start_ms)
        news = list(self._inbox.fills(found, self._seat.now()))
        self._health.fills_recovered += len(news)
        self._outlet.put_all(news)

    async def listing(self) -> list[OrderCore]:
        """Our own open orders in our coin; foreign ones are counted and left alone."""
        listed = await self._rest.open_orders(self._seat.account)
        own = [one for one in listed if one.coin == self._seat.coin and self._own.is_own(one.cloid)]
        self.foreign_open = len(listed) - len(own)
        return own

    async def resolve(self) -> None:
        """One pass over all doubts and queries; what stays open is asked again later."""
        while self._own.queries:
            cloid = self._own.queries.pop()
            found = (await self._rest.order_status(self._seat.account, cloid)).order
            if found is not None:
                self._tell(cloid, found)
        if len(self._own.doubts) > MANY:
            for one in await self.listing():
                known = self._own.doubts.get(one.cloid or "")
                if known is not None and _executed(known, one.oid):
                    self._opened(one.cloid or "", one.oid)
        for cloid, doubt in list(self._own.doubts.items()):
            await self._resolve(cloid, doubt)

    # -- audits ---------------------------------------------------------------------------------

    async def _compare(self, listed: Sequence[OrderCore], asked: Ns) -> None:
        """Tell of listed orders that are news, and ask after believed ones that are not listed."""
        for one in listed:
            cloid = one.cloid or ""
            known = self._own.open.get(cloid)
            stale = known is not None and known.since >= asked
            if stale or self._own.has_closed(one.oid):
                continue
            if known is None and cloid not in self._own.doubts and not self._own.in_flight(cloid):
                self._health.orphans += 1
            now = self._seat.now()
            self._outlet.put_all(self._own.updated(cloid, one.oid, now, now))
        for cloid in self._own.missing([one.cloid or "" for one in listed], asked):
            found = (await self._rest.order_status(self._seat.account, cloid)).order
            if found is None:
                self._close(cloid, "filled" if cloid in self._own.filled else "unlisted")
            else:
                self._tell(cloid, found)

    def _tell(self, cloid: str, found: FoundOrder) -> None:
        now = self._seat.now()
        status, status_ms = found.status, found.status_timestamp
        self._outlet.put_all(
            self._inbox.order_status(cloid, found.order.oid, status, status_ms, now)
        )

    def _close(self, cloid: str, reason: str) -> None:
        now = self._seat.now()
        self._outlet.put_all(self._own.closed(cloid, None, reason, now, now))

    # -- doubts ---------------------------------------------------------------------------------

    async def _resolve(self, cloid: str, doubt: Doubt) -> None:
        """Conclude from the venue's evidence only. While the request may still be executed, only
        what shows that it was counts; after its expiry the order is as the venue says."""
        if self._own.in_flight(cloid):
            return  # a later request is under way: its answer may tell
        expired = self._seat.now() > doubt.expires  # before asking: the answer is then as final
        found = (await self._rest.order_status(self._seat.account, cloid)).order
        if self._own.doubts.get(cloid) is not doubt:
            return  # settled by the stream meanwhile
        if found is None:
            if expired:
                await self._unknown(cloid, doubt)
        elif ends_order(found.status):
            await self._ended(cloid, doubt, found)
        elif expired or _executed(doubt, found.order.oid):
            self._opened(cloid, found.order.oid)

    async def _ended(self, cloid: str, doubt: Doubt, found: FoundOrder) -> None:
        """A modify ends the old id: ask whether a new one rests under the same client id."""
        if doubt.kind is RequestKind.MODIFY and found.order.oid == doubt.oid:
            resting = await self._rests(cloid)
            if resting is not None:
                self._opened(cloid, resting)
                return
        replaced = _executed(doubt, found.order.oid) and not never_rested(found.status)
        if replaced or doubt.kind is RequestKind.PLACE:
            self._tell(cloid, found)
        else:
            self._close(cloid, found.status)

    async def _unknown(self, cloid: str, doubt: Doubt) -> None:
        """The venue forgets orders after some thousands: listing and fills have the last word."""
        resting = await self._rests(cloid)
        if resting is not None:
            self._opened(cloid, resting)
            return
        await self.back_fill()
        if doubt.kind is RequestKind.PLACE and cloid not in self._own.filled:
            self._own.gone(cloid, "expired")
            self._outlet.put(
                Rejected(
                    ts=self._seat.now(),
                    cloid=cloid,
                    kind=doubt.kind,
                    code=RejectCode.EXPIRED,
                    message=NEVER_PLACED,
                )
            )
        else:
            self._close(cloid, "filled" if cloid in self._own.filled else "unlisted")

    async def _rests(self, cloid: str) -> int | None:
        return next((one.oid for one in await self.listing() if one.cloid == cloid), None)

    def _opened(self, cloid: str, oid: int) -> None:
        now = self._seat.now()
        self._own.doubts.pop(cloid, None)
        self._outlet.put_all(self._own.opened(cloid, oid, now, now))


def _executed(doubt: Doubt, oid: int) -> bool:
    """Does an order of the id `oid` prove that the doubtful request was executed?"""
    if doubt.kind is RequestKind.PLACE:
        return True
    return doubt.kind is RequestKind.MODIFY and oid != doubt.oid
