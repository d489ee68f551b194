// Finds the tokens in the journal: who got them, and what happened to them.

const BEARER = "Bearer ";
const REVOKED = "the token was revoked"; // how reasons of refusals begin
const REVOKED_FAMILY = "refresh_token was revoked";
const REUSED = "refresh_token was used already";

function newToken(exchange, family) {
  const { issued, parameters } = exchange;
  return {
    name: issued.access_token ?? issued.refresh_token,
    clientId: exchange.client_id,
    family,
    sequence: issued.sequence ?? null,
    scope: parameters.scope ?? family.tokens.at(-1)?.scope ?? "",
    at: exchange.at,
    expiresAt: issued.expires_at ?? exchange.at,
    refreshExpiresAt: issued.refresh_expires_at ?? null,
    refreshToken: issued.refresh_token ?? null,
    number: exchange.number,
    uses: 0,
    events: [],
    revoked: null,
  };
}

/** Keeps the first exchange that shows that a token or a family is revoked. */
function setRevoked(item, exchange) {
  if (item !== undefined) item.revoked ??= { at: exchange.at, number: exchange.number };
}

function note(token, kind, exchange) {
  token?.events.push({
    kind, at: exchange.at, number: exchange.number, status: exchange.status, reason: exchange.reason,
    endpoint: exchange.endpoint,
  });
}

class History {
  families = new Map();
  byName = new Map();
  byRefresh = new Map();

  constructor(reuseRevokes) {
    this.reuseRevokes = reuseRevokes;
  }

  issue(exchange) {
    const { issued } = exchange;
    const id = issued.family ?? issued.access_token ?? issued.refresh_token;
    if (id === undefined) return;
    if (!this.families.has(id)) this.families.set(id, { id, clientId: exchange.client_id, tokens: [], revoked: null });
    const family = this.families.get(id);
    const token = newToken(exchange, family);
    family.tokens.push(token);
    this.byName.set(token.name, token);
    if (token.refreshToken !== null && !this.byRefresh.has(token.refreshToken)) {
      this.byRefresh.set(token.refreshToken, token);
    }
  }

  takeTokenRequest(exchange) {
    const parent = this.byRefresh.get(exchange.parameters.refresh_token);
    if (exchange.status === 200) {
      if (exchange.grant_type === "refresh_token") note(parent, "refresh", exchange);
      this.issue(exchange);
    } else if (exchange.status >= 400) {
      note(parent, "refusal", exchange);
      const reason = exchange.reason ?? "";
      const isReuse = reason.startsWith(REUSED) && this.reuseRevokes;
      if (reason.startsWith(REVOKED_FAMILY) || isReuse) setRevoked(parent?.family, exchange);
    }
  }

  takeRevocation(exchange) {
    const name = exchange.parameters.token;
    const isOwn = (found) => found?.clientId === exchange.client_id; // another client revokes nothing
    const token = [this.byName.get(name)].find(isOwn);
    const parent = [this.byRefresh.get(name)].find(isOwn);
    note(token ?? parent, "revocation", exchange);
    setRevoked(token, exchange);
    setRevoked(parent?.family, exchange);
  }

  takeUse(exchange) {
    const authorization = exchange.headers.authorization ?? "";
    if (!authorization.startsWith(BEARER)) return;
    const token = this.byName.get(authorization.slice(BEARER.length));
    if (token === undefined) return;
    if (exchange.status === 401 || exchange.status === 403) note(token, "refusal", exchange);
    else if (exchange.status !== null && exchange.fault === null) token.uses += 1;
    if (exchange.reason?.startsWith(REVOKED)) setRevoked(token, exchange);
  }

  take(exchange) {
    if (exchange.endpoint === "token") this.takeTokenRequest(exchange);
    else if (exchange.endpoint !== "revoke") this.takeUse(exchange);
    else if (exchange.status === 204 && exchange.fault === null) this.takeRevocation(exchange);
  }
}

/**
 * The token families in these exchanges, that with the newest token first. `reuseRevokes` is the setting
 * refresh_reuse_detection: whether the second use of a refresh token revokes its family.
 */
export function familiesOf(exchanges, reuseRevokes) {
  const history = new History(reuseRevokes);
  for (const exchange of exchanges) history.take(exchange);
  return [...history.families.values()].sort((a, b) => b.tokens.at(-1).number - a.tokens.at(-1).number);
}

/** The exchange that revoked a token or its family, as `at` and `number`; null if there is none. */
export function revocationOf({ revoked, family }) {
  if (revoked === null || family.revoked === null) return revoked ?? family.revoked;
  return revoked.number < family.revoked.number ? revoked : family.revoked;
}
