//! Graded content over the network: large bodies in pieces, and HTTP/2 without TLS (RFC 9113, 3.3).

use reqwest::{Client, Version, header};

use super::*;

async fn graded() -> (Registry, String) {
    let content = Synthetic::new(Plan { repositories: 1, ..Plan::graded(1000) });
    let repository = content.repositories(None, 1).remove(0);
    (Registry::start(content, Options::default()).await.unwrap(), repository)
}

#[tokio::test]
async fn the_same_over_both_versions_of_http() {
    let (registry, repository) = graded().await;
    let first = client();
    let second = Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let base = format!("http://{}/v2/{repository}", registry.host());
    let mut bodies = Vec::new();
    for (client, version) in [(&first, Version::HTTP_11), (&second, Version::HTTP_2)] {
        let head = client.head(format!("{base}/manifests/latest")).send().await.unwrap();
        assert_eq!((head.status(), head.version()), (StatusCode::OK, version));
        let manifest = json(client.get(format!("{base}/manifests/latest")).send().await.unwrap()).await;
        for layer in manifest["layers"].as_array().unwrap() {
            let (digest, size) = (layer["digest"].as_str().unwrap(), layer["size"].as_u64().unwrap());
            if size > 24 << 20 {
                continue;
            }
            let url = format!("{base}/blobs/{digest}");
            let blob = client.get(&url).send().await.unwrap();
            assert_eq!((blob.version(), blob.content_length()), (version, Some(size)));
            let blob = blob.bytes().await.unwrap();
            assert_eq!(Digest::of(&blob).to_string(), digest);
            let range = format!("bytes={}-{}", size / 3, size / 2);
            let part = client.get(&url).header(header::RANGE, range).send().await.unwrap();
            assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
            let (from, to) = (size as usize / 3, size as usize / 2);
            assert_eq!(part.bytes().await.unwrap(), blob.slice(from..=to));
            bodies.push(digest.to_owned());
        }
    }
    let (once, twice) = bodies.split_at(bodies.len() / 2);
    assert!(once.len() > 4 && once == twice, "{bodies:?}");
    registry.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_large_body_breaks_off_as_it_is_told_to() {
    let (registry, repository) = graded().await;
    let base = format!("http://{}/v2/{repository}", registry.host());
    let client = client();
    let manifest = json(client.get(format!("{base}/manifests/latest")).send().await.unwrap()).await;
    let layers = manifest["layers"].as_array().unwrap();
    let large = layers.iter().find(|layer| layer["size"].as_u64() > Some(20 << 20)).unwrap();
    let url = format!("{base}/blobs/{}", large["digest"].as_str().unwrap());
    registry.set_faults(Faults { truncated: 1.0, ..Faults::default() });
    let cut = client.get(&url).send().await.unwrap();
    assert_eq!(cut.content_length(), large["size"].as_u64());
    assert!(cut.bytes().await.is_err());
    registry.set_faults(Faults { corrupted: 1.0, ..Faults::default() });
    let wrong = client.get(&url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(Some(wrong.len() as u64), large["size"].as_u64());
    assert_ne!(Digest::of(&wrong).to_string(), large["digest"].as_str().unwrap());
    registry.shutdown().await.unwrap();
}
