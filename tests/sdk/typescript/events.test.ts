import type { BetaManagedAgentsStreamSessionEvents as Arrival } from "@anthropic-ai/sdk/resources/beta/sessions";
import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest } from "./refusals.js";
import { idle, modelOf, newStage, says, text, toolUse } from "./stage.js";
import { all, ids, TIME, untyped } from "./support.js";

async function onStage() {
  const stage = await newStage();
  const session = (await stage.session()).id;
  const { events } = stage.sessions;
  return { ...stage, id: session, events, model: modelOf(stage, session) };
}

async function take(stream: AsyncIterable<Arrival>, count: number) {
  const taken: Arrival[] = [];
  for await (const event of stream) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

test("a message makes an idle session run", async () => {
  const { sessions, events, id } = await onStage();

  const { data } = await events.send(id, { events: [says("hello")] });

  const [sent] = data ?? [];
  assert.ok(sent?.type === "user.message");
  assert.deepEqual(sent.content, [text("hello")]);
  assert.match(sent.processed_at ?? "", TIME);
  assert.equal((await sessions.retrieve(id)).status, "running");
  const listed = await all(events.list(id));
  assert.deepEqual(
    listed.map(({ type }) => type),
    ["user.message", "session.status_running"],
  );
  assert.deepEqual(listed[0], sent);
});

test("events are listed in either order and by type", async () => {
  const { events, id, model } = await onStage();
  const thinking = { type: "agent.thinking" };
  const stored = await model.emit(thinking, { type: "agent.message", content: [] }, thinking);
  const order = stored.map((event) => event.id);

  assert.deepEqual(await ids(events.list(id, { limit: 1 })), order);
  assert.deepEqual(await ids(events.list(id, { order: "desc" })), order.toReversed());
  const types = ["agent.message" as const];
  assert.deepEqual(await ids(events.list(id, { types })), [order[1]]);
  const { processed_at } = stored[1] ?? assert.fail();
  assert.deepEqual(await ids(events.list(id, { "created_at[gt]": processed_at })), [order[2]]);
});

test("streaming, then listing, misses nothing", async () => {
  const { events, id, model } = await onStage();
  const before = await model.emit({ type: "agent.thinking" });

  const stream = await events.stream(id);
  const after = await model.emit({ type: "agent.thinking" }, { type: "agent.thinking" });
  const listed = await ids(events.list(id));
  const arrived = await take(stream, after.length);

  assert.deepEqual(
    listed,
    [...before, ...after].map((event) => event.id),
  );
  assert.deepEqual(arrived, after);
});

test("required actions are waited for one by one", async () => {
  const { sessions, events, id, model } = await onStage();
  await events.send(id, { events: [says("Go.")] });
  const uses = await model.emit(toolUse("read", { file_path: "a" }), toolUse("read", {}));
  const event_ids = uses.map((use) => use.id);
  await model.emit(idle({ type: "requires_action", event_ids }));
  const result = (tool_use_id = "") => ({ type: "user.tool_result" as const, tool_use_id });

  await events.send(id, { events: [result(event_ids[0])] });
  assert.equal((await sessions.retrieve(id)).status, "idle");
  const [rest] = (await events.list(id, { order: "desc" })).data;
  assert.ok(rest?.type === "session.status_idle");
  assert.deepEqual(rest.stop_reason, { type: "requires_action", event_ids: [event_ids[1]] });
  await events.send(id, { events: [result(event_ids[1])] });

  assert.equal((await sessions.retrieve(id)).status, "running");
});

test("a bad event is refused with those beside it", async () => {
  const { events, id } = await onStage();

  const shout = untyped<ReturnType<typeof says>>({ type: "user.shout" });
  await badRequest(events.send(id, { events: [says("x"), shout] }));
  await badRequest(events.send(id, { events: [untyped({ type: "agent.message", content: [] })] }));

  assert.deepEqual(await ids(events.list(id)), []);
});

test("the stream of a deleted session says so and ends", async () => {
  const { sessions, events, id } = await onStage();

  const stream = await events.stream(id);
  await sessions.delete(id);

  assert.deepEqual(
    (await all(stream)).map(({ type }) => type),
    ["session.deleted"],
  );
});
