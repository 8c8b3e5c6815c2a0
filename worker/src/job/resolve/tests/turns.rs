//! Sweeps make way.

use strata_proto::v1::Lane;

use super::*;
use crate::precedence::{self, Precedence};

/// However many are resolved in one job of a sweep: each waits for whoever goes first, before it is asked for and before it is read.
#[tokio::test(start_paused = true)]
async fn each_reference_of_a_sweep_makes_way() {
    let names: Vec<String> = (0..40).map(|number| format!("r.example/a:{number}")).collect();
    let told = |name: &String| {
        (name.clone(), (Some("sha256:a".to_owned()), Ok(Resolution::Image(facts("a", "amd64", &["l1"])))))
    };
    let images = Fake { images: names.iter().map(told).collect(), ..Fake::default() };
    let references: Vec<&str> = names.iter().map(String::as_str).collect();
    for (lane, first) in [(Lane::Sweep, true), (Lane::Sweep, false), (Lane::Interactive, true)] {
        let house = Precedence::default();
        let kept = first.then(|| house.turn(Lane::Interactive));
        let (turn, begin) = (house.turn(lane), tokio::time::Instant::now());
        let resolved =
            resolve(&images, &Memory::default(), &turn, ("f", false), "", &job(&references)).await.unwrap();
        assert_eq!(resolved.references.len(), 40);
        let waits = lane == Lane::Sweep && first;
        assert_eq!(begin.elapsed() >= 2 * precedence::LEAST, waits, "{lane:?} {first}");
        drop(kept);
    }
}
