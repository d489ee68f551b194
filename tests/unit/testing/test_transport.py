"""Errors of the control plane as a handle raises them, and connecting to a server elsewhere."""

import pickle
import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

from mockmoov.testing import ControlError, MockMoov, MoovKey
from tests.support.odd_servers import listening
from tests.unit.testing.conftest import CONTROL_TOKEN


def test_rejection_is_an_error_with_status_and_field(moov: MockMoov, key: MoovKey) -> None:
    rejected: list[tuple[int, str | None, str, Callable[[], object]]] = [
        (404, None, "no API key with this client_id", lambda: moov.api_keys.get("nobody")),
        (409, None, "with this client_id already", lambda: moov.new_api_key(client_id=key.client_id)),
        (422, "client_secret", "needs a client_secret", lambda: key.change(client_secret=None)),  # type: ignore[arg-type]
        (422, "seconds", "must stay between the years 1970 and 9998", lambda: key.clock.shift(days=-40_000)),
        (422, "preset", "this fault does nothing", lambda: key.faults.add(endpoint="token")),
        (422, "statsu", "did you mean status", lambda: key.exchanges(statsu=1)),  # type: ignore[call-arg]
        (422, "count", "count must be an integer", lambda: key.exchanges.wait(0)),
        (422, "scope", "scope must be a string", lambda: key.mint("")),
        (404, None, "key", lambda: moov.signing_keys.drop("nobody's")),
    ]
    for status, field, message, use in rejected:
        with pytest.raises(ControlError, match=re.escape(message)) as caught:
            use()
        assert (caught.value.status, caught.value.field) == (status, field), str(caught.value)


def test_what_json_cannot_hold_is_rejected_before_it_is_sent(key: MoovKey) -> None:
    endless: list[object] = []
    endless.append(endless)
    for value in (object(), endless, "\ud800"):
        with pytest.raises(ControlError, match="cannot be written as JSON") as caught:
            key.faults.add(body=value)
        assert (caught.value.status, len(key.faults)) == (422, 0)


def test_an_error_can_be_pickled() -> None:
    for error in (ControlError(422, "why", "field"), ControlError(0, "why")):
        error.add_note("a note")
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is ControlError
        assert (copy.status, str(copy), copy.field) == (error.status, str(error), error.field)
        assert copy.__notes__ == ["a note"]


# --- connecting ---------------------------------------------------------------------------------


def failed_connection(url: str, **options: Any) -> ControlError:
    with pytest.raises(ControlError) as caught:
        MockMoov.connect(url, **options)
    return caught.value


def test_connecting_to_another_server_says_it_is_no_mockmoov() -> None:
    html, json = {"content-type": "text/html"}, {"content-type": "application/json"}
    answers = [
        (200, html, b"<!doctype html><title>Welcome</title>"),
        (404, html, b"<h1>Not Found</h1>"),
        (200, json, b"{}"),
        (404, {}, b""),
        (302, {}, b""),
    ]
    for answer in answers:
        with listening(lambda *_, answer=answer: answer) as url:
            error = failed_connection(url)
        assert (str(error), error.status) == (f"the server at {url} is not a mockmoov", answer[0])


def test_connecting_to_nothing_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        here = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for url in (here, "", "nonsense", "http://", "http://a b/", "http://a\x00b", "http://[", "ftp://a"):
            error = failed_connection(url)
            assert str(error).startswith(f"no mockmoov answers at {url.rstrip('/')}: ")
            assert (error.status, error.field) == (0, None)


def test_connecting_needs_the_right_control_token() -> None:
    with MockMoov(control_token=CONTROL_TOKEN) as moov:
        for token in (None, "wrong", CONTROL_TOKEN + "x", ""):
            error = failed_connection(moov.url, control_token=token)
            assert (error.status, str(error)) == (401, "X-Mockmoov-Token is missing or wrong")
        failed_connection(moov.url, control_token="schlüssel")  # which no header can carry
        assert len(moov.api_keys.list()) == 1  # the server's own handle needs no token


def test_connecting_needs_a_readable_ca_file() -> None:
    with pytest.raises(ValueError, match=r"^ca_file /nowhere: No such file or directory$"):
        MockMoov.connect("https://localhost:1", ca_file="/nowhere")


def test_closed_control_plane_says_how_to_open_it() -> None:
    with MockMoov(control="off") as moov:
        with pytest.raises(ControlError, match="the control plane is off") as caught:
            moov.new_api_key()
        assert caught.value.status == 404


def test_disconnected_handle_says_so_and_the_server_goes_on() -> None:
    with MockMoov() as moov:
        handle = MockMoov.connect(moov.url)
        key = handle.new_api_key()
        handle.stop()
        handle.stop()
        with pytest.raises(ControlError, match=f"^no mockmoov answers at {moov.url}: .*closed"):
            key.clock.now()
        assert moov.api_keys.get(key.client_id).enabled


def test_handle_of_a_stopped_server_says_that_none_answers() -> None:
    with MockMoov() as moov:
        handle = MockMoov.connect(moov.url)
    with handle, pytest.raises(ControlError, match=f"^no mockmoov answers at {moov.url}: ") as caught:
        handle.exchanges()
    assert caught.value.status == 0
