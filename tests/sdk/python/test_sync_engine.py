"""The SDK's own sync engine keeps folders and stores alike, as the worker drives it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.tools import _memories
from anthropic.lib.tools._memories import SessionMemoryError, SessionMemoryStores
from anthropic.types.beta import BetaManagedAgentsSession
from anthropic.types.beta.sessions import BetaManagedAgentsMemoryStoreResource

DUE = _memories.DEFAULT_MEMORY_SYNC_INTERVAL
CORROBORATED = _memories.DELETE_CORROBORATION_SECONDS
MARKER = _memories.MARKER_PATH


class Clock:
    """Stands where the engine reads the monotonic clock."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """One session's engine over its mounted folders, called the blocking way."""

    def __init__(self, engine: SessionMemoryStores, wire: Any, clock: Clock, portal: Any) -> None:
        self.wire = wire
        self._engine = engine
        self._clock = clock
        self._portal = portal

    def download(self, *mounts: BetaManagedAgentsMemoryStoreResource) -> None:
        session = BetaManagedAgentsSession.construct(
            id="sesn_01", type="session", status="running", resources=list(mounts)
        )
        self._portal.call(self._engine.download, session)

    def sync(self, after: float = DUE) -> list[str]:
        """Lets the time pass, syncs, and tells the methods of the requests that it took."""
        self._clock.now += after
        return self._requests_of(self._engine.sync_if_due)

    def finish(self) -> list[str]:
        return self._requests_of(self._engine.finish)

    def flush(self) -> list[str]:
        return self._requests_of(self._engine.flush_writes)

    def dispose(self) -> None:
        self._portal.call(self._engine.dispose)

    def _requests_of(self, step: Callable[[], Any]) -> list[str]:
        del self.wire.requests[:]
        self._portal.call(step)
        return self.wire.methods()


@pytest.fixture
def kind() -> str:
    return "async"


@pytest.fixture
def start(api, connect, portal, monkeypatch, tmp_path):
    """Starts a worker with a client of its own in the workspace of the test."""
    clock = Clock()
    monkeypatch.setattr(_memories, "monotonic", clock)

    def make(**options: Any) -> Worker:
        client = connect(api.sdk.api_key)
        engine = SessionMemoryStores(client.sdk, workdir=tmp_path / "work", **options)
        return Worker(engine, client.wire, clock, portal)

    return make


@pytest.fixture
def rival(api, connect):
    """A client that can write while the worker's own loop waits."""
    return connect(api.sdk.api_key, kind="sync")


@pytest.fixture
def mount(store, tmp_path) -> BetaManagedAgentsMemoryStoreResource:
    return BetaManagedAgentsMemoryStoreResource(
        type="memory_store",
        memory_store_id=store,
        access="read_write",
        name="notes",
        description="",
        mount_path=str(tmp_path / "mnt" / "notes"),
    )


@pytest.fixture
def folder(mount) -> Path:
    return Path(mount.mount_path)


@pytest.fixture
def note(api, store):
    return api.memories.create(store, path="/dir/note.md", content="remote")


@pytest.fixture
def worker(start, mount, note) -> Worker:
    """A worker that has downloaded the note."""
    worker = start()
    worker.download(mount)
    return worker


def contents(api, store: str) -> dict[str, str]:
    return {m.path: m.content for m in api.memories.list(store, view="full")}


def files(folder: Path) -> dict[str, str]:
    return {
        f"/{path.relative_to(folder).as_posix()}": path.read_bytes().decode()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MARKER
    }


def operations(api, store: str) -> list[str]:
    return [version.operation for version in api.versions.list(store)]


def test_a_download_brings_every_memory_byte_for_byte(api, store, start, mount, folder):
    texts = {"/a.md": "a\r\nb", "/d/e/f": "\ufeffcafe\u0301 \x00 🙂", "/empty": "", "/.h": "\n\n"}
    for number in range(45):
        texts[f"/many/{number:02}"] = f"text {number}"
    for path, text in texts.items():
        api.memories.create(store, path=path, content=text)

    worker = start()
    worker.download(mount)

    assert files(folder) == texts
    assert (folder / MARKER).read_text() == f"version 1\n{store}"


def test_a_download_asks_for_full_pages_and_nothing_else(worker):
    (request,) = worker.wire.requests

    assert request.method == "GET"
    assert dict(request.url.params) == {"view": "full", "limit": "20"}


def test_nothing_to_do_means_one_listing_and_no_writes(api, store, worker, folder, note):
    assert worker.sync() == ["GET"]
    assert dict(worker.wire.requests[0].url.params) == {"view": "basic", "limit": "100"}
    assert worker.finish() == ["GET"]
    assert worker.flush() == []

    assert files(folder) == {"/dir/note.md": "remote"}
    assert operations(api, store) == ["created"]


def test_nothing_is_synced_before_it_is_due(api, store, worker, folder):
    (folder / "new.md").write_text("local")

    assert worker.sync(after=DUE - 0.1) == []
    assert worker.sync(after=0.1) == ["GET", "POST"]


def test_local_edits_go_up_with_a_precondition(api, store, worker, folder, note):
    (folder / "dir/note.md").write_text("edited")
    (folder / "new.md").write_text("neu ü")

    assert sorted(worker.sync()) == ["GET", "POST", "POST"]

    assert contents(api, store) == {"/dir/note.md": "edited", "/new.md": "neu ü"}
    assert api.memories.retrieve(note.id, memory_store_id=store).content == "edited"
    assert operations(api, store) == ["created", "modified", "created"]
    assert worker.sync() == ["GET"]


def test_remote_edits_come_down(api, store, worker, folder, note):
    api.memories.update(note.id, memory_store_id=store, content="newer")
    api.memories.create(store, path="/added.md", content="added")

    assert worker.sync() == ["GET"] * 3

    assert files(folder) == {"/dir/note.md": "newer", "/added.md": "added"}
    assert worker.sync() == ["GET"]


def test_a_remote_rename_moves_the_file(api, store, worker, folder, note):
    api.memories.update(note.id, memory_store_id=store, path="/moved.md")

    worker.sync()

    assert files(folder) == {"/moved.md": "remote"}
    assert worker.sync() == ["GET"]


def test_edited_on_both_sides_the_server_wins(api, store, worker, folder, note):
    api.memories.update(note.id, memory_store_id=store, content="theirs")
    (folder / "dir/note.md").write_text("mine")

    worker.sync()

    assert files(folder) == contents(api, store) == {"/dir/note.md": "theirs"}
    assert operations(api, store) == ["modified", "created"]


def test_a_race_lost_after_the_listing_is_refused_once_and_pulled(
    api, store, worker, folder, rival, note
):
    (folder / "dir/note.md").write_text("mine")

    worker.wire.before_the_next(
        "POST", lambda: rival.memories.update(note.id, memory_store_id=store, content="theirs")
    )

    assert worker.sync() == ["GET", "POST"]
    assert contents(api, store) == {"/dir/note.md": "theirs"}
    worker.sync()
    assert files(folder) == {"/dir/note.md": "theirs"}


def test_a_file_deleted_here_is_deleted_there_only_after_its_time(api, store, worker, folder, note):
    keep = api.memories.create(store, path="/keep", content="x")
    worker.sync()
    (folder / "dir/note.md").unlink()

    assert worker.sync() == ["GET"]
    assert worker.sync(after=CORROBORATED - 1) == ["GET"]
    assert worker.sync(after=DUE) == ["GET", "DELETE"]

    sent = worker.wire.requests[-1].url.params["expected_content_sha256"]
    assert sent == sha256(b"remote").hexdigest()
    assert contents(api, store) == {"/keep": "x"}
    assert operations(api, store) == ["deleted", "created", "created"]
    assert api.versions.list(store, memory_id=keep.id).data[0].operation == "created"
    assert worker.sync() == ["GET"]


def test_the_last_sync_deletes_at_once(api, store, worker, folder, note):
    (folder / "dir/note.md").unlink()

    assert worker.finish() == ["GET", "DELETE"]
    assert contents(api, store) == {}


@pytest.mark.parametrize("mode", ["log_only", "disabled"])
def test_deletes_can_be_held_back(api, store, start, mount, folder, note, mode: str):
    worker = start(sync_deletions=mode)
    worker.download(mount)
    (folder / "dir/note.md").unlink()

    worker.sync()
    worker.sync(after=CORROBORATED)

    assert worker.finish() == ["GET"]
    assert contents(api, store) == {"/dir/note.md": "remote"}


def test_deleted_here_and_edited_there_the_edit_comes_back(api, store, worker, folder, note):
    (folder / "dir/note.md").unlink()
    api.memories.update(note.id, memory_store_id=store, content="newer")

    worker.sync()

    assert files(folder) == contents(api, store) == {"/dir/note.md": "newer"}


def test_a_delete_that_meets_a_later_edit_is_refused_once_and_mended(
    api, store, worker, folder, rival, note
):
    (folder / "dir/note.md").unlink()
    worker.sync()

    worker.wire.before_the_next(
        "DELETE", lambda: rival.memories.update(note.id, memory_store_id=store, content="newer")
    )

    assert worker.sync(after=CORROBORATED) == ["GET", "DELETE"]
    worker.sync()
    assert files(folder) == contents(api, store) == {"/dir/note.md": "newer"}


def test_a_memory_deleted_there_is_deleted_here(api, store, worker, folder, note):
    api.memories.delete(note.id, memory_store_id=store)

    assert worker.sync() == ["GET"]
    assert files(folder) == {}


def test_deleted_there_and_edited_here_the_file_is_created_anew(api, store, worker, folder, note):
    api.memories.delete(note.id, memory_store_id=store)
    (folder / "dir/note.md").write_text("mine")

    assert worker.sync() == ["GET", "POST"]

    (memory,) = api.memories.list(store)
    assert contents(api, store) == {"/dir/note.md": "mine"}
    assert memory.id != note.id


def test_a_memory_deleted_after_the_listing_is_created_anew(
    api, store, worker, folder, rival, note
):
    (folder / "dir/note.md").write_text("mine")

    worker.wire.before_the_next(
        "POST", lambda: rival.memories.delete(note.id, memory_store_id=store)
    )

    assert worker.sync() == ["GET", "POST", "POST"]
    assert contents(api, store) == {"/dir/note.md": "mine"}


def test_deleted_on_both_sides_nothing_is_left_to_do(api, store, worker, folder, note):
    (folder / "dir/note.md").unlink()
    api.memories.delete(note.id, memory_store_id=store)

    assert worker.finish() == ["GET"]
    assert files(folder) == contents(api, store) == {}


def test_a_wiped_folder_is_downloaded_again(api, store, worker, folder, note):
    shutil.rmtree(folder)

    assert worker.sync() == ["GET"]

    assert files(folder) == contents(api, store) == {"/dir/note.md": "remote"}
    assert operations(api, store) == ["created"]


def test_all_files_gone_at_once_are_downloaded_again(api, store, worker, folder, note):
    api.memories.create(store, path="/second", content="2")
    worker.sync()
    shutil.rmtree(folder / "dir")
    (folder / "second").unlink()

    worker.sync(after=CORROBORATED)

    assert files(folder) == contents(api, store)
    assert len(files(folder)) == 2


def test_without_its_marker_a_folder_is_left_alone(api, store, worker, folder, note):
    (folder / MARKER).unlink()
    (folder / "new.md").write_text("local")

    assert worker.sync() == []
    assert worker.finish() == []
    assert worker.flush() == []
    assert contents(api, store) == {"/dir/note.md": "remote"}


def test_a_memory_at_the_path_of_the_marker_is_skipped(api, store, start, mount, folder, note):
    api.memories.create(store, path=f"/{MARKER}", content="not a marker")

    worker = start()
    worker.download(mount)

    assert (folder / MARKER).read_text() == f"version 1\n{store}"
    assert worker.sync() == ["GET"]
    assert contents(api, store)[f"/{MARKER}"] == "not a marker"


def test_a_refused_file_is_sent_again_only_after_it_changed(api, store, worker, folder):
    (folder / "big").write_text("x" * 102_401)
    (folder / "good").write_text("y")

    assert sorted(worker.sync()) == ["GET", "POST", "POST"]
    assert worker.sync() == ["GET"]
    assert worker.flush() == []

    (folder / "big").write_text("x" * 102_400)
    assert worker.sync() == ["GET", "POST"]
    assert contents(api, store)["/big"] == "x" * 102_400
    assert contents(api, store)["/good"] == "y"


def test_a_file_with_a_name_that_no_path_may_have_is_refused_for_good(api, store, worker, folder):
    (folder / "cafe\u0301").write_text("decomposed")

    assert worker.sync() == ["GET", "POST"]
    assert worker.sync() == ["GET"]
    assert list(contents(api, store)) == ["/dir/note.md"]


def test_a_binary_file_stays_here(api, store, worker, folder):
    (folder / "binary").write_bytes(b"\xff\xfe")

    assert worker.sync() == ["GET"]
    assert list(contents(api, store)) == ["/dir/note.md"]


def test_a_file_in_the_way_of_a_remote_directory_loses_nothing(api, store, worker, folder):
    (folder / "plans").write_text("mine")
    api.memories.create(store, path="/plans/a", content="theirs")

    worker.sync()
    worker.sync()

    assert (folder / "plans").read_text() == "mine"
    assert contents(api, store)["/plans/a"] == "theirs"


@pytest.mark.parametrize("sync", ["sync", "flush"])
def test_a_lost_answer_to_a_create_leaves_one_memory(api, store, worker, folder, sync: str):
    (folder / "new.md").write_text("local")
    worker.wire.lose_the_next_answer_to("POST")

    assert getattr(worker, sync)() == ["GET", "POST", "POST"]
    (folder / "new.md").write_text("edited since")
    assert worker.sync() == ["GET", "POST"]

    assert contents(api, store)["/new.md"] == "edited since"
    assert operations(api, store) == ["modified", "created", "created"]


def test_a_lost_answer_to_an_update_leaves_one_version(api, store, worker, folder, note):
    (folder / "dir/note.md").write_text("edited")
    worker.wire.lose_the_next_answer_to("POST")

    assert worker.sync() == ["GET", "POST", "POST"]
    assert worker.sync() == ["GET"]

    assert contents(api, store) == {"/dir/note.md": "edited"}
    assert operations(api, store) == ["modified", "created"]


def test_a_read_only_store_is_pulled_and_never_pushed(api, store, start, mount, folder, note):
    worker = start()
    worker.download(mount.model_copy(update={"access": "read_only"}))
    (folder / "dir/note.md").write_text("mine")
    (folder / "new.md").write_text("new")
    api.memories.create(store, path="/added", content="theirs")

    assert worker.sync() == ["GET", "GET"]
    assert worker.flush() == []
    (folder / "added").unlink()
    assert set(worker.finish()) == {"GET"}

    assert contents(api, store) == {"/added": "theirs", "/dir/note.md": "remote"}


def test_a_flush_uploads_a_hundred_files_in_parallel(api, store, worker, folder):
    texts = {f"/many/{number:03}": f"text {number}" for number in range(120)}
    (folder / "many").mkdir()
    for path, text in texts.items():
        (folder / path[1:]).write_text(text)
    (folder / "dir/note.md").unlink()

    assert sorted(worker.flush()) == ["GET"] + ["POST"] * 120

    assert contents(api, store) == {"/dir/note.md": "remote", **texts}
    assert worker.sync() == ["GET", "GET"]


def test_many_deletes_go_out_a_few_at_a_time(api, store, start, mount, folder):
    for number in range(12):
        api.memories.create(store, path=f"/{number:02}", content="")
    worker = start()
    worker.download(mount)
    for number in range(11):
        (folder / f"{number:02}").unlink()

    worker.sync()

    assert worker.sync(after=CORROBORATED).count("DELETE") == 8
    assert worker.sync().count("DELETE") == 3
    assert list(contents(api, store)) == ["/11"]


def test_two_workers_on_one_store_meet(api, store, start, mount, tmp_path, note):
    here, there = tmp_path / "mnt/here", tmp_path / "mnt/there"
    first, second = start(), start()
    first.download(mount.model_copy(update={"mount_path": str(here)}))
    second.download(mount.model_copy(update={"mount_path": str(there)}))
    (here / "a").write_text("from here")
    (there / "b").write_text("from there")

    for worker in (first, second, first):
        worker.sync()

    assert files(here) == files(there) == contents(api, store)
    assert len(files(here)) == 3


def test_two_stores_are_kept_apart(api, store, start, mount, folder, tmp_path, note):
    house = api.stores.create(name="house").id
    api.memories.create(house, path="/rules.md", content="be kind")
    shared = mount.model_copy(
        update={"memory_store_id": house, "mount_path": str(tmp_path / "mnt/house")}
    )
    worker = start()
    worker.download(mount, shared)
    (folder / "mine").write_text("1")

    worker.sync()

    assert contents(api, house) == files(tmp_path / "mnt/house") == {"/rules.md": "be kind"}
    assert contents(api, store) == files(folder) == {"/dir/note.md": "remote", "/mine": "1"}


def test_a_store_without_a_mount_path_lands_in_the_work_directory(
    api, start, mount, tmp_path, note
):
    worker = start()
    worker.download(mount.model_copy(update={"mount_path": None}))

    assert files(tmp_path / "work/memory/notes") == {"/dir/note.md": "remote"}


def test_an_unknown_store_fails_the_download(start, mount, folder):
    unknown = mount.model_copy(update={"memory_store_id": "memstore_01ARZ3NDEKTSV4RRFFQ69G5FAV"})

    with pytest.raises(SessionMemoryError, match="memstore_01ARZ3NDEKTSV4RRFFQ69G5FAV"):
        start().download(unknown)

    assert not folder.exists()


def test_an_archived_store_is_downloaded_and_refuses_uploads(api, store, worker, folder, note):
    api.stores.archive(store)
    (folder / "dir/note.md").write_text("mine")

    assert worker.sync() == ["GET", "POST"]
    assert worker.sync() == ["GET"]
    assert contents(api, store) == {"/dir/note.md": "remote"}


def test_a_disposed_folder_is_gone_and_the_store_is_not(api, store, worker, folder, note):
    worker.finish()
    worker.dispose()

    assert not folder.exists()
    assert contents(api, store) == {"/dir/note.md": "remote"}
