//! Of which builds of a package an entry speaks.

use crate::{database::Entry, model::Package};

/// Whether an entry speaks of this build of the package. Packages of an rpm module and those outside of modules have
/// version lines of their own, and so has each stream of a module; so have Oracle's flavours, and an architecture may have
/// been fixed in another version than the others.
pub(super) fn is_for(package: &Package, ecosystem: &str, version: &str, entry: &Entry<'_>) -> bool {
    let label = package.properties.get("modularity").map_or("", String::as_str);
    let modular = !label.is_empty() || version.contains(".module_") || version.contains(".module+");
    if modular != entry.modular || !is_for_machine(&package.architecture, entry.arch) {
        return false;
    }
    if ecosystem.starts_with("Oracle Linux:") && flavour(version) != flavour(entry.bound) {
        return false;
    }
    let mut parts = label.splitn(3, ':');
    let (module, stream) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    label.is_empty() || entry.stream.is_empty() || entry.stream.split_once(':') == Some((module, stream))
}

/// Whether a list of architectures speaks of a package of this one. A package that does not say its own may be any;
/// `noarch` is for every machine, and an x86_64 system has libraries of its 32-bit predecessor.
pub(crate) fn is_for_machine(own: &str, list: &str) -> bool {
    const OLD: [&str; 4] = ["i386", "i486", "i586", "i686"];
    list.is_empty()
        || matches!(own, "" | "noarch")
        || list
            .split(' ')
            .any(|arch| arch == own || arch == "noarch" || arch == "x86_64" && OLD.contains(&own))
}

/// Oracle rebuilds some packages for patching at run time (`2.17-317.0.1.ksplice1.el7`) and for FIPS 140
/// (`10:3.6.16-4.0.1.el8_fips`). Each is a line of versions of its own: the fix of one is none for the other.
fn flavour(version: &str) -> &str {
    if let Some((_, rest)) = version.split_once(".ksplice") {
        let end = rest.find('.').unwrap_or(rest.len());
        let start = version.len() - rest.len() - "ksplice".len();
        return version.get(start..start + "ksplice".len() + end).unwrap_or("ksplice");
    }
    if version.contains("_fips") || version.contains(".fips") { "fips" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::{flavour, is_for_machine};

    #[test]
    fn flavours_are_lines_of_their_own() {
        for (version, expected) in [
            ("2:2.17-317.0.1.ksplice1.el7", "ksplice1"),
            ("2:2.28-164.0.3.ksplice2", "ksplice2"),
            ("10:3.6.16-4.0.1.el8_fips", "fips"),
            ("2.17-317.0.1.el7", ""),
            ("", ""),
        ] {
            assert_eq!(flavour(version), expected, "{version}");
        }
    }

    #[test]
    fn machines_are_those_of_the_list() {
        for (own, list, expected) in [
            ("x86_64", "", true),
            ("x86_64", "aarch64 x86_64", true),
            ("aarch64", "x86_64", false),
            ("i686", "x86_64", true),
            ("i686", "aarch64", false),
            ("noarch", "x86_64", true),
            ("x86_64", "noarch", true),
            ("", "x86_64", true),
        ] {
            assert_eq!(is_for_machine(own, list), expected, "{own} {list}");
        }
    }
}
