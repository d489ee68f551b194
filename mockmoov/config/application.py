"""An ASGI application as the value of a setting."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from inspect import isclass, isroutine, signature
from typing import Any, TypeAlias

_Message: TypeAlias = MutableMapping[str, Any]
AsgiCallable: TypeAlias = Callable[
    [_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]
]
"""`ASGIApp`, without the import of starlette."""


@dataclass(frozen=True, slots=True)
class Application:
    """An ASGI application in this process; `str()` names it.

    Its lifespan, which runs once for each server, fills `state`, and every request gets a copy.
    """

    app: AsgiCallable
    state: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        named = self.app if isclass(self.app) or isroutine(self.app) else type(self.app)
        return f"application {named.__module__}.{named.__qualname__}".encode("ascii", "replace").decode()


def is_asgi(value: object) -> bool:
    """Whether a value can be called as ASGI 3 calls an application, and gives something to await.

    A class passes if its instances can be awaited, as those of Starlette's `HTTPEndpoint` can.
    """
    if isclass(value) and not hasattr(value, "__await__"):
        return False
    if not callable(value):
        return False
    try:
        signature(value).bind({}, None, None)
    except (TypeError, ValueError):
        return False
    return True
