//! `memstored workspace`

use clap::{ArgMatches, Args, Subcommand};
use reqwest::Method;

use super::target::{Target, TargetFlags, first_page, operator};
use super::why::{Why, confirm};
use super::{Done, Failure, output};
use crate::app::App;
use crate::domain::Error;
use crate::domain::id::WorkspaceId;
use crate::history::text::one_line;
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
    #[command(after_help = "\
Stores and versions are erased for good. On a terminal it asks before; elsewhere it needs --yes.

Examples:
  memstored workspace delete wrkspc_… --reason 'the project has ended'
  memstored workspace delete wrkspc_… --yes")]
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
    why: Why,

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

    /// Ask no questions
    #[arg(short, long)]
    yes: bool,

    #[command(flatten)]
    why: Why,

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
                let client = self.why.client(client)?;
                client.call(Method::POST, PATH, &[], Some(&CreateWorkspace { name })).await?
            }
            Target::Database(app) => {
                let authority = operator(&app).because(self.why.reason);
                let made = app.create_workspace(authority, name).await;
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
        let target = self.target.open(matches, false).await?;
        let listed = all(&target).await;
        if let Target::Database(app) = target {
            app.close().await;
        }
        let workspaces = listed?;
        if self.target.json {
            return output::json(&workspaces);
        }
        let rows = workspaces
            .into_iter()
            .map(|it| vec![it.id, one_line(&it.name).into_owned(), it.created_at]);
        output::rows(&["ID", "NAME", "CREATED"], &rows.collect::<Vec<_>>())
    }
}

/// All workspaces that may be seen.
async fn all(target: &Target) -> Result<Vec<admin::Workspace>, Failure> {
    match target {
        Target::Server(client) => Ok(client.list(PATH, &[]).await?),
        Target::Database(app) => list(app).await,
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
        let target = self.target.open(matches, false).await?;
        let deleted = self.delete(&target, &id).await;
        if let Target::Database(app) = target {
            app.close().await;
        }
        let deleted = deleted?;
        if self.target.json {
            return output::json(&deleted);
        }
        output::print(&format!("deleted {}", deleted.id))
    }

    async fn delete(&self, target: &Target, id: &WorkspaceId) -> Result<Deleted, Failure> {
        if !self.yes {
            ask(target, id).await?;
        }
        match target {
            Target::Server(client) => {
                let client = self.why.client(client.clone())?;
                let path = format!("{PATH}/{id}");
                Ok(client.call(Method::DELETE, &path, &[], None::<&()>).await?)
            }
            Target::Database(app) => {
                let authority = operator(app).because(self.why.reason.clone());
                app.delete_workspace(authority, id.clone()).await?;
                Ok(Deleted::new(id, "workspace"))
            }
        }
    }
}

/// Asks whether the workspace of this name is meant.
async fn ask(target: &Target, id: &WorkspaceId) -> Done {
    let known = all(target).await?.into_iter().find(|known| known.id == id.as_str());
    let known = known.ok_or_else(|| Error::not_found(WorkspaceId::WHAT, id))?;
    let name = one_line(&known.name);
    output::say(&format!("{id} ({name}) goes with all its stores, their versions and its keys"));
    confirm("Delete this workspace?", "delete", "nothing was deleted")
}
