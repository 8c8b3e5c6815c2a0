//! What is in `deploy/`, read by those who would read it.

use std::process::Command;

use crate::strata::root;

#[test]
fn charts_units_rules_and_dashboards_are_sound() {
    // The test command puts what only the lint needs into an environment of Python's own.
    let own = root().join("target/python/bin/python");
    let sees = |python: &str| {
        let asked = Command::new(python).args(["-c", "import kubernetes_validate, yaml"]).output();
        asked.is_ok_and(|asked| asked.status.success())
    };
    let own = own.display().to_string();
    let python = if sees(&own) { own.as_str() } else { "python3" };
    let lint = Command::new(python).arg(root().join("deploy/lint.py")).output().expect("python3 runs");
    let (said, failed) = (String::from_utf8_lossy(&lint.stdout), String::from_utf8_lossy(&lint.stderr));
    eprintln!("{said}");
    assert!(lint.status.success(), "{said}{failed}");
    assert!(said.contains("0 problems"), "{said}{failed}");
}
