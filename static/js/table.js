// The table page, live: joins what its parts do. Frames come in (docs/push.md), one view is worked
// out of them, every part draws from it. Without this module the page works by forms.

import { Announcer } from "./table/announce.js";
import { Betting } from "./table/betting.js";
import { RealityCheck } from "./table/check.js";
import { ServerClock } from "./table/clock.js";
import { Connection } from "./table/connection.js";
import { breath, byId, setClass } from "./table/dom.js";
import { More } from "./table/more.js";
import { Panels, Statistics } from "./table/panels.js";
import { PhaseBar } from "./table/phase.js";
import { Account, Reveal } from "./table/reveal.js";
import { apply, NOTHING } from "./table/state.js";
import { Toasts } from "./table/toasts.js";
import { Picture } from "./table/video.js";
import { look } from "./table/view.js";
import { fill, readConfig, Words } from "./table/words.js";

/** How often time is looked at: the count changes within this much of a second's edge. */
const TICK_MS = 250;
/** In the background for longer: the clock may have stood still meanwhile. */
const AWAY_MS = 10_000;

class Page {
  table = NOTHING;
  link = "joining";
  #drawing = false;
  #resyncing = false;
  #recounting = false;
  #second = -1;
  #awayAt = 0;

  constructor(config) {
    const words = new Words(config);
    this.words = words;
    this.clock = new ServerClock();
    this.reveal = new Reveal();
    this.account = new Account();
    this.toasts = new Toasts();
    this.announcer = new Announcer(words);
    this.picture = new Picture(words, () => this.now());
    this.connection = new Connection({
      urls: config.urls,
      on: {
        frame: (frame, at) => this.frame(frame, at),
        up: () => this.up(),
        down: (fresh) => this.down(fresh),
        over: (code, text) => this.over(code, text),
      },
      since: () => (this.table.n >= 0 ? `${this.table.epoch}:${this.table.n}` : ""),
      now: () => performance.now(),
    });
    this.screen = byId("screen");
  }

  /**
   * Everything that stands on the page, one part after another with room for a finger between: as
   * one task it took 200 ms on a slow phone. Nothing arrives before `start`, so no part is missed.
   */
  async build() {
    const { words } = this;
    this.betting = new Betting(words, this);
    await breath();
    this.phase = new PhaseBar(words);
    this.panels = new Panels(words);
    this.statistics = new Statistics(words);
    this.check = new RealityCheck({
      url: words.config.urls.check,
      dueAt: words.config.check_due_at ?? null,
      now: () => this.now(),
    });
    this.more = new More((number) => this.betting.around.open(number));
    await breath();
  }

  now() {
    return this.clock.at(performance.now());
  }

  start() {
    window.addEventListener("pagehide", () => this.connection.stop());
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) this.#back();
    });
    window.addEventListener("online", () => this.connection.check());
    window.addEventListener("offline", () => this.connection.cut());
    document.addEventListener("visibilitychange", () => this.#seen());
    this.connection.start();
    setInterval(() => this.tick(), TICK_MS);
    this.draw();
    breath().then(() => this.picture.start());
  }

  /* Coming and going */

  #seen() {
    if (document.hidden) {
      this.#awayAt = performance.now();
      return;
    }
    if (performance.now() - this.#awayAt > AWAY_MS) this.clock.forget();
    this.connection.check();
    this.tick();
    this.draw();
  }

  /** Out of the back/forward cache: what it knows is old, and every socket was closed. */
  #back() {
    this.clock.forget();
    this.link = "joining";
    this.connection.start();
    this.draw();
  }

  up() {
    if (this.table.n >= 0) this.#joined();
  }

  #joined() {
    if (this.link === "up") return;
    this.link = "up";
    this.betting.slips.joined();
    this.changed();
  }

  down(fresh) {
    if (fresh) this.table = { ...this.table, n: -1 };
    this.#resyncing = false;
    this.link = "lost";
    this.changed();
  }

  over(code, text) {
    this.link = "over";
    const { text: words, config } = { text: this.words.text, config: this.words.config };
    const why = code === "signed_out" ? words.signed_out : text || words.over_more;
    this.toasts.lasting(why, words.sign_in, code === "signed_out" ? config.urls.sign_in : "");
    this.changed();
  }

  /* What arrives */

  frame(frame, at) {
    if (frame.k === "pong") this.clock.answered(frame.t, at, frame.now);
    else if (frame.k === "beat") this.#beat(frame, at);
    else if (frame.k === "answer") this.#answered(frame);
    else if (frame.k === "account") this.#account(frame);
    else if (frame.k !== "closed") this.#table(frame, at);
  }

  #answered(frame) {
    this.betting.answered(frame);
    if (frame.code === "reality_check") this.check.ask();
  }

  #beat(frame, at) {
    this.clock.heard(at, frame.t);
    if (this.table.n >= 0 && frame.n > this.table.n) this.#resync();
  }

  #resync() {
    if (this.#resyncing) return;
    this.#resyncing = this.connection.send({ k: "resync" });
  }

  #table(frame, at) {
    const { state, became } = apply(this.table, frame);
    if (became === "gap") this.#resync();
    if (became !== "applied") return;
    // another epoch: the house was restored, and what was known of money begins anew as well
    if (this.table.epoch && state.epoch !== this.table.epoch) this.account.restart();
    this.table = state;
    const joined = frame.k === "snapshot";
    if (joined) {
      this.#resyncing = false;
      this.clock.heard(at, frame.d.now ?? frame.t);
    }
    if (frame.k === "corrected") this.#corrected(frame.d);
    this.reveal.see(state, joined);
    this.betting.slips.inRound(state.round?.number ?? null);
    this.#release();
    if (joined) this.#joined();
    this.changed();
  }

  /** A number that was seen already is another one: said at once, and marked in the strip. */
  #corrected({ round, result, was }) {
    if (this.reveal.holds(round)) return;
    const number = this.words.number(result, this.words.colour(result));
    const said = fill(this.words.text.corrected, { round, number, was });
    this.toasts.alarm(said, "");
    this.announcer.say(said);
  }

  #account(frame) {
    if (!this.account.take(frame, this.now(), this.#pictureAt())) return;
    this.betting.slips.account(frame.d.round, this.betting.standing(frame));
    this.changed();
  }

  /** The instant that the picture shows: null without one, the distant past while it is starting. */
  #pictureAt() {
    return this.picture.shows ?? (this.picture.expected ? 0 : null);
  }

  #release() {
    const [now, picture] = [this.now(), this.#pictureAt()];
    const released = this.reveal.release(now, picture);
    for (const one of released) if (!one.before) this.#late(one);
    const shown = this.account.release(now, picture);
    return released.length > 0 || shown;
  }

  /** A number that was held until the next round had opened: said, since nothing else shows it. */
  #late({ number, poor }) {
    const { text } = this.words;
    const more = poor ? text.poor : "";
    if (number === this.table.round?.number) {
      if (poor) this.toasts.alarm(text.poor, "");
      return;
    }
    const [result] = this.table.results.find(([, round]) => round === number) ?? [];
    if (result === undefined) return;
    const said = this.words.number(result, this.words.colour(result));
    this.toasts.good(fill(text.late, { number: said }), more);
    this.announcer.say(fill(text.late, { number: said }));
  }

  /* Time */

  tick() {
    if (this.#release()) this.changed();
    this.betting.tick();
    this.check.tick();
    const now = this.now();
    if (Math.floor(now / 1000) !== this.#second) {
      this.#second = Math.floor(now / 1000);
      this.panels.time(now);
      this.picture.draw();
    }
    const view = this.view();
    if (view.betting !== this.shown?.betting || view.phase !== this.shown?.phase) this.changed();
    else if (view.betting && view.link === "up") this.phase.time(view.leftMs);
    else if (view.nextInMs !== null) this.phase.draw(view);
    this.announcer.draw(view, performance.now());
  }

  view() {
    return look({
      table: this.table,
      reveal: this.reveal,
      account: this.account,
      slips: this.betting.slips,
      link: this.link,
      now: this.now(),
      uplinkMs: this.clock.uplinkMs,
    });
  }

  /** Something changed: everything is drawn once, before the next frame. */
  changed() {
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.draw();
    });
  }

  draw() {
    const view = this.view();
    this.shown = view;
    const known = this.table.n >= 0;
    this.betting.draw(view);
    if (!known && view.link === "joining") return; // the server's own first page stands
    this.#posture(view.betting ? "betting" : "watching");
    if (known) {
      this.phase.draw(view);
      this.panels.draw(view);
      if (this.statistics.draw(view)) this.#recount();
      this.announcer.draw(view, performance.now());
    } else {
      this.phase.draw(view);
    }
  }

  /**
   * Large felt or large picture. What stands below the picture takes its new place unseen, within
   * two frames: it does not jump under a thumb, and the focus stays where it is.
   */
  #posture(name) {
    if (this.screen.classList.contains(name)) return;
    setClass(this.screen, `screen ${name} turning`);
    requestAnimationFrame(() =>
      requestAnimationFrame(() => this.screen.classList.remove("turning")),
    );
  }

  /** Away for more rounds than the strip shows: the counts of a fresh page. */
  async #recount() {
    if (this.#recounting) return;
    this.#recounting = true;
    try {
      const answer = await fetch(window.location.pathname, {
        credentials: "same-origin",
        headers: { "Faro-Automatic": "1" },
      });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("table-config");
      if (fresh) this.statistics.restart(JSON.parse(fresh.textContent).numbers);
    } catch {
      // without a network there are no counts either; the next result tries again
    }
    this.#recounting = false;
  }
}

const config = readConfig();
if (config) {
  const page = new Page(config);
  await page.build();
  page.start();
}
