import assert from "node:assert/strict";
import { test } from "node:test";

import { atWork, modelOf, mountOf, newStage, says, unique } from "./stage.js";
import { isMissing } from "./mount.js";
import { all } from "./support.js";

test("the official worker serves a session with two stores", { timeout: 60_000 }, async (t) => {
  const stage = await newStage();
  const { memories, sessions, stores, versions } = stage;
  const notes = await stores.create({ name: unique("Research notes") });
  const house = await stores.create({ name: unique("House style") });
  await memories.create(house.id, { path: "/style.md", content: "Be short.\n" });
  const session = await stage.session([
    { type: "memory_store", memory_store_id: notes.id },
    { type: "memory_store", memory_store_id: house.id, access: "read_only" },
  ]);
  const [notesAt, houseAt] = session.resources.map(mountOf);
  assert.ok(notesAt && houseAt);
  const { call, emit, endTurn } = modelOf(stage, session.id);
  await sessions.events.send(session.id, { events: [says("Write up what an RGA is.")] });

  await atWork(t, stage, async () => {
    const style = await call("read", { file_path: `${houseAt}/style.md` });
    assert.match(style.text, /Be short\./);
    const path = `${notesAt}/rga.md`;
    const written = await call("write", { file_path: path, content: "An RGA is long.\n" });
    assert.equal(written.isError, false);
    const edit = { file_path: path, old_string: "long", new_string: "a list" };
    assert.equal((await call("edit", edit)).isError, false);
    const shown = await call("bash", { command: `cat ${path}` });
    assert.match(shown.text, /An RGA is a list\./);
    const refused = await call("write", { file_path: `${houseAt}/style.md`, content: "Long.\n" });
    assert.equal(refused.isError, true);
    await call("bash", { command: `echo > ${houseAt}/sneaked.md` });
    await emit({ type: "agent.message", content: [{ type: "text", text: "It is a list." }] });
    await endTurn();
  });

  const inNotes = await all(versions.list(notes.id, { view: "full" }));
  assert.deepEqual(
    inNotes.map(({ operation, path, content, created_by }) => [
      operation,
      path,
      content,
      created_by,
    ]),
    [
      [
        "created",
        "/rga.md",
        "An RGA is a list.\n",
        { type: "session_actor", session_id: session.id },
      ],
    ],
  );
  const inHouse = await all(versions.list(house.id));
  assert.deepEqual(
    inHouse.map(({ operation, created_by }) => [operation, created_by?.type]),
    [["created", "api_actor"]],
  );
  assert.ok(await isMissing(notesAt));
});

test("each session signs its own versions", { timeout: 60_000 }, async (t) => {
  const stage = await newStage();
  const store = await stage.stores.create({ name: unique("Shared notes") });
  const made: string[] = [];
  for (const content of ["first", "second"]) {
    const session = await stage.session([{ type: "memory_store", memory_store_id: store.id }]);
    made.push(session.id);
    const { call, endTurn } = modelOf(stage, session.id);
    await stage.sessions.events.send(session.id, { events: [says("Go.")] });
    await atWork(t, stage, async () => {
      const file_path = `${mountOf(session.resources[0])}/note.md`;
      assert.equal((await call("write", { file_path, content })).isError, false);
      await endTurn();
    });
  }

  const history = await all(stage.versions.list(store.id, { view: "full" }));

  assert.deepEqual(
    history.map(({ content, created_by }) => [content, created_by]),
    [
      ["second", { type: "session_actor", session_id: made[1] }],
      ["first", { type: "session_actor", session_id: made[0] }],
    ],
  );
});

test("a terminated session ends its worker after the last sync", { timeout: 60_000 }, async (t) => {
  const stage = await newStage();
  const store = await stage.stores.create({ name: unique("Notes") });
  const session = await stage.session([{ type: "memory_store", memory_store_id: store.id }]);
  const { call, emit } = modelOf(stage, session.id);
  await stage.sessions.events.send(session.id, { events: [says("Go.")] });

  await atWork(t, stage, async () => {
    const file_path = `${mountOf(session.resources[0])}/last.md`;
    await call("write", { file_path, content: "last words" });
    await emit({ type: "session.status_terminated" });
  });

  const [memory] = await all(stage.memories.list(store.id, { view: "full" }));
  assert.ok(memory?.type === "memory");
  assert.equal(memory.content, "last words");
  assert.equal((await stage.sessions.retrieve(session.id)).status, "terminated");
});
