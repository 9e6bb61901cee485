"""Sessions on stage: an agent, an environment, and the model's part, which the test plays."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from anyio.from_thread import BlockingPortal

from clients import Api

# Whole, since it is answered as it was given.
TOOLSET = {
    "type": "agent_toolset_20260401",
    "configs": [],
    "default_config": {"enabled": True, "permission_policy": {"type": "always_allow"}},
}
MODEL = "claude-opus-5-5"
PATIENCE = 20.0


def unique(name: str) -> str:
    """A name of its own, since the worker mounts by name and this machine has one /mnt/memory."""
    return f"{name} {uuid4().hex[:12]}"


def attach(store: str, access: str = "read_write", **fields: Any) -> dict:
    return {"type": "memory_store", "memory_store_id": store, "access": access, **fields}


def says(text: str) -> dict:
    return {"type": "user.message", "content": [{"type": "text", "text": text}]}


def result_of(use: dict, text: str = "done", **fields: Any) -> dict:
    content = [{"type": "text", "text": text}]
    return {"type": "user.tool_result", "tool_use_id": use["id"], "content": content, **fields}


def tool_use(name: str = "bash", **tool_input: Any) -> dict:
    return {"type": "agent.tool_use", "name": name, "input": tool_input}


def idle(reason: str = "end_turn", **fields: Any) -> dict:
    return {"type": "session.status_idle", "stop_reason": {"type": reason, **fields}}


def texts(*lines: str) -> list[dict]:
    return [{"type": "text", "text": line} for line in lines]


def token_of(work: Any) -> str:
    """The session token in the secret of a polled item."""
    padding = "=" * (-len(work.secret) % 4)
    return json.loads(base64.urlsafe_b64decode(work.secret + padding))["sessions_token"]


def environment_key(api: Api, environment: str) -> str:
    body = {"name": "worker", "environment_id": environment}
    return api.http.post("/x/v1/api_keys", body=body, cast_to=object)["key"]


def session_token(api: Api, session: str, **body: Any) -> dict:
    path = f"/x/v1/sessions/{session}/tokens"
    return api.http.post(path, body=body, cast_to=object)


@dataclass(frozen=True)
class Stage:
    """An agent and a self-hosted environment with its key."""

    api: Api
    agent: str
    environment: str
    key: str

    @classmethod
    def build(cls, api: Api) -> Stage:
        agent = api.agents.create(name="Research agent", model=MODEL, tools=[TOOLSET])
        environment = api.environments.create(name="Own machines", config={"type": "self_hosted"})
        key = environment_key(api, environment.id)
        return cls(api, agent.id, environment.id, key)

    def session(self, *resources: dict, **fields: Any) -> Any:
        """A session with these resources."""
        fields = {"agent": self.agent, "environment_id": self.environment, **fields}
        return self.api.sessions.create(resources=list(resources), **fields)


@dataclass(frozen=True)
class Result:
    text: str
    is_error: bool


class Model:
    """The model's part in one session."""

    def __init__(self, api: Api, session: str) -> None:
        self.api = api
        self.session = session

    def emit(self, *events: dict) -> list[dict]:
        path = f"/x/v1/sessions/{self.session}/events"
        return self.api.http.post(path, body={"events": list(events)}, cast_to=object)["data"]

    def call(self, tool: str, **tool_input: Any) -> Result:
        """Calls a tool and waits for what the worker answers."""
        with self.api.events.stream(self.session) as stream:
            (use,) = self.emit(tool_use(tool, **tool_input))
            for event in stream:
                if event.type == "user.tool_result" and event.tool_use_id == use["id"]:
                    blocks = event.content or []
                    return Result("".join(block.text for block in blocks), bool(event.is_error))
        raise AssertionError("the stream ended before the result came")

    def say(self, text: str) -> None:
        self.emit({"type": "agent.message", "content": texts(text)})

    def end_turn(self) -> None:
        self.emit(idle())


class Crew:
    """The official worker, unmodified, as its users run it."""

    def __init__(
        self, environment: str, backstage: Api, worker: Any, portal: BlockingPortal
    ) -> None:
        self._environment = environment
        self._backstage = backstage
        self._worker = worker
        self._portal = portal

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The worker runs until every item of the environment is stopped."""
        task: Future = self._portal.start_task_soon(self._worker.run)
        try:
            yield
            self.wait_until_all_is_stopped()
        finally:
            task.cancel()

    def wait_until_all_is_stopped(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while {work.state for work in self.items()} != {"stopped"}:
            assert time.monotonic() < deadline, "the worker has not finished"
            time.sleep(0.02)

    def items(self) -> list:
        return list(self._backstage.work.list(self._environment))
