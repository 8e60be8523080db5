"""Comparing what we believe with the venue's own word: position, equity, open orders."""

from decimal import Decimal

from mm.core.orders import Order, OrderState
from mm.core.state import Mismatch, State
from mm.model.actions import Action, Cancel, Note, Severity
from mm.model.events import Account, OrderClosed, OrderOpened, RequestKind, Unresolved
from mm.model.units import NS_PER_S, Ns

GRACE_NS = 2 * NS_PER_S
"""An order or fill this young may be missing from a snapshot only because of latency."""
IN_DOUBT_NS = 15 * NS_PER_S
"""Longer than any action's expiry: after it an order that the venue does not list never was."""


def audit(state: State, event: Account) -> tuple[list[Action], list[Note]]:
    """Repair what differs; returns cancels for orphans and a note for everything that was wrong.

    The first snapshot is where position and equity begin. Later a position that differs (and no
    fill is on its way) starts the mismatch clock, which the guard turns into a halt. Orders are put
    right at once; where that is needed audit after audit, the guard withdraws until it is not.
    """
    state.book.hear_clock(event)
    state.orders.told_until(event.request_ts)
    is_known = state.audited or _may_begin(state, event)
    notes = _money(state, event) if is_known else []
    actions: list[Action] = []
    if event.orders is not None:
        actions, more = _orders(state, event)
        notes += more
        state.unlike = state.unlike + 1 if more or event.repaired else 0
    state.audited = is_known
    return actions, notes


def _may_begin(state: State, event: Account) -> bool:
    """An exit goes out before the first snapshot, and its fill may have crossed that on the wire:
    then the next is the first, or one that differs by as much."""
    gap, before = event.position - state.pnl.position, state.mismatch
    if not gap or not len(state.orders) or (before is not None and before.gap == gap):
        return True
    state.mismatch = Mismatch(event.ts, gap, 1)
    return False


def _money(state: State, event: Account) -> list[Note]:
    """Equity before position: what it is worth is measured by ours."""
    if not state.audited and event.position != state.pnl.position:
        state.kill.equity.forget_before()
    worth, others = state.pnl.worth, state.kill.equity.others
    notes = transfer(state.kill.equity.audited(event.equity, worth), event.ts)
    state.margin.audited(event, None if worth is None else worth + others)
    return notes + _position(state, event)


def transfer(usd: Decimal, ts: Ns) -> list[Note]:
    """A word on a deposit (+) or withdrawal (-), where there was one."""
    text, data = "Deposit or withdrawal: loss baselines moved with it", {"amount_usd": float(usd)}
    return [Note(ts, Severity.WARNING, "position", text, data)] if usd else []


def _position(state: State, event: Account) -> list[Note]:
    ours, theirs = state.pnl.position, event.position
    if ours == theirs:
        state.mismatch = None
        return []
    data = {"ours": str(ours), "venue": str(theirs)}
    if not state.audited:
        state.pnl.adopt(theirs)
        state.mismatch = None
        text = "Position differs from the ledger at start: the venue's is taken"
        return [Note(event.ts, Severity.WARNING, "position", text, data)]
    gap, before = theirs - ours, state.mismatch
    if before is None or before.gap != gap:  # a snapshot and a fill may have crossed on the wire
        state.mismatch = Mismatch(event.ts, gap, 1)
        return []
    state.mismatch = Mismatch(before.since, gap, before.audits + 1)
    text = "Position differs from the venue's"
    return [Note(event.ts, Severity.WARNING, "position", text, data)]


def _orders(state: State, event: Account) -> tuple[list[Action], list[Note]]:
    listed = {order.cloid: order for order in event.orders or () if order.cloid is not None}
    actions: list[Action] = []
    notes: list[Note] = []
    prefix = f"0x{state.settings.cloid_prefix}"
    for cloid, row in listed.items():
        order = state.orders.get(cloid)
        if order is None and cloid.startswith(prefix) and not state.recently_closed(cloid):
            actions.append(Cancel(cloid))
            text = "Orphan order of ours found resting: cancelling"
            data = {"cloid": cloid, "price": str(row.price)}
            notes.append(Note(event.ts, Severity.WARNING, "order", text, data))
        elif order is not None and _in_doubt(order, event):
            order.unresolved(Unresolved(event.ts, cloid, RequestKind.CANCEL))
            order.opened(OrderOpened(event.ts, event.venue_ts, cloid, row.oid))
    missing = {o.cloid for o in state.orders if _should_be_listed(o, event)} - listed.keys()
    for cloid in sorted(missing & state.missing):
        order = state.orders.get(cloid)
        if order is not None:
            order.closed(OrderClosed(event.ts, event.venue_ts, cloid, None, "missing at audit"))
            text = "Order gone without a word: the venue lists it no more"
            notes.append(Note(event.ts, Severity.WARNING, "order", text, {"cloid": cloid}))
    state.missing = missing
    return actions, notes


def _in_doubt(order: Order, event: Account) -> bool:
    young = event.request_ts - order.sent_ts < IN_DOUBT_NS
    return order.busy and not young


def _should_be_listed(order: Order, event: Account) -> bool:
    """Or, of an order that waits for its last fills: should its fills not have been told?"""
    age = event.request_ts - order.sent_ts
    if order.state is OrderState.OPEN:
        return age > GRACE_NS
    if order.state is OrderState.LINGERING:
        return True
    return order.busy and age > IN_DOUBT_NS
