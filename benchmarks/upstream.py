"""The fastest upstream there can be: one answer, whatever is asked.

Run as `python -m benchmarks.upstream PORT`. It reads requests without a body, and looks for their ends only.
"""

import asyncio
import sys
from typing import cast

import uvloop

_BODY = b'[{"cardID":"01234567-89ab-cdef-0123-456789abcdef","brand":"Visa","lastFourCardNumber":"1234"}]'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)
_END = b"\r\n\r\n"


class Upstream(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(_END)
        self._transport.write(_ANSWER * len(requests))


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
