// Data of the page, kept up to date by server-sent events. Views read it and are notified of changes.

export const data = {
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
  receivedAt: 0, // time of the last message from the server, milliseconds since 1970
  idle: 0, // seconds since Kafka last had a new record
};

const listeners = new Set();
export function listen(listener) { listeners.add(listener); }
function notify(kind, detail) { for (const listener of listeners) listener(kind, detail); }

/** Convert a row from the server to an object. */
function row(values) {
  const [number, tenant, area, phase, observed, expected, score, threshold, tickets, warmUp] = values;
  return { number, tenant, area, phase, observed, expected, score, threshold, tickets, warmUp };
}

const nameKey = (tenant, area) => `${tenant}\u001f${area}`;

function updateAreas(rows) {
  for (const values of rows) {
    const one = row(values);
    const before = data.areas.get(one.number); // the server may reassign a number to another area
    if (before && (before.area !== one.area || before.tenant !== one.tenant)) {
      data.byName.delete(nameKey(before.tenant, before.area));
    }
    data.areas.set(one.number, one);
    data.byName.set(nameKey(one.tenant, one.area), one.number);
  }
}

function updateTenants(tenants) {
  for (const one of tenants) data.tenants.set(one.name, one);
}

/** Return the row of an area; undefined if the page does not have it. */
export function areaOf(tenant, area) {
  return data.areas.get(data.byName.get(nameKey(tenant, area)));
}

/** Fetch JSON from the server; throw an Error with a readable message. */
export async function fetchJson(path) {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await response.json();
  if (!response.ok) throw new Error(body.error || `the server responded with status ${response.status}`);
  return body;
}

async function load(current) {
  const answer = await fetchJson("api/now");
  if (!current()) return;
  data.zone = answer.zone;
  data.omitted = answer.omitted;
  data.forgotten = answer.forgotten;
  data.reports = answer.reports;
  data.silences = answer.silences;
  data.areas.clear();
  data.byName.clear();
  data.tenants.clear();
  data.episodes.clear();
  updateAreas(answer.areas);
  updateTenants(answer.tenants);
  for (const one of answer.episodes) data.episodes.set(one.id, one);
  data.ready = true;
  data.receivedAt = Date.now();
  notify("all");
}

const RETRY_MS = 3000;
const DEAD_MS = 45000; // three missed pings
const HIDDEN_MS = 10000;
const MOST_EPISODES = 2500;

let source = null;
let generation = 0;
let loading = null;
let hiding = null;

/** Load everything and retry after a failure. Results of an older call are ignored. */
function reload() {
  const mine = ++generation;
  loading = load(() => mine === generation).then(() => { if (mine === generation) loading = null; }, () => {
    if (mine !== generation) return;
    notify("lost");
    setTimeout(() => { if (mine === generation) reload(); }, RETRY_MS);
  });
  return loading;
}

/** Follow changes after everything was loaded; reconnect when the connection breaks. */
export function connect() {
  source?.close();
  const connection = source = new EventSource("events");
  const on = (kind, handle) => connection.addEventListener(kind, async (event) => {
    data.receivedAt = Date.now();
    if (loading) await loading;
    if (connection === source) handle(JSON.parse(event.data));
  });
  connection.addEventListener("open", () => { data.receivedAt = Date.now(); notify("open"); reload(); });
  connection.addEventListener("error", () => {
    if (connection !== source) return;
    notify("lost");
    if (connection.readyState === EventSource.CLOSED) {
      source = null;
      setTimeout(() => { if (!source && !document.hidden) connect(); }, RETRY_MS);
    }
  });
  on("ping", (answer) => { data.idle = answer.idle_seconds; notify("ping"); });
  on("reload", reload);
  on("areas", (answer) => {
    updateAreas(answer.areas);
    updateTenants(answer.tenants);
    notify("areas", new Set(answer.areas.map((values) => values[0])));
  });
  on("episode", (one) => {
    const before = data.episodes.get(one.id);
    data.episodes.set(one.id, one);
    if (data.episodes.size > MOST_EPISODES) forget();
    notify("episode", { one, isNew: !before });
  });
  on("silences", (answer) => { data.silences = answer; notify("silences"); });
}

/** Forget the oldest resolved episodes, as the server does. */
function forget() {
  for (const [id, one] of data.episodes) {
    if (data.episodes.size <= MOST_EPISODES - 500) return;
    if (!one.running) data.episodes.delete(id);
  }
}

/**
 * Reconnect when the connection is silent, and thus dead. A hidden page closes its connection, because
 * browsers allow only six per host.
 */
export function keep() {
  setInterval(() => {
    if (source && source.readyState === EventSource.OPEN && Date.now() - data.receivedAt > DEAD_MS) { notify("lost"); connect(); }
  }, 5000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(() => { source?.close(); source = null; }, HIDDEN_MS);
    else if (!source) connect();
  });
  connect();
}
