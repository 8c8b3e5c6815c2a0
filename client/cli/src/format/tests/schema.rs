//! The schema of our own document, against what is written. Only what the schema uses of JSON Schema is known here, and a
//! word that is not known fails: `loadtest/oracle/formats.py` judges with a real validator.

use serde_json::{Value, json};

use super::{hostile, one};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../schema/strata-1.schema.json")).expect("the schema is JSON")
}

/// Where a value does not fit, and why.
fn judge(root: &Value, schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    for (word, rule) in schema.as_object().expect("a schema is an object") {
        match word.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "properties" => {}
            "$ref" => {
                let name = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
                judge(root, root.pointer(name).expect("what it names"), value, at, wrong);
            }
            "type" => {
                let fits = |name: &Value| name.as_str().is_some_and(|name| is(name, value));
                if !rule.as_array().map_or_else(|| fits(rule), |names| names.iter().any(fits)) {
                    wrong.push(format!("{at}: {value} is no {rule}"));
                }
            }
            "enum" if rule.as_array().expect("a list").contains(value) => {}
            "const" if rule == value => {}
            "enum" | "const" => wrong.push(format!("{at}: {value} is not {rule}")),
            "minimum" | "maximum" if !value.is_number() => {}
            "minimum" if value.as_f64() >= rule.as_f64() => {}
            "maximum" if value.as_f64() <= rule.as_f64() => {}
            "minimum" | "maximum" => wrong.push(format!("{at}: {value} is beyond {rule}")),
            "required" => {
                for name in rule.as_array().expect("names").iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(name).is_none() {
                        wrong.push(format!("{at}: no {name}"));
                    }
                }
            }
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    judge(root, rule, item, &format!("{at}/{number}"), wrong);
                }
            }
            "additionalProperties" => {
                let known = &schema["properties"];
                for (name, item) in value.as_object().into_iter().flatten() {
                    match (known.get(name), rule) {
                        (Some(rule), _) => judge(root, rule, item, &format!("{at}/{name}"), wrong),
                        (None, Value::Bool(false)) => {
                            wrong.push(format!("{at}: {name} is not in the schema"))
                        }
                        (None, rule) => judge(root, rule, item, &format!("{at}/{name}"), wrong),
                    }
                }
            }
            other => panic!("{at}: this test does not know `{other}`"),
        }
    }
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("`{other}` is no type"),
    }
}

fn wrong(document: &Value) -> Vec<String> {
    against(&schema(), document)
}

/// Where a document does not fit a schema, and why.
pub(crate) fn against(schema: &Value, document: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    judge(schema, schema, document, "", &mut wrong);
    wrong
}

#[test]
fn our_document_keeps_to_its_schema() {
    for results in [one(), hostile()] {
        let document = super::json("json", &results);
        assert_eq!(wrong(&document), Vec::<String>::new());
    }
}

#[test]
fn the_schema_refuses_what_we_do_not_write() {
    let good = super::json("json", &one());
    for (pointer, value) in [
        ("/schema", json!(2)),
        ("/images/0/digest", json!(null)),
        ("/images/0/findings/0/severity", json!("BAD")),
        ("/images/0/findings/0", json!({})),
        ("/images/0/packages/0/layer", json!(-1)),
        ("/images/0/findings/0/risk", json!(101)),
        ("/summary", json!({"surprise": 1})),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect(pointer) = value;
        assert!(!wrong(&bad).is_empty(), "{pointer}");
    }
}
