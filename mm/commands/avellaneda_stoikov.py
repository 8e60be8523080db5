"""The tables of Avellaneda and Stoikov (2008) for any risk aversion."""

import typer
from msgspec import structs

from mm.commands.parallel import cores, run_all
from mm.sim import avellaneda_stoikov as experiment
from mm.sim.avellaneda_stoikov import Outcome, Table


def measure(gamma: float, paths: int, seed: int) -> Table:
    """Same arguments, same table. Raises BadParameter."""
    try:
        batches = experiment.batches(gamma, paths, seed)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return experiment.table(gamma, run_all(experiment.run, batches, cores(), "paths"))


def table(found: Table) -> list[str]:
    rows = {"inventory": found.inventory, "symmetric": found.symmetric}
    head = "".join(f"{name:>11}" for name in Outcome.__struct_fields__)
    return [f"{'strategy':<10}{head}"] + [
        f"{name:<10}" + "".join(f"{value:>11.2f}" for value in structs.astuple(row))
        for name, row in rows.items()
    ]
