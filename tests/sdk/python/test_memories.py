"""Memories: create, retrieve, update, rename, delete. Their lists are in test_pages."""

from __future__ import annotations

import re
from datetime import timezone
from hashlib import sha256

import pytest
from anthropic import omit

from support import refused

MEMORY_KEYS = {
    "type",
    "id",
    "memory_store_id",
    "path",
    "content",
    "content_size_bytes",
    "content_sha256",
    "memory_version_id",
    "created_at",
    "updated_at",
}
STALE = {"type": "content_sha256", "content_sha256": sha256(b"stale").hexdigest()}


def condition(content: str) -> dict:
    return {"type": "content_sha256", "content_sha256": sha256(content.encode()).hexdigest()}


@pytest.fixture
def memory(api, store):
    return api.memories.create(store, path="/notes/todo.md", content="héllo\n")


@pytest.fixture
def within(store) -> dict:
    return {"memory_store_id": store}


def test_a_new_memory_has_every_field(memory, store):
    assert memory.type == "memory"
    assert re.fullmatch(r"mem_[0-9A-Za-z]+", memory.id)
    assert re.fullmatch(r"memver_[0-9A-Za-z]+", memory.memory_version_id)
    assert memory.memory_store_id == store
    assert memory.path == "/notes/todo.md"
    assert memory.content is None
    assert memory.content_size_bytes == 7
    assert memory.content_sha256 == sha256("héllo\n".encode()).hexdigest()
    assert memory.created_at == memory.updated_at
    assert memory.created_at.tzinfo == timezone.utc


@pytest.mark.parametrize("view", ["basic", "full"])
def test_a_memory_is_sent_with_all_its_keys_and_no_others(api, store, within, view: str):
    created = api.raw.memories.create(store, path="/a", content="1", view=view).json()
    retrieved = api.raw.memories.retrieve(created["id"], view=view, **within).json()
    updated = api.raw.memories.update(created["id"], content="2", view=view, **within).json()
    listed = api.raw.memories.list(store, view=view).json()

    assert set(created) == set(retrieved) == set(updated) == MEMORY_KEYS
    assert set(listed) == {"data", "next_page"}
    assert set(listed["data"][0]) == MEMORY_KEYS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", created["updated_at"])


def test_only_retrieve_shows_content_by_default(api, store, memory, within):
    assert memory.content is None
    assert api.memories.update(memory.id, content="new", **within).content is None
    assert [item.content for item in api.memories.list(store)] == [None]
    assert api.memories.retrieve(memory.id, **within).content == "new"


def test_a_full_view_shows_content_everywhere(api, store, within):
    created = api.memories.create(store, path="/a", content="1", view="full")
    updated = api.memories.update(created.id, content="2", view="full", **within)
    listed = list(api.memories.list(store, view="full"))
    retrieved = api.memories.retrieve(created.id, view="full", **within)

    assert [created.content, updated.content] == ["1", "2"]
    assert [item.content for item in listed] == ["2"]
    assert retrieved == updated


def test_a_basic_view_hides_content_everywhere(api, store, within):
    created = api.memories.create(store, path="/a", content="1", view="basic")
    updated = api.memories.update(created.id, content="2", view="basic", **within)
    listed = list(api.memories.list(store, view="basic"))
    retrieved = api.memories.retrieve(created.id, view="basic", **within)

    assert created.content is None
    assert retrieved == updated == listed[0]
    assert retrieved.content is None
    assert retrieved.content_size_bytes == 1


def test_an_unknown_view_is_refused(api, store, memory, within):
    view = "half"

    refused("invalid_request_error", api.memories.create, store, path="/b", content="", view=view)
    refused("invalid_request_error", api.memories.update, memory.id, path="/b", view=view, **within)
    refused("invalid_request_error", api.memories.retrieve, memory.id, view=view, **within)
    refused("invalid_request_error", api.memories.list, store, view=view)

    assert [item.path for item in api.memories.list(store)] == ["/notes/todo.md"]


def test_deletion_ignores_a_view(api, memory, within):
    api.memories.delete(memory.id, extra_query={"view": "half"}, **within)


def test_an_update_keeps_the_id_and_moves_the_head(api, memory, within):
    updated = api.memories.update(memory.id, content="new", **within)

    assert updated.id == memory.id
    assert updated.path == memory.path
    assert updated.content_size_bytes == 3
    assert updated.content_sha256 == sha256(b"new").hexdigest()
    assert updated.memory_version_id != memory.memory_version_id
    assert updated.created_at == memory.created_at
    assert updated.updated_at > memory.updated_at


def test_a_rename_keeps_the_id(api, memory, within):
    renamed = api.memories.update(memory.id, path="/done.md", **within)

    assert (renamed.id, renamed.path) == (memory.id, "/done.md")
    assert renamed.content_sha256 == memory.content_sha256
    assert renamed.created_at == memory.created_at
    assert renamed.updated_at > memory.updated_at
    assert renamed.memory_version_id != memory.memory_version_id


def test_a_rename_with_new_content_is_one_version(api, store, memory, within):
    api.memories.update(memory.id, path="/done.md", content="new", **within)

    newest, first = api.versions.list(store, memory_id=memory.id, view="full")
    assert (newest.operation, newest.path, newest.content) == ("modified", "/done.md", "new")
    assert (first.operation, first.path, first.content) == ("created", "/notes/todo.md", "héllo\n")


@pytest.mark.parametrize("precondition", [None, STALE], ids=["no", "stale"])
@pytest.mark.parametrize(
    "asked",
    [
        {"content": "héllo\n"},
        {"path": "/notes/todo.md"},
        {"content": "héllo\n", "path": "/notes/todo.md"},
        {"content": None, "path": "/notes/todo.md"},
    ],
    ids=lambda asked: "+".join(asked),
)
def test_an_update_to_what_already_is_writes_no_version(
    api, store, memory, within, asked, precondition
):
    conditions = {"precondition": precondition} if precondition else {}

    same = api.memories.update(memory.id, **asked, **conditions, **within)

    assert same == memory
    assert len(list(api.versions.list(store))) == 1


def test_a_stale_precondition_refuses_and_tells_nothing(api, memory, within):
    refusal = refused(
        "memory_precondition_failed_error",
        api.memories.update,
        memory.id,
        content="mine",
        precondition=STALE,
        **within,
    )

    assert set(refusal.body["error"]) == {"type", "message"}
    assert memory.content_sha256 not in refusal.response.text
    assert "héllo" not in refusal.response.text
    assert api.memories.retrieve(memory.id, view="basic", **within) == memory


def test_a_true_precondition_lets_the_update_through(api, memory, within):
    updated = api.memories.update(
        memory.id, content="new", precondition=condition("héllo\n"), **within
    )

    assert updated.content_sha256 == sha256(b"new").hexdigest()


def test_a_precondition_is_about_the_content_also_for_a_rename(api, memory, within):
    rename = {"path": "/done.md", **within}

    refused(
        "memory_precondition_failed_error",
        api.memories.update,
        memory.id,
        precondition=STALE,
        **rename,
    )

    renamed = api.memories.update(memory.id, precondition=condition("héllo\n"), **rename)
    assert renamed.path == "/done.md"


@pytest.mark.parametrize(
    "precondition",
    [
        {"type": "content_sha256"},
        {"type": "content_sha256", "content_sha256": None},
        {"content_sha256": STALE["content_sha256"]},
        {"type": "etag", "content_sha256": STALE["content_sha256"]},
        {"type": "content_sha256", "content_sha256": STALE["content_sha256"].upper()},
        {"type": "content_sha256", "content_sha256": STALE["content_sha256"][:-1]},
        {"type": "content_sha256", "content_sha256": "nothex"},
        {"type": "content_sha256", "content_sha256": ""},
        {**STALE, "extra": 1},
        "sha",
    ],
    ids=[
        "no hash",
        "null hash",
        "no type",
        "other type",
        "upper case",
        "63 digits",
        "not hex",
        "empty",
        "extra key",
        "string",
    ],
)
def test_a_malformed_precondition_is_refused(api, memory, within, precondition):
    refused(
        "invalid_request_error",
        api.memories.update,
        memory.id,
        content="new",
        precondition=precondition,
        **within,
    )

    assert api.memories.retrieve(memory.id, view="basic", **within) == memory


@pytest.mark.parametrize(
    "asked", [{}, {"content": None}, {"path": None}, {"content": None, "path": None}], ids=str
)
def test_an_update_of_nothing_is_refused(api, memory, within, asked):
    refused("invalid_request_error", api.memories.update, memory.id, **asked, **within)


def test_a_null_beside_a_value_leaves_its_field_as_it_is(api, memory, within):
    renamed = api.memories.update(memory.id, content=None, path="/b", **within)
    rewritten = api.memories.update(memory.id, content="new", path=None, **within)

    assert renamed.content_sha256 == memory.content_sha256
    assert rewritten.path == "/b"


def test_content_is_required_and_not_null(api, store):
    for missing in (None, omit, 7):
        refused("invalid_request_error", api.memories.create, store, path="/a", content=missing)


def test_create_never_overwrites_even_with_the_same_content(api, store, memory, within):
    for content in ("héllo\n", "other"):
        refused(
            "memory_path_conflict_error",
            api.memories.create,
            store,
            path=memory.path,
            content=content,
        )

    assert api.memories.retrieve(memory.id, view="basic", **within) == memory


def test_a_deleted_memory_is_gone(api, store, memory, within):
    deleted = api.memories.delete(memory.id, **within)

    assert (deleted.id, deleted.type) == (memory.id, "memory_deleted")
    refused("not_found_error", api.memories.retrieve, memory.id, **within)
    refused("not_found_error", api.memories.update, memory.id, content="x", **within)
    refused("not_found_error", api.memories.delete, memory.id, **within)
    assert list(api.memories.list(store)) == []


def test_a_deleted_memory_is_sent_with_its_two_keys(api, memory, within):
    sent = api.raw.memories.delete(memory.id, **within).json()

    assert sent == {"id": memory.id, "type": "memory_deleted"}


def test_a_freed_path_takes_a_new_memory_with_its_own_history(api, store, memory, within):
    api.memories.delete(memory.id, **within)

    again = api.memories.create(store, path=memory.path, content="again")

    assert again.id != memory.id
    assert [v.operation for v in api.versions.list(store, memory_id=again.id)] == ["created"]


def test_a_delete_with_the_current_hash_goes_through(api, memory, within):
    deleted = api.memories.delete(
        memory.id, expected_content_sha256=memory.content_sha256, **within
    )

    assert deleted.id == memory.id


def test_a_delete_with_another_hash_deletes_nothing(api, memory, within):
    refusal = refused(
        "memory_precondition_failed_error",
        api.memories.delete,
        memory.id,
        expected_content_sha256=STALE["content_sha256"],
        **within,
    )

    assert set(refusal.body["error"]) == {"type", "message"}
    assert api.memories.retrieve(memory.id, view="basic", **within) == memory


@pytest.mark.parametrize(
    "expected",
    ["", "nothex", STALE["content_sha256"].upper(), STALE["content_sha256"] + "0"],
    ids=["empty", "not hex", "upper case", "65 digits"],
)
def test_a_delete_with_a_malformed_hash_is_refused(api, memory, within, expected: str):
    refused(
        "invalid_request_error",
        api.memories.delete,
        memory.id,
        expected_content_sha256=expected,
        **within,
    )

    api.memories.retrieve(memory.id, **within)


@pytest.mark.parametrize(
    "memory_id", ["mem_01ARZ3NDEKTSV4RRFFQ69G5FAV", "mem_", "nonsense", "%2e%2e", "ü"]
)
def test_an_unknown_or_malformed_memory_is_not_found(api, within, memory_id: str):
    refused("not_found_error", api.memories.retrieve, memory_id, **within)
    refused("not_found_error", api.memories.update, memory_id, content="x", **within)
    refused("not_found_error", api.memories.delete, memory_id, **within)


def test_a_memory_is_not_found_in_another_store(api, memory):
    elsewhere = {"memory_store_id": api.stores.create(name="other").id}

    refused("not_found_error", api.memories.retrieve, memory.id, **elsewhere)
    refused("not_found_error", api.memories.update, memory.id, content="x", **elsewhere)
    refused("not_found_error", api.memories.delete, memory.id, **elsewhere)


@pytest.mark.parametrize("field", ["id", "created_by", "content_sha256", "precondition", "view"])
def test_an_unknown_key_on_create_is_refused_by_name(api, store, field: str):
    refusal = refused(
        "invalid_request_error",
        api.memories.create,
        store,
        path="/a",
        content="",
        extra_body={field: "x"},
    )

    assert field in refusal.message


def test_an_unknown_key_on_update_is_refused_by_name(api, memory, within):
    refusal = refused(
        "invalid_request_error",
        api.memories.update,
        memory.id,
        content="new",
        extra_body={"created_by": {"type": "user_actor", "user_id": "user_1"}},
        **within,
    )

    assert "created_by" in refusal.message
    assert api.memories.retrieve(memory.id, view="basic", **within) == memory


def test_writes_are_seen_by_another_client_at_once(connect, api, store, memory, within):
    other = connect(api.sdk.api_key)

    other.memories.update(memory.id, content="from elsewhere", **within)

    assert api.memories.retrieve(memory.id, **within).content == "from elsewhere"
