//! Databases of other programs, which are nobody's to change.

use rstest::rstest;
use tempfile::TempDir;

use crate::support::program::run;
use crate::support::{Database, database};

/// What a program that migrates as we do has made.
fn migrations() -> [String; 3] {
    let (bytes, none) = if database::is_postgres() { ("bytea", "''") } else { ("blob", "x''") };
    [
        format!(
            "create table _sqlx_migrations (version bigint primary key, description text not \
             null, installed_on timestamp not null default current_timestamp, success boolean not \
             null, checksum {bytes} not null, execution_time bigint not null)"
        ),
        format!(
            "insert into _sqlx_migrations (version, description, success, checksum, \
             execution_time) values (1, 'users', true, {none}, 0)"
        ),
        "create table users (id text)".into(),
    ]
}

#[rstest]
#[case::any_table(vec!["create table t (x text)".into()])]
#[case::a_table_of_the_same_name(vec!["create table stores (id text)".into()])]
#[case::migrations_and_tables(migrations().to_vec())]
#[tokio::test]
async fn another_programs_database_is_refused_and_left_as_it_was(#[case] made: Vec<String>) {
    let database = Database::fresh();
    if let Database::File(folder) = &database {
        std::fs::write(folder.path().join("db"), "").unwrap();
    }
    let mut direct = database.direct().await;
    for sql in &made {
        direct.run(sql).await;
    }
    drop(direct);
    let before = matches!(database, Database::File(_)).then(|| database.files());

    let (folder, url) = (TempDir::new().unwrap(), database.url());
    for arguments in
        [&["migrate"][..], &["key", "create", "--name", "k"], &["serve", "--listen", "127.0.0.1:0"]]
    {
        let output = run(folder.path(), &[arguments, &["--database-url", &url]].concat());

        let said = String::from_utf8(output.stderr).unwrap();
        let says = format!("{} holds tables of another program", database.location());
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&says), "{said}");
    }
    if let Some(before) = before {
        assert!(database.files() == before, "{:?}", database.files().keys());
    } else {
        let made = "select count(*) from pg_class where relnamespace = \
                    current_schema()::regnamespace and relname = 'installation'";
        assert_eq!(database.direct().await.count(made).await, 0);
    }
}
