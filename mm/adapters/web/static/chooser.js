// Which of the daemon's instruments the page shows; with one there is nothing to choose.

import { byId, node } from "./dom.js";

export class Chooser {
  #names = [];
  #left = false;
  name = new URLSearchParams(location.search).get("instrument") ?? "";

  constructor(onChange) {
    byId("shown").addEventListener("change", ({ target }) => {
      this.name = target.value;
      this.#left = true;
      const address = new URL(location.href);
      address.searchParams.set("instrument", this.name);
      history.replaceState(null, "", address);
      onChange();
    });
  }

  get query() {
    return this.name ? `?instrument=${encodeURIComponent(this.name)}` : "";
  }

  get several() {
    return this.#names.length > 1;
  }

  // True once after a choice: the stream that ends is the old one's.
  changed() {
    const left = this.#left;
    this.#left = false;
    return left;
  }

  offer(names, shown) {
    if (names.join() === this.#names.join()) return;
    this.#names = names;
    byId("chooser").hidden = !this.several;
    byId("shown").replaceChildren(...names.map((name) => node("option", { value: name }, name)));
    if (shown) byId("shown").value = this.name = shown;
  }
}
