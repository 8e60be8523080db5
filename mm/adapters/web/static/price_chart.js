// Fair price, all own levels, and own fills on one chart.

import { byId, node } from "./dom.js";
import { clock, number, NS } from "./format.js";
import { axis, css, decimalsFor, fade, plot, timeAxis } from "./plot.js";

const KEEP_S = 900;

function levelSeries(levels, colour) {
  return Array.from({ length: levels }, (_, i) => ({
    stroke: () => fade(colour, i === 0 ? 1 : Math.max(0.55 - 0.1 * i, 0.15)),
    width: i === 0 ? 2 : 1,
    paths: uPlot.paths.stepped({ align: 1 }),
    points: { show: false },
  }));
}

export class PriceChart {
  constructor(id) {
    this.element = byId(id);
    this.window = 300;
    this.decimals = 1;
    this.reset([], []);
  }

  reset(points, fills) {
    this.fills = fills.map(mark);
    this.columns = [[], []];
    this.levels = 0;
    this.chart?.destroy();
    this.chart = null;
    for (const point of points) this.push(point);
    this.draw();
  }

  push([t, fair, , , bids, asks]) {
    const times = this.columns[0];
    if (times.length && t <= times[times.length - 1]) return;
    this.grow(Math.max(bids.length, asks.length));
    const n = this.levels;
    const row = [t, fair];
    for (let i = 0; i < n; i++) row.push(bids[i] ?? null);
    for (let i = 0; i < n; i++) row.push(asks[i] ?? null);
    row.forEach((value, i) => this.columns[i].push(value));
    if (times[0] < t - KEEP_S - 60) {
      const old = times.findIndex((time) => time >= t - KEEP_S);
      for (const column of this.columns) column.splice(0, old);
      this.fills = this.fills.filter((fill) => fill.t >= t - KEEP_S);
    }
  }

  grow(levels) {
    if (levels <= this.levels && this.chart) return;
    const [times, fair] = this.columns;
    const more = Math.max(levels, this.levels);
    const empty = () => times.map(() => null);
    const pad = (from) => Array.from({ length: more }, (_, i) => (i < this.levels ? this.columns[from + i] : empty()));
    this.columns = [times, fair, ...pad(2), ...pad(2 + this.levels)];
    this.levels = more;
    this.chart?.destroy();
    this.chart = this.build();
  }

  fill(fill) {
    this.fills.push(mark(fill));
  }

  build() {
    const n = this.levels;
    return plot(
      this.element,
      {
        padding: [8, 0, 0, 26],
        cursor: { points: { show: false }, drag: { x: false, y: false } },
        scales: { x: { time: true }, y: { range: (u, low, high) => this.range(u, low, high) } },
        axes: [
          timeAxis(),
          axis({ side: 1, size: 66, values: (_, ticks, __, ___, step) => ticks.map((p) => number(p, decimalsFor(step))) }),
        ],
        series: [
          {},
          { stroke: () => css("--text"), width: 1.25, points: { show: false } },
          ...levelSeries(n, "--bid"),
          ...levelSeries(n, "--ask"),
        ],
        bands: n ? [{ series: [2 + n, 2], fill: () => fade("--text", 0.035) }] : [],
        hooks: { draw: [(u) => this.drawFair(u), (u) => this.drawFills(u)], setCursor: [() => this.readout()] },
      },
      this.columns,
    );
  }

  range(u, low, high) {
    if (low === null) return [0, 1];
    for (const { t, price } of this.fills) {
      if (t >= u.scales.x.min) [low, high] = [Math.min(low, price), Math.max(high, price)];
    }
    const margin = Math.max((high - low) * 0.06, high * 1e-6);
    return [low - margin, high + margin];
  }

  // The last fair price, as a tag on the axis.
  drawFair(u) {
    const price = this.columns[1].at(-1);
    if (!price) return;
    const { ctx, bbox } = u;
    const [y, dpr] = [u.valToPos(price, "y", true), devicePixelRatio];
    ctx.save();
    ctx.fillStyle = css("--text");
    ctx.fillRect(bbox.left + bbox.width + dpr, y - 9 * dpr, 64 * dpr, 18 * dpr);
    ctx.fillStyle = css("--panel");
    ctx.font = `600 ${11 * dpr}px system-ui, sans-serif`;
    ctx.textBaseline = "middle";
    ctx.fillText(number(price, this.decimals), bbox.left + bbox.width + 5 * dpr, y);
    ctx.restore();
  }

  drawFills(u) {
    const { ctx, bbox } = u;
    const size = 4.75 * devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.lineWidth = 1.25 * devicePixelRatio;
    ctx.strokeStyle = css("--panel");
    for (const { t, price, side } of this.fills) {
      if (t < u.scales.x.min) continue;
      const x = u.valToPos(t, "x", true);
      const y = u.valToPos(price, "y", true);
      ctx.fillStyle = css(side > 0 ? "--bid" : "--ask");
      ctx.beginPath();
      ctx.moveTo(x, y - side * size);
      ctx.lineTo(x - size, y + side * size);
      ctx.lineTo(x + size, y + side * size);
      ctx.closePath();
      ctx.stroke();
      ctx.fill();
    }
    ctx.restore();
  }

  draw() {
    const times = this.columns[0];
    if (!this.chart || !times.length) return;
    const now = times[times.length - 1];
    this.chart.batch(() => {
      this.chart.setData(this.columns, false);
      this.chart.setScale("x", { min: Math.max(now - this.window, Math.min(times[0], now - 30)), max: now });
    });
    this.element.dataset.points = times.length;
    this.element.dataset.fills = this.fills.length;
    this.readout();
  }

  readout() {
    const [times, fair] = this.columns;
    if (!this.chart || !times.length) return;
    const i = this.chart.cursor.idx ?? times.length - 1;
    const bid = this.levels ? this.columns[2][i] : null;
    const ask = this.levels ? this.columns[2 + this.levels][i] : null;
    const price = (name, value) => node("span", { class: name }, value === null ? "" : `${name} ${number(value, this.decimals)}`);
    const width = bid === null || ask === null ? "" : `${((1e4 * (ask - bid)) / fair[i]).toFixed(1)} bps wide`;
    byId("readout").replaceChildren(clock(times[i]), price("fair", fair[i]), price("bid", bid), price("ask", ask), width);
  }
}

const mark = (fill) => ({ t: fill.ts * NS, price: Number(fill.price), side: fill.side });
