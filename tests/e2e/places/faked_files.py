"""Tests that replace the file system, before and after they get a server; tests/e2e/places runs them."""

import urllib.request

import pytest


def ping(moov):
    request = urllib.request.Request(f"{moov.url}/ping", headers={"Authorization": f"Bearer {moov.mint()}"})
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


def test_before(fs, moov):
    ping(moov)
    assert len(moov.exchanges.exactly(1)) == 1


def test_after(moov, fs):
    ping(moov)


@pytest.mark.mockmoov(tls=True)
def test_https(fs, moov):
    ping(moov)


def test_client(fs, moov_client):
    assert moov_client.create(scope="/ping.read").access_token


@pytest.mark.parametrize("settings", [{}, {"tls": True}, {}])
def test_imported_and_started_within(fs, settings):
    from mockmoov import MockMoov

    with MockMoov(**settings) as server:
        ping(server)
        ping(server.new_api_key())


def test_faked_files_are_still_there(fs, moov):
    fs.create_file("/only/here", contents="text")
    ping(moov)
    with open("/only/here") as file:
        assert file.read() == "text"
