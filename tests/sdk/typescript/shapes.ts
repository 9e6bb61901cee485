import assert from "node:assert/strict";

import { type Actor, type Memory, type Store, TIME, type Version } from "./support.js";

const SHA256 = /^[0-9a-f]{64}$/;

function keys(value: object): string[] {
  return Object.keys(value).sort();
}

function identifier(prefix: string, value: string): void {
  assert.match(value, new RegExp(`^${prefix}_[0-9A-Za-z]+$`));
}

function instant(value: string): void {
  assert.match(value, TIME);
}

export function isStore(store: Store): void {
  assert.deepEqual(keys(store), [
    "archived_at",
    "created_at",
    "description",
    "id",
    "metadata",
    "name",
    "type",
    "updated_at",
  ]);
  assert.equal(store.type, "memory_store");
  identifier("memstore", store.id);
  instant(store.created_at);
  instant(store.updated_at);
  if (store.archived_at !== null) instant(store.archived_at);
}

export function isMemory(memory: Memory): void {
  assert.deepEqual(keys(memory), [
    "content",
    "content_sha256",
    "content_size_bytes",
    "created_at",
    "id",
    "memory_store_id",
    "memory_version_id",
    "path",
    "type",
    "updated_at",
  ]);
  assert.equal(memory.type, "memory");
  identifier("mem", memory.id);
  identifier("memstore", memory.memory_store_id);
  identifier("memver", memory.memory_version_id);
  assert.match(memory.content_sha256, SHA256);
  assert.ok(Number.isInteger(memory.content_size_bytes));
  instant(memory.created_at);
  instant(memory.updated_at);
}

export function isVersion(version: Version): void {
  assert.deepEqual(keys(version), [
    "content",
    "content_sha256",
    "content_size_bytes",
    "created_at",
    "created_by",
    "id",
    "memory_id",
    "memory_store_id",
    "operation",
    "path",
    "redacted_at",
    "redacted_by",
    "type",
  ]);
  assert.equal(version.type, "memory_version");
  identifier("memver", version.id);
  identifier("mem", version.memory_id);
  identifier("memstore", version.memory_store_id);
  instant(version.created_at);
  isApiActor(version.created_by);
}

export function isApiActor(actor: Actor | undefined): asserts actor is Actor {
  assert.ok(actor?.type === "api_actor");
  assert.deepEqual(keys(actor), ["api_key_id", "type"]);
  identifier("apikey", actor.api_key_id);
}
