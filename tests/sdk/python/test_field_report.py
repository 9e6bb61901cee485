"""The field report, replayed: three sessions of the official worker, one note lost and restored."""

from __future__ import annotations

import pytest

from stage import Model, attach, says, unique
from support import refused

KEYWORDS = "Keywords: crdt, sequence, rga, merge, tombstone, convergence.\n"
NOTES = ("# CRDTs\n\n" + KEYWORDS + "\nReplicas that merge by a join converge.\n" * 200)[:7_285]
OVERWRITTEN = ("# CRDTs\n\n" + "A delta-state type sends only what an operation added.\n" * 30)[
    :1_509
]
PARAGRAPH = "Add a paragraph on delta-state types."


@pytest.fixture
def kind() -> str:
    return "sync"


def test_the_field_report_from_start_to_end(api, stage, crew):
    store = api.stores.create(
        name=unique("Research notes"),
        description="What the research agent has learned. Search here before answering.",
    ).id
    sessions = []

    def session(message: str) -> tuple[Model, str]:
        made = stage.session(attach(store))
        sessions.append(made.id)
        api.events.send(made.id, events=[says(message)])
        return Model(api, made.id), made.resources[0].mount_path

    def sizes() -> list[int]:
        return [version.content_size_bytes for version in api.versions.list(store)]

    # Session 1 looks for notes, finds none, and writes them.
    model, mount = session("What is a CRDT?")
    with crew.at_work():
        searched = model.call("bash", command=f"rg -i 'crdt|sequence|rga' {mount} -l")
        written = model.call("write", file_path=f"{mount}/crdts.md", content=NOTES)
        model.say("A CRDT is a type whose replicas converge. I have taken notes.")
        model.end_turn()
    assert searched.is_error and "crdts.md" not in searched.text
    assert not written.is_error
    assert sizes() == [7_285]

    # Session 2 finds them, answers from them, and leaves no version.
    model, mount = session("How does an RGA merge?")
    with crew.at_work():
        searched = model.call("bash", command=f"rg -i 'crdt|sequence|rga' {mount} -l")
        read = model.call("read", file_path=f"{mount}/crdts.md")
        model.say("By a join.")
        model.end_turn()
    assert f"{mount}/crdts.md" in searched.text
    assert KEYWORDS.strip() in read.text
    assert sizes() == [7_285]

    # Session 3 quotes one backslash too many, takes the error for an empty store, and overwrites.
    model, mount = session(PARAGRAPH)
    with crew.at_work():
        searched = model.call("bash", command=f"rg -i 'crdt\\|sequence\\|rga' {mount} -l")
        written = model.call("write", file_path=f"{mount}/crdts.md", content=OVERWRITTEN)
        model.say("Done: the notes have the paragraph.")
        model.end_turn()
    assert searched.is_error and "crdts.md" not in searched.text
    assert not written.is_error

    # The history shows it.
    bad, good = api.versions.list(store)
    assert [(v.operation, v.path, v.content_size_bytes) for v in (bad, good)] == [
        ("modified", "/crdts.md", 1_509),
        ("created", "/crdts.md", 7_285),
    ]
    assert [v.created_by.session_id for v in (bad, good)] == [sessions[2], sessions[0]]
    assert list(api.versions.list(store, session_id=sessions[1])) == []

    # An operator writes the first content back.
    old = api.versions.retrieve(good.id, memory_store_id=store)
    assert old.content == NOTES
    restored = api.memories.update(
        good.memory_id,
        memory_store_id=store,
        content=old.content,
        precondition={"type": "content_sha256", "content_sha256": bad.content_sha256},
    )
    third, second, first = api.versions.list(store, view="full")
    assert third.id == restored.memory_version_id
    assert third.content_sha256 == first.content_sha256 == good.content_sha256
    assert [v.content_size_bytes for v in (third, second, first)] == [7_285, 1_509, 7_285]
    assert [v.created_by.type for v in (third, second, first)] == [
        "api_actor",
        "session_actor",
        "session_actor",
    ]
    assert second.content == OVERWRITTEN

    # What was overwritten with can be erased; who did it stays known.
    redacted = api.versions.redact(second.id, memory_store_id=store)
    assert (redacted.content, redacted.path) == (None, None)
    assert redacted.created_by.session_id == sessions[2]
    assert sizes() == [7_285, None, 7_285]


def test_a_precondition_would_have_stopped_the_overwrite(api, store):
    written = api.memories.create(store, path="/crdts.md", content=NOTES)

    refused(
        "memory_precondition_failed_error",
        api.memories.update,
        written.id,
        memory_store_id=store,
        content=OVERWRITTEN,
        precondition={"type": "content_sha256", "content_sha256": "0" * 64},
    )

    assert api.memories.retrieve(written.id, memory_store_id=store).content == NOTES
