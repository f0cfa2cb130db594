// Money, bets, results and statistics beside the felt: drawn from the view, only what changed.

import { byId, setAttribute, setClass, setHidden, setText } from "./dom.js";
import { duration, fill } from "./words.js";

/** Bets listed in the panel beside the felt; the table below has all. */
const LISTED = 4;
const BAR_PITCH = 14;
const BAR_WIDTH = 10;
const CHART_HEIGHT = 100;
const POCKETS = 37;

const element = (tag, text, name) => {
  const node = document.createElement(tag);
  node.textContent = text;
  if (name) node.className = name;
  return node;
};

/** Draws again only when what it draws from changed. */
const whenChanged = (draw) => {
  let before = "";
  return (...values) => {
    const now = JSON.stringify(values);
    if (now === before) return;
    before = now;
    draw(...values);
  };
};

export class Panels {
  constructor(words) {
    this.words = words;
    this.live = groupByName(document.querySelectorAll("[data-live]"));
    this.startedAt = Date.parse(this.live.time?.[0]?.dataset.since ?? "") || null;
    this.outcome = byId("outcome");
    this.parts = {};
    for (const part of this.outcome.querySelectorAll("[data-f]")) {
      this.parts[part.dataset.f] = part;
    }
    this.drawResults = whenChanged((results) => this.#results(results));
    this.drawBets = whenChanged((bets, known) => this.#bets(bets, known));
    this.drawOutcome = whenChanged((view) => this.#outcome(view));
  }

  draw(view) {
    this.#money(view);
    this.drawResults(view.results);
    this.drawBets(view.bets, view.result !== null);
    const { betting, bets, result, staked, paid, won, number, paidKnown, phase } = view;
    this.drawOutcome({ betting, bets, result, staked, paid, won, number, paidKnown, phase });
    if (view.number !== null) {
      const number = this.words.whole(view.number);
      setText(byId("round-number"), fill(this.words.text.round, { number }));
    }
  }

  #each(name, text) {
    for (const node of this.live[name] ?? []) setText(node, text);
  }

  #money(view) {
    const onTable = [...view.chips.values()].reduce((sum, chip) => sum + chip.stake, 0);
    this.#each("on_table", this.words.money(view.result === null ? onTable : 0));
    if (!view.money) return;
    this.#each("balance", this.words.money(view.money.balance_minor));
    this.#each("net", this.words.net(view.money.net_minor));
    this.startedAt = view.money.started_at ?? this.startedAt;
  }

  /** The time of this visit, once a second. */
  time(now) {
    if (!this.startedAt) return;
    this.#each("time", duration(Math.max(0, Math.floor((now - this.startedAt) / 1000))));
  }

  #results(results) {
    const list = byId("numbers");
    setHidden(list, results.length === 0);
    setHidden(byId("no-numbers"), results.length > 0);
    list.replaceChildren(
      ...results.map(([number, , was], at) => {
        const look = `number number-${this.words.colour(number)}${at === 0 ? " number-newest" : ""}`;
        if (was === undefined) return element("li", String(number), look);
        const mended = element("li", String(number), `${look} number-corrected`);
        mended.title = fill(this.words.text.was, { was });
        return mended;
      }),
    );
  }

  #bets(bets, known) {
    const { words } = this;
    const total = bets.reduce((sum, bet) => sum + bet[1], 0);
    const accepted = fill(words.text.count_accepted, { count: bets.length });
    setText(byId("bets-sum"), bets.length > 0 ? `${accepted} · ${words.money(total)}` : "");
    setHidden(byId("bets-table"), bets.length === 0);
    setHidden(byId("no-bets"), bets.length > 0);
    setText(byId("bets-pays"), known ? words.text.paid : words.text.pays);
    byId("bets-rows").replaceChildren(
      ...bets.map(([code, stake, returned]) => {
        const row = document.createElement("tr");
        const name = element("th", words.name(code));
        name.scope = "row";
        const pays = returned ?? stake * (words.odds(code) + 1);
        row.append(
          name,
          element("td", words.money(stake), "num"),
          element("td", words.money(pays), "num strong"),
        );
        return row;
      }),
    );
  }

  #outcome({ betting, bets, result, staked, paid, won, number, paidKnown, phase }) {
    const { words, parts } = this;
    const { text } = words;
    const some = bets.length > 0;
    const known = some && paidKnown && (result !== null || phase === "voided");
    setHidden(this.outcome, betting);
    setText(parts.label, known ? text.paid_to_you : some ? text.bets_stand : text.your_bets);
    setHidden(parts.none, some);
    setHidden(parts.figure, !some);
    setText(parts.figure, words.money(known ? paid : staked));
    const rows = known ? bets.filter((bet) => (bet[2] ?? 0) > 0) : bets;
    parts.rows.replaceChildren(
      ...rows.slice(0, LISTED).map(([code, stake, returned]) => {
        const row = document.createElement("div");
        const sum = words.money(known ? returned : stake);
        row.append(element("dt", words.short(code)), element("dd", sum));
        return row;
      }),
    );
    setHidden(parts.all, rows.length <= LISTED);
    setText(parts.all.firstElementChild, fill(text.all_bets, { count: bets.length }));
    setHidden(parts.sums, !known);
    setText(parts.staked, words.money(staked));
    setText(parts.net, words.net(paid - staked));
    setClass(parts.net, paid > staked ? "plus" : "");
    setHidden(parts.won, !known);
    setText(parts.won, fill(text.won_of, { won, count: bets.length }));
    setHidden(parts.see, !known);
    if (known) {
      const address = words.config.urls.round.replace(/0\/$/, `${number}/`);
      setAttribute(parts.see.firstElementChild, "href", address);
    }
  }
}

function groupByName(nodes) {
  const found = {};
  for (const node of nodes) {
    const name = node.dataset.live;
    found[name] = [...(found[name] ?? []), node];
  }
  return found;
}

/* Statistics: counts of what was seen, with the band of a fair wheel. */

/**
 * The counted results, newest first, with those of `results` ([number, round], newest first) that
 * are not among them yet; null when some are missing in between. `known` is the newest counted
 * round, or null when `numbers` came with the page: then the overlap tells which are new.
 */
export function count(numbers, results, known, most) {
  if (known !== null) {
    const fresh = results.filter(([, round]) => round > known);
    if (fresh.length === results.length && results.length > 1) return null;
    return [...fresh.map(([number]) => number), ...numbers].slice(0, most);
  }
  const shown = results.map(([number]) => number);
  for (let skip = 0; skip <= shown.length; skip += 1) {
    const rest = shown.slice(skip);
    if (rest.length <= numbers.length && rest.every((number, at) => numbers[at] === number)) {
      return [...shown.slice(0, skip), ...numbers].slice(0, most);
    }
  }
  return null;
}

/** Integer square root, as tables.selectors.statistics takes it: no rounding surprises. */
const root = (value) => {
  let found = Math.floor(Math.sqrt(value));
  while (found * found > value) found -= 1;
  while ((found + 1) * (found + 1) <= value) found += 1;
  return found;
};

/** Half to even, as the server rounds. */
const round = (value) => {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
};

/** The band in which a number of a fair wheel lies about 95 times in 100. */
export function band(spins) {
  const mean = spins / POCKETS;
  const deviation = root(Math.floor((spins * 36 * 1_000_000) / POCKETS ** 2)) / 1000;
  return [Math.max(0, round(mean - 2 * deviation)), round(mean + 2 * deviation)];
}

export class Statistics {
  #known = null;
  #mended = "";

  constructor(words) {
    this.words = words;
    this.numbers = words.config.numbers;
    this.box = byId("chart");
    this.svg = this.box.querySelector("svg");
  }

  /** Counts what the view shows. Says whether the page's numbers are too old to go on from. */
  draw({ results }) {
    if (results.length === 0) return false;
    const mended = JSON.stringify(results.filter((one) => one.length > 2));
    const late = this.#known !== null && mended !== this.#mended && mended !== "[]";
    this.#mended = mended;
    if (late) return true; // a counted number was corrected: the counts of a fresh page
    if (results[0][1] === this.#known) return false;
    const next = count(this.numbers, results, this.#known, this.words.config.numbers_max);
    if (next === null && this.#known !== null) return true;
    [[, this.#known]] = results;
    if (next === null) return false; // page and strip do not meet: counted from here on
    if (next.length !== this.numbers.length || next.some((n, at) => n !== this.numbers[at])) {
      this.numbers = next;
      this.#chart();
    }
    return false;
  }

  /** Starts again from the numbers of a fresh page. */
  restart(numbers) {
    this.numbers = numbers;
    this.#known = null;
    this.#chart();
  }

  #chart() {
    const { words, numbers } = this;
    const counts = new Array(POCKETS).fill(0);
    for (const number of numbers) counts[number] += 1;
    const spins = numbers.length;
    const [low, high] = band(spins);
    const top = Math.max(high, 1, ...counts);
    const scaled = (value) => Math.floor((value * CHART_HEIGHT) / top);
    const paths = { red: "", black: "", green: "" };
    counts.forEach((times, number) => {
      const height = scaled(times);
      const bar = `M${number * BAR_PITCH} ${CHART_HEIGHT}v-${height}h${BAR_WIDTH}v${height}z`;
      paths[words.colour(number)] += bar;
    });
    for (const [colour, path] of Object.entries(paths)) {
      setAttribute(this.svg.querySelector(`.bar-${colour}`), "d", path);
    }
    const box = this.svg.querySelector(".band");
    setAttribute(box, "y", String(CHART_HEIGHT - scaled(high)));
    setAttribute(box, "height", String(scaled(high - low)));
    const mean = CHART_HEIGHT - Math.floor((spins * CHART_HEIGHT) / (POCKETS * top));
    setAttribute(this.svg.querySelector(".band-mean"), "d", `M0 ${mean}H514`);
    setAttribute(this.svg, "aria-label", fill(words.text.chart, { spins, low, high }));
    const note = spins === 1 ? words.text.chart_note_one : words.text.chart_note;
    setText(byId("chart-note"), fill(note, { spins }));
    setHidden(this.box, false);
    setHidden(byId("no-chart"), true);
  }
}
