"""Coverage of the intervals, by cell of known κ and A: many runs on all cores, and a table."""

import math
from collections.abc import Sequence
from itertools import product
from statistics import fmean, stdev

from msgspec import Struct

from mm.app.coverage import Found, Job, Outcome, run
from mm.commands.parallel import cores, run_all

KAPPAS = (0.05, 0.15, 0.3, 0.9)
ARRIVALS = (0.005, 0.05, 0.5)
PRIORS = (1 / 3, 3.0)
"""Of the true κ: half of the runs of a cell each."""
QUICK_CELLS = ((0.05, 0.5), (0.3, 0.05))
RUNS, QUICK_RUNS = 200, 20
WANTED = 100
SEEDS_PER_CELL = 1_000_000
"""Markets of one seed are alike but for their scale, so that no two cells share one."""


class Score(Struct, frozen=True):
    """Of one quantity over the runs of a cell."""

    covered: float
    """Share of the central 90 % intervals that hold the truth."""
    low: float
    """Share of the intervals that lie below the truth."""
    high: float
    bias: float
    """Of the posterior mean: its average over the truth, less one."""
    bias_se: float
    value_bias: float
    """Of the value that is shown and quoted with."""
    above: float
    """Share of those values that lie above the truth: a half where they have no bias in median."""
    estimates: int


class Cell(Struct, frozen=True, kw_only=True):
    kappa_per_bps: float
    arrival_per_s: float
    runs: int
    unfinished: int
    """Runs given up before they had their arrivals; they count all the same."""
    scores: dict[str, Score]


class Report(Struct, frozen=True, kw_only=True):
    arrivals: int
    """Own arrivals at which a run ends."""
    cells: list[Cell]
    pooled: dict[str, Score]
    prior_too_low: dict[str, Score]
    prior_too_high: dict[str, Score]


def measure(quick: bool, runs: int | None, workers: int | None) -> Report:
    """Same arguments, same report. Raises JobError."""
    keys = QUICK_CELLS if quick else tuple(product(KAPPAS, ARRIVALS))
    each = runs or (QUICK_RUNS if quick else RUNS)
    jobs = [job(kappa, arrival, number) for number in range(each) for kappa, arrival in keys]
    outcomes = run_all(run, jobs, workers or cores(), "coverage")
    return report(outcomes)


def job(kappa: float, arrival: float, number: int) -> Job:
    """The `number`-th run of a cell."""
    cell = KAPPAS.index(kappa) * len(ARRIVALS) + ARRIVALS.index(arrival)
    return Job(
        kappa=kappa,
        arrival=arrival,
        prior_factor=PRIORS[number % len(PRIORS)],
        seed=SEEDS_PER_CELL * cell + number + 1,
        arrivals=WANTED,
    )


def report(outcomes: Sequence[Outcome]) -> Report:
    groups: dict[tuple[float, float], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.job.kappa, outcome.job.arrival), []).append(outcome)
    low, high = ([o for o in outcomes if o.job.prior_factor == prior] for prior in PRIORS)
    return Report(
        arrivals=WANTED,
        cells=[
            Cell(
                kappa_per_bps=kappa,
                arrival_per_s=arrival,
                runs=len(group),
                unfinished=sum(not outcome.finished for outcome in group),
                scores=scores(group),
            )
            for (kappa, arrival), group in sorted(groups.items())
        ],
        pooled=scores(outcomes),
        prior_too_low=scores(low),
        prior_too_high=scores(high),
    )


def scores(outcomes: Sequence[Outcome]) -> dict[str, Score]:
    """Of each quantity; both sides' adverse selection count as one."""
    return {
        "kappa": score([o.kappa for o in outcomes]),
        "arrival": score([o.arrival for o in outcomes]),
        "effective_arrival": score([o.effective for o in outcomes]),
        "sigma": score([o.sigma for o in outcomes]),
        "adverse": score([side for o in outcomes for side in o.adverse]),
    }


def score(found: Sequence[Found]) -> Score:
    ratios = [each.mean / each.truth for each in found]
    error = stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else 0.0
    return Score(
        covered=fmean(each.covers for each in found),
        low=fmean(each.high < each.truth for each in found),
        high=fmean(each.low > each.truth for each in found),
        bias=fmean(ratios) - 1.0,
        bias_se=error,
        value_bias=fmean(each.value / each.truth for each in found) - 1.0,
        above=fmean(each.value > each.truth for each in found),
        estimates=len(found),
    )


# -- on the terminal ------------------------------------------------------------------------------


def table(found: Report) -> list[str]:
    """Coverage of the 90 % intervals and bias of the posterior means, a row for each cell."""
    head = "".join(f"{name:>26}" for name in found.pooled)
    part = "".join(f"{'covered':>11}{'bias':>8}{'+-':>7}" for _ in found.pooled)
    rows = [(f"{c.kappa_per_bps:g}", f"{c.arrival_per_s:g}", c.runs, c.scores) for c in found.cells]
    runs = sum(cell.runs for cell in found.cells)
    rows.append(("prior", "low", runs - runs // 2, found.prior_too_low))
    rows.append(("prior", "high", runs // 2, found.prior_too_high))
    rows.append(("all", "", runs, found.pooled))
    return [
        f"{'kappa/bps':<11}{'A/s':>6}{'runs':>6}{head}",
        f"{'':<23}{part}",
        *(f"{a:<11}{b:>6}{n:>6}" + "".join(map(_cell, each.values())) for a, b, n, each in rows),
    ]


def _cell(of: Score) -> str:
    return f"{of.covered:>11.1%}{of.bias:>+8.1%}{of.bias_se:>7.1%}"
