// The sheet of one number: every bet that contains it, in rows large enough for any thumb.

import { copy, setOff, setText } from "./dom.js";
import { fill } from "./words.js";

/** The numbers that an inside code names; none for outside bets. */
export function numbersOf(code) {
  const [kind, list = ""] = code.split(":");
  if (kind === "first_four") return [0, 1, 2, 3];
  if (["column", "dozen", "low", "even", "red", "black", "odd", "high"].includes(kind)) return [];
  const numbers = list.split("-").map(Number);
  if (kind !== "six_line") return numbers;
  return Array.from({ length: numbers[1] - numbers[0] + 1 }, (_, at) => numbers[0] + at);
}

export class Around {
  #rows = new Map();
  #dialog = null;

  /** `on.place(code)`, `on.takeOff(code)`, `on.chip()` the chosen chip, `on.canTakeOff(code)`. */
  constructor(words, on) {
    this.words = words;
    this.on = on;
  }

  open(number) {
    this.close();
    const { words } = this;
    const { node, parts } = copy("t-around");
    this.#dialog = node;
    this.parts = parts;
    parts.number.className = `number number-big number-${words.colour(number)}`;
    setText(parts.number, String(number));
    setText(parts.title, fill(words.text.bets_with, { number }));
    setText(parts.why, words.text.only_last);
    for (const code of Object.keys(words.config.positions)) {
      if (numbersOf(code).includes(number)) parts.rows.append(this.#row(code));
    }
    parts.close.addEventListener("click", () => node.close());
    node.addEventListener("click", (event) => {
      if (event.target === node) node.close(); // a press beside the sheet
    });
    node.addEventListener("close", () => {
      this.#rows.clear();
      this.#dialog = null;
      node.remove();
    });
    document.body.append(node);
    node.showModal();
    this.on.opened();
  }

  close() {
    this.#dialog?.close();
  }

  #row(code) {
    const { words } = this;
    const { node, parts } = copy("t-around-row");
    setText(parts.kind, words.text.kinds[code.split(":")[0]]);
    setText(parts.short, words.short(code));
    setText(parts.odds, `${words.odds(code)}:1`);
    parts.minus.setAttribute("aria-label", fill(words.text.take_off, { bet: words.name(code) }));
    parts.plus.addEventListener("click", () => this.on.place(code));
    parts.minus.addEventListener("click", () => this.on.takeOff(code));
    this.#rows.set(code, parts);
    return node;
  }

  draw(view) {
    if (!this.#dialog) return;
    const { words } = this;
    setText(this.parts.adds, fill(words.text.each_adds, { sum: words.money(this.on.chip()) }));
    for (const [code, parts] of this.#rows) {
      const stake = view.chips.get(code)?.stake ?? 0;
      setText(parts.stake, stake > 0 ? words.money(stake) : "–");
      parts.plus.setAttribute("aria-label", words.label(code, stake));
      setOff(parts.plus, !view.canBet, words.text.not_now);
      const can = view.canBet && this.on.canTakeOff(code);
      setOff(parts.minus, !can, view.canBet ? words.text.only_last : words.text.not_now);
    }
  }
}
