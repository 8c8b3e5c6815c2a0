//! What is in `deploy/`, read by those who would read it.

use std::process::Command;

use crate::strata::root;

#[test]
fn charts_units_rules_and_dashboards_are_sound() {
    let lint = Command::new("python3").arg(root().join("deploy/lint.py")).output().expect("python3 runs");
    let (said, failed) = (String::from_utf8_lossy(&lint.stdout), String::from_utf8_lossy(&lint.stderr));
    eprintln!("{said}");
    assert!(lint.status.success(), "{said}{failed}");
    assert!(said.contains("0 problems"), "{said}{failed}");
}
