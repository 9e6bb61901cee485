import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest, preconditionFailed } from "./refusals.js";
import { all, newMemory, requires, sha256, untyped } from "./support.js";

const MALFORMED = ["", "nothex", sha256("first").slice(1), `${sha256("first")}0`];

test("an update whose precondition holds is applied", async () => {
  const { memories, inStore, memory } = await newMemory("first");
  const precondition = requires("first");

  const updated = await memories.update(memory.id, { ...inStore, content: "next", precondition });

  assert.equal(updated.content_sha256, sha256("next"));
});

test("an update whose precondition fails changes nothing and is sent only once", async () => {
  const { memories, versions, store, inStore, memory, line } = await newMemory("first");
  const precondition = requires("other");

  const sent = await line.during(async () => {
    const content = "next";
    await preconditionFailed(memories.update(memory.id, { ...inStore, content, precondition }));
  });

  assert.equal(sent.length, 1);
  const read = await memories.retrieve(memory.id, inStore);
  assert.deepEqual(read, { ...memory, content: "first" });
  assert.equal((await all(versions.list(store.id))).length, 1);
});

test("a rename's precondition is about the memory's content", async () => {
  const { memories, inStore, memory } = await newMemory("first", "/a");
  const rename = (path: string, content: string) =>
    memories.update(memory.id, { ...inStore, path, precondition: requires(content) });

  await preconditionFailed(rename("/b", "other"));
  assert.equal((await rename("/b", "first")).path, "/b");
});

test("an update to what is there already writes no version", async () => {
  const { memories, versions, store, inStore, memory } = await newMemory("first", "/a");

  for (const change of [{ content: "first" }, { path: "/a" }, { path: "/a", content: "first" }]) {
    assert.deepEqual(await memories.update(memory.id, { ...inStore, ...change }), memory);
  }
  const full = await memories.update(memory.id, { ...inStore, content: "first", view: "full" });

  assert.deepEqual(full, { ...memory, content: "first" });
  assert.equal((await all(versions.list(store.id))).length, 1);
});

test("an update to what is there already succeeds with a stale precondition", async () => {
  const { memories, versions, store, inStore, memory } = await newMemory("first");
  const content = "second";
  const second = await memories.update(memory.id, { ...inStore, content });

  const precondition = requires("first");
  const again = await memories.update(memory.id, { ...inStore, content, precondition });

  assert.deepEqual(again, second);
  assert.equal((await all(versions.list(store.id))).length, 2);
});

test("the same content at another path is a change", async () => {
  const { memories, inStore, memory } = await newMemory("first", "/a");

  const moved = await memories.update(memory.id, { ...inStore, path: "/b", content: "first" });

  assert.notEqual(moved.memory_version_id, memory.memory_version_id);
  assert.ok(moved.updated_at > memory.updated_at);
});

test("the same content with a new path and a stale precondition is refused", async () => {
  const { memories, inStore, memory } = await newMemory("first", "/a");
  const change = { path: "/b", content: "first", precondition: requires("other") };

  await preconditionFailed(memories.update(memory.id, { ...inStore, ...change }));
});

test("a precondition has a type and 64 lowercase hexadecimal characters", async () => {
  const { memories, inStore, memory } = await newMemory("first");
  const hash = sha256("first");

  for (const precondition of [
    { type: "content_sha256" },
    { type: "content_sha256", content_sha256: null },
    { type: "content_sha256", content_sha256: hash.toUpperCase() },
    { type: "content_sha1", content_sha256: hash },
    { content_sha256: hash },
    { type: "content_sha256", content_sha256: hash, path: "/a" },
    "content_sha256",
    ...MALFORMED.map((content_sha256) => ({ type: "content_sha256", content_sha256 })),
  ]) {
    const change = { content: "next", precondition: untyped<undefined>(precondition) };
    await badRequest(memories.update(memory.id, { ...inStore, ...change }));
  }
});

test("a deletion that expects the right content deletes", async () => {
  const { memories, inStore, memory } = await newMemory("first");
  const expected_content_sha256 = sha256("first");

  const deleted = await memories.delete(memory.id, { ...inStore, expected_content_sha256 });

  assert.equal(deleted.type, "memory_deleted");
});

test("a deletion that expects other content deletes nothing and is sent only once", async () => {
  const { memories, inStore, memory, line } = await newMemory("first");
  const expected_content_sha256 = sha256("other");

  const sent = await line.during(() =>
    preconditionFailed(memories.delete(memory.id, { ...inStore, expected_content_sha256 })),
  );

  assert.equal(sent.length, 1);
  const read = await memories.retrieve(memory.id, inStore);
  assert.deepEqual(read, { ...memory, content: "first" });
});

test("a deletion's expected hash has 64 lowercase hexadecimal characters", async () => {
  const { memories, inStore, memory } = await newMemory("first");

  for (const expected_content_sha256 of [...MALFORMED, sha256("first").toUpperCase()]) {
    const call = memories.delete(memory.id, { ...inStore, expected_content_sha256 });
    await badRequest(call, /expected_content_sha256/);
  }
  await memories.retrieve(memory.id, inStore);
});

test("of 32 updates with the same precondition one wins", async () => {
  const { memories, versions, store, inStore, memory, line } = await newMemory("first");
  const precondition = requires("first");
  const contents = Array.from({ length: 32 }, (_, index) => `writer ${index}`);
  let winners = 0;

  const sent = await line.during(() =>
    Promise.all(
      contents.map(async (content) => {
        const update = memories.update(memory.id, { ...inStore, content, precondition });
        await update.then(
          () => winners++,
          () => preconditionFailed(update),
        );
      }),
    ),
  );

  assert.equal(winners, 1);
  assert.equal(sent.length, 32);
  assert.equal((await all(versions.list(store.id))).length, 2);
});
