// Short messages above the status row: one act each, five seconds, two at a time.

import { byId, copy, setText } from "./dom.js";

const STAYS_MS = 5_000;
const MOST = 2;

export class Toasts {
  constructor() {
    this.box = byId("told");
  }

  good(title, more) {
    this.#show("t-toast-good", title, more);
  }

  alarm(title, more) {
    this.#show("t-toast-alarm", title, more);
  }

  /** One that stays: nothing goes on from here but `address`, where there is one. */
  lasting(title, link, address) {
    const { node, parts } = copy("t-toast-alarm");
    setText(parts.title, title);
    if (address) {
      const way = document.createElement("a");
      way.href = address;
      way.textContent = link;
      parts.more.append(way);
    }
    const list = document.createElement("div");
    list.className = "toasts lasting";
    list.append(node);
    this.box.replaceChildren(list);
  }

  #show(template, title, more) {
    if (this.box.querySelector(".lasting")) return;
    if (!this.list?.isConnected) {
      this.list = document.createElement("div");
      this.list.className = "toasts";
      this.box.replaceChildren(this.list);
    }
    const { node, parts } = copy(template);
    setText(parts.title, title);
    setText(parts.more, more);
    this.list.append(node);
    while (this.list.childElementCount > MOST) this.list.firstElementChild.remove();
    setTimeout(() => node.remove(), STAYS_MS);
  }
}
