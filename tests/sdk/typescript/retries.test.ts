import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { notFound, pathConflict } from "./refusals.js";
import { all, newMemory, newStore, requires } from "./support.js";

function statuses(sent: { status: number }[]): number[] {
  return sent.map(({ status }) => status);
}

describe("an answer that is lost", { concurrency: true }, () => {
  test("makes the retried creation of a memory name the memory that was made", async () => {
    const { memories, versions, store, line } = await newStore();

    line.loseNextAnswer();
    const sent = await line.during(async () => {
      const create = memories.create(store.id, { path: "/a", content: "text" });
      await create.catch(() => undefined);
      const [made] = (await memories.list(store.id)).data;
      assert.ok(made?.type === "memory");
      await pathConflict(create, made);
    });

    assert.deepEqual(statuses(sent), [200, 409, 200]);
    assert.equal((await all(versions.list(store.id))).length, 1);
  });

  test("makes the retried update succeed without a second version", async () => {
    const { memories, versions, store, inStore, memory, line } = await newMemory("first");
    const precondition = requires("first");

    line.loseNextAnswer();
    const sent = await line.during(async () => {
      const change = { content: "second", path: "/b", precondition };
      const updated = await memories.update(memory.id, { ...inStore, ...change });
      assert.deepEqual((await memories.list(store.id)).data, [updated]);
    });

    assert.deepEqual(statuses(sent), [200, 200, 200]);
    assert.equal((await all(versions.list(store.id))).length, 2);
  });

  test("makes the retried deletion of a memory find nothing", async () => {
    const { memories, versions, store, inStore, memory, line } = await newMemory("first");
    const expected_content_sha256 = memory.content_sha256;

    line.loseNextAnswer();
    const sent = await line.during(() =>
      notFound(memories.delete(memory.id, { ...inStore, expected_content_sha256 })),
    );

    assert.deepEqual(statuses(sent), [200, 404]);
    assert.equal((await all(versions.list(store.id))).length, 2);
  });

  test("makes the retried redaction answer with the first", async () => {
    const { memories, versions, inStore, memory, line } = await newMemory("first");
    await memories.delete(memory.id, inStore);

    line.loseNextAnswer();
    const sent = await line.during(async () => {
      const redacted = await versions.redact(memory.memory_version_id, inStore);
      assert.deepEqual(await versions.retrieve(redacted.id, inStore), redacted);
    });

    assert.deepEqual(statuses(sent), [200, 200, 200]);
  });

  test("makes the retried archiving of a store answer with the first", async () => {
    const { stores, store, line } = await newStore();

    line.loseNextAnswer();
    const sent = await line.during(async () => {
      const archived = await stores.archive(store.id);
      assert.equal(archived.archived_at, archived.updated_at);
    });

    assert.deepEqual(statuses(sent), [200, 200]);
  });

  test("makes the retried update of a store answer with the first", async () => {
    const { stores, store, line } = await newStore();

    line.loseNextAnswer();
    const sent = await line.during(async () => {
      const updated = await stores.update(store.id, { metadata: { user: "u-1" } });
      assert.deepEqual(await stores.retrieve(store.id), updated);
    });

    assert.deepEqual(statuses(sent), [200, 200, 200]);
  });
});
