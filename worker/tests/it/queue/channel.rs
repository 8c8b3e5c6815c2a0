//! The channels of embedded mode.

use std::{sync::Arc, time::Duration};

use strata_coordinator::{
    ports::{JobQueue as _, Published},
    queue::channel::ChannelQueue,
};
use strata_proto::v1::Lane;
use strata_worker::{
    ports::{JobSource as _, OutcomeSink as _},
    queue::channel::{ChannelSink, ChannelSource},
};

use super::{Pair, job, one, outcome, suite, trace};

fn pair() -> Pair {
    let (queue, ends) = ChannelQueue::new();
    let source = Arc::new(ChannelSource::new(ends.interactive, ends.sweep, ends.withdrawn));
    let letters = Arc::clone(&source);
    Pair {
        queue: Arc::new(queue),
        source,
        sink: Arc::new(ChannelSink::new(ends.outcomes)),
        dead: Box::new(move || {
            let dead = letters.dead().into_iter().map(|(job, reason)| (job.key, reason)).collect();
            Box::pin(std::future::ready(dead))
        }),
        ack_wait: Duration::from_millis(100),
        _keep: Box::new(()),
    }
}

#[tokio::test]
async fn conforms() {
    suite::run(|| Box::pin(std::future::ready(pair()))).await;
}

#[tokio::test]
async fn a_panicking_handler_loses_no_job() {
    let pair = pair();
    pair.queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    let delivery = one(&*pair.source, Lane::Sweep).await;
    let handler = tokio::spawn(async move {
        let _held = delivery;
        panic!("on purpose");
    });
    assert!(handler.await.unwrap_err().is_panic());
    let again = one(&*pair.source, Lane::Sweep).await;
    assert_eq!((again.job.key, again.executions), (job("a", Lane::Sweep).key, 2));
}

#[tokio::test]
async fn a_full_lane_refuses_rather_than_blocks() {
    let pair = pair();
    let mut accepted = 0;
    let refused = loop {
        match pair.queue.publish(&job(&accepted.to_string(), Lane::Sweep), &trace("t")).await {
            Ok(published) => assert_eq!(published, Published::Accepted),
            Err(error) => break error,
        }
        accepted += 1;
    };
    assert_eq!(accepted, strata_coordinator::queue::channel::LANE_CAPACITY);
    assert!(refused.to_string().starts_with("failed to publish a job: the lane holds"), "{refused}");
    // The refused job is not taken for queued: it is accepted once there is room.
    one(&*pair.source, Lane::Sweep).await.handle.done().await.unwrap();
    let published = pair.queue.publish(&job(&accepted.to_string(), Lane::Sweep), &trace("t")).await.unwrap();
    assert_eq!(published, Published::Accepted);
}

#[tokio::test]
async fn each_side_tells_when_the_other_has_ended() {
    let (queue, ends) = ChannelQueue::new();
    let sink = ChannelSink::new(ends.outcomes);
    let source = ChannelSource::new(ends.interactive, ends.sweep, ends.withdrawn);
    queue.publish(&job("a", Lane::Sweep), &trace("t")).await.unwrap();
    let delivery = source.pull(Lane::Sweep, 1).await.unwrap().remove(0);
    drop(source);
    let refused = queue.publish(&job("b", Lane::Sweep), &trace("t")).await.unwrap_err();
    assert!(refused.reason.contains("worker"), "{refused}");
    drop(queue);
    let refused = sink.publish(&outcome(&delivery), &trace("t")).await.unwrap_err();
    assert!(refused.reason.contains("coordinator"), "{refused}");
}
