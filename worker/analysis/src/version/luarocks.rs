//! LuaRocks: dotted, with named deltas and a revision.

use std::cmp::Ordering;

use super::Scheme;

/// LuaRocks: dotted, with named deltas and a revision.
pub static LUAROCKS: Scheme = Scheme { name: "luarocks", compare };

/// Not written yet: until then every version is unknown, none is guessed.
fn compare(_a: &str, _b: &str) -> Option<Ordering> {
    None
}
