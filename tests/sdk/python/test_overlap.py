"""A path excludes its ancestors and descendants, one writer at a time or many at once."""

from __future__ import annotations

from functools import partial

import anthropic
import pytest

from clients import at_once
from support import refused

WRITERS = 32
OVERLAPS = {
    "exact": ("/notes/todo", "/notes/todo"),
    "ancestor": ("/notes", "/notes/todo/a"),
    "nearest ancestor": ("/notes/todo", "/notes/todo/a"),
    "descendant": ("/notes/todo/a/b", "/notes"),
    "child": ("/notes/todo", "/notes"),
}
NEIGHBOURS = ["/notes-archive", "/notes.md", "/notes0", "/note", "/Notes", "/notes/todo2"]

every_overlap = pytest.mark.parametrize(("taken", "wanted"), OVERLAPS.values(), ids=OVERLAPS)


def assert_blocked_by(refusal: anthropic.APIStatusError, path: str, memory_id: str) -> None:
    error = refusal.body["error"]
    assert set(error) == {"type", "message", "conflicting_path", "conflicting_memory_id"}
    assert error["conflicting_path"] == path
    assert error["conflicting_memory_id"] == memory_id
    assert refusal.response.headers["x-should-retry"] == "false"


@every_overlap
def test_a_create_names_what_is_in_its_way(api, store, taken: str, wanted: str):
    blocker = api.memories.create(store, path=taken, content="x")

    refusal = refused(
        "memory_path_conflict_error", api.memories.create, store, path=wanted, content="y"
    )

    assert_blocked_by(refusal, taken, blocker.id)
    assert list(api.memories.list(store)) == [blocker]


@every_overlap
def test_a_rename_names_what_is_in_its_way(api, store, taken: str, wanted: str):
    blocker = api.memories.create(store, path=taken, content="x")
    memory = api.memories.create(store, path="/start", content="y")

    refusal = refused(
        "memory_path_conflict_error",
        api.memories.update,
        memory.id,
        memory_store_id=store,
        path=wanted,
        content="changed",
    )

    assert_blocked_by(refusal, taken, blocker.id)
    assert list(api.memories.list(store)) == [blocker, memory]
    assert len(list(api.versions.list(store))) == 2


def test_of_several_descendants_the_first_is_named(api, store):
    for name in ("z", "a/2", "a/1", "b"):
        memory = api.memories.create(store, path=f"/notes/{name}", content="")
        if name == "a/1":
            first = memory

    refusal = refused(
        "memory_path_conflict_error", api.memories.create, store, path="/notes", content=""
    )

    assert_blocked_by(refusal, "/notes/a/1", first.id)


@pytest.mark.parametrize("path", NEIGHBOURS)
def test_what_only_looks_alike_is_no_overlap(api, store, path: str):
    api.memories.create(store, path="/notes/todo", content="")

    assert api.memories.create(store, path=path, content="").path == path


@pytest.mark.parametrize("path", ["/a", "/a/b/c", "/a/b/c/d", "/a/x"])
def test_a_memory_is_never_in_its_own_way(api, store, path: str):
    memory = api.memories.create(store, path="/a/b", content="")

    assert api.memories.update(memory.id, memory_store_id=store, path=path).path == path


def test_a_moved_or_deleted_memory_frees_its_path(api, store):
    moved = api.memories.create(store, path="/a", content="")
    deleted = api.memories.create(store, path="/b/c", content="")

    api.memories.update(moved.id, memory_store_id=store, path="/elsewhere")
    api.memories.delete(deleted.id, memory_store_id=store)

    assert api.memories.create(store, path="/a/below", content="").path == "/a/below"
    assert api.memories.create(store, path="/b", content="").path == "/b"


def test_stores_do_not_share_paths(api, store):
    other = api.stores.create(name="other").id

    api.memories.create(store, path="/a", content="")

    assert api.memories.create(other, path="/a/b", content="").path == "/a/b"


@pytest.mark.parametrize("paths", [["/p"], ["/p", "/p/q", "/p/q/r"]], ids=["exact", "overlap"])
def test_of_many_parallel_creates_one_wins(api, store, paths: list[str]):
    outcomes = at_once(
        partial(api.memories.create, store, path=paths[n % len(paths)], content=str(n))
        for n in range(WRITERS)
    )

    (winner,) = api.memories.list(store)
    refusals = [o for o in outcomes if isinstance(o, anthropic.ConflictError)]
    assert [o for o in outcomes if o not in refusals] == [winner]
    assert len(refusals) == WRITERS - 1
    for refusal in refusals:
        assert_blocked_by(refusal, winner.path, winner.id)
    assert len(list(api.versions.list(store))) == 1
    assert api.wire.methods().count("POST") == 1 + WRITERS


@pytest.mark.parametrize("paths", [["/p"], ["/p", "/p/q", "/p/q/r"]], ids=["exact", "overlap"])
def test_of_many_parallel_renames_one_wins(api, store, paths: list[str]):
    memories = [api.memories.create(store, path=f"/m{n}", content="") for n in range(WRITERS)]

    outcomes = at_once(
        partial(api.memories.update, memory.id, memory_store_id=store, path=paths[n % len(paths)])
        for n, memory in enumerate(memories)
    )

    (winner,) = (o for o in outcomes if not isinstance(o, anthropic.ConflictError))
    for refusal in outcomes:
        if refusal is not winner:
            assert_blocked_by(refusal, winner.path, winner.id)
    assert sum(m.path.startswith("/p") for m in api.memories.list(store, limit=100)) == 1
    assert len(list(api.versions.list(store, operation="modified"))) == 1


def test_of_many_parallel_updates_of_one_state_one_wins(api, store):
    memory = api.memories.create(store, path="/a", content="start")
    precondition = {"type": "content_sha256", "content_sha256": memory.content_sha256}

    outcomes = at_once(
        partial(
            api.memories.update,
            memory.id,
            memory_store_id=store,
            content=f"by {n}",
            precondition=precondition,
        )
        for n in range(WRITERS)
    )

    (winner,) = (o for o in outcomes if not isinstance(o, anthropic.ConflictError))
    refusals = [o for o in outcomes if o is not winner]
    assert {refusal.type for refusal in refusals} == {"memory_precondition_failed_error"}
    assert api.memories.retrieve(memory.id, memory_store_id=store, view="basic") == winner
    assert len(list(api.versions.list(store))) == 2


def test_parallel_writers_apart_from_each_other_all_win(api, store):
    outcomes = at_once(
        partial(api.memories.create, store, path=f"/p/{n:02}", content=str(n))
        for n in range(WRITERS)
    )

    assert list(api.memories.list(store, limit=5)) == outcomes
