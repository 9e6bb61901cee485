import assert from "node:assert/strict";
import { test } from "node:test";

import { pathConflict } from "./refusals.js";
import { all, type Memory, newStore, paths } from "./support.js";

const OVERLAPS = [
  { relation: "the same path", taken: ["/a/b"], wanted: "/a/b", named: "/a/b" },
  { relation: "a path below its parent", taken: ["/a"], wanted: "/a/b", named: "/a" },
  { relation: "a path far below", taken: ["/a"], wanted: "/a/b/c/d", named: "/a" },
  { relation: "a path above", taken: ["/a/b/c"], wanted: "/a", named: "/a/b/c" },
  {
    relation: "a path above several",
    taken: ["/a-b", "/a.md", "/a/z", "/a/b/y", "/a/b-c", "/a0"],
    wanted: "/a",
    named: "/a/b-c",
  },
];

async function storeWith(taken: string[]) {
  const bench = await newStore();
  const there = new Map<string, Memory>();
  for (const path of taken) {
    there.set(path, await bench.memories.create(bench.store.id, { path, content: path }));
  }
  const blocker = (path: string) => ({ path, id: there.get(path)?.id ?? "" });
  return { ...bench, blocker };
}

async function oneWins(writers: PromiseLike<Memory>[]): Promise<void> {
  const winner = await Promise.any(writers);
  for (const writer of writers) {
    await writer.then(
      ({ id }) => assert.equal(id, winner.id),
      () => pathConflict(writer, winner),
    );
  }
}

for (const { relation, taken, wanted, named } of OVERLAPS) {
  test(`creating at ${relation} is refused, names the blocker and is sent once`, async () => {
    const { memories, versions, store, line, blocker } = await storeWith(taken);

    const sent = await line.during(async () => {
      const create = memories.create(store.id, { path: wanted, content: "new" });
      await pathConflict(create, blocker(named));
    });

    assert.equal(sent.length, 1);
    assert.deepEqual(await paths(memories.list(store.id)), [...taken].sort());
    assert.equal((await all(versions.list(store.id))).length, taken.length);
  });

  test(`renaming to ${relation} is refused, names the blocker and is sent once`, async () => {
    const { memories, store, inStore, line, blocker } = await storeWith(taken);
    const moving = await memories.create(store.id, { path: "/moving", content: "old" });

    for (const change of [{ path: wanted }, { path: wanted, content: "new" }]) {
      const sent = await line.during(async () => {
        const rename = memories.update(moving.id, { ...inStore, ...change });
        await pathConflict(rename, blocker(named));
      });
      assert.equal(sent.length, 1);
    }

    const read = await memories.retrieve(moving.id, inStore);
    assert.deepEqual(read, { ...moving, content: "old" });
  });
}

test("creating what is there already, with the same content, is still a conflict", async () => {
  const { memories, store, blocker } = await storeWith(["/a"]);

  await pathConflict(memories.create(store.id, { path: "/a", content: "/a" }), blocker("/a"));
});

test("paths that only begin alike don't overlap", async () => {
  const neighbours = ["/notes", "/notes-archive/x", "/notes.md", "/notes0", "/Notes", "/note"];

  const { memories, store } = await storeWith(neighbours);

  assert.deepEqual(await paths(memories.list(store.id)), [...neighbours].sort());
});

test("the same path in another store is free", async () => {
  const { stores, memories } = await storeWith(["/a"]);
  const other = await stores.create({ name: "Other" });

  await memories.create(other.id, { path: "/a", content: "" });
});

test("of 32 creations at overlapping paths one wins", async () => {
  const { memories, store, line } = await newStore();
  const chain = ["/r", "/r/a", "/r/a/b", "/r/a/b/c"];
  const writers = Array.from({ length: 32 }, (_, index) => chain[index % 4] ?? "/r");

  const sent = await line.during(async () => {
    const creations = writers.map((path, index) =>
      memories.create(store.id, { path, content: `writer ${index}` }),
    );
    await oneWins(creations);
  });

  assert.equal(sent.length, 32);
  assert.equal((await all(memories.list(store.id))).length, 1);
});

test("of 32 renames to overlapping paths one wins", async () => {
  const { memories, store, inStore, line } = await newStore();
  const moving = await Promise.all(
    Array.from({ length: 32 }, (_, index) =>
      memories.create(store.id, { path: `/from/${index}`, content: "" }),
    ),
  );

  const sent = await line.during(async () => {
    const renames = moving.map(({ id }, index) =>
      memories.update(id, { ...inStore, path: `/to${"/x".repeat(index % 4)}` }),
    );
    await oneWins(renames);
  });

  assert.equal(sent.length, 32);
  assert.equal((await all(memories.list(store.id, { path_prefix: "/from/" }))).length, 31);
});
