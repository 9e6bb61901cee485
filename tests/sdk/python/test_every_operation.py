"""What each of the fourteen operations takes and answers alike: headers, ids, workspaces."""

from __future__ import annotations

import re

import pytest
from anthropic import BaseModel, omit

from operations import OPERATIONS, Operation, World

ONE_OF_EACH_SCOPE = list({o.scope: o for o in OPERATIONS}.values())

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
one_operation_of_each_scope = pytest.mark.parametrize(
    "operation", ONE_OF_EACH_SCOPE, ids=lambda o: o.name
)


@pytest.fixture
def world(api) -> World:
    return World.build(api)


@every_operation
def test_it_answers_its_object_with_the_promised_headers(api, world, operation: Operation):
    response = operation.call(api.raw, world)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"req_\w+", response.headers["request-id"])
    assert response.headers["anthropic-organization-id"]
    assert re.fullmatch(r"wrkspc_\w+", response.headers["anthropic-workspace-id"])
    assert response.request_id == response.headers["request-id"]
    assert response.workspace_id == response.headers["anthropic-workspace-id"]
    assert response.retries_taken == 0
    result = response.parse()
    assert result._request_id == response.request_id
    assert result._workspace_id == response.workspace_id
    if operation.answer == "page":
        assert result.data
        assert result.next_page is None
    else:
        assert isinstance(result, BaseModel)
        assert result.type == operation.answer


@every_operation
def test_its_answer_passes_the_strict_validation_of_the_sdk(connect, operation: Operation):
    strict = connect(_strict_response_validation=True)

    operation.call(strict, World.build(strict))


@every_operation
def test_it_takes_every_common_parameter(api, world, operation: Operation):
    own_workspace = api.stores.list()._workspace_id

    result = operation.call(
        api,
        world,
        betas=["managed-agents-2026-04-01"],
        workspace_id=own_workspace,
        extra_headers={"x-anything": "goes"},
        extra_query={"beta": "true", "order_by": "path", "order": "desc"},
        timeout=20.0,
    )

    assert result._workspace_id == own_workspace
    sent = api.wire.requests[-1].headers["anthropic-beta"]
    assert sent == "managed-agents-2026-04-01,agent-memory-2026-07-22"


@one_operation_of_each_scope
@pytest.mark.parametrize(
    "beta",
    [
        "managed-agents-2026-04-01",
        "managed-agents-2026-04-01, agent-memory-2026-07-22",
        "agent-memory-2026-07-22,something-new-2027-01-01",
    ],
)
def test_it_takes_either_beta_beside_any_other(api, world, operation: Operation, beta: str):
    operation.call(api, world, extra_headers={"anthropic-beta": beta})


@one_operation_of_each_scope
@pytest.mark.parametrize(
    "version", ["2026-10-21", "2023-06-01", omit], ids=["2026-10-21", "2023-06-01", "none"]
)
def test_it_takes_every_known_version_and_none(api, world, operation: Operation, version):
    operation.call(api, world, extra_headers={"anthropic-version": version})


@every_operation
def test_it_takes_the_same_credential_in_both_headers(api, world, operation: Operation):
    operation.call(api, world, extra_headers={"x-api-key": api.sdk.api_key})


@every_operation
def test_the_one_scope_it_needs_is_enough(connect, admin_key, issue_key, operation: Operation):
    world = World.build(connect(admin_key))
    allowed = connect(issue_key(scopes=[operation.scope])["key"])

    operation.call(allowed, world)
