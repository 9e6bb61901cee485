import { APIError } from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest, failure, forbidden, notFound, unauthorized } from "./refusals.js";
import { modelOf, mountOf, newStage, says, sessionToken } from "./stage.js";
import { all, connect, ids, TIME, untyped } from "./support.js";

const MODEL = "claude-opus-5-5";

function attach(memory_store_id: string, access: "read_write" | "read_only" = "read_write") {
  return { type: "memory_store" as const, memory_store_id, access };
}

test("an agent has numbered versions", async () => {
  const { agents, agent } = await newStage();

  const second = await agents.update(agent.id, { version: 1, system: "Be kind." });
  const same = await agents.update(agent.id, { version: 2, system: "Be kind." });

  assert.deepEqual([agent.version, second.version, same.version], [1, 2, 2]);
  assert.equal((await agents.retrieve(agent.id, { version: 1 })).system, null);
  const versions = await all(agents.versions.list(agent.id));
  assert.deepEqual(
    versions.map(({ version }) => version),
    [2, 1],
  );
  assert.deepEqual(agent.model, {
    id: MODEL,
    effort: null,
    inference_geo: null,
    speed: "standard",
  });
});

test("a stale version of an agent is a conflict, and not tried again", async () => {
  const { agents, agent, line } = await newStage();
  await agents.update(agent.id, { name: "Renamed" });

  const sent = await line.during(async () => {
    const error = await failure(agents.update(agent.id, { version: 1, name: "Again" }));
    assert.ok(error instanceof APIError);
    assert.equal(error.status, 409);
    assert.equal(error.headers?.get("x-should-retry"), "false");
  });

  assert.equal(sent.length, 1);
});

test("agents, environments and sessions are archived, and an environment or session deleted", async () => {
  const { agents, environments, sessions, agent, environment, session } = await newStage();
  const made = await session();

  assert.match((await sessions.archive(made.id)).archived_at ?? "", TIME);
  assert.deepEqual(await sessions.delete(made.id), { id: made.id, type: "session_deleted" });
  assert.match((await agents.archive(agent.id)).archived_at ?? "", TIME);
  assert.match((await environments.archive(environment.id)).archived_at ?? "", TIME);
  assert.deepEqual(await ids(agents.list()), []);
  assert.deepEqual(await ids(agents.list({ include_archived: true })), [agent.id]);
  assert.deepEqual(await environments.delete(environment.id), {
    id: environment.id,
    type: "environment_deleted",
  });
  await notFound(environments.retrieve(environment.id));
  await notFound(sessions.retrieve(made.id));
});

test("a session copies its stores and mounts them by name", async () => {
  const { stores, sessions, session } = await newStage();
  const notes = await stores.create({ name: "Demo Memory", description: "notes" });
  const twin = await stores.create({ name: "demo-memory" });

  const made = await session([{ ...attach(notes.id), instructions: "Search." }, attach(twin.id)]);
  await stores.update(notes.id, { name: "Renamed" });

  assert.equal(made.status, "idle");
  assert.deepEqual(made.resources.map(mountOf), [
    "/mnt/memory/demo-memory",
    "/mnt/memory/demo-memory-2",
  ]);
  const listed = await all(sessions.resources.list(made.id));
  assert.deepEqual(listed, made.resources);
  assert.deepEqual(listed[0], {
    type: "memory_store",
    memory_store_id: notes.id,
    access: "read_write",
    name: "Demo Memory",
    description: "notes",
    instructions: "Search.",
    mount_path: "/mnt/memory/demo-memory",
  });
});

test("the ninth store, the same store twice and an archived store are refused", async () => {
  const { stores, session } = await newStage();
  const made = await Promise.all(
    Array.from({ length: 9 }, (_, index) => stores.create({ name: String(index) })),
  );
  const resources = made.map(({ id }) => attach(id));
  const archived = await stores.create({ name: "archived" });
  await stores.archive(archived.id);

  await badRequest(session(resources), /cannot contain more than 8 memory_store entries/);
  await badRequest(session([attach(archived.id), attach(archived.id)]));
  await badRequest(session([attach(archived.id)]), new RegExp(archived.id));
  await notFound(session([attach("memstore_unknown")]));
  await badRequest(session([untyped({ type: "file", file_id: "file_1" })]), /file/);
  assert.equal((await session(resources.slice(0, 8))).resources.length, 8);
});

test("sessions are found by store, agent and status, in either order", async () => {
  const { stores, sessions, session, agent } = await newStage();
  const store = await stores.create({ name: "Notes" });
  const plain = await session();
  const attached = await session([attach(store.id)]);
  await sessions.events.send(attached.id, { events: [says("Go.")] });

  assert.deepEqual(await ids(sessions.list({ limit: 1 })), [attached.id, plain.id]);
  assert.deepEqual(await ids(sessions.list({ order: "asc", limit: 1 })), [plain.id, attached.id]);
  assert.deepEqual(await ids(sessions.list({ memory_store_id: store.id })), [attached.id]);
  assert.deepEqual(await ids(sessions.list({ statuses: ["running"] })), [attached.id]);
  assert.equal((await ids(sessions.list({ agent_id: agent.id, agent_version: 1 }))).length, 2);
});

test("a running session is neither archived nor deleted", async () => {
  const { sessions, session, ...stage } = await newStage();
  const made = await session();
  await sessions.events.send(made.id, { events: [says("Go.")] });

  await badRequest(sessions.archive(made.id));
  await badRequest(sessions.delete(made.id));
  await modelOf({ ...stage, sessions, session }, made.id).endTurn();

  await sessions.delete(made.id);
});

test("a session's token reaches its stores, and no other", async () => {
  const stage = await newStage();
  const { client, memories, stores, versions } = stage;
  const notes = await stores.create({ name: "Notes" });
  const house = await stores.create({ name: "House" });
  const other = await stores.create({ name: "Other" });
  const session = await stage.session([attach(notes.id), attach(house.id, "read_only")]);
  const inside = connect({ apiKey: (await sessionToken(client, session.id)).token });
  await memories.create(house.id, { path: "/a", content: "rules" });

  const { id } = await inside.memories.create(notes.id, { path: "/a", content: "" });

  const [version] = await all(versions.list(notes.id, { session_id: session.id }));
  assert.equal(version?.memory_id, id);
  assert.deepEqual(version?.created_by, { type: "session_actor", session_id: session.id });
  assert.equal((await all(inside.memories.list(house.id))).length, 1);
  await forbidden(inside.memories.create(house.id, { path: "/b", content: "" }));
  await forbidden(inside.versions.redact(version.id, { memory_store_id: notes.id }));
  await forbidden(inside.stores.list());
  await notFound(inside.memories.list(other.id));
  await forbidden(stage.worker.memories.list(notes.id));
  assert.equal((await inside.client.beta.sessions.retrieve(session.id)).id, session.id);
  await forbidden(inside.client.beta.sessions.list());
});

test("a session's token ends with the session", async () => {
  const stage = await newStage();
  const store = await stage.stores.create({ name: "Notes" });
  const session = await stage.session([attach(store.id)]);
  const inside = connect({ apiKey: (await sessionToken(stage.client, session.id)).token });

  await stage.sessions.archive(session.id);

  await unauthorized(inside.memories.list(store.id));
});

test("what is not served says so", async () => {
  const { client } = await newStage();

  for (const list of [() => client.beta.files.list(), () => client.beta.vaults.list()]) {
    const error = await failure(list());
    assert.ok(error instanceof APIError);
    assert.equal(error.status, 404);
    assert.match(error.message, /memstored/);
  }
});
