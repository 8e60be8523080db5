"""Leaving: latch once, cancel until nothing rests, and where asked work a reduce-only exit."""

from mm.core.state import State
from mm.model.actions import Action, CancelAll, Halt, Note, Place, Severity
from mm.model.events import Event, Tick
from mm.model.units import BPS, NS_PER_S, Ns, Side, nanoseconds

EXIT_SLIPPAGE_BPS = 50.0
"""How far through the touch an exit order may trade."""
REPEAT_NS = 10 * NS_PER_S
"""What still rests is cancelled again this often: looking costs the venue's request weight, which
those need who find out what became of orders in doubt."""


def leave(state: State, reason: str, event: Event) -> tuple[list[Action], list[Note]]:
    """Actions of a halted engine for this event."""
    actions: list[Action] = []
    notes: list[Note] = []
    if not state.kill.halted:
        state.kill.halted = reason
        actions.append(Halt(reason))
        notes.append(Note(event.ts, Severity.ERROR, "risk", "Halted", {"reason": reason}))
        actions.append(CancelAll(reason))
    elif isinstance(event, Tick):
        if any(not order.flatten for order in state.orders):
            if event.ts - state.cancel_all_ts >= REPEAT_NS:
                actions.append(CancelAll(reason))
        elif state.flatten and _is_priced(state, event.ts):
            actions += _exit(state)
    for side in Side:
        blocked = f"halted: {reason}"
        if state.presence.judge(event.ts, side, blocked):
            text = f"Not quoting {side.label}"
            notes.append(Note(event.ts, Severity.INFO, "quote", text, {"reason": blocked}))
    return actions, notes


def _is_priced(state: State, ts: Ns) -> bool:
    """While the link is down an exit goes by another way, as long as the last book is fresh."""
    seen = state.book.seen_ts
    max_age = nanoseconds(state.settings.risk.max_book_age_s)
    return state.link_up or (seen is not None and ts - seen <= max_age)


def _exit(state: State) -> list[Action]:
    """One immediate-or-cancel order for the whole position, through the touch; none in flight."""
    position, book = state.pnl.position, state.book
    if not position or len(state.orders):
        return []
    side = Side.ASK if position > 0 else Side.BID
    touch = book.bid if side is Side.ASK else book.ask
    if touch is None:
        return []
    limit = touch * (1.0 + side * EXIT_SLIPPAGE_BPS / BPS)
    price = state.instrument.round_price(limit, side)
    cloid = next(state.cloids)
    return [Place(cloid, side, 0, price, abs(position), reduce_only=True, flatten=True)]
