"""May we quote? One verdict per cycle: halted, without a price, reducing only, or free."""

from msgspec import Struct

from mm.core.kill_switch import price_reason
from mm.core.state import State
from mm.model.units import Ns, nanoseconds

BREACH = 1.5
"""Held notional over the limit by this factor is a breach; price drift alone may exceed it."""

PERSISTENT = 3
"""Audits in a row: a single repair is latency or a lost word, this many are a stream gone deaf."""


class Verdict(Struct, frozen=True, gc=False):
    """At most one of these binds, the first that is not "".

    `halt`: latched, nothing but leaving. `no_price`: nothing may rest. `reduce_only`: only orders
    that bring the position towards zero.
    """

    halt: str = ""
    no_price: str = ""
    reduce_only: str = ""

    @property
    def reason(self) -> str:
        return self.halt or self.no_price or self.reduce_only


def judge(state: State, ts: Ns) -> Verdict:
    """The verdict now; reads only."""
    halt = halted(state, ts)
    return Verdict(halt=halt) if halt else unhalted(state, ts)


def halted(state: State, ts: Ns) -> str:
    """Why nothing may be quoted until an operator has looked, or ""."""
    return state.kill.halted or broken_limit(state, ts)


def unhalted(state: State, ts: Ns) -> Verdict:
    """The verdict where nothing halts."""
    if no_price := _unquotable(state, ts):
        return Verdict(no_price=no_price)
    return Verdict(reduce_only=state.kill.pace_reason() or _past_others(state))


def _past_others(state: State) -> str:
    """Why foreign orders in this instrument leave nothing but the way out, or ""."""
    fair, beside = state.book.fair, state.margin.beside
    if fair is None or not (beside.bids or beside.asks):
        return ""
    return state.limits(fair).only_out(state.pnl.position)


def broken_limit(state: State, ts: Ns) -> str:
    """The limit whose breach latches a halt, or ""."""
    if state.recourse.halt:
        return state.recourse.halt
    settings = state.settings.risk
    mismatch = state.mismatch
    if mismatch is not None and mismatch.audits >= 2:
        ours = state.pnl.position
        if ts - mismatch.since > nanoseconds(settings.max_mismatch_s):
            return f"position mismatch: ours {ours}, venue's {ours + mismatch.gap}"
    if state.book.fair is not None:
        notional = abs(float(state.pnl.position)) * state.book.fair
        if notional > BREACH * settings.max_position_usd:
            return (
                f"position breach: {notional:.0f} USD held, limit {settings.max_position_usd:.0f}"
            )
    return state.kill.halt_reason(state.pnl.total)


def _unquotable(state: State, ts: Ns) -> str:
    if not state.link_up:
        return f"link down: {state.link_reason}"
    if not state.audited:
        return "account not yet known"
    if state.mismatch is not None and state.mismatch.audits >= 2:
        return "position mismatch: waiting for the venue"
    if state.unlike >= PERSISTENT:
        return f"audits differ: {state.unlike} in a row, waiting for one that finds nothing"
    book = state.book
    return price_reason(state.settings.risk, ts, book.seen_ts, book.fair, book.oracle)
