//! `container-manifest-2`: a table of the packages of an image that carries no database (Azure Linux distroless).
//!
//! One package a line, its fields parted by tabs: name, version-release, time of installation, time of build, vendor,
//! epoch, size, architecture, epoch as a number, source package.

use super::{Collector, Raw};

const FIELDS: usize = 10;

/// Shows every line to the collector.
pub(super) fn scan(bytes: &[u8], collector: &mut Collector<'_>) {
    for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        match package(line) {
            Some(raw) => collector.package(&raw),
            None => collector.damage(format!("line {} is malformed", index.saturating_add(1))),
        }
    }
}

fn package(line: &[u8]) -> Option<Raw> {
    let line = str::from_utf8(line).ok()?;
    let fields: Vec<&str> = line.split('\t').take(FIELDS + 1).collect();
    let &[name, version, _installed, _built, vendor, epoch, _size, architecture, number, source] =
        fields.as_slice()
    else {
        return None;
    };
    let (version, release) = version.rsplit_once('-')?;
    // Written for absent values by rpm's query formats.
    let given = |text: &str| if text == "(none)" { String::new() } else { text.to_owned() };
    let epoch = if epoch == "(none)" { number.parse().unwrap_or(0) } else { epoch.parse().ok()? };
    let sound = !name.is_empty() && !version.is_empty();
    sound.then(|| Raw {
        name: name.to_owned(),
        version: version.to_owned(),
        release: release.to_owned(),
        epoch,
        architecture: given(architecture),
        source_rpm: given(source),
        vendor: given(vendor),
        modularity: String::new(),
    })
}
