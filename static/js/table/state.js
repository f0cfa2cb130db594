// The table's public state, from the frames of docs/push.md. Pure: no page, no clock, no network.
// The same vectors check this and the server's own reducer (tests/samples/push).

/** Results beside the table; the server keeps as many. */
const RESULTS_MAX = 15;

/** What a round knows; a frame's data may set each of these. */
const FIELDS = [
  "phase",
  "at",
  "opened_at",
  "closes_at",
  "respins",
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

const newRound = (number) => ({
  number,
  ...Object.fromEntries(FIELDS.map((field) => [field, null])),
  respins: 0,
});

function inRound(state, data) {
  const before = state.round;
  let { results } = state;
  let round = before;
  if (before?.number !== data.round) {
    if (before && before.result !== null) {
      results = [[before.result, before.number], ...results].slice(0, RESULTS_MAX);
    }
    round = newRound(data.round);
  }
  const said = Object.fromEntries(
    FIELDS.filter((field) => field in data).map((field) => [field, data[field]]),
  );
  return { ...state, results, round: { ...round, ...said } };
}

const EFFECTS = {
  phase: inRound,
  no_spin: inRound,
  suspended(state, data) {
    const stopped = { ...state, status: "suspended", reason: data.fault ?? null };
    return data.round === null || data.round === undefined ? stopped : inRound(stopped, data);
  },
  resumed: (state) => ({ ...state, status: "open", reason: null }),
  opened: (state) => ({ ...state, status: "open", reason: null }),
  closed: (state) => ({ ...state, status: "closed", reason: null }),
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
