//! Root file systems, bills of materials and a container engine that a test stands in for.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, fs::symlink, net::UnixListener as Socket},
};

use axum::{Router, extract::Path as At, http::StatusCode, routing::get};
use strata_analysis::{bill, layer, limits::Limits, squash::squash};
use tokio::net::UnixListener;

use super::*;
use crate::wire;

const STATUS: &str = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n\n";
const RELEASE: &str = "ID=debian\nVERSION_ID=12\n";
const MANIFEST: &str = r#"{"name":"a","version":"1.0.0"}"#;

async fn only_layer(place: &Place, reference: &str) -> Result<Vec<u8>, JobError> {
    let facts = place.image(reference).await?;
    let blob = place.archives.blob(reference, &facts.layers[0].digest, &SourceOptions::default()).await?;
    let chunks: Vec<_> = blob.stream.try_collect().await?;
    let bytes = chunks.concat();
    assert_eq!(Digest::of(&bytes).to_string(), facts.layers[0].digest, "{reference}");
    Ok(bytes)
}

/// What a directory came to, which has the name that the image's facts give it.
async fn made(place: &Place, reference: &str) -> Made {
    let facts = place.image(reference).await.unwrap();
    let digest = &facts.layers[0].digest;
    let made = place.archives.made(reference, digest).await.unwrap().unwrap();
    assert_eq!(
        (wire::digest(&made.inventory).to_string(), &facts.layers[0].diff_id),
        (digest.clone(), digest)
    );
    assert_eq!(facts.layers[0].size, made.inventory.bytes);
    let other = Digest::of(b"another").to_string();
    assert_eq!(place.archives.made(reference, &other).await.unwrap(), None);
    assert!(
        place.archives.blob(reference, digest, &SourceOptions::default()).await.is_err(),
        "it has no bytes"
    );
    made
}

/// A tree with a package database, a deep path, links that lead out, and things that are no files.
fn tree(place: &Place) -> String {
    let deep = format!("root/{}/node_modules/a/package.json", "deep/".repeat(30).trim_end_matches('/'));
    for (path, content) in [
        ("root/var/lib/dpkg/status", STATUS),
        ("root/usr/lib/os-release", RELEASE),
        (deep.as_str(), MANIFEST),
        ("root/srv/big.txt", "not wanted"),
        ("outside/node_modules/b/package.json", r#"{"name":"b","version":"1.0.0"}"#),
    ] {
        place.write(path, content.as_bytes());
    }
    let root = place.directory.path().canonicalize().unwrap().join("root");
    fs::create_dir_all(root.join("etc")).unwrap();
    symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
    symlink(place.directory.path().join("outside"), root.join("srv/out")).unwrap();
    symlink(
        place.directory.path().join("outside/node_modules/b/package.json"),
        root.join("srv/package.json"),
    )
    .unwrap();
    symlink(".", root.join("srv/self")).unwrap();
    // Whoever opened it would wait for its other end.
    fs::create_dir_all(root.join("srv/node_modules/p")).unwrap();
    let pipe = root.join("srv/node_modules/p/package.json");
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
        .unwrap();
    drop(Socket::bind(root.join("srv/bom.json")).unwrap());
    root.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_directory_is_read_as_a_layer_would_be_and_never_left() {
    let place = Place::new();
    let root = tree(&place);
    let reference = place.archives.expand(&format!("dir:{root}")).await.unwrap().remove(0);
    assert_eq!(reference, format!("dir:{root}"));
    let Made { inventory, read } = made(&place, &reference).await;
    assert!(inventory.problems.is_empty(), "{:?}", inventory.problems);
    assert!(!inventory.others.iter().any(|path| path.contains("big")), "what no row wants is not taken in");
    assert_eq!(read, u64::try_from(STATUS.len() + RELEASE.len() + MANIFEST.len()).unwrap());
    let contents = squash(&[&inventory]);
    let packages: Vec<&str> = contents.packages.iter().map(|one| one.package.name.as_str()).collect();
    assert_eq!(packages, ["a", "bash"], "nothing of what the links lead to");
    assert_eq!(contents.distribution.map(|found| found.version), Some("12".to_owned()), "through its link");
    // The same tree is the same image.
    let again = Place::new();
    assert_eq!(again.image(&reference).await.unwrap(), place.image(&reference).await.unwrap());
}

/// What a tar of the tree would say, in whatever order it had its files.
#[tokio::test]
async fn a_directory_says_what_a_tar_of_it_says() {
    let place = Place::new();
    let members: Members = [
        ("var/lib/dpkg/status", STATUS),
        ("usr/lib/os-release", RELEASE),
        ("app/node_modules/a/package.json", MANIFEST),
        ("app/node_modules/b/package.json", "{"),
        ("opt/Cargo.lock", "[[package]]\nname = \"c\"\nversion = \"1.0.0\"\n"),
    ]
    .map(|(path, content)| (path.to_owned(), content.as_bytes().to_vec()))
    .into();
    for (path, content) in &members {
        place.write(&format!("root/{path}"), content);
    }
    let packed = layer::index(&mut tar(&members).as_slice(), &Limits::default()).unwrap();
    let root = place.directory.path().canonicalize().unwrap().join("root");
    let found = made(&place, &format!("dir:{}", root.display())).await.inventory;
    assert_eq!((packed.problems.len(), packed.files.len()), (1, 3));
    assert_eq!(found, packed);
}

/// Two trees have one name only where the same is found in both.
#[tokio::test]
async fn what_is_found_names_a_tree() {
    let mut names = std::collections::BTreeSet::new();
    let cases = [
        ("a/package.json", MANIFEST),
        ("b/package.json", MANIFEST),
        ("a/package.json", r#"{"name":"a","version":"1.0.1"}"#),
        ("a/package.json", r#"{"name":"a","version":"1.0.1"} "#),
        ("a/package.json", "{"),
        ("a/readme", "nobody wants this"),
    ];
    for (path, content) in cases {
        let place = Place::new();
        place.write(&format!("root/{path}"), content.as_bytes());
        let root = place.directory.path().canonicalize().unwrap().join("root");
        let facts = place.image(&format!("dir:{}", root.display())).await.unwrap();
        names.insert(facts.layers[0].digest.clone());
        names.insert(facts.image_digest);
    }
    // The third and the fourth differ in a blank, which no row reads: they are one.
    assert_eq!(names.len(), 2 * (cases.len() - 1));
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem_and_another_image() {
    let place = Place::new();
    let root = tree(&place);
    let whole = place.image(&format!("dir:{root}")).await.unwrap();
    let status = std::path::Path::new(&root).join("var/lib/dpkg/status");
    // Too large stands for unreadable, which nothing is for who runs this as root.
    let file = fs::OpenOptions::new().write(true).open(&status).unwrap();
    file.set_len(Limits::default().spool_bytes + 1).unwrap();
    fs::set_permissions(&status, fs::Permissions::from_mode(0o644)).unwrap();
    let other = Place::new();
    let problems = made(&other, &format!("dir:{root}")).await.inventory.problems;
    let told: Vec<_> =
        problems.iter().map(|problem| (problem.code.as_ref(), problem.file.as_str())).collect();
    assert_eq!(told, [("unreadable-file", "var/lib/dpkg/status")]);
    assert_ne!(other.image(&format!("dir:{root}")).await.unwrap().image_digest, whole.image_digest);
    let small = ArchiveConfig {
        spool: place.directory.path().to_owned(),
        spool_bytes: 100,
        ..ArchiveConfig::default()
    };
    let error = image(&Archives::new(small), &format!("dir:{root}")).await.unwrap_err();
    assert_eq!((error.code, error.later), ("limit", false), "{}", error.message);
    for (reference, says) in [
        (format!("dir:{root}/srv/big.txt"), "no directory"),
        (format!("dir:{root}:x"), "nothing may follow"),
        (format!("sbom:{root}"), "no regular file"),
        ("dir:/nowhere/at/all".to_owned(), "no such file"),
    ] {
        let error = place.archives.expand(&reference).await.unwrap_err();
        assert!(error.message.contains(says), "{reference}: {}", error.message);
    }
}

#[tokio::test]
async fn a_bill_of_materials_is_a_layer_of_its_own_kind() {
    let place = Place::new();
    let text = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"purl":"pkg:npm/a@1.0.0"}]}"#;
    let reference = format!("sbom:{}", place.write("a.cdx.json", text.as_bytes()));
    let facts = place.image(&reference).await.unwrap();
    assert_eq!(facts.media_types, [bill::CYCLONEDX]);
    assert!(facts.run.is_none(), "nobody says how it is run");
    assert_eq!(only_layer(&place, &reference).await.unwrap(), text.as_bytes());
    let bad = format!("sbom:{}", place.write("bad.json", b"{}"));
    let error = place.image(&bad).await.unwrap_err();
    assert!(error.message.contains("bad.json") && error.message.contains("neither"), "{}", error.message);
}

/// Answers as Docker's engine does: `GET /images/{name}/get`.
fn engine(place: &Place, name: &str, has: &'static str, archive: Vec<u8>) -> std::path::PathBuf {
    let socket = place.directory.path().join(name);
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = get(move |At(path): At<String>| {
        let archive = archive.clone();
        async move {
            match path.strip_suffix("/get") {
                Some(name) if name == has => (StatusCode::OK, archive),
                Some("broken") => {
                    (StatusCode::INTERNAL_SERVER_ERROR, b"{\"message\":\"disk on fire\"}".to_vec())
                }
                _ => {
                    let text = format!("{{\"message\":\"No such image: {path}\"}}\n");
                    (StatusCode::NOT_FOUND, text.into_bytes())
                }
            }
        }
    });
    let router = Router::new().route("/images/{*path}", answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    socket
}

#[tokio::test]
async fn images_of_an_engine_are_those_of_its_export() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut place = Place::new();
    let layer: &[u8] = b"a layer";
    let config = config(&[layer]);
    let name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let manifest = format!(r#"[{{"Config":"{name}","RepoTags":["team/app:1"],"Layers":["1/layer.tar"]}}]"#);
    let members: Members = vec![
        (name, config.clone().into_bytes()),
        ("1/layer.tar".to_owned(), layer.to_vec()),
        ("manifest.json".to_owned(), manifest.into_bytes()),
    ];
    let engines = vec![
        place.directory.path().join("absent.sock"),
        engine(&place, "docker.sock", "other:1", Vec::new()),
        engine(&place, "podman.sock", "team/app:1", tar(&members)),
    ];
    let spool = place.directory.path().to_owned();
    let with = |engines: Vec<std::path::PathBuf>, spool_bytes| {
        Archives::new(ArchiveConfig {
            spool: spool.clone(),
            spool_bytes,
            engines,
            ..ArchiveConfig::default()
        })
    };
    place.archives = with(engines.clone(), 1 << 20);
    let reference = place.archives.expand("docker-daemon:team/app:1").await.unwrap().remove(0);
    let facts = place.image(&reference).await.unwrap();
    assert_eq!(facts.image_digest, Digest::of(config.as_bytes()).to_string());
    let (bytes, digest_is_diff_id) = place.layer(&reference, &facts.layers[0].digest).await.unwrap();
    assert_eq!((bytes.as_slice(), digest_is_diff_id), (layer, true));
    for (archives, reference, code, says) in [
        (with(engines.clone(), 1 << 20), "docker-daemon:gone:1", "not-found", "No such image"),
        (with(engines.clone(), 1 << 20), "docker-daemon:broken", "engine", "disk on fire"),
        (with(engines.clone(), 100), "docker-daemon:team/app:1", "limit", "more than 100 bytes"),
        (with(engines, 1 << 20), "docker-daemon:other:1", "malformed", "truncated"),
        (with(vec![spool.join("absent.sock")], 1 << 20), "docker-daemon:a", "no-engine", "absent.sock"),
        (with(Vec::new(), 1 << 20), "docker-daemon:../a", "bad-reference", "no image's name"),
    ] {
        let error = image(&archives, reference).await.unwrap_err();
        assert_eq!(error.code, code, "{reference}: {}", error.message);
        assert!(error.message.contains(says), "{reference}: {}", error.message);
    }
}

/// Podman's answers, as it gives them: where it speaks as Docker a short name is Docker Hub's, and what is not there it says in
/// three fields; its own way finds `localhost/`.
#[tokio::test]
async fn an_image_that_podman_built_itself_is_found_by_its_short_name() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut place = Place::new();
    let layer: &[u8] = b"a layer";
    let config = config(&[layer]);
    let name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let blob = format!("{}.tar", Digest::of(layer).hex());
    let manifest = format!(r#"[{{"Config":"{name}","RepoTags":["localhost/app:1"],"Layers":["{blob}"]}}]"#);
    let archive = tar(&vec![
        (blob, layer.to_vec()),
        ("old/layer.tar".to_owned(), b"->../layer.tar".to_vec()),
        (name, config.into_bytes()),
        ("manifest.json".to_owned(), manifest.into_bytes()),
    ]);
    let socket = place.directory.path().join("podman.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answer = get(move |uri: axum::http::Uri| {
        let archive = archive.clone();
        async move {
            let version = [("libpod-api-version", "4.3.1"), ("api-version", "1.41")];
            let own = "/v4.0.0/libpod/images/app:1/get?format=docker-archive";
            if uri.path_and_query().is_some_and(|asked| asked == own) {
                return (StatusCode::OK, version, archive);
            }
            let text = r#"{"cause":"image not known","message":"failed to find image: no such image","response":404}"#;
            (StatusCode::NOT_FOUND, version, text.as_bytes().to_vec())
        }
    });
    let router = Router::new().route("/{*path}", answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let spool = place.directory.path().to_owned();
    place.archives =
        Archives::new(ArchiveConfig { spool, engines: vec![socket], ..ArchiveConfig::default() });
    let facts = place.image("docker-daemon:app:1").await.unwrap();
    let got = place.layer("docker-daemon:app:1", &facts.layers[0].digest).await.unwrap();
    assert_eq!(got, (layer.to_vec(), true));
    let error = place.image("docker-daemon:other:1").await.unwrap_err();
    assert_eq!(error.code, "not-found");
    assert!(error.message.contains("no such image"), "{}", error.message);
}
