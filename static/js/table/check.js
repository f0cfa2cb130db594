// The check of reality: bets wait at the house until the player has looked. The server says whether
// one is due and what it shows; this page only asks at the right time, and puts it above everything.

import { duration } from "./words.js";

/** While one is open, and after a failure: asked again so often. Another device may have answered. */
const ASK_EVERY_MS = 5_000;
/** A question that takes longer is given up: as long as it waits, no other is asked. */
const ASK_TIMEOUT_MS = 8_000;
const AUTOMATIC = { "Faro-Automatic": "1" };

export class RealityCheck {
  #asking = false;
  #nextAskAt = 0;
  /** How often this page was told that none is due: what was asked before may say the old thing. */
  #told = 0;

  /** `dueAt`: when the next falls due, ms since 1970, or null while nobody plays. */
  constructor({ url, dueAt, now }) {
    Object.assign(this, { url, dueAt, now });
    this.dialog = document.getElementById("reality-check");
    if (this.dialog) this.#show(this.dialog);
  }

  /** Once in a while: asks when one is due, and counts the time while one is open. */
  tick() {
    const now = this.now();
    if (this.dialog) this.#count(now);
    const due = this.dialog !== null || (this.dueAt !== null && now >= this.dueAt);
    if (due && now >= this.#nextAskAt) this.ask();
  }

  /** Asks the house now: it refused a bet for it, or it is time. */
  async ask() {
    if (this.#asking || !this.url) return;
    this.#asking = true;
    this.#nextAskAt = this.now() + ASK_EVERY_MS;
    const told = this.#told;
    try {
      const answer = await fetch(this.url, {
        credentials: "same-origin",
        headers: AUTOMATIC,
        signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
      });
      if (answer.status === 204) this.#over(answer);
      else if (answer.ok && !answer.redirected) this.#open(await answer.text(), told);
    } catch {
      // without a network no bet is taken either; asked again soon
    }
    this.#asking = false;
  }

  #open(text, told) {
    if (this.dialog || told !== this.#told) return;
    const page = new DOMParser().parseFromString(text, "text/html");
    const found = page.getElementById("reality-check");
    if (!found) return;
    document.body.append(document.adoptNode(found));
    this.dialog = found;
    this.#show(found);
  }

  #show(dialog) {
    dialog.removeAttribute("open");
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    // a second Escape closes it whatever "cancel" says: while it is due it opens again
    dialog.addEventListener("close", () => {
      if (this.dialog === dialog) dialog.showModal();
    });
    dialog.querySelector("form").addEventListener("submit", (event) => this.#looked(event));
    dialog.showModal();
    dialog.querySelector("h2").focus();
  }

  #count(now) {
    const place = this.dialog.querySelector("[data-check-since]");
    const since = Date.parse(place?.dataset.checkSince ?? "");
    if (since) place.textContent = duration(Math.max(0, Math.floor((now - since) / 1000)));
  }

  /** Sent without leaving the page; where that fails the form goes its own way. */
  async #looked(event) {
    event.preventDefault();
    const form = event.target;
    const body = new FormData(form);
    body.set("part", "1");
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        body,
        credentials: "same-origin",
        signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
      });
      if (answer.status !== 204) throw new Error("not taken");
      this.#over(answer);
    } catch {
      form.submit();
    }
  }

  #over(answer) {
    this.#told += 1;
    this.dueAt = Number(answer.headers.get("Faro-Check-Due")) || null;
    const dialog = this.dialog;
    this.dialog = null;
    dialog?.close();
    dialog?.remove();
  }
}
