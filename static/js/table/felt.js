// The felt: chips on it, and what a press, a long press or a pointer on an edge means. Where things
// lie is a matter of classes; the layout is never read.

import { betUnder, cellBeside, cellOf, halfStep, placeOf } from "./cloth.js";
import { byId, setAttribute, setClass } from "./dom.js";

/** A finger that stays this long asks for the bets around the number. */
const LONG_PRESS_MS = 500;
/** A finger that moved this far is not pressing. */
const MOVED_PX = 12;

/** Cells have round corners and 2 px between them; a mouse may press there as well. */
const NEAR_PX = 5;

function near({ clientX, clientY, pointerType }) {
  if (pointerType !== "mouse") return null;
  const cells = [-1, 1].flatMap((x) =>
    [-1, 1].map((y) =>
      document
        .elementFromPoint(clientX + x * NEAR_PX, clientY + y * NEAR_PX)
        ?.closest("#felt button.cell"),
    ),
  );
  return cells.find((cell) => cell && placeOf(cell.value)) ?? cells.find(Boolean) ?? null;
}

export class Felt {
  #cells = new Map();
  #spots = new Map();
  #drawn = new Map();
  #between = null;
  #press = null;
  #long = false;
  #begun = false;

  /** `on.place(code)`, `on.around(number)`. */
  constructor(words, on) {
    this.words = words;
    this.on = on;
    this.cloth = byId("cloth");
    this.felt = byId("felt");
    this.wide = window.matchMedia("(min-width: 960px)");
    this.fine = window.matchMedia("(hover: hover) and (pointer: fine)");
    this.inside = false;
    for (const cell of this.felt.querySelectorAll("button.cell")) {
      this.#cells.set(cell.value, cell);
      cell.tabIndex = -1;
    }
    this.#cells.get("straight:0").tabIndex = 0;
    this.at = "straight:0";
    this.cloth.disabled = false;
    this.felt.addEventListener("pointerdown", (event) => this.#down(event));
    this.felt.addEventListener("pointermove", (event) => this.#moved(event));
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      this.felt.addEventListener(name, () => this.#up());
    }
    this.felt.addEventListener("contextmenu", (event) => {
      if (this.#press) event.preventDefault();
    });
    this.felt.addEventListener("click", (event) => this.#clicked(event));
    this.felt.addEventListener("focusin", (event) => this.#focused(event.target));
  }

  /* Pressing */

  #down(event) {
    this.#long = false;
    const cell = event.target.closest("button.cell");
    if (!cell || event.button > 0) return;
    this.#press = { x: event.clientX, y: event.clientY, type: event.pointerType };
    if (event.pointerType === "mouse" || !cell.value.startsWith("straight:")) return;
    this.#press.timer = setTimeout(() => {
      this.#long = true;
      this.on.around(Number(cell.value.slice("straight:".length)));
    }, LONG_PRESS_MS);
  }

  #moved(event) {
    const { x, y } = this.#press ?? {};
    if (x === undefined) return;
    if (Math.hypot(event.clientX - x, event.clientY - y) > MOVED_PX) this.#up();
  }

  #up() {
    clearTimeout(this.#press?.timer);
    if (this.#press) this.#press.timer = undefined;
  }

  #clicked(event) {
    const cell = event.target.closest("button.cell") ?? near(event);
    if (!cell) return;
    event.preventDefault();
    const pointer = event.pointerType ?? this.#press?.type ?? "";
    this.#press = null;
    if (this.#long) {
      this.#long = false;
      return;
    }
    if (this.inside && cell.value.startsWith("straight:")) {
      this.on.around(Number(cell.value.slice("straight:".length)));
      return;
    }
    this.on.place(this.#meant(event, cell, pointer));
  }

  /** On the classic felt a mouse may press the lines between numbers. */
  #meant(event, cell, pointer) {
    if (pointer !== "mouse" || event.detail === 0) return cell.value;
    if (!this.wide.matches || !this.fine.matches) return cell.value;
    const box = cell.getBoundingClientRect(); // once a press, when nothing waits to be laid out
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    return betUnder(cell.value, x, y);
  }

  /* Keyboard */

  #focused(target) {
    const code = target.value;
    if (!this.#cells.has(code)) return;
    if (this.at !== code) {
      setAttribute(this.#cells.get(cellOf(this.at)), "tabindex", "-1");
      setAttribute(this.#cells.get(code), "tabindex", "0");
      this.at = code;
    }
    if (this.#between && target !== this.#between) this.#leaveEdge();
  }

  /** One step of the focus. `half` goes to the line between two cells. */
  step(direction, half) {
    const wide = this.wide.matches;
    const edge = this.#between?.value;
    if (half) {
      const code = halfStep(edge ?? this.at, direction, wide);
      if (code?.startsWith("straight:")) this.#stand(code);
      else if (code) this.#standOn(code);
      return;
    }
    if (edge) this.#stand(cellOf(edge));
    else this.#stand(cellBeside(this.at, direction, wide) ?? this.at);
  }

  #stand(code) {
    this.#cells.get(code)?.focus();
  }

  /** The focus between cells: a button of its own, which says the bet and places it. */
  #standOn(code) {
    if (!this.#between) {
      this.#between = document.createElement("button");
      this.#between.type = "button";
      this.#between.append(document.createElement("span"));
      this.felt.append(this.#between);
      this.#between.addEventListener("click", (event) => {
        event.preventDefault();
        event.stopPropagation();
        this.on.place(this.#between.value);
      });
    }
    const [first] = this.words.spots(code);
    this.#between.value = code;
    setClass(this.#between, `edge-focus ${first}`);
    setAttribute(this.#between, "aria-label", this.#label(code));
    this.#between.focus();
  }

  #leaveEdge() {
    const gone = this.#between;
    this.#between = null;
    gone.remove();
  }

  get focusedCode() {
    const active = document.activeElement;
    return active && this.felt.contains(active) ? active.value || null : null;
  }

  /** Back to the felt: the cell that last had the focus. */
  focus() {
    this.#stand(this.at);
  }

  /* Drawing */

  #label(code) {
    return this.words.label(code, this.#drawn.get(code)?.stake ?? 0);
  }

  /** Nothing can be placed now; one may still look around. */
  off(off) {
    setAttribute(this.felt, "aria-disabled", off ? "true" : null);
    this.cloth.classList.toggle("off", off);
  }

  /** From now on the chips are ours: those that came with the page are of the past. */
  #begin() {
    for (const old of this.felt.querySelectorAll(".chip, .spot")) old.remove();
    for (const code of this.#cells.keys()) this.#say(code);
    for (const cell of this.felt.querySelectorAll(".hit")) cell.classList.remove("hit");
    this.#begun = true;
  }

  draw(view) {
    if (!this.#begun) this.#begin();
    this.off(!view.canBet);
    const hit = view.result === null ? null : `straight:${view.result}`;
    if (hit !== this.hit) {
      this.#cells.get(this.hit)?.classList.remove("hit");
      this.#cells.get(hit)?.classList.add("hit");
      this.hit = hit;
    }
    for (const code of this.#drawn.keys()) if (!view.chips.has(code)) this.#take(code);
    for (const [code, chip] of view.chips) this.#put(code, chip);
  }

  #put(code, chip) {
    const before = this.#drawn.get(code);
    const same = ["stake", "pending", "won"].every((what) => before?.[what] === chip[what]);
    if (same) return;
    this.#drawn.set(code, chip);
    for (const node of this.#chips(code)) {
      const state = `${chip.pending ? " pending" : ""}${chip.won ? " won" : ""}`;
      setClass(node, `chip chip-small ${this.words.chipStyle(chip.stake)}${state}`);
      setAttribute(node, "data-sum", this.words.chip(chip.stake));
    }
    this.#say(code);
  }

  #chips(code) {
    if (this.#spots.has(code)) return this.#spots.get(code);
    const cell = this.#cells.get(code);
    const places = cell ? [cell] : this.words.spots(code).map((css) => this.#spot(css, code));
    const chips = places.map((place) => {
      const chip = document.createElement("span");
      chip.setAttribute("aria-hidden", "true"); // its sum is in the cell's name
      place.append(chip);
      return chip;
    });
    this.#spots.set(code, chips);
    return chips;
  }

  #spot(css, code) {
    const spot = document.createElement("span");
    spot.className = css;
    spot.title = this.words.name(code);
    this.felt.append(spot);
    return spot;
  }

  #take(code) {
    this.#drawn.delete(code);
    for (const chip of this.#spots.get(code) ?? []) {
      (this.#cells.has(code) ? chip : chip.parentElement).remove();
    }
    this.#spots.delete(code);
    this.#say(code);
  }

  #say(code) {
    const button = this.#between?.value === code ? this.#between : this.#cells.get(code);
    setAttribute(button, "aria-label", this.#label(code));
  }
}
