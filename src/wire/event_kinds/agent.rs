//! The agent of a session as `session.updated` shows it: resolved, with every default filled in.

use super::parts::SPEED;
use crate::wire::schema::{COUNT, Field, Shape, TEXT, Variant, list, nullable, required};

const EXECUTION_IDENTITY: Shape =
    Shape::Union(&[("aws_role", &[required("role_arn", TEXT)]), ("service_account", &[])]);

const MCP_SERVERS: Shape =
    list(&Shape::Union(&[("url", &[required("name", TEXT), required("url", TEXT)])]));

const EFFORT: Shape =
    Shape::Union(&[("low", &[]), ("medium", &[]), ("high", &[]), ("xhigh", &[]), ("max", &[])]);

const MODEL: Shape = Shape::Object(&[
    required("id", TEXT),
    nullable("effort", EFFORT),
    nullable("inference_geo", TEXT),
    nullable("speed", SPEED),
]);

const SKILL: &[Field] = &[required("skill_id", TEXT), required("version", TEXT)];
const SKILLS: Shape = list(&Shape::Union(&[("anthropic", SKILL), ("custom", SKILL)]));

const VERSION: Field = required("version", Shape::Integer { min: 1, max: i64::MAX });

const ENABLED: Field = required("enabled", Shape::Bool);
const POLICY: Field = required(
    "permission_policy",
    Shape::Union(&[("always_allow", &[]), ("always_ask", &[]), ("auto", &[])]),
);
const DEFAULT_CONFIG: Field = required("default_config", Shape::Object(&[ENABLED, POLICY]));

/// The name of a built-in tool, which its `type` says too.
const fn named(name: &'static [&'static str]) -> Field {
    required("name", Shape::OneOf(name))
}

const TOOL_REFERENCES: Field = required(
    "tools",
    Shape::List { of: &Shape::Union(&[("tool_reference", &[required("name", TEXT)])]), max: 128 },
);
const TOOL_FILTER: Shape = Shape::Union(&[
    ("all", &[]),
    ("none", &[]),
    ("only", &[TOOL_REFERENCES]),
    ("except", &[TOOL_REFERENCES]),
]);
const URL_SOURCES: Shape = Shape::Object(&[
    nullable("client_tool_results", TOOL_FILTER),
    nullable("server_tool_results", TOOL_FILTER),
    nullable("user_input", Shape::Union(&[("all", &[]), ("none", &[])])),
]);
const USER_LOCATION: Shape = Shape::Union(&[(
    "approximate",
    &[
        nullable("city", TEXT),
        nullable("country", TEXT),
        nullable("region", TEXT),
        nullable("timezone", TEXT),
    ],
)]);
const WEB_FETCH: Variant = (
    "web_fetch",
    &[
        ENABLED,
        named(&["web_fetch"]),
        POLICY,
        nullable("url_sources", URL_SOURCES),
        nullable("allowed_domains", list(&TEXT)),
        nullable("blocked_domains", list(&TEXT)),
        nullable("max_content_tokens", COUNT),
    ],
);
const WEB_SEARCH: Variant = (
    "web_search",
    &[
        ENABLED,
        named(&["web_search"]),
        POLICY,
        nullable("allowed_domains", list(&TEXT)),
        nullable("blocked_domains", list(&TEXT)),
        nullable("user_location", USER_LOCATION),
    ],
);

const AGENT_TOOLSET: Variant = (
    "agent_toolset_20260401",
    &[
        required(
            "configs",
            list(&Shape::Union(&[
                ("bash", &[ENABLED, named(&["bash"]), POLICY]),
                ("edit", &[ENABLED, named(&["edit"]), POLICY]),
                ("read", &[ENABLED, named(&["read"]), POLICY]),
                ("write", &[ENABLED, named(&["write"]), POLICY]),
                ("glob", &[ENABLED, named(&["glob"]), POLICY]),
                ("grep", &[ENABLED, named(&["grep"]), POLICY]),
                WEB_FETCH,
                WEB_SEARCH,
            ])),
        ),
        DEFAULT_CONFIG,
    ],
);
const MCP_TOOLSET: Variant = (
    "mcp_toolset",
    &[
        required("configs", list(&Shape::Object(&[ENABLED, required("name", TEXT), POLICY]))),
        DEFAULT_CONFIG,
        required("mcp_server_name", TEXT),
    ],
);
/// The schema is the agent author's.
const CUSTOM_TOOL: Variant = (
    "custom",
    &[
        required("description", TEXT),
        required("input_schema", Shape::AnyObject),
        required("name", TEXT),
    ],
);
const TOOLS: Shape = list(&Shape::Union(&[AGENT_TOOLSET, MCP_TOOLSET, CUSTOM_TOOL]));

/// An agent that this one may call on: all but what this one itself may call on.
const THREAD_AGENT: Variant = (
    "agent",
    &[
        required("id", TEXT),
        nullable("description", TEXT),
        required("execution_identity", EXECUTION_IDENTITY),
        required("mcp_servers", MCP_SERVERS),
        required("model", MODEL),
        required("name", TEXT),
        required("skills", SKILLS),
        nullable("system", TEXT),
        required("tools", TOOLS),
        VERSION,
    ],
);

const SPAWNABLE: Shape = Shape::Union(&[
    (
        "enabled",
        &[
            required("inline_agents", Shape::Union(&[("enabled", &[]), ("disabled", &[])])),
            required("predefined_agents", list(&Shape::Union(&[THREAD_AGENT]))),
        ],
    ),
    ("disabled", &[]),
]);
const ADVISOR_MODEL: &[Field] = &[required("model", TEXT)];
const MULTIAGENT: Shape = Shape::Union(&[
    (
        "coordinator",
        &[required("agents", list(&Shape::Union(&[THREAD_AGENT, ("advisor", ADVISOR_MODEL)])))],
    ),
    (
        "multiagent_20261001",
        &[
            required("advisor", Shape::Union(&[("enabled", ADVISOR_MODEL), ("disabled", &[])])),
            required("subagents", SPAWNABLE),
            required("workflows", SPAWNABLE),
        ],
    ),
]);

pub const AGENT: Shape = Shape::Union(&[(
    "agent",
    &[
        required("id", TEXT),
        nullable("description", TEXT),
        required("execution_identity", EXECUTION_IDENTITY),
        required("mcp_servers", MCP_SERVERS),
        required("model", MODEL),
        nullable("multiagent", MULTIAGENT),
        required("name", TEXT),
        required("skills", SKILLS),
        nullable("system", TEXT),
        required("tools", TOOLS),
        VERSION,
    ],
)]);

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::wire::schema::check;

    fn refusal(agent: &Value) -> String {
        check(agent, &AGENT, "agent").map_or_else(|error| error.to_string(), |()| "accepted".into())
    }

    fn agent() -> Value {
        json!({
            "type": "agent",
            "id": "agent_1",
            "version": 1,
            "name": "a",
            "model": {"id": "claude-sonnet-5", "effort": {"type": "xhigh"}, "speed": "standard"},
            "execution_identity": {"type": "service_account"},
            "mcp_servers": [{"type": "url", "name": "m", "url": "https://x/"}],
            "skills": [
                {"type": "anthropic", "skill_id": "xlsx", "version": "1"},
                {"type": "custom", "skill_id": "skill_1", "version": "latest"}
            ],
            "tools": tools(),
            "multiagent": null,
            "system": null
        })
    }

    fn tools() -> Value {
        let policy = json!({"type": "always_ask"});
        let tool = |name: &str| json!({"type": name, "name": name, "enabled": true, "permission_policy": policy});
        let names = ["bash", "edit", "read", "write", "glob", "grep", "web_fetch", "web_search"];
        let mut configs = names.map(tool);
        configs[6]["url_sources"] = json!({
            "client_tool_results": {"type": "only", "tools": [{"type": "tool_reference", "name": "t"}]},
            "user_input": {"type": "none"}
        });
        configs[7]["user_location"] = json!({"type": "approximate", "city": "Bern"});
        json!([
            {
                "type": "agent_toolset_20260401",
                "configs": configs,
                "default_config": {"enabled": true, "permission_policy": {"type": "auto"}}
            },
            {
                "type": "mcp_toolset",
                "mcp_server_name": "m",
                "configs": [{"name": "t", "enabled": false, "permission_policy": policy}],
                "default_config": {"enabled": true, "permission_policy": {"type": "always_allow"}}
            },
            {
                "type": "custom",
                "name": "t",
                "description": "d",
                "input_schema": {"type": "object", "properties": {"a": {}}, "$defs": {}}
            }
        ])
    }

    fn thread_agent() -> Value {
        let mut agent = agent();
        agent.as_object_mut().unwrap().remove("multiagent");
        agent
    }

    #[rstest]
    #[case(json!(null))]
    #[case(json!({
        "type": "coordinator",
        "agents": [thread_agent(), {"type": "advisor", "model": "claude-opus-5"}]
    }))]
    #[case(json!({
        "type": "multiagent_20261001",
        "advisor": {"type": "enabled", "model": "claude-opus-5"},
        "subagents": {"type": "disabled"},
        "workflows": {
            "type": "enabled",
            "inline_agents": {"type": "disabled"},
            "predefined_agents": [thread_agent()]
        }
    }))]
    fn a_whole_agent_is_accepted(#[case] multiagent: Value) {
        let mut agent = agent();
        agent["multiagent"] = multiagent;

        assert_eq!(refusal(&agent), "accepted");
    }

    #[rstest]
    #[case("/version", json!(0), "agent.version: must be a whole number of at least 1; got 0")]
    #[case("/model", json!("claude"), "agent.model: invalid type: string, expected an object")]
    #[case("/metadata", json!({}), "agent.metadata: unknown field `metadata`, expected one of ")]
    #[case(
        "/tools/0/configs/0/name",
        json!("edit"),
        "agent.tools.0.configs.0.name: must be \"bash\"; got \"edit\""
    )]
    #[case(
        "/tools/0/configs/6/url_sources/client_tool_results/tools",
        json!(vec![json!({"type": "tool_reference", "name": "t"}); 129]),
        "agent.tools.0.configs.6.url_sources.client_tool_results.tools: must have at most 128 items"
    )]
    #[case(
        "/multiagent",
        json!({"type": "coordinator", "agents": [agent()]}),
        "agent.multiagent.agents.0.multiagent: unknown field `multiagent`, expected one of "
    )]
    fn a_mistake_in_an_agent_is_found(#[case] at: &str, #[case] value: Value, #[case] start: &str) {
        let mut agent = agent();
        let (parent, name) = at.rsplit_once('/').unwrap();
        agent.pointer_mut(parent).unwrap()[name] = value;

        let refusal = refusal(&agent);

        assert!(refusal.starts_with(start), "{refusal}");
    }
}
