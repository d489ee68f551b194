// The view.
import { el } from "./dom.js";

/** The view. */
export function controlsView() {
  return { elements: [el("h2", null, "controls")] };
}
