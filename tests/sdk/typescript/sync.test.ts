import assert from "node:assert/strict";
import { test } from "node:test";

import { contents, DELETE_DELAY, edit, find, history, isMissing, mounted } from "./mount.js";
import { paths } from "./support.js";

test("a download writes every memory to its file, byte for byte", async (t) => {
  const many = Object.fromEntries(
    Array.from({ length: 41 }, (_, index) => [`/deep/${index}.md`, `content ${index}\r\n`]),
  );
  const special = {
    "/bom.md": "\ufeffa",
    "/empty.md": "",
    "/nul.md": "a\u0000b",
    "/é.md": "e\u0301",
  };
  const marker = { "/.anthropic-memory-store": "an ordinary memory" };

  const { read } = await mounted(t, { ...many, ...special, ...marker });

  for (const [path, content] of Object.entries({ ...many, ...special })) {
    assert.equal(await read(path), content);
  }
  assert.notEqual(await read("/.anthropic-memory-store"), "an ordinary memory");
});

test("a sync that finds nothing to do only lists", async (t) => {
  const { sync, line, store } = await mounted(t, { "/a": "one", "/b/c": "two" });

  const sent = await line.during(sync);

  const path = `/v1/memory_stores/${store.id}/memories`;
  assert.deepEqual(sent, [{ method: "GET", path, status: 200 }]);
});

test("new and edited files reach the store", async (t) => {
  const bench = await mounted(t, { "/a": "one" });
  const { id } = await find(bench, "/a");

  await bench.write("/a", "one, edited");
  await bench.write("/deep/new.md", "\ufeffwith a byte order mark");
  await bench.sync();

  assert.equal((await find(bench, "/a")).id, id);
  assert.deepEqual(await contents(bench), {
    "/a": "one, edited",
    "/deep/new.md": "with a byte order mark",
  });
  assert.deepEqual(await history(bench), ["created", "modified", "created"]);
});

test("a memory that was created or changed in the store reaches its file", async (t) => {
  const bench = await mounted(t, { "/a": "one" });

  await edit(bench, "/a", "one, edited");
  await bench.memories.create(bench.store.id, { path: "/deep/new.md", content: "new" });
  await bench.sync();

  assert.equal(await bench.read("/a"), "one, edited");
  assert.equal(await bench.read("/deep/new.md"), "new");
});

test("where both sides changed, the store wins", async (t) => {
  const bench = await mounted(t, { "/a": "one" });

  await bench.write("/a", "the file's edit");
  await edit(bench, "/a", "the store's edit");
  await bench.sync();

  assert.equal(await bench.read("/a"), "the store's edit");
  assert.deepEqual(await contents(bench), { "/a": "the store's edit" });
});

test("an edit that loses the race is refused once and yields to the store", async (t) => {
  const bench = await mounted(t, { "/a": "one" });
  const { id } = await find(bench, "/a");
  const rival = () => bench.memories.update(id, { ...bench.inStore, content: "the rival's" });
  await bench.write("/a", "the file's edit");

  bench.line.beforeNext("POST", rival);
  const sent = await bench.line.during(bench.sync);
  await bench.sync();

  assert.deepEqual(
    sent.map(({ method, status }) => [method, status]),
    [
      ["GET", 200],
      ["POST", 200],
      ["POST", 409],
    ],
  );
  assert.equal(await bench.read("/a"), "the rival's");
});

test("a memory that was deleted in the store loses its file", async (t) => {
  const bench = await mounted(t, { "/a": "one", "/b": "two" });

  await bench.memories.delete((await find(bench, "/b")).id, bench.inStore);
  await bench.sync();

  assert.equal(await bench.read("/a"), "one");
  assert.ok(await isMissing(bench.file("/b")));
});

test("a memory that was renamed in the store moves its file", async (t) => {
  const bench = await mounted(t, { "/a": "one", "/b": "two" });
  const { id } = await find(bench, "/b");

  await bench.memories.update(id, { ...bench.inStore, path: "/c/d" });
  await bench.sync();

  assert.equal(await bench.read("/c/d"), "two");
  assert.ok(await isMissing(bench.file("/b")));
  assert.deepEqual(await contents(bench), { "/a": "one", "/c/d": "two" });
});

test("a memory that was deleted in the store comes back from its edited file", async (t) => {
  const bench = await mounted(t, { "/a": "one" });
  const { id } = await find(bench, "/a");

  await bench.write("/a", "one, edited");
  await bench.memories.delete(id, bench.inStore);
  await bench.sync();

  assert.notEqual((await find(bench, "/a")).id, id);
  assert.deepEqual(await contents(bench), { "/a": "one, edited" });
});

test("an edit whose memory is deleted in the same moment is created anew", async (t) => {
  const bench = await mounted(t, { "/a": "one" });
  const { id } = await find(bench, "/a");
  await bench.write("/a", "one, edited");

  bench.line.beforeNext("POST", () => bench.memories.delete(id, bench.inStore));
  await bench.sync();

  assert.notEqual((await find(bench, "/a")).id, id);
  assert.deepEqual(await contents(bench), { "/a": "one, edited" });
});

test("a file that stays deleted for half a minute deletes its memory", async (t) => {
  const bench = await mounted(t, { "/a": "one", "/b": "two" });

  await bench.remove("/b");
  await bench.sync();
  assert.deepEqual(await paths(bench.memories.list(bench.store.id)), ["/a", "/b"]);
  await bench.sync(DELETE_DELAY);

  assert.deepEqual(await paths(bench.memories.list(bench.store.id)), ["/a"]);
  assert.deepEqual(await history(bench), ["created", "created", "deleted"]);
});

test("the last sync deletes at once", async (t) => {
  const bench = await mounted(t, { "/a": "one", "/b": "two" });

  await bench.remove("/b");
  await bench.mount.finish();

  assert.deepEqual(await paths(bench.memories.list(bench.store.id)), ["/a"]);
});

test("a deletion that loses the race keeps the memory and restores the file", async (t) => {
  const bench = await mounted(t, { "/a": "one", "/b": "two" });
  await bench.remove("/b");
  await bench.sync();

  bench.line.beforeNext("DELETE", () => edit(bench, "/b", "two, edited"));
  const sent = await bench.line.during(() => bench.sync(DELETE_DELAY));
  await bench.sync();

  const deletions = sent.filter(({ method }) => method === "DELETE");
  assert.deepEqual(
    deletions.map(({ status }) => status),
    [409],
  );
  assert.equal(await bench.read("/b"), "two, edited");
});

test("a file that is too large stays in the folder and is sent once", async (t) => {
  const bench = await mounted(t, { "/a": "one" });
  await bench.write("/large.md", "x".repeat(102_401));
  await bench.write("/small.md", "x");

  const first = await bench.line.during(bench.sync);
  const second = await bench.line.during(bench.sync);

  assert.deepEqual(
    first.map(({ status }) => status),
    [200, 400, 200],
  );
  assert.deepEqual(
    second.map(({ status }) => status),
    [200],
  );
  assert.deepEqual(await contents(bench), { "/a": "one", "/small.md": "x" });
});

test("an upload whose answer is lost is neither lost nor doubled", async (t) => {
  const bench = await mounted(t, { "/a": "one" });

  await bench.write("/new.md", "new");
  bench.line.beforeNext("POST", async () => bench.line.loseNextAnswer());
  await bench.sync();
  await bench.write("/new.md", "new, edited");
  await bench.sync();

  assert.deepEqual(await contents(bench), { "/a": "one", "/new.md": "new, edited" });
  assert.deepEqual(await history(bench), ["created", "created", "modified"]);
});

test("a read-only folder follows the store and never writes to it", async (t) => {
  const bench = await mounted(t, { "/a": "one", "/b": "two", "/c": "three" }, "read_only");

  await bench.write("/a", "one, edited");
  await bench.write("/new.md", "new");
  await bench.remove("/b");
  await edit(bench, "/c", "three, edited");
  const sent = await bench.line.during(bench.sync);
  await bench.mount.finish();

  assert.ok(sent.every(({ method }) => method === "GET"));
  assert.equal(await bench.read("/c"), "three, edited");
  assert.deepEqual(await contents(bench), { "/a": "one", "/b": "two", "/c": "three, edited" });
});

test("a flush uploads many files side by side, and deletes nothing", async (t) => {
  const bench = await mounted(t, { "/a": "one", "/b": "two" });
  const files = Object.fromEntries(
    Array.from({ length: 96 }, (_, index) => [`/d${index % 7}/${index}`, `content ${index}`]),
  );
  for (const [path, content] of Object.entries(files)) await bench.write(path, content);
  await bench.remove("/b");

  const sent = await bench.line.during(() => bench.mount.flushWrites());

  assert.equal(sent.filter(({ method }) => method === "POST").length, 96);
  assert.deepEqual(await contents(bench), { "/a": "one", "/b": "two", ...files });
});
