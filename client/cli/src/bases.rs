//! Base layers that the images of one scan tell of each other: an image whose layers are the first ones of another is a
//! base of it. Only what is shown learns of it: an archived report does not depend on what else was scanned.

use std::collections::BTreeSet;

use strata_proto::v1::{Layer, Report};

/// Marks the layers that an image shares with the largest other image that is wholly a part of it. Reports that know their
/// base already, and images without the digests of their uncompressed layers, stay as they are.
pub(crate) fn mark<'a>(reports: impl Iterator<Item = &'a mut Report>) {
    let mut reports: Vec<&mut Report> = reports.collect();
    let chains: BTreeSet<Vec<String>> = reports.iter().filter_map(|report| chain(&report.layers)).collect();
    for report in &mut reports {
        if report.layers.iter().any(|layer| layer.base) {
            continue;
        }
        let Some(own) = chain(&report.layers) else { continue };
        let is_base = |length: &usize| own.get(..*length).is_some_and(|start| chains.contains(start));
        let Some(length) = (1..own.len()).rev().find(is_base) else { continue };
        report.layers.iter_mut().take(length).for_each(|layer| layer.base = true);
    }
}

/// How many of an image's lowest layers another image is, if it is wholly a part of it.
pub(crate) fn length_of(image: &[Layer], base: &[Layer]) -> Option<usize> {
    let (own, base) = (chain(image)?, chain(base)?);
    (base.len() < own.len() && own.starts_with(&base)).then_some(base.len())
}

/// The uncompressed layers in order; `None` where one is not known, or there is none.
fn chain(layers: &[Layer]) -> Option<Vec<String>> {
    let known = !layers.is_empty() && layers.iter().all(|layer| !layer.diff_id.is_empty());
    known.then(|| layers.iter().map(|layer| layer.diff_id.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(layers: &str) -> Report {
        let layer = |name: char| Layer { diff_id: name.to_string(), ..Layer::default() };
        Report { layers: layers.chars().map(layer).collect(), ..Report::default() }
    }

    fn marked(images: &[&str]) -> Vec<usize> {
        let mut reports: Vec<Report> = images.iter().map(|layers| report(layers)).collect();
        mark(reports.iter_mut());
        reports.iter().map(|report| report.layers.iter().filter(|layer| layer.base).count()).collect()
    }

    #[test]
    fn the_largest_image_that_is_the_start_of_another_is_its_base() {
        for (images, wanted) in [
            (vec!["ab", "abc", "abcd"], vec![0, 2, 3]),
            (vec!["abcd", "a"], vec![1, 0]),
            (vec!["abc", "abc"], vec![0, 0]),
            (vec!["abc", "bc", "ac", "abd"], vec![0, 0, 0, 0]),
            (vec!["", "abc"], vec![0, 0]),
        ] {
            assert_eq!(marked(&images), wanted, "{images:?}");
        }
    }

    #[test]
    fn what_is_known_or_unknown_stays() {
        let mut reports = [report("a"), report("abc"), report("ad")];
        // A label told that two layers are the base's.
        reports[1].layers[0].base = true;
        reports[1].layers[1].base = true;
        reports[2].layers[1].diff_id.clear();
        mark(reports.iter_mut());
        let counts = reports.map(|report| report.layers.iter().filter(|layer| layer.base).count());
        assert_eq!(counts, [0, 2, 0]);
    }
}
