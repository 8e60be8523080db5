"""Efficiency by scenario and strategy: what is measured, how often, and the tables."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from statistics import fmean, stdev
from typing import Annotated, Any

import typer
from msgspec import Meta, Struct, ValidationError, convert, structs

from mm.app.efficiency import Job, Outcome, on_paper, run
from mm.app.strategies import ABLATION, COLD, STRATEGIES, Strategy
from mm.commands.parallel import cores, run_all
from mm.core.settings import StrategySettings
from mm.sim.scenario import ScenarioError
from mm.sim.scenarios import PRESETS, preset

COLD_H = 24.0
COLD_SCENARIO = "liquid"


class Plan(Struct, frozen=True, kw_only=True):
    """What is run: each strategy on the same `seeds` markets of each scenario."""

    scenarios: Annotated[tuple[str, ...], Meta(min_length=1)] = tuple(PRESETS)
    seeds: Annotated[int, Meta(ge=1)] = 2
    hours: Annotated[float, Meta(gt=0)] = 0.5
    gamma: Annotated[float, Meta(gt=0)] = StrategySettings().gamma
    warm_h: Annotated[float, Meta(gt=0)] = 24.0
    ablation: bool = False
    cold_h: Annotated[float, Meta(ge=0)] = 0.0
    """Market time from cold on `liquid`; 0: not at all."""

    @property
    def strategies(self) -> Mapping[str, Strategy]:
        return {**STRATEGIES, **(ABLATION if self.ablation else {})}

    def __str__(self) -> str:
        cold = f"; {COLD_SCENARIO} from cold for {self.cold_h:g} h" if self.cold_h else ""
        return (
            f"{len(self.scenarios)} scenarios x {len(self.strategies)} strategies x "
            f"{self.seeds} seeds of {self.hours:g} h{cold}; gamma {self.gamma:g} per bps and lot"
        )


QUICK = Plan(scenarios=("liquid", "toxic"), seeds=1, hours=0.2)


class Cell(Struct, frozen=True, kw_only=True):
    """Means over the seeds; rates are bps·lot per second."""

    efficiency: float
    """Utility over that of the exact optimum."""
    efficiency_se: float
    utility: float
    edge: float
    risk: float
    """½γσ²q² less drift: what the edge is more than the utility, but for θ's change."""
    rms_lots: float
    arrivals_per_h: float
    crossings_per_h: float
    filled_edge: float
    pnl_usd_per_h: float
    calibrated_share: float
    bias: dict[str, float]


class ScenarioReport(Struct, frozen=True, kw_only=True):
    optimum: float
    """Its utility, bps·lot per second."""
    on_paper: dict[str, float]
    """Efficiency of formulas told the truth, without delay, rounding or hysteresis."""
    strategies: dict[str, Cell]


class Report(Struct, frozen=True, kw_only=True):
    gamma: float
    seeds: int
    hours: float
    cold_h: float
    lot_usd: float
    scenarios: dict[str, ScenarioReport]


def plan(quick: bool, given: dict[str, Any]) -> Plan:
    """The full or the quick plan, with what was asked for. Raises BadParameter."""
    unset = (None, False)
    asked = {k: v for k, v in given.items() if v != [] and not any(v is u for u in unset)}
    base = QUICK if quick else Plan()
    if asked.pop("cold", False):
        asked["cold_h"] = COLD_H
    try:
        made = convert({**structs.asdict(base), **asked}, Plan)
        for scenario in made.scenarios:
            preset(scenario)
    except (ValidationError, ScenarioError) as error:
        raise typer.BadParameter(str(error).replace("$.", "")) from None
    return made


def measure(made: Plan, workers: int | None) -> Report:
    """Run all of the plan. Same plan, same report. Raises JobError."""
    seeds = range(1, made.seeds + 1)
    jobs = [_job(made, *key, made.hours) for key in product(seeds, made.scenarios, made.strategies)]
    if made.cold_h:
        cold = [
            _job(made, seed, COLD_SCENARIO, name, made.cold_h) for seed in seeds for name in COLD
        ]
        jobs = cold + jobs
    outcomes = run_all(run, jobs, workers or cores(), "efficiency")
    groups: dict[str, dict[str, list[Outcome]]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        groups.setdefault(job.scenario, {}).setdefault(job.strategy, []).append(outcome)
    return Report(
        gamma=made.gamma,
        seeds=made.seeds,
        hours=made.hours,
        cold_h=made.cold_h,
        lot_usd=StrategySettings().lot_usd,
        scenarios={name: _scenario(name, made.gamma, found) for name, found in groups.items()},
    )


def _job(made: Plan, seed: int, scenario: str, strategy: str, hours: float) -> Job:
    return Job(
        scenario=scenario,
        strategy=strategy,
        seed=seed,
        hours=hours,
        gamma=made.gamma,
        warm_h=made.warm_h,
    )


def _scenario(name: str, gamma: float, found: dict[str, list[Outcome]]) -> ScenarioReport:
    best = next(iter(found.values()))[0].best
    return ScenarioReport(
        optimum=best,
        on_paper={form: p.utility / best for form, p in on_paper(preset(name), gamma).items()},
        strategies={strategy: cell(outcomes) for strategy, outcomes in found.items()},
    )


def cell(outcomes: Sequence[Outcome]) -> Cell:
    def mean(field: str) -> float:
        return fmean(float(getattr(outcome, field)) for outcome in outcomes)

    reached = [outcome.utility / outcome.best for outcome in outcomes]
    spread = stdev(reached) / math.sqrt(len(reached)) if len(reached) > 1 else 0.0
    return Cell(
        efficiency=fmean(reached),
        efficiency_se=spread,
        utility=mean("utility"),
        edge=mean("edge"),
        risk=mean("risk"),
        rms_lots=mean("rms_lots"),
        arrivals_per_h=mean("arrivals_per_h"),
        crossings_per_h=mean("crossings_per_h"),
        filled_edge=mean("filled_edge"),
        pnl_usd_per_h=mean("pnl_usd_per_h"),
        calibrated_share=mean("calibrated"),
        bias={key: fmean(outcome.bias[key] for outcome in outcomes) for key in outcomes[0].bias},
    )


# -- on the terminal ------------------------------------------------------------------------------


def table(report: Report) -> list[str]:
    """Utility in USD an hour; σ, κ, A: estimates over the truth; a: less the truth, in bps."""
    head = ("efficiency", "+-", "U $/h", "edge $/h", "rms q", "arr/h", "κ", "A", "σ", "a")
    lines = [f"{'scenario':<10}{'strategy':<31}" + "".join(f"{name:>11}" for name in head)]
    usd = report.lot_usd * 3600.0 / 1e4
    for name, scenario in report.scenarios.items():
        lines.append(
            f"{name:<10}{'exact optimum':<31}{1:>11.3f}{'':>11}{scenario.optimum * usd:>11.2f}"
        )
        lines += [
            f"{name:<10}{form + ', on paper':<31}{reached:>11.3f}"
            for form, reached in scenario.on_paper.items()
        ]
        lines += [
            f"{name:<10}{strategy:<31}" + "".join(f"{text:>11}" for text in _row(found, usd))
            for strategy, found in scenario.strategies.items()
        ]
    return lines


def _row(cell: Cell, usd: float) -> list[str]:
    ratios = [f"{math.exp(cell.bias[key]):.2f}" for key in ("kappa", "arrival", "sigma")]
    return [
        f"{cell.efficiency:.3f}",
        f"{cell.efficiency_se:.3f}",
        f"{cell.utility * usd:.2f}",
        f"{cell.edge * usd:.2f}",
        f"{cell.rms_lots:.2f}",
        f"{cell.arrivals_per_h:.0f}",
        *ratios,
        f"{cell.bias['adverse']:+.2f}",
    ]
