"""The operator's view, built from state on demand."""

import math

from mm.core import halting
from mm.core.guard import judge
from mm.core.orders import Order
from mm.core.quoting import Quoting
from mm.core.state import State
from mm.core.stochastic.components import StochasticComponents
from mm.core.stochastic.views import calibration_view, market_estimates
from mm.model.estimate import Estimate, Source, told
from mm.model.market_params import MarketParams
from mm.model.units import BPS, SIDES, Ns, Side, depth_bps, seconds
from mm.model.view import (
    MarketView,
    OrderView,
    PaceView,
    PnlView,
    PositionView,
    SafetyView,
    SideView,
    View,
)


def build_view(state: State, components: StochasticComponents, quoting: Quoting, ts: Ns) -> View:
    """Everything at `ts`; pure."""
    return View(
        ts=ts,
        instrument=state.instrument.name,
        label=state.settings.label,
        market=_market(state, components, ts),
        calibration=calibration_view(components),
        bid=_side(state, quoting, Side.BID),
        ask=_side(state, quoting, Side.ASK),
        orders=tuple(_order(order, state, ts) for order in state.orders),
        position=_position(state),
        pnl=_pnl(state),
        safety=_safety(state, quoting, ts),
    )


def _market(state: State, components: StochasticComponents, ts: Ns) -> MarketView:
    book = state.book
    known = market_estimates(components, ts)
    return MarketView(
        fair=book.fair,
        bid=book.bid,
        ask=book.ask,
        oracle=book.oracle,
        sigma=known.sigma,
        jump_ratio=known.jump_ratio,
        kappa=known.kappa,
        arrival=known.arrival,
        kappa_confidence=known.kappa_confidence,
        adverse=known.adverse,
        book_age_s=_age_s(book.seen_ts, ts),
        fair_source=book.fair_source,
        maker_fee_bps=_maker_fee(state, ts),
        funding_bps_per_h=_funding(state, ts),
    )


def _maker_fee(state: State, ts: Ns) -> Estimate:
    source = Source.PRIOR if state.fees_ts is None else Source.VENUE
    return told(state.maker_fee_bps, source, _age_s(state.fees_ts, ts))


def _funding(state: State, ts: Ns) -> Estimate | None:
    if state.reference_ts is None:
        return None
    return told(BPS * state.funding_rate, Source.VENUE, _age_s(state.reference_ts, ts))


def _age_s(since: Ns | None, ts: Ns) -> float | None:
    return None if since is None else seconds(ts - since)


def _side(state: State, quoting: Quoting, side: Side) -> SideView:
    quote, ladder = quoting.side(side), quoting.ladder
    return SideView(
        side=side.label,
        blocked=state.presence.reason[side],
        depth_bps=None if quote is None else quote.depth_bps,
        terms=() if quote is None else quote.terms,
        binding=quoting.binding(side),
        entropy_nats=ladder.entropy_bid if side is Side.BID else ladder.entropy_ask,
        blocked_s=dict(state.presence.blocked_s[side]),
        quoted_s=state.presence.quoted_s[side],
    )


def _order(order: Order, state: State, ts: Ns) -> OrderView:
    fair = state.book.fair
    return OrderView(
        cloid=order.cloid,
        side=order.side.label,
        level=order.level,
        price=order.price,
        remaining=order.remaining,
        state=order.state.value,
        age_s=seconds(ts - order.sent_ts),
        depth_bps=None if fair is None else depth_bps(order.side, float(order.price), fair),
    )


def _position(state: State) -> PositionView:
    fair, position = state.book.fair, state.pnl.position
    lot = state.instrument.size_step if fair is None else state.lot_size(fair)
    limit = state.settings.risk.max_position_usd
    if fair is not None:
        limits = state.limits(fair)
        limit = float(max(limits.most(side) for side in SIDES) * limits.fair)
    return PositionView(
        size=position,
        lots=float(position / lot),
        lot_size=lot,
        notional_usd=float(position) * (fair or 0.0),
        max_notional_usd=limit,
        worst_long=position + state.orders.worst_case(Side.BID),
        worst_short=position - state.orders.worst_case(Side.ASK),
        others_margin_usd=float(state.margin.beside.margin),
    )


def _pnl(state: State) -> PnlView:
    pnl, equity = state.pnl, state.kill.equity
    now = state.equity or pnl.total
    return PnlView(
        total=pnl.total,
        spread=pnl.spread,
        adverse=pnl.adverse,
        inventory=pnl.inventory + pnl.carried,
        fees=pnl.fees,
        funding=pnl.funding,
        equity=now,
        peak_equity=now if equity.peak is None else max(now, equity.peak),
        day_total=now - (now if equity.midnight is None else equity.midnight),
    )


def _safety(state: State, quoting: Quoting, ts: Ns) -> SafetyView:
    verdict = judge(state, ts)
    reasons = tuple(dict.fromkeys(r for r in state.presence.reason.values() if r))
    one_side = not all(state.presence.reason.values())  # a side may be out of room: that is normal
    budget, pace = state.budget, quoting.pace
    return SafetyView(
        state=_state_name(state, quoting, verdict.reason),
        reasons=reasons or ((verdict.reason,) if verdict.reason else ()),
        halt_reason=verdict.halt,
        link_up=state.link_up,
        ready=not verdict.reason and isinstance(quoting.params, MarketParams) and one_side,
        action_budget_left=None if budget is None else budget.cap - budget.used,
        pace=PaceView(pace.per_s, pace.band_bps, pace.levels)
        if math.isfinite(pace.per_s)
        else None,
        flatten=halting.progress(state, ts),
    )


def _state_name(state: State, quoting: Quoting, reason: str) -> str:
    if state.kill.halted:
        return "halted"
    if state.kill.paused:
        return "paused"
    if not state.audited or (not reason and not isinstance(quoting.params, MarketParams)):
        return "starting"
    return "withdrawn" if reason else "quoting"
