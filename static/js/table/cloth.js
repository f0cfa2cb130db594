// The geometry of the cloth: which bet lies where, and which place is next to which. Pure.
//
// Numbers stand in twelve rows of three: row r holds 3r+1, 3r+2, 3r+3. Between two of them lie
// splits and corners, so places are counted in halves: (R, K) with R = 2r and K = 2k is a number's
// own, an odd R lies between rows, an odd K between columns. R = -1 is zero's edge, K = -1 the rim
// where streets and six lines are. Every inside bet but zero itself has exactly one such place.

const ROWS = 12;
const LAST = 2 * (ROWS - 1);

const number = (r, k) => 3 * r + k + 1;

/** The code of the inside bet at (R, K), or null where there is none. */
export function betAt(R, K) {
  if (R < -1 || R > LAST || K < -1 || K > 4) return null;
  const r = Math.floor(R / 2);
  const k = Math.floor(K / 2);
  if (R === -1) {
    if (K === -1) return "first_four";
    return K % 2 ? `trio:0-${number(0, k)}-${number(0, k + 1)}` : `split:0-${number(0, k)}`;
  }
  const between = R % 2 === 1;
  if (K === -1) {
    return between
      ? `six_line:${number(r, 0)}-${number(r + 1, 2)}`
      : `street:${[0, 1, 2].map((at) => number(r, at)).join("-")}`;
  }
  const across = K % 2 === 1;
  const [n, right, below] = [number(r, k), number(r, k + 1), number(r + 1, k)];
  if (between && across) return `corner:${[n, right, below, below + 1].join("-")}`;
  if (between) return `split:${n}-${below}`;
  return across ? `split:${n}-${right}` : `straight:${n}`;
}

const PLACES = new Map();
for (let R = -1; R <= LAST; R += 1) {
  for (let K = -1; K <= 4; K += 1) PLACES.set(betAt(R, K), [R, K]);
}

/** Where an inside bet lies, as (R, K); undefined for zero and outside bets. */
export const placeOf = (code) => PLACES.get(code);

/** A press within this share of a cell's edge means the bet that lies on the edge. */
const EDGE = 0.22;

const side = (share) => {
  if (share < EDGE) return -1;
  return share > 1 - EDGE ? 1 : 0;
};

/** Zero's cell is three numbers high: the bet on its edge at the share `y` of that height. */
function beside0(y) {
  const third = Math.min(2, Math.max(0, Math.floor(3 * y)));
  const K = 2 * (2 - third);
  return betAt(-1, K - side(3 * y - third)) ?? betAt(-1, K);
}

/**
 * The bet meant by a press on `code`'s cell of the classic felt, where `x` and `y` are shares of
 * the cell's width and height: rows run to the right, columns upwards.
 */
export function betUnder(code, x, y) {
  if (code === "straight:0") return x > 1 - EDGE ? beside0(y) : code;
  const place = placeOf(code);
  if (!place) return code;
  const [R, K] = [place[0] + side(x), place[1] - side(y)];
  return betAt(R, K) ?? betAt(R, place[1]) ?? betAt(place[0], K) ?? code;
}

/** What an arrow means on the cloth, as (rows, columns): on the classic felt and on the folded. */
const STEPS = {
  wide: { left: [-1, 0], right: [1, 0], up: [0, 1], down: [0, -1] },
  folded: { left: [0, -1], right: [0, 1], up: [-1, 0], down: [1, 0] },
};

/** Half a cell from `code` in `direction`: a split, a corner, a street … or null at the rim. */
export function halfStep(code, direction, wide) {
  const place = placeOf(code);
  if (!place) return null;
  const [rows, columns] = STEPS[wide ? "wide" : "folded"][direction];
  return betAt(place[0] + rows, place[1] + columns);
}

/** The cells of both felts on one grid of units: code → [left, top, width, height]. */
function cells(wide) {
  const found = new Map();
  found.set("straight:0", wide ? [0, 0, 1, 3] : [0, 0, 3, 1]);
  for (let n = 1; n <= 36; n += 1) {
    const [r, k] = [Math.floor((n - 1) / 3), (n - 1) % 3];
    found.set(
      `straight:${n}`,
      wide ? [1 + r, 2 - k, 1, 1] : [k + (r < 6 ? 0 : 3), 1 + (r % 6), 1, 1],
    );
  }
  const dozens = ["dozen:1", "dozen:2", "dozen:3"];
  const chances = ["low", "even", "red", "black", "odd", "high"];
  for (const at of [0, 1, 2]) {
    found.set(`column:${at + 1}`, wide ? [13, 2 - at, 1, 1] : [at, 7, 1, 1]);
    found.set(dozens[at], wide ? [1 + 4 * at, 3, 4, 1] : [3 + at, 7, 1, 1]);
  }
  chances.forEach((code, at) => {
    found.set(code, wide ? [1 + 2 * at, 4, 2, 1] : [at, 8, 1, 1]);
  });
  return found;
}

const FELTS = { wide: cells(true), folded: cells(false) };

/** The cell next to `code` in `direction`, the one whose middle is nearest; null at the rim. */
export function cellBeside(code, direction, wide) {
  const felt = FELTS[wide ? "wide" : "folded"];
  const from = felt.get(code);
  if (!from) return null;
  const along = direction === "left" || direction === "right" ? 0 : 1;
  const forward = direction === "right" || direction === "down";
  const edge = forward ? from[along] + from[along + 2] : from[along];
  let best = null;
  let least = Number.POSITIVE_INFINITY;
  for (const [other, box] of felt) {
    const distance = forward ? box[along] - edge : edge - box[along] - box[along + 2];
    const aside = Math.abs(
      box[1 - along] + box[3 - along] / 2 - from[1 - along] - from[3 - along] / 2,
    );
    const overlaps = aside < (box[3 - along] + from[3 - along]) / 2;
    const cost = distance * 100 + aside;
    if (other !== code && distance >= 0 && overlaps && cost < least) {
      best = other;
      least = cost;
    }
  }
  return best;
}

/** The cell to stand on when leaving `code` (a bet between cells) with a plain arrow. */
export function cellOf(code) {
  const place = placeOf(code);
  if (!place) return code;
  const [r, k] = place.map((half) => Math.max(0, Math.floor(half / 2)));
  return `straight:${number(r, k)}`;
}

/** Every inside bet that the cloth names; for the test that none is missing. */
export const allInside = () => ["straight:0", ...PLACES.keys()];

/** The straight bets of `centre` and `each` neighbours to both sides on `wheel`. */
export function neighbours(wheel, centre, each) {
  const at = wheel.indexOf(centre);
  return Array.from(
    { length: 2 * each + 1 },
    (_, i) => `straight:${wheel[(at - each + i + wheel.length) % wheel.length]}`,
  );
}
