//! Small documents as Syft, Trivy and Strata itself write them, and what is read of them.

use super::*;
use crate::squash::squash;

fn read(text: &str) -> Result<Inventory, LayerError> {
    index(&mut text.as_bytes(), &Limits::default())
}

/// `row name version source-name source-version`, the distribution, and codes of problems.
fn seen(text: &str) -> (Vec<String>, String, Vec<String>) {
    let inventory = read(text).expect("a bill of materials");
    let contents = squash(&[&inventory]);
    let packages = contents.packages.iter().map(|installed| {
        let package = &installed.package;
        let source = format!("{} {}", package.source_name, package.source_version);
        format!("{} {} {} {}", installed.ecosystem, package.name, package.version, source)
            .trim_end()
            .to_owned()
    });
    let mut packages: Vec<String> = packages.collect();
    packages.sort();
    let system =
        contents.distribution.map_or_else(String::new, |found| format!("{} {}", found.id, found.version));
    let mut codes: Vec<String> =
        contents.problems.iter().map(|(problem, _)| problem.code.to_string()).collect();
    codes.dedup();
    (packages, system, codes)
}

fn cyclonedx(version: &str, components: &str) -> String {
    format!(
        r#"{{"bomFormat":"CycloneDX","specVersion":"{version}","metadata":{{"component":{{"type":"container","name":"app"}}}},"components":[{components}]}}"#
    )
}

fn spdx(version: &str, packages: &[&str]) -> String {
    let packages = packages.join(",");
    format!(
        r#"{{"spdxVersion":"{version}","documentDescribes":["SPDXRef-root"],
            "packages":[{{"SPDXID":"SPDXRef-root","name":"app"}}{}{packages}]}}"#,
        if packages.is_empty() { "" } else { "," }
    )
}

fn reference(purl: &str) -> String {
    format!(
        r#"{{"SPDXID":"SPDXRef-1","name":"x","externalRefs":[{{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"{purl}"}}]}}"#
    )
}

const OS: &str = r#"{"type":"operating-system","name":"debian","version":"12"}"#;

#[test]
fn system_packages_have_their_sources_and_their_distribution() {
    let syft = r#"{"type":"library","name":"libc6","version":"2.36-9","purl":"pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc"}"#;
    let epoch = r#"{"type":"library","name":"vim","purl":"pkg:deb/debian/vim@9.0.1-2?epoch=2&arch=amd64&upstream=vim-src%401%3A9"}"#;
    let trivy = r#"{"type":"library","name":"libssl3","purl":"pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12.5",
        "properties":[{"name":"aquasecurity:trivy:SrcName","value":"openssl"},{"name":"aquasecurity:trivy:SrcVersion","value":"3.0.11"},{"name":"aquasecurity:trivy:SrcRelease","value":"1~deb12u2"}]}"#;
    let own = r#"{"type":"library","name":"libz","purl":"pkg:deb/debian/libz@1.2?arch=amd64","properties":[{"name":"strata:source","value":"zlib"},{"name":"strata:source-version","value":"1:1.2"}]}"#;
    for version in ["1.4", "1.5", "1.6"] {
        let (packages, system, codes) = seen(&cyclonedx(version, &[OS, syft, epoch, trivy, own].join(",")));
        assert_eq!(
            packages,
            [
                "dpkg libc6 2.36-9 glibc",
                "dpkg libssl3 3.0.11-1~deb12u2 openssl",
                "dpkg libz 1.2 zlib 1:1.2",
                "dpkg vim 2:9.0.1-2 vim-src 1:9",
            ]
        );
        assert_eq!((system.as_str(), codes), ("debian 12", vec![]));
    }
    let rpm = "pkg:rpm/redhat/openssl-libs@3.0.7-16.el9_2?arch=x86_64&epoch=1&distro=rhel-9.2&upstream=openssl-3.0.7-16.el9_2.src.rpm";
    let apk = "pkg:apk/alpine/libcrypto3@3.1.4-r1?arch=x86_64&distro=alpine-3.19.1&upstream=openssl";
    for version in ["SPDX-2.2", "SPDX-2.3"] {
        let (packages, system, codes) = seen(&spdx(version, &[&reference(rpm)]));
        assert_eq!(packages, ["rpm openssl-libs 1:3.0.7-16.el9_2 openssl"]);
        assert_eq!((system.as_str(), codes), ("rhel 9.2", vec![]), "from the qualifiers");
        let (packages, system, _) = seen(&spdx(version, &[&reference(apk)]));
        assert_eq!(
            (packages, system.as_str()),
            (vec!["apk libcrypto3 3.1.4-r1 openssl".to_owned()], "alpine 3.19.1")
        );
    }
}

/// As Trivy's SPDX and Strata's own name them; a package that says it is its own source is no gap.
#[test]
fn sources_stand_in_spdx_too() {
    let package =
        |purl: &str, info: &str| reference(purl).replacen('{', &format!(r#"{{"sourceInfo":"{info}","#), 1);
    let libc = package("pkg:deb/debian/libc6@2.36?distro=debian-12", "built package from: glibc 1:2.36");
    let bash = package("pkg:deb/debian/bash@5.2?distro=debian-12", "built package from: bash 5.2");
    let npm = package("pkg:npm/lodash@4.17.4", "found in app/node_modules/lodash/package.json");
    let again = npm.replace("app/", "other/");
    let document = spdx("SPDX-2.3", &[&libc, &bash, &npm, &again]);
    let (packages, system, codes) = seen(&document);
    let expected =
        ["dpkg bash 5.2", "dpkg libc6 2.36 glibc 1:2.36", "sbom-npm lodash 4.17.4", "sbom-npm lodash 4.17.4"];
    assert_eq!(packages, expected);
    assert_eq!((system.as_str(), codes), ("debian 12", vec![]));
    let paths: Vec<_> =
        read(&document).expect("a document").files.into_iter().map(|file| file.path).collect();
    let lodash = ["app/node_modules/lodash/package.json", "other/node_modules/lodash/package.json"];
    assert_eq!(paths, [lodash[0], lodash[1], "sbom"]);
    let (_, _, codes) = seen(&spdx("SPDX-2.3", &[&bash]));
    assert_eq!(codes, Vec::<String>::new(), "it is told that there is no other source");
}

/// Package URLs of PyPI have names in a normal form; what is shown is the name that the document has.
#[test]
fn names_are_those_of_the_document() {
    for (name, purl, shown) in [
        ("Flask", "flask", "Flask"),
        ("zope.interface", "zope-interface", "zope.interface"),
        ("flask-login", "flask", "flask"),
    ] {
        let component = format!(
            r#"{{"type":"library","name":"{name}","purl":"pkg:pypi/{purl}@1.0","evidence":{{"occurrences":[{{"location":"a/METADATA"}}]}}}}"#
        );
        let document = cyclonedx("1.6", &format!("{OS},{component}"));
        let inventory = read(&document).expect("a document");
        let file = &inventory.files[0];
        assert_eq!((file.path.as_str(), file.packages[0].name.as_str()), ("a/METADATA", shown));
    }
    // A place that is none is not taken over.
    for place in ["", "a\\nb", &"x".repeat(5000)] {
        let component = format!(
            r#"{{"type":"library","name":"a","purl":"pkg:npm/a@1.0","evidence":{{"occurrences":[{{"location":"{place}"}}]}}}}"#
        );
        let inventory = read(&cyclonedx("1.6", &format!("{OS},{component}"))).expect("a document");
        assert_eq!(inventory.files[0].path, "sbom");
    }
}

#[test]
fn language_packages_nest_and_keep_their_names() {
    let nested = r#"{"type":"application","name":"a","purl":"pkg:npm/%40scope/a@1.0.0","components":[
        {"type":"library","name":"core","purl":"pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1"},
        {"type":"library","name":"x","purl":"pkg:golang/github.com/a/b@v1.2.3"},
        {"type":"library","name":"y","purl":"pkg:pypi/django@3.2"},
        {"type":"library","name":"z","purl":"pkg:hex/phoenix@1.7.0"}]}"#;
    let (packages, system, codes) = seen(&cyclonedx("1.6", &format!("{OS},{nested}")));
    assert_eq!(
        packages,
        [
            "erlang phoenix 1.7.0",
            "sbom-golang github.com/a/b v1.2.3",
            "sbom-maven org.apache.logging.log4j:log4j-core 2.14.1",
            "sbom-npm @scope/a 1.0.0",
            "sbom-pypi django 3.2",
        ]
    );
    assert_eq!((system.as_str(), codes), ("debian 12", vec![]));
}

#[test]
fn what_is_not_known_is_a_problem() {
    let deb = r#"{"type":"library","name":"bash","purl":"pkg:deb/debian/bash@5.2?arch=amd64"}"#;
    let npm = r#"{"type":"library","name":"a","purl":"pkg:npm/a@1.0.0"}"#;
    let os = |name: &str| format!(r#"{{"type":"operating-system","name":"{name}","version":"1"}}"#);
    for (components, code) in [
        (npm.to_owned(), "unknown-distribution"),
        (format!("{},{},{npm}", os("debian"), os("alpine")), "unknown-distribution"),
        (format!(r#"{{"type":"operating-system","name":"debian"}},{npm}"#), "unknown-distribution"),
        (format!("{OS},{deb}"), "no-source-packages"),
        (format!(r#"{OS},{npm},{{"type":"library","name":"b"}}"#), "no-package-url"),
        (
            format!(r#"{OS},{npm},{{"type":"library","name":"b","purl":"pkg:conan/b@1"}}"#),
            "unknown-ecosystem",
        ),
        (format!(r#"{OS},{npm},{{"type":"library","name":"b","purl":"pkg:npm/b"}}"#), "unknown-ecosystem"),
        (format!(r#"{OS},{npm},{{"type":"library","name":"b","purl":"nonsense"}}"#), "unknown-ecosystem"),
        (OS.to_owned(), "no-packages"),
        (String::new(), "no-packages"),
    ] {
        let (_, _, codes) = seen(&cyclonedx("1.5", &components));
        assert!(codes.iter().any(|found| found == code), "{code} is not in {codes:?} of {components}");
    }
    let two = [
        reference("pkg:apk/alpine/a@1?distro=alpine-3.19"),
        reference("pkg:deb/debian/b@1?distro=debian-12"),
    ];
    let (_, system, codes) = seen(&spdx("SPDX-2.3", &[&two[0], &two[1]]));
    assert_eq!(system, "");
    assert!(codes.iter().any(|code| code == "unknown-distribution"), "{codes:?}");
}

#[test]
fn other_documents_are_refused() {
    for (text, says) in [
        ("", "an early end"),
        ("{}", "neither CycloneDX nor SPDX"),
        (r#"{"bomFormat":"CycloneDX","specVersion":"9.0"}"#, "CycloneDX 9.0"),
        (r#"{"spdxVersion":"SPDX-1.2"}"#, "SPDX-1.2"),
        (r#"{"spdxVersion":3}"#, "another kind"),
        ("<bom/>", "mistake in its JSON"),
    ] {
        let Err(LayerError::Malformed(reason)) = read(text) else { panic!("{text} was read") };
        assert!(reason.contains(says), "{text}: {reason}");
        assert!(media_type(text.as_bytes()).is_err());
    }
    assert_eq!(media_type(cyclonedx("1.5", "").as_bytes()), Ok(CYCLONEDX));
    assert_eq!(media_type(spdx("SPDX-2.3", &[]).as_bytes()), Ok(SPDX));
    let few = Limits { packages: 1, ..Limits::default() };
    let two = cyclonedx("1.5", r#"{"purl":"pkg:npm/a@1"},{"purl":"pkg:npm/b@1"}"#);
    assert!(matches!(index(&mut two.as_bytes(), &few), Err(LayerError::Limit(_))));
}
