"""The SDK's two clients behind one face, so that each test runs over both."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import Any, Union

from anthropic import (
    Anthropic,
    APIStatusError,
    AsyncAnthropic,
    DefaultAsyncHttpxClient,
    DefaultHttpxClient,
)
from anyio.from_thread import BlockingPortal

from wire import Wire, httpx

Sdk = Union[Anthropic, AsyncAnthropic]


class Blocking:
    """An object of the async client whose methods wait for their result."""

    def __init__(self, target: Any, portal: BlockingPortal) -> None:
        self._target = target
        self._portal = portal

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not inspect.isroutine(value):
            return value
        return lambda *args, **kwargs: self._settle(value(*args, **kwargs))

    def __iter__(self) -> Iterator[Any]:
        async def collect() -> list[Any]:
            return [item async for item in self._target]

        return iter([self._wrap(item) for item in self._portal.call(collect)])

    def _settle(self, result: Any) -> Any:
        async def wait(pending: Awaitable[Any]) -> Any:
            return await pending

        if inspect.isawaitable(result):
            result = self._portal.call(wait, result)
        return self._wrap(result)

    def _wrap(self, value: Any) -> Any:
        waits = hasattr(value, "__aiter__") or hasattr(value, "http_response")
        return Blocking(value, self._portal) if waits else value


# An older SDK has fewer of them.
SESSION_SIDE = {
    "agents": "agents",
    "agent_versions": "agents.versions",
    "environments": "environments",
    "work": "environments.work",
    "sessions": "sessions",
    "attached": "sessions.resources",
    "events": "sessions.events",
}


def within(resource: Any, path: str) -> Any:
    return reduce(lambda found, part: getattr(found, part, None), path.split("."), resource)


class Resources:
    """The resources of the SDK that this server has."""

    def __init__(self, sdk: Sdk, face: Callable[[Any], Any]) -> None:
        beta = sdk.beta
        self.stores = face(beta.memory_stores)
        self.memories = face(beta.memory_stores.memories)
        self.versions = face(beta.memory_stores.memory_versions)
        for name, path in SESSION_SIDE.items():
            if resource := within(beta, path):
                setattr(self, name, face(resource))


class Api(Resources):
    """One client of the SDK: its resources, the same with raw responses, and its wire."""

    def __init__(self, sdk: Sdk, wire: Wire, face: Callable[[Any], Any]) -> None:
        super().__init__(sdk, face)
        self.raw = Resources(sdk, lambda resource: face(resource.with_raw_response))
        self.sdk = sdk
        self.http = face(sdk)
        self.wire = wire


def connect(
    kind: str,
    portal: BlockingPortal,
    transports: tuple[httpx.HTTPTransport, httpx.AsyncHTTPTransport],
    **options: Any,
) -> Api:
    wire = Wire(*transports)
    http_options = {"transport": wire, "trust_env": False}
    if kind == "sync":
        sdk = Anthropic(http_client=DefaultHttpxClient(**http_options), **options)
        return Api(sdk, wire, lambda resource: resource)
    sdk = AsyncAnthropic(http_client=DefaultAsyncHttpxClient(**http_options), **options)
    return Api(sdk, wire, lambda resource: Blocking(resource, portal))


def pages(page: Any) -> Iterator[Any]:
    """The page and those after it, each asked for when the one before has been used."""
    cursors = [None]
    yield page
    while page.has_next_page():
        assert page.next_page not in cursors, "a page leads back to one before it"
        cursors.append(page.next_page)
        page = page.get_next_page()
        yield page


def at_once(calls: Iterable[Callable[[], Any]]) -> list[Any]:
    """The results of calls made in parallel, in their order; a refusal is a result too."""

    def outcome(call: Callable[[], Any]) -> Any:
        try:
            return call()
        except APIStatusError as refusal:
            return refusal

    calls = list(calls)
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(outcome, calls))
