"""What refusals ask of the next requests: to wait, to be priced anew, to be smaller, or to end."""

from collections.abc import Iterable
from decimal import Decimal

from msgspec import structs

from mm.core.orders import Order, Orders
from mm.model.actions import Action, Cancel, Modify, Place
from mm.model.events import RejectCode, Rejected, Remedy, RequestKind
from mm.model.units import NS_PER_S, Ns, Side

FIRST_WAIT_NS = NS_PER_S
MAX_WAIT_NS = 16 * NS_PER_S
CALM_NS = 60 * NS_PER_S
"""So long without a refusal, patience begins anew, and half of what was given up is asked for."""
ONE, LEAST_SHARE = Decimal(1), Decimal(1) / 64
REQUESTS = Place, Modify, Cancel


class Recourse:
    """Carries out the remedies of one engine's refusals; DROP asks for nothing.

    Refusals of requests that were sent before the last one was heard are no news: it was too late
    to mend them. Each way only ever asks for less than the user allows.
    """

    def __init__(self) -> None:
        self.halt = ""
        """Why no request can succeed until somebody has looked, or ""."""
        self.share = ONE
        """Of the room that limits leave: halved by each refusal for want of margin."""
        self._shrunk: Ns = -1
        self._heard: Ns = -1
        self._until: Ns = 0
        self._wait: Ns = FIRST_WAIT_NS
        self._waits_for = ""
        self._rated: dict[RequestKind, Ns] = {}
        """When the minute's request weight last did not suffice for one of this kind that sheds
        risk: such go whatever else waits."""
        self._dated: dict[Side, tuple[Ns, Decimal]] = {}
        """Price that a side was refused at, and when: by a book of before, no more of that."""

    def heard(self, event: Rejected, order: Order) -> bool:
        """Before the order itself hears of it. False where it is no news."""
        match event.code.remedy:
            case Remedy.HALT:
                self.halt = f"venue refuses us: {event.message} (ask `mm doctor`)"
            case Remedy.RETRY if event.code is not RejectCode.BUDGET:  # that is rationed
                return self._be_patient(event, order)
            case Remedy.REPRICE:
                change = order.replacement
                self._dated[order.side] = event.ts, change.price if change else order.price
            case Remedy.RESIZE if event.code is RejectCode.MARGIN:  # else: the venue's rules change
                return self._shrink(event, order)
        return True

    def _shrink(self, event: Rejected, order: Order) -> bool:
        if order.sent_ts <= self._shrunk:
            return False
        self.share, self._shrunk = max(LEAST_SHARE, self.share / 2), event.ts
        return True

    def _be_patient(self, event: Rejected, order: Order) -> bool:
        if order.sent_ts <= self._heard:
            return False
        if event.ts - self._until > CALM_NS:
            self._wait = FIRST_WAIT_NS
        self._heard, self._until = event.ts, event.ts + self._wait
        self._wait = min(2 * self._wait, MAX_WAIT_NS)
        self._waits_for = event.code.value
        if event.code is RejectCode.RATE and not _adds_risk(event, order):
            self._rated[event.kind] = event.ts
        return True

    def expire(self, ts: Ns) -> None:
        """What was given up for want of margin is asked for again, by doubling."""
        if self.share < ONE and ts - self._shrunk >= CALM_NS:
            self.share, self._shrunk = min(ONE, 2 * self.share), ts

    def waiting(self, ts: Ns) -> str:
        """What we wait for before anything new is asked, or ""."""
        return self._waits_for if ts < self._until else ""

    def review(
        self,
        actions: Iterable[Action],
        orders: Orders,
        position: Decimal,
        seen_ts: Ns | None,
        ts: Ns,
    ) -> list[Action]:
        """What may be asked now, the book having been seen at `seen_ts`.

        Cancels always, and what reduces a position: the first order of that side goes as nothing
        else. An order that rests closer to the market than it should and may not be moved is
        cancelled. What even so is refused for request weight, is asked for again once a second.
        """
        kept: list[Action] = []
        for wanted in actions:
            action = _only_out(wanted, position) if ts < self._until else wanted
            if not isinstance(action, Place | Modify) or self._may(action, seen_ts, ts):
                kept.append(action)
            elif isinstance(action, Modify):
                order = orders.get(action.cloid)
                if order is not None and action.side * (order.price - action.price) > 0:
                    kept.append(Cancel(action.cloid))
        return [action for action in kept if not self._is_rated(action, ts)]

    def _is_rated(self, action: Action, ts: Ns) -> bool:
        refused = self._rated.get(action.kind) if isinstance(action, REQUESTS) else None
        return refused is not None and ts - refused < FIRST_WAIT_NS

    def _may(self, action: Place | Modify, seen_ts: Ns | None, ts: Ns) -> bool:
        if ts < self._until and not action.reduce_only:
            return False
        at, price = self._dated.get(action.side, (None, action.price))
        newer = at is None or (seen_ts is not None and seen_ts > at)
        return newer or action.side * (action.price - price) < 0


def _adds_risk(event: Rejected, order: Order) -> bool:
    return event.kind is not RequestKind.CANCEL and not order.reduce_only


def _only_out(action: Action, position: Decimal) -> Action:
    """The first order of the side that brings the position to zero, no larger than that."""
    if not isinstance(action, Place) or action.level != 1 or action.side * position >= 0:
        return action
    return structs.replace(action, size=min(action.size, abs(position)), reduce_only=True)
