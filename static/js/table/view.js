// What the page shows, worked out from what it knows. Pure: every part draws from this one value.

import { shown } from "./state.js";

const BETTING = new Set(["betting_open", "closing_soon"]);
const WITH_RESULT = new Set(["official", "settled"]);

const ENDED = new Set([...WITH_RESULT, "voided"]);

/** The look of each phase, as casino.templatetags.felt.phase_kind has it. */
const KINDS = {
  betting_open: "open",
  closing_soon: "last",
  no_more_bets: "closed",
  spinning: "spin",
  no_spin: "closed",
  result_pending: "checking",
  official: "official",
  settled: "settled",
  suspended: "stop",
  voided: "void",
};

/** The phase to show: results that the picture has not reached are still being checked. */
function phaseOf(table, held, leftMs) {
  const { round } = table;
  // a round that has its end goes on to show it; the bar's side says that the table is paused
  if (table.status === "suspended" && !ENDED.has(round?.phase)) return "suspended";
  if (!round) return "idle";
  if (held && WITH_RESULT.has(round.phase)) return "result_pending";
  if (BETTING.has(round.phase) && leftMs <= 0) return "no_more_bets";
  return round.phase;
}

/** Stakes on the cloth: code → {stake, pending, won, returned}. */
function chipsOf(bets, onTop) {
  const chips = new Map();
  const at = (code) => chips.get(code) ?? { stake: 0, pending: false, won: false, returned: null };
  for (const [code, stake, returned, status] of bets) {
    const chip = at(code);
    chips.set(code, {
      ...chip,
      stake: chip.stake + stake,
      won: chip.won || status === "won",
      returned: returned === null ? chip.returned : (chip.returned ?? 0) + returned,
      status,
    });
  }
  for (const [code, minor, pending] of onTop) {
    const chip = at(code);
    chips.set(code, { ...chip, stake: chip.stake + minor, pending: chip.pending || pending });
  }
  return chips;
}

/**
 * `link` is "joining", "up", "lost" or "over"; `now` the server's time; `uplinkMs` what a bet
 * needs to get there, taken off the time that is shown.
 */
export function look({ table, reveal, account, slips, link, now, uplinkMs }) {
  const { round } = table;
  const number = round?.number ?? null;
  const held = number !== null && reveal.holds(number);
  const leftMs = round?.closes_at ? Math.max(0, round.closes_at - now - uplinkMs) : 0;
  const phase = phaseOf(table, held, leftMs);
  const betting = BETTING.has(phase);
  const bets = number === null ? [] : account.bets(number, held);
  const result = round && !held && WITH_RESULT.has(phase) ? round.result : null;
  const money = account.shown?.d ?? null;
  const onTop = slips.onTop(number);
  const chips = chipsOf(bets, onTop);
  return {
    link,
    phase,
    kind: KINDS[phase] ?? "idle",
    betting,
    canBet: betting && link === "up" && account.newest !== null,
    number,
    result,
    colour: result === null ? null : round.colour,
    reason: table.reason,
    paused: table.status === "suspended",
    closed: table.status === "closed",
    leftMs: betting ? leftMs : null,
    windowMs: round ? round.closes_at - round.opened_at : 0,
    nextInMs: round?.next_at && !betting && !held ? Math.max(0, round.next_at - now) : null,
    bets,
    chips,
    pending: onTop.filter(([, , pending]) => pending).length,
    staked: bets.reduce((sum, bet) => sum + bet[1], 0),
    paid: bets.reduce((sum, bet) => sum + (bet[2] ?? 0), 0),
    won: bets.filter((bet) => bet[3] === "won").length,
    paidKnown: bets.every((bet) => bet[3] !== "accepted"),
    results: strip(table, reveal, held),
    money,
    sources: result === null ? [] : (round.sources ?? []),
  };
}

/** The last results, newest first, with the round's own as soon as it may be seen. */
function strip(table, reveal, held) {
  const { round, results } = table;
  const seen = results.filter(([, number]) => !reveal.holds(number));
  return round && !held && WITH_RESULT.has(round.phase) && round.result !== null
    ? [shown(round), ...seen].slice(0, 15)
    : seen;
}
