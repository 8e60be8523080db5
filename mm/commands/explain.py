"""`mm explain`: the quotes for given parameters, on a terminal, as JSON or as a picture."""

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

import msgspec
import typer

from mm.app.explain import Doubled, Explanation, GammaRow, SideView, depths, explain
from mm.app.explain_inputs import Inputs, inputs
from mm.commands.plot import Curve, Frame, plot

FORMATS = (".svg", ".png")
WIDTH, INDENT = 80, " " * 6
MOVES = {
    "bid_bps": "bid",
    "ask_bps": "ask",
    "half_spread_bps": "half",
    "skew_bps": "skew",
    "arrivals_per_h": "arr/h",
    "inventory_sd_lots": "inv sd",
}
GAMMA_HEAD = ("half", "skew/lot", "inv sd", "arrivals/h", "edge USD/h", "risk USD/√h")


class NoMatplotlib(Exception):  # noqa: N818 - a state, named for what it says
    exit_code = 1


def run(files: list[Path], sets: list[str], as_json: bool, picture: Path | None) -> int:
    """Print what `explain` finds; draw it where a file is named."""
    if picture is not None and picture.suffix.lower() not in FORMATS:
        raise typer.BadParameter(f"--plot writes {' or '.join(FORMATS)}, not {picture.name!r}")
    given = inputs(files, os.environ, sets)
    found = explain(given)
    if picture is not None:
        draw(given, found, picture)
        typer.echo(f"wrote {picture}", err=True)
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return 0
    for line in lines(given, found):
        typer.echo(line.rstrip())
    return 0


def lines(given: Inputs, found: Explanation) -> Iterator[str]:
    yield f"{'':<7}{'parameter':<20}{'value':>12}  {'unit':<13}from"
    for p in found.parameters:
        yield f"{p.symbol:<7}{p.name:<20}{_short(p.value):>12}  {p.unit:<13}{p.source}"
    priors = [p for p in found.parameters if p.low is not None and p.high is not None]
    if priors:
        said = (f"{p.symbol} {_short(p.low or 0.0)} to {_short(p.high or 0.0)}" for p in priors)
        yield from fold(f"90 % of the priors: {', '.join(said)}")
    yield ""
    yield f"Quotes at q = {given.inventory_lots:g} lots"
    for side in (found.bid, found.ask):
        yield from _side(side)
    yield ""
    yield from _ladder(found.bid, found.ask)
    yield ""
    yield "Depth in bps against inventory in lots: bid solid, ask dotted, upright: now"
    yield from curves(given)
    yield ""
    yield f"In the long run: {_long_run(found.long_run)}"
    yield ""
    yield "What another value would change, at this inventory (bps; arrivals of both sides)"
    yield f"{'':<7}{'from':>10}{'to':>10} " + "".join(f"{head:>8}" for head in MOVES.values())
    yield from map(_doubled, found.doubled)
    yield ""
    yield "Which γ: flat half-spread and skew in bps; the rest in the long run"
    yield f"{'γ':>7}" + "".join(f"{head:>12}" for head in GAMMA_HEAD)
    yield from map(_gamma, found.gammas)


def curves(given: Inputs) -> list[str]:
    """δ_bid and δ_ask against inventory, in 80 columns."""
    bound = given.market.max_inventory_lots
    held = min(max(given.inventory_lots, -bound), bound)
    shown = [
        Curve("bid", lambda q: depths(given, q)[0]),
        Curve("ask", lambda q: depths(given, q)[1], dotted=True),
    ]
    return plot(shown, Frame(low=-bound, high=bound, mark=held))


def draw(given: Inputs, found: Explanation, path: Path) -> None:
    """The same plot, and where inventory would be, as a picture. Raises NoMatplotlib, OSError."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NoMatplotlib(
            f"--plot needs matplotlib, which is not here: {sys.executable} -m pip install "
            "matplotlib (without --plot the same curve is drawn as text)"
        ) from None
    figure = Figure(figsize=(8, 5), layout="constrained")
    top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    q = [point.inventory_lots for point in found.curve]
    top.plot(q, [_gap(p.bid_bps) for p in found.curve], "o-", ms=3, label="bid")
    top.plot(q, [_gap(p.ask_bps) for p in found.curve], "s--", ms=3, label="ask")
    top.axvline(given.inventory_lots, color="0.7", lw=1)
    top.axhline(0.0, color="0.7", lw=1)
    top.set_ylabel("depth δ, bps")
    top.legend()
    below.bar(q, [point.probability for point in found.curve], width=0.8, color="0.6")
    below.set(xlabel="inventory q, lots", ylabel="share of time")
    shown = [p for p in found.parameters if p.symbol in "γκAσQm"]
    top.set_title(", ".join(f"{p.symbol} = {_short(p.value)}" for p in shown), fontsize=10)
    figure.savefig(path)


def _gap(value: float | None) -> float:
    return math.nan if value is None else value


def _side(side: SideView) -> Iterator[str]:
    if side.depth_bps is None:
        yield f"{side.side}  no quote: {side.blocked}"
        return
    yield f"{side.side} {side.depth_bps:8.2f} bps, set by {side.binding or 'nothing'}"
    shown = " ".join(f"{'-' if t.bps < 0 else '+'} {t.name} {abs(t.bps):.2f}" for t in side.terms)
    yield from fold(f"= {shown.removeprefix('+ ')}")
    if side.blocked:
        yield from fold(f"no order: {side.blocked}")
        return
    most = math.log(len(side.levels)) or math.inf
    yield from fold(
        f"{side.arrivals_per_h:.4g} arrivals/h of {side.lots_per_arrival:.2f} lots, "
        f"edge {side.edge_bps:.2f} bps; entropy {side.entropy / most:.0%}"
    )


def fold(text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)


def _ladder(bid: SideView, ask: SideView) -> Iterator[str]:
    yield "level" + "".join(f"{side:>14}{'size':>12}{'bps':>9}" for side in ("bid", "ask"))
    for index in range(max(len(bid.levels), len(ask.levels))):
        line = f"{index + 1:>5}"
        for side in (bid, ask):
            if index < len(side.levels):
                rung = side.levels[index]
                line += f"{rung.price:>14}{rung.size:>12}{rung.depth_bps:>9.2f}"
            else:
                line += " " * 35
        yield line


def _long_run(row: GammaRow) -> str:
    return (
        f"inventory ± {row.inventory_sd_lots:.2f} lots, {row.arrivals_per_h:.4g} arrivals/h,\n"
        f"edge {row.edge_usd_per_h:.4g} USD/h, which moves of S make uncertain by "
        f"± {row.risk_usd_per_sqrt_h:.4g} USD/√h"
    )


def _doubled(row: Doubled) -> str:
    moves = "".join(f"{_change(row.change[name]):>8}" for name in MOVES)
    return f"{row.symbol:<7}{_short(row.value):>10}{_short(row.to):>10} {moves}"


def _gamma(row: GammaRow) -> str:
    numbers = msgspec.structs.astuple(row)
    return f"{row.gamma:>7g}" + "".join(f"{number:>12.4g}" for number in numbers[1:])


def _change(value: float | None) -> str:
    if value is None:
        return "-"
    digits = 2 if abs(value) < 1000 else 0
    return "0" if abs(value) < 0.005 else f"{value:+.{digits}f}"


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.8g}"
