"""The `mm` command: parses arguments, runs a command, turns its outcome into an exit code.

Exit codes: 0 ok, 1 error, 2 usage, 3 not running, 4 config, 5 timeout. Commands import what they
need when they run, so that `mm --help` is quick.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from mm import __version__
from mm.commands import config, data, research
from mm.commands.options import (
    MARKET,
    Files,
    Given,
    Instrument,
    Json,
    Reason,
    Sets,
    Shorthand,
    shorthands,
)

WEB_PORT = Shorthand("web.port", int, "Port of page, metrics and control; 0 takes a free one.")
FAULTS = Shorthand("exchange.faults", str, "Bad days by name: drops, lost-replies, storm, ...")
EXCHANGE_PORT = Shorthand("exchange.port", int, "TCP port; 0 takes a free one. [default: 3001]")

app = typer.Typer(
    help="A market maker that measures its market through its own quotes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(research.bench, name="bench")
app.command("replay")(research.replay)
app.command("report")(research.report)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"mm {__version__}")
        raise typer.Exit


@app.command()
@shorthands({**MARKET, "port": WEB_PORT})
def run(
    given: Given,
    files: Files = None,
    sets: Sets = None,
    duration: Annotated[float | None, typer.Option(min=0, help="Stop after this many s.")] = None,
    halted: Annotated[bool, typer.Option("--halted", help="Quote nothing until resumed.")] = False,
) -> None:
    """Run the market maker until Ctrl-C or SIGTERM; own orders are cancelled at the end.

    Without a config: the embedded exchange, paper money, the page on http://127.0.0.1:8080.
    """
    command = import_module("mm.commands.run")
    raise typer.Exit(command.run(files or [], sets or [], given, duration, halted))


@app.command()
@shorthands({**MARKET, "port": EXCHANGE_PORT, "faults": FAULTS})
def exchange(
    given: Given,
    files: Files = None,
    sets: Sets = None,
    no_faucet: Annotated[bool, typer.Option("--no-faucet", help="Give no test USDC.")] = False,
) -> None:
    """Run the local exchange alone, for any Hyperliquid client."""
    if no_faucet:
        given["--no-faucet"] = ("exchange.faucet", False)
    raise typer.Exit(import_module("mm.commands.exchange").exchange(files or [], sets or [], given))


@app.command()
def status(
    files: Files = None, sets: Sets = None, as_json: Json = False, instrument: Instrument = ""
) -> None:
    """What the running daemon does, and why a side does not quote."""
    show = import_module("mm.commands.control").status
    raise typer.Exit(show(files or [], sets or [], as_json, instrument))


@app.command()
def pause(
    files: Files = None, sets: Sets = None, reason: Reason = "", instrument: Instrument = ""
) -> None:
    """Take no new risk until `mm resume`; orders that reduce the position stay."""
    _command("pause", files, sets, {"reason": reason, "instrument": instrument})


@app.command()
def resume(
    files: Files = None, sets: Sets = None, reason: Reason = "", instrument: Instrument = ""
) -> None:
    """Quote again after a pause or a halt."""
    _command("resume", files, sets, {"reason": reason, "instrument": instrument})


@app.command()
def halt(
    files: Files = None,
    sets: Sets = None,
    reason: Reason = "",
    instrument: Instrument = "",
    flatten: Annotated[bool, typer.Option("--flatten", help="Close the position too.")] = False,
) -> None:
    """Stop quoting, now and after a restart, until `mm resume`."""
    body = {"reason": reason, "instrument": instrument, "flatten": flatten}
    _command("halt", files, sets, body)


@app.command()
def doctor(files: Files = None, sets: Sets = None, as_json: Json = False) -> None:
    """Check config, disk, port, clock, key and account; the exit code says whether all is well."""
    raise typer.Exit(import_module("mm.commands.doctor").doctor(files or [], sets or [], as_json))


@app.command()
def explain(
    files: Files = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="gamma=0.1, kappa=0.2, q=3, ..."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw to this .svg or .png too.")] = None,
    as_json: Json = False,
) -> None:
    """What would be quoted, why, and what each parameter does to it: to choose γ by.

    Values are the configuration's and the priors; --set overrides them by the model's names.
    """
    command = import_module("mm.commands.explain")
    raise typer.Exit(command.run(files or [], sets or [], as_json, plot))


@app.command()
def record(
    coins: Annotated[list[str] | None, typer.Option("--coin", help="Again for more. [BTC]")] = None,
    source: Annotated[
        str, typer.Option("--from", help="mainnet, testnet, or a venue's address.")
    ] = "mainnet",
    out: Annotated[Path, typer.Option(help="Directory; a directory in it for each coin.")] = Path(
        "data/tape"
    ),
    keep_gb: Annotated[float, typer.Option(min=0.001, help="Delete the oldest beyond this.")] = 5.0,
    duration: Annotated[float | None, typer.Option(min=0, help="Stop after this many s.")] = None,
    as_json: Json = False,
) -> None:
    """Record live public data until Ctrl-C, without account or key.

    `mm run --tape OUT/COIN` trades on what was recorded.
    """
    command = import_module("mm.commands.record")
    done = command.record(tuple(coins or ("BTC",)), source, out, keep_gb, duration)
    command.show(done, as_json)
    raise typer.Exit(1 if done.dropped or not done.frames else 0)


@app.command()
def sim(
    seed: Annotated[int | None, typer.Option(min=0, help="The first seed. [default: 1]")] = None,
    seeds: Annotated[int, typer.Option(min=0, help="How many, one after another.")] = 1,
    fresh: Annotated[int, typer.Option(min=0, help="And so many that nobody has seen.")] = 0,
    only: Annotated[
        list[str] | None, typer.Option(metavar="FAULT", help="No other fault. Repeat for more.")
    ] = None,
    lines: Annotated[int | None, typer.Option(min=0, help="Lines of the trace to print.")] = None,
    as_json: Json = False,
) -> None:
    """Daemon and exchange in virtual time, with seeded faults: is every promise kept?

    With --only there are thirty faults within 300 seconds, else three or more within 60.
    """
    command = import_module("mm.commands.sim")
    raise typer.Exit(command.sim((seed, seeds, fresh), only or [], lines, as_json))


def _command(verb: str, files: Files, sets: Sets, body: dict[str, object]) -> None:
    control = import_module("mm.commands.control")
    raise typer.Exit(control.command(files or [], sets or [], verb, body))


def main() -> None:
    """Entry point: one clear line on an error, a traceback only with MM_DEBUG=1."""
    _open_standard_streams()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `mm config show | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("MM_DEBUG"):
            raise
        cause = _cause(error)
        for line in _explained(cause).splitlines():
            typer.echo(f"mm: {line}", err=True)
        sys.exit(getattr(cause, "exit_code", 1))


def _open_standard_streams() -> None:
    """Whatever started us may have closed them: no socket or ledger may take their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # opening takes the lowest number that is free: its own
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - for life


def _cause(error: BaseException) -> BaseException:
    """The first real error inside the groups that task groups wrap around it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _explained(error: BaseException) -> str:
    """Our own errors are written for the user; of others say what and how to learn more."""
    if type(error).__module__.startswith("mm."):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return f"unexpected {type(error).__name__}: {error} (MM_DEBUG=1 shows where)"
