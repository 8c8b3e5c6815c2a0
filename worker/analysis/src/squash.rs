//! *squash*: the inventories of an image, lowest first → its contents.

use crate::{
    distro::{self, Identity},
    ecosystem::{self, Candidate, DATABASES, Ecosystem},
    java_index::{self, JavaIndex},
    model::{Contents, Distribution, FileFacts, Installed, Inventory, Problem},
};

mod covered;
mod links;
mod owners;
mod stack;
#[cfg(test)]
mod tests;

use links::Followed;
use stack::{Placed, Stack};

/// Stacks the layers' inventories and resolves deletions, links, owners and the distribution.
#[must_use]
pub fn squash(layers: &[&Inventory]) -> Contents {
    squash_with(layers, None)
}

/// As [`squash`]; Java archives that do not name themselves get their names from an index of their contents.
#[must_use]
pub fn squash_with(layers: &[&Inventory], java: Option<&JavaIndex<'_>>) -> Contents {
    let mut problems: Vec<(Problem, Option<usize>)> = Vec::new();
    let mut stack = Stack::default();
    for (number, layer) in layers.iter().enumerate() {
        problems.extend(layer.problems.iter().map(|problem| (problem.clone(), Some(number))));
        stack.push(number, layer, &mut problems);
    }
    let files = readable_files(&stack, &mut problems);
    unread_links(&stack, &mut problems);
    let distribution = distribution(&stack, &files, &mut problems);
    let packages = packages(&stack, &files, distribution.as_ref(), java);
    if stack.links.is_exhausted() {
        let message = "the image has more links than are followed: what stands behind the others is unknown";
        problems.push((problem("limit", message, ""), None));
    }
    if packages.is_empty() {
        problems.push((problem("no-packages", "no package was found in the image", ""), None));
    }
    problems.sort_unstable_by(|left, right| (left.1, &left.0).cmp(&(right.1, &right.0)));
    problems.dedup();
    Contents { distribution, packages, problems }
}

/// A file of the image whose facts count, the row that read it, and the path at which the row's own tool finds it.
struct Readable<'s, 'l> {
    row: &'static Ecosystem,
    path: &'s str,
    placed: &'s Placed<'l>,
}

/// All files whose facts count: those at their rows' own paths, and those to which links at such paths lead.
fn readable_files<'s, 'l>(
    stack: &'s Stack<'l>,
    problems: &mut Vec<(Problem, Option<usize>)>,
) -> Vec<Readable<'s, 'l>> {
    let mut files = Vec::new();
    for (path, placed) in stack.files() {
        match ecosystem::by_name(&placed.facts.ecosystem) {
            Some(row) if ecosystem::is_stand_in(row, path) => {}
            Some(row) => files.push(Readable { row, path, placed }),
            None => {
                let message = format!(
                    "its inventory names the package format {}, which this build lacks",
                    placed.facts.ecosystem
                );
                problems.push((problem("unreadable-database", &message, path), Some(placed.layer)));
            }
        }
    }
    for (path, name) in DATABASES {
        let Some(row) = ecosystem::by_name(name) else { continue };
        match stack.links.follow(path) {
            Followed::Itself => {}
            Followed::Circle => {
                problems
                    .push((problem("unread-link", "stands behind links that lead in a circle", path), None));
            }
            Followed::Other(target) => {
                if let Some(placed) = stack.file(&target, name) {
                    if ecosystem::is_stand_in(row, &target) {
                        files.push(Readable { row, path, placed });
                    }
                } else if !wants(row, &target) {
                    let message =
                        format!("stands behind a link to {target}, which was not read or does not exist");
                    problems.push((problem("unread-link", &message, path), None));
                }
            }
        }
    }
    files
}

/// Links with a wanted name whose target nobody read.
fn unread_links(stack: &Stack<'_>, problems: &mut Vec<(Problem, Option<usize>)>) {
    for (path, layer) in stack.links.paths() {
        // What is known of databases was said with them.
        if DATABASES.iter().any(|(database, _)| *database == path) {
            continue;
        }
        let rows = ecosystem::wanting(candidate(path));
        if rows.is_empty() {
            continue;
        }
        let Followed::Other(target) = stack.links.follow(path) else { continue };
        let read = |row: &&Ecosystem| {
            ecosystem::is_stand_in(row, path)
                || stack.file(&target, row.name).is_some()
                || wants(row, &target)
        };
        if !rows.iter().all(read) {
            let message = format!("is a link to {target}, which was not read or does not exist");
            problems.push((problem("unread-link", &message, path), Some(layer)));
        }
    }
}

fn distribution(
    stack: &Stack<'_>,
    files: &[Readable<'_, '_>],
    problems: &mut Vec<(Problem, Option<usize>)>,
) -> Option<Distribution> {
    let unknown = |message: &str| (problem("unknown-distribution", message, ""), None);
    match distro::identify(|path| stack.release(path)) {
        Identity::Known(mut distribution) => {
            for (key, value) in
                files.iter().filter(|file| file.row.system).flat_map(|file| &file.placed.facts.notes)
            {
                let field = distribution.fields.entry(key.clone()).or_default();
                if !field.is_empty() {
                    field.push('\n');
                }
                field.push_str(value);
            }
            Some(distribution)
        }
        Identity::Incomplete(reason) => {
            problems.push(unknown(&format!("the distribution is unknown: {reason}")));
            None
        }
        Identity::Absent => {
            problems.push(unknown("the distribution is unknown: the image has no release file"));
            None
        }
    }
}

fn packages(
    stack: &Stack<'_>,
    files: &[Readable<'_, '_>],
    distribution: Option<&Distribution>,
    java: Option<&JavaIndex<'_>>,
) -> Vec<Installed> {
    let facts: Vec<(&FileFacts, usize)> = files
        .iter()
        .filter(|file| file.row.system)
        .map(|file| (file.placed.facts, file.placed.layer))
        .collect();
    let owners = owners::Owners::new(&facts, &stack.links);
    let mut packages = Vec::new();
    for file in files {
        for (package, since) in file.placed.facts.packages.iter().zip(&file.placed.since) {
            if !file.row.system && owners.own(file.path, *since) {
                continue;
            }
            let mut package = package.clone();
            if let Some(index) = java {
                java_index::identify(&mut package, index);
            }
            // An archive that nothing names: an index might have.
            if package.version.is_empty() && package.properties.contains_key(java_index::SHA1) {
                continue;
            }
            packages.push(Installed {
                purl: (file.row.purl)(&package, distribution),
                package,
                ecosystem: file.row.name,
                file: file.path.to_owned(),
                layer: *since,
            });
        }
    }
    covered::remove(&mut packages, distribution);
    packages.sort_by(|left, right| {
        (&left.file, left.ecosystem, &left.package, left.layer).cmp(&(
            &right.file,
            right.ecosystem,
            &right.package,
            right.layer,
        ))
    });
    packages.dedup_by(|right, left| {
        (&left.file, left.ecosystem, &left.package) == (&right.file, right.ecosystem, &right.package)
    });
    packages
}

fn candidate(path: &str) -> Candidate<'_> {
    Candidate { path, name: path.rsplit('/').next().unwrap_or_default(), size: 0, executable: false }
}

fn wants(row: &Ecosystem, path: &str) -> bool {
    (row.wants)(candidate(path)) == ecosystem::Want::Whole
}

fn problem(code: &'static str, message: &str, file: &str) -> Problem {
    Problem { code: code.into(), message: message.to_owned(), file: file.to_owned() }
}
