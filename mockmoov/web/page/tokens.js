// The view.
import { el } from "./dom.js";

/** The view. */
export function tokensView() {
  return { elements: [el("h2", null, "tokens")] };
}
