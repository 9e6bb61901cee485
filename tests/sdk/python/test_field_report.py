"""A good note is overwritten by a short one; the history shows it, and a restore mends it."""

from __future__ import annotations

from support import refused

NOTES = ("keywords: crdt, sequence, rga\n" * 243)[:7_285]
OVERWRITTEN = ("a new paragraph, alone\n" * 66)[:1_509]


def test_an_overwritten_note_is_found_in_the_history_and_restored(connect, api):
    operator = connect(api.sdk.api_key)
    store = api.stores.create(
        name="Research notes", description="What the agent learnt about CRDTs"
    ).id
    within = {"memory_store_id": store}
    written = api.memories.create(store, path="/crdts.md", content=NOTES)
    (note,) = api.memories.list(store, view="full")
    assert note.content == NOTES
    assert len(list(api.versions.list(store))) == 1
    api.memories.update(written.id, content=OVERWRITTEN, **within)

    history = list(operator.versions.list(store, memory_id=written.id))
    bad, good = history
    assert [(v.operation, v.content_size_bytes) for v in history] == [
        ("modified", 1_509),
        ("created", 7_285),
    ]
    old = operator.versions.retrieve(good.id, **within)
    restored = operator.memories.update(
        written.id,
        content=old.content,
        precondition={"type": "content_sha256", "content_sha256": bad.content_sha256},
        **within,
    )

    versions = list(operator.versions.list(store, view="full"))
    assert [v.content_size_bytes for v in versions] == [7_285, 1_509, 7_285]
    assert restored.content_sha256 == written.content_sha256
    assert versions[0].content_sha256 == versions[2].content_sha256
    assert versions[0].id == restored.memory_version_id
    assert versions[1].content == OVERWRITTEN
    assert all(v.created_by.type == "api_actor" for v in versions)
    assert operator.memories.retrieve(written.id, **within).content == NOTES

    redacted = operator.versions.redact(bad.id, **within)
    assert redacted.content is None
    assert redacted.created_by == bad.created_by
    assert [v.content_size_bytes for v in operator.versions.list(store)] == [7_285, None, 7_285]


def test_a_precondition_would_have_stopped_the_overwrite(api, store):
    written = api.memories.create(store, path="/crdts.md", content=NOTES)

    refused(
        "memory_precondition_failed_error",
        api.memories.update,
        written.id,
        memory_store_id=store,
        content=OVERWRITTEN,
        precondition={"type": "content_sha256", "content_sha256": "0" * 64},
    )

    assert api.memories.retrieve(written.id, memory_store_id=store).content == NOTES
