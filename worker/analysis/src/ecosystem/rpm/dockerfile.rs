//! The Dockerfile that Red Hat's build system leaves in an image: only its labels `com.redhat.component` and
//! `architecture` matter, with the variables that they use. The version and the release stand in the file's name.

use std::collections::HashMap;

use super::File;

/// Bytes of a Dockerfile that are read.
const FILE_BYTES: usize = 64 << 10;
/// Bytes of a variable's value: a value may name others, and each of those twice.
const VALUE_BYTES: usize = 1_024;
/// Variables that are kept.
const VARIABLES: usize = 1_024;

/// Name, version and release of the build, a blank, and the architecture: `ubi8-container-8.3-227 x86_64`. `None` where the
/// file does not say.
pub(super) fn build(file: File<'_>) -> Option<String> {
    let text = String::from_utf8_lossy(file.bytes.get(..FILE_BYTES).unwrap_or(file.bytes));
    let mut variables: HashMap<String, String> = HashMap::new();
    let (mut component, mut architecture) = (String::new(), String::new());
    for instruction in instructions(&text) {
        let Some((verb, rest)) = instruction.trim_start().split_once([' ', '\t']) else { continue };
        let keep = match verb.to_ascii_uppercase().as_str() {
            "ENV" | "ARG" => true,
            "LABEL" => false,
            _ => continue,
        };
        for (key, value) in pairs(rest, &variables) {
            if keep {
                if variables.len() < VARIABLES || variables.contains_key(&key) {
                    variables.insert(key, value);
                }
                continue;
            }
            match key.to_ascii_lowercase().as_str() {
                "com.redhat.component" | "bzcomponent" => component = value,
                "architecture" => architecture = value,
                _ => {}
            }
        }
    }
    let mut parts = file.path.rsplit('/').next()?.rsplitn(3, '-');
    let (release, version) = (parts.next()?, parts.next()?);
    parts.next()?;
    let told = !component.is_empty() && !architecture.is_empty();
    told.then(|| format!("{component}-{version}-{release} {architecture}"))
}

/// Whole instructions: lines that end in a backslash go on, comments and empty lines between them do not count.
fn instructions(text: &str) -> Vec<String> {
    let mut instructions = vec![String::new()];
    for line in text.lines().map(str::trim_end) {
        let start = line.trim_start();
        if start.is_empty() || start.starts_with('#') {
            continue;
        }
        let Some(instruction) = instructions.last_mut() else { break };
        match line.strip_suffix('\\') {
            Some(part) => {
                instruction.push_str(part);
                instruction.push(' ');
            }
            None => {
                instruction.push_str(line);
                instructions.push(String::new());
            }
        }
    }
    instructions
}

/// The pairs of `key=value key="value"`, or of the older `key value`.
fn pairs(text: &str, variables: &HashMap<String, String>) -> Vec<(String, String)> {
    let words = words(text, variables);
    if let [key, values @ ..] = words.as_slice()
        && !key.contains('=')
    {
        return vec![(key.clone(), values.join(" "))];
    }
    let split = |word: &String| {
        let (key, value) = word.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    };
    words.iter().filter_map(split).collect()
}

/// The words of an instruction, without their quotes and with their variables' values.
fn words(text: &str, variables: &HashMap<String, String>) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(word) = words.last_mut() else { break };
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => words.push(String::new()),
            ('\\', open) if open != Some('\'') => word.extend(chars.next()),
            ('$', open) if open != Some('\'') => {
                let braces = chars.next_if_eq(&'{').is_some();
                let mut name = String::new();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                if braces {
                    chars.by_ref().find(|c| *c == '}');
                }
                let value = variables.get(&name).map_or("", String::as_str);
                if word.len() + value.len() <= VALUE_BYTES {
                    word.push_str(value);
                }
            }
            (c, _) if word.len() < VALUE_BYTES => word.push(c),
            _ => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::{File, build};
    use crate::limits::Limits;

    fn told(name: &str, text: &str) -> Option<String> {
        let path = format!("root/buildinfo/{name}");
        build(File { path: &path, bytes: text.as_bytes(), limits: &Limits::default() })
    }

    #[test]
    fn labels_of_builds() {
        for (name, text, expected) in [
            (
                "Dockerfile-ubi8-8.3-227",
                "FROM x\nLABEL com.redhat.component=\"ubi8-container\" \\\n  name=ubi8\nLABEL \"architecture\"=\"x86_64\"\n",
                Some("ubi8-container-8.3-227 x86_64"),
            ),
            (
                "Dockerfile-rhdh-hub-rhel9-1.3-100",
                "ARG PRODUCT=rhdh\nENV NAME=\"hub\" \\\n# a comment\n  OTHER='$x'\n\
                 label BZComponent=\"${PRODUCT}-$NAME-container\"\nLABEL architecture aarch64\n",
                Some("rhdh-hub-container-1.3-100 aarch64"),
            ),
            ("Dockerfile-ubi8-8.3-227", "LABEL com.redhat.component=a\n", None),
            ("Dockerfile-ubi8-8.3-227", "LABEL architecture=a\nRUN LABEL com.redhat.component=b\n", None),
            ("Dockerfile-1", "LABEL com.redhat.component=a architecture=b\n", None),
            ("Dockerfile-a-1-2", "LABEL com.redhat.component=\"${unclosed architecture=$\n\\", None),
            ("Dockerfile-a-1-2", "", None),
        ] {
            assert_eq!(told(name, text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn values_that_name_each_other_do_not_grow() {
        let mut text = "ENV A=xxxxxxxx\n".to_owned();
        text.push_str(&"ENV A=$A$A$A$A\n".repeat(100));
        text.push_str("LABEL com.redhat.component=$A$A architecture=x\n");
        assert!(told("Dockerfile-a-1-2", &text).unwrap().len() < 3_000);
    }
}
