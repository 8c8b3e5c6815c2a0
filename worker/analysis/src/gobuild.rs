//! What Go's linker leaves in an executable: its record of release and modules, in either of its two forms, and
//! ([`variables`]) the text that variables start with.
//!
//! It starts with 14 bytes of magic on a multiple of 16, the size of a pointer and flags. Since 1.18 (flag 2) two strings
//! follow at byte 32, each after its length as a number of variable length. Before, two pointers to string headers
//! follow at byte 16. Source: `debug/buildinfo` of Go's standard library, facts of the format.

#[cfg(test)]
mod tests;
pub(crate) mod variables;

use crate::{
    bytes::{Order, find, slice},
    executable::Executable,
    model::Package,
};

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
const HEADER: usize = 32;
/// The list of modules stands between two marks of 16 bytes.
const MARK: usize = 16;

/// How often a program may hold the magic as a constant before the record.
const TRIES: usize = 64;
/// Bytes of a release's name, experiments included.
const RELEASE_BYTES: usize = 256;

/// What an executable says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BuildInfo {
    /// `go1.21.3`.
    pub(crate) version: String,
    /// One line for each module and setting; empty for a build without modules.
    pub(crate) modules: String,
}

/// What a main module's version is when it was not fetched by a version.
pub(crate) const DEVELOPMENT: &str = "(devel)";

/// The program itself, as the record names it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Main {
    /// Import path of the package `main`; empty where the record has none (before Go 1.18, and for old ways to build).
    pub(crate) path: String,
    /// Its module, with the best version that can be told.
    pub(crate) module: Option<Package>,
}

impl BuildInfo {
    /// The program itself. `bytes` is the whole file: a build may leave the flags that set its version out of the record.
    pub(crate) fn main(&self, bytes: &[u8]) -> Main {
        let mut main = Main::default();
        let mut settings = Vec::new();
        for line in self.modules.lines() {
            let mut fields = line.split('\t');
            let kind = fields.next().unwrap_or_default();
            let name = fields.next().unwrap_or_default();
            match kind {
                "path" => name.clone_into(&mut main.path),
                "mod" => main.module = Some(Package::plain(name, fields.next().unwrap_or_default())),
                "build" => settings.push(name),
                _ => {}
            }
        }
        if let Some(module) = &mut main.module {
            settle_version(module, &settings);
            if module.version == DEVELOPMENT
                && let Some(version) = linked_version(bytes, &self.version)
            {
                module.version = version;
                module.properties.insert("version-from".to_owned(), "linker".to_owned());
            }
        }
        main
    }
}

/// Finds and reads the record. `None` when there is none: not built by Go.
pub(crate) fn read(file: &Executable<'_>) -> Option<BuildInfo> {
    let place = file.section(".go.buildinfo").or_else(|| file.section("__go_buildinfo"));
    if let Some(info) = place.and_then(|section| record(file, section)) {
        return Some(info);
    }
    if file.names_sections() {
        return None;
    }
    // Without section names, or in a PE file, which has no section of its own for the record. A program may hold the magic
    // as a constant too, so all are tried.
    let mut from = 0;
    for _ in 0..TRIES {
        let at = find(file.bytes, MAGIC, from)?;
        if at % ALIGNMENT == 0
            && let Some(info) = file.bytes.get(at..).and_then(|bytes| record(file, bytes))
        {
            return Some(info);
        }
        from = at.checked_add(MAGIC.len())?;
    }
    None
}

/// Whether such a section tells all that is read of its program, so that the rest of the file is not needed.
pub(crate) fn stands_alone(file: &Executable<'_>, section: &[u8]) -> bool {
    if !section.starts_with(MAGIC) {
        return true;
    }
    let has_strings = section.get(15).is_none_or(|flags| flags & 2 != 0);
    // Without a version, that is looked for among all that the program holds.
    has_strings
        && record(file, section)
            .and_then(|info| info.main(&[]).module)
            .is_none_or(|module| module.version != DEVELOPMENT)
}

fn record(file: &Executable<'_>, bytes: &[u8]) -> Option<BuildInfo> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let flags = *bytes.get(15)?;
    let (version, modules) = if flags & 2 != 0 {
        let (version, rest) = counted(bytes.get(HEADER..)?)?;
        (version, counted(rest).map_or(&[][..], |(modules, _)| modules))
    } else {
        let pointer = usize::from(*bytes.get(14)?);
        let order = if flags & 1 != 0 { Order::Big } else { Order::Little };
        let version = string(file, order, pointer, word(order, pointer, bytes, 16)?)?;
        let modules = word(order, pointer, bytes, 16 + pointer);
        (version, modules.and_then(|at| string(file, order, pointer, at)).unwrap_or_default())
    };
    let version = str::from_utf8(version.get(..RELEASE_BYTES).unwrap_or(version)).ok()?;
    let sound = version.starts_with("go") || version.starts_with("devel");
    let modules = modules.get(MARK..modules.len().saturating_sub(MARK)).unwrap_or_default();
    sound.then(|| BuildInfo {
        version: version.to_owned(),
        modules: String::from_utf8_lossy(modules).into_owned(),
    })
}

/// A string after its length, seven bits a byte, least significant first.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f).checked_shl(u32::try_from(7 * index).ok()?)?;
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..)?.split_at_checked(length);
        }
    }
    None
}

fn word(order: Order, pointer: usize, bytes: &[u8], at: usize) -> Option<u64> {
    match pointer {
        4 => order.u32(bytes, at).map(u64::from),
        8 => order.u64(bytes, at),
        _ => None,
    }
}

/// The string whose header, address and length, is loaded at `header`.
fn string<'a>(file: &Executable<'a>, order: Order, pointer: usize, header: u64) -> Option<&'a [u8]> {
    let header = file.at(header)?;
    let address = word(order, pointer, header, 0)?;
    let length = usize::try_from(word(order, pointer, header, pointer)?).ok()?;
    slice(file.at(address)?, 0, length)
}

/// A main module that was not fetched by its version says `(devel)`: the linker flags of its build often carry the version.
fn settle_version(main: &mut Package, settings: &[&str]) {
    if main.version.is_empty() {
        DEVELOPMENT.clone_into(&mut main.version);
    }
    for setting in settings {
        if let Some((key @ ("vcs.revision" | "vcs.time"), value)) = setting.split_once('=') {
            main.properties.insert(key.to_owned(), value.to_owned());
        }
    }
    if main.version == DEVELOPMENT
        && let Some(version) =
            settings.iter().find_map(|setting| setting.strip_prefix("-ldflags=")).and_then(flagged)
    {
        main.version = format!("v{version}");
        main.properties.insert("version-from".to_owned(), "ldflags".to_owned());
    }
}

/// A build that leaves its flags out of the record (`-trimpath`) still holds what they set: the linker keeps those strings
/// beside the release of Go, which it sets in the same way. `None` when there are two versions, or none.
pub(crate) fn linked_version(bytes: &[u8], release: &str) -> Option<String> {
    const AROUND: usize = 1_200;
    let release = release.split_whitespace().next()?;
    let needle = [release.as_bytes(), b"\0"].concat();
    let mut from = 0;
    let mut found: Option<&str> = None;
    while let Some(at) = find(bytes, &needle, from) {
        from = at.checked_add(needle.len())?;
        if at.checked_sub(1).and_then(|before| bytes.get(before)) != Some(&0) {
            continue;
        }
        // Never the same bytes twice, however often the release stands there.
        from = at.checked_add(AROUND)?;
        let around = bytes.get(at.saturating_sub(AROUND)..)?;
        let around = around.get(..2 * AROUND).unwrap_or(around);
        for text in around.split(|byte| !(b' '..=b'~').contains(byte)) {
            let Some(text) = str::from_utf8(text).ok() else { continue };
            let version = text.strip_prefix('v').unwrap_or(text);
            if !is_version(version) {
                continue;
            }
            if found.is_some_and(|found| found != version) {
                return None;
            }
            found = Some(version);
        }
    }
    found.map(|version| format!("v{version}"))
}

/// The version among linker flags like `-X main.version=v1.2.3 -X 'a/b.commit=c'`. None when two disagree.
fn flagged(flags: &str) -> Option<&str> {
    let flags = unquote(flags);
    let mut found = None;
    for flag in flags.split_whitespace() {
        let flag = unquote(flag);
        let flag = flag.strip_prefix("-X=").unwrap_or(flag);
        let Some((variable, value)) = flag.split_once('=') else { continue };
        let (_, variable) = variable.rsplit_once('.').unwrap_or(("", variable));
        let named = ["version", "gitversion", "appversion", "buildversion", "releaseversion", "semver"];
        if !named.iter().any(|name| name.eq_ignore_ascii_case(variable)) {
            continue;
        }
        let value = unquote(value);
        let value = value.strip_prefix('v').unwrap_or(value);
        if !is_version(value) {
            continue;
        }
        if found.is_some_and(|found| found != value) {
            return None;
        }
        found = Some(value);
    }
    found
}

fn unquote(text: &str) -> &str {
    text.trim_matches(['"', '\''])
}

/// Three numbers, perhaps with a suffix.
fn is_version(text: &str) -> bool {
    let numbers = text.split(['-', '+', '~']).next().unwrap_or_default();
    numbers.split('.').count() == 3
        && numbers.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}
