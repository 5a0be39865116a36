// Creation of elements. Text is only ever set as text, so text from tickets cannot become markup.

/** Return an element: h("p", {class: "head"}, "text", child, null, [more]). */
export function h(name, properties, ...children) {
  const element = document.createElement(name);
  return fill(element, properties, children);
}

/** Return an SVG element. */
export function s(name, properties, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  return fill(element, properties, children);
}

function fill(element, properties, children) {
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** Return a link to another site, or plain text if the URL is not http or https. */
export function outside(url, text) {
  if (!/^https?:\/\//i.test(url || "")) return h("span", null, text || url || "");
  return h("a", { href: url, rel: "noopener noreferrer", target: "_blank" }, text || url);
}

/** Return a button that copies a text; null if the browser has no clipboard. */
export function copier(text, label) {
  if (!navigator.clipboard) return null;
  const button = h("button", { type: "button", class: "small" }, label);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}
