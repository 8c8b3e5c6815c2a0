//! Roles that are asked to end while their servers are away: they do, in time, and with jobs in their hands.

use std::{path::Path, time::Duration};

use strata_client::v1::{RegistryTarget, SubmitRequest};
use strata_loadtest::{
    chaos::{
        cluster::{Cluster, Layout},
        follow::Follow,
    },
    content::{Plan, Synthetic},
    registry::{Faults, Options, Registry},
    servers::Server,
};

use crate::{cluster::runtime, servers::skipped, strata::User};

/// Far less than an orchestrator gives them, far more than they need.
const GRACE: Duration = Duration::from_secs(60);

/// A cluster in the middle of a sweep of layers that take minutes.
fn in_the_middle(runtime: &tokio::runtime::Runtime, user: &User) -> (Cluster, Registry) {
    let mut layout = Layout::new(Path::new(env!("CARGO_BIN_EXE_strata")), &user.database());
    layout.workers = 2;
    layout.environment = vec![("STRATA_DRAIN_SECONDS", "1".to_owned())];
    let cluster = Cluster::start(&layout).expect("a cluster");
    let registry = runtime.block_on(async {
        let options =
            Options { faults: Faults { bandwidth: Some(1_000), ..Faults::default() }, ..Options::default() };
        let registry = Registry::start(Synthetic::new(Plan::demo()), options).await.expect("a registry");
        let deadline = tokio::time::Instant::now() + GRACE;
        let follow = Follow { urls: cluster.urls(), deadline, leave_every: None };
        let request = SubmitRequest {
            registry: Some(RegistryTarget { host: registry.host(), ..RegistryTarget::default() }),
            ..SubmitRequest::default()
        };
        follow.submit(&request).await.expect("it is taken in");
        while registry.counts().blob_gets < 6 {
            assert!(tokio::time::Instant::now() < deadline, "no layer is asked for\n{}", cluster.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        registry
    });
    (cluster, registry)
}

/// All at once, then one after the other: each has the same time.
fn end(roles: &mut [Server]) {
    for role in roles.iter() {
        role.signal("TERM").expect("it runs");
    }
    for role in roles {
        let status = role.wait(GRACE).expect("it ends in time");
        assert!(status.success(), "{status}: {}", role.log());
    }
}

#[test]
fn roles_end_though_their_servers_are_gone() {
    if skipped("the end of roles without servers") {
        return;
    }
    let user = User::new();
    let runtime = runtime();
    let (mut cluster, registry) = in_the_middle(&runtime, &user);
    cluster.nats.kill().expect("it is ours");
    cluster.redis.kill().expect("it is ours");
    end(&mut cluster.workers);
    cluster.postgres.kill().expect("it is ours");
    end(&mut cluster.coordinators);
    drop(registry);
}
