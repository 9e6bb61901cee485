import { APIError, type ClientOptions } from "@anthropic-ai/sdk";
import assert from "node:assert/strict";
import { test } from "node:test";

import { newTarget, operations } from "./operations.js";
import { badRequest, failure, notFound, refusal, unauthorized } from "./refusals.js";
import { BETA, connect, newStore, randomKey, UNKNOWN } from "./support.js";

const REQUEST = /^req_[0-9A-Za-z]+$/;
const WORKSPACE = /^wrkspc_[0-9A-Za-z]+$/;

for (const { name, call } of operations) {
  test(`${name} answers with the ids of request, organization and workspace`, async () => {
    const { client, stores } = connect();
    const target = await newTarget(client);

    const { data, response, request_id, workspace_id } = await call(stores, target).withResponse();

    assert.ok(data);
    assert.equal(response.status, 200);
    assert.match(request_id ?? "", REQUEST);
    assert.match(workspace_id ?? "", WORKSPACE);
    assert.ok(response.headers.get("anthropic-organization-id"));
    assert.match(response.headers.get("content-type") ?? "", /^application\/json\b/);
  });

  test(`${name} accepts betas and its own workspace, and no other workspace`, async () => {
    const { client, stores } = connect();
    const target = await newTarget(client);
    const { workspace_id } = await stores.list().withResponse();
    assert.ok(workspace_id);

    await badRequest(call(stores, target, { workspace_id: "nonsense" }), /workspace/);
    await notFound(call(stores, target, { workspace_id: `wrkspc_${UNKNOWN}` }));
    await call(stores, target, { workspace_id, betas: ["managed-agents-2026-04-01"] });
  });

  test(`${name} needs a credential`, async () => {
    const { client } = connect();
    const target = await newTarget(client);
    const anonymous = connect({ defaultHeaders: { Authorization: null } });

    await unauthorized(call(anonymous.stores, target));
  });
}

test("results carry the ids of their request and workspace", async () => {
  const { stores } = connect();

  const first = await stores.create({ name: "n" });
  const second = await stores.create({ name: "n" });

  assert.match(first._request_id ?? "", REQUEST);
  assert.notEqual(first._request_id, second._request_id);
  assert.match(first._workspace_id ?? "", WORKSPACE);
  assert.equal(first._workspace_id, second._workspace_id);
});

test("errors carry the ids of their request and workspace", async () => {
  const { stores } = connect();
  const { _workspace_id } = await stores.create({ name: "n" });

  const error = await notFound(stores.retrieve(`memstore_${UNKNOWN}`));

  assert.match(error.requestID ?? "", REQUEST);
  assert.equal(error.workspaceID, _workspace_id);
});

test("every key has a workspace of its own", async () => {
  const first = await connect().stores.create({ name: "n" });
  const second = await connect().stores.create({ name: "n" });

  assert.notEqual(first._workspace_id, second._workspace_id);
});

test("another key's workspace is not found", async () => {
  const { _workspace_id } = await connect().stores.create({ name: "n" });

  await notFound(connect().stores.list({ workspace_id: _workspace_id ?? "" }));
});

test("an answer has the content type that the SDK parses, errors too", async () => {
  const { stores } = connect();

  const error = await notFound(stores.retrieve("x"));

  assert.match(error.headers.get("content-type") ?? "", /^application\/json\b/);
});

test("a key is accepted in either header, and in both if it is the same", async () => {
  const apiKey = randomKey();
  const lists = (defaultHeaders: ClientOptions["defaultHeaders"]) =>
    connect({ apiKey, defaultHeaders }).stores.list().withResponse();

  const bearer = await lists({});
  const older = await lists({ Authorization: null, "x-api-key": apiKey });
  const both = await lists({ "x-api-key": apiKey });

  assert.equal(older.workspace_id, bearer.workspace_id);
  assert.equal(both.workspace_id, bearer.workspace_id);
});

test("two different keys in one request are refused", async () => {
  const { stores } = connect({ defaultHeaders: { "x-api-key": randomKey() } });

  await unauthorized(stores.list());
});

test("the wire shape of older SDKs is served", async () => {
  const key = randomKey();
  const { client, stores } = connect({
    apiKey: key,
    defaultHeaders: {
      Authorization: null,
      "x-api-key": key,
      "anthropic-version": "2023-06-01",
    },
    defaultQuery: { beta: "true", order_by: "path", order: "asc" },
  });

  const target = await newTarget(client);

  for (const { call } of operations.filter(({ scope }) => scope === "read")) {
    await call(stores, target);
  }
});

test("the version header may be absent, but not unknown", async () => {
  const { stores } = connect();
  const version = (value: string | null) => ({ headers: { "anthropic-version": value } });

  await stores.list({}, version(null));
  await badRequest(stores.list({}, version("2020-01-01")), /anthropic-version/);
});

test("a request without a beta header is told which one it needs", async () => {
  const { stores } = connect();

  const call = stores.list({}, { headers: { "anthropic-beta": null } });

  const { apiMessage } = await badRequest(call, /anthropic-beta/);
  assert.match(apiMessage ?? "", /agent-memory-2026-07-22/);
  assert.match(apiMessage ?? "", /managed-agents-2026-04-01/);
});

test("either beta will do, and unknown ones are ignored", async () => {
  const { stores } = connect();
  const beta = (value: string) => ({ headers: { "anthropic-beta": value } });

  await stores.list({}, beta("managed-agents-2026-04-01"));
  await stores.list({}, beta(`something-2030-01-01, ${BETA}`));
  await stores.list({ betas: ["something-2030-01-01", "dreaming-2026-04-21"] });
  await badRequest(stores.list({}, beta("something-2030-01-01")), /anthropic-beta/);
});

test("unknown query parameters are ignored", async () => {
  const { memories, store } = await newStore({ defaultQuery: { colour: "red", order: "desc" } });

  await memories.create(store.id, { path: "/a", content: "" });
});

test("a route that doesn't exist is not found, once", async () => {
  const { client, line, store } = await newStore();
  const headers = { "anthropic-beta": BETA };

  const sent = await line.during(async () => {
    const call = client.get(`/v1/memory_stores/${store.id}/nothing`, { headers });
    const error = await failure(call);
    assert.ok(error instanceof APIError);
    assert.deepEqual([error.status, error.type], [404, "not_found_error"]);
    assert.equal(error.headers?.get("x-should-retry"), "false");
  });

  assert.equal(sent.length, 1);
});

test("a method that doesn't exist is refused in the contract's words", async () => {
  const { client, store } = await newStore();
  const headers = { "anthropic-beta": BETA };

  const calls = [
    client.put(`/v1/memory_stores/${store.id}`, { headers, body: {} }),
    client.patch(`/v1/memory_stores/${store.id}`, { headers, body: {} }),
    client.delete("/v1/memory_stores", { headers }),
  ];
  const refusals = calls.map((call) => refusal(APIError, "invalid_request_error", call));
  for (const { status } of await Promise.all(refusals)) assert.equal(status, 405);
});

test("actions ignore a body", async () => {
  const { client, store } = await newStore();
  const headers = { "anthropic-beta": BETA };

  await client.post(`/v1/memory_stores/${store.id}/archive`, { headers, body: { any: 1 } });
  await client.delete(`/v1/memory_stores/${store.id}`, { headers, body: { any: 1 } });
});

test("a body must be a JSON object", async () => {
  const { client } = connect();
  const headers = { "anthropic-beta": BETA, "content-type": "application/json" };

  for (const body of ["", "{", "[]", '"n"', "null", '{"name":"a","name":"b"}']) {
    await badRequest(client.post("/v1/memory_stores", { headers, body }));
  }
});
