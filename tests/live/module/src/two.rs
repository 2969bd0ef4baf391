use spacetimedb::ReducerContext;
pub fn clear_two(_ctx: &ReducerContext) {}
