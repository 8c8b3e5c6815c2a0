//! Platforms: `os/architecture[/variant]`, and which of an index's entries serves a wanted one.

use strata_proto::v1::Platform;

use crate::error::JobError;

/// What an empty platform means.
pub const DEFAULT: &str = "linux/amd64";

/// Reads `os/architecture[/variant]`; empty means [`DEFAULT`].
///
/// # Errors
/// When the text has another form.
pub fn parse(text: &str) -> Result<Platform, JobError> {
    let text = if text.is_empty() { DEFAULT } else { text };
    let mut parts = text.split('/');
    let (os, architecture, variant) = (parts.next(), parts.next(), parts.next().unwrap_or(""));
    let word = |part: &str| {
        part.len() <= 32 && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    match (os, architecture, parts.next()) {
        (Some(os), Some(architecture), None)
            if !os.is_empty()
                && !architecture.is_empty()
                && word(os)
                && word(architecture)
                && word(variant) =>
        {
            Ok(normal(os, architecture, variant))
        }
        _ => {
            let shown: String = text.chars().take(100).collect();
            Err(JobError::never(
                "bad-platform",
                format!("failed to read the platform `{shown}`: it is not os/architecture[/variant]"),
            ))
        }
    }
}

/// One spelling for each platform: lower case, Go's names of architectures, no variant where it is the usual one.
#[must_use]
pub fn normal(os: &str, architecture: &str, variant: &str) -> Platform {
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant.to_ascii_lowercase();
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("x86_64" | "x86-64" | "amd64", "v1" | "") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "") => ("arm64", ""),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", "") | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", "") | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("i386" | "i686", _) => ("386", ""),
        (architecture, variant) => (architecture, variant),
    };
    Platform {
        os: os.to_ascii_lowercase(),
        architecture: architecture.to_owned(),
        variant: variant.to_owned(),
    }
}

/// As people write it.
#[must_use]
pub fn show(platform: &Platform) -> String {
    let mut text = format!("{}/{}", platform.os, platform.architecture);
    if !platform.variant.is_empty() {
        text.push('/');
        text.push_str(&platform.variant);
    }
    text
}

/// How well something built for `offered` runs on `wanted`; higher is better, `None` when it does not. A newer
/// variant of amd64, arm and arm64 runs what was built for an older one.
#[must_use]
pub fn score(wanted: &Platform, offered: &Platform) -> Option<u32> {
    if wanted.os != offered.os || wanted.architecture != offered.architecture {
        return None;
    }
    if wanted.variant == offered.variant {
        return Some(u32::MAX);
    }
    let base = match wanted.architecture.as_str() {
        "amd64" => 1,
        "arm64" => 8,
        "arm" => 7,
        _ => return None,
    };
    let level = |variant: &str| match variant.strip_prefix('v') {
        Some(number) => number.split('.').next().and_then(|number| number.parse::<u32>().ok()),
        None => variant.is_empty().then_some(base),
    };
    let (wanted, offered) = (level(&wanted.variant)?, level(&offered.variant)?);
    (offered <= wanted).then_some(offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_each_platform() {
        for (text, want) in [
            ("", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("windows/amd64", "windows/amd64"),
            ("linux/s390x", "linux/s390x"),
        ] {
            assert_eq!(parse(text).map(|p| show(&p)), Ok(want.to_owned()), "{text}");
        }
        for text in ["linux", "linux/", "/amd64", "a/b/c/d", "linux/am d", "linux/\u{7}"] {
            assert_eq!(parse(text).map_err(|e| e.code), Err("bad-platform"), "{text}");
        }
    }

    #[test]
    fn variants_serve_newer_machines() {
        let best = |wanted: &str, offered: &[&'static str]| {
            let wanted = parse(wanted).unwrap();
            offered
                .iter()
                .filter_map(|text| Some((score(&wanted, &parse(text).unwrap())?, *text)))
                .max_by_key(|(score, _)| *score)
                .map(|(_, text)| text)
        };
        assert_eq!(
            best("linux/amd64", &["linux/arm64", "linux/amd64/v3", "linux/amd64"]),
            Some("linux/amd64")
        );
        assert_eq!(best("linux/amd64/v3", &["linux/amd64", "linux/amd64/v2"]), Some("linux/amd64/v2"));
        assert_eq!(best("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6"]), Some("linux/arm/v6"));
        assert_eq!(best("linux/arm/v6", &["linux/arm/v7"]), None);
        assert_eq!(best("linux/amd64", &["linux/amd64/v3", "windows/amd64"]), None);
        assert_eq!(best("linux/arm64/v9", &["linux/arm64/v8"]), Some("linux/arm64/v8"));
    }
}
