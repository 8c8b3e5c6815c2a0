//! AWS Signature Version 4 (AWS General Reference, "Signing AWS API requests"), with HMAC (RFC 2104) over SHA-256. Pure:
//! the time is an argument.

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};

use super::Secret;

/// Keys of an identity.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    /// Its name.
    pub(crate) access: String,
    /// What signs.
    pub(crate) secret: Secret,
    /// Goes with temporary keys.
    pub(crate) session: Option<Secret>,
}

/// A request to be signed.
pub(super) struct Signing<'a> {
    pub(super) method: &'a str,
    /// Encoded path.
    pub(super) path: &'a str,
    /// Encoded query, its keys in order.
    pub(super) query: &'a str,
    /// Headers to be signed, in lower case and in order; those of the time and the session are added.
    pub(super) headers: &'a [(&'a str, &'a str)],
    pub(super) body: &'a [u8],
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The headers that sign a request at a time.
pub(super) fn sign(request: &Signing<'_>, keys: &Keys, unix: u64) -> Vec<(&'static str, String)> {
    let (date, time) = timestamp(unix);
    let stamp = format!("{date}T{time}Z");
    let mut headers: Vec<(&str, &str)> = request.headers.to_vec();
    headers.push(("x-amz-date", &stamp));
    if let Some(session) = &keys.session {
        headers.push(("x-amz-security-token", session.expose()));
    }
    headers.sort_unstable();
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for (name, value) in &headers {
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(canonical, "{name}:{value}");
    }
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let _ = write!(canonical, "\n{names}\n{}", hex(&Sha256::digest(request.body)));
    let scope = format!("{date}/{}/{}/aws4_request", request.region, request.service);
    let text = format!("AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = signing_key(keys.secret.expose(), &date, request.region, request.service);
    let signature = hex(&hmac(&key, text.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.access
    );
    let mut signed = vec![("x-amz-date", stamp.clone()), ("authorization", authorization)];
    if let Some(session) = &keys.session {
        signed.push(("x-amz-security-token", session.expose().to_owned()));
    }
    signed
}

fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let mut key = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    for part in [region, service, "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    key
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let hashed: [u8; 32];
    let key = if key.len() > 64 {
        hashed = Sha256::digest(key).into();
        hashed.as_slice()
    } else {
        key
    };
    let padded = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `20150830` and `123600` of seconds since 1970.
fn timestamp(unix: u64) -> (String, String) {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // A calendar whose year begins in March, so that the leap day is its last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let part = (5 * of_year + 2) / 153;
    let day = of_year - (153 * part + 2) / 5 + 1;
    let month = if part < 10 { part + 3 } else { part - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let clock = format!("{:02}{:02}{:02}", second / 3_600, second % 3_600 / 60, second % 60);
    (format!("{year:04}{month:02}{day:02}"), clock)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 August 2015, 12:36:00 UTC: the time of the published test cases.
    const TIME: u64 = 1_440_938_160;

    fn keys(session: Option<&str>) -> Keys {
        Keys {
            access: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: session.map(Secret::new),
        }
    }

    fn signature(request: &Signing<'_>, keys: &Keys) -> String {
        let signed = sign(request, keys, TIME);
        let authorization = signed.into_iter().find(|(name, _)| *name == "authorization").unwrap().1;
        authorization.rsplit_once('=').unwrap().1.to_owned()
    }

    #[test]
    fn timestamps() {
        for (unix, want) in [
            (0, ("19700101", "000000")),
            (TIME, ("20150830", "123600")),
            (951_782_399, ("20000228", "235959")),
            (951_868_799, ("20000229", "235959")),
            (4_107_542_400, ("21000301", "000000")),
        ] {
            assert_eq!(timestamp(unix), (want.0.to_owned(), want.1.to_owned()));
        }
    }

    #[test]
    fn hmac_of_rfc_4231() {
        for (key, message, want) in [
            (
                vec![0x0b; 20],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&hmac(&key, message)), want);
        }
    }

    #[test]
    fn the_published_cases() {
        let key = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam");
        assert_eq!(hex(&key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
        let get = Signing {
            method: "GET",
            path: "/",
            query: "",
            headers: &[("host", "example.amazonaws.com")],
            body: b"",
            region: "us-east-1",
            service: "service",
        };
        for (request, want) in [
            (Signing { ..get }, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (
                Signing { method: "POST", ..get },
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                Signing { query: "Param1=value1&Param2=value2", ..get },
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                Signing {
                    query: "Action=ListUsers&Version=2010-05-08",
                    headers: &[
                        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
                        ("host", "iam.amazonaws.com"),
                    ],
                    service: "iam",
                    ..get
                },
                "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            ),
        ] {
            assert_eq!(signature(&request, &keys(None)), want, "{} {}", request.method, request.query);
        }
        let signed = sign(&get, &keys(Some("session")), TIME);
        assert!(signed.contains(&("x-amz-security-token", "session".to_owned())));
        assert!(
            signed
                .iter()
                .any(|(_, value)| value.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"))
        );
        assert!(!format!("{:?}", keys(Some("session"))).contains("wJalr"));
    }
}
