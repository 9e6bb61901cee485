-- IDs and paths are text in byte order, content is a blob (it may hold U+0000), times are
-- microseconds since 1970, JSON is text.

-- last_seq and last_at are its ledger: the last number and time of its journal.
create table workspaces (
  id text primary key,
  name text not null,
  created_at integer not null,
  deleted_at integer,
  last_seq integer not null,
  last_at integer not null
) strict;
create index workspaces_by_time on workspaces (created_at, id);

-- One row: this installation. The administrators of its first workspace manage all of them.
create table installation (
  only_row integer primary key check (only_row = 1),
  organization_id text not null,
  first_workspace_id text not null references workspaces (id),
  created_at integer not null
) strict;

-- People and service accounts that keys act as. Kept for as long as the workspace lives, so that an
-- actor's ID leads to a name.
create table principals (
  id text primary key,
  workspace_id text not null references workspaces (id),
  kind text not null check (kind in ('user', 'service_account')),
  name text not null,
  created_at integer not null,
  unique (workspace_id, kind, name)
) strict;

-- The secret itself is never here. A key without a principal acts as itself.
create table api_keys (
  id text primary key,
  workspace_id text not null references workspaces (id),
  name text not null,
  key_sha256 blob not null unique,
  hint text not null,
  scopes text not null,
  origin text not null check (origin in ('minted', 'configured', 'dev')),
  principal_id text references principals (id),
  created_at integer not null,
  expires_at integer,
  revoked_at integer
) strict;
create index api_keys_by_time on api_keys (workspace_id, created_at, id);

-- A deleted store keeps its row, emptied, and its journal; a reaper erases all else.
create table stores (
  id text primary key,
  workspace_id text not null references workspaces (id),
  name text not null,
  description text not null,
  metadata text not null,
  created_at integer not null,
  updated_at integer not null,
  archived_at integer,
  deleted_at integer,
  erased_at integer,
  memories integer not null,
  last_seq integer not null,
  last_at integer not null
) strict;
create index stores_by_time on stores (workspace_id, created_at, id);
create index stores_to_erase on stores (deleted_at) where deleted_at is not null and erased_at is null;

-- Each version holds its own bytes, renames and restores included: nothing is shared, so that the
-- redaction of one takes nothing from another.
create table versions (
  id text primary key,
  store_id text not null references stores (id),
  memory_id text not null,
  operation text not null check (operation in ('created', 'modified', 'deleted')),
  path text,
  content blob,
  size integer,
  sha256 blob,
  created_at integer not null,
  created_by text not null,
  redacted_at integer,
  redacted_by text,
  check ((path is null) = (redacted_at is not null)),
  check ((redacted_at is null) = (redacted_by is null)),
  check ((content is null) = (operation = 'deleted' or redacted_at is not null)),
  check ((content is null) = (size is null) and (content is null) = (sha256 is null))
) strict;
create index versions_by_time on versions (store_id, created_at, id);
create index versions_by_memory on versions (store_id, memory_id, created_at, id);
create index versions_by_actor on versions (store_id, created_by, created_at, id);
create index versions_by_operation on versions (store_id, operation, created_at, id);

-- The present: path, size and hash stand here for listings, the content in the head version.
create table memories (
  id text primary key,
  store_id text not null references stores (id),
  path text not null,
  head_version_id text not null,
  size integer not null,
  sha256 blob not null,
  created_at integer not null,
  updated_at integer not null,
  unique (store_id, path)
) strict;

-- Every change is one entry. ledger is a store or a workspace; seq has no gaps within one. What
-- happened at the machine itself, without a credential, has no actor.
create table journal (
  ledger text not null,
  seq integer not null,
  at integer not null,
  kind text not null,
  subject text not null,
  actor text,
  credential text,
  request text not null,
  reason text,
  primary key (ledger, seq)
) strict, without rowid;

-- Redactions whose bytes may still be in free space or in the write-ahead log.
create table pending_erasures (
  version_id text primary key
) strict;

create trigger versions_are_immutable before update on versions
when not (
  old.redacted_at is null and new.redacted_at is not null and new.redacted_by is not null
  and new.path is null and new.content is null and new.size is null and new.sha256 is null
  and new.id = old.id and new.store_id = old.store_id and new.memory_id = old.memory_id
  and new.operation = old.operation and new.created_at = old.created_at
  and new.created_by = old.created_by
)
begin
  select raise(abort, 'a version is immutable: it can only be redacted, once');
end;

-- `insert or replace` deletes without asking the triggers of a deletion.
create trigger versions_are_not_replaced before insert on versions
when exists (select 1 from versions where id = new.id)
begin
  select raise(abort, 'a version is immutable: it can only be redacted, once');
end;

create trigger versions_are_kept before delete on versions
when not exists (select 1 from stores where id = old.store_id and deleted_at is not null)
begin
  select raise(abort, 'a version is kept until its store is deleted');
end;

create trigger journal_is_not_replaced before insert on journal
when exists (select 1 from journal where ledger = new.ledger and seq = new.seq)
begin
  select raise(abort, 'the journal is append-only');
end;

create trigger journal_is_immutable before update on journal
begin
  select raise(abort, 'the journal is append-only');
end;

create trigger journal_is_kept before delete on journal
begin
  select raise(abort, 'the journal is append-only');
end;

create trigger stores_are_kept before delete on stores
begin
  select raise(abort, 'a deleted store keeps its row');
end;

create trigger stores_are_not_replaced before insert on stores
when exists (
  select 1 from stores where id = new.id and (
    deleted_at is not null or workspace_id <> new.workspace_id or created_at <> new.created_at
    or last_seq >= new.last_seq
  )
)
begin
  select raise(abort, 'a store is not replaced');
end;

create trigger stores_stay_deleted before update on stores
when old.deleted_at is not null and new.deleted_at is not old.deleted_at
begin
  select raise(abort, 'a deleted store stays deleted');
end;
