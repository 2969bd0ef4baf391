//! Environment variables, which are set when the module is published. All are optional: most tests publish without any.

use spacetimedb::{view, AnonymousViewContext, EnvironmentValue, SpacetimeType};

#[derive(EnvironmentValue)]
pub enum Mode {
    #[env(value = "dev")]
    Dev,
    #[env(value = "prod")]
    Prod,
}

#[spacetimedb::env]
#[allow(dead_code)] // only its declaration is used
pub struct Env {
    pub LIVE_MODE: Option<Mode>,
    pub LIVE_TEXT: Option<String>,
}

#[derive(SpacetimeType)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

/// The variables that have a value, as the module reads them.
#[view(accessor = settings, public)]
pub fn settings(ctx: &AnonymousViewContext) -> Vec<Setting> {
    let mode = ctx.env.LIVE_MODE().map(|mode| match mode {
        Mode::Dev => "dev".to_string(),
        Mode::Prod => "prod".to_string(),
    });
    [("LIVE_MODE", mode), ("LIVE_TEXT", ctx.env.LIVE_TEXT())]
        .into_iter()
        .filter_map(|(name, value)| Some(Setting { name: name.to_string(), value: value? }))
        .collect()
}
