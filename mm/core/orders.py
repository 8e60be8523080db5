"""The life of our orders, by client id: what we intend, what the venue said, what may still happen.

Every pair of state and evidence is handled. A terminal state comes only from the venue's word;
until then an order counts in the worst case, with its old and its new size while a modify is in
flight. Client ids stay through a modify, venue ids (oid) change: evidence about a replaced oid is
history and changes nothing but the position, and what may still be unseen of its fills.
"""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

from mm.model.actions import Modify, Place
from mm.model.events import (
    Fill,
    OrderClosed,
    OrderOpened,
    OwnPrint,
    RejectCode,
    Rejected,
    RequestKind,
    Unresolved,
)
from mm.model.units import NS_PER_MS, Ns, Side

ZERO = Decimal(0)
LINGER_NS = 500 * NS_PER_MS
"""What is cancelled or replaced counts this long: its last fill may be behind the news of it."""


class OrderState(StrEnum):
    PENDING = "pending"  # place sent, no word yet
    OPEN = "open"
    MODIFYING = "modifying"
    CANCELLING = "cancelling"
    UNKNOWN = "unknown"  # outcome of a request lost; being resolved by the venue port
    LINGERING = "lingering"  # gone by the venue's word; a late fill is still possible
    CLOSED = "closed"


BUSY = (OrderState.PENDING, OrderState.MODIFYING, OrderState.CANCELLING, OrderState.UNKNOWN)
ENDED = (OrderState.LINGERING, OrderState.CLOSED)


class Order:
    """One client id. `size` and `filled` are those of the current venue id."""

    __slots__ = (
        "_lates", "cloid", "filled", "flatten", "level", "linger_until", "oid",
        "old_gone", "price", "reduce_only", "replacement", "retired", "sent_ts", "shown", "side",
        "size", "state",
    )  # fmt: skip

    def __init__(self, place: Place, ts: Ns) -> None:
        self.cloid = place.cloid
        self.side = place.side
        self.level = place.level
        self.price = place.price
        self.size = place.size
        self.shown = (self.side, float(self.price), float(self.size))
        """How a snapshot of the book shows it."""
        self.reduce_only = place.reduce_only or place.flatten
        self.flatten = place.flatten
        self.filled = ZERO
        self.oid: int | None = None
        self.state = OrderState.PENDING
        self.sent_ts = ts
        self.replacement: Modify | None = None
        self.old_gone = False
        self.retired: list[int] = []
        self.linger_until: Ns | None = None
        self._lates: list[tuple[Ns, Decimal]] = []
        """What each other venue id than the current one may have traded unseen, and until when."""

    @property
    def remaining(self) -> Decimal:
        return max(ZERO, self.size - self.filled) if self.filled else self.size

    @property
    def late(self) -> Decimal:
        """What may have traded unseen under former venue ids."""
        return sum([size for _, size in self._lates], ZERO) if self._lates else ZERO

    @property
    def worst_case(self) -> Decimal:
        """The most that may still trade by this client id, whatever the answers say."""
        if self.state is OrderState.CLOSED:
            return ZERO
        worst = self.remaining + self.late
        return worst if self.replacement is None else worst + self.replacement.size

    @property
    def live(self) -> bool:
        """Rests at the venue as far as anyone knows: exposed to takers, from open to gone."""
        known = self.oid is not None and not self.old_gone
        return known and not self.ended and self.filled < self.size

    @property
    def ended(self) -> bool:
        """Rests no more by the venue's word: nothing brings it back."""
        return self.state in ENDED

    @property
    def ageing(self) -> bool:
        """Whether time alone may change it."""
        return bool(self._lates) or self.state in ENDED

    @property
    def busy(self) -> bool:
        return self.state in BUSY

    # -- our requests ---------------------------------------------------------------------------

    def modify_sent(self, modify: Modify, ts: Ns) -> None:
        self.replacement, self.state, self.sent_ts = modify, OrderState.MODIFYING, ts

    def cancel_sent(self, ts: Ns) -> None:
        """Repeated while halted: only the first starts the clock; a doubt stays a doubt."""
        if not self.ended and self.state not in (OrderState.CANCELLING, OrderState.UNKNOWN):
            self.state, self.sent_ts = OrderState.CANCELLING, ts

    # -- the venue's word -----------------------------------------------------------------------

    def opened(self, event: OrderOpened) -> None:
        if event.oid in self.retired or self.ended:
            return
        if event.oid != self.oid:
            self._adopt(event.oid, event.ts)
        elif self.old_gone:
            return  # overtaken by its own end
        elif self.state is OrderState.UNKNOWN:
            self.replacement = None  # resolved: still the old order, so the modify never happened
        if self.state in (OrderState.PENDING, OrderState.UNKNOWN) or (
            self.state is OrderState.MODIFYING and self.replacement is None
        ):
            self.state = OrderState.OPEN

    def _adopt(self, oid: int, ts: Ns) -> None:
        """A new venue id: the first, or the one that replaces the old."""
        if self.oid is not None:
            self.retired.append(self.oid)
            self._count_late(self.remaining, ts)
        self.oid = oid
        if self.replacement is not None:
            self.price, self.size = self.replacement.price, self.replacement.size
            self.shown = (self.side, float(self.price), float(self.size))
            self.reduce_only = self.replacement.reduce_only
            self.filled, self.replacement, self.old_gone = ZERO, None, False

    def closed(self, event: OrderClosed) -> None:
        if event.oid in self.retired or self.state is OrderState.CLOSED:
            return
        if event.oid is not None and event.oid != self.oid and not self.ended:
            self._adopt(event.oid, event.ts)
        elif self.replacement is not None and event.oid is not None:
            if event.reason == "canceled":
                self.old_gone = True  # half of the modify; the answer decides the rest
                return
            self.replacement = None  # it ended otherwise: there was nothing left to modify
        self._linger(event.ts, filled=event.reason == "filled")

    def rejected(self, event: Rejected) -> None:
        if self.ended:
            return
        gone = event.gone or event.code is RejectCode.NOT_OPEN
        if event.kind is RequestKind.MODIFY:
            gone = gone or self.old_gone
            self.replacement = None
        if event.kind is RequestKind.PLACE:
            self.state = OrderState.CLOSED
        elif gone:
            self._linger(event.ts, filled=False)
        elif self.oid is not None:
            self.state = OrderState.OPEN

    def unresolved(self, event: Unresolved) -> None:
        overtaken = event.kind is RequestKind.PLACE and self.replacement is not None
        if self.busy and not overtaken:  # else its modify is under way, whose answer decides
            self.state = OrderState.UNKNOWN

    def fill(self, fill: Fill) -> None:
        """Count a fill; it may be the first word of a new venue id, but answers no request."""
        if fill.oid in self.retired or (self.ended and fill.oid != self.oid):
            self._settle_late(fill.size)
        else:
            if fill.oid != self.oid:
                self._adopt(fill.oid, fill.ts)
            self.filled += fill.size
            if not self.remaining and self.replacement is None:
                self.state = OrderState.LINGERING
        self._close_if_settled()

    def _linger(self, ts: Ns, *, filled: bool) -> None:
        """Gone. If all of it filled, it counts until its fills are seen; else for `LINGER_NS`.

        An immediate-or-cancel order is called filled whatever part of it was.
        """
        certain = filled and self.replacement is None and not self.flatten
        if self.replacement is not None:
            self._count_late(self.replacement.size, ts)
        self.replacement, self.old_gone = None, False
        self.state = OrderState.LINGERING
        self.linger_until = None if certain else ts + LINGER_NS
        self._close_if_settled()

    def _count_late(self, size: Decimal, ts: Ns) -> None:
        if size:
            self._lates.append((ts + LINGER_NS, size))

    def _settle_late(self, size: Decimal) -> None:
        """A fill of a former id is seen: the oldest doubt is less by it."""
        while size > 0 and self._lates:
            until, doubt = self._lates.pop(0)
            if doubt > size:
                self._lates.insert(0, (until, doubt - size))
            size -= doubt

    def _close_if_settled(self) -> None:
        if self.state is OrderState.LINGERING and not self.worst_case:
            self.state = OrderState.CLOSED

    def expire(self, ts: Ns) -> None:
        if self._lates:
            self._lates = [(until, size) for until, size in self._lates if until > ts]
        if self.linger_until is not None and ts >= self.linger_until:
            self.state = OrderState.CLOSED
        self._close_if_settled()


class Orders:
    """All orders of this run that are not closed, by client id, and the worst case of each side."""

    def __init__(self) -> None:
        self._orders: dict[str, Order] = {}
        self._untold: dict[tuple[int, Ns], tuple[Ns, OwnPrint]] = {}
        """Prints of our own, and when they were heard, whose fills have not been told."""

    # -- fills that only the tape tells of ------------------------------------------------------

    def printed(self, own: OwnPrint, ts: Ns) -> None:
        """It counts in the worst case until its fill comes: the order it took may have left by
        then. A silent account stream would else hide it until the next audit."""
        self._untold[own.trade_id, own.venue_ts] = ts, own

    def told(self, trade_id: int, venue_ts: Ns) -> None:
        self._untold.pop((trade_id, venue_ts), None)

    def told_until(self, ts: Ns) -> None:
        """All fills were listed at `ts`: what was heard before is among them, or not ours."""
        for key in [key for key, (heard, _) in self._untold.items() if heard < ts]:
            del self._untold[key]

    # -- orders ---------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Order]:
        return iter(self._orders.values())

    def __len__(self) -> int:
        return len(self._orders)

    def get(self, cloid: str | None) -> Order | None:
        return self._orders.get(cloid) if cloid is not None else None

    def add(self, order: Order) -> None:
        self._orders[order.cloid] = order

    def side(self, side: Side) -> list[Order]:
        return [order for order in self._orders.values() if order.side is side]

    def standing(self) -> set[Side]:
        """The sides of which any order rests or may yet."""
        return {order.side for order in self._orders.values() if not order.ended}

    def worst_case(self, side: Side) -> Decimal:
        worst = sum((o.worst_case for o in self._orders.values() if o.side is side), ZERO)
        if self._untold:
            worst += sum((p.size for _, p in self._untold.values() if p.side is side), ZERO)
        return worst

    def live_prices(self, side: Side) -> tuple[float, ...]:
        """Prices of our resting quotes, closest to the market first: what takers are exposed to."""
        orders = self._orders.values()
        prices = {o.shown[1] for o in orders if o.side is side and o.live and not o.flatten}
        return tuple(sorted(prices, reverse=side is Side.BID))

    def sizes(self) -> list[tuple[Side, float, float]]:
        """(side, price, size) of all that a snapshot of the book may show of ours."""
        orders = self._orders.values()
        new = [order.replacement for order in orders if order.replacement is not None]
        return [o.shown for o in orders] + [(m.side, float(m.price), float(m.size)) for m in new]

    def expire(self, ts: Ns) -> list[str]:
        """Let go of closed orders; their client ids are returned."""
        closed = []
        for order in [o for o in self._orders.values() if o.ageing]:
            order.expire(ts)
            if order.state is OrderState.CLOSED:
                del self._orders[order.cloid]
                closed.append(order.cloid)
        return closed
