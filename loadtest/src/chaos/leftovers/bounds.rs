//! Nothing grows without bound: every key in Redis ends by itself, every stream has limits of bytes and of age.

use std::net::SocketAddr;

use serde_json::Value;

use super::redis;

/// Object stores hold what is in use, by name, and nothing of it ends by its age.
const OBJECT_STORE: &str = "OBJ_";

/// Limits that a stream lacks. The configuration is JetStream's.
pub(super) fn unbounded(name: &str, config: &Value) -> Vec<String> {
    let limit = |field: &str| config[field].as_i64().is_some_and(|limit| limit > 0);
    let mut wanted = vec!["max_bytes"];
    if !name.starts_with(OBJECT_STORE) {
        wanted.extend(["max_age", "max_msg_size"]);
    }
    let lacking = wanted.into_iter().filter(|field| !limit(field));
    lacking.map(|field| format!("stream {name} without {field}")).collect()
}

/// Keys in Redis without a time to live, whoever wrote them: the server is ours alone.
///
/// # Errors
/// When Redis cannot be asked.
pub(super) fn endless(address: SocketAddr) -> anyhow::Result<Vec<String>> {
    let keys: Vec<String> =
        redis(address, "KEYS *")?.into_iter().filter(|line| !line.is_empty() && !is_frame(line)).collect();
    let Some(first) = keys.first() else { return Ok(Vec::new()) };
    // One command a line; one number a line comes back.
    let mut commands = format!("PTTL {first}");
    for key in keys.iter().skip(1) {
        commands.push_str("\r\nPTTL ");
        commands.push_str(key);
    }
    let answers = redis(address, &commands)?;
    let ends: Vec<&str> = answers.iter().filter_map(|line| line.strip_prefix(':')).collect();
    let mut found = Vec::new();
    for (number, key) in keys.iter().enumerate() {
        match ends.get(number).and_then(|text| text.parse::<i64>().ok()) {
            // -1: it never ends; -2: it has ended since.
            Some(-1) => found.push(format!("key {key} in Redis without a time to live")),
            Some(_) => {}
            None => found.push(format!("key {key} in Redis, whose time to live is not known")),
        }
    }
    found.truncate(5);
    Ok(found)
}

/// A length, a count or a word of Redis' protocol.
fn is_frame(line: &str) -> bool {
    line.starts_with(['*', '$', '+', '-', ':'])
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::json;

    use super::*;
    use crate::servers;

    #[test]
    fn a_stream_without_a_limit_is_found() {
        let whole = json!({"max_bytes": 1, "max_age": 1, "max_msg_size": 1});
        for (name, config, lacking) in [
            ("S", whole.clone(), &[][..]),
            ("S", json!({"max_bytes": -1, "max_age": 1, "max_msg_size": 1}), &["max_bytes"]),
            ("S", json!({"max_bytes": 1, "max_age": 0, "max_msg_size": -1}), &["max_age", "max_msg_size"]),
            ("S", json!({}), &["max_bytes", "max_age", "max_msg_size"]),
            ("OBJ_B", json!({"max_bytes": 1, "max_age": 0}), &[]),
            ("OBJ_B", json!({"max_bytes": -1}), &["max_bytes"]),
        ] {
            let sentences: Vec<String> =
                lacking.iter().map(|field| format!("stream {name} without {field}")).collect();
            assert_eq!(unbounded(name, &config), sentences, "{config}");
        }
    }

    #[test]
    fn a_key_that_never_ends_is_found() {
        let server = match servers::redis(Ipv4Addr::LOCALHOST.into()) {
            Ok(server) => server,
            Err(error) => return eprintln!("SKIPPED: keys of Redis: {error:#}"),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port));
        assert_eq!(endless(address).expect("it answers"), Vec::<String>::new());
        redis(address, "SET strata:a:{x}:1 v EX 100").expect("it answers");
        assert_eq!(endless(address).expect("it answers"), Vec::<String>::new());
        redis(address, "SET strata:b:{x}:1 v").expect("it answers");
        assert_eq!(
            endless(address).expect("it answers"),
            ["key strata:b:{x}:1 in Redis without a time to live"]
        );
    }
}
