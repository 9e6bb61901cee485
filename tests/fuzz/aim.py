"""Points requests that fit the contract at things that exist.

Random IDs name nothing, and then every answer would be a 404. What was broken on purpose stays as
it is, and so do IDs that exist, such as those of links.
"""

from __future__ import annotations

import re
from typing import Any

from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import negated_parameters

from world import KINDS, World, kind_of

PATH, QUERY = ParameterLocation.PATH, ParameterLocation.QUERY
HEADER, BODY = ParameterLocation.HEADER, ParameterLocation.BODY
# The kinds that are named in paths, those first that lead to the others.
NAMED = {name: kind for kind, (name, _) in KINDS.items()}
# What ends something is mostly aimed at something fresh, so that not all things end at once.
ENDINGS = {
    "ack_work": "work",
    "archive_agent": "agent",
    "archive_environment": "environment",
    "archive_memory_store": "memory_store",
    "archive_session": "session",
    "delete_environment": "environment",
    "delete_memory": "memory",
    "delete_memory_store": "memory_store",
    "delete_session": "session",
    "delete_workspace": "workspace",
    "redact_memory_version": "memory_version",
    "revoke_api_key": "api_key",
    "stop_work": "work",
}
# The events that a field of another event may name.
USES = {
    "tool_use_id": ("agent.tool_use", "agent.mcp_tool_use"),
    "custom_tool_use_id": ("agent.custom_tool_use",),
}


class Aim:
    """Changes cases before they are sent."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.random = world.random

    def often(self, probability: float = 0.9) -> bool:
        return self.random.random() < probability

    def take(self, case: Case) -> None:
        if case.path_parameters and all(sound(case, PATH, name) for name in case.path_parameters):
            self.path(case)
        self.headers(case)
        if isinstance(case.query, dict):
            self.query(case)
        if isinstance(case.body, dict | list) and sound(case, BODY):
            case.body = self.value(case.body, case)
        self.spare(case)

    # Paths

    def path(self, case: Case) -> None:
        names = re.findall(r"{(\w+)}", case.path)
        last = NAMED[names[-1]]
        fresh = ENDINGS.get(operation_of(case)) == last and self.often(0.8)
        known = all(self.world.knows(case.path_parameters[name]) for name in names)
        if known or not self.often():
            return
        if operation_of(case) == "stream_session_events":
            found = {"session_id": self.world.eventful_session()}
        elif fresh or self.often(0.8):
            found = self.world.get(last, fresh=fresh).at
        else:
            # One exists, the other may be from elsewhere.
            found = {name: self.world.get(NAMED[name]).id for name in names}
        case.path_parameters = {name: found[name] for name in names}

    def spare(self, case: Case) -> None:
        """The run's own key and workspace are not ended, wherever their IDs come from."""
        for name, identifier in (case.path_parameters or {}).items():
            if identifier in self.world.untouchable:
                case.path_parameters[name] = self.world.get(NAMED[name], fresh=True).id

    # Credentials

    def credential(self, case: Case) -> str:
        """The API key, or one of the other credentials that the operation takes."""
        kinds = case.operation.definition.raw.get("x-memstored-credentials", [])
        at = case.path_parameters or {}
        environment, session = at.get("environment_id"), at.get("session_id")
        if "environment_key" in kinds and self.world.has_queue(environment):
            if "api_key" not in kinds or self.often(0.3):
                return self.world.worker_key(environment)
        if "session_token" in kinds and self.often(0.2):
            sessions = [session, *self.world.attached(at.get("memory_store_id"))]
            for session in sessions:
                if session in self.world.things["session"]:
                    return self.world.token(session)
        return self.world.key

    # Headers

    def headers(self, case: Case) -> None:
        name = "anthropic-workspace-id"
        if name in case.headers and sound(case, HEADER, name):
            # Of headers with a pattern some are drawn against it.
            if kind_of(case.headers[name]) != "workspace" or self.often():
                case.headers[name] = self.world.workspace
        name = "Last-Event-ID"
        if operation_of(case) == "stream_session_events":
            if name not in case.headers or sound(case, HEADER, name):
                self.stream(case)

    def stream(self, case: Case) -> None:
        """A stream that begins behind an event with others behind it answers at once."""
        session = case.path_parameters.get("session_id")
        events = list(self.world.events.get(session, {}))
        if len(events) > 1 and self.often(0.97):
            case.headers["Last-Event-ID"] = self.random.choice(events[:-1])

    # Queries and bodies

    def query(self, case: Case) -> None:
        query = dict(case.query)
        for name in [name for name in query if sound(case, QUERY, name)]:
            if name == "page":
                self.page(query, case)
            elif name in ("expected_content_sha256", "expected_last_heartbeat"):
                query[name] = self.expected(name, query[name], case)
            else:
                query[name] = self.value(query[name], case, name)
        # A store and a workspace together name no journal, and are mostly drawn together.
        if operation_of(case) == "list_journal" and sound(case, QUERY) and self.often(0.5):
            query = {"store_id": self.world.get("memory_store").id}
        case.query = query

    def page(self, query: dict, case: Case) -> None:
        """The token of a page of this list, or the first page."""
        if not self.often(0.95):
            return
        pages = self.world.pages.get(case.formatted_path)
        if pages and self.often(0.7):
            query["page"] = self.random.choice(pages)
        else:
            del query["page"]

    def expected(self, name: str, generated: Any, case: Case) -> Any:
        """What a client that has looked would send."""
        if not self.often(0.7):
            return generated
        if name == "expected_last_heartbeat":
            return self.world.beats.get(case.path_parameters.get("work_id"), "NO_HEARTBEAT")
        memory = self.world.things["memory"].get(case.path_parameters.get("memory_id"))
        return memory.body["content_sha256"] if memory else generated

    def value(self, value: Any, case: Case, name: str = "") -> Any:
        """The value with IDs in it that exist."""
        if isinstance(value, dict):
            return {key: self.value(item, case, key) for key, item in value.items()}
        if isinstance(value, list):
            items = [self.value(item, case, name) for item in value]
            return self.distinct(items) if name == "resources" else items
        if name == "content_sha256":
            return self.expected(name, value, case)
        if name == "expires_at" and isinstance(value, str) and self.often(0.7):
            return "2999-12-31T23:59:59Z"
        kind = "event" if name == "event_ids" else kind_of(value)
        if kind is None or self.world.knows(value) or not self.often():
            return value
        if kind == "event":
            return self.event(value, case, name)
        if kind == "workspace":
            return self.world.workspace
        return self.world.get(kind, **self.within(kind, case)).id

    def distinct(self, resources: list) -> list:
        """A store is attached once."""
        stores = {resource["memory_store_id"]: resource for resource in resources}
        return list(stores.values()) if self.often() else resources

    def within(self, kind: str, case: Case) -> dict[str, str]:
        """The parameters of the path that lead to things of this kind, if they lead anywhere."""
        _, parents = KINDS[kind]
        parameters = case.path_parameters or {}
        return {
            name: parameters[name] for name in parents if self.world.knows(parameters.get(name))
        }

    def event(self, value: str, case: Case, name: str) -> str:
        events = self.world.events.get((case.path_parameters or {}).get("session_id"), {})
        kinds = USES.get(name)
        fits = [event for event, kind in events.items() if kinds is None or kind in kinds]
        return self.random.choice(fits) if fits else value


def operation_of(case: Case) -> str:
    return case.operation.definition.raw["operationId"]


def sound(case: Case, location: ParameterLocation, name: str | None = None) -> bool:
    """Whether a part of the request was not made to contradict the contract."""
    if case.meta is None or not case.meta.is_negative_at(location):
        return True
    named = {broken.lower() for broken, where in negated_parameters(case.meta) if where == location}
    return name is not None and bool(named) and name.lower() not in named
