"""What an archived store still allows, and what it refuses."""

from __future__ import annotations

import pytest

from support import refused
from operations import World


@pytest.fixture
def world(api) -> World:
    return World.build(api)


@pytest.fixture
def archived(api, world):
    return api.stores.archive(world.store)


def test_it_is_read_as_before(api, world, archived):
    within = {"memory_store_id": world.store}

    assert api.stores.retrieve(world.store) == archived
    assert [m.path for m in api.memories.list(world.store)] == ["/notes/todo.md"]
    assert api.memories.retrieve(world.memory, **within).content == "second"
    assert len(list(api.versions.list(world.store))) == 2
    assert api.versions.retrieve(world.old_version, **within).content == "first"


@pytest.mark.parametrize(
    "change", [{"name": "new"}, {"description": "new"}, {"metadata": {"k": "v"}}], ids=str
)
def test_the_store_cannot_be_updated(api, world, archived, change: dict):
    refusal = refused("invalid_request_error", api.stores.update, world.store, **change)

    assert world.store in refusal.message
    assert "x-should-retry" not in refusal.response.headers
    assert api.stores.retrieve(world.store) == archived


def test_memories_cannot_be_created(api, world, archived):
    refusal = refused(
        "invalid_request_error", api.memories.create, world.store, path="/new", content=""
    )

    assert world.store in refusal.message
    assert len(list(api.memories.list(world.store))) == 1


@pytest.mark.parametrize(
    "change", [{"content": "third"}, {"path": "/moved"}, {"content": "second"}], ids=str
)
def test_memories_cannot_be_updated(api, world, archived, change: dict):
    refusal = refused(
        "invalid_request_error",
        api.memories.update,
        world.memory,
        memory_store_id=world.store,
        **change,
    )

    assert world.store in refusal.message
    assert len(list(api.versions.list(world.store))) == 2


def test_memories_can_be_deleted(api, world, archived):
    api.memories.delete(world.memory, memory_store_id=world.store)

    assert list(api.memories.list(world.store)) == []
    assert api.versions.list(world.store).data[0].operation == "deleted"


def test_versions_can_be_redacted(api, world, archived):
    redacted = api.versions.redact(world.old_version, memory_store_id=world.store)

    assert redacted.redacted_at is not None


def test_it_can_be_deleted(api, world, archived):
    api.stores.delete(world.store)

    refused("not_found_error", api.stores.retrieve, world.store)


def test_it_is_missed_before_it_is_found_archived(api, world, archived):
    refused(
        "not_found_error",
        api.memories.update,
        "mem_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        memory_store_id=world.store,
        content="x",
    )


def test_a_bad_body_is_refused_before_the_archive_is_seen(api, world, archived):
    refusal = refused(
        "invalid_request_error", api.memories.create, world.store, path="bad", content=""
    )

    assert "path" in refusal.message
