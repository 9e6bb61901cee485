//! Which server a client command speaks to, and as whom.

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::Failure;
use crate::client::Client;

const URL: &str = "http://127.0.0.1:8780";

#[expect(clippy::doc_markdown, reason = "help is printed as it stands, without markup")]
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
pub struct ServerFlags {
    /// Server; ANTHROPIC_BASE_URL where not given, else http://127.0.0.1:8780
    #[arg(long, env = "MEMSTORED_URL", value_name = "URL")]
    url: Option<String>,

    /// API key; ANTHROPIC_API_KEY where not given
    #[arg(long, env = "MEMSTORED_API_KEY", value_name = "KEY", hide_env_values = true)]
    api_key: Option<SecretString>,

    #[arg(long, env = "ANTHROPIC_BASE_URL", hide = true)]
    anthropic_base_url: Option<String>,

    #[arg(long, env = "ANTHROPIC_API_KEY", hide = true, hide_env_values = true)]
    anthropic_api_key: Option<SecretString>,
}

impl ServerFlags {
    pub fn key(&self) -> Result<SecretString, Failure> {
        let given = [&self.api_key, &self.anthropic_api_key].into_iter().flatten();
        // A variable that is set to nothing is not set.
        given.into_iter().find(|key| !key.expose_secret().is_empty()).cloned().ok_or_else(|| {
            Failure::Usage(
                "a server needs a credential: give --api-key, or set MEMSTORED_API_KEY or \
                 ANTHROPIC_API_KEY"
                    .into(),
            )
        })
    }

    pub fn client(&self, credential: SecretString) -> Result<Client, Failure> {
        let given = [&self.url, &self.anthropic_base_url].into_iter().flatten();
        let url = given.into_iter().find(|url| !url.is_empty()).map_or(URL, |url| url);
        Ok(Client::new(url, credential)?)
    }
}
