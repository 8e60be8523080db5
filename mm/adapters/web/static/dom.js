// The few DOM verbs that the page needs; text is only touched when it changes.

export const byId = (id) => document.getElementById(id);

export function text(id, value) {
  const element = byId(id);
  if (element.textContent !== value) element.textContent = value;
}

export function node(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function shape(tag, attributes, content = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (content) element.textContent = content;
  return element;
}

// Rows of cells; a cell is text, or [text, class]. A row may carry a class and a test id.
export function table(id, rows) {
  const print = JSON.stringify(rows);
  const body = byId(id);
  if (body.dataset.print === print) return;
  body.dataset.print = print;
  body.replaceChildren(
    ...rows.map(({ cells, kind = "", test = "" }) => {
      const row = node("tr", { class: kind, "data-testid": test });
      for (const cell of cells) {
        const [content, style] = Array.isArray(cell) ? cell : [cell, ""];
        row.append(node("td", style ? { class: style } : {}, content));
      }
      return row;
    }),
  );
}
