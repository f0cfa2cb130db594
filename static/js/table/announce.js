// What a screen reader hears: one polite region, one assertive, and never a result before its time,
// since it is told from the same view as everything else. Seconds are not counted aloud.

import { byId } from "./dom.js";
import { fill } from "./words.js";

/** Said at once, over whatever is being said. */
const ASSERTIVE = new Set(["no_more_bets", "suspended"]);
/** How long the words of a result wait for what it paid. */
const PAID_MS = 2_500;

export class Announcer {
  #said = "";
  #link = "up";
  #waits = null;

  constructor(words) {
    this.words = words;
    this.polite = byId("say");
    this.assertive = byId("say-now");
  }

  say(text) {
    this.#tell(this.polite, text);
  }

  sayNow(text) {
    this.#tell(this.assertive, text);
  }

  /** The same words twice are said twice: an odd space makes them new. */
  #tell(region, text) {
    region.textContent = region.textContent === text ? `${text}\u00a0` : text;
  }

  draw(view, now) {
    this.#connection(view);
    if (view.link !== "up") return;
    const id = `${view.number} ${view.phase} ${view.result}`;
    const [round, , result] = this.#said.split(" ");
    if (view.result !== null) {
      if (round === String(view.number) && result === String(view.result)) return;
      this.#waits ??= now;
      const paid = view.bets.length === 0 || view.paidKnown;
      if (!paid && now - this.#waits < PAID_MS) return;
    }
    this.#waits = null;
    if (id === this.#said) return;
    const first = this.#said === "";
    this.#said = id;
    if (first && !view.betting) return;
    if (ASSERTIVE.has(view.phase)) this.sayNow(this.#text(view));
    else this.say(this.#text(view));
  }

  #connection(view) {
    const { text } = this.words;
    if (view.link === this.#link) return;
    if (view.link === "lost") this.sayNow(text.say_lost);
    if (view.link === "over") this.sayNow(text.over_more);
    if (view.link === "up" && this.#link === "lost") this.say(text.say_back);
    this.#link = view.link;
  }

  #text(view) {
    const { words } = this;
    const { text } = words;
    if (view.result !== null) {
      const number = words.number(view.result, view.colour);
      if (view.bets.length === 0 || !view.paidKnown) return number;
      const [paid, net] = [words.money(view.paid), words.net(view.paid - view.staked)];
      return fill(text.say_result, { number, paid, net });
    }
    const phase = words.phase(view.phase);
    if (view.betting) {
      return fill(text.say_open, { phase, seconds: Math.ceil(view.leftMs / 1000) });
    }
    return view.phase === "suspended" ? `${phase}. ${words.fault(view.reason)}` : phase;
  }
}
