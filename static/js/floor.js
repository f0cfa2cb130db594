// The floor, live: asks once a second, puts in the parts of a card that changed, and says at once
// when no answer comes. The server writes every part; nothing is worded or judged here. Without
// this module the page is as it was when it was opened.

import { Line } from "./floor-line.js";

const floor = document.getElementById("floor");
const POSTER_MS = 10_000;

const cards = new Map(
  [...document.querySelectorAll("[data-table]")].map((card) => [card.dataset.table, card]),
);
const drawn = new Map();
const line = new Line(() => document.getElementById("floor-stale"));
let serverAhead = Number(floor?.dataset.now ?? Date.now()) - Date.now();
let drawnAt = 0;
/** Stops that the page was opened with, or that were told already. */
const told = new Set(
  [...document.querySelectorAll(".floor-why a[data-focus]")].map((one) => one.dataset.focus),
);

const serverNow = () => Date.now() + serverAhead;

/** Replaces a part where its markup changed; whoever had the focus in it keeps it. */
function put(place, name, markup) {
  if (!place || drawn.get(name) === markup) return;
  drawn.set(name, markup);
  const focused = place.contains(document.activeElement)
    ? document.activeElement.dataset.focus
    : undefined;
  // a document of its own: no script in it would run, and the templates have escaped every word
  const fresh = new DOMParser().parseFromString(markup, "text/html");
  place.replaceChildren(...fresh.body.childNodes);
  if (focused) place.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

const part = (card, name) => card.querySelector(`[data-part="${name}"]`);

function drawCard(card, table) {
  const level = `floor-${table.level}`;
  if (!card.classList.contains(level)) {
    card.className = card.className.replace(/\bfloor-(shut|calm|look|alarm|stopped)\b/, level);
  }
  for (const [name, markup] of Object.entries(table.parts)) {
    put(part(card, name), `${table.id} ${name}`, markup);
  }
}

/** Only what stands in the wrong place is moved, and never under a finger or the focus. */
function order(tables) {
  const wanted = tables.map((table) => cards.get(table.id)).filter(Boolean);
  const current = [...floor.children];
  if (wanted.every((card, place) => card === current[place])) return;
  if (floor.matches(":hover") || floor.contains(document.activeElement)) return;
  for (const card of wanted) floor.append(card);
}

/** Told at once to those who do not see it; the words are the server's, once per incident. */
function tellStops(tables) {
  const fresh = tables.flatMap((table) => table.incidents).filter((one) => !told.has(one.id));
  for (const one of fresh) told.add(one.id);
  const place = document.getElementById("floor-told");
  if (place && fresh.length > 0) place.textContent = fresh.map((one) => one.said).join(". ");
}

/** On the page of one table: the way to stop it is there while there is something to stop. */
function drawSuspend(table) {
  const section = document.getElementById("suspend");
  if (!section || section.querySelector("textarea")?.value) return;
  section.hidden = !table.can_suspend;
}

function draw(state) {
  if (state.now_ms < drawnAt) return; // an older answer that came later
  drawnAt = state.now_ms;
  serverAhead = state.now_ms - Date.now();
  put(document.querySelector('[data-part="head"]'), "head", state.head);
  for (const table of state.tables) {
    const card = cards.get(table.id);
    if (card) drawCard(card, table);
  }
  if (floor.dataset.only) {
    put(document.querySelector('[data-part="incidents"]'), "incidents", state.incidents ?? "");
    for (const table of state.tables) drawSuspend(table);
  } else order(state.tables);
  tellStops(state.tables);
  const at = document.getElementById("floor-at");
  if (at) at.textContent = new Date(state.now_ms).toISOString().slice(11, 19);
  document.dispatchEvent(new CustomEvent("floor", { detail: state }));
  tick();
}

function clockText(whole, down) {
  if (whole < 60 || down) return `${whole} s`;
  const two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

function tick() {
  for (const clock of document.querySelectorAll("[data-at]")) {
    const down = clock.dataset.down === "1";
    const gap = (Number(clock.dataset.at) - serverNow()) / 1_000;
    const whole = Math.max(0, down ? Math.ceil(gap) : Math.floor(-gap));
    const text = clockText(whole, down);
    if (clock.textContent !== text) clock.textContent = text;
  }
  sayLost();
}

function sayLost() {
  line.say();
  floor.classList.toggle("floor-faded", line.isLost);
  document.querySelector(".floor-head")?.classList.toggle("floor-faded", line.isLost);
}

async function ask() {
  if (document.hidden) return;
  try {
    const answer = await line.get(floor.dataset.state);
    draw(await answer.json());
  } catch {
    sayLost();
  }
}

/** One question at a time: a slow house is not asked faster. */
async function keepAsking() {
  const began = Date.now();
  await ask();
  const pause = Math.max(50, Number(floor.dataset.poll) - (Date.now() - began));
  setTimeout(keepAsking, pause);
}

/** The new picture is fetched and decoded first, then shown: no flicker, and none where none is. */
async function freshPoster(image) {
  const next = new Image();
  next.src = `${image.dataset.poster}?at=${Math.floor(Date.now() / POSTER_MS)}`;
  try {
    await next.decode();
    image.src = next.src;
  } catch {
    // no picture now: the one that is shown stays
  }
}

function freshPosters() {
  if (document.hidden) return;
  for (const image of document.querySelectorAll("img[data-poster]")) freshPoster(image);
}

if (floor) {
  keepAsking();
  setInterval(tick, 250);
  setInterval(freshPosters, POSTER_MS);
  document.addEventListener("visibilitychange", () => {
    line.cameInSight();
    sayLost();
    ask();
  });
  addEventListener("load", () => setTimeout(freshPosters, 300));
}
