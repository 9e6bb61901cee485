import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest } from "./refusals.js";
import { isMemory } from "./shapes.js";
import { all, body, newMemory, newStore, paths, untyped } from "./support.js";

async function storeWith(taken: string[]) {
  const bench = await newStore();
  for (const path of taken) {
    await bench.memories.create(bench.store.id, { path, content: path });
  }
  const list = (query?: Parameters<typeof bench.memories.list>[1]) =>
    bench.memories.list(bench.store.id, query);
  return { ...bench, list };
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `/n/${String(index).padStart(3, "0")}`);
}

test("memories are listed in byte order of their paths, without content", async () => {
  const ordered = ["/B", "/a-b", "/a.md", "/a/b", "/a0", "/b", "/é", "/\uffee", "/𝒳"];
  const { list } = await storeWith([...ordered].reverse());

  const found = await all(list());

  assert.deepEqual(
    found.map(({ path }) => path),
    ordered,
  );
  for (const item of found) {
    assert.ok(item.type === "memory");
    isMemory(item);
    assert.equal(item.content, null);
  }
});

test("a listed memory is the memory as it is retrieved", async () => {
  const { memories, store, inStore, memory } = await newMemory("text");

  assert.deepEqual(await all(memories.list(store.id)), [memory]);
  assert.deepEqual(await all(memories.list(store.id, { view: "basic" })), [memory]);
  assert.deepEqual(await all(memories.list(store.id, { view: "full" })), [
    await memories.retrieve(memory.id, inStore),
  ]);
});

test("a page of memories is data and next_page, and nothing else", async () => {
  const { list } = await storeWith(["/a", "/b"]);

  const first = await body(list({ limit: 1 }));
  const last = await body(list({ limit: 2 }));

  assert.deepEqual(Object.keys(first), ["data", "next_page"]);
  assert.match(String(first.next_page), /^page_/);
  assert.deepEqual(Object.keys(last), ["data", "next_page"]);
  assert.equal(last.next_page, null);
});

test("an empty store has one empty page", async () => {
  const { list } = await storeWith([]);

  assert.deepEqual(await body(list()), { data: [], next_page: null });
  assert.deepEqual(await body(list({ depth: 1 })), { data: [], next_page: null });
});

test("a page has 20 memories by default, up to 100 on demand, and 20 at most in full", async () => {
  const { list } = await storeWith(numbered(25));

  assert.equal((await list()).data.length, 20);
  assert.equal((await list({ limit: 100 })).data.length, 25);
  const full = await list({ view: "full", limit: 100 });
  assert.equal(full.data.length, 20);
  assert.ok(full.next_page);
  const contents = (await all(list({ view: "full", limit: 100 }))).map((item) =>
    item.type === "memory" ? item.content : item.type,
  );
  assert.deepEqual(contents, numbered(25));
});

test("a limit is a whole number from 1 to 100", async () => {
  const { list } = await storeWith([]);

  for (const limit of [0, -1, 101, 1.5, "ten"]) {
    await badRequest(list({ limit: untyped(limit) }), /limit/);
  }
});

test("a path prefix matches whole segments, in their case", async () => {
  const { list } = await storeWith(["/notes/a", "/notes/b/c", "/notes-archive/x", "/Notes/a"]);

  assert.deepEqual(await paths(list({ path_prefix: "/notes/" })), ["/notes/a", "/notes/b/c"]);
  assert.deepEqual(await paths(list({ path_prefix: "/notes/b/" })), ["/notes/b/c"]);
  assert.deepEqual(await paths(list({ path_prefix: "/notes/a/" })), []);
  assert.deepEqual(await paths(list({ path_prefix: "/nothing/" })), []);
});

test("a path prefix is matched literally", async () => {
  const { list } = await storeWith(["/a_c/x", "/abc/x", "/a%/x", "/ab/x", "/a*/x"]);

  for (const path_prefix of ["/a_c/", "/a%/", "/a*/"]) {
    assert.deepEqual(await paths(list({ path_prefix })), [`${path_prefix}x`]);
  }
});

test("the root prefix, an empty one and none are the same", async () => {
  const { list } = await storeWith(["/a", "/b/c"]);

  for (const path_prefix of ["/", "", undefined]) {
    assert.deepEqual(await paths(list(path_prefix === undefined ? {} : { path_prefix })), [
      "/a",
      "/b/c",
    ]);
  }
});

for (const path_prefix of ["/x", "x/", "/x//", "//", "/../", "/x/./", "/e\u0301/", "/x\n/"]) {
  test(`${JSON.stringify(path_prefix)} is no path prefix`, async () => {
    const { list } = await storeWith([]);

    await badRequest(list({ path_prefix }), /path_prefix/);
  });
}

test("a path prefix has at most 1,024 bytes", async () => {
  const { list } = await storeWith([]);
  const longest = `/${"é".repeat(511)}/`;

  assert.deepEqual(await paths(list({ path_prefix: longest })), []);
  await badRequest(list({ path_prefix: `/${"é".repeat(511)}x/` }), /path_prefix/);
});

test("depth 0 lists every memory below", async () => {
  const { list } = await storeWith(["/a", "/b/c", "/b/d/e"]);

  assert.deepEqual(await paths(list({ depth: 0 })), ["/a", "/b/c", "/b/d/e"]);
  assert.deepEqual(await paths(list({ depth: 0, path_prefix: "/b/" })), ["/b/c", "/b/d/e"]);
});

test("depth 1 rolls deeper memories up into one prefix a folder", async () => {
  const { list } = await storeWith(["/a", "/b/c", "/b/d/e", "/b/d/f", "/g/h/i"]);

  const [memory, ...prefixes] = await all(list({ depth: 1, view: "full" }));

  assert.ok(memory?.type === "memory");
  isMemory(memory);
  assert.equal(memory.content, "/a");
  assert.deepEqual(prefixes, [
    { type: "memory_prefix", path: "/b/" },
    { type: "memory_prefix", path: "/g/" },
  ]);
  assert.deepEqual(await paths(list({ depth: 1, path_prefix: "/b/" })), ["/b/c", "/b/d/"]);
});

test("any other depth is refused", async () => {
  const { list } = await storeWith([]);

  for (const depth of [2, -1, 0.5, 100]) {
    await badRequest(list({ depth }), /depth/);
  }
});

test("rolled-up folders count, and come once, across the borders of pages of one", async () => {
  const taken = ["/a-b", "/a.md", "/a/1", "/a/2", "/a/3/4", "/a0", "/b/1", "/b/2", "/c"];
  const expected = ["/a-b", "/a.md", "/a/", "/a0", "/b/", "/c"];
  const { list, line } = await storeWith(taken);

  const sent = await line.during(async () => {
    assert.deepEqual(await paths(list({ depth: 1, limit: 1 })), expected);
  });

  assert.equal(sent.length, expected.length);
  for (const limit of [2, 3, 4, 5]) {
    assert.deepEqual(await paths(list({ depth: 1, limit })), expected);
  }
});

test("getNextPage walks to the end and not beyond", async () => {
  const { list } = await storeWith(["/a/1", "/b", "/c"]);

  const first = await list({ limit: 2, depth: 1 });
  assert.ok(first.hasNextPage());
  const last = await first.getNextPage();

  assert.deepEqual(
    last.data.map(({ path }) => path),
    ["/c"],
  );
  assert.equal(last.next_page, null);
  assert.ok(!last.hasNextPage());
  await assert.rejects(last.getNextPage());
});

test("a page token that was never given for this list is refused", async () => {
  const { stores, memories, versions, store, list } = await storeWith(["/a", "/b"]);
  const other = await stores.create({ name: "Other" });
  await memories.create(other.id, { path: "/a", content: "" });
  await memories.create(other.id, { path: "/b", content: "" });
  const { next_page: ofOther } = await memories.list(other.id, { limit: 1 });
  const { next_page: ofVersions } = await versions.list(store.id, { limit: 1 });
  const { next_page: ofStores } = await stores.list({ limit: 1 });

  for (const page of ["page_", "page_x", "page_AAAA", "x", ofOther, ofVersions, ofStores]) {
    await badRequest(list({ page }), /page/);
  }
});

test("a page token outlives a change of limit, view, depth and prefix", async () => {
  const { list } = await storeWith(["/a", "/b", "/c/1", "/c/2", "/d"]);
  const { next_page: page } = await list({ limit: 1 });

  assert.deepEqual(await paths(list({ page, limit: 2, view: "full" })), [
    "/b",
    "/c/1",
    "/c/2",
    "/d",
  ]);
  assert.deepEqual(await paths(list({ page, depth: 1 })), ["/b", "/c/", "/d"]);
  assert.deepEqual(await paths(list({ page, path_prefix: "/c/" })), ["/c/1", "/c/2"]);
});

test("a page token outlives the memory that it stands behind", async () => {
  const { memories, inStore, list } = await storeWith(["/a", "/b", "/c"]);
  const first = await list({ limit: 2 });
  const [, b] = first.data;
  assert.ok(b?.type === "memory");

  await memories.delete(b.id, inStore);

  assert.deepEqual(
    (await first.getNextPage()).data.map(({ path }) => path),
    ["/c"],
  );
});

test("a walk one by one among other writers never skips or repeats what stays", async () => {
  const staying = numbered(8);
  const { memories, store, inStore, list } = await storeWith(staying);
  const found: string[] = [];

  for await (const page of (await list({ limit: 1 })).iterPages()) {
    const passing = await memories.create(store.id, { path: `/n/${found.length}x`, content: "" });
    await memories.create(store.id, { path: `/m/${found.length}`, content: "" });
    await memories.delete(passing.id, inStore);
    found.push(...page.data.map(({ path }) => path));
  }

  assert.deepEqual(found, staying);
});
