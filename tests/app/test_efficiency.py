"""Efficiency: what is measured agrees with what happens, and ranks strategies as it must."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm.app.efficiency import Job, Outcome, on_paper, run
from mm.app.rivals import WINDOW_S, fit
from mm.app.strategies import ABLATION, COLD, EVERY, STRATEGIES
from mm.sim.scenarios import preset, truth

HOURS = 0.5


def job(strategy: str, hours: float = HOURS, scenario: str = "liquid") -> Job:
    return Job(scenario=scenario, strategy=strategy, seed=1, hours=hours, gamma=0.05, warm_h=1.0)


@pytest.fixture(scope="module")
def known() -> Outcome:
    return run(job("known"))


def test_told_the_truth_the_engine_comes_near_the_optimum(known: Outcome) -> None:
    """The rest are latency, ticks and the time between quotes."""
    assert 0.90 < known.utility / known.best < 1.0
    assert known.bias == pytest.approx(dict.fromkeys(known.bias, 0.0), abs=1e-12)
    assert known.crossings_per_h == 0.0


def test_expected_edge_is_what_fills_bring(known: Outcome) -> None:
    """Within four standard errors: a fill brings some 4 bps, and arrivals are Poisson's."""
    time_s = HOURS * 3600.0
    fills = known.arrivals_per_h * HOURS
    per_fill = known.edge * time_s / fills
    error = 4.0 * math.sqrt(fills) * 1.2 * per_fill / time_s

    assert known.filled_edge == pytest.approx(known.edge, abs=error)
    assert known.filled_edge != known.edge


def test_utility_is_edge_less_risk_but_for_what_is_left_in_inventory(known: Outcome) -> None:
    """E[θ'] is zero: over half an hour it is a matter of a lot's worth."""
    assert known.utility == pytest.approx(known.edge - known.risk, abs=0.05)
    assert known.risk == pytest.approx(
        0.5 * 0.05 * truth(preset("liquid")).sigma_total ** 2 * known.rms_lots**2, rel=1e-9
    )


def test_calibrated_it_loses_little_more(known: Outcome) -> None:
    found = run(job("calibrated"))

    assert found.calibrated
    assert found.utility / found.best > known.utility / known.best - 0.08
    assert all(math.isfinite(value) for value in found.bias.values())


def test_a_fixed_spread_pays_for_its_inventory(known: Outcome) -> None:
    found = run(job("fixed spread", 0.2))

    assert found.utility < known.utility
    assert found.rms_lots > known.rms_lots


def test_the_same_job_has_the_same_outcome() -> None:
    assert run(job("regression", 0.02)) == run(job("regression", 0.02))


def test_from_cold_everything_counts() -> None:
    """Nothing is quoted before σ is known, and the prior of κ is wrong: less than calibrated."""
    (name, *_) = COLD
    found = run(job(name, 0.05))

    assert found.utility < found.best
    assert found.calibrated


def test_every_strategy_has_a_name_of_its_own() -> None:
    assert len(EVERY) == len(STRATEGIES) + len(ABLATION) + len(COLD)


# -- on paper -------------------------------------------------------------------------------------


def test_exact_quotes_told_the_truth_are_within_a_percent_where_none_lies_beyond_the_mid() -> None:
    found = on_paper(preset("liquid"), 0.05)
    best = run(job("known", 0.001)).best

    assert 0.99 < found["exact GLFT"].utility / best <= 1.0
    assert found["exact GLFT, bounded"].utility >= found["exact GLFT"].utility


def test_where_risk_outruns_takers_quotes_beyond_the_mid_cost_most() -> None:
    found = on_paper(preset("illiquid"), 0.05)

    assert found["exact GLFT"].utility < 0.0 < found["exact GLFT, bounded"].utility


# -- what public bots do --------------------------------------------------------------------------


def test_a_regression_finds_the_line_where_reaches_are_seen_exactly() -> None:
    depths = np.random.default_rng(1).exponential(4.0, 3_000)

    kappa, arrival = fit(depths.tolist()) or (0.0, 0.0)
    assert kappa == pytest.approx(0.25, rel=0.3)
    assert arrival == pytest.approx(3_000 / WINDOW_S / 2.0, rel=0.5)


@given(st.lists(st.floats(-5.0, 50.0), max_size=40))
def test_a_regression_is_a_positive_slope_or_nothing(depths: list[float]) -> None:
    found = fit(depths)

    assert found is None or all(math.isfinite(value) and value > 0.0 for value in found)
