"""Which values are applications, and how they are named."""

from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint

from mockmoov.config.application import Application
from mockmoov.config.settings import Layer, SettingsError, load


async def bare(scope: Any, receive: Any, send: Any) -> None:
    pass


def wsgi(environ: Any, start_response: Any) -> Any:
    pass


class Methods:
    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        pass


NAMES = {
    bare: f"application {__name__}.bare",
    Methods().answer: f"application {__name__}.Methods.answer",
    FastAPI(): "application fastapi.applications.FastAPI",
    Starlette(): "application starlette.applications.Starlette",
    HTTPEndpoint: "application starlette.endpoints.HTTPEndpoint",
    partial(bare): "application functools.partial",
    AsyncMock(): "application unittest.mock.AsyncMock",
}


def test_application_is_accepted_and_named() -> None:
    for app, name in NAMES.items():
        upstream = load(Layer(settings={"upstream": app})).upstream
        assert isinstance(upstream, Application)
        assert upstream.app is app
        assert str(upstream) == name


def test_name_of_an_application_is_ascii() -> None:
    async def odd(scope: Any, receive: Any, send: Any) -> None:
        pass

    odd.__qualname__ = "o\udc80\u00e4"
    assert str(Application(odd)).endswith(".o??")


def test_anything_else_is_quoted_in_the_error() -> None:
    quoted = {
        5: "5",
        wsgi: "<function wsgi at",
        FastAPI: "<class 'fastapi.applications.FastAPI'>",
        dict: "dict",
    }
    for value, quotation in quoted.items():
        with pytest.raises(SettingsError) as caught:
            load(Layer(settings={"upstream": value}))
        message = str(caught.value)
        assert message.startswith("upstream must be a URL or an ASGI application, not ")
        assert quotation in message


def test_each_server_has_the_state_of_its_application() -> None:
    one, other = (load(Layer(settings={"upstream": bare})) for _ in range(2))
    assert one == other
    assert isinstance(one.upstream, Application)
    assert isinstance(other.upstream, Application)
    assert one.upstream.state is not other.upstream.state
