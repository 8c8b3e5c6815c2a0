//! How much of a scan is under way at a time.

use super::{
    super::{Command, PlanConfig, PlanEvent},
    bench::{self, Bench, image, images},
};

fn references(bench: &mut Bench) -> Vec<String> {
    let jobs = bench.take("resolve").into_iter();
    jobs.flat_map(|job| match job.verb {
        Some(strata_proto::v1::job::Verb::Resolve(resolve)) => resolve.references,
        _ => Vec::new(),
    })
    .collect()
}

#[test]
fn references_wait_while_enough_images_are_under_way() {
    let config = PlanConfig { resolve_batch: 2, resolve_most: 2, under_way: 3, ..PlanConfig::default() };
    let mut bench = Bench::new(config);
    let names = ["r.example/a:1", "r.example/b:1", "r.example/c:1", "r.example/d:1", "r.example/e:1"];
    bench.submit("s", images(&names));
    let job = bench.only_job("resolve");
    bench.resolve(&job, &[(names[0], image("a", &["x"], &[])), (names[1], image("b", &["y"], &[]))]);
    assert!(references(&mut bench).is_empty(), "there is room for one, and jobs are of two");
    for layer in bench.jobs("index") {
        bench.index(&layer);
    }
    assert!(references(&mut bench).is_empty(), "what is assessed is still under way");
    let assess = bench.jobs("assess");
    let stores = bench.assess(&assess[0], "report");
    assert!(references(&mut bench).is_empty(), "and what is being archived");
    bench.apply(PlanEvent::Stored { store: stores[0].store });
    let next = bench.take("resolve");
    assert_eq!(next.len(), 1, "one under way, and what is being resolved counts too: {next:?}");
    // Two names of one image are one that is under way.
    bench.resolve(&next[0].key, &[(names[2], image("b", &["y"], &[])), (names[3], image("b", &["y"], &[]))]);
    assert_eq!(references(&mut bench), [names[4]], "the last one need not be one of two");
}

#[test]
fn a_record_names_the_layers_that_no_event_has_told_yet() {
    let mut bench = Bench::default();
    bench.submit("s", images(&["r.example/a:1"]));
    let resolve = bench.only_job("resolve");
    bench.resolve(&resolve, &[("r.example/a:1", image("a", &["base", "top"], &["base"]))]);
    let layer = bench.only_job("index");
    let untold = |bench: &Bench| bench.plan.record("s").map(|scan| scan.layers_analysed.len());
    assert_eq!(untold(&bench), Some(0));
    bench.index(&layer);
    assert_eq!(untold(&bench), Some(1));
    let assess = bench.only_job("assess");
    let stores = bench.assess(&assess, "report");
    assert_eq!(untold(&bench), Some(1), "not before the event");
    let commands = bench.apply(PlanEvent::Stored { store: stores[0].store });
    assert_eq!(bench::stores(&commands), []);
    assert_eq!(untold(&bench), None, "it has ended");
    let ended =
        |command: &Command| matches!(command, Command::UpdateScan(scan) if scan.layers_analysed.is_empty());
    assert!(commands.iter().any(ended), "{commands:?}");
}
