"""The official worker, unmodified: claims a session, mounts its stores, and runs the real tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from stage import PATIENCE, Model, attach, idle, says, tool_use, unique


@pytest.fixture
def kind() -> str:
    return "sync"


def test_the_worker_serves_a_session_with_two_stores(api, stage, crew):
    notes = api.stores.create(name=unique("Research notes")).id
    house = api.stores.create(name=unique("House style")).id
    api.memories.create(house, path="/style.md", content="Be short.\n")
    api.memories.create(notes, path="/old/draft.md", content="A CRDT merges.\n")
    session = stage.session(attach(notes), attach(house, "read_only"))
    notes_at, house_at = (resource.mount_path for resource in session.resources)
    model = Model(api, session.id)
    api.events.send(session.id, events=[says("Write up what an RGA is.")])

    with crew.at_work():
        style = model.call("read", file_path=f"{house_at}/style.md")
        found = model.call("grep", pattern="CRDT", path=notes_at)
        listed = model.call("glob", pattern="**/*.md", path=notes_at)
        written = model.call("write", file_path=f"{notes_at}/rga.md", content="An RGA is long.\n")
        edited = model.call(
            "edit", file_path=f"{notes_at}/rga.md", old_string="long", new_string="a list"
        )
        shown = model.call("bash", command=f"rm -r {notes_at}/old; cat {notes_at}/rga.md")
        refused = model.call("write", file_path=f"{house_at}/style.md", content="Be long.\n")
        sneaked = model.call("bash", command=f"echo > {house_at}/sneaked.md")
        model.say("An RGA is a list.")
        model.end_turn()

    assert "Be short." in style.text
    assert "old/draft.md" in found.text
    assert f"{notes_at}/old/draft.md" in listed.text
    assert not any(step.is_error for step in (style, found, listed, written, edited, shown))
    assert "An RGA is a list." in shown.text
    assert refused.is_error
    assert not sneaked.is_error
    assert {m.path: m.content for m in api.memories.list(house, view="full")} == {
        "/style.md": "Be short.\n"
    }
    assert {m.path: m.content for m in api.memories.list(notes, view="full")} == {
        "/rga.md": "An RGA is a list.\n"
    }
    by_session = api.versions.list(notes, session_id=session.id)
    assert {(v.operation, v.path) for v in by_session} == {
        ("created", "/rga.md"),
        ("deleted", "/old/draft.md"),
    }
    assert {v.created_by.type for v in by_session} == {"session_actor"}
    assert {v.created_by.session_id for v in by_session} == {session.id}
    assert [v.created_by.type for v in api.versions.list(house)] == ["api_actor"]
    assert not Path(notes_at).exists()


def test_each_session_signs_its_own_versions(api, stage, crew):
    store = api.stores.create(name=unique("Shared notes")).id
    sessions = []
    for text in ("first", "second"):
        session = stage.session(attach(store))
        sessions.append(session.id)
        mount = session.resources[0].mount_path
        api.events.send(session.id, events=[says(text)])
        model = Model(api, session.id)
        with crew.at_work():
            assert not model.call("write", file_path=f"{mount}/note.md", content=text).is_error
            model.end_turn()

    versions = list(api.versions.list(store, view="full"))

    assert [(v.content, v.created_by.session_id) for v in versions] == [
        ("second", sessions[1]),
        ("first", sessions[0]),
    ]


def test_the_worker_serves_a_dormant_session_again_when_it_gets_a_message(api, stage, crew):
    store = api.stores.create(name=unique("Notes")).id
    session = stage.session(attach(store))
    mount = session.resources[0].mount_path
    model = Model(api, session.id)

    for text in ("one", "two"):
        api.events.send(session.id, events=[says(text)])
        with crew.at_work():
            assert not model.call("bash", command=f"echo {text} >> {mount}/log").is_error
            model.end_turn()

    (memory,) = api.memories.list(store, view="full")
    assert memory.content == "one\ntwo\n"
    assert [work.data.id for work in crew.items()] == [session.id, session.id]
    assert {v.created_by.session_id for v in api.versions.list(store)} == {session.id}


def test_a_terminated_session_ends_its_worker_after_the_last_sync(api, stage, crew):
    store = api.stores.create(name=unique("Notes")).id
    session = stage.session(attach(store))
    mount = session.resources[0].mount_path
    model = Model(api, session.id)
    api.events.send(session.id, events=[says("Go.")])

    with crew.at_work():
        model.call("write", file_path=f"{mount}/last.md", content="last words")
        model.emit({"type": "session.status_terminated"})

    (memory,) = api.memories.list(store, view="full")
    assert memory.content == "last words"
    assert api.sessions.retrieve(session.id).status == "terminated"


def test_a_tool_that_asks_is_held_until_it_is_allowed(api, stage, crew):
    session = stage.session()
    model = Model(api, session.id)
    api.events.send(session.id, events=[says("Go.")])
    asked = {**tool_use("bash", command="echo allowed"), "evaluated_permission": "ask"}

    with crew.at_work():
        (use,) = model.emit(asked)
        model.emit(idle("requires_action", event_ids=[use["id"]]))
        with api.events.stream(session.id) as stream:
            verdict = {
                "type": "user.tool_confirmation",
                "tool_use_id": use["id"],
                "result": "allow",
            }
            api.events.send(session.id, events=[verdict])
            result = next(event for event in stream if event.type == "user.tool_result")
        model.end_turn()

    assert result.tool_use_id == use["id"]
    assert "allowed" in result.content[0].text


def test_what_a_stopped_item_leaves_is_still_flushed(api, stage, connect, portal, tmp_path):
    store = api.stores.create(name=unique("Notes")).id
    session = stage.session(attach(store))
    mount = session.resources[0].mount_path
    model = Model(api, session.id)
    queue = connect(stage.key, kind="sync").work
    work = queue.poll(stage.environment)
    queue.ack(work.id, environment_id=stage.environment)
    worker = connect(stage.key, kind="async").sdk.beta.environments.work.worker(workdir=tmp_path)

    async def serve() -> None:
        await worker.handle_item(
            work_id=work.id,
            environment_id=stage.environment,
            session_id=session.id,
            work_secret=work.secret,
        )

    served = portal.start_task_soon(serve)
    model.call("write", file_path=f"{mount}/kept.md", content="kept")
    stopped = queue.stop(work.id, environment_id=stage.environment, force=True)
    model.emit({"type": "session.status_terminated"})
    served.result(timeout=PATIENCE)

    assert stopped.state == "stopped"
    (memory,) = api.memories.list(store, view="full")
    assert memory.content == "kept"
    (version,) = api.versions.list(store)
    assert version.created_by.session_id == session.id
