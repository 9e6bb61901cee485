"""Agents: numbered versions, what clears a field, and what is refused."""

from __future__ import annotations

import pytest

from clients import pages
from stage import MODEL, TOOLSET, Stage
from support import refused, refused_with

PAIRS = {str(number): "x" for number in range(16)}


@pytest.fixture
def agent(api):
    return api.agents.create(name="Agent", model=MODEL, metadata={"team": "docs"})


def test_a_new_agent_is_version_1_with_everything_in_its_place(api):
    given = {
        "name": "Agent",
        "description": "what it does",
        "system": "Be short.",
        "tools": [
            {**TOOLSET, "configs": [{"name": "bash", "enabled": False}]},
            {"type": "mcp_toolset", "mcp_server_name": "docs"},
            {
                "type": "custom",
                "name": "lookup",
                "description": "Looks up.",
                "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}},
            },
        ],
        "mcp_servers": [{"type": "url", "name": "docs", "url": "https://docs.test/mcp"}],
        "metadata": {"team": "docs"},
    }
    sent = api.raw.agents.create(
        model={"id": MODEL, "effort": "high", "speed": "fast"},
        skills=[{"type": "anthropic", "skill_id": "xlsx"}],
        **given,
    ).json()

    assert {key: sent[key] for key in given} == given
    assert sent["model"] == {
        "id": MODEL,
        "effort": {"type": "high"},
        "inference_geo": None,
        "speed": "fast",
    }
    assert sent["skills"] == [{"type": "anthropic", "skill_id": "xlsx", "version": "latest"}]
    assert (sent["version"], sent["multiagent"], sent["archived_at"]) == (1, None, None)
    assert sent["execution_identity"] == {"type": "service_account"}
    assert sent["id"].startswith("agent_")
    assert sent["created_at"] == sent["updated_at"]


def test_a_model_s_name_is_answered_as_an_object(agent):
    assert agent.model.id == MODEL
    assert (agent.description, agent.system) == (None, None)
    assert (agent.tools, agent.mcp_servers, agent.skills) == ([], [], [])


def test_each_change_makes_the_next_version_and_leaves_the_others(api, agent):
    second = api.agents.update(agent.id, version=1, name="Renamed", tools=[TOOLSET])
    third = api.agents.update(agent.id, system="Be kind.")

    assert [second.version, third.version] == [2, 3]
    assert (third.name, third.system) == ("Renamed", "Be kind.")
    assert third.created_at == agent.created_at < second.updated_at < third.updated_at
    assert api.agents.retrieve(agent.id) == third
    assert api.agents.retrieve(agent.id, version=1).name == "Agent"
    assert api.agents.retrieve(agent.id, version=2) == second
    for limit in (1, 2, 100):
        listed = api.agent_versions.list(agent.id, limit=limit)
        assert [version.version for version in listed] == [3, 2, 1]


def test_a_stale_version_is_a_conflict_that_is_not_tried_again(api, agent):
    api.agents.update(agent.id, version=1, name="Renamed")
    del api.wire.requests[:]

    refusal = refused_with(
        409, "invalid_request_error", api.agents.update, agent.id, version=1, name="Again"
    )

    assert refusal.response.headers["x-should-retry"] == "false"
    assert api.wire.methods() == ["POST"]
    assert api.agents.retrieve(agent.id).name == "Renamed"


def test_an_update_that_changes_nothing_makes_no_version(api, agent):
    same = api.agents.update(agent.id, version=1, name="Agent", metadata={"team": "docs"})

    assert same == agent
    assert len(list(api.agent_versions.list(agent.id))) == 1


def test_null_clears_what_can_be_cleared(api):
    full = api.agents.create(
        name="Agent",
        model=MODEL,
        description="x",
        system="x",
        tools=[TOOLSET],
        skills=[{"type": "custom", "skill_id": "skill_01", "version": "2"}],
        metadata={"a": "1", "b": "2"},
    )

    cleared = api.agents.update(
        full.id,
        description=None,
        system="",
        tools=None,
        skills=[],
        mcp_servers=None,
        multiagent=None,
        execution_identity=None,
        metadata={"a": None, "c": "3"},
    )

    assert (cleared.description, cleared.system) == (None, None)
    assert (cleared.tools, cleared.skills, cleared.mcp_servers) == ([], [], [])
    assert cleared.metadata == {"b": "2", "c": "3"}
    assert cleared.version == 2


def test_an_archived_agent_is_read_and_nothing_else(api, agent):
    archived = api.agents.archive(agent.id)

    assert archived.archived_at is not None
    assert api.agents.archive(agent.id) == archived
    assert api.agents.retrieve(agent.id) == archived
    assert list(api.agents.list()) == []
    assert list(api.agents.list(include_archived=True)) == [archived]
    refused("invalid_request_error", api.agents.update, agent.id, name="Renamed")
    stage = Stage.build(api)
    refused(
        "invalid_request_error",
        api.sessions.create,
        agent=agent.id,
        environment_id=stage.environment,
    )


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_agents_are_listed_newest_first(api, limit: int):
    made = [api.agents.create(name=str(n), model=MODEL) for n in range(3)]

    listed = list(pages(api.agents.list(limit=limit)))

    assert [agent for page in listed for agent in page.data] == made[::-1]
    since = api.agents.list(created_at_gte=made[1].created_at)
    assert list(since) == [made[2], made[1]]
    until = api.agents.list(created_at_lte=made[1].created_at)
    assert list(until) == [made[1], made[0]]


REFUSED = {
    "no name": {"name": ""},
    "no model": {"model": {"speed": "fast"}},
    "unknown speed": {"model": {"id": MODEL, "speed": "slow"}},
    "tools are objects": {"tools": ["bash"]},
    "a tool has a type": {"tools": [{"name": "bash"}]},
    "system over 100,000 characters": {"system": "x" * 100_001},
    "21 servers": {
        "mcp_servers": [{"type": "url", "name": str(n), "url": "https://a.test"} for n in range(21)]
    },
    "two servers of one name": {
        "mcp_servers": [{"type": "url", "name": "a", "url": "https://a.test"}] * 2
    },
    "an unknown key": {"extra_body": {"colour": "red"}},
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_a_bad_agent_is_refused(api, agent, fields: dict):
    refused("invalid_request_error", api.agents.create, **{"name": "A", "model": MODEL, **fields})
    refused("invalid_request_error", api.agents.update, agent.id, **fields)

    assert api.agents.retrieve(agent.id) == agent


@pytest.mark.parametrize(
    "metadata",
    [{**PAIRS, "one more": "x"}, {"k" * 65: "x"}, {"k": "x" * 513}],
    ids=["17 pairs", "65 characters", "513 characters"],
)
def test_too_much_metadata_has_a_code_of_its_own(api, agent, metadata: dict):
    refusals = [
        refused(
            "invalid_request_error", api.agents.create, name="A", model=MODEL, metadata=metadata
        ),
        refused("invalid_request_error", api.agents.update, agent.id, metadata=metadata),
    ]

    assert {refusal.error_code for refusal in refusals} == {"invalid_metadata"}


def test_an_unknown_version_is_not_found_and_version_0_is_refused(api, agent):
    refused("not_found_error", api.agents.retrieve, agent.id, version=2)
    refused("invalid_request_error", api.agents.retrieve, agent.id, version=0)
    refused("invalid_request_error", api.agents.update, agent.id, version=0, name="x")
