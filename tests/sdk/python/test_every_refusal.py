"""What each of the fourteen operations refuses alike: headers, credentials, workspaces, scopes."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest
from anthropic import omit

import clients
from clients import Api
from operations import OPERATIONS, Operation, World
from support import fresh_key, refused

UNKNOWN_WORKSPACE = "wrkspc_01ARZ3NDEKTSV4RRFFQ69G5FAV"
UNKNOWN_STORE = "memstore_01ARZ3NDEKTSV4RRFFQ69G5FAV"
WITHIN_A_STORE = [o for o in OPERATIONS if o.name not in ("create_store", "list_stores")]

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
every_operation_within_a_store = pytest.mark.parametrize(
    "operation", WITHIN_A_STORE, ids=lambda o: o.name
)


def untouched_world(portal, transports, server_url: str, api_key: str) -> Iterator[World]:
    """A world that only refused operations reach, so that many tests share it."""
    owner = clients.connect("sync", portal, transports, api_key=api_key, base_url=server_url)
    world = World.build(owner)
    before = owner.memories.retrieve(world.memory, memory_store_id=world.store)
    yield world
    assert owner.memories.retrieve(world.memory, memory_store_id=world.store) == before
    assert owner.stores.retrieve(world.store).archived_at is None
    assert len(list(owner.versions.list(world.store))) == 2


@pytest.fixture(scope="module")
def key() -> str:
    return fresh_key()


@pytest.fixture(scope="module")
def world(portal, transports, server_url, key) -> Iterator[World]:
    yield from untouched_world(portal, transports, server_url, key)


@pytest.fixture(scope="module")
def world_of_admin(portal, transports, server_url, admin_key) -> Iterator[World]:
    yield from untouched_world(portal, transports, server_url, admin_key)


@pytest.fixture
def api(connect, key) -> Api:
    return connect(key)


@every_operation
def test_it_needs_a_beta(api, world, operation: Operation):
    refusal = refused(
        "invalid_request_error",
        operation.call,
        api,
        world,
        extra_headers={"anthropic-beta": omit},
    )

    assert "anthropic-beta" in refusal.message
    assert "agent-memory-2026-07-22" in refusal.message


@every_operation
def test_it_refuses_an_unknown_version(api, world, operation: Operation):
    headers = {"anthropic-version": "1999-01-01"}

    refused("invalid_request_error", operation.call, api, world, extra_headers=headers)


@every_operation
def test_it_needs_a_credential(api, world, operation: Operation):
    headers = {"Authorization": omit}

    refused("authentication_error", operation.call, api, world, extra_headers=headers)


@every_operation
def test_it_refuses_two_different_credentials(api, world, operation: Operation):
    headers = {"x-api-key": f"test-{uuid4().hex}"}

    refused("authentication_error", operation.call, api, world, extra_headers=headers)


@every_operation
def test_it_refuses_a_malformed_workspace(api, world, operation: Operation):
    refused("invalid_request_error", operation.call, api, world, workspace_id="not a workspace")


@every_operation
def test_it_does_not_know_another_workspace(connect, api, world, operation: Operation):
    foreign = connect().stores.list()._workspace_id

    refused("not_found_error", operation.call, api, world, workspace_id=foreign)
    refused("not_found_error", operation.call, api, world, workspace_id=UNKNOWN_WORKSPACE)


@every_operation_within_a_store
def test_a_store_of_another_workspace_reads_as_missing(connect, world, operation: Operation):
    stranger = connect()
    nowhere = World(UNKNOWN_STORE, world.memory, world.old_version)

    foreign = refused("not_found_error", operation.call, stranger, world)
    unknown = refused("not_found_error", operation.call, stranger, nowhere)

    assert foreign.api_message.replace(world.store, UNKNOWN_STORE) == unknown.api_message
    assert "x-should-retry" not in foreign.response.headers


@every_operation_within_a_store
def test_an_unknown_or_malformed_store_is_not_found(api, world, operation: Operation):
    for store in (UNKNOWN_STORE, "memstore_", "nonsense", "%2e%2e", "ü"):
        elsewhere = World(store, world.memory, world.old_version)

        refused("not_found_error", operation.call, api, elsewhere)


@every_operation
def test_all_other_scopes_are_not_enough(connect, world_of_admin, issue_key, operation: Operation):
    others = sorted({"read", "write", "redact", "admin"} - {operation.scope})
    restricted = connect(issue_key(scopes=others)["key"])

    refused("permission_error", operation.call, restricted, world_of_admin)
