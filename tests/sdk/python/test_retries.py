"""An answer that is lost on its way makes the SDK ask again by itself: nothing may happen twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from support import refused


@pytest.fixture
def within(store) -> dict:
    return {"memory_store_id": store}


@pytest.fixture
def memory(api, store):
    return api.memories.create(store, path="/a", content="one")


@pytest.fixture
def losing_one_answer(api):
    """Makes the call while its first answer is lost, and holds it to two attempts."""

    def call(operation: Callable[..., Any], *args: Any, method: str = "POST", **kwargs: Any) -> Any:
        del api.wire.requests[:]
        api.wire.lose_the_next_answer_to(method)
        try:
            return operation(*args, **kwargs)
        finally:
            counts = [r.headers["x-stainless-retry-count"] for r in api.wire.requests]
            assert counts == ["0", "1"]

    return call


def test_a_repeated_create_meets_the_memory_that_it_made(api, store, losing_one_answer):
    refusal = refused(
        "memory_path_conflict_error",
        losing_one_answer,
        api.memories.create,
        store,
        path="/a",
        content="one",
    )

    (memory,) = api.memories.list(store, view="full")
    assert (memory.path, memory.content) == ("/a", "one")
    assert refusal.body["error"]["conflicting_memory_id"] == memory.id
    assert refusal.body["error"]["conflicting_path"] == "/a"
    assert len(list(api.versions.list(store))) == 1


@pytest.mark.parametrize("conditional", [False, True], ids=["plain", "conditional"])
def test_a_repeated_update_writes_one_version(
    api, store, memory, within, losing_one_answer, conditional: bool
):
    precondition = {"type": "content_sha256", "content_sha256": memory.content_sha256}
    conditions = {"precondition": precondition} if conditional else {}

    updated = losing_one_answer(
        api.memories.update, memory.id, content="two", path="/b", **conditions, **within
    )

    newest, first = api.versions.list(store)
    assert newest.id == updated.memory_version_id
    assert newest.created_at == updated.updated_at
    assert first.id == memory.memory_version_id


def test_a_repeated_delete_finds_nothing_more_to_delete(
    api, store, memory, within, losing_one_answer
):
    refused(
        "not_found_error",
        losing_one_answer,
        api.memories.delete,
        memory.id,
        method="DELETE",
        expected_content_sha256=memory.content_sha256,
        **within,
    )

    assert [v.operation for v in api.versions.list(store)] == ["deleted", "created"]


def test_a_repeated_redaction_answers_the_first(api, memory, within, losing_one_answer):
    api.memories.update(memory.id, content="two", **within)

    redacted = losing_one_answer(api.versions.redact, memory.memory_version_id, **within)

    assert api.versions.retrieve(memory.memory_version_id, **within) == redacted


def test_a_repeated_archiving_answers_the_first(api, store, losing_one_answer):
    archived = losing_one_answer(api.stores.archive, store)

    assert archived.archived_at == archived.updated_at
    assert api.stores.retrieve(store) == archived
