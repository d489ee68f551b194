"""Checks of `GET /applications` and of new API keys for an application, which moov-go uses."""

import json
import re
from collections.abc import Mapping
from uuid import uuid4

from mockmoov.verify.check import CheckFailed, check
from mockmoov.verify.probe import JSON, Probe
from mockmoov.verify.response import Response, expect
from mockmoov.verify.target import PING_SCOPE, Key

_PATH = "/applications"
_APPLICATION = {
    *("applicationID", "accountID", "name", "description", "allowedScopes"),
    *("createdOn", "updatedOn", "disabledOn"),
}
_NEW_KEY = {
    *("applicationKeyID", "applicationID", "accountID", "name", "description", "origins"),
    *("clientId", "clientSecret", "createdOn", "updatedOn", "lastUsed", "disabledOn"),
}
_ORIGIN = "https://new-key.example"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")  # RFC 3339 §5.6
_INVALID = (
    *(("name", body) for body in ("", "{", "[]", "{}", '{"name": ""}', '{"name": 7}')),
    ("description", '{"name": "a", "description": 7}'),
    *(("origins", f'{{"name": "a", "origins": {origins}}}') for origins in ("7", '["not an origin"]')),
)
"""Members at fault, and bodies."""


@check("application.listed", "sdk", needs=("control plane",))
def application_listed(probe: Probe) -> None:
    """GET /applications with Basic lists the application of the API key."""
    client = probe.with_new_key(scopes=[PING_SCOPE])
    application = _application(client)
    expect(application.keys() == _APPLICATION, "the members of an application", ", ".join(application))
    _expect_members(application, accountID=client.key.account_id, allowedScopes=[PING_SCOPE], disabledOn=None)
    _expect_times(application)


@check("application.of-token", "live, sdk", needs=("control plane",))
def application_of_token(probe: Probe) -> None:
    """The listed applicationID is the claim aid of the key's tokens."""
    client = probe.with_new_key()
    _expect_members(_application(client), applicationID=client.mint().claims().get("aid"))


@check("application.basic-only", "choice", needs=("control plane",))
def application_basic_only(probe: Probe) -> None:
    """A token gets 403 at /applications, and a request without credentials 401; both with no body."""
    client = probe.with_new_key()
    keys = f"{_PATH}/{_application(client)['applicationID']}/keys"
    access = client.mint(scope=PING_SCOPE).access
    for token, status in ((access, 403), (None, 401)):
        client.call(_PATH, token).expect_empty(status)
        client.call(keys, token, method="POST").expect_empty(status)


@check("application.new-key", "sdk", needs=("control plane",))
def application_new_key(probe: Probe) -> None:
    """A new API key has the application and the account of its creator, and what the request says."""
    client = probe.with_new_key()
    application_id = _application(client)["applicationID"]
    sent = {"name": "A key", "description": "For tests", "origins": [_ORIGIN]}
    response = _post_key(client, application_id, json.dumps(sent)).expect_status(200).expect_json()
    members = response.json_object()
    expect(members.keys() == _NEW_KEY, "the members of a new key", ", ".join(members))
    _expect_members(members, **sent, lastUsed=None, disabledOn=None)
    _expect_members(members, applicationID=application_id, accountID=client.key.account_id)
    _expect_times(members)
    for name in ("applicationKeyID", "clientId", "clientSecret"):
        response.token(name)


@check("application.new-key-works", "sdk", needs=("control plane",))
def application_new_key_works(probe: Probe) -> None:
    """A new API key gets tokens for its application and from its origins, and its creator still does."""
    client = probe.with_new_key()
    application_id = _application(client)["applicationID"]
    response = _post_key(client, application_id, json.dumps({"name": "A key", "origins": [_ORIGIN]}))
    response.expect_status(200)
    client_id, client_secret = response.token("clientId"), response.token("clientSecret")
    new = client.with_key(Key(client_id=client_id, client_secret=client_secret, is_temporary=True))
    pair = new.mint(scope=PING_SCOPE)
    new.ping(pair.access, ("Origin", _ORIGIN)).expect_empty(200)
    _expect_members(_application(new), applicationID=application_id, accountID=client.key.account_id)
    client.post_token().expect_status(200)


@check("application.invalid-key", "choice", needs=("control plane",))
def application_invalid_key(probe: Probe) -> None:
    """A new API key with an invalid member gets 422 with one member, the one at fault, and a text."""
    client = probe.with_new_key()
    application_id = _application(client)["applicationID"]
    for name, body in _INVALID:
        members = _post_key(client, application_id, body).expect_status(422).expect_json().json_object()
        expect(list(members) == [name], f"the member {name}", ", ".join(members))
        expect(isinstance(members[name], str), "a text", members[name])


@check("application.another", "choice", needs=("control plane",))
def application_another(probe: Probe) -> None:
    """A new API key for an application of somebody else gets 404 with no body."""
    client, other = probe.with_new_key(), probe.with_new_key()
    for application_id in (_application(other)["applicationID"], uuid4()):
        _post_key(client, application_id, json.dumps({"name": "A key"})).expect_empty(404)


def _application(client: Probe) -> dict[str, object]:
    """The only application that is listed for the key."""
    response = client.call(_PATH, None, client.basic()).expect_status(200).expect_json()
    found = response.json_objects()
    expect(len(found) == 1, "one application", len(found))
    expect(isinstance(found[0].get("applicationID"), str), "an applicationID", response)
    return found[0]


def _post_key(client: Probe, application_id: object, body: str) -> Response:
    """Request a new API key. One that is created is deleted at the end, like the other temporary keys."""
    headers = [client.basic(), ("Content-Type", JSON)]
    response = client.request("POST", f"{_PATH}/{application_id}/keys", headers=headers, body=body.encode())
    try:
        members = response.json_object()
    except CheckFailed:
        return response
    client_id, client_secret = members.get("clientId"), members.get("clientSecret")
    if isinstance(client_id, str) and isinstance(client_secret, str):
        client.control_plane.add_key(client_id, client_secret, client.key.account_id)
    return response


def _expect_members(document: Mapping[str, object], **expected: object) -> None:
    for name, value in expected.items():
        expect(document.get(name) == value, f"{name} to be {value}", document.get(name))


def _expect_times(document: Mapping[str, object]) -> None:
    """Both times are in RFC 3339."""
    for name in ("createdOn", "updatedOn"):
        found = str(document[name])
        expect(_TIME.fullmatch(found) is not None, f"{name} to be a time in RFC 3339", found)
