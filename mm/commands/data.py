"""`mm data`: what a recording holds, and its conversion to the project's own form."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from mm.commands.options import Json

app = typer.Typer(help="Inspect and convert recordings.", no_args_is_help=True)
Tape = Annotated[Path, typer.Argument(help="Recording, or a directory of hourly ones.")]


@app.command()
def info(tape: Tape, as_json: Json = False) -> None:
    """Venue, instrument, span, frames, damage, prices, spreads and prints of a recording."""
    msgspec = import_module("msgspec")
    told = msgspec.to_builtins(import_module("mm.adapters.tape_summary").summary(tape))
    if as_json:
        typer.echo(msgspec.json.encode(told).decode())
        return
    for name, value in told.items():
        _print(name, value)


@app.command()
def convert(tape: Tape, out: Annotated[Path, typer.Argument(help="New file (.zst).")]) -> None:
    """Copy the sound lines of a recording, unchanged, compressed with zstd."""
    done = import_module("mm.adapters.tape_convert").convert(tape, out)
    typer.echo(f"{done.lines} lines of {done.venue} {done.coin} to {done.path}")
    typer.echo(f"{done.bytes_in:,} bytes in, {done.bytes_out:,} out")
    for reason, count in done.bad.items():
        typer.echo(f"{count} lines left out: {reason}")


def _print(name: str, value: object) -> None:
    if isinstance(value, dict):
        parts = [f"{key}={_short(item)}" for key, item in value.items()]
        typer.echo(f"{name:<14} {'  '.join(parts) or 'none'}")
    else:
        typer.echo(f"{name:<14} {_short(value)}")


def _short(value: object) -> str:
    return f"{value:.8g}" if isinstance(value, float) else "none" if value is None else str(value)
