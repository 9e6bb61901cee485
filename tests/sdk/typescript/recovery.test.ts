import assert from "node:assert/strict";
import { test } from "node:test";

import { preconditionFailed } from "./refusals.js";
import { newMemory, newStore, requires, sha256 } from "./support.js";

const NOTES = "# CRDTs\n\nKeywords: crdt sequence rga merge\n".padEnd(7_285, "Merging commutes. ");
const OVERWRITE = "# CRDTs\n\nOne paragraph more.\n".padEnd(1_509, "It was added. ");

test("an overwritten note is found in the history and restored from it", async () => {
  const { memories, versions, store, inStore } = await newStore();
  const path = "/crdts.md";
  const note = await memories.create(store.id, { path, content: NOTES });
  assert.equal(note.content_size_bytes, 7_285);
  assert.equal((await memories.retrieve(note.id, inStore)).content, NOTES);
  assert.equal((await versions.list(store.id)).data.length, 1);
  await memories.update(note.id, { ...inStore, content: OVERWRITE });

  const { data: history } = await versions.list(store.id, { memory_id: note.id });
  const [damaged, good] = history;
  assert.ok(damaged && good);
  assert.deepEqual(
    history.map((version) => [version.operation, version.content_size_bytes]),
    [
      ["modified", 1_509],
      ["created", 7_285],
    ],
  );
  const { content = null } = await versions.retrieve(good.id, inStore);
  const restored = await memories.update(note.id, {
    ...inStore,
    content,
    precondition: { type: "content_sha256", content_sha256: damaged.content_sha256 ?? "" },
  });

  assert.equal(restored.id, note.id);
  assert.equal(restored.content_size_bytes, 7_285);
  assert.equal(restored.content_sha256, note.content_sha256);
  assert.equal((await memories.retrieve(note.id, inStore)).content, NOTES);
  const { data: versionsNow } = await versions.list(store.id, { memory_id: note.id });
  assert.deepEqual(
    versionsNow.map((version) => [version.id, version.content_sha256, version.path]),
    [
      [restored.memory_version_id, sha256(NOTES), path],
      [damaged.id, sha256(OVERWRITE), path],
      [good.id, sha256(NOTES), path],
    ],
  );
  await versions.redact(damaged.id, inStore);
  assert.equal((await memories.retrieve(note.id, inStore)).content, NOTES);
});

test("a precondition would have stopped the overwrite", async () => {
  const { memories, inStore, memory } = await newMemory(NOTES, "/crdts.md");
  const precondition = requires("");

  const update = memories.update(memory.id, { ...inStore, content: OVERWRITE, precondition });

  await preconditionFailed(update);
  assert.equal((await memories.retrieve(memory.id, inStore)).content, NOTES);
});

test("a deleted note is restored under a new id", async () => {
  const { memories, versions, store, inStore, memory } = await newMemory(NOTES, "/crdts.md");
  await memories.delete(memory.id, inStore);

  const { data } = await versions.list(store.id, { memory_id: memory.id, view: "full" });
  const last = data.find(({ content }) => content !== null);
  const restored = await memories.create(store.id, {
    path: last?.path ?? "",
    content: last?.content ?? "",
  });

  assert.notEqual(restored.id, memory.id);
  assert.equal(restored.content_sha256, memory.content_sha256);
});
