//! Published scores, one a line: vector, score, severity; `-` where the text is not a vector.

use std::{fs, path::PathBuf};

use super::{base_score_tenths, severity};

#[test]
fn published_scores() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/cvss.txt");
    let text = fs::read_to_string(path).unwrap();
    let mut count = 0;
    for line in text.lines().filter(|line| !line.starts_with("//")) {
        let words: Vec<&str> = line.split(' ').collect();
        let [vector, score, rating] = words.as_slice() else { panic!("{line}") };
        let found = base_score_tenths(vector);
        let written =
            found.map_or_else(|| "-".to_owned(), |(_, tenths)| format!("{}.{}", tenths / 10, tenths % 10));
        assert_eq!(written, *score, "{line}");
        let rated = found
            .map_or_else(|| "-".to_owned(), |(version, tenths)| format!("{:?}", severity(version, tenths)));
        assert_eq!(rated, *rating, "{line}");
        count += 1;
    }
    assert!(count > 60, "only {count} scores");
}

#[test]
fn every_base_vector_has_a_score() {
    let mut count = 0;
    for impact in ["NNN", "LNN", "NLH", "HLN", "HHH"] {
        let [c, i, a] = impact.split("").filter(|text| !text.is_empty()).collect::<Vec<_>>()[..] else {
            panic!()
        };
        for (vector, privileges) in [("N", "N"), ("A", "L"), ("L", "H"), ("P", "N")] {
            let three = format!("CVSS:3.1/AV:{vector}/AC:H/PR:{privileges}/UI:R/S:C/C:{c}/I:{i}/A:{a}");
            let four = format!(
                "CVSS:4.0/AV:{vector}/AC:H/AT:P/PR:{privileges}/UI:A/VC:{c}/VI:{i}/VA:{a}/SC:{c}/SI:{i}/SA:{a}"
            );
            for text in [three, four] {
                let (_, tenths) = base_score_tenths(&text).unwrap_or_else(|| panic!("{text}"));
                assert!(tenths <= 100, "{text}");
                assert_eq!(tenths == 0, impact == "NNN", "{text}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 40);
}
