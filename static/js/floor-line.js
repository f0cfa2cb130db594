// Whether what a staff page shows is live: it asks the house, keeps the time of the last answer,
// and says so when none comes. For the floor and for an incident, each with a notice of its own.

/** Without an answer for so long, the page says that it is not live. */
const LOST_MS = 2_500;
const ASK_TIMEOUT_MS = 5_000;

const age = (seconds) => (seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`);

export class Line {
  #answeredAt = Date.now();
  #inSightSince = Date.now();
  #isSignedOut = false;
  #notice;

  /** `notice` finds the element that says it: a part of the page may be replaced. */
  constructor(notice) {
    this.#notice = notice;
  }

  get isLost() {
    return this.#isSignedOut || Date.now() - this.#answeredAt > LOST_MS;
  }

  /** Asks; throws where no good answer comes. */
  async get(address) {
    const answer = await fetch(address, {
      headers: { "Faro-Automatic": "1" },
      cache: "no-store",
      redirect: "manual",
      signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
    });
    this.#isSignedOut = answer.type === "opaqueredirect" || answer.status === 403;
    if (!answer.ok) throw new Error(`answered ${answer.status}`);
    this.#answeredAt = Date.now();
    return answer;
  }

  /** The page was hidden and asked nothing: what it shows is as old as its last answer. */
  cameInSight() {
    this.#inSightSince = Date.now();
  }

  /** Shows or hides the notice. Its age is for the eye alone: nobody is told of every second. */
  say() {
    const notice = this.#notice();
    if (!notice) return;
    const [words, old] = notice.querySelectorAll("span");
    notice.hidden = !this.isLost;
    if (!this.isLost) return;
    const text = this.#words();
    if (words.textContent !== text) words.textContent = text;
    const seconds = Math.floor((Date.now() - this.#answeredAt) / 1_000);
    old.textContent = ` What you see is ${age(seconds)} old.`;
  }

  #words() {
    if (this.#isSignedOut) return "You are signed out. Sign in again to go on.";
    const asks = Date.now() - this.#inSightSince < LOST_MS;
    return asks ? "Asking the house." : "No connection to the house.";
  }
}
