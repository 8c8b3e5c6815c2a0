use super::{Lifecycle, Lifecycles};
use crate::{
    database::{Builder, Database},
    model::Distribution,
};

/// `id release: end, extended, source`, one line each.
fn lines(lifecycles: &Lifecycles) -> Vec<String> {
    let line = |((id, release), facts): (&(String, String), &super::Facts)| {
        format!("{id} {release}: {}, {}, {}", facts.end, facts.extended, facts.source)
    };
    lifecycles.iter().map(line).collect()
}

#[test]
fn the_table_that_comes_along_is_whole() {
    let table = Lifecycles::built_in().expect("our own table");
    assert!(table.len() > 150, "{}", table.len());
    for (place, facts) in table.iter() {
        assert!(!facts.source.is_empty(), "{place:?} names no source");
        assert!(facts.extended.is_empty() || facts.extended >= facts.end, "{place:?}");
    }
}

#[test]
fn the_three_forms_are_read() {
    let read = |name: &str, text: &str| Lifecycles::read(name, text.as_bytes()).map(|read| lines(&read));
    let ours = "distribution,release,end,extended,source\nacme,1,2020-01-31,,Acme\n";
    assert_eq!(read("x", ours).unwrap(), ["acme 1: 2020-01-31, , Acme"]);
    let debian = "version,codename,series,created,release,eol,eol-lts,eol-elts\n\
        11,Bullseye,bullseye,2019-07-06,2021-08-14,2024-08-14,2026-08-31,2031-06-30\n\
        14,Forky,forky,2025-08-09\n,Sid,sid,1993-08-16\n";
    let expected = ["debian 11: 2024-08-14, 2026-08-31, distro-info-data"];
    assert_eq!(read("dir/debian.csv", debian).unwrap(), expected);
    let ubuntu = "version,codename,series,created,release,eol,eol-server,eol-esm,eol-legacy\n\
        20.04 LTS,Focal Fossa,focal,2019-10-17,2020-04-23,2025-05-29,2025-05-29,2030-04-23,2032-04-27\n";
    let expected = ["ubuntu 20.04: 2025-05-29, 2030-04-23, distro-info-data"];
    assert_eq!(read("ubuntu.csv", ubuntu).unwrap(), expected);
    let first = r#"[{"cycle": "3.10", "eol": "2021-05-01", "extendedSupport": false}, {"cycle": "edge", "eol": false}]"#;
    assert_eq!(read("alpine-linux.json", first).unwrap(), ["alpine 3.10: 2021-05-01, , endoflife.date"]);
    let second = r#"{"result": {"name": "oracle-linux", "releases": [{"name": "8", "eolFrom": "2029-07-01",
        "eoesFrom": "2031-07-01"}]}}"#;
    assert_eq!(read("x.json", second).unwrap(), ["ol 8: 2029-07-01, 2031-07-01, endoflife.date"]);
}

#[test]
fn what_is_no_table_is_refused_with_its_place() {
    for (text, expected) in [
        ("<html>", "neither our columns, nor distro-info-data, nor a document of endoflife.date"),
        ("distribution,release,end,extended,source\na,1,soon,,x\n", "`soon` at line 2 is no day"),
        ("distribution,release,end,extended,source\na,1\n", "line 2 has no five fields"),
        ("version,codename,series,created\n", "no column `eol`"),
        ("{}", "no list of releases"),
        (r#"[{"eol": "2020-01-01"}]"#, "release 1 has no name"),
        (r#"[{"cycle": "1", "eol": "never"}]"#, "`never` at release 1 is no day"),
    ] {
        let error = Lifecycles::read("x.json", text.as_bytes()).expect_err(text);
        assert_eq!(error.to_string(), format!("the table of ends of life is malformed: {expected}"));
    }
}

#[test]
fn the_longest_release_counts_and_input_replaces_the_table() {
    let mut builder = Builder::new();
    builder.add_lifecycles(Lifecycles::built_in().unwrap());
    let own = b"distribution,release,end,extended,source\nrocky,9,2030-01-01,,us\nalpine,3,2001-01-01,,us\n";
    builder.add_lifecycles(Lifecycles::read("own.csv", own).unwrap());
    let bytes = builder.finish().unwrap().bytes;
    let database = Database::open(&bytes).unwrap();
    for (id, version, title, expected) in [
        ("alpine", "3.10.2", "", Some("2021-05-01")),
        ("alpine", "3.1.4", "", Some("2016-11-01")),
        ("alpine", "3.99.0", "", Some("2001-01-01")),
        ("rocky", "9.4", "", Some("2030-01-01")),
        ("debian", "12", "", Some("2026-07-11")),
        ("ubuntu", "18.04", "", Some("2023-05-31")),
        ("centos", "8", "CentOS Linux 8", Some("2021-12-31")),
        ("centos", "8", "CentOS Stream 8", Some("2024-05-31")),
        ("sles_sap", "15.3", "", Some("2022-12-31")),
        ("wolfi", "20230201", "", None),
        ("debian", "", "", None),
        ("alpine", "30", "", None),
    ] {
        let distribution = Distribution {
            id: id.to_owned(),
            version: version.to_owned(),
            title: title.to_owned(),
            ..Distribution::default()
        };
        let found = database.lifecycle(&distribution).unwrap().map(|found| found.end);
        assert_eq!(found, expected, "{id} {version} {title}");
    }
}

#[test]
fn the_last_day_is_a_day_of_support() {
    let lifecycle = Lifecycle { end: "2021-05-01", extended: "", source: "" };
    for (moment, expected) in [
        ("2021-05-01T23:59:59Z", false),
        ("2021-05-02T00:00:00Z", true),
        ("2020-01-01T00:00:00Z", false),
        ("", false),
    ] {
        assert_eq!(lifecycle.has_ended(moment), expected, "{moment}");
    }
}
