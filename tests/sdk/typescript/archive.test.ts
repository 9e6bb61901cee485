import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest } from "./refusals.js";
import { isStore } from "./shapes.js";
import { ids, newMemory, TIME } from "./support.js";

async function archived() {
  const bench = await newMemory("first", "/a");
  const { stores, memories, store, inStore, memory } = bench;
  const head = await memories.update(memory.id, { ...inStore, content: "second" });
  return { ...bench, head, archive: await stores.archive(store.id) };
}

test("archiving sets archived_at and updated_at to the same instant", async () => {
  const { stores, store, archive } = await archived();

  isStore(archive);
  assert.match(archive.archived_at ?? "", TIME);
  const { archived_at, updated_at } = archive;
  assert.equal(archived_at, updated_at);
  assert.ok(updated_at > store.updated_at);
  assert.deepEqual(archive, { ...store, archived_at, updated_at });
  assert.deepEqual(await stores.retrieve(store.id), archive);
});

test("archiving again changes nothing", async () => {
  const { stores, store, archive } = await archived();

  assert.deepEqual(await stores.archive(store.id), archive);
});

test("an archived store can't be updated", async () => {
  const { stores, store, archive } = await archived();

  await badRequest(stores.update(store.id, { name: "New" }), /archived/);
  await badRequest(stores.update(store.id, { name: store.name }), /archived/);
  assert.deepEqual(await stores.retrieve(store.id), archive);
});

test("an archived store's memories can't be created or updated", async () => {
  const { memories, store, inStore, memory, head } = await archived();

  await badRequest(memories.create(store.id, { path: "/b", content: "" }), /archived/);
  await badRequest(memories.create(store.id, { path: "/a", content: "" }), /archived/);
  for (const change of [{ content: "third" }, { path: "/b" }, { content: "second" }]) {
    await badRequest(memories.update(memory.id, { ...inStore, ...change }), /archived/);
  }
  assert.deepEqual(await memories.retrieve(memory.id, inStore), { ...head, content: "second" });
});

test("an archived store's memories and versions can be read", async () => {
  const { memories, versions, store, inStore, memory, head } = await archived();

  assert.deepEqual((await memories.list(store.id)).data, [head]);
  assert.deepEqual(await memories.retrieve(memory.id, { ...inStore, view: "basic" }), head);
  assert.deepEqual(await ids(versions.list(store.id)), [
    head.memory_version_id,
    memory.memory_version_id,
  ]);
  assert.equal((await versions.retrieve(memory.memory_version_id, inStore)).content, "first");
});

test("an archived store's memories can be deleted, with a version each", async () => {
  const { memories, versions, store, inStore, memory } = await archived();

  await memories.delete(memory.id, inStore);

  assert.deepEqual((await memories.list(store.id)).data, []);
  const { data } = await versions.list(store.id, { operation: "deleted" });
  assert.deepEqual(
    data.map(({ memory_id }) => memory_id),
    [memory.id],
  );
});

test("an archived store's versions can be redacted, but not its heads", async () => {
  const { versions, inStore, memory, head } = await archived();

  const redacted = await versions.redact(memory.memory_version_id, inStore);

  assert.equal(redacted.content_sha256, null);
  await badRequest(versions.redact(head.memory_version_id, inStore), /version/);
});

test("an archived store can be deleted", async () => {
  const { stores, store } = await archived();

  assert.equal((await stores.delete(store.id)).type, "memory_store_deleted");
  assert.deepEqual(await ids(stores.list({ include_archived: true })), []);
});
