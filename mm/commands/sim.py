"""`mm sim`: the whole system in virtual time, seed by seed, with everything going wrong."""

import json
import math
import secrets
from collections import Counter
from collections.abc import Iterator
from functools import partial
from statistics import median

import typer
from msgspec import structs

from mm.app.config_layers import ConfigError
from mm.app.simulate.faults import FAULTS
from mm.app.simulate.plan import draw
from mm.app.simulate.run import Outcome, simulate
from mm.commands.parallel import cores, run_all

SHOWN = 60
"""Lines of the trace that a failure prints."""
MANY, MANY_S = 30, 300.0
"""So many faults, within so many seconds, where they are of chosen kinds."""


def sim(
    which: tuple[int | None, int, int], only: list[str], lines: int | None, as_json: bool
) -> int:
    """`which`: the first seed, how many from there on, and how many that nobody has seen. On each
    core that this process may use runs one at a time.

    1 on a violation. ConfigError for a fault of no known name.
    """
    first, seeds, fresh = which
    begin = 1 if first is None else first
    chosen = [*range(begin, begin + seeds), *(secrets.randbelow(2**31) for _ in range(fresh))]
    run = partial(run_one, tuple(_known(only)), lines, as_json)
    few = len(chosen) < 2
    outcomes = list(map(run, chosen)) if few else run_all(run, chosen, cores(), "simulating")
    if as_json:
        typer.echo(json.dumps(_summary(outcomes)))
    else:
        _print(_summary(outcomes), chosen[seeds:])
    return 1 if any(outcome.violation for outcome in outcomes) else 0


def _known(only: list[str]) -> list[str]:
    for name in only:
        if name not in FAULTS:
            raise ConfigError(f"there is no fault {name!r}: there are {', '.join(sorted(FAULTS))}")
    return only


def run_one(only: tuple[str, ...], lines: int | None, as_json: bool, seed: int) -> Outcome:
    """Without its trace, which is told at once: of thousands of seeds it would be gigabytes."""
    outcome = simulate(seed, draw(seed, only, MANY_S, MANY) if only else None)
    wanted = lines if lines is not None else SHOWN if outcome.violation else 0
    told = list(outcome.trace[-wanted:]) if wanted else []
    if outcome.violation:
        again = "".join(f" --only {name}" for name in only)
        told += [f"seed {seed}: {outcome.violation}", f"  again: mm sim --seed {seed}{again}"]
    if told:
        typer.echo("\n".join(told), err=as_json)
    return structs.replace(outcome, trace=())


def _summary(outcomes: list[Outcome]) -> dict[str, object]:
    faults: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for outcome in outcomes:
        faults.update(outcome.faults)
        touched.update(outcome.touched)
        found.update(outcome.found)
    return {
        "seeds": len(outcomes),
        "violations": {str(o.seed): o.violation for o in outcomes if o.violation},
        "virtual_hours": round(sum(o.virtual_s for o in outcomes) / 3600.0, 3),
        "faults": dict(faults.most_common()),
        "felt": {name: touched[name] for name, _ in faults.most_common()},
        "found": dict(found.most_common()),
        "faults_per_run": round(sum(faults.values()) / max(1, len(outcomes)), 2),
        "turns": sum(o.turns for o in outcomes),
        "fills": sum(o.fills for o in outcomes),
        "boots": sum(o.boots for o in outcomes),
        "subscriptions_restored": _restored([one for o in outcomes for one in o.served_s]),
        "quotes_possible_again": _restored([one for o in outcomes for one in o.quoted_s]),
        "digests": {str(o.seed): o.digest for o in outcomes},
    }


def _restored(took_s: list[float]) -> dict[str, float]:
    """How many losses of the link were over, and after how many seconds of virtual time."""
    if not took_s:
        return {"count": 0}
    ordered = sorted(took_s)
    rank = math.ceil(0.99 * len(ordered)) - 1
    found = {"median_s": median(ordered), "p99_s": ordered[rank], "max_s": ordered[-1]}
    return {"count": len(ordered)} | {name: round(value, 2) for name, value in found.items()}


def _print(summary: dict[str, object], fresh: list[int]) -> None:
    for line in _lines(summary, fresh):
        typer.echo(line)


def _lines(summary: dict[str, object], fresh: list[int]) -> Iterator[str]:
    faults, violations = summary["faults"], summary["violations"]
    felt, found = summary["felt"], summary["found"]
    if isinstance(faults, dict) and isinstance(violations, dict):
        yield f"seeds {summary['seeds']}, violations {len(violations)}"
        yield f"virtual time {summary['virtual_hours']} h, turns {summary['turns']}, "
        yield f"fills {summary['fills']}, starts of the daemon {summary['boots']}"
        yield f"faults {sum(faults.values())}, {summary['faults_per_run']} a run"
    if isinstance(faults, dict) and isinstance(felt, dict):
        yield f"of them felt {sum(felt.values())}: " + ", ".join(
            f"{name} {felt[name]} of {count}" for name, count in faults.items()
        )
    if isinstance(found, dict):
        yield "struck in: " + ", ".join(f"{name} {count}" for name, count in found.items())
    for what in ("subscriptions_restored", "quotes_possible_again"):
        restored = summary[what]
        if isinstance(restored, dict) and restored["count"]:
            figures = ", ".join(f"{name} {value}" for name, value in restored.items())
            yield f"{what.replace('_', ' ')}: {figures}"
    if fresh:
        yield f"fresh seeds: {' '.join(map(str, fresh))}"
