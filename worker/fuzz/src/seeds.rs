//! Well-formed inputs: what a fuzzer would need days to find.

use strata_proto::digest::Digest;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The seeds of one target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "registry" => registry(),
        "archive_file" => vec![docker(), layout()],
        _ => panic!("no target {target}"),
    }
}

fn configuration() -> String {
    let layer = Digest::of(b"layer");
    format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{"Labels":{{"a":"b","c":null,"io.buildpacks.lifecycle.metadata":"{{\"runImage\":{{\"topLayer\":\"{layer}\"}}}}"}}}},"rootfs":{{"type":"layers","diff_ids":["{layer}"]}},"history":[{{"created_by":"ADD"}},{{"empty_layer":true}}]}}"#
    )
}

fn manifest() -> String {
    let (config, layer) = (configuration(), Digest::of(b"layer"));
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"{CONFIG}","digest":"{}","size":{}}},"layers":[{{"mediaType":"{LAYER}","digest":"{layer}","size":5}}],"annotations":{{"org.opencontainers.image.base.name":"r.example/a:1"}}}}"#,
        Digest::of(config.as_bytes()),
        config.len()
    )
}

fn index() -> String {
    let manifest = manifest();
    format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{MANIFEST}","digest":"{}","size":{},"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}},"annotations":{{"org.opencontainers.image.ref.name":"r.example/a:1","vnd.docker.reference.type":"attestation-manifest"}}}}]}}"#,
        Digest::of(manifest.as_bytes()),
        manifest.len()
    )
}

/// Kind, then content.
fn registry() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"layer").to_string();
    let inventory = strata_worker::wire::encode(&inventory_of_a_layer()).expect("memory");
    let texts = [
        (0, manifest()),
        (0, index()),
        (0, r#"{"schemaVersion":1,"fsLayers":[],"name":"a"}"#.to_owned()),
        (1, configuration()),
        (2, "Basic realm=\"a, b\", Bearer realm=\"https://a/t\",service=\"s\",scope=\"x\"\nNegotiate dG9rZW4=".to_owned()),
        (3, "</prev>; rel=\"prev\", </v2/_catalog?last=b&n=100>; title=\"a, b; c\"; rel=\"last NEXT\"".to_owned()),
        (4, "Sun, 22 Nov 2026 06:01:30 GMT\nSun, 22 Nov 2026 06:00:00 GMT".to_owned()),
        (4, "120".to_owned()),
        (5, digest.clone()),
        (6, format!("r.example:5000/a/b-c_d:1.2@{digest}")),
        (6, "[::1]:5000/a".to_owned()),
        (6, "alpine".to_owned()),
        (7, "linux/arm64/v8".to_owned()),
        (7, "oci-archive:/nowhere/a.tar:b".to_owned()),
    ];
    let mut seeds: Vec<Vec<u8>> =
        texts.into_iter().map(|(kind, text)| [&[kind], text.as_bytes()].concat()).collect();
    seeds.push([&[8], inventory.as_slice()].concat());
    seeds
}

fn inventory_of_a_layer() -> strata_analysis::model::Inventory {
    let mut tar = Vec::new();
    entry(&mut tar, "etc/os-release", b"ID=debian\nVERSION_ID=12\n");
    entry(&mut tar, "var/lib/dpkg/status", b"Package: a\nStatus: install ok installed\nVersion: 1\n\n");
    tar.resize(tar.len() + 1_024, 0);
    strata_analysis::index(&mut tar.as_slice(), &strata_analysis::limits::Limits::default()).expect("a layer")
}

fn docker() -> Vec<u8> {
    let config = configuration();
    let name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let list = format!(r#"[{{"Config":"{name}","RepoTags":["a/b:1"],"Layers":["one/layer.tar"]}}]"#);
    let mut tar = Vec::new();
    entry(&mut tar, &name, config.as_bytes());
    entry(&mut tar, "one/layer.tar", b"layer");
    entry(&mut tar, "manifest.json", list.as_bytes());
    tar.resize(tar.len() + 1_024, 0);
    tar
}

fn layout() -> Vec<u8> {
    let mut tar = Vec::new();
    entry(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index = index()
        .replace("attestation-manifest", "none")
        .replace("arm64", "amd64")
        .replace(",\"variant\":\"v8\"", "");
    entry(&mut tar, "index.json", index.as_bytes());
    for blob in [configuration().as_bytes(), manifest().as_bytes(), b"layer"] {
        entry(&mut tar, &format!("blobs/sha256/{}", Digest::of(blob).hex()), blob);
    }
    tar.resize(tar.len() + 1_024, 0);
    tar
}

fn entry(tar: &mut Vec<u8>, path: &str, content: &[u8]) {
    let mut block = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, b"0000644\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend_from_slice(&block);
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512), 0);
}
