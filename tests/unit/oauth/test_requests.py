"""Parsing: from bytes to messages, whatever the bytes; one message for a form, JSON and the query string."""

import base64
import json
import string
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockmoov.oauth.errors import ErrorCode, OAuthError
from mockmoov.oauth.messages import ClientCredentials, HttpRequest, RevocationRequest, TokenRequest
from mockmoov.oauth.requests import (
    NO_PARAMETERS,
    Parameters,
    bearer_token,
    claimed_client_ids,
    parse_authorization,
    parse_basic,
    parse_revocation_request,
    parse_token_request,
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
Headers = Mapping[str, tuple[str, ...]]


def read_token_request(message: HttpRequest) -> TokenRequest:
    return parse_token_request(message.headers, read_parameters(message))


def read_revocation_request(message: HttpRequest) -> RevocationRequest:
    return parse_revocation_request(message.headers, read_parameters(message))


def request(
    body: bytes | str = b"", content_type: str | None = FORM, query: bytes | str = b"", **headers: str
) -> HttpRequest:
    named = {name.replace("_", "-"): (value,) for name, value in headers.items()}
    return HttpRequest(
        method="POST",
        path="/oauth2/token",
        headers=named if content_type is None else {"content-type": (content_type,), **named},
        body=body if isinstance(body, bytes) else body.encode(),
        query=query if isinstance(query, bytes) else query.encode(),
    )


def form(parameters: Mapping[str, str] = PARAMETERS, content_type: str | None = FORM) -> HttpRequest:
    return request(urlencode(parameters), content_type)


def as_json(document: object, content_type: str | None = JSON) -> HttpRequest:
    return request(json.dumps(document), content_type)


def basic(client_id: str, client_secret: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()


def refusal(act: Callable[[], object], code: ErrorCode = ErrorCode.INVALID_REQUEST) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        act()
    assert (caught.value.code, caught.value.parameter) == (code, None)
    return caught.value


def refused(message: HttpRequest, code: ErrorCode = ErrorCode.INVALID_REQUEST) -> str:
    return refusal(lambda: read_token_request(message), code).reason


# --- the one message, however it comes --------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
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
    ],
)
def test_every_way_to_send_a_request_gives_the_same_message(message: HttpRequest) -> None:
    assert read_token_request(message) == MESSAGE


@given(MESSAGES)
def test_a_form_and_a_json_object_give_the_same_message(parameters: dict[str, str]) -> None:
    message = read_token_request(as_json(parameters))
    assert read_token_request(form(parameters)) == message
    assert read_token_request(request(urlencode(parameters, quote_via=quote))) == message
    assert message.scope == parameters.get("scope")
    assert message.refresh_token == parameters.get("refresh_token")
    assert message.grant_type == parameters.get("grant_type")


SECRET_IN_QUERY = "client_secret was sent in the query string: use HTTP Basic or the body"


@given(MESSAGES)
def test_without_a_body_the_query_string_is_read_but_no_secret_in_it(parameters: dict[str, str]) -> None:
    message = request(query=urlencode(parameters), content_type=None)
    if "client_secret" in parameters:
        assert refused(message) == SECRET_IN_QUERY
    else:
        assert read_token_request(message) == read_token_request(form(parameters))


@pytest.mark.parametrize(
    "query", ["client_secret=x", "a=b&client%5Fsecret", "client_secret", "%63lient_secret="]
)
def test_a_client_secret_in_the_query_string_is_refused_even_beside_a_body(query: str) -> None:
    assert refused(request(urlencode(PARAMETERS), query=query)) == SECRET_IN_QUERY


def test_a_value_may_have_an_equals_sign() -> None:
    assert read_token_request(request("refresh_token=a==&scope=b=c")).refresh_token == "a=="
    assert read_token_request(request(query="scope=b=c", content_type=None)).scope == "b=c"


def test_no_body_and_no_query_is_a_request_without_parameters() -> None:
    assert read_token_request(request(content_type=None)) == NOTHING
    assert read_token_request(as_json({})) == NOTHING


@given(st.sampled_from(sorted(PARAMETERS)))
def test_an_empty_value_counts_as_absent(name: str) -> None:
    absent = {key: value for key, value in PARAMETERS.items() if key != name}
    message = read_token_request(form(absent))
    assert read_token_request(form({**PARAMETERS, name: ""})) == message
    assert read_token_request(as_json({**PARAMETERS, name: ""})) == message
    assert read_token_request(as_json({**PARAMETERS, name: None})) == message
    assert read_token_request(request(urlencode(absent) + f"&{name}")) == message
    assert message != MESSAGE


# --- refused ----------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.sampled_from([*PARAMETERS, "unknown"]), st.text(max_size=3))
def test_a_repeated_parameter_is_refused_whatever_its_name(name: str, value: str) -> None:
    repeated = urlencode([*{**PARAMETERS, name: "web"}.items(), (name, value)])
    assert refused(request(repeated)) == "a parameter is repeated: send each one once"
    assert refused(request(repeated.replace(f"&{name}=", f"&%{ord(name[0]):x}{name[1:]}="))) != ""
    document = json.dumps({**PARAMETERS, name: "web"})[:-1] + f", {json.dumps(name)}: {json.dumps(value)}}}"
    assert refused(request(document, JSON)) == "a parameter is repeated: send each one once"
    assert refused(request(query=f"{name}=a&{name}=b", content_type=None)) != ""


@pytest.mark.parametrize("name", sorted(PARAMETERS))
@pytest.mark.parametrize("value", [0, 1, 1.5, True, False, [], ["a"], {}, {"a": "b"}])
def test_a_json_value_that_is_neither_text_nor_null_is_refused(name: str, value: object) -> None:
    assert refused(as_json({**PARAMETERS, name: value})) == f"{name} must be a string"


@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "nothing",
        '{"grant_type": "client_credentials"',
        "{'grant_type': 'client_credentials'}",
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": -Infinity}',
        '{"a": 1} {}',
        '\ufeff{"a": 1}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b"\xff\xfe{\x00}\x00",
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"scope": ' + "[" * 100_000 + "]" * 100_000 + "}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_json_body_that_cannot_be_read_is_refused(body: bytes | str) -> None:
    if body:
        assert refused(request(body, JSON)) == "the body is not JSON"
    else:
        assert read_token_request(request(body, JSON)) == NOTHING


@pytest.mark.parametrize(
    "body", ["[]", '["a"]', '"text"', "1", "null", "true", "1e999", '[{"grant_type": "a"}]']
)
def test_a_json_body_that_is_no_object_is_refused(body: str) -> None:
    assert refused(request(body, JSON)) == "the JSON body is not an object"


@pytest.mark.parametrize("number", ["9" * 100_000, "-" + "9" * 5000, "1e" + "9" * 5000, "0." + "9" * 5000])
def test_a_huge_number_under_an_unknown_name_is_ignored(number: str) -> None:
    body = json.dumps(PARAMETERS)[:-1] + f', "unknown": {number}}}'
    assert read_token_request(request(body, JSON)) == MESSAGE


WRONG_TYPE = "Content-Type must be application/json or application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "multipart/form-data; boundary=x", "json", "application/jsonp"]
)
def test_another_media_type_is_refused(content_type: str) -> None:
    for message in (form(content_type=content_type), as_json(PARAMETERS, content_type)):
        assert refused(message) == WRONG_TYPE


def test_a_body_without_a_media_type_is_refused_unless_it_is_a_json_object() -> None:
    assert refused(form(content_type=None)) == WRONG_TYPE
    assert refused(form(content_type="")) == WRONG_TYPE
    assert refused(request("[]", None)) == WRONG_TYPE


def test_a_form_labelled_json_is_refused() -> None:
    assert refused(form(content_type=JSON)) == "the body is not JSON"


def test_two_content_types_are_refused() -> None:
    message = HttpRequest(
        method="POST", path="/oauth2/token", headers={"content-type": (FORM, FORM)}, body=b"grant_type=a"
    )
    assert refused(message) == "more than one Content-Type header was sent"


@pytest.mark.parametrize("encoding", ["gzip", "identity", ""])
@pytest.mark.parametrize("body", ["", "grant_type=client_credentials"])
def test_any_content_encoding_is_refused(encoding: str, body: str) -> None:
    reason = "Content-Encoding is not supported: send the body uncompressed"
    assert refused(request(body, content_encoding=encoding)) == reason


@given(st.sampled_from(["%", "%4", "%zz", "%4g", "%g4", "%%20", "% 1", "%+4"]), st.booleans())
def test_a_bad_percent_escape_is_refused(escape: str, in_name: bool) -> None:
    field = f"unkn{escape}=a" if in_name else f"scope={escape}"
    assert refused(request(f"grant_type=a&{field}")) == "the form contains an invalid percent escape"
    assert refused(request(query=f"grant_type=a&{field}")) == "the form contains an invalid percent escape"


@pytest.mark.parametrize("name", ["client_id", "client_secret", "grant_type"])
@pytest.mark.parametrize("odd", ["\x00", "\x1f", "\n", "\x7f", "é", "\U0001f600"])
def test_characters_outside_appendix_a_are_refused(name: str, odd: str) -> None:
    for value in (odd, f"web{odd}", f"{odd}web"):
        expected = f"{name} contains characters that RFC 6749 Appendix A does not allow"
        assert refused(form({**PARAMETERS, name: value})) == expected
        assert refused(as_json({**PARAMETERS, name: value})) == expected


@pytest.mark.parametrize("odd", [" ", '"', "\\", "<", ">", "^", "`", "{", "|", "}"])
def test_a_grant_type_is_a_name_or_a_uri(odd: str) -> None:
    assert "grant_type contains characters" in refused(form({"grant_type": f"a{odd}b"}))


@pytest.mark.parametrize("name", ["client_id", "client_secret", "grant_type"])
def test_a_lone_surrogate_or_invalid_utf_8_in_a_credential_is_refused(name: str) -> None:
    assert "Appendix A" in refused(request(f'{{"{name}": "\\ud800"}}', JSON))
    assert "Appendix A" in refused(request(f"{name}=%ff"))
    assert "Appendix A" in refused(request(f"{name}=".encode() + b"\xff"))


@pytest.mark.parametrize("name", ["scope", "refresh_token"])
def test_odd_characters_in_scope_and_refresh_token_are_left_to_their_checks(name: str) -> None:
    assert getattr(read_token_request(request(f'{{"{name}": "\\ud800"}}', JSON)), name) == "\ud800"
    assert getattr(read_token_request(request(f"{name}=%FF+%C3%A9\xe9")), name) == "\udcff \xe9\xe9"


@pytest.mark.parametrize(
    ("text", "client_type"),
    [
        ("web", "web"),
        ("w", "web"),
        ("device", "device"),
        ("d", "device"),
        ("service", "service"),
        ("s", "service"),
    ],
)
def test_a_client_type_has_a_short_and_a_long_name(text: str, client_type: str) -> None:
    assert read_token_request(form({"client_type": text})).client_type == client_type


@pytest.mark.parametrize("text", ["webs", "x", "mobile"])
def test_another_client_type_is_refused(text: str) -> None:
    assert refused(form({"client_type": text})) == "client_type must be web, device or service"


def test_client_type_is_written_in_lower_case() -> None:
    refused(form({"client_type": "WEB"}))


# --- Authorization ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Basic abc", ("basic", "abc")),
        ("bAsIc abc", ("basic", "abc")),
        ("  Bearer \t a b \t", ("bearer", "a b")),
        ("Bearer", ("bearer", "")),
        ("X X", ("x", "X")),
        ("\xa0Basic a\xa0", ("\xa0basic", "a\xa0")),
        ("", ("", "")),
        (" \t", ("", "")),
    ],
)
def test_a_scheme_is_read_without_case(value: str, expected: tuple[str, str]) -> None:
    assert parse_authorization({"authorization": (value,)}) == expected


def test_no_authorization_header_is_an_empty_scheme() -> None:
    assert parse_authorization({}) == ("", "")


def test_two_authorization_headers_are_refused() -> None:
    headers = {"authorization": ("Basic abc", "Basic abc"), "content-type": (FORM,)}
    assert (
        refusal(lambda: parse_authorization(headers)).reason == "more than one Authorization header was sent"
    )
    message = HttpRequest(method="POST", path="/oauth2/token", headers=headers, body=b"grant_type=a")
    assert refused(message) == "more than one Authorization header was sent"


@given(VSCHAR.filter(lambda text: ":" not in text), VSCHAR)
def test_basic_credentials_are_taken_raw(client_id: str, client_secret: str) -> None:
    credentials = parse_basic(basic(client_id, client_secret).removeprefix("Basic "))
    assert (credentials.client_ids[0], credentials.client_secrets[0]) == (client_id, client_secret)
    assert credentials.parameter is None


@given(VSCHAR, VSCHAR, st.sampled_from([quote, quote_plus]))
def test_basic_credentials_are_taken_percent_encoded_too(
    client_id: str, client_secret: str, encode: Callable[..., str]
) -> None:
    encoded = basic(encode(client_id, safe=""), encode(client_secret, safe=""))
    credentials = parse_basic(encoded.removeprefix("Basic "))
    assert client_id in credentials.client_ids
    assert client_secret in credentials.client_secrets


def test_basic_credentials_with_nothing_to_decode_are_one_value_each() -> None:
    assert parse_basic("YTpiOmM=") == ClientCredentials(client_ids=("a",), client_secrets=("b:c",))
    assert parse_basic(base64.b64encode(b"a%5Fb:c+d").decode()) == ClientCredentials(
        client_ids=("a%5Fb", "a_b"), client_secrets=("c+d", "c d")
    )


@pytest.mark.parametrize("encoded", ["", "YQ==", base64.b64encode(b"%3A").decode()])
def test_basic_without_a_colon_is_invalid_client(encoded: str) -> None:
    error = refusal(lambda: parse_basic(encoded), ErrorCode.INVALID_CLIENT)
    assert error.reason == "the Basic credentials have no colon: encode client_id:client_secret"


@pytest.mark.parametrize(
    "encoded", ["YTpi!", "YTpiOmM", "YTpi YTpi", "é", "/zph", "a:b", "YTpiOmM=="[:-1] + "x"]
)
def test_basic_that_cannot_be_decoded_is_invalid_client_even_beside_good_body_credentials(
    encoded: str,
) -> None:
    error = refusal(lambda: parse_basic(encoded), ErrorCode.INVALID_CLIENT)
    assert error.reason == "the Basic credentials are not base64-encoded UTF-8 text"
    assert error.__suppress_context__
    refused(request(urlencode(PARAMETERS), authorization=f"Basic {encoded}"), ErrorCode.INVALID_CLIENT)


@given(
    VSCHAR.filter(lambda text: ":" not in text),
    VSCHAR,
    st.sets(st.sampled_from(["client_id", "client_secret"])),
)
def test_basic_and_body_may_both_be_sent_when_they_agree(
    client_id: str, client_secret: str, names: set[str]
) -> None:
    both = {"client_id": client_id, "client_secret": client_secret}
    body = urlencode({name: both[name] for name in names})
    message = read_token_request(request(body, authorization=basic(client_id, client_secret)))
    assert message.credentials == parse_basic(basic(client_id, client_secret).removeprefix("Basic "))


def test_percent_encoded_basic_agrees_with_the_plain_body() -> None:
    message = request(
        urlencode(PARAMETERS), authorization=basic("5clTR%5FMdVrrkgxw2", PARAMETERS["client_secret"])
    )
    assert read_token_request(message).credentials is not None


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", ["x", "s3cr3t ", "S3CR3T"])
def test_basic_and_body_that_differ_are_refused(name: str, value: str) -> None:
    message = request(urlencode({name: value}), authorization=basic("s3cr3t", "s3cr3t"))
    assert refused(message) == f"{name} differs between the body and the Authorization header"


@pytest.mark.parametrize("value", ["", "Bearer abc", "Digest a=b", "Bearer"])
def test_another_scheme_or_an_empty_one_is_ignored(value: str) -> None:
    with_body = request(urlencode(PARAMETERS), authorization=value)
    assert read_token_request(with_body) == MESSAGE
    assert read_token_request(request("", authorization=value)).credentials is None


@pytest.mark.parametrize(
    ("shown", "client_ids", "client_secrets"),
    [
        ({"client_id": "a"}, ("a",), ()),
        ({"client_secret": "b"}, (), ("b",)),
        ({"client_id": "%41"}, ("%41",), ()),
    ],
)
def test_half_of_the_body_credentials_is_taken_for_what_it_is(
    shown: dict[str, str], client_ids: tuple[str, ...], client_secrets: tuple[str, ...]
) -> None:
    assert read_token_request(form(shown)).credentials == ClientCredentials(
        client_ids=client_ids, client_secrets=client_secrets, parameter="client_secret"
    )


# --- revocation -------------------------------------------------------------------------------------


def test_a_revocation_request_has_the_body_rules_of_a_token_request() -> None:
    parameters = {"token": "t", "token_type_hint": "access_token", "client_id": "a", "client_secret": "b"}
    for message in (
        form(parameters),
        as_json(parameters),
        as_json(parameters, FORM),
        as_json(parameters, None),
    ):
        revocation = read_revocation_request(message)
        assert (revocation.token, revocation.token_type_hint) == ("t", "access_token")
        assert revocation.credentials == ClientCredentials(
            client_ids=("a",), client_secrets=("b",), parameter="client_secret"
        )
    for body in ("token=a&token=b", "token=%zz", "client_id=%00"):
        refusal(lambda: read_revocation_request(request(body)))  # noqa: B023 - called at once


def test_a_revocation_request_may_lack_everything() -> None:
    revocation = read_revocation_request(request(content_type=None))
    assert (revocation.token, revocation.token_type_hint, revocation.credentials) == (None, None, None)


def test_a_revocation_request_reads_basic() -> None:
    revocation = read_revocation_request(request("token=t", authorization=basic("a", "b")))
    assert revocation.credentials == ClientCredentials(client_ids=("a",), client_secrets=("b",))


def test_any_token_and_hint_are_left_to_their_checks() -> None:
    revocation = read_revocation_request(request("token=%ff%00&token_type_hint=%ff"))
    assert (revocation.token, revocation.token_type_hint) == ("\udcff\x00", "\udcff")


def test_parameters_of_the_other_endpoint_are_unknown_here() -> None:
    assert read_revocation_request(as_json({"grant_type": 1, "client_type": "x"})).token is None
    assert read_token_request(as_json({"token": 1, "token_type_hint": []})) == NOTHING


# --- anything at all --------------------------------------------------------------------------------

SNIPPETS = st.sampled_from(
    [
        b"grant_type",
        b"client_secret",
        b"=",
        b"&",
        b"%",
        b"%ff",
        b"{",
        b"}",
        b'"',
        b":",
        b",",
        b"\xff",
        b"\\ud800",
    ]
)
BYTES = st.binary(max_size=50) | st.lists(SNIPPETS, max_size=12).map(b"".join)
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "authorization", "content-encoding", "other"]),
    st.lists(
        st.sampled_from([FORM, JSON, "Basic a:b", "Basic YTpi"]) | st.text(max_size=9), min_size=1, max_size=2
    ),
    max_size=2,
)


@settings(max_examples=200)
@given(BYTES, BYTES, HEADERS)
def test_any_bytes_are_parsed_or_refused(body: bytes, query: bytes, headers: dict[str, Any]) -> None:
    message = HttpRequest(
        method="POST",
        path="/",
        query=query,
        headers={name: tuple(values) for name, values in headers.items()},
        body=body,
    )
    codes = set()
    for parse in (read_token_request, read_revocation_request):
        try:
            parse(message)
        except OAuthError as error:
            codes.add(error.code)
    assert codes <= {"invalid_request", "invalid_client"}


@pytest.mark.parametrize(
    ("coding", "accepted"), [("chunked", True), ("Chunked", True), ("gzip, chunked", False)]
)
def test_a_transfer_coding_other_than_chunked_is_refused(coding: str, accepted: bool) -> None:
    message = request("grant_type=a", transfer_encoding=coding)
    if accepted:
        assert read_token_request(message).grant_type == "a"
    else:
        assert refused(message) == "the only supported Transfer-Encoding is chunked"


# --- what was readable of a request that is not good -------------------------------------------------


NAMED_VALUES = st.dictionaries(st.text("abcdef_", min_size=1), ANY_TEXT, max_size=5)


@given(given_before=NAMED_VALUES, after=st.binary(max_size=10))
def test_of_a_form_with_a_repeat_all_before_it_is_given_beside_the_error(
    given_before: dict[str, str], after: bytes
) -> None:
    pairs = urlencode({**given_before, "name": "first"}).encode()
    message = request(pairs + b"&name=again&" + after.replace(b"%", b""))
    found = read_parameters(message)
    assert found.by_name == {**given_before, "name": "first"}
    assert found.error is not None
    assert found.error.reason == "a parameter is repeated: send each one once"


@given(given_before=NAMED_VALUES)
def test_of_json_with_a_repeat_all_before_it_is_given_beside_the_error(given_before: dict[str, str]) -> None:
    document = json.dumps({**given_before, "name": "first"})
    found = read_parameters(request(document[:-1] + ', "name": "again", "later": "x"}', JSON))
    assert found.by_name == {**given_before, "name": "first"}
    assert found.error is not None
    assert found.error.reason == "a parameter is repeated: send each one once"


@pytest.mark.parametrize(
    "message",
    [
        request("client_id=a&scope=%zz"),
        request("client_id=a", query="client_secret=b"),
        request("client_id=a", "text/plain"),
        request("client_id=a", content_encoding="gzip"),
        request('{"client_id": "a"', JSON),
        request('["client_id"]', JSON),
    ],
    ids=["bad escape", "secret in the query", "media type", "content coding", "no JSON", "no object"],
)
def test_of_a_request_that_cannot_be_read_at_all_nothing_is_given_but_the_error(message: HttpRequest) -> None:
    found = read_parameters(message)
    assert found.by_name == {}
    assert found.error is not None
    assert refused(message) == found.error.reason


@given(MESSAGES)
def test_of_a_good_request_everything_is_given_and_no_error(parameters: dict[str, str]) -> None:
    for message in (form(parameters), as_json(parameters)):
        assert read_parameters(message) == Parameters(by_name=parameters)
    assert read_parameters(request(content_type=None)) == NO_PARAMETERS


@pytest.mark.parametrize("parse", [parse_token_request, parse_revocation_request])
def test_the_error_of_the_parameters_is_raised_before_anything_else(
    parse: Callable[[Headers, Parameters], object],
) -> None:
    error = OAuthError(ErrorCode.INVALID_REQUEST, "because")
    parameters = Parameters(by_name={"client_id": 1}, error=error)
    twice = {"authorization": ("Basic !", "Basic !")}
    assert refusal(lambda: parse(twice, parameters)) is error


# --- whom a request claims to come from --------------------------------------------------------------


def claimed(message: HttpRequest) -> tuple[str, ...]:
    return claimed_client_ids(message.headers, read_parameters(message))


@given(VSCHAR.filter(lambda text: ":" not in text), VSCHAR, st.sampled_from([str, quote, quote_plus]))
def test_basic_claims_its_client_id_raw_and_decoded_whatever_the_body_says(
    client_id: str, client_secret: str, encode: Callable[[str], str]
) -> None:
    authorization = basic(encode(client_id), client_secret)
    for message in (
        request(authorization=authorization),
        request("client_id=another", authorization=authorization),
        request("client_id=another&client_id=more", authorization=authorization),
    ):
        names = claimed(message)
        assert names == parse_basic(authorization.removeprefix("Basic ")).client_ids
        assert client_id in names


@given(VSCHAR)
def test_without_basic_the_client_id_of_the_parameters_is_claimed(client_id: str) -> None:
    for message in (
        form({"client_id": client_id}),
        as_json({"client_id": client_id}),
        request(query=urlencode({"client_id": client_id}), content_type=None),
        request(urlencode({"client_id": client_id}), authorization="Bearer x"),
        request(urlencode({"client_id": client_id}), authorization="Basic !"),
        request(urlencode({"client_id": client_id}) + "&a=1&a=2"),
    ):
        assert claimed(message) == (client_id,)


def test_of_a_client_id_that_is_repeated_the_first_is_claimed() -> None:
    assert claimed(request("client_id=a&client_id=b")) == ("a",)


def test_behind_two_authorization_headers_the_parameters_are_asked() -> None:
    headers = {"authorization": (basic("a", "b"),) * 2}
    assert claimed_client_ids(headers, Parameters(by_name={"client_id": "c"})) == ("c",)
    assert claimed_client_ids(headers, NO_PARAMETERS) == ()


@pytest.mark.parametrize("value", [None, 1, True, ("a",), ()])
def test_a_client_id_that_is_no_text_claims_nothing(value: object) -> None:
    assert claimed_client_ids({}, Parameters(by_name={"client_id": value})) == ()


def test_a_request_that_names_nobody_claims_nothing() -> None:
    assert claimed(request(content_type=None)) == ()
    assert claimed(form({"client_secret": "x", "scope": "y"})) == ()


@pytest.mark.parametrize(
    ("values", "token"),
    [
        (("Bearer abc",), "abc"),
        (("bEARER \t abc ",), "abc"),
        (("Bearer a b",), "a b"),
        (("Bearer",), ""),
        (("Basic abc",), None),
        (("",), None),
        ((), None),
        (("Bearer abc", "Bearer abc"), None),
        (("BearerX abc",), None),
    ],
)
def test_a_bearer_token_is_that_of_the_one_authorization_header(
    values: tuple[str, ...], token: str | None
) -> None:
    assert bearer_token({"authorization": values} if values else {}) == token


@settings(max_examples=200)
@given(BYTES, HEADERS)
def test_of_any_bytes_the_claims_are_read_without_fail(body: bytes, headers: dict[str, Any]) -> None:
    named = {name: tuple(values) for name, values in headers.items()}
    message = HttpRequest(method="POST", path="/", headers=named, body=body)
    assert all(isinstance(name, str) for name in claimed(message))
    assert bearer_token(named) is None or isinstance(bearer_token(named), str)
