import assert from "node:assert/strict";
import { test } from "node:test";

import { badRequest } from "./refusals.js";
import { all, BETA, body, connect, ids, untyped } from "./support.js";

async function threeStores() {
  const connection = connect();
  const create = (name: string) => connection.stores.create({ name });
  const [a, b, c] = [await create("a"), await create("b"), await create("c")];
  return { ...connection, a, b, c };
}

test("stores are listed newest first, with all their fields", async () => {
  const { stores, a, b, c } = await threeStores();

  assert.deepEqual(await all(stores.list()), [c, b, a]);
});

test("a page of stores is data and next_page, and nothing else", async () => {
  const { stores, a, b, c } = await threeStores();

  assert.deepEqual(await body(stores.list()), { data: [c, b, a], next_page: null });

  const first = await body(stores.list({ limit: 2 }));
  assert.deepEqual(Object.keys(first), ["data", "next_page"]);
  assert.match(String(first.next_page), /^page_/);
});

test("a workspace without stores has one empty page", async () => {
  assert.deepEqual(await body(connect().stores.list()), { data: [], next_page: null });
});

test("archived stores are listed only on demand, in the same order", async () => {
  const { stores, a, b, c } = await threeStores();
  const archived = await stores.archive(b.id);

  assert.deepEqual(await ids(stores.list()), [c.id, a.id]);
  assert.deepEqual(await ids(stores.list({ include_archived: false })), [c.id, a.id]);
  assert.deepEqual(await all(stores.list({ include_archived: true })), [c, archived, a]);
});

test("deleted stores are not listed", async () => {
  const { stores, a, b, c } = await threeStores();

  await stores.delete(b.id);

  assert.deepEqual(await ids(stores.list({ include_archived: true })), [c.id, a.id]);
});

test("pages of one store each come through the iterator and through getNextPage", async () => {
  const { stores, a, b, c, line } = await threeStores();
  await stores.archive(b.id);
  const query = { limit: 1, include_archived: true };

  const sent = await line.during(async () => {
    assert.deepEqual(await ids(stores.list(query)), [c.id, b.id, a.id]);
  });
  assert.equal(sent.length, 3);

  const first = await stores.list(query);
  assert.ok(first.hasNextPage());
  const second = await first.getNextPage();
  assert.deepEqual(
    second.data.map(({ id }) => id),
    [b.id],
  );
  const third = await second.getNextPage();
  assert.deepEqual(
    third.data.map(({ id }) => id),
    [a.id],
  );
  assert.equal(third.next_page, null);
  assert.ok(!third.hasNextPage());
});

test("a null page is the first page", async () => {
  const { stores, c } = await threeStores();

  assert.deepEqual((await stores.list({ page: null, limit: 1 })).data, [c]);
});

test("a page has 20 stores unless told otherwise", async () => {
  const { stores } = connect();
  const names = Array.from({ length: 21 }, (_, index) => `store ${index}`);
  await Promise.all(names.map((name) => stores.create({ name })));

  assert.equal((await stores.list()).data.length, 20);
  assert.equal((await stores.list({ limit: 100 })).data.length, 21);
  assert.deepEqual((await all(stores.list())).map(({ name }) => name).sort(), names.sort());
});

test("a limit is a whole number from 1 to 100", async () => {
  const { stores } = connect();

  for (const limit of [0, -1, 101, 1.5, "ten"]) {
    await badRequest(stores.list({ limit: untyped(limit) }), /limit/);
  }
});

test("both bounds on created_at are inclusive", async () => {
  const { stores, a, b, c } = await threeStores();
  const from = { "created_at[gte]": b.created_at };
  const until = { "created_at[lte]": b.created_at };

  assert.deepEqual(await ids(stores.list(from)), [c.id, b.id]);
  assert.deepEqual(await ids(stores.list(until)), [b.id, a.id]);
  assert.deepEqual(await ids(stores.list({ ...from, ...until })), [b.id]);
  assert.deepEqual(await ids(stores.list({ ...from, limit: 1 })), [c.id, b.id]);
});

test("bounds that exclude each other give an empty page", async () => {
  const { stores, a, c } = await threeStores();
  const range = { "created_at[gte]": c.created_at, "created_at[lte]": a.created_at };

  assert.deepEqual(await body(stores.list(range)), { data: [], next_page: null });
});

test("a bound may have any offset, even with its plus sign read as a space", async () => {
  const { client, stores, b, c } = await threeStores();
  const later = new Date(Date.parse(b.created_at) + 2 * 3_600_000).toISOString().slice(0, 19);
  const bound = `${later}${b.created_at.slice(19, -1)}+02:00`;

  assert.deepEqual(await ids(stores.list({ "created_at[gte]": bound })), [c.id, b.id]);

  const raw = client.get(`/v1/memory_stores?created_at[gte]=${bound}`, {
    headers: { "anthropic-beta": BETA },
  });
  assert.deepEqual((await body(raw)).data, [c, b]);
});

test("a bound that is no RFC 3339 time is refused", async () => {
  const { stores } = connect();

  for (const bound of ["yesterday", "2026-11-22", "2026-11-22T10:00:00", "1700000000"]) {
    await badRequest(stores.list({ "created_at[gte]": bound }), /created_at/);
    await badRequest(stores.list({ "created_at[lte]": bound }), /created_at/);
  }
});

test("include_archived is true or false", async () => {
  await badRequest(connect().stores.list({ include_archived: untyped("maybe") }), /include_arch/);
});

test("a page token that was never given is refused", async () => {
  const { stores, memories, a, c } = await threeStores();
  await memories.create(a.id, { path: "/a", content: "" });
  await memories.create(a.id, { path: "/b", content: "" });
  const { next_page: ofMemories } = await memories.list(a.id, { limit: 1 });

  for (const page of ["page_", "page_x", "page_AAAA", "x", c.id, ofMemories]) {
    await badRequest(stores.list({ page }), /page/);
  }
});

test("a page token outlives a change of limit, but not bounds that exclude its place", async () => {
  const { stores, a, b, c } = await threeStores();
  const { next_page: page } = await stores.list({ limit: 1 });

  assert.deepEqual(await ids(stores.list({ page, limit: 100 })), [b.id, a.id]);
  assert.deepEqual(await ids(stores.list({ page, "created_at[lte]": c.created_at })), [b.id, a.id]);
  await badRequest(stores.list({ page, "created_at[lte]": b.created_at }), /page|created_at/);
});
