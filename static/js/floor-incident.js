// An incident that is being looked at: once a second it asks whether anything is new, and puts it
// in; where somebody is typing it only says so. Without this module the page is as it was.

import { Line } from "./floor-line.js";

const ASK_MS = 1_000;

const shown = () => document.querySelector("[data-incident]");
const line = new Line(() => document.querySelector("[data-stale]"));
const isBeside = Boolean(document.getElementById("floor"));
let serverAhead = Number(shown()?.dataset.now ?? Date.now()) - Date.now();

/** Whether a form in it is open or filled in: what somebody does there is not taken away. */
function isInUse(incident) {
  if (incident.querySelector("details[open] form")) return true;
  const focused = document.activeElement;
  return incident.contains(focused) && focused.matches("input, select, textarea");
}

function notice(name) {
  const found = shown()?.querySelector(`[data-${name}]`);
  if (found) found.hidden = false;
}

/** The server's markup; in a document of its own no script would run. */
const parsed = (markup) =>
  new DOMParser().parseFromString(markup, "text/html").querySelector("[data-incident]");

const named = (place, name) => place.querySelector(`[data-focus="${CSS.escape(name)}"]`);

/** Replaces the incident; focus, what was unfolded, and a clip that plays stay. */
function put(markup) {
  const next = parsed(markup);
  const before = shown();
  const focused = before.contains(document.activeElement) ? document.activeElement : null;
  const unfolded = [...before.querySelectorAll("details[open] > summary[data-focus]")];
  // one that nobody watches is renewed; what stands in <noscript> is no video that somebody opened
  const kept = before.querySelector("[data-clip]:has(> video)");
  const place = next.querySelector("[data-clip]");
  before.after(next); // first into this document: a clip that is moved within it plays on
  if (kept && place) place.replaceWith(kept);
  before.remove();
  for (const summary of unfolded) {
    const same = named(next, summary.dataset.focus);
    if (same) same.parentElement.open = true;
  }
  if (focused) focus(next, focused);
  announce(next);
}

/** To the same control, or to the incident where that control is gone. */
function focus(incident, focused) {
  const name = focused.dataset.focus;
  const same = incident.contains(focused) ? focused : name && named(incident, name);
  incident.tabIndex = -1;
  (same || incident).focus({ preventScroll: true });
}

function announce(incident) {
  serverAhead = Number(incident.dataset.now) - Date.now();
  document.dispatchEvent(new CustomEvent("incident"));
}

async function ask() {
  const incident = shown();
  if (!incident || document.hidden) return;
  const address = new URL(incident.dataset.panel, location.href);
  address.searchParams.set("mark", incident.dataset.mark);
  try {
    const answer = await line.get(address);
    if (answer.status !== 200) return;
    const markup = await answer.text();
    if (shown() !== incident) return; // another one was put in meanwhile
    if (isInUse(incident)) notice("new");
    else put(markup);
  } catch {
    // no answer now: the next one tells as much, and the line says when none comes
  }
}

/** Beside the floor: the incident that the house names, when there is none or the last is over. */
async function beside(state) {
  const panel = document.getElementById("floor-panel");
  const current = shown();
  const wanted = state.incident;
  if (!panel || !wanted || current?.dataset.incident === wanted.id) return;
  const open = state.tables.flatMap((table) => table.incidents.map((one) => one.id));
  const id = current?.dataset.incident;
  if (open.includes(id) && !wanted.instead_of.includes(id)) return;
  if (current && isInUse(current)) {
    const link = current.querySelector("[data-next] a");
    if (link) link.search = `?incident=${wanted.id}`;
    notice("next");
    return;
  }
  const answer = await line.get(wanted.panel);
  const markup = await answer.text();
  if (shown() !== current || (current && isInUse(current))) return;
  const next = parsed(markup);
  panel.replaceChildren(next);
  document.getElementById("floor-split").classList.add("floor-with-panel");
  announce(next);
}

function tick() {
  line.say();
  const clock = shown()?.querySelector("[data-at]");
  if (!clock || isBeside || line.isLost) return; // beside the floor, the floor counts
  const gap = Date.now() + serverAhead - Number(clock.dataset.at);
  const whole = Math.max(0, Math.floor(gap / 1_000));
  const two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  clock.textContent = `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

async function keepAsking() {
  await ask();
  setTimeout(keepAsking, ASK_MS);
}

document.addEventListener("floor", ({ detail }) => {
  beside(detail).catch(() => undefined); // the next answer names it again
});
document.addEventListener("visibilitychange", () => {
  line.cameInSight();
  ask();
});
setInterval(tick, 1_000);
setTimeout(keepAsking, ASK_MS);
