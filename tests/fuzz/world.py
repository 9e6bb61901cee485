"""What exists on the server: seen in its answers, or made here where something is wanted."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import requests

BETAS = "agent-memory-2026-07-22,managed-agents-2026-04-01"
# Of each kind the newest are kept, so that what is aimed at has a history.
KEPT = 40


@dataclass
class Thing:
    """One thing that exists, with the path parameters that lead to it."""

    kind: str
    id: str
    at: dict[str, str]
    body: dict = field(default_factory=dict)


# The kind of a thing by its `type`, the parameter that names it, and the ones that lead there.
KINDS = {
    "memory_store": ("memory_store_id", ()),
    "memory": ("memory_id", ("memory_store_id",)),
    "memory_version": ("memory_version_id", ("memory_store_id",)),
    "agent": ("agent_id", ()),
    "environment": ("environment_id", ()),
    "session": ("session_id", ()),
    "work": ("work_id", ("environment_id",)),
    "workspace": ("workspace_id", ()),
    "api_key": ("api_key_id", ()),
}
PREFIXES = {
    "memstore_": "memory_store",
    "mem_": "memory",
    "memver_": "memory_version",
    "agent_": "agent",
    "env_": "environment",
    "sesn_": "session",
    "work_": "work",
    "wrkspc_": "workspace",
    "apikey_": "api_key",
    "sevt_": "event",
}
GONE = {"archived_at", "revoked_at", "deleted_at"}


def kind_of(identifier: object) -> str | None:
    """The kind of thing that an ID names by its prefix."""
    if not isinstance(identifier, str):
        return None
    prefix, separator, _ = identifier.partition("_")
    return PREFIXES.get(prefix + separator)


class World:
    """Knows what exists, and makes what is wanted and isn't there."""

    def __init__(self, url: str, key: str, seed: int) -> None:
        self.url = url
        self.key = key
        self.random = random.Random(seed)
        self.client = requests.Session()
        self.things: dict[str, dict[str, Thing]] = {kind: {} for kind in KINDS}
        self.events: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.worker_keys: dict[str, str] = {}
        self.beats: dict[str, str] = {}
        self.pages: dict[str, deque[str]] = {}
        # These may not go: with them goes the run.
        own = self.call("GET", "/x/v1/whoami")
        self.workspace = own["workspace_id"]
        self.untouchable = {self.workspace, own["credential_id"]}

    # What is there

    def pick(self, kind: str, **at: str) -> Thing | None:
        """Something of this kind, under these path parameters."""
        fits = [
            thing
            for thing in self.things[kind].values()
            if thing.id not in self.untouchable and at.items() <= thing.at.items()
        ]
        return self.random.choice(fits) if fits else None

    def knows(self, identifier: object) -> bool:
        """Whether it is the ID of something that exists."""
        return any(identifier in things for things in self.things.values())

    def attached(self, store: str | None) -> list[str]:
        """The sessions that a store is attached to."""
        return [
            session.id
            for session in self.things["session"].values()
            if any(item["memory_store_id"] == store for item in session.body["resources"])
        ]

    def note(self, path: str, at: dict[str, str], body: Any) -> None:
        """Takes in what an answer tells of."""
        if not isinstance(body, dict):
            return
        listed = body.get("data")
        for value in [body, *(listed if isinstance(listed, list) else [])]:
            self._note_object(value, at)
        if body.get("next_page"):
            self.pages.setdefault(path, deque(maxlen=KEPT)).append(body["next_page"])

    def _note_object(self, value: dict, at: dict[str, str]) -> None:
        kind, identifier = value.get("type"), value.get("id")
        if not isinstance(kind, str):
            return
        if kind == "work_heartbeat" and "work_id" in at:
            self.beats[at["work_id"]] = value["last_heartbeat"]
        elif kind == "session_tokens_revoked":
            self.tokens.pop(value["session_id"], None)
        elif kind.endswith("_deleted") and isinstance(identifier, str):
            self.forget(identifier)
        elif kind in KINDS and isinstance(identifier, str):
            self._note_thing(kind, identifier, value, at)
        elif kind_of(identifier) == "event" and "session_id" in at:
            self.events.setdefault(at["session_id"], {})[identifier] = kind
            if kind == "session.status_terminated":
                self.forget(at["session_id"])

    def _note_thing(self, kind: str, identifier: str, body: dict, at: dict[str, str]) -> None:
        name, parents = KINDS[kind]
        if any(body.get(when) for when in GONE) or body.get("status") == "terminated":
            self.forget(identifier)
            return
        leads = {parent: body.get(parent, at.get(parent)) for parent in parents}
        if identifier in self.untouchable or None in leads.values():
            return
        known = self.things[kind]
        known.pop(identifier, None)
        known[identifier] = Thing(kind, identifier, {name: identifier, **leads}, body)
        while len(known) > KEPT:
            del known[next(iter(known))]

    def forget(self, identifier: str) -> None:
        """It is gone, and what lay below it."""
        for things in self.things.values():
            for thing in list(things.values()):
                if identifier in thing.at.values():
                    del things[thing.id]
        for known in (self.events, self.tokens, self.worker_keys):
            known.pop(identifier, None)

    # What is made

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        """Asks for what has to be there, so a refusal ends the run."""
        headers = {"authorization": f"Bearer {key or self.key}", "anthropic-beta": BETAS}
        answer = self.client.request(
            method, self.url + path, headers=headers, json=body, timeout=60
        )
        if answer.status_code != 200:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def get(self, kind: str, fresh: bool = False, **at: str) -> Thing:
        """Something of this kind, made where there is none or a fresh one is wanted."""
        thing = None if fresh else self.pick(kind, **at)
        if thing is None:
            path, body = getattr(self, f"make_{kind}")(**at)
            self.note(path, at, body)
            thing = self.things[kind][body["id"]]
        return thing

    def made(self, url: str, /, **body: Any) -> tuple[str, dict]:
        return url, self.call("POST", url, body)

    def name(self) -> str:
        return f"made here {self.random.randrange(1 << 32):08x}"

    def make_memory_store(self) -> tuple[str, dict]:
        return self.made("/v1/memory_stores", name=self.name())

    def make_memory(self, memory_store_id: str | None = None) -> tuple[str, dict]:
        store = memory_store_id or self.get("memory_store").id
        path = f"/notes/{self.name()}.md"
        return self.made(f"/v1/memory_stores/{store}/memories", path=path, content=path)

    def make_memory_version(self, memory_store_id: str | None = None) -> tuple[str, dict]:
        """An old version, which can be redacted."""
        at = {"memory_store_id": memory_store_id} if memory_store_id else {}
        memory = self.get("memory", fresh=True, **at)
        store = memory.at["memory_store_id"]
        old = memory.body["memory_version_id"]
        self.made(f"/v1/memory_stores/{store}/memories/{memory.id}", content="changed")
        path = f"/v1/memory_stores/{store}/memory_versions/{old}"
        return path, self.call("GET", path)

    def make_agent(self) -> tuple[str, dict]:
        return self.made("/v1/agents", name=self.name(), model="claude-opus-5-5")

    def make_environment(self) -> tuple[str, dict]:
        return self.made("/v1/environments", name=self.name(), config={"type": "self_hosted"})

    def make_session(self, **fields: Any) -> tuple[str, dict]:
        store = {"type": "memory_store", "memory_store_id": self.get("memory_store").id}
        fields.setdefault("environment_id", self.self_hosted())
        agent = self.get("agent").id
        return self.made("/v1/sessions", agent=agent, resources=[store], **fields)

    def make_work(self, environment_id: str | None = None) -> tuple[str, dict]:
        """A queued item, by a session in a self-hosted environment."""
        environment = environment_id or self.self_hosted()
        _, session = self.make_session(environment_id=environment)
        self.note("/v1/sessions", {}, session)
        path = f"/v1/environments/{environment}/work?limit=100"
        items = self.call("GET", path, key=self.worker_key(environment))["data"]
        return path, next(item for item in items if item["data"]["id"] == session["id"])

    def make_workspace(self) -> tuple[str, dict]:
        return self.made("/x/v1/workspaces", name=self.name())

    def make_api_key(self) -> tuple[str, dict]:
        return self.made("/x/v1/api_keys", name=self.name())

    def self_hosted(self) -> str:
        """A self-hosted environment."""
        for thing in self.things["environment"].values():
            if self.has_queue(thing.id):
                return thing.id
        return self.get("environment", fresh=True).id

    def eventful_session(self) -> str:
        """A session with several events, which a stream can begin between."""
        for session, events in self.events.items():
            if len(events) > 1 and session in self.things["session"]:
                return session
        text = {"type": "text", "text": "Begin."}
        message = {"type": "user.message", "content": [text]}
        _, session = self.make_session(initial_events=[message])
        self.note("/v1/sessions", {}, session)
        path = f"/v1/sessions/{session['id']}/events"
        self.note(path, {"session_id": session["id"]}, self.call("GET", path))
        return session["id"]

    def has_queue(self, environment: str | None) -> bool:
        thing = self.things["environment"].get(environment)
        return thing is not None and thing.body["config"]["type"] == "self_hosted"

    def worker_key(self, environment: str) -> str:
        """The secret of a key of a self-hosted environment."""
        if environment not in self.worker_keys:
            body = {"name": self.name(), "environment_id": environment}
            key = self.call("POST", "/x/v1/api_keys", body)
            self.untouchable.add(key["id"])
            self.worker_keys[environment] = key["key"]
        return self.worker_keys[environment]

    def token(self, session: str) -> str:
        """The token of a session."""
        if session not in self.tokens:
            path = f"/x/v1/sessions/{session}/tokens"
            self.tokens[session] = self.call("POST", path, {})["token"]
        return self.tokens[session]
