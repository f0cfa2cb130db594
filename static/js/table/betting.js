// Betting: every way to ask for a bet ends here, and every answer comes back here. A press is shown
// at once as pending; only the house's answer makes it solid or takes it off again.

import { Around } from "./around.js";
import { asButton, byId, setAttribute, setOff } from "./dom.js";
import { Felt } from "./felt.js";
import { Keys } from "./keys.js";
import { Racetrack } from "./race.js";
import { Slips } from "./slips.js";
import { fill } from "./words.js";

const ACTS = ["undo", "double", "rebet"];
/** A receipt is shown by its last characters, as the round's page marks them. */
const RECEIPT_SHOWN = 6;

export class Betting {
  #view = null;
  #last = [];

  constructor(words, page) {
    this.words = words;
    this.page = page;
    this.form = byId("bet-form");
    this.slips = new Slips({
      send: (message) => page.link === "up" && page.connection.send(message),
      now: () => performance.now(),
    });
    this.felt = new Felt(words, {
      place: (code) => this.place(code),
      around: (number) => this.around.open(number),
    });
    this.race = new Racetrack(words, { call: (code, stakes) => this.call(code, stakes) });
    this.around = new Around(words, {
      place: (code) => this.place(code),
      takeOff: (code) => this.takeOff(code),
      canTakeOff: (code) => this.slips.lastIs(code),
      chip: () => this.chip,
      opened: () => page.changed(),
    });
    this.keys = new Keys(this.felt, this.race, {
      takeOff: (code) => this.takeOff(code),
      chip: (at) => this.#choose(at),
      act: (name) => this.act(name),
      racetrack: () => this.race.toggle(() => this.felt.focus()),
    });
    this.acts = Object.fromEntries(
      ACTS.map((name) => [name, this.form.querySelector(`[data-act=${name}]`)]),
    );
    this.#listen();
  }

  #listen() {
    // No press ever posts the form: with a script there is the connection, or nothing (F18).
    document.addEventListener("submit", (event) => {
      if (event.target === this.form) event.preventDefault();
    });
    for (const [name, button] of Object.entries(this.acts)) {
      button.disabled = false;
      button.type = "button";
      button.addEventListener("click", () => this.act(name));
    }
    this.chips = [...this.form.querySelectorAll("input[name=chip]")];
    for (const chip of this.chips) chip.addEventListener("change", () => this.page.changed());
    // calls and finales stand outside the form
    document.addEventListener("click", (event) => this.#elsewhere(event));
    const hint = this.form.querySelector(".keys-hint");
    if (hint) {
      hint.hidden = false;
      hint.addEventListener("click", () => this.keys.help());
    }
    this.#tools();
  }

  #elsewhere(event) {
    const button = event.target.closest("button[form=bet-form]");
    if (!button) return;
    event.preventDefault();
    if (button.name === "announced") this.call(button.value, this.race.positions(button.value));
    else if (button.name === "position") this.place(button.value);
  }

  /** Racetrack and Inside: links without a script, switches with one. */
  #tools() {
    const [track, inside] = this.form.querySelectorAll(".felt-tools > *");
    const back = this.form.querySelector(".back-to-felt");
    this.inside = asButton(inside);
    const turn = () => this.race.toggle(() => this.felt.focus());
    asButton(track).addEventListener("click", turn);
    asButton(back).addEventListener("click", turn);
    setAttribute(this.inside, "aria-pressed", "false");
    this.inside.addEventListener("click", () => {
      this.felt.inside = !this.felt.inside;
      setAttribute(this.inside, "aria-pressed", String(this.felt.inside));
    });
  }

  /** The stake of the next press: a typed one, else the chosen chip. */
  get chip() {
    return Number(this.chips.find((chip) => chip.checked)?.value ?? 0);
  }

  #stake() {
    const typed = byId("other-stake");
    const text = typed?.value.trim().replace(",", ".") ?? "";
    if (typed) typed.value = "";
    if (!/^\d+(\.\d+)?$/.test(text)) return this.chip;
    return Math.round(Number(text) * this.words.scale);
  }

  #choose(at) {
    const chip = this.chips[at];
    if (!chip) return;
    chip.checked = true;
    this.page.announcer.say(
      fill(this.words.text.chip_chosen, { sum: this.words.money(this.chip) }),
    );
    this.page.changed();
  }

  /* Asking */

  #may() {
    if (this.#view?.canBet) return true;
    const { text } = this.words;
    const why = { lost: text.say_lost, over: text.over_more, joining: text.joining };
    const said = why[this.#view?.link] ?? text.not_now;
    this.page.toasts.alarm(said, text.nothing_charged);
    this.page.announcer.sayNow(`${said} ${text.nothing_charged}`);
    return false;
  }

  /** Stakes on the cloth by code, what is pending included. */
  #onCloth() {
    return new Map([...this.#view.chips].map(([code, chip]) => [code, chip.stake]));
  }

  #ask(message, stakes = []) {
    this.slips.ask({ ...message, round: this.#view.number }, stakes, this.#onCloth());
    this.page.draw(); // pending is seen in the same frame as the press
  }

  place(code) {
    if (!this.#may()) return;
    const stakes = [[code, this.#stake()]];
    this.#ask({ k: "bet", stakes }, stakes);
  }

  call(code, positions) {
    if (!this.#may()) return;
    const chip = this.#stake();
    const stakes = positions.map(([position, count]) => [position, count * chip]);
    this.#ask({ k: "bet", announced: code, chip }, stakes);
  }

  act(name) {
    if (!this.#may() || this.slips.asking(name)) return;
    const { text } = this.words;
    if (name !== "rebet" && this.#view.chips.size === 0) {
      this.page.toasts.alarm(text.no_bets, text.nothing_charged);
      return;
    }
    if (name === "undo") {
      this.slips.ask({ k: "undo" });
      this.page.changed();
    } else {
      this.#ask({ k: name }, name === "double" ? [...this.#onCloth()] : this.#last);
    }
  }

  /** Takes the last bet off, when that is what lies there; the house knows no other way back. */
  takeOff(code) {
    if (this.slips.lastIs(code)) {
      this.act("undo");
      return;
    }
    const { text } = this.words;
    this.page.toasts.alarm(text.only_last, "");
    this.page.announcer.sayNow(text.only_last);
  }

  /* Answers */

  /** What the account has on the cloth, in the round that it speaks of. */
  standing(frame = this.page.account.newest) {
    const bets = frame?.d.bets ?? [];
    const found = new Map();
    for (const [code, stake] of bets) found.set(code, (found.get(code) ?? 0) + stake);
    return found;
  }

  answered(frame) {
    const slip = this.slips.answer(frame, this.standing());
    if (!slip) return;
    if (frame.ok) this.#accepted(slip, frame.d);
    else this.#refused(slip, frame.text);
    this.page.changed();
  }

  #what(stakes, announced) {
    const { words } = this;
    if (announced?.startsWith("neighbours:")) {
      const [, number, each] = announced.split(":");
      return fill(words.text.neighbours_name, { number, each });
    }
    if (announced && words.config.call_names[announced]) return words.config.call_names[announced];
    if (stakes.length === 1) return words.name(stakes[0][0]);
    return fill(words.text.several, { count: stakes.length });
  }

  #accepted(slip, { stakes, total_minor: total, receipt }) {
    const { words, page } = this;
    const { text } = words;
    const sum = words.money(total);
    const undone = slip.message.k === "undo";
    const bet = this.#what(stakes, slip.message.announced);
    const title = fill(undone ? text.taken_back : text.accepted, { sum, bet });
    const shown = String(receipt ?? "")
      .slice(-RECEIPT_SHOWN)
      .toUpperCase();
    page.toasts.good(title, shown && fill(text.receipt, { receipt: shown }));
    page.announcer.say(title);
  }

  #refused(slip, why) {
    const { words, page } = this;
    const { text } = words;
    const act = { undo: text.undo, double: text.double, rebet: text.rebet }[slip.message.k];
    const sum = words.money(Slips.total(slip.stakes));
    const title = act
      ? fill(text.refused_act, { act })
      : fill(text.refused, { sum, bet: this.#what(slip.stakes, slip.message.announced) });
    const more = `${why} ${text.nothing_charged}`;
    page.toasts.alarm(title, more);
    page.announcer.sayNow(`${title}. ${more}`);
  }

  tick() {
    const given = this.slips.tick();
    if (given.length === 0) return;
    const { text } = this.words;
    this.page.toasts.alarm(text.unsure, text.unsure_more);
    this.page.announcer.sayNow(`${text.unsure} ${text.unsure_more}`);
    this.page.changed();
  }

  /* Drawing */

  draw(view) {
    const before = this.#view;
    this.#view = view;
    if (before?.number !== view.number && before?.bets.length > 0) {
      this.#last = before.bets.map(([code, stake]) => [code, stake]);
    }
    const { text } = this.words;
    const why = view.link === "lost" ? text.say_lost : text.not_now;
    const none = view.chips.size === 0;
    setOff(this.acts.undo, !view.canBet || none, view.canBet ? text.no_bets : why);
    setOff(this.acts.double, !view.canBet || none, view.canBet ? text.no_bets : why);
    setOff(this.acts.rebet, !view.canBet, why);
    if (view.link === "joining" && this.page.table.n < 0) {
      this.felt.off(true); // the server's chips stand until the state is known
      return;
    }
    this.felt.draw(view);
    this.around.draw(view);
    setAttribute(this.race.race, "aria-disabled", view.canBet ? null : "true");
  }
}
