"""Which paths a memory may have, in create and in rename alike."""

from __future__ import annotations

import pytest

from support import refused

ACCEPTED = {
    "shortest": "/a",
    "hidden": "/.hidden/..notes",
    "three dots": "/...",
    "spaces": "/ a b / c ",
    "composed": "/caf\u00e9",
    "combining mark that cannot compose": "/x\u0323",
    "emoji": "/🙂",
    "private use": "/\ue000",
    "backslash and percent": "/a\\b%2F?#&+",
    "20 segments": "/s" * 20,
    "1024 bytes": "/" + "é" * 511 + "a",
    "1024 bytes of four each": "/" + "🙂" * 255 + "abc",
    "marker of the sync engine": "/.anthropic-memory-store",
}
REFUSED = {
    "empty": "",
    "bare root": "/",
    "relative": "a/b",
    "final slash": "/a/",
    "empty segment": "/a//b",
    "empty first segment": "//a",
    "dot": "/a/./b",
    "dot dot": "/a/../b",
    "only dot": "/.",
    "only dot dot": "/..",
    "null": "/a\x00b",
    "newline": "/a\nb",
    "delete": "/a\x7f",
    "next line": "/a\x85",
    "zero width joiner": "/a\u200db",
    "soft hyphen": "/a\u00adb",
    "byte order mark": "/\ufeffa",
    "right to left override": "/\u202ea",
    "tag": "/\U000e0001a",
    "line separator": "/a\u2028b",
    "paragraph separator": "/a\u2029b",
    "decomposed": "/cafe\u0301",
    "angstrom sign": "/\u212b",
    "21 segments": "/s" * 21,
    "1025 bytes": "/" + "é" * 512,
    "number": 7,
}


@pytest.mark.parametrize("path", ACCEPTED.values(), ids=ACCEPTED)
def test_a_good_path_is_kept_as_it_is(api, store, path: str):
    created = api.memories.create(store, path=path, content="x")
    retrieved = api.memories.retrieve(created.id, memory_store_id=store)

    assert created.path == retrieved.path == path
    assert [item.path for item in api.memories.list(store)] == [path]


@pytest.mark.parametrize("path", ACCEPTED.values(), ids=ACCEPTED)
def test_a_memory_is_renamed_to_a_good_path(api, store, path: str):
    memory = api.memories.create(store, path="/start", content="x")

    assert api.memories.update(memory.id, memory_store_id=store, path=path).path == path


@pytest.mark.parametrize("path", REFUSED.values(), ids=REFUSED)
def test_a_bad_path_is_refused_and_changes_nothing(api, store, path):
    memory = api.memories.create(store, path="/start", content="x")
    rename = {"memory_store_id": store, "path": path}

    created = refused("invalid_request_error", api.memories.create, store, path=path, content="")
    renamed = refused("invalid_request_error", api.memories.update, memory.id, **rename)

    assert "path" in created.message
    assert "path" in renamed.message
    assert list(api.memories.list(store)) == [memory]


def test_a_path_is_required_and_not_null(api, store):
    refused("invalid_request_error", api.memories.create, store, path=None, content="")


def test_paths_are_case_sensitive(api, store):
    for path in ("/Notes", "/notes/a", "/NOTES/a"):
        api.memories.create(store, path=path, content=path)

    assert [item.path for item in api.memories.list(store)] == ["/NOTES/a", "/Notes", "/notes/a"]
