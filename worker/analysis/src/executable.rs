//! Executables over a byte slice: just enough of ELF, PE and Mach-O to find a section by its name and bytes by their
//! address. Tables are walked in place; nothing is allocated for what a header merely claims.
//! Sources: the System V ABI, Microsoft's PE specification, Apple's `mach-o/loader.h`.

mod elf;
mod excerpt;
mod macho;
mod pe;

use std::cell::RefCell;

pub(crate) use excerpt::excerpt;

use crate::bytes::{Order, slice};

/// An executable or a shared library.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Executable<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) order: Order,
    /// Bytes of a pointer: 4 or 8.
    pub(crate) pointer: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Elf,
    /// Where the optional header starts, and the table of sections after it.
    Pe {
        optional: usize,
        sections: usize,
        count: usize,
    },
    MachO {
        commands: usize,
        count: usize,
    },
}

/// Parts that are looked at where an address is looked up many times.
const LOADED: usize = 64;

/// A part of the file, and the address at which it is loaded.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    name: &'a [u8],
    offset: usize,
    length: usize,
    address: u64,
}

impl<'a> Executable<'a> {
    /// Tells the format by the first bytes; `None` when it is none of the three, or is cut off in its header.
    pub(crate) fn open(bytes: &'a [u8]) -> Option<Self> {
        elf::open(bytes).or_else(|| pe::open(bytes)).or_else(|| macho::open(bytes))
    }

    /// The content of the first section of that name.
    pub(crate) fn section(&self, name: &str) -> Option<&'a [u8]> {
        let wanted = |part: &Part<'_>| part.name == name.as_bytes();
        let part = match self.kind {
            Kind::Elf => elf::sections(self)?.find(wanted),
            Kind::Pe { sections, count, .. } => pe::sections(self, sections, count).find(wanted),
            Kind::MachO { commands, count } => macho::find(self, commands, count, &wanted),
        }?;
        slice(self.bytes, part.offset, part.length)
    }

    /// Whether sections can be found by the names that their makers agreed on: all but PE files, which keep eight bytes
    /// of a name, and files without a table of sections.
    pub(crate) fn names_sections(&self) -> bool {
        match self.kind {
            Kind::Elf => elf::sections(self).is_some_and(|mut sections| sections.next().is_some()),
            Kind::Pe { .. } => false,
            Kind::MachO { .. } => true,
        }
    }

    /// The bytes that are loaded at `address`, up to the end of their part of the file.
    pub(crate) fn at(&self, address: u64) -> Option<&'a [u8]> {
        let holds = |part: &Part<'_>| {
            let length = u64::try_from(part.length).unwrap_or(u64::MAX);
            address.checked_sub(part.address).is_some_and(|into| into < length)
        };
        let part = match self.kind {
            Kind::Elf => elf::segments(self)?.find(holds),
            Kind::Pe { optional, sections, count } => {
                let base = pe::base(self, optional)?;
                pe::sections(self, sections, count)
                    .map(|part| Part { address: part.address.saturating_add(base), ..part })
                    .find(holds)
            }
            Kind::MachO { commands, count } => macho::find(self, commands, count, &holds),
        }?;
        let content = slice(self.bytes, part.offset, part.length)?;
        content.get(usize::try_from(address.checked_sub(part.address)?).ok()?..)
    }

    /// What is loaded, each part with its address: the first of them, which are all that a linker makes.
    pub(crate) fn loaded(&self) -> Vec<(u64, &'a [u8])> {
        let parts: Vec<Part<'a>> = match self.kind {
            Kind::Elf => elf::segments(self).into_iter().flatten().take(LOADED).collect(),
            Kind::Pe { optional, sections, count } => {
                let base = pe::base(self, optional).unwrap_or(0);
                pe::sections(self, sections, count)
                    .map(|part| Part { address: part.address.saturating_add(base), ..part })
                    .take(LOADED)
                    .collect()
            }
            Kind::MachO { commands, count } => {
                let parts = RefCell::new(Vec::new());
                macho::find(self, commands, count, &|part| {
                    let mut parts = parts.borrow_mut();
                    parts.push(*part);
                    parts.len() >= LOADED
                });
                parts.into_inner()
            }
        };
        let content = |part: &Part<'a>| Some((part.address, slice(self.bytes, part.offset, part.length)?));
        parts.iter().filter_map(content).collect()
    }

    /// A pointer at that offset.
    fn word(&self, at: usize) -> Option<u64> {
        if self.pointer == 8 {
            self.order.u64(self.bytes, at)
        } else {
            self.order.u32(self.bytes, at).map(u64::from)
        }
    }

    fn offset(&self, at: usize) -> Option<usize> {
        usize::try_from(self.word(at)?).ok()
    }
}

/// A name in a field of fixed width, without the NULs that fill it.
fn name(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Names whose content is never an executable, though the mode may say so.
const OTHER_EXTENSIONS: [&str; 36] = [
    "a", "bash", "bat", "c", "cfg", "conf", "css", "go", "gz", "h", "html", "jar", "js", "json", "la", "lua",
    "md", "o", "pl", "pm", "png", "py", "pyc", "rb", "sh", "so", "svg", "tcl", "ts", "txt", "xml", "yaml",
    "yml", "zip", "dll", "woff2",
];
/// Smaller files hold neither a Go nor a Rust program.
const LEAST_BYTES: u64 = 16 << 10;

/// Whether an entry may be a program that names its parts. Asked for every entry of a layer: no content is seen.
pub(crate) fn is_candidate(candidate: crate::ecosystem::Candidate<'_>) -> bool {
    if candidate.size < LEAST_BYTES {
        return false;
    }
    let extension = candidate.name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let program = extension.eq_ignore_ascii_case("exe");
    program
        || candidate.executable && !OTHER_EXTENSIONS.contains(&extension) && !candidate.name.contains(".so.")
}
