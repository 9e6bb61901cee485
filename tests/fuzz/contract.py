"""openapi.yaml as schemathesis can read it."""

from __future__ import annotations

from typing import Any


def spell_out(document: dict[str, Any]) -> None:
    close_events(document)
    describe_frames(document)


def close_events(document: dict[str, Any]) -> None:
    """Closes each kind of event that is sent, instead of their union.

    It means the same, and nothing can be drawn from a union with `unevaluatedProperties`.
    """
    schemas = document["components"]["schemas"]
    for name in ("ClientEvent", "InitialEvent", "HarnessEvent"):
        union = schemas[name]
        assert union.pop("unevaluatedProperties") is False
        del union["discriminator"]
        union["oneOf"] = [closed(schemas, branch["$ref"]) for branch in union["oneOf"]]


def closed(schemas: dict[str, Any], reference: str) -> dict[str, Any]:
    fields = schemas[reference.removeprefix("#/components/schemas/")]
    assert fields.keys() <= {"type", "description", "required", "properties"}, reference
    return {**fields, "additionalProperties": False}


def describe_frames(document: dict[str, Any]) -> None:
    """Says what a frame of the stream holds, which OpenAPI 3.1 has no words for."""
    stream = document["paths"]["/v1/sessions/{session_id}/events/stream"]["get"]
    media = stream["responses"]["200"]["content"]["text/event-stream"]
    media["schema"] = {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"$ref": "#/components/schemas/SessionEvent"},
            }
        },
    }
    del media["examples"]
