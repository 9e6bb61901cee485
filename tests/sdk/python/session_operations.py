"""The operations of the session side as a table: who may call each, and the object it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clients import Api, Resources
from stage import (
    MODEL,
    TOOLSET,
    Model,
    Stage,
    attach,
    result_of,
    session_token,
    tool_use,
)

API_KEY = "api_key"
ENVIRONMENT_KEY = "environment_key"
SESSION_TOKEN = "session_token"
KINDS = (API_KEY, ENVIRONMENT_KEY, SESSION_TOKEN)


@dataclass(frozen=True)
class SessionWorld:
    """A session with one store, its acknowledged work item, a call that waits for its result, and a
    credential of each kind."""

    api: Api
    workspace: str
    agent: str
    environment: str
    store: str
    session: str
    work: str
    use: dict
    credentials: dict[str, str]

    @classmethod
    def build(cls, api: Api, connect: Callable[..., Api]) -> SessionWorld:
        stage = Stage.build(api)
        store = api.stores.create(name="notes")
        session = stage.session(attach(store.id)).id
        queue = connect(stage.key).work
        work = queue.poll(stage.environment).id
        queue.ack(work, environment_id=stage.environment)
        (use,) = Model(api, session).emit(tool_use())
        token = session_token(api, session)["token"]
        credentials = {
            API_KEY: api.sdk.api_key,
            ENVIRONMENT_KEY: stage.key,
            SESSION_TOKEN: token,
        }
        return cls(
            api,
            store._workspace_id,
            stage.agent,
            stage.environment,
            store.id,
            session,
            work,
            use,
            credentials,
        )


@dataclass(frozen=True)
class SessionOperation:
    name: str
    scope: str
    kinds: tuple[str, ...]
    answer: str
    call: Callable[..., Any]

    @property
    def kind(self) -> str:
        return self.kinds[0]


def create_agent(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.agents.create(
        name="Agent",
        model={"id": MODEL, "speed": "standard", "effort": "high"},
        description="what it does",
        system="Be short.",
        tools=[TOOLSET],
        mcp_servers=[],
        skills=[{"type": "anthropic", "skill_id": "xlsx"}],
        metadata={"team": "docs"},
        **options,
    )


def list_agents(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.agents.list(
        created_at_gte="2020-01-01T00:00:00Z",
        created_at_lte="2100-01-01T00:00:00Z",
        include_archived=True,
        limit=5,
        **options,
    )


def retrieve_agent(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.agents.retrieve(world.agent, version=1, **options)


def update_agent(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.agents.update(world.agent, version=1, name="Renamed", **options)


def archive_agent(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.agents.archive(world.agent, **options)


def list_agent_versions(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.agent_versions.list(world.agent, limit=5, **options)


def create_environment(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.environments.create(
        name="Cloud",
        description="not here",
        config={"type": "cloud", "networking": {"type": "limited", "allowed_hosts": ["a.test"]}},
        metadata={"team": "docs"},
        **options,
    )


def list_environments(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.environments.list(include_archived=True, limit=5, **options)


def retrieve_environment(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.environments.retrieve(world.environment, **options)


def update_environment(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.environments.update(world.environment, name="Renamed", **options)


def archive_environment(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.environments.archive(world.environment, **options)


def delete_environment(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.environments.delete(world.environment, **options)


def create_session(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.sessions.create(
        agent={"type": "agent", "id": world.agent, "version": 1},
        environment_id=world.environment,
        title="a session",
        metadata={"user": "ana"},
        resources=[attach(world.store, "read_only", instructions="Read this first.")],
        **options,
    )


def list_sessions(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.sessions.list(
        agent_id=world.agent,
        agent_version=1,
        created_at_gt="2020-01-01T00:00:00Z",
        created_at_gte="2020-01-01T00:00:00Z",
        created_at_lt="2100-01-01T00:00:00Z",
        created_at_lte="2100-01-01T00:00:00Z",
        include_archived=True,
        limit=5,
        memory_store_id=world.store,
        order="asc",
        statuses=["idle", "running"],
        **options,
    )


def retrieve_session(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.sessions.retrieve(world.session, **options)


def update_session(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.sessions.update(
        world.session,
        title="another",
        metadata={"user": None},
        agent={"tools": [], "mcp_servers": []},
        **options,
    )


def archive_session(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.sessions.archive(world.session, **options)


def delete_session(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.sessions.delete(world.session, **options)


def list_resources(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.attached.list(world.session, limit=5, **options)


def send_events(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.events.send(world.session, events=[result_of(world.use)], **options)


def list_events(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.events.list(
        world.session,
        created_at_gt="2020-01-01T00:00:00Z",
        created_at_gte="2020-01-01T00:00:00Z",
        created_at_lt="2100-01-01T00:00:00Z",
        created_at_lte="2100-01-01T00:00:00Z",
        limit=5,
        order="desc",
        types=["user.message", "agent.message"],
        **options,
    )


def list_work(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.work.list(world.environment, limit=5, **options)


def poll_work(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.work.poll(world.environment, reclaim_older_than_ms=5000, **options)


def retrieve_work(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.work.retrieve(world.work, environment_id=world.environment, **options)


def update_work(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.work.update(
        world.work, environment_id=world.environment, metadata={"host": "a"}, **options
    )


def heartbeat_work(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.work.heartbeat(
        world.work,
        environment_id=world.environment,
        expected_last_heartbeat="NO_HEARTBEAT",
        desired_ttl_seconds=60,
        **options,
    )


def stop_work(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.work.stop(world.work, environment_id=world.environment, force=True, **options)


def work_stats(on: Resources, world: SessionWorld, **options: Any) -> Any:
    return on.work.stats(world.environment, **options)


OWNER = (API_KEY,)
IN_SESSION = (API_KEY, SESSION_TOKEN)
WORKER = (ENVIRONMENT_KEY,)

SESSION_OPERATIONS = [
    SessionOperation("create_agent", "write", OWNER, "agent", create_agent),
    SessionOperation("list_agents", "read", OWNER, "page", list_agents),
    SessionOperation("retrieve_agent", "read", OWNER, "agent", retrieve_agent),
    SessionOperation("update_agent", "write", OWNER, "agent", update_agent),
    SessionOperation("archive_agent", "write", OWNER, "agent", archive_agent),
    SessionOperation("list_agent_versions", "read", OWNER, "page", list_agent_versions),
    SessionOperation("create_environment", "write", OWNER, "environment", create_environment),
    SessionOperation("list_environments", "read", OWNER, "page", list_environments),
    SessionOperation("retrieve_environment", "read", OWNER, "environment", retrieve_environment),
    SessionOperation("update_environment", "write", OWNER, "environment", update_environment),
    SessionOperation("archive_environment", "write", OWNER, "environment", archive_environment),
    SessionOperation(
        "delete_environment", "write", OWNER, "environment_deleted", delete_environment
    ),
    SessionOperation("create_session", "write", OWNER, "session", create_session),
    SessionOperation("list_sessions", "read", OWNER, "page", list_sessions),
    SessionOperation("retrieve_session", "read", IN_SESSION, "session", retrieve_session),
    SessionOperation("update_session", "write", OWNER, "session", update_session),
    SessionOperation("archive_session", "write", OWNER, "session", archive_session),
    SessionOperation("delete_session", "write", OWNER, "session_deleted", delete_session),
    SessionOperation("list_resources", "read", IN_SESSION, "page", list_resources),
    SessionOperation("send_events", "write", IN_SESSION, "data", send_events),
    SessionOperation("list_events", "read", IN_SESSION, "page", list_events),
    SessionOperation("list_work", "read", WORKER, "page", list_work),
    SessionOperation("poll_work", "read", WORKER, "null", poll_work),
    SessionOperation("retrieve_work", "read", OWNER, "work", retrieve_work),
    SessionOperation("update_work", "write", OWNER, "work", update_work),
    SessionOperation("heartbeat_work", "write", KINDS, "work_heartbeat", heartbeat_work),
    SessionOperation("stop_work", "write", KINDS, "work", stop_work),
    SessionOperation(
        "work_stats", "read", (API_KEY, ENVIRONMENT_KEY), "work_queue_stats", work_stats
    ),
]
