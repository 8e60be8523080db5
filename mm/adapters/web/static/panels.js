// From the state to words and numbers; nothing here keeps any of its own.

import { byId, node, shape, table, text } from "./dom.js";
import { clock, decimalsOf, dollars, duration, NS, number, priceDigits, signed, significant } from "./format.js";

const EVENTS = 80;
const GONE = ["lingering", "closed"]; // off the book, and remembered for a late fill
const ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone;

export function showState({ view, health, ready, reason, version }) {
  footer(health, version, view?.safety);
  const state = view?.safety.state ?? "starting";
  document.body.dataset.state = state;
  text("state", state);
  byId("pause").hidden = state === "paused" || state === "halted";
  byId("resume").hidden = state !== "paused" && state !== "halted";
  byId("halt").hidden = state === "halted";
  if (!view) {
    text("reason", reason);
    return;
  }
  text("reason", causes(view.safety).join(" · ") || (ready ? "" : reason));
  header(view);
  calibration(view.calibration, view.market.kappa_confidence, view.safety.state);
  estimates(view.market);
  account(view);
  sides(view.bid, view.ask);
  orders(view);
}

// Each cause once: "halted: operator" has said "operator".
function causes({ halt_reason, reasons, flatten }) {
  const all = [...new Set([halt_reason, ...reasons, flatten && `flatten: ${flatten}`])].filter(Boolean);
  return all.filter((cause) => !all.some((other) => other !== cause && other.endsWith(`: ${cause}`)));
}

function header({ instrument, label, market, position, pnl, safety }) {
  document.body.dataset.label = label;
  document.title = `${instrument} ${number(market.fair, 1)} · ${safety.state} · ${label}`;
  text("instrument", instrument);
  text("label", label);
  text("head-fair", number(market.fair, priceDecimals(market.fair)));
  text("head-position", signed(position.size, decimalsOf(position.size)));
  text("head-equity", number(pnl.equity));
  text("head-day", signed(pnl.day_total));
}

export function priceDecimals(fair) {
  return fair ? Math.max(0, Math.min(6, 6 - Math.ceil(Math.log10(fair)))) : 1;
}

// -- calibration --------------------------------------------------------------------------------

const IDLE = ["paused", "halted"]; // nothing rests: nothing comes nearer
// Progress is half measured arrivals out of 20, half confidence in kappa out of 75 %.
const HALF = { arrivals: 20, confidence: 0.75 };

function calibration(c, confidence, state) {
  const percent = whole(c.progress);
  text("progress-text", `${percent} %`);
  text("multiplier", `m ${whole(c.multiplier)} % of full width`);
  const unknown = c.eta_s === null || IDLE.includes(state);
  text("eta", c.complete ? "complete" : unknown ? "" : `about ${duration(c.eta_s)} to go`);
  const arrivals = `${Math.min(c.measured_arrivals, HALF.arrivals)} of ${HALF.arrivals} arrivals measured`;
  const aim = whole(HALF.confidence);
  const sure = `κ confidence ${confidence >= HALF.confidence ? `${aim} % reached` : `${Math.floor(100 * confidence)} of ${aim} %`}`;
  text("halves", c.complete ? "" : `${arrivals}, ${sure}`);
  const note = [`policy ${words(c.policy)}`, c.note].filter(Boolean).join(" · ");
  text("calibration-note", note);
  byId("calibration-note").title = note;
  const halted = state === "halted"; // nothing rests, so nothing is tighter
  byId("hungry").hidden = !c.hungry;
  text("hungry", halted ? state : "fill-hungry");
  const bar = byId("progress");
  bar.setAttribute("aria-valuenow", percent);
  bar.classList.toggle("complete", c.complete);
  bar.firstElementChild.style.width = `${percent}%`;
  text("arrivals", String(c.fill_count));
  text("rate-window", `Last ${c.window_s === 3600 ? "hour" : duration(c.window_s)}`);
  text("rate", number((c.rate_per_h * c.window_s) / 3600, 0));
  text("target", `${number(c.target_per_h, 0)} / h`);
  text("measured", String(c.measured_arrivals));
  text("effect", c.effect_bps > 0 && !halted ? `${number(c.effect_bps)} bps tighter` : "none");
  text("cost", dollars(c.cost_usd));
}

const whole = (share) => Math.round(100 * share);

// -- estimates ----------------------------------------------------------------------------------

const interval = (e) => (e ? `${significant(e.value)}  [${significant(e.low)}, ${significant(e.high)}]` : "–");

const origin = (e) =>
  e ? `${number(e.n, 1)} observations, source ${e.source}, ${e.age_s === null ? "none yet" : `last ${number(e.age_s, 0)} s ago`}` : "";

function estimates(market) {
  text("kappa", interval(market.kappa));
  text("arrival", interval(market.arrival));
  const sigma = `σ ${interval(market.sigma)} bps/√s`;
  for (const name of ["kappa", "arrival", "sigma"]) byId(name).title = origin(market[name]);
  const jumps = market.jump_ratio === null ? "" : `jumps ${number(market.jump_ratio)}×`;
  text("sigma", [sigma, jumps].filter(Boolean).join(" · "));
  if (market.kappa) byId("kappa").title += `, confidence ${whole(market.kappa_confidence)} %`;
  forest(market.adverse);
}

// A dot and its 90 % bar for each side and horizon, on one scale through zero.
function forest(rows) {
  draw(rows);
  rows.forEach((r, place) => (byId("adverse").children[place].title = origin(r)));
}

function draw(rows) {
  const print = JSON.stringify(rows.map((r) => [r.side, r.horizon_s, r.mean_bps.toFixed(2), r.se_bps.toFixed(2)]));
  const home = byId("adverse");
  if (home.dataset.print === print) return;
  home.dataset.print = print;
  const reach = Math.max(0.5, ...rows.map((r) => Math.abs(r.mean_bps) + 1.645 * r.se_bps));
  const x = (bps) => 50 + (49 * bps) / reach;
  home.replaceChildren(
    ...rows.map((r) => {
      const picture = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", class: r.side, "aria-hidden": "true" });
      const [low, high] = [r.mean_bps - 1.645 * r.se_bps, r.mean_bps + 1.645 * r.se_bps];
      picture.append(
        shape("line", { x1: 50, x2: 50, y1: 0, y2: 10, class: "zero" }),
        shape("line", { x1: x(low), x2: x(high), y1: 5, y2: 5, class: "whisker" }),
        shape("line", { x1: x(r.mean_bps), x2: x(r.mean_bps), y1: 1.5, y2: 8.5, class: "mean" }),
      );
      const name = node("span", { class: r.side }, `${r.side} ${r.horizon_s} s`);
      const value = node("span", { class: "value" }, `${signed(r.mean_bps)} ± ${number(1.645 * r.se_bps)}`);
      return node("div", { class: "row" }, name, picture, value);
    }),
  );
}

// -- account ------------------------------------------------------------------------------------

function account({ position, pnl, market }) {
  const limit = position.max_notional_usd;
  text("position", `${signed(position.lots)} lots · ${dollars(position.notional_usd, 0)} of ±${number(limit, 0)}`);
  const at = (usd) => 50 + 50 * Math.max(-1, Math.min(1, limit ? usd / limit : 0));
  const fair = market.fair ?? 0;
  span(".worst", at(Number(position.worst_short) * fair), at(Number(position.worst_long) * fair));
  span(".held", Math.min(50, at(position.notional_usd)), Math.max(50, at(position.notional_usd)));
  byId("meter").dataset.side = position.lots < 0 ? "ask" : "bid";
  const row = (name, value, kind = "") => ({ kind, cells: [name, signed(value)], test: `pnl-${name.split(" ")[0].toLowerCase()}` });
  table("pnl", [
    row("Spread captured", pnl.spread),
    row("Adverse selection", -pnl.adverse),
    row("Inventory", pnl.inventory),
    row("Fees", -pnl.fees),
    row("Funding", pnl.funding),
    row("Total", pnl.total, "total"),
  ]);
}

function span(selector, from, to) {
  const { style } = byId("meter").querySelector(selector);
  style.left = `${from}%`;
  style.width = `${Math.max(0.6, to - from)}%`;
}

// -- quotes -------------------------------------------------------------------------------------

const LATCHED = /^(halted|paused): .*/; // the header says why
const words = (name) => name.replaceAll("_", " ");

function sides(bid, ask) {
  const names = [...new Set([...bid.terms, ...ask.terms].map((term) => term.name))];
  const term = (side, name) => side.terms.find((t) => t.name === name)?.bps;
  const rows = names.map((name) => ({ cells: [words(name), signedOr(term(bid, name)), signedOr(term(ask, name))] }));
  const both = (name, pick, kind = "") => ({ kind, test: `side-${name}`, cells: [name, pick(bid), pick(ask)] });
  table("sides", [
    both("status", (s) => (s.blocked ? [words(s.blocked.replace(LATCHED, "$1")), "warn"] : ["quoting", "good"]), "status"),
    ...rows,
    both("depth", (s) => number(s.depth_bps), "total"),
    both("binding", (s) => words(s.binding) || "–"),
    both("entropy, nats", (s) => number(s.entropy_nats)),
    both("uptime", uptime),
    ...blockedFor(bid, ask),
  ]);
}

// Where the time without quotes went: the reasons that cost most.
function blockedFor(bid, ask) {
  const cost = (reason) => Math.max(bid.blocked_s[reason] ?? 0, ask.blocked_s[reason] ?? 0);
  const reasons = [...new Set([...Object.keys(bid.blocked_s), ...Object.keys(ask.blocked_s)])];
  const worst = reasons
    .filter((reason) => cost(reason) >= 0.1)
    .sort((a, b) => cost(b) - cost(a))
    .slice(0, bid.blocked || ask.blocked ? 6 : 2);
  const spent = (side, reason) => (side.blocked_s[reason] ? duration(side.blocked_s[reason]) : "");
  return worst.map((reason) => ({ kind: "spent", cells: [words(reason.replace(LATCHED, "$1")), spent(bid, reason), spent(ask, reason)] }));
}

const signedOr = (value) => (value === undefined ? "" : signed(value));

function uptime(side) {
  const blocked = Object.values(side.blocked_s).reduce((sum, s) => sum + s, 0);
  const total = blocked + side.quoted_s;
  return total > 0 ? `${number((100 * side.quoted_s) / total, 1)} %` : "–";
}

function orders({ orders: known, market }) {
  const open = known.filter((o) => !GONE.includes(o.state));
  text("order-count", open.length ? `${open.length} resting` : "none");
  const ladder = (side) => open.filter((o) => o.side === side).sort((a, b) => Number(b.price) - Number(a.price));
  const digits = Math.max(0, ...open.map((o) => priceDigits(o.price)));
  const row = (o) => ({
    kind: o.side,
    test: `order-${o.side}-${o.level}`,
    cells: [
      [`${o.side} ${o.level}`, "side"],
      number(o.price, digits),
      o.remaining,
      number(o.depth_bps, 1),
      duration(o.age_s),
      words(o.state),
    ],
  });
  const fair = { kind: "fair", cells: ["fair", number(market.fair, priceDecimals(market.fair)), "", "", "", ""] };
  table("orders", [...ladder("ask").map(row), fair, ...ladder("bid").map(row)]);
}

// -- events -------------------------------------------------------------------------------------

// A fill is shown once, as itself; the engine's note about it would repeat it.
export function showEvents(fills, notes) {
  const list = byId("events");
  const lines = [...fills.map(fillLine), ...notes.filter((n) => n.topic !== "fill").map(noteLine)];
  lines.sort((a, b) => a.ts - b.ts);
  for (const line of lines.slice(-EVENTS)) list.prepend(line.element);
  while (list.children.length > EVENTS) list.lastElementChild.remove();
}

export const clearEvents = () => byId("events").replaceChildren();

function line(ts, kind, test, headline, detail) {
  const time = node("time", {}, clock(ts * NS));
  return { ts, element: node("li", { class: kind, "data-testid": test }, time, node("b", {}, headline), node("span", {}, detail)) };
}

function fillLine(fill) {
  const side = fill.side > 0 ? "bid" : "ask";
  const verb = fill.side > 0 ? "▲ bought" : "▼ sold";
  return line(fill.ts, side, "fill", `${verb} ${fill.size} at ${number(fill.price, priceDigits(fill.price))}`, fill.quote ? "" : "not a quote of ours: taker, foreign or flatten");
}

function noteLine(note) {
  const told = Object.entries(note.data).filter(([, value]) => value !== "" && value !== null);
  const data = told.map(([key, value]) => `${words(key)} ${short(value)}`);
  return line(note.ts, note.severity, "note", note.text, data.join(", "));
}

function short(value) {
  if (typeof value === "number" && !Number.isInteger(value)) return significant(value);
  return String(value).replace(/0x([0-9a-f]{4})[0-9a-f]{16,}([0-9a-f]{4})/g, "0x$1…$2");
}

// -- health -------------------------------------------------------------------------------------

function footer(health, version, safety) {
  const feeds = Object.entries(health.feed_age_s).map(([stream, age]) => `${stream} ${duration(age)}`);
  const parts = [
    `mm ${version}`,
    `up ${duration(health.uptime_s)}`,
    `feeds: ${feeds.join(", ") || "none"}`,
    `reconnects ${health.reconnects}`,
    `loop lag ${number(1000 * health.loop_lag_s, 1)} ms`,
  ];
  const left = safety?.action_budget_left, pace = safety?.pace;
  if (left !== null && left !== undefined) parts.push(`actions left ${number(left, 0)}`);
  if (pace) parts.push(`for ${significant(pace.per_s)}/s, ±${significant(pace.band_bps)} bps, levels ${pace.levels}`);
  parts.push(`times in ${ZONE}`);
  if (health.journal_dropped) parts.push(`journal dropped ${health.journal_dropped}`);
  text("footer", parts.join("  ·  "));
}
