"""Checks of paths, methods and sizes, and of the order in which errors are found."""

from hypothesis import strategies as st

from mockmoov.verify.check import check
from mockmoov.verify.probe import FORM, REVOKE_PATH, TOKEN_PATH, Probe, form_body
from mockmoov.verify.response import expect

_LIMIT = 64 * 1024  # bytes of a body


@check("request.too-large", "choice")
def request_too_large(probe: Probe) -> None:
    """A body of more than 64 KiB gets 413 with no body; a body of 64 KiB is accepted."""
    body = form_body(probe.parameters()) + b"&other="
    probe.post_body(body.ljust(_LIMIT, b"x"), FORM).expect_status(200)
    for path in (TOKEN_PATH, REVOKE_PATH):
        headers = [("Content-Type", FORM), probe.basic()]
        probe.request("POST", path, headers=headers, body=body.ljust(_LIMIT + 1, b"x")).expect_empty(413)


@check("request.method", "choice", examples=4)
def request_method(probe: Probe) -> None:
    """Any method other than POST at the OAuth paths gets 405 with no body, and Allow has POST."""

    def test(drawn: tuple[str, str]) -> None:
        method, path = drawn
        response = probe.request(method, path, headers=[probe.basic()]).expect_empty(405)
        allowed = {item.strip() for item in (response.header("allow") or "").split(",")}
        expect("POST" in allowed and method not in allowed, "Allow: POST", response.header("allow"))

    methods = st.sampled_from(["GET", "PUT", "PATCH", "DELETE"])
    probe.for_all(st.tuples(methods, st.sampled_from([TOKEN_PATH, REVOKE_PATH])), test)


@check("request.order", "choice")
def request_order(probe: Probe) -> None:
    """Errors are found in this order: body, client authentication, grant_type, grant."""
    body = form_body(probe.parameters(grant_type="nonsense", scope="nonsense"))
    wrong = probe.basic(None, "not-the-secret")
    probe.post_body(body + b"&scope=again", FORM, authorization=wrong).expect_error("invalid request")
    probe.post_body(body, FORM, authorization=wrong).expect_error("invalid client")
    probe.post_body(body, FORM).expect_error("unsupported grant type")
    size = _LIMIT + 1
    probe.post_body(body.ljust(size, b"x"), "text/plain", authorization=wrong).expect_empty(413)
    probe.request(
        "GET", TOKEN_PATH, headers=[("X-Moov-Version", "nonsense")], send_version=False
    ).expect_empty(405)


@check("request.version-before-size", "choice", contract="dated")
def request_version_before_size(probe: Probe) -> None:
    """A malformed version gets 404 before the server looks at the body."""
    headers = [("Content-Type", "text/plain"), ("X-Moov-Version", "nonsense")]
    body = b"x" * (_LIMIT + 1)
    probe.request("POST", TOKEN_PATH, headers=headers, body=body, send_version=False).expect_empty(404)


@check("request.unknown-path", "choice")
def request_unknown_path(probe: Probe) -> None:
    """An unknown path, such as one with a trailing slash, gets 404 and no redirect."""
    for path in ("/oauth2/nonsense", f"{TOKEN_PATH}/", f"{REVOKE_PATH}/"):
        probe.post(path, probe.parameters()).expect_status(404)
