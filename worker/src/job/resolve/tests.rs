//! Batches against images and a cache in memory.

mod turns;

use std::{
    collections::{HashMap, HashSet},
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use strata_proto::v1::{Layer, LayerTable, ListJob, Platform, Retry};

use super::*;
use crate::{
    job::list::list,
    ports::{Blob, Claim, Page, Token},
};

/// Images by reference, and what was asked of them.
#[derive(Default)]
struct Fake {
    images: HashMap<String, (Option<String>, Result<Resolution, JobError>)>,
    asked: Mutex<Vec<String>>,
}

impl Fake {
    fn note(&self, verb: &str, reference: &str) {
        self.asked.lock().unwrap().push(format!("{verb} {reference}"));
    }

    fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.sort();
        asked
    }
}

#[async_trait]
impl Images for Fake {
    async fn list(
        &self,
        host: &str,
        repository: &str,
        cursor: &str,
        _: &SourceOptions,
    ) -> Result<Page, JobError> {
        match cursor {
            "" => Ok(Page {
                names: vec![format!("{host}/{repository}")],
                next: Some("/2".to_owned()),
                ..Page::default()
            }),
            _ => Ok(Page { names: vec!["last".to_owned()], ..Page::default() }),
        }
    }

    async fn digest(&self, reference: &str, _: &SourceOptions) -> Result<Option<String>, JobError> {
        self.note("digest", reference);
        match self.images.get(reference) {
            Some((digest, _)) => Ok(digest.clone()),
            None => Err(JobError::never("not-found", format!("failed to read {reference}: gone"))),
        }
    }

    async fn resolve(&self, reference: &str, _: &str, _: &SourceOptions) -> Result<Resolution, JobError> {
        self.note("resolve", reference);
        let tag = reference.split('@').next().unwrap_or_default();
        let known = self.images.get(tag).map(|(_, known)| known.clone());
        known.unwrap_or_else(|| Err(JobError::never("not-found", "gone")))
    }

    async fn blob(&self, _: &str, _: &str, _: &SourceOptions) -> Result<Blob, JobError> {
        Err(JobError::never("not-found", "no layers here"))
    }
}

#[derive(Default)]
struct Memory {
    images: Mutex<HashMap<(String, String), ImageFacts>>,
    layers: Mutex<HashSet<LayerKey>>,
    is_away: bool,
    questions: Mutex<usize>,
}

impl Memory {
    fn here<T>(&self, value: T) -> Result<T, PortError> {
        if self.is_away {
            return Err(PortError { action: "ask the cache", reason: "it is away".to_owned() });
        }
        Ok(value)
    }
}

#[async_trait]
impl InventoryCache for Memory {
    async fn contains(&self, keys: &[LayerKey]) -> Result<Vec<bool>, PortError> {
        *self.questions.lock().unwrap() += 1;
        let layers = self.layers.lock().unwrap();
        self.here(keys.iter().map(|key| layers.contains(key)).collect())
    }
    async fn read(&self, keys: &[LayerKey]) -> Result<Vec<Option<Bytes>>, PortError> {
        self.here(vec![None; keys.len()])
    }
    async fn claim(&self, _: &LayerKey, _: &Token, _: Duration) -> Result<Claim, PortError> {
        self.here(Claim::Busy)
    }
    async fn renew(&self, _: &LayerKey, _: &Token, _: Duration) -> Result<bool, PortError> {
        self.here(false)
    }
    async fn finish(&self, _: &LayerKey, _: &Token, _: Bytes) -> Result<(), PortError> {
        self.here(())
    }
    async fn abandon(&self, _: &LayerKey, _: &Token) -> Result<(), PortError> {
        self.here(())
    }
    async fn image(&self, digest: &str, platform: &str) -> Result<Option<ImageFacts>, PortError> {
        let key = (digest.to_owned(), platform.to_owned());
        self.here(self.images.lock().unwrap().get(&key).cloned())
    }
    async fn keep_image(&self, digest: &str, platform: &str, facts: &ImageFacts) -> Result<(), PortError> {
        self.here(())?;
        self.images.lock().unwrap().insert((digest.to_owned(), platform.to_owned()), facts.clone());
        Ok(())
    }
    async fn put_parcel(&self, _: &str, _: Bytes) -> Result<(), PortError> {
        self.here(())
    }
}

fn facts(name: &str, architecture: &str, layers: &[&str]) -> ImageFacts {
    let layer = |digest: &&str| Layer { digest: (*digest).to_owned(), size: 3, ..Layer::default() };
    ImageFacts {
        image_digest: format!("sha256:{name}"),
        platform: Some(Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: String::new(),
        }),
        layers: layers.iter().map(layer).collect(),
        media_types: vec!["m".to_owned(); layers.len()],
        run: Some(Box::default()),
        ..ImageFacts::default()
    }
}

fn job(references: &[&str]) -> ResolveJob {
    ResolveJob {
        references: references.iter().map(|text| (*text).to_owned()).collect(),
        ..ResolveJob::default()
    }
}

fn said(resolved: &Resolved) -> Vec<String> {
    let line = |reference: &ResolvedReference| match &reference.result {
        Some(Outcome::Image(image)) => {
            let layers: Vec<String> = image
                .layers
                .iter()
                .map(|layer| format!("{}{}", layer.digest, if layer.cached { "+" } else { "" }))
                .collect();
            let index = match image.index_digest.as_str() {
                "" => String::new(),
                index => format!(" in {index}"),
            };
            format!(
                "{} {} {} [{}]{index}",
                reference.reference,
                image.image_digest,
                image.platform,
                layers.join(" ")
            )
        }
        Some(Outcome::Skipped(other)) => format!("{} {}", reference.reference, other.code),
        Some(Outcome::Failure(failure)) => {
            format!("{} {} {}", reference.reference, failure.code, failure.retry() == Retry::Later)
        }
        None => "nothing".to_owned(),
    };
    resolved.references.iter().map(line).collect()
}

fn fake() -> (Fake, String) {
    let signature = format!("r/a:sha256-{}.sig", "ab".repeat(32));
    let some = |text: &str| Some(text.to_owned());
    let images = HashMap::from([
        (
            "r/a:1".to_owned(),
            (some("sha256:index"), Ok(Resolution::Image(facts("a", "amd64", &["l1", "l2"])))),
        ),
        ("r/b:1".to_owned(), (some("sha256:b"), Ok(Resolution::Image(facts("b", "arm64", &["l2"]))))),
        ("docker-archive:/x:1".to_owned(), (None, Ok(Resolution::Image(facts("x", "amd64", &[]))))),
        ("r/h:1".to_owned(), (some("sha256:h"), Ok(Resolution::Other("helm-chart")))),
        (
            "r/busy:1".to_owned(),
            (
                some("sha256:busy"),
                Err(JobError::later("rate-limited", "busy").after(Some(Duration::from_secs(7)))),
            ),
        ),
        (signature.clone(), (some("sha256:s"), Ok(Resolution::Other("signature")))),
    ]);
    (Fake { images, ..Fake::default() }, signature)
}

#[tokio::test]
async fn every_reference_has_its_answer_and_known_images_cost_one_request() {
    let (images, signature) = fake();
    let cache = Memory::default();
    let known = LayerKey { layer: "l2".to_owned(), fingerprint: "f".to_owned() };
    cache.layers.lock().unwrap().insert(known);
    let job = job(&["r/a:1", "r/gone:1", "r/b:1", "r/h:1", "docker-archive:/x:1", "r/busy:1", &signature]);
    let first = resolve(&images, &cache, &Turn::default(), ("f", false), "", &job).await.unwrap();
    let want = [
        "r/a:1 sha256:a linux/amd64 [l1 l2+] in sha256:index",
        "r/gone:1 not-found false",
        "r/b:1 sha256:b linux/arm64 [l2+]",
        "r/h:1 helm-chart",
        "docker-archive:/x:1 sha256:x linux/amd64 []",
        "r/busy:1 rate-limited true",
        &format!("{signature} signature"),
    ];
    assert_eq!(said(&first), want);
    assert_eq!(*cache.questions.lock().unwrap(), 1);
    let Some(Outcome::Failure(failure)) = &first.references[5].result else { panic!("no failure") };
    assert_eq!(failure.retry_after_ms, 7_000);
    let asked = images.asked();
    assert!(
        asked.contains(&format!("resolve {signature}")) && !asked.contains(&format!("digest {signature}"))
    );

    // Facts stand under the index's digest, and under the image's own digest and platform for *assess*.
    let keys: HashSet<(String, String)> = cache.images.lock().unwrap().keys().cloned().collect();
    for (digest, platform) in [
        ("sha256:index", "linux/amd64"),
        ("sha256:a", "linux/amd64"),
        ("sha256:b", "linux/arm64"),
        ("sha256:b", "linux/amd64"),
        ("sha256:x", "linux/amd64"),
    ] {
        assert!(keys.contains(&(digest.to_owned(), platform.to_owned())), "{digest} {platform}: {keys:?}");
    }

    // The second time: one HEAD, and what *assess* needs is put back if it was lost.
    cache.images.lock().unwrap().remove(&("sha256:a".to_owned(), "linux/amd64".to_owned()));
    let second =
        resolve(&images, &cache, &Turn::default(), ("f", false), "", &self::job(&["r/a:1", "r/b:1"]))
            .await
            .unwrap();
    assert_eq!(said(&second), [want[0], want[2]]);
    assert_eq!(images.asked(), ["digest r/a:1", "digest r/b:1"]);
    assert!(cache.image("sha256:a", "linux/amd64").await.unwrap().is_some());
    // Another platform is another question.
    let other = ResolveJob { platform: "linux/arm64".to_owned(), ..self::job(&["r/a:1"]) };
    resolve(&images, &cache, &Turn::default(), ("f", false), "", &other).await.unwrap();
    assert_eq!(images.asked(), ["digest r/a:1", "resolve r/a:1@sha256:index"]);
}

#[tokio::test]
async fn the_layers_of_a_named_base_are_marked_and_the_base_is_asked_for_once() {
    let digest = strata_proto::digest::Digest::of(b"base").to_string();
    let image = |name: &str, diff_ids: &[&str], registry: &str| {
        let label = |key: &str, value: String| strata_proto::v1::Property {
            key: format!("org.opencontainers.image.base.{key}"),
            value,
        };
        let mut facts = facts(name, "amd64", diff_ids);
        facts.layers.iter_mut().for_each(|layer| layer.diff_id = format!("id-{}", layer.digest));
        facts.labels = vec![label("digest", digest.clone()), label("name", format!("{registry}/os:1"))];
        Ok(Resolution::Image(facts))
    };
    let mut base = facts("base", "amd64", &["l1"]);
    base.layers[0].diff_id = "id-l1".to_owned();
    let images = HashMap::from([
        ("r.example/a:1".to_owned(), (Some("sha256:a".to_owned()), image("a", &["l1", "l2"], "r.example"))),
        ("r.example/b:1".to_owned(), (Some("sha256:b".to_owned()), image("b", &["l1", "l3"], "r.example"))),
        ("r.example/c:1".to_owned(), (Some("sha256:c".to_owned()), image("c", &["l4", "l1"], "r.example"))),
        (
            "r.example/d:1".to_owned(),
            (Some("sha256:d".to_owned()), image("d", &["l1", "l2"], "other.example")),
        ),
        ("r.example/os".to_owned(), (None, Ok(Resolution::Image(base)))),
    ]);
    let (images, cache) = (Fake { images, ..Fake::default() }, Memory::default());
    for (name, expected) in [("a", [true, false]), ("b", [true, false]), ("c", [false; 2]), ("d", [false; 2])]
    {
        resolve(&images, &cache, &Turn::default(), ("f", false), "", &job(&[&format!("r.example/{name}:1")]))
            .await
            .unwrap();
        let kept = cache.image(&format!("sha256:{name}"), "linux/amd64").await.unwrap().unwrap();
        assert_eq!(kept.layers.iter().map(|layer| layer.base).collect::<Vec<_>>(), expected, "{name}");
    }
    let of_base = images.asked().into_iter().filter(|asked| asked.contains("r.example/os"));
    assert_eq!(of_base.collect::<Vec<_>>(), [format!("resolve r.example/os@{digest}")]);
}

#[tokio::test]
async fn a_cache_that_is_away_is_worth_another_try() {
    let (images, signature) = fake();
    let cache = Memory { is_away: true, ..Memory::default() };
    let resolved = resolve(&images, &cache, &Turn::default(), ("f", false), "", &job(&["r/a:1", &signature]))
        .await
        .unwrap();
    assert_eq!(said(&resolved), ["r/a:1 cache true".to_owned(), format!("{signature} signature")]);
}

#[tokio::test]
async fn a_bad_platform_fails_the_job() {
    let (images, _) = fake();
    let bad = ResolveJob { platform: "linux".to_owned(), ..job(&["r/a:1"]) };
    let error =
        resolve(&images, &Memory::default(), &Turn::default(), ("f", false), "", &bad).await.unwrap_err();
    assert_eq!((error.code, error.later), ("bad-platform", false));
}

#[tokio::test]
async fn pages_are_passed_on() {
    let (images, _) = fake();
    let first = ListJob { host: "r".to_owned(), repository: "a".to_owned(), ..ListJob::default() };
    let page = list(&images, &Turn::default(), &first).await.unwrap();
    assert_eq!((page.names, page.next_cursor.as_str()), (vec!["r/a".to_owned()], "/2"));
    let page = list(&images, &Turn::default(), &ListJob { cursor: page.next_cursor, ..first }).await.unwrap();
    assert_eq!((page.names, page.next_cursor.as_str()), (vec!["last".to_owned()], ""));
}

#[tokio::test]
async fn digests_that_a_listing_told_save_asking() {
    let (images, _) = fake();
    let cache = Memory::default();
    let told = strata_proto::digest::Digest::of(b"told").to_string();
    cache.keep_image(&told, "linux/amd64", &facts("a", "amd64", &["l1"])).await.unwrap();
    let digests = vec![told.clone(), "nonsense".to_owned(), String::new()];
    let job = ResolveJob { digests, ..job(&["r/a:1", "r/b:1", "r/h:1"]) };
    let resolved = resolve(&images, &cache, &Turn::default(), ("f", false), "", &job).await.unwrap();
    let of_index = format!("r/a:1 sha256:a linux/amd64 [l1] in {told}");
    let want = [of_index.as_str(), "r/b:1 sha256:b linux/arm64 [l2]", "r/h:1 helm-chart"];
    assert_eq!(said(&resolved), want);
    let asked = images.asked();
    assert!(
        !asked.iter().any(|asked| asked.contains("r/a:1")),
        "an unchanged image costs nothing: {asked:?}"
    );
    assert!(
        asked.contains(&"digest r/b:1".to_owned()) && asked.contains(&"digest r/h:1".to_owned()),
        "{asked:?}"
    );
}

#[tokio::test]
async fn tables_are_told_where_layers_are_read_in_parts() {
    let digest = |name: &str| Digest::of(name.as_bytes()).to_string();
    let table = LayerTable { digest: digest("table"), position: String::new() };
    let mut image = facts("a", "amd64", &[&digest("plain"), &digest("small"), &digest("large")]);
    image.layers[2].size = 2 << 20;
    image.tables = vec![LayerTable::default(), table.clone(), table.clone()];
    let answer = (Some("sha256:a".to_owned()), Ok(Resolution::Image(image.clone())));
    let images = Fake { images: [("r/a:1".to_owned(), answer)].into(), ..Fake::default() };
    let cache = Memory::default();
    // An earlier version kept facts without tables.
    let untold = ImageFacts { tables: Vec::new(), ..image };
    cache.keep_image("sha256:a", "linux/amd64", &untold).await.unwrap();
    let job = job(&["r/a:1"]);
    let layers = |resolved: Resolved| match resolved.references.into_iter().next().and_then(|one| one.result)
    {
        Some(Outcome::Image(image)) => image.layers,
        other => panic!("{other:?}"),
    };
    let whole = layers(resolve(&images, &cache, &Turn::default(), ("f", false), "", &job).await.unwrap());
    assert!(whole.iter().all(|layer| layer.table.is_none()));
    assert_eq!(images.asked(), ["digest r/a:1"], "what is known will do");
    // The inventory of the whole blob is not that of the layer in parts.
    let key = |layer: String| LayerKey { layer, fingerprint: "f".to_owned() };
    cache.layers.lock().unwrap().insert(key(digest("large")));
    let in_parts = layers(resolve(&images, &cache, &Turn::default(), ("f", true), "", &job).await.unwrap());
    assert_eq!(images.asked(), ["digest r/a:1", "resolve r/a:1@sha256:a"]);
    let tables: Vec<_> = in_parts.iter().map(|layer| layer.table.as_ref()).collect();
    assert_eq!(tables, [None, None, Some(&table)], "a small layer is always read whole");
    assert!(in_parts.iter().all(|layer| !layer.cached));
    cache.layers.lock().unwrap().insert(key(parts::identity(&digest("large"), Some(&table))));
    let in_parts = layers(resolve(&images, &cache, &Turn::default(), ("f", true), "", &job).await.unwrap());
    let cached: Vec<bool> = in_parts.iter().map(|layer| layer.cached).collect();
    assert_eq!(cached, [false, false, true]);
    assert_eq!(images.asked(), ["digest r/a:1"]);
}
