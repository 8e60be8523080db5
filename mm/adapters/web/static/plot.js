// What every chart shares: the page's colours, its axes, and a plot that follows its box.

import { clock, decimalsOf } from "./format.js";

export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function fade(colour, alpha) {
  return `${css(colour)}${Math.round(alpha * 255).toString(16).padStart(2, "0")}`;
}

export function axis(extra) {
  return {
    stroke: () => css("--muted"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: () => css("--grid"), width: 1 },
    ticks: { show: false },
    gap: 4,
    ...extra,
  };
}

export const decimalsFor = (step) => Math.min(8, decimalsOf(Number(step.toPrecision(2))));

export const timeAxis = (extra) =>
  axis({
    size: 22,
    space: 80,
    values: (_, ticks, __, ___, step) => ticks.map((t) => (step < 60 ? clock(t) : clock(t).slice(0, -3))),
    ...extra,
  });

// Follows its box and the light it is seen in until it is destroyed.
export function plot(element, options, data) {
  const ends = new AbortController();
  const box = new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = element;
    if (width && height) chart.setSize({ width, height });
  });
  const destroy = [() => ends.abort(), () => box.disconnect()];
  const size = { width: element.clientWidth || 300, height: element.clientHeight || 100 };
  const chart = new uPlot({ ...size, legend: { show: false }, ...options, hooks: { ...options.hooks, destroy } }, data, element);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => chart.redraw(false), { signal: ends.signal });
  box.observe(element);
  return chart;
}
