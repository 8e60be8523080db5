"""Draw docs/cold-start.svg and print the table from the JSON of `mm bench cold-start`."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

HERE = Path(__file__).parent
COLOURS = {
    "off": "#8c8c8c",
    "fill_hungry+gamma": "#d98032",
    "fill_hungry": "#2f7ebc",
    "target_rate": "#1f8a4c",
}
ROW_GAP = 0.18
Cells = dict[str, dict[str, dict[str, Any]]]


def rows(axes: Axes, scenarios: Cells, value: str, scale: float, error: str | None) -> None:
    """A row for each scenario, a point for each policy, one standard error to either side."""
    for index, policy in enumerate(COLOURS):
        cells = [policies[policy] for policies in scenarios.values()]
        axes.errorbar(
            [scale * cell[value] for cell in cells],
            [row + ROW_GAP * (index - 1.5) for row in range(len(cells))],
            xerr=[scale * cell["se"][error] for cell in cells] if error else None,
            fmt="o",
            markersize=5,
            linewidth=1.2,
            color=COLOURS[policy],
            label=policy,
        )
    for row in range(len(scenarios) - 1):
        axes.axhline(row + 0.5, color="0.9", linewidth=0.8, zorder=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def draw(report: dict[str, Any]) -> Figure:
    scenarios: Cells = report["scenarios"]
    figure = Figure(figsize=(10, 1.2 + 0.55 * len(scenarios)), layout="constrained")
    times, costs = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    rows(times, scenarios, "calibrated_s", 1 / 3600, "calibrated_s")
    rows(costs, scenarios, "cost_bps", 1.0, None)
    times.set_yticks(range(len(scenarios)), list(scenarios))
    times.invert_yaxis()
    times.set_xscale("log")
    times.xaxis.set_major_formatter(lambda hours, _: f"{hours:g}")
    times.xaxis.set_minor_formatter("")
    times.set_xlabel(f"time to calibrated, h (mean of {report['seeds']} runs, ±1 s.e.)")
    costs.set_xlabel("edge given up, bps of notional traded")
    figure.legend(*times.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def markdown(scenarios: Cells) -> Iterator[str]:
    """Hours to calibrated under "off", and under the others as a share of it ± standard error."""
    policies = list(COLOURS)[1:]
    yield f"| market | `off`, h | {' | '.join(f'`{policy}`' for policy in policies)} |"
    yield "|---" * (len(policies) + 2) + "|"
    for scenario, cells in scenarios.items():
        hours = f"{cells['off']['calibrated_s'] / 3600:.2f}"
        shares = (cells[policy]["to_off"] for policy in policies)
        ratios = (f"{to['calibrated_s']:.2f} ± {to['calibrated_s_se']:.2f}" for to in shares)
        yield f"| `{scenario}` | {hours} | {' | '.join(ratios)} |"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, nargs="?", default=HERE / "cold-start.json")
    parser.add_argument("picture", type=Path, nargs="?", default=HERE / "cold-start.svg")
    given = parser.parse_args()
    style.use(HERE / "pictures" / "pictures.mplstyle")
    loaded = json.loads(given.report.read_text())
    draw(loaded).savefig(given.picture, metadata={"Date": None})
    sys.stdout.writelines(f"{line}\n" for line in markdown(loaded["scenarios"]))
