//! `memstored serve`

use std::net::SocketAddr;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::figures::Figures;
use super::{Done, Failure, cant, descriptors, output};
use crate::app::{App, Settings};
use crate::clock::{SystemClock, SystemSource};
use crate::config::Serve;
use crate::http::{self, Hosts, Http, Listener, Rate, Timeouts};
use crate::{shutdown, telemetry};

pub async fn run(settings: Serve) -> Done {
    let _log = telemetry::start_log(&settings.log)?;
    check_key(&settings)?;
    let local = settings.listen.ip().is_loopback();
    if settings.dev && !local {
        return Err(Failure::Usage(format!(
            "--dev accepts any key, so it listens on a loopback address only, not on {}",
            settings.listen
        )));
    }
    let stop = shutdown::on_signal().map_err(|error| cant("handle signals", &error))?;
    let clients = descriptors::provide(settings.limits.max_connections, connections(&settings));
    let listener = Listener::bind(settings.listen, clients).await;
    let listener =
        listener.map_err(|error| cant(&format!("listen on {}", settings.listen), &error))?;
    let figures = Figures::bind(settings.metrics_listen).await?;
    let app = Arc::new(open(&settings).await?);
    let served = serve(&settings, &app, listener, figures, stop).await;
    app.close().await;
    served
}

async fn serve(
    settings: &Serve,
    app: &Arc<App>,
    listener: Listener,
    figures: Option<Figures>,
    stop: CancellationToken,
) -> Done {
    let local = settings.listen.ip().is_loopback();
    // After all that can fail, since the key is shown only once.
    let key = first_key(settings, app, local).await?;
    app.start().await?;
    let address = listener.address().map_err(|error| cant("tell the address", &error))?;
    greet(settings, address, figures.as_ref().map(|figures| figures.address), key.as_ref())?;

    let http = Arc::new(Http {
        app: Arc::clone(app),
        settings: http::Settings {
            lenient_headers: settings.lenient_headers,
            hosts: Hosts::new(&settings.allowed_host, local.then(|| settings.listen.ip())),
            body_limit: settings.limits.max_body_bytes,
            rate: Rate::per_minute(settings.limits.rate_limit),
            timeouts: Timeouts::default(),
        },
    });
    if let Some(figures) = figures {
        figures.serve(Arc::clone(&http), stop.clone());
    }
    let router = http::router(Arc::clone(&http));
    listener.serve(http, router, stop).await;
    Ok(())
}

/// Not left to the parser of the flags, which would print the key.
fn check_key(settings: &Serve) -> Done {
    let fits = |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
    match &settings.api_key {
        Some(key) if !fits(key.expose_secret()) => Err(Failure::Usage(
            "--api-key: an API key is one or more visible ASCII characters without spaces".into(),
        )),
        _ => Ok(()),
    }
}

async fn open(settings: &Serve) -> Result<App, Failure> {
    let app = Settings {
        location: settings
            .database_url
            .clone()
            .with_connections(settings.limits.max_database_connections.get()),
        durability: settings.durability,
        limits: settings.limits.domain(),
        api_key: settings.api_key.clone(),
        dev: settings.dev,
    };
    Ok(App::open(app, Arc::new(SystemClock), Arc::new(SystemSource)).await?)
}

/// Makes the first key on loopback; elsewhere one has to exist, so that no key is ever made that
/// only a log has seen.
async fn first_key(
    settings: &Serve,
    app: &App,
    local: bool,
) -> Result<Option<SecretString>, Failure> {
    if settings.api_key.is_some() || settings.dev {
        return Ok(None);
    }
    if local {
        return Ok(app.first_key().await?);
    }
    if !app.has_keys().await? {
        return Err(Failure::Failed(format!(
            "{} is not a loopback address, and there is no API key that is valid (none was made, or \
             all are revoked or expired): make one with `memstored key create`, or give --api-key",
            settings.listen
        )));
    }
    Ok(None)
}

/// Connections that may be open at one time beside those of clients.
fn connections(settings: &Serve) -> usize {
    Figures::CONNECTIONS.saturating_add(settings.limits.max_database_connections.get())
}

fn greet(
    settings: &Serve,
    address: SocketAddr,
    figures: Option<SocketAddr>,
    key: Option<&SecretString>,
) -> Done {
    let url = format!("http://{address}");
    output::print(&format!("memstored {} listening on {url}", env!("CARGO_PKG_VERSION")))?;
    output::print(&format!(
        "database {} (durability {})",
        settings.database_url,
        settings.durability.as_str()
    ))?;
    if let Some(figures) = figures {
        output::print(&format!("figures on http://{figures}/metrics"))?;
    }
    let shown = match key {
        Some(key) => {
            output::print(&format!("API key (shown this once) {}", key.expose_secret()))?;
            key.expose_secret()
        }
        None if settings.dev => "any-key",
        None => "YOUR_API_KEY",
    };
    if settings.api_key.is_some() {
        output::print(
            "API key: the one given with --api-key or MEMSTORED_API_KEY, with all scopes",
        )?;
    }
    output::print(&format!(
        r#"
Try it in Python:
  from anthropic import Anthropic
  client = Anthropic(base_url="{url}", api_key="{shown}")
  store = client.beta.memory_stores.create(name="notes")
  client.beta.memory_stores.memories.create(store.id, path="/hello.md", content="hi\n")
  print(client.beta.memory_stores.memories.list(store.id).data)
"#
    ))
}
