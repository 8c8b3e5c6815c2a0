use std::{fs, io::Write as _, path::PathBuf};

use super::*;
use crate::limits::Limits;

fn read(path: &str, bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    parse(File { path, bytes, limits: &Limits::default() }, &mut facts);
    facts
}

fn jar(entries: &[(&str, &[u8])], compress: bool) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let method = if compress { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    for (name, content) in entries {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn pom(name: &str) -> String {
    format!("#Generated\ngroupId=g\nartifactId={name}\nversion=1\n")
}

/// What names itself: an archive that nothing names has no version and is kept for an index.
fn listed(facts: &Facts) -> Vec<String> {
    let line = |package: &Package| {
        let inner = package.properties.get("inner-path").map_or("", String::as_str);
        format!("{} {} {inner}", package.name, package.version).trim_end().to_owned()
    };
    facts.packages.iter().filter(|package| !package.version.is_empty()).map(line).collect()
}

#[test]
fn a_large_archive_is_known_by_its_content_beside_those_within() {
    let filler = vec![b'x'; WORTH_SHARING];
    let plain = jar(&[("x.class", b"y")], false);
    let named = jar(&[("META-INF/maven/g/in/pom.properties", pom("in").as_bytes())], false);
    let outer = jar(&[("f.bin", &filler), ("a.jar", &plain), ("b.jar", &named)], false);
    let facts = read("app/outer.jar", &outer);
    let found: Vec<_> = facts
        .packages
        .iter()
        .map(|package| {
            let of = |name: &str| package.properties.get(name).cloned().unwrap_or_default();
            (package.name.clone(), of("inner-path"), of(SHA1))
        })
        .collect();
    let line = |name: &str, inner: &str, hash: String| (name.to_owned(), inner.to_owned(), hash);
    let expected = [
        line("outer", "", hash(&outer)),
        line("a", "a.jar", hash(&plain)),
        line("g:in", "b.jar", String::new()),
    ];
    assert_eq!(found, expected);
    assert_eq!(facts.problems.len(), 0);
}

#[test]
fn a_jar_200_deep_is_read_to_the_limit_and_says_so() {
    let mut inner = jar(&[("META-INF/maven/g/deep/pom.properties", pom("deep").as_bytes())], false);
    for level in 0..200 {
        inner = jar(
            &[("META-INF/maven/g/l/pom.properties", pom(&format!("l{level}")).as_bytes()), ("i.jar", &inner)],
            false,
        );
    }
    let facts = read("app/deep.jar", &inner);
    assert_eq!(facts.packages.len(), 9);
    assert_eq!(facts.problems.len(), 1);
    assert_eq!(facts.problems[0].code, "limit");
}

#[test]
fn a_bomb_is_not_unpacked_beyond_the_budget() {
    // Each level holds the one below ten times: 10^6 times 8 MiB when unpacked.
    let mut level = jar(&[("META-INF/MANIFEST.MF", &vec![b'a'; 8 << 20])], true);
    for _ in 0..6 {
        let names: Vec<String> = (0..10).map(|index| format!("{index}.jar")).collect();
        let entries: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), level.as_slice())).collect();
        level = jar(&entries, true);
    }
    let facts = read("bomb.jar", &level);
    assert!(facts.problems.iter().any(|problem| problem.code == "limit"), "{:?}", facts.problems.first());
    assert!(facts.problems.len() < 20, "{}", facts.problems.len());
}

#[test]
fn an_entry_that_lies_about_its_size_is_a_problem() {
    let mut bytes = jar(&[("lib/a.jar", &[0; 4_096])], true);
    let at = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    bytes[at + 24..at + 28].copy_from_slice(&10_u32.to_le_bytes());
    let facts = read("app.jar", &bytes);
    assert_eq!(facts.problems[0].code, "malformed");
    assert!(facts.problems[0].message.contains("another size"), "{:?}", facts.problems);
}

#[test]
fn what_precedes_the_archive_does_not_hide_it() {
    let name = "META-INF/maven/g/app/pom.properties";
    let bytes =
        [b"#!/bin/sh\nexec java -jar $0\n", jar(&[(name, pom("app").as_bytes())], true).as_slice()].concat();
    assert_eq!(listed(&read("srv/app.jar", &bytes)), ["g:app 1"]);
}

#[test]
fn one_bad_archive_within_another_hides_no_other() {
    let good = jar(&[("META-INF/maven/g/good/pom.properties", pom("good").as_bytes())], true);
    let bytes = jar(&[("lib/bad.jar", b"not an archive"), ("lib/good.jar", &good)], true);
    let facts = read("app.ear", &bytes);
    assert_eq!(listed(&facts), ["g:good 1 lib/good.jar"]);
    assert_eq!(facts.problems.len(), 1);
    assert!(facts.problems[0].message.starts_with("lib/bad.jar: "));
}

#[test]
fn manifests_and_file_names_tell_what_properties_do_not() {
    for (path, manifest, expected) in [
        (
            "plugins/git.jpi",
            "Short-Name: git\r\nGroup-Id: org.jenkins-ci.plugins\r\nPlugin-Version: 4.1 (private)\r\n",
            "org.jenkins-ci.plugins:git 4.1",
        ),
        (
            "lib/catalina.jar",
            "Implementation-Title: Apache Tomcat\nImplementation-Version: 9.0.1\n",
            "org.apache.tomcat:tomcat-catalina 9.0.1",
        ),
        (
            "lib/a-b-2.5.jar",
            "Implementation-Vendor-Id: org.ex\n ample\n\nImplementation-Version: 9\n",
            "org.example:a-b 2.5",
        ),
        (
            "lib/io-1.0-jre.jar",
            "Bundle-SymbolicName: org.example.io;singleton:=true\n",
            "org.example:io 1.0-jre",
        ),
        (
            "lib/spring-web-5.3.1.jar",
            "Automatic-Module-Name: spring.web\n",
            "org.springframework:spring-web 5.3.1",
        ),
        ("lib/spring-boot-starter-3.0.0.jar", "", "org.springframework.boot:spring-boot-starter 3.0.0"),
        ("lib/spring-other-3.0.0.jar", "", "spring-other 3.0.0"),
        (
            "lib/tomcat-embed-core-9.0.1.jar",
            "Implementation-Title: Apache Tomcat\n",
            "org.apache.tomcat.embed:tomcat-embed-core 9.0.1",
        ),
        (
            "lib/commons-logging-1.0.4.jar",
            "Implementation-Vendor-Id: org.apache\n",
            "commons-logging:commons-logging 1.0.4",
        ),
        ("lib/jasper-1.0.jar", "Implementation-Vendor-Id: org.apache\n", "jasper 1.0"),
        ("lib/thing-1.0.jar", "Implementation-Vendor-Id: Some Vendor\n", "thing 1.0"),
        ("lib/app.jar", "Implementation-Version: ${version}\n", ""),
        ("lib/app.jar", "", ""),
    ] {
        let facts = read(path, &jar(&[("META-INF/MANIFEST.MF", manifest.as_bytes())], true));
        assert_eq!(listed(&facts).join(","), expected, "{path}");
        let key = facts.packages.first().and_then(|package| advisory_keys(package, None).into_iter().next());
        assert_eq!(key.is_some(), expected.contains(':'), "{path}");
    }
}

/// The published expectation for three archives, where the checkout has them beside it.
#[test]
fn published_expectations_are_met() {
    let shared = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let Ok(expected) = fs::read(shared.join("expected/jar.json")) else {
        println!("skipped: {} is not there", shared.display());
        return;
    };
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    for (fixture, key) in [("maven.war", "wantMaven"), ("nested.jar", "wantNestedJar")] {
        let facts = read(fixture, &fs::read(shared.join("lang/java").join(fixture)).unwrap());
        let mut wanted: Vec<String> = expected[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|package| {
                let text = |key: &str| package[key].as_str().unwrap().to_owned();
                let path = text("FilePath");
                let inner = path.split_once(fixture).unwrap().1.trim_start_matches('/');
                format!("{} {} {inner}", text("Name"), text("Version")).trim_end().to_owned()
            })
            .collect();
        let mut actual = listed(&facts);
        wanted.sort();
        actual.sort();
        assert_eq!((actual, &facts.problems), (wanted, &vec![]), "{fixture}");
    }
    let name = "hadoop-shaded-guava-1.1.0-SNAPSHOT.jar";
    assert_eq!(
        listed(&read(name, &fs::read(shared.join("lang/java").join(name)).unwrap())),
        [
            "org.apache.hadoop.thirdparty:hadoop-shaded-guava 1.1.0-SNAPSHOT",
            "com.google.j2objc:j2objc-annotations 1.3",
            "com.google.guava:guava 29.0-jre",
            "com.google.guava:failureaccess 1.0.1",
            "com.google.guava:listenablefuture 9999.0-empty-to-avoid-conflict-with-guava",
        ]
    );
}

/// Archives with more than 65,535 entries say their numbers in a second record.
#[test]
fn the_wide_record_of_large_archives_is_read() {
    let bytes = jar(&[("META-INF/maven/g/app/pom.properties", pom("app").as_bytes())], true);
    let (head, end) = bytes.split_at(bytes.len() - 22);
    let number = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap()));
    let (length, offset) = (number(12), number(16));
    let record = [
        &b"PK\x06\x06"[..],
        &44_u64.to_le_bytes(),
        &[0; 12],
        &1_u64.to_le_bytes(),
        &1_u64.to_le_bytes(),
        &length.to_le_bytes(),
        &offset.to_le_bytes(),
    ]
    .concat();
    let place = u64::try_from(head.len()).unwrap().to_le_bytes();
    let locator = [&b"PK\x06\x07\0\0\0\0"[..], &place, &[1, 0, 0, 0]].concat();
    let end = [&b"PK\x05\x06\0\0\0\0"[..], &[0xff; 12], &[0; 2]].concat();
    let wide = [head, &record, &locator, &end].concat();
    assert_eq!(listed(&read("app.jar", &wide)), ["g:app 1"]);
}

#[test]
fn entries_without_content_are_bounded_too() {
    let names: Vec<String> = (0..2_000).map(|index| format!("{index}.jar")).collect();
    let empty = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), empty.as_slice())).collect();
    let inner = jar(&entries, false);
    let outer: Vec<(&str, &[u8])> =
        names[..20].iter().map(|name| (name.as_str(), inner.as_slice())).collect();
    let facts = read("app.jar", &jar(&outer, false));
    assert_eq!(facts.problems.len(), 1, "{:?}", facts.problems);
    assert!(facts.problems[0].message.contains("archives within archives"));
}
