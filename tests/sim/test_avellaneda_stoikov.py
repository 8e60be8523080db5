"""The experiment reproduces its paper, and stays sound for risk aversions beyond it."""

import math

import pytest
from msgspec import structs

from mm.sim import avellaneda_stoikov as experiment
from mm.sim.avellaneda_stoikov import Outcome, Table

PATHS = 10_000
PAPER_PATHS = 1_000
PAPER = {  # gamma -> tables 1 to 3
    0.1: Table(Outcome(1.49, 65.0, 6.6, 0.08, 2.9), Outcome(1.49, 68.4, 12.7, 0.26, 8.4)),
    0.01: Table(Outcome(1.35, 68.6, 8.7, 0.12, 5.1), Outcome(1.35, 68.8, 12.8, 0.09, 8.7)),
    1.0: Table(Outcome(3.02, 31.4, 5.0, 0.02, 1.7), Outcome(3.02, 44.0, 11.0, 0.00, 5.1)),
}


def measured(gamma: float, paths: int = PATHS, seed: int = 1) -> Table:
    found = [experiment.run(batch) for batch in experiment.batches(gamma, paths, seed)]
    return experiment.table(gamma, found)


@pytest.mark.parametrize("gamma", PAPER)
@pytest.mark.parametrize("strategy", ["inventory", "symmetric"])
def test_the_tables_of_the_paper(gamma: float, strategy: str) -> None:
    """Means within three standard errors of the paper's mean of 1,000 paths, sds within 12 %."""
    paper: Outcome = getattr(PAPER[gamma], strategy)
    found: Outcome = getattr(measured(gamma), strategy)

    error = 3.0 / math.sqrt(PAPER_PATHS)
    assert found.spread == pytest.approx(paper.spread, abs=0.005)
    assert found.profit == pytest.approx(paper.profit, abs=error * paper.profit_sd + 0.05)
    assert found.q == pytest.approx(paper.q, abs=error * paper.q_sd + 0.005)
    assert found.profit_sd == pytest.approx(paper.profit_sd, rel=0.12)
    assert found.q_sd == pytest.approx(paper.q_sd, rel=0.12)


def test_a_risk_aversion_between_those_of_the_paper() -> None:
    """γ = 0.5, against what fills at a constant depth earn: 2·A·e^(-κδ)·δ per unit of time."""
    found, tame, bold = measured(0.5), measured(0.1, 2_000), measured(1.0, 2_000)
    half = found.symmetric.spread / 2.0
    earned = 2.0 * 140.0 * math.exp(-1.5 * half) * half

    assert found.symmetric.spread == pytest.approx(1.0 + 4.0 * math.log(4.0 / 3.0), abs=1e-12)
    assert found.symmetric.profit == pytest.approx(
        earned, abs=4.0 * found.symmetric.profit_sd / math.sqrt(PATHS)
    )
    assert tame.inventory.q_sd > found.inventory.q_sd > bold.inventory.q_sd
    assert tame.inventory.profit > found.inventory.profit > bold.inventory.profit


@pytest.mark.parametrize("gamma", [0.0, 5e-324, 1e-300, 1e-12])
def test_without_risk_aversion_the_strategies_are_one(gamma: float) -> None:
    found = measured(gamma, 2_000)

    assert found.inventory.spread == pytest.approx(2.0 / 1.5, rel=1e-9)
    assert found.inventory.profit == pytest.approx(found.symmetric.profit, rel=1e-6)
    assert found.inventory.q_sd == pytest.approx(found.symmetric.q_sd, rel=1e-3)


@pytest.mark.parametrize("gamma", [1e-8, 1e2, 1e6])
def test_every_number_is_finite(gamma: float) -> None:
    found = measured(gamma, 200)

    for row in (found.inventory, found.symmetric):
        assert all(math.isfinite(value) for value in structs.astuple(row))


def test_the_series_meets_the_logarithm() -> None:
    below, above = (experiment.base_spread(1.5e-8 * factor) for factor in (0.999, 1.001))

    assert below == pytest.approx(above, rel=1e-9)


def test_the_same_seed_gives_the_same_table() -> None:
    assert measured(0.1, 3_000, 7) == measured(0.1, 3_000, 7)
    assert measured(0.1, 3_000, 7) != measured(0.1, 3_000, 8)


@pytest.mark.parametrize(
    ("gamma", "paths", "seed", "complaint"),
    [
        (-0.1, 100, 1, "gamma -0.1"),
        (math.nan, 100, 1, "gamma nan"),
        (math.inf, 100, 1, "gamma inf"),
        (0.1, 1, 1, "paths 1"),
        (0.1, 10**9, 1, "paths 1000000000"),
        (0.1, 100, -1, "seed -1"),
    ],
)
def test_nonsense_is_refused_by_name(gamma: float, paths: int, seed: int, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        experiment.batches(gamma, paths, seed)
