//! Images that tests make: one layer of files in a registry of their own.

use strata_loadtest::{
    content::{Arch, Blob, Compression, Fixed, FixedImage},
    registry::{Options, Registry},
};
use tokio::runtime::Runtime;

/// Adds an image of one layer under the tag `1`. Docker's media types, or OCI's.
pub(crate) fn image(fixed: &mut Fixed, repository: &str, files: &[(&str, &[u8])], docker: bool) {
    let layers = [Blob::of_files(files, Compression::Gzip).expect("a layer")];
    fixed.image(&FixedImage { repository, tag: "1", layers: &layers, arch: Arch::Amd64, docker });
}

/// `app:1`, which has an old lodash: three findings.
pub(crate) fn lodash() -> Fixed {
    let mut fixed = Fixed::new();
    let file: (&str, &[u8]) =
        ("app/node_modules/lodash/package.json", br#"{"name":"lodash","version":"4.17.4"}"#);
    image(&mut fixed, "app", &[file], true);
    fixed
}

/// A registry that has them.
pub(crate) fn serve(runtime: &Runtime, fixed: Fixed) -> Registry {
    runtime.block_on(Registry::start(fixed, Options::default())).expect("a registry")
}
