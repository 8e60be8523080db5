"""The exposition: every metric of the table, from events and views, in a form that parses."""

import subprocess
from collections.abc import Iterator
from decimal import Decimal

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from mm.adapters.metrics import MAX_SERIES, Metrics, reason_label, render
from mm.adapters.metrics_table import LABELS, METRICS, Kind
from mm.model.actions import Cancel, CancelAll, Halt, Modify, Note, Place, Severity, Step
from mm.model.estimate import Estimate, Source, told
from mm.model.events import (
    Account,
    Event,
    Fill,
    OrderClosed,
    RejectCode,
    Rejected,
    RequestKind,
    Tick,
    Trade,
    Trades,
    Unresolved,
)
from mm.model.quote import Term
from mm.model.units import Side
from mm.model.view import (
    AdverseView,
    CalibrationView,
    HealthView,
    MarketView,
    OrderView,
    PaceView,
    PnlView,
    PositionView,
    SafetyView,
    SideView,
    View,
)

PRICE, SIZE = Decimal(100), Decimal("0.5")

MARKET = MarketView(
    fair=100.0,
    bid=99.9,
    ask=100.1,
    oracle=100.05,
    sigma=Estimate(2.0, 1.8, 2.2, 50, Source.PUBLIC, 1.0),
    jump_ratio=1.25,
    kappa=Estimate(0.25, 0.1, 0.6, 3, Source.OWN, 4.0),
    arrival=Estimate(0.9, 0.4, 2.0, 3, Source.OWN, 4.0),
    kappa_confidence=0.4,
    adverse=(
        AdverseView("bid", 5.0, 0.7, 0.2, 3.0, Source.OWN, 9.0),
        AdverseView("ask", 5.0, -0.1, 0.3, 2.0),
    ),
    book_age_s=0.25,
    fair_source="mid",
    maker_fee_bps=told(1.5, Source.VENUE, 60.0),
    funding_bps_per_h=told(0.125, Source.VENUE, 3.0),
)
CALIBRATION = CalibrationView(
    policy="fill_hungry",
    lever="width",
    multiplier=0.625,
    progress=0.25,
    complete=False,
    hungry=True,
    fill_count=5,
    measured_arrivals=4,
    rate_per_h=5.0,
    target_per_h=10.0,
    effect_bps=1.5,
    cost_usd=0.75,
    eta_s=600.0,
    note="",
)
BID = SideView(
    "bid",
    "",
    4.0,
    (Term("fee", 1.5), Term("half_spread", 2.5)),
    "glft",
    1.2,
    {"starting": 3.0},
    60.0,
)
ASK = SideView("ask", "position limit 5000 USD", None, (), "", 0.0, {"starting": 3.0}, 59.0)
ORDER = OrderView("0x6d6d01", "bid", 1, Decimal("99.96"), SIZE, "live", 2.0, 4.0)
PNL = PnlView(
    total=Decimal("1.35"),
    spread=Decimal("3.00"),
    adverse=Decimal("1.00"),
    inventory=Decimal("-0.25"),
    fees=Decimal("0.50"),
    funding=Decimal("0.10"),
    equity=Decimal("1001.35"),
    peak_equity=Decimal(1002),
    day_total=Decimal("1.00"),
)
VIEW = View(
    ts=1,
    instrument="BTC",
    label="EMBEDDED",
    market=MARKET,
    calibration=CALIBRATION,
    bid=BID,
    ask=ASK,
    orders=(ORDER,),
    position=PositionView(SIZE, 0.05, Decimal(10), 50.0, 5000.0, Decimal(2), Decimal(-1)),
    pnl=PNL,
    safety=SafetyView("quoting", (), "", True, True, 9000, PaceView(0.9, 3.2, 4)),
)
HEALTH = HealthView(12.0, {"book": 0.25, "user": 3.0}, 2, 0.001, 1, 4, {"messages": 1990})
ACTIONS = (
    Place("a", Side.BID, 1, PRICE, SIZE),
    Modify("a", 1, Side.BID, 1, PRICE, SIZE),
    Cancel("a"),
    CancelAll("stop"),
    Halt("loss"),
)
EVENTS: tuple[Event, ...] = (
    Fill(1, 1, 1, "a", 7, Side.ASK, PRICE, SIZE, Decimal("0.01"), Decimal(0), True),
    Trades(1, (Trade(1, 100.0, 1.0, Side.BID, 1), Trade(1, 100.0, 1.0, Side.BID, 2))),
    Rejected(1, "a", RequestKind.PLACE, RejectCode.POST_ONLY, "would match"),
    Rejected(1, "b", RequestKind.PLACE, RejectCode.POST_ONLY, "would match", echo=True),
    Rejected(1, "c", RequestKind.PLACE, RejectCode.UNSENT, "not connected"),
    Unresolved(1, "a", RequestKind.CANCEL),
    OrderClosed(1, 1, "a", 7, "filled"),
    Account(1, 1, 1, SIZE, SIZE, (), 3),
)

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: bytes) -> Samples:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """A series of BTC as a scraper sees it; None where there is none."""
    key = frozenset({"instrument": "BTC", **labels}.items())
    return samples(metrics.render()).get((name, key))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("BTC")


@pytest.fixture
def full(metrics: Metrics) -> Metrics:
    """One of everything."""
    for event in EVENTS:
        metrics.observe(event, Step())
    metrics.observe(Tick(1), Step(ACTIONS, (Note(1, Severity.WARNING, "risk", "careful"),)))
    metrics.observe_cycle_s(0.0004)
    metrics.observe_tick_to_order_s(0.002)
    metrics.observe_round_trip_s("place", 0.03)
    metrics.update(VIEW, HEALTH)
    return metrics


def names_of(metrics: Metrics) -> Iterator[tuple[str, str, frozenset[str]]]:
    for family in text_string_to_metric_families(metrics.render().decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = frozenset(key for s in family.samples for key in s.labels) - {"le", "instrument"}
        yield name, family.type, labels


def test_everything_in_the_table_is_exported_and_nothing_else(full: Metrics) -> None:
    table = {(s.name, str(s.kind), frozenset(s.labels)) for s in METRICS}

    assert set(names_of(full)) == table


@pytest.mark.prometheus
def test_promtool_minds_only_the_name_that_the_seed_gave(full: Metrics) -> None:
    command = ["promtool", "check", "metrics"]
    lint = subprocess.run(command, input=full.render(), capture_output=True, check=False)

    complaints = lint.stderr.decode().splitlines()
    assert [line.split()[0] for line in complaints] == ["mm_calibration_fill_count"]


def test_names_and_labels_keep_to_the_convention() -> None:
    for spec in METRICS:
        assert spec.name.startswith("mm_")
        assert set(spec.labels) <= LABELS - {"instrument"}
        assert spec.name.endswith("_total") == (spec.kind is Kind.COUNTER)
        assert spec.help.endswith(".")
    assert len({spec.name for spec in METRICS}) == len(METRICS)


def test_the_seeds_four_follow_update_calibration(metrics: Metrics) -> None:
    metrics.update_calibration(CALIBRATION)

    assert value(metrics, "mm_calibration_gamma_mult") == 0.625
    assert value(metrics, "mm_calibration_progress") == 0.25
    assert value(metrics, "mm_calibration_fill_count") == 5
    assert value(metrics, "mm_calibration_complete") == 0

    metrics.update_calibration(replace(CALIBRATION, multiplier=1.0, complete=True, eta_s=None))

    assert value(metrics, "mm_calibration_gamma_mult") == 1
    assert value(metrics, "mm_calibration_complete") == 1
    assert value(metrics, "mm_calibration_eta_seconds") is None


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("mm_calibration_effect_bps", {}, 1.5),
        ("mm_fair_price", {}, 100.0),
        ("mm_touch_price", {"side": "ask"}, 100.1),
        ("mm_sigma_bps_per_sqrt_second", {}, 2.0),
        ("mm_kappa_low_per_bps", {}, 0.1),
        ("mm_arrival_high_per_second", {}, 2.0),
        ("mm_adverse_mean_bps", {"side": "ask", "horizon": "5"}, -0.1),
        ("mm_adverse_se_bps", {"side": "bid", "horizon": "5"}, 0.2),
        ("mm_sigma_high_bps_per_sqrt_second", {}, 2.2),
        ("mm_adverse_observations", {"side": "bid", "horizon": "5"}, 3.0),
        ("mm_adverse_age_seconds", {"side": "bid", "horizon": "5"}, 9.0),
        ("mm_maker_fee_bps", {}, 1.5),
        ("mm_funding_bps_per_hour", {}, 0.125),
        ("mm_estimate_observations", {"reason": "sigma"}, 50.0),
        ("mm_estimate_age_seconds", {"reason": "maker_fee_bps"}, 60.0),
        ("mm_estimate_source", {"reason": "kappa", "status": "own"}, 1.0),
        ("mm_estimate_source", {"reason": "funding_bps_per_h", "status": "venue"}, 1.0),
        ("mm_estimate_source", {"reason": "fair", "status": "mid"}, 1.0),
        ("mm_quote_depth_bps", {"side": "bid", "level": "1"}, 4.0),
        ("mm_quote_term_bps", {"side": "bid", "reason": "half_spread"}, 2.5),
        ("mm_quote_binding", {"side": "bid", "reason": "glft"}, 1.0),
        ("mm_quote_blocked", {"side": "ask", "reason": "position_limit_usd"}, 1.0),
        ("mm_quote_blocked_seconds_total", {"side": "bid", "reason": "starting"}, 3.0),
        ("mm_open_orders", {"side": "ask"}, 0.0),
        ("mm_inventory_worst", {"side": "ask"}, -1.0),
        ("mm_pnl_component_usd", {"reason": "adverse"}, -1.0),
        ("mm_equity_peak_usd", {}, 1002.0),
        ("mm_state", {"status": "quoting"}, 1.0),
        ("mm_state", {"status": "halted"}, 0.0),
        ("mm_action_budget_remaining", {}, 9000.0),
        ("mm_action_budget_per_second", {}, 0.9),
        ("mm_action_budget_band_bps", {}, 3.2),
        ("mm_action_budget_levels", {}, 4.0),
        ("mm_actions_per_fill", {}, 3.0),
        ("mm_fills_total", {"side": "ask", "status": "quote"}, 1.0),
        ("mm_fill_volume_usd_total", {"side": "ask"}, 50.0),
        ("mm_orders_total", {"action": "cancel_all", "status": "sent"}, 1.0),
        ("mm_orders_total", {"action": "place", "status": "rejected"}, 1.0),
        ("mm_orders_total", {"action": "cancel", "status": "unknown"}, 1.0),
        (
            "mm_order_rejects_total",
            {"action": "place", "reason": "post_only", "status": "reprice"},
            1.0,
        ),
        ("mm_orders_total", {"action": "place", "status": "echo"}, 1.0),
        ("mm_orders_total", {"action": "place", "status": "unsent"}, 1.0),
        ("mm_orders_closed_total", {"reason": "filled"}, 1.0),
        ("mm_audits_total", {}, 1.0),
        ("mm_audit_findings_total", {"reason": "untold"}, 3.0),
        ("mm_audit_findings_total", {"reason": "position"}, 0.0),
        ("mm_trades_total", {"side": "bid"}, 2.0),
        ("mm_notes_total", {"status": "warning"}, 1.0),
        ("mm_events_total", {"stream": "tick"}, 1.0),
        ("mm_feed_age_seconds", {"stream": "user"}, 3.0),
        ("mm_reconnects_total", {}, 2.0),
        ("mm_orphan_orders_total", {}, 4.0),
        ("mm_journal_dropped_total", {}, 1.0),
        ("mm_venue_limit_remaining", {"status": "messages"}, 1990.0),
    ],
)
def test_values_reach_the_scraper(
    full: Metrics, name: str, labels: dict[str, str], expected: float
) -> None:
    assert value(full, name, **labels) == pytest.approx(expected)


def test_pnl_components_sum_to_the_total(full: Metrics) -> None:
    parts = [v for (n, _), v in samples(full.render()).items() if n == "mm_pnl_component_usd"]

    assert len(parts) == 5
    assert sum(parts) == pytest.approx(value(full, "mm_pnl_total_usd"))


def test_what_is_gone_has_no_series(full: Metrics) -> None:
    full.update(replace(VIEW, orders=(), bid=ASK, market=replace(MARKET, kappa=None)), HEALTH)

    assert value(full, "mm_quote_depth_bps", side="bid", level="1") is None
    assert value(full, "mm_kappa_per_bps") is None


@pytest.mark.parametrize("state", ["closed", "lingering"])
def test_an_order_that_is_off_the_book_is_not_counted(full: Metrics, state: str) -> None:
    gone = replace(ORDER, cloid="0x6d6d02", level=2, state=state)
    full.update(replace(VIEW, orders=(ORDER, gone)), HEALTH)

    assert value(full, "mm_open_orders", side="bid") == 1
    assert value(full, "mm_quote_depth_bps", side="bid", level="2") is None


def test_what_alerts_count_starts_at_zero(metrics: Metrics) -> None:
    assert value(metrics, "mm_notes_total", status="error") == 0
    assert value(metrics, "mm_orders_total", action="modify", status="unknown") == 0
    assert value(metrics, "mm_fills_total", side="bid", status="other") == 0


def test_before_the_first_view_only_health_is_shown(metrics: Metrics) -> None:
    metrics.update(None, HEALTH)

    assert value(metrics, "mm_uptime_seconds") == 12.0
    assert value(metrics, "mm_fair_price") is None


def test_histogram_is_cumulative_and_a_bound_belongs_to_its_bucket(metrics: Metrics) -> None:
    for seconds in (0.001, 0.0011, 99.0):
        metrics.observe_cycle_s(seconds)

    assert value(metrics, "mm_quote_cycle_seconds_bucket", le="0.0005") == 0
    assert value(metrics, "mm_quote_cycle_seconds_bucket", le="0.001") == 1
    assert value(metrics, "mm_quote_cycle_seconds_bucket", le="0.0025") == 2
    assert value(metrics, "mm_quote_cycle_seconds_bucket", le="+Inf") == 3
    assert value(metrics, "mm_quote_cycle_seconds_count") == 3
    assert value(metrics, "mm_quote_cycle_seconds_sum") == pytest.approx(99.0021)


def test_a_flood_of_reasons_is_bounded_and_loses_no_count(metrics: Metrics) -> None:
    letters = "abcdefghijklmnop"
    for first in letters:
        for second in letters:
            metrics.observe(OrderClosed(1, 1, "a", 7, f"status {first}{second}"), Step())

    closed = {
        k: v for k, v in samples(metrics.render()).items() if k[0] == "mm_orders_closed_total"
    }

    assert len(closed) <= MAX_SERIES + 1
    assert sum(closed.values()) == len(letters) ** 2


def test_a_reason_keeps_its_kind_and_drops_its_numbers() -> None:
    assert reason_label("stale book: 5.2 s old") == "stale_book"
    assert reason_label("price velocity: 120 bps/s") == "price_velocity"
    assert reason_label("half_spread") == "half_spread"
    assert reason_label("") == "none"


def test_two_instruments_share_one_exposition(full: Metrics) -> None:
    other = Metrics("ETH")
    other.update(replace(VIEW, instrument="ETH", market=replace(MARKET, fair=7.0)), HEALTH)

    text = render((full, other))

    assert text.count(b"# TYPE mm_fair_price gauge") == 1
    found = samples(text)
    assert found["mm_fair_price", frozenset({("instrument", "BTC")})] == 100.0
    assert found["mm_fair_price", frozenset({("instrument", "ETH")})] == 7.0
