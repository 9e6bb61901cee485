"""Why a request that fits the contract's schemas may be refused with 400 all the same.

A schema says nothing of what exists, in which state it is, or how two values go together. Any other
400 to such a request is a defect: of the server, or of `openapi.yaml`.
"""

from __future__ import annotations

import re

REASONS = [
    # What it is about is in a state that forbids it.
    r"^cannot modify archived resource: ",
    r" is terminated: it takes no more events$",
    r" is running: its agent can be changed while it is idle$",
    r"^events\.\d+: user\.tool_result is for sessions in a self-hosted environment$",
    r"^events\.\d+: a session has at most 100 outcomes$",
    r" is archived: it (takes no new sessions|can't be (attached to a|used for new) sessions?)$",
    r"is running: it can be (archived|deleted) once it is idle or terminated$",
    r"^budget: a session that was made without a budget can't be given one$",
    r"is (cloud|self_hosted), which can't be changed: make another$",
    r"is cloud: only a self_hosted one has a work queue$",
    r"^metadata must have at most 16 pairs; these would be \d+$",
    r" is the head of the live memory ",
    r" has reached its limit of \d+ memor",
    # What it names is not there, or something else.
    r"^page is not a page token of this server",
    r"^page belongs to (a list of|another list)",
    r"^page lies outside the created_at range: ",
    r"^Last-Event-ID: .* is no event of this session$",
    r"^events\.\d+(\.stop_reason\.event_ids)?: .* is no .*event of this session$",
    # Two values don't go together.
    r"^only one of store_id and workspace_id may be given$",
    r"is attached more than once$",
    r"\.name: another server has this name$",
    r"^events\.\d+\.deny_message: only a result of \"deny\" has one$",
    r"^events\.\d+: a system\.message is the last event of its request",
    r"^expires_at must be in the future; ",
    r" bytes of JSON together; these are \d+$",
    # JSON has one kind of number, so that a schema can't tell 2.0 from 2.
    r"invalid type: floating point `[^`]*`, expected (a whole number|i64)$",
    # Always: the operation exists so that clients are told.
    r"^resources: memory stores are attached when a session is created",
]
KNOWN = re.compile("|".join(f"(?:{reason})" for reason in REASONS), re.DOTALL)


def is_known(message: str) -> bool:
    return KNOWN.search(message) is not None
