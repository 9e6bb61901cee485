"""Events: what is taken, what it does to the session, how it is listed, and how it is streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from clients import pages
from stage import Model, idle, result_of, says, texts, tool_use
from support import refused
from wire import httpx

BETA = {"anthropic-beta": "managed-agents-2026-04-01"}
UNKNOWN = "sevt_01ARZ3NDEKTSV4RRFFQ69G5FAV"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
PAGE = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
FOUND = {
    "type": "search_result",
    "source": "https://a.test",
    "title": "A",
    "content": [{"type": "text", "text": "x"}],
    "citations": {"enabled": True},
}
OUTCOME = {
    "type": "user.define_outcome",
    "description": "a summary",
    "rubric": {"type": "text", "content": "It is short."},
}
USAGE = {
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "input_tokens": 10,
    "output_tokens": 2,
}


@pytest.fixture
def kind() -> str:
    return "sync"


@pytest.fixture
def session(stage) -> str:
    return stage.session().id


@pytest.fixture
def model(api, session) -> Model:
    return Model(api, session)


def listed(api, session: str, **query) -> list[dict]:
    found = []
    for page in pages(api.events.list(session, **query)):
        found += page.data
    return [event.to_dict(mode="json") for event in found]


def types(api, session: str, **query) -> list[str]:
    return [event["type"] for event in listed(api, session, **query)]


def status(api, session: str) -> str:
    return api.sessions.retrieve(session).status


def frames(lines: Iterator[str]) -> Iterator[dict]:
    """The frames of a stream, as their fields."""
    frame: dict = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            frame[name] = value
        elif frame:
            yield frame
            frame = {}


# What is sent


def test_what_is_sent_comes_back_stored_and_listed(api, session):
    message = {
        "type": "user.message",
        "content": [*texts("look"), IMAGE, PAGE, {"type": "redacted"}],
    }

    sent = api.raw.events.send(session, events=[message, OUTCOME]).json()["data"]

    assert [event["type"] for event in sent] == ["user.message", "user.define_outcome"]
    blocks = [{key: v for key, v in block.items() if v is not None} for block in sent[0]["content"]]
    assert blocks == message["content"]
    assert sent[1]["outcome_id"].startswith("outc_")
    assert sent[1]["rubric"] == OUTCOME["rubric"]
    stored = api.raw.events.list(session).json()["data"]
    assert [stored[0], stored[2]] == sent
    assert all(event["id"].startswith("sevt_") for event in stored)


def test_times_increase_from_event_to_event(api, session, model):
    for _ in range(3):
        model.emit(*[{"type": "agent.thinking"}] * 5)

    times = [event["processed_at"] for event in listed(api, session)]

    assert len(set(times)) == 15
    assert times == sorted(times)


BAD = {
    "no events": [],
    "no type": [{"content": texts("x")}],
    "an unknown type": [{"type": "user.shout", "content": texts("x")}],
    "the model's": [{"type": "agent.message", "content": texts("x")}],
    "the server's": [{"type": "session.status_idle", "stop_reason": {"type": "end_turn"}}],
    "an unknown key": [{**says("x"), "colour": "red"}],
    "an id": [{**says("x"), "id": UNKNOWN}],
    "no content": [{"type": "user.message"}],
    "content is a list": [{"type": "user.message", "content": "x"}],
    "an unknown block": [{"type": "user.message", "content": [{"type": "video"}]}],
    "a search result in a message": [{"type": "user.message", "content": [FOUND]}],
    "a result of nothing": [result_of({"id": UNKNOWN})],
    "a confirmation of nothing": [
        {"type": "user.tool_confirmation", "tool_use_id": UNKNOWN, "result": "allow"}
    ],
    "21 iterations": [{**OUTCOME, "max_iterations": 21}],
    "0 iterations": [{**OUTCOME, "max_iterations": 0}],
    "a rubric over 262,144 characters": [
        {**OUTCOME, "rubric": {"type": "text", "content": "x" * 262_145}}
    ],
    "a system message alone": [{"type": "system.message", "content": texts("x")}],
    "a system message not last": [
        says("x"),
        {"type": "system.message", "content": texts("x")},
        says("y"),
    ],
    "an image in a system message": [says("x"), {"type": "system.message", "content": [IMAGE]}],
}


@pytest.mark.parametrize("events", BAD.values(), ids=BAD)
def test_a_bad_event_is_refused_and_none_beside_it_is_stored(api, session, events: list):
    good = [says("before")] if events and len(events) == 1 else []
    if events and events[0].get("type") == "system.message":
        good = [{"type": "user.interrupt"}]

    refused("invalid_request_error", api.events.send, session, events=[*good, *events])

    assert listed(api, session) == []
    assert status(api, session) == "idle"


def test_a_system_message_accompanies_what_is_before_it(api, session):
    api.events.send(session, events=[says("x"), {"type": "system.message", "content": texts("y")}])

    assert types(api, session) == ["user.message", "session.status_running", "system.message"]


# What it does


def test_a_message_makes_an_idle_session_run_and_a_running_one_go_on(api, session):
    api.events.send(session, events=[says("one")])
    assert status(api, session) == "running"
    api.events.send(session, events=[says("two"), {"type": "user.interrupt"}])

    assert types(api, session) == [
        "user.message",
        "session.status_running",
        "user.message",
        "user.interrupt",
    ]


def test_the_status_is_what_the_last_status_event_says(api, session, model):
    for event, expected in (
        ({"type": "session.status_running"}, "running"),
        ({"type": "session.status_rescheduled"}, "rescheduling"),
        (idle("retries_exhausted"), "idle"),
        ({"type": "session.status_running"}, "running"),
        (idle("end_turn"), "idle"),
        ({"type": "session.status_terminated"}, "terminated"),
    ):
        model.emit(event)
        assert status(api, session) == expected

    refused("invalid_request_error", model.emit, {"type": "session.status_running"})
    refused("invalid_request_error", api.events.send, session, events=[says("x")])


def test_required_actions_are_waited_for_one_by_one(api, session, model):
    api.events.send(session, events=[says("Go.")])
    one, two = model.emit(tool_use("read", file_path="a"), tool_use("read", file_path="b"))
    model.emit(idle("requires_action", event_ids=[one["id"], two["id"]]))

    api.events.send(session, events=[result_of(one)])
    assert status(api, session) == "idle"
    rest = listed(api, session)[-1]
    assert rest["type"] == "session.status_idle"
    assert rest["stop_reason"] == {"type": "requires_action", "event_ids": [two["id"]]}
    api.events.send(session, events=[result_of(two)])

    assert status(api, session) == "running"
    assert types(api, session)[-2:] == ["user.tool_result", "session.status_running"]


def test_a_result_may_come_before_the_session_says_that_it_waits(api, session, model):
    api.events.send(session, events=[says("Go.")])
    (use,) = model.emit(tool_use())

    api.events.send(session, events=[result_of(use)])

    assert status(api, session) == "running"
    assert types(api, session)[-1] == "user.tool_result"


def test_each_kind_of_call_has_its_kind_of_answer(api, session, model):
    use, custom, mcp = model.emit(
        {**tool_use(), "evaluated_permission": "ask"},
        {"type": "agent.custom_tool_use", "name": "lookup", "input": {"q": 1}},
        {"type": "agent.mcp_tool_use", "mcp_server_name": "docs", "name": "find", "input": {}},
    )
    allow = {"type": "user.tool_confirmation", "result": "allow"}
    custom_result = {"type": "user.custom_tool_result", "content": texts("x")}

    for event in (
        {**allow, "tool_use_id": custom["id"]},
        {**custom_result, "custom_tool_use_id": use["id"]},
        result_of(custom),
        result_of(mcp),
        {**allow, "tool_use_id": use["id"], "deny_message": "no"},
    ):
        refused("invalid_request_error", api.events.send, session, events=[event])
    api.events.send(
        session,
        events=[
            {**allow, "tool_use_id": mcp["id"]},
            {**allow, "tool_use_id": use["id"], "result": "deny", "deny_message": "no"},
            {**custom_result, "custom_tool_use_id": custom["id"], "is_error": False},
            result_of(use, is_error=True, content=[*texts("x"), IMAGE, FOUND]),
        ],
    )


def test_a_tool_s_result_belongs_to_a_self_hosted_environment(api, stage):
    cloud = api.environments.create(name="Cloud").id
    session = stage.session(environment_id=cloud).id
    (use,) = Model(api, session).emit(tool_use())

    refused("invalid_request_error", api.events.send, session, events=[result_of(use)])


EMITTED = [
    {"type": "agent.message", "content": [*texts("x"), {"type": "redacted"}]},
    {"type": "agent.thinking"},
    {**tool_use(), "evaluated_permission": "allow", "evaluation": {"type": "always_allow"}},
    {"type": "agent.custom_tool_use", "name": "lookup", "input": {}},
    {"type": "agent.mcp_tool_use", "mcp_server_name": "docs", "name": "find", "input": {}},
    {
        "type": "agent.thread_message_received",
        "from_session_thread_id": "sthr_1",
        "content": texts("x"),
    },
    {"type": "agent.thread_message_sent", "to_session_thread_id": "sthr_1", "content": texts("x")},
    {"type": "agent.thread_context_compacted"},
    {
        "type": "session.error",
        "error": {
            "type": "model_overloaded_error",
            "message": "busy",
            "retry_status": {"type": "retrying"},
        },
    },
    {"type": "session.status_running"},
    {"type": "session.status_rescheduled"},
    {**idle("refusal"), "stop_details": {"type": "refusal", "category": None, "explanation": "no"}},
    idle("budget_reached"),
    {"type": "session.usage", "usage": {"input_tokens": 10, "output_tokens": 2}},
    {"type": "session.thread_created", "session_thread_id": "sthr_1", "agent_name": "a"},
    {"type": "session.thread_status_running", "session_thread_id": "sthr_1", "agent_name": "a"},
    {"type": "session.thread_status_rescheduled", "session_thread_id": "sthr_1", "agent_name": "a"},
    {
        "type": "session.thread_status_idle",
        "session_thread_id": "sthr_1",
        "agent_name": "a",
        "stop_reason": {"type": "end_turn"},
    },
    {"type": "session.thread_status_terminated", "session_thread_id": "sthr_1", "agent_name": "a"},
    {"type": "span.model_request_start"},
    {"type": "span.model_request_end", "model_request_start_id": UNKNOWN, "model_usage": USAGE},
    {"type": "span.outcome_evaluation_start", "outcome_id": "outc_1", "iteration": 0},
    {"type": "span.outcome_evaluation_ongoing", "outcome_id": "outc_1", "iteration": 0},
    {
        "type": "span.outcome_evaluation_end",
        "outcome_id": "outc_1",
        "outcome_evaluation_start_id": UNKNOWN,
        "iteration": 0,
        "result": "satisfied",
        "explanation": "short",
        "usage": USAGE,
    },
    {"type": "workflow_run.created", "workflow_run_id": "w", "name": "n", "phases": []},
    {"type": "workflow_run.status_running", "workflow_run_id": "w"},
    {"type": "workflow_run.status_idle", "workflow_run_id": "w"},
    {"type": "workflow_run.phase_started", "workflow_run_id": "w", "workflow_run_phase_id": "p"},
    {
        "type": "workflow_run.phase_ended",
        "workflow_run_id": "w",
        "workflow_run_phase_id": "p",
        "phase_started_id": UNKNOWN,
    },
    {"type": "workflow_run.error", "error": {"type": "program_error", "message": "no"}},
    {
        "type": "workflow_run.status_ended",
        "workflow_run_id": "w",
        "result": {"type": "error", "error": {"type": "timeout_error", "message": "late"}},
    },
]


def test_every_event_of_the_hosted_service_can_be_emitted(api, connect, session, model):
    stored = model.emit(*EMITTED)
    answered = {event["type"]: event for event in stored}
    results = model.emit(
        {"type": "agent.tool_result", "tool_use_id": answered["agent.tool_use"]["id"]},
        {"type": "agent.mcp_tool_result", "mcp_tool_use_id": answered["agent.mcp_tool_use"]["id"]},
    )

    strict = connect(api.sdk.api_key, _strict_response_validation=True)
    everything = listed(strict, session)

    for given, event in zip(EMITTED, stored):
        assert {key: event[key] for key in given} == given
    assert [event["id"] for event in everything] == [e["id"] for e in [*stored, *results]]
    raw = api.raw.events.list(session).json()["data"]
    for event, sent in zip(api.events.list(session), raw):
        known = {field.alias or name for name, field in type(event).model_fields.items()}
        assert known <= set(sent), event.type


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ({}, "allow"),
        ({"evaluated_permission": None}, "allow"),
        ({"evaluated_permission": "ask"}, "ask"),
    ],
)
def test_a_call_without_a_permission_is_allowed(model, given: dict, stored: str):
    mcp = {"type": "agent.mcp_tool_use", "mcp_server_name": "docs", "name": "find", "input": {}}

    for event in model.emit({**tool_use(), **given}, {**mcp, **given}):
        assert event["evaluated_permission"] == stored


BAD_OF_MODEL = {
    "no events": [],
    "the client's": [says("x")],
    "an unknown type": [{"type": "agent.sleep"}],
    "a preview": [{"type": "event_start", "event": {"type": "agent.message", "id": UNKNOWN}}],
    "updated": [{"type": "session.updated"}],
    "deleted": [{"type": "session.deleted"}],
    "an id": [{"type": "agent.thinking", "id": UNKNOWN}],
    "no stop reason": [{"type": "session.status_idle"}],
    "an unknown stop reason": [idle("tired")],
    "waiting for nothing": [idle("requires_action", event_ids=[])],
    "waiting for something unknown": [idle("requires_action", event_ids=[UNKNOWN])],
    "input is an object": [{"type": "agent.tool_use", "name": "bash", "input": "ls"}],
    "a permission": [{**tool_use(), "evaluated_permission": "maybe"}],
    "a number": [{"type": "span.outcome_evaluation_start", "outcome_id": "o", "iteration": "0"}],
}


@pytest.mark.parametrize("events", BAD_OF_MODEL.values(), ids=BAD_OF_MODEL)
def test_a_bad_event_of_the_model_is_refused_and_none_beside_it_is_stored(
    api, session, model, events: list
):
    beside = [{"type": "agent.thinking"}] if events else []

    refused("invalid_request_error", model.emit, *beside, *events)

    assert listed(api, session) == []


# How it is listed


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_events_are_listed_either_way_and_by_type_and_time(api, session, model, limit: int):
    stored = model.emit(*[{"type": "agent.thinking"}, {"type": "agent.message", "content": []}] * 3)
    ids = [event["id"] for event in stored]

    def found(**query) -> list[str]:
        return [event["id"] for event in listed(api, session, limit=limit, **query)]

    assert found() == found(order="asc") == ids
    assert found(order="desc") == ids[::-1]
    assert found(types=["agent.message"]) == ids[1::2]
    assert found(types=["agent.message", "agent.thinking"]) == ids
    assert found(types=["user.message"]) == []
    middle = stored[2]["processed_at"]
    assert found(created_at_gt=middle) == ids[3:]
    assert found(created_at_gte=middle) == ids[2:]
    assert found(created_at_lt=middle) == ids[:2]
    assert found(created_at_lte=middle, order="desc") == ids[2::-1]


def test_a_bad_list_is_refused(api, session):
    for query in (
        {"limit": 0},
        {"limit": 1001},
        {"order": "up"},
        {"types": ["user.shout"]},
        {"page": "page_nonsense"},
        {"created_at_gt": "yesterday"},
    ):
        refused("invalid_request_error", api.events.list, session, **query)


# How it is streamed


def test_a_stream_brings_what_comes_after_it_was_opened(api, session, model):
    model.emit({"type": "agent.thinking"})

    with api.events.stream(session) as stream:
        (emitted,) = model.emit({"type": "agent.message", "content": texts("hello")})
        sent = api.raw.events.send(session, events=[says("hi")]).json()["data"]
        arrived = [next(stream) for _ in range(3)]

    assert [event.id for event in arrived[:2]] == [emitted["id"], sent[0]["id"]]
    assert arrived[2].type == "session.status_running"
    assert arrived[0].to_dict(mode="json") == listed(api, session)[1]


def test_streaming_then_listing_misses_nothing(api, session, model):
    before = model.emit(*[{"type": "agent.thinking"}] * 3)

    with api.events.stream(session) as stream:
        after = model.emit(*[{"type": "agent.thinking"}] * 3)
        history = [event["id"] for event in listed(api, session)]
        arrived = [next(stream).id for _ in after]

    assert history == [event["id"] for event in [*before, *after]]
    assert arrived == [event["id"] for event in after]


def test_each_frame_has_an_id_an_event_and_one_line_of_data(api, server_url, session, model):
    first, *later = model.emit(*[{"type": "agent.message", "content": texts("a\nb")}] * 3)
    url = f"{server_url}/v1/sessions/{session}/events/stream"
    headers = {**BETA, "authorization": f"Bearer {api.sdk.api_key}", "last-event-id": first["id"]}

    with httpx.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["request-id"].startswith("req_")
        arriving = (f for f in frames(response.iter_lines()) if f.get("event") != "ping")
        arrived = [next(arriving) for _ in later]
        (live,) = model.emit({"type": "agent.thinking"})
        arrived.append(next(arriving))

    assert [frame["id"] for frame in arrived] == [event["id"] for event in [*later, live]]
    assert [frame["event"] for frame in arrived] == ["agent.message"] * 2 + ["agent.thinking"]
    assert [json.loads(frame["data"]) for frame in arrived] == [*later, live]


def test_an_unknown_last_event_is_refused(api, session):
    for bad in (UNKNOWN, "nonsense"):
        refused(
            "invalid_request_error",
            api.events.stream,
            session,
            extra_headers={"last-event-id": bad},
        )


def test_deltas_are_accepted_and_the_event_comes_whole(api, session, model):
    with api.events.stream(session, event_deltas=["agent.message", "agent.thinking"]) as stream:
        model.say("whole")
        event = next(stream)

    assert event.type == "agent.message"
    assert event.content[0].text == "whole"


def test_several_streams_bring_the_same(api, session, model):
    with api.events.stream(session) as one, api.events.stream(session) as other:
        stored = model.emit(*[{"type": "agent.thinking"}] * 20)

        ids = [[next(stream).id for _ in stored] for stream in (one, other)]

    assert ids == [[event["id"] for event in stored]] * 2


def test_the_stream_of_a_deleted_session_says_so_and_ends(api, session):
    with api.events.stream(session) as stream:
        api.sessions.delete(session)
        arrived = [event.type for event in stream]

    assert arrived == ["session.deleted"]


def test_the_stream_of_an_archived_session_says_that_it_is_terminated(api, session):
    with api.events.stream(session) as stream:
        api.sessions.archive(session)

        assert next(stream).type == "session.status_terminated"


def test_one_session_s_events_are_not_another_s(api, stage, session, model):
    other = stage.session().id
    with api.events.stream(other) as stream:
        model.say("here")
        Model(api, other).say("there")
        event = next(stream)

    assert event.content[0].text == "there"
    assert len(listed(api, other)) == 1
