"""Owns how the contract suite asks a server in this process. Must not know what it checks."""

import httpx2

from mockmoov.verify.wire import Send
from tests.support import contract_fixtures


def sending(send: contract_fixtures.Send) -> Send:
    """What the suite asks with, of what tests ask with: no socket between them."""

    def ask(request: httpx2.Request) -> httpx2.Response:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        target = request.url.raw_path.decode("latin-1")
        status, answered, body = send(request.method, target, headers, request.content)
        return httpx2.Response(status, headers=answered, content=body)

    return ask
