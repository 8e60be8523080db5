// Small charts of the whole run: calibration, posterior with its bounds, PnL, inventory.

import { byId } from "./dom.js";
import { number } from "./format.js";
import { axis, decimalsFor, fade, plot, timeAxis } from "./plot.js";

const MAX_TRENDS = 1500;

// One to three lines; `low` and `high` (if given) are the indices of the band's lines.
class Small {
  constructor(id, lines, options = {}) {
    const { range, band, format = (v, step) => number(v, decimalsFor(step)) } = options;
    this.pick = lines.map((line) => line.pick);
    this.data = [[], ...lines.map(() => [])];
    this.chart = plot(
      byId(id),
      {
        padding: [4, 26, 0, 0],
        cursor: { show: false },
        scales: { x: { time: true }, y: { range: range ?? ((_, low, high) => widened(low, high)) } },
        axes: [timeAxis({ grid: { show: false }, size: 18, space: 60 }), axis({ size: 42, space: 24, values: (_, ticks, __, ___, step) => ticks.map((v) => format(v, step)) })],
        series: [
          {},
          ...lines.map(({ colour, width = 1.5, alpha = 1, stepped }) => ({
            stroke: () => fade(colour, alpha),
            width,
            points: { show: false },
            ...(stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
          })),
        ],
        bands: band ? [{ series: band, fill: () => fade(lines[0].colour, 0.16) }] : [],
      },
      this.data,
    );
  }

  show(trends) {
    this.data = [trends.map((row) => row[0]), ...this.pick.map((pick) => trends.map(pick))];
    this.chart.setData(this.data);
  }
}

function widened(low, high) {
  if (low === null) return [0, 1];
  const margin = (high - low || Math.abs(high) || 1) * 0.1;
  return [low - margin, high + margin];
}

const fromZero = (_, low, high) => (low === null ? [0, 1] : [0, high * 1.08 || 1]);

function estimate(id, column) {
  const at = (i) => (row) => row[column]?.[i] ?? null;
  return new Small(
    id,
    [
      { pick: at(1), colour: "--accent" },
      { pick: at(0), colour: "--accent", alpha: 0.35, width: 1 },
      { pick: at(2), colour: "--accent", alpha: 0.35, width: 1 },
    ],
    { band: [3, 2], range: fromZero },
  );
}

export class Trends {
  constructor() {
    const percent = (v) => `${Math.round(100 * v)} %`;
    this.rows = [];
    this.charts = [
      new Small(
        "calibration-chart",
        [
          { pick: (row) => row[1], colour: "--accent" },
          { pick: (row) => row[2], colour: "--muted", width: 1 },
        ],
        { range: (_, low) => [Math.min(0, low ?? 0), 1.05], format: percent }, // m may be negative
      ),
      estimate("kappa-chart", 3),
      estimate("arrival-chart", 4),
      new Small("lots-chart", [{ pick: (row) => row[5], colour: "--muted", stepped: true }]),
      new Small("pnl-chart", [{ pick: (row) => row[6], colour: "--accent" }]),
    ];
  }

  reset(rows) {
    this.rows = rows;
    this.draw();
  }

  push(row) {
    this.rows.push(row);
    if (this.rows.length > MAX_TRENDS) this.rows = this.rows.filter((_, i) => i % 2 === 0);
    this.draw();
  }

  draw() {
    for (const chart of this.charts) chart.show(this.rows);
  }
}
