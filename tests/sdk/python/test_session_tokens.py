"""Session tokens: what they reach, whom they write as, and when they end."""

from __future__ import annotations

import time

import pytest

from stage import (
    Model,
    Stage,
    attach,
    environment_key,
    result_of,
    says,
    session_token,
    token_of,
    tool_use,
)
from support import refused


@pytest.fixture
def kind() -> str:
    return "sync"


@pytest.fixture
def session(stage, store):
    return stage.session(attach(store))


@pytest.fixture
def inside(api, session, connect):
    """A client that acts as the session."""
    return connect(session_token(api, session.id)["token"])


def test_a_token_writes_as_its_session(api, session, store, inside):
    memory = inside.memories.create(store, path="/a.md", content="one")
    inside.memories.update(memory.id, memory_store_id=store, content="two")
    inside.memories.delete(memory.id, memory_store_id=store)

    assert [version.operation for version in api.versions.list(store)] == [
        "deleted",
        "modified",
        "created",
    ]
    for version in api.versions.list(store, session_id=session.id):
        assert version.created_by.type == "session_actor"
        assert version.created_by.session_id == session.id
    assert len(list(api.versions.list(store, session_id=session.id))) == 3


def test_a_token_reads_its_stores_with_their_history(api, store, inside):
    memory = api.memories.create(store, path="/a.md", content="one")

    assert inside.stores.retrieve(store).id == store
    assert [m.path for m in inside.memories.list(store)] == ["/a.md"]
    assert inside.memories.retrieve(memory.id, memory_store_id=store).content == "one"
    (version,) = inside.versions.list(store)
    assert inside.versions.retrieve(version.id, memory_store_id=store).content == "one"


def test_a_read_only_store_is_read_and_never_written(api, stage, store, connect):
    session = stage.session(attach(store, "read_only"))
    memory = api.memories.create(store, path="/a.md", content="one")
    inside = connect(session_token(api, session.id)["token"])
    within = {"memory_store_id": store}

    refused("permission_error", inside.memories.create, store, path="/b.md", content="x")
    refused("permission_error", inside.memories.update, memory.id, content="x", **within)
    refused("permission_error", inside.memories.delete, memory.id, **within)

    assert [m.content for m in inside.memories.list(store, view="full")] == ["one"]
    assert len(list(api.versions.list(store))) == 1


def test_a_token_reaches_the_attached_stores_and_no_others(api, inside):
    other = api.stores.create(name="other").id
    memory = api.memories.create(other, path="/a.md", content="one")

    refused("not_found_error", inside.stores.retrieve, other)
    refused("not_found_error", inside.memories.list, other)
    refused("not_found_error", inside.memories.create, other, path="/b.md", content="x")
    refused("not_found_error", inside.memories.retrieve, memory.id, memory_store_id=other)
    refused("not_found_error", inside.versions.list, other)


def test_a_token_never_redacts_and_never_touches_a_store_itself(api, store, inside):
    memory = api.memories.create(store, path="/a.md", content="one")
    api.memories.update(memory.id, memory_store_id=store, content="two")
    old = memory.memory_version_id

    refused("permission_error", inside.versions.redact, old, memory_store_id=store)
    refused("permission_error", inside.stores.update, store, name="mine")
    refused("permission_error", inside.stores.archive, store)
    refused("permission_error", inside.stores.delete, store)
    refused("permission_error", inside.stores.create, name="mine")
    refused("permission_error", inside.stores.list)


def test_a_token_knows_its_own_session_only(api, stage, session, inside):
    other = stage.session()

    assert inside.sessions.retrieve(session.id).id == session.id
    assert list(inside.events.list(session.id)) == []
    refused("not_found_error", inside.sessions.retrieve, other.id)
    refused("not_found_error", inside.events.list, other.id)
    refused("not_found_error", inside.events.send, other.id, events=[says("x")])
    refused("permission_error", inside.sessions.list)
    refused("permission_error", inside.agents.list)


def test_a_token_answers_calls_and_says_nothing_in_its_user_s_name(api, session, inside):
    (use,) = Model(api, session.id).emit({**tool_use(), "evaluated_permission": "ask"})
    allow = {"type": "user.tool_confirmation", "tool_use_id": use["id"], "result": "allow"}

    for event in (says("x"), allow, {"type": "user.interrupt"}):
        refused("permission_error", inside.events.send, session.id, events=[event])
    inside.events.send(session.id, events=[result_of(use)])

    assert [event.type for event in inside.events.list(session.id)] == [
        "agent.tool_use",
        "user.tool_result",
    ]


def test_an_environment_key_reaches_no_memory(api, stage, session, store, connect):
    memory = api.memories.create(store, path="/a.md", content="one")
    worker = connect(stage.key)

    refused("permission_error", worker.memories.list, store)
    refused("permission_error", worker.memories.create, store, path="/b.md", content="x")
    refused("permission_error", worker.memories.retrieve, memory.id, memory_store_id=store)
    refused("permission_error", worker.versions.list, store)
    refused("permission_error", worker.stores.retrieve, store)
    refused("permission_error", worker.stores.list)


def test_an_environment_key_reaches_its_own_queue_only(api, stage, connect):
    other = Stage.build(api)
    other.session()

    refused("permission_error", connect(stage.key).work.poll, other.environment)
    assert connect(other.key).work.poll(other.environment) is not None


def test_each_poll_makes_a_token_of_its_own(stage, session, store, connect):
    queue = connect(stage.key).work
    first = token_of(queue.poll(stage.environment))
    time.sleep(0.01)
    second = token_of(queue.poll(stage.environment, reclaim_older_than_ms=1))

    assert first != second
    assert first.startswith("mses_") and second.startswith("mses_")
    assert list(connect(second).memories.list(store)) == []
    assert list(connect(first).memories.list(store)) == []


def test_a_token_outlives_its_stopped_item_for_a_while(stage, session, store, connect):
    queue = connect(stage.key).work
    work = queue.poll(stage.environment)
    queue.ack(work.id, environment_id=stage.environment)
    queue.stop(work.id, environment_id=stage.environment, force=True)

    inside = connect(token_of(work))

    assert inside.memories.create(store, path="/flushed.md", content="x")


@pytest.mark.parametrize("end", ["archive", "delete"])
def test_a_token_ends_with_its_session(api, session, store, inside, end: str):
    inside.memories.list(store)
    getattr(api.sessions, end)(session.id)

    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline and lives(inside, store):
        time.sleep(0.02)

    refused("authentication_error", inside.memories.list, store)
    refused("authentication_error", inside.sessions.retrieve, session.id)


def lives(inside, store: str) -> bool:
    try:
        inside.memories.list(store)
    except Exception:
        return False
    return True


def test_a_terminated_session_s_token_still_writes(api, session, store, inside):
    Model(api, session.id).emit({"type": "session.status_terminated"})

    assert inside.memories.create(store, path="/last.md", content="x")


def test_a_token_can_be_given_an_end(api, session, store, connect):
    made = session_token(api, session.id, expires_in_seconds=1)
    endless = session_token(api, session.id)
    inside = connect(made["token"])
    assert list(inside.memories.list(store)) == []

    assert list(made) == ["type", "session_id", "token", "created_at", "expires_at"]
    assert (made["type"], made["session_id"]) == ("session_token", session.id)
    assert made["expires_at"] > made["created_at"]
    assert endless["expires_at"] is None
    deadline = time.monotonic() + 2.5
    while time.monotonic() < deadline and lives(inside, store):
        time.sleep(0.02)
    refused("authentication_error", inside.memories.list, store)
    assert list(connect(endless["token"]).memories.list(store)) == []


@pytest.mark.parametrize("seconds", [0, -1, 86_401, "60", 1.5])
def test_a_token_lasts_1_second_to_a_day(api, session, seconds):
    refused("invalid_request_error", session_token, api, session.id, expires_in_seconds=seconds)


def test_a_token_is_made_for_a_session_that_goes_on(api, session):
    refused("not_found_error", session_token, api, "sesn_01ARZ3NDEKTSV4RRFFQ69G5FAV")
    refused("invalid_request_error", session_token, api, session.id, colour="red")
    api.sessions.archive(session.id)
    refused("invalid_request_error", session_token, api, session.id)


def test_the_key_of_an_environment_can_be_revoked(api, stage, connect):
    key = environment_key(api, stage.environment)
    worker = connect(key)
    assert worker.work.poll(stage.environment) is None
    (made, *_) = api.http.get("/x/v1/api_keys", cast_to=object)["data"]

    api.http.post(f"/x/v1/api_keys/{made['id']}/revoke", cast_to=object)
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        try:
            worker.work.poll(stage.environment)
        except Exception:
            break
        time.sleep(0.02)

    refused("authentication_error", worker.work.poll, stage.environment)
