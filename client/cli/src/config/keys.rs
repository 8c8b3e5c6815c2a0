//! Settings that are no options of a command: each has a key in the file and a variable.

use clap::Command;

/// Key and variable.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    ("data-dir", "STRATA_DATA_DIR"),
    ("spool-dir", "STRATA_SPOOL_DIR"),
    ("containerd-address", "CONTAINERD_ADDRESS"),
    ("containerd-namespace", "CONTAINERD_NAMESPACE"),
    ("docker-config", "DOCKER_CONFIG"),
    ("log", "STRATA_LOG"),
    ("otlp-endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("registry-concurrency", "STRATA_REGISTRY_CONCURRENCY"),
    ("registry-kind", "STRATA_REGISTRY_KIND"),
    ("registry-private-redirects", "STRATA_REGISTRY_PRIVATE_REDIRECTS"),
    ("registry-rate", "STRATA_REGISTRY_RATE"),
    ("registry-secrets", "STRATA_REGISTRY_SECRETS"),
];

/// Settings that are secrets: a file that is shared or kept in version control is no place for them.
pub(super) const SECRETS: &[(&str, &str)] =
    &[("token", "STRATA_TOKEN"), ("registry-password", "STRATA_REGISTRY_PASSWORD")];

/// Options that ask something about one call, and so are nothing to configure.
const NEVER: &[&str] = &["config", "help", "version", "print-context"];

/// Whether a command, or one below it, has an option of that name.
pub(super) fn is_option(command: &Command, key: &str) -> bool {
    let own = command.get_arguments().any(|option| option.get_long() == Some(key));
    !NEVER.contains(&key) && (own || command.get_subcommands().any(|below| is_option(below, key)))
}

/// Every name that is known, for a hint.
pub(super) fn like<'a>(command: &'a Command, key: &str) -> Option<&'a str> {
    let own = command.get_arguments().filter_map(clap::Arg::get_long);
    let near = |name: &&str| !NEVER.contains(name) && distance(name, key) <= 2;
    own.filter(near)
        .min_by_key(|name| distance(name, key))
        .or_else(|| command.get_subcommands().find_map(|below| like(below, key)))
}

/// Letters that differ, with what one is longer: enough to find what a finger missed.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let best = (corner + usize::from(x != y)).min(*cell + 1).min(left + 1);
            corner = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
