import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest, notFound } from "./refusals.js";
import { isVersion } from "./shapes.js";
import { all, body, ids, newMemory, newStore, sha256, UNKNOWN, untyped } from "./support.js";

async function threeVersions() {
  const bench = await newMemory("first", "/a");
  const { memories, versions, store, inStore, memory } = bench;
  const second = await memories.update(memory.id, { ...inStore, content: "second" });
  await memories.delete(memory.id, inStore);
  const newestFirst = await all(versions.list(store.id));
  const [deleted, modified, created] = newestFirst;
  assert.ok(deleted && modified && created && newestFirst.length === 3);
  const list = (query?: Parameters<typeof versions.list>[1]) => versions.list(store.id, query);
  return { ...bench, second, list, newestFirst, deleted, modified, created };
}

test("every change adds one version, listed newest first", async () => {
  const { memory, second, newestFirst, deleted, modified, created } = await threeVersions();

  newestFirst.forEach(isVersion);
  assert.deepEqual(
    newestFirst.map(({ operation }) => operation),
    ["deleted", "modified", "created"],
  );
  assert.ok(deleted.created_at > modified.created_at);
  assert.ok(modified.created_at > created.created_at);
  assert.equal(created.id, memory.memory_version_id);
  assert.equal(modified.id, second.memory_version_id);
  assert.equal(created.created_at, memory.created_at);
  assert.equal(modified.created_at, second.updated_at);
});

test("a version has its memory's size and hash, and no content in the basic view", async () => {
  const { memory, created } = await threeVersions();

  const { id, created_at, created_by, ...fields } = created;
  assert.deepEqual(fields, {
    type: "memory_version",
    memory_id: memory.id,
    memory_store_id: memory.memory_store_id,
    operation: "created",
    path: "/a",
    content: null,
    content_size_bytes: 5,
    content_sha256: sha256("first"),
    redacted_at: null,
    redacted_by: null,
  });
});

test("a deletion's version keeps the path and has no content", async () => {
  const { versions, inStore, deleted } = await threeVersions();

  const read = await versions.retrieve(deleted.id, { ...inStore, view: "full" });

  assert.deepEqual(read, deleted);
  const { path, content, content_size_bytes, content_sha256 } = read;
  assert.deepEqual([path, content, content_size_bytes, content_sha256], ["/a", null, null, null]);
});

test("retrieving a version answers with its content unless basic is asked for", async () => {
  const { versions, inStore, created } = await threeVersions();

  const byDefault = await versions.retrieve(created.id, inStore);
  const full = await versions.retrieve(created.id, { ...inStore, view: "full" });
  const basic = await versions.retrieve(created.id, { ...inStore, view: "basic" });

  isVersion(byDefault);
  assert.deepEqual(byDefault, { ...created, content: "first" });
  assert.deepEqual(full, byDefault);
  assert.deepEqual(basic, created);
});

test("a list of versions has contents in the full view only", async () => {
  const { list, newestFirst } = await threeVersions();
  const contents = async (query?: Parameters<typeof list>[0]) =>
    (await all(list(query))).map(({ content }) => content);

  assert.deepEqual(await all(list({ view: "basic" })), newestFirst);
  assert.deepEqual(await contents({ view: "full" }), [null, "second", "first"]);
});

test("the memory names the version that holds its content", async () => {
  const { memories, versions, inStore, memory } = await newMemory("first");

  const { memory_version_id } = await memories.update(memory.id, { ...inStore, path: "/b" });
  const head = await versions.retrieve(memory_version_id, inStore);

  assert.deepEqual([head.path, head.content], ["/b", "first"]);
});

test("versions are found by their memory, even after its deletion", async () => {
  const { memories, store, memory, list, newestFirst } = await threeVersions();
  const other = await memories.create(store.id, { path: "/a", content: "other" });

  assert.deepEqual(await all(list({ memory_id: memory.id })), newestFirst);
  assert.deepEqual(await ids(list({ memory_id: other.id })), [other.memory_version_id]);
});

test("a filter that matches nothing gives an empty page", async () => {
  const { list } = await threeVersions();

  for (const query of [
    { memory_id: `mem_${UNKNOWN}` },
    { session_id: `sesn_${UNKNOWN}` },
    { api_key_id: `apikey_${UNKNOWN}` },
    { service_account_id: `svac_${UNKNOWN}` },
  ]) {
    assert.deepEqual(await body(list(query)), { data: [], next_page: null });
  }
});

test("versions are found by their operation", async () => {
  const { list, deleted, modified, created } = await threeVersions();

  assert.deepEqual(await all(list({ operation: "created" })), [created]);
  assert.deepEqual(await all(list({ operation: "modified" })), [modified]);
  assert.deepEqual(await all(list({ operation: "deleted" })), [deleted]);
  await badRequest(list({ operation: untyped("renamed") }), /operation/);
});

test("versions are found by their time, both bounds included", async () => {
  const { list, deleted, modified, created } = await threeVersions();
  const from = { "created_at[gte]": modified.created_at };
  const until = { "created_at[lte]": modified.created_at };

  assert.deepEqual(await all(list(from)), [deleted, modified]);
  assert.deepEqual(await all(list(until)), [modified, created]);
  assert.deepEqual(await all(list({ ...from, ...until })), [modified]);
  assert.deepEqual(await all(list({ ...from, limit: 1 })), [deleted, modified]);
  await badRequest(list({ "created_at[gte]": "2026-11-22" }), /created_at/);
  await badRequest(list({ "created_at[lte]": "now" }), /created_at/);
});

test("filters narrow each other", async () => {
  const { memories, store, memory, list, modified } = await threeVersions();
  await memories.create(store.id, { path: "/b", content: "" });

  const both = { memory_id: memory.id, "created_at[gte]": modified.created_at };
  const all_three = { ...both, operation: "modified" as const };

  assert.equal((await all(list(both))).length, 2);
  assert.deepEqual(await all(list(all_three)), [modified]);
});

test("pages of one version each come through the iterator and through getNextPage", async () => {
  const { list, line, newestFirst, created } = await threeVersions();

  const sent = await line.during(async () => {
    assert.deepEqual(await all(list({ limit: 1 })), newestFirst);
  });
  assert.equal(sent.length, 3);

  const first = await list({ limit: 2 });
  assert.match(String(first.next_page), /^page_/);
  const last = await first.getNextPage();
  assert.deepEqual(last.data, [created]);
  assert.equal(last.next_page, null);
  assert.ok(!last.hasNextPage());
});

test("a page has 20 versions by default, up to 100 on demand, and 20 at most in full", async () => {
  const { memories, versions, store } = await newStore();
  for (let index = 0; index < 21; index++) {
    await memories.create(store.id, { path: `/${index}`, content: "" });
  }

  assert.equal((await versions.list(store.id)).data.length, 20);
  assert.equal((await versions.list(store.id, { limit: 100 })).data.length, 21);
  const full = await versions.list(store.id, { limit: 100, view: "full" });
  assert.equal(full.data.length, 20);
  assert.equal((await full.getNextPage()).data.length, 1);
});

test("versions have the same limits and page tokens as other lists", async () => {
  const { stores, memories, store, list, deleted, modified } = await threeVersions();
  await memories.create(store.id, { path: "/a", content: "" });
  await memories.create(store.id, { path: "/b", content: "" });
  await stores.create({ name: "Other" });
  const { next_page: ofMemories } = await memories.list(store.id, { limit: 1 });
  const { next_page: ofStores } = await stores.list({ limit: 1 });

  for (const limit of [0, -1, 101]) {
    await badRequest(list({ limit }), /limit/);
  }
  for (const page of ["page_", "page_x", "x", ofMemories, ofStores]) {
    await badRequest(list({ page }), /page/);
  }
  const { next_page: page } = await list({ limit: 1, "created_at[lte]": deleted.created_at });
  assert.equal((await list({ page, limit: 1 })).data[0]?.id, modified.id);
  await badRequest(list({ page, "created_at[lte]": modified.created_at }), /page|created_at/);
});

for (const id of [`memver_${UNKNOWN}`, "memver_", "x"]) {
  test(`there is no version ${id}`, async () => {
    const { versions, inStore } = await newStore();

    await notFound(versions.retrieve(id, inStore));
    await notFound(versions.redact(id, inStore));
  });
}
