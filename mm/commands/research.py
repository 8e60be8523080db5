"""`mm replay` and `mm bench`: numbers that anyone can reproduce."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from mm.commands.options import Given, Json, Shorthand, shorthands

bench = typer.Typer(help="Benchmarks: the numbers in the documents.", no_args_is_help=True)
COLD_START = {
    "scenario": Shorthand("scenarios", list[str], "PRESET[:kappa-low|:kappa-high]; repeatable."),
    "seeds": Shorthand("seeds", int, "Runs of each scenario under each policy."),
    "horizon_h": Shorthand("horizon_h", float, "Market time per run, h."),
    "interval_s": Shorthand("quote_interval_s", float, "Quote timer, s."),
    "target_per_h": Shorthand("target_per_h", float, "Arrivals per hour that the policies aim at."),
    "after_h": Shorthand("after_h", float, "Go on for so long, h, and count reopenings."),
}
"""Option -> field of the benchmark's plan."""
EFFICIENCY = {
    "scenario": Shorthand("scenarios", list[str], "Market preset; repeatable."),
    "seeds": Shorthand("seeds", int, "Markets of each scenario."),
    "hours": Shorthand("hours", float, "Market time of each, h."),
    "gamma": Shorthand("gamma", float, "Risk aversion, 1/(bps·lot)."),
}
Journal = Annotated[Path, typer.Argument(help="A journal that `mm run` wrote (.mmj).")]


def replay(journal: Journal, as_json: Json = False) -> None:
    """Run the engine over a journal and compare its actions with those that were taken.

    Exit code 0 if all are the same, 1 at the first that differs.
    """
    stopwatch_ns = import_module("mm.app.clock").stopwatch_ns
    began = stopwatch_ns()
    done = import_module("mm.app.replay").replay(journal)
    took_s = (stopwatch_ns() - began) / 1e9
    if as_json:
        typer.echo(import_module("msgspec").json.encode(done).decode())
    else:
        speed = f"{done.events} events in {took_s:.2f} s ({done.events / took_s:,.0f} a second)"
        typer.echo(f"run {done.run_id} of mm {done.version}: {speed}")
        if done.mismatch is None:
            typer.echo(f"all {done.acting} events that caused actions cause the same ones")
        else:
            typer.echo(f"event {done.mismatch} causes other actions than were taken")
        if done.cut:
            typer.echo(import_module("mm.commands.report").CUT)
    raise typer.Exit(0 if done.mismatch is None else 1)


def report(
    journal: Journal,
    queue: Annotated[
        str | None, typer.Option(help="paper.queue: pro_rata or conservative.")
    ] = None,
    round_trip_ms: Annotated[float | None, typer.Option(help="paper.round_trip_ms.")] = None,
    as_json: Json = False,
) -> None:
    """What a run earned, beside what paper would have earned on the market that it saw.

    Fills, volume, and what they are worth 1, 5 and 30 s later: how far paper flatters here. A twin
    starts from the same state; its orders are not the run's, so they part more the longer it lasts.
    """
    measure = import_module("mm.commands.report")
    found = measure.measure(journal, queue=queue, round_trip_ms=round_trip_ms)
    _show(found, measure.table, as_json)


@bench.command("cold-start")
@shorthands(COLD_START)
def cold_start(
    given: Given,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller plan: a minute.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: all cores]")
    ] = None,
    as_json: Json = False,
) -> None:
    """How long calibration takes, and what it costs, by market and policy, in virtual time.

    Each policy meets the same seeds of the same markets. PRESET:kappa-low and PRESET:kappa-high
    start from a prior κ 3x too low or too high, a preset alone from what its book suggests. What
    did not happen by the horizon counts as the horizon. The same command prints the same numbers.
    """
    measure = import_module("mm.commands.cold_start")
    plan = measure.plan(quick, dict(given.values()))
    if not as_json:
        typer.echo(plan)
    _show(measure.measure(plan, workers), measure.table, as_json)


@bench.command("avellaneda-stoikov")
def avellaneda_stoikov(
    gamma: Annotated[float, typer.Option(help="Risk aversion; the paper has 0.1, 0.01, 1.")] = 0.1,
    paths: Annotated[int, typer.Option(help="The paper has 1,000.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 1,
    as_json: Json = False,
) -> None:
    """The experiment of Avellaneda and Stoikov (2008), section 3.3, for any risk aversion."""
    measure = import_module("mm.commands.avellaneda_stoikov")
    _show(measure.measure(gamma, paths, seed), measure.table, as_json)


@bench.command()
@shorthands(EFFICIENCY)
def efficiency(
    given: Given,
    quick: Annotated[bool, typer.Option("--quick", help="A smaller plan: a minute.")] = False,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also with part of the truth known, or faster.")
    ] = False,
    cold: Annotated[
        bool, typer.Option("--cold", help="Also 24 h of `liquid` from cold, calibration included.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: all cores]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Utility over that of the exact optimum, of our strategy and of others, on the same markets.

    Utility is the edge of fills less half of γσ²q² per second: mm/sim/optimum.py. Strategies are
    calibrated on other markets first, in virtual time. The same command prints the same numbers.
    """
    measure = import_module("mm.commands.efficiency")
    asked = {**dict(given.values()), "ablation": ablation, "cold": cold}
    plan = measure.plan(quick, asked)
    if not as_json:
        typer.echo(plan)
    _show(measure.measure(plan, workers), measure.table, as_json)


@bench.command()
def coverage(
    quick: Annotated[bool, typer.Option("--quick", help="Two cells, few runs: a minute.")] = False,
    runs: Annotated[int | None, typer.Option(min=2, help="Of each cell. [default: 200]")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes. [default: all cores]")
    ] = None,
    as_json: Json = False,
) -> None:
    """How often the 90 % intervals hold the truth after 100 own arrivals, by market, and the bias.

    The real engine on the real exchange in virtual time, on markets of known κ and A, half of the
    runs from a prior κ 3x too low, half 3x too high. The same command prints the same numbers.
    """
    measure = import_module("mm.commands.coverage")
    _show(measure.measure(quick, runs, workers), measure.table, as_json)


@bench.command()
def turn(journal: Journal, as_json: Json = False) -> None:
    """What a turn of the engine costs, by kind of event, over a journal's events."""
    measure = import_module("mm.commands.turn")
    _show(measure.costs(journal), measure.table, as_json)


@bench.command()
def cycle(
    scenario: Annotated[str, typer.Option(help="Market preset.")] = "liquid",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer cycles, an hour of a day.")] = False,
    as_json: Json = False,
) -> None:
    """What a quote cycle costs, stage by stage; learning a trade; a day of a strategy-run."""
    measure = import_module("mm.commands.cycle")
    report = measure.measure(scenario, 300 if quick else 2000, 1 if quick else measure.DAY_H)
    _show(report, measure.table, as_json)


@bench.command()
def latency(
    seconds: Annotated[float, typer.Option(min=1, help="Of each measurement.")] = 20.0,
    as_json: Json = False,
) -> None:
    """From a market frame to the bytes of orders, over loopback sockets, stage by stage.

    At 1x and 100x of a busy market's rate; beside it the bare stack and the official SDK's.
    """
    measure = import_module("mm.commands.latency")
    _show(measure.measure(seconds), measure.table, as_json)


def _show(found: Any, table: Callable[[Any], list[str]], as_json: bool) -> None:  # noqa: ANN401 - what `table` takes
    if as_json:
        typer.echo(import_module("msgspec").json.encode(found).decode())
        return
    for line in table(found):
        typer.echo(line)
