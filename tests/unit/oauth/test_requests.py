"""Reading requests: bytes to parameters to messages, the same from a form, from JSON and from the query."""

import base64
import json
import string
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.hints import _ODDITIES
from mockmoov.oauth.messages import (
    ClientCredentials,
    FrozenHeaders,
    HttpRequest,
    RevocationRequest,
    TokenRequest,
)
from mockmoov.oauth.requests import (
    NO_PARAMETERS,
    Parameters,
    bearer_token,
    claimed_client_ids,
    has_json_body,
    parse_authorization,
    parse_basic,
    parse_revocation_request,
    parse_token_request,
    read_message,
    read_parameters,
)

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
PARAMETERS = {
    "grant_type": "client_credentials",
    "client_id": "5clTR_MdVrrkgxw2",
    "client_secret": "dNC-hg7sVm22jc3g_Eogtyu0_1Mqh_4-",
    "scope": "/accounts.write /ping.read",
    "refresh_token": "i1qxz68gu50zp4i8ceyxqogmq7y0yienm52351c6...",
    "client_type": "device",
}
MESSAGE = TokenRequest(
    credentials=ClientCredentials(
        client_ids=(PARAMETERS["client_id"],),
        client_secrets=(PARAMETERS["client_secret"],),
        parameter="client_secret",
    ),
    grant_type="client_credentials",
    scope="/accounts.write /ping.read",
    refresh_token=PARAMETERS["refresh_token"],
    client_type="device",
)
NOTHING = TokenRequest(credentials=None, grant_type=None, scope=None, refresh_token=None, client_type="web")

VSCHAR = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)  # RFC 6749 A.1, A.2
CLIENT_IDS = VSCHAR.filter(lambda text: ":" not in text)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
GRANT_NAMES = st.text(string.ascii_letters + string.digits + "-._~:/?#[]@!$&'()*+,;=%", min_size=1)
MESSAGES = st.fixed_dictionaries(
    {},
    optional={
        "grant_type": GRANT_NAMES,
        "client_id": VSCHAR,
        "client_secret": VSCHAR,
        "scope": ANY_TEXT,
        "refresh_token": ANY_TEXT,
        "client_type": st.sampled_from(["web", "device", "service", "w", "d", "s"]),
    },
)
Value = str | tuple[str, ...]  # of a header


def read_token_request(message: HttpRequest) -> TokenRequest:
    return parse_token_request(message.headers, read_parameters(message))


def read_revocation_request(message: HttpRequest) -> RevocationRequest:
    return parse_revocation_request(message.headers, read_parameters(message))


def request(
    body: bytes | str = b"", content_type: Value | None = FORM, query: str = "", **headers: Value
) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content_type is not None:
        named = {"content-type": content_type, **named}
    return HttpRequest(
        method="POST",
        path="/oauth2/token",
        headers={name: (value,) if isinstance(value, str) else value for name, value in named.items()},
        body=body if isinstance(body, bytes) else body.encode(),
        query=query.encode(),
    )


def form(parameters: Mapping[str, str] = PARAMETERS, content_type: str | None = FORM) -> HttpRequest:
    return request(urlencode(parameters), content_type)


def as_json(document: object, content_type: str | None = JSON) -> HttpRequest:
    return request(json.dumps(document), content_type)


def basic(client_id: str, client_secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()


def parsed_basic(client_id: str, client_secret: str) -> ClientCredentials:
    return parse_basic(basic(client_id, client_secret).removeprefix("Basic "))


def error_of(act: Callable[[], object], code: str = "invalid_request") -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        act()
    assert (caught.value.code, caught.value.parameter) == (code, None)
    return caught.value


def reason(message: HttpRequest, code: str = "invalid_request") -> str:
    """Why a token request is rejected."""
    return error_of(lambda: read_token_request(message), code).reason


# --- one message, however it is sent ----------------------------------------------------------------


def test_every_way_to_send_a_request_gives_one_message() -> None:
    messages = [
        form(),
        form(content_type="application/x-www-form-urlencoded; charset=utf-8"),
        form(content_type="Application/X-WWW-Form-URLencoded ;charset=utf-8"),
        as_json(PARAMETERS),
        as_json(PARAMETERS, "application/json; charset=utf-8"),
        as_json(PARAMETERS, " APPLICATION/JSON"),
        as_json(PARAMETERS, FORM),
        as_json(PARAMETERS, f"{FORM}; charset=utf-8"),
        as_json(PARAMETERS, None),
        request(" \t\r\n" + json.dumps(PARAMETERS), None),
        request(" \t\r\n" + json.dumps(PARAMETERS), FORM),
        request("&" + urlencode(PARAMETERS) + "&&"),
        as_json({**PARAMETERS, "unknown": [1, {"a": 1.5}], "other": None}),
        request(urlencode({**PARAMETERS, "unknown": "\x00é", "other": ""})),
        request(urlencode(PARAMETERS), query="grant_type=ignored&grant_type=twice&a=%zz"),
        request(urlencode(PARAMETERS), transfer_encoding="Chunked"),
    ]
    assert [(message, got) for message in messages if (got := read_token_request(message)) != MESSAGE] == []


@given(MESSAGES)
@example(PARAMETERS)
def test_form_json_and_query_give_the_same_message(parameters: dict[str, str]) -> None:
    message = read_token_request(as_json(parameters))
    assert read_token_request(form(parameters)) == message
    assert read_token_request(request(urlencode(parameters, quote_via=quote))) == message
    sent = {name: parameters.get(name) for name in ("scope", "refresh_token", "grant_type")}
    assert {name: getattr(message, name) for name in sent} == sent
    in_query = {name: value for name, value in parameters.items() if name != "client_secret"}
    message = read_token_request(request(query=urlencode(in_query), content_type=None))
    assert message == read_token_request(form(in_query))
    for good in (form(parameters), as_json(parameters)):
        assert read_parameters(good) == Parameters(by_name=parameters)


def test_value_may_contain_an_equals_sign() -> None:
    assert read_token_request(request("refresh_token=a==&scope=b=c")).refresh_token == "a=="
    assert read_token_request(request(query="scope=b=c", content_type=None)).scope == "b=c"


def test_request_may_have_no_known_parameters() -> None:
    assert read_parameters(request(content_type=None)) == NO_PARAMETERS
    empty = [request(content_type=None), request("", JSON), as_json({})]
    for message in (*empty, as_json({"token": 1, "token_type_hint": []})):
        assert read_token_request(message) == NOTHING
    nothing = RevocationRequest(credentials=None, token=None, token_type_hint=None)
    for message in (*empty, as_json({"grant_type": 1, "client_type": "x"})):
        assert read_revocation_request(message) == nothing


def test_empty_value_counts_as_absent() -> None:
    for name in PARAMETERS:
        absent = {key: value for key, value in PARAMETERS.items() if key != name}
        message = read_token_request(form(absent))
        assert message != MESSAGE
        sent = [
            form({**PARAMETERS, name: ""}),
            as_json({**PARAMETERS, name: ""}),
            as_json({**PARAMETERS, name: None}),
            request(urlencode(absent) + f"&{name}"),
        ]
        assert [read_token_request(each) for each in sent] == [message] * 4


# --- rejected bodies --------------------------------------------------------------------------------

REPEATED = "a parameter is repeated: send each one once"


@given(st.sampled_from([*PARAMETERS, "unknown"]), st.text(max_size=3))
@example("unknown", "")
@example("scope", "a")
def test_repeated_parameter_is_rejected_whatever_its_name(name: str, value: str) -> None:
    parameters = {**PARAMETERS, name: "web"}
    repeated = urlencode([*parameters.items(), (name, value)])
    escaped = repeated.replace(f"&{name}=", f"&%{ord(name[0]):x}{name[1:]}=")
    document = f"{json.dumps(parameters)[:-1]}, {json.dumps(name)}: {json.dumps(value)}}}"
    assert {reason(request(repeated)), reason(request(escaped)), reason(request(document, JSON))} == {
        REPEATED
    }
    if name != "client_secret":
        assert reason(request(query=f"{name}=a&{name}=b", content_type=None)) == REPEATED


def test_json_value_must_be_a_string_or_null() -> None:
    values: list[object] = [0, 1, 1.5, True, False, [], ["a"], {}, {"a": "b"}]
    for name, value in product(PARAMETERS, values):
        is_list_of_scopes = name == "scope" and isinstance(value, list)
        join = ": join its items with spaces" if is_list_of_scopes else ""
        assert reason(as_json({**PARAMETERS, name: value})) == f"{name} must be a string{join}"


NOT_JSON: list[bytes | str] = [
    " ", "nothing", "grant_type=client_credentials", '{"grant_type": "client_credentials"',
    "{'grant_type': 'client_credentials'}", '{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}',
    '{"a": 1} {}', '\ufeff{"a": 1}', b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b"\xff\xfe{\x00}\x00",
    "[" * 100_000, '{"a":' * 100_000, '{"scope": ' + "[" * 100_000 + "]" * 100_000 + "}",
]  # fmt: skip
NOT_OBJECTS = ["[]", '["a"]', '"text"', "1", "null", "true", "1e999", '[{"grant_type": "a"}]']
BAD_ESCAPES = ["%", "%4", "%zz", "%4g", "%g4", "%%20", "% 1", "%+4"]
FIELDS = [f"grant_type=a&{field}" for bad in BAD_ESCAPES for field in (f"unkn{bad}=a", f"scope={bad}")]
OTHER_TYPES = ["text/plain", "multipart/form-data; boundary=x", "json", "application/jsonp"]
SECRETS = ["client_secret=x", "a=b&client%5Fsecret", "client_secret", "%63lient_secret="]
UNREADABLE: dict[str, list[HttpRequest]] = {
    "the body is not JSON": [request(body, JSON) for body in NOT_JSON],
    "the JSON body is not an object": [request(body, JSON) for body in NOT_OBJECTS],
    "the form contains an invalid percent escape: encode % as %25": [
        message for field in FIELDS for message in (request(field), request(query=field))
    ],
    "client_secret was sent in the query string: use HTTP Basic or the body": [
        request(body, query=query) for query, body in product(SECRETS, [urlencode(PARAMETERS), ""])
    ],
    "Content-Type must be application/json or application/x-www-form-urlencoded": [
        *map(form, [PARAMETERS] * 4, OTHER_TYPES),
        *map(as_json, [PARAMETERS] * 4, OTHER_TYPES),
        *(form(content_type=None), form(content_type=""), request("[]", None), request("\x0c{}", None)),
    ],
    "more than one Content-Type header was sent": [request("a=b", (FORM, FORM))],
    "Content-Encoding is not supported: send the body uncompressed": [
        request(body, content_encoding=coding) for body in ("", "a=b") for coding in ("gzip", "identity", "")
    ],
    "Transfer-Encoding must be chunked": [request("a=b", transfer_encoding="gzip, chunked")],
}


def test_unreadable_request_has_a_reason_and_no_parameters() -> None:
    wrong = []
    for expected, messages in UNREADABLE.items():
        for message in messages:
            found = read_parameters(message)
            reasons = {str(found.error), reason(message)}
            if found.by_name or len(reasons) > 1 or not reasons.pop().startswith(expected):
                wrong.append((expected, message, found))
    assert wrong == []


def test_huge_number_under_an_unknown_name_is_ignored() -> None:
    for number in ("9" * 100_000, "-" + "9" * 5000, "1e" + "9" * 5000, "0." + "9" * 5000):
        body = json.dumps(PARAMETERS)[:-1] + f', "unknown": {number}}}'
        assert read_token_request(request(body, JSON)) == MESSAGE


# --- values -----------------------------------------------------------------------------------------


def test_appendix_a_decides_which_characters_are_allowed() -> None:
    for name in ("client_id", "client_secret", "grant_type"):
        expected = f"{name} contains a character that it cannot have (RFC 6749 Appendix A)"
        for odd in ("\x00", "\x1f", "\n", "\x7f", "é", "\U0001f600"):
            for parameters in ({**PARAMETERS, name: text} for text in (odd, f"web{odd}", f"{odd}web")):
                odd_values = {f"{name} {odd_value}" for odd_value in _ODDITIES.values()}
                assert {reason(form(parameters)), reason(as_json(parameters))} <= {expected, *odd_values}
        undecodable = [
            request(f'{{"{name}": "\\ud800"}}', JSON),
            request(f"{name}=%ff"),
            request(f"{name}=".encode() + b"\xff"),
        ]
        assert [reason(message) for message in undecodable] == [expected] * 3
    for odd in ' "\\<>^`{|}':
        assert reason(form({"grant_type": f"a{odd}b"})) == expected


def test_odd_scopes_and_tokens_are_left_to_later_checks() -> None:
    for name in ("scope", "refresh_token"):
        assert getattr(read_token_request(request(f'{{"{name}": "\\ud800"}}', JSON)), name) == "\ud800"
        assert getattr(read_token_request(request(f"{name}=%FF+%C3%A9\xe9")), name) == "\udcff \xe9\xe9"


def test_client_type_has_a_short_and_a_long_name() -> None:
    for name in ("web", "device", "service"):
        for text in (name, name[0]):
            assert read_token_request(form({"client_type": text})).client_type == name
    for text in ("webs", "x", "mobile", "WEB"):
        assert reason(form({"client_type": text})) == "client_type must be web, device or service"


# --- Authorization ----------------------------------------------------------------------------------


def test_authorization_is_a_scheme_in_any_case_and_the_rest() -> None:
    values = {
        "Basic abc": ("basic", "abc"),
        "bAsIc abc": ("basic", "abc"),
        "  bEARER \t a b \t": ("bearer", "a b"),
        "Bearer": ("bearer", ""),
        "BearerX abc": ("bearerx", "abc"),
        "\xa0Basic a\xa0": ("\xa0basic", "a\xa0"),
        "": ("", ""),
        " \t": ("", ""),
    }
    for value, (scheme, rest) in values.items():
        assert parse_authorization({"authorization": (value,)}) == (scheme, rest)
        assert bearer_token({"authorization": (value,)}) == (rest if scheme == "bearer" else None)
    assert (parse_authorization({}), bearer_token({})) == (("", ""), None)


def test_two_authorization_headers_are_rejected() -> None:
    twice = request("grant_type=a", authorization=("Bearer abc", "Bearer abc"))
    expected = "more than one Authorization header was sent"
    assert error_of(lambda: parse_authorization(twice.headers)).reason == reason(twice) == expected
    assert bearer_token(twice.headers) is None


@given(CLIENT_IDS, VSCHAR, st.sampled_from([quote, quote_plus]))
@example("a%5Fb", "c+d", quote)
@example("a", "b:c", quote)
def test_basic_credentials_are_read_raw_and_percent_decoded(
    client_id: str, client_secret: str, encode: Callable[..., str]
) -> None:
    ids, secrets = (dict.fromkeys((text, unquote_plus(text))) for text in (client_id, client_secret))
    raw = ClientCredentials(client_ids=tuple(ids), client_secrets=tuple(secrets))
    assert parsed_basic(client_id, client_secret) == raw
    encoded = parsed_basic(encode(f":{client_id}", safe=""), encode(client_secret, safe=""))
    assert f":{client_id}" in encoded.client_ids
    assert client_secret in encoded.client_secrets


def test_basic_must_be_base64_with_a_colon() -> None:
    for encoded in ("", "YQ==", base64.b64encode(b"%3A").decode()):
        error = error_of(lambda: parse_basic(encoded), "invalid_client")  # noqa: B023
        assert error.reason == "the Basic credentials have no colon: encode client_id:client_secret"
    for encoded in ("YTpi!", "YTpiOmM", "YTpi YTpi", "é", "/zph", "a:b", "YTpiOmM=x"):
        error = error_of(lambda: parse_basic(encoded), "invalid_client")  # noqa: B023
        assert error.reason.startswith("the Basic credentials are not base64-encoded UTF-8 text")
        assert error.__suppress_context__
        with_body = request(urlencode(PARAMETERS), authorization=f"Basic {encoded}")
        assert reason(with_body, "invalid_client") == error.reason


@given(CLIENT_IDS, VSCHAR, st.sets(st.sampled_from(["client_id", "client_secret"])))
@example("a%5Fb", "c", {"client_id", "client_secret"})
def test_basic_and_body_may_agree(client_id: str, client_secret: str, names: set[str]) -> None:
    both = {"client_id": client_id, "client_secret": client_secret}
    body = urlencode({name: both[name] for name in names})
    for encode in (str, quote):
        sent = encode(client_id), encode(client_secret)
        message = read_token_request(request(body, authorization=basic(*sent)))
        assert message.credentials == parsed_basic(*sent)


def test_basic_and_body_that_differ_are_rejected() -> None:
    for name, value in product(("client_id", "client_secret"), ("x", "s3cr3t ", "S3CR3T")):
        message = request(urlencode({name: value}), authorization=basic("s3cr3t", "s3cr3t"))
        assert reason(message) == (
            f"{name} differs between the body and the Authorization header, "
            "which a client may have added from ~/.netrc"
        )


def test_other_schemes_are_ignored() -> None:
    for value in ("", "Bearer abc", "Digest a=b", "Bearer"):
        assert read_token_request(request(urlencode(PARAMETERS), authorization=value)) == MESSAGE
        assert read_token_request(request("", authorization=value)).credentials is None


def test_half_of_the_credentials_is_read_as_sent() -> None:
    def credentials(**sent: str) -> tuple[object, ...]:
        found = read_token_request(form(sent)).credentials
        assert found is not None
        return found.client_ids, found.client_secrets, found.parameter

    assert credentials(client_id="a") == (("a",), (), "client_secret")
    assert credentials(client_secret="b") == ((), ("b",), "client_secret")
    assert credentials(client_id="%41") == (("%41",), (), "client_secret")


def test_revocation_request_follows_the_same_body_rules() -> None:
    parameters = {"token": "t", "token_type_hint": "access_token", "client_id": "a", "client_secret": "b"}
    in_body = ClientCredentials(client_ids=("a",), client_secrets=("b",), parameter="client_secret")
    expected = RevocationRequest(credentials=in_body, token="t", token_type_hint="access_token")
    for message in (form(parameters), *(as_json(parameters, kind) for kind in (JSON, FORM, None))):
        assert read_revocation_request(message) == expected
    for body in ("token=a&token=b", "token=%zz", "client_id=%00"):
        error_of(lambda: read_revocation_request(request(body)))  # noqa: B023
    with_basic = read_revocation_request(
        request("token=%ff%00&token_type_hint=%ff", authorization=basic("a", "b"))
    )
    assert with_basic == RevocationRequest(
        credentials=ClientCredentials(client_ids=("a",), client_secrets=("b",)),
        token="\udcff\x00",  # left to later checks
        token_type_hint="\udcff",
    )


# --- parameters of rejected requests ----------------------------------------------------------------

NAMED_VALUES = st.dictionaries(st.text("abcdef_", min_size=1), ANY_TEXT, max_size=5)


@given(before=NAMED_VALUES, after=st.binary(max_size=10))
def test_parameters_before_a_repeat_are_kept(before: dict[str, str], after: bytes) -> None:
    kept = {**before, "name": "first"}
    as_form = urlencode(kept).encode() + b"&name=again&" + after.replace(b"%", b"")
    document = json.dumps(kept)[:-1] + ', "name": "again", "later": "x"}'
    for message in (request(as_form), request(document, JSON)):
        found = read_parameters(message)
        assert found.by_name == kept
        assert found.error is not None
        assert found.error.reason == REPEATED


def test_error_of_the_parameters_is_raised_first() -> None:
    error = OAuthError(ErrorCode.INVALID_REQUEST, "because")
    parameters = Parameters(by_name={"client_id": 1}, error=error)
    twice = {"authorization": ("Basic !", "Basic !")}
    for parse in (parse_token_request, parse_revocation_request):
        assert error_of(lambda: parse(twice, parameters)) is error  # noqa: B023


# --- who a request claims to be from ----------------------------------------------------------------


def claimed(message: HttpRequest) -> tuple[str, ...]:
    return claimed_client_ids(message.headers, read_parameters(message))


@given(CLIENT_IDS, VSCHAR, st.sampled_from([str, quote, quote_plus]))
@example("a b", "c", quote_plus)
def test_basic_claims_its_client_id_in_both_readings(
    client_id: str, client_secret: str, encode: Callable[[str], str]
) -> None:
    authorization = basic(encode(client_id), client_secret)
    for body in ("", "client_id=another", "client_id=another&client_id=more"):
        names = claimed(request(body, authorization=authorization))
        assert names == parsed_basic(encode(client_id), client_secret).client_ids
        assert client_id in names


@given(VSCHAR)
def test_parameters_claim_a_client_id_without_basic(client_id: str) -> None:
    encoded = urlencode({"client_id": client_id})
    for message in (
        request(encoded),
        as_json({"client_id": client_id}),
        request(query=encoded, content_type=None),
        request(encoded, authorization="Bearer x"),
        request(encoded, authorization="Basic !"),
        request(encoded, authorization=(basic("a", "b"),) * 2),
        request(f"{encoded}&client_id=other"),
    ):
        assert claimed(message) == (client_id,)


def test_request_may_claim_no_client() -> None:
    for value in (None, 1, True, ("a",), ()):
        assert claimed_client_ids({}, Parameters(by_name={"client_id": value})) == ()
    for message in (
        request(content_type=None),
        form({"client_secret": "x", "scope": "y"}),
        request(authorization=(basic("a", "b"),) * 2),
    ):
        assert claimed(message) == ()


SNIPPETS = [*rb'grant_type client_secret = & % %ff { } " : , \ud800'.split(), b"\xff"]
BYTES = st.binary(max_size=50) | st.lists(st.sampled_from(SNIPPETS), max_size=12).map(b"".join)
HEADER_VALUES = st.sampled_from([FORM, JSON, "Basic a:b", "Basic YTpi"]) | st.text(max_size=9)
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "authorization", "content-encoding", "other"]),
    st.lists(HEADER_VALUES, min_size=1, max_size=2).map(tuple),
    max_size=2,
)


@given(BYTES, BYTES, HEADERS)
def test_any_bytes_are_parsed_or_rejected(body: bytes, query: bytes, headers: dict[str, Any]) -> None:
    message = HttpRequest(method="POST", path="/", query=query, headers=headers, body=body)
    codes = set()
    for parse in (read_token_request, read_revocation_request):
        try:
            parse(message)
        except OAuthError as error:
            codes.add(error.code.value)
    assert codes <= {"invalid_request", "invalid_client"}
    assert all(isinstance(name, str) for name in claimed(message))
    assert isinstance(bearer_token(headers), str | None)


# --- JSON bodies of operations ------------------------------------------------------------------------


def test_body_is_json_by_its_type_and_declared_length() -> None:
    for content_type, is_json in {
        JSON: True, f" {JSON.upper()} ; charset=utf-8": True, "application/merge-patch+json": True,
        "application/x+json;a": True, "text/json": False, "application/json2": False, FORM: False, "": False,
    }.items():  # fmt: skip
        assert has_json_body({"content-type": (content_type, "x"), "content-length": ("5",)}, 5) == is_json
    for headers, is_read in (
        ({}, False),
        ({"content-length": ("0",)}, False),
        ({"content-length": ("1", "9")}, True),
        ({"content-length": ("10",)}, True),
        ({"content-length": ("11",)}, False),
        ({"content-length": ("9" * 5000,)}, False),
        ({"content-length": ("-1",)}, False),
        ({"content-length": ("",)}, False),
        ({"transfer-encoding": ("chunked",)}, True),
        ({"transfer-encoding": ("chunked",), "content-length": ("11",)}, True),
    ):
        assert has_json_body({"content-type": (JSON,), **headers}, 10) == is_read, headers
    assert not has_json_body({"content-length": ("5",)}, 10)


# --- whole messages ---------------------------------------------------------------------------------


def frozen(message: HttpRequest) -> HttpRequest:
    return replace(message, headers=FrozenHeaders(message.headers))


def test_message_has_what_its_parts_say() -> None:
    sent = request(urlencode({**PARAMETERS, "client_id": "5c"}), authorization=basic("the id+", "the secret"))
    for whole in (sent, frozen(sent)):
        message = read_message(parse_token_request, whole)
        assert message.parameters.by_name == read_parameters(sent).by_name
        assert isinstance(message.parsed, OAuthError)  # the two client ids differ
        assert message.parsed.__traceback__ is None
        assert message.client_ids == ("the id+", "the id ")
    good = read_message(parse_token_request, frozen(form()))
    assert good.parsed == read_token_request(form())
    in_body = read_message(parse_token_request, form({"client_id": "in the body"}))
    assert in_body.client_ids == ("in the body",)


def test_small_messages_are_read_once_and_others_each_time() -> None:
    def is_known(message: HttpRequest) -> bool:
        again = replace(message, body=bytes(bytearray(message.body)))
        found = read_message(parse_token_request, message)
        return found is read_message(parse_token_request, again)

    rows = [
        (frozen(request(b"scope=a")), True),
        (request(b"scope=a"), False),
        (frozen(request(b"a" * 2048)), True),
        (frozen(request(b"a" * 2049)), False),
        (frozen(request(b"a" * 1024, query="b" * 1024)), True),
        (frozen(request(b"a" * 1024, query="b" * 1025)), False),
        (frozen(request(b"a", query="b" * 3000)), False),
    ]
    assert [is_known(message) for message, _ in rows] == [known for _, known in rows]
