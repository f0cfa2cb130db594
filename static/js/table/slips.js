// What the player asked for and what became of it. Each act has its own key, is sent in order, and
// is asked again with the same key until it is answered: asking twice never bets twice.

/** No answer within this time: asked again (docs/push.md). */
const ANSWER_MS = 6_000;
/** After so many questions the page says that it does not know, and the account tells. */
const ASKED_MAX = 5;
/** A server closes a socket that says more than 20 things in a second; pings need some of them. */
const APART_MS = 70;
/** Slips accepted by this page in one round, for taking the last one back. */
const STACK_MAX = 200;

const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");

const covers = (standing, taken) =>
  [...taken.sum].every(([code, minor]) => (standing.get(code) ?? 0) >= minor);

const sumOf = (stakes) => stakes.reduce((sum, [, minor]) => sum + minor, 0);

export class Slips {
  #open = [];
  #accepted = [];
  #stack = [];
  #sentAt = Number.NEGATIVE_INFINITY;
  #round = null;

  /** `send(message)` says whether it could; `now()` is a steady clock in ms. */
  constructor({ send, now, key = newKey }) {
    Object.assign(this, { send, now, key });
  }

  /**
   * A new act: `message` less its key, the stakes that it will mean, shown as pending, and what
   * already stands on the cloth (code → minor units), on which they come to lie.
   */
  ask(message, stakes = [], standing = new Map()) {
    const key = this.key();
    this.#open.push({
      key,
      message: { ...message, key },
      round: message.round ?? this.#round,
      stakes,
      sum: new Map(stakes.map(([code, minor]) => [code, (standing.get(code) ?? 0) + minor])),
      asked: 0,
      askedAt: null,
    });
    this.tick();
  }

  /** Sends what is due. Returns the slips that are given up, which nobody knows about. */
  tick() {
    const given = [];
    for (const slip of this.#open) {
      const due = slip.askedAt === null || this.now() - slip.askedAt >= ANSWER_MS;
      if (!due) continue;
      if (slip.asked >= ASKED_MAX) {
        given.push(slip);
        continue;
      }
      if (this.now() - this.#sentAt < APART_MS) break;
      if (!this.send(slip.message)) break;
      this.#sentAt = this.now();
      slip.askedAt = this.now();
      slip.asked += 1;
    }
    this.#open = this.#open.filter((slip) => !given.includes(slip));
    return given;
  }

  /** A new connection: everything unanswered is asked again, in order. */
  joined() {
    for (const slip of this.#open) slip.askedAt = null;
    this.tick();
  }

  /**
   * An answer: the slip it belongs to, or null when it is nobody's (asked twice, answered twice).
   * `standing`: what the account has on the cloth by now, which may include this slip already.
   */
  answer(frame, standing) {
    const slip = this.#open.find((one) => one.key === frame.key);
    if (!slip) return null;
    this.#open = this.#open.filter((one) => one !== slip);
    if (!frame.ok) return slip;
    const { round, stakes } = frame.d;
    if (slip.message.k === "undo") {
      this.#stack.pop();
      const codes = stakes.map(([code]) => code);
      this.#accepted = this.#accepted.filter(
        (one) => !one.stakes.some(([code]) => codes.includes(code)),
      );
      return slip;
    }
    this.#stack = [...this.#stack, stakes].slice(-STACK_MAX);
    const sum = slip.sum.size > 0 ? slip.sum : new Map(stakes);
    const taken = { stakes, round, sum, states: 0 };
    if (!covers(standing, taken)) this.#accepted.push(taken);
    return slip;
  }

  /**
   * The account spoke: `standing` are its stakes in `round`. An accepted slip is the account's
   * matter from the first state that has it; one state may still be older than the slip.
   */
  account(round, standing) {
    this.#accepted = this.#accepted.filter((taken) => {
      taken.states += 1;
      return taken.round === round && taken.states < 2 && !covers(standing, taken);
    });
  }

  /** A new round: what was asked for the old one is shown no more. */
  inRound(round) {
    if (round === this.#round) return;
    this.#round = round;
    this.#accepted = [];
    this.#stack = [];
  }

  /** Stakes on top of the account's: [[code, minor, pending], …] in round `number`. */
  onTop(number) {
    const mine = (slip) => slip.round === number;
    return [
      ...this.#accepted.filter(mine).flatMap((slip) => slip.stakes.map((one) => [...one, false])),
      ...this.#open.filter(mine).flatMap((slip) => slip.stakes.map((one) => [...one, true])),
    ];
  }

  get waiting() {
    return this.#open.length > 0;
  }

  /** Whether an act of this kind waits for its answer: it is not asked a second time meanwhile. */
  asking(kind) {
    return this.#open.some((slip) => slip.message.k === kind);
  }

  /** Whether the last accepted slip is one stake on `code`: only that can be taken off. */
  lastIs(code) {
    const last = this.#stack.at(-1);
    return last !== undefined && last.length === 1 && last[0][0] === code;
  }

  static total = sumOf;
}
