//! The texts of release files: shell-like assignments, and lines such as `CentOS Linux release 7.9.2009 (Core)`.

use std::collections::BTreeMap;

/// How release lines start, and the `ID` that os-release would give.
const NAMES: &[(&str, &str)] = &[
    ("AlmaLinux", "almalinux"),
    ("Amazon Linux", "amzn"),
    ("Arch Linux", "arch"),
    ("CBL-Mariner", "mariner"),
    ("CentOS", "centos"),
    ("CloudLinux", "cloudlinux"),
    ("Enterprise Linux", "ol"),
    ("Fedora", "fedora"),
    ("Oracle Linux", "ol"),
    ("Red Hat Enterprise Linux", "rhel"),
    ("Rocky Linux", "rocky"),
    ("SUSE Linux Enterprise Server", "sles"),
    ("Scientific Linux", "scientific"),
    ("VMware Photon", "photon"),
    ("openSUSE", "opensuse"),
];

/// `KEY=value` lines with a shell's quotes and escapes (os-release(5)). The last assignment of a key counts, as in a shell.
pub(super) fn assignments(text: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let key = key.trim();
        if !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            fields.insert(key.to_owned(), unquote(value.trim()));
        }
    }
    fields
}

/// `ID`, release and title of a file that is one line.
pub(super) fn release(path: &str, line: &str) -> (String, String, String) {
    let title = line.to_owned();
    let first = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    match path {
        "etc/alpine-release" => return ("alpine".to_owned(), first(line), title),
        // Testing and unstable say `trixie/sid`: no release.
        "etc/debian_version" => {
            let release = if line.starts_with(|first: char| first.is_ascii_digit()) {
                first(line)
            } else {
                String::new()
            };
            return ("debian".to_owned(), release, title);
        }
        "etc/arch-release" => return ("arch".to_owned(), String::new(), title),
        _ => {}
    }
    let Some((start, id)) = NAMES.iter().find(|(start, _)| line.starts_with(start)) else {
        return (String::new(), String::new(), title);
    };
    let rest = line
        .split_once(" release ")
        .map_or_else(|| line.strip_prefix(start).unwrap_or_default(), |(_, rest)| rest);
    let version = rest.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    ((*id).to_owned(), version.unwrap_or_default().to_owned(), title)
}

/// Removes a shell's quotes: single ones keep everything, a backslash keeps the next character.
fn unquote(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut quote = None;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', None | Some('"')) => text.extend(characters.next()),
            ('"' | '\'', None) => quote = Some(character),
            (_, Some(open)) if open == character => quote = None,
            _ => text.push(character),
        }
    }
    text
}
