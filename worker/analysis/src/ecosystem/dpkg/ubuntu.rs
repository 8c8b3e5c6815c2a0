//! Ubuntu's channels: which of them speak of a package, and which paid ones the image follows.

use serde::Deserialize;

use super::{Distribution, Facts, File};
use crate::json;

/// What Ubuntu Pro's client keeps of the services that are turned on. It is written when a machine is attached, and stays
/// in an image that was built so.
pub(super) const STATUS: &str = "var/lib/ubuntu-advantage/status.json";

/// The note of the services that are turned on: `esm-apps esm-infra fips-updates`.
const SERVICES: &str = "pro-services";

/// Services that count: there are a dozen.
const MAX: usize = 64;
/// Bytes of one name.
const NAME_BYTES: usize = 64;

/// The channels of certified builds, with the service that turns each on.
const CERTIFIED: [(&str, &str); 3] =
    [("fips-updates", "FIPS-updates"), ("fips", "FIPS"), ("fips-preview", "FIPS-preview")];

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    attached: bool,
    #[serde(default, deserialize_with = "json::list")]
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
}

/// Notes the services that are turned on. `warning` is the state of one that is on and could not be checked in full.
pub(super) fn status(file: File<'_>, facts: &mut Facts) {
    let Some(status) = json::read::<Status>(file, "malformed", facts) else { return };
    if !status.attached {
        return;
    }
    let is_word = |name: &str| {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !name.is_empty() && name.len() <= NAME_BYTES && name.bytes().all(letter)
    };
    let mut names: Vec<&str> = status
        .services
        .iter()
        .filter(|service| matches!(service.status.as_str(), "enabled" | "warning"))
        .map(|service| service.name.as_str())
        .collect();
    let named = names.len();
    names.retain(|name| is_word(name));
    names.truncate(MAX);
    if names.len() < named {
        facts.problem("limit", file, format!("names more than {MAX} services, or names that are none"));
    }
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        facts.notes.insert(SERVICES.to_owned(), names.join(" "));
    }
}

/// OSV's ecosystems of a source package: the April releases of even years have long-term support and further channels for
/// subscribers.
///
/// The channel of extended maintenance counts with a subscription and without, after the free one: the package is as
/// vulnerable, and the fix is there; and images are built by attaching, upgrading and detaching again, after which only
/// the packages' versions tell what was fixed. Certified builds have a line of versions in each of their channels: of
/// those, the ones that the image follows count, and all where it does not say.
pub(super) fn channels(distribution: &Distribution, name: &str, version: &str) -> Vec<String> {
    let release = distribution.version.split('.').take(2).collect::<Vec<_>>().join(".");
    let Some((year, month)) = release.split_once('.') else { return Vec::new() };
    let services = distribution.fields.get(SERVICES).map_or("", String::as_str);
    let is_on = |wanted: &str| services.split_whitespace().any(|service| service == wanted);
    let even = year.bytes().last().is_some_and(|digit| digit % 2 == 0);
    if !(even && month == "04" || is_on("esm-infra") || is_on("esm-apps")) {
        return vec![format!("Ubuntu:{release}")];
    }
    let mut ecosystems = vec![
        format!("Ubuntu:{release}:LTS"),
        format!("Ubuntu:{release}"),
        format!("Ubuntu:Pro:{release}:LTS"),
    ];
    // Certified builds: the version says so, of kernels the name.
    if version.to_ascii_lowercase().contains("fips") || name.ends_with("-fips") {
        let follows = CERTIFIED.iter().any(|(service, _)| is_on(service));
        let of_image = CERTIFIED.iter().filter(|(service, _)| !follows || is_on(service));
        ecosystems.extend(of_image.map(|(_, channel)| format!("Ubuntu:Pro:{channel}:{release}:LTS")));
    }
    if name.starts_with("linux-") && (name.contains("realtime") || is_on("realtime-kernel")) {
        ecosystems.push(format!("Ubuntu:Pro:{release}:LTS:Realtime:Kernel"));
    }
    ecosystems
}

#[cfg(test)]
mod tests {
    use super::{Distribution, SERVICES, channels};

    fn of(release: &str, services: &str, name: &str, version: &str) -> Vec<String> {
        let fields = [(SERVICES.to_owned(), services.to_owned())].into();
        let version_id = release.to_owned();
        channels(&Distribution { version: version_id, fields, ..Distribution::default() }, name, version)
    }

    #[test]
    fn channels_of_releases_and_services() {
        let lts = ["Ubuntu:20.04:LTS", "Ubuntu:20.04", "Ubuntu:Pro:20.04:LTS"];
        let updates = "Ubuntu:Pro:FIPS-updates:20.04:LTS";
        let (fips, preview) = ("Ubuntu:Pro:FIPS:20.04:LTS", "Ubuntu:Pro:FIPS-preview:20.04:LTS");
        let realtime = "Ubuntu:Pro:20.04:LTS:Realtime:Kernel";
        for (services, name, version, further) in [
            ("", "curl", "1", &[][..]),
            ("esm-apps esm-infra", "curl", "1", &[]),
            ("", "openssl", "1+Fips", &[updates, fips, preview]),
            ("esm-infra", "openssl", "1+Fips", &[updates, fips, preview]),
            ("esm-infra fips-updates", "openssl", "1+Fips", &[updates]),
            ("fips", "linux-aws-fips", "5.4.0-1021.21", &[fips]),
            ("fips\nfips-preview", "linux-fips", "5.4.0", &[fips, preview]),
            // What is no certified build is of the free archive, whose versions those of the channel say nothing about.
            ("fips-updates", "openssl", "1.1.1f-1ubuntu2.20", &[]),
            ("", "linux-realtime", "5.4.0", &[realtime]),
            ("", "linux-raspi", "5.4.0", &[]),
            ("realtime-kernel", "linux-raspi", "5.4.0", &[realtime]),
        ] {
            let expected: Vec<&str> = lts.iter().chain(further).copied().collect();
            assert_eq!(of("20.04.6", services, name, version), expected, "{services} {name}");
        }
    }

    #[test]
    fn interim_releases_have_one_channel() {
        assert_eq!(of("19.10", "", "curl", "1+fips"), ["Ubuntu:19.10"]);
        assert_eq!(of("", "", "curl", "1"), [""; 0]);
    }
}
