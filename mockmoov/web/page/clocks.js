// Knows the time on the clocks of API keys and of the server: it asks for each, and lets it tick in between.

import { call, ofKey } from "./api.js";

const LEAST_MS = 1000; // between two questions about one clock

/** Clocks by client id; the key of the server's clock is "". `onNews` is called after each answer. */
export class Clocks {
  #known = new Map();
  #asked = new Map();
  #timers = new Map();

  constructor(onNews) {
    this.onNews = onNews;
  }

  /** The last answer about this clock, or undefined. `missing` is true if there is no such API key. */
  get(clientId) {
    return this.#known.get(clientId);
  }

  /** The time now in Unix seconds, or null if it is not known. */
  now(clientId) {
    const clock = this.#known.get(clientId);
    if (clock === undefined || clock.missing) return null;
    return clock.frozen ? clock.now : clock.now + (performance.now() - clock.readAt) / 1000;
  }

  /** Take a clock that another request returned. */
  set(clientId, document) {
    this.#known.set(clientId, { ...document, readAt: performance.now() });
    this.onNews();
  }

  /** Ask for a clock, now or as soon as a second has passed since the last time. */
  ask(clientId) {
    if (this.#timers.has(clientId)) return;
    const wait = Math.max(0, (this.#asked.get(clientId) ?? -LEAST_MS) + LEAST_MS - performance.now());
    this.#timers.set(clientId, setTimeout(() => this.#read(clientId), wait));
  }

  async #read(clientId) {
    this.#asked.set(clientId, performance.now());
    try {
      this.set(clientId, await call("GET", `${ofKey(clientId)}/clock`));
    } catch (error) {
      if (error.status === 404) {
        this.#known.set(clientId, { missing: true });
        this.onNews();
      }
    } finally {
      this.#timers.delete(clientId);
    }
  }

  /** Ask no more. */
  stop() {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.onNews = () => {};
  }
}

/** Unix seconds as a date and a time in UTC. */
export function timeText(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}

/** A number of seconds in its two largest units, such as "2 d 3 h". */
export function spanText(seconds) {
  let rest = Math.round(Math.abs(seconds));
  const parts = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

/** How far away a time is: "in 5 min", "2 h ago". */
export function distanceText(seconds, now) {
  if (now === null) return "";
  return seconds >= now ? `in ${spanText(seconds - now)}` : `${spanText(now - seconds)} ago`;
}
