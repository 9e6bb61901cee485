"""Each kind of refusal as the SDK raises it, and how often it was asked for."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import anthropic
import pytest

from support import refused
from operations import World

UNKNOWN_STORE = "memstore_01ARZ3NDEKTSV4RRFFQ69G5FAV"
BETA = {"anthropic-beta": "agent-memory-2026-07-22"}


@pytest.fixture
def world(api) -> World:
    return World.build(api)


def stale_update(api, world):
    api.memories.update(
        world.memory,
        memory_store_id=world.store,
        content="x",
        precondition={"type": "content_sha256", "content_sha256": "0" * 64},
    )


def stale_delete(api, world):
    api.memories.delete(world.memory, memory_store_id=world.store, expected_content_sha256="0" * 64)


def create_over(api, world):
    api.memories.create(world.store, path="/notes/todo.md", content="")


def rename_over(api, world):
    other = api.memories.create(world.store, path="/other", content="")
    api.memories.update(other.id, memory_store_id=world.store, path="/notes")


def without_credential(api, world):
    api.stores.list(extra_headers={"Authorization": anthropic.omit})


def unknown_store(api, world):
    api.stores.retrieve(UNKNOWN_STORE)


def nameless_store(api, world):
    api.stores.create(name="")


REFUSALS = [
    (nameless_store, anthropic.BadRequestError, 400, "invalid_request_error", None),
    (without_credential, anthropic.AuthenticationError, 401, "authentication_error", None),
    (unknown_store, anthropic.NotFoundError, 404, "not_found_error", None),
    (create_over, anthropic.ConflictError, 409, "memory_path_conflict_error", "false"),
    (rename_over, anthropic.ConflictError, 409, "memory_path_conflict_error", "false"),
    (stale_update, anthropic.ConflictError, 409, "memory_precondition_failed_error", "false"),
    (stale_delete, anthropic.ConflictError, 409, "memory_precondition_failed_error", "false"),
]


@pytest.mark.parametrize(
    ("provoke", "error_class", "status", "error_type", "retry"),
    REFUSALS,
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_refusal_has_its_class_and_fields_and_is_sent_once(
    api, world, provoke, error_class, status, error_type, retry
):
    with pytest.raises(error_class) as caught:
        provoke(api, world)

    error = caught.value
    assert type(error) is error_class
    assert (error.status_code, error.type) == (status, error_type)
    assert error.request_id == error.body["request_id"]
    assert error.api_message == error.body["error"]["message"]
    assert (error.error_code, error.details) == (None, None)
    assert error.response.headers.get("x-should-retry") == retry
    assert error.response.headers["content-type"] == "application/json"
    assert api.wire.requests[-1].headers["x-stainless-retry-count"] == "0"


def test_a_refusal_within_a_workspace_names_it(api, world):
    workspace = api.stores.list()._workspace_id

    refusal = refused("not_found_error", api.stores.retrieve, UNKNOWN_STORE)

    assert refusal.workspace_id == workspace
    assert refusal.response.headers["anthropic-organization-id"]


def test_a_missing_scope_is_a_permission_error(connect, issue_key):
    reader = connect(issue_key(scopes=["read"])["key"])

    with pytest.raises(anthropic.PermissionDeniedError) as caught:
        reader.stores.create(name="n")

    assert (caught.value.status_code, caught.value.type) == (403, "permission_error")
    assert len(reader.wire.requests) == 1


def test_a_revoked_key_is_not_accepted(connect, administer, issue_key):
    issued = issue_key(scopes=["read"])
    client = connect(issued["key"])
    client.stores.list()

    administer(f"api_keys/{issued['id']}/revoke")

    refused("authentication_error", client.stores.list)


def test_a_key_is_accepted_until_it_expires(connect, issue_key):
    expiry = datetime.now(timezone.utc) + timedelta(seconds=0.5)
    client = connect(issue_key(scopes=["read"], expires_at=expiry.isoformat())["key"])
    client.stores.list()

    with pytest.raises(anthropic.AuthenticationError):
        while datetime.now(timezone.utc) < expiry + timedelta(seconds=1):
            client.stores.list()

    assert datetime.now(timezone.utc) >= expiry


@pytest.mark.parametrize(
    ("message", "provoke"),
    [
        (
            f"memory store not found: {UNKNOWN_STORE}",
            lambda api: api.stores.retrieve(UNKNOWN_STORE),
        ),
        ("name: Field required", lambda api: api.stores.create(name=anthropic.omit)),
        ("name: minimum string length is 1", lambda api: api.stores.create(name="")),
    ],
)
def test_a_recorded_answer_is_matched(api, message: str, provoke):
    with pytest.raises(anthropic.APIStatusError) as caught:
        provoke(api)

    assert caught.value.api_message.startswith(message)


@pytest.mark.parametrize(
    ("message", "provoke"),
    [
        ("name cannot be empty", lambda api, world: api.stores.update(world.store, name="")),
        ("name cannot be empty", lambda api, world: api.stores.update(world.store, name=None)),
        (
            "at least one of name, description, or metadata must be provided",
            lambda api, world: api.stores.update(world.store),
        ),
        (
            "content must be at most 102400 bytes",
            lambda api, world: api.memories.create(world.store, path="/a", content="x" * 102_401),
        ),
        (
            "depth must be 0 or 1 when provided",
            lambda api, world: api.memories.list(world.store, depth=2),
        ),
    ],
)
def test_a_recorded_answer_about_a_store_is_matched(api, world, message: str, provoke):
    with pytest.raises(anthropic.BadRequestError) as caught:
        provoke(api, world)

    assert caught.value.api_message.startswith(message)


def test_a_recorded_answer_about_an_archived_store_is_matched(api, store):
    api.stores.archive(store)

    refusal = refused("invalid_request_error", api.stores.update, store, name="n")

    assert refusal.api_message == f"cannot modify archived resource: memory store {store}"


def test_a_conflict_names_the_path_and_the_way_out(api, world):
    refusal = refused("memory_path_conflict_error", create_over, api, world)

    assert "/notes/todo.md" in refusal.api_message
    assert world.memory in refusal.api_message
    assert "update" in refusal.api_message


def test_an_unknown_route_is_not_found_and_not_worth_a_retry(api, store):
    options = {"headers": BETA}

    refusal = refused(
        "not_found_error",
        api.http.get,
        f"/v1/memory_stores/{store}/nowhere/at/all",
        cast_to=object,
        options=options,
    )

    assert refusal.response.headers["x-should-retry"] == "false"


def test_an_unknown_method_is_refused_in_the_same_envelope(api, store):
    with pytest.raises(anthropic.APIStatusError) as caught:
        api.http.patch(
            f"/v1/memory_stores/{store}", cast_to=object, body={}, options={"headers": BETA}
        )

    assert (caught.value.status_code, caught.value.type) == (405, "invalid_request_error")
    assert caught.value.request_id == caught.value.body["request_id"]


@pytest.mark.parametrize("operation", ["archive", "delete"])
def test_a_body_where_none_belongs_is_ignored(api, store, operation: str):
    getattr(api.stores, operation)(store, extra_body={"anything": 1})


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b'{"name":"a","name":"b"}'])
def test_a_body_that_is_not_one_object_is_refused(api, body: bytes):
    refused(
        "invalid_request_error",
        api.http.post,
        "/v1/memory_stores",
        cast_to=object,
        content=body,
        options={"headers": {**BETA, "content-type": "application/json"}},
    )


def test_a_lone_surrogate_is_refused(api, store):
    refused(
        "invalid_request_error",
        api.http.post,
        f"/v1/memory_stores/{store}/memories",
        cast_to=object,
        content=b'{"path":"/a","content":"\\ud800"}',
        options={"headers": {**BETA, "content-type": "application/json"}},
    )
