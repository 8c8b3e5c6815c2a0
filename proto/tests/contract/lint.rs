//! Comments on everything, and the usual rules for names. What cannot be met without breaking a released client stands with
//! its reason in `testdata/lint/exceptions.txt`; an exception that nothing needs is a failure too.

use std::collections::{BTreeMap, BTreeSet};

use prost_types::FileDescriptorSet;

use super::{
    Edit, today,
    walk::{Element, Kind, elements},
};

const EXCEPTIONS: &str = include_str!("../../testdata/lint/exceptions.txt");

/// What breaks a rule: the rule's name and the element's path.
type Broken = BTreeSet<(&'static str, String)>;

fn lint(set: &FileDescriptorSet) -> Broken {
    let mut broken = Broken::new();
    for file in &set.file {
        let folder = file.package().replace('.', "/");
        let mut rule = |name, holds: bool| {
            if !holds {
                broken.insert((name, file.name().to_owned()));
            }
        };
        rule("SYNTAX_PROTO3", file.syntax() == "proto3");
        rule("PACKAGE_VERSION_SUFFIX", is_versioned(file.package()));
        rule("PACKAGE_DIRECTORY_MATCH", file.name().starts_with(&format!("{folder}/")));
        rule(
            "FILE_LOWER_SNAKE_CASE",
            file.name().split('/').all(|part| is_snake(part.trim_end_matches(".proto"))),
        );
        rule("IMPORT_NO_PUBLIC", file.public_dependency.is_empty() && file.weak_dependency.is_empty());
    }
    let all = elements(set);
    for element in &all {
        for rule in rules(element) {
            broken.insert((rule, element.path.clone()));
        }
    }
    broken.extend(values(&all));
    broken.extend(methods(&all));
    broken
}

/// Rules that one element meets or not, whatever is around it.
fn rules(element: &Element) -> impl Iterator<Item = &'static str> + use<> {
    let name = element.name.as_str();
    let (rule, holds) = match element.kind {
        Kind::Message => ("MESSAGE_PASCAL_CASE", is_pascal(name)),
        Kind::Enum => ("ENUM_PASCAL_CASE", is_pascal(name)),
        Kind::Service => ("SERVICE_PASCAL_CASE", is_pascal(name)),
        Kind::Method => ("RPC_PASCAL_CASE", is_pascal(name)),
        Kind::Field => ("FIELD_LOWER_SNAKE_CASE", is_snake(name)),
        Kind::Oneof => ("ONEOF_LOWER_SNAKE_CASE", is_snake(name)),
        Kind::Value => ("ENUM_VALUE_UPPER_SNAKE_CASE", is_snake(&name.to_lowercase()) && is_upper(name)),
    };
    let sentence = element.comment.chars().count() >= 5 && element.comment.ends_with(['.', ':', '`', ')']);
    let suffix = element.kind != Kind::Service || name.ends_with("Service");
    [(rule, holds), ("COMMENT", sentence), ("SERVICE_SUFFIX", suffix)]
        .into_iter()
        .filter(|(_, holds)| !holds)
        .map(|(rule, _)| rule)
}

/// Values begin with their enum's name; the first is 0 and means that nothing is said; no number has two names.
fn values(all: &[Element]) -> Broken {
    let mut broken = Broken::new();
    for one in all.iter().filter(|element| element.kind == Kind::Enum) {
        let below = format!("{}.", one.path);
        let values = all.iter().filter(|value| value.kind == Kind::Value && value.path.starts_with(&below));
        let prefix = format!("{}_", upper_snake(&one.name));
        let mut numbers = BTreeSet::new();
        for (at, value) in values.enumerate() {
            if !value.name.starts_with(&prefix) {
                broken.insert(("ENUM_VALUE_PREFIX", value.path.clone()));
            }
            if (at == 0) != (value.number == 0) {
                broken.insert(("ENUM_FIRST_VALUE_ZERO", value.path.clone()));
            }
            if value.number == 0 && value.name != format!("{prefix}UNSPECIFIED") {
                broken.insert(("ENUM_ZERO_VALUE_SUFFIX", value.path.clone()));
            }
            if !numbers.insert(value.number) {
                broken.insert(("ENUM_NO_ALLOW_ALIAS", value.path.clone()));
            }
        }
    }
    broken
}

/// `Verb(VerbRequest) returns (VerbResponse)`, and no message in two places.
fn methods(all: &[Element]) -> Broken {
    let mut broken = Broken::new();
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    let calls: Vec<_> = all.iter().filter(|element| element.kind == Kind::Method).collect();
    let messages = |shape: &str| -> Option<(String, String)> {
        let (from, to) = shape.split_once(" returns ")?;
        let bare = |text: &str| {
            let name = text.trim_matches(['(', ')']).trim_start_matches("stream ");
            name.rsplit('.').next().unwrap_or(name).to_owned()
        };
        Some((bare(from), bare(to)))
    };
    let shapes: Vec<_> = calls.iter().map(|call| messages(&call.shape).expect("a method's shape")).collect();
    for (request, response) in &shapes {
        *uses.entry(request).or_default() += 1;
        *uses.entry(response).or_default() += 1;
    }
    for (call, (request, response)) in calls.iter().zip(&shapes) {
        for (rule, holds) in [
            ("RPC_REQUEST_STANDARD_NAME", *request == format!("{}Request", call.name)),
            ("RPC_RESPONSE_STANDARD_NAME", *response == format!("{}Response", call.name)),
            ("RPC_REQUEST_RESPONSE_UNIQUE", uses[request.as_str()] == 1 && uses[response.as_str()] == 1),
        ] {
            if !holds {
                broken.insert((rule, call.path.clone()));
            }
        }
    }
    broken
}

fn is_versioned(package: &str) -> bool {
    let last = package.rsplit('.').next().unwrap_or_default();
    last.strip_prefix('v').is_some_and(|version| version.parse::<u32>().is_ok_and(|version| version > 0))
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphanumeric())
}

fn is_snake(name: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('_').all(part)
}

fn is_upper(name: &str) -> bool {
    !name.chars().any(|c| c.is_ascii_lowercase())
}

/// `FixState` is `FIX_STATE`.
fn upper_snake(name: &str) -> String {
    let mut text = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    text
}

#[test]
fn everything_is_documented_and_named_in_one_style() {
    let mut excepted = BTreeSet::new();
    for line in EXCEPTIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (what, reason) = line.split_once(" # ").unwrap_or_else(|| panic!("`{line}` has no reason"));
        let (rule, path) = what.trim().split_once(' ').expect("a rule and an element");
        assert!(reason.len() > 10, "`{line}` has no reason");
        assert_ne!(rule, "COMMENT", "there is no reason not to say what something is: {line}");
        excepted.insert((rule.to_owned(), path.trim().to_owned()));
    }
    let broken: BTreeSet<_> =
        lint(&today()).into_iter().map(|(rule, path)| (rule.to_owned(), path)).collect();
    let open: Vec<_> = broken.difference(&excepted).collect();
    assert!(open.is_empty(), "the contract breaks rules (see testdata/lint/exceptions.txt): {open:#?}");
    let idle: Vec<_> = excepted.difference(&broken).collect();
    assert!(idle.is_empty(), "exceptions that nothing needs: {idle:#?}");
}

#[test]
fn the_rules_see_what_they_are_for() {
    let clean = today();
    let before = lint(&clean);
    let edits: &[(&str, Edit)] = &[
        ("COMMENT", |set| set.file[0].source_code_info = None),
        ("PACKAGE_VERSION_SUFFIX", |set| set.file[0].package = Some("strata".to_owned())),
        ("PACKAGE_DIRECTORY_MATCH", |set| set.file[0].name = Some("scan.proto".to_owned())),
        ("FILE_LOWER_SNAKE_CASE", |set| set.file[0].name = Some("strata/v1/Scan.proto".to_owned())),
        ("SYNTAX_PROTO3", |set| set.file[0].syntax = Some("proto2".to_owned())),
        ("IMPORT_NO_PUBLIC", |set| set.file[0].public_dependency.push(0)),
        ("MESSAGE_PASCAL_CASE", |set| message(set).name = Some("bad_name".to_owned())),
        ("FIELD_LOWER_SNAKE_CASE", |set| message(set).field[0].name = Some("badName".to_owned())),
        ("ENUM_PASCAL_CASE", |set| enumeration(set).name = Some("bad".to_owned())),
        ("ENUM_VALUE_PREFIX", |set| enumeration(set).value[1].name = Some("OTHER".to_owned())),
        ("ENUM_VALUE_UPPER_SNAKE_CASE", |set| enumeration(set).value[1].name = Some("Other".to_owned())),
        ("ENUM_ZERO_VALUE_SUFFIX", |set| enumeration(set).value[0].name = Some("NOTHING".to_owned())),
        ("ENUM_FIRST_VALUE_ZERO", |set| enumeration(set).value.swap(0, 1)),
        ("ENUM_NO_ALLOW_ALIAS", |set| enumeration(set).value[2].number = Some(1)),
        ("RPC_PASCAL_CASE", |set| method(set).name = Some("submit".to_owned())),
        ("RPC_REQUEST_STANDARD_NAME", |set| method(set).input_type = Some(".strata.v1.Scan".to_owned())),
        ("RPC_RESPONSE_STANDARD_NAME", |set| method(set).output_type = Some(".strata.v1.Odd".to_owned())),
    ];
    for (rule, edit) in edits {
        let mut set = clean.clone();
        edit(&mut set);
        let new: Vec<_> = lint(&set).difference(&before).cloned().collect();
        assert!(new.iter().any(|(name, _)| name == rule), "{rule} is not seen: {new:?}");
    }
}

fn message(set: &mut FileDescriptorSet) -> &mut prost_types::DescriptorProto {
    let mut messages = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    messages.find(|message| !message.field.is_empty()).expect("a message with fields")
}

fn enumeration(set: &mut FileDescriptorSet) -> &mut prost_types::EnumDescriptorProto {
    let mut enums = set.file.iter_mut().flat_map(|file| &mut file.enum_type);
    enums.find(|one| one.value.len() > 2).expect("an enum")
}

fn method(set: &mut FileDescriptorSet) -> &mut prost_types::MethodDescriptorProto {
    let mut services = set.file.iter_mut().flat_map(|file| &mut file.service);
    services.next().and_then(|service| service.method.first_mut()).expect("a method")
}
