//! How to reach a server: whom to trust, who to be.

use tonic::{
    metadata::{Ascii, MetadataValue},
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use crate::Error;

/// Options of a connection. The default trusts the system's authorities and shows nothing.
#[derive(Clone, Default)]
pub struct Options {
    /// Authorities to trust instead of the system's, PEM.
    pub authorities: Option<Vec<u8>>,
    /// The client's certificate and its key, PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Token to show with every call.
    pub token: Option<String>,
    /// Whether the token may cross a network in the clear. Without it, it goes over TLS or loopback only.
    pub token_in_the_clear: bool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .field("token", &self.token.is_some())
            .field("token_in_the_clear", &self.token_in_the_clear)
            .finish()
    }
}

impl Options {
    /// Where to connect, with TLS as the URL's scheme says.
    pub(crate) fn endpoint(&self, url: &str) -> Result<Endpoint, Error> {
        let bad = |reason: String| Error::BadUrl { url: url.to_owned(), reason };
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(|source| bad(source.to_string()))?;
        let endpoint = endpoint
            .connect_timeout(std::time::Duration::from_secs(5))
            .http2_keep_alive_interval(std::time::Duration::from_secs(20))
            .keep_alive_timeout(std::time::Duration::from_secs(10))
            .keep_alive_while_idle(true);
        if endpoint.uri().scheme_str() != Some("https") {
            if self.authorities.is_some() || self.identity.is_some() {
                return Err(bad("certificates are for https://".to_owned()));
            }
            if self.token.is_some() && !self.token_in_the_clear && !is_loopback(endpoint.uri().host()) {
                return Err(bad("a token is not sent in the clear over a network: use https://".to_owned()));
            }
            return Ok(endpoint);
        }
        let mut tls = match &self.authorities {
            Some(authorities) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authorities)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        endpoint
            .tls_config(tls)
            .map_err(|error| Error::BadCertificates { reason: crate::error::root_cause(&error) })
    }

    /// The header that shows the token, which no debug print shows.
    pub(crate) fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>, Error> {
        let Some(token) = &self.token else { return Ok(None) };
        let value = format!("Bearer {}", token.trim()).parse::<MetadataValue<Ascii>>();
        let mut value = value.map_err(|_| Error::BadToken)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

fn is_loopback(host: Option<&str>) -> bool {
    let host = host.unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stays_off_the_network_in_the_clear_and_out_of_prints() {
        let options = Options { token: Some("s3cret".to_owned()), ..Options::default() };
        for (url, sent) in [
            ("http://127.0.0.1:7400", true),
            ("http://localhost:7400", true),
            ("http://[::1]:7400", true),
            ("http://strata.example:7400", false),
            ("http://127.0.0.1.example:7400", false),
            ("http://10.0.0.1", false),
        ] {
            let endpoint = options.endpoint(url);
            assert_eq!(endpoint.is_ok(), sent, "{url}");
            assert!(endpoint.is_ok() || endpoint.expect_err("refused").to_string().contains("in the clear"));
        }
        let plain = Options { token_in_the_clear: true, ..options.clone() };
        assert!(plain.endpoint("http://strata.example:7400").is_ok());
        let header = options.authorization().expect("a header").expect("a header");
        assert!(!format!("{options:?} {header:?}").contains("s3cret"));
        assert_eq!(header.to_str().ok(), Some("Bearer s3cret"));
        let broken = Options { token: Some("a\nb".to_owned()), ..Options::default() };
        assert!(matches!(broken.authorization(), Err(Error::BadToken)));
        let useless = Options { authorities: Some(Vec::new()), ..Options::default() };
        assert!(useless.endpoint("http://127.0.0.1:7400").is_err());
    }
}
