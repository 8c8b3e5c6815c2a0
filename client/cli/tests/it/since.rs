//! `strata sweep --since-last`: what is new, fixed and gone, and what that does to the exit code.

use std::sync::Arc;

use serde_json::Value;
use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::{Options, Registry},
};
use tokio::{net::TcpListener, runtime::Runtime};

use crate::strata::User;

/// `app:1`, `tool:1` and the like, each with one lodash of that version.
fn content(images: &[(&str, &str)]) -> Fixed {
    let mut fixed = Fixed::new();
    for (repository, version) in images {
        let lodash = format!(r#"{{"name":"lodash","version":"{version}"}}"#);
        let files = [("app/node_modules/lodash/package.json", lodash.as_bytes())];
        let layers = [Blob::of_files(&files, Compression::Gzip).expect("a layer")];
        fixed.image(&FixedImage { repository, tag: "1", layers: &layers, arch: Arch::Amd64, docker: false });
    }
    fixed
}

/// The registry of that port with another content.
fn serve(runtime: &Runtime, port: u16, images: &[(&str, &str)]) -> Registry {
    let content = content(images);
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        Registry::serve(listener, Arc::new(content), Options::default()).expect("a registry")
    })
}

fn references(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    let names = list.flat_map(|one| one["references"].as_array().expect("references").clone());
    names.map(|name| name.as_str().expect("a name").rsplit('/').next().expect("a part").to_owned()).collect()
}

#[test]
fn findings_are_new_fixed_and_gone_and_new_ones_can_fail_a_sweep() {
    let (user, runtime) = (User::new(), crate::cluster::runtime());
    let registry = serve(&runtime, 0, &[("app", "4.17.4"), ("clean", "4.17.21"), ("old", "4.17.4")]);
    let port = registry.address().port();
    let host = registry.host();
    let sweep = ["sweep", &host, "--since-last", "--fail-on-new", "low"];
    let (run, first) = user.json(&sweep);
    run.expect(0, &["completed"]);
    assert!(first["since"]["previous"].is_null(), "{first}");
    let (run, same) = user.json(&sweep);
    run.expect(0, &["unchanged"]);
    assert!(same["since"]["previous"]["complete"].as_bool().expect("a sweep before"));
    assert_eq!((references(&same["since"]["images"]), references(&same["since"]["gone"])), (vec![], vec![]));
    runtime.block_on(registry.shutdown()).expect("it stops");
    let registry = serve(&runtime, port, &[("app", "4.17.21"), ("clean", "4.17.21"), ("late", "4.17.4")]);
    // Another target in between is no basis for a comparison.
    user.run(&["sweep", &format!("{host}/clean")]).expect(0, &[]);
    let (run, changed) = user.json(&sweep);
    run.expect(1, &[]);
    let since = &changed["since"];
    assert_eq!(references(&since["images"]), ["app:1", "late:1"], "{since}");
    assert_eq!(references(&since["gone"]), ["old:1"], "{since}");
    let found = |list: &Value| list.as_array().expect("findings").len();
    let (app, late) = (&since["images"][0], &since["images"][1]);
    assert!(found(&app["fixed"]) > 0 && found(&app["new"]) < found(&app["fixed"]), "{app}");
    assert!(app["fixed"].as_array().expect("findings").iter().all(|one| one["package"] == "lodash"));
    assert!(late["before"].is_null() && found(&late["new"]) > 0 && found(&late["fixed"]) == 0, "{late}");
    assert_eq!(found(&since["gone"][0]["findings"]), found(&late["new"]), "the same old lodash");
    let total = |of: &Value| of.as_object().expect("counts").values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(total(&since["summary"]["new"]), (found(&app["new"]) + found(&late["new"])) as u64);
    // For people, and nothing new any more.
    let table = user.run(&["sweep", &host, "--since-last", "--fail-on-new", "low"]);
    table.expect(0, &[]);
    assert!(table.out.contains("SINCE ") && table.out.contains("new    0 findings"), "{}", table.out);
    user.run(&["sweep", &host, "--fail-on-new", "low"]).expect(2, &["--since-last"]);
    drop(registry);
}
