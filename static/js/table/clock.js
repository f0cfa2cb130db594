// The server's time on this page, kept from pings: the sample with the shortest way wins. Pure: the
// local time, in ms of any steady clock, is an argument.

/** Of so many answers the quickest is believed (NTP's clock filter takes 8; a page needs less). */
const SAMPLES = 5;

export class ServerClock {
  #samples = [];

  /** A ping sent at `sent` was answered at `received` by a server whose clock said `server`. */
  answered(sent, received, server) {
    const rtt = received - sent;
    if (rtt < 0) return;
    this.#samples.push({ rtt, offset: server - (sent + received) / 2 });
    this.#samples = this.#samples.slice(-SAMPLES);
  }

  /** A frame that was written at `server` arrived at `received`: good enough until a ping is. */
  heard(received, server) {
    if (this.#samples.length === 0) this.#rough = server - received;
  }

  /** After a sleep the steady clock may have stood still: what was measured counts no more. */
  forget() {
    this.#rough += this.#best ? this.#best.offset - this.#rough : 0;
    this.#samples = [];
  }

  #rough = 0;

  get #best() {
    return this.#samples.reduce((best, one) => (!best || one.rtt < best.rtt ? one : best), null);
  }

  /** The server's time, ms since 1970, at local time `local`. */
  at(local) {
    return local + (this.#best?.offset ?? this.#rough);
  }

  /** Half of the way there and back: what an answer of ours needs to arrive. */
  get uplinkMs() {
    return (this.#best?.rtt ?? 0) / 2;
  }
}
