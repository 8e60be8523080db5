"""What came of our requests: answers, refusals and losses, item by item, told as events."""

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeAlias

import msgspec
from msgspec import Raw, Struct

from mm.adapters.hyperliquid import answers, rejects
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.own import Doubt, OwnOrders
from mm.adapters.hyperliquid.wire import PostResponse
from mm.model.actions import Cancel, Modify, Place, Severity
from mm.model.events import (
    OrderClosed,
    OrderOpened,
    RejectCode,
    Rejected,
    RequestKind,
    Unresolved,
)
from mm.model.exchange import Done, Filled, Item, Refused, Resting
from mm.model.units import Ns, seconds

Request: TypeAlias = Place | Modify | Cancel

BY_OLD_RULES: Final = (
    RejectCode.TICK, RejectCode.SIZE, RejectCode.MIN_NOTIONAL, RejectCode.MARGIN,
)  # fmt: skip
"""We round by the venue's rules, and keep to its leverage: so refused, they are not those that we
know."""


class Ticket(Struct, frozen=True):
    """One signed action under way. `expires`: our clock, after which it cannot be executed.
    `nonce` None: it was not signed."""

    kind: RequestKind
    requests: tuple[Request, ...]
    sent: Ns
    expires: Ns
    nonce: int | None = None

    @property
    def cloids(self) -> list[str]:
        return [request.cloid for request in self.requests]


class News(Protocol):
    """Where it is told what became of an order."""

    def put(self, event: Rejected | Unresolved) -> None: ...
    def put_all(self, events: Iterable[OrderOpened | OrderClosed]) -> None: ...


class Verdicts:
    """Ends each ticket exactly once."""

    def __init__(self, own: OwnOrders, outlet: News, health: Health, now: Callable[[], Ns]) -> None:
        self.own = own
        self._outlet = outlet
        self._health = health
        self._now = now
        self.wake: Callable[[], None] = lambda: None
        """Called when there is something to resolve."""
        self.cancel_again: Callable[[], None] = lambda: None
        """Called when a cancel was lost."""
        self.annul: Callable[[], None] = lambda: None
        """Called when another request was lost."""
        self.on_old_rules: Callable[[], None] = lambda: None
        """Called where a refusal shows that the venue's ticks or lots have changed."""
        self.on_spent: Callable[[], None] = lambda: None
        """Called where the venue says that the address has no actions left."""
        self.on_low_nonce: Callable[[int], None] = lambda _: None
        """Called with the nonce that ours had to be above."""
        self.on_expired: Callable[[], None] = lambda: None
        """Called where the venue came to an action after its expiry."""
        self.on_too_many: Callable[[], None] = lambda: None
        """Called where the address's request weight is spent."""

    def sent(self, ticket: Ticket) -> None:
        self.own.sent(ticket.cloids)
        self._health.sent[ticket.kind] += len(ticket.requests)

    def reply(self, ticket: Ticket, response: PostResponse) -> None:
        """A websocket answer; `error` stands for what REST would say with a status above 399."""
        if response.type != "error":
            self.answer(ticket, response.payload)
            return
        words = bytes(response.payload).decode(errors="replace").strip('"')
        if words.startswith("429"):
            self.on_too_many()
        if words.startswith("4") or rejects.classify(words) is not RejectCode.OTHER:
            self.refused(ticket, words)
        else:
            self.lost(ticket, words)

    def answer(self, ticket: Ticket, payload: bytes | Raw) -> None:
        try:
            items = answers.items(payload, len(ticket.requests))
        except msgspec.DecodeError as error:
            self.lost(ticket, f"unreadable answer: {error}")
            return
        self.own.answered(ticket.cloids)
        now = self._now()
        self._health.round_trip(ticket.kind, seconds(now - ticket.sent))
        if isinstance(items[0], answers.Whole):
            self._refuse_all(ticket, rejects.classify(items[0].message), items[0].message)
            return
        for request, item in zip(ticket.requests, items, strict=True):
            self._settle(ticket, request, item, now)

    def refused(self, ticket: Ticket, words: str) -> None:
        """Nothing was done."""
        self.own.answered(ticket.cloids)
        self._refuse_all(ticket, rejects.classify(words), words)

    def unsent(self, ticket: Ticket, words: str, code: RejectCode = RejectCode.UNSENT) -> None:
        """Nothing went out: the venue never saw it. `code`: what it would have said."""
        self._tell_all(ticket, code, words)

    def lost(self, ticket: Ticket, reason: str) -> None:
        """It may or may not have been executed: doubt, to be resolved by client id."""
        self.own.answered(ticket.cloids)
        kind, count = ticket.kind.value, len(ticket.requests)
        self._health.note(
            Severity.DEBUG, "order", "Outcome unknown", action=kind, count=count, reason=reason
        )
        for request in ticket.requests:
            if not self._known_done(ticket.kind, request):
                self._doubt(ticket, request, nonce=ticket.nonce)
        (self.cancel_again if ticket.kind is RequestKind.CANCEL else self.annul)()

    def _known_done(self, kind: RequestKind, request: Request) -> bool:
        """Has the stream already told of its success?"""
        known = self.own.open.get(request.cloid)
        if known is None or kind is RequestKind.CANCEL:
            return False
        return not isinstance(request, Modify) or known.oid > request.oid

    # -- one item -------------------------------------------------------------------------------

    def _settle(self, ticket: Ticket, request: Request, item: Item, ts: Ns) -> None:
        own, cloid = self.own, request.cloid
        match item:
            case Refused(message=message):
                self._refuse(ticket, request, message)
            case Resting(oid=oid):
                self._outlet.put_all(own.opened(cloid, oid, ts, ts))
            case Filled(oid=oid):
                self._outlet.put_all(own.closed(cloid, oid, "filled", ts, ts))
            case Done() if ticket.kind is RequestKind.CANCEL:
                self._outlet.put_all(own.closed(cloid, None, "canceled", ts, ts))
            case Done():
                self._doubt(ticket, request)

    def _refuse(self, ticket: Ticket, request: Request, message: str) -> None:
        kind, cloid = ticket.kind, request.cloid
        code = rejects.classify(message)
        self._count(code)
        if code is RejectCode.NOT_OPEN and self._may_live_on(kind, cloid):
            self._doubt(ticket, request, overtaken=True)
            return
        gone = rejects.order_gone(message) or code is RejectCode.NOT_OPEN
        if gone and kind is not RequestKind.PLACE:
            self.own.gone(cloid, "canceled")
        elif kind is RequestKind.MODIFY:
            self.own.queries.add(cloid)  # the venue does not say whether the old order rests
            self.wake()
        gone = gone and kind is not RequestKind.PLACE
        now = self._now()
        self._outlet.put(
            Rejected(ts=now, cloid=cloid, kind=kind, code=code, message=message, gone=gone)
        )

    def _may_live_on(self, kind: RequestKind, cloid: str) -> bool:
        """The refusal names an order id that is gone: its client id may rest under another. Or it
        traded, and we did not hear of it: until the venue has said how it ended, it counts."""
        return kind is RequestKind.MODIFY or self.own.in_flight(cloid) or cloid in self.own.open

    # -- all items ------------------------------------------------------------------------------

    def _refuse_all(self, ticket: Ticket, code: RejectCode, words: str) -> None:
        """One word on the whole action: one refusal, of which each order hears."""
        self._count(code)
        if (nonce := rejects.lowest_nonce(words)) is not None:
            self.on_low_nonce(nonce)
        if code is RejectCode.NOT_OPEN or rejects.order_gone(words):
            for request in ticket.requests:  # true of one of them at least: it does not say which
                self._doubt(ticket, request, overtaken=True)
        else:
            self._tell_all(ticket, code, words)

    def _tell_all(self, ticket: Ticket, code: RejectCode, words: str) -> None:
        """To each coin's engine it is the refusal of the first order, and an echo of the others."""
        told: set[str | None] = set()
        for cloid in ticket.cloids:
            coin = self.own.coin_of(cloid)
            event = Rejected(
                ts=self._now(),
                cloid=cloid,
                kind=ticket.kind,
                code=code,
                message=words,
                echo=coin in told,
            )
            told.add(coin)
            self._outlet.put(event)

    def _count(self, code: RejectCode) -> None:
        self._health.rejects[code] += 1
        if code in BY_OLD_RULES:
            self.on_old_rules()
        elif code is RejectCode.EXPIRED:
            self.on_expired()
        elif code is RejectCode.BUDGET:
            self.on_spent()

    def _doubt(
        self,
        ticket: Ticket,
        request: Request,
        *,
        overtaken: bool = False,
        nonce: int | None = None,
    ) -> None:
        now, known = self._now(), self.own.doubts.get(request.cloid)
        if known is not None and known.expires > ticket.expires:
            return  # of a later request: what becomes of that decides
        self.own.doubts[request.cloid] = Doubt(
            kind=ticket.kind,
            expires=ticket.expires,
            oid=request.oid if isinstance(request, Modify) else None,
            to_cancel=isinstance(request, Cancel) and not overtaken,
            nonce=None if isinstance(request, Cancel) else nonce,
        )
        self._health.unresolved += not overtaken
        self._outlet.put(
            Unresolved(ts=now, cloid=request.cloid, kind=ticket.kind, overtaken=overtaken)
        )
        self.wake()
