//! The types that columns are made of.
use spacetimedb::sats::{i256, u256};
use spacetimedb::{ConnectionId, Identity, SpacetimeType, TimeDuration, Timestamp};

#[derive(SpacetimeType, Clone, Copy, PartialEq, Eq, Debug)]
pub enum SimpleEnum {
    zero,
    one,
    two,
}

#[derive(SpacetimeType, Clone)]
pub enum EnumWithPayload {
    u8(u8),
    u16(u16),
    u32(u32),
    u64(u64),
    u128(u128),
    u256(u256),
    i8(i8),
    i16(i16),
    i32(i32),
    i64(i64),
    i128(i128),
    i256(i256),
    bool(bool),
    f32(f32),
    f64(f64),
    string(String),
    identity(Identity),
    connectionId(ConnectionId),
    timestamp(Timestamp),
    bytes(Vec<u8>),
    ints(Vec<i32>),
    strings(Vec<String>),
    simpleEnums(Vec<SimpleEnum>),
    maybe(Option<i32>),
    inner(Inner),
    nothing,
}

#[derive(SpacetimeType, Clone)]
pub struct UnitStruct {}

#[derive(SpacetimeType, Clone)]
pub struct ByteStruct {
    pub b: u8,
}

#[derive(SpacetimeType, Clone)]
pub struct EveryPrimitive {
    pub u_8: u8,
    pub u_16: u16,
    pub u_32: u32,
    pub u_64: u64,
    pub u_128: u128,
    pub u_256: u256,
    pub i_8: i8,
    pub i_16: i16,
    pub i_32: i32,
    pub i_64: i64,
    pub i_128: i128,
    pub i_256: i256,
    pub truth: bool,
    pub f_32: f32,
    pub f_64: f64,
    pub text: String,
    pub identity: Identity,
    pub connection_id: ConnectionId,
    pub timestamp: Timestamp,
    pub duration: TimeDuration,
}

#[derive(SpacetimeType, Clone)]
pub struct EveryVec {
    pub u_8: Vec<u8>,
    pub u_16: Vec<u16>,
    pub u_32: Vec<u32>,
    pub u_64: Vec<u64>,
    pub u_128: Vec<u128>,
    pub u_256: Vec<u256>,
    pub i_8: Vec<i8>,
    pub i_16: Vec<i16>,
    pub i_32: Vec<i32>,
    pub i_64: Vec<i64>,
    pub i_128: Vec<i128>,
    pub i_256: Vec<i256>,
    pub truth: Vec<bool>,
    pub f_32: Vec<f32>,
    pub f_64: Vec<f64>,
    pub text: Vec<String>,
    pub identity: Vec<Identity>,
    pub connection_id: Vec<ConnectionId>,
    pub timestamp: Vec<Timestamp>,
    pub duration: Vec<TimeDuration>,
}

#[derive(SpacetimeType, Clone)]
pub struct Inner {
    pub x: i32,
    pub label: String,
}

#[derive(SpacetimeType, Clone)]
pub struct Middle {
    pub inner: Inner,
    pub more: Vec<Inner>,
    pub maybe: Option<Inner>,
}

#[derive(SpacetimeType, Clone)]
pub struct Outer {
    pub middle: Middle,
    pub kind: EnumWithPayload,
    pub simple: SimpleEnum,
}
