// The view.
import { el } from "./dom.js";

/** The view. */
export function exchangesView() {
  return { elements: [el("h2", null, "exchanges")] };
}
