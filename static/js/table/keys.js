// The keyboard on the felt: arrows move, Shift+arrow goes to the lines between, letters act. Letters
// act only while the felt, the racetrack or the tray has the focus, so that nobody bets by typing.

import { copy } from "./dom.js";

const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const CHIPS_MAX = 7;

export class Keys {
  /** `on`: takeOff(code), chip(index), act(name), racetrack(). */
  constructor(felt, race, on) {
    this.felt = felt;
    this.race = race;
    this.on = on;
    document.getElementById("bet-form").addEventListener("keydown", (event) => this.#down(event));
  }

  #down(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.type === "text") return;
    if (this.#moved(event) || this.#acted(event)) event.preventDefault();
  }

  #moved(event) {
    const direction = ARROWS[event.key];
    if (!direction) return false;
    if (this.felt.focusedCode !== null) {
      this.felt.step(direction, event.shiftKey);
      return true;
    }
    return this.race.step(direction === "right" || direction === "down" ? 1 : -1);
  }

  #acted(event) {
    const key = event.key.toLowerCase();
    if (key >= "1" && key <= String(CHIPS_MAX) && key.length === 1) {
      this.on.chip(Number(key) - 1);
      return true;
    }
    const acts = { u: "undo", d: "double", r: "rebet" };
    if (acts[key]) this.on.act(acts[key]);
    else if (key === "t") this.on.racetrack();
    else if (key === "?") this.help();
    else if (key === "backspace" && this.felt.focusedCode) this.on.takeOff(this.felt.focusedCode);
    else return false;
    return true;
  }

  help() {
    const { node, parts } = copy("t-keys");
    parts.close.addEventListener("click", () => node.close());
    node.addEventListener("close", () => node.remove());
    document.body.append(node);
    node.showModal();
  }
}
