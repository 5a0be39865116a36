// The view "Backtests": reports that `spikewatch backtest --html` has written.
import { h } from "./dom.js";
import { fetchJson } from "./store.js";
import { moment } from "./words.js";

export function reports(main, name) {
  const list = h("ul", { class: "plain" });
  main.replaceChildren(h("h1", null, "Backtests"), list);
  fetchJson("api/reports").then((found) => {
    list.replaceChildren(...(found.length ? found.map((one) => h("li", { "data-line": true },
      h("a", { href: `#/report/${encodeURIComponent(one.name)}` }, one.name),
      h("span", { class: "faint small" }, ` ${moment(one.at)}`)))
      : [h("li", null, "The folder named by [page] reports contains no reports.")]));
  }).catch((error) => list.replaceChildren(h("li", null, error.message)));
  if (name) {
    main.append(h("iframe", { sandbox: "", title: `Backtest ${name}`, src: `reports/${encodeURIComponent(name)}` }));
  }
  return { change() {}, leave() {} };
}
