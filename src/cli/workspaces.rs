//! `memstored workspace`

use clap::{ArgMatches, Args, Subcommand};
use reqwest::Method;

use super::target::{Target, TargetFlags, first_page, operator};
use super::{Done, Failure, output};
use crate::app::App;
use crate::domain::id::WorkspaceId;
use crate::wire::Deleted;
use crate::wire::admin::{self, CreateWorkspace};

const PATH: &str = "/x/v1/workspaces";

#[derive(Subcommand, Debug)]
pub enum Workspace {
    /// Make a workspace: stores and keys of their own, unseen by others
    #[command(after_help = "\
Examples:
  memstored workspace create research
  memstored key create --name research-agent --workspace wrkspc_…")]
    Create(Create),
    /// List workspaces, newest first
    List(List),
    /// Delete a workspace with all its stores, and revoke its keys
    Delete(Delete),
}

#[derive(Args, Debug)]
pub struct Create {
    /// What to call the workspace
    #[arg(
        value_name = "NAME",
        required_unless_present = "name_flag",
        conflicts_with = "name_flag"
    )]
    name: Option<String>,

    /// The same, as a flag
    #[arg(long = "name", id = "name_flag", value_name = "NAME")]
    name_flag: Option<String>,

    #[command(flatten)]
    target: TargetFlags,
}

#[derive(Args, Debug)]
pub struct List {
    #[command(flatten)]
    target: TargetFlags,
}

#[derive(Args, Debug)]
pub struct Delete {
    /// ID of the workspace (wrkspc_…)
    id: String,

    #[command(flatten)]
    target: TargetFlags,
}

pub async fn run(command: Workspace, matches: &ArgMatches) -> Done {
    match command {
        Workspace::Create(create) => create.run(matches).await,
        Workspace::List(list) => list.run(matches).await,
        Workspace::Delete(delete) => delete.run(matches).await,
    }
}

impl Create {
    async fn run(self, matches: &ArgMatches) -> Done {
        let name = self.name.or(self.name_flag).unwrap_or_default();
        let workspace: admin::Workspace = match self.target.open(matches, true).await? {
            Target::Server(client) => {
                client.call(Method::POST, PATH, &[], Some(&CreateWorkspace { name })).await?
            }
            Target::Database(app) => {
                let made = app.create_workspace(operator(&app), name).await;
                app.close().await;
                made?.into()
            }
        };
        if self.target.json {
            return output::json(&workspace);
        }
        output::print(&workspace.id)
    }
}

impl List {
    async fn run(self, matches: &ArgMatches) -> Done {
        let workspaces: Vec<admin::Workspace> = match self.target.open(matches, false).await? {
            Target::Server(client) => client.list(PATH, &[]).await?,
            Target::Database(app) => {
                let listed = list(&app).await;
                app.close().await;
                listed?
            }
        };
        if self.target.json {
            return output::json(&workspaces);
        }
        let rows = workspaces
            .into_iter()
            .map(|workspace| vec![workspace.id, workspace.name, workspace.created_at]);
        output::rows(&["ID", "NAME", "CREATED"], &rows.collect::<Vec<_>>())
    }
}

async fn list(app: &App) -> Result<Vec<admin::Workspace>, Failure> {
    let authority = operator(app);
    let mut paging = first_page();
    let mut workspaces = Vec::new();
    loop {
        let page = app.workspaces(&authority, &paging).await?;
        workspaces.extend(page.items.into_iter().map(admin::Workspace::from));
        paging.after = page.next;
        if paging.after.is_none() {
            return Ok(workspaces);
        }
    }
}

impl Delete {
    async fn run(self, matches: &ArgMatches) -> Done {
        let id = WorkspaceId::parse(&self.id)?;
        let deleted: Deleted = match self.target.open(matches, false).await? {
            Target::Server(client) => {
                let path = format!("{PATH}/{id}");
                client.call(Method::DELETE, &path, &[], None::<&()>).await?
            }
            Target::Database(app) => {
                let done = app.delete_workspace(operator(&app), id.clone()).await;
                app.close().await;
                done?;
                Deleted::new(&id, "workspace")
            }
        };
        if self.target.json {
            return output::json(&deleted);
        }
        output::print(&format!("deleted {}", deleted.id))
    }
}
