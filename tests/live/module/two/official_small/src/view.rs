//! `sdk-test-view`: players, where they are, and who is near whom.
use spacetimedb::{reducer, view, AnonymousViewContext, Identity, ReducerContext, SpacetimeType, Table, ViewContext};

#[spacetimedb::table(accessor = player, public)]
pub struct Player {
    #[primary_key]
    #[auto_inc]
    pub entity_id: u64,
    #[unique]
    pub identity: Identity,
}

#[spacetimedb::table(accessor = player_level, public)]
pub struct PlayerLevel {
    #[unique]
    pub entity_id: u64,
    #[index(btree)]
    pub level: u64,
}

#[spacetimedb::table(accessor = player_location)]
pub struct PlayerLocation {
    #[unique]
    pub entity_id: u64,
    #[index(btree)]
    pub active: bool,
    pub x: i32,
    pub y: i32,
}

#[derive(SpacetimeType)]
pub struct PlayerAndLevel {
    pub entity_id: u64,
    pub identity: Identity,
    pub level: u64,
}

#[reducer]
pub fn insert_player(ctx: &ReducerContext, identity: Identity, level: u64) {
    let Player { entity_id, .. } = ctx.db.player().insert(Player { entity_id: 0, identity });
    ctx.db.player_level().insert(PlayerLevel { entity_id, level });
}

#[reducer]
pub fn delete_player(ctx: &ReducerContext, identity: Identity) {
    if let Some(Player { entity_id, .. }) = ctx.db.player().identity().find(identity) {
        ctx.db.player().entity_id().delete(entity_id);
        ctx.db.player_level().entity_id().delete(entity_id);
    }
}

#[reducer]
pub fn move_player(ctx: &ReducerContext, dx: i32, dy: i32) {
    let identity = ctx.sender();
    let player = ctx.db.player().identity().find(identity);
    let Player { entity_id, .. } = player.unwrap_or_else(|| ctx.db.player().insert(Player { entity_id: 0, identity }));
    let place = ctx.db.player_location().entity_id().find(entity_id);
    let (x, y) = place.map_or((dx, dy), |place| (place.x + dx, place.y + dy));
    ctx.db.player_location().entity_id().delete(entity_id);
    ctx.db.player_location().insert(PlayerLocation { entity_id, active: true, x, y });
}

#[view(accessor = my_player, public)]
pub fn my_player(ctx: &ViewContext) -> Option<Player> {
    ctx.db.player().identity().find(ctx.sender())
}

#[view(accessor = my_player_and_level, public)]
pub fn my_player_and_level(ctx: &ViewContext) -> Option<PlayerAndLevel> {
    let Player { entity_id, identity } = ctx.db.player().identity().find(ctx.sender())?;
    let PlayerLevel { level, .. } = ctx.db.player_level().entity_id().find(entity_id)?;
    Some(PlayerAndLevel { entity_id, identity, level })
}

#[view(accessor = players_at_level_0, public)]
pub fn players_at_level_0(ctx: &AnonymousViewContext) -> Vec<Player> {
    let levels = ctx.db.player_level().level().filter(0u64);
    levels.filter_map(|level| ctx.db.player().entity_id().find(level.entity_id)).collect()
}

#[view(accessor = nearby_players, public)]
pub fn nearby_players(ctx: &ViewContext) -> Vec<PlayerLocation> {
    let me = ctx.db.player().identity().find(ctx.sender());
    let Some(mine) = me.and_then(|player| ctx.db.player_location().entity_id().find(player.entity_id)) else {
        return Vec::new();
    };
    let is_near = |place: &PlayerLocation| {
        place.entity_id != mine.entity_id && (place.x - mine.x).abs() < 5 && (place.y - mine.y).abs() < 5
    };
    ctx.db.player_location().active().filter(true).filter(is_near).collect()
}

pub fn clear(ctx: &ReducerContext) {
    crate::clear!(ctx: player, player_level, player_location);
}
