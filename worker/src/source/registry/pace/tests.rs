//! The controller as a table of what happens and as laws.

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn pace(concurrency: u32, rate: Option<u32>) -> Pace {
    Pace::new(&PaceConfig { concurrency, rate, ..PaceConfig::default() })
}

/// Lets as many go as may, then has them all end the same way.
fn round(pace: &mut Pace, now: Duration, feedback: Feedback) -> u32 {
    let mut count = 0;
    while pace.admit(now, false) == Admission::Go {
        count += 1;
    }
    (0..count).for_each(|_| pace.done(now + MS, now, false, feedback));
    count
}

#[test]
fn the_limit_doubles_until_the_first_complaint_and_then_creeps() {
    let mut pace = pace(32, None);
    let counts: Vec<u32> = (0..5).map(|n| round(&mut pace, at(n * 10), Feedback::Good)).collect();
    assert_eq!(counts, [4, 8, 16, 32, 32]);
    // All that complain began before the halving: one halving.
    round(&mut pace, at(100), Feedback::Fault);
    assert_eq!(pace.limit(), 16);
    let counts: Vec<u32> = (0..3).map(|n| round(&mut pace, at(200 + n * 10), Feedback::Good)).collect();
    assert_eq!((counts, pace.limit()), (vec![16, 17, 18], 19));
}

#[test]
fn what_each_answer_does_to_the_next_request() {
    let busy = |seconds| Feedback::Busy(Some(Duration::from_secs(seconds)));
    for (feedback, after, want) in [
        (Feedback::Good, 1, Admission::Go),
        (Feedback::Nothing, 1, Admission::Go),
        (Feedback::Fault, 1, Admission::Go),
        (busy(7), 1, Admission::Paused(at(7_000))),
        (busy(7), 6_001, Admission::Paused(at(1_000))),
        (busy(7), 7_001, Admission::Go),
        (busy(0), 1, Admission::Go),
        (busy(1_000_000), 1, Admission::Paused(LONGEST_PAUSE)),
        (Feedback::Busy(None), 1, Admission::Paused(at(500))),
        (Feedback::Busy(None), 501, Admission::Go),
    ] {
        let mut pace = pace(8, None);
        assert_eq!(pace.admit(at(0), false), Admission::Go);
        pace.done(at(1), at(0), false, feedback);
        // The rate that follows a complaint has one request in hand.
        assert_eq!(pace.admit(at(after), false), want, "{feedback:?} after {after} ms");
    }
}

#[test]
fn a_registry_that_fails_on_and_on_is_left_alone_for_longer_and_longer() {
    let mut pace = pace(8, None);
    let (mut now, mut rests) = (at(0), Vec::new());
    while rests.len() < 7 {
        match pace.admit(now, false) {
            Admission::Go => {
                pace.done(now + MS, now, false, Feedback::Fault);
                now += MS;
            }
            Admission::Resting(time, _) => {
                rests.push(time.as_secs());
                now += time;
            }
            Admission::Wait(time) => now += time,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rests, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(pace.admit(now + at(60_000), false), Admission::Go);
    pace.done(now + at(60_001), now + at(60_000), false, Feedback::Good);
    assert_eq!(pace.strikes, 0);
}

#[test]
fn downloads_leave_room_for_small_requests() {
    for (limit, downloads) in [(1, 1), (2, 1), (4, 3), (8, 6), (32, 24)] {
        let mut pace = pace(limit, None);
        pace.limit = limit;
        let mut count = 0;
        while pace.admit(at(0), true) == Admission::Go {
            count += 1;
        }
        assert_eq!(count, downloads, "{limit}");
        assert_eq!(pace.admit(at(0), false) == Admission::Go, limit > 1, "{limit}");
    }
}

#[test]
fn a_rate_that_is_set_is_kept() {
    let mut pace = pace(1_000, Some(10));
    let (mut now, mut gone) = (at(0), 0);
    while now < at(10_000) {
        match pace.admit(now, false) {
            Admission::Go => {
                gone += 1;
                pace.done(now, now, false, Feedback::Good);
            }
            Admission::Wait(time) => now += time,
            other => panic!("{other:?}"),
        }
    }
    assert!((100..=103).contains(&gone), "{gone} in ten seconds");
}

#[test]
fn the_rate_is_halved_and_comes_back() {
    let mut pace = pace(1_000, None);
    // A hundred a second, until the registry complains.
    for n in 0..200 {
        let now = at(n * 10);
        assert_eq!(pace.admit(now, false), Admission::Go);
        pace.done(now, now, false, Feedback::Good);
    }
    assert_eq!(pace.admit(at(2_000), false), Admission::Go);
    pace.done(at(2_000), at(2_000), false, Feedback::Busy(Some(Duration::ZERO)));
    let rate = pace.rate.unwrap();
    assert!((45_000..=60_000).contains(&rate), "{rate}");
    let mut now = at(2_000);
    while pace.rate.is_some_and(|rate| rate < 100_000) {
        match pace.admit(now, false) {
            Admission::Go => pace.done(now, now, false, Feedback::Good),
            Admission::Wait(time) => now += time,
            other => panic!("{other:?}"),
        }
        assert!(now < at(20_000), "{:?}", pace.rate);
    }
    assert!(now > at(5_000), "not at once: {now:?}");
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Admit(bool),
    Done(Feedback),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let feedback = prop_oneof![
        6 => Just(Feedback::Good),
        1 => Just(Feedback::Fault),
        1 => Just(Feedback::Nothing),
        1 => proptest::option::of(0_u64..10_000).prop_map(|ms| Feedback::Busy(ms.map(Duration::from_millis))),
    ];
    let step = prop_oneof![
        4 => any::<bool>().prop_map(Step::Admit),
        4 => feedback.prop_map(Step::Done),
        2 => (0_u64..5_000).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 0..300)
}

proptest! {
    #[test]
    fn laws(steps in steps(), most in 1_u32..40, rate in proptest::option::of(1_u32..1_000)) {
        let mut pace = pace(most, rate);
        let (mut now, mut open) = (Duration::ZERO, Vec::new());
        for step in steps {
            let (limit, before) = (pace.limit(), pace.rate.unwrap_or(u64::MAX));
            match step {
                Step::Pass(ms) => now += at(ms),
                Step::Admit(download) => match pace.admit(now, download) {
                    Admission::Go => {
                        prop_assert!(u32::try_from(open.len()).unwrap() < limit);
                        open.push((now, download));
                    }
                    Admission::Full => prop_assert!(!open.is_empty(), "full of nothing"),
                    Admission::Wait(time) | Admission::Paused(time) | Admission::Resting(time, _) => {
                        prop_assert!(time > Duration::ZERO && time <= LONGEST_PAUSE);
                    }
                },
                Step::Done(feedback) => {
                    let Some((began, download)) = open.pop() else { continue };
                    pace.done(now, began, download, feedback);
                    let after = pace.rate.unwrap_or(u64::MAX);
                    match feedback {
                        Feedback::Good => prop_assert!(pace.limit() >= limit && after >= before),
                        _ => prop_assert!(pace.limit() <= limit && after <= before),
                    }
                }
            }
            prop_assert!((1..=most).contains(&pace.limit()));
            prop_assert!(pace.rate.is_none_or(|rate| rate >= pace.ceiling.map_or(SLOWEST, |most| most.min(SLOWEST))));
            prop_assert_eq!(pace.running, u32::try_from(open.len()).unwrap());
        }
        // However bad it was: time and good answers bring everything back.
        for (began, download) in open {
            pace.done(now, began, download, Feedback::Good);
        }
        for _ in 0..20_000 {
            match pace.admit(now, false) {
                Admission::Go => pace.done(now, now, false, Feedback::Good),
                Admission::Wait(time) | Admission::Paused(time) | Admission::Resting(time, _) => now += time,
                Admission::Full => prop_assert!(false, "full of nothing"),
            }
        }
        prop_assert_eq!(pace.limit(), most);
    }
}
