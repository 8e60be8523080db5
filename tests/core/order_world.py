"""Core, venue port and model venue together, without sockets or a clock of their own.

The venue's answers, order updates, fills and REST words reach the real `OwnOrders`, `Verdicts`,
`Inbox` and `Reconciler`; what these tell reaches the real `State`, and its actions the venue.

What is assumed while the link is up: a fill is told within `LINGER_NS` of its execution, an answer
within the request's timeout (else it is lost), an order update within two seconds; and once a
request of an order is given up, no answer to an earlier one of it comes.
"""

from collections import deque
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeVar

from mm.adapters.hyperliquid.annul import Annuller
from mm.adapters.hyperliquid.budget import AddressBudget
from mm.adapters.hyperliquid.desks import Desk, Desks
from mm.adapters.hyperliquid.health import Health
from mm.adapters.hyperliquid.inbox import Inbox
from mm.adapters.hyperliquid.outlet import Outlet
from mm.adapters.hyperliquid.own import OwnOrders
from mm.adapters.hyperliquid.reconcile import Reconciler
from mm.adapters.hyperliquid.seat import Seat
from mm.adapters.hyperliquid.sender import Queue
from mm.adapters.hyperliquid.settings import NO_HOOKS, VenueSettings
from mm.adapters.hyperliquid.sweep import Sweeper
from mm.adapters.hyperliquid.verdicts import Ticket, Verdicts
from mm.core.audit import audit
from mm.core.diff import diff, even
from mm.core.orders import LINGER_NS, Order, OrderState
from mm.core.risk import Limits, review
from mm.core.settings import EngineSettings
from mm.core.state import State
from mm.model.actions import Action, Cancel, CancelAll, Modify, Place
from mm.model.events import Account, Event, Fill, Link, Trades
from mm.model.quote import Ladder
from mm.model.units import NS_PER_MS, NS_PER_S, Ns, Side
from tests.core.model_venue import (
    COIN,
    DUPLICATE_NONCE,
    US,
    Clock,
    ModelRest,
    ModelVenue,
    Task,
)
from tests.core.stage import INSTRUMENT

ZERO = Decimal(0)
LIMITS = Limits(max_position=Decimal(6), max_order_usd=Decimal(10**6), fair=Decimal(100))
FILL_LAG = LINGER_NS - 50 * NS_PER_MS
UPDATE_LAG = 2 * NS_PER_S
TIMEOUT = 3 * NS_PER_S
VENUE_EXPIRY = 5 * NS_PER_S
NEVER = 2**63
Word = TypeVar("Word")


class Told(Outlet):
    """Hands each event over at once: there is no event loop here."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        super().__init__(emit)
        self._now_emit = emit

    def put(self, event: Event) -> None:
        self._now_emit(event)


class Signature:
    address = US

    def sign(self, *_: object) -> dict[str, str | int]:
        return {}


class Flight:
    """A signed action under way; `by_rest`: whatever becomes of the connection."""

    def __init__(self, ticket: Ticket, by_rest: bool) -> None:
        self.ticket, self.by_rest = ticket, by_rest
        self.answer: bytes | None = None
        self.awaited = True

    def may_execute(self, ts: Ns) -> bool:
        return self.answer is None and ts - self.ticket.sent <= VENUE_EXPIRY


class World:
    """Core, port and venue, and the words between them."""

    def __init__(self) -> None:
        self.clock = Clock(1_000_000 * NS_PER_S)
        self.venue = ModelVenue(self.clock)
        self.state = State(EngineSettings(), INSTRUMENT)
        self.delivered: dict[int, Decimal] = {}
        self.trace: Callable[[object], None] = lambda _: None
        """Told of every event and action."""
        self.flights: list[Flight] = []
        self.nonce = 0
        self.tasks: list[Task] = []
        self.held: list[Callable[[], None]] | None = None
        self.levels: dict[str, int] = {}
        address = VenueSettings(network="local", coins=(COIN,), base_url="http://127.0.0.1")
        self.seat = Seat(address, Signature(), self.clock)
        self.seat.assets = {COIN: 0}
        health = Health(self.clock, NO_HOOKS)
        outlet = Told(self.emit)
        self.own = OwnOrders("6d6d")
        self.inbox = Inbox(self.seat.account, COIN, self.own, health)
        self.inbox.remember((), self.clock.ms - 1, self.clock.ms - 1)
        self.verdicts = Verdicts(self.own, outlet, health, self.clock.now)
        rest = ModelRest(self.venue)
        desks = Desks(self.own, Desk(COIN, self.inbox, outlet))
        self.reconciler = Reconciler(self.seat, rest, self.own, desks, health)
        self.sweeper = Sweeper(self.seat, rest, self.own, AddressBudget(), desks)
        self.annuller = Annuller(self.seat, rest, self.own, AddressBudget())
        self.outlet = outlet
        self.streams: tuple[tuple[deque[Any], Ns, Callable[[], None]], ...] = (
            (self.venue.fill_words, FILL_LAG, self.next_fill),
            (self.venue.prints, FILL_LAG, self.next_print),
            (self.venue.updates, UPDATE_LAG, self.next_update),
        )
        self.emit(Link(self.clock.ts, True, "connected"))
        self.emit(Account(self.clock.ts, 0, self.clock.ts, ZERO, Decimal(10_000), ()))

    # -- core -----------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        self.trace(event)
        match event:
            case Account():
                actions, _ = audit(self.state, event)
                self.act(actions)
            case Link():
                self.state.link_up = event.up
            case Fill():
                assert event.trade_id not in self.delivered, "a fill is told twice"
                self.delivered[event.trade_id] = event.side * event.size
                self.state.fill(event)
            case Trades():
                self.state.printed(event.own, event.ts)
            case _:
                self.state.order(event)  # type: ignore[arg-type]  # nothing else is told here

    def quote(self, wanted: Ladder, *, sent: bool = True) -> list[Action]:
        """One cycle, as the engine does it at a tick; its actions. `sent`: the wire takes them."""
        self.state.expire(self.clock.ts)
        mismatch = self.state.mismatch
        if not self.state.link_up or (mismatch is not None and mismatch.audits >= 2):
            return []
        actions = diff(wanted, self.state.orders, even(0.0), self.state.cloids)
        approved = review(actions, self.state.orders, self.state.pnl.position, LIMITS).approved
        self._nothing_twice(approved)
        self.act(approved, sent=sent)
        return approved

    def _nothing_twice(self, actions: list[Action]) -> None:
        """A change is not asked for again before its answer, nor anything after a cancel."""
        requests = [r for one in self.flights if one.awaited for r in one.ticket.requests]
        cancelled = {one.cloid for one in requests if isinstance(one, Cancel)}
        replaced = {one.oid for one in requests if isinstance(one, Modify)}
        for action in actions:
            again = isinstance(action, Modify) and action.oid in replaced
            again |= isinstance(action, Modify | Cancel) and action.cloid in cancelled
            assert not again, "asked again before it was answered"

    def flatten(self) -> None:
        """The way out of a position, as a halted engine takes it."""
        position, state = self.state.pnl.position, self.state
        side = Side.ASK if position > 0 else Side.BID
        if position and not state.orders.worst_case(side):
            price, size = Decimal(100) - side * 50, abs(position)
            self.act([Place(next(state.cloids), side, 0, price, size, True, flatten=True)])

    def act(self, actions: list[Action], *, sent: bool = True) -> None:
        self.state.record(actions, self.clock.ts)
        queue = Queue()
        for action in actions:
            self.trace(action)
            if isinstance(action, Place):
                assert action.cloid not in self.levels, "a client id is used twice"
                self.levels[action.cloid] = action.level
            if isinstance(action, Place | Modify | Cancel):
                self.own.belongs(action.cloid, COIN)
                queue.add(action)
        for requests in queue.take():
            now = self.clock.ts
            self.nonce += 1
            expires = self.seat.expiry()
            ticket = Ticket(requests[0].kind, requests, now, expires, self.nonce)
            if not sent:
                self.verdicts.unsent(ticket, "not connected: nothing was sent")
                continue
            self.verdicts.sent(ticket)
            self.flights.append(Flight(ticket, by_rest=not self.state.link_up))

    def pull(self) -> None:
        """While the link is down, as on a stale book: cancels go by REST."""
        resting = [one.cloid for one in self.state.orders if one.state is OrderState.OPEN]
        self.act([Cancel(cloid) for cloid in resting])

    def cancel_all(self) -> None:
        self.state.record([CancelAll("test")], self.clock.ts)
        self.tasks.append(Task("sweep", self.sweeper._round(self.reconciler), self.clock.ts))

    # -- words ----------------------------------------------------------------------------------

    def hear(self, word: Callable[[], None]) -> None:
        if self.held is None:
            word()
        else:
            self.held.append(word)

    def next_update(self, at: int = 0, *, again: bool = False) -> None:
        """`at`: others were said before. `again`: it will be said once more."""
        words = _next(self.venue.updates, at, again)
        self.hear(lambda: self.outlet.put_all(self.inbox.orders(words, self.clock.ts)))

    def next_fill(self, at: int = 0, *, again: bool = False) -> None:
        fill = _next(self.venue.fill_words, at, again)
        self.hear(lambda: self.outlet.put_all(self.inbox.fills([fill], self.clock.ts)))

    def next_print(self, at: int = 0, *, again: bool = False) -> None:
        """Of the market: not held back while a gap is closed."""
        word = _next(self.venue.prints, at, again)
        self.outlet.put_all(self.inbox.trades([word], self.clock.ts))

    def execute(self, flight: Flight, fate: str) -> None:
        expired = b'{"status":"err","response":"Action already expired"}'
        late = not flight.may_execute(self.clock.ts)
        if late or not self.venue.takes(flight.ticket.nonce or 0):
            flight.answer = expired if late else DUPLICATE_NONCE
        else:
            flight.answer = self.venue.execute(flight.ticket.requests, fate)

    def answer(self, flight: Flight) -> None:
        if flight.awaited and flight.answer is not None:
            flight.awaited = False
            self.verdicts.answer(flight.ticket, flight.answer)
            self._may_have_traded(flight)

    def lose(self, flight: Flight) -> None:
        """Alone: the answer to an earlier request of the same order may still come."""
        if flight.awaited:
            flight.awaited = False
            self.verdicts.lost(flight.ticket, "lost")
            self._may_have_traded(flight)

    def _may_have_traded(self, flight: Flight) -> None:
        """An exit by REST: no stream tells of its fills."""
        self.own.traded |= flight.by_rest and isinstance(flight.ticket.requests[0], Place)

    def start(self, name: str) -> None:
        if any(task.name == name for task in self.tasks):
            return
        works = {
            "audit": self.reconciler.audit,
            "insist": self.sweeper.cancel_again,
            "annul": self.annul,
            "resolve": self.resolve,
        }
        self.tasks.append(Task(name, works[name](), self.clock.ts))

    async def annul(self) -> None:
        for nonce in self.annuller.nonces:
            await self.annuller.annul(nonce)

    async def resolve(self) -> None:
        await self.sweeper.cancel_again()
        await self.reconciler.resolver.resolve()
        await self.reconciler.missed.recover()

    def step(self, task: Task, *, fail: bool = False) -> None:
        if task.step(self.clock.ts, fail=fail):
            self.tasks.remove(task)
            if task.name == "reconnect" and not self.state.link_up:  # the next connection tries
                self.venue.disconnect()
                self.held = None

    def wait(self, elapsed: Ns) -> None:
        """Time passes, and no word is later than is assumed."""
        until = self.clock.ts + elapsed
        while (due := self._due()) <= until:
            now = self.clock.ts = max(self.clock.ts, due)
            for stream, lag, hear in self.streams:
                while stream and now - stream[0][0] >= lag:
                    hear()
            for flight in self.flights:
                if now - flight.ticket.sent >= TIMEOUT:
                    self.lose(flight)
            for task in [one for one in self.tasks if now - one.ts >= TIMEOUT]:
                self.step(task, fail=True)
        self.clock.ts = until
        self.flights = [f for f in self.flights if f.awaited or f.may_execute(until)]

    def _due(self) -> Ns:
        """When the next word, answer or task would be too late."""
        found = [stream[0][0] + lag for stream, lag, _ in self.streams if stream]
        found += [one.ticket.sent + TIMEOUT for one in self.flights if one.awaited]
        found += [task.ts + TIMEOUT for task in self.tasks]
        return min(found, default=NEVER)

    # -- the link -------------------------------------------------------------------------------

    def disconnect(self) -> None:
        """With all that the connection was there for, as the port cancels it."""
        self.venue.disconnect()
        for task in [one for one in self.tasks if one.name == "reconnect"]:
            task.work.close()
            self.tasks.remove(task)
        self.held = None
        for flight in self.flights:
            if not flight.by_rest:
                self.lose(flight)
        self.emit(Link(self.clock.ts, False, "lost"))

    async def reconnect(self) -> None:
        """As the port does it: user words held back, what rests and what was filled, then what was
        held back, then the account."""
        self.held = []
        self.venue.subscribe()
        self.inbox.drop_trades_before(self.clock.ms)
        caught = await self.reconciler.catch_up()
        held, self.held = self.held or [], None
        for word in held:
            word()
        self.emit(Link(self.clock.ts, True, "connected"))
        await self.reconciler.confirm(caught)

    def begin_reconnect(self) -> None:
        if any(task.name == "reconnect" for task in self.tasks):
            return
        self.tasks.append(Task("reconnect", self.reconnect(), self.clock.ts))

    # -- truth ----------------------------------------------------------------------------------

    def exposure(self, side: Side) -> Decimal:
        """What this side holds at the venue if all that can still trade there does."""
        total = side * self.venue.position
        total += sum((one.remaining for one in self.venue.resting if one.side is side), ZERO)
        for flight in self.flights:
            annulled = flight.ticket.nonce in self.venue.nonces
            if flight.may_execute(self.clock.ts) and not annulled:
                total += sum((self._adds(one, side) for one in flight.ticket.requests), ZERO)
        return total

    def _adds(self, request: Place | Modify | Cancel, side: Side) -> Decimal:
        if isinstance(request, Cancel) or request.side is not side:
            return ZERO
        if isinstance(request, Modify) and self.venue.orders[request.oid].status != "open":
            return ZERO
        if request.reduce_only or (isinstance(request, Place) and request.flatten):
            return min(request.size, max(ZERO, -side * self.venue.position))
        return request.size

    def live_orders(self) -> set[tuple[str, int | None, Decimal, Decimal]]:
        ours: Iterable[Order] = self.state.orders
        return {(o.cloid, o.oid, o.price, o.remaining) for o in ours if not o.ended}

    @property
    def may_annul(self) -> bool:
        return bool(self.annuller.nonces)

    @property
    def insists(self) -> bool:
        return any(doubt.to_cancel for doubt in self.own.doubts.values())

    def venue_ids(self) -> dict[str, int]:
        return {one.cloid: one.oid for one in self.venue.resting}

    def settle(self) -> None:
        """All that is on its way arrives; all doubts end; three audits."""
        if not self.state.link_up:
            self.begin_reconnect()
        for _ in range(8):
            self.drain()
            self.wait(NS_PER_S)
        for _ in range(3):
            self.start("audit")
            self.drain()
            self.wait(20 * NS_PER_S)
            self.drain()
            self.state.expire(self.clock.ts)
        self.wait(NS_PER_S)
        self.state.expire(self.clock.ts)

    def close(self) -> None:
        """What has not ended never will."""
        for task in self.tasks:
            task.work.close()

    def drain(self) -> None:
        """Every word and every task, until there is nothing left to do now."""
        for flight in list(self.flights):
            if flight.answer is None:
                self.execute(flight, "done")
            self.answer(flight)
        self.flights.clear()
        if self.own.doubts or self.own.queries or self.reconciler.missed.due:
            self.start("resolve")
        while self.tasks or self.venue.says:
            for task in list(self.tasks):
                self.clock.ts += NS_PER_MS // 10  # no two steps at the same time
                self.step(task)
            for stream, _, hear in self.streams:
                if stream:
                    hear()


def _next(stream: deque[tuple[Ns, Word]], at: int, again: bool) -> Word:
    at %= len(stream)
    _, word = stream[at]
    if not again:
        del stream[at]
    return word
