//! Large tables. Every row follows from a seed and its id, so that a test computes what it must receive.
use spacetimedb::{ReducerContext, Table};

// Rows of different lengths: sent with offsets.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = player, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = player, public))]
pub struct Player {
    #[primary_key]
    pub id: u64,
    pub name: String,
    pub x: f32,
    pub y: f32,
    pub z: f32,
    pub level: u32,
    pub online: bool,
}

// Rows of one length: sent without.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = location, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = location, public))]
pub struct Location {
    #[primary_key]
    pub id: u64,
    #[index(btree)]
    pub chunk: u64,
    pub x: i32,
    pub z: i32,
    pub dimension: u32,
}

/// SplitMix64: 64 well-mixed bits from a seed and a position.
fn mix(seed: u64, id: u64) -> u64 {
    let mut bits = seed.wrapping_add((id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Sixteen bits as a coordinate that an f32 holds exactly.
fn coordinate(bits: u64, shift: u32) -> f32 {
    ((bits >> shift) & 0xffff) as f32 / 16.0
}

/// Appends `count` rows with ids from the number of rows that are there on.
#[spacetimedb::reducer]
pub fn fill_players(ctx: &ReducerContext, count: u64, seed: u64) -> Result<(), String> {
    let first = ctx.db.player().count();
    for id in first..first + count {
        let bits = mix(seed, id);
        ctx.db.player().try_insert(Player {
            id,
            name: format!("player-{id}"),
            x: coordinate(bits, 0),
            y: coordinate(bits, 16),
            z: coordinate(bits, 32),
            level: ((bits >> 48) & 0xff) as u32,
            online: bits >> 63 == 1,
        })?;
    }
    Ok(())
}

/// One level more for those of the ids `first..first + count` that are there: an update per row.
#[spacetimedb::reducer]
pub fn advance_players(ctx: &ReducerContext, first: u64, count: u64) {
    for id in first..first.saturating_add(count) {
        if let Some(player) = ctx.db.player().id().find(id) {
            ctx.db.player().id().update(Player { level: player.level.wrapping_add(1), ..player });
        }
    }
}

#[spacetimedb::reducer]
pub fn delete_players(ctx: &ReducerContext, first: u64, count: u64) {
    for id in first..first.saturating_add(count) {
        ctx.db.player().id().delete(id);
    }
}

#[spacetimedb::reducer]
pub fn clear_players(ctx: &ReducerContext) {
    clear!(ctx: player);
}

/// As `fill_players`; a chunk holds the rows of 256 successive ids.
#[spacetimedb::reducer]
pub fn fill_locations(ctx: &ReducerContext, count: u64, seed: u64) -> Result<(), String> {
    let first = ctx.db.location().count();
    for id in first..first + count {
        let bits = mix(seed, id);
        ctx.db.location().try_insert(Location {
            id,
            chunk: id / 256,
            x: bits as u32 as i32,
            z: (bits >> 32) as u32 as i32,
            dimension: (bits >> 62) as u32,
        })?;
    }
    Ok(())
}

#[spacetimedb::reducer]
pub fn delete_chunk(ctx: &ReducerContext, chunk: u64) {
    ctx.db.location().chunk().delete(chunk);
}

#[spacetimedb::reducer]
pub fn clear_locations(ctx: &ReducerContext) {
    clear!(ctx: location);
}

// Bytes that do not compress, or do, as the test likes.
#[cfg_attr(not(feature = "two"), spacetimedb::table(name = blob, public))]
#[cfg_attr(feature = "two", spacetimedb::table(accessor = blob, public))]
pub struct Blob {
    #[primary_key]
    pub id: u32,
    pub data: Vec<u8>,
}

#[spacetimedb::reducer]
pub fn insert_blob(ctx: &ReducerContext, id: u32, data: Vec<u8>) -> Result<(), String> {
    ctx.db.blob().try_insert(Blob { id, data })?;
    Ok(())
}

/// `size` bytes made here, so that a large row needs no large call: the low bytes of `mix(seed, 0)`, `mix(seed, 1)`, ...
#[spacetimedb::reducer]
pub fn make_blob(ctx: &ReducerContext, id: u32, size: u32, seed: u64) -> Result<(), String> {
    let data = (0..u64::from(size)).map(|position| mix(seed, position) as u8).collect();
    insert_blob(ctx, id, data)
}

#[spacetimedb::reducer]
pub fn clear_blobs(ctx: &ReducerContext) {
    clear!(ctx: blob);
}
