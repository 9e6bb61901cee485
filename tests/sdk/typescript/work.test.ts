import { APIError } from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest, failure, forbidden } from "./refusals.js";
import { newStage, says } from "./stage.js";
import { all, connect } from "./support.js";

const SECRET = /^[\w-]+=*$/;

async function withQueue() {
  const stage = await newStage();
  const queue = stage.worker.client.beta.environments.work;
  const poll = async (params = {}) => {
    const work = await queue.poll(stage.environment.id, params);
    assert.ok(work, "there is no work");
    return work;
  };
  return { ...stage, queue, poll };
}

test("a session is polled, acknowledged, kept alive and stopped", async () => {
  const { queue, poll, environment, inEnvironment, session } = await withQueue();
  assert.equal(await queue.poll(environment.id), null);
  const { id } = await session();

  const polled = await poll({ block_ms: 999 });
  assert.match(polled.secret ?? "", SECRET);
  assert.deepEqual(polled.data, { type: "session", id });
  const acknowledged = await queue.ack(polled.id, inEnvironment);
  const beat = await queue.heartbeat(polled.id, {
    ...inEnvironment,
    expected_last_heartbeat: "NO_HEARTBEAT",
    desired_ttl_seconds: 120,
  });
  const stopped = await queue.stop(polled.id, { ...inEnvironment, force: true });

  assert.equal(acknowledged.state, "starting");
  assert.deepEqual([beat.state, beat.lease_extended, beat.ttl_seconds], ["active", true, 120]);
  assert.equal(stopped.state, "stopped");
  assert.deepEqual(await queue.stop(polled.id, inEnvironment), stopped);
});

test("a heartbeat that is not the expected one is refused with the lease", async () => {
  const { queue, poll, inEnvironment, session } = await withQueue();
  await session();
  const { id } = await poll();
  await queue.ack(id, inEnvironment);
  const claim = { ...inEnvironment, expected_last_heartbeat: "NO_HEARTBEAT" };
  const { last_heartbeat } = await queue.heartbeat(id, claim);

  const error = await failure(queue.heartbeat(id, claim));

  assert.ok(error instanceof APIError);
  assert.equal(error.status, 412);
  assert.equal(error.errorCode, "heartbeat_precondition_failed");
  const { current_state } = error.details as unknown as { current_state: Record<string, unknown> };
  assert.equal(current_state.last_heartbeat, last_heartbeat);
  assert.equal(current_state.state, "active");
  assert.equal(current_state.lease_extended, false);
});

test("a second ack is a conflict that names the state", async () => {
  const { queue, poll, inEnvironment, session } = await withQueue();
  await session();
  const { id } = await poll();
  await queue.ack(id, inEnvironment);

  const error = await failure(queue.ack(id, inEnvironment));

  assert.ok(error instanceof APIError);
  assert.equal(error.status, 409);
  assert.match(error.message, /starting/);
});

test("a dormant session is queued again by a message", async () => {
  const { queue, poll, sessions, environment, inEnvironment, session } = await withQueue();
  const { id } = await session();
  const first = await poll();
  await queue.stop(first.id, { ...inEnvironment, force: true });

  await sessions.events.send(id, { events: [says("Go on.")] });
  const second = await poll();

  assert.notEqual(second.id, first.id);
  assert.equal(second.data.id, id);
  const states = (await all(queue.list(environment.id))).map(({ state }) => state);
  assert.deepEqual(states, ["queued", "stopped"]);
});

test("metadata of an item is its owner's, the list its worker's", async () => {
  const { client, queue, poll, environment, inEnvironment, session } = await withQueue();
  await session();
  const { id } = await poll();
  const { work } = client.beta.environments;

  await work.update(id, { ...inEnvironment, metadata: { host: "a" } });

  assert.deepEqual((await work.retrieve(id, inEnvironment)).metadata, { host: "a" });
  await forbidden(work.list(environment.id));
  await forbidden(queue.retrieve(id, inEnvironment));
  await forbidden(queue.update(id, { ...inEnvironment, metadata: {} }));
  assert.equal((await work.stats(environment.id)).pending, 1);
});

test("a worker's key is for its own environment, and for no memory", async () => {
  const { queue, environment, key, stores } = await withQueue();
  const other = await newStage();
  const store = await stores.create({ name: "Notes" });

  await forbidden(queue.poll(other.environment.id));
  await forbidden(connect({ apiKey: key }).memories.list(store.id));
  await badRequest(queue.poll(environment.id, { block_ms: 1000 }));
});
