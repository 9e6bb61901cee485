"""The fourteen operations as a table, each with the scope it needs and the object it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from clients import Api, Resources

SECOND_SHA256 = sha256(b"second").hexdigest()


@dataclass(frozen=True)
class World:
    """A store that holds one memory with two versions; the older one can be redacted."""

    store: str
    memory: str
    old_version: str

    @classmethod
    def build(cls, api: Api) -> World:
        store = api.stores.create(name="world").id
        memory = api.memories.create(store, path="/notes/todo.md", content="first")
        api.memories.update(memory.id, memory_store_id=store, content="second")
        return cls(store, memory.id, memory.memory_version_id)


@dataclass(frozen=True)
class Operation:
    name: str
    scope: str
    answer: str
    call: Callable[..., Any]


def create_store(on: Resources, world: World, **options: Any) -> Any:
    return on.stores.create(
        name="notes", description="what was learnt", metadata={"team": "docs"}, **options
    )


def list_stores(on: Resources, world: World, **options: Any) -> Any:
    return on.stores.list(
        created_at_gte="2020-01-01T00:00:00Z",
        created_at_lte="2100-01-01T00:00:00Z",
        include_archived=True,
        limit=5,
        **options,
    )


def retrieve_store(on: Resources, world: World, **options: Any) -> Any:
    return on.stores.retrieve(world.store, **options)


def update_store(on: Resources, world: World, **options: Any) -> Any:
    return on.stores.update(
        world.store, name="renamed", description="", metadata={"team": None}, **options
    )


def archive_store(on: Resources, world: World, **options: Any) -> Any:
    return on.stores.archive(world.store, **options)


def delete_store(on: Resources, world: World, **options: Any) -> Any:
    return on.stores.delete(world.store, **options)


def create_memory(on: Resources, world: World, **options: Any) -> Any:
    return on.memories.create(world.store, path="/new.md", content="new", view="full", **options)


def list_memories(on: Resources, world: World, **options: Any) -> Any:
    return on.memories.list(
        world.store, path_prefix="/notes/", depth=1, limit=5, view="full", **options
    )


def retrieve_memory(on: Resources, world: World, **options: Any) -> Any:
    return on.memories.retrieve(world.memory, memory_store_id=world.store, view="basic", **options)


def update_memory(on: Resources, world: World, **options: Any) -> Any:
    return on.memories.update(
        world.memory,
        memory_store_id=world.store,
        content="third",
        path="/notes/done.md",
        precondition={"type": "content_sha256", "content_sha256": SECOND_SHA256},
        view="full",
        **options,
    )


def delete_memory(on: Resources, world: World, **options: Any) -> Any:
    return on.memories.delete(
        world.memory,
        memory_store_id=world.store,
        expected_content_sha256=SECOND_SHA256,
        **options,
    )


def list_versions(on: Resources, world: World, **options: Any) -> Any:
    return on.versions.list(
        world.store,
        memory_id=world.memory,
        operation="modified",
        created_at_gte="2020-01-01T00:00:00Z",
        created_at_lte="2100-01-01T00:00:00Z",
        limit=5,
        view="full",
        **options,
    )


def retrieve_version(on: Resources, world: World, **options: Any) -> Any:
    return on.versions.retrieve(
        world.old_version, memory_store_id=world.store, view="basic", **options
    )


def redact_version(on: Resources, world: World, **options: Any) -> Any:
    return on.versions.redact(world.old_version, memory_store_id=world.store, **options)


OPERATIONS = [
    Operation("create_store", "write", "memory_store", create_store),
    Operation("list_stores", "read", "page", list_stores),
    Operation("retrieve_store", "read", "memory_store", retrieve_store),
    Operation("update_store", "write", "memory_store", update_store),
    Operation("archive_store", "write", "memory_store", archive_store),
    Operation("delete_store", "redact", "memory_store_deleted", delete_store),
    Operation("create_memory", "write", "memory", create_memory),
    Operation("list_memories", "read", "page", list_memories),
    Operation("retrieve_memory", "read", "memory", retrieve_memory),
    Operation("update_memory", "write", "memory", update_memory),
    Operation("delete_memory", "write", "memory_deleted", delete_memory),
    Operation("list_versions", "read", "page", list_versions),
    Operation("retrieve_version", "read", "memory_version", retrieve_version),
    Operation("redact_version", "redact", "memory_version", redact_version),
]
