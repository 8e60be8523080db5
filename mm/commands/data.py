"""`mm data`: what a recording holds, and its conversion."""

import typer

app = typer.Typer(help="Inspect and convert recordings.", no_args_is_help=True)
