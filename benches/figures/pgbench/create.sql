-- One create as memstored makes it, in a store of its own for each client up to STORES.
\set store :client_id % STORES
\set random random(0, 9999999999)
begin;
select last_seq + 1 as seq, memories + 1 as memories, 'memstore_' || lpad((:store)::text, 26, '0') as store_id, lpad(((extract(epoch from clock_timestamp()) * 1000000)::bigint)::text, 16, '0') || lpad((:random)::text, 10, '0') as suffix, (extract(epoch from clock_timestamp()) * 1000000)::bigint as at from stores where id = 'memstore_' || lpad((:store)::text, 26, '0') and deleted_at is null for no key update \gset
select store_id, path, id from memories where store_id = :store_id and path in ('/notes', '/notes/' || :suffix || '.md') union all (select store_id, path, id from memories where store_id = :store_id and path >= '/notes/' || :suffix || '.md/' and path < '/notes/' || :suffix || '.md0' order by path limit 1);
insert into versions (id, store_id, memory_id, operation, path, content, size, sha256, created_at, created_by) values ('memver_' || :suffix, :store_id, 'mem_' || :suffix, 'created', '/notes/' || :suffix || '.md', :content, 4096, sha256(:suffix::bytea), :at, 'apikey_00000000000000000000000000');
insert into memories (id, store_id, path, head_version_id, size, sha256, created_at, updated_at) values ('mem_' || :suffix, :store_id, '/notes/' || :suffix || '.md', 'memver_' || :suffix, 4096, sha256(:suffix::bytea), :at, :at) on conflict (id) do update set path = excluded.path, head_version_id = excluded.head_version_id, size = excluded.size, sha256 = excluded.sha256, updated_at = excluded.updated_at;
update stores set memories = :memories, last_seq = :seq, last_at = :at where id = :store_id;
insert into journal (ledger, seq, at, kind, subject, actor, credential, request) values (:store_id, :seq, :at, 'version_written', 'memver_' || :suffix, 'apikey_00000000000000000000000000', 'apikey_00000000000000000000000000', 'req_' || :suffix);
commit;
