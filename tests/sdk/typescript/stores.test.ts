import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest, notFound } from "./refusals.js";
import { isStore } from "./shapes.js";
import { connect, newMemory, newStore, UNKNOWN, untyped } from "./support.js";

test("a new store has every field, with an empty description and no metadata", async () => {
  const { stores } = connect();

  const store = await stores.create({ name: "Research notes" });

  isStore(store);
  assert.equal(store.name, "Research notes");
  assert.equal(store.description, "");
  assert.deepEqual(store.metadata, {});
  assert.equal(store.archived_at, null);
  assert.equal(store.updated_at, store.created_at);
  assert.deepEqual(await stores.retrieve(store.id), store);
});

test("a store keeps the description and the metadata that it was created with", async () => {
  const { stores } = connect();
  const metadata = { user: "u-1", "a key": "", line: "one\ntwo" };

  const store = await stores.create({ name: "Notes", description: "What I learnt", metadata });

  assert.equal(store.description, "What I learnt");
  assert.deepEqual(store.metadata, metadata);
  assert.deepEqual(await stores.retrieve(store.id), store);
});

test("two stores may have the same name", async () => {
  const { stores } = connect();

  const first = await stores.create({ name: "Notes" });
  const second = await stores.create({ name: "Notes" });

  assert.notEqual(first.id, second.id);
});

test("a name has 1 to 255 characters", async () => {
  const { stores } = connect();

  await stores.create({ name: "🦀".repeat(255) });

  await badRequest(stores.create({ name: "n".repeat(256) }), /name/);
  await badRequest(stores.create({ name: "" }), /name/);
  await badRequest(stores.create(untyped({})), /name/);
  await badRequest(stores.create({ name: untyped(null) }), /name/);
  await badRequest(stores.create({ name: untyped(7) }), /name/);
});

for (const character of ["\u0000", "\n", "\u007f", "\u0085"]) {
  test(`a name can't contain ${JSON.stringify(character)}`, async () => {
    const { stores } = connect();

    await badRequest(stores.create({ name: `a${character}b` }), /name/);
  });
}

test("a name may begin and end with spaces, or be nothing else", async () => {
  const { stores } = connect();

  assert.equal((await stores.create({ name: "  a " })).name, "  a ");
  assert.equal((await stores.create({ name: " " })).name, " ");
});

test("a description has at most 1,024 characters", async () => {
  const { stores } = connect();
  const longest = "é".repeat(1023) + "🦀";

  assert.equal((await stores.create({ name: "n", description: longest })).description, longest);

  await badRequest(stores.create({ name: "n", description: `${longest}.` }), /description/);
});

test("a refusal of two lines names the description, the character and its place", async () => {
  const { stores, store } = await newStore();
  const description = "one\ntwo";

  const create = badRequest(stores.create({ name: "n", description }), /description/);
  const update = badRequest(stores.update(store.id, { description }), /description/);
  for (const { apiMessage } of await Promise.all([create, update])) {
    assert.match(apiMessage ?? "", /U\+000A/);
    assert.match(apiMessage ?? "", /\b[34]\b/);
    assert.match(apiMessage ?? "", /one line/);
  }
});

test("a description can't contain control characters", async () => {
  const { stores } = connect();

  for (const character of ["\u0000", "\t", "\r", "\u001b", "\u007f", "\u0085"]) {
    const description = `a${character}b`;
    await badRequest(stores.create({ name: "n", description }), /description/);
  }
});

test("a new store's description and metadata can't be null", async () => {
  const { stores } = connect();

  await badRequest(stores.create({ name: "n", description: untyped(null) }), /description/);
  await badRequest(stores.create({ name: "n", metadata: untyped(null) }), /metadata/);
});

test("metadata has at most 16 pairs", async () => {
  const { stores } = connect();
  const pairs = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, "value"]));

  const full = await stores.create({ name: "n", metadata: pairs(16) });
  assert.deepEqual(full.metadata, pairs(16));

  await badRequest(stores.create({ name: "n", metadata: pairs(17) }), /metadata/);
  await badRequest(stores.update(full.id, { metadata: { more: "value" } }), /metadata/);
  await stores.update(full.id, { metadata: { more: "value", "key-0": null } });
});

test("a metadata key has 1 to 64 characters", async () => {
  const { stores } = connect();

  await stores.create({ name: "n", metadata: { ["é".repeat(64)]: "v" } });

  await badRequest(stores.create({ name: "n", metadata: { ["k".repeat(65)]: "v" } }), /metadata/);
  await badRequest(stores.create({ name: "n", metadata: { "": "v" } }), /metadata/);
});

test("a metadata value is a string of at most 512 characters without U+0000", async () => {
  const { stores } = connect();

  await stores.create({ name: "n", metadata: { key: "é".repeat(512) } });

  for (const value of ["v".repeat(513), "\u0000", 1, true, null, ["v"], { v: "v" }]) {
    await badRequest(stores.create({ name: "n", metadata: { key: untyped(value) } }), /metadata/);
  }
});

test("an unknown key in a store's body is refused by its name", async () => {
  const { stores, store } = await newStore();

  await badRequest(stores.create(untyped({ name: "n", colour: "red" })), /colour/);
  await badRequest(stores.update(store.id, untyped({ name: "n", colour: "red" })), /colour/);
});

test("an update changes what it names and nothing else", async () => {
  const { stores } = connect();
  const metadata = { kept: "1", replaced: "2", removed: "3" };
  const before = await stores.create({ name: "Old", description: "Old", metadata });

  const renamed = await stores.update(before.id, { name: "New" });
  const described = await stores.update(before.id, { description: "New" });

  isStore(renamed);
  assert.ok(renamed.updated_at > before.updated_at);
  assert.deepEqual(renamed, { ...before, name: "New", updated_at: renamed.updated_at });
  const { updated_at } = described;
  assert.deepEqual(described, { ...renamed, description: "New", updated_at });
  assert.deepEqual(await stores.retrieve(before.id), described);
});

test("a metadata patch sets strings, removes nulls and keeps the rest", async () => {
  const { stores } = connect();
  const metadata = { kept: "1", replaced: "2", removed: "3" };
  const { id } = await stores.create({ name: "n", metadata });

  const patched = await stores.update(id, {
    metadata: { replaced: "two", removed: null, added: "4", absent: null },
  });

  assert.deepEqual(patched.metadata, { kept: "1", replaced: "two", added: "4" });
  assert.deepEqual(await stores.retrieve(id), patched);
});

test("an empty or null description clears it", async () => {
  const { stores } = connect();

  for (const description of ["", null]) {
    const { id } = await stores.create({ name: "n", description: "Something" });
    assert.equal((await stores.update(id, { description })).description, "");
  }
});

test("a store's name can't be cleared, and null is no metadata patch", async () => {
  const { stores, store } = await newStore();

  await badRequest(stores.update(store.id, { name: null }), /name/);
  await badRequest(stores.update(store.id, { name: "" }), /name/);
  await badRequest(stores.update(store.id, { metadata: null }), /metadata/);
  assert.deepEqual(await stores.retrieve(store.id), store);
});

test("an update of a store with nothing in it is refused", async () => {
  const { stores, store } = await newStore();

  await badRequest(stores.update(store.id, {}), /name.*description.*metadata/);
});

test("an update that changes nothing leaves updated_at alone", async () => {
  const { stores } = connect();
  const metadata = { user: "u-1" };
  const store = await stores.create({ name: "n", description: "d", metadata });

  const same = { name: "n", description: "d", metadata: { user: "u-1", absent: null } };

  assert.deepEqual(await stores.update(store.id, same), store);
});

test("memory writes leave the store's updated_at alone", async () => {
  const { stores, memories, store, inStore, memory } = await newMemory();

  await memories.update(memory.id, { ...inStore, content: "second" });
  await memories.delete(memory.id, inStore);

  assert.deepEqual(await stores.retrieve(store.id), store);
});

test("a deleted store is gone with its memories and versions", async () => {
  const { stores, memories, versions, store, inStore, memory } = await newMemory();
  const version = memory.memory_version_id;

  const deleted = await stores.delete(store.id);

  assert.deepEqual({ ...deleted }, { id: store.id, type: "memory_store_deleted" });
  const calls = [
    stores.retrieve(store.id),
    stores.update(store.id, { name: "n" }),
    stores.archive(store.id),
    stores.delete(store.id),
    memories.create(store.id, { path: "/a", content: "" }),
    memories.list(store.id),
    memories.retrieve(memory.id, inStore),
    memories.update(memory.id, { ...inStore, content: "" }),
    memories.delete(memory.id, inStore),
    versions.list(store.id),
    versions.retrieve(version, inStore),
    versions.redact(version, inStore),
  ];
  await Promise.all(calls.map(notFound));
});

for (const id of [`memstore_${UNKNOWN}`, "memstore_", "x", "mem_1", "ü", "%00"]) {
  test(`there is no store ${id}`, async () => {
    const { stores, memories, versions } = connect();

    await notFound(stores.retrieve(id));
    await notFound(stores.update(id, { name: "n" }));
    await notFound(stores.archive(id));
    await notFound(stores.delete(id));
    await notFound(memories.list(id));
    await notFound(versions.list(id));
  });
}

test("a store of another workspace looks exactly like one that doesn't exist", async () => {
  const { store } = await newStore();
  const { stores } = connect();

  const foreign = await notFound(stores.retrieve(store.id));
  const unknown = await notFound(stores.retrieve(`memstore_${UNKNOWN}`));

  const wording = (message: string | null) => message?.replace(/memstore_\w+/, "…");
  assert.equal(wording(foreign.apiMessage), wording(unknown.apiMessage));
});
