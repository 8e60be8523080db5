"""From what an operator sees to rows of metrics: pure, one function for each group of the table."""

from collections.abc import Iterator
from typing import TypeAlias

from mm.model.estimate import Estimate
from mm.model.view import (
    CalibrationView,
    HealthView,
    MarketView,
    OrderView,
    PnlView,
    PositionView,
    SafetyView,
    SideView,
    View,
)

Row: TypeAlias = tuple[str, tuple[str, ...], float]
"""Metric name, label values after `instrument`, value."""

GONE = ("lingering", "closed")
"""States of an order that the venue has taken off the book and the engine still remembers."""

ESTIMATES = ("sigma", "kappa", "arrival", "maker_fee_bps", "funding_bps_per_h")
"""The fields of a `MarketView` that are estimates."""

STATES = ("starting", "quoting", "withdrawn", "paused", "halted")


def calibration_rows(c: CalibrationView) -> Iterator[Row]:
    """An unknown ETA has no row."""
    yield "mm_calibration_gamma_mult", (), c.multiplier
    yield "mm_calibration_progress", (), c.progress
    yield "mm_calibration_fill_count", (), c.fill_count
    yield "mm_calibration_complete", (), c.complete
    yield "mm_calibration_hungry", (), c.hungry
    yield "mm_calibration_measured_arrivals", (), c.measured_arrivals
    yield "mm_calibration_fill_rate_per_hour", (), c.rate_per_h
    yield "mm_calibration_target_per_hour", (), c.target_per_h
    yield "mm_calibration_effect_bps", (), c.effect_bps
    yield "mm_calibration_cost_usd", (), c.cost_usd
    if c.eta_s is not None:
        yield "mm_calibration_eta_seconds", (), c.eta_s


def view_rows(view: View) -> Iterator[Row]:
    """All of a view but its calibration."""
    yield "mm_network", (view.label,), 1
    yield from market_rows(view.market)
    orders = resting(view.orders)
    for side in (view.bid, view.ask):
        yield from side_rows(side)
        yield "mm_open_orders", (side.side,), sum(order.side == side.side for order in orders)
    for order in orders:
        if order.depth_bps is not None:
            yield "mm_quote_depth_bps", (order.side, str(order.level)), order.depth_bps
    yield from position_rows(view.position)
    yield from pnl_rows(view.pnl)
    yield from safety_rows(view.safety)


def resting(orders: tuple[OrderView, ...]) -> list[OrderView]:
    return [order for order in orders if order.state not in GONE]


def _present(name: str, value: float | None, *labels: str) -> Iterator[Row]:
    if value is not None:
        yield name, labels, value


def _bounds(stem: str, unit: str, estimate: Estimate | None) -> Iterator[Row]:
    if estimate is not None:
        yield f"{stem}_{unit}", (), estimate.value
        yield f"{stem}_low_{unit}", (), estimate.low
        yield f"{stem}_high_{unit}", (), estimate.high


def market_rows(market: MarketView) -> Iterator[Row]:
    yield from _present("mm_fair_price", market.fair)
    yield from _present("mm_touch_price", market.bid, "bid")
    yield from _present("mm_touch_price", market.ask, "ask")
    yield from _present("mm_oracle_price", market.oracle)
    yield from _present("mm_book_age_seconds", market.book_age_s)
    yield from _bounds("mm_sigma", "bps_per_sqrt_second", market.sigma)
    yield from _present("mm_jump_ratio", market.jump_ratio)
    yield from _bounds("mm_kappa", "per_bps", market.kappa)
    yield "mm_kappa_confidence", (), market.kappa_confidence
    yield from _bounds("mm_arrival", "per_second", market.arrival)
    for adverse in market.adverse:
        labels = (adverse.side, f"{adverse.horizon_s:g}")
        yield "mm_adverse_mean_bps", labels, adverse.mean_bps
        yield "mm_adverse_se_bps", labels, adverse.se_bps
        yield "mm_adverse_observations", labels, adverse.n
        yield from _present("mm_adverse_age_seconds", adverse.age_s, *labels)
    yield "mm_maker_fee_bps", (), market.maker_fee_bps.value
    if market.funding_bps_per_h is not None:
        yield "mm_funding_bps_per_hour", (), market.funding_bps_per_h.value
    yield from provenance_rows(market)


def provenance_rows(market: MarketView) -> Iterator[Row]:
    """How much is behind each number, where it is from and how old."""
    for name in ESTIMATES:
        estimate: Estimate | None = getattr(market, name)
        if estimate is not None:
            yield "mm_estimate_observations", (name,), estimate.n
            yield from _present("mm_estimate_age_seconds", estimate.age_s, name)
            yield "mm_estimate_source", (name, estimate.source), 1
    if market.fair_source:
        yield "mm_estimate_source", ("fair", market.fair_source), 1


def side_rows(side: SideView) -> Iterator[Row]:
    name = side.side
    for term in side.terms:
        yield "mm_quote_term_bps", (name, term.name), term.bps
    if side.binding:
        yield "mm_quote_binding", (name, side.binding), 1
    if side.blocked:
        yield "mm_quote_blocked", (name, side.blocked), 1
    for reason, total_s in side.blocked_s.items():
        yield "mm_quote_blocked_seconds_total", (name, reason), total_s
    yield "mm_quoted_seconds_total", (name,), side.quoted_s
    yield "mm_ladder_entropy_nats", (name,), side.entropy_nats


def position_rows(position: PositionView) -> Iterator[Row]:
    yield "mm_inventory_lots", (), position.lots
    yield "mm_inventory_notional_usd", (), position.notional_usd
    yield "mm_inventory_limit_usd", (), position.max_notional_usd
    yield "mm_inventory_worst", ("bid",), float(position.worst_long)
    yield "mm_inventory_worst", ("ask",), float(position.worst_short)
    yield "mm_margin_others_usd", (), position.others_margin_usd


def pnl_rows(pnl: PnlView) -> Iterator[Row]:
    """Costs (adverse, fees) are negated, so that the components sum to the total."""
    yield "mm_pnl_total_usd", (), float(pnl.total)
    for name, usd in pnl.contributions.items():
        yield "mm_pnl_component_usd", (name,), float(usd)
    yield "mm_pnl_day_usd", (), float(pnl.day_total)
    yield "mm_equity_usd", (), float(pnl.equity)
    yield "mm_equity_peak_usd", (), float(pnl.peak_equity)


def safety_rows(safety: SafetyView) -> Iterator[Row]:
    for state in STATES:
        yield "mm_state", (state,), safety.state == state
    yield "mm_halted", (), bool(safety.halt_reason) or safety.state == "halted"
    yield "mm_ready", (), safety.ready
    yield "mm_link_up", (), safety.link_up
    yield from _present("mm_action_budget_remaining", safety.action_budget_left)
    if safety.pace is not None:
        yield "mm_action_budget_per_second", (), safety.pace.per_s
        yield "mm_action_budget_band_bps", (), safety.pace.band_bps
        yield "mm_action_budget_levels", (), safety.pace.levels


def health_rows(health: HealthView) -> Iterator[Row]:
    yield "mm_uptime_seconds", (), health.uptime_s
    for stream, age_s in health.feed_age_s.items():
        yield "mm_feed_age_seconds", (stream,), age_s
    for limit, left in health.limits_left.items():
        yield "mm_venue_limit_remaining", (limit,), left
    yield "mm_loop_lag_seconds", (), health.loop_lag_s
    yield "mm_reconnects_total", (), health.reconnects
    yield "mm_journal_dropped_total", (), health.journal_dropped
    yield "mm_orphan_orders_total", (), health.orphans
