// The table page, kept current: a countdown on the server's clock, phases and results as they
// come, bets without leaving the page. Everything here is also done by plain forms and a reload.
//
// Asks data-state-url once a second: {now_ms, round: {number, phase, closes_at_ms}}. When round or
// phase changes it fetches the page and puts the server's own parts in place; it makes no markup.

const PARTS = [
  "phase",
  "strip",
  "cloth",
  "acts",
  "status",
  "told",
  "bets",
  "statistics",
  "standing",
];
const POLL_MS = 1000;
const TIMEOUT_MS = 5000;
/** After so many failed questions in a row the page says that it is cut off. */
const FAILURES_MAX = 3;

const frame = document.querySelector("[data-state-url]");
const byId = (id) => document.getElementById(id);
const say = (text) => {
  byId("say").textContent = text;
};
const sayNow = (text) => {
  byId("say-now").textContent = text;
};

let offsetMs = 0;
let closesAtMs = null;
let windowMs = 1;
let seen = "";
let spoken = "";
let failures = 0;
let sending = Promise.resolve();

const signature = (number, phase, stopped) => `${number || ""}/${phase || ""}/${stopped ? 1 : 0}`;

function readPhase() {
  const bar = byId("phase");
  const left = Number(bar?.dataset.closesIn ?? Number.NaN);
  if (Number.isNaN(left)) {
    closesAtMs = null;
  } else if (closesAtMs === null) {
    closesAtMs = Date.now() + offsetMs + left;
    windowMs = Math.max(left, 1);
  }
  seen = signature(bar?.dataset.round, bar?.dataset.phase, bar?.dataset.stopped);
}

function tick() {
  if (closesAtMs !== null) {
    const left = Math.max(0, closesAtMs - Date.now() - offsetMs);
    const count = byId("count");
    const text = String(Math.ceil(left / 1000));
    if (count && count.textContent !== text) count.textContent = text;
    const line = byId("line");
    if (line) line.style.transform = `scaleX(${Math.min(1, left / windowMs).toFixed(3)})`;
  }
  for (const clock of document.querySelectorAll("[data-since]")) {
    const seconds = Math.floor((Date.now() + offsetMs - Date.parse(clock.dataset.since)) / 1000);
    if (seconds < 0) continue;
    const two = (number) => String(number).padStart(2, "0");
    const text = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
    if (clock.textContent !== text) clock.textContent = text;
  }
}

/** Puts the parts of a freshly rendered page in the place of ours; keeps the focus where it was. */
function adopt(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  if (!fresh.getElementById("phase")) {
    window.location.reload(); // signed out, or an error page: show it
    return;
  }
  const focused = document.activeElement?.getAttribute?.("value");
  for (const id of PARTS) {
    const mine = byId(id);
    const theirs = fresh.getElementById(id);
    if (mine && theirs) mine.replaceWith(document.adoptNode(theirs));
  }
  const screen = byId("screen");
  screen.className = fresh.getElementById("screen").className;
  const key = document.querySelector("#bet-form [name=key]");
  key.value = fresh.querySelector("#bet-form [name=key]").value;
  const before = closesAtMs;
  closesAtMs = null;
  const longest = windowMs;
  readPhase();
  if (before !== null && closesAtMs !== null) windowMs = Math.max(longest, windowMs);
  if (focused) document.querySelector(`#cloth [value="${CSS.escape(focused)}"]`)?.focus();
  speak();
  tick();
}

function speak() {
  if (seen === spoken) return;
  spoken = seen;
  const bar = byId("phase");
  const text = bar?.dataset.say ?? bar?.querySelector(".phase-words")?.textContent ?? "";
  if (/no_more_bets|suspended|1$/.test(seen)) sayNow(text);
  else say(text);
}

async function ask(url, options = {}) {
  const answer = await fetch(url, {
    ...options,
    credentials: "same-origin",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  return answer;
}

const here = () => window.location.pathname + window.location.search;

async function poll() {
  try {
    const asked = Date.now();
    const state = await (await ask(frame.dataset.stateUrl)).json();
    if (typeof state.now_ms === "number") {
      offsetMs = state.now_ms - (asked + Date.now()) / 2;
      if (closesAtMs !== null && typeof state.round?.closes_at_ms === "number") {
        closesAtMs = state.round.closes_at_ms;
      }
    }
    if (failures >= FAILURES_MAX) say(frame.dataset.sayBack);
    const now = signature(state.round?.number, state.round?.phase, state.suspended_reason);
    if (now !== seen || failures >= FAILURES_MAX) {
      await sending;
      adopt(await (await ask(here())).text());
      seen = now;
      spoken = now;
    }
    failures = 0;
  } catch {
    failures += 1; // the network or the server: asked again, and said when it lasts
    if (failures === FAILURES_MAX) {
      byId("cloth").disabled = true;
      sayNow(frame.dataset.sayLost);
      const told = byId("phase")?.querySelector(".phase-words");
      if (told) told.textContent = frame.dataset.sayLost;
    }
  }
  setTimeout(poll, document.hidden ? POLL_MS * 5 : POLL_MS);
}

function send(event) {
  const form = event.target;
  const button = event.submitter;
  if (form.id !== "bet-form" || !button) return;
  event.preventDefault();
  const body = new FormData(form, button);
  const random = crypto.getRandomValues(new Uint8Array(16));
  body.set("key", Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  const url = button.getAttribute("formaction") ?? form.action;
  const other = byId("other-stake");
  if (other) other.value = "";
  // One after the other, in the order of the presses, each with its own key.
  sending = sending
    .then(() => ask(url, { method: "POST", body }))
    .then((answer) => answer.text())
    .then(adopt)
    .catch(() => sayNow(frame.dataset.sayUnsure));
}

if (frame) {
  document.addEventListener("submit", send);
  readPhase();
  spoken = seen;
  tick();
  setInterval(tick, 250);
  setTimeout(poll, POLL_MS);
  document.addEventListener("visibilitychange", tick);
}
