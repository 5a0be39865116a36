// Routing between views, keyboard shortcuts, time zone, theme, tenant, and the connection state.
import { areas, area } from "./areas.js";
import { episode, episodes } from "./episodes.js";
import { h } from "./dom.js";
import { reports } from "./reports.js";
import { data, keep, listen } from "./store.js";
import { preferences, words, zone } from "./words.js";

const main = document.getElementById("main");
const search = document.getElementById("search");
const zones = document.getElementById("zone");
const tenants = document.getElementById("tenant");
const line = document.getElementById("line");
const announcements = document.getElementById("said");
const help = document.getElementById("help");
const IDLE_SECONDS = 60;

let view = null;
let marked = -1;
let lost = false;
let depth = 0; // number of views opened before the current one

function route() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decode);
  view?.leave();
  marked = -1;
  const find = search.value.trim().toLowerCase();
  const show = {
    episode: () => episode(main, parts[1] || ""),
    episodes: () => episodes(main, find),
    area: () => area(main, parts[1] || "", parts[2] || ""),
    reports: () => reports(main, null),
    report: () => reports(main, parts[1]),
  }[parts[0]] || (() => areas(main, find));
  if (!data.ready) main.replaceChildren(h("p", { class: "faint" }, "Loading …"));
  view = data.ready ? show() : null;
  const name = { episode: "episodes", episodes: "episodes", reports: "reports", report: "reports" }[parts[0]] || "areas";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  title();
}

function decode(text) {
  try { return decodeURIComponent(text); } catch { return text; }
}

function title() {
  const open = [...data.episodes.values()].filter((one) => one.running && !one.suppressed).length;
  document.title = open ? `(${open}) spikewatch` : "spikewatch";
}

function standing() {
  line.dataset.state = lost ? "lost" : "live";
  const at = (milliseconds) => new Date(milliseconds).toLocaleTimeString("en-GB", { timeZone: zone() });
  line.textContent = lost ? `not connected${data.receivedAt ? ` since ${at(data.receivedAt)}` : ""}: the data shown is out of date`
    : !data.ready ? "connecting"
      : data.idle > IDLE_SECONDS ? `no new records from Kafka since ${at(Date.now() - 1000 * data.idle)}` : "live";
}

function choose() {
  const names = [...data.tenants.keys()].sort();
  document.getElementById("tenant-choice").hidden = names.length < 2;
  if (names.length !== tenants.options.length - 1) {
    tenants.replaceChildren(h("option", { value: "" }, "all tenants"),
      ...names.map((name) => h("option", { value: name }, name)));
    tenants.value = names.includes(preferences.tenant) ? preferences.tenant : "";
    preferences.tenant = tenants.value;
  }
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zones.options.length) {
    const offered = new Map([["auto", `local (${own})`], ["UTC", "UTC"], [data.zone, `${data.zone} (configured)`]]);
    const all = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
    for (const name of all) if (!offered.has(name)) offered.set(name, name);
    zones.replaceChildren(...[...offered].map(([value, text]) => h("option", { value }, text)));
    zones.value = offered.has(preferences.zone) ? preferences.zone : "auto";
  }
  document.getElementById("to-reports").hidden = !data.reports;
}

function theme(name) {
  document.documentElement.dataset.theme = name;
}

/** Focus the next or the previous row; return false if there are no rows. */
function mark(step) {
  const lines = [...main.querySelectorAll("[data-line]")];
  if (!lines.length) return false;
  const now = lines.findIndex((one) => one.contains(document.activeElement));
  marked = Math.max(0, Math.min(lines.length - 1, (now >= 0 ? now : marked) + step));
  const link = lines[marked].querySelector("a");
  link?.focus();
  lines[marked].scrollIntoView({ block: "nearest" });
  return true;
}

/** Go back to the previous view, but never leave the page. */
function back() {
  if (!depth) { location.hash = "#/"; return; }
  depth -= 2; // the hashchange event that follows adds one
  history.back();
}

const keys = {
  "/": () => { search.focus(); search.select(); },
  j: () => mark(1),
  k: () => mark(-1),
  ArrowDown: () => mark(1),
  ArrowUp: () => mark(-1),
  a: () => { location.hash = "#/"; },
  e: () => { location.hash = "#/episodes"; },
  Backspace: back,
  t: () => document.getElementById("theme").click(),
  z: () => zones.focus(),
  "?": () => help.showModal(),
};

addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
  if (event.key === "Escape" && typing) { event.target.blur(); main.focus(); return; }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const act = keys[event.key];
  if (act && act() !== false) event.preventDefault();
});
search.addEventListener("input", () => {
  if (!/^#?\/?(episodes)?$/.test(location.hash)) location.hash = "#/";
  else route();
});
search.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== "ArrowDown") return;
  event.preventDefault();
  event.stopPropagation();
  const found = main.querySelectorAll("[data-line]");
  if (event.key === "Enter" && found.length === 1) found[0].querySelector("a").click();
  else mark(1);
});
zones.addEventListener("change", () => { preferences.zone = zones.value; route(); });
tenants.addEventListener("change", () => { preferences.tenant = tenants.value; route(); });
document.getElementById("theme").addEventListener("click", () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  preferences.theme = next;
  theme(next);
  route();
});
document.getElementById("help-button").addEventListener("click", () => help.showModal());
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
addEventListener("hashchange", () => { depth = Math.max(0, depth + 1); route(); main.focus(); scrollTo(0, 0); });

listen((kind, what) => {
  lost = kind === "lost" || (lost && kind !== "open" && kind !== "all");
  if (kind === "all") { choose(); route(); }
  else if (!["lost", "open", "ping"].includes(kind)) view?.change(kind, what);
  if (kind === "ping") { standing(); return; }
  if (kind === "areas") choose();
  if (kind === "episode" && what.isNew && !what.one.suppressed) {
    announcements.textContent = `new episode: ${what.one.area || "whole tenant"} of ${what.one.tenant}, ${words(what.one.severity)}`;
  }
  title();
  standing();
});
setInterval(standing, 5000);
theme(preferences.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
  if (!preferences.theme) { theme(event.matches ? "dark" : "light"); route(); }
});
route();
keep();
