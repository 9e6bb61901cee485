"""Redaction empties one version and nothing else."""

from __future__ import annotations

import pytest

from support import refused


@pytest.fixture
def within(store) -> dict:
    return {"memory_store_id": store}


@pytest.fixture
def memory(api, store, within):
    """A memory with two versions; its `memory_version_id` is the older one."""
    memory = api.memories.create(store, path="/secret.md", content="secret")
    api.memories.update(memory.id, content="public", **within)
    return memory


def test_a_redacted_version_loses_its_four_fields(api, memory, within):
    before = api.versions.retrieve(memory.memory_version_id, **within)

    redacted = api.versions.redact(memory.memory_version_id, **within)

    assert redacted.content is None
    assert redacted.path is None
    assert redacted.content_size_bytes is None
    assert redacted.content_sha256 is None
    assert redacted.redacted_at > before.created_at
    assert redacted.redacted_by == before.created_by
    for kept in ("id", "memory_id", "memory_store_id", "operation", "created_at", "created_by"):
        assert getattr(redacted, kept) == getattr(before, kept)
    assert api.versions.retrieve(memory.memory_version_id, **within) == redacted


def test_redaction_leaves_the_memory_and_the_history_length(api, store, memory, within):
    before = api.memories.retrieve(memory.id, **within)

    api.versions.redact(memory.memory_version_id, **within)

    assert api.memories.retrieve(memory.id, **within) == before
    assert len(list(api.versions.list(store))) == 2


def test_a_redacted_version_is_still_found_by_every_filter(api, store, memory, within):
    redacted = api.versions.redact(memory.memory_version_id, **within)

    for filters in (
        {"memory_id": memory.id, "operation": "created"},
        {"api_key_id": redacted.created_by.api_key_id, "created_at_lte": redacted.created_at},
    ):
        assert list(api.versions.list(store, **filters)) == [redacted]


def test_redacting_again_changes_nothing(api, memory, within):
    first = api.versions.redact(memory.memory_version_id, **within)

    assert api.versions.redact(memory.memory_version_id, **within) == first


def test_redaction_names_its_own_author(connect, admin_key, issue_key):
    admin = connect(admin_key)
    store = admin.stores.create(name="shared").id
    memory = admin.memories.create(store, path="/a", content="1")
    admin.memories.delete(memory.id, memory_store_id=store)
    officer = issue_key(scopes=["redact"])

    redacted = connect(officer["key"]).versions.redact(
        memory.memory_version_id, memory_store_id=store
    )

    assert redacted.redacted_by.api_key_id == officer["id"]
    assert redacted.created_by.api_key_id != officer["id"]


@pytest.mark.parametrize("archived", [False, True], ids=["active", "archived"])
def test_the_head_of_a_live_memory_cannot_be_redacted(api, store, memory, within, archived: bool):
    head = api.memories.retrieve(memory.id, **within).memory_version_id
    if archived:
        api.stores.archive(store)

    refusal = refused("invalid_request_error", api.versions.redact, head, **within)

    assert "version" in refusal.message
    assert api.versions.retrieve(head, **within).content == "public"


def test_every_version_of_a_deleted_memory_can_be_redacted(api, store, memory, within):
    api.memories.delete(memory.id, **within)

    for version in api.versions.list(store, memory_id=memory.id):
        redacted = api.versions.redact(version.id, **within)
        assert redacted.path is None
        assert redacted.operation == version.operation

    assert all(v.redacted_at for v in api.versions.list(store))


def test_a_restored_copy_survives_the_redaction_of_its_source(api, memory, within):
    restored = api.memories.update(memory.id, content="secret", **within)

    api.versions.redact(memory.memory_version_id, **within)

    assert api.memories.retrieve(memory.id, **within).content == "secret"
    head = api.versions.retrieve(restored.memory_version_id, **within)
    assert (head.content, head.path) == ("secret", "/secret.md")


def test_a_redacted_version_keeps_its_place_in_the_pages(api, store, memory, within):
    before = [v.id for v in api.versions.list(store, limit=1)]

    api.versions.redact(memory.memory_version_id, **within)

    assert [v.id for v in api.versions.list(store, limit=1)] == before


def test_redaction_ignores_a_body_and_a_view(api, memory, within):
    redacted = api.versions.redact(
        memory.memory_version_id, extra_query={"view": "half"}, extra_body={"x": 1}, **within
    )

    assert redacted.redacted_at is not None
