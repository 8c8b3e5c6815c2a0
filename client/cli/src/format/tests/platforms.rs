//! Images of several platforms in one run have one name.

use strata_proto::v1::Platform;

use super::{report, results, write};

#[test]
fn platforms_are_told_apart() {
    let mut arm = report();
    arm.platform =
        Some(Platform { os: "linux".to_owned(), architecture: "arm64".to_owned(), variant: "v8".to_owned() });
    arm.image_digest = format!("sha256:{}", "3".repeat(64));
    let both = results(&[("r.example/app:1", report()), ("r.example/app:1", arm)], false);
    let one = results(&[("r.example/app:1", report())], false);
    for format in ["table", "markdown", "html", "junit"] {
        let plain = |text: String| text.replace("&#40;", "(").replace("&#41;", ")").replace("&#47;", "/");
        let text = plain(write(format, &both));
        assert!(text.contains("(linux/amd64)") && text.contains("(linux/arm64/v8)"), "{format}: {text}");
        assert!(!plain(write(format, &one)).contains("(linux/amd64)"), "{format}");
    }
    let csv = write("csv", &both);
    for end in [",linux/amd64", ",linux/arm64/v8"] {
        assert_eq!(csv.lines().filter(|line| line.ends_with(end)).count(), 5, "{csv}");
    }
}
