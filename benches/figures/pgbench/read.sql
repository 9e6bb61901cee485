-- The one statement of a retrieve.
\set number random(0, MEMORIES - 1)
select m.id, m.store_id, m.path, m.head_version_id, m.size, m.sha256, m.created_at, m.updated_at, v.content from stores s left join memories m on m.store_id = s.id and m.id = 'mem_' || lpad((:number)::text, 26, '0') left join versions v on v.id = m.head_version_id where s.id = :store and s.workspace_id = :workspace and s.deleted_at is null;
