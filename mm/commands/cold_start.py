"""Cold start by policy: many seeds on a few processes, and a table of means."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from statistics import fmean

from msgspec import Struct

from mm.app.cold_start import POLICIES, Job, Outcome, run

TOO_LOW = 1 / 3
BASE = "off"


class Plan(Struct, frozen=True):
    scenario: str
    seeds: int
    horizon_h: float
    quote_interval_s: float


class Row(Struct, frozen=True):
    """Means over the seeds; times in hours, restricted to the horizon."""

    case: str
    policy: str
    first_fill_h: float
    measured20_h: float
    ratio: float
    """Time to 20 measured arrivals over that of the policy "off"."""
    calibrated_h: float
    calibrated: float
    """Share of the runs."""
    fills: float
    cost_usd: float
    pnl_usd: float


def rows(plan: Plan, workers: int) -> list[Row]:
    jobs = list(_jobs(plan))
    with ProcessPoolExecutor(workers) as pool:
        outcomes = list(pool.map(run, jobs))
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.job.name, outcome.job.policy), []).append(outcome)
    return [_row(group, groups[case, BASE]) for (case, _), group in groups.items()]


def table(found: list[Row]) -> list[str]:
    names = ("first fill h", "20 arrivals h", "/off", "calibrated h", "done", "fills", "cost USD")
    head = f"{'case':<24}{'policy':<19}" + "".join(f"{name:>14}" for name in names)
    return [head] + [
        f"{row.case:<24}{row.policy:<19}{row.first_fill_h:>14.3f}{row.measured20_h:>14.3f}"
        f"{row.ratio:>14.2f}{row.calibrated_h:>14.3f}{row.calibrated:>14.0%}{row.fills:>14.0f}"
        f"{row.cost_usd:>14.2f}"
        for row in found
    ]


def _jobs(plan: Plan) -> Iterator[Job]:
    for factor, policy, seed in product((None, TOO_LOW), POLICIES, range(1, plan.seeds + 1)):
        yield Job(
            scenario=plan.scenario,
            policy=policy,
            seed=seed,
            horizon_h=plan.horizon_h,
            quote_interval_s=plan.quote_interval_s,
            prior_factor=factor,
        )


def _row(group: list[Outcome], base: list[Outcome]) -> Row:
    def hours(field: str, of: list[Outcome] = group) -> float:
        return fmean(getattr(outcome, field) for outcome in of) / 3600.0

    return Row(
        case=group[0].job.name,
        policy=group[0].job.policy,
        first_fill_h=hours("first_fill_s"),
        measured20_h=hours("measured20_s"),
        ratio=hours("measured20_s") / hours("measured20_s", base),
        calibrated_h=hours("calibrated_s"),
        calibrated=fmean(outcome.calibrated for outcome in group),
        fills=fmean(outcome.fills for outcome in group),
        cost_usd=fmean(outcome.cost_usd for outcome in group),
        pnl_usd=fmean(outcome.pnl_usd for outcome in group),
    )
