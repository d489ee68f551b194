// Follows the journal: one request at a time waits for what comes after the last known exchange.

import { call } from "./api.js";

const WAIT_SECONDS = 25;
const RETRY_MS = 1000;
const MOST = 10000; // exchanges that the page keeps, as many as a server does

const listeners = new Set();
let waiting = new AbortController(); // of the request that waits

/** What the page knows. `exchanges` are in order of their numbers; `dropped` were lost before them. */
export const journal = { exchanges: [], dropped: 0, state: "connecting", version: null, newVersion: null };

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

/** Forget what is known; the server has cleared its journal, or is another one. */
function startOver() {
  journal.exchanges = [];
  notify(null);
}

/** Start over at once, after this page has cleared the journal: numbers begin at 1 again. */
export function restart() {
  waiting.abort();
  waiting = new AbortController();
  startOver();
}

function take(document) {
  const known = journal.exchanges.at(-1)?.number ?? 0;
  journal.dropped = document.dropped;
  if (document.last < known) {
    startOver();
    return;
  }
  const added = document.exchanges.filter((exchange) => exchange.number > known);
  if (added.length === 0) return;
  journal.exchanges.push(...added);
  if (journal.exchanges.length > MOST) journal.exchanges.splice(0, journal.exchanges.length - MOST);
  notify(added);
}

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

async function checkVersion() {
  const { version } = await call("GET", "/config");
  journal.version ??= version;
  journal.newVersion = version === journal.version ? null : version;
}

/** Follow the journal for as long as the page is open. */
export async function follow() {
  for (;;) {
    const { signal } = waiting;
    try {
      if (journal.state !== "live") {
        await checkVersion();
        take(await call("GET", "/exchanges", null, signal));
        setState("live");
      }
      const after = journal.exchanges.at(-1)?.number ?? 0;
      take(await call("GET", `/exchanges/wait?after=${after}&timeout=${WAIT_SECONDS}`, null, signal));
    } catch (error) {
      if (signal.aborted) continue;
      if (error.status === undefined) setState("lost");
      else setState(`refused: ${error.message}`);
      await pause(RETRY_MS);
    }
  }
}
