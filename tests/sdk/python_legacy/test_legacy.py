"""An SDK of spring 2026 sends key, version, beta and query the older way, and still works."""

from __future__ import annotations

from hashlib import sha256

import anthropic
import pytest

from clients import pages
from support import fresh_key, refused
from operations import OPERATIONS, Operation, World

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)


@pytest.fixture
def world(api) -> World:
    return World.build(api)


@pytest.fixture
def within(world) -> dict:
    return {"memory_store_id": world.store}


@every_operation
def test_every_operation_works_with_the_older_request(api, world, operation: Operation):
    result = operation.call(api, world)

    sent = api.wire.requests[-1]
    assert sent.headers["x-api-key"] == api.sdk.api_key
    assert "authorization" not in sent.headers
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert sent.headers["anthropic-beta"] == "managed-agents-2026-04-01"
    assert sent.url.params["beta"] == "true"
    if operation.answer == "page":
        assert result.data
        assert result.next_page is None
    else:
        assert result.type == operation.answer
    assert result._request_id.startswith("req_")


@every_operation
def test_every_answer_passes_the_strict_validation_of_the_sdk(connect, operation: Operation):
    strict = connect(_strict_response_validation=True)

    operation.call(strict, World.build(strict))


@every_operation
def test_every_raw_response_has_the_promised_headers(api, world, operation: Operation):
    response = operation.call(api.raw, world)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["request-id"].startswith("req_")
    assert response.headers["anthropic-organization-id"]
    assert response.headers["anthropic-workspace-id"].startswith("wrkspc_")


@every_operation
def test_every_operation_takes_both_betas(api, world, operation: Operation):
    operation.call(api, world, betas=["agent-memory-2026-07-22"])

    sent = api.wire.requests[-1].headers["anthropic-beta"]
    assert sent == "agent-memory-2026-07-22,managed-agents-2026-04-01"


def test_a_key_is_the_same_in_either_header(connect):
    key = fresh_key()
    store = connect(key).stores.create(name="n")

    bearer = connect(auth_token=key)

    assert bearer.stores.retrieve(store.id) == store
    assert bearer.wire.requests[-1].headers["authorization"] == f"Bearer {key}"
    assert "x-api-key" not in bearer.wire.requests[-1].headers


def test_a_key_and_another_token_together_are_refused(connect):
    both = connect(fresh_key(), auth_token=fresh_key())

    refused("authentication_error", both.stores.list)


def test_without_a_key_nothing_is_told(api):
    headers = {"X-Api-Key": anthropic.Omit()}

    refused("authentication_error", api.stores.list, extra_headers=headers)


@pytest.mark.parametrize("order_by", ["path", "created_at", "nonsense"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_withdrawn_order_is_ignored(api, world, order_by: str, order: str):
    for path in ("/z", "/a"):
        api.memories.create(world.store, path=path, content="")

    listed = api.memories.list(world.store, order_by=order_by, order=order)

    assert [item.path for item in listed] == ["/a", "/notes/todo.md", "/z"]


def test_a_prefix_matches_whole_segments_also_with_the_older_beta(api, world):
    api.memories.create(world.store, path="/notes-archive/x", content="")

    listed = api.memories.list(world.store, path_prefix="/notes/")

    assert [item.path for item in listed] == ["/notes/todo.md"]
    refused("invalid_request_error", api.memories.list, world.store, path_prefix="/notes")


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_a_depth_of_1_needs_no_order_and_pages(api, world, limit: int):
    for path in ("/a.md", "/notes/more.md", "/notes/deep/x", "/z"):
        api.memories.create(world.store, path=path, content="")

    walked = list(pages(api.memories.list(world.store, depth=1, limit=limit)))

    items = [item for page in walked for item in page.data]
    assert [item.path for item in items] == ["/a.md", "/notes/", "/z"]
    assert [item.type for item in items] == ["memory", "memory_prefix", "memory"]


def test_the_views_have_their_defaults(api, world, within):
    created = api.memories.create(world.store, path="/a", content="1")
    updated = api.memories.update(created.id, content="2", **within)

    assert (created.content, updated.content) == (None, None)
    assert api.memories.retrieve(created.id, **within).content == "2"
    assert {item.content for item in api.memories.list(world.store)} == {None}
    assert {v.content for v in api.versions.list(world.store)} == {None}
    assert api.versions.retrieve(world.old_version, **within).content == "first"


def test_versions_are_found_by_each_older_filter(api, world):
    newest, oldest = api.versions.list(world.store)
    key = newest.created_by.api_key_id

    for filters, found in (
        ({"memory_id": world.memory}, [newest, oldest]),
        ({"operation": "created"}, [oldest]),
        ({"api_key_id": key, "created_at_gte": newest.created_at}, [newest]),
        ({"created_at_lte": oldest.created_at}, [oldest]),
        ({"session_id": "sesn_01ARZ3NDEKTSV4RRFFQ69G5FAV"}, []),
    ):
        assert list(api.versions.list(world.store, limit=1, **filters)) == found


def test_stores_are_found_by_time_and_archive(api):
    older, newer = (api.stores.create(name=name) for name in ("older", "newer"))
    archived = api.stores.archive(older.id)

    assert list(api.stores.list()) == [newer]
    assert list(api.stores.list(include_archived=True, limit=1)) == [newer, archived]
    assert list(api.stores.list(created_at_gte=newer.created_at)) == [newer]
    assert list(api.stores.list(created_at_lte=older.created_at, include_archived=True)) == [
        archived
    ]


def test_a_stale_precondition_is_a_conflict_and_sent_once(api, world, within):
    sent_before = len(api.wire.requests)

    refusal = refused(
        "memory_precondition_failed_error",
        api.memories.update,
        world.memory,
        content="third",
        precondition={"type": "content_sha256", "content_sha256": "0" * 64},
        **within,
    )

    assert type(refusal) is anthropic.ConflictError
    assert refusal.type == "memory_precondition_failed_error"
    assert len(api.wire.requests) == sent_before + 1


def test_a_path_conflict_names_what_is_in_its_way_and_is_sent_once(api, world):
    sent_before = len(api.wire.requests)

    refusal = refused(
        "memory_path_conflict_error", api.memories.create, world.store, path="/notes", content=""
    )

    assert refusal.body["error"]["conflicting_path"] == "/notes/todo.md"
    assert refusal.body["error"]["conflicting_memory_id"] == world.memory
    assert len(api.wire.requests) == sent_before + 1


def test_an_update_to_what_already_is_writes_no_version(api, world, within):
    before = api.memories.retrieve(world.memory, view="basic", **within)

    same = api.memories.update(
        world.memory,
        content="second",
        precondition={"type": "content_sha256", "content_sha256": "0" * 64},
        **within,
    )

    assert same == before
    assert len(list(api.versions.list(world.store))) == 2


def test_a_lost_answer_to_an_update_leaves_one_version(api, world, within):
    api.wire.lose_the_next_answer_to("POST")

    updated = api.memories.update(world.memory, content="third", **within)

    assert updated.content_sha256 == sha256(b"third").hexdigest()
    assert len(list(api.versions.list(world.store))) == 3


def test_content_and_path_limits_hold(api, world):
    store = world.store
    api.memories.create(store, path="/" + "é" * 511 + "a", content="é" * 51_200)

    refused("invalid_request_error", api.memories.create, store, path="/" + "é" * 512, content="")
    refused("invalid_request_error", api.memories.create, store, path="/b", content="x" * 102_401)
