//! Compiles the contract with protox: no `protoc` on the machine.

use std::{env, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=strata");
    let files = ["scan", "report", "token", "job", "inventory"].map(|name| format!("strata/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("strata.v1.bin"), descriptors.encode_to_vec())?;
    // The facts of an image are handed around by value.
    tonic_prost_build::configure().boxed(".strata.v1.ImageFacts.run").compile_fds(descriptors)?;
    Ok(())
}
