//! Why something is changed, and whether it is meant.

use std::io::{BufRead, IsTerminal};

use clap::Args;

use super::{Done, Failure, output};
use crate::client::store::StoreApi;
use crate::client::{Client, ClientError};
use crate::domain::journal::Reason;

/// The flag of every command that changes something.
#[derive(Args, Debug)]
pub struct Why {
    /// Why, for the journal of a memstored
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<Reason>,
}

impl Why {
    /// A server, where each change has the reason that was given.
    pub fn client(&self, client: Client) -> Result<Client, ClientError> {
        match &self.reason {
            Some(reason) => client.with_reason(reason.as_str()),
            None => Ok(client),
        }
    }

    /// The same of a store.
    pub fn store(&self, store: StoreApi) -> Result<StoreApi, Failure> {
        match &self.reason {
            Some(reason) => Ok(store.with_reason(reason.as_str())?),
            None => Ok(store),
        }
    }
}

fn reason(text: &str) -> Result<Reason, String> {
    Reason::parse("a reason", text.as_bytes()).map_err(|error| error.to_string())
}

/// Asks before what can't be taken back: `question` of a person, who is told that `nothing` was done
/// without a yes. Where nobody is there to ask, it is refused.
pub fn confirm(question: &str, verb: &str, nothing: &str) -> Done {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "nobody is there to confirm: give --yes to {verb} without a question"
        )));
    }
    output::say(&format!("{question} There is no way back. Type yes:"));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::Failed(error.to_string()))?;
    if answer.trim() == "yes" {
        return Ok(());
    }
    Err(Failure::Failed(nothing.to_owned()))
}
