"""What is known of a request on its way, and what the journal says about it at the end."""

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from msgspec import Struct, field

from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.messages import FrozenHeaders, Headers, HttpRequest, HttpResponse, TokenResponse
from mockmoov.oauth.records import Exchange, Issued
from mockmoov.oauth.requests import Message
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.server.ids import new_request_id
from mockmoov.simulation.faults import Fault, NetworkError
from mockmoov.simulation.masking import mask_json, mask_query
from mockmoov.simulation.matching import RequestFacts, Values
from mockmoov.simulation.redaction import redact_headers, redact_method, redact_parameters, short_hash
from mockmoov.simulation.stubs import Stub
from mockmoov.storage.simulation import ClaimedClient

if TYPE_CHECKING:
    from mockmoov.server.endpoints import Route

_GRANT_NAMES = {name: name for name in GRANTS}  # so that no journal keeps the strings that were sent
_NOBODY = ClaimedClient(api_key=None, now=0.0, has_faults=False)


class RequestHead(Struct, frozen=True, kw_only=True, eq=False):
    """What a request says before its body.

    `route` is the one that it is for, and `routing_error` the 404 or 405 if it has no such method;
    `path_parameters` are raw. `contract` is None if the version is malformed. `client_ids` are those of HTTP
    Basic, `bearer` is a bearer token. `asks_first`: the client expects 100 Continue before it sends its body
    (RFC 9110 §10.1.1); `has_json`: it is for an operation, and the body is JSON and not too long.
    """

    route: "Route | None"
    routing_error: HttpResponse | None
    path_parameters: Mapping[str, str]
    redacted_path: str
    contract: Contract | None
    client_ids: tuple[str, ...]
    bearer: str | None
    asks_first: bool
    has_json: bool


_NO_HEAD = RequestHead(
    route=None,
    routing_error=None,
    path_parameters={},
    redacted_path="",
    contract=None,
    client_ids=(),
    bearer=None,
    asks_first=False,
    has_json=False,
)


class RequestContext(Struct, eq=False):
    """One request on its way. The server fills it in as it learns more.

    `head` and, of an OAuth request, `message` are what it says. `endpoint` is the name of what it is for, as
    faults and the journal use it; None for an unknown path. `json_body` is the JSON body of a request to
    an operation, None if there is none or it is too long; the journal keeps it if `keeps_body`. `stub_miss`
    says why no stub answers, if the operation has any.
    `claimed` are the client ids that the request may mean, `records` the names under which a store has what
    it knows of its token. `client` is the API key of one of them, if there is one, with the time on its
    clock. `cors_refusal` says why the page that sent the request may not read the response.
    `network_error` says how the connection fails, because of a fault, and `reason` explains a response
    that is not sent. `has_failed`: mockmoov itself failed, and sends a 500.
    """

    request: HttpRequest
    request_id: str = field(default_factory=new_request_id)
    head: RequestHead = _NO_HEAD
    endpoint: str | None = None
    message: Message | None = None
    claimed: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    client: ClaimedClient = _NOBODY
    json_body: Any = None
    keeps_body: bool = False
    fault: Fault | None = None
    stub: Stub | None = None
    stub_miss: str = ""
    issued: TokenResponse | None = None
    reason: str | None = None
    cors_refusal: str = ""
    has_failed: bool = False
    network_error: NetworkError | None = None

    @property
    def refresh_token(self) -> str | None:
        """The refresh token that a token request sends."""
        return getattr(self.message.parsed, "refresh_token", None) if self.message else None

    @property
    def parameters(self) -> Mapping[str, object]:
        """The parameters of an OAuth request, as far as they could be read."""
        return self.message.parameters.by_name if self.message else {}

    @property
    def now(self) -> float:
        """The time on the clock of the claimed API key, in Unix seconds."""
        return self.client.now

    @property
    def client_id(self) -> str | None:
        """The claimed client id, if there is such an API key."""
        return self.client.api_key.client_id if self.client.api_key else None

    @property
    def grant_type(self) -> str | None:
        """The grant type, if it is a known one."""
        given = self.parameters.get("grant_type")
        return _GRANT_NAMES.get(given) if isinstance(given, str) else None

    @property
    def owners(self) -> tuple[str | None, ...]:
        """Whose plans the request is subject to, in their order: the claimed API key's and the server's."""
        return (None,) if self.client_id is None else (self.client_id, None)

    @property
    def decoded_path_parameters(self) -> Mapping[str, str]:
        """The parameters of the path, percent-decoded."""
        return {name: unquote(value) for name, value in self.head.path_parameters.items()}

    @property
    def query(self) -> Values:
        """The query of a request to an operation: the values of each name, percent-decoded."""
        route = self.head.route
        if not self.request.query or route is None or route.parse:
            return {}
        values = parse_qs(self.request.query.decode("latin-1"), keep_blank_values=True)
        return {name: tuple(sent) for name, sent in values.items()}

    def facts(self) -> RequestFacts:
        """What faults and stubs can match."""
        return RequestFacts(
            endpoint=self.endpoint,
            method=self.request.method,
            path=self.request.path,
            headers=self.request.headers,
            parameters=self.parameters,
            path_parameters=self.decoded_path_parameters,
            query=self.query,
            body=self.json_body,
        )

    def exchange(self, response: HttpResponse | None, contract: Contract) -> Exchange:
        """The journal's record of this request and its response."""
        head, key = self.head, self.client.api_key
        reason = dict(response.headers).get(REASON_HEADER) if response else self.reason
        if self.cors_refusal:
            reason = f"{reason}; {self.cors_refusal}" if reason else self.cors_refusal
        client_id, secret = (key.client_id, key.client_secret) if key else (None, None)
        return Exchange(
            at=self.now,
            client_id=client_id,
            endpoint=self.endpoint,
            method=redact_method(self.request.method),
            path=head.redacted_path,
            contract=contract.name,
            grant_type=self.grant_type,
            status=response.status if response else None,
            reason=reason,
            fault=self.fault.id if self.fault else None,
            headers=_redacted_headers(self.request.headers, secret),
            parameters=_redacted_parameters(self.message, client_id) if self.message else {},
            issued=_issued_names(self.issued) if self.issued else {},
            stub=self.stub.id if self.stub else None,
            path_parameters=mask_json(self.decoded_path_parameters, secret) if head.path_parameters else {},
            query=mask_query(self.query, secret) if self.request.query else {},
            body=mask_json(self.json_body, secret) if self.keeps_body else None,
        )


def _redacted_headers(headers: Headers, secret: str | None) -> Mapping[str, str]:
    return (_known_headers if isinstance(headers, FrozenHeaders) else redact_headers)(headers, secret)


_known_headers = lru_cache(maxsize=128)(redact_headers)


@lru_cache(maxsize=32)  # a message may be large
def _redacted_parameters(message: Message, client_id: str | None) -> Mapping[str, str]:
    return redact_parameters(message.parameters.by_name, client_id)


def _issued_names(issued: TokenResponse) -> Issued:
    """How the journal names issued tokens, without showing them, and what a time line needs of them."""
    access = issued.jti if issued.token_format == "jwt" else short_hash(issued.access_token)  # noqa: S105
    return {
        "access_token": access,
        "refresh_token": short_hash(issued.refresh_token),
        "family": issued.family,
        "sequence": issued.sequence,
        "expires_at": issued.expires_at,
        "refresh_expires_at": issued.refresh_expires_at,
    }
