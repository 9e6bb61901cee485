import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest } from "./refusals.js";
import { isApiActor, isVersion } from "./shapes.js";
import { all, newMemory, TIME } from "./support.js";

async function twoVersions() {
  const bench = await newMemory("secret", "/secret.md");
  const { memories, versions, inStore, memory } = bench;
  const head = await memories.update(memory.id, { ...inStore, content: "public", path: "/a" });
  const old = await versions.retrieve(memory.memory_version_id, inStore);
  const redact = (id: string) => versions.redact(id, inStore);
  return { ...bench, head, old, redact };
}

test("a redacted version loses path, content, size and hash, and keeps the rest", async () => {
  const { versions, inStore, old, redact } = await twoVersions();

  const redacted = await redact(old.id);

  isVersion(redacted);
  isApiActor(redacted.redacted_by);
  assert.match(redacted.redacted_at ?? "", TIME);
  assert.ok((redacted.redacted_at ?? "") > old.created_at);
  assert.deepEqual(redacted, {
    ...old,
    path: null,
    content: null,
    content_size_bytes: null,
    content_sha256: null,
    redacted_at: redacted.redacted_at,
    redacted_by: redacted.redacted_by,
  });
  assert.deepEqual(await versions.retrieve(old.id, { ...inStore, view: "full" }), redacted);
});

test("redaction adds no version and leaves the memory as it is", async () => {
  const { memories, versions, store, inStore, memory, head, old, redact } = await twoVersions();

  await redact(old.id);

  assert.deepEqual(await memories.retrieve(memory.id, inStore), { ...head, content: "public" });
  assert.equal((await all(versions.list(store.id))).length, 2);
});

test("a redacted version still matches the filters of its list", async () => {
  const { versions, store, memory, old, redact } = await twoVersions();

  const redacted = await redact(old.id);

  assert.ok(old.created_by?.type === "api_actor");
  for (const query of [
    { memory_id: memory.id },
    { operation: "created" as const },
    { api_key_id: old.created_by.api_key_id },
    { "created_at[lte]": old.created_at },
  ]) {
    const found = await all(versions.list(store.id, { ...query, view: "full" }));
    assert.deepEqual(found.at(-1), redacted);
  }
});

test("redacting twice keeps the first redaction", async () => {
  const { old, redact } = await twoVersions();

  const first = await redact(old.id);

  assert.deepEqual(await redact(old.id), first);
});

test("the head of a live memory can't be redacted before a new version is written", async () => {
  const { memories, versions, inStore, memory, head, redact } = await twoVersions();

  await badRequest(redact(head.memory_version_id), /version/);
  const untouched = await versions.retrieve(head.memory_version_id, inStore);
  assert.equal(untouched.content, "public");
  assert.equal(untouched.redacted_at, null);

  await memories.update(memory.id, { ...inStore, content: "next" });
  assert.equal((await redact(head.memory_version_id)).content_sha256, null);
});

test("every version of a deleted memory can be redacted, its deletion too", async () => {
  const { memories, versions, store, inStore, memory, redact } = await twoVersions();
  await memories.delete(memory.id, inStore);
  const before = await all(versions.list(store.id));

  for (const { id } of before) {
    assert.equal((await redact(id)).path, null);
  }

  const after = await all(versions.list(store.id, { memory_id: memory.id }));
  assert.deepEqual(
    after.map(({ id, operation, path }) => [id, operation, path]),
    before.map(({ id, operation }) => [id, operation, null]),
  );
});

test("a redacted version's content lives on in a version that restored it", async () => {
  const { memories, versions, inStore, memory, old, redact } = await twoVersions();
  const restored = await memories.update(memory.id, { ...inStore, content: "secret" });

  await redact(old.id);

  const read = await versions.retrieve(restored.memory_version_id, inStore);
  assert.equal(read.content, "secret");
});
