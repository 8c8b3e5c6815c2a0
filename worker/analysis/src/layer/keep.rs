//! Which entries without facts an inventory remembers, because they may replace what a lower layer has.
//!
//! An upper layer may put a file or a link where a lower one has a directory, and no whiteout says so. To know every
//! such place an inventory would have to name all files of its layer; it names those that may have been a directory, judged
//! by the name, up to a bound. Where this misses one, packages of the hidden directory stay in the report: the error is
//! never on the side of the clean.

/// Entries that are kept for this purpose only.
pub(super) const MAX_KEPT: usize = 50_000;

/// Bytes of paths from which on no further such entry is kept.
pub(super) const MAX_KEPT_TEXT: usize = 8 << 20;

/// Extensions that files have and directories do not.
#[rustfmt::skip]
const FILE_EXTENSIONS: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "a", "awk", "bz2", "c", "cc", "cfg", "cmake", "cnf",
    "conf", "cpp", "crt", "cs", "css", "csv", "dat", "db", "deb", "desktop", "dll", "eot", "exe", "gif",
    "go", "gpg", "gz", "h", "hpp", "htm", "html", "ico", "ini", "jar", "java", "jpg", "js", "json", "jsx",
    "key", "la", "ld", "list", "lock", "log", "lua", "map", "md", "md5sums", "mjs", "mo", "ngx", "o",
    "otf", "pc", "pem", "pl", "plist", "pm", "png", "po", "pod", "postinst", "postrm", "preinst", "prerm",
    "properties", "proto", "ps1", "pth", "pub", "py", "pyc", "pyi", "pyo", "rb", "rpm", "rs", "rst",
    "scss", "service", "sh", "shlibs", "so", "sql", "svg", "tar", "tcl", "templates", "test", "tgz",
    "timer", "toml", "triggers", "ts", "tsx", "ttf", "txt", "vim", "wasm", "whl", "woff", "woff2", "xml",
    "xsd", "xsl", "xz", "yaml", "yml", "zip", "zst",
];

/// Names without an extension that files have and directories do not.
#[rustfmt::skip]
const FILE_NAMES: &[&str] = &[
    "AUTHORS", "CHANGELOG", "CONTRIBUTING", "COPYING", "ChangeLog", "Dockerfile", "HISTORY", "INSTALLER",
    "LICENCE", "LICENSE", "Makefile", "NEWS", "NOTICE", "README", "RECORD", "REQUESTED", "THANKS", "TODO",
    "WHEEL", "changelog", "copyright",
];

/// Whether an entry at this path may stand where a lower layer has a directory with something wanted in it.
pub(super) fn may_have_been_directory(path: &str, name: &str) -> bool {
    let parent = path.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
    let parent = parent.rsplit_once('/').map_or(parent, |(_, last)| last);
    if parent == "node_modules" || parent.starts_with('@') {
        return true;
    }
    if let Some((stem, extension)) = name.rsplit_once('.')
        && !stem.is_empty()
        && (FILE_EXTENSIONS.binary_search(&extension).is_ok() || name.contains(".so."))
    {
        return false;
    }
    !(FILE_NAMES.binary_search(&name).is_ok() || is_content_hash(name) || is_elsewhere(path))
}

/// Names in content-addressed stores: 16 or more hexadecimal digits and nothing else.
fn is_content_hash(name: &str) -> bool {
    name.len() >= 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Directories in which no package lies.
const ELSEWHERE: &[&str] = &[
    "dev/",
    "etc/ssl/",
    "lib/terminfo/",
    "usr/lib/terminfo/",
    "usr/share/bash-completion/",
    "usr/share/doc/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/terminfo/",
    "usr/share/zoneinfo/",
];

fn is_elsewhere(path: &str) -> bool {
    ELSEWHERE.iter().any(|directory| path.starts_with(directory))
}

#[cfg(test)]
mod tests {
    use super::{FILE_EXTENSIONS, FILE_NAMES, may_have_been_directory};

    #[test]
    fn tables_are_in_order() {
        assert!(FILE_EXTENSIONS.is_sorted());
        assert!(FILE_NAMES.is_sorted());
    }

    #[test]
    fn names() {
        for (path, expected) in [
            ("app/node_modules", true),
            ("app/node_modules/bn.js", true),
            ("app/node_modules/@types/x.json", true),
            ("usr/lib/python3.11", true),
            ("usr/lib/x.py", false),
            ("usr/lib/libc.so.6", false),
            (".git", true),
            ("usr/share/doc/x/README", false),
            ("app/.git/objects/ab/0123456789abcdef0123", false),
        ] {
            let name = path.rsplit('/').next().unwrap();
            assert_eq!(may_have_been_directory(path, name), expected, "{path}");
        }
    }
}
