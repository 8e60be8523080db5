// Numbers as an operator reads them. Decimals arrive as strings: exact, shown as given.

const grouped = new Map();

export function number(value, decimals = 2) {
  if (value === null || value === undefined || !Number.isFinite(Number(value))) return "–";
  if (!grouped.has(decimals)) {
    const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    grouped.set(decimals, new Intl.NumberFormat("en-GB", digits));
  }
  const text = grouped.get(decimals).format(Number(value));
  return /[1-9]/.test(text) ? text.replace("-", "−") : text.replace("-", "");
}

export function signed(value, decimals = 2) {
  const text = number(value, decimals);
  return Number(value) > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

export const significant = (value) =>
  value === null || !Number.isFinite(value) ? "–" : Number(value).toPrecision(3);

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");

export const decimalsOf = (text) => (String(text).split(".")[1] ?? "").length;

// The digits of a venue's price that mean something: none of "63921.0".
export function priceDigits(text) {
  const digits = String(text);
  return decimalsOf(digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits);
}

export function dollars(value, decimals = 2) {
  const text = number(value, decimals);
  return text.startsWith("−") ? `−$${text.slice(1)}` : `$${text}`;
}

export const NS = 1e-9;
