"""What a value of `store` says: which may be shown, and how far away it is."""

import pytest

from mockmoov.config.settings import Layer, SettingsError, load
from mockmoov.config.stores import is_far, shown_store, store

URLS = {
    "redis://localhost:6379": ("redis://localhost:6379", False),
    "redis://user:secret@cache:6379/2": ("redis://cache:6379/2", True),
    "rediss://:secret@10.0.0.1?ssl_ca_certs=ca.pem": ("rediss://10.0.0.1", True),
    "redis://[::1]:1": ("redis://[::1]:1", False),
    "redis://127.0.0.2": ("redis://127.0.0.2", False),
    "unix://:secret@/run/redis.sock?db=1": ("unix:///run/redis.sock", False),
    "memory": ("memory", False),
    "sqlite:/state.db": ("sqlite:/state.db", False),
}


@pytest.mark.parametrize("value", URLS)
def test_a_store_is_shown_without_secrets(value: str) -> None:
    assert store(value) == value
    assert (shown_store(value), is_far(value)) == URLS[value]
    assert "secret" not in repr(load(Layer(settings={"store": value})))


def test_a_namespace_needs_a_redis() -> None:
    assert load(Layer(settings={"store": "redis://a", "store_namespace": "b"})).store_namespace == "b"
    with pytest.raises(SettingsError, match=r"^store_namespace has no effect unless store is the URL of a"):
        load(Layer(settings={"store_namespace": "b"}))
