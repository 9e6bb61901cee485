"""Sessions: what they copy, what they attach, how they are found, and how they end."""

from __future__ import annotations

import pytest

from clients import pages
from stage import MODEL, TOOLSET, Model, attach, idle, says
from support import refused

UNKNOWN_STORE = "memstore_01ARZ3NDEKTSV4RRFFQ69G5FAV"
LIMIT = {"type": "limit", "max_list_cost": {"amount": "2500", "currency": "USD"}}


@pytest.fixture
def session(stage, store):
    return stage.session(attach(store))


def test_a_new_session_is_idle_with_everything_in_its_place(api, stage, store):
    sent = api.raw.sessions.create(
        agent=stage.agent,
        environment_id=stage.environment,
        title="a run",
        metadata={"user": "ana"},
        resources=[attach(store)],
        budget=LIMIT,
    ).json()

    assert sent["id"].startswith("sesn_")
    assert (sent["type"], sent["status"], sent["title"]) == ("session", "idle", "a run")
    assert (sent["environment_id"], sent["metadata"]) == (stage.environment, {"user": "ana"})
    assert (sent["vault_ids"], sent["outcome_evaluations"]) == ([], [])
    assert (sent["budget"], sent["deployment_id"], sent["archived_at"]) == (LIMIT, None, None)
    assert sent["agent"] == {
        "id": stage.agent,
        "type": "agent",
        "name": "Research agent",
        "version": 1,
        "model": {"id": MODEL, "effort": None, "inference_geo": None, "speed": "standard"},
        "description": None,
        "system": None,
        "tools": [TOOLSET],
        "mcp_servers": [],
        "skills": [],
        "multiagent": None,
        "execution_identity": {"type": "service_account"},
    }
    assert set(sent["stats"]) == {"active_seconds", "duration_seconds"}
    assert api.raw.sessions.retrieve(sent["id"]).json()["agent"] == sent["agent"]


def test_a_session_keeps_the_version_that_it_began_with(api, stage):
    first = stage.session()
    api.agents.update(stage.agent, system="Be kind.")
    second = stage.session()
    pinned = stage.session(agent={"type": "agent", "id": stage.agent, "version": 1})

    assert [s.agent.version for s in (first, second, pinned)] == [1, 2, 1]
    assert [s.agent.system for s in (first, second, pinned)] == [None, "Be kind.", None]
    assert api.sessions.retrieve(first.id).agent.version == 1


def test_overrides_are_the_session_s_alone(api, stage):
    session = stage.session(
        agent={
            "type": "agent_with_overrides",
            "id": stage.agent,
            "system": "Be loud.",
            "tools": [],
            "model": "claude-haiku-5-5",
        }
    )

    assert (session.agent.system, session.agent.tools) == ("Be loud.", [])
    assert session.agent.model.id == "claude-haiku-5-5"
    assert (session.agent.name, session.agent.version) == ("Research agent", 1)
    assert api.agents.retrieve(stage.agent).system is None


def test_an_attached_store_is_copied_as_it_was(api, stage):
    notes = api.stores.create(name="Research Notes!", description="what was learnt").id
    house = api.stores.create(name="House").id
    session = stage.session(
        attach(notes, instructions="Search first."),
        {"type": "memory_store", "memory_store_id": house, "access": None},
    )
    api.stores.update(notes, name="Renamed", description="else")

    expected = [
        {
            "type": "memory_store",
            "memory_store_id": notes,
            "access": "read_write",
            "name": "Research Notes!",
            "description": "what was learnt",
            "instructions": "Search first.",
            "mount_path": "/mnt/memory/research-notes",
        },
        {
            "type": "memory_store",
            "memory_store_id": house,
            "access": "read_write",
            "name": "House",
            "description": "",
            "instructions": None,
            "mount_path": "/mnt/memory/house",
        },
    ]
    assert api.raw.sessions.retrieve(session.id).json()["resources"] == expected
    assert api.raw.attached.list(session.id).json() == {"data": expected, "next_page": None}


@pytest.mark.parametrize(
    ("names", "slugs"),
    [
        (["Demo Memory"], ["demo-memory"]),
        (["(Notes)"], ["notes"]),
        (["Ünïcode"], ["n-code"]),
        (["a  b__c"], ["a-b-c"]),
        (["Notes", "notes", "NOTES!"], ["notes", "notes-2", "notes-3"]),
    ],
)
def test_a_store_is_mounted_by_its_name(api, stage, names, slugs):
    stores = [api.stores.create(name=name).id for name in names]

    session = stage.session(*map(attach, stores))

    mounts = [resource.mount_path for resource in session.resources]
    assert mounts == [f"/mnt/memory/{slug}" for slug in slugs]


def test_a_store_whose_name_leaves_nothing_is_mounted_by_its_id(api, stage):
    store = api.stores.create(name="日本").id

    (resource,) = stage.session(attach(store)).resources

    assert resource.mount_path == "/mnt/memory/" + store.lower().replace("_", "-")


def test_eight_stores_can_be_attached_and_nine_can_t(api, stage):
    stores = [api.stores.create(name=str(n)).id for n in range(9)]

    session = stage.session(*map(attach, stores[:8]))
    refusal = refused("invalid_request_error", stage.session, *map(attach, stores))

    assert len(session.resources) == 8
    assert "resources cannot contain more than 8 memory_store entries" in refusal.message
    for limit in (1, 3, 8):
        listed = [r.memory_store_id for r in api.attached.list(session.id, limit=limit)]
        assert listed == stores[:8]


def test_what_can_t_be_attached_is_refused(api, stage, store):
    archived = api.stores.create(name="archived").id
    api.stores.archive(archived)
    bad = {
        "archived": [attach(archived)],
        "twice": [attach(store), attach(store, "read_only")],
        "access": [attach(store, "write_only")],
        "instructions": [attach(store, instructions="x" * 4_097)],
        "file": [{"type": "file", "file_id": "file_01"}],
        "repository": [{"type": "github_repository", "url": "https://github.test/a/b"}],
        "unknown": [{"type": "printer"}],
        "key": [attach(store, colour="red")],
    }
    refusals = {
        name: refused("invalid_request_error", stage.session, *resources)
        for name, resources in bad.items()
    }
    refused("not_found_error", stage.session, attach(UNKNOWN_STORE))
    refused("not_found_error", stage.session, attach("nonsense"))

    assert archived in refusals["archived"].message
    assert store in refusals["twice"].message
    assert "file" in refusals["file"].message
    assert list(api.sessions.list()) == []


def test_4096_characters_of_instructions_fit(stage, store):
    (resource,) = stage.session(attach(store, instructions="🙂" * 4_096)).resources

    assert resource.instructions == "🙂" * 4_096


def test_an_agent_environment_or_version_that_is_not_there_is_not_found(api, stage):
    for fields in (
        {"agent": "agent_01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        {"agent": {"type": "agent", "id": stage.agent, "version": 2}},
        {"environment_id": "env_01ARZ3NDEKTSV4RRFFQ69G5FAV"},
    ):
        refused("not_found_error", stage.session, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"vault_ids": ["vlt_01"]},
        {"agent": {"type": "robot", "id": "agent_01"}},
        {"metadata": {str(n): "x" for n in range(17)}},
        {"budget": {"type": "limit", "max_list_cost": {"amount": "1.5", "currency": "USD"}}},
        {"initial_events": [says("x")] * 51},
        {"initial_events": [{"type": "user.interrupt"}]},
        {"extra_body": {"colour": "red"}},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_bad_session_is_refused(stage, fields: dict):
    refused("invalid_request_error", stage.session, **fields)


def test_initial_events_begin_the_session(api, stage):
    outcome = {
        "type": "user.define_outcome",
        "description": "a summary",
        "rubric": {"type": "text", "content": "It is short."},
    }

    session = stage.session(initial_events=[says("Go."), outcome])

    assert api.sessions.retrieve(session.id).status == "running"
    types = [event.type for event in api.events.list(session.id)]
    assert types == ["user.message", "session.status_running", "user.define_outcome"]
    (evaluation,) = api.sessions.retrieve(session.id).outcome_evaluations
    assert (evaluation.description, evaluation.result) == ("a summary", "pending")
    assert evaluation.outcome_id.startswith("outc_")


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_sessions_are_listed_either_way(api, stage, limit: int):
    made = [stage.session().id for _ in range(5)]

    def ids(**query) -> list[str]:
        listed = pages(api.sessions.list(limit=limit, **query))
        return [session.id for page in listed for session in page.data]

    assert ids() == ids(order="desc") == made[::-1]
    assert ids(order="asc") == made


def test_a_page_of_sessions_leads_back_to_the_one_before(api, stage):
    made = [stage.session().id for _ in range(4)][::-1]

    first = api.sessions.list(limit=2)
    second = api.sessions.list(limit=2, page=first.next_page)
    back = api.sessions.list(limit=2, page=second.prev_page)

    assert [s.id for s in second.data] == made[2:]
    assert (first.prev_page, second.next_page) == (None, None)
    assert [s.id for s in back.data] == made[:2]


def test_sessions_are_found_by_what_they_are(api, stage, store):
    plain = stage.session()
    attached = stage.session(attach(store))
    api.agents.update(stage.agent, system="x")
    newer = stage.session()
    api.events.send(newer.id, events=[says("Go.")])
    other = api.agents.create(name="Other", model=MODEL).id
    of_other = stage.session(agent=other)
    archived = api.sessions.archive(plain.id)

    def ids(**query) -> set[str]:
        return {session.id for session in api.sessions.list(limit=2, **query)}

    everything = {attached.id, newer.id, of_other.id}
    assert ids() == everything
    assert ids(include_archived=True) == {archived.id, *everything}
    assert ids(memory_store_id=store) == {attached.id}
    assert ids(memory_store_id=UNKNOWN_STORE) == set()
    assert ids(agent_id=other) == {of_other.id}
    assert ids(agent_id=stage.agent) == {attached.id, newer.id}
    assert ids(agent_id=stage.agent, agent_version=2) == {newer.id}
    assert ids(statuses=["running"]) == {newer.id}
    assert ids(statuses=["idle", "running"]) == everything
    assert ids(statuses=["terminated"], include_archived=True) == {archived.id}
    assert ids(deployment_id="depl_01") == set()
    assert ids(created_at_gt=attached.created_at) == {newer.id, of_other.id}
    assert ids(created_at_gte=newer.created_at, created_at_lt=of_other.created_at) == {newer.id}
    assert ids(created_at_lte=attached.created_at) == {attached.id}
    for query in ({"statuses": ["asleep"]}, {"order": "up"}, {"limit": 0}, {"limit": 101}):
        refused("invalid_request_error", api.sessions.list, **query)


def test_an_update_is_told_by_an_event_that_names_what_changed(api, session):
    api.sessions.update(session.id, title="another", metadata={"user": "ana"})
    api.sessions.update(session.id, title="another")
    changed = api.sessions.update(session.id, agent={"tools": []})

    assert (changed.title, changed.metadata, changed.agent.tools) == (
        "another",
        {"user": "ana"},
        [],
    )
    events = api.raw.events.list(session.id).json()["data"]
    keys = [set(event) - {"id", "type", "processed_at"} for event in events]
    assert {event["type"] for event in events} == {"session.updated"}
    assert keys == [{"title", "metadata"}, {"agent"}]
    assert events[1]["agent"]["tools"] == []


def test_metadata_is_patched_and_a_title_cleared(api, session):
    api.sessions.update(session.id, title="x", metadata={"a": "1", "b": "2"})

    changed = api.sessions.update(session.id, title=None, metadata={"a": None, "c": "3"})

    assert (changed.title, changed.metadata) == (None, {"b": "2", "c": "3"})


def test_a_budget_is_replaced_and_removed_and_never_added(api, stage):
    capped, uncapped = stage.session(budget=LIMIT), stage.session()
    more = {"type": "limit", "max_list_cost": {"amount": "5000", "currency": "USD"}}

    assert api.sessions.update(capped.id, budget=more).budget.max_list_cost.amount == "5000"
    assert api.sessions.update(capped.id, budget=None).budget is None
    refused("invalid_request_error", api.sessions.update, capped.id, budget=LIMIT)
    refused("invalid_request_error", api.sessions.update, uncapped.id, budget=LIMIT)


def test_a_running_session_keeps_its_agent_and_is_neither_archived_nor_deleted(api, session):
    api.events.send(session.id, events=[says("Go.")])

    refused("invalid_request_error", api.sessions.update, session.id, agent={"tools": []})
    refused("invalid_request_error", api.sessions.archive, session.id)
    refused("invalid_request_error", api.sessions.delete, session.id)

    assert api.sessions.update(session.id, title="still").title == "still"
    Model(api, session.id).emit(idle())
    api.sessions.archive(session.id)


def test_vaults_are_refused_in_an_update(api, session):
    refused("invalid_request_error", api.sessions.update, session.id, vault_ids=["vlt_01"])


def test_an_archived_session_is_terminated_and_takes_nothing_more(api, session):
    archived = api.sessions.archive(session.id)

    assert archived.archived_at is not None
    assert archived.status == "terminated"
    assert api.sessions.archive(session.id).archived_at == archived.archived_at
    refused("invalid_request_error", api.sessions.update, session.id, title="x")
    refused("invalid_request_error", api.events.send, session.id, events=[says("x")])
    refused("invalid_request_error", Model(api, session.id).emit, idle())
    assert api.sessions.retrieve(session.id).resources == session.resources


def test_a_deleted_session_is_gone_and_what_it_wrote_is_not(api, stage, store, connect):
    session = stage.session(attach(store))
    token = api.http.post(f"/x/v1/sessions/{session.id}/tokens", cast_to=object)["token"]
    connect(token).memories.create(store, path="/a", content="x")

    receipt = api.sessions.delete(session.id)

    assert (receipt.id, receipt.type) == (session.id, "session_deleted")
    refused("not_found_error", api.sessions.retrieve, session.id)
    refused("not_found_error", api.sessions.delete, session.id)
    refused("not_found_error", api.events.list, session.id)
    refused("not_found_error", api.attached.list, session.id)
    (version,) = api.versions.list(store, session_id=session.id)
    assert version.created_by.session_id == session.id


def test_a_store_that_is_attached_can_be_deleted(api, stage, store, connect):
    session = stage.session(attach(store))
    token = api.http.post(f"/x/v1/sessions/{session.id}/tokens", cast_to=object)["token"]

    api.stores.delete(store)

    (resource,) = api.sessions.retrieve(session.id).resources
    assert resource.memory_store_id == store
    refused("not_found_error", connect(token).memories.list, store)


def test_resources_are_attached_at_creation_only(api, session, store):
    body = {"type": "memory_store", "memory_store_id": store}
    path = f"/v1/sessions/{session.id}/resources"
    headers = {"anthropic-beta": "managed-agents-2026-04-01"}

    refused(
        "invalid_request_error",
        api.http.post,
        path,
        body=body,
        cast_to=object,
        options={"headers": headers},
    )
    refused("invalid_request_error", api.attached.add, session.id, file_id="file_01", type="file")
    refused("not_found_error", api.attached.retrieve, store, session_id=session.id)
    refused("not_found_error", api.attached.delete, store, session_id=session.id)


NOT_SERVED = {
    "files": lambda sdk: sdk.beta.files.list(),
    "vaults": lambda sdk: sdk.beta.vaults.list(),
    "skills": lambda sdk: sdk.beta.skills.list(),
    "a skill's version": lambda sdk: sdk.beta.skills.versions.retrieve("1", skill_id="skill_01"),
    "deployments": lambda sdk: sdk.beta.deployments.list(),
    "dreams": lambda sdk: sdk.beta.dreams.list(),
    "threads": lambda sdk: sdk.beta.sessions.threads.list("sesn_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
}


@pytest.mark.parametrize("call", NOT_SERVED.values(), ids=NOT_SERVED)
def test_what_is_not_served_says_so(connect, call):
    refusal = refused("not_found_error", call, connect(kind="sync").sdk)

    assert "memstored" in refusal.message
