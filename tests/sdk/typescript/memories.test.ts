import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest, notFound } from "./refusals.js";
import { isMemory } from "./shapes.js";
import { connect, newMemory, newStore, sha256, UNKNOWN, untyped } from "./support.js";

const view = "full" as const;

test("a new memory answers with every field and without its content", async () => {
  const { memories, store } = await newStore();

  const memory = await memories.create(store.id, { path: "/notes/crdts.md", content: "Grüße\n" });

  isMemory(memory);
  assert.equal(memory.memory_store_id, store.id);
  assert.equal(memory.path, "/notes/crdts.md");
  assert.equal(memory.content, null);
  assert.equal(memory.content_size_bytes, 8);
  assert.equal(memory.content_sha256, sha256("Grüße\n"));
  assert.equal(memory.updated_at, memory.created_at);
});

test("creating a memory answers with its content in the full view only", async () => {
  const { memories, store } = await newStore();

  const full = await memories.create(store.id, { path: "/a", content: "A", view: "full" });
  const basic = await memories.create(store.id, { path: "/b", content: "B", view: "basic" });

  isMemory(full);
  isMemory(basic);
  assert.equal(full.content, "A");
  assert.equal(basic.content, null);
});

test("retrieving a memory answers with its content unless basic is asked for", async () => {
  const { memories, inStore, memory } = await newMemory("text");

  const byDefault = await memories.retrieve(memory.id, inStore);
  const full = await memories.retrieve(memory.id, { ...inStore, view: "full" });
  const basic = await memories.retrieve(memory.id, { ...inStore, view: "basic" });

  assert.deepEqual(byDefault, { ...memory, content: "text" });
  assert.deepEqual(full, byDefault);
  assert.deepEqual(basic, memory);
});

test("updating a memory answers with its content in the full view only", async () => {
  const { memories, inStore, memory } = await newMemory();

  const byDefault = await memories.update(memory.id, { ...inStore, content: "1" });
  const full = await memories.update(memory.id, { ...inStore, content: "2", view: "full" });
  const basic = await memories.update(memory.id, { ...inStore, content: "3", view: "basic" });

  [byDefault, full, basic].forEach(isMemory);
  assert.deepEqual([byDefault.content, full.content, basic.content], [null, "2", null]);
});

test("there is no third view", async () => {
  const { memories, versions, store, inStore, memory } = await newMemory();
  const view = untyped<"full">("verbose");

  await badRequest(memories.create(store.id, { path: "/b", content: "", view }), /view/);
  await badRequest(memories.retrieve(memory.id, { ...inStore, view }), /view/);
  await badRequest(memories.update(memory.id, { ...inStore, content: "", view }), /view/);
  await badRequest(memories.list(store.id, { view }), /view/);
  await badRequest(versions.list(store.id, { view }), /view/);
  await badRequest(versions.retrieve(memory.memory_version_id, { ...inStore, view }), /view/);
});

test("a memory may be empty", async () => {
  const { memories, inStore, memory } = await newMemory("");

  assert.equal(memory.content_size_bytes, 0);
  assert.equal(memory.content_sha256, sha256(""));
  assert.equal((await memories.retrieve(memory.id, inStore)).content, "");
});

test("a new memory needs a path and a content that is text", async () => {
  const { memories, store } = await newStore();

  await badRequest(memories.create(store.id, { path: "/a", content: null }), /content/);
  await badRequest(memories.create(store.id, untyped({ path: "/a" })), /content/);
  await badRequest(memories.create(store.id, { path: "/a", content: untyped(1) }), /content/);
  await badRequest(memories.create(store.id, untyped({ content: "" })), /path/);
  await badRequest(memories.create(store.id, { path: untyped(null), content: "" }), /path/);
});

test("an unknown key in a memory's body is refused by its name", async () => {
  const { memories, store, inStore, memory } = await newMemory();
  const precondition = { type: "content_sha256", content_sha256: sha256("") };

  const create = untyped<{ path: string; content: string }>({
    path: "/b",
    content: "",
    precondition,
  });
  await badRequest(memories.create(store.id, create), /precondition/);
  const update = untyped<typeof inStore>({ ...inStore, content: "", metadata: {} });
  await badRequest(memories.update(memory.id, update), /metadata/);
});

test("a rename keeps the id", async () => {
  const { memories, inStore, memory } = await newMemory("text", "/old.md");

  const renamed = await memories.update(memory.id, { ...inStore, path: "/deep/new.md" });

  assert.ok(renamed.updated_at > memory.updated_at);
  assert.notEqual(renamed.memory_version_id, memory.memory_version_id);
  const { memory_version_id, updated_at } = renamed;
  const expected = { ...memory, path: "/deep/new.md", memory_version_id, updated_at };
  assert.deepEqual(renamed, expected);
  const read = await memories.retrieve(memory.id, inStore);
  assert.deepEqual(read, { ...expected, content: "text" });
});

test("a rename with new content is one change", async () => {
  const { memories, versions, store, inStore, memory } = await newMemory("old", "/old.md");

  const updated = await memories.update(memory.id, {
    ...inStore,
    path: "/new.md",
    content: "new",
    view,
  });

  assert.equal(updated.path, "/new.md");
  assert.equal(updated.content, "new");
  const { data } = await versions.list(store.id, { memory_id: memory.id });
  assert.deepEqual(
    data.map(({ operation, path, content_sha256 }) => [operation, path, content_sha256]),
    [
      ["modified", "/new.md", sha256("new")],
      ["created", "/old.md", sha256("old")],
    ],
  );
});

test("a rename may go below or above the memory's own path", async () => {
  const { memories, inStore, memory } = await newMemory("text", "/a");

  for (const path of ["/a/b", "/a/b/c", "/a"]) {
    assert.equal((await memories.update(memory.id, { ...inStore, path })).path, path);
  }
});

test("a rename away frees the path", async () => {
  const { memories, store, inStore, memory } = await newMemory("text", "/a");

  await memories.update(memory.id, { ...inStore, path: "/b" });
  const next = await memories.create(store.id, { path: "/a", content: "next" });

  assert.notEqual(next.id, memory.id);
});

test("an update of a memory needs a content or a path", async () => {
  const { memories, inStore, memory } = await newMemory();

  await badRequest(memories.update(memory.id, inStore), /content.*path|path.*content/);
  await badRequest(memories.update(memory.id, { ...inStore, content: null, path: null }));
  await badRequest(
    memories.update(memory.id, {
      ...inStore,
      precondition: { type: "content_sha256", content_sha256: memory.content_sha256 },
    }),
  );
});

test("a null content or path in an update means as it is", async () => {
  const { memories, inStore, memory } = await newMemory("text", "/a");

  const renamed = await memories.update(memory.id, { ...inStore, path: "/b", content: null, view });
  assert.deepEqual([renamed.path, renamed.content], ["/b", "text"]);
  const changed = await memories.update(memory.id, {
    ...inStore,
    path: null,
    content: "new",
    view,
  });
  assert.deepEqual([changed.path, changed.content], ["/b", "new"]);
});

test("a deleted memory is gone", async () => {
  const { memories, store, inStore, memory } = await newMemory();

  const deleted = await memories.delete(memory.id, inStore);

  assert.deepEqual({ ...deleted }, { id: memory.id, type: "memory_deleted" });
  assert.deepEqual((await memories.list(store.id)).data, []);
  await notFound(memories.retrieve(memory.id, inStore));
  await notFound(memories.update(memory.id, { ...inStore, content: "" }));
  await notFound(memories.delete(memory.id, inStore));
});

test("a memory at a freed path is another one, with a history of its own", async () => {
  const { memories, versions, store, inStore, memory } = await newMemory("old", "/a");
  await memories.delete(memory.id, inStore);

  const next = await memories.create(store.id, { path: "/a", content: "old" });

  assert.notEqual(next.id, memory.id);
  const { data } = await versions.list(store.id, { memory_id: next.id });
  assert.deepEqual(
    data.map(({ id, operation }) => [id, operation]),
    [[next.memory_version_id, "created"]],
  );
});

for (const id of [`mem_${UNKNOWN}`, "mem_", "x", "ü"]) {
  test(`there is no memory ${id}`, async () => {
    const { memories, inStore } = await newStore();

    await notFound(memories.retrieve(id, inStore));
    await notFound(memories.update(id, { ...inStore, content: "" }));
    await notFound(memories.delete(id, inStore));
  });
}

test("a memory and a version are found in their own store only", async () => {
  const { stores, memories, versions, memory } = await newMemory();
  const other = { memory_store_id: (await stores.create({ name: "Other" })).id };

  await notFound(memories.retrieve(memory.id, other));
  await notFound(memories.update(memory.id, { ...other, content: "" }));
  await notFound(memories.delete(memory.id, other));
  await notFound(versions.retrieve(memory.memory_version_id, other));
  await notFound(versions.redact(memory.memory_version_id, other));
});

test("another workspace's memories and versions look like none", async () => {
  const { store, inStore, memory } = await newMemory();
  const { memories, versions } = connect();

  await notFound(memories.create(store.id, { path: "/b", content: "" }));
  await notFound(memories.list(store.id));
  await notFound(memories.retrieve(memory.id, inStore));
  await notFound(memories.update(memory.id, { ...inStore, content: "" }));
  await notFound(memories.delete(memory.id, inStore));
  await notFound(versions.list(store.id));
  await notFound(versions.retrieve(memory.memory_version_id, inStore));
  await notFound(versions.redact(memory.memory_version_id, inStore));
});
