"""The history: what a version holds, who wrote it, and how to find it."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from hashlib import sha256

import pytest

from support import refused

VERSION_KEYS = {
    "type",
    "id",
    "memory_id",
    "memory_store_id",
    "operation",
    "path",
    "content",
    "content_size_bytes",
    "content_sha256",
    "created_at",
    "created_by",
    "redacted_at",
    "redacted_by",
}


@pytest.fixture
def memory(api, store):
    """A memory that was created, modified, renamed and deleted."""
    memory = api.memories.create(store, path="/a", content="one")
    api.memories.update(memory.id, memory_store_id=store, content="two!")
    api.memories.update(memory.id, memory_store_id=store, path="/b")
    api.memories.delete(memory.id, memory_store_id=store)
    return memory


def test_every_change_is_a_version_newest_first(api, store, memory):
    versions = list(api.versions.list(store, view="full"))

    assert [(v.operation, v.path, v.content) for v in versions] == [
        ("deleted", "/b", None),
        ("modified", "/b", "two!"),
        ("modified", "/a", "two!"),
        ("created", "/a", "one"),
    ]
    assert [v.content_size_bytes for v in versions] == [None, 4, 4, 3]
    assert {v.memory_id for v in versions} == {memory.id}
    assert {v.memory_store_id for v in versions} == {store}
    times = [v.created_at for v in versions]
    assert times == sorted(set(times), reverse=True)


def test_a_version_has_every_field(api, store, memory):
    version = api.versions.retrieve(memory.memory_version_id, memory_store_id=store)

    assert version.type == "memory_version"
    assert version.id == memory.memory_version_id
    assert version.content_sha256 == sha256(b"one").hexdigest()
    assert version.created_at == memory.created_at
    assert version.created_at.tzinfo == timezone.utc
    assert version.created_by.type == "api_actor"
    assert re.fullmatch(r"apikey_[0-9A-Za-z]+", version.created_by.api_key_id)
    assert version.redacted_at is None
    assert version.redacted_by is None


def test_the_time_of_a_change_is_that_of_its_version(api, store):
    memory = api.memories.create(store, path="/a", content="one")
    updated = api.memories.update(memory.id, memory_store_id=store, content="two")

    head = api.versions.retrieve(updated.memory_version_id, memory_store_id=store)

    assert head.created_at == updated.updated_at


@pytest.mark.parametrize("view", ["basic", "full"])
def test_a_version_is_sent_with_all_its_keys_and_no_others(api, store, memory, view: str):
    listed = api.raw.versions.list(store, view=view).json()
    ids = [version["id"] for version in listed["data"]]
    single = [api.raw.versions.retrieve(i, memory_store_id=store, view=view).json() for i in ids]

    assert set(listed) == {"data", "next_page"}
    assert all(set(version) == VERSION_KEYS for version in listed["data"])
    assert single == listed["data"]


def test_a_list_hides_content_by_default_and_a_retrieve_shows_it(api, store, memory):
    hidden = list(api.versions.list(store))
    shown = [api.versions.retrieve(v.id, memory_store_id=store) for v in hidden]

    assert [v.content for v in hidden] == [None] * 4
    assert hidden == list(api.versions.list(store, view="basic"))
    assert [v.content_size_bytes for v in hidden] == [None, 4, 4, 3]
    assert shown == list(api.versions.list(store, view="full"))


def test_a_basic_retrieve_hides_content(api, store, memory):
    version = api.versions.retrieve(memory.memory_version_id, memory_store_id=store, view="basic")

    assert (version.content, version.content_size_bytes) == (None, 3)


def test_the_history_of_a_deleted_memory_stays(api, store, memory):
    other = api.memories.create(store, path="/a", content="another")

    assert len(list(api.versions.list(store, memory_id=memory.id))) == 4
    assert [v.id for v in api.versions.list(store, memory_id=other.id)] == [other.memory_version_id]


@pytest.mark.parametrize(("operation", "count"), [("created", 1), ("modified", 2), ("deleted", 1)])
def test_versions_are_found_by_operation(api, store, memory, operation: str, count: int):
    found = list(api.versions.list(store, operation=operation))

    assert [v.operation for v in found] == [operation] * count


def test_versions_are_found_by_time_with_both_ends_included(api, store, memory):
    deleted, renamed, modified, created = api.versions.list(store)
    berlin = timezone(timedelta(hours=2))

    def found(**bounds) -> list:
        return list(api.versions.list(store, **bounds))

    assert found(created_at_gte=modified.created_at) == [deleted, renamed, modified]
    assert found(created_at_lte=modified.created_at) == [modified, created]
    assert found(created_at_gte=modified.created_at, created_at_lte=modified.created_at) == [
        modified
    ]
    assert found(created_at_gte=renamed.created_at.astimezone(berlin)) == [deleted, renamed]
    assert found(created_at_gte=renamed.created_at.isoformat().replace("+00:00", "Z")) == [
        deleted,
        renamed,
    ]
    assert found(created_at_gte=deleted.created_at, created_at_lte=created.created_at) == []


@pytest.mark.parametrize(
    "filters",
    [
        {"memory_id": "mem_01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        {"session_id": "sesn_01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        {"api_key_id": "apikey_01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        {"service_account_id": "svac_01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        {"created_at_gte": "2100-01-01T00:00:00Z"},
    ],
    ids=lambda filters: next(iter(filters)),
)
def test_a_filter_that_matches_nothing_gives_an_empty_page(api, store, memory, filters: dict):
    page = api.versions.list(store, **filters)

    assert page.data == []
    assert page.next_page is None


def test_all_filters_must_match(api, store, memory):
    key = api.versions.list(store).data[0].created_by.api_key_id
    both = {"memory_id": memory.id, "api_key_id": key}

    assert len(list(api.versions.list(store, operation="modified", **both))) == 2
    assert list(api.versions.list(store, session_id="sesn_01ARZ", **both)) == []


def test_the_actor_is_the_credential_that_wrote(connect, admin_key, issue_key):
    admin = connect(admin_key)
    store = admin.stores.create(name="shared").id
    program = issue_key(scopes=["read", "write"])
    service = issue_key(scopes=["read", "write"], as_service="indexer")
    person = issue_key(scopes=["read", "write"], as_user="ada")

    for number, issued in enumerate((program, service, person)):
        connect(issued["key"]).memories.create(store, path=f"/{number}", content="")

    by_person, by_service, by_program = (v.created_by for v in admin.versions.list(store))
    assert (by_program.type, by_program.api_key_id) == ("api_actor", program["id"])
    assert by_service.type == "service_account_actor"
    assert by_service.service_account_id.startswith("svac_")
    assert by_person.type == "user_actor"
    assert by_person.user_id.startswith("user_")
    for issued, actor in ((program, by_program), (service, by_service), (person, by_person)):
        assert issued["actor"].items() >= actor.to_dict().items()


def test_versions_are_found_by_who_wrote_them(connect, admin_key, issue_key):
    admin = connect(admin_key)
    store = admin.stores.create(name="shared").id
    program = issue_key(scopes=["write"])
    service = issue_key(scopes=["write"], as_service="indexer")
    for name, issued in (("program", program), ("service", service)):
        connect(issued["key"]).memories.create(store, path=f"/{name}", content="")
    account = service["actor"]["service_account_id"]

    by_key = list(admin.versions.list(store, api_key_id=program["id"]))
    by_account = list(admin.versions.list(store, service_account_id=account))

    assert [v.path for v in by_key] == ["/program"]
    assert [v.path for v in by_account] == ["/service"]
    assert list(admin.versions.list(store, api_key_id=program["id"], session_id="sesn_1")) == []


@pytest.mark.parametrize(
    "filters",
    [
        {"operation": "renamed"},
        {"operation": "redacted"},
        {"view": "half"},
        {"created_at_gte": "yesterday"},
        {"created_at_gte": "2026-01-01"},
        {"created_at_lte": "2026-13-01T00:00:00Z"},
    ],
    ids=str,
)
def test_a_filter_outside_its_values_is_refused(api, store, filters: dict):
    refused("invalid_request_error", api.versions.list, store, **filters)


@pytest.mark.parametrize(
    "version", ["memver_01ARZ3NDEKTSV4RRFFQ69G5FAV", "memver_", "nonsense", "%2e%2e", "ü"]
)
def test_an_unknown_or_malformed_version_is_not_found(api, store, version: str):
    refused("not_found_error", api.versions.retrieve, version, memory_store_id=store)
    refused("not_found_error", api.versions.redact, version, memory_store_id=store)


def test_a_version_is_not_found_in_another_store(api, memory):
    elsewhere = api.stores.create(name="other").id

    for call in (api.versions.retrieve, api.versions.redact):
        refused("not_found_error", call, memory.memory_version_id, memory_store_id=elsewhere)


def test_an_old_version_is_restored_by_an_update(api, store):
    memory = api.memories.create(store, path="/a", content="good")
    api.memories.update(memory.id, memory_store_id=store, content="bad")

    old = api.versions.retrieve(memory.memory_version_id, memory_store_id=store)
    restored = api.memories.update(memory.id, memory_store_id=store, content=old.content)

    assert restored.content_sha256 == memory.content_sha256
    assert restored.memory_version_id != memory.memory_version_id
