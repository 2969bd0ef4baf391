//! A SpacetimeDB 2.x server on top of the crates that are on crates.io.
//!
//! `spacetimedb-core` has the module host, storage, subscriptions and message handlers; what is
//! missing there is the part that listens: names, publishing, HTTP routes and WebSockets. That is
//! what this program is.

mod connection;
mod databases;
mod encoding;
mod environment;
mod handlers;
mod handshake;
mod http;
mod identities;
mod names;
mod publishing;
mod requests;
mod tokens;

use anyhow::{Context, Result, bail};
use databases::Databases;
use environment::InitialEnvironments;
use spacetimedb::auth::idc::IdcTokenSigner;
use spacetimedb::client::ClientActorIndex;
use spacetimedb::config::{
    CertificateAuthority, LogConfig, ModuleHttpConfig, V8Config, WasmConfig,
};
use spacetimedb::db::persistence::LocalPersistenceProvider;
use spacetimedb::db::{Config, Storage};
use spacetimedb::energy::NullEnergyMonitor;
use spacetimedb::host::{DiskStorage, HostController, HostRuntimeConfig, IdcConfig};
use spacetimedb::startup::{TracingOptions, configure_tracing};
use spacetimedb::util::jobs::JobCores;
use spacetimedb_paths::FromPathUnchecked;
use spacetimedb_paths::cli::{PrivKeyPath, PubKeyPath};
use spacetimedb_paths::server::ServerDataDir;
use spacetimedb_paths::standalone::StandaloneDataDirExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokens::Tokens;

/// The version of the core, which is what a client meets.
pub const VERSION: &str = "2.14.0";

/// What every request handler can reach.
pub struct App {
    pub databases: Databases,
    pub host: HostController,
    pub programs: Arc<DiskStorage>,
    pub initial_environments: Arc<InitialEnvironments>,
    pub tokens: Tokens,
    pub clients: ClientActorIndex,
    pub limits: connection::Limits,
    /// Publishing, resetting and deleting are done one at a time.
    pub publishing: tokio::sync::Mutex<()>,
}

/// How long modules may take to end when the server ends.
const EXIT_TIME: Duration = Duration::from_secs(5);

struct Options {
    listen: String,
    data: PathBuf,
    keys: CertificateAuthority,
    storage: Storage,
}

const USAGE: &str =
    "usage: real-server start --data-dir DIR [--listen-addr ADDR:PORT] [--in-memory]
                       [--jwt-priv-key-path FILE --jwt-pub-key-path FILE]";

fn options() -> Result<Options> {
    let mut given = std::env::args().skip(1).peekable();
    match given.peek().map(String::as_str) {
        Some("--help" | "-h") => {
            println!("{USAGE}");
            std::process::exit(0);
        }
        Some("--version") => {
            println!("real-server, spacetimedb-core {VERSION}");
            std::process::exit(0);
        }
        Some("start") => _ = given.next(),
        _ => bail!("{USAGE}"),
    }
    let (mut listen, mut storage) = ("127.0.0.1:3000".to_owned(), Storage::Disk);
    let (mut data, mut private, mut public) = (None::<PathBuf>, None::<PathBuf>, None::<PathBuf>);
    while let Some(name) = given.next() {
        let mut value = || given.next().with_context(|| format!("{name} needs a value"));
        match name.as_str() {
            "--listen" | "--listen-addr" | "-l" => listen = value()?,
            "--data-dir" => data = Some(value()?.into()),
            "--jwt-priv-key-path" => private = Some(value()?.into()),
            "--jwt-pub-key-path" => public = Some(value()?.into()),
            "--in-memory" => storage = Storage::Memory,
            "--non-interactive" => {}
            other => bail!("unknown option {other}\n{USAGE}"),
        }
    }
    let data = data.context("--data-dir is missing")?;
    let keys = match (private, public) {
        (Some(private), Some(public)) => (private, public),
        (None, None) => (data.join("id_ecdsa"), data.join("id_ecdsa.pub")),
        _ => bail!("--jwt-priv-key-path and --jwt-pub-key-path go together"),
    };
    let keys = CertificateAuthority {
        jwt_priv_key_path: PrivKeyPath(keys.0),
        jwt_pub_key_path: PubKeyPath(keys.1),
    };
    Ok(Options { listen, data, keys, storage })
}

async fn serve(options: Options, cores: JobCores) -> Result<()> {
    let directory = Arc::new(ServerDataDir::from_path_unchecked(options.data));
    directory.create()?;
    let _pid_file = directory.pid_file()?; // a second server on this folder ends here
    let keys = options.keys.get_or_create_keys()?;
    let programs = Arc::new(DiskStorage::new(directory.program_bytes().0).await?);
    let listener = tokio::net::TcpListener::bind(&options.listen)
        .await
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    let address = listener.local_addr()?;

    let initial_environments = Arc::new(InitialEnvironments::default());
    let host = HostController::new(
        directory.clone(),
        Config { storage: options.storage, page_pool_max_size: None },
        HostRuntimeConfig::new(
            WasmConfig::default(),
            V8Config::default(),
            ModuleHttpConfig::default(),
        ),
        programs.clone(),
        Arc::new(NullEnergyMonitor),
        Arc::new(()),
        Arc::new(LocalPersistenceProvider::new(directory.clone())),
        cores,
    )
    .with_initial_environment_source(initial_environments.clone());
    // No database starts before this is set: "IDC transport is not configured".
    let signer: Arc<dyn IdcTokenSigner> = Arc::new(keys.private.clone());
    host.set_idc_config(IdcConfig { http_port: address.port(), token_signer: signer })?;

    let app = Arc::new(App {
        databases: Databases::open(directory.0.join("databases.json"))?,
        host,
        programs,
        initial_environments,
        tokens: Tokens::new(keys),
        clients: ClientActorIndex::new(),
        limits: connection::Limits::default(),
        publishing: <_>::default(),
    });
    println!("real-server (spacetimedb-core {VERSION}) listens on {address}");
    let service = http::router(app.clone());
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = axum::serve(listener, service).tcp_nodelay(true) => done?,
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    // All at once: who asked us to end does not wait for one after the other.
    let ends = app.host.managed_replicas().into_iter();
    let ends = ends.map(|replica| app.host.exit_module_host(replica, EXIT_TIME));
    futures::future::try_join_all(ends).await.map(drop)
}

fn main() -> Result<()> {
    let options = options()?;
    // A panic in the core leaves locks and queues in an unknown state: better to end, as the
    // original server does.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        hook(info);
        std::process::exit(1);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let cores = JobCores::without_pinned_cores();
    runtime.block_on(async {
        let filter =
            std::env::var("REAL_SERVER_LOG").unwrap_or_else(|_| "warn,spacetimedb=info".into());
        configure_tracing(TracingOptions {
            config: LogConfig {
                level: None,
                directives: filter.split(',').map(str::to_owned).collect(),
            },
            ..TracingOptions::default()
        });
        serve(options, cores).await
    })
}
