"""`mm run`: the daemon."""

from pathlib import Path

import typer
import uvloop

from mm.adapters import logs
from mm.app import boot
from mm.app.config import Config, load
from mm.app.config_layers import flag_layer
from mm.commands.options import MARKET, Given


def run(
    files: list[Path], sets: list[str], given: Given, duration_s: float | None, halted: bool
) -> int:
    """The daemon; returns its exit code."""
    why = "operator: started with --halted" if halted else ""
    config = configured(files, sets, given)
    if config.venue.network != "embedded":
        _refuse_market(given, config.venue.network)
    return uvloop.run(boot.run(config, duration_s, halted=why))


def _refuse_market(given: Given, network: str) -> None:
    for name in MARKET:
        if given[f"--{name}"][1] is not None:
            text = (
                f'--{name} is of the embedded exchange, but venue.network = "{network}": drop one'
            )
            raise typer.BadParameter(text)


def configured(files: list[Path], sets: list[str], given: Given) -> Config:
    if given["--tape"][1] and given["--scenario"][1]:
        raise typer.BadParameter("a market comes from --tape or from --scenario, not from both")
    config = load(files, assignments=sets, flags=flag_layer(given))
    badge = "PAPER" if config.venue.network == "paper" else ""
    logs.configure(config.daemon.log_level, config.daemon.log_format, network=badge)
    return config
