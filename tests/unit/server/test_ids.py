"""Ids differ, also in a process that was forked."""

import os
from uuid import UUID

import pytest

from mockmoov.server.ids import new_id, new_request_id


def test_ids_have_their_form_and_differ() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids)
    uuids = [UUID(new_request_id()) for _ in range(1000)]
    assert len(set(uuids)) == 1000
    assert {one.version for one in uuids} == {4}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # a fork of a process with threads, from 3.12 on
def test_forked_process_has_ids_of_its_own() -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - in another process
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read().decode() not in {new_id() for _ in range(1000)}
