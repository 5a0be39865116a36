// Episodes: cards, the list of episodes, and the details of one episode.
import { copier, h, outside } from "./dom.js";
import { areaOf, data as store, fetchJson } from "./store.js";
import { picture } from "./areas.js";
import { clock, count, length, moment, plural, preferences, words } from "./words.js";

const SEVERITIES = ["info", "warning", "error", "critical"];
export const rank = (severity) => SEVERITIES.indexOf(severity) + 1;

const fits = (text, one) => !text || [one.area || "whole tenant", one.tenant, one.id, one.headline, one.driver, one.team]
  .some((name) => (name || "").toLowerCase().includes(text));

/** Return the open episodes that paged, most severe first. */
export function open(find, tenant) {
  return [...store.episodes.values()]
    .filter((one) => one.running && !one.suppressed && (!tenant || one.tenant === tenant) && fits(find, one))
    .sort((a, b) => rank(b.severity) - rank(a.severity) || b.since - a.since);
}

/** Draw one episode as a card. */
export function card(one) {
  const over = !one.running;
  const kind = one.suppressed ? "quiet" : over ? "over" : one.severity;
  const marks = [
    one.suppressed ? `suppressed: ${words(one.suppressed)}` : null,
    one.acknowledged ? `acknowledged by ${one.acknowledged}` : null,
    one.snoozed && one.snoozed > Date.now() / 1000 ? `snoozed until ${clock(one.snoozed)}` : null,
    one.verdict ? `verdict: ${words(one.verdict)}` : null,
  ].filter(Boolean);
  const lasted = (over ? one.time : store.tenants.get(one.tenant)?.clock || one.time) - one.since;
  return h("li", { class: kind, "data-line": true, "data-episode": one.id },
    h("p", { class: "head" },
      h("a", { href: `#/episode/${one.id}` }, one.area || "whole tenant"),
      store.tenants.size > 1 ? h("span", { class: "faint" }, ` ${one.tenant}`) : null, " ",
      h("span", { class: `badge ${over ? "resolved" : one.severity}` }, over ? "resolved" : one.severity), " ",
      h("span", { class: "faint small" }, `${clock(one.since)}, ${length(lasted)}`)),
    h("p", null, `${plural(one.tickets, "ticket")} from ${plural(one.customers, "customer")}, ${count(one.ratio)} times the expected rate`,
      one.revenue ? `, annual revenue ${count(one.revenue)}` : ""),
    one.driver ? h("p", { class: "small" }, `driver: ${one.driver}`) : null,
    marks.length ? h("p", { class: "small faint" }, marks.join("; ")) : null);
}

/** Draw the list of all episodes. */
export function episodes(main, find) {
  let every = false;
  let most = 100;
  const list = h("div");
  const box = h("input", { type: "checkbox", id: "every" });
  box.addEventListener("change", () => { every = box.checked; draw(); });
  const draw = () => {
    const tenant = preferences.tenant;
    const found = [...store.episodes.values()]
      .filter((one) => (every || !one.suppressed) && (!tenant || one.tenant === tenant) && fits(find, one))
      .sort((a, b) => b.running - a.running || b.since - a.since);
    const more = found.length > most ? h("button", { type: "button" }, `${found.length - most} more`) : null;
    more?.addEventListener("click", () => { most += 100; draw(); });
    list.replaceChildren(...[found.length
      ? h("ul", { class: "cards" }, found.slice(0, most).map((one) => card(one)))
      : h("p", { class: "faint" }, "No episodes."), more].filter(Boolean));
  };
  main.replaceChildren(h("h1", null, "Episodes"),
    h("div", { class: "tools" }, h("label", null, box, " show suppressed episodes too")), list);
  draw();
  return { change(kind) { if (kind === "episode") draw(); }, leave() {} };
}

/** Draw the details of one episode. */
export function episode(main, id) {
  let drawn = "";
  let left = false;
  let chart = null;
  const load = async () => {
    let found;
    try {
      found = await fetchJson(`api/episodes/${id}`);
    } catch (error) {
      if (!left && !drawn) {
        main.replaceChildren(h("h1", null, "Episode"), h("p", { class: "notice" }, `${error.message}.`),
          h("p", null, "To read its history from the topics, run ", h("code", null, `spikewatch history ${id}`)));
      }
      return;
    }
    if (left) return;
    const version = JSON.stringify(found);
    if (version === drawn) return;
    drawn = version;
    show(main, found);
    chart = main.querySelector("img.chart");
  };
  const timer = setInterval(() => {
    const one = store.episodes.get(id);
    if (chart && one?.running) chart.src = chart.src.replace(/v=\d+/, `v=${Date.now()}`);
  }, 30000);
  load();
  return {
    change(kind, what) { if (kind === "all" || (kind === "episode" && what.one.id.startsWith(id))) load(); },
    leave() { left = true; clearInterval(timer); },
  };
}

function show(main, one) {
  const data = one.data;
  const fact = (name, value) => value === null || value === undefined || value === "" ? null
    : h("div", null, h("dt", null, name), h("dd", null, value));
  const lasted = (one.running ? store.tenants.get(one.tenant)?.clock || one.time : one.time) - one.since;
  const row = one.area === null ? null : areaOf(one.tenant, one.area);
  const state = one.running ? one.severity : "resolved";
  main.replaceChildren(...[
    h("h1", null, one.area || "whole tenant", h("span", { class: "faint" }, ` of ${one.tenant} `),
      h("span", { class: `badge ${state}` }, state)),
    h("p", { class: "small faint" },
      one.suppressed ? `Suppressed, so nobody was paged: ${words(one.suppressed)}. ` : "",
      one.acknowledged ? `Acknowledged by ${one.acknowledged}. ` : "",
      one.snoozed && one.snoozed > Date.now() / 1000 ? `Snoozed until ${clock(one.snoozed)}. ` : "",
      one.verdict ? `Verdict: ${words(one.verdict)}. ` : "",
      store.tenants.get(one.tenant)?.mode === "simulated" ? "Simulated time. " : "",
      `Started ${moment(one.since)}, detected ${moment(one.detected)} (${length(one.detected - one.since)} later). `,
      row ? h("a", { href: `#/area/${encodeURIComponent(row.tenant)}/${encodeURIComponent(row.area)}` }, "current state of the area") : null),
    h("dl", { class: "facts" },
      fact("tickets", count(one.tickets)), fact("customers", count(one.customers)),
      fact("observed", `${count(data.observed)} customer-equivalents`),
      fact("expected", `${count(data.expected)} customer-equivalents`),
      fact("times the expected rate", `${count(data.ratio)} (90% interval: ${count(data.ratio_low)} to ${count(data.ratio_high)})`),
      fact("duration", one.running ? `${length(lasted)} so far` : length(lasted)),
      fact("annual revenue", one.revenue ? count(one.revenue) : null),
      fact("chance alone: about once in", days(data.once_in_days))),
    h("figure", null,
      h("img", { class: "chart", src: picture(`api/episodes/${one.id}/timeline.svg`, main, one.sequence),
        alt: `${one.area || one.tenant}: ${plural(one.tickets, "ticket")} since the start; the chart shows the observed and expected counts per hour` }),
      h("figcaption", null, data.slice
        ? `The chart shows the whole area; the slice ${words(data.slice.dimension)} ${data.slice.value} paged. `
        : "", "Bars: observed customer-equivalents per hour. Orange: expected, with the normal range.")),
    h("div", { class: "columns" },
      section("Why", why(one)), section("What to do", actions(data.actions)),
      section("Respond", answers(one)), section("Notifications", notifications(one.notifications)),
      section("Impact", impact(data.impact, data.children)), section("Example tickets", examples(data.examples)),
      section("History", history(one.transitions))),
    h("details", null, h("summary", null, "As sent to on-call"), h("pre", null, one.page), copier(one.page, "copy")),
    h("p", { class: "small faint" }, `Episode ${one.id}, #${one.sequence}, model ${data.model}, configuration ${data.config_hash}. ${one.severity_in_words}.`),
  ].filter(Boolean));
}

function section(title, content) {
  const found = [content].flat().filter(Boolean);
  return found.length ? h("section", null, h("h2", null, title), found) : null;
}

function days(value) {
  if (value >= 1000000) return "more than a million days";
  return value >= 2 ? `${count(value)} days` : `${count(24 * value)} hours`;
}

function why(one) {
  const data = one.data;
  return [
    h("p", null, `${words(data.reason)}: score ${count(data.score)}, threshold ${count(data.limit)}.`),
    one.drivers.length ? h("ul", { class: "plain" }, one.drivers.map((driver) => h("li", null, `driver: ${driver}`))) : null,
    data.not_explained_by.length ? h("p", { class: "faint" }, `Not a factor: ${data.not_explained_by.map(words).join(", ")}.`) : null,
    data.terms.length ? h("p", null, "Distinctive terms: ", data.terms.map((term, at) => [at ? ", " : "", h("b", null, term.term),
      ` in ${Math.round(100 * term.share)}% of tickets${term.new ? " (new)" : ` (usually ${Math.round(100 * term.usual_share)}%)`}`])) : null,
    data.budget ? h("p", { class: "faint small" }, `Alert budget: ${plural(data.budget.per_week, "false page")} per week. `
      + `Last four weeks: ${count(data.budget.pages)} pages per week, ${count(data.budget.false_pages)} of them marked as false alarms.`) : null,
  ];
}

function actions(found) {
  if (!found) return null;
  if (found.entry === null) return h("p", null, "The playbook has no matching entry.");
  return [
    h("p", null, "Team: ", h("b", null, found.team || "not specified"),
      found.runbook ? [", runbook ", found.runbook_is_link ? outside(found.runbook) : found.runbook] : null),
    found.steps.length ? h("ol", null, found.steps.map((step) => h("li", null, step))) : null,
    found.tell.length ? h("p", null, `Inform: ${found.tell.join(", ")}`) : null,
    found.customer_text ? [h("p", null, "Text for customers:"), h("blockquote", null, found.customer_text),
      copier(found.customer_text, "copy")] : null,
  ];
}

function impact(found, children) {
  if (!found) return null;
  const by = (counts) => Object.entries(counts).sort((a, b) => b[1] - a[1]).map(([name, value]) => `${value} ${name}`).join(", ");
  const parts = [by(found.by_tier), by(found.by_region)].filter(Boolean);
  return [
    h("p", null, `${found.customers_estimated ? "About " : ""}${count(found.customers)} customers`, parts.length ? ` (${parts.join("; ")})` : "",
      found.renewals_soon ? `; ${found.renewals_soon} renew soon` : "",
      found.handling_hours !== null ? `; ${found.handling_basis === "time_to_solve" ? "at most " : ""}${count(found.handling_hours)} h of extra work` : ""),
    children?.length ? h("ul", { class: "plain" }, children.map((child) => h("li", null,
      child.episode_id ? h("a", { href: `#/episode/${child.episode_id}` }, child.product_area) : child.product_area,
      `: ${count(child.observed)} observed, ${count(child.expected)} expected`))) : null,
    found.accounts.length ? h("table", null,
      h("caption", { class: "unseen" }, "Affected customers"),
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "customer"), h("th", { scope: "col" }, "tier"),
        h("th", { scope: "col", class: "number" }, "tickets"), h("th", { scope: "col", class: "number" }, "annual revenue"))),
      h("tbody", null, found.accounts.slice(0, 10).map((account) => h("tr", null, h("td", { class: "name" }, account.customer),
        h("td", null, account.tier || ""), h("td", { class: "number" }, account.tickets),
        h("td", { class: "number" }, account.revenue === null ? "" : count(account.revenue)))))) : null,
    found.accounts.length > 10 ? h("p", { class: "faint small" }, `and ${found.accounts.length - 10} more`) : null,
  ];
}

function examples(found) {
  if (!found.length) return null;
  return found.map((one) => [
    h("p", { class: "small" }, one.url ? outside(one.url, one.ticket_id) : one.ticket_id,
      h("span", { class: "faint" }, ` ${moment(Date.parse(one.created_at) / 1000)}${one.customer ? `, ${one.customer}` : ""}`)),
    h("blockquote", null, one.text)]);
}

/** List one line per receiver, and on demand every entry of the audit trail, in wall-clock time. */
function notifications(found) {
  if (!found.length) return h("p", { class: "faint" }, "No notifications are recorded. They appear here when spikewatch notify runs.");
  const receivers = new Map();
  for (const one of found) {
    if (one.kind === "answered") continue;
    const counts = receivers.get(one.receiver) || { sent: 0, failed: 0, last: null };
    if (one.kind === "sent") counts.sent += 1;
    if (one.kind === "failed" || one.kind === "given_up") counts.failed += 1;
    counts.last = one;
    receivers.set(one.receiver, counts);
  }
  const verb = (one) => one.kind === "decided" ? (one.send ? "to be notified" : "not notified") : words(one.kind);
  return [
    h("ul", { class: "plain" }, found.filter((one) => one.kind === "answered").map((one) =>
      h("li", null, one.text, h("span", { class: "faint small" }, ` ${moment(one.at)}`))),
    [...receivers].map(([name, counts]) => h("li", null, h("b", null, name || "all receivers"),
      `: ${counts.sent} sent${counts.failed ? `, ${counts.failed} failed` : ""}; last: ${verb(counts.last)} (${counts.last.reason}) `,
      h("span", { class: "faint small" }, moment(counts.last.at))))),
    h("details", null, h("summary", null, `all ${found.length} entries, in wall-clock time`),
      h("ul", { class: "plain small" }, found.map((one) => h("li", null,
        h("span", { class: "faint" }, `${moment(one.at)} `),
        one.kind === "answered" ? one.text : `${verb(one)}: ${one.receiver}, ${one.reason}`,
        one.kind !== "answered" && one.text ? ` (${one.text})` : "")))),
  ];
}

function history(found) {
  return h("ul", { class: "plain small" }, found.map((one) => h("li", null,
    h("span", { class: "faint" }, `${moment(one.at)} ${one.transition} `), one.text)));
}

function answers(one) {
  const id = one.id.slice(0, 12);
  const commands = one.running
    ? [`spikewatch ack ${id}`, `spikewatch snooze ${id} --for 2h`, `spikewatch verdict ${id} false_alarm`]
    : [`spikewatch verdict ${id} incident`, `spikewatch verdict ${id} false_alarm`];
  commands.push(`spikewatch note ${id} "..."`, `spikewatch report ${id} --format md`);
  return h("ul", { class: "plain" }, commands.map((command) => h("li", null, h("code", null, command), " ", copier(command, "copy"))));
}
