"""What every test starts from: the server under test, clients of either kind, and a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import anthropic
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

import clients
from clients import Api
from stage import Crew, Stage
from wire import httpx

CLASSES = {
    "invalid_request_error": anthropic.BadRequestError,
    "authentication_error": anthropic.AuthenticationError,
    "permission_error": anthropic.PermissionDeniedError,
    "not_found_error": anthropic.NotFoundError,
    "memory_path_conflict_error": anthropic.ConflictError,
    "memory_precondition_failed_error": anthropic.ConflictError,
}


def refused(
    error_type: str, call: Callable[..., object], *args: object, **kwargs: object
) -> anthropic.APIStatusError:
    """The refusal that the call ends with, its envelope checked."""
    with pytest.raises(CLASSES[error_type]) as caught:
        call(*args, **kwargs)
    refusal = caught.value
    assert list(refusal.body) == ["type", "error", "request_id"]
    assert refusal.body["type"] == "error"
    assert refusal.body["error"]["type"] == error_type
    assert refusal.body["error"]["message"]
    assert refusal.body["request_id"] == refusal.response.headers["request-id"]
    assert refusal.body["request_id"].startswith("req_")
    assert refusal.response.headers["content-type"] == "application/json"
    return refusal


def refused_with(
    status: int, error_type: str, call: Callable[..., object], *args: object, **kwargs: object
) -> anthropic.APIStatusError:
    """The refusal with a status that its type does not tell, its envelope checked."""
    with pytest.raises(anthropic.APIStatusError) as caught:
        call(*args, **kwargs)
    refusal = caught.value
    assert refusal.status_code == status, refusal.message
    assert list(refusal.body) == ["type", "error", "request_id"]
    assert refusal.body["error"]["type"] == error_type
    return refusal


def fresh_key() -> str:
    return f"test-{uuid4().hex}"


@pytest.fixture(scope="session")
def server_url() -> str:
    url = os.environ["MEMSTORED_TEST_URL"].rstrip("/")
    httpx.get(f"{url}/health").raise_for_status()
    return url


@pytest.fixture(scope="session")
def admin_key() -> str:
    return os.environ["MEMSTORED_TEST_ADMIN_KEY"]


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as portal:
        yield portal


@pytest.fixture(scope="session")
def transports(
    portal: BlockingPortal,
) -> Iterator[tuple[httpx.HTTPTransport, httpx.AsyncHTTPTransport]]:
    blocking, concurrent = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()
    yield blocking, concurrent
    blocking.close()
    portal.call(concurrent.aclose)


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def connect(
    kind: str,
    portal: BlockingPortal,
    transports: tuple,
    server_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    """Makes a client, in a workspace of its own unless a credential is given."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)

    def make(api_key: str | None = None, *, kind: str = kind, **options: object) -> Api:
        if api_key is None and "auth_token" not in options:
            api_key = fresh_key()
        options = {"api_key": api_key, "base_url": server_url, **options}
        return clients.connect(kind, portal, transports, **options)

    return make


@pytest.fixture
def api(connect: Callable[..., Api]) -> Api:
    return connect()


@pytest.fixture
def store(api: Api) -> str:
    return api.stores.create(name="notes").id


@pytest.fixture
def administer(server_url: str, admin_key: str):
    """Posts to the administration of the first workspace."""

    def post(path: str, **fields: object) -> dict:
        answer = httpx.post(
            f"{server_url}/x/v1/{path}",
            headers={"Authorization": f"Bearer {admin_key}"},
            json=fields,
        )
        answer.raise_for_status()
        return answer.json()

    return post


@pytest.fixture
def issue_key(administer: Callable[..., dict]):
    """Makes a key in the workspace of the administrator."""
    return lambda **fields: administer("api_keys", name=f"key-{uuid4().hex}", **fields)


@pytest.fixture
def stage(api: Api) -> Stage:
    return Stage.build(api)


@pytest.fixture
def hire(connect: Callable[..., Api], portal: BlockingPortal, tmp_path: Path):
    """Hires the official worker, which ends soon after a session's turn has ended."""

    def make(environment: str, key: str) -> Crew:
        worker = connect(key, kind="async").sdk.beta.environments.work.worker(
            environment_id=environment, environment_key=key, workdir=tmp_path, max_idle=0.1
        )
        return Crew(environment, connect(key, kind="sync"), worker, portal)

    return make


@pytest.fixture
def crew(stage: Stage, hire: Callable[..., Crew]) -> Crew:
    return hire(stage.environment, stage.key)
