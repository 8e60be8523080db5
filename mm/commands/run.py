"""`mm run`: the daemon."""

from pathlib import Path

import typer
import uvloop

from mm.adapters import logs
from mm.app import boot
from mm.app.config import Config, load
from mm.app.config_layers import flag_layer
from mm.commands.options import Given


def run(
    files: list[Path], sets: list[str], given: Given, duration_s: float | None, halted: bool
) -> int:
    """The daemon; returns its exit code."""
    why = "operator: started with --halted" if halted else ""
    return uvloop.run(boot.run(configured(files, sets, given), duration_s, halted=why))


def configured(files: list[Path], sets: list[str], given: Given) -> Config:
    if given["--tape"][1] and given["--scenario"][1]:
        raise typer.BadParameter("a market comes from --tape or from --scenario, not from both")
    config = load(files, assignments=sets, flags=flag_layer(given))
    badge = "PAPER" if config.venue.network == "paper" else ""
    logs.configure(config.daemon.log_level, config.daemon.log_format, network=badge)
    return config
