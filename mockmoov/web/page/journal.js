// Follows the journal: one request at a time waits for what comes after the last known exchange.

import { call } from "./api.js";

const WAIT_SECONDS = 25;
const RETRY_MS = 1000;
const RELOAD_MS = 500; // at least between two readings of the whole journal, as tests delete many API keys
const REFUSED_MS = 5000; // until the page tries again after a refusal

const listeners = new Set();
let waiting = new AbortController(); // of the request that waits

/**
 * What the page knows. `exchanges` are in order of their numbers; `dropped` were lost before them. `id` is that of
 * the journal: it changes when exchanges are cleared.
 */
export const journal = { exchanges: [], dropped: 0, id: null, state: "connecting", version: null, newVersion: null };

/** Call a function after each change, with the exchanges that are new; null if all may have changed. */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function notify(added) {
  for (const listener of [...listeners]) listener(added);
}

function setState(state) {
  if (journal.state !== state) {
    journal.state = state;
    notify([]);
  }
}

function stopWaiting() {
  waiting.abort();
  waiting = new AbortController();
}

/** Read the whole journal again at once, after this page has cleared it. */
export function restart() {
  journal.state = "connecting";
  stopWaiting();
}

const lastNumber = () => journal.exchanges.at(-1)?.number ?? 0;

/** Replace all that is known. */
function replaceAll(document) {
  journal.id = document.journal;
  journal.dropped = document.dropped;
  journal.exchanges = document.exchanges;
  notify(null);
}

/** Add what is new, and let go of what the server has dropped. */
function add(document) {
  journal.dropped = document.dropped;
  const added = document.exchanges.filter(({ number }) => number > lastNumber());
  journal.exchanges.push(...added);
  const kept = journal.exchanges.findIndex(({ number }) => number >= document.first);
  if (kept > 0) journal.exchanges.splice(0, kept);
  if (added.length > 0) notify(added);
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

/** Wait until somebody looks: a browser has few connections for all tabs. */
function untilVisible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => { document.addEventListener("visibilitychange", resolve, { once: true }); });
}

async function checkVersion() {
  const { version } = await call("GET", "/config");
  journal.version ??= version;
  journal.newVersion = version === journal.version ? null : version;
}

async function step(signal) {
  if (journal.state !== "live") {
    await checkVersion();
    replaceAll(await call("GET", "/exchanges", null, signal));
    setState("live");
  }
  const query = `after=${lastNumber()}&journal=${encodeURIComponent(journal.id)}&timeout=${WAIT_SECONDS}`;
  const answer = await call("GET", `/exchanges/wait?${query}`, null, signal);
  if (answer.journal === journal.id) {
    add(answer);
  } else {
    replaceAll(await call("GET", "/exchanges", null, signal));
    await pause(RELOAD_MS);
  }
}

/** Follow the journal for as long as somebody looks at the page. */
export async function follow() {
  document.addEventListener("visibilitychange", () => { if (document.hidden) stopWaiting(); });
  for (;;) {
    await untilVisible();
    const { signal } = waiting;
    try {
      await step(signal);
    } catch (error) {
      if (signal.aborted) continue;
      setState(error.status === undefined ? "lost" : `refused: ${error.message}`);
      await pause(error.status === undefined ? RETRY_MS : REFUSED_MS);
    }
  }
}
