-- The same tables and columns as on SQLite. IDs and paths are text in byte order, content is bytea
-- (text can't hold U+0000), times are microseconds since 1970, JSON is text.

-- last_seq and last_at are its ledger: the last number and time of its journal.
create table workspaces (
  id text collate "C" primary key,
  name text not null,
  created_at bigint not null,
  deleted_at bigint,
  last_seq bigint not null,
  last_at bigint not null
);
create index workspaces_by_time on workspaces (created_at, id);

-- One row: this installation. The administrators of its first workspace manage all of them.
create table installation (
  only_row bigint primary key check (only_row = 1),
  organization_id text not null,
  first_workspace_id text collate "C" not null references workspaces (id),
  created_at bigint not null
);

-- People and service accounts that keys act as. Kept for as long as the workspace lives, so that an
-- actor's ID leads to a name.
create table principals (
  id text collate "C" primary key,
  workspace_id text collate "C" not null references workspaces (id),
  kind text not null check (kind in ('user', 'service_account')),
  name text not null,
  created_at bigint not null,
  unique (workspace_id, kind, name)
);

-- The secret itself is never here. A key without a principal acts as itself.
create table api_keys (
  id text collate "C" primary key,
  workspace_id text collate "C" not null references workspaces (id),
  name text not null,
  key_sha256 bytea not null unique,
  hint text not null,
  scopes text not null,
  origin text not null check (origin in ('minted', 'configured', 'dev')),
  principal_id text collate "C" references principals (id),
  created_at bigint not null,
  expires_at bigint,
  revoked_at bigint
);
create index api_keys_by_time on api_keys (workspace_id, created_at, id);

-- A deleted store keeps its row, emptied, and its journal; a reaper erases all else. Each change of a
-- memory moves the ledger, so pages have room for the next state of their rows.
create table stores (
  id text collate "C" primary key,
  workspace_id text collate "C" not null references workspaces (id),
  name text not null,
  description text not null,
  metadata text not null,
  created_at bigint not null,
  updated_at bigint not null,
  archived_at bigint,
  deleted_at bigint,
  erased_at bigint,
  memories bigint not null,
  last_seq bigint not null,
  last_at bigint not null
) with (fillfactor = 50);
create index stores_by_time on stores (workspace_id, created_at, id);
create index stores_to_erase on stores (deleted_at) where deleted_at is not null and erased_at is null;

-- Each version holds its own bytes, renames and restores included: nothing is shared, so that the
-- redaction of one takes nothing from another.
create table versions (
  id text collate "C" primary key,
  store_id text collate "C" not null references stores (id),
  memory_id text collate "C" not null,
  operation text not null check (operation in ('created', 'modified', 'deleted')),
  path text collate "C",
  content bytea,
  size bigint,
  sha256 bytea,
  created_at bigint not null,
  created_by text collate "C" not null,
  redacted_at bigint,
  redacted_by text collate "C",
  check ((path is null) = (redacted_at is not null)),
  check ((redacted_at is null) = (redacted_by is null)),
  check ((content is null) = (operation = 'deleted' or redacted_at is not null)),
  check ((content is null) = (size is null) and (content is null) = (sha256 is null))
);
-- No samples of what may be redacted: they would outlive it in the planner's statistics.
alter table versions alter path set statistics 0, alter content set statistics 0,
  alter size set statistics 0, alter sha256 set statistics 0;
create index versions_by_time on versions (store_id, created_at, id);
create index versions_by_memory on versions (store_id, memory_id, created_at, id);
create index versions_by_actor on versions (store_id, created_by, created_at, id);
create index versions_by_operation on versions (store_id, operation, created_at, id);

-- The present: path, size and hash stand here for listings, the content in the head version.
create table memories (
  id text collate "C" primary key,
  store_id text collate "C" not null references stores (id),
  path text collate "C" not null,
  head_version_id text collate "C" not null,
  size bigint not null,
  sha256 bytea not null,
  created_at bigint not null,
  updated_at bigint not null,
  unique (store_id, path)
) with (fillfactor = 90);

alter table memories alter path set statistics 0, alter size set statistics 0,
  alter sha256 set statistics 0;

-- Every change is one entry. ledger is a store or a workspace; seq has no gaps within one. What
-- happened at the machine itself, without a credential, has no actor.
create table journal (
  ledger text collate "C" not null,
  seq bigint not null,
  at bigint not null,
  kind text not null,
  subject text collate "C" not null,
  actor text collate "C",
  credential text collate "C",
  request text collate "C" not null,
  reason text,
  primary key (ledger, seq)
);

-- Redactions whose bytes may still be in a SQLite file. Nothing is entered here on Postgres.
create table pending_erasures (
  version_id text collate "C" primary key
);

create function refuse() returns trigger language plpgsql as $$
begin
  raise exception using message = tg_argv[0], errcode = 'integrity_constraint_violation';
end
$$;

create function refuse_unless_store_is_deleted() returns trigger language plpgsql as $$
begin
  if exists (select 1 from stores where id = old.store_id and deleted_at is not null) then
    return old;
  end if;
  raise exception using message = tg_argv[0], errcode = 'integrity_constraint_violation';
end
$$;

create trigger versions_are_immutable before update on versions for each row
when (not (
  old.redacted_at is null and new.redacted_at is not null and new.redacted_by is not null
  and new.path is null and new.content is null and new.size is null and new.sha256 is null
  and new.id = old.id and new.store_id = old.store_id and new.memory_id = old.memory_id
  and new.operation = old.operation and new.created_at = old.created_at
  and new.created_by = old.created_by
))
execute function refuse('a version is immutable: it can only be redacted, once');

create trigger versions_are_kept before delete on versions for each row
execute function refuse_unless_store_is_deleted('a version is kept until its store is deleted');

create trigger versions_are_not_truncated before truncate on versions for each statement
execute function refuse('a version is kept until its store is deleted');

create trigger journal_is_immutable before update on journal for each row
execute function refuse('the journal is append-only');

create trigger journal_is_kept before delete on journal for each row
execute function refuse('the journal is append-only');

create trigger journal_is_not_truncated before truncate on journal for each statement
execute function refuse('the journal is append-only');

create trigger stores_are_kept before delete on stores for each row
execute function refuse('a deleted store keeps its row');

create trigger stores_are_not_truncated before truncate on stores for each statement
execute function refuse('a deleted store keeps its row');

create trigger stores_stay_deleted before update on stores for each row
when (old.deleted_at is not null and new.deleted_at is distinct from old.deleted_at)
execute function refuse('a deleted store stays deleted');
