"""Draw docs/efficiency.svg from the JSON of `mm bench efficiency`: utility, edge, inventory."""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from msgspec import structs

from mm.app.efficiency import yardstick
from mm.core.settings import EngineSettings
from mm.sim.optimum import evaluate, optimum
from mm.sim.scenarios import preset

HERE = Path(__file__).parent
COLOURS = {
    "known": "#8c8c8c",
    "calibrated": "#1f8a4c",
    "ladder": "#2f7ebc",
    "closed form": "#8a6fc0",
    "regression": "#d98032",
    "fixed spread": "#c0392b",
}
ROW_GAP = 0.13
LEAST = -0.1
FRONTIER = "liquid"
GRID = "#e5e5e5"
Scenarios = dict[str, dict[str, Any]]


def reached(axes: Axes, scenarios: Scenarios) -> None:
    """A row for each scenario, a point for each strategy; what is off the scale, at its edge."""
    for index, (name, colour) in enumerate(COLOURS.items()):
        cells = [scenario["strategies"][name] for scenario in scenarios.values()]
        for row, cell in enumerate(cells):
            value, place = cell["efficiency"], row + ROW_GAP * (index - 2.5)
            axes.errorbar(
                [max(value, LEAST)],
                [place],
                xerr=[cell["efficiency_se"]] if value > LEAST else None,
                fmt="o" if value > LEAST else "<",
                markersize=5,
                linewidth=1.2,
                color=colour,
                label=name if row == 0 else None,
            )
    for row in range(len(scenarios) - 1):
        axes.axhline(row + 0.5, color=GRID, linewidth=0.8, zorder=0)
    axes.axvline(1.0, color="#333333", linewidth=0.8, zorder=0)
    axes.set_yticks(range(len(scenarios)), list(scenarios))
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(LEAST - 0.04, 1.04)
    axes.set_xlabel("utility over that of the exact optimum")


def frontier(axes: Axes, report: dict[str, Any]) -> None:
    """Edge and inventory of every strategy, and of the optimum for each risk aversion."""
    settings, usd = EngineSettings(), report["lot_usd"] * 3600.0 / 1e4
    measure = yardstick(preset(FRONTIER), settings, report["gamma"])
    curve = []
    for gamma in np.geomspace(0.002, 2.0, 60):
        maker = structs.replace(measure.maker, gamma=float(gamma))
        found = optimum(measure.truth, maker)
        curve.append(evaluate(measure.truth, maker, found.bids, found.asks))
    axes.plot(
        [p.rms_lots for p in curve], [usd * p.edge for p in curve], color="#333333", linewidth=1.0
    )
    axes.annotate("optimum, by γ", (curve[8].rms_lots, usd * curve[8].edge), (0, 7), **ABOVE)
    cells = report["scenarios"][FRONTIER]["strategies"]
    for name, colour in COLOURS.items():
        axes.plot(cells[name]["rms_lots"], usd * cells[name]["edge"], "o", color=colour)
    axes.set_xlabel(f"inventory on `{FRONTIER}`, lots (root mean square)")
    axes.set_ylabel("expected edge, USD an hour")


ABOVE: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 9}


def draw(report: dict[str, Any]) -> Figure:
    scenarios: Scenarios = report["scenarios"]
    figure = Figure(figsize=(10, 1.6 + 0.6 * len(scenarios)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    reached(left, scenarios)
    frontier(right, report)
    for axes in (left, right):
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        for side in ("top", "right", "left"):
            axes.spines[side].set_visible(False)
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, nargs="?", default=HERE / "efficiency.json")
    parser.add_argument("picture", type=Path, nargs="?", default=HERE / "efficiency.svg")
    given = parser.parse_args()
    mpl.rcParams.update({"svg.hashsalt": "efficiency", "font.size": 10})
    drawn = draw(json.loads(given.report.read_text()))
    drawn.savefig(given.picture, metadata={"Date": None})
