//! Where images come from, told after the fact: whatever comes first of scan, push and tag, all end the same. The same for every
//! archive.

use strata_coordinator::{
    access::sight::Sight,
    handle::tag,
    ports::{Archive, Forget, IndexMember, Keep, NewTag},
};
use strata_proto::{
    digest::Digest,
    v1::{Report, ReportSummary, SourceContext, TagImageRequest},
};

use super::{
    submitted::{found, ids, pushed, seen, submission},
    suite::{new_report, report},
};

/// The three things that happen to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Scan,
    Push,
    Tag,
}

const ORDERS: [[Step; 3]; 6] = [
    [Step::Scan, Step::Push, Step::Tag],
    [Step::Scan, Step::Tag, Step::Push],
    [Step::Push, Step::Scan, Step::Tag],
    [Step::Push, Step::Tag, Step::Scan],
    [Step::Tag, Step::Scan, Step::Push],
    [Step::Tag, Step::Push, Step::Scan],
];

/// What a tag names the image by.
const WAYS: [&str; 7] = ["reference", "digest", "index", "id", "reference+digest", "digest+id", "index+id"];

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

/// One image with all its names, apart from every other of the suite.
struct Image(String);

impl Image {
    fn reference(&self) -> String {
        format!("tag.example/{}/app:1", self.0)
    }
    fn manifest(&self) -> String {
        digest(&format!("manifest {}", self.0))
    }
    fn index(&self) -> String {
        digest(&format!("index {}", self.0))
    }
    fn config(&self) -> String {
        digest(&format!("config {}", self.0))
    }
    fn commit(&self) -> String {
        digest(&self.0).trim_start_matches("sha256:").to_owned()
    }

    fn tag(&self, way: &str) -> TagImageRequest {
        let source = SourceContext {
            commit: self.commit(),
            build_id: "4242/1".to_owned(),
            branch: "main".to_owned(),
            ..SourceContext::default()
        };
        let mut request = TagImageRequest { source: Some(source), ..TagImageRequest::default() };
        for part in way.split('+') {
            match part {
                "reference" => request.reference = self.reference(),
                "digest" => request.image_digest = self.manifest(),
                "index" => request.image_digest = self.index(),
                _ => request.image_id = self.config(),
            }
        }
        request
    }

    async fn take(&self, archive: &dyn Archive, step: Step, way: &str) {
        match step {
            Step::Scan => {
                let mut new = submission(&format!("11-{}", self.0), &self.0, &self.config(), &[]);
                let request = new.scan.request.as_mut().expect("a request");
                // What the build told of itself is another story.
                request.source = None;
                new.scan.verdict = None;
                archive.submit_report(&new).await.expect("taken");
            }
            Step::Push => {
                let member = IndexMember { index_digest: self.index(), image_digest: self.manifest() };
                archive.note_members(&[member]).await.expect("noted");
                pushed(archive, &self.manifest(), &self.config(), &self.reference()).await;
            }
            Step::Tag => drop(told(archive, self.tag(way), &Sight::default()).await),
        }
    }

    /// All that is known of it, in words that no other image's name is in.
    async fn state(&self, archive: &dyn Archive) -> Vec<String> {
        let commit = self.commit();
        let mut lines = Vec::new();
        for one in found(archive, |query| query.image_id = self.config()).await {
            lines.push(self.line(&one));
        }
        for (name, digest) in [("manifest", self.manifest()), ("index", self.index())] {
            let by_digest = found(archive, |query| query.image_digest.clone_from(&digest)).await;
            lines.push(format!("by {name}: {}", self.plain(&sorted(&by_digest).join(" "))));
        }
        let by_commit = found(archive, |query| query.commit.clone_from(&commit)).await;
        lines.push(format!("by commit: {}", self.plain(&sorted(&by_commit).join(" "))));
        lines.sort();
        lines
    }

    fn line(&self, one: &ReportSummary) -> String {
        let origins: Vec<String> = one
            .origins
            .iter()
            .map(|origin| {
                let source = origin.source.clone().unwrap_or_default();
                format!("{} {} {}", source.commit, source.build_id, origin.declared)
            })
            .collect();
        // In the order in which they were seen.
        let mut bound = one.bound_digests.clone();
        bound.sort_by_key(|digest| *digest == self.index());
        let text = format!(
            "{} is {:?}, pushed as {:?}, in {:?}, of {origins:?}",
            one.report_id, one.references, bound, one.index_digests
        );
        self.plain(&text)
    }

    fn plain(&self, text: &str) -> String {
        text.replace(&self.manifest(), "MANIFEST")
            .replace(&self.index(), "INDEX")
            .replace(&self.config(), "CONFIG")
            .replace(&self.commit(), "COMMIT")
            .replace(&self.0, "IMAGE")
    }
}

fn sorted(found: &[ReportSummary]) -> Vec<&str> {
    let mut ids = ids(found);
    ids.sort_unstable();
    ids
}

async fn told(archive: &dyn Archive, request: TagImageRequest, sight: &Sight) -> (NewTag, u64) {
    let new = tag(request, sight).expect("sound");
    let tagged = archive.tag_image(&new).await.expect("recorded");
    (new, tagged.reports)
}

pub(super) async fn what_is_told_of_an_image_comes_to_its_reports<A: Archive + Forget>(archive: &A) {
    every_order_ends_the_same(archive).await;
    a_reference_means_what_was_last_seen_under_it(archive).await;
    a_tag_opens_nothing_to_who_tells_it(archive).await;
    what_is_seen_counts_more_than_what_is_told(archive).await;
    an_index_finds_all_that_it_holds(archive).await;
    tags_go_with_their_scans(archive).await;
}

async fn every_order_ends_the_same(archive: &dyn Archive) {
    for way in WAYS {
        let mut first: Option<Vec<String>> = None;
        for (number, order) in ORDERS.iter().enumerate() {
            let image = Image(format!("order-{}-{number}", way.replace('+', "-")));
            for step in order {
                image.take(archive, *step, way).await;
            }
            let state = image.state(archive).await;
            // Once more, in the same order: nothing changes.
            for step in order {
                image.take(archive, *step, way).await;
            }
            assert_eq!(image.state(archive).await, state, "{way}: {order:?} twice");
            match &first {
                None => {
                    // What is to come of it, whatever the way.
                    let text = state.join("\n");
                    let both = "by commit: IMAGE own of MANIFEST";
                    assert!(text.contains(both), "{way}: the commit finds both reports: {text}");
                    assert_eq!(text.matches("COMMIT 4242/1 true").count(), 2, "{way}: {text}");
                    assert!(text.contains("pushed as [\"MANIFEST\""), "{way}: {text}");
                    assert!(text.contains("by index: IMAGE own of MANIFEST"), "{way}: {text}");
                    first = Some(state);
                }
                Some(first) => assert_eq!(&state, first, "{way}: {order:?}"),
            }
        }
    }
}

async fn a_reference_means_what_was_last_seen_under_it(archive: &dyn Archive) {
    let moving = |config: &str| Report { config_digest: config.to_owned(), ..report(config, &[], &[]) };
    let names = ["tag.example/moving:latest".to_owned()];
    let put = async |id: &str, scan: &str| {
        archive.put_report(new_report(id, &moving(&digest(id)), 1), scan, &names).await.expect("stored");
    };
    put("moving-1", "12-1").await;
    put("moving-2", "12-2").await;
    let image = Image("moving".to_owned());
    let request = TagImageRequest { reference: names[0].clone(), ..image.tag("reference") };
    let (first, reports) = told(archive, request.clone(), &Sight::default()).await;
    assert_eq!(reports, 1, "the one that was seen last");
    // A later image of the name is not of that commit, and the same words again are the same tag.
    put("moving-3", "12-3").await;
    let again = tag(request, &Sight::default()).expect("sound");
    let tagged = archive.tag_image(&again).await.expect("recorded");
    assert_eq!((tagged.scan.id, tagged.reports), (first.scan.id, 1));
    let by_commit = found(archive, |query| query.commit = image.commit()).await;
    assert_eq!(ids(&by_commit), ["moving-2"]);
}

async fn a_tag_opens_nothing_to_who_tells_it(archive: &dyn Archive) {
    let image = Image("theirs".to_owned());
    for step in [Step::Scan, Step::Push] {
        image.take(archive, step, "").await;
    }
    let team = Sight {
        owner: "token:team".to_owned(),
        prefixes: vec!["tag.example/team".parse().expect("a prefix")],
        ..Sight::default()
    };
    let ours = "tag.example/team/app:1".to_owned();
    let lie = TagImageRequest { reference: ours.clone(), ..image.tag("digest+id") };
    let (_, reports) = told(archive, lie.clone(), &team).await;
    assert_eq!(reports, 0, "no report of it has a name in their repositories");
    assert!(seen(archive, &team, |query| query.commit = image.commit()).await.is_empty());
    assert!(found(archive, |query| query.commit = image.commit()).await.is_empty());
    // Who may only scan sees what it scanned, and not what it tagged.
    let own = Sight { owner: "token:own".to_owned(), own_only: true, ..Sight::default() };
    let (_, reports) = told(archive, image.tag("digest"), &own).await;
    assert_eq!(reports, 2);
    assert!(!archive.shows_report("theirs", &own).await.expect("looked"));
    // Once the image is in one of their repositories as well, the tag counts.
    archive.add_references(&format!("own of {}", image.manifest()), "sweep 3", &[ours]).await.expect("named");
    let by_commit = seen(archive, &team, |query| query.commit = image.commit()).await;
    assert_eq!(by_commit.len(), 2, "{by_commit:?}");
    // Of a report of its own a limited token may speak before there is any manifest.
    let image = Image("mine".to_owned());
    let mut new = submission("11-mine", "mine", &image.config(), &["tag.example/team"]);
    new.scan.owner.clone_from(&team.owner);
    archive.submit_report(&new).await.expect("taken");
    let request =
        TagImageRequest { reference: "tag.example/team/mine:1".to_owned(), ..image.tag("digest+id") };
    assert_eq!(told(archive, request, &team).await.1, 1);
    let bound = found(archive, |query| query.image_digest = image.manifest()).await;
    assert_eq!(ids(&bound), ["mine"], "a digest for a report that had none");
    assert!(bound[0].references.contains(&"tag.example/team/mine:1".to_owned()), "{bound:?}");
}

async fn what_is_seen_counts_more_than_what_is_told(archive: &dyn Archive) {
    for order in [[Step::Push, Step::Tag], [Step::Tag, Step::Push]] {
        let (image, other) = (Image(format!("seen-{:?}", order[0])), Image(format!("other-{:?}", order[0])));
        other.take(archive, Step::Scan, "").await;
        for step in order {
            match step {
                // Somebody takes the one's digest for the other's.
                Step::Tag => {
                    let request = TagImageRequest { image_id: other.config(), ..image.tag("digest") };
                    told(archive, request, &Sight::default()).await;
                }
                step => image.take(archive, step, "").await,
            }
        }
        let by_digest = found(archive, |query| query.image_digest = image.manifest()).await;
        assert_eq!(ids(&by_digest), [format!("own of {}", image.manifest())], "{order:?}");
    }
}

async fn an_index_finds_all_that_it_holds(archive: &dyn Archive) {
    let index = digest("an index of two");
    let platforms = [Image("platform-1".to_owned()), Image("platform-2".to_owned())];
    for (number, image) in platforms.iter().enumerate() {
        image.take(archive, Step::Scan, "").await;
        pushed(archive, &image.manifest(), &image.config(), "tag.example/two:1").await;
        let member = IndexMember { index_digest: index.clone(), image_digest: image.manifest() };
        archive.note_members(&[member.clone(), member]).await.expect("noted");
        let by_index = found(archive, |query| query.image_digest.clone_from(&index)).await;
        assert_eq!(by_index.len(), 2 * (number + 1), "{by_index:?}");
        assert!(by_index.iter().all(|one| one.index_digests == [index.clone()]), "{by_index:?}");
    }
    let mut request = platforms[0].tag("reference");
    (request.reference, request.image_digest) = (String::new(), index);
    assert_eq!(told(archive, request, &Sight::default()).await.1, 4, "all platforms are of the commit");
}

async fn tags_go_with_their_scans<A: Archive + Forget>(archive: &A) {
    let image = Image("gone".to_owned());
    let (new, reports) = told(archive, image.tag("digest"), &Sight::default()).await;
    assert_eq!(reports, 0, "it waits");
    let scan = archive.scan(&new.scan.id).await.expect("read").expect("it is kept");
    assert_eq!(scan.tagged, new.scan.tagged);
    assert_eq!(archive.events(&scan.id, 0, 9).await.expect("read"), new.events);
    let keep = Keep { scans_from: "z".to_owned(), ..Keep::default() };
    while archive.forget_scans(&keep).await.expect("forgotten") != Default::default() {}
    assert_eq!(archive.scan(&new.scan.id).await.expect("read"), None);
    image.take(archive, Step::Push, "").await;
    assert!(found(archive, |query| query.commit = image.commit()).await.is_empty());
}
