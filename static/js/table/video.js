// The picture: the poster at once, the stream after the page has come to rest, and never in the way
// of betting. It says which instant it shows; results wait for that (reveal.js).
//
// hls.js is a script of its own, loaded only where the browser has Media Source; elsewhere the
// browser plays HLS itself. With Save-Data on nothing is fetched before a tap.

import { breath, byId, copy, setClass, setHidden, setText } from "./dom.js";
import { fill } from "./words.js";

/**
 * docs of hls.js, chosen for segments of about 1 s: stay near the edge, catch up gently, and after
 * a stall fall back by a tenth of a second rather than a whole one.
 */
const HLS = {
  liveSyncDurationCount: 2,
  liveMaxLatencyDurationCount: 8,
  maxLiveSyncPlaybackRate: 1.1,
  liveSyncOnStallIncrease: 0.1,
  maxBufferLength: 8,
  backBufferLength: 4,
  capLevelToPlayerSize: true,
  testBandwidth: false,
};
/** The start rung stays for so long: switching up at once made players stall (streaming figures). */
const SETTLE_MS = 3_000;
/** A picture that stands still for so long counts as none. */
const STALL_MS = 2_500;
/** Classes of delay shown to players: a broadcast's 4 s and a poor 8 s part them. */
const LOW_MS = 4_000;
const MEDIUM_MS = 8_000;
/** A stream that failed is asked again, less often each time. */
const RETRY_MS = [2_000, 5_000, 10_000, 20_000];

const saving = () => navigator.connection?.saveData === true;

export class Picture {
  #video = null;
  #hls = null;
  #wanted = false;
  #started = false;
  #failures = 0;
  #movedAt = 0;
  #lastTime = -1;
  #timer = 0;

  /** `now()` is the server's time. */
  constructor(words, now) {
    this.words = words;
    this.now = now;
    this.address = words.config.urls.playlist;
    this.box = byId("picture");
  }

  /** Begins when the page has been painted and nothing else is to be done. */
  start() {
    if (!this.address) return;
    if (saving()) {
      this.#offer();
      return;
    }
    const begin = () => this.#begin();
    if ("requestIdleCallback" in window) requestIdleCallback(begin, { timeout: 1_500 });
    else setTimeout(begin, 300);
  }

  #offer() {
    const { node } = copy("t-show");
    node.addEventListener("click", () => {
      node.remove();
      this.#begin();
    });
    this.box.append(node);
  }

  /** The instant on the screen, ms since 1970, or null while there is no moving picture. */
  get shows() {
    if (!this.#started || document.hidden || this.#stands()) return null;
    if (this.#hls) return this.#hls.playingDate?.getTime() ?? null;
    const start = this.#video.getStartDate?.().getTime();
    return Number.isFinite(start) ? start + this.#video.currentTime * 1000 : null;
  }

  /** Whether a picture is meant to be there, so that results wait for it. */
  get expected() {
    return this.#wanted && !document.hidden && this.#failures === 0;
  }

  #stands() {
    return performance.now() - this.#movedAt > STALL_MS;
  }

  async #begin() {
    this.#wanted = true;
    this.#video = copy("t-video").node;
    this.#video.muted = true; // the attribute alone does not count for cloned elements
    setClass(this.#video, "behind");
    this.#movedAt = performance.now();
    this.#video.addEventListener("timeupdate", () => this.#moved());
    this.#badge();
    document.addEventListener("visibilitychange", () => this.#seen());
    if (window.MediaSource || window.ManagedMediaSource) await this.#loadHls();
    else this.#native();
  }

  #moved() {
    if (this.#video.currentTime === this.#lastTime) return;
    this.#lastTime = this.#video.currentTime;
    this.#movedAt = performance.now();
    this.#failures = 0;
    this.#started = true;
  }

  #native() {
    this.#video.src = this.address;
    this.#video.addEventListener("error", () => this.#failed());
    this.box.append(this.#video);
    this.#play();
  }

  #play() {
    // a browser that forbids it (low power) keeps the poster
    this.#video?.play().catch(() => {});
  }

  async #loadHls() {
    try {
      await loadScript(this.words.config.hls);
      await breath(); // it has just been compiled and run; setting it up is as long a task again
    } catch {
      this.#failed();
      return;
    }
    this.#attach();
  }

  #attach() {
    const { Hls } = window;
    if (!Hls?.isSupported()) {
      this.#native();
      return;
    }
    const hls = new Hls(HLS);
    this.#hls = hls;
    hls.on(Hls.Events.MANIFEST_PARSED, (_, { levels }) => {
      this.#qualities(levels);
      hls.startLevel = hls.firstLevel;
      hls.autoLevelCapping = hls.firstLevel;
      setTimeout(() => {
        hls.autoLevelCapping = -1;
      }, SETTLE_MS);
      this.#play();
    });
    hls.on(Hls.Events.ERROR, (_, error) => {
      if (error.fatal && this.#hls === hls) this.#failed();
    });
    hls.loadSource(this.address);
    hls.attachMedia(this.#video);
    this.box.append(this.#video);
  }

  #failed() {
    this.#stop();
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)];
    this.#failures += 1;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#again(), wait);
  }

  #again() {
    if (document.hidden || this.#hls) return; // comes back when it is seen again
    if (window.Hls) this.#attach();
    else if (window.MediaSource || window.ManagedMediaSource) this.#loadHls();
    else this.#native();
  }

  #stop() {
    this.#started = false;
    this.#hls?.destroy();
    this.#hls = null;
    this.#video?.remove();
  }

  /** Nobody looks: nothing is fetched. Back again: from the live edge. */
  #seen() {
    if (document.hidden) {
      this.#stop();
      return;
    }
    this.#movedAt = performance.now();
    this.#failures = 0;
    this.#again();
  }

  /* The badge: how late the picture is, and the menu of qualities. */

  #badge() {
    const { node, parts } = copy("t-latency");
    this.badge = node;
    this.parts = parts;
    setHidden(node, true);
    document
      .querySelector(".stage-head")
      .insertBefore(node, document.querySelector(".stage-head .refresh"));
    parts.quality.addEventListener("change", () => {
      // `nextLevel` changes at the next segment; `currentLevel` would flush and freeze for 1 s
      if (this.#hls) this.#hls.nextLevel = Number(parts.quality.value);
    });
  }

  #qualities(levels) {
    const { quality } = this.parts;
    while (quality.options.length > 1) quality.options[1].remove();
    levels.forEach((level, at) => {
      quality.append(new Option(`${level.height}p`, String(at)));
    });
    quality.value = "-1";
  }

  /** Once a second: how late, or that it stands still. */
  draw() {
    if (!this.badge) return;
    const { text } = this.words;
    const shows = this.shows;
    const stalled = this.#wanted && !document.hidden && this.#stands();
    this.#stalled(stalled);
    // the poster stands before it moves, and again when it has stopped
    if (this.#video?.isConnected) setClass(this.#video, stalled || !this.#started ? "behind" : "");
    setHidden(this.badge, shows === null);
    if (shows === null) return;
    const lateMs = Math.max(0, this.now() - shows);
    const grade = lateMs < LOW_MS ? "low" : lateMs < MEDIUM_MS ? "medium" : "high";
    setClass(this.badge, `latency latency-${grade}`);
    this.badge.title = text[`latency_${grade}`];
    const seconds = this.words.decimal(lateMs / 1000, 1);
    setText(this.parts.text, fill(text.behind, { seconds }));
    setText(this.parts.short, `${seconds} s`);
  }

  #stalled(stalled) {
    if (!stalled) {
      this.note?.remove();
      this.note = null;
    } else if (!this.note) {
      this.note = copy("t-stalled").node;
      this.box.append(this.note);
      setText(this.note, this.words.text.stalled);
    }
  }
}

function loadScript(address) {
  if (window.Hls) return Promise.resolve();
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = done;
    script.onerror = failed;
    document.head.append(script);
  });
}
