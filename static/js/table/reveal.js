// No spoilers: what tells a result waits until the page's own picture has reached it. Pure.
//
// Phases and deadlines are never held back, only what gives the number away: a round's result and
// all that follows from it. So a new round can be bet on while the last one's number still waits.

/** A picture later than this is poor, and nobody waits for it any longer (docs/push.md). */
export const PATIENCE_MS = 12_000;

/** Rounds whose result was shown, kept so that a repeated frame holds nothing twice. */
const REMEMBERED = 32;

/**
 * Whether what carries `revealAt` may be seen at `now`. `picture` is the instant that the picture
 * shows, or null for a page that has none.
 */
export function due(revealAt, now, picture) {
  if (revealAt === null || revealAt === undefined) return true;
  if (picture === null) return now >= revealAt;
  return picture >= revealAt || now >= revealAt + PATIENCE_MS;
}

export class Reveal {
  #held = new Map();
  #shown = [];

  /** Takes note of the results in `state`. `joined` says that it is a snapshot's. */
  see(state, joined) {
    const { round, results } = state;
    if (!round) return;
    if (round.result !== null) this.#hold(round.number, round.reveal_at, false);
    // Joining just after a round: its number was given before this one opened.
    const [newest] = results;
    if (joined && newest && newest[1] === round.number - 1 && round.result === null) {
      this.#hold(newest[1], round.opened_at, true);
    }
  }

  #hold(number, revealAt, before) {
    if (!this.#shown.includes(number)) this.#held.set(number, { revealAt, before });
  }

  holds(number) {
    return this.#held.has(number);
  }

  get waiting() {
    return this.#held.size > 0;
  }

  /**
   * Lets go of what is due. Returns the released rounds: number, `poor` when its picture was too
   * late, `before` when it was over before this page joined.
   */
  release(now, picture) {
    const released = [];
    for (const [number, { revealAt, before }] of this.#held) {
      if (!due(revealAt, now, picture)) continue;
      this.#held.delete(number);
      this.#shown = [number, ...this.#shown].slice(0, REMEMBERED);
      released.push({ number, poor: picture !== null && picture < revealAt, before });
    }
    return released;
  }
}

/** The account, newest state wins; one that includes an unseen result waits. */
export class Account {
  shown = null;
  newest = null;

  /** Numbers begin anew: the next frame is the newest, whatever its number. */
  restart() {
    this.newest = null;
  }

  /** Takes a frame of the account. Returns whether it was news. */
  take(frame, now, picture) {
    if (this.newest && frame.n <= this.newest.n) return false;
    this.newest = frame;
    this.release(now, picture);
    return true;
  }

  /** Shows the newest state when it is due. Returns whether what is shown changed. */
  release(now, picture) {
    if (!this.newest || this.newest === this.shown) return false;
    if (!due(this.newest.d.reveal_at, now, picture)) return false;
    this.shown = this.newest;
    return true;
  }

  /**
   * The player's bets in round `number`, as [code, stake, returned or null, status]. What was
   * staked gives nothing away; while the result is held, each counts as merely accepted.
   */
  bets(number, resultHeld) {
    const found = [this.newest, this.shown].find((frame) => frame?.d.round === number);
    if (!found) return [];
    if (!resultHeld) return found.d.bets;
    return found.d.bets.map(([code, stake]) => [code, stake, null, "accepted"]);
  }
}
