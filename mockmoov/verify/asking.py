"""Owns the requests that a check can make with one API key under one contract. Must not know verdicts."""

from collections.abc import Iterable
from typing import Any, TypeVar

import httpx2

from mockmoov.verify.expectations import Reading
from mockmoov.verify.kit import PING_PATH, REVOKE, TOKEN, Header, Parameters, Work, encoded
from mockmoov.verify.masking import basic, long_words
from mockmoov.verify.response import Answer
from mockmoov.verify.results import Failed
from mockmoov.verify.target import Key

T = TypeVar("T")


class Asking:
    """One API key under one contract. Each method that asks returns the answer, good or bad."""

    def __init__(self, work: Work, reading: Reading, key: Key) -> None:
        self.reading, self.key, self.target = reading, key, work.target
        self._work = work

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Iterable[Header] = (),
        body: bytes = b"",
        version: bool = True,
        patient: bool = True,
    ) -> Answer:
        """Any request; with the version header of the contract unless it is not wanted."""
        request = self._request(method, path, headers, body, version=version)
        return self._answer(request, self._work.wire.send(request, patient=patient))

    def post(
        self,
        path: str,
        parameters: Parameters,
        *,
        credentials: bool = True,
        headers: Iterable[Header] = (),
        as_json: bool = False,
        version: bool = True,
        patient: bool = True,
    ) -> Answer:
        """Parameters as a form, or as JSON; those of None are left out."""
        content_type, body = encoded(parameters, as_json=as_json)
        given = [("Content-Type", content_type), *([self.basic()] if credentials else []), *headers]
        return self.ask("POST", path, headers=given, body=body, version=version, patient=patient)

    def raw(
        self, body: bytes, content_type: str | None, *, path: str = TOKEN, credentials: Header | None = None
    ) -> Answer:
        """A POST with this body, labelled so."""
        labels = [] if content_type is None else [("Content-Type", content_type)]
        return self.ask("POST", path, headers=[credentials or self.basic(), *labels], body=body)

    def token(self, parameters: Parameters | None = None, **options: Any) -> Answer:
        """`POST /oauth2/token`: client_credentials for the scopes of the run, or these parameters."""
        return self.post(TOKEN, self.minting() if parameters is None else parameters, **options)

    def minting(self, **others: str | None) -> dict[str, str | None]:
        """The parameters of client_credentials, some of them others."""
        return {"grant_type": "client_credentials", "scope": self.scope, **others}

    def refresh(self, token: str | None, **others: Any) -> Answer:
        """`POST /oauth2/token` with a refresh token."""
        return self.token({"grant_type": "refresh_token", "refresh_token": token, **others})

    def revoke(self, token: str | None, **others: Any) -> Answer:
        """`POST /oauth2/revoke`."""
        answer = self.post(REVOKE, {"token": token, **others})
        if answer.status == 204 and token in self._work.live:
            self._forget(token)
        return answer

    def revocation(self, token: str) -> httpx2.Request:
        """The request that revokes a token, for when nobody wants to see the answer."""
        content_type, body = encoded({"token": token}, as_json=False)
        return self._request(
            "POST", REVOKE, [("Content-Type", content_type), self.basic()], body, version=True
        )

    def ping(self, token: str | None, *headers: Header, origin: bool = True) -> Answer:
        """`GET /ping` with a bearer token, from the registered origin if one is known."""
        given = [] if token is None else [("Authorization", f"Bearer {token}")]
        if origin and self._work.origin is not None:
            given.append(("Origin", self._work.origin))
        return self.ask("GET", PING_PATH, headers=[*given, *headers])

    def at_once(self, count: int, path: str, parameters: Parameters) -> list[Answer]:
        """The answers to the same form, sent several times at once."""
        content_type, body = encoded(parameters, as_json=False)
        headers = [("Content-Type", content_type), self.basic()]
        requests = [self._request("POST", path, headers, body, version=True) for _ in range(count)]
        responses = self._work.wire.send_at_once(requests)
        return [self._answer(*both) for both in zip(requests, responses, strict=True)]

    @property
    def scope(self) -> str:
        """The scopes of the run, as a request has them."""
        return " ".join(self.target.scopes)

    def basic(self, client_id: str | None = None, client_secret: str | None = None) -> Header:
        """An `Authorization` header with Basic credentials, as they are; the key's, or others."""
        user = self.key.client_id if client_id is None else client_id
        password = self.key.client_secret if client_secret is None else client_secret
        return "Authorization", f"Basic {basic(user, password)}"

    # --- inside ---------------------------------------------------------------------------------

    def _request(
        self, method: str, path: str, headers: Iterable[Header], body: bytes, *, version: bool
    ) -> httpx2.Request:
        given = [*(self.reading.headers if version else ()), *headers]
        return httpx2.Request(method, self.target.url + path, headers=given, content=body)

    def _answer(self, request: httpx2.Request, response: httpx2.Response) -> Answer:
        answer = Answer(
            status=response.status_code,
            headers=response.headers,
            body=response.content,
            now=self._work.clock(),
        )
        self._keep(answer)
        if request.url.path == TOKEN and answer.status < 300:
            self._hide_words(answer)
        return answer

    def _keep(self, answer: Answer) -> None:
        """Remember which tokens came, whatever else is wrong: to hide and to revoke them."""
        try:
            document = answer.document()
        except Failed:
            return
        for name in ("refresh_token", "access_token"):
            token = document.get(name)
            if isinstance(token, str) and token:
                self._work.hidden.hide_numbered(token, name.upper())
                if answer.status < 300 and not self.key.temporary and token not in self._work.live:
                    self._work.live.append(token)
                    self._work.wire.reserved += 1

    def _hide_words(self, answer: Answer) -> None:
        """Hide what may be a token in a place where no token belongs."""
        for word in long_words(answer.body):
            if word not in self.scope:
                self._work.hidden.hide_numbered(word, "ANSWER")

    def _forget(self, token: str) -> None:
        self._work.live.remove(token)
        self._work.wire.reserved -= 1
