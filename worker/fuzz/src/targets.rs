//! One function for each target. Each must hold for all bytes: no panic, no unbounded memory, and what it asserts.

use std::{io::Write as _, sync::OnceLock};

use strata_proto::{digest::Digest, reference::Reference, v1::SourceOptions};
use strata_worker::{
    ports::{Images as _, Resolution},
    source::{
        archive::{ArchiveConfig, Archives, name::ArchiveName},
        facts::{LayerEntry, facts},
        manifest::{self, Document},
        platform,
        registry::{challenge, link, retry_after},
    },
    wire,
};
use url::Url;

/// A target: its name and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TABLE: &[Target] = &[("registry", registry), ("archive_file", archive_file)];

/// What a registry answers, and the names that people and registries write. Bytes: kind, content.
pub fn registry(data: &[u8]) {
    let [kind, content @ ..] = data else { return };
    let text = String::from_utf8_lossy(content);
    match kind % 9 {
        0 => {
            if let Ok(Document::Image(image)) = manifest::parse(content, "", "x") {
                assert!(image.layers.len() <= 1_000, "{} layers", image.layers.len());
                // A digest stands there as it is written: it is checked where it is used.
                for digest in image.layers.iter().flat_map(|layer| layer.digest("x")) {
                    assert_eq!(digest.to_string().parse(), Ok(digest));
                }
            }
        }
        1 => configuration(content),
        2 => drop(challenge::choose(text.split('\n'))),
        3 => {
            let page = Url::parse("https://r.example:5000/v2/_catalog?n=100").expect("an address");
            if let Some(path) = link::next(&text).and_then(|target| link::same_host(&page, &target)) {
                assert!(path.starts_with('/'), "{path}");
            }
        }
        4 => {
            let date = text.split('\n').nth(1);
            let wait = retry_after::wait(text.split('\n').next().unwrap_or_default(), date);
            assert!(wait.is_none_or(|wait| wait.as_secs() <= 3_600), "{wait:?}");
        }
        5 => {
            if let Ok(digest) = text.parse::<Digest>() {
                assert_eq!(digest.to_string().parse(), Ok(digest));
            }
        }
        6 => {
            if let Ok(reference) = text.parse::<Reference>() {
                let shown = reference.to_string();
                assert_eq!(shown.parse().as_ref(), Ok(&reference), "{shown}");
            }
        }
        7 => {
            if let Ok(wanted) = platform::parse(&text) {
                let shown = platform::show(&wanted);
                assert_eq!(platform::parse(&shown).map(|again| platform::show(&again)).ok(), Some(shown));
            }
            drop(ArchiveName::parse(&text));
        }
        _ => {
            if let Ok(inventory) = wire::decode(content) {
                let packed = wire::encode(&inventory).expect("memory");
                assert_eq!(wire::decode(&packed).expect("what was packed"), inventory);
            }
        }
    }
}

/// A configuration with as many layers as it names.
fn configuration(content: &[u8]) {
    let layer = LayerEntry { digest: Some(Digest::of(b"")), size: 1, media_type: String::new(), table: None };
    for count in 0..4 {
        let layers = vec![layer.clone(); count];
        if let Ok(facts) = facts("x", None, content, &layers) {
            assert_eq!(facts.layers.len(), count);
        }
    }
}

/// The bytes of an archive on disk, read as each kind of archive.
pub fn archive_file(data: &[u8]) {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime of one thread")
    });
    let mut file = tempfile::Builder::new().suffix(".tar").tempfile().expect("a file");
    file.write_all(&sealed(data)).expect("room for it");
    let config =
        ArchiveConfig { spool: std::env::temp_dir(), spool_bytes: 4 << 20, ..ArchiveConfig::default() };
    let archives = Archives::new(config);
    let path = file.path().to_str().expect("text").to_owned();
    runtime.block_on(async {
        let Ok(references) = archives.expand(&path).await else { return };
        for reference in references.iter().take(4) {
            let resolved = archives.resolve(reference, "linux/amd64", &SourceOptions::default()).await;
            let Ok(Resolution::Image(facts)) = resolved else { continue };
            for layer in facts.layers.iter().take(4) {
                drop(archives.blob(reference, &layer.digest, &SourceOptions::default()).await);
            }
        }
    });
}

/// The archive with right checksums in its headers, so that a change of one gets past them; one of an odd length stays
/// as it is.
fn sealed(data: &[u8]) -> Vec<u8> {
    let mut archive = data.to_vec();
    if archive.len().is_multiple_of(2) {
        let (blocks, _) = archive.as_chunks_mut::<512>();
        for block in blocks.iter_mut().filter(|block| block[257..262] == *b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    archive
}
