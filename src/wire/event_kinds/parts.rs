//! What events are made of: content, permissions, errors, usage, results.

use crate::wire::schema::{COUNT, Field, Shape, TEXT, Variant, list, nullable, required, text};

/// The longest rubric that is given as text, in characters.
const RUBRIC_CHARS: usize = 262_144;

const FILE: Variant = ("file", &[required("file_id", TEXT)]);
const URL: Variant = ("url", &[required("url", TEXT)]);
const BASE64: Variant = ("base64", &[required("data", TEXT), required("media_type", TEXT)]);
const PLAIN: Variant =
    ("text", &[required("data", TEXT), required("media_type", Shape::OneOf(&["text/plain"]))]);

const WORDS: Variant = ("text", &[required("text", TEXT)]);
const IMAGE: Variant = ("image", &[required("source", Shape::Union(&[BASE64, URL, FILE]))]);
const DOCUMENT: Variant = (
    "document",
    &[
        required("source", Shape::Union(&[BASE64, PLAIN, URL, FILE])),
        nullable("context", TEXT),
        nullable("title", TEXT),
    ],
);
const SEARCH_RESULT: Variant = (
    "search_result",
    &[
        required("citations", Shape::Object(&[required("enabled", Shape::Bool)])),
        required("content", TEXT_CONTENT),
        required("source", TEXT),
        required("title", TEXT),
    ],
);
/// Stands for content that was withheld.
const REDACTED: Variant = ("redacted", &[]);

pub const TEXT_CONTENT: Shape = list(&Shape::Union(&[WORDS]));
pub const MESSAGE_CONTENT: Shape = list(&Shape::Union(&[WORDS, IMAGE, DOCUMENT, REDACTED]));
pub const AGENT_CONTENT: Shape = list(&Shape::Union(&[WORDS, REDACTED]));
pub const RESULT_CONTENT: Shape = list(&Shape::Union(&[WORDS, IMAGE, DOCUMENT, SEARCH_RESULT]));

pub const RUBRIC: Shape =
    Shape::Union(&[FILE, ("text", &[required("content", text(0, RUBRIC_CHARS))])]);

pub const PERMISSION: Field =
    nullable("evaluated_permission", Shape::OneOf(&["allow", "ask", "deny"]));

/// The policy behind a permission. Reason codes are an open set.
pub const EVALUATION: Field = nullable(
    "evaluation",
    Shape::Union(&[
        ("always_allow", &[]),
        ("always_ask", &[]),
        (
            "auto",
            &[required(
                "evaluated_permission",
                Shape::Union(&[
                    ("allow", &[]),
                    ("ask", &[required("reason_code", TEXT)]),
                    ("deny", &[required("reason_code", TEXT)]),
                ]),
            )],
        ),
    ]),
);

pub const STOP_REASON: Field = required(
    "stop_reason",
    Shape::Union(&[
        ("end_turn", &[]),
        ("requires_action", &[required("event_ids", list(&TEXT))]),
        ("retries_exhausted", &[]),
        ("budget_reached", &[]),
        ("refusal", &[]),
    ]),
);

/// Categories are an open set: "New values can be added over time".
pub const STOP_DETAILS: Field = nullable(
    "stop_details",
    Shape::Union(&[("refusal", &[nullable("category", TEXT), nullable("explanation", TEXT)])]),
);

const MESSAGE: Field = required("message", TEXT);
const RETRY_STATUS: Field = required(
    "retry_status",
    Shape::Union(&[("retrying", &[]), ("exhausted", &[]), ("terminal", &[])]),
);
const PLAIN_ERROR: &[Field] = &[MESSAGE, RETRY_STATUS];
const MCP_ERROR: &[Field] = &[required("mcp_server_name", TEXT), MESSAGE, RETRY_STATUS];
const REPOSITORY_ERROR: &[Field] = &[MESSAGE, nullable("repository_url", TEXT), RETRY_STATUS];
const CREDENTIAL_ERROR: &[Field] =
    &[required("credential_id", TEXT), MESSAGE, RETRY_STATUS, required("vault_id", TEXT)];

pub const SESSION_ERROR: Shape = Shape::Union(&[
    ("unknown_error", PLAIN_ERROR),
    ("model_overloaded_error", PLAIN_ERROR),
    ("model_rate_limited_error", PLAIN_ERROR),
    ("model_request_failed_error", PLAIN_ERROR),
    ("mcp_connection_failed_error", MCP_ERROR),
    ("mcp_authentication_failed_error", MCP_ERROR),
    ("billing_error", PLAIN_ERROR),
    ("credential_host_unreachable_error", CREDENTIAL_ERROR),
    ("tool_use_limit_reached_error", PLAIN_ERROR),
    ("compaction_limit_reached_error", PLAIN_ERROR),
    ("repository_authentication_error", REPOSITORY_ERROR),
    ("repository_forbidden_error", REPOSITORY_ERROR),
    ("repository_not_found_error", REPOSITORY_ERROR),
    ("repository_checkout_error", REPOSITORY_ERROR),
    ("repository_clone_error", REPOSITORY_ERROR),
]);

pub const SPEED: Shape = Shape::OneOf(&["standard", "fast"]);

/// The usage of model requests.
pub const MODEL_USAGE: Shape = Shape::Object(&[
    required("cache_creation_input_tokens", COUNT),
    required("cache_read_input_tokens", COUNT),
    required("input_tokens", COUNT),
    required("output_tokens", COUNT),
    nullable("speed", SPEED),
]);

const MONEY: Shape = Shape::Object(&[
    required("amount", Shape::Amount),
    required("currency", Shape::OneOf(&["USD"])),
]);

/// Of a session; stored, since nothing is spent here.
pub const BUDGET: Shape = Shape::Union(&[("limit", &[required("max_list_cost", MONEY)])]);

/// The usage of a session so far.
pub const SESSION_USAGE: Shape = Shape::Object(&[
    nullable("active_seconds", Shape::Number),
    nullable(
        "cache_creation",
        Shape::Object(&[
            nullable("ephemeral_1h_input_tokens", COUNT),
            nullable("ephemeral_5m_input_tokens", COUNT),
        ]),
    ),
    nullable("cache_read_input_tokens", COUNT),
    nullable("input_tokens", COUNT),
    nullable("list_cost", MONEY),
    nullable("output_tokens", COUNT),
    nullable(
        "server_tool_use",
        Shape::Object(&[
            nullable("web_fetch_requests", COUNT),
            nullable("web_search_requests", COUNT),
        ]),
    ),
]);

pub const WORKFLOW_PHASES: Shape = list(&Shape::Object(&[
    required("id", TEXT),
    nullable("description", TEXT),
    required("name", TEXT),
]));

pub const WORKFLOW_ERROR: Shape = Shape::Union(&[
    ("timeout_error", &[MESSAGE]),
    ("program_error", &[MESSAGE]),
    ("unknown_error", &[MESSAGE]),
    ("thread_limit_error", &[MESSAGE]),
    ("max_workflow_runs_error", &[MESSAGE]),
]);

pub const WORKFLOW_RESULT: Shape = Shape::Union(&[
    ("completed", &[]),
    ("error", &[required("error", WORKFLOW_ERROR)]),
    ("stopped", &[]),
]);
