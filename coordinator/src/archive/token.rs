//! Tokens as rows, for both databases.

use prost::Message as _;
use strata_proto::v1::Token;

use super::decode;
use crate::{
    access::token::{BOOTSTRAP, StoredToken},
    ports::PortError,
};

/// Digest, moment of revocation and encoded token.
pub(super) type Row = (Vec<u8>, i64, Vec<u8>);

/// A row as the token that it is.
pub(super) fn read(
    action: &'static str,
    (hash, revoked_unix_ms, body): Row,
) -> Result<StoredToken, PortError> {
    let token: Token = decode(action, &body)?;
    Ok(StoredToken { token: Token { revoked_unix_ms, ..token }, hash })
}

/// The encoded token. When it was revoked has a column of its own.
pub(super) fn body(token: &StoredToken) -> Vec<u8> {
    Token { revoked_unix_ms: 0, ..token.token.clone() }.encode_to_vec()
}

/// Ids of the tokens that ended before a moment. One that came from a file stays: the next start would make it anew, and it
/// would count again.
pub(super) fn ended(tokens: &[StoredToken], before_unix_ms: i64) -> Vec<String> {
    let over = |at: i64| at != 0 && at < before_unix_ms;
    let tokens = tokens.iter().map(|stored| &stored.token).filter(|token| token.name != BOOTSTRAP);
    tokens
        .filter(|token| over(token.revoked_unix_ms) || over(token.expires_unix_ms))
        .map(|token| token.id.clone())
        .collect()
}
