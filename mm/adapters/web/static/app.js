// The live page: one websocket in, one state out. Says so when what it shows is old.

import { Chooser } from "./chooser.js";
import { wireCommands } from "./control.js";
import { byId, text } from "./dom.js";
import { clearEvents, priceDecimals, showEvents, showState } from "./panels.js";
import { PriceChart } from "./price_chart.js";
import { Trends } from "./trends.js";

const SILENT_MS = 2000;
const BOOK_OLD_S = 5;
const RETRY_MS = [500, 1000, 2000, 4000];

const prices = new PriceChart("price-chart");
const trends = new Trends();
let heard = performance.now();
let attempts = 0;
let connected = false;
let pending = false;
let last = null;
let stream = null;

const chooser = new Chooser(() => stream?.close());

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/api/stream${chooser.query}`);
  stream = socket;
  socket.onmessage = ({ data }) => receive(JSON.parse(data));
  socket.onclose = () => {
    connected = false;
    if (chooser.changed()) {
      connect();
      return;
    }
    setTimeout(connect, RETRY_MS[Math.min(attempts++, RETRY_MS.length - 1)]);
    watch();
  };
}

function receive(message) {
  heard = performance.now();
  connected = true;
  attempts = 0;
  last = message.state;
  chooser.offer(last.instruments, last.view?.instrument);
  prices.decimals = priceDecimals(last.view?.market.fair);
  if (message.type === "backlog") {
    clearEvents();
    prices.reset(message.points, message.fills);
    trends.reset(message.trends);
  } else {
    if (message.point) prices.push(message.point);
    message.fills.forEach((fill) => prices.fill(fill));
    if (message.trend) trends.push(message.trend);
  }
  showEvents(message.fills, message.notes);
  if (!pending) {
    pending = true;
    requestAnimationFrame(draw);
  }
}

function draw() {
  pending = false;
  prices.draw();
  showState(last);
  watch();
}

// What is old is marked old: a lost stream, a silent one, or a book that has stopped.
function watch() {
  const silent = performance.now() - heard;
  const age = last?.view?.market.book_age_s;
  let trouble = "";
  let link = "live";
  if (!connected) {
    [link, trouble] = ["disconnected", `Disconnected from the daemon: what you see is ${Math.round(silent / 1000)} s old`];
  } else if (silent > SILENT_MS) {
    [link, trouble] = ["silent", `The daemon is silent: what you see is ${Math.round(silent / 1000)} s old`];
  } else if (age > BOOK_OLD_S) {
    [link, trouble] = ["stale", `The book is ${Math.round(age)} s old`];
  }
  if (!last && !connected) [link, trouble] = ["connecting", ""];
  document.body.dataset.link = link;
  text("link", link);
  text("banner", trouble);
  byId("banner").hidden = !trouble;
}

for (const button of document.querySelectorAll("[data-window]")) {
  button.addEventListener("click", () => {
    prices.window = Number(button.dataset.window);
    document.querySelectorAll("[data-window]").forEach((b) => b.setAttribute("aria-pressed", b === button));
    prices.draw();
  });
}

wireCommands(chooser);
setInterval(watch, 500);
connect();
