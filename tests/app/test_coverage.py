"""The wired engine recovers what the market is made of, and its intervals are honest."""

import math

import pytest

from mm.app.coverage import PRICE, Found, Job, run, scenario_of, settings_of
from mm.commands.coverage import KAPPAS, PRIORS, job, report, score, scores, table
from mm.sim.scenarios import truth

CELLS = ((0.05, 0.5), (0.3, 0.05))
RUNS = 14


def test_intervals_hold_the_truth_and_means_lie_near_it_from_priors_three_times_off() -> None:
    """28 runs: at a coverage of 90 % fewer than 20 hold the truth once in 800 times, at 65 % two
    times in three. The whole plan is `mm bench coverage`."""
    outcomes = [run(job(*cell, number)) for number in range(RUNS) for cell in CELLS]
    found = scores(outcomes)

    assert all(outcome.finished for outcome in outcomes)
    for name in ("kappa", "arrival", "effective_arrival"):
        assert found[name].covered >= 20 / 28, name
        assert abs(found[name].bias) < 0.10, name
    assert found["effective_arrival"].bias_se < found["arrival"].bias_se
    assert found["sigma"].covered >= 20 / 28
    assert abs(found["sigma"].bias) < 0.05
    assert found["adverse"].covered >= 0.8
    for side in (0, 1):
        of_side = [outcome.adverse[side] for outcome in outcomes]
        assert score(of_side).bias == pytest.approx(0.0, abs=0.4)  # shrinks to 0; noise 0.2


def test_a_busy_market_is_not_bent_to_the_prior_of_a_quiet_one() -> None:
    """Three takers a second: a prior of A that weighs five seconds read 15 and 29 % too little."""
    found = scores(
        [
            run(Job(kappa=0.3, arrival=3.0, prior_factor=PRIORS[n % 2], seed=n, arrivals=100))
            for n in range(12)
        ]
    )
    assert abs(found["kappa"].bias) < 0.08
    assert abs(found["arrival"].bias) < 0.15
    assert found["arrival"].covered >= 0.75


def test_the_same_job_ends_the_same() -> None:
    wanted = Job(kappa=0.3, arrival=0.5, prior_factor=3.0, seed=5, arrivals=15)
    assert run(wanted) == run(wanted)


def test_a_market_is_the_same_but_for_its_scale_in_every_cell() -> None:
    for kappa in KAPPAS:
        for arrival in (0.005, 0.5):
            each = job(kappa, arrival, 0)
            told, settings = truth(scenario_of(each)), settings_of(each)
            moved = told.sigma_total * math.sqrt(settings.strategy.quote_interval_s)
            assert moved * kappa == pytest.approx(0.25)
            assert told.adverse_bps * kappa == pytest.approx(0.25 * math.sqrt(0.1))
            assert settings.stochastic.intensity.kappa_prior == pytest.approx(kappa * PRIORS[0])
            assert told.tick_bps < 0.11
            assert PRICE * 1.05 < 100_000


def test_no_two_runs_of_the_plan_share_a_market() -> None:
    seeds = [job(k, a, n).seed for k in KAPPAS for a in (0.005, 0.05, 0.5) for n in range(400)]
    assert len(set(seeds)) == len(seeds)


def test_a_score_counts_misses_by_side() -> None:
    found = [Found(1.0, v, v, v - 0.5, v + 0.5) for v in (0.2, 0.9, 1.1, 1.4, 2.0)]
    scored = score(found)
    assert (scored.covered, scored.low, scored.high) == (0.6, 0.2, 0.2)
    assert scored.bias == pytest.approx(0.12)
    assert scored.above == 0.6
    assert scored.estimates == 5


def test_a_report_has_its_cells_in_order_and_says_who_did_not_finish() -> None:
    short = [
        run(Job(kappa=k, arrival=0.5, prior_factor=p, seed=1, arrivals=3))
        for k in (0.9, 0.3)
        for p in PRIORS
    ]
    found = report(short)
    assert [cell.kappa_per_bps for cell in found.cells] == [0.3, 0.9]
    assert [cell.unfinished for cell in found.cells] == [0, 0]
    assert found.pooled["adverse"].estimates == 8
    lines = table(found)
    assert len(lines) == 2 + 2 + 3
    assert len({len(line) for line in lines[1:]}) == 1
