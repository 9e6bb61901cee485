import Anthropic, { type APIPromise, type ClientOptions } from "@anthropic-ai/sdk";
import type {
  BetaManagedAgentsActor,
  BetaManagedAgentsMemory,
  BetaManagedAgentsMemoryStore,
  BetaManagedAgentsMemoryVersion,
} from "@anthropic-ai/sdk/resources/beta/memory-stores";
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";

import { Line } from "./line.js";

export type Actor = BetaManagedAgentsActor;
export type Memory = BetaManagedAgentsMemory;
export type Store = BetaManagedAgentsMemoryStore;
export type Version = BetaManagedAgentsMemoryVersion;

export const BETA = "agent-memory-2026-07-22";
export const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
export const UNKNOWN = "01UNKNOWN0000000000000000";

export function setting(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

export function randomKey(): string {
  return `test-${randomUUID()}`;
}

export function connect(options: ClientOptions = {}) {
  const line = new Line();
  const client = new Anthropic({
    apiKey: randomKey(),
    baseURL: setting("MEMSTORED_TEST_URL"),
    fetch: line.fetch,
    logLevel: "off",
    ...options,
  });
  const stores = client.beta.memoryStores;
  return { client, line, stores, memories: stores.memories, versions: stores.memoryVersions };
}

export async function newStore(options: ClientOptions = {}) {
  const connection = connect(options);
  const store = await connection.stores.create({ name: "Notes" });
  return { ...connection, store, inStore: { memory_store_id: store.id } };
}

export async function newMemory(content = "first", path = "/notes.md") {
  const bench = await newStore();
  const memory = await bench.memories.create(bench.store.id, { path, content });
  return { ...bench, memory };
}

export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

export function requires(content: string) {
  return { type: "content_sha256" as const, content_sha256: sha256(content) };
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function paths(items: AsyncIterable<{ path?: string | null }>) {
  return (await all(items)).map((item) => item.path);
}

export async function ids(items: AsyncIterable<{ id: string }>): Promise<string[]> {
  return (await all(items)).map((item) => item.id);
}

export async function body(call: APIPromise<unknown>): Promise<Record<string, unknown>> {
  return (await (await call.asResponse()).json()) as Record<string, unknown>;
}

/** A value that the SDK's types forbid, sent anyway. */
export function untyped<T>(value: unknown): T {
  return value as T;
}
