//! Nothing that was released is removed, renumbered or retyped. `testdata/descriptor/VERSION.bin` is the contract as that
//! version had it; `STRATA_BLESS=1` records the version of this tree where there is none, and never replaces one.

use std::{collections::BTreeMap, fs, path::PathBuf};

use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::{
    Edit, today,
    walk::{Element, Kind, elements},
};

fn recorded() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/descriptor")
}

/// What of the old contract the new one does not keep. Whatever is new is allowed.
fn breaks(old: &FileDescriptorSet, new: &FileDescriptorSet) -> Vec<String> {
    let (old, new) = (elements(old), elements(new));
    let by_path: BTreeMap<(Kind, &str), &Element> =
        new.iter().map(|element| ((element.kind, element.path.as_str()), element)).collect();
    let mut broken = Vec::new();
    for was in &old {
        let Some(is) = by_path.get(&(was.kind, was.path.as_str())) else {
            broken.push(format!("{:?} {} is gone", was.kind, was.path));
            continue;
        };
        if is.number != was.number {
            broken.push(format!("{} had the number {} and has {}", was.path, was.number, is.number));
        }
        if is.shape != was.shape {
            broken.push(format!("{} was `{}` and is `{}`", was.path, was.shape, is.shape));
        }
    }
    broken
}

#[test]
fn every_released_contract_is_kept() {
    let today = today();
    let version = recorded().join(format!("{}.bin", env!("CARGO_PKG_VERSION")));
    if !version.exists() && std::env::var_os("STRATA_BLESS").is_some() {
        let mut bare = today.clone();
        bare.file.iter_mut().for_each(|file| file.source_code_info = None);
        fs::write(&version, bare.encode_to_vec()).expect("written");
    }
    let mut seen = 0;
    for entry in fs::read_dir(recorded()).expect("testdata/descriptor").filter_map(Result::ok) {
        let bytes = fs::read(entry.path()).expect("a descriptor");
        let old = FileDescriptorSet::decode(&bytes[..]).expect("a descriptor");
        assert!(elements(&old).len() > 300, "{} holds a contract", entry.path().display());
        let broken = breaks(&old, &today);
        assert!(broken.is_empty(), "{} is broken: {broken:#?}", entry.path().display());
        seen += 1;
    }
    assert!(seen > 0, "no released contract was found: run with STRATA_BLESS=1");
}

/// Copies that were broken on purpose, each in one way; and additions, which are none.
#[test]
fn a_broken_contract_is_seen() {
    let old = today();
    let edits: &[(&str, Edit)] = &[
        ("Field strata.v1.Scan.id is gone", |set| drop(field(set, "Scan", "id"))),
        ("Message strata.v1.Scan is gone", |set| {
            set.file.iter_mut().for_each(|file| file.message_type.retain(|message| message.name() != "Scan"))
        }),
        ("strata.v1.Scan.id had the number 1 and has 99", |set| {
            edit(set, "Scan", "id", |f| f.number = Some(99))
        }),
        ("strata.v1.Scan.id was `string` and is `bytes`", |set| {
            edit(set, "Scan", "id", |f| f.r#type = Some(12))
        }),
        ("strata.v1.Scan.id was `string` and is `repeated string`", |set| {
            edit(set, "Scan", "id", |f| f.label = Some(3))
        }),
        (
            "strata.v1.Report.layers was `repeated .strata.v1.Layer` and is `repeated .strata.v1.Package`",
            |set| edit(set, "Report", "layers", |f| f.type_name = Some(".strata.v1.Package".to_owned())),
        ),
        (
            "strata.v1.Event.started was `.strata.v1.ScanStarted of kind` and is `.strata.v1.ScanStarted`",
            |set| edit(set, "Event", "started", |f| f.oneof_index = None),
        ),
        ("Value strata.v1.Severity.SEVERITY_HIGH is gone", |set| {
            values(set).retain(|value| value.name() != "SEVERITY_HIGH");
        }),
        ("strata.v1.Severity.SEVERITY_HIGH had the number 4 and has 9", |set| {
            let mut values = values(set).iter_mut();
            values.find(|value| value.name() == "SEVERITY_HIGH").expect("it").number = Some(9);
        }),
        ("Method strata.v1.Strata.Cancel is gone", |set| {
            methods(set).retain(|method| method.name() != "Cancel");
        }),
        ("strata.v1.Strata.Watch was", |set| {
            let mut methods = methods(set).iter_mut();
            methods.find(|method| method.name() == "Watch").expect("it").server_streaming = Some(false);
        }),
    ];
    for (expected, edit) in edits {
        let mut new = old.clone();
        edit(&mut new);
        let broken = breaks(&old, &new);
        assert!(broken.iter().any(|line| line.starts_with(expected)), "`{expected}` is not seen: {broken:?}");
    }
    let mut less = old.clone();
    drop(field(&mut less, "Scan", "owner"));
    methods(&mut less).retain(|method| method.name() != "Cancel");
    assert_eq!(breaks(&less, &old), Vec::<String>::new(), "what is new breaks nothing");
}

fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut prost_types::DescriptorProto {
    let mut messages = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    messages.find(|message| message.name() == name).expect("the message")
}

/// Takes a field away.
fn field(set: &mut FileDescriptorSet, of: &str, name: &str) -> prost_types::FieldDescriptorProto {
    let fields = &mut message(set, of).field;
    let at = fields.iter().position(|field| field.name() == name).expect("the field");
    fields.remove(at)
}

fn edit(
    set: &mut FileDescriptorSet,
    of: &str,
    name: &str,
    change: impl FnOnce(&mut prost_types::FieldDescriptorProto),
) {
    let fields = &mut message(set, of).field;
    change(fields.iter_mut().find(|field| field.name() == name).expect("the field"));
}

fn values(set: &mut FileDescriptorSet) -> &mut Vec<prost_types::EnumValueDescriptorProto> {
    let mut enums = set.file.iter_mut().flat_map(|file| &mut file.enum_type);
    &mut enums.find(|one| one.name() == "Severity").expect("the enum").value
}

fn methods(set: &mut FileDescriptorSet) -> &mut Vec<prost_types::MethodDescriptorProto> {
    let mut services = set.file.iter_mut().flat_map(|file| &mut file.service);
    &mut services.next().expect("the service").method
}
