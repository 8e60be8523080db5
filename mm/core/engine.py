"""step(event) -> actions, notes: apply, learn, guard, decide, approve, record.

No clock, no await, no log, no socket: the same events give the same actions, bit for bit.
"""

from collections.abc import Callable
from typing import Any

from mm.core import guard, halting
from mm.core.audit import audit, transfer
from mm.core.commands import obey
from mm.core.learning import Learning
from mm.core.quoting import Quoting
from mm.core.settings import EngineSettings
from mm.core.state import State
from mm.core.view import build_view
from mm.model.actions import Action, Data, Note, Severity, Step
from mm.model.events import (
    Account,
    ActionBudget,
    Allowance,
    Bbo,
    Book,
    Command,
    Event,
    Fees,
    Fill,
    Funding,
    Link,
    OrderClosed,
    OrderOpened,
    Reference,
    RejectCode,
    Rejected,
    Rules,
    Start,
    Tick,
    Trades,
    Unresolved,
)
from mm.model.instrument import Instrument
from mm.model.units import Ns
from mm.model.view import View

BESIDE_ORDERS = (Tick, Book, Bbo, Trades, Reference)
"""None of these changes what rests of ours: a Tick only drops orders that had ended."""
RACES = (RejectCode.NOT_OPEN, RejectCode.POST_ONLY)
"""Refusals that a moving market makes unavoidable: a fill or a new price overtook the request."""

Outcome = tuple[list[Action], list[Note]]


class Engine:
    """One instrument on one account: a fold over events."""

    def __init__(self, settings: EngineSettings, instrument: Instrument) -> None:
        self.settings = settings
        self.state = State(settings, instrument)
        self.learning = Learning(settings)
        self.quoting = Quoting(settings)
        self._now: Ns = 0
        # Any: each handler takes the event type that it is registered under
        self._handlers: dict[type, Callable[[Any], Outcome]] = {
            Book: self._market,
            Bbo: self._market,
            Reference: self._market,
            Trades: self._trades,
            Fill: self._fill,
            Funding: self._funding,
            OrderOpened: self._order,
            OrderClosed: self._order,
            Rejected: self._rejected,
            Unresolved: self._unresolved,
            Account: lambda event: audit(self.state, event),
            Fees: self._fees,
            ActionBudget: self._budget,
            Rules: self._rules,
            Allowance: self._allowance,
            Link: self._link,
            Tick: self._tick,
            Command: lambda event: obey(self.state, event),
            Start: self._start,
        }

    def step(self, event: Event) -> Step:
        """Apply one event and, where a cycle is due, requote; what it returns is in flight."""
        state, ts = self.state, event.ts
        self._now = ts
        actions, notes = self._handlers[type(event)](event)
        if not isinstance(event, BESIDE_ORDERS):
            self.learning.follow_orders(state, event)
        if halt := guard.halted(state, ts):
            more = halting.leave(state, halt, event)
        elif self.quoting.due(state, event):
            more = self._cycle(ts)
        else:
            more = [], []
        actions += more[0]
        notes += more[1]
        state.record(actions, ts)
        return Step(tuple(actions), tuple(notes))

    def _cycle(self, ts: Ns) -> Outcome:
        verdict = guard.unhalted(self.state, ts)
        self.learning.update_calibration_status(ts)
        return self.quoting.decide(self.state, self.learning.components, verdict, ts)

    # -- one handler per event ------------------------------------------------------------------

    def _start(self, event: Start) -> Outcome:
        self.state.start(event)
        return [], self.learning.restore(event, self.state.pnl)

    def _market(self, event: Book | Bbo | Reference) -> Outcome:
        self.state.market(event)
        if not isinstance(event, Reference):
            self.learning.learn_market(self.state, event)
        return [], []

    def _trades(self, event: Trades) -> Outcome:
        self.learning.learn_trades(self.state, event)
        self.state.printed(event.own, event.ts)
        return [], []

    def _fill(self, event: Fill) -> Outcome:
        fair = self.state.book.fair_before(event.venue_ts)
        if not self.state.fill(event):
            return [], []
        if event.quote:
            self.learning.learn_fill(event)
        data: Data = {
            "side": event.side.label,
            "price": str(event.price),
            "size": str(event.size),
            "fee_usd": str(event.fee),
            "position": str(self.state.pnl.position),
            "fair": fair,
            "maker": event.quote,
        }
        return [], [Note(event.ts, Severity.INFO, "fill", "Fill", data)]

    def _funding(self, event: Funding) -> Outcome:
        self.state.pnl.fund(event)
        data: Data = {"amount_usd": str(event.amount), "rate": event.rate}
        return [], [Note(event.ts, Severity.INFO, "position", "Funding", data)]

    def _order(self, event: OrderOpened | OrderClosed) -> Outcome:
        self.state.order(event)
        return [], []

    def _rejected(self, event: Rejected) -> Outcome:
        self.state.order(event)
        if event.echo:
            return [], []
        data: Data = {
            "kind": event.kind.value,
            "code": event.code.value,
            "remedy": event.code.remedy.value,
            "venue": event.message,
        }
        if event.code is RejectCode.UNSENT:
            return [], [Note(event.ts, Severity.INFO, "order", "Request not sent", data)]
        severity = Severity.DEBUG if event.code in RACES else Severity.WARNING
        return [], [Note(event.ts, severity, "order", "Venue refused a request", data)]

    def _unresolved(self, event: Unresolved) -> Outcome:
        self.state.order(event)
        data = {"cloid": event.cloid, "kind": event.kind.value}
        text = "Outcome of a request unknown: resolving by client id"
        severity = Severity.DEBUG if event.overtaken else Severity.WARNING
        return [], [Note(event.ts, severity, "order", text, data)]

    def _fees(self, event: Fees) -> Outcome:
        self.state.maker_fee_bps = event.maker_bps
        self.state.fees_ts = event.ts
        return [], []

    def _budget(self, event: ActionBudget) -> Outcome:
        self.state.budget = event
        return [], []

    def _rules(self, event: Rules) -> Outcome:
        self.state.rules(event)
        new = event.instrument
        data: Data = {
            "size_decimals": new.size_decimals,
            "price_decimals": new.price_decimals,
            "max_leverage": new.max_leverage,
        }
        return [], [Note(event.ts, Severity.WARNING, "order", "The venue changed its rules", data)]

    def _allowance(self, event: Allowance) -> Outcome:
        self.state.allow(event)
        return [], []

    def _link(self, event: Link) -> Outcome:
        changed = event.up != self.state.link_up
        self.state.link_up, self.state.link_reason = event.up, event.reason
        if not event.up:
            self.learning.forget_fair(self.state, event.ts)
        calm = event.up or event.reason == "stopped"
        severity = Severity.INFO if calm else Severity.WARNING
        text = "Link up" if event.up else "Link closed" if calm else "Link down"
        note = Note(event.ts, severity, "link", text, {"reason": event.reason})
        return [], [note] if changed else []

    def _tick(self, event: Tick) -> Outcome:
        state = self.state
        state.expire(event.ts)
        moved = state.kill.equity.update(state.pnl.worth, event.ts)
        self.learning.flush(event.ts)
        return [], transfer(moved, event.ts)

    # -- for the shell --------------------------------------------------------------------------

    def view(self) -> View:
        """What an operator sees now; builds values only, changes nothing."""
        return build_view(self.state, self.learning.components, self.quoting, self._now)

    def checkpoint(self) -> bytes:
        """What was learned and earned, for the ledger; `Start.checkpoint` brings it back."""
        return self.learning.components.checkpoint(self.state.pnl.state())
