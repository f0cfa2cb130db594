// The lobby, live: one small answer every five seconds while somebody looks, and a fresh picture of
// each table that is in sight. Words and signs of every phase stand in the page already. Without
// this module the lobby is as it was when it was opened.

const ASK_MS = 5_000;
/** Pictures of the stream are made every few seconds; asking more often would show the same one. */
const POSTER_MS = 10_000;
/** So many answers missing in a row, and the page says that it is not fresh. */
const MISSES_MAX = 3;

const cards = new Map(
  [...document.querySelectorAll("[data-table]")].map((card) => [card.dataset.table, card]),
);
const phases = document.getElementById("phases");
const inSight = new Set();
let misses = 0;

function drawPhase(card, phase) {
  if (card.dataset.phase === phase) return;
  const fresh = phases.content.querySelector(`[data-phase="${phase}"]`);
  if (!fresh) return;
  card.querySelector(".lobby-phase").replaceWith(fresh.cloneNode(true));
  card.dataset.phase = phase;
}

function drawResults(card, results) {
  const list = card.querySelector(".numbers");
  const text = results.map(([number]) => number).join(" ");
  if (list.dataset.results === text) return;
  list.dataset.results = text;
  list.replaceChildren(
    ...results.map(([number, colour]) => {
      const item = document.createElement("li");
      item.className = `number number-${colour}`;
      item.textContent = number;
      return item;
    }),
  );
  list.hidden = results.length === 0;
  card.querySelector(".no-results").hidden = results.length > 0;
}

function drawPlayers(card, count) {
  const line = card.querySelector(".players");
  const words = count === 1 ? line.dataset.one : line.dataset.many;
  line.textContent = words.replace("{n}", count);
  line.hidden = count === 0;
}

function draw(state) {
  for (const table of state.tables) {
    const card = cards.get(table.id);
    if (!card) continue;
    drawPhase(card, table.phase ?? "");
    drawResults(card, table.results);
    drawPlayers(card, table.players);
    card.classList.toggle("closed", table.phase === null);
  }
}

function saysStale(stale) {
  document.getElementById("lobby-stale").hidden = !stale;
}

async function ask() {
  if (document.hidden) return;
  try {
    // the browser asks with the tag it has and answers 304 from its own copy
    const answer = await fetch("/lobby/state", { cache: "no-cache", credentials: "omit" });
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    draw(await answer.json());
    misses = 0;
  } catch {
    misses += 1;
  }
  saysStale(misses >= MISSES_MAX);
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
  for (const image of inSight) freshPoster(image);
}

const watch = new IntersectionObserver((seen) => {
  for (const { target, isIntersecting } of seen) {
    if (isIntersecting) inSight.add(target);
    else inSight.delete(target);
  }
});
for (const image of document.querySelectorAll("img[data-poster]")) watch.observe(image);

setInterval(ask, ASK_MS);
setInterval(freshPosters, POSTER_MS);
document.addEventListener("visibilitychange", () => {
  ask();
  freshPosters();
});
addEventListener("pageshow", (shown) => {
  if (shown.persisted) ask();
});
addEventListener("load", () => setTimeout(freshPosters, 500));
