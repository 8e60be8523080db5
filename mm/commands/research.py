"""`mm replay` and `mm bench`: numbers that anyone can reproduce."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from mm.commands.options import Json

bench = typer.Typer(help="Benchmarks: the numbers in the README.", no_args_is_help=True)


def replay(
    journal: Annotated[Path, typer.Argument(help="A journal that `mm run` wrote (.mmj).")],
    as_json: Json = False,
) -> None:
    """Run the engine over a journal and compare its actions with those that were taken.

    Exit code 0 if all are the same, 1 at the first that differs.
    """
    done = import_module("mm.app.replay").replay(journal)
    if as_json:
        typer.echo(import_module("msgspec").json.encode(done).decode())
    else:
        typer.echo(f"run {done.run_id} of mm {done.version}: {done.events} events replayed")
        if done.mismatch is None:
            typer.echo(f"all {done.acting} events that caused actions cause the same ones")
        else:
            typer.echo(f"event {done.mismatch} causes other actions than were taken")
    raise typer.Exit(0 if done.mismatch is None else 1)
