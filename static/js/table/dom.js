// The few ways in which this page touches its document: set only what changed, clone templates.

export const byId = (id) => document.getElementById(id);

export function setText(node, text) {
  if (node && node.textContent !== text) node.textContent = text;
}

export function setHidden(node, hidden) {
  if (node && node.hidden !== hidden) node.hidden = hidden;
}

export function setClass(node, name) {
  if (node && node.getAttribute("class") !== name) node.setAttribute("class", name);
}

export function setAttribute(node, name, value) {
  if (!node || node.getAttribute(name) === value) return;
  if (value === null) node.removeAttribute(name);
  else node.setAttribute(name, value);
}

/** Says that a control does nothing now, and why, without taking the focus away from it. */
export function setOff(node, off, why = "") {
  setAttribute(node, "aria-disabled", off ? "true" : null);
  setAttribute(node, "title", off && why ? why : null);
}

/** The symbol of an icon: the file's address stands in the page. */
export function setIcon(icon, name) {
  const use = icon?.firstElementChild;
  const file = use?.getAttribute("href").split("#")[0];
  setAttribute(use, "href", `${file}#${name}`);
}

/**
 * A copy of a template's only element. Its parts are the elements that carry `data-f`, by name.
 */
export function copy(id) {
  const node = byId(id).content.firstElementChild.cloneNode(true);
  const parts = {};
  for (const part of node.querySelectorAll("[data-f]")) parts[part.dataset.f] = part;
  return { node, parts };
}

/** A link that leads nowhere with a script is a button: same look, same place. */
export function asButton(link) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = link.className;
  const label = link.getAttribute("aria-label");
  if (label) button.setAttribute("aria-label", label);
  button.append(...link.childNodes);
  link.replaceWith(button);
  return button;
}

/** Gives the browser its turn between two parts of a longer work: a finger or a frame may come. */
export function breath() {
  return globalThis.scheduler?.yield?.() ?? new Promise((resolve) => setTimeout(resolve));
}
