//! Generated content against readers of its own.

use std::{collections::BTreeSet, io::Read as _};

use serde_json::Value;

use super::*;

fn demo() -> (Synthetic, Expected) {
    let content = Synthetic::new(Plan::demo());
    let expected = content.expected(Arch::Amd64).unwrap();
    (content, expected)
}

/// Name and content of each file of a layer, by a reader of its own.
fn untar(blob: &[u8], compression: Compression) -> Vec<(String, u8, Vec<u8>)> {
    let mut tar = Vec::new();
    let read = match compression {
        Compression::Gzip => flate2::read::GzDecoder::new(blob).read_to_end(&mut tar),
        Compression::Zstd => zstd::stream::read::Decoder::new(blob).unwrap().read_to_end(&mut tar),
        Compression::None => {
            let mut plain = blob;
            plain.read_to_end(&mut tar)
        }
    };
    assert_eq!(read.unwrap(), tar.len());
    let text = |bytes: &[u8]| String::from_utf8(bytes.split(|b| *b == 0).next().unwrap().to_vec()).unwrap();
    let octal = |bytes: &[u8]| usize::from_str_radix(text(bytes).trim(), 8).unwrap();
    let mut entries = Vec::new();
    let mut at = 0;
    while tar[at] != 0 {
        let header = &tar[at..at + 512];
        let sum: usize = header
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { *b as usize })
            .sum();
        assert_eq!(sum, octal(&header[148..156]));
        let (name, prefix, size) = (text(&header[..100]), text(&header[345..500]), octal(&header[124..136]));
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        entries.push((path, header[156], tar[at + 512..at + 512 + size].to_vec()));
        at += 512 + size.div_ceil(512) * 512;
    }
    assert_eq!(tar.len(), at + 1024);
    entries
}

#[test]
fn the_demonstration_has_its_size() {
    let (content, expected) = demo();
    assert_eq!(expected.images.len(), 60);
    assert_eq!(expected.references, 72 + expected.skipped);
    assert!(expected.skipped >= 5, "{} signatures", expected.skipped);
    assert!((80..=120).contains(&expected.distinct_layers), "{} layers", expected.distinct_layers);
    assert!(expected.layer_bytes < 16 << 20, "{} bytes", expected.layer_bytes);
    let distributions: BTreeSet<_> = expected.images.iter().map(|image| image.distribution).collect();
    assert_eq!(distributions, BTreeSet::from(["alpine", "debian", "ubuntu", "wolfi"]));
    let packages = expected.images.iter().flat_map(|image| &image.packages);
    let packages: BTreeSet<_> =
        packages.map(|package| (package.name.as_str(), package.version.as_str())).collect();
    for vulnerable in [
        ("libcrypto1.1", "1.1.1c-r0"),
        ("libcrypto1.1", "1.1.1k-r0"),
        ("libssl3", "3.0.11-1~deb12u2"),
        ("lodash", "4.17.4"),
        ("minimist", "1.2.0"),
        ("Django", "2.2.0"),
        ("Jinja2", "2.10"),
        ("PyYAML", "5.3.1"),
    ] {
        assert!(packages.contains(&vulnerable), "{vulnerable:?} is in no image");
    }
    let mut listed = 0;
    for repository in content.repositories(None, 1000) {
        listed += content.tags(&repository, None, 1000).unwrap().unwrap().len() as u64;
    }
    assert_eq!(listed, expected.references);
}

#[test]
fn two_makers_agree_and_seeds_differ() {
    let digests = |plan: Plan| -> Vec<_> {
        let content = Synthetic::new(plan);
        let names = content.repositories(None, 3);
        names.iter().map(|name| content.manifest(name, "latest").unwrap().unwrap().digest).collect()
    };
    assert_eq!(digests(Plan::demo()), digests(Plan::demo()));
    assert_ne!(digests(Plan::demo()), digests(Plan { seed: 1, ..Plan::demo() }));
}

#[test]
fn every_expected_package_stands_in_its_layer() {
    let (content, expected) = demo();
    let mut ecosystems = BTreeSet::new();
    let mut later = 0;
    for image in &expected.images {
        assert!(!image.packages.is_empty(), "{}:{:?}", image.repository, image.tags);
        let files: Vec<_> = image
            .layers
            .iter()
            .map(|digest| {
                let blob = content.blob(&image.repository, digest).unwrap().unwrap().joined();
                assert_eq!(Digest::of(&blob), *digest);
                let compression = if blob.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
                    Compression::Zstd
                } else {
                    Compression::Gzip
                };
                untar(&blob, compression)
            })
            .collect();
        for package in &image.packages {
            let file = files[package.layer].iter().find(|(path, ..)| *path == package.file);
            let text = String::from_utf8_lossy(&file.unwrap_or_else(|| panic!("{package:?}")).2).into_owned();
            let line = match package.ecosystem {
                "dpkg" => format!("Package: {}\n", package.name),
                "apk" => format!("P:{}\nV:{}\n", package.name, package.version),
                "npm" => format!("\"name\": \"{}\",\n  \"version\": \"{}\"", package.name, package.version),
                _ => format!("Name: {}\nVersion: {}\n", package.name, package.version),
            };
            assert!(text.contains(&line), "{package:?}");
            ecosystems.insert(package.ecosystem);
            later += u32::from(package.ecosystem == "dpkg" && package.layer > 0);
        }
    }
    assert_eq!(ecosystems, BTreeSet::from(["apk", "dpkg", "npm", "python"]));
    assert!(later > 0, "no image has an upgraded system package");
}

#[test]
fn layers_delete_and_replace() {
    let (content, expected) = demo();
    let mut markers = BTreeSet::new();
    for image in &expected.images {
        for digest in &image.layers {
            let blob = content.blob(&image.repository, digest).unwrap().unwrap().joined();
            let compression =
                if blob.starts_with(&[0x28, 0xb5]) { Compression::Zstd } else { Compression::Gzip };
            for (path, ..) in untar(&blob, compression) {
                let name = path.rsplit('/').next().unwrap();
                if name.starts_with(".wh.") {
                    markers.insert(if name == ".wh..wh..opq" { "opaque" } else { "whiteout" });
                }
            }
        }
    }
    assert_eq!(markers, BTreeSet::from(["opaque", "whiteout"]));
}

#[test]
fn manifests_name_what_exists() {
    let (content, expected) = demo();
    let mut kinds = BTreeSet::new();
    for image in &expected.images {
        for tag in &image.tags {
            let top = content.manifest(&image.repository, tag).unwrap().unwrap();
            kinds.insert(top.media_type.clone());
            assert_eq!(Digest::of(&top.bytes), top.digest);
            assert_eq!(content.manifest(&image.repository, &top.digest.to_string()).unwrap(), Some(top));
        }
        let manifest = content.manifest(&image.repository, &image.digest.to_string()).unwrap().unwrap();
        let json: Value = serde_json::from_slice(&manifest.bytes).unwrap();
        let config: Digest = json["config"]["digest"].as_str().unwrap().parse().unwrap();
        let config: Value =
            serde_json::from_slice(&content.blob(&image.repository, &config).unwrap().unwrap().joined())
                .unwrap();
        let layers = json["layers"].as_array().unwrap();
        let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap();
        assert_eq!(diff_ids.len(), layers.len());
        assert_eq!(config["architecture"], "amd64");
        for (layer, want) in layers.iter().zip(&image.layers) {
            assert_eq!(layer["digest"], want.to_string());
            let size = content.blob_size(&image.repository, want).unwrap();
            assert_eq!(layer["size"].as_u64(), size);
        }
    }
    assert!(kinds.contains(OCI_MANIFEST) && kinds.contains(DOCKER_MANIFEST), "{kinds:?}");
    assert!(kinds.contains(OCI_INDEX) || kinds.contains(DOCKER_LIST), "{kinds:?}");
}

#[test]
fn diff_ids_are_digests_of_the_tar() {
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(60));
        let blob = Blob::of_files(&[("a/b", b"content"), (&long, &[7; 600])], compression).unwrap();
        let plain = Blob::of_files(&[("a/b", b"content"), (&long, &[7; 600])], Compression::None).unwrap();
        assert_eq!(blob.descriptor.diff_id, plain.descriptor.digest);
        assert_eq!(blob.descriptor.digest, Digest::of(&blob.bytes));
        let files = untar(&blob.bytes, compression);
        let names: Vec<_> = files.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(names, ["a/", "a/b", &format!("{}/", "d".repeat(90)), &long]);
        assert_eq!(files[3].2, [7; 600]);
    }
    assert!(Blob::of_files(&[(&"x".repeat(200), b"")], Compression::Gzip).is_err());
}

#[test]
fn a_large_plan_shares_its_bases() {
    let plan = Plan::scaled(100_000, 4096);
    let mut distinct = BTreeSet::new();
    let (mut images, mut references, mut first_base) = (0, 0, 0);
    for repository in 0..plan.repositories {
        for build in 0..plan.builds() {
            let layers = plan.layers(repository, build, Arch::Amd64);
            first_base += u32::from(layers[0] == LayerId::Base { base: 0, arch: Arch::Amd64 });
            references += layers.len();
            images += 1;
            distinct.extend(layers);
        }
    }
    assert_eq!(images, 100_000);
    assert!((900_000..1_050_000).contains(&references), "{references} references");
    assert!(distinct.len() < references / 2, "{} distinct", distinct.len());
    assert!(first_base > 15_000, "{first_base} images on the first base");
}

#[test]
fn the_advisories_are_whole() {
    let mut ids = BTreeSet::new();
    for (path, json) in crate::ADVISORIES {
        let advisory: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{path}: {error}"));
        let (ecosystem, file) = path.split_once('/').unwrap();
        assert_eq!(format!("{}.json", advisory["id"].as_str().unwrap()), file);
        for affected in advisory["affected"].as_array().unwrap() {
            let name = affected["package"]["ecosystem"].as_str().unwrap();
            assert_eq!(name.split(':').next().unwrap(), ecosystem);
            assert!(!affected["ranges"][0]["events"].as_array().unwrap().is_empty(), "{path}");
        }
        assert!(ids.insert(file.to_owned()), "{path} twice");
    }
    assert!(ids.len() >= 40, "{} advisories", ids.len());
}

#[test]
fn tags_lead_back_to_their_builds() {
    for build in [0, 9, 10, 123] {
        assert_eq!(Plan::build(&Plan::tag(build)), Some(build));
    }
    for tag in ["", "1.0", "1.0.10", "1.01.0", "2.0.0", "1.x.0", "1.4294967295.9", "latest"] {
        assert_eq!(Plan::build(tag), None, "{tag}");
    }
}

#[test]
fn a_known_manifest_makes_no_layer_again() {
    let content = Synthetic::new(Plan::scaled(100, 0));
    let name = content.repositories(None, 1).remove(0);
    assert_eq!(content.known(&name, "latest"), None);
    let first = content.manifest(&name, "latest").unwrap().unwrap();
    let made = content.layers_made();
    assert!(made > 0);
    assert_eq!(content.known(&name, "latest"), Some(first.head()));
    assert_eq!(content.known(&name, &first.digest.to_string()), Some(first.head()));
    assert_eq!(content.known("no/such", "latest"), None);
    assert_eq!(content.manifest(&name, "latest").unwrap(), Some(first));
    assert_eq!(content.layers_made(), made);
}

#[test]
fn what_is_known_is_what_is_served() {
    let (content, expected) = demo();
    for image in &expected.images {
        for tag in &image.tags {
            let served = content.manifest(&image.repository, tag).unwrap().unwrap();
            for reference in [tag, &served.digest.to_string()] {
                assert_eq!(content.known(&image.repository, reference), Some(served.head()), "{reference}");
            }
        }
        let child = content.manifest(&image.repository, &image.digest.to_string()).unwrap().unwrap();
        let known = content.known(&image.repository, &image.digest.to_string());
        assert!(known.is_none_or(|known| known == child.head()));
    }
}
