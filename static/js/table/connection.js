// The page's one WebSocket (docs/push.md): ticket, joining, watching over it, coming back.
//
// It tells `on.frame(frame)` of everything that arrives, `on.up()` when the first word of a new
// connection came, `on.down()` when it is lost, `on.over(code, text)` when it must not come back.

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 15_000;
/** A server that restarts asks for a spread of 0.5 to 5 s (docs/push.md, Closing). */
const RESTART_MS = [500, 5000];
/** The server speaks every 5 s; with nothing heard for 12 s the connection is lost. */
const SILENCE_MS = 12_000;
/** A ticket or a handshake that takes longer is tried anew. */
const JOIN_MS = 8_000;
/** After coming back to the page, the connection has this long to prove that it lives. */
const PROOF_MS = 700;
const PING_EVERY_MS = 30_000;
/** Pings at the beginning, for the clock's five samples. */
const FIRST_PINGS_MS = [0, 150, 400, 800, 1500];

const Close = { RESTART: 1012, TICKET: 4001, ORDER: 4003, SLOW: 4008, NONSENSE: 4009 };

/** Full jitter: anything from nothing to the doubled bound, `random` in 0…1. */
export const backoffMs = (tries, random) =>
  Math.round(random * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** tries));

/** How long to wait after a close with `code`, and how many tries that counts as. */
export function plan(code, tries, random) {
  if (code === Close.ORDER) return null;
  if (code === Close.RESTART) {
    const [least, most] = RESTART_MS;
    return { waitMs: Math.round(least + random * (most - least)), tries };
  }
  if (code === Close.TICKET && tries === 0) return { waitMs: 0, tries: 1 };
  if (code === Close.SLOW && tries === 0) return { waitMs: 0, tries: 1, fresh: true };
  const more = tries + (code === Close.NONSENSE ? 2 : 1);
  return { waitMs: backoffMs(tries, random), tries: more, fresh: code === Close.SLOW };
}

export class Connection {
  #socket = null;
  #heardAt = 0;
  #tries = 0;
  #timers = new Set();
  #attempt = 0;
  #up = false;
  #wanted = false;
  #ending = null;

  /** `since()` gives "epoch:n" of what the page knows, or "". `now()` is a steady clock in ms. */
  constructor({ urls, on, since, now, random = Math.random }) {
    Object.assign(this, { urls, on, since, now, random });
  }

  get up() {
    return this.#up;
  }

  /** Joins, unless the page is joined or joining. */
  start() {
    this.#wanted = true;
    if (this.#socket === null) this.#join();
  }

  /** Leaves and stays away until `start`. Tells nobody. */
  stop() {
    this.#wanted = false;
    this.#drop();
  }

  /** Sends, when there is a connection; says whether it did. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Back on the page, or the network is back: proves the connection, or makes a new one at once. */
  check() {
    if (!this.#wanted) return;
    if (!this.#up || this.now() - this.#heardAt > SILENCE_MS) {
      this.#tries = 0;
      this.#lost();
      return;
    }
    const before = this.#heardAt;
    this.ping();
    this.#later(PROOF_MS, () => {
      if (this.#heardAt === before) this.#lost();
    });
  }

  /** The network says that it is gone: nothing arrives any more, so nothing is waited for. */
  cut() {
    if (!this.#wanted) return;
    this.#drop();
    this.on.down();
    this.#retry(backoffMs(this.#tries, this.random));
  }

  ping() {
    this.send({ k: "ping", t: this.now() });
  }

  #later(ms, act) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #drop() {
    this.#attempt += 1;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    const socket = this.#socket;
    this.#socket = null;
    this.#up = false;
    socket?.close(1000);
  }

  #lost() {
    this.#drop();
    this.on.down();
    this.#join();
  }

  #retry(waitMs) {
    this.#later(waitMs, () => this.#join());
  }

  async #join() {
    this.#drop();
    const attempt = this.#attempt;
    this.#later(JOIN_MS, () => {
      if (!this.#up) this.#failed(0);
    });
    try {
      const answer = await fetch(this.urls.ticket, {
        credentials: "same-origin",
        redirect: "manual",
        headers: { Accept: "application/json", "Faro-Automatic": "1" },
        signal: AbortSignal.timeout(JOIN_MS),
      });
      if (attempt !== this.#attempt) return;
      if (answer.status === 403 || answer.type === "opaqueredirect") {
        this.#over("signed_out", "");
        return;
      }
      if (!answer.ok) throw new Error(`ticket: ${answer.status}`);
      const { ticket } = await answer.json();
      if (attempt === this.#attempt) this.#open(ticket);
    } catch {
      // no network, or a server that cannot answer: tried again
      if (attempt === this.#attempt) this.#failed(0);
    }
  }

  #open(ticket) {
    const address = new URL(this.urls.socket, window.location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("ticket", ticket);
    const since = this.since();
    if (since) address.searchParams.set("since", since);
    const socket = new WebSocket(address);
    this.#socket = socket;
    const mine = (act) => (event) => {
      if (this.#socket === socket) act(event);
    };
    socket.onopen = mine(() => {
      for (const ms of FIRST_PINGS_MS) this.#later(ms, () => this.ping());
    });
    socket.onmessage = mine((event) => this.#heard(event.data));
    socket.onclose = mine((event) => this.#failed(event.code));
  }

  #heard(data) {
    this.#heardAt = this.now();
    let frame;
    try {
      frame = JSON.parse(data);
    } catch {
      this.#failed(Close.NONSENSE);
      return;
    }
    if (!this.#up) {
      this.#up = true;
      this.#tries = 0;
      this.#watch();
      this.#keepTime();
      this.on.up();
    }
    if (frame.k === "closed") this.#ending = frame;
    this.on.frame(frame, this.#heardAt);
  }

  #watch() {
    this.#later(1000, () => {
      if (this.now() - this.#heardAt > SILENCE_MS) this.#failed(0);
      else this.#watch();
    });
  }

  #keepTime() {
    this.#later(PING_EVERY_MS, () => {
      this.ping();
      this.#keepTime();
    });
  }

  #over(code, text) {
    this.#wanted = false;
    this.#drop();
    this.on.over(code, text);
  }

  #failed(code) {
    const next = plan(code, this.#tries, this.random());
    const ending = this.#ending;
    this.#ending = null;
    if (next === null) {
      this.#over(ending?.code ?? "order", ending?.text ?? "");
      return;
    }
    this.#drop();
    this.#tries = next.tries;
    this.on.down(next.fresh ?? false);
    this.#retry(next.waitMs);
  }
}
