use std::{ffi::OsString, path::PathBuf};

use super::{File, Stop, grammar, parse, show};
use crate::args::{Args, Command};

const FILE: &str = r#"
format = "json"
quiet = true
registry-rate = 5
vex = ["top.json"]

[scan]
fail-on = "high"
vex = ["a.json", "b.json"]
ignore-unfixed = true
platform = "linux/arm64"

[db.build]
output = "x.strata"
"#;

fn arguments(words: &[&str]) -> Vec<OsString> {
    ["strata"].iter().chain(words).map(OsString::from).collect()
}

/// Parses with this text as the configuration.
fn with(text: &str, words: &[&str]) -> Result<(Args, File), String> {
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("config.toml");
    std::fs::write(&path, text).expect("a file");
    parse(arguments(words), &vec![PathBuf::from("/nowhere/config.toml"), path]).map_err(|stop| match stop {
        Stop::Grammar(error) => error.to_string(),
        Stop::Failure(failure) => {
            let place = failure.message.replace(&directory.path().display().to_string(), "");
            format!("{place} | {}", failure.hint.unwrap_or_default())
        }
    })
}

fn scan(text: &str, words: &[&str]) -> (Args, crate::args::ScanArgs) {
    let (args, _) = with(text, words).expect("arguments");
    match &args.command {
        Command::Scan(scan) => {
            let scan = scan.clone();
            (args, scan)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flag_comes_before_the_file_and_the_file_before_the_default() {
    let (args, one) = scan(FILE, &["scan", "a:1"]);
    assert!(args.quiet && one.output.gate.ignore_unfixed);
    assert_eq!((one.output.format.as_str(), one.output.gate.fail_on.as_deref()), ("json", Some("high")));
    assert_eq!(one.output.vex, [PathBuf::from("a.json"), "b.json".into()], "the command's own table");
    assert_eq!(one.output.db_max_age, "14d", "the default");
    let (_, one) = scan(FILE, &["scan", "a:1", "--fail-on", "low", "--vex", "c.json", "-f", "table"]);
    assert_eq!((one.output.format.as_str(), one.output.gate.fail_on.as_deref()), ("table", Some("low")));
    assert_eq!(one.output.vex, [PathBuf::from("c.json")], "a list is replaced whole");
    // What follows a bare `--` is no option.
    let (_, one) = scan(FILE, &["scan", "--", "a:1"]);
    assert_eq!((one.images, one.target.platform.as_str()), (vec!["a:1".to_owned()], "linux/arm64"));
}

#[test]
fn tables_are_for_their_command_alone() {
    let (args, file) = with(FILE, &["sweep", "host:5000"]).expect("arguments");
    let Command::Sweep(sweep) = args.command else { panic!("a sweep") };
    assert_eq!((sweep.output.format.as_str(), sweep.output.gate.fail_on), ("json", None));
    assert_eq!(sweep.target.platform, "linux/amd64");
    assert_eq!(file.variable("STRATA_REGISTRY_RATE").as_deref(), Some("5"));
    assert_eq!(file.variable("STRATA_REGISTRY_KIND"), None);
}

#[test]
fn requirements_hold_across_file_and_flags() {
    // `--detach` needs a server: the file's counts.
    let (args, _) = with("server = 'http://a:1'", &["sweep", "h:1", "--detach"]).expect("arguments");
    let Command::Sweep(sweep) = args.command else { panic!("a sweep") };
    assert_eq!(sweep.target.server.as_deref(), Some("http://a:1"));
    let error = with("client-cert = 'x'", &["scan", "a:1"]).expect_err("no key");
    assert!(error.contains("--client-key"), "{error}");
}

#[test]
fn what_no_command_knows_is_named_with_its_place() {
    for (text, expected) in [
        ("formatt = 'json'", ":1:1: `formatt` is no option of any command | did you mean `format`?"),
        ("\n[scan]\n  nats = 'x'", ":3:3: `nats` is no option of `strata scan`"),
        ("quiet = true\n[scna]\n", ":2:2: `scna` is no command"),
        ("[db.biuld]\n", "`db biuld` is no command"),
        ("format = {a = 1}", ":1:1: `format` is no command"),
        ("token = 'x'", ":1:1: `token` is a secret, which no configuration holds | set STRATA_TOKEN"),
        ("a = 1\na = 2", ":2:1: duplicate key"),
        ("format = ", ":1:10: "),
        ("config = 'other'", "`config` is no option"),
        ("format = ['json', 'table']", ":1:1: `format` takes one value, not a list"),
        ("quiet = 'yes'", ":1:1: `quiet` is `true` or `false`"),
        ("verbose = 12", ":1:1: `verbose` is a number from 0 to 9"),
        ("vex = [['a']]", ":1:1: `vex` is no text"),
        ("\nfail-on = 7", ":2:1: `fail-on` does not take `7`: `7` is not a severity; severities: CRITICAL"),
        ("[scan]\nseverity = ['high', 'hihg']", ":2:1: `severity` does not take `hihg`: "),
        ("[scan]\nsort = 'colour'", ":2:1: `sort` does not take `colour`: "),
        ("[scan]\nexit-on-eol = 0", ":2:1: `exit-on-eol` does not take `0`: "),
    ] {
        let error = with(text, &["scan", "a:1"]).expect_err(text);
        assert!(error.contains("config.toml:") && error.contains(expected), "{text}: {error}");
    }
    let error = with("keep-days = 'x'", &["server"]).expect_err("no number");
    assert!(error.contains(":1:1: `keep-days` does not take `x`: invalid digit"), "{error}");
}

#[test]
fn help_and_versions_need_no_file() {
    for words in [&["--version"][..], &["--help"], &["scan", "--help"]] {
        let error = with("broken", words).expect_err("no arguments");
        assert!(error.contains("strata") && !error.contains("failed to read"), "{words:?}: {error}");
    }
    for words in [&["man"][..], &["completions", "bash"]] {
        assert!(with("broken", words).is_ok(), "{words:?}");
    }
    assert!(with("broken", &["scan", "a:1"]).is_err());
}

#[test]
fn each_value_is_shown_with_who_says_so() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("config.toml");
    std::fs::write(&path, FILE).expect("a file");
    let get = |name: &str| match name {
        "STRATA_TOKEN" => Some("s3cret".to_owned()),
        "STRATA_REGISTRY_RATE" => Some("9".to_owned()),
        _ => None,
    };
    let mut out = Vec::new();
    let words = ["scan", "--fail-on", "low", "--server", "https://u:s3cret@h"].map(str::to_owned);
    show::show(show::Form::Text, &words, Some(&path), &Vec::new(), &get, &mut out).expect("shown");
    let text = String::from_utf8(out).expect("text");
    let line = |key: &str| -> Vec<&str> {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(key));
        line.unwrap_or_else(|| panic!("no {key} in {text}")).split_whitespace().skip(1).collect()
    };
    let file = path.display().to_string();
    assert_eq!(line("fail-on"), ["low", "flag"]);
    assert_eq!(line("server"), ["https://u:(redacted)@h", "flag"]);
    assert_eq!(line("vex"), ["a.json,b.json", &format!("{file}:9:1")]);
    assert_eq!(line("format"), ["json", &format!("{file}:2:1")]);
    assert_eq!(line("registry-rate"), ["9", "environment", "STRATA_REGISTRY_RATE"]);
    assert_eq!(line("db-max-age"), ["14d", "default"]);
    assert_eq!(line("policy"), ["-", "not", "set"]);
    assert_eq!(line("token"), ["(a", "secret)", "environment", "STRATA_TOKEN"]);
    assert!(!text.contains("s3cret"), "{text}");

    let mut out = Vec::new();
    show::show(show::Form::Json, &words, Some(&path), &Vec::new(), &get, &mut out).expect("shown");
    let document: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
    let one = |key: &str| {
        let mut settings = document["settings"].as_array().expect("settings").iter();
        settings
            .find(|setting| setting["key"] == key)
            .map(|one| (one["values"].clone(), one["source"].clone()))
    };
    let place = serde_json::json!({"kind": "file", "path": file, "line": 9, "column": 1});
    for (key, values, source) in [
        ("fail-on", vec!["low"], serde_json::json!({"kind": "flag"})),
        ("vex", vec!["a.json", "b.json"], place),
        ("db-max-age", vec!["14d"], serde_json::json!({"kind": "default"})),
        ("policy", vec![], serde_json::json!({"kind": "not-set"})),
        ("token", vec!["(a secret)"], serde_json::json!({"kind": "environment", "variable": "STRATA_TOKEN"})),
    ] {
        assert_eq!(one(key), Some((values.into(), source)), "{key}");
    }
    assert_eq!((&document["command"], &document["configuration"]), (&"scan".into(), &file.as_str().into()));
    assert!(!document.to_string().contains("s3cret"), "{document}");
}

/// `diff` and `advise` have formats of their own: what the file says for `scan` is not for them, unless they have it too.
#[test]
fn a_value_that_is_another_commands_is_left_to_it() {
    let form = |text: &str| {
        let (args, _) = with(text, &["diff", "a:1", "b:1"])?;
        let Command::Diff(diff) = args.command else { panic!("a diff") };
        Ok::<_, String>(diff.format)
    };
    assert_eq!(form("format = 'sarif'"), Ok(crate::diff::Form::Table));
    assert_eq!(form("format = 'json'"), Ok(crate::diff::Form::Json));
    assert_eq!(form("format = 'sarif'\n[diff]\nformat = 'markdown'"), Ok(crate::diff::Form::Markdown));
    // In its own table it is meant for it, and what no command takes is a mistake everywhere.
    let error = form("[diff]\nformat = 'sarif'").expect_err("no form");
    assert!(error.contains("`format` does not take `sarif`, but one of table"), "{error}");
    let error = with("log-format = 'sarif'", &["diff", "a:1", "b:1"]).expect_err("no form");
    assert!(error.contains("`log-format` does not take `sarif`"), "{error}");
    let (_, one) = scan("format = 'sarif'", &["scan", "a:1"]);
    assert_eq!(one.output.format, "sarif");
    // Files are one command's: every other one would write over them.
    let error = with("output = ['sarif=a.sarif']", &["scan", "a:1"]).expect_err("at the top");
    assert!(error.contains(":1:1: `output` names files") && error.contains("[scan]"), "{error}");
}

#[test]
fn the_grammar_is_sound() {
    grammar().debug_assert();
}
