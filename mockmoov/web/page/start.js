// The view.
import { el } from "./dom.js";

/** The view. */
export function startView() {
  return { elements: [el("h2", null, "start")] };
}
