"""What the venue's evidence makes of one of our orders, told as events."""

from typing import Final

from mm.adapters.hyperliquid.answers import FoundOrder
from mm.adapters.hyperliquid.desks import Desks
from mm.adapters.hyperliquid.inbox import never_rested
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.unsettled import executed
from mm.model.events import RejectCode, Rejected, RequestKind

UNLISTED: Final = "unlisted"
"""Neither known nor listed: its fills have all been told, which may be a part of it."""
NEVER_PLACED: Final = "never placed: unknown to the venue after it expired"


class Findings:
    """Every method is synchronous and ends what it is about."""

    def __init__(self, seat: Seat, own: OwnOrders, desks: Desks) -> None:
        self._seat = seat
        self._own = own
        self._desks = desks

    def tell(self, cloid: str, found: FoundOrder) -> None:
        """The venue's word on one order. Of a coin that we do not trade there is nobody to tell."""
        desk = self._desks.get(found.order.coin)
        if desk is not None:
            self._own.belongs(cloid, desk.coin)
            oid, status_ms = found.order.oid, found.status_timestamp
            now = self._seat.now()
            news = desk.inbox.order_status(cloid, oid, found.status, status_ms, now)
            desk.outlet.put_all(news)

    def close(self, cloid: str, reason: str) -> None:
        now = self._seat.now()
        self._desks.put_all(self._own.closed(cloid, None, reason, now, now))

    def opened(self, cloid: str, oid: int) -> None:
        """The doubt is over: `oid` is what it came to, and its end may have been told meanwhile."""
        now, ended = self._seat.now(), self._own.end_of(oid)
        self._own.doubts.pop(cloid, None)
        if ended is not None:  # by its client id: of the id alone it would be half of a modify
            self.close(cloid, ended)
        else:
            self._desks.put_all(self._own.opened(cloid, oid, now, now))

    def ended(self, cloid: str, doubt: Doubt, found: FoundOrder) -> None:
        replaced = executed(doubt, found.order.oid) and not never_rested(found.status)
        if replaced or doubt.kind is RequestKind.PLACE:
            self.tell(cloid, found)
        else:
            self.close(cloid, found.status)

    def forgotten(self, cloid: str, doubt: Doubt) -> None:
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
            self.close(cloid, UNLISTED)
