"""The three lists: order, limits, cursors, roll-ups, and what holds while others write."""

from __future__ import annotations

import pytest

from clients import pages
from support import refused

TREE = ["/a-b", "/a.md", "/a/x", "/a/y/1", "/a/y/2", "/a/z", "/a0", "/b/c/d/e", "/é", "/🙂/x"]
TOP = ["/a-b", "/a.md", "/a/", "/a0", "/b/", "/é", "/🙂/"]
LIMITS = [1, 2, 3, 5, 100]
BAD_PREFIXES = {
    "no final slash": "/a",
    "no first slash": "a/",
    "no slash": "x",
    "empty segment": "//",
    "empty last segment": "/a//",
    "dot": "/./",
    "dot dot": "/a/../",
    "decomposed": "/e\u0301/",
    "null": "/a\x00/",
    "1026 bytes": "/" + "é" * 512 + "/",
}


@pytest.fixture
def tree(api, store) -> str:
    for path in reversed(TREE):
        api.memories.create(store, path=path, content=path)
    return store


@pytest.fixture
def three_stores(api) -> list:
    """Newest first."""
    return [api.stores.create(name=name) for name in ("oldest", "middle", "newest")][::-1]


def paths(items) -> list[str]:
    return [item.path for item in items]


@pytest.mark.parametrize("limit", LIMITS)
def test_all_memories_are_listed_in_byte_order(api, tree, limit: int):
    assert paths(api.memories.list(tree, limit=limit)) == TREE
    assert paths(api.memories.list(tree, limit=limit, depth=0)) == TREE
    assert paths(api.memories.list(tree, limit=limit, path_prefix="/")) == TREE
    assert paths(api.memories.list(tree, limit=limit, path_prefix="")) == TREE


@pytest.mark.parametrize("limit", LIMITS)
def test_a_roll_up_appears_once_whatever_the_page_borders(api, tree, limit: int):
    listed = list(pages(api.memories.list(tree, depth=1, limit=limit)))

    assert [path for page in listed for path in paths(page.data)] == TOP
    assert all(len(page.data) <= limit for page in listed)
    assert all(len(page.data) == limit for page in listed[:-1])


@pytest.mark.parametrize("view", ["basic", "full"])
def test_a_prefix_has_a_type_and_a_path_only(api, tree, view: str):
    sent = api.raw.memories.list(tree, depth=1, view=view).json()["data"]

    prefixes = [item for item in sent if item["type"] == "memory_prefix"]
    assert prefixes == [{"type": "memory_prefix", "path": p} for p in TOP if p.endswith("/")]
    assert {item["type"] for item in sent} == {"memory", "memory_prefix"}


def test_a_prefix_is_an_object_of_its_own_type(api, tree):
    rolled_up = api.memories.list(tree, depth=1).data[2]

    assert type(rolled_up).__name__ == "BetaManagedAgentsMemoryPrefix"


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize(
    ("prefix", "all_below", "children"),
    [
        ("/a/", ["/a/x", "/a/y/1", "/a/y/2", "/a/z"], ["/a/x", "/a/y/", "/a/z"]),
        ("/a/y/", ["/a/y/1", "/a/y/2"], ["/a/y/1", "/a/y/2"]),
        ("/b/c/", ["/b/c/d/e"], ["/b/c/d/"]),
        ("/🙂/", ["/🙂/x"], ["/🙂/x"]),
        ("/A/", [], []),
        ("/a.md/", [], []),
        ("/nowhere/", [], []),
    ],
)
def test_a_prefix_selects_whole_segments(api, tree, prefix, all_below, children, limit: int):
    below = {"path_prefix": prefix, "limit": limit}

    assert paths(api.memories.list(tree, **below)) == all_below
    assert paths(api.memories.list(tree, depth=1, **below)) == children


def test_a_prefix_leads_to_what_it_stands_for(api, tree):
    def walk(prefix: str) -> list[str]:
        found = []
        for item in api.memories.list(tree, depth=1, path_prefix=prefix, limit=2):
            found += walk(item.path) if item.type == "memory_prefix" else [item.path]
        return found

    assert walk("/") == TREE


@pytest.mark.parametrize("prefix", BAD_PREFIXES.values(), ids=BAD_PREFIXES)
def test_a_bad_prefix_is_refused(api, store, prefix: str):
    refused("invalid_request_error", api.memories.list, store, path_prefix=prefix)


@pytest.mark.parametrize("depth", [2, -1, "1.5", "x", ""])
def test_a_depth_other_than_0_and_1_is_refused(api, store, depth):
    refused("invalid_request_error", api.memories.list, store, depth=depth)


@pytest.mark.parametrize("limit", [0, -1, 101, 10**20, "ten", "1.5", ""])
def test_a_limit_outside_1_to_100_is_refused(api, store, limit):
    refused("invalid_request_error", api.memories.list, store, limit=limit)
    refused("invalid_request_error", api.versions.list, store, limit=limit)
    refused("invalid_request_error", api.stores.list, limit=limit)


def test_a_page_holds_20_items_by_default(api, store):
    for number in range(21):
        api.memories.create(store, path=f"/{number:02}", content="")
        api.stores.create(name=str(number))

    for listing in (api.memories.list(store), api.versions.list(store), api.stores.list()):
        assert len(listing.data) == 20
        assert listing.has_next_page()
        assert listing.next_page.startswith("page_")
    assert len(list(api.memories.list(store))) == 21
    assert len(list(api.versions.list(store))) == 21
    assert len(list(api.stores.list())) == 22


@pytest.mark.parametrize("limit", [25, 100])
def test_a_full_view_holds_20_items_at_most(api, store, limit: int):
    for number in range(21):
        api.memories.create(store, path=f"/{number:02}", content=str(number))

    for resource in (api.memories, api.versions):
        listed = list(pages(resource.list(store, view="full", limit=limit)))
        assert [len(page.data) for page in listed] == [20, 1]
        assert len(resource.list(store, view="basic", limit=limit).data) == 21


def test_the_last_page_ends_the_list_with_null(api, store):
    api.memories.create(store, path="/a", content="")

    for sent in (
        api.raw.stores.list(),
        api.raw.memories.list(store, limit=1),
        api.raw.versions.list(store, limit=1),
        api.raw.memories.list(store, path_prefix="/none/"),
    ):
        assert set(sent.json()) == {"data", "next_page"}
        assert sent.json()["next_page"] is None


@pytest.mark.parametrize("limit", LIMITS)
def test_stores_are_listed_newest_first(api, three_stores, limit: int):
    assert list(api.stores.list(limit=limit)) == three_stores


@pytest.mark.parametrize("limit", [1, 100])
def test_archived_stores_are_listed_in_their_place_when_asked_for(api, three_stores, limit: int):
    newest, middle, oldest = three_stores
    archived = api.stores.archive(middle.id)

    assert list(api.stores.list(limit=limit)) == [newest, oldest]
    assert list(api.stores.list(limit=limit, include_archived=False)) == [newest, oldest]
    assert list(api.stores.list(limit=limit, include_archived=True)) == [newest, archived, oldest]


def test_include_archived_is_true_or_false(api):
    query = {"include_archived": "maybe"}

    refused("invalid_request_error", api.stores.list, extra_query=query)


def test_stores_are_found_by_time_with_both_ends_included(api, three_stores):
    newest, middle, oldest = three_stores
    at_middle = middle.created_at

    assert list(api.stores.list(created_at_gte=at_middle, limit=1)) == [newest, middle]
    assert list(api.stores.list(created_at_lte=at_middle, limit=1)) == [middle, oldest]
    assert list(api.stores.list(created_at_gte=at_middle, created_at_lte=at_middle)) == [middle]
    assert list(api.stores.list(created_at_gte=newest.created_at, created_at_lte=at_middle)) == []


@pytest.mark.parametrize("time", ["yesterday", "2026-01-01", "", "12:00:00Z"])
def test_a_time_that_cannot_be_read_is_refused(api, time: str):
    refused("invalid_request_error", api.stores.list, created_at_gte=time)
    refused("invalid_request_error", api.stores.list, created_at_lte=time)


def test_an_offset_may_be_sent_with_a_raw_plus(api, three_stores):
    time = "2020-01-01T00:00:00 02:00"

    assert list(api.stores.list(created_at_gte=time)) == three_stores


@pytest.mark.parametrize("limit", LIMITS)
def test_versions_are_listed_newest_first(api, tree, limit: int):
    assert paths(api.versions.list(tree, limit=limit)) == TREE


@pytest.mark.parametrize("page", ["page_", "page_nonsense", "nonsense", "1", "page_ü"])
def test_an_unknown_cursor_is_refused(api, store, page: str):
    refused("invalid_request_error", api.memories.list, store, page=page)
    refused("invalid_request_error", api.versions.list, store, page=page)
    refused("invalid_request_error", api.stores.list, page=page)


def test_a_cursor_belongs_to_its_list_and_store(api, tree, three_stores):
    other = three_stores[0].id
    of_memories = api.memories.list(tree, limit=1).next_page
    of_versions = api.versions.list(tree, limit=1).next_page
    of_stores = api.stores.list(limit=1).next_page

    refused("invalid_request_error", api.memories.list, tree, page=of_versions)
    refused("invalid_request_error", api.memories.list, tree, page=of_stores)
    refused("invalid_request_error", api.memories.list, other, page=of_memories)
    refused("invalid_request_error", api.versions.list, tree, page=of_memories)
    refused("invalid_request_error", api.versions.list, other, page=of_versions)
    refused("invalid_request_error", api.stores.list, page=of_memories)


def test_a_cursor_goes_on_with_another_limit_view_and_filter(api, tree):
    page = api.memories.list(tree, limit=3).next_page

    assert paths(api.memories.list(tree, page=page, limit=100, view="full")) == TREE[3:]
    assert paths(api.memories.list(tree, page=page, path_prefix="/a/")) == TREE[3:6]
    assert paths(api.memories.list(tree, page=page, path_prefix="/b/")) == ["/b/c/d/e"]


def test_a_cursor_can_be_used_again(api, tree):
    page = api.memories.list(tree, limit=3).next_page

    assert api.memories.list(tree, page=page).data == api.memories.list(tree, page=page).data


def test_a_time_that_excludes_the_cursor_is_refused(api, tree, three_stores):
    stores = api.stores.list(limit=1)
    before_it = api.stores.retrieve(tree).created_at
    refused(
        "invalid_request_error", api.stores.list, page=stores.next_page, created_at_lte=before_it
    )

    newest, *_, oldest = api.versions.list(tree)
    page = api.versions.list(tree, limit=1).next_page
    refused(
        "invalid_request_error",
        api.versions.list,
        tree,
        page=page,
        created_at_lte=oldest.created_at,
    )
    assert len(list(api.versions.list(tree, page=page, created_at_lte=newest.created_at))) == 9


def test_iter_pages_walks_every_page(api, tree):
    walked = list(api.memories.list(tree, limit=4).iter_pages())

    assert [len(page.data) for page in walked] == [4, 4, 2]


@pytest.mark.parametrize("depth", [0, 1])
def test_a_walk_skips_and_repeats_nothing_while_others_write(api, store, depth: int):
    stable = [f"/k{number}/x" for number in range(8)]
    passing = {}
    for path in stable:
        api.memories.create(store, path=path, content="")
    for number in range(8):
        path = f"/k{number}.tmp"
        passing[path] = api.memories.create(store, path=path, content="").id
    seen = []

    for turn, page in enumerate(pages(api.memories.list(store, limit=1, depth=depth))):
        seen += paths(page.data)
        api.memories.create(store, path=f"/a{turn}", content="")
        api.memories.create(store, path=f"/k{turn % 8}/between-{turn}", content="")
        if turn % 2 and passing:
            _, memory = passing.popitem()
            api.memories.delete(memory, memory_store_id=store)

    expected = stable if depth == 0 else [path.removesuffix("x") for path in stable]
    assert [path for path in seen if path in expected] == expected
    assert len(seen) == len(set(seen))


def test_a_walk_of_stores_skips_nothing_while_others_come_and_go(api, three_stores):
    newest, middle, oldest = three_stores
    seen = []

    for page in pages(api.stores.list(limit=1)):
        seen += page.data
        api.stores.create(name="late")
        if page.data == [middle]:
            api.stores.delete(middle.id)

    assert seen == [newest, middle, oldest]
