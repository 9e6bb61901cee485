-- The session side: agents, environments, sessions with their attached stores and events, and the
-- queue of work. JSON that is not interpreted is text as it was given.

-- What an agent is stands in its versions, which are never changed.
create table agents (
  id text collate "C" primary key,
  workspace_id text collate "C" not null references workspaces (id),
  version bigint not null,
  created_at bigint not null,
  updated_at bigint not null,
  archived_at bigint
);
create index agents_by_time on agents (workspace_id, created_at, id);

create table agent_versions (
  agent_id text collate "C" not null references agents (id),
  version bigint not null,
  written_at bigint not null,
  name text not null,
  description text,
  system text,
  model text not null,
  tools text not null,
  mcp_servers text not null,
  skills text not null,
  multiagent text,
  execution_identity text not null,
  metadata text not null,
  primary key (agent_id, version)
);

-- A deleted environment keeps its row, which sessions point to.
create table environments (
  id text collate "C" primary key,
  workspace_id text collate "C" not null references workspaces (id),
  name text not null,
  description text,
  place text not null check (place in ('cloud', 'self_hosted')),
  networking text,
  packages text,
  metadata text not null,
  created_at bigint not null,
  updated_at bigint not null,
  archived_at bigint,
  deleted_at bigint
);
create index environments_by_time on environments (workspace_id, created_at, id);

-- A key with an environment is that environment's key, and nothing else.
alter table api_keys add column environment_id text collate "C" references environments (id);
create index api_keys_by_environment on api_keys (environment_id) where environment_id is not null;

-- With its own copy of the agent. A deleted session is gone at once; a reaper erases it. last_seq and last_at are the ledger of its events.
create table sessions (
  id text collate "C" primary key,
  workspace_id text collate "C" not null references workspaces (id),
  environment_id text collate "C" not null references environments (id),
  agent_id text collate "C" not null references agents (id),
  agent_version bigint not null,
  name text not null,
  description text,
  system text,
  model text not null,
  tools text not null,
  mcp_servers text not null,
  skills text not null,
  multiagent text,
  execution_identity text not null,
  title text,
  metadata text not null,
  budget text,
  outcomes text not null,
  usage text,
  status text not null check (status in ('rescheduling', 'running', 'idle', 'terminated')),
  unanswered text not null,
  active_micros bigint not null,
  running_since bigint,
  created_at bigint not null,
  updated_at bigint not null,
  ended_at bigint,
  archived_at bigint,
  deleted_at bigint,
  last_seq bigint not null,
  last_at bigint not null
);
create index sessions_by_time on sessions (workspace_id, created_at, id);
create index sessions_by_status on sessions (workspace_id, status, created_at, id);
create index sessions_to_erase on sessions (deleted_at) where deleted_at is not null;
create index sessions_by_agent on sessions (agent_id, created_at, id);

-- Name and description are the store's when it was attached.
create table session_stores (
  session_id text collate "C" not null references sessions (id),
  position bigint not null,
  store_id text collate "C" not null references stores (id),
  access text not null check (access in ('read_write', 'read_only')),
  instructions text,
  name text not null,
  description text not null,
  mount_path text not null,
  primary key (session_id, position)
);
create index session_stores_by_store on session_stores (store_id, session_id);

-- answers is the ID of the event that one answers.
create table events (
  session_id text collate "C" not null references sessions (id),
  seq bigint not null,
  id text collate "C" not null,
  kind text collate "C" not null,
  at bigint not null,
  answers text collate "C",
  body text not null,
  primary key (session_id, seq)
);
create index events_by_id on events (session_id, id);
create index events_by_time on events (session_id, at, id);
create index events_by_kind on events (session_id, kind, at, id);
create index events_by_answer on events (session_id, answers) where answers is not null;

-- token_id is the token of the last offer.
create table work (
  id text collate "C" primary key,
  workspace_id text collate "C" not null references workspaces (id),
  environment_id text collate "C" not null references environments (id),
  session_id text collate "C" not null references sessions (id),
  state text not null check (state in ('queued', 'starting', 'active', 'stopping', 'stopped')),
  metadata text not null,
  created_at bigint not null,
  offered_at bigint,
  acknowledged_at bigint,
  started_at bigint,
  latest_heartbeat_at bigint,
  stop_requested_at bigint,
  stopped_at bigint,
  ttl_seconds bigint not null,
  leased_until bigint,
  token_id text collate "C"
);
create index work_by_time on work (environment_id, created_at, id);
create index work_to_do on work (environment_id, created_at, id)
  where state <> 'stopped';
create index work_by_session on work (session_id, created_at, id);

-- The secret itself is never here. A token of a poll ends with its hold of the work.
create table session_tokens (
  id text collate "C" primary key,
  token_sha256 bytea not null unique,
  session_id text collate "C" not null references sessions (id),
  work_id text collate "C" references work (id),
  created_at bigint not null,
  expires_at bigint
);
create index session_tokens_by_session on session_tokens (session_id);
create index session_tokens_by_work on session_tokens (work_id);

-- Bodies of events may hold what memories hold: no samples of it are kept.
alter table events alter body set statistics 0;

create trigger agent_versions_are_immutable before update on agent_versions for each row
execute function refuse('a version of an agent is immutable');

create trigger events_are_immutable before update on events for each row
execute function refuse('an event is immutable');
