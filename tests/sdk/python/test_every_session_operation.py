"""What the operations of the session side take, answer and refuse alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import anthropic
import pytest
from anthropic import omit

from clients import Api
from session_operations import KINDS, SESSION_OPERATIONS, SessionOperation, SessionWorld
from stage import Model, attach, environment_key, session_token
from support import refused

NAMES_SOMETHING = [
    o
    for o in SESSION_OPERATIONS
    if o.name
    not in (
        "create_agent",
        "list_agents",
        "create_environment",
        "list_environments",
        "list_sessions",
    )
]

every_operation = pytest.mark.parametrize("operation", SESSION_OPERATIONS, ids=lambda o: o.name)
every_operation_on_something = pytest.mark.parametrize(
    "operation", NAMES_SOMETHING, ids=lambda o: o.name
)


@pytest.fixture
def kind() -> str:
    return "sync"


@pytest.fixture
def world(api, connect) -> SessionWorld:
    return SessionWorld.build(api, connect)


@pytest.fixture(scope="module")
def shared() -> dict:
    """A world that only refused operations reach, so that many tests share it."""
    return {}


@pytest.fixture
def untouched(shared, connect) -> SessionWorld:
    if "world" not in shared:
        shared["world"] = SessionWorld.build(connect(), connect)
    return shared["world"]


@pytest.fixture
def stranger(shared, connect) -> SessionWorld:
    """The same in another workspace."""
    if "stranger" not in shared:
        shared["stranger"] = SessionWorld.build(connect(), connect)
    return shared["stranger"]


def caller(connect: Callable[..., Api], world: SessionWorld, kind: str, **options) -> Api:
    return connect(world.credentials[kind], **options)


@pytest.mark.parametrize("kind", ["sync", "async"])
@every_operation
def test_it_takes_every_common_parameter_and_answers_its_object_with_the_promised_headers(
    connect, world, kind, operation: SessionOperation
):
    on = caller(connect, world, operation.kind)

    response = operation.call(
        on.raw,
        world,
        betas=["something-new-2027-01-01"],
        extra_headers={"x-anything": "goes", "anthropic-workspace-id": world.workspace},
        extra_query={"beta": "true"},
        timeout=20.0,
    )

    betas = on.wire.requests[-1].headers["anthropic-beta"]
    assert betas == "something-new-2027-01-01,managed-agents-2026-04-01"
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"req_\w+", response.headers["request-id"])
    assert response.headers["anthropic-organization-id"]
    assert re.fullmatch(r"wrkspc_\w+", response.headers["anthropic-workspace-id"])
    sent = response.json()
    if operation.answer == "null":
        assert sent is None
    elif operation.answer == "page":
        assert list(sent) in (["data", "next_page"], ["data", "next_page", "prev_page"])
        assert sent["next_page"] is None
    elif operation.answer == "data":
        assert list(sent) == ["data"]
    else:
        assert sent["type"] == operation.answer


@every_operation
def test_its_answer_is_valid_and_has_every_key_that_the_sdk_knows(
    connect, world, operation: SessionOperation
):
    strict = caller(connect, world, operation.kind, _strict_response_validation=True)

    response = operation.call(strict.raw, world)

    def missing(value: object, path: str) -> list[str]:
        if isinstance(value, list):
            return [m for i, item in enumerate(value) for m in missing(item, f"{path}[{i}]")]
        if not isinstance(value, anthropic.BaseModel):
            return []
        known = {f.alias or name: name for name, f in type(value).model_fields.items()}
        absent = [f"{path}.{n}" for n in known.values() if n not in value.model_fields_set]
        return absent + [
            m
            for name in value.model_fields_set
            for m in missing(getattr(value, name), f"{path}.{name}")
        ]

    if operation.answer != "null":
        assert missing(response.parse(), operation.answer) == []


@every_operation
def test_it_takes_no_other_kinds_of_credential_than_its_own(
    connect, untouched, operation: SessionOperation
):
    for kind in KINDS:
        if kind not in operation.kinds:
            on = caller(connect, untouched, kind)
            refused("permission_error", operation.call, on, untouched)


@pytest.mark.parametrize(
    "operation",
    [o for o in SESSION_OPERATIONS if len(o.kinds) > 1],
    ids=lambda o: o.name,
)
def test_it_takes_all_its_kinds_of_credential(connect, api, operation: SessionOperation):
    for kind in operation.kinds[1:]:
        world = SessionWorld.build(api, connect)

        operation.call(caller(connect, world, kind), world)


@every_operation
def test_it_needs_the_beta_of_managed_agents(connect, untouched, operation: SessionOperation):
    on = caller(connect, untouched, operation.kind)

    for beta in (omit, "agent-memory-2026-07-22"):
        refusal = refused(
            "invalid_request_error",
            operation.call,
            on,
            untouched,
            extra_headers={"anthropic-beta": beta},
        )
        assert "managed-agents-2026-04-01" in refusal.message


@every_operation
def test_it_refuses_an_unknown_version(connect, untouched, operation: SessionOperation):
    on = caller(connect, untouched, operation.kind)
    headers = {"anthropic-version": "1999-01-01"}

    refused("invalid_request_error", operation.call, on, untouched, extra_headers=headers)


@every_operation
def test_it_needs_one_credential(connect, untouched, operation: SessionOperation):
    on = caller(connect, untouched, operation.kind)

    for headers in ({"Authorization": omit}, {"x-api-key": f"test-{uuid4().hex}"}):
        refused("authentication_error", operation.call, on, untouched, extra_headers=headers)


@every_operation
def test_a_made_up_token_is_no_credential(connect, untouched, operation: SessionOperation):
    for secret in ("mses_", f"mses_{'0' * 43}_000000"):
        refused("authentication_error", operation.call, connect(secret), untouched)


@every_operation_on_something
def test_what_belongs_to_another_workspace_reads_as_missing(
    connect, untouched, stranger, operation: SessionOperation
):
    foreign = replace(untouched, credentials=stranger.credentials)
    on = caller(connect, foreign, operation.kind)

    if operation.kind == "environment_key":
        refused("permission_error", operation.call, on, foreign)
    else:
        refused("not_found_error", operation.call, on, foreign)


@every_operation_on_something
def test_an_unknown_or_malformed_id_is_not_found(connect, untouched, operation: SessionOperation):
    on = caller(connect, untouched, operation.kind)

    for tail in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "nonsense"):
        nowhere = replace(
            untouched,
            agent=f"agent_{tail}",
            environment=f"env_{tail}",
            session=f"sesn_{tail}",
            work=f"work_{tail}",
        )
        if operation.kind == "environment_key" and tail.startswith("01"):
            refused("permission_error", operation.call, on, nowhere)
        else:
            refused("not_found_error", operation.call, on, nowhere)


@pytest.mark.parametrize(
    "operation",
    [o for o in SESSION_OPERATIONS if "api_key" in o.kinds],
    ids=lambda o: o.name,
)
def test_the_one_scope_it_needs_is_enough_and_others_are_not(
    connect, admin_key, issue_key, operation: SessionOperation
):
    world = SessionWorld.build(connect(admin_key), connect)
    others = sorted({"read", "write", "redact", "admin"} - {operation.scope})
    restricted = connect(issue_key(scopes=others)["key"])
    allowed = connect(issue_key(scopes=[operation.scope])["key"])

    refused("permission_error", operation.call, restricted, world)
    operation.call(allowed, world)


def test_the_operations_of_this_server_alone_need_admin(connect, admin_key, issue_key):
    admin = connect(admin_key)
    world = SessionWorld.build(admin, connect)
    others = connect(issue_key(scopes=["read", "write", "redact"])["key"])
    in_session = connect(world.credentials["session_token"])
    worker = connect(world.credentials["environment_key"])

    for on in (others, in_session, worker):
        for call in (
            lambda: Model(on, world.session).end_turn(),
            lambda: session_token(on, world.session),
            lambda: environment_key(on, world.environment),
        ):
            refused("permission_error", call)
    Model(admin, world.session).end_turn()


def test_nothing_of_another_workspace_can_be_used(untouched, stranger):
    mine, create = stranger, stranger.api.sessions.create

    for fields in (
        {"agent": untouched.agent, "environment_id": mine.environment},
        {"agent": mine.agent, "environment_id": untouched.environment},
        {
            "agent": mine.agent,
            "environment_id": mine.environment,
            "resources": [attach(untouched.store)],
        },
    ):
        refused("not_found_error", create, **fields)
