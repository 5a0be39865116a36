// The view "Areas now": open episodes on top, then every area, sorted.
import { h, s } from "./dom.js";
import { areaOf, data, fetchJson } from "./store.js";
import { clock, count, length, plural, preferences, words } from "./words.js";
import { card, open, rank } from "./episodes.js";

const PAGE = 60; // number of rows to add at a time
const CARDS = 12;
const SPARK_SECONDS = 60;
const SORT_MS = 4000;

let shown = PAGE;
let order = "hottest";
let lines = new Map(); // number -> element
let sparks = new Map(); // number -> {at, observed, expected}
let sortedAt = 0;
let body = null;
let cards = null;
let more = null;
let watcher = null;

const fits = (text, ...names) => names.some((name) => (name || "").toLowerCase().includes(text));

function heat(row) {
  const near = row.score !== null && row.threshold ? row.score / row.threshold : 0;
  const above = row.observed > row.expected ? Math.min(1, (row.observed - row.expected) / (row.expected + 3)) : 0;
  return near + 0.2 * above;
}

/** Return the open episode of each area, by tenant and area. */
function running() {
  const found = new Map();
  for (const one of data.episodes.values()) {
    if (!one.running || one.area === null) continue;
    const key = `${one.tenant}\u001f${one.area}`;
    if (!found.has(key) || !one.suppressed) found.set(key, one);
  }
  return found;
}

function chosen(find) {
  const tenant = preferences.tenant;
  return [...data.areas.values()].filter((row) =>
    (!tenant || row.tenant === tenant) && (!find || fits(find, row.area, row.tenant)));
}

function sorted(find, episodes) {
  const rows = chosen(find);
  const weigh = new Map(rows.map((row) => {
    const one = episodes.get(`${row.tenant}\u001f${row.area}`);
    return [row.number, heat(row) + (one ? 10 + (one.suppressed ? 0 : 10 * rank(one.severity)) : 0)];
  }));
  const by = {
    hottest: (a, b) => weigh.get(b.number) - weigh.get(a.number) || b.tickets - a.tickets,
    busiest: (a, b) => b.expected - a.expected,
    name: (a, b) => 0,
  }[order];
  return rows.sort((a, b) => by(a, b) || a.area.localeCompare(b.area) || a.tenant.localeCompare(b.tenant));
}

/** Draw one day, with bars for observed and a line for expected counts per hour. */
export function spark(found) {
  const top = Math.max(1, ...found.expected, ...found.observed.map((one) => one || 0)) * 1.05;
  const y = (value) => 26 - (26 * value) / top;
  const bars = found.observed.map((value, at) => value === null ? null : s("rect", {
    x: at * 5.5, y: y(value), width: 4.5, height: Math.max(0, 26 - y(value)),
    class: value > 2 * found.expected[at] + 3 ? "above" : null,
  }));
  const line = found.expected.map((value, at) => `${at ? "L" : "M"}${at * 5.5} ${y(value)}h4.5`).join("");
  const total = (values) => count(values.reduce((sum, one) => sum + (one || 0), 0));
  return s("svg", {
    class: "spark", viewBox: "0 0 132 26", preserveAspectRatio: "none", role: "img",
    "aria-label": `customer-equivalents per hour in the last day: ${total(found.observed)} observed, ${total(found.expected)} expected in total`,
  }, bars, s("path", { d: line }));
}

function meter(row) {
  if (row.threshold === null) return h("span", { class: "quiet" }, "–");
  const share = Math.min(1, (row.score || 0) / row.threshold);
  return h("span", { title: "score of the last ticket, and the threshold from which the area pages" },
    s("svg", { class: "meter", viewBox: "0 0 64 8", "aria-hidden": "true" },
      s("rect", { width: 64, height: 8, rx: 4 }),
      s("rect", { width: 64 * share, height: 8, rx: 4, class: share >= 1 ? "reached" : "level" })),
    `${row.score === null ? "–" : count(row.score)} of ${count(row.threshold)}`);
}

function state(row, episode) {
  if (episode) {
    const why = episode.suppressed ? `suppressed: ${words(episode.suppressed)}` : episode.severity;
    return h("a", { href: `#/episode/${episode.id}`, class: `badge ${episode.suppressed ? "quiet" : episode.severity}` }, why);
  }
  if (row.phase === "pending") return h("span", { class: "badge warning" }, "pending");
  if (row.warmUp > 0) return h("span", { class: "badge quiet", title: `${row.warmUp} hours of warm-up left` }, "warming up");
  return h("span", { class: "calm" }, row.phase);
}

function cells(row, episode) {
  const found = sparks.get(row.number);
  return [
    h("td", { class: "name" }, h("a", { href: `#/area/${encodeURIComponent(row.tenant)}/${encodeURIComponent(row.area)}` }, row.area),
      data.tenants.size > 1 ? h("span", { class: "faint small" }, ` ${row.tenant}`) : null),
    h("td", null, found ? spark(found) : null),
    h("td", { class: "number" }, count(row.observed)),
    h("td", { class: "number" }, count(row.expected)),
    h("td", { class: "number wide" }, meter(row)),
    h("td", null, state(row, episode)),
  ];
}

/** Redraw inside an element and restore the focus of the link that had it. */
function keepingFocus(where, redraw) {
  const href = where.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  redraw();
  if (href) [...where.querySelectorAll("a")].find((link) => link.getAttribute("href") === href)?.focus();
}

function draw(row, episode, fresh) {
  const line = lines.get(row.number) || h("tr", { "data-line": true });
  keepingFocus(line, () => line.replaceChildren(...cells(row, episode)));
  line.classList.toggle("fresh", fresh);
  lines.set(row.number, line);
  return line;
}

/** Fetch the last day of visible rows if it is missing or outdated. */
async function fetchSparks() {
  if (!body) return;
  const now = Date.now() / 1000;
  const wanted = [...lines.keys()].filter((number) => {
    const line = lines.get(number);
    if (!line.isConnected || now - (sparks.get(number)?.at ?? 0) < SPARK_SECONDS) return false;
    const box = line.getBoundingClientRect();
    return box.bottom > -200 && box.top < innerHeight + 400;
  }).slice(0, 100);
  if (!wanted.length) return;
  for (const number of wanted) sparks.set(number, { ...(sparks.get(number) || { observed: [], expected: [] }), at: now });
  const found = await fetchJson(`api/sparks?of=${wanted.join(",")}`).catch(() => ({}));
  const episodes = running();
  for (const [key, value] of Object.entries(found)) {
    const number = Number(key);
    sparks.set(number, { ...value, at: now });
    const row = data.areas.get(number);
    if (row && lines.get(number)?.isConnected) draw(row, episodes.get(`${row.tenant}\u001f${row.area}`), false);
  }
}

function arrange(find) {
  const episodes = running();
  const rows = sorted(find, episodes);
  const wanted = rows.slice(0, shown).map((row) => lines.get(row.number)?.isConnected
    ? lines.get(row.number) : draw(row, episodes.get(`${row.tenant}\u001f${row.area}`), false));
  const current = [...body.children];
  if (current.length !== wanted.length || wanted.some((line, at) => line !== current[at])) {
    keepingFocus(body, () => body.replaceChildren(...wanted));
  }
  for (const [number, line] of lines) if (!line.isConnected) lines.delete(number);
  more.hidden = rows.length <= shown;
  more.textContent = `${rows.length - shown} more`;
  sortedAt = Date.now();
  fetchSparks();
}

function drawCards(find) {
  const tenant = preferences.tenant;
  const now = open(find, tenant);
  keepingFocus(cards, () => cards.replaceChildren(...[
    h("h2", null, now.length ? `Open episodes (${now.length})` : "Open episodes"),
    now.length
      ? h("ul", { class: "cards" }, now.slice(0, CARDS).map((one) => card(one)))
      : h("p", { class: "calm" }, "No open episodes: every area is within its expected range."),
    now.length > CARDS ? h("p", null, h("a", { href: "#/episodes" }, `${now.length - CARDS} more`)) : null].filter(Boolean)));
}

function standing() {
  const tenants = [...data.tenants.values()].filter((one) => !preferences.tenant || one.name === preferences.tenant);
  const parts = tenants.slice(0, 3).map((one) =>
    `${one.name}: ${clock(one.clock)}${one.mode === "live" ? "" : ` (${one.mode})`}, `
    + `${count(one.pages_per_week)} pages per week (alert budget: ${plural(one.budget, "false page")} per week)`);
  if (tenants.length > 3) parts.push(`and ${tenants.length - 3} more tenants`);
  return parts.join("; ");
}

function silenced() {
  const now = Date.now() / 1000;
  const active = data.silences.filter((one) => one.begins <= now && one.ends > now);
  if (!active.length) return null;
  return h("ul", { class: "plain notice" }, active.map((one) => h("li", null,
    `silenced until ${clock(one.ends)} by ${one.by}: ${one.matchers.join(", ")}${one.comment ? ` (${one.comment})` : ""}`)));
}

/** Name the tenants whose tickets arrive too late to page. */
function tooLate() {
  const late = [...data.tenants.values()].filter((one) => one.late && (!preferences.tenant || one.name === preferences.tenant));
  return late.length ? h("ul", { class: "plain notice" }, late.map((one) => h("li", null, one.late))) : null;
}

/** Draw the view; return its handlers for changes and for leaving the view. */
export function areas(main, find) {
  shown = PAGE;
  lines = new Map();
  cards = h("section", { "aria-label": "Open episodes" });
  const top = h("p", { class: "faint small" }, standing());
  const quiet = h("div", null, silenced());
  const late = h("div", null, tooLate());
  body = h("tbody");
  more = h("button", { type: "button", hidden: true });
  more.addEventListener("click", () => { shown += PAGE; arrange(find); });
  const sort = h("select", { id: "order" }, ["hottest", "busiest", "name"].map((name) =>
    h("option", { value: name, selected: name === order }, name)));
  sort.addEventListener("change", () => { order = sort.value; arrange(find); });
  main.replaceChildren(
    h("h1", null, "Areas now"), top, late, quiet, cards,
    h("h2", null, `Areas (${chosen(find).length})`),
    h("div", { class: "tools" }, h("label", null, "Sort by: ", sort),
      data.omitted ? h("span", { class: "faint small" }, `${data.omitted} more areas are not shown: raise areas in [page]`) : null),
    h("p", { class: "faint small" }, "Counts are customer-equivalents in the last hour: repeated tickets of one customer count less."),
    h("table", null,
      h("caption", { class: "unseen" }, "Product areas with their counts in customer-equivalents: of the last hour, and per hour of the last day"),
      h("thead", null, h("tr", null,
        h("th", { scope: "col" }, "area"), h("th", { scope: "col" }, "last day"),
        h("th", { scope: "col", class: "number", title: "customer-equivalents observed in the last hour" }, "observed"),
        h("th", { scope: "col", class: "number", title: "customer-equivalents expected in an hour" }, "expected"),
        h("th", { scope: "col", class: "number wide" }, "score / threshold"), h("th", { scope: "col" }, "state"))),
      body),
    more);
  watcher?.disconnect();
  watcher = new IntersectionObserver((seen) => {
    if (seen.some((one) => one.isIntersecting) && !more.hidden) { shown += PAGE; arrange(find); }
  }, { rootMargin: "600px" });
  watcher.observe(more);
  drawCards(find);
  arrange(find);
  const scrolled = () => { if (body.isConnected) fetchSparks(); };
  addEventListener("scroll", scrolled, { passive: true });
  const timer = setInterval(() => { if (body.isConnected) { arrange(find); top.textContent = standing(); } }, 15000);
  return {
    change(kind, what) {
      if (kind === "areas") {
        const episodes = running();
        for (const number of what) {
          const row = data.areas.get(number);
          if (row && lines.has(number)) draw(row, episodes.get(`${row.tenant}\u001f${row.area}`), true);
        }
        top.textContent = standing();
        late.replaceChildren(tooLate() || "");
        if (Date.now() - sortedAt > SORT_MS && !body.contains(document.activeElement)) arrange(find);
      } else if (kind === "episode") {
        drawCards(find);
        const number = data.byName.get(`${what.one.tenant}\u001f${what.one.area}`);
        const row = data.areas.get(number);
        if (row && lines.has(number)) draw(row, running().get(`${row.tenant}\u001f${row.area}`), true);
        if (!body.contains(document.activeElement)) arrange(find);
      } else if (kind === "silences") {
        quiet.replaceChildren(silenced() || "");
      }
    },
    leave() { removeEventListener("scroll", scrolled); clearInterval(timer); watcher.disconnect(); body = null; },
  };
}

/** Draw the details of one area: its chart and its episodes. */
export function area(main, tenant, name) {
  const row = areaOf(tenant, name);
  if (!row) {
    main.replaceChildren(h("h1", null, "No such area"),
      h("p", null, `The page has no area ${name || "of that name"} of ${tenant || "any tenant"}. `, h("a", { href: "#/" }, "All areas")));
    return { change() {}, leave() {} };
  }
  const chart = h("img", { class: "chart", alt: `Customer-equivalents per hour in ${row.area} in the last two days: observed, expected and normal range` });
  const facts = h("dl", { class: "facts" });
  const list = h("div");
  let drawnAt = 0;
  const draw = () => {
    const now = areaOf(tenant, name) || row;
    const fact = (name, value) => h("div", null, h("dt", null, name), h("dd", null, value));
    facts.replaceChildren(
      fact("observed in the last hour", count(now.observed)), fact("expected in an hour", count(now.expected)),
      fact("score of the last ticket", now.score === null ? "none" : count(now.score)),
      fact("threshold", now.threshold === null ? "–" : count(now.threshold)), fact("state", now.phase),
      fact("tickets in total", count(now.tickets)),
      fact("warm-up remaining", now.warmUp > 0 ? length(3600 * now.warmUp) : "none"));
    const found = [...data.episodes.values()].filter((one) => one.tenant === row.tenant && one.area === row.area)
      .sort((a, b) => b.since - a.since);
    list.replaceChildren(found.length ? h("ul", { class: "cards" }, found.slice(0, 50).map((one) => card(one)))
      : h("p", { class: "faint" }, "No recent episodes in this area."));
    if (Date.now() - drawnAt > 10000) {
      drawnAt = Date.now();
      chart.src = picture(`api/areas/${now.number}/timeline.svg`, main, drawnAt);
    }
  };
  main.replaceChildren(
    h("h1", null, row.area, h("span", { class: "faint" }, ` of ${row.tenant}`)), facts,
    h("figure", null, chart, h("figcaption", null,
      "Bars: observed customer-equivalents per hour. Orange: expected, with the normal range, which covers 98% of usual hours. Below: the score and its threshold.")),
    h("h2", null, "Episodes"), list);
  draw();
  return {
    change(kind, what) { if (kind !== "areas" || what.has(areaOf(tenant, name)?.number)) draw(); },
    leave() {},
  };
}

/** Return the URL of a chart in the current width, theme and time zone. */
export function picture(path, main, version) {
  const theme = document.documentElement.dataset.theme;
  const width = Math.round(main.clientWidth) - 90;
  const zone = preferences.zone === "auto" ? Intl.DateTimeFormat().resolvedOptions().timeZone : preferences.zone;
  return `${path}?theme=${theme}&width=${width}&zone=${encodeURIComponent(zone)}&v=${version}`;
}
