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

async function load() {
  const found = await ask("api/now");
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

/** Load everything, then follow what changes; where the line breaks, both again. */
export function connect() {
  const source = new EventSource("events");
  let loading = null;
  const anew = () => {
    loading ??= load().catch(() => tell("lost")).finally(() => { loading = null; });
    return loading;
  };
  const on = (kind, take) => source.addEventListener(kind, async (event) => {
    if (loading) await loading;
    known.heard = Date.now();
    take(JSON.parse(event.data));
  });
  source.addEventListener("open", () => { tell("open"); anew(); });
  source.addEventListener("error", () => {
    tell("lost");
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
  });
  on("reload", anew);
  on("areas", (found) => {
    takeAreas(found.areas);
    takeTenants(found.tenants);
    tell("areas", new Set(found.areas.map((values) => values[0])));
  });
  on("episode", (one) => {
    const before = known.episodes.get(one.id);
    known.episodes.set(one.id, one);
    tell("episode", { one, isNew: !before });
  });
  on("silences", (found) => { known.silences = found; tell("silences"); });
}
