// Finds the tokens in the journal: who got them, and what happened to them.

const BEARER = "Bearer ";

function newToken(exchange, family) {
  const { issued, parameters } = exchange;
  return {
    name: issued.access_token ?? issued.refresh_token,
    clientId: exchange.client_id,
    family: family.id,
    sequence: issued.sequence ?? null,
    scope: parameters.scope ?? family.tokens.at(-1)?.scope ?? "",
    at: exchange.at,
    expiresAt: issued.expires_at ?? exchange.at,
    refreshExpiresAt: issued.refresh_expires_at ?? null,
    refreshToken: issued.refresh_token ?? null,
    number: exchange.number,
    uses: 0,
    events: [],
  };
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

  find(name) {
    return this.byName.get(name) ?? this.byRefresh.get(name);
  }

  issue(exchange) {
    const { issued } = exchange;
    const id = issued.family ?? issued.access_token ?? issued.refresh_token;
    if (id === undefined) return;
    if (!this.families.has(id)) this.families.set(id, { id, clientId: exchange.client_id, tokens: [] });
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
    }
  }

  takeUse(exchange) {
    const authorization = exchange.headers.authorization ?? "";
    if (!authorization.startsWith(BEARER)) return;
    const token = this.byName.get(authorization.slice(BEARER.length));
    if (token === undefined) return;
    if (exchange.status === 401 || exchange.status === 403) note(token, "refusal", exchange);
    else token.uses += 1;
  }

  take(exchange) {
    if (exchange.endpoint === "token") this.takeTokenRequest(exchange);
    else if (exchange.endpoint !== "revoke") this.takeUse(exchange);
    else if (exchange.status === 204) note(this.find(exchange.parameters.token), "revocation", exchange);
  }
}

/** The token families in these exchanges, that with the newest token first. */
export function familiesOf(exchanges) {
  const history = new History();
  for (const exchange of exchanges) history.take(exchange);
  return [...history.families.values()].sort((a, b) => b.tokens.at(-1).number - a.tokens.at(-1).number);
}

/** When a token was revoked, or null. */
export const revokedAt = (token) => token.events.find((event) => event.kind === "revocation")?.at ?? null;
