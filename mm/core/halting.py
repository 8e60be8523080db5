"""Leaving: latch once, cancel until nothing rests, and where asked work a reduce-only exit."""

from decimal import Decimal

from mm.core.state import State
from mm.model.actions import Action, CancelAll, Data, Halt, Note, Place, Severity
from mm.model.events import Event, Tick
from mm.model.units import BPS, NS_PER_S, Ns, Side, nanoseconds

EXIT_SLIPPAGE_BPS = 50.0
"""How far through the touch an exit order may trade."""
FLAT = "flat: nothing is held"
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
        notes += _tell(state, event.ts)
    for side in Side:
        blocked = f"halted: {reason}"
        if state.presence.judge(event.ts, side, blocked):
            text = f"Not quoting {side.label}"
            notes.append(Note(event.ts, Severity.INFO, "quote", text, {"reason": blocked}))
    return actions, notes


def progress(state: State, ts: Ns) -> str:
    """How far the exit has come, or what it waits for; "" where none is asked for."""
    if not (state.flatten and state.kill.halted):
        return ""
    if any(not order.flatten for order in state.orders):
        return "waiting for all orders to be gone"
    if not state.pnl.position:
        known = state.audited and state.mismatch is None
        return FLAT if known else "waiting for the venue to confirm the position"
    if not _is_priced(state, ts):
        return "waiting for a fresh book: link down"
    side = _way_out(state.pnl.position)
    if _opposite(state, side) is None:
        return f"waiting for somebody to trade with: no {side.opposite.label} in the book"
    return "closing the position"


def _tell(state: State, ts: Ns) -> list[Note]:
    """A note of each change of `progress`."""
    told = progress(state, ts)
    before, state.exit_told = state.exit_told, told
    data: Data = {"progress": told, "position": str(state.pnl.position)}
    return (
        [Note(ts, Severity.INFO, "position", "Flatten", data)] if told not in ("", before) else []
    )


def _is_priced(state: State, ts: Ns) -> bool:
    """While the link is down an exit goes by another way, as long as the last book is fresh."""
    seen = state.book.seen_ts
    max_age = nanoseconds(state.settings.risk.max_book_age_s)
    return state.link_up or (seen is not None and ts - seen <= max_age)


def _exit(state: State) -> list[Action]:
    """One immediate-or-cancel order for the whole position, through the touch; none in flight."""
    position = state.pnl.position
    if not position or len(state.orders):
        return []
    side = _way_out(position)
    touch = _opposite(state, side)
    if touch is None:
        return []
    limit = touch * (1.0 + side * EXIT_SLIPPAGE_BPS / BPS)
    price = state.instrument.round_price(limit, side)
    cloid = next(state.cloids)
    return [Place(cloid, side, 0, price, abs(position), reduce_only=True, flatten=True)]


def _way_out(position: Decimal) -> Side:
    return Side.ASK if position > 0 else Side.BID


def _opposite(state: State, side: Side) -> float | None:
    """The best price that an order of this side could trade at."""
    return state.book.bid if side is Side.ASK else state.book.ask
