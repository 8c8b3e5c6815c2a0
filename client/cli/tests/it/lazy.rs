//! Layers in parts, against a real registry that knows ranges: fewer bytes, the same findings, and a report that says what was not
//! verified.

use std::process::Command;

use serde_json::Value;
use strata_loadtest::content::{Compression, Fixed, Tabled};

use crate::{
    access::run_with,
    cluster::runtime,
    fixture,
    servers::{output, registry, skipped},
    strata::User,
};

const PACKAGE: &str = "app/node_modules/lodash/package.json";
const IMAGES: [&str; 5] = ["stargz", "chunked", "plain", "exchanged", "liar"];

/// An old lodash before two megabytes that nobody reads.
fn layer(format: Compression, left_out: Option<&str>) -> Tabled {
    let mut state = 1_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    let noise: Vec<u8> = noise.take(2_500_000).collect();
    let lodash = br#"{"name":"lodash","version":"4.17.4"}"#;
    let files: [(&str, &[u8]); 3] = [("app/one", b"1"), (PACKAGE, lodash), ("app/data", &noise)];
    Tabled::of_files(&files, format, left_out).expect("a layer")
}

/// What was read, how many findings there are, and the layers that were not verified.
fn seen(document: &Value) -> (u64, usize, Vec<&str>) {
    let image = &document["images"][0];
    let problems = image["problems"].as_array().expect("problems");
    let unverified = problems.iter().filter(|problem| problem["code"] == "unverified-layer");
    (
        document["summary"]["bytes_read"].as_u64().expect("bytes"),
        image["findings"].as_array().expect("findings").len(),
        unverified.map(|problem| problem["layer_digest"].as_str().expect("a layer")).collect(),
    )
}

#[test]
fn only_the_wanted_parts_of_a_layer_are_read_where_that_is_asked_for() {
    if skipped("layers in parts") {
        return;
    }
    let (user, runtime, registry) = (User::new(), runtime(), registry());
    let (stargz, chunked) = (layer(Compression::Gzip, None), layer(Compression::Zstd, None));
    let lying = layer(Compression::Gzip, Some(PACKAGE));
    let mut fixed = Fixed::new();
    fixed.tabled("stargz", "1", &stargz, Some(&stargz));
    fixed.tabled("chunked", "1", &chunked, Some(&chunked));
    // The same layer in an image that names no table.
    fixed.tabled("plain", "1", &stargz, None);
    // A table that is not the manifest's, and one that is.
    fixed.tabled("exchanged", "1", &lying, Some(&stargz));
    fixed.tabled("liar", "1", &lying, Some(&lying));
    let source = fixture::serve(&runtime, fixed);
    let host = format!("127.0.0.1:{}", registry.port);
    for image in IMAGES {
        let mut copy = Command::new("skopeo");
        copy.args(["copy", "-q", "--preserve-digests", "--src-tls-verify=false", "--dest-tls-verify=false"]);
        copy.args([format!("docker://{}/{image}:1", source.host()), format!("docker://{host}/{image}:1")]);
        let copied = output(&mut copy);
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
    }
    let lazily = |image: &str| {
        let image = format!("{host}/{image}:1");
        let (run, document) = user.json(&["scan", &image, "--lazy-layers", "-vv"]);
        run.expect(0, &[]);
        (run, document)
    };
    for (image, layer) in [("stargz", &stargz), ("chunked", &chunked)] {
        let (_, document) = lazily(image);
        let (bytes, findings, unverified) = seen(&document);
        let blob = layer.blob.descriptor;
        assert!(bytes * 10 < blob.size, "{image}: {bytes} of {}", blob.size);
        assert_eq!((findings, unverified), (3, vec![&*blob.digest.to_string()]), "{image}");
        // Whole, it is another report, which says the same of the packages.
        let (_, whole) = user.json(&["scan", &format!("{host}/{image}:1")]);
        assert_eq!(seen(&whole), (blob.size, 3, Vec::new()), "{image}");
        assert_eq!(whole["images"][0]["packages"], document["images"][0]["packages"]);
        assert_ne!(whole["images"][0]["fingerprint"], document["images"][0]["fingerprint"]);
        // What is known is not read again.
        let (_, again) = lazily(image);
        assert_eq!(again["summary"]["bytes_read"], 0);
    }
    // Nobody who does not name the table gets what was read by it.
    assert_eq!(seen(&lazily("plain").1), (stargz.blob.descriptor.size, 3, Vec::new()));
    // A table that is not the manifest's hides nothing.
    let (run, document) = lazily("exchanged");
    assert_eq!(seen(&document), (lying.blob.descriptor.size, 3, Vec::new()));
    run.expect(0, &["the layer is read whole", "does not have the digest that the manifest names"]);
    // One that is can: that is the danger, and the report is not called clean.
    let (_, document) = lazily("liar");
    let (_, findings, unverified) = seen(&document);
    assert_eq!((findings, unverified.len()), (0, 1));
    let image = format!("{host}/liar:1");
    let run = run_with(&user, &["scan", &image], &[("STRATA_LAZY_LAYERS", "true")]);
    run.expect(0, &["unverified-layer", "digest and diff_id were not verified", "not known to be clean"]);
    user.run(&["scan", &image]).expect(0, &["3 findings"]);
}
