"""Memory stores: create, retrieve, update, archive, delete. Their lists are in test_pages."""

from __future__ import annotations

import re
from datetime import timezone

import pytest

from support import refused

STORE_KEYS = {
    "type",
    "id",
    "name",
    "description",
    "metadata",
    "created_at",
    "updated_at",
    "archived_at",
}
CONTROL_CHARACTERS = {
    "newline": "a\nb",
    "carriage return": "a\r",
    "tab": "a\tb",
    "null": "\x00",
    "unit separator": "a\x1f",
    "delete": "a\x7f",
    "next line": "a\x85",
}
NAMES = {
    "longest": "n" * 255,
    "longest in emoji": "🙂" * 255,
    "one space": " ",
    "edges": " edges ",
    "composed": "é",
    "decomposed": "e\u0301",
}
BAD_NAMES = {
    **CONTROL_CHARACTERS,
    "empty": "",
    "too long": "n" * 256,
    "null value": None,
    "number": 7,
}
DESCRIPTIONS = {
    "empty": "",
    "longest": "d" * 1024,
    "longest in emoji": "🙂" * 1024,
    "quotes": 'quotes " and \\',
}
BAD_DESCRIPTIONS = {**CONTROL_CHARACTERS, "too long": "d" * 1025, "number": 7}
SIXTEEN_PAIRS = {f"key-{n}": "v" for n in range(16)}


def test_a_new_store_has_every_field(api):
    store = api.stores.create(
        name="Research notes", description="CRDTs, mostly", metadata={"owner": "ada"}
    )

    assert store.type == "memory_store"
    assert re.fullmatch(r"memstore_[0-9A-Za-z]+", store.id)
    assert store.name == "Research notes"
    assert store.description == "CRDTs, mostly"
    assert store.metadata == {"owner": "ada"}
    assert store.created_at == store.updated_at
    assert store.created_at.tzinfo == timezone.utc
    assert store.archived_at is None


def test_a_store_with_only_a_name_has_an_empty_description_and_no_metadata(api):
    store = api.stores.create(name="bare")

    assert store.description == ""
    assert store.metadata == {}


def test_a_store_is_sent_with_all_its_keys_and_no_others(api):
    sent = api.raw.stores.create(name="bare").json()

    assert set(sent) == STORE_KEYS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", sent["created_at"])
    assert sent["archived_at"] is None


def test_names_need_not_be_unique(api):
    assert api.stores.create(name="twin").id != api.stores.create(name="twin").id


def test_a_store_is_retrieved_as_it_was_created(api):
    created = api.stores.create(name="notes", description="d", metadata={"k": "v"})

    assert api.stores.retrieve(created.id) == created


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_kept_as_it_is(api, name: str):
    assert api.stores.create(name=name).name == name


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_bad_name_is_refused(api, store, name):
    refused("invalid_request_error", api.stores.create, name=name)
    refused("invalid_request_error", api.stores.update, store, name=name)

    assert api.stores.retrieve(store).name == "notes"


@pytest.mark.parametrize("description", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_description_is_kept_as_it_is(api, description: str):
    assert api.stores.create(name="n", description=description).description == description


@pytest.mark.parametrize("description", BAD_DESCRIPTIONS.values(), ids=BAD_DESCRIPTIONS)
def test_a_bad_description_is_refused(api, store, description):
    refused("invalid_request_error", api.stores.create, name="n", description=description)
    refused("invalid_request_error", api.stores.update, store, description=description)

    assert api.stores.retrieve(store).description == ""


def test_a_description_of_two_lines_is_refused_in_plain_words(api):
    refusal = refused(
        "invalid_request_error", api.stores.create, name="n", description="first\nsecond"
    )

    assert "description" in refusal.message
    assert "one line" in refusal.message
    assert re.search(r"\b[56]\b", refusal.message)
    assert "^" not in refusal.message


@pytest.mark.parametrize(
    "metadata",
    [{}, SIXTEEN_PAIRS, {"k" * 64: "v" * 512}, {"🙂" * 64: "🙂" * 512}, {"k": ""}, {"k": "a\nb"}],
    ids=["none", "sixteen", "longest", "longest in emoji", "empty value", "newline"],
)
def test_metadata_is_kept_as_it_is(api, metadata: dict):
    assert api.stores.create(name="n", metadata=metadata).metadata == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        {**SIXTEEN_PAIRS, "one": "more"},
        {"k" * 65: "v"},
        {"": "v"},
        {"k": "v" * 513},
        {"k": 7},
        {"k": "a\x00"},
        ["k"],
    ],
    ids=["seventeen", "long key", "empty key", "long value", "number", "null byte", "list"],
)
def test_bad_metadata_is_refused(api, store, metadata):
    refused("invalid_request_error", api.stores.create, name="n", metadata=metadata)
    refused("invalid_request_error", api.stores.update, store, metadata=metadata)

    assert api.stores.retrieve(store).metadata == {}


@pytest.mark.parametrize("field", ["description", "metadata"])
def test_null_is_not_a_value_on_create(api, field: str):
    refused("invalid_request_error", api.stores.create, name="n", **{field: None})


def test_an_update_changes_what_it_names_and_no_more(api):
    store = api.stores.create(name="old", description="d", metadata={"k": "v"})

    renamed = api.stores.update(store.id, name="new")

    assert (renamed.name, renamed.description, renamed.metadata) == ("new", "d", {"k": "v"})
    assert renamed.created_at == store.created_at
    assert renamed.updated_at > store.updated_at
    assert api.stores.retrieve(store.id) == renamed


@pytest.mark.parametrize("cleared", ["", None])
def test_a_description_is_cleared_by_an_empty_one_or_null(api, cleared):
    store = api.stores.create(name="n", description="d")

    assert api.stores.update(store.id, description=cleared).description == ""


def test_a_metadata_patch_sets_removes_and_keeps(api):
    store = api.stores.create(name="n", metadata={"keep": "1", "change": "2", "remove": "3"})

    patched = api.stores.update(
        store.id, metadata={"change": "two", "remove": None, "add": "4", "absent": None}
    )

    assert patched.metadata == {"keep": "1", "change": "two", "add": "4"}


def test_the_patched_metadata_is_what_the_limit_counts(api):
    store = api.stores.create(name="n", metadata=SIXTEEN_PAIRS)

    refused("invalid_request_error", api.stores.update, store.id, metadata={"one": "more"})

    swapped = api.stores.update(store.id, metadata={"one": "more", "key-0": None})
    assert len(swapped.metadata) == 16


def test_an_update_to_the_same_values_leaves_the_store_as_it_is(api):
    store = api.stores.create(name="n", description="d", metadata={"k": "v"})

    same = api.stores.update(
        store.id, name="n", description="d", metadata={"k": "v", "absent": None}
    )

    assert same == store


def test_an_update_of_nothing_is_refused(api, store):
    refused("invalid_request_error", api.stores.update, store)


def test_null_metadata_is_refused_with_the_way_to_remove_a_key(api, store):
    refusal = refused("invalid_request_error", api.stores.update, store, metadata=None)

    assert "metadata" in refusal.message
    assert "null" in refusal.message


def test_writing_memories_leaves_the_store_as_it_is(api):
    store = api.stores.create(name="n")

    memory = api.memories.create(store.id, path="/a", content="1")
    api.memories.update(memory.id, memory_store_id=store.id, content="2")
    api.memories.delete(memory.id, memory_store_id=store.id)

    assert api.stores.retrieve(store.id) == store


def test_archiving_sets_both_times_and_repeating_it_moves_neither(api):
    store = api.stores.create(name="n")

    archived = api.stores.archive(store.id)

    assert archived.archived_at > store.updated_at
    assert archived.updated_at == archived.archived_at
    assert archived.created_at == store.created_at
    assert api.stores.archive(store.id) == archived
    assert api.stores.retrieve(store.id) == archived


def test_a_deleted_store_is_gone_with_all_that_it_held(api, store):
    memory = api.memories.create(store, path="/a", content="1")

    deleted = api.stores.delete(store)

    assert (deleted.id, deleted.type) == (store, "memory_store_deleted")
    within = {"memory_store_id": store}
    refused("not_found_error", api.stores.retrieve, store)
    refused("not_found_error", api.stores.update, store, name="n")
    refused("not_found_error", api.stores.archive, store)
    refused("not_found_error", api.stores.delete, store)
    refused("not_found_error", api.memories.list, store)
    refused("not_found_error", api.memories.create, store, path="/b", content="")
    refused("not_found_error", api.memories.retrieve, memory.id, **within)
    refused("not_found_error", api.versions.list, store)
    refused("not_found_error", api.versions.retrieve, memory.memory_version_id, **within)
    assert list(api.stores.list(include_archived=True)) == []


def test_a_deleted_store_is_sent_with_its_two_keys(api, store):
    assert api.raw.stores.delete(store).json() == {"id": store, "type": "memory_store_deleted"}


def test_an_archived_store_can_be_deleted(api, store):
    api.stores.archive(store)

    assert api.stores.delete(store).id == store


def test_an_unknown_key_in_the_body_is_refused_by_name(api, store):
    for call in (
        lambda: api.stores.create(name="n", extra_body={"colour": "red"}),
        lambda: api.stores.update(store, name="n2", extra_body={"colour": "red"}),
    ):
        assert "colour" in refused("invalid_request_error", call).message

    assert api.stores.retrieve(store).name == "notes"


@pytest.mark.parametrize("field", ["id", "created_at", "updated_at", "archived_at", "workspace_id"])
def test_what_the_server_decides_cannot_be_sent(api, field: str):
    body = {field: "memstore_01ARZ3NDEKTSV4RRFFQ69G5FAV"}

    refused("invalid_request_error", api.stores.create, name="n", extra_body=body)
