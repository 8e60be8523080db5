"""Cold start by scenario and policy: many seeds on all cores, and a table of means."""

import math
from collections.abc import Callable, Sequence
from itertools import product
from statistics import fmean, stdev
from typing import Annotated, Any

import typer
from msgspec import Meta, Struct, ValidationError, convert, structs

from mm.app.cold_start import POLICIES, PRIORS, Job, Outcome, check, run
from mm.commands.parallel import cores, run_all
from mm.core.settings import CalibrationSettings
from mm.sim.scenario import ScenarioError
from mm.sim.scenarios import PRESETS

BASE = "off"
MISLED = ("thin", "illiquid")
TIMES = ("first_fill_s", "measured10_s", "measured20_s", "calibrated_s")
EVERY = (*PRESETS, *(f"{name}:{prior}" for name in MISLED for prior in PRIORS))


class Plan(Struct, frozen=True, kw_only=True):
    """What is run: `seeds` runs of each scenario under each policy, on the same seeds."""

    scenarios: Annotated[tuple[str, ...], Meta(min_length=1)] = EVERY
    seeds: Annotated[int, Meta(ge=1)] = 10
    horizon_h: Annotated[float, Meta(gt=0)] = 24.0
    quote_interval_s: Annotated[float, Meta(ge=0.1)] = 5.0
    target_per_h: Annotated[float, Meta(gt=0)] = CalibrationSettings().target_fill_rate_per_hour
    after_h: Annotated[float, Meta(ge=0)] = 0.0

    def __str__(self) -> str:
        return (
            f"{len(self.scenarios)} scenarios x {len(POLICIES)} policies x {self.seeds} seeds, "
            f"until calibrated or {self.horizon_h:g} h, quotes every {self.quote_interval_s:g} s"
        )


QUICK = Plan(
    scenarios=("liquid", "toxic", "thin:kappa-low", "thin:kappa-high"),
    seeds=4,
    horizon_h=6.0,
    quote_interval_s=10.0,
)


class Cell(Struct, frozen=True, kw_only=True):
    """Means over the seeds; times are restricted to the horizon."""

    first_fill_s: float
    measured10_s: float
    measured20_s: float
    """Time to 20 arrivals with a complete markout."""
    calibrated_s: float
    never_share: float
    """Of the runs, not calibrated by the horizon."""
    fills: float
    cost_bps: float
    """Edge given up, per notional traded; that in USD is per run."""
    cost_usd: float
    opened_edge_bps: float
    """What fills that added to the position earned at S, less fee and the true adverse selection,
    per notional: below zero the market maker was out of pocket."""
    pnl_usd: float
    two_sided_share: float
    halted_share: float
    reopenings_per_24h: float | None
    """After calibration, where that was watched."""
    se: dict[str, float]
    """Standard errors of the means."""
    to_off: dict[str, float]
    """Times over those of the policy "off"; `..._se`: the error, seeds being paired."""


class Report(Struct, frozen=True, kw_only=True):
    """`scenarios`: name -> policy -> cell."""

    presets: tuple[str, ...]
    seeds: int
    horizon_h: float
    quote_interval_s: float
    target_per_h: float
    after_h: float
    scenarios: dict[str, dict[str, Cell]]


def plan(quick: bool, given: dict[str, Any]) -> Plan:
    """The full or the quick plan, with what was asked for. Raises BadParameter."""
    asked = {key: value for key, value in given.items() if value is not None and value != []}
    base = QUICK if quick else Plan()
    try:
        made = convert({**structs.asdict(base), **asked}, Plan)
        for scenario in made.scenarios:
            check(scenario)
    except (ValidationError, ScenarioError) as error:
        raise typer.BadParameter(str(error).replace("$.", "")) from None
    return made


def measure(made: Plan, workers: int | None) -> Report:
    """Run all of the plan. Same plan, same report. Raises JobError."""
    keys = list(product(range(1, made.seeds + 1), made.scenarios, POLICIES))
    jobs = [
        Job(
            scenario=scenario,
            policy=policy,
            seed=seed,
            horizon_h=made.horizon_h,
            quote_interval_s=made.quote_interval_s,
            target_per_h=made.target_per_h,
            after_h=made.after_h,
        )
        for seed, scenario, policy in keys
    ]
    outcomes = run_all(run, jobs, workers or cores(), "cold start")
    groups: dict[str, dict[str, list[Outcome]]] = {}
    for (_, scenario, policy), outcome in zip(keys, outcomes, strict=True):
        groups.setdefault(scenario, {}).setdefault(policy, []).append(outcome)
    return Report(
        presets=made.scenarios,
        seeds=made.seeds,
        horizon_h=made.horizon_h,
        quote_interval_s=made.quote_interval_s,
        target_per_h=made.target_per_h,
        after_h=made.after_h,
        scenarios={
            scenario: {policy: cell(runs, by_policy[BASE]) for policy, runs in by_policy.items()}
            for scenario, by_policy in groups.items()
        },
    )


def cell(runs: Sequence[Outcome], base: Sequence[Outcome]) -> Cell:
    """`base`: the runs of the same seeds under the policy "off"."""

    def each(field: str, of: Sequence[Outcome] = runs) -> list[float]:
        return [float(getattr(outcome, field)) for outcome in of]

    def total(field: str) -> float:
        return math.fsum(each(field))

    def bps(usd: str, notional: str) -> float:
        return 1e4 * total(usd) / total(notional) if total(notional) else 0.0

    to_off = {}
    for time in TIMES:
        to_off[time], to_off[f"{time}_se"] = ratio(each(time), each(time, base))
    watched_h = total("watched_h")
    return Cell(
        first_fill_s=fmean(each("first_fill_s")),
        measured10_s=fmean(each("measured10_s")),
        measured20_s=fmean(each("measured20_s")),
        calibrated_s=fmean(each("calibrated_s")),
        never_share=1.0 - fmean(each("calibrated")),
        fills=fmean(each("fills")),
        cost_bps=bps("cost_usd", "volume_usd"),
        cost_usd=fmean(each("cost_usd")),
        opened_edge_bps=bps("opened_edge_usd", "opened_usd"),
        pnl_usd=fmean(each("pnl_usd")),
        two_sided_share=fmean(each("two_sided_share")),
        halted_share=fmean(each("halted")),
        reopenings_per_24h=24.0 * total("reopenings") / watched_h if watched_h else None,
        se={field: standard_error(each(field)) for field in (*TIMES, "cost_usd", "pnl_usd")},
        to_off=to_off,
    )


def standard_error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def ratio(above: Sequence[float], below: Sequence[float]) -> tuple[float, float]:
    """Of the means of paired samples, and its standard error by linearisation."""
    found = fmean(above) / fmean(below)
    rest = [a - found * b for a, b in zip(above, below, strict=True)]
    return found, standard_error(rest) / fmean(below)


# -- on the terminal ------------------------------------------------------------------------------

COLUMNS: dict[str, Callable[[Cell], str]] = {
    "first fill": lambda cell: _time(cell.first_fill_s),
    "20 arrivals": lambda cell: _time(cell.measured20_s),
    "calibrated": lambda cell: _time(cell.calibrated_s),
    "/off": lambda cell: f"{cell.to_off['calibrated_s']:.2f}",
    "+-": lambda cell: f"{cell.to_off['calibrated_s_se']:.2f}",
    "never": lambda cell: f"{cell.never_share:.0%}",
    "fills": lambda cell: f"{cell.fills:.0f}",
    "cost bps": lambda cell: f"{cell.cost_bps:.2f}",
    "cost $": lambda cell: f"{cell.cost_usd:.2f}",
    "edge bps": lambda cell: f"{cell.opened_edge_bps:.2f}",
    "PnL $": lambda cell: f"{cell.pnl_usd:.2f}",
    "2-sided": lambda cell: f"{cell.two_sided_share:.1%}",
}


def table(report: Report) -> list[str]:
    """A row for each scenario and policy; "/off" and its error are of the time to calibrated."""
    columns = dict(COLUMNS)
    if report.after_h:
        columns["reopened/24h"] = lambda cell: f"{cell.reopenings_per_24h or 0.0:.2f}"
    widths = {name: max(len(name), 5) + 1 for name in columns}
    head = "".join(f"{name:>{width}}" for name, width in widths.items())
    lines = [f"{'scenario':<20}{'policy':<18}{head}"]
    for scenario, policies in report.scenarios.items():
        for policy, found in policies.items():
            cells = "".join(f"{show(found):>{widths[name]}}" for name, show in columns.items())
            lines.append(f"{scenario:<20}{policy:<18}{cells}")
    return lines


def _time(seconds: float) -> str:
    """In the unit that leaves one to three digits before the point."""
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.1f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"
