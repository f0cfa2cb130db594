// The presenter's console, live: asks several times a second, counts down by the server's clock,
// and sends the page's own forms. Nothing is judged here: the server says which keys do something,
// and refuses an act that was meant for an earlier phase. Without this module the page is the same
// forms, and comes back to itself after each.

const main = document.getElementById("main");
const live = (name) => document.querySelector(`[data-live="${name}"]`);
const ring = document.getElementById("ring");
const ringLeft = document.getElementById("ring-left");
const ringSeconds = document.getElementById("ring-seconds");
const glyph = document.getElementById("glyph");
const pad = document.getElementById("pad");
const number = document.getElementById("number");
const say = document.getElementById("say");

/** Without an answer for so long, the keys are locked and the page says so. */
const LOST_MS = 2_500;
const ASK_TIMEOUT_MS = 2_000;
/** An act that got no answer is sent again, under its own key, so often. */
const TRIES = 3;
const SAY_MS = 6_000;
/** What a digit pad is for. Letters and Tab go where they always go. */
const PAD_KEYS = /^(\d|Backspace|Enter)$/;
const REDS = new Set(pad.dataset.reds.trim().split(" ").map(Number));

let state = null;
let ahead = 0;
let quickest = Number.POSITIVE_INFINITY;
let answeredAt = performance.now();
let isLost = false;
let isSending = false;
let sayUntil = Number.POSITIVE_INFINITY;
/** Tab brought the focus to where it is, and no finger or mouse since. Not :focus-visible, which any
    key makes true, also where a finger was. */
let isTabbed = false;
/** The phase in which an act was refused: so long it is said that nothing was done. */
let refusedIn = "";

const serverNow = () => Date.now() + ahead;

/** The server's clock by the quickest answer so far; a much slower one says nothing new. */
function setClock(sentAt, now) {
  const took = Date.now() - sentAt;
  if (took > quickest + 20) return;
  quickest = took;
  ahead = now - (sentAt + took / 2);
}

function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** Where the round is: a refusal stands until this changes. */
const moment = (of) => [of?.round?.number, of?.round?.phase, of?.round?.spin, of?.status].join(" ");

function draw(fresh) {
  if (state && fresh.now < state.now) return; // an older answer that came later
  const before = state;
  state = fresh;
  main.dataset.ready = "1";
  put(live("newest"), String(fresh.newest ?? "–"));
  put(live("presenter"), fresh.presenter?.name ?? "Nobody signed on");
  put(live("next"), fresh.says.next);
  put(live("detail"), fresh.says.detail);
  drawPhase(fresh);
  drawLeft(fresh);
  drawResults(fresh.results);
  drawHealth(fresh);
  drawReasons(fresh.more_reasons); // the first one is the detail
  drawKeys();
  const newSpin =
    before?.round?.number !== fresh.round?.number || before?.round?.spin !== fresh.round?.spin;
  if (before && newSpin) type("");
  if (!before) refusedIn = moment(fresh);
  else if (refusedIn && refusedIn !== moment(fresh)) unsay();
  // who presents here changed: the keys themselves are others
  if ((fresh.presenter?.mine ? "1" : "0") !== main.dataset.mine) location.reload();
}

function drawPhase(fresh) {
  const phase = document.getElementById("phase");
  put(phase, fresh.says.phase);
  phase.className = `console-phase phase-${fresh.round?.phase ?? "none"}`;
}

/** Left: the countdown while bets are taken, the number pad while a number is awaited. */
function drawLeft(fresh) {
  const confirms = fresh.acts.includes("confirm");
  const counts = fresh.round?.closes_at != null;
  ring.toggleAttribute("hidden", !counts);
  pad.hidden = !confirms || counts;
  glyph.toggleAttribute("hidden", counts || confirms);
  const use = glyph.querySelector("use");
  use.setAttribute("href", `${use.dataset.icons}#${fresh.says.glyph}`);
}

function drawResults(results) {
  const list = document.getElementById("results");
  const text = results.map((one) => `${one.round}:${one.number}`).join(" ");
  if (list.dataset.drawn === text) return;
  document.getElementById("results-label").hidden = results.length === 0;
  list.dataset.drawn = text;
  list.replaceChildren(
    ...results.map((one) => {
      const item = document.createElement("li");
      item.className = `number number-${one.colour}`;
      item.textContent = one.number;
      const colour = document.createElement("span");
      colour.className = "visually-hidden";
      colour.textContent = ` ${one.colour}`;
      item.append(colour);
      return item;
    }),
  );
}

function drawHealth(fresh) {
  const list = document.getElementById("health");
  const rows = [
    ...fresh.devices.map((device) => [device.name, device.words, device.health]),
    ["Players", String(fresh.players), "none"],
  ];
  const text = JSON.stringify(rows);
  if (list.dataset.drawn === text) return;
  list.dataset.drawn = text;
  list.replaceChildren(
    ...rows.map(([name, words, health]) => {
      const row = document.createElement("div");
      row.className = `health-${health}`;
      const term = document.createElement("dt");
      term.textContent = name;
      const value = document.createElement("dd");
      value.textContent = words;
      row.append(term, value);
      return row;
    }),
  );
}

function drawReasons(reasons) {
  const list = document.getElementById("reasons");
  list.hidden = reasons.length === 0;
  const text = reasons.join("\n");
  if (list.dataset.drawn === text) return;
  list.dataset.drawn = text;
  list.replaceChildren(
    ...reasons.map((words) => {
      const item = document.createElement("li");
      item.textContent = words;
      return item;
    }),
  );
}

/** A key can be pressed when the server says that it does something and answers. */
function drawKeys() {
  for (const form of document.querySelectorAll("form[data-act]")) {
    const open = Boolean(state?.acts.includes(form.dataset.act)) && !isLost && !isSending;
    for (const button of form.querySelectorAll("button[type=submit]")) {
      button.disabled = !open;
      if (button.classList.contains("console-key")) {
        button.classList.toggle("console-lamp", state?.lit === form.dataset.act);
      }
    }
  }
}

function tick() {
  const now = serverNow();
  put(live("clock"), new Date(now).toISOString().slice(11, 19));
  const closesAt = state?.round?.closes_at;
  if (closesAt != null) {
    const left = Math.max(0, closesAt - now);
    const whole = Math.max(1, closesAt - state.round.opened_at);
    const seconds = String(Math.ceil(left / 1_000));
    put(ringSeconds, seconds);
    ringSeconds.classList.toggle("ring-long", seconds.length > 2);
    ringLeft.setAttribute("stroke-dashoffset", String(100 - Math.min(100, (left / whole) * 100)));
  }
  const lost = performance.now() - answeredAt > LOST_MS;
  if (lost !== isLost) {
    isLost = lost;
    document.getElementById("lost").hidden = !lost;
    document.body.classList.toggle("console-off", lost);
    drawKeys();
  }
  if (performance.now() > sayUntil) unsay();
}

function unsay() {
  say.replaceChildren();
  sayUntil = Number.POSITIVE_INFINITY;
  refusedIn = "";
}

/** Says what was taken, for a while; or why nothing was done, until the next act or phase. */
function tell(words, code) {
  const line = document.createElement("p");
  line.className = code ? "console-refused" : "console-told";
  const text = document.createElement("span");
  text.textContent = words;
  if (code) {
    const name = document.createElement("code");
    name.textContent = code;
    text.append(" ", name);
  }
  line.append(text);
  say.replaceChildren(line);
  sayUntil = code ? Number.POSITIVE_INFINITY : performance.now() + SAY_MS;
  refusedIn = code ? moment(state) : "";
}

async function ask() {
  const sentAt = Date.now();
  const answer = await fetch(main.dataset.state, {
    // somebody who presents is working, also with the keypad; an empty console is nobody
    headers: main.dataset.mine === "1" ? {} : { "Faro-Automatic": "1" },
    cache: "no-store",
    redirect: "manual",
    signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
  });
  if (answer.type === "opaqueredirect") location.reload();
  if (!answer.ok) throw new Error(`answered ${answer.status}`);
  const fresh = await answer.json();
  setClock(sentAt, fresh.now);
  answeredAt = performance.now();
  if (!isSending) draw(fresh);
}

async function poll() {
  try {
    await ask();
  } catch {
    // tick says so when it lasts
  }
  setTimeout(poll, Number(main.dataset.poll));
}

/** The form as it stands, with what this page shows now. */
function filled(form) {
  const said = new FormData(form);
  said.set("key", `${form.dataset.act}-${state.key}`);
  said.set("round", state.round?.number ?? "");
  said.set("phase", state.round?.phase ?? "between_rounds");
  said.set("spin", state.round?.spin ?? 0);
  return new URLSearchParams(said);
}

async function send(form) {
  if (!state || isLost || isSending || !state.acts.includes(form.dataset.act)) return;
  const body = filled(form);
  unsay();
  isSending = true;
  drawKeys();
  for (let tried = 1; tried <= TRIES; tried += 1) {
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        headers: { Accept: "application/json" },
        body,
        signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
      });
      if (answer.ok || answer.status === 409) {
        finish(await answer.json());
        return;
      }
      break;
    } catch {
      // no answer: the same again, under the same key
    }
  }
  isSending = false;
  drawKeys();
  tell("No answer came. Look at the phase before you try again.", "no_answer");
}

function finish(said) {
  isSending = false;
  answeredAt = performance.now();
  if (!said.code) type("");
  draw(said.state); // first: a refusal is told in the phase that it shows
  tell(said.words, said.code);
}

const colourOf = (value) => (value === 0 ? "green" : REDS.has(value) ? "red" : "black");

function type(text) {
  number.value = text;
  const value = Number(text);
  const reads = document.getElementById("reads");
  const legal = text !== "" && Number.isInteger(value) && value <= 36;
  put(reads, legal ? colourOf(value) : text === "" ? "" : "not on the wheel");
  reads.className = `console-reads${legal ? ` reads-${colourOf(value)}` : ""}`;
}

function digit(key) {
  if (pad.hidden) return;
  if (key === "back") type(number.value.slice(0, -1));
  else if (number.value.length < 2) type(number.value + key);
}

/** What a finger has touched does not keep the keys: they go on meaning the number. */
function backToTheNumber() {
  if (pad.hidden) document.activeElement?.blur();
  else number.focus({ preventScroll: true });
}

/** While a number is awaited its keys count wherever the focus is; true where one was taken. */
function padKey(event) {
  if (pad.hidden || !PAD_KEYS.test(event.key)) return false;
  if (event.target.closest?.("a, [data-own-keys]")) return false;
  if (event.key === "Enter") {
    if (isTabbed && event.target.closest?.("[data-key]")) return false;
    if (!event.repeat) pad.requestSubmit();
  } else if (event.target === number) {
    return true; // the field itself takes them, with its caret
  } else {
    digit(event.key === "Backspace" ? "back" : event.key);
    number.focus({ preventScroll: true });
  }
  event.preventDefault();
  event.stopPropagation(); // no button takes the same key as its own
  return true;
}

/** A dangerous key counts when it was held; a tap does nothing. */
function holdable(button) {
  const form = button.form;
  let timer = 0;
  const begin = () => {
    if (button.disabled || timer) return;
    button.classList.add("console-held");
    timer = setTimeout(() => {
      end();
      send(form);
    }, Number(button.dataset.hold));
  };
  const end = () => {
    clearTimeout(timer);
    timer = 0;
    button.classList.remove("console-held");
  };
  button.addEventListener("pointerdown", begin);
  for (const name of ["pointerup", "pointerleave", "pointercancel", "blur"]) {
    button.addEventListener(name, end);
  }
  // a press of Enter or Space on the button is held the same way
  button.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      begin();
    }
  });
  button.addEventListener("keyup", end);
  button.addEventListener("click", (event) => event.preventDefault());
  return { begin, end };
}

const held = new Map(
  [...document.querySelectorAll("[data-hold]")].map((button) => [
    button.dataset.key,
    holdable(button),
  ]),
);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.act) return;
  event.preventDefault();
  send(form);
});

const onKey = (event) => {
  if (event.key === "Tab") isTabbed = true;
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (padKey(event)) return;
  if (held.has(event.key)) {
    event.preventDefault();
    if (!event.repeat) held.get(event.key).begin();
    return;
  }
  if (/^F\d+$/.test(event.key)) {
    const button = document.querySelector(`button[data-key="${event.key}"]`);
    if (!button) return;
    event.preventDefault();
    if (!event.repeat && !button.disabled) button.form.requestSubmit(button);
  }
};
document.addEventListener("keydown", onKey, { capture: true });
document.addEventListener(
  "pointerdown",
  () => {
    isTabbed = false;
  },
  { capture: true },
);
document.addEventListener("keyup", (event) => held.get(event.key)?.end());

number.addEventListener("input", () => type(number.value.replace(/\D/g, "").slice(0, 2)));
document.getElementById("digits").addEventListener("click", (event) => {
  const key = event.target.closest("[data-digit]")?.dataset.digit;
  if (!key) return;
  digit(key);
  backToTheNumber();
});
document.querySelector(".console-nospin")?.addEventListener("click", (event) => {
  // by a finger or a mouse; who goes through the reasons with the arrows stays among them
  if (event.detail > 0 && event.target.closest("fieldset")) backToTheNumber();
});
document.getElementById("digits").hidden = false;
number.inputMode = "none"; // the digits are on the page: no second keyboard rises over it

drawKeys(); // nothing can be pressed before the house has answered
setInterval(tick, 100);
poll();
