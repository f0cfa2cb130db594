// What lies below the table (calls, chances, limits) stands in a <noscript>: a browser without
// scripts shows it, one with scripts keeps the page light and makes it when it is asked for. The
// markup is the server's own; only its place changes.

import { byId } from "./dom.js";

const PARTS = new Set(["#more", "#inside", "#chances", "#limits"]);

export class More {
  /** `around(number)` opens the sheet of a number. */
  constructor(around) {
    this.around = around;
    this.source = document.querySelector(".more-source");
    document.addEventListener("click", (event) => this.#clicked(event));
    if (PARTS.has(window.location.hash)) this.#go(window.location.hash);
    const end = document.createElement("div");
    this.source.before(end);
    this.watch = new IntersectionObserver(([seen]) => {
      if (seen.isIntersecting && window.scrollY > 0) this.make();
    });
    this.watch.observe(end);
  }

  #clicked(event) {
    const link = event.target.closest("a[href^='#']");
    const hash = link?.getAttribute("href");
    if (!PARTS.has(hash) || link.closest(".felt-tools")) return;
    event.preventDefault();
    this.#go(hash);
  }

  #go(hash) {
    this.make();
    const part = document.querySelector(hash);
    part?.scrollIntoView();
    part?.setAttribute("tabindex", "-1");
    part?.focus({ preventScroll: true });
  }

  /** Puts the part in its place, once. */
  make() {
    if (!this.source) return;
    const parsed = new DOMParser().parseFromString(this.source.textContent, "text/html");
    const part = document.adoptNode(parsed.querySelector(".more"));
    for (const button of part.querySelectorAll("button[disabled]")) button.disabled = false;
    this.source.replaceWith(part);
    this.source = null;
    this.watch?.disconnect();
    const form = byId("inside")?.querySelector("form");
    form?.addEventListener("submit", (event) => {
      event.preventDefault();
      const number = Number(form.elements.inside.value);
      if (Number.isInteger(number) && number >= 0 && number <= 36) this.around(number);
    });
  }
}
