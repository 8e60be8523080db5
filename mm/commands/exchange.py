"""`mm exchange`: the local exchange alone."""

import asyncio
import signal
from pathlib import Path

import typer
import uvloop

from mm.adapters.tape import Tape
from mm.app.clock import WallClock
from mm.app.config import Config
from mm.app.exchange import Serving, local_exchange, scenario_of
from mm.commands.options import Given
from mm.commands.run import configured
from mm.sim.truth import truth

EXCHANGE_PORT = 3001  # the port of the venue's own local node, which its SDK knows


def exchange(files: list[Path], sets: list[str], given: Given) -> int:
    """The local exchange alone; returns its exit code."""
    config = configured(files, sets, given)
    if config.source("exchange.port") == "default":
        known = config.exchange.model_copy(update={"port": EXCHANGE_PORT})
        config = config.model_copy(update={"exchange": known})
    return uvloop.run(_serve(config))


async def _serve(config: Config) -> int:
    """Until SIGTERM or Ctrl-C; ends with an error only if the exchange itself fails."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    coins = [instrument.name for instrument in config.instruments]
    async with local_exchange(config.exchange, WallClock(), coins) as server:
        _announce(config, server)
        waiting = asyncio.create_task(stop.wait())
        ending = asyncio.create_task(server.wait())
        done, rest = await asyncio.wait((waiting, ending), return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
        await asyncio.gather(*done)
        if ending in done:
            typer.echo("the recording has ended")
        if server.tape is not None:
            _report(server.tape)
    return 0


def _report(tape: Tape) -> None:
    bad = "; ".join(f"{count} {reason}" for reason, count in tape.report.bad.items())
    typer.echo(f"recording: {tape.report.lines} lines read, bad ones left out: {bad or 'none'}")


def _announce(config: Config, server: Serving) -> None:
    market = config.exchange
    if market.tape is not None:
        typer.echo(f"market: recording {market.tape}, {market.market_speed:g}x")
    else:
        scenario = scenario_of(market)
        typer.echo(
            f"market: {scenario.name} {scenario.coin}, seed {market.seed}, {market.market_speed:g}x"
        )
        for name, value in truth(scenario, market.market_speed).as_dict().items():
            typer.echo(f"  {name:<18} {value:.6g}")
    others = ", ".join(server.coins[1:])
    if others:
        typer.echo(f"and {others}, each a market of its own of that scenario")
    typer.echo(f"exchange listens on {server.url} (/info /exchange /ws); Ctrl-C ends it")
