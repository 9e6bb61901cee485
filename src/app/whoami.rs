//! What a credential may know of itself.

use super::App;
use crate::domain::Result;
use crate::domain::access::{Credential, Grant, Identity, ToSeeItself};

impl App {
    /// Writes nothing: a `--dev` key that nothing was written with has no row, and so no name.
    pub async fn whoami(&self, grant: &Grant<ToSeeItself>) -> Result<Identity> {
        let caller = grant.caller.clone();
        let (mut name, mut actor_name) = (None, None);
        let expires_at = match &caller.credential {
            Credential::Token(id) => self.db.token_expiry(id).await?,
            Credential::Key(id) => {
                let kept = self.db.key(id).await?;
                let expires_at = kept.as_ref().and_then(|key| key.expires_at);
                if let Some(key) = kept {
                    actor_name = key.actor_name.filter(|_| key.actor == caller.actor);
                    name = Some(key.name);
                }
                // A configured key is valid while it is configured, whatever it was before.
                expires_at.filter(|_| !self.keys.is_configured(id))
            }
        };
        Ok(Identity { caller, name, actor_name, expires_at })
    }
}
