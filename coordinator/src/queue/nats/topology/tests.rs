//! The definitions in `deploy/nats`.

use std::{fs, path::Path};

use super::*;

/// The definitions for those who make streams themselves are what the coordinator makes.
/// `STRATA_BLESS=1` writes them anew.
#[test]
fn the_definitions_in_deploy_are_these() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nats");
    for wanted in streams(&NatsConfig::new("nats://127.0.0.1")) {
        let file = directory.join(format!("{}.json", wanted.name));
        let text = format!("{}\n", serde_json::to_string_pretty(&wanted).expect("a definition"));
        if std::env::var_os("STRATA_BLESS").is_some() {
            fs::write(&file, &text).expect("a file");
        }
        let there = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(there, text, "{} is not what the coordinator makes; STRATA_BLESS=1", file.display());
    }
}
