// The table's public state, from the frames of docs/push.md. Pure: no page, no clock, no network.
// The same vectors check this and the server's own reducer (tests/samples/push).

/** Results beside the table; the server keeps as many. */
const RESULTS_MAX = 15;

/** What a phase may tell of a round, each under its own name. */
const TOLD = [
  "opened_at",
  "closes_at",
  "result",
  "colour",
  "sources",
  "reveal_at",
  "reason",
  "next_at",
];

export const NOTHING = Object.freeze({
  epoch: "",
  n: -1,
  status: "",
  reason: null,
  round: null,
  results: [],
});

const newRound = ({ round, phase, at }) => ({
  number: round,
  phase,
  at,
  respins: 0,
  ...Object.fromEntries(TOLD.map((name) => [name, null])),
  was: null,
});

/** A result of the strip: number and round; a corrected one says which number it was. */
export const shown = ({ result, number, was }) =>
  (was ?? null) === null ? [result, number] : [result, number, was];

/** The event's round in place: a new one sends the last to the results. */
function atRound(state, data) {
  const last = state.round;
  if (last?.number === data.round) return state;
  const given = last !== null && last.result !== null;
  const results = given ? [shown(last), ...state.results].slice(0, RESULTS_MAX) : state.results;
  return { ...state, results, round: newRound(data) };
}

function phase(before, data) {
  const state = atRound(before, data);
  const told = TOLD.filter((name) => data[name] !== null && data[name] !== undefined);
  const { phase, at } = data;
  return {
    ...state,
    round: { ...state.round, phase, at, ...Object.fromEntries(told.map((n) => [n, data[n]])) },
  };
}

/** Bets stand and the ball is launched again. While bets are taken the phase stays as it is. */
function noSpin(state, { phase, at, respins }) {
  return state.round ? { ...state, round: { ...state.round, phase, at, respins } } : state;
}

/** A round with a result goes on to its end; only a stopped one changes its phase. */
function suspended(state, { fault, phase, at }) {
  const round = state.round && phase === "suspended" ? { ...state.round, phase, at } : state.round;
  return { ...state, status: "suspended", reason: fault ?? null, round };
}

/** Another number for a round that had one: the newest, or one of the strip. */
function corrected(state, { round: number, result, colour, sources, was }) {
  const { round } = state;
  if (round?.number === number) {
    return { ...state, round: { ...round, result, colour, sources, was } };
  }
  const mended = shown({ result, number, was });
  return { ...state, results: state.results.map((one) => (one[1] === number ? mended : one)) };
}

const status = (to) => (state) => ({ ...state, status: to, reason: null });

const EFFECTS = {
  phase,
  no_spin: noSpin,
  suspended,
  corrected,
  resumed: status("open"),
  opened: status("open"),
  closed: status("closed"),
};

/**
 * The state after `frame`, and what became of the frame: "applied", "old" (known already) or "gap"
 * (something is missing: the state is unchanged, ask for a snapshot). A kind of event that this
 * version does not know counts as applied: newer servers may say more.
 */
export function apply(state, frame) {
  if (frame.k === "snapshot") {
    const { status, reason, round, results } = frame.d;
    return {
      state: { epoch: frame.e, n: frame.n, status, reason, round, results },
      became: "applied",
    };
  }
  if (frame.e === state.epoch && frame.n <= state.n) return { state, became: "old" };
  if (frame.e !== state.epoch || frame.n !== state.n + 1) return { state, became: "gap" };
  const effect = EFFECTS[frame.k];
  const next = effect ? effect(state, frame.d) : state;
  return { state: { ...next, n: frame.n }, became: "applied" };
}
