//! Layers that may be read in parts: another layer than the same blob without its table.

use strata_proto::{
    digest::Digest,
    subject::layer_with_table,
    v1::{LayerTable, Retry, job::Verb},
};

use super::bench::{Bench, digest, failure, image, images};

fn table(name: &str) -> LayerTable {
    LayerTable { digest: digest(name), position: "1:2:3:1".to_owned() }
}

fn with_table(name: &str, table: LayerTable) -> strata_proto::v1::ResolvedImage {
    let mut image = image(name, &["blob"], &[]);
    image.layers[0].table = Some(table);
    image
}

#[test]
fn a_blob_is_indexed_once_for_each_table_that_images_name() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r/plain:1", "r/a:1", "r/a:2", "r/b:1"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(
        &resolve,
        &[
            ("r/plain:1", image("plain", &["blob"], &[])),
            ("r/a:1", with_table("a1", table("a"))),
            ("r/a:2", with_table("a2", table("a"))),
            ("r/b:1", with_table("b1", table("b"))),
        ],
    );
    let jobs = bench.take("index");
    let mut tables = Vec::new();
    for job in &jobs {
        let Some(Verb::Index(index)) = &job.verb else { panic!("{job:?}") };
        assert_eq!(index.digest, digest("blob"), "the blob is what is read");
        tables.push(index.table.clone());
    }
    tables.sort_by_key(|found| found.as_ref().map(|found| found.digest != digest("a")));
    assert_eq!(tables, [None, Some(table("a")), Some(table("b"))]);
    for job in &jobs {
        bench.index(&job.key);
    }
    let blob: Digest = digest("blob").parse().expect("a digest");
    let assess = bench.take("assess");
    assert_eq!(assess.len(), 4);
    for job in &assess {
        let Some(Verb::Assess(verb)) = &job.verb else { panic!("{job:?}") };
        let wanted = match () {
            () if verb.image_digest == digest("plain") => blob,
            () if verb.image_digest == digest("b1") => layer_with_table(&blob, &table("b")),
            () => layer_with_table(&blob, &table("a")),
        };
        assert_eq!(verb.layers, [wanted.to_string()], "{}", verb.reference);
    }
    assert_eq!(bench.summary("s").distinct_layers, 3);
}

#[test]
fn messages_name_the_blob() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r/a:1"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(&resolve, &[("r/a:1", with_table("a", table("a")))]);
    let index = bench.only_job("index");
    bench.fail(&index, failure("malformed", Retry::Never, 0));
    let message = bench.events("s").find_map(|kind| match kind {
        strata_proto::v1::event::Kind::Failed(failed) => Some(failed.message.clone()),
        _ => None,
    });
    assert!(message.as_ref().is_some_and(|message| message.contains(&digest("blob"))), "{message:?}");
}
