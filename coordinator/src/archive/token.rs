//! Tokens as rows, for both databases.

use prost::Message as _;
use strata_proto::v1::Token;

use super::decode;
use crate::{access::token::StoredToken, ports::PortError};

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
