// Pause, resume, halt: asks for the token once per tab and a reason each time.

import { byId, text } from "./dom.js";

const KEY = "mm-token";
const WORDS = {
  pause: "Take no new risk. Only orders that reduce the position stay.",
  resume: "Start quoting again, also after a halt.",
  halt: "Cancel all quotes and latch: stays halted, also after a restart, until you resume.",
};

let verb = "";
let chooser = null;

function open(wanted) {
  verb = wanted;
  text("command-title", verb[0].toUpperCase() + verb.slice(1));
  text("command-text", WORDS[verb]);
  text("command-error", "");
  byId("flatten-row").hidden = verb !== "halt";
  byId("flatten").checked = false;
  byId("only-row").hidden = !chooser.several;
  byId("only").checked = false;
  text("only-name", chooser.name);
  byId("command-reason").value = "";
  byId("token").value = sessionStorage.getItem(KEY) ?? "";
  byId("command").showModal();
}

async function send() {
  const body = { reason: byId("command-reason").value };
  if (verb === "halt") body.flatten = byId("flatten").checked;
  if (byId("only").checked) body.instrument = chooser.name;
  const token = byId("token").value.trim();
  let error = "the daemon does not answer";
  try {
    const answer = await fetch(`/api/${verb}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    error = answer.ok ? "" : (await answer.json()).error;
  } catch {
    // unreachable: said by the line above
  }
  text("command-error", error);
  if (error) return;
  sessionStorage.setItem(KEY, token);
  byId("command").close();
}

export function wireCommands(instruments) {
  chooser = instruments;
  for (const name of Object.keys(WORDS)) byId(name).addEventListener("click", () => open(name));
  byId("command-cancel").addEventListener("click", () => byId("command").close());
  byId("command").querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
}
