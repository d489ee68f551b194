"""Owns one request on its way: what is known of it so far, and what the journal says of it in the end.

Must not know what answers it, nor stores.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mockmoov.oauth.contracts import Contract
from mockmoov.oauth.errors import OAuthError
from mockmoov.oauth.grants import GRANTS
from mockmoov.oauth.messages import HttpRequest, HttpResponse, Note, TokenResponse
from mockmoov.oauth.records import ApiKey, Exchange, TokenFormat
from mockmoov.oauth.requests import Parameters
from mockmoov.oauth.responses import REASON_HEADER
from mockmoov.simulation.faults import Fault, RequestFacts
from mockmoov.simulation.redaction import redact_headers, redact_method, redact_parameters, short_hash
from mockmoov.storage.simulation import ClaimedClient


class RequestContext:
    """One request on its way. `endpoint` names what it is for, None for what there is not.

    `contract` is None if the request asks for none that there is; `path_parameters` are raw, `redacted_path`
    is what may be told of the path; `api_key` the one that is claimed, if it exists; `now` the time on its
    clock; `request_id` the one that another server was told, if it was.
    """

    __slots__ = (
        "api_key", "contract", "endpoint", "fault", "grant_type", "issued", "methods", "now", "parameters",
        "path_parameters", "redacted_path", "request", "request_id",
    )  # fmt: skip

    def __init__(
        self,
        request: HttpRequest,
        *,
        methods: "Mapping[str, Route]",
        endpoint: str | None,
        path_parameters: Mapping[str, str],
        redacted_path: str,
        contract: Contract | None,
        parameters: Parameters,
        condition: ClaimedClient,
    ) -> None:
        self.request = request
        self.methods = methods
        self.endpoint = endpoint
        self.path_parameters = path_parameters
        self.redacted_path = redacted_path
        self.contract = contract
        self.parameters = parameters
        self.api_key: ApiKey | None = condition.api_key
        self.now = condition.now
        self.fault: Fault | None = None
        self.grant_type = next(
            (name for name in GRANTS if name == parameters.by_name.get("grant_type")), None
        )
        self.issued: TokenResponse | None = None
        self.request_id: str | None = None

    @property
    def client_id(self) -> str | None:
        """The client id that is claimed, if it exists."""
        return self.api_key.client_id if self.api_key else None

    def facts(self) -> RequestFacts:
        """What planned faults look at."""
        return RequestFacts(
            endpoint=self.endpoint,
            method=self.request.method,
            path=self.request.path,
            headers=self.request.headers,
            parameters=self.parameters.by_name,
        )

    def note(self) -> Note:
        """What the log says beside the request line."""
        return Note(client_id=self.client_id or "-", grant_type=self.grant_type or "-")

    def exchange(self, response: HttpResponse, contract: Contract) -> Exchange:
        """What the journal says."""
        key = self.api_key
        client_id, secret = (key.client_id, key.client_secret) if key else (None, None)
        return Exchange(
            at=self.now,
            client_id=client_id,
            endpoint=self.endpoint,
            method=redact_method(self.request.method),
            path=self.redacted_path,
            contract=contract.name,
            grant_type=self.grant_type,
            status=response.status or None,
            reason=dict(response.headers).get(REASON_HEADER),
            fault=self.fault.id if self.fault else None,
            headers=redact_headers(self.request.headers, secret),
            parameters=redact_parameters(self.parameters.by_name, client_id),
            issued=_names(self.issued) if self.issued else {},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What answers a method on a path, and how the one exception looks there; `name` is for people."""

    name: str
    answer: Callable[[RequestContext, Contract], HttpResponse]
    refuse: Callable[[Contract, OAuthError], HttpResponse]
    reads_body: bool


def _names(issued: TokenResponse) -> dict[str, str]:
    name = _NAMES[issued.token_format]
    return {"access_token": name(issued), "refresh_token": short_hash(issued.refresh_token)}


_NAMES: Mapping[TokenFormat, Callable[[TokenResponse], str]] = {
    "jwt": lambda issued: issued.jti,
    "opaque": lambda issued: short_hash(issued.access_token),
}
