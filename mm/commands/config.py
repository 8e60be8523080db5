"""`mm config`: what is in force and where it comes from, whether it is valid, its schema."""

import json
from importlib import import_module

import typer

from mm.commands.options import Files, Json, Sets

app = typer.Typer(help="Show, check and describe the configuration.", no_args_is_help=True)
LIBRARY = "mm.app.config"


@app.command()
def show(files: Files = None, sets: Sets = None, as_json: Json = False) -> None:
    """Each field's effective value and where it was set; secrets are masked."""
    library = import_module(LIBRARY)
    rows = library.describe(library.load(files or [], assignments=sets or [], check=False))
    if as_json:
        shown = {row.key: {"value": row.value, "source": row.source} for row in rows}
        typer.echo(json.dumps(shown, indent=2))
        return
    width = max(len(row.key) for row in rows)
    for row in rows:
        typer.echo(f"{row.key:<{width}} = {row.value:<24} # {row.source}")


@app.command()
def check(files: Files = None, sets: Sets = None) -> None:
    """Validate as `mm run` would; exit code 4 and one line per problem if it would refuse."""
    library = import_module(LIBRARY)
    library.private_key(library.load(files or [], assignments=sets or []))
    typer.echo("config is valid")


@app.command()
def default() -> None:
    """Every field with its default, bounds in words, as a TOML file to start from."""
    typer.echo(import_module("mm.app.config_template").template(), nl=False)


@app.command()
def schema() -> None:
    """The JSON schema of the configuration, with defaults, bounds and docs."""
    typer.echo(json.dumps(import_module(LIBRARY).json_schema(), indent=2, default=str))
