import type Anthropic from "@anthropic-ai/sdk";
import type { APIPromise } from "@anthropic-ai/sdk";
import type { MemoryStores } from "@anthropic-ai/sdk/resources/beta/memory-stores";

export type Scope = "read" | "write" | "redact";

interface HeaderParams {
  betas?: Anthropic.Beta.AnthropicBeta[];
  workspace_id?: string;
}

interface Target {
  store: string;
  memory: string;
  oldVersion: string;
}

interface Operation {
  name: string;
  scope: Scope;
  call(stores: MemoryStores, target: Target, header?: HeaderParams): APIPromise<unknown>;
}

export async function newTarget({ beta: { memoryStores } }: Anthropic): Promise<Target> {
  const { id: store } = await memoryStores.create({ name: "Target" });
  const first = await memoryStores.memories.create(store, { path: "/target.md", content: "1" });
  await memoryStores.memories.update(first.id, { memory_store_id: store, content: "2" });
  return { store, memory: first.id, oldVersion: first.memory_version_id };
}

export const operations: Operation[] = [
  {
    name: "creating a store",
    scope: "write",
    call: (stores, _, header) => stores.create({ name: "Another", ...header }),
  },
  {
    name: "listing stores",
    scope: "read",
    call: (stores, _, header) => stores.list(header),
  },
  {
    name: "retrieving a store",
    scope: "read",
    call: (stores, { store }, header) => stores.retrieve(store, header),
  },
  {
    name: "updating a store",
    scope: "write",
    call: (stores, { store }, header) => stores.update(store, { name: "Renamed", ...header }),
  },
  {
    name: "deleting a store",
    scope: "redact",
    call: (stores, { store }, header) => stores.delete(store, header),
  },
  {
    name: "archiving a store",
    scope: "write",
    call: (stores, { store }, header) => stores.archive(store, header),
  },
  {
    name: "creating a memory",
    scope: "write",
    call: ({ memories }, { store }, header) =>
      memories.create(store, { path: "/another.md", content: "", ...header }),
  },
  {
    name: "listing memories",
    scope: "read",
    call: ({ memories }, { store }, header) => memories.list(store, header),
  },
  {
    name: "retrieving a memory",
    scope: "read",
    call: ({ memories }, { store, memory }, header) =>
      memories.retrieve(memory, { memory_store_id: store, ...header }),
  },
  {
    name: "updating a memory",
    scope: "write",
    call: ({ memories }, { store, memory }, header) =>
      memories.update(memory, { memory_store_id: store, content: "3", ...header }),
  },
  {
    name: "deleting a memory",
    scope: "write",
    call: ({ memories }, { store, memory }, header) =>
      memories.delete(memory, { memory_store_id: store, ...header }),
  },
  {
    name: "listing versions",
    scope: "read",
    call: ({ memoryVersions }, { store }, header) => memoryVersions.list(store, header),
  },
  {
    name: "retrieving a version",
    scope: "read",
    call: ({ memoryVersions }, { store, oldVersion }, header) =>
      memoryVersions.retrieve(oldVersion, { memory_store_id: store, ...header }),
  },
  {
    name: "redacting a version",
    scope: "redact",
    call: ({ memoryVersions }, { store, oldVersion }, header) =>
      memoryVersions.redact(oldVersion, { memory_store_id: store, ...header }),
  },
];
