//! Every table and column there is, in an order in which rows can be inserted. What goes through all
//! of them (`copy`) goes by this list; a test holds it to both schemas.

use super::sql::{Arg, Row};

pub struct Table {
    pub name: &'static str,
    /// The first of them are the primary key.
    pub columns: &'static [(&'static str, Kind)],
    pub key: usize,
}

/// One of the three types that columns have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Bytes,
}

use Kind::{Bytes, Integer, Text};

pub const TABLES: &[Table] = &[
    Table {
        name: "workspaces",
        columns: &[
            ("id", Text),
            ("name", Text),
            ("created_at", Integer),
            ("deleted_at", Integer),
            ("last_seq", Integer),
            ("last_at", Integer),
        ],
        key: 1,
    },
    Table {
        name: "installation",
        columns: &[
            ("only_row", Integer),
            ("organization_id", Text),
            ("first_workspace_id", Text),
            ("created_at", Integer),
        ],
        key: 1,
    },
    Table {
        name: "principals",
        columns: &[
            ("id", Text),
            ("workspace_id", Text),
            ("kind", Text),
            ("name", Text),
            ("created_at", Integer),
        ],
        key: 1,
    },
    Table {
        name: "environments",
        columns: &[
            ("id", Text),
            ("workspace_id", Text),
            ("name", Text),
            ("description", Text),
            ("place", Text),
            ("networking", Text),
            ("packages", Text),
            ("metadata", Text),
            ("created_at", Integer),
            ("updated_at", Integer),
            ("archived_at", Integer),
            ("deleted_at", Integer),
        ],
        key: 1,
    },
    Table {
        name: "api_keys",
        columns: &[
            ("id", Text),
            ("workspace_id", Text),
            ("name", Text),
            ("key_sha256", Bytes),
            ("hint", Text),
            ("scopes", Text),
            ("origin", Text),
            ("principal_id", Text),
            ("created_at", Integer),
            ("expires_at", Integer),
            ("revoked_at", Integer),
            ("environment_id", Text),
        ],
        key: 1,
    },
    Table {
        name: "stores",
        columns: &[
            ("id", Text),
            ("workspace_id", Text),
            ("name", Text),
            ("description", Text),
            ("metadata", Text),
            ("created_at", Integer),
            ("updated_at", Integer),
            ("archived_at", Integer),
            ("deleted_at", Integer),
            ("erased_at", Integer),
            ("memories", Integer),
            ("last_seq", Integer),
            ("last_at", Integer),
        ],
        key: 1,
    },
    Table {
        name: "versions",
        columns: &[
            ("id", Text),
            ("store_id", Text),
            ("memory_id", Text),
            ("operation", Text),
            ("path", Text),
            ("content", Bytes),
            ("size", Integer),
            ("sha256", Bytes),
            ("created_at", Integer),
            ("created_by", Text),
            ("redacted_at", Integer),
            ("redacted_by", Text),
        ],
        key: 1,
    },
    Table {
        name: "memories",
        columns: &[
            ("id", Text),
            ("store_id", Text),
            ("path", Text),
            ("head_version_id", Text),
            ("size", Integer),
            ("sha256", Bytes),
            ("created_at", Integer),
            ("updated_at", Integer),
        ],
        key: 1,
    },
    Table {
        name: "journal",
        columns: &[
            ("ledger", Text),
            ("seq", Integer),
            ("at", Integer),
            ("kind", Text),
            ("subject", Text),
            ("actor", Text),
            ("credential", Text),
            ("request", Text),
            ("reason", Text),
        ],
        key: 2,
    },
    Table {
        name: "agents",
        columns: &[
            ("id", Text),
            ("workspace_id", Text),
            ("version", Integer),
            ("created_at", Integer),
            ("updated_at", Integer),
            ("archived_at", Integer),
        ],
        key: 1,
    },
    Table {
        name: "agent_versions",
        columns: &[
            ("agent_id", Text),
            ("version", Integer),
            ("written_at", Integer),
            ("name", Text),
            ("description", Text),
            ("system", Text),
            ("model", Text),
            ("tools", Text),
            ("mcp_servers", Text),
            ("skills", Text),
            ("multiagent", Text),
            ("execution_identity", Text),
            ("metadata", Text),
        ],
        key: 2,
    },
    Table {
        name: "sessions",
        columns: &[
            ("id", Text),
            ("workspace_id", Text),
            ("environment_id", Text),
            ("agent_id", Text),
            ("agent_version", Integer),
            ("name", Text),
            ("description", Text),
            ("system", Text),
            ("model", Text),
            ("tools", Text),
            ("mcp_servers", Text),
            ("skills", Text),
            ("multiagent", Text),
            ("execution_identity", Text),
            ("title", Text),
            ("metadata", Text),
            ("budget", Text),
            ("outcomes", Text),
            ("usage", Text),
            ("status", Text),
            ("unanswered", Text),
            ("active_micros", Integer),
            ("running_since", Integer),
            ("created_at", Integer),
            ("updated_at", Integer),
            ("ended_at", Integer),
            ("archived_at", Integer),
            ("deleted_at", Integer),
            ("last_seq", Integer),
            ("last_at", Integer),
        ],
        key: 1,
    },
    Table {
        name: "session_stores",
        columns: &[
            ("session_id", Text),
            ("position", Integer),
            ("store_id", Text),
            ("access", Text),
            ("instructions", Text),
            ("name", Text),
            ("description", Text),
            ("mount_path", Text),
        ],
        key: 2,
    },
    Table {
        name: "events",
        columns: &[
            ("session_id", Text),
            ("seq", Integer),
            ("id", Text),
            ("kind", Text),
            ("at", Integer),
            ("answers", Text),
            ("body", Text),
        ],
        key: 2,
    },
    Table {
        name: "work",
        columns: &[
            ("id", Text),
            ("workspace_id", Text),
            ("environment_id", Text),
            ("session_id", Text),
            ("state", Text),
            ("metadata", Text),
            ("created_at", Integer),
            ("offered_at", Integer),
            ("acknowledged_at", Integer),
            ("started_at", Integer),
            ("latest_heartbeat_at", Integer),
            ("stop_requested_at", Integer),
            ("stopped_at", Integer),
            ("ttl_seconds", Integer),
            ("leased_until", Integer),
            ("token_id", Text),
        ],
        key: 1,
    },
    Table {
        name: "session_tokens",
        columns: &[
            ("id", Text),
            ("token_sha256", Bytes),
            ("session_id", Text),
            ("work_id", Text),
            ("created_at", Integer),
            ("expires_at", Integer),
        ],
        key: 1,
    },
    Table { name: "pending_erasures", columns: &[("version_id", Text)], key: 1 },
];

impl Table {
    /// The columns' names with commas between.
    pub fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    pub fn key_names(&self) -> String {
        let names = self.columns[..self.key].iter().map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    }

    /// The column whose values may have many megabytes, and not only a few kilobytes.
    pub fn large(&self) -> Option<&'static str> {
        self.columns.iter().map(|(name, _)| *name).find(|name| matches!(*name, "content" | "body"))
    }

    /// Reads all columns of a row, or only its first ones.
    pub fn values(&self, row: &Row, columns: usize) -> sqlx::Result<Vec<Arg>> {
        let columns = self.columns[..columns].iter().enumerate();
        let values = columns.map(|(at, (_, kind))| {
            Ok(match kind {
                Text => Arg::Text(row.get(at)?),
                Integer => Arg::Integer(row.get(at)?),
                Bytes => Arg::Bytes(row.get(at)?),
            })
        });
        values.collect()
    }
}
