//! The table on screens of every width.

use strata_proto::v1::{Finding, FixState, Layer, Package, Report, Severity};

use super::findings;
use crate::screen::Screen;

const VERSION: &str = "v0.0.0-20220715151400-c0bba94af5f8";
const FILE: &str = "app/node_modules/@esbuild/linux-x64/bin/esbuild";

fn report() -> Report {
    let package = |name: &str, version: &str, file: &str| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        file: file.to_owned(),
        ..Package::default()
    };
    let finding = |package: u32, id: &str, severity: Severity, aliases: &[&str]| Finding {
        package,
        id: id.to_owned(),
        severity: severity.into(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        fix_state: FixState::Fixed.into(),
        fixed_version: "0.44.0".to_owned(),
        ..Finding::default()
    };
    Report {
        layers: vec![Layer { digest: "sha256:e2a33c652318aaaa".to_owned(), ..Layer::default() }],
        packages: vec![
            package("golang.org/x/sys", VERSION, FILE),
            package("perl-base", "5.36.0-7+deb12u3", "var/lib/dpkg/status"),
        ],
        findings: vec![
            finding(0, "GHSA-qxp5-gwg8-xv66", Severity::Critical, &["BIT-django-2022-28346"]),
            finding(1, "CVE-2026-8376", Severity::Unspecified, &[]),
        ],
        ..Report::default()
    }
}

fn shown(width: Option<usize>, colour: bool) -> String {
    let mut bytes = Vec::new();
    findings::write(&report(), Screen { width, colour }, &mut bytes).expect("memory");
    String::from_utf8(bytes).expect("text")
}

#[test]
fn no_line_is_wider_than_the_screen_and_no_identifier_is_broken() {
    for width in 32..260 {
        let text = shown(Some(width), false);
        for line in text.lines() {
            assert!(line.chars().count() <= width.max(VERSION.len() + 6), "{width}: {text}");
        }
        for id in ["GHSA-qxp5-gwg8-xv66", "CVE-2026-8376", "CRITICAL", "UNKNOWN"] {
            assert!(text.contains(id), "{width}: {id} in {text}");
        }
        if width >= 70 {
            let longest = text.lines().map(|line| line.chars().count()).max();
            assert!(longest.is_some_and(|longest| longest <= width), "{width}: {text}");
        }
    }
}

#[test]
fn what_the_screen_has_no_room_for_is_named() {
    for (width, columns, says) in [
        (None, "Severity Risk Package Installed Fixed in Advisory Aliases File Layer", ""),
        (Some(250), "Severity Risk Package Installed Fixed in Advisory Aliases File Layer", ""),
        (Some(180), "Severity Risk Package Installed Fixed in Advisory File Layer", "(no room for aliases:"),
        (Some(120), "Severity Risk Package Installed Fixed in Advisory File Layer", "(no room for aliases:"),
        (
            Some(80),
            "Severity Risk Package Installed Fixed in Advisory",
            "(no room for aliases, files, layers:",
        ),
        (Some(40), "CRITICAL ? GHSA-qxp5-gwg8-xv66", "(no room for aliases, files, layers"),
    ] {
        let text = shown(width, false);
        let header: Vec<&str> = text.lines().next().unwrap_or_default().split_whitespace().collect();
        assert_eq!(header.join(" "), columns, "{width:?}: {text}");
        assert_eq!(text.contains("no room"), !says.is_empty(), "{width:?}: {text}");
        assert!(text.contains(says), "{width:?}: {text}");
    }
}

#[test]
fn a_path_keeps_its_end() {
    let text = shown(Some(120), false);
    assert!(text.contains('…') && text.contains("bin/esbuild"), "{text}");
    assert!(shown(Some(180), false).contains(FILE));
}

#[test]
fn colours_stand_beside_words_and_only_where_they_are_wanted() {
    for width in [None, Some(40), Some(120)] {
        let (plain, coloured) = (shown(width, false), shown(width, true));
        assert!(!plain.contains('\u{1b}'), "{plain}");
        assert!(coloured.contains("\u{1b}["), "{coloured}");
        let mut without = String::new();
        let mut parts = coloured.split('\u{1b}');
        without.push_str(parts.next().unwrap_or_default());
        for part in parts {
            without.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
        }
        assert_eq!(without, plain, "the words are the same");
    }
}
