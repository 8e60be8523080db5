"""The simulation is worth what it notices: daemons broken on purpose, in one way each.

`python -m tests.system.mutants [SEEDS [NAME ...]]` says at which seed each was caught, and by what.
"""

import inspect
import multiprocessing
import sys
from collections.abc import Callable, Iterable
from typing import Final

import pytest

from mm.app.simulate.faults import FAULTS
from mm.app.simulate.plan import Plan, draw
from mm.app.simulate.run import simulate
from tests.system import broken_books, broken_manners, broken_wire

SEEDS: Final = 50
TOOLS: Final = ("nothing", "now_and_then", "approve_all")

MUTANTS: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    name: found
    for module in (broken_books, broken_manners, broken_wire)
    for name, found in vars(module).items()
    if inspect.isfunction(found) and found.__module__ == module.__name__ and name not in TOOLS
}


def caught(name: str, plans: Iterable[Plan]) -> tuple[int, str] | None:
    """(seed, the broken promise) of the first of these that notices; None: none does."""
    with pytest.MonkeyPatch.context() as patch:
        MUTANTS[name](patch)
        for plan in plans:
            if violation := simulate(plan.seed, plan).violation:
                return plan.seed, violation
    return None


def _row(what: tuple[str, int]) -> str:
    name, seeds = what
    found = caught(name, (draw(seed, tuple(FAULTS)) for seed in range(1, seeds + 1)))
    return f"{name:36} " + (f"{found[0]:3}  {found[1][:110]}" if found else "  -  not caught")


def main(words: list[str]) -> None:
    seeds = int(words[0]) if words else SEEDS
    names = words[1:] or list(MUTANTS)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for row in pool.imap(_row, [(name, seeds) for name in names], chunksize=1):
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
