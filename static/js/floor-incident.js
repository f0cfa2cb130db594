// An incident that is being looked at: once a second it asks whether anything is new, and puts it
// in; where somebody is typing it only says so. Without this module the page is as it was.

const ASK_MS = 1_000;
const ASK_TIMEOUT_MS = 3_000;

const shown = () => document.querySelector("[data-incident]");

/** Whether a form in it is open or filled in: what somebody does there is not taken away. */
function isInUse(incident) {
  if (incident.querySelector("details[open]")) return true;
  return incident.contains(document.activeElement) && document.activeElement.matches("input");
}

/** The server's markup; in a document of its own no script would run. */
const parsed = (markup) =>
  new DOMParser().parseFromString(markup, "text/html").querySelector("[data-incident]");

function put(markup) {
  const next = parsed(markup);
  const before = shown();
  const kept = before.querySelector("[data-clip]");
  const place = next.querySelector("[data-clip]");
  if (kept && place) place.replaceWith(kept);
  before.replaceWith(next);
}

async function ask() {
  const incident = shown();
  if (!incident || document.hidden) return;
  const address = new URL(incident.dataset.panel, location.href);
  address.searchParams.set("mark", incident.dataset.mark);
  try {
    const answer = await fetch(address, {
      headers: { "Faro-Automatic": "1" },
      cache: "no-store",
      redirect: "manual",
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    if (answer.status !== 200) return;
    const markup = await answer.text();
    const notice = document.getElementById("incident-new");
    if (isInUse(shown())) {
      if (notice) notice.hidden = false;
      return;
    }
    put(markup);
    if (notice) notice.hidden = true;
  } catch {
    // no answer now: the next one tells as much
  }
}

/** Beside the floor: the incident that the house names, when there is none or the last is over. */
async function beside(incident) {
  const panel = document.getElementById("floor-panel");
  const current = shown();
  const isOver = current?.querySelector(".incident-over");
  if (!panel || !incident || current?.dataset.incident === incident.id) return;
  if (current && (!isOver || isInUse(current))) return;
  const answer = await fetch(incident.panel, { headers: { "Faro-Automatic": "1" } });
  if (answer.status !== 200) return;
  panel.replaceChildren(parsed(await answer.text()));
  document.getElementById("floor-split").classList.add("floor-with-panel");
}

function tick() {
  const clock = shown()?.querySelector("[data-at]");
  if (!clock || document.getElementById("floor")) return;
  const whole = Math.max(0, Math.floor((Date.now() - Number(clock.dataset.at)) / 1_000));
  const two = (value) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  clock.textContent = `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

async function keepAsking() {
  await ask();
  setTimeout(keepAsking, ASK_MS);
}

document.addEventListener("floor", ({ detail }) => {
  beside(detail.incident).catch(() => undefined); // the next answer names it again
});
setInterval(tick, 1_000);
setTimeout(keepAsking, ASK_MS);
