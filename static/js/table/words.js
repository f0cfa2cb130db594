// What the server said once for the whole visit: words, names, positions, addresses. No text of a
// reader's language stands in any script; it comes translated in the page's own JSON.

const MINUS = "\u2212";

/** The page's JSON, or null on a page that has none (nobody plays there). */
export function readConfig() {
  const found = document.getElementById("table-config");
  return found ? JSON.parse(found.textContent) : null;
}

/** `pattern` with each %(name)s replaced. */
export const fill = (pattern, values = {}) =>
  pattern.replace(/%\((\w+)\)s/g, (_, name) => String(values[name] ?? ""));

export const two = (count) => String(count).padStart(2, "0");

/** Whole seconds as `0:42:17`. */
export const duration = (seconds) =>
  `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;

export class Words {
  constructor(config) {
    this.config = config;
    this.text = config.words;
    this.digits = config.writing.digits;
    this.scale = 10 ** this.digits;
  }

  /** A whole number with the reader's grouping: `1,204,317`. */
  whole(count) {
    return String(count).replace(/\B(?=(\d{3})+$)/g, this.config.writing.group);
  }

  /** A measure or an amount with so many decimals, ungrouped: `2.50`. */
  decimal(value, digits) {
    return value.toFixed(digits).replace(".", this.config.writing.decimal);
  }

  /** Minor units as `€1,234.50`, with the true minus before the sign. */
  money(minor) {
    const { before, after, decimal } = this.config.writing;
    const all = String(Math.abs(minor)).padStart(this.digits + 1, "0");
    const cut = all.length - this.digits;
    const parts = this.digits > 0 ? decimal + all.slice(cut) : "";
    return `${minor < 0 ? MINUS : ""}${before}${this.whole(all.slice(0, cut))}${parts}${after}`;
  }

  /** A net result, signed both ways. */
  net(minor) {
    return minor > 0 ? `+${this.money(minor)}` : this.money(minor);
  }

  /** What is printed on a chip, as casino.templatetags.money.chip_label prints it. */
  chip(minor) {
    const major = minor / this.scale;
    if (major > 0 && major < 1 && this.digits === 2) return `${minor}c`;
    if (major >= 1000 && major % 100 === 0) return `${major / 1000}k`;
    return Number.isInteger(major) ? String(major) : this.decimal(major, 2);
  }

  /** The classes of a chip that shows `minor`. */
  chipStyle(minor) {
    const [, style] = this.config.chip_styles.find(([least]) => minor >= least);
    return `chip-${style}${this.chip(minor).length > 2 ? " chip-long" : ""}`;
  }

  #position(code) {
    return this.config.positions[code] ?? [code, code, 0];
  }

  /** "Split 14 and 17" */
  name(code) {
    return this.#position(code)[0];
  }

  /** "14 / 17" */
  short(code) {
    return this.#position(code)[1];
  }

  odds(code) {
    return this.#position(code)[2];
  }

  /** The classes that place a chip between cells, one or two; none for a chip in a cell. */
  spots(code) {
    return this.#position(code).slice(3);
  }

  /**
   * What a screen reader says of a position: its name, its odds, the stake on it. A cell's name
   * begins with what the cell shows, for people who speak to the page.
   */
  label(code, stake = 0) {
    const named = fill(this.text.bet_name, { bet: this.name(code), odds: this.odds(code) });
    const shows = this.spots(code).length > 0 || this.name(code).includes(this.short(code));
    const bet = shows ? named : `${this.short(code)}: ${named}`;
    return stake > 0 ? fill(this.text.bet_on_it, { bet, sum: this.money(stake) }) : bet;
  }

  /** "17 Black" */
  number(result, colour) {
    return `${result} ${this.text.colours[colour] ?? ""}`.trim();
  }

  colour(number) {
    return this.config.colours[number];
  }

  fault(code) {
    return this.text.faults[code] ?? this.text.faults.other;
  }

  phase(phase) {
    return this.text.phases[phase] ?? this.text.phases.idle;
  }
}
