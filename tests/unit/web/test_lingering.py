"""The transport sends the head of a response together with its body, and loses neither."""

import asyncio
from typing import Any, cast

from mockmoov.web.lingering import LingeringTransport


class Recorder:
    """A transport that writes down what is done with it."""

    def __init__(self) -> None:
        self.calls: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append("close")

    def is_closing(self) -> bool:
        return "close" in self.calls


def lingering() -> tuple[LingeringTransport, Recorder]:
    recorder, loop = Recorder(), cast("asyncio.AbstractEventLoop", None)
    return LingeringTransport(cast("Any", recorder), loop, lambda: False), recorder


def test_held_head_is_sent_with_the_body_in_one_write() -> None:
    transport, recorder = lingering()
    transport.hold()
    transport.write(b"head ")
    assert recorder.calls == []
    transport.write(b"body")
    transport.write(b"more")
    assert recorder.calls == [b"head body", b"more"]


def test_nothing_is_held_without_being_asked() -> None:
    transport, recorder = lingering()
    transport.write(b"head")
    transport.flush()
    assert recorder.calls == [b"head"]


def test_held_head_without_a_body_is_flushed_or_sent_before_the_end() -> None:
    for end in (LingeringTransport.flush, LingeringTransport.close):
        transport, recorder = lingering()
        transport.hold()
        transport.write(b"head")
        end(transport)
        assert recorder.calls[0] == b"head"
        assert recorder.calls[1:] == (["close"] if end is LingeringTransport.close else [])
