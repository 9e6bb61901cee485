-- The session side: agents, environments, sessions with their attached stores and events, and the
-- queue of work. JSON that is not interpreted is text as it was given.

-- What an agent is stands in its versions, which are never changed.
create table agents (
  id text primary key,
  workspace_id text not null references workspaces (id),
  version integer not null,
  created_at integer not null,
  updated_at integer not null,
  archived_at integer
) strict;
create index agents_by_time on agents (workspace_id, created_at, id);

create table agent_versions (
  agent_id text not null references agents (id),
  version integer not null,
  written_at integer not null,
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
) strict;

-- A deleted environment keeps its row, which sessions point to.
create table environments (
  id text primary key,
  workspace_id text not null references workspaces (id),
  name text not null,
  description text,
  place text not null check (place in ('cloud', 'self_hosted')),
  networking text,
  packages text,
  metadata text not null,
  created_at integer not null,
  updated_at integer not null,
  archived_at integer,
  deleted_at integer
) strict;
create index environments_by_time on environments (workspace_id, created_at, id);

-- A key with an environment is that environment's key, and nothing else.
alter table api_keys add column environment_id text references environments (id);
create index api_keys_by_environment on api_keys (environment_id) where environment_id is not null;

-- With its own copy of the agent. A deleted session is gone at once; a reaper erases it. last_seq and last_at are the ledger of its events.
create table sessions (
  id text primary key,
  workspace_id text not null references workspaces (id),
  environment_id text not null references environments (id),
  agent_id text not null references agents (id),
  agent_version integer not null,
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
  active_micros integer not null,
  running_since integer,
  created_at integer not null,
  updated_at integer not null,
  ended_at integer,
  archived_at integer,
  deleted_at integer,
  last_seq integer not null,
  last_at integer not null
) strict;
create index sessions_by_time on sessions (workspace_id, created_at, id);
create index sessions_by_status on sessions (workspace_id, status, created_at, id);
create index sessions_to_erase on sessions (deleted_at) where deleted_at is not null;
create index sessions_by_agent on sessions (agent_id, created_at, id);

-- Name and description are the store's when it was attached.
create table session_stores (
  session_id text not null references sessions (id),
  position integer not null,
  store_id text not null references stores (id),
  access text not null check (access in ('read_write', 'read_only')),
  instructions text,
  name text not null,
  description text not null,
  mount_path text not null,
  primary key (session_id, position)
) strict;
create index session_stores_by_store on session_stores (store_id, session_id);

-- answers is the ID of the event that one answers.
create table events (
  session_id text not null references sessions (id),
  seq integer not null,
  id text not null,
  kind text not null,
  at integer not null,
  answers text,
  body text not null,
  primary key (session_id, seq)
) strict;
create index events_by_id on events (session_id, id);
create index events_by_time on events (session_id, at, id);
create index events_by_kind on events (session_id, kind, at, id);
create index events_by_answer on events (session_id, answers) where answers is not null;

-- token_id is the token of the last offer.
create table work (
  id text primary key,
  workspace_id text not null references workspaces (id),
  environment_id text not null references environments (id),
  session_id text not null references sessions (id),
  state text not null check (state in ('queued', 'starting', 'active', 'stopping', 'stopped')),
  metadata text not null,
  created_at integer not null,
  offered_at integer,
  acknowledged_at integer,
  started_at integer,
  latest_heartbeat_at integer,
  stop_requested_at integer,
  stopped_at integer,
  ttl_seconds integer not null,
  leased_until integer,
  token_id text
) strict;
create index work_by_time on work (environment_id, created_at, id);
create index work_to_do on work (environment_id, created_at, id)
  where state <> 'stopped';
create index work_by_session on work (session_id, created_at, id);

-- The secret itself is never here. A token of a poll ends with its hold of the work.
create table session_tokens (
  id text primary key,
  token_sha256 blob not null unique,
  session_id text not null references sessions (id),
  work_id text references work (id),
  created_at integer not null,
  expires_at integer
) strict;
create index session_tokens_by_session on session_tokens (session_id);
create index session_tokens_by_work on session_tokens (work_id);

create trigger agent_versions_are_immutable before update on agent_versions
begin
  select raise(abort, 'a version of an agent is immutable');
end;

create trigger events_are_immutable before update on events
begin
  select raise(abort, 'an event is immutable');
end;
