import assert from "node:assert/strict";
import { test } from "node:test";

import { ContentTooLargeError } from "@anthropic-ai/sdk";

import { badRequest, refusal } from "./refusals.js";
import { newMemory, newStore, sha256 } from "./support.js";

const CONTENT_LIMIT = 102_400;
const BODY_LIMIT = 33_554_432;

const LARGEST = [
  ["of one byte a character", "a".repeat(CONTENT_LIMIT)],
  ["of two bytes a character", "é".repeat(CONTENT_LIMIT / 2)],
  ["of four bytes a character", "🦀".repeat(CONTENT_LIMIT / 4)],
  ["of characters that JSON escapes", "\u0001".repeat(CONTENT_LIMIT)],
] as const;

const VERBATIM = [
  ["U+0000", "a\u0000b"],
  [
    "every control character",
    Array.from({ length: 32 }, (_, n) => String.fromCharCode(n)).join(""),
  ],
  ["Windows line ends", "one\r\ntwo\r\n"],
  ["a byte order mark", "\ufefftext"],
  ["decomposed letters", "e\u0301 \u0065\u0301"],
  ["composed letters", "é \u00e9"],
  ["spaces and line ends around it", " \n\ttext\n\n "],
  ["line and paragraph separators", "\u2028\u2029"],
  ["joined emoji", "👩\u200d🚀"],
  ["noncharacters and private use", "\uffff\ufdd0\ue000"],
  ["JSON and escapes", '{"a":"\\u0000\\n"}'],
] as const;

const GOOD_PATHS = [
  ["of 1,024 bytes", `/${"é".repeat(511)}a`],
  ["with 20 segments", "/s".repeat(20)],
  ["with dots", "/.hidden/.../..a/a./a..b"],
  ["with spaces", "/ /a b/ c "],
  ["with composed letters", "/caf\u00e9"],
  ["with a mark that has no composed form", "/x\u0302"],
  ["with emoji", "/🦀/👍🏽"],
  ["with private use", "/\ue000"],
  ["with what URLs and file systems find special", '/a%2Fb/c?d#e&f=g+h;i:j*k\\l"m<n>o|p~'],
  ["of a sync client's marker", "/.anthropic-memory-store"],
] as const;

const BAD_PATHS = [
  ["of 1,025 bytes", `/${"é".repeat(512)}`],
  ["of 1,025 bytes in four-byte characters", `/${"🦀".repeat(256)}`],
  ["with 21 segments", "/s".repeat(21)],
  ["without a leading slash", "a"],
  ["with nothing in it", ""],
  ["that is the root", "/"],
  ["with an empty segment", "/a//b"],
  ["with a leading empty segment", "//a"],
  ["with a trailing slash", "/a/"],
  ["with a dot segment", "/a/./b"],
  ["with a final dot segment", "/a/."],
  ["with a dot-dot segment", "/a/../b"],
  ["with a final dot-dot segment", "/.."],
  ["with decomposed letters", "/cafe\u0301"],
  ["with U+0000", "/a\u0000b"],
  ["with a line end", "/a\nb"],
  ["with U+007F", "/a\u007fb"],
  ["with U+0085", "/a\u0085b"],
  ["with a soft hyphen", "/a\u00adb"],
  ["with a zero width joiner", "/👩\u200d🚀"],
  ["with a right-to-left override", "/a\u202eb"],
  ["with a byte order mark", "/\ufeffa"],
  ["with a tag character", "/a\u{e0041}"],
  ["with a line separator", "/a\u2028b"],
  ["with a paragraph separator", "/a\u2029b"],
  ["with half a surrogate pair", "/a\ud800b"],
] as const;

for (const [kind, content] of LARGEST) {
  test(`a content of 102,400 bytes ${kind} is kept, and not one more`, async () => {
    const { memories, store, inStore, memory } = await newMemory("", "/small");

    const created = await memories.create(store.id, { path: "/a", content, view: "full" });

    assert.equal(created.content_size_bytes, CONTENT_LIMIT);
    assert.equal(created.content_sha256, sha256(content));
    assert.equal(created.content, content);
    const more = `${content}.`;
    await badRequest(memories.create(store.id, { path: "/b", content: more }), /102,?400/);
    await badRequest(memories.update(memory.id, { ...inStore, content: more }), /102,?400/);
  });
}

for (const [kind, content] of VERBATIM) {
  test(`a content with ${kind} is kept byte for byte`, async () => {
    const { memories, versions, inStore, memory } = await newMemory(content);

    assert.equal(memory.content_sha256, sha256(content));
    assert.equal(memory.content_size_bytes, Buffer.byteLength(content));
    assert.equal((await memories.retrieve(memory.id, inStore)).content, content);
    const version = await versions.retrieve(memory.memory_version_id, inStore);
    assert.deepEqual([version.content, version.content_sha256], [content, sha256(content)]);
  });
}

test("a content with half a surrogate pair is refused", async () => {
  const { memories, store, inStore, memory } = await newMemory();

  await badRequest(memories.create(store.id, { path: "/b", content: "a\ud800b" }));
  await badRequest(memories.update(memory.id, { ...inStore, content: "\udc00" }));
});

for (const [kind, path] of GOOD_PATHS) {
  test(`a path ${kind} is kept`, async () => {
    const { memories, store, inStore } = await newStore();

    const created = await memories.create(store.id, { path, content: "" });
    assert.equal(created.path, path);

    await memories.update(created.id, { ...inStore, path: "/elsewhere" });
    const renamed = await memories.update(created.id, { ...inStore, path });
    assert.equal(renamed.path, path);
    assert.deepEqual((await memories.list(store.id)).data, [renamed]);
  });
}

for (const [kind, path] of BAD_PATHS) {
  test(`a path ${kind} is refused and leaves nothing behind`, async () => {
    const { memories, versions, store, inStore, memory } = await newMemory("", "/good");

    await badRequest(memories.create(store.id, { path, content: "" }));
    await badRequest(memories.update(memory.id, { ...inStore, path }));
    await badRequest(memories.update(memory.id, { ...inStore, path, content: "new" }));

    assert.deepEqual((await memories.list(store.id)).data, [memory]);
    assert.equal((await versions.list(store.id)).data.length, 1);
  });
}

test("paths differ by case", async () => {
  const { memories, store } = await newStore();

  await memories.create(store.id, { path: "/Notes/A", content: "" });
  await memories.create(store.id, { path: "/notes/a", content: "" });
});

test("a body has at most 33,554,432 bytes", async () => {
  const { memories, store } = await newStore();
  const overhead = Buffer.byteLength(JSON.stringify({ path: "/a", content: "" }));
  const largest = "a".repeat(BODY_LIMIT - overhead);
  const create = (content: string) => memories.create(store.id, { path: "/a", content });

  await badRequest(create(largest), /102,?400/);
  const error = await refusal(ContentTooLargeError, "request_too_large", create(`${largest}.`));
  assert.equal(error.status, 413);
});
