// What is known, kept up to date by server-sent events. Views ask here and hear when something changed.

export const known = {
  ready: false,
  zone: "UTC",
  tenants: new Map(),
  areas: new Map(), // number -> row
  byName: new Map(), // tenant, area -> number
  episodes: new Map(),
  silences: [],
  omitted: 0,
  forgotten: 0,
  reports: false,
  heard: 0,
  idle: 0, // seconds in which Kafka had nothing new
};

const listeners = new Set();
export function listen(hear) { listeners.add(hear); }
function tell(kind, what) { for (const hear of listeners) hear(kind, what); }

/** A row as an object. */
function row(values) {
  const [number, tenant, area, phase, observed, expected, score, limit, tickets, warmUp] = values;
  return { number, tenant, area, phase, observed, expected, score, limit, tickets, warmUp };
}

const named = (tenant, area) => `${tenant}\u001f${area}`;

function takeAreas(rows) {
  for (const values of rows) {
    const one = row(values);
    const before = known.areas.get(one.number); // a number may be given anew
    if (before && (before.area !== one.area || before.tenant !== one.tenant)) {
      known.byName.delete(named(before.tenant, before.area));
    }
    known.areas.set(one.number, one);
    known.byName.set(named(one.tenant, one.area), one.number);
  }
}

function takeTenants(tenants) {
  for (const one of tenants) known.tenants.set(one.name, one);
}

/** The row of an area by its name, if it is shown. */
export function areaOf(tenant, area) {
  return known.areas.get(known.byName.get(named(tenant, area)));
}

/** Answers of the server as JSON; throws an Error whose text is for people. */
export async function ask(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error || `the server said ${answer.status}`);
  return found;
}

async function load(current) {
  const found = await ask("api/now");
  if (!current()) return;
  known.zone = found.zone;
  known.omitted = found.omitted;
  known.forgotten = found.forgotten;
  known.reports = found.reports;
  known.silences = found.silences;
  known.areas.clear();
  known.byName.clear();
  known.tenants.clear();
  known.episodes.clear();
  takeAreas(found.areas);
  takeTenants(found.tenants);
  for (const one of found.episodes) known.episodes.set(one.id, one);
  known.ready = true;
  known.heard = Date.now();
  tell("all");
}

const RETRY_MS = 3000;
const DEAD_MS = 45000; // three pings that did not come
const HIDDEN_MS = 10000;
const MOST_EPISODES = 2500;

let source = null;
let generation = 0;
let loading = null;
let hiding = null;

/** Load everything; where that fails, again. What an older call brings counts no more. */
function anew() {
  const mine = ++generation;
  loading = load(() => mine === generation).then(() => { if (mine === generation) loading = null; }, () => {
    if (mine !== generation) return;
    tell("lost");
    setTimeout(() => { if (mine === generation) anew(); }, RETRY_MS);
  });
  return loading;
}

/** Follow what changes, after everything was loaded; where the line breaks, both again. */
export function connect() {
  source?.close();
  const line = source = new EventSource("events");
  const on = (kind, take) => line.addEventListener(kind, async (event) => {
    known.heard = Date.now();
    if (loading) await loading;
    if (line === source) take(JSON.parse(event.data));
  });
  line.addEventListener("open", () => { known.heard = Date.now(); tell("open"); anew(); });
  line.addEventListener("error", () => {
    if (line !== source) return;
    tell("lost");
    if (line.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(() => { if (!source && !document.hidden) connect(); }, RETRY_MS);
    }
  });
  on("ping", (found) => { known.idle = found.idle_seconds; tell("ping"); });
  on("reload", anew);
  on("areas", (found) => {
    takeAreas(found.areas);
    takeTenants(found.tenants);
    tell("areas", new Set(found.areas.map((values) => values[0])));
  });
  on("episode", (one) => {
    const before = known.episodes.get(one.id);
    known.episodes.set(one.id, one);
    if (known.episodes.size > MOST_EPISODES) forget();
    tell("episode", { one, isNew: !before });
  });
  on("silences", (found) => { known.silences = found; tell("silences"); });
}

/** The oldest that are over, as the server does. */
function forget() {
  for (const [id, one] of known.episodes) {
    if (known.episodes.size <= MOST_EPISODES - 500) return;
    if (!one.running) known.episodes.delete(id);
  }
}

/** A line that says nothing is dead; and a page that nobody sees needs none: browsers allow six to a host. */
export function keep() {
  setInterval(() => {
    if (source && source.readyState === EventSource.OPEN && Date.now() - known.heard > DEAD_MS) { tell("lost"); connect(); }
  }, 5000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(() => { source?.close(); source = null; }, HIDDEN_MS);
    else if (!source) connect();
  });
  connect();
}
