import assert from "node:assert/strict";
import { test } from "node:test";

import { asAdmin, revoke, withKey } from "./keys.js";
import { isApiActor } from "./shapes.js";
import { all, ids } from "./support.js";

async function sharedStore() {
  const admin = asAdmin();
  const store = await admin.stores.create({ name: "Shared" });
  return { ...admin, store, inStore: { memory_store_id: store.id } };
}

test("a version names the key that wrote it, not the secret", async () => {
  const { versions, store } = await sharedStore();
  const { memories, key } = await withKey({ scopes: ["write"] });

  await memories.create(store.id, { path: "/a", content: "" });

  const [version] = (await versions.list(store.id)).data;
  assert.deepEqual(version?.created_by, { type: "api_actor", api_key_id: key.id });
  assert.deepEqual(key.actor, version?.created_by);
  isApiActor(version?.created_by);
});

test("a service account's key writes as the service account", async () => {
  const { versions, store } = await sharedStore();
  const { memories, key } = await withKey({ scopes: ["write"], as_service: "nightly" });

  const { memory_version_id: id } = await memories.create(store.id, { path: "/a", content: "" });

  assert.ok(key.actor.type === "service_account_actor");
  assert.match(key.actor.service_account_id, /^svac_[0-9A-Za-z]+$/);
  const { service_account_id } = key.actor;
  const [version] = await all(versions.list(store.id, { service_account_id }));
  assert.equal(version?.id, id);
  assert.deepEqual(version?.created_by, { type: "service_account_actor", service_account_id });
  assert.deepEqual(await ids(versions.list(store.id, { api_key_id: key.id })), []);
});

test("a person's key writes as the person", async () => {
  const { versions, store } = await sharedStore();
  const { memories, key } = await withKey({ scopes: ["write"], as_user: "Ada" });

  await memories.create(store.id, { path: "/a", content: "" });

  assert.ok(key.actor.type === "user_actor");
  assert.match(key.actor.user_id, /^user_[0-9A-Za-z]+$/);
  const [version] = (await versions.list(store.id)).data;
  assert.deepEqual(version?.created_by, { type: "user_actor", user_id: key.actor.user_id });
});

test("versions are found by the key that wrote them", async () => {
  const { memories, versions, store, inStore } = await sharedStore();
  const first = await withKey({ scopes: ["write"] });
  const second = await withKey({ scopes: ["write"] });
  const memory = await first.memories.create(store.id, { path: "/a", content: "1" });
  const change = await second.memories.update(memory.id, { ...inStore, content: "2" });
  await memories.delete(memory.id, inStore);

  const byKey = (api_key_id: string) => versions.list(store.id, { api_key_id });

  assert.deepEqual(await ids(byKey(first.key.id)), [memory.memory_version_id]);
  assert.deepEqual(await ids(byKey(second.key.id)), [change.memory_version_id]);
  const both = { api_key_id: first.key.id, operation: "modified" as const };
  assert.deepEqual(await ids(versions.list(store.id, both)), []);
});

test("a redaction names who redacted and keeps who wrote", async () => {
  const { memories, versions, store, inStore } = await sharedStore();
  const writer = await withKey({ scopes: ["write"] });
  const { id, memory_version_id } = await writer.memories.create(store.id, {
    path: "/a",
    content: "secret",
  });
  await memories.delete(id, inStore);
  const redactor = await withKey({ scopes: ["redact"] });

  const redacted = await redactor.versions.redact(memory_version_id, inStore);

  assert.deepEqual(redacted.created_by, writer.key.actor);
  assert.deepEqual(redacted.redacted_by, redactor.key.actor);
  const byRedactor = { api_key_id: redactor.key.id };
  assert.deepEqual(await ids(versions.list(store.id, byRedactor)), []);
});

test("a version keeps its author when the key is revoked", async () => {
  const { versions, store } = await sharedStore();
  const { memories, key } = await withKey({ scopes: ["write"] });
  await memories.create(store.id, { path: "/a", content: "" });

  await revoke(key);

  const [version] = await all(versions.list(store.id, { api_key_id: key.id }));
  assert.deepEqual(version?.created_by, key.actor);
});
