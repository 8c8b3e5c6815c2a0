//! `CreateToken`, `ListTokens` and `RevokeToken`.

use strata_proto::v1::{
    CreateTokenRequest, CreateTokenResponse, ListTokensRequest, ListTokensResponse, RevokeTokenRequest, Token,
};
use tonic::{Request, Response, Status};

use crate::{
    access::token::mint,
    drive::now_ms,
    ports::{PortError, Tokens},
};

pub(super) async fn create(
    tokens: &dyn Tokens,
    request: Request<CreateTokenRequest>,
) -> Result<Response<CreateTokenResponse>, Status> {
    let (stored, secret) = mint(request.into_inner(), now_ms()).map_err(Status::invalid_argument)?;
    tokens.add_token(&stored).await.map_err(away)?;
    tracing::info!(token = stored.token.id, name = stored.token.name, "a token was made");
    Ok(Response::new(CreateTokenResponse { token: Some(stored.token), secret }))
}

pub(super) async fn list(
    tokens: &dyn Tokens,
    _request: Request<ListTokensRequest>,
) -> Result<Response<ListTokensResponse>, Status> {
    let tokens = tokens.tokens().await.map_err(away)?;
    Ok(Response::new(ListTokensResponse { tokens: tokens.into_iter().map(|stored| stored.token).collect() }))
}

pub(super) async fn revoke(
    tokens: &dyn Tokens,
    request: Request<RevokeTokenRequest>,
) -> Result<Response<Token>, Status> {
    let id = &request.get_ref().id;
    let revoked = tokens.revoke_token(id, now_ms()).await.map_err(away)?;
    let stored = revoked.ok_or_else(|| Status::not_found(format!("there is no token `{id}`")))?;
    tracing::info!(token = stored.token.id, name = stored.token.name, "a token was revoked");
    Ok(Response::new(stored.token))
}

fn away(error: PortError) -> Status {
    Status::unavailable(error.to_string())
}
