//! Looks at a Postgres server.

use super::{Exam, Grade, bytes};

/// Connections that are left to this role in this database. What others do is hidden from a role
/// that is no superuser, but not how many they are.
const FREE: &str = "\
    select least(cast(current_setting('max_connections') as bigint) - \
    cast(current_setting('superuser_reserved_connections') as bigint) - \
    coalesce(cast(current_setting('reserved_connections', true) as bigint), 0) - \
    cast((select sum(numbackends) from pg_stat_database) as bigint), \
    (select r.rolconnlimit - (select count(*) from pg_stat_activity a where a.usesysid = r.oid) \
    from pg_roles r where r.rolname = session_user and r.rolconnlimit >= 0), \
    (select d.datconnlimit - s.numbackends from pg_database d join pg_stat_database s on s.datid \
    = d.oid where d.datname = current_database() and d.datconnlimit >= 0))";

impl Exam<'_> {
    /// What a Postgres server has to be told to keep what it acknowledges.
    pub(super) async fn server(&mut self) {
        const OFF: &str = "select coalesce(string_agg(name, ', ' order by name), '') from \
                           pg_settings where name in ('fsync', 'full_page_writes') and \
                           setting = 'off'";
        const STANDBY: &str =
            "select count(*) from (select 1 where pg_is_in_recovery()) as standby";
        const SIZE: &str = "select pg_database_size(current_database())";
        let looked = async {
            let (off, standby) = (self.text(OFF).await?, self.number(STANDBY).await?);
            Ok((off, standby, self.number(SIZE).await?, self.number(FREE).await?))
        };
        let looked: sqlx::Result<_> = looked.await;
        let (off, standby, size, free) = match looked {
            Ok(looked) => looked,
            Err(error) => return self.fail("server", &error),
        };
        if standby > 0 {
            self.find("server", Grade::Fail, "a standby, which takes no writes");
        }
        match off.as_str() {
            "" => self.find("durability", Grade::Ok, "fsync and full_page_writes are on"),
            off => {
                let text = format!("off: {off}; an operating system that fails loses writes");
                self.find("durability", Grade::Warn, text);
            }
        }
        let text =
            format!("{} of data; what is free is the server's to tell", bytes(size.unsigned_abs()));
        self.find("disk", Grade::Ok, text);
        let grade = if free < 5 { Grade::Warn } else { Grade::Ok };
        self.find("connections", grade, format!("{free} free"));
    }
}
