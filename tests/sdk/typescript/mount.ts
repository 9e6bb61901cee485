import type {
  BetaManagedAgentsMemoryStoreResource,
  BetaManagedAgentsSession,
} from "@anthropic-ai/sdk/resources/beta/sessions";
import { SessionMemoryStores } from "@anthropic-ai/sdk/tools/agent-toolset/memories";
import assert from "node:assert/strict";
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";

import { all, newStore } from "./support.js";

const SYNC_INTERVAL = 5_000;
export const DELETE_DELAY = 30_000;

export type Bench = Awaited<ReturnType<typeof mounted>>;

/** A store with these memories, and a folder that the SDK keeps in step with it. */
export async function mounted(
  t: TestContext,
  contents: Record<string, string>,
  access: "read_write" | "read_only" = "read_write",
) {
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  const bench = await newStore();
  const { client, memories, store } = bench;
  for (const [path, content] of Object.entries(contents)) {
    await memories.create(store.id, { path, content });
  }

  const workdir = await mkdtemp(join(tmpdir(), "memstored-"));
  t.after(() => rm(workdir, { recursive: true }));
  const resource: BetaManagedAgentsMemoryStoreResource = {
    type: "memory_store",
    memory_store_id: store.id,
    access,
    mount_path: join(workdir, "notes"),
  };
  const mount = new SessionMemoryStores(client, { workdir, syncIntervalMs: SYNC_INTERVAL });
  await mount.download({ resources: [resource] } as BetaManagedAgentsSession);

  const file = (path: string) => join(workdir, "notes", path);
  return {
    ...bench,
    mount,
    file,
    read: (path: string) => readFile(file(path), "utf8"),
    write: async (path: string, content: string) => {
      await mkdir(dirname(file(path)), { recursive: true });
      await writeFile(file(path), content);
    },
    remove: (path: string) => rm(file(path)),
    sync: async (after = SYNC_INTERVAL) => {
      t.mock.timers.tick(after);
      await mount.syncIfDue();
    },
  };
}

export async function contents({ memories, store }: Bench): Promise<Record<string, unknown>> {
  const items = await all(memories.list(store.id, { view: "full" }));
  return Object.fromEntries(
    items.map((item) => [item.path, item.type === "memory" ? item.content : item.type]),
  );
}

export async function find({ memories, store }: Bench, path: string) {
  const items = await all(memories.list(store.id));
  const memory = items.find((item) => item.path === path);
  assert.ok(memory?.type === "memory", `no memory at ${path}`);
  return memory;
}

export async function edit(bench: Bench, path: string, content: string) {
  const { id } = await find(bench, path);
  return bench.memories.update(id, { ...bench.inStore, content });
}

export async function history({ versions, store }: Bench): Promise<string[]> {
  return (await all(versions.list(store.id))).map(({ operation }) => operation).reverse();
}

export async function isMissing(path: string): Promise<boolean> {
  return access(path).then(
    () => false,
    () => true,
  );
}
