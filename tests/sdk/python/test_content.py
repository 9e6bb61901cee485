"""Content goes in and comes out byte for byte, up to its limit."""

from __future__ import annotations

from hashlib import sha256

import anthropic
import pytest

from support import refused

LIMIT = 102_400
TEXTS = {
    "empty": "",
    "no final newline": "hi",
    "crlf": "a\r\nb\r\n",
    "lone cr": "a\rb",
    "byte order mark": "\ufeffa",
    "decomposed": "cafe\u0301",
    "null": "a\x00b",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85",
    "separators": "a\u2028b\u2029c",
    "joined emoji": "👩\u200d💻",
    "noncharacters": "\uffff\U0010ffff",
    "trailing space": " a \n \n\n",
    "looks like json": '{"a": "\\u0000"}',
    "longest": "x" * LIMIT,
    "longest of two bytes": "é" * (LIMIT // 2),
    "longest escaped": "\x01" * LIMIT,
}
TOO_LONG = {
    "one byte": "x" * (LIMIT + 1),
    "one byte after two": "é" * (LIMIT // 2) + "x",
    "fewer characters": "🙂" * (LIMIT // 4 + 1),
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_content_is_kept_byte_for_byte(api, store, text: str):
    created = api.memories.create(store, path="/a", content=text, view="full")
    other = api.memories.create(store, path="/b", content="other")
    updated = api.memories.update(other.id, memory_store_id=store, content=text, view="full")
    retrieved = api.memories.retrieve(created.id, memory_store_id=store)
    version = api.versions.retrieve(created.memory_version_id, memory_store_id=store)

    for kept in (created, updated, retrieved, version):
        assert kept.content == text
        assert kept.content_size_bytes == len(text.encode())
        assert kept.content_sha256 == sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("text", TOO_LONG.values(), ids=TOO_LONG)
def test_content_over_the_limit_is_refused_and_changes_nothing(api, store, text: str):
    memory = api.memories.create(store, path="/a", content="x")

    refused("invalid_request_error", api.memories.create, store, path="/b", content=text)
    refused(
        "invalid_request_error",
        api.memories.update,
        memory.id,
        memory_store_id=store,
        content=text,
    )

    assert list(api.memories.list(store)) == [memory]


def test_a_body_over_the_limit_is_too_large(api, store):
    with pytest.raises(anthropic.ContentTooLargeError) as refusal:
        api.memories.create(store, path="/a", content="x" * 33_554_432)

    assert refusal.value.body["error"]["type"] == "request_too_large"
    assert refusal.value.request_id == refusal.value.body["request_id"]
    assert list(api.memories.list(store)) == []
