use super::*;

#[test]
fn only_layers_of_the_image_are_assessed() {
    let digest = |name: &str| strata_proto::digest::Digest::of(name.as_bytes()).to_string();
    let table = |name: &str| v1::LayerTable { digest: digest(name), position: String::new() };
    let layer = |name| v1::Layer { digest: digest(name), size: 2 << 20, ..v1::Layer::default() };
    let facts = v1::ImageFacts {
        layers: vec![layer("a"), layer("b")],
        tables: vec![v1::LayerTable::default(), table("b")],
        ..v1::ImageFacts::default()
    };
    let (whole, in_parts) =
        (vec![digest("a"), digest("b")], vec![digest("a"), parts::identity(&digest("b"), Some(&table("b")))]);
    assert_ne!(whole, in_parts);
    for named in [&whole, &in_parts] {
        assert_eq!(layers(&facts, named).as_ref(), Some(named));
    }
    // Jobs of coordinators that do not say.
    assert_eq!(layers(&facts, &[]).as_ref(), Some(&whole));
    // Another table than the manifest's, and a table of a layer that has none.
    let other = parts::identity(&digest("b"), Some(&table("other")));
    assert_eq!(layers(&facts, &[digest("a"), other]), None);
    assert_eq!(layers(&facts, &[parts::identity(&digest("a"), Some(&table("b"))), digest("b")]), None);
    let untold = v1::ImageFacts { tables: Vec::new(), ..facts };
    assert_eq!(layers(&untold, &in_parts), None);
    assert_eq!(layers(&untold, &whole).as_ref(), Some(&whole));
}

#[test]
fn a_parcel_is_a_whole_report_and_begins_with_what_it_says() {
    let report = v1::Report {
        image_digest: "sha256:image".to_owned(),
        packages: vec![v1::Package { name: "zlib".to_owned(), ..v1::Package::default() }],
        database_digest: "sha256:database".to_owned(),
        database_modified: "2026-01-01".to_owned(),
        submitted_by: "nobody".to_owned(),
        ..v1::Report::default()
    };
    let put = parcel(report.clone(), b"asked".to_vec()).expect("compressed");
    let read = |bytes: &[u8]| {
        let plain = zstd::decode_all(bytes).expect("frames");
        v1::Report::decode(plain.as_slice()).expect("a report")
    };
    // As coordinators of earlier versions read it.
    assert_eq!(read(&put.report_zstd), report);
    let length = usize::try_from(put.content_length).expect("a length");
    let said = put.report_zstd.get(..length).expect("a part");
    let nameless =
        v1::Report { database_digest: String::new(), database_modified: String::new(), ..report.clone() };
    assert_eq!(read(said), nameless);
    assert_eq!(put.content_key, content::key(said, b"asked"));
    assert_eq!(put.packages, [content::term(content::Kind::Package, "zlib")]);
    // Against another database it says the same in the same bytes.
    let other = v1::Report { database_digest: "sha256:other".to_owned(), ..report };
    assert_eq!(parcel(other, b"asked".to_vec()).expect("compressed").content_key, put.content_key);
}
