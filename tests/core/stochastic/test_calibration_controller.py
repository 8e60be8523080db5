"""The controller: its formula, its phases, its budgets, and what it says."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from mm.core.settings import CalibrationSettings
from mm.core.stochastic.calibration_controller import CalibrationController, QuoteEffect
from mm.model.events import Fill
from mm.model.units import NS_PER_S, Ns
from tests.shapes import some_fill

START = 1_700_000_000 * NS_PER_S
HUNGRY = QuoteEffect((3.0, 3.0), 0.3, 4.0, 2.8)


def fill(n: int, ts: Ns = START, order: str = "", *, quote: bool = True) -> Fill:
    ids = {"trade_id": n, "oid": n, "cloid": order or f"order {n}"}
    return some_fill(ts=ts, venue_ts=ts, size=Decimal(2), quote=quote, **ids)


def controller(**settings: object) -> CalibrationController:
    return CalibrationController(CalibrationSettings(**settings))  # type: ignore[arg-type]  # kwargs


def after(fills: int, progress: float, **settings: object) -> CalibrationController:
    """`fills` arrivals in the last hour; both halves of progress at `progress`."""
    found = controller(**settings)
    for n in range(fills):
        found.record_fill(fill(n, START + n))
    # measured arrivals are whole: confidence makes up the rest
    measured = int(20 * progress)
    confidence = 0.75 * (2.0 * progress - measured / 20)
    found.update_calibration_status(START + NS_PER_S, measured, confidence)
    return found


@pytest.mark.parametrize(
    ("fills", "progress", "multiplier"),
    [(0, 0.0, 0.30), (5, 0.25, 0.625), (10, 0.50, 1.00), (10, 0.90, 1.00), (3, 1.0, 1.0)],
)
def test_the_table_follows_from_the_formula(fills: int, progress: float, multiplier: float) -> None:
    found = after(fills, progress)
    assert found.calibration_progress() == pytest.approx(progress)
    assert found.gamma_multiplier() == pytest.approx(multiplier)


@given(fills=st.integers(0, 40), measured=st.integers(0, 40), confidence=st.floats(0, 1))
def test_the_multiplier_stays_between_its_floor_and_one(
    fills: int, measured: int, confidence: float
) -> None:
    found = controller()
    for n in range(fills):
        found.record_fill(fill(n))
    found.update_calibration_status(START, measured, confidence)
    assert 0.3 <= found.gamma_multiplier() <= 1.0
    assert 0.0 <= found.calibration_progress() <= 1.0


def test_an_order_counts_once_and_a_redelivery_not_at_all() -> None:
    found = controller()
    for n in (1, 2, 3):
        found.record_fill(fill(n, order="same"))
    found.record_fill(fill(3, order="same"))
    found.record_fill(fill(4, START + 1, order="other"))
    found.record_fill(fill(4, START + 1, order="renamed"))
    found.record_fill(fill(5, order="taker", quote=False))
    assert found.fill_count() == 2
    assert found.fill_rate_per_h == 2.0


def test_an_aggressive_order_that_sweeps_the_ladder_counts_once() -> None:
    found = controller()
    for n in range(5):
        found.record_fill(fill(n))
    found.record_fill(fill(6, START + 1))
    assert found.fill_count() == 2
    assert found.fill_rate_per_h == 2.0


def test_an_order_that_two_of_them_fill_counts_once() -> None:
    found = controller()
    found.record_fill(fill(1, order="large"))
    found.record_fill(fill(2, START + 1, order="large"))
    found.record_fill(fill(3, START + 1, order="small"))
    assert found.fill_count() == 2


def test_fills_leave_the_window_with_time() -> None:
    found = after(10, 0.0)
    assert found.gamma_multiplier() == 1.0
    found.update_calibration_status(START + 3600 * NS_PER_S + 9, 0, 0.0)
    assert found.gamma_multiplier() == 0.3
    assert found.fill_count() == 10


def test_an_old_fill_in_a_late_snapshot_does_not_count_as_of_now() -> None:
    found = controller()
    found.record_fill(structs.replace(fill(1, START - 7200 * NS_PER_S), ts=START))
    found.update_calibration_status(START, 0, 0.0)
    assert found.fill_rate_per_h == 0.0


def test_old_fills_in_a_late_snapshot_do_not_count_though_newer_ones_came_first() -> None:
    found = controller()
    for n in (2, 1, 3):
        found.record_fill(fill(n, START - (n == 1) * 7200 * NS_PER_S))
    found.update_calibration_status(START + NS_PER_S, 0, 0.0)
    assert found.fill_rate_per_h == 1.0
    assert found.fill_count() == 2


def test_a_shorter_window_scales_the_rate() -> None:
    assert after(3, 0.0, window_s=600.0).fill_rate_per_h == pytest.approx(18.0)


# -- phases ---------------------------------------------------------------------------------------


def test_it_completes_at_095_and_reopens_below_080() -> None:
    found = controller()
    states = []
    for measured, confidence in [(20, 0.66), (20, 0.68), (20, 0.46), (20, 0.44), (20, 0.66)]:
        found.update_calibration_status(START, measured, confidence)
        states.append(found.is_calibrated())
    assert states == [False, True, True, False, False]
    texts = [note.text for note in found.take_notes()]
    assert texts == ["Calibration complete", "Calibration reopened"]
    assert found.take_notes() == ()


def test_no_data_is_no_progress() -> None:
    found = controller()
    found.update_calibration_status(START, 0, 0.0)
    assert found.calibration_progress() == 0.0
    assert not found.is_calibrated()


def test_complete_means_full_width_whatever_the_fill_rate() -> None:
    found = controller()
    found.update_calibration_status(START, 20, 0.75)
    assert found.is_calibrated()
    assert found.gamma_multiplier() == 1.0


def test_disabled_is_complete_from_the_start() -> None:
    found = after(0, 0.0, enable_calibration_fill_rate=False)
    assert found.gamma_multiplier() == 1.0
    assert found.calibration_progress() == 1.0
    assert found.is_calibrated()
    assert found.take_notes() == ()


def test_off_measures_but_moves_nothing() -> None:
    found = after(0, 0.25, policy="off")
    assert found.gamma_multiplier() == 1.0
    assert found.calibration_progress() == pytest.approx(0.25)
    found.record_quote(QuoteEffect((4.0,), 1.0, 4.0, 0.0))
    assert found.take_notes() == ()


def test_hungry_mode_is_noted_on_entering_and_then_once_a_minute() -> None:
    found = controller()
    texts = []
    for second in range(130):
        found.update_calibration_status(START + second * NS_PER_S, 0, 0.0)
        found.record_quote(HUNGRY)
        texts += [(second, note) for note in found.take_notes()]
    assert [second for second, _ in texts] == [0, 60, 120]
    note = texts[0][1]
    assert note.text == "Fill-hungry mode active"
    assert {"arrivals", "arrivals_per_h", "target_per_h", "progress", "m", "effect_bps"} <= set(
        note.data
    )
    assert (note.data["m"], note.data["effect_bps"]) == (0.3, 2.8)


@pytest.mark.parametrize("bad", [{"policy": "greedy"}, {"lever": "crowbar"}])
def test_an_unknown_policy_or_lever_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="calibration"):
        controller(**bad)


# -- budgets --------------------------------------------------------------------------------------


def test_cost_is_the_edge_given_up_on_each_fill() -> None:
    found = after(0, 0.0)
    found.record_quote(HUNGRY)
    found.record_fill(fill(1, START + 2 * NS_PER_S))
    assert found.cost_usd == pytest.approx(2.8e-4 * 200)
    found.update_calibration_status(START, 20, 0.75)
    found.record_fill(fill(2, START + 3 * NS_PER_S))
    assert found.cost_usd == pytest.approx(2.8e-4 * 200)


def test_a_spent_edge_budget_ends_the_hunger_and_says_so() -> None:
    found = after(0, 0.0, edge_budget_usd=0.05)
    found.record_quote(HUNGRY)
    found.record_fill(fill(1))
    assert found.budget_spent
    assert found.gamma_multiplier() == 1.0
    found.record_quote(QuoteEffect((4.0,), 1.0, 4.0, 0.0))
    found.record_quote(QuoteEffect((4.0,), 1.0, 4.0, 0.0))
    texts = [note.text for note in found.take_notes()]
    assert texts == ["Fill-hungry mode active", "Calibration edge budget spent"]


def test_without_a_loss_budget_it_may_not_lose_and_with_one_until_spent() -> None:
    assert not after(0, 0.0).may_lose
    found = after(0, 0.0, loss_budget_usd=0.03)
    assert found.may_lose
    found.record_quote(QuoteEffect((1.0,), -0.25, 4.0, 5.0, loss_bps=1.0))
    found.record_fill(fill(1))
    assert found.may_lose
    found.record_fill(fill(2))
    assert not found.may_lose


# -- checkpoint -----------------------------------------------------------------------------------


def test_a_checkpoint_continues_where_it_was() -> None:
    found = after(4, 0.0)
    found.record_quote(HUNGRY)
    found.record_fill(fill(9, order="order 1"))
    other = controller()
    other.load(found.state())
    other.record_fill(fill(9, order="order 1"))
    assert other.state() == found.state()
    assert other.fill_rate_per_h == 4.0


def test_a_checkpoint_of_a_busy_hour_is_small() -> None:
    """It goes into the ledger every ten seconds: 18,000 fills an hour made it 1.7 MB."""
    found = controller()
    for n in range(5_000):
        found.record_fill(fill(n, START + n))
        found.update_calibration_status(START + n, 0, 0.0)
    assert found.fill_rate_per_h == 5_000
    last = found.state()
    found.record_fill(fill(4_999, START + 4_999))
    assert found.state() == last
    assert len(last.orders) == len(last.seen) == 1_000


def test_a_checkpoint_out_of_bounds_is_refused() -> None:
    state = controller().state()
    with pytest.raises(ValueError, match="calibration"):
        controller().load(type(state)(False, 0, float("nan"), 0.0, {}, {}))
