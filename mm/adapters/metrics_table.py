"""Every metric that the daemon exports, with its type, labels and meaning: dashboards read this."""

from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class Spec(Struct, frozen=True):
    """`labels` come after `instrument`, which every series has."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str


LABELS = frozenset(
    {"instrument", "side", "level", "reason", "horizon", "stream", "action", "status"}
)

BUCKETS_S = (
    1e-4,
    2.5e-4,
    5e-4,
    1e-3,
    2.5e-3,
    5e-3,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
)
"""Upper bounds in seconds; +Inf is implied."""


def _gauge(name: str, text: str, *labels: str) -> Spec:
    return Spec(name, Kind.GAUGE, labels, text)


def _counter(name: str, text: str, *labels: str) -> Spec:
    return Spec(name, Kind.COUNTER, labels, text)


def _histogram(name: str, text: str, *labels: str) -> Spec:
    return Spec(name, Kind.HISTOGRAM, labels, text)


CALIBRATION = (
    _gauge(
        "mm_calibration_gamma_mult", "Multiplier m of the half-spread, 0..1; <0 in a loss budget."
    ),
    _gauge("mm_calibration_progress", "Calibration progress, 0..1."),
    _gauge("mm_calibration_fill_count", "Arrivals (one aggressive order each) so far."),
    _gauge("mm_calibration_complete", "1 once the fill-based estimators are calibrated."),
    _gauge("mm_calibration_hungry", "1 while quotes are tightened to attract fills."),
    _gauge("mm_calibration_measured_arrivals", "Own arrivals whose primary markout is complete."),
    _gauge("mm_calibration_fill_rate_per_hour", "Arrivals (one aggressive order each) per hour."),
    _gauge("mm_calibration_target_per_hour", "Arrivals per hour that the controller aims at."),
    _gauge("mm_calibration_effect_bps", "How much tighter each side quotes now: (1-m)h."),
    _gauge("mm_calibration_cost_usd", "Edge given up for calibration so far."),
    _gauge("mm_calibration_eta_seconds", "Expected time to completion; absent when unknown."),
)

MARKET = (
    _gauge("mm_fair_price", "Fair price that quotes are centred on."),
    _gauge("mm_touch_price", "Best price without our own orders.", "side"),
    _gauge("mm_oracle_price", "The venue's oracle price."),
    _gauge("mm_book_age_seconds", "Age of the book that the engine decides on."),
    _gauge("mm_sigma_bps_per_sqrt_second", "Diffusive volatility of the fair price."),
    _gauge("mm_sigma_low_bps_per_sqrt_second", "Lower 90 % bound of sigma."),
    _gauge("mm_sigma_high_bps_per_sqrt_second", "Upper 90 % bound of sigma."),
    _gauge("mm_jump_ratio", "Realised over bipower variance; 1 without jumps."),
    _gauge("mm_kappa_per_bps", "Decay of fill intensity with depth."),
    _gauge("mm_kappa_low_per_bps", "Lower 90 % bound of kappa."),
    _gauge("mm_kappa_high_per_bps", "Upper 90 % bound of kappa."),
    _gauge("mm_kappa_confidence", "Confidence in kappa from own fills, 0..1."),
    _gauge("mm_arrival_per_second", "Arrivals at zero depth, one side: A."),
    _gauge("mm_arrival_low_per_second", "Lower 90 % bound of A."),
    _gauge("mm_arrival_high_per_second", "Upper 90 % bound of A."),
    _gauge("mm_adverse_mean_bps", "Signed markout; positive is a cost.", "side", "horizon"),
    _gauge("mm_adverse_se_bps", "Standard error of the markout.", "side", "horizon"),
    _gauge("mm_adverse_observations", "Arrivals behind the markout.", "side", "horizon"),
    _gauge("mm_adverse_age_seconds", "Since the side's last markout.", "side", "horizon"),
    _gauge("mm_maker_fee_bps", "Fee per fill that quotes cover; negative is a rebate."),
    _gauge("mm_funding_bps_per_hour", "The venue's funding rate; positive: longs pay."),
    _gauge("mm_estimate_observations", "What is behind a number, by its name.", "reason"),
    _gauge("mm_estimate_age_seconds", "Since a number last learned; absent before.", "reason"),
    _gauge("mm_estimate_source", "1 for where a number is from.", "reason", "status"),
)

QUOTES = (
    _gauge("mm_quote_depth_bps", "Depth of a live own order from fair.", "side", "level"),
    _gauge("mm_quote_term_bps", "Itemised terms; they sum to level 1's depth.", "side", "reason"),
    _gauge("mm_quote_binding", "1 for the rule that set level 1's price.", "side", "reason"),
    _gauge("mm_quote_blocked", "1 for the reason that a side does not quote.", "side", "reason"),
    _counter("mm_quote_blocked_seconds_total", "Time not quoting, by reason.", "side", "reason"),
    _counter("mm_quoted_seconds_total", "Time quoting.", "side"),
    _gauge("mm_ladder_entropy_nats", "Entropy of the ladder after all filters.", "side"),
    _gauge("mm_open_orders", "Own orders that rest or may rest.", "side"),
)

ACCOUNT = (
    _gauge("mm_inventory_lots", "Signed position in lots."),
    _gauge("mm_inventory_notional_usd", "Signed position at fair."),
    _gauge("mm_inventory_limit_usd", "Largest allowed position, either sign."),
    _gauge("mm_margin_others_usd", "Of the account's margin, what coins not quoted hold."),
    _gauge("mm_inventory_worst", "Position if one side's orders all fill, base units.", "side"),
    _gauge("mm_pnl_total_usd", "Profit and loss since the ledger began."),
    _gauge("mm_pnl_component_usd", "Signed contributions that sum to the total.", "reason"),
    _gauge("mm_pnl_day_usd", "Since midnight UTC, or the day's first run; a resume leaves it."),
    _gauge("mm_equity_usd", "Account equity."),
    _gauge("mm_equity_peak_usd", "Peak of equity, the base of the drawdown limit."),
)

SAFETY = (
    _gauge("mm_state", "1 for the current state.", "status"),
    _gauge("mm_halted", "1 while the kill switch is latched."),
    _gauge("mm_ready", "1 while feeds, estimators and quoting are all well."),
    _gauge("mm_link_up", "1 while connected, subscribed and reconciled."),
    _gauge("mm_action_budget_remaining", "Actions that the address has left at the venue."),
    _gauge("mm_action_budget_per_second", "Actions/s that the budget allows this instrument."),
    _gauge("mm_action_budget_band_bps", "Hysteresis of level 1 that this pays for."),
    _gauge("mm_action_budget_levels", "Levels a side that this pays for."),
)

FLOW = (
    _counter("mm_fills_total", "Own fills; status quote or other.", "side", "status"),
    _counter("mm_fill_volume_usd_total", "Notional of own fills.", "side"),
    _counter(
        "mm_orders_total",
        "Orders asked for: sent, rejected, echo (refused with the rest of its batch, which counts "
        "as one), unsent, unknown, overtaken by a fill.",
        "action",
        "status",
    ),
    _gauge("mm_actions_per_fill", "Order requests sent for each own fill; all, before the first."),
    _counter(
        "mm_order_rejects_total",
        "Refusals, a whole batch's as one; `status` is the remedy: retry_later, reprice, resize, "
        "drop, halt.",
        "action",
        "reason",
        "status",
    ),
    _counter("mm_orders_closed_total", "Orders that left the book, by venue status.", "reason"),
    _counter("mm_audits_total", "Audits of orders and position against the venue's word."),
    _counter(
        "mm_audit_findings_total",
        "What audits put right, or found wrong: untold by any stream, order, position.",
        "reason",
    ),
    _counter("mm_events_total", "Events given to the engine, by type.", "stream"),
    _counter("mm_trades_total", "Public prints.", "side"),
    _counter("mm_notes_total", "Notes for the operator, by severity.", "status"),
    _histogram("mm_quote_cycle_seconds", "One turn of the engine that decides."),
    _histogram("mm_tick_to_order_seconds", "From receipt of a market event to its order sent."),
    _histogram("mm_order_round_trip_seconds", "From sending a request to its answer.", "action"),
)

HEALTH = (
    _gauge("mm_uptime_seconds", "Seconds since the daemon started."),
    _gauge("mm_feed_age_seconds", "Seconds since the last frame.", "stream"),
    _gauge(
        "mm_venue_limit_remaining",
        "Of the minute's request `weight` and websocket `messages`, and of `posts` in flight, that "
        "the venue grants our share of an IP address: what is left.",
        "status",
    ),
    _gauge("mm_loop_lag_seconds", "How late the event loop wakes."),
    _counter("mm_reconnects_total", "Connections made after the first."),
    _counter("mm_journal_dropped_total", "Journal records dropped."),
    _counter("mm_orphan_orders_total", "Own orders found resting that nobody knew of."),
    _gauge("mm_build_info", "1; `status` is the version.", "status"),
    _gauge("mm_network", "1; `status` is what is traded: EMBEDDED, PAPER, MAINNET...", "status"),
)

METRICS: tuple[Spec, ...] = CALIBRATION + MARKET + QUOTES + ACCOUNT + SAFETY + FLOW + HEALTH
