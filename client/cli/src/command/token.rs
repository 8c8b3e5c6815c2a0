//! `strata token`: tokens for the calls of a server, through its archive or through its API.

use std::{
    io::Write as _,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use strata_client::Client;
use strata_coordinator::{
    access::token::mint,
    archive::{postgres::PostgresArchive, sqlite::SqliteArchive},
    ports::{PortError, Tokens},
};
use strata_proto::v1::{CreateTokenRequest, CreateTokenResponse, Token};

use crate::{
    args::{TokenCommand, TokenPlace},
    command::sweeps::when,
    embedded,
    exit::Failure,
    screen::Screen,
    security,
    settings::Settings,
};

/// Where the tokens are.
enum Place {
    Archive(Arc<dyn Tokens>),
    Server(Box<Client>),
}

pub(super) async fn run(command: TokenCommand, settings: &Settings) -> Result<ExitCode, Failure> {
    match command {
        TokenCommand::Create { name, scope, prefix, expires, output, place } => {
            let expires_unix_ms = expiry(&expires, now_ms())?;
            let request = CreateTokenRequest { name, scopes: scope, prefixes: prefix, expires_unix_ms };
            let made = open(&place, settings).await?.create(request).await?;
            show(&made, output.as_deref())?;
        }
        TokenCommand::List { place } => {
            print(&open(&place, settings).await?.list().await?, settings.screen)?;
        }
        TokenCommand::Revoke { id, place } => {
            let token = open(&place, settings).await?.revoke(&id).await?;
            super::say(&format!("token {} ({}) is revoked", token.id, token.name))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The archive comes first: the first administrator's token can only be made there.
async fn open(place: &TokenPlace, settings: &Settings) -> Result<Place, Failure> {
    let away = |error: PortError| Failure::usage(error.to_string());
    match (&place.archive, &place.server) {
        (Some(url), _) => Ok(Place::Archive(match url.strip_prefix("sqlite:") {
            Some(file) => Arc::new(SqliteArchive::open(file.as_ref()).await.map_err(away)?),
            None => Arc::new(PostgresArchive::connect(url).await.map_err(away)?),
        })),
        (None, Some(url)) => {
            Ok(Place::Server(Box::new(security::connect(url, &place.connection, settings).await?)))
        }
        (None, None) => {
            let archive = embedded::open_archive(&settings.cache_dir(place.cache_dir.as_ref())).await?;
            Ok(Place::Archive(Arc::new(archive)))
        }
    }
}

impl Place {
    async fn create(self, request: CreateTokenRequest) -> Result<CreateTokenResponse, Failure> {
        match self {
            Self::Server(mut client) => Ok(client.create_token(request).await?),
            Self::Archive(tokens) => {
                let (stored, secret) = mint(request, now_ms()).map_err(Failure::usage)?;
                tokens.add_token(&stored).await.map_err(away)?;
                Ok(CreateTokenResponse { token: Some(stored.token), secret })
            }
        }
    }

    async fn list(self) -> Result<Vec<Token>, Failure> {
        match self {
            Self::Server(mut client) => Ok(client.list_tokens().await?),
            Self::Archive(tokens) => {
                Ok(tokens.tokens().await.map_err(away)?.into_iter().map(|stored| stored.token).collect())
            }
        }
    }

    async fn revoke(self, id: &str) -> Result<Token, Failure> {
        match self {
            Self::Server(mut client) => Ok(client.revoke_token(id).await?),
            Self::Archive(tokens) => {
                let revoked = tokens.revoke_token(id, now_ms()).await.map_err(away)?;
                let stored = revoked.ok_or_else(|| {
                    Failure::usage(format!("there is no token `{id}`")).hint("`strata token list` lists them")
                })?;
                Ok(stored.token)
            }
        }
    }
}

fn away(error: PortError) -> Failure {
    Failure::incomplete(error.to_string())
}

/// The secret alone goes to stdout or the file, so that it can be kept without being copied by hand.
fn show(made: &CreateTokenResponse, output: Option<&Path>) -> Result<(), Failure> {
    let token = made.token.clone().unwrap_or_default();
    match output {
        Some(file) => {
            let failed = |error: std::io::Error| {
                Failure::usage(format!("failed to write the token to {}: {error}", file.display()))
            };
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(file).map_err(failed)?;
            writeln!(file, "{}", made.secret).map_err(failed)?;
        }
        None => super::say(&made.secret)?,
    }
    super::announce(&format!(
        "token {} ({}) for {}, {}: keep it, it cannot be shown again",
        token.id,
        token.name,
        token.scopes.join(", "),
        match token.expires_unix_ms {
            0 => "which does not end".to_owned(),
            end => format!("until {}", when(end)),
        }
    ));
    Ok(())
}

fn print(tokens: &[Token], screen: Screen) -> Result<(), Failure> {
    let titles = ["Token", "Name", "Scopes", "Repositories", "Created", "Until", "State"];
    let now = now_ms();
    let row = |token: &Token| {
        let state = match token {
            Token { revoked_unix_ms: 1.., .. } => "revoked",
            Token { expires_unix_ms: 1.., .. } if token.expires_unix_ms <= now => "expired",
            _ => "valid",
        };
        vec![
            token.id.clone(),
            token.name.clone(),
            token.scopes.join(", "),
            if token.prefixes.is_empty() { "all".to_owned() } else { token.prefixes.join("\n") },
            when(token.created_unix_ms),
            if token.expires_unix_ms == 0 { "never".to_owned() } else { when(token.expires_unix_ms) },
            state.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = tokens.iter().map(row).collect();
    super::say(&screen.rows(&titles, &rows))
}

/// A moment from now in milliseconds since 1970-01-01 UTC; 0 is never.
fn expiry(text: &str, now_ms: i64) -> Result<i64, Failure> {
    const HOUR: i64 = 3_600_000;
    if text == "never" {
        return Ok(0);
    }
    let unit = match text.chars().last() {
        Some('h') => Some(HOUR),
        Some('d') => Some(24 * HOUR),
        _ => None,
    };
    let number = text.strip_suffix(['h', 'd']).and_then(|number| number.parse::<i64>().ok());
    let length =
        unit.zip(number.filter(|number| *number > 0)).and_then(|(unit, number)| unit.checked_mul(number));
    length.and_then(|length| now_ms.checked_add(length)).ok_or_else(|| {
        Failure::usage(format!("`{text}` is not a time that a token can last"))
            .hint("for example 12h, 90d or never")
    })
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lasts_as_long_as_it_says() {
        for (text, want) in [("never", Some(0)), ("1h", Some(3_600_007)), ("2d", Some(172_800_007))] {
            assert_eq!(expiry(text, 7).ok(), want, "{text}");
        }
        for text in ["", "d", "0d", "-1d", "5", "1w", "1.5h", "9999999999999999d", "é"] {
            assert_eq!(expiry(text, 7).expect_err(text).code, crate::exit::USAGE, "{text}");
        }
    }
}
