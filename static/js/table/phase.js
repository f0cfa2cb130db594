// The phase bar: glyph, words, brightness, and a number only when time is real. The line runs on
// the compositor; one text node changes a second.

import { byId, setClass, setHidden, setIcon, setText } from "./dom.js";
import { fill } from "./words.js";

/** A line that is this far from the clock starts anew. */
const DRIFT_MS = 300;

export class PhaseBar {
  #line = null;
  #lineFor = null;
  #windowMs = 0;

  constructor(words) {
    this.words = words;
    this.bar = byId("phase");
    this.icon = this.bar.querySelector(".icon");
    this.number = byId("phase-number");
    this.title = this.bar.querySelector(".phase-words");
    this.aside = this.bar.querySelector(".phase-aside");
    this.count = byId("count");
    this.lines = this.bar.querySelector(".phase-line");
    this.line = byId("line");
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  }

  draw(view) {
    const lost = view.link === "lost" || view.link === "over";
    const kind = lost ? "lost" : view.kind;
    setClass(this.bar, `phase phase-${kind}`);
    setIcon(this.icon, lost ? "signal" : `phase-${kind}`);
    setText(this.title, this.#title(view, lost));
    setText(this.aside, this.#aside(view, lost));
    const result = lost ? null : view.result;
    setHidden(this.number, result === null);
    if (result !== null) {
      setClass(this.number, `number number-big number-${view.colour}`);
      setText(this.number, String(result));
    }
    const running = view.betting && !lost;
    this.#windowMs = view.windowMs;
    setHidden(this.count, !running);
    setHidden(this.lines, !running);
    this.time(running ? view.leftMs : null);
    this.#run(running ? view : null);
  }

  #title(view, lost) {
    const { text } = this.words;
    if (view.link === "over") return text.over;
    if (lost) return text.lost;
    if (view.result !== null) return this.words.number(view.result, view.colour);
    if (view.phase === "idle" && view.closed) return text.closed;
    return this.words.phase(view.phase);
  }

  #aside(view, lost) {
    const { text } = this.words;
    if (view.link === "over") return "";
    if (lost) return text.trying;
    if (view.betting) return text.closes_in;
    if (view.paused) return this.words.fault(view.reason);
    if (view.nextInMs === null) return view.result === null ? "" : text.official;
    const seconds = Math.ceil(view.nextInMs / 1000);
    return seconds > 0 ? fill(text.next_round, { seconds }) : text.next_soon;
  }

  /** The seconds left, rounded up, so that 0 is shown only when time is over. */
  time(leftMs) {
    if (leftMs === null) return;
    setText(this.count, String(Math.ceil(leftMs / 1000)));
    if (this.calm.matches) {
      const left = Math.ceil(leftMs / 1000) / Math.max(1, Math.ceil(this.#windowMs / 1000));
      this.line.style.transform = `scaleX(${Math.min(1, left).toFixed(3)})`;
    }
  }

  /** Starts the line where it has to be; it needs no script until the round or the clock change. */
  #run(view) {
    if (!view || this.calm.matches) {
      this.#line?.cancel();
      this.#line = null;
      this.#lineFor = null;
      return;
    }
    const drift = this.#line
      ? Math.abs(this.#line.effect.getTiming().duration - this.#line.currentTime - view.leftMs)
      : Number.POSITIVE_INFINITY;
    if (this.#lineFor === view.number && drift < DRIFT_MS) return;
    this.#line?.cancel();
    this.#lineFor = view.number;
    const from = Math.min(1, view.leftMs / Math.max(view.windowMs, 1));
    this.#line = this.line.animate([{ transform: `scaleX(${from})` }, { transform: "scaleX(0)" }], {
      duration: Math.max(view.leftMs, 1),
      easing: "linear",
      fill: "forwards",
    });
  }
}
