//! Tokens: `strata_ID_SECRET`, where the secret is 256 random bits. The archive has the digest of the whole text; nothing
//! slower than SHA-256 is needed where there is nothing to guess.

use aws_lc_rs::{constant_time::verify_slices_are_equal, digest, rand};
use strata_proto::v1::{CreateTokenRequest, Token};

use super::{Principal, prefix::Prefix, scope::Scope};

/// How every token starts, so that searches for leaked secrets know one.
pub const START: &str = "strata_";
/// Name of the token that comes from a file.
pub const BOOTSTRAP: &str = "bootstrap";
const LONGEST_NAME: usize = 100;
const MOST_PREFIXES: usize = 100;

/// A token as the archive keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredToken {
    /// Everything but the secret.
    pub token: Token,
    /// SHA-256 of the token's text.
    pub hash: Vec<u8>,
}

/// Makes a token. The text is the only copy of its secret.
///
/// # Errors
/// Names what is wrong with the request.
pub fn mint(request: CreateTokenRequest, now_unix_ms: i64) -> Result<(StoredToken, String), String> {
    check(&request, now_unix_ms)?;
    let (mut id, mut secret) = ([0_u8; 6], [0_u8; 32]);
    let random =
        |bytes: &mut [u8]| rand::fill(bytes).map_err(|_| "the system gives no random bytes".to_owned());
    random(&mut id)?;
    random(&mut secret)?;
    let id = hex::encode(id);
    let text = format!("{START}{id}_{}", hex::encode(secret));
    let token = Token {
        id,
        name: request.name,
        scopes: request.scopes,
        prefixes: request.prefixes,
        created_unix_ms: now_unix_ms,
        expires_unix_ms: request.expires_unix_ms,
        revoked_unix_ms: 0,
    };
    Ok((StoredToken { hash: hash(&text), token }, text))
}

/// An administrator's token whose text somebody else chose: how a cluster that nobody can call yet gets its first one.
///
/// # Errors
/// When the text has not a token's form.
pub fn adopt(text: &str, now_unix_ms: i64) -> Result<StoredToken, String> {
    let text = text.trim();
    let id = id_of(text).ok_or("it is no token: strata_, 12 hexadecimal digits, _, 64 hexadecimal digits")?;
    let token = Token {
        id: id.to_owned(),
        name: BOOTSTRAP.to_owned(),
        scopes: vec![Scope::Admin.name().to_owned()],
        created_unix_ms: now_unix_ms,
        ..Token::default()
    };
    Ok(StoredToken { hash: hash(text), token })
}

/// The id in a token's text; `None` for a text that is none.
#[must_use]
pub fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(START)?.split_once('_')?;
    let is_hex =
        |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_hex(id, 12) && is_hex(secret, 64)).then_some(id)
}

impl StoredToken {
    /// Who shows this text now.
    ///
    /// # Errors
    /// Says why it does not count, without repeating it.
    pub fn verify(&self, text: &str, now_unix_ms: i64) -> Result<Principal, String> {
        verify_slices_are_equal(&self.hash, &hash(text)).map_err(|_| "this token is not known".to_owned())?;
        let token = &self.token;
        if token.revoked_unix_ms != 0 {
            return Err(format!("token {} was revoked", token.id));
        }
        if token.expires_unix_ms != 0 && token.expires_unix_ms <= now_unix_ms {
            return Err(format!("token {} has expired", token.id));
        }
        let parsed = |error: String| format!("token {} is damaged: {error}", token.id);
        Ok(Principal {
            id: format!("token:{}", token.id),
            name: token.name.clone(),
            scopes: token.scopes.iter().map(|name| name.parse()).collect::<Result<_, _>>().map_err(parsed)?,
            prefixes: token
                .prefixes
                .iter()
                .map(|text| text.parse())
                .collect::<Result<_, _>>()
                .map_err(parsed)?,
            expires_unix_ms: token.expires_unix_ms,
        })
    }
}

fn check(request: &CreateTokenRequest, now_unix_ms: i64) -> Result<(), String> {
    if request.name.is_empty()
        || request.name.len() > LONGEST_NAME
        || request.name.chars().any(char::is_control)
    {
        return Err(format!("a token needs a name of 1 to {LONGEST_NAME} printable bytes"));
    }
    if request.scopes.is_empty() {
        return Err("a token needs a scope: read, scan or admin".to_owned());
    }
    if request.scopes.len() > Scope::ALL.len() || request.prefixes.len() > MOST_PREFIXES {
        return Err(format!("a token has at most {} scopes and {MOST_PREFIXES} prefixes", Scope::ALL.len()));
    }
    let scopes = request.scopes.iter().map(|name| name.parse()).collect::<Result<Vec<Scope>, _>>()?;
    request.prefixes.iter().map(|text| text.parse()).collect::<Result<Vec<Prefix>, _>>()?;
    if scopes.contains(&Scope::Admin) && !request.prefixes.is_empty() {
        return Err(
            "an admin token cannot be limited to repositories: it can make tokens that are not".to_owned()
        );
    }
    if request.expires_unix_ms != 0 && request.expires_unix_ms <= now_unix_ms {
        return Err("a token cannot expire before it is made".to_owned());
    }
    Ok(())
}

fn hash(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(scopes: &[&str], prefixes: &[&str]) -> CreateTokenRequest {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        CreateTokenRequest {
            name: "ci".to_owned(),
            scopes: owned(scopes),
            prefixes: owned(prefixes),
            expires_unix_ms: 2_000,
        }
    }

    #[test]
    fn a_token_is_known_until_it_ends() {
        let (mut stored, text) = mint(request(&["scan"], &["r.example/team"]), 1_000).expect("made");
        let (other, other_text) = mint(request(&["scan"], &[]), 1_000).expect("made");
        assert_eq!(id_of(&text), Some(stored.token.id.as_str()));
        assert_ne!(text, other_text);
        assert!(!format!("{stored:?}").contains(text.rsplit('_').next().expect("a secret")));
        let principal = stored.verify(&text, 1_999).expect("known");
        assert_eq!(principal.id, format!("token:{}", stored.token.id));
        assert!(principal.has(Scope::Scan) && !principal.has(Scope::Read) && !principal.has(Scope::Admin));
        assert_eq!(principal.prefixes.len(), 1);
        assert!(stored.verify(&text, 2_000).expect_err("expired").contains("has expired"));
        assert!(other.verify(&text, 1_000).expect_err("another's").contains("not known"));
        stored.token.revoked_unix_ms = 1_500;
        assert!(stored.verify(&text, 1_999).expect_err("revoked").contains("was revoked"));
    }

    #[test]
    fn a_token_from_a_file_is_an_administrators() {
        let text = format!("{START}0123456789ab_{}", "5".repeat(64));
        let stored = adopt(&format!("{text}\n"), 7).expect("a token");
        assert!(stored.verify(&text, i64::MAX).expect("known").has(Scope::Admin));
        assert_eq!((stored.token.name.as_str(), stored.token.created_unix_ms), (BOOTSTRAP, 7));
        assert!(!format!("{stored:?}").contains("5555"));
        for wrong in ["", "secret", "strata_0123456789ab_55"] {
            assert!(adopt(wrong, 7).expect_err(wrong).contains("no token"));
        }
    }

    #[test]
    fn only_a_tokens_text_is_one() {
        let (_, text) = mint(request(&["read"], &[]), 0).expect("made");
        let (start, end) = text.split_at(text.len() - 1);
        for wrong in
            ["", "strata_", "strata__", start, &format!("{text}0"), &format!("{start}g"), end, "Bearer x"]
        {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn requests_that_cannot_be_meant_are_refused() {
        for (wrong, says) in [
            (request(&[], &[]), "needs a scope"),
            (request(&["write"], &[]), "`write`"),
            (request(&["read"], &["no host"]), "no host"),
            (request(&["admin"], &["r.example"]), "cannot be limited"),
            (CreateTokenRequest { name: String::new(), ..request(&["read"], &[]) }, "name"),
            (CreateTokenRequest { expires_unix_ms: 5, ..request(&["read"], &[]) }, "expire"),
        ] {
            let error = mint(wrong, 1_000).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }
}
