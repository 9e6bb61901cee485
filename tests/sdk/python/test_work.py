"""The work queue: claims, leases, and what happens to an item that is stopped or lost."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import anthropic
import pytest

from clients import pages
from stage import Model, Stage, idle, says, token_of
from support import refused, refused_with

STATES = ("acknowledged_at", "started_at", "latest_heartbeat_at", "stop_requested_at", "stopped_at")


@pytest.fixture
def kind() -> str:
    return "sync"


class Queue:
    """The work of one environment, as its worker sees it."""

    def __init__(self, worker, environment: str) -> None:
        self.api = worker
        self.environment = environment

    def poll(self, **options):
        return self.api.work.poll(self.environment, **options)

    def items(self) -> list:
        return list(self.api.work.list(self.environment))

    def __getattr__(self, name: str):
        act = getattr(self.api.work, name)
        return lambda work, **options: act(work.id, environment_id=self.environment, **options)

    def claim(self, **options):
        work = self.poll(**options)
        return self.ack(work)


@pytest.fixture
def queue(stage: Stage, connect) -> Queue:
    return Queue(connect(stage.key), stage.environment)


def test_a_new_session_waits_in_the_queue(api, stage, queue):
    assert queue.poll() is None
    session = stage.session()

    (waiting,) = queue.items()
    polled = queue.poll()

    assert (waiting.state, waiting.type, waiting.secret) == ("queued", "work", None)
    assert (waiting.data.type, waiting.data.id) == ("session", session.id)
    assert waiting.environment_id == stage.environment
    assert waiting.metadata == {}
    assert [getattr(waiting, name) for name in STATES] == [None] * 5
    assert polled.id == waiting.id
    assert polled.secret
    assert queue.poll() is None


def test_a_cloud_environment_has_no_queue(api, connect, stage):
    cloud = api.environments.create(name="Cloud").id
    stage.session(environment_id=cloud)
    body = {"name": "worker", "environment_id": stage.environment}
    key = api.http.post("/x/v1/api_keys", body=body, cast_to=object)["key"]

    refused("permission_error", connect(key).work.poll, cloud)
    assert connect(key).work.poll(stage.environment) is None


def test_an_empty_poll_answers_null(queue):
    assert queue.api.raw.work.poll(queue.environment).json() is None


def test_items_are_claimed_oldest_first_and_once_each(stage, queue):
    sessions = [stage.session().id for _ in range(3)]

    claimed = [queue.claim() for _ in range(3)]

    assert [work.data.id for work in claimed] == sessions
    assert {work.state for work in claimed} == {"starting"}
    assert all(work.acknowledged_at and work.secret is None for work in claimed)
    assert queue.poll() is None


def test_many_workers_never_claim_the_same_item(stage, queue):
    for _ in range(6):
        stage.session()

    with ThreadPoolExecutor(12) as pool:
        polled = list(pool.map(lambda _: queue.poll(), range(12)))

    claimed = [work.id for work in polled if work is not None]
    assert len(claimed) == len(set(claimed)) == 6


def test_a_long_poll_waits_for_work(stage, queue):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(queue.poll, block_ms=999)
        time.sleep(0.1)
        session = stage.session()
        work = waiting.result()

    assert work is not None
    assert work.data.id == session.id


def test_a_long_poll_gives_up_in_time(queue):
    begun = time.monotonic()

    assert queue.poll(block_ms=200) is None

    assert 0.2 <= time.monotonic() - begun < 0.9


@pytest.mark.parametrize("block_ms", [0, 1000, -1, "soon"])
def test_a_poll_waits_1_to_999_ms(queue, block_ms):
    refused("invalid_request_error", queue.poll, block_ms=block_ms)


def test_what_is_polled_and_not_acknowledged_is_offered_again(stage, queue):
    stage.session()
    first = queue.poll()
    assert queue.poll() is None
    time.sleep(0.05)

    second = queue.poll(reclaim_older_than_ms=20)

    assert second.id == first.id
    assert token_of(second) != token_of(first)
    queue.ack(second)
    time.sleep(0.05)
    assert queue.poll(reclaim_older_than_ms=20) is None


def test_a_second_ack_names_the_state_and_is_not_tried_again(stage, queue):
    stage.session()
    work = queue.claim()
    del queue.api.wire.requests[:]

    refusal = refused_with(409, "invalid_request_error", queue.ack, work)

    assert "starting" in refusal.message
    assert refusal.response.headers["x-should-retry"] == "false"
    assert queue.api.wire.methods() == ["POST"]


def test_heartbeats_hold_the_lease(api, stage, queue):
    stage.session()
    work = queue.claim()

    first = queue.heartbeat(work, expected_last_heartbeat="NO_HEARTBEAT")
    second = queue.heartbeat(work, expected_last_heartbeat=first.last_heartbeat)
    third = queue.heartbeat(work)

    for beat in (first, second, third):
        assert (beat.type, beat.state, beat.lease_extended) == ("work_heartbeat", "active", True)
        assert beat.ttl_seconds == 300
    assert first.last_heartbeat < second.last_heartbeat < third.last_heartbeat
    now = api.work.retrieve(work.id, environment_id=stage.environment)
    assert (now.state, now.latest_heartbeat_at) == ("active", third.last_heartbeat)
    assert now.started_at == first.last_heartbeat
    assert queue.poll(reclaim_older_than_ms=1) is None


@pytest.mark.parametrize(("wish", "ttl"), [(120, 120), (10, 10), (9, 10), (300, 300), (9999, 300)])
def test_a_wish_for_a_lease_is_honoured_within_bounds(stage, queue, wish: int, ttl: int):
    stage.session()

    beat = queue.heartbeat(
        queue.claim(), expected_last_heartbeat="NO_HEARTBEAT", desired_ttl_seconds=wish
    )

    assert beat.ttl_seconds == ttl


def test_a_heartbeat_that_is_not_the_expected_one_is_refused_with_the_lease(stage, queue):
    stage.session()
    work = queue.claim()
    refused_early = refused_with(
        412, "invalid_request_error", queue.heartbeat, work, expected_last_heartbeat="x"
    )
    last = queue.heartbeat(work, expected_last_heartbeat="NO_HEARTBEAT").last_heartbeat

    refusal = refused_with(
        412, "invalid_request_error", queue.heartbeat, work, expected_last_heartbeat="NO_HEARTBEAT"
    )

    assert isinstance(refusal, anthropic.PreconditionFailedError)
    assert refusal.error_code == "heartbeat_precondition_failed"
    assert "NO_HEARTBEAT" in refusal.message
    state = refusal.body["error"]["details"]["current_state"]
    assert (state["state"], state["last_heartbeat"]) == ("active", last)
    assert (state["lease_extended"], state["ttl_seconds"]) == (False, 300)
    assert state["lease_updated_at"]
    early = refused_early.body["error"]["details"]["current_state"]
    assert (early["state"], early["last_heartbeat"]) == ("starting", None)
    assert queue.heartbeat(work, expected_last_heartbeat=last).lease_extended


def test_a_heartbeat_for_an_item_that_waits_again_says_that_it_is_lost(stage, queue):
    stage.session()
    work = queue.poll()

    refusal = refused_with(
        412,
        "invalid_request_error",
        queue.heartbeat,
        work,
        expected_last_heartbeat="2026-11-23T09:10:08.100327Z",
    )

    state = refusal.body["error"]["details"]["current_state"]
    assert (state["state"], state["last_heartbeat"]) == ("queued", None)
    refused_with(409, "invalid_request_error", queue.heartbeat, work)


def test_the_token_of_the_item_holds_and_stops_it(stage, queue, connect):
    stage.session()
    other = stage.session()
    polled = queue.poll()
    queue.ack(polled)
    item = Queue(connect(token_of(polled)), stage.environment)
    foreign = Queue(connect(token_of(queue.poll())), stage.environment)

    assert item.heartbeat(polled, expected_last_heartbeat="NO_HEARTBEAT").lease_extended
    refused("not_found_error", foreign.heartbeat, polled)
    refused("not_found_error", foreign.stop, polled)
    assert item.stop(polled, force=True).state == "stopped"
    assert other.status == "idle"


def test_a_token_that_has_lost_its_item_neither_holds_nor_stops_it(stage, queue, connect):
    stage.session()
    early = queue.poll()
    time.sleep(0.05)
    late = queue.poll(reclaim_older_than_ms=20)
    queue.ack(late)
    lost, holder = (Queue(connect(token_of(w)), stage.environment) for w in (early, late))
    first = {"expected_last_heartbeat": "NO_HEARTBEAT"}

    assert holder.heartbeat(late, **first).lease_extended
    refused_with(412, "invalid_request_error", lost.heartbeat, early, **first)
    refused_with(409, "invalid_request_error", lost.stop, early, force=True)
    assert holder.stop(late, force=True).state == "stopped"


def test_a_graceful_stop_is_learnt_from_the_next_heartbeat(api, stage, queue):
    stage.session()
    work = queue.claim()
    queue.heartbeat(work, expected_last_heartbeat="NO_HEARTBEAT")

    stopping = api.work.stop(work.id, environment_id=stage.environment)
    beat = queue.heartbeat(work, expected_last_heartbeat="whatever")
    stopped = queue.stop(work, force=True)
    again = queue.stop(work)

    assert stopping.state == "stopping"
    assert stopping.stop_requested_at is not None
    assert (beat.state, beat.lease_extended) == ("stopping", False)
    assert stopped.state == "stopped"
    assert stopped.stopped_at is not None
    assert again == stopped
    assert queue.heartbeat(work).lease_extended is False


def test_an_item_that_nobody_has_is_stopped_at_once(stage, queue):
    stage.session()
    (work,) = queue.items()

    assert queue.stop(work).state == "stopped"
    assert queue.poll() is None
    refused_with(409, "invalid_request_error", queue.ack, work)


def test_a_stop_needs_no_body(api, stage, queue):
    stage.session()
    work = queue.claim()
    path = f"/v1/environments/{stage.environment}/work/{work.id}/stop"

    answer = api.http.post(
        path,
        cast_to=object,
        options={"headers": {"anthropic-beta": "managed-agents-2026-04-01"}},
    )

    assert answer["state"] == "stopping"


def test_a_dormant_session_is_queued_again_by_a_message(api, stage, queue):
    session = stage.session()
    queue.stop(queue.claim(), force=True)

    api.events.send(session.id, events=[says("Go on.")])
    again = queue.claim()
    api.events.send(session.id, events=[says("And on.")])

    assert again.data.id == session.id
    assert queue.poll() is None
    assert [work.state for work in queue.items()] == ["starting", "stopped"]


def test_a_message_to_a_session_that_waits_or_works_queues_nothing(api, stage, queue):
    session = stage.session()
    api.events.send(session.id, events=[says("one")])
    work = queue.claim()
    queue.heartbeat(work)
    Model(api, session.id).emit(idle())
    api.events.send(session.id, events=[says("two")])

    assert len(queue.items()) == 1


def test_a_message_that_comes_while_the_worker_leaves_is_not_lost(api, stage, queue):
    session = stage.session()
    api.events.send(session.id, events=[says("one")])
    work = queue.claim()
    queue.heartbeat(work)
    Model(api, session.id).emit(idle())
    api.events.send(session.id, events=[says("two")])

    queue.stop(work, force=True)

    again = queue.claim()
    assert again.data.id == session.id
    queue.heartbeat(again)
    queue.stop(again, force=True)
    assert queue.poll() is None


def test_an_archived_or_deleted_session_leaves_no_work(api, stage, queue):
    archived, deleted = stage.session(), stage.session()

    api.sessions.archive(archived.id)
    api.sessions.delete(deleted.id)

    assert queue.poll() is None
    assert [work.data.id for work in queue.items()] == [archived.id]


def test_metadata_of_an_item_is_patched_by_its_owner(api, stage, queue):
    stage.session()
    work = queue.claim()
    within = {"environment_id": stage.environment}

    api.work.update(work.id, metadata={"a": "1", "b": "2"}, **within)
    patched = api.work.update(work.id, metadata={"a": None, "c": "3"}, **within)

    assert patched.metadata == {"b": "2", "c": "3"}
    assert api.work.retrieve(work.id, **within) == patched
    assert patched.secret is None
    refusal = refused(
        "invalid_request_error",
        api.work.update,
        work.id,
        metadata={str(n): "x" for n in range(17)},
        **within,
    )
    assert refusal.error_code == "invalid_metadata"


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_items_are_listed_newest_first(stage, queue, limit: int):
    sessions = [stage.session().id for _ in range(3)]

    listed = pages(queue.api.work.list(stage.environment, limit=limit))

    assert [work.data.id for page in listed for work in page.data] == sessions[::-1]


def test_the_figures_of_the_queue(stage, queue, connect):
    first = stage.session()
    stage.session()
    queue.poll(anthropic_worker_id="one")
    queue.poll(anthropic_worker_id="two")
    stage.session()
    (newest, *_, oldest) = queue.items()

    stats = queue.api.work.stats(stage.environment)

    assert (stats.type, stats.depth, stats.pending) == ("work_queue_stats", 1, 2)
    assert stats.oldest_queued_at == oldest.created_at
    assert stats.workers_polling == 2
    assert oldest.data.id == first.id
    for work in (newest, oldest):
        queue.stop(work, force=True)
    after = queue.api.work.stats(stage.environment)
    assert (after.depth, after.pending) == (0, 1)


def test_an_item_of_another_environment_is_not_found(api, stage, queue, connect):
    other = Stage.build(api)
    other.session()
    work = queue.api.work

    (foreign,) = connect(other.key).work.list(other.environment)
    for act in (work.ack, work.heartbeat, work.stop):
        refused("not_found_error", act, foreign.id, environment_id=stage.environment)
    refused("permission_error", work.poll, other.environment)
    refused("not_found_error", api.work.retrieve, foreign.id, environment_id=stage.environment)
