// Formatting of times, counts and durations.

export const preferences = {
  get zone() { return stored("zone") || "auto"; },
  set zone(value) { store("zone", value); },
  get theme() { return stored("theme"); },
  set theme(value) { store("theme", value); },
  get tenant() { return stored("tenant") || ""; },
  set tenant(value) { store("tenant", value); },
};

function stored(key) {
  try { return localStorage.getItem(`spikewatch.${key}`); } catch { return null; }
}

function store(key, value) {
  try { localStorage.setItem(`spikewatch.${key}`, value); } catch { /* without storage, the choice lasts until the page is closed */ }
}

const formats = new Map();

/** Return the time zone for displayed times. */
export function zone() {
  const chosen = preferences.zone;
  return chosen === "auto" ? Intl.DateTimeFormat().resolvedOptions().timeZone : chosen;
}

function format(options) {
  const key = `${zone()}${JSON.stringify(options)}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone(), hourCycle: "h23", ...options }));
  }
  return formats.get(key);
}

/** Format a time such as 15 Apr 2024, 09:03:27. */
export function moment(seconds) {
  return format({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" })
    .format(seconds * 1000);
}

/** Format a time such as Mon 15 Apr 09:03. */
export function clock(seconds) {
  return format({ weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
    .format(seconds * 1000);
}

/** Format a duration such as 2 min, 3 h 5 min or 2 d 4 h. */
export function length(seconds) {
  const minutes = Math.max(0, Math.round(seconds / 60));
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
  return `${Math.floor(hours / 24)} d${hours % 24 ? ` ${hours % 24} h` : ""}`;
}

/** Format a number with three significant digits and thousands separators. */
export function count(value) {
  if (value === null || value === undefined) return "–";
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

/** Format a count with its noun, such as 1 ticket or 2 tickets. */
export function plural(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Convert a snake_case name to words. */
export function words(name) {
  return String(name || "").replaceAll("_", " ");
}
