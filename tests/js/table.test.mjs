// The pure modules of the table page, without a page. Run by tests/pure/test_look_modules.py.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { numbersOf } from "../../static/js/table/around.js";
import { ServerClock } from "../../static/js/table/clock.js";
import {
  allInside,
  betUnder,
  cellBeside,
  halfStep,
  neighbours,
} from "../../static/js/table/cloth.js";
import { backoffMs, plan } from "../../static/js/table/connection.js";
import { band, count } from "../../static/js/table/panels.js";
import { Account, due, Reveal } from "../../static/js/table/reveal.js";
import { Slips } from "../../static/js/table/slips.js";
import { apply, NOTHING } from "../../static/js/table/state.js";
import { look } from "../../static/js/table/view.js";
import { duration, fill, Words } from "../../static/js/table/words.js";

const facts = JSON.parse(readFileSync(process.env.FARO_FACTS, "utf8"));
const VECTORS = new URL("../samples/push/", import.meta.url);

/* State */

for (const name of readdirSync(VECTORS)) {
  const vector = JSON.parse(readFileSync(new URL(name, VECTORS), "utf8"));
  test(`the page's state is the server's after every event of ${name}`, () => {
    let { state } = apply(NOTHING, vector.snapshot);
    for (const step of vector.steps) {
      const applied = apply(state, step.frame);
      assert.equal(applied.became, "applied");
      state = applied.state;
      const { status, reason, round, results } = state;
      assert.deepEqual({ status, reason, round, results }, step.state, step.frame.k);
    }
  });
}

test("what is known already is ignored, what is missing is a gap, and neither changes anything", () => {
  const vector = JSON.parse(readFileSync(new URL("whole_rounds.json", VECTORS), "utf8"));
  const { state } = apply(NOTHING, vector.snapshot);
  const [first, second] = vector.steps.map((step) => step.frame);
  const after = apply(state, first).state;
  assert.deepEqual(apply(after, first), { state: after, became: "old" });
  assert.deepEqual(apply(state, second), { state, became: "gap" });
  assert.deepEqual(apply(after, { ...second, e: "other" }), { state: after, became: "gap" });
});

test("an event of a later version counts, and changes nothing else", () => {
  const known = { ...NOTHING, epoch: "e", n: 4 };
  const { state, became } = apply(known, { e: "e", n: 5, k: "novelty", d: {} });
  assert.deepEqual([state, became], [{ ...known, n: 5 }, "applied"]);
});

/* Cloth */

test("the cloth names every inside bet of the rules, each once", () => {
  assert.deepEqual([...allInside()].sort(), [...facts.inside].sort());
});

test("a code names its own numbers", () => {
  for (const [code, numbers] of Object.entries(facts.numbers)) {
    assert.deepEqual(numbersOf(code), numbers, code);
  }
});

test("a pointer on a cell's edge means the bet on that edge", () => {
  const cases = [
    ["straight:17", 0.5, 0.5, "straight:17"],
    ["straight:17", 0.05, 0.5, "split:14-17"],
    ["straight:17", 0.95, 0.5, "split:17-20"],
    ["straight:17", 0.5, 0.05, "split:17-18"],
    ["straight:17", 0.95, 0.95, "corner:16-17-19-20"],
    ["straight:16", 0.5, 0.95, "street:16-17-18"],
    ["straight:16", 0.95, 0.95, "six_line:16-21"],
    ["straight:1", 0.05, 0.95, "first_four"],
    ["straight:1", 0.05, 0.05, "trio:0-1-2"],
    ["straight:3", 0.05, 0.5, "split:0-3"],
    ["straight:36", 0.95, 0.05, "straight:36"],
    ["straight:0", 0.5, 0.5, "straight:0"],
    ["straight:0", 0.95, 0.5, "split:0-2"],
    ["straight:0", 0.95, 0.35, "trio:0-2-3"],
    ["straight:0", 0.95, 0.99, "first_four"],
    ["straight:0", 0.95, 0.01, "split:0-3"],
    ["red", 0.05, 0.05, "red"],
  ];
  for (const [code, x, y, bet] of cases) assert.equal(betUnder(code, x, y), bet, `${code} ${x} ${y}`);
});

test("arrows lead to the cell that lies there, half steps to the bet between", () => {
  const cases = [
    ["straight:17", "right", true, "straight:20"],
    ["straight:17", "right", false, "straight:18"],
    ["straight:18", "down", false, "column:3"],
    ["straight:3", "right", false, "straight:19"],
    ["straight:1", "left", true, "straight:0"],
    ["straight:36", "right", true, "column:3"],
    ["straight:1", "down", true, "dozen:1"],
    ["dozen:1", "down", true, "low"],
    ["straight:0", "left", true, null],
  ];
  for (const [code, way, wide, cell] of cases) {
    assert.equal(cellBeside(code, way, wide), cell, `${code} ${way} ${wide}`);
  }
  assert.equal(halfStep("straight:17", "right", true), "split:17-20");
  assert.equal(halfStep("straight:17", "right", false), "split:17-18");
  assert.equal(halfStep("split:17-20", "down", true), "corner:16-17-19-20");
  assert.equal(halfStep("straight:36", "right", true), null);
});

test("every cell of both felts can be reached by arrows from zero", () => {
  for (const wide of [true, false]) {
    const seen = new Set(["straight:0"]);
    const ways = ["left", "right", "up", "down"];
    for (const code of seen) {
      for (const way of ways) {
        const next = cellBeside(code, way, wide);
        if (next) seen.add(next);
      }
    }
    assert.equal(seen.size, 49, `wide: ${wide}`);
  }
});

test("neighbours are the server's", () => {
  for (const [code, positions] of Object.entries(facts.neighbours)) {
    const [, centre, each] = code.split(":").map(Number);
    assert.deepEqual(neighbours(facts.wheel, centre, each).sort(), positions.sort(), code);
  }
});

/* Clock */

test("of several answers the quickest tells the time", () => {
  const clock = new ServerClock();
  clock.heard(1000, 50_000);
  assert.equal(clock.at(1000), 50_000);
  clock.answered(1000, 1400, 60_200);
  clock.answered(2000, 2020, 60_910);
  clock.answered(3000, 3900, 64_000);
  assert.equal(clock.at(2010), 60_910);
  assert.equal(clock.uplinkMs, 10);
});

test("after a sleep new answers count, and until they come the old time goes on", () => {
  const clock = new ServerClock();
  clock.answered(0, 10, 1005);
  clock.forget();
  assert.equal(clock.at(0), 1000);
  clock.answered(100, 200, 9150);
  assert.equal(clock.at(150), 9150);
});

/* Connection */

test("tries grow from half a second to fifteen, with full jitter", () => {
  assert.deepEqual([0, 1, 4, 5, 20].map((tries) => backoffMs(tries, 1)), [500, 1000, 8000, 15000, 15000]);
  assert.equal(backoffMs(5, 0.5), 7500);
});

test("each close code has its own consequence", () => {
  assert.equal(plan(4003, 0, 0.5), null);
  assert.deepEqual(plan(1012, 0, 0), { waitMs: 500, tries: 0 });
  assert.deepEqual(plan(1012, 0, 1), { waitMs: 5000, tries: 0 });
  assert.deepEqual(plan(4001, 0, 1), { waitMs: 0, tries: 1 });
  assert.equal(plan(4001, 1, 1).waitMs, 1000);
  assert.equal(plan(4008, 0, 1).fresh, true);
  assert.equal(plan(4009, 0, 1).tries, 2);
  assert.deepEqual(plan(1006, 0, 1), { waitMs: 500, tries: 1, fresh: false });
});

/* Reveal */

test("without a picture only the instant counts, with one the picture, but not for ever", () => {
  assert.equal(due(100, 99, null), false);
  assert.equal(due(100, 100, null), true);
  assert.equal(due(100, 5000, 99), false);
  assert.equal(due(100, 5000, 100), true);
  assert.equal(due(100, 12_099, 0), false);
  assert.equal(due(100, 12_100, 0), true);
  assert.equal(due(null, 0, 0), true);
});

const official = (number, revealAt, more = {}) => ({
  ...NOTHING,
  n: 1,
  status: "open",
  results: [[8, number - 1]],
  round: {
    number,
    phase: "official",
    result: 17,
    colour: "black",
    reveal_at: revealAt,
    opened_at: 0,
    closes_at: 10,
    ...more,
  },
});
const nobody = { onTop: () => [] };
const shown = (table, reveal, account = new Account()) =>
  look({ table, reveal, account, slips: nobody, link: "up", now: 50, uplinkMs: 0 });

test("a held result is nowhere in the view, then it is", () => {
  const reveal = new Reveal();
  const table = official(5, 100);
  reveal.see(table, false);
  let view = shown(table, reveal);
  assert.deepEqual([view.phase, view.result, view.results], ["result_pending", null, [[8, 4]]]);
  assert.ok(!JSON.stringify(view).includes("17"));
  assert.deepEqual(reveal.release(150, 99), []);
  assert.deepEqual(reveal.release(150, 100), [{ number: 5, poor: false, before: false }]);
  view = shown(table, reveal);
  assert.deepEqual([view.phase, view.result], ["official", 17]);
  assert.deepEqual(view.results, [[17, 5], [8, 4]]);
  reveal.see(table, false);
  assert.equal(reveal.holds(5), false);
});

test("a corrected number says in the strip which it was", () => {
  const reveal = new Reveal();
  const table = { ...official(5, 0, { was: 4 }), results: [[8, 4, 9], [2, 3]] };
  assert.deepEqual(shown(table, reveal).results, [[17, 5, 4], [8, 4, 9], [2, 3]]);
});

test("a paused table shows the end of its round, else that it is paused", () => {
  const paused = (phase, result) => ({
    ...official(5, 0, { phase, result }),
    status: "suspended",
    reason: "device_fault",
  });
  const phases = [
    ["spinning", null, "suspended"],
    ["betting_open", null, "suspended"],
    ["voided", null, "voided"],
    ["settled", 17, "settled"],
  ];
  for (const [phase, result, expected] of phases) {
    const view = shown(paused(phase, result), new Reveal());
    assert.deepEqual([view.phase, view.paused, view.canBet], [expected, true, false]);
  }
});

test("a new round can be bet on while the last number is held", () => {
  const reveal = new Reveal();
  reveal.see(official(5, 100), false);
  const next = {
    ...official(6, null, { phase: "betting_open", result: null, closes_at: 5000 }),
    results: [[17, 5], [8, 4]],
  };
  reveal.see(next, false);
  const view = shown(next, reveal);
  assert.equal(view.betting, true);
  assert.deepEqual(view.results, [[8, 4]]);
});

test("joining after a round holds its number until the picture has reached the next one", () => {
  const reveal = new Reveal();
  const table = {
    ...official(6, null, { phase: "betting_open", result: null, opened_at: 200 }),
    results: [[17, 5], [8, 4]],
  };
  reveal.see(table, true);
  assert.deepEqual(reveal.release(300, 199), []);
  assert.equal(reveal.holds(5), true);
  assert.deepEqual(reveal.release(300, 200), [{ number: 5, poor: false, before: true }]);
});

test("the account with a result waits, and meanwhile its bets stand undecided", () => {
  const account = new Account();
  const frame = (n, d) => ({ n, d: { round: 5, bets: [], balance_minor: 0, ...d } });
  account.take(frame(1, { balance_minor: 400, bets: [["red", 100, null, "accepted"]] }), 0, null);
  const paid = { balance_minor: 600, bets: [["red", 100, 200, "won"]], reveal_at: 100 };
  assert.equal(account.take(frame(2, paid), 50, null), true);
  assert.equal(account.shown.d.balance_minor, 400);
  assert.deepEqual(account.bets(5, true), [["red", 100, null, "accepted"]]);
  assert.equal(account.release(100, null), true);
  assert.equal(account.shown.d.balance_minor, 600);
  assert.deepEqual(account.bets(5, false), [["red", 100, 200, "won"]]);
  assert.equal(account.take(frame(2, {}), 200, null), false);
});

/* Slips */

function slips() {
  const made = { sent: [], at: 0, up: true };
  let next = 0;
  made.slips = new Slips({
    send: (message) => made.up && made.sent.push(message) > 0,
    now: () => made.at,
    key: () => `key-${(next += 1)}`,
  });
  made.slips.inRound(7);
  return made;
}
const taken = (key, stakes) => ({ key, ok: true, d: { round: 7, stakes, total_minor: 100 } });

test("acts go out in order, one after the other, and pending until answered", () => {
  const made = slips();
  made.slips.ask({ k: "bet", round: 7 }, [["red", 100]]);
  made.slips.ask({ k: "bet", round: 7 }, [["black", 100]]);
  assert.deepEqual(made.sent.map((one) => one.key), ["key-1"]);
  made.at = 100;
  made.slips.tick();
  assert.deepEqual(made.sent.map((one) => one.key), ["key-1", "key-2"]);
  assert.deepEqual(made.slips.onTop(7), [["red", 100, true], ["black", 100, true]]);
  assert.deepEqual(made.slips.onTop(8), []);
});

test("no answer in six seconds: the same key again, also over a new connection", () => {
  const made = slips();
  made.slips.ask({ k: "bet", round: 7 }, [["red", 100]]);
  made.at = 5_999;
  made.slips.tick();
  assert.equal(made.sent.length, 1);
  made.at = 6_000;
  made.slips.tick();
  assert.deepEqual(made.sent.map((one) => one.key), ["key-1", "key-1"]);
  made.at = 6_100;
  made.slips.joined();
  assert.deepEqual(made.sent.map((one) => one.key), ["key-1", "key-1", "key-1"]);
});

test("after five questions the slip is given up, and said so", () => {
  const made = slips();
  made.slips.ask({ k: "bet", round: 7 }, [["red", 100]]);
  const given = [];
  for (let asked = 1; asked <= 5; asked += 1) {
    made.at += 6_000;
    given.push(...made.slips.tick());
  }
  assert.equal(made.sent.length, 5);
  assert.deepEqual(given.map((slip) => slip.key), ["key-1"]);
  assert.deepEqual(made.slips.onTop(7), []);
});

test("an accepted slip lies on top until the account has it, and never twice", () => {
  const made = slips();
  made.slips.ask({ k: "bet", round: 7 }, [["red", 100]], new Map([["red", 100]]));
  made.slips.answer(taken("key-1", [["red", 100]]), new Map([["red", 100]]));
  assert.deepEqual(made.slips.onTop(7), [["red", 100, false]]);
  made.slips.account(7, new Map([["red", 200]]));
  assert.deepEqual(made.slips.onTop(7), []);
  made.at = 100;
  made.slips.ask({ k: "bet", round: 7 }, [["red", 100]], new Map([["red", 200]]));
  made.slips.answer(taken("key-2", [["red", 100]]), new Map([["red", 300]]));
  assert.deepEqual(made.slips.onTop(7), [], "the account was quicker than the answer");
});

test("a refused slip is off the cloth, and an unknown answer is nobody's", () => {
  const made = slips();
  made.slips.ask({ k: "bet", round: 7 }, [["red", 100]]);
  assert.equal(made.slips.answer({ key: "other", ok: false }, new Map()), null);
  assert.equal(made.slips.answer({ key: "key-1", ok: false }, new Map()).key, "key-1");
  assert.deepEqual(made.slips.onTop(7), []);
});

test("only the last slip of one stake can be taken off, and undo reveals the one before", () => {
  const made = slips();
  const bet = (key, code) => {
    made.at += 100;
    made.slips.ask({ k: "bet", round: 7 }, [[code, 100]]);
    made.slips.answer(taken(key, [[code, 100]]), new Map());
  };
  bet("key-1", "red");
  bet("key-2", "black");
  assert.deepEqual([made.slips.lastIs("red"), made.slips.lastIs("black")], [false, true]);
  made.at += 100;
  made.slips.ask({ k: "undo" });
  made.slips.answer(taken("key-3", [["black", 100]]), new Map());
  assert.deepEqual([made.slips.lastIs("red"), made.slips.lastIs("black")], [true, false]);
  made.slips.inRound(8);
  assert.equal(made.slips.lastIs("red"), false);
});

/* Statistics */

test("the band is the server's for every count of rounds", () => {
  for (const [spins, expected] of Object.entries(facts.bands)) {
    assert.deepEqual(band(Number(spins)), expected, spins);
  }
});

test("results are counted once, wherever page and snapshot overlap", () => {
  const old = [8, 26, 0, 19];
  assert.deepEqual(count(old, [[8, 9], [26, 8], [0, 7]], null, 500), old);
  assert.deepEqual(count(old, [[17, 10], [8, 9], [26, 8]], null, 500), [17, ...old]);
  assert.deepEqual(count([], [[17, 2], [8, 1]], null, 500), [17, 8]);
  assert.deepEqual(count(old, [[17, 10], [8, 9]], 9, 500), [17, ...old]);
  assert.deepEqual(count(old, [[17, 10], [8, 9]], 9, 4), [17, 8, 26, 0]);
  assert.equal(count(old, [[1, 30], [2, 29]], 9, 500), null);
});

/* Words */

test("money, chips and times read as the server's", () => {
  for (const { locale, writing, money, chips } of facts.amounts) {
    const words = new Words({
      writing,
      words: {},
      chip_styles: [[0, "stone"]],
      positions: {},
    });
    for (const [minor, text] of money) assert.equal(words.net(minor), text, `${locale} ${minor}`);
    for (const [minor, text] of chips) assert.equal(words.chip(minor), text, `${locale} ${minor}`);
  }
  assert.equal(duration(2537), "0:42:17");
  assert.equal(fill("%(a)s of %(b)s", { a: 1 }), "1 of ");
});
