// The racetrack: in the felt's box on phones, beside it on wide screens. The number of neighbours
// changes without asking the server; the bet itself is an announced one, which the server expands.

import { neighbours } from "./cloth.js";
import { asButton, byId, setAttribute, setOff, setText } from "./dom.js";
import { fill } from "./words.js";

const EACH_MAX = 9;

export class Racetrack {
  /** `on.call(code, positions)`: an announced bet and the stakes it means, in chips. */
  constructor(words, on) {
    this.words = words;
    this.on = on;
    this.cloth = byId("cloth");
    this.race = byId("racetrack");
    this.pockets = [...this.race.querySelectorAll(".pocket")];
    this.each = Number(this.pockets[0].value.split(":")[2]);
    const [less, more] = [...this.race.querySelectorAll(".each a")].map(asButton);
    this.less = less;
    this.more = more;
    this.count = this.race.querySelector(".each b");
    less.addEventListener("click", () => this.#reach(this.each - 1));
    more.addEventListener("click", () => this.#reach(this.each + 1));
    this.stops = [...this.race.querySelectorAll("button.pocket")];
    for (const pocket of this.stops) pocket.tabIndex = -1;
    this.stops[0].tabIndex = 0;
    this.race.addEventListener("focusin", (event) => this.#focused(event.target));
    this.race.addEventListener("click", (event) => this.#clicked(event));
    this.race.addEventListener("pointerover", (event) => this.#over(event.target));
    this.race.addEventListener("pointerleave", () => this.#light([]));
    this.#ends(); // the labels of the first number of neighbours are the server's
  }

  #clicked(event) {
    const button = event.target.closest("button[name=announced]");
    if (!button) return;
    event.preventDefault();
    this.on.call(button.value, this.positions(button.value));
  }

  /** The positions of an announced bet with their chips. */
  positions(code) {
    const { calls, wheel } = this.words.config;
    if (calls[code]) return calls[code];
    const [, centre, each] = code.split(":");
    return neighbours(wheel, Number(centre), Number(each)).map((position) => [position, 1]);
  }

  #reach(each) {
    this.each = Math.min(EACH_MAX, Math.max(0, each));
    setText(this.count, `±${this.each}`);
    this.#ends();
    const { text } = this.words;
    for (const pocket of this.pockets) {
      const number = pocket.textContent.trim();
      pocket.value = `neighbours:${number}:${this.each}`;
      setAttribute(pocket, "aria-label", fill(text.neighbours, { number, each: this.each }));
    }
    this.#light([]);
  }

  #ends() {
    setOff(this.less, this.each === 0);
    setOff(this.more, this.each === EACH_MAX);
  }

  #focused(target) {
    if (!this.stops.includes(target)) return;
    for (const pocket of this.stops) if (pocket.tabIndex === 0) pocket.tabIndex = -1;
    target.tabIndex = 0;
    this.#over(target);
  }

  /** Shows which pockets a press would cover. */
  #over(target) {
    const button = target.closest?.("button.pocket");
    const at = this.pockets.indexOf(button);
    const length = this.pockets.length;
    const reach = 2 * this.each + 1;
    this.#light(
      at < 0
        ? []
        : Array.from(
            { length: reach },
            (_, i) => this.pockets[(at - this.each + i + length) % length],
          ),
    );
  }

  #lit = [];

  #light(pockets) {
    for (const pocket of this.#lit) pocket.classList.remove("lit");
    for (const pocket of pockets) pocket.classList.add("lit");
    this.#lit = pockets;
  }

  /** The next pocket, clockwise for `by` 1. */
  step(by) {
    const at = this.stops.indexOf(document.activeElement);
    if (at < 0) return false;
    this.stops[(at + by + this.stops.length) % this.stops.length].focus();
    return true;
  }

  get open() {
    return this.cloth.classList.contains("racing");
  }

  /** Turns the box over on phones; on wide screens the focus goes there or back. */
  toggle(focusFelt) {
    const inside = this.race.contains(document.activeElement);
    const open = this.cloth.classList.toggle("racing");
    const wide = window.matchMedia("(min-width: 960px)").matches;
    if (wide ? !inside : open) this.stops.find((pocket) => pocket.tabIndex === 0)?.focus();
    else focusFelt();
  }
}
