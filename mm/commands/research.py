"""`mm replay` and `mm bench`: numbers that anyone can reproduce."""

from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(help="Benchmarks: the numbers in the README.", no_args_is_help=True)


def replay(journal: Annotated[Path, typer.Argument(help="A journal that `mm run` wrote.")]) -> None:
    """Run the engine over a journal and compare its actions with those that were taken."""
    raise typer.Exit(1)
