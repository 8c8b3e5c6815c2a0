//! A descriptor set as one flat list of its elements, each with its path, its comment and what defines it on the wire.

use std::collections::BTreeMap;

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto, field_descriptor_proto,
};

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Message,
    Field,
    Oneof,
    Enum,
    Value,
    Service,
    Method,
}

/// One element of the contract.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) kind: Kind,
    /// `strata.v1.Scan.id`.
    pub(crate) path: String,
    /// Its own name.
    pub(crate) name: String,
    /// Number of a field or of an enum's value.
    pub(crate) number: i32,
    /// What stands behind the name: a field's type, label and group; a method's messages.
    pub(crate) shape: String,
    /// The comment before it.
    pub(crate) comment: String,
}

/// Every element of every file.
pub(crate) fn elements(set: &FileDescriptorSet) -> Vec<Element> {
    let mut all = Vec::new();
    for file in &set.file {
        let mut walk = Walk { comments: comments(file), all: &mut all };
        let package = file.package().to_owned();
        for (at, message) in numbered(&file.message_type) {
            walk.message(message, &package, vec![4, at]);
        }
        for (at, one) in numbered(&file.enum_type) {
            walk.enumeration(one, &package, vec![5, at]);
        }
        for (at, service) in numbered(&file.service) {
            walk.service(service, &package, vec![6, at]);
        }
    }
    all
}

fn numbered<T>(items: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(items)
}

/// Comments by the path of what they stand before, as descriptors number it.
fn comments(file: &FileDescriptorProto) -> BTreeMap<Vec<i32>, String> {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    locations.map(|location| (location.path.clone(), location.leading_comments().trim().to_owned())).collect()
}

struct Walk<'a> {
    comments: BTreeMap<Vec<i32>, String>,
    all: &'a mut Vec<Element>,
}

impl Walk<'_> {
    fn add(&mut self, kind: Kind, parent: &str, name: &str, number: i32, shape: String, at: &[i32]) {
        let comment = self.comments.get(at).cloned().unwrap_or_default();
        let path = format!("{parent}.{name}");
        self.all.push(Element { kind, path, name: name.to_owned(), number, shape, comment });
    }

    fn message(&mut self, message: &DescriptorProto, parent: &str, at: Vec<i32>) {
        self.add(Kind::Message, parent, message.name(), 0, String::new(), &at);
        let path = format!("{parent}.{}", message.name());
        let below = |more: [i32; 2]| [&at[..], &more].concat();
        for (i, field) in numbered(&message.field) {
            let shape = shape(field, message);
            self.add(Kind::Field, &path, field.name(), field.number(), shape, &below([2, i]));
        }
        for (i, oneof) in numbered(&message.oneof_decl) {
            self.add(Kind::Oneof, &path, oneof.name(), 0, String::new(), &below([8, i]));
        }
        for (i, nested) in numbered(&message.nested_type) {
            self.message(nested, &path, below([3, i]));
        }
        for (i, nested) in numbered(&message.enum_type) {
            self.enumeration(nested, &path, below([4, i]));
        }
    }

    fn enumeration(&mut self, one: &EnumDescriptorProto, parent: &str, at: Vec<i32>) {
        self.add(Kind::Enum, parent, one.name(), 0, String::new(), &at);
        let path = format!("{parent}.{}", one.name());
        for (i, value) in numbered(&one.value) {
            let at = [&at[..], &[2, i]].concat();
            self.add(Kind::Value, &path, value.name(), value.number(), String::new(), &at);
        }
    }

    fn service(&mut self, service: &ServiceDescriptorProto, parent: &str, at: Vec<i32>) {
        self.add(Kind::Service, parent, service.name(), 0, String::new(), &at);
        let path = format!("{parent}.{}", service.name());
        for (i, method) in numbered(&service.method) {
            let stream = |on| if on { "stream " } else { "" };
            let shape = format!(
                "({}{}) returns ({}{})",
                stream(method.client_streaming()),
                method.input_type(),
                stream(method.server_streaming()),
                method.output_type()
            );
            self.add(Kind::Method, &path, method.name(), 0, shape, &[&at[..], &[2, i]].concat());
        }
    }
}

/// Label, type and group of a field: what a reader of its bytes and of its JSON depends on.
fn shape(field: &FieldDescriptorProto, message: &DescriptorProto) -> String {
    let label = match field.label() {
        field_descriptor_proto::Label::Repeated => "repeated ",
        _ if field.proto3_optional() => "optional ",
        _ => "",
    };
    let kind = if field.type_name().is_empty() {
        field.r#type().as_str_name().trim_start_matches("TYPE_").to_lowercase()
    } else {
        field.type_name().to_owned()
    };
    let group = field.oneof_index.filter(|_| !field.proto3_optional());
    let group = group.and_then(|at| message.oneof_decl.get(usize::try_from(at).ok()?));
    group.map_or_else(|| format!("{label}{kind}"), |group| format!("{label}{kind} of {}", group.name()))
}
