// A part of a page that changes by itself: asked for again while something is awaited, and swapped
// where it reads differently. Without this module the page is as it was when it was opened, with a
// link to look again.

/** Soon at first, since a payment mostly moves within seconds; then seldom. Who comes back from the
 * provider's page is mostly there before its word: until that is in, the page still asks to pay. */
const ASK_MS = [
  [5_000, 1_000],
  [60_000, 2_000],
  [600_000, 5_000],
  [Number.POSITIVE_INFINITY, 30_000],
];

const place = document.querySelector("[data-live-part]");
const said = document.getElementById("live-said");
const since = performance.now();
let timer = 0;

const now = () => place.querySelector("[data-part]");
const waits = () => Number(now().dataset.waiting) > 0;

/** Where the keyboard was, as something that the new part may have as well. */
function held() {
  const link = place.contains(document.activeElement) && document.activeElement.closest("a");
  return link ? `a[href="${CSS.escape(link.getAttribute("href"))}"]` : "";
}

function swap(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-part]");
  if (!fresh) return;
  const [focus, before] = [held(), now().dataset.said];
  now().replaceWith(document.adoptNode(fresh));
  if (focus) place.querySelector(focus)?.focus();
  if (fresh.dataset.said !== before) said.textContent = fresh.dataset.said;
  const balance = document.querySelector('.standing [data-live="balance"]');
  if (balance && fresh.dataset.balance) balance.textContent = fresh.dataset.balance;
}

let shown = "";

async function ask() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      // the browser asks with the tag it has; the same text again changes nothing
      const answer = await fetch(place.dataset.livePart, {
        cache: "no-cache",
        redirect: "error",
        headers: { "Faro-Automatic": "1" },
      });
      if (answer.ok) {
        const text = await answer.text();
        if (text !== shown) swap(text);
        shown = text;
      }
    } catch {
      // no answer now: what stands, stands, and the next question comes
    }
  }
  later();
}

function later() {
  if (!waits()) return;
  const age = performance.now() - since;
  timer = setTimeout(ask, ASK_MS.find(([until]) => age < until)[1]);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden && waits()) ask();
});
addEventListener("pageshow", (page) => {
  if (page.persisted) ask();
});
later();
