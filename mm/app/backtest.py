"""Virtual time: the real engine against the sans-I/O exchange, no sockets, no waiting.

The clock is the time of the next thing to happen. Latency is what the wire would add each way.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import count

from msgspec import Struct

from mm.app.ports import Recorder
from mm.app.translate import Translator
from mm.app.turn import turn
from mm.core.engine import Engine
from mm.model.actions import Action
from mm.model.events import Account, ActionBudget, Event, Fees, Link, Start, Tick
from mm.model.exchange import LocalExchange
from mm.model.units import NS_PER_MS, Ns, nanoseconds

USER = "0x" + "6d" * 20


class Pace(Struct, frozen=True, kw_only=True):
    """How often the world is seen. `latency_ms` each way; the full book every `book_s`."""

    quote_interval_s: float = 1.0
    latency_ms: int = 20
    book_s: float = 2.0
    audit_s: float = 60.0


class Agenda:
    """What is due, in time order; ties in the order in which they were put."""

    def __init__(self) -> None:
        self._heap: list[tuple[Ns, int, Event | tuple[Action, ...]]] = []
        self._order = count()

    def put(self, ts: Ns, what: Event | tuple[Action, ...]) -> None:
        heapq.heappush(self._heap, (ts, next(self._order), what))

    def put_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self.put(event.ts, event)

    @property
    def next_ts(self) -> Ns:
        return self._heap[0][0]

    def pop(self) -> tuple[Ns, Event | tuple[Action, ...]]:
        ts, _, what = heapq.heappop(self._heap)
        return ts, what


class Backtest:
    """One engine, one exchange, one virtual clock."""

    def __init__(
        self,
        engine: Engine,
        exchange: LocalExchange,
        start_ms: int,
        pace: Pace,
        recorders: Sequence[Recorder] = (),
    ) -> None:
        self.engine = engine
        self.exchange = exchange
        self.now: Ns = start_ms * NS_PER_MS
        self._recorders = recorders
        self._latency: Ns = pace.latency_ms * NS_PER_MS
        self._translator = Translator(engine.state.instrument, USER, self._latency)
        self._agenda = Agenda()
        self._period = nanoseconds(pace.quote_interval_s)
        self._book_period = nanoseconds(pace.book_s)
        self._audit_period = nanoseconds(pace.audit_s)
        self._market_due: Ns = exchange.next_ms() * NS_PER_MS
        """When the exchange has something to do; only its own steps and requests change it."""
        self._begin()

    def _begin(self) -> None:
        ts, agenda = self.now, self._agenda
        rates = self.exchange.fee_rates(USER)
        zero = Decimal(0)
        agenda.put(ts, Start(ts, "00000001", zero, zero, "", None, None, None))
        agenda.put(ts, Fees(ts, float(rates.maker) * 1e4, float(rates.taker) * 1e4))
        self._book_due = self._audit_due = ts
        self._poll(ts)
        agenda.put(ts + self._latency, Link(ts + self._latency, True, "virtual"))
        agenda.put(ts + self._period, Tick(ts + self._period))

    def run(self, until_ms: int, done: Callable[[Engine], bool] | None = None) -> None:
        """Go on to `until_ms`, or until `done` says so after a Tick."""
        end: Ns = until_ms * NS_PER_MS
        while True:
            market = self._market_due
            poll = min(self._book_due, self._audit_due)
            due = min(market, poll, self._agenda.next_ts)
            if due > end:
                self.now = end
                return
            self.now = max(self.now, due)
            if due == market:
                self._advance(due)
            elif due == poll:
                self._poll(due)
            elif self._happen() and done is not None and done(self.engine):
                return

    def _advance(self, ts: Ns) -> None:
        for output in self.exchange.advance(ts // NS_PER_MS):
            self._agenda.put_all(self._translator.events(output, ts))
        self._market_due = self.exchange.next_ms() * NS_PER_MS

    def _poll(self, ts: Ns) -> None:
        """The periodic snapshots: full book, account."""
        if ts >= self._book_due:
            self._book_due = ts + self._book_period
            self._agenda.put_all(self._translator.book(self.exchange, ts))
        if ts >= self._audit_due:
            self._audit_due = ts + self._audit_period
            self._agenda.put(ts + self._latency, self._account(ts))
            limit = self.exchange.rate_limit(USER)
            budget = ActionBudget(ts + self._latency, limit.used, limit.cap)
            self._agenda.put(budget.ts, budget)

    def _account(self, ts: Ns) -> Account:
        state = self.exchange.account(USER, ts // NS_PER_MS)
        name = self.engine.state.instrument.name
        position = sum((p.size for p in state.positions if p.coin == name), Decimal(0))
        orders = self._translator.open_orders(self.exchange.open_orders(USER))
        return Account(ts + self._latency, ts, ts, position, state.equity, orders)

    def _happen(self) -> bool:
        """The next thing on the agenda; True where it was a Tick."""
        ts, what = self._agenda.pop()
        if isinstance(what, tuple):
            self._translator.submit(self.exchange, what, ts // NS_PER_MS)
            self._market_due = self.exchange.next_ms() * NS_PER_MS
            return False
        step = turn(self.engine, self._recorders, what)
        if step.actions:
            self._agenda.put(ts + self._latency, step.actions)
        if isinstance(what, Tick):
            self._agenda.put(ts + self._period, Tick(ts + self._period))
            return True
        return False
