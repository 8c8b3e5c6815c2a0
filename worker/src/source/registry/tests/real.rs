//! Against the registry that Debian packages, where it is installed.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use futures::TryStreamExt as _;

use super::*;

/// Ends with the test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a registry on a free port; `None` where there is none to start.
fn start(directory: &std::path::Path) -> Option<(Process, String)> {
    let config = directory.join("config.yml");
    let text = format!(
        "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n",
        directory.join("data").display()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let process = Process(child);
    // It says in its log where it listens.
    while let Some(Ok(line)) = log.next() {
        if let Some((_, rest)) = line.split_once("listening on ") {
            let address = rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect();
            // Read on: it would die of a log that nobody reads.
            std::thread::spawn(move || log.for_each(drop));
            return Some((process, address));
        }
    }
    panic!("the registry ended before it listened");
}

async fn push(client: &reqwest::Client, base: &str, content: &[u8]) {
    let opened = client.post(format!("{base}/blobs/uploads/")).send().await.unwrap();
    let location = opened.headers()["location"].to_str().unwrap().to_owned();
    let separator = if location.contains('?') { '&' } else { '?' };
    let url = format!("{location}{separator}digest={}", Digest::of(content));
    let pushed = client.put(url).body(content.to_vec()).send().await.unwrap();
    assert_eq!(pushed.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_real_registry_lists_resolves_and_serves() {
    let directory = tempfile::tempdir().unwrap();
    let Some((_process, host)) = start(directory.path()) else {
        println!("skipped: docker-registry is not installed");
        return;
    };
    let registries = registries_with(RegistryConfig { page_size: 2, ..quick() });
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sample = Sample::new("layer");
    for number in 0..5 {
        let base = format!("http://{host}/v2/team/app{number}");
        push(&client, &base, b"layer").await;
        push(&client, &base, sample.config.as_bytes()).await;
        for tag in ["v1", "v2", "v3"] {
            let put =
                client.put(format!("{base}/manifests/{tag}")).header("content-type", media::MANIFESTS[0]);
            let put = put.body(sample.manifest.clone()).send().await.unwrap();
            assert_eq!(put.status(), StatusCode::CREATED, "{:?}", put.text().await);
        }
    }
    let mut found = Vec::new();
    for repository in ["", "team/app3"] {
        let mut cursor = String::new();
        loop {
            let page = registries.list(&host, repository, &cursor, &options()).await.unwrap();
            found.extend(page.names);
            match page.next {
                Some(next) => cursor = next,
                None => break,
            }
        }
    }
    found.sort();
    assert_eq!(found, ["team/app0", "team/app1", "team/app2", "team/app3", "team/app4", "v1", "v2", "v3"]);
    let reference = format!("{host}/team/app3:v2");
    assert_eq!(registries.digest(&reference, &options()).await, Ok(Some(sample.digest().to_string())));
    let resolved = registries.resolve(&reference, "linux/amd64", &options()).await;
    let Ok(Resolution::Image(facts)) = resolved else { panic!("{resolved:?}") };
    let blob = registries.blob(&reference, &facts.layers[0].digest, &options()).await.unwrap();
    assert_eq!(blob.size, Some(5));
    assert_eq!(blob.stream.try_collect::<Vec<_>>().await.unwrap().concat(), b"layer");
    for (reference, code) in [("team/app3:v9", "not-found"), ("team/none:v1", "not-found")] {
        let error = registries.digest(&format!("{host}/{reference}"), &options()).await.unwrap_err();
        assert_eq!(error.code, code, "{}", error.message);
    }
}
