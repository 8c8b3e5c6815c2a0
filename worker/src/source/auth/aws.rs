//! Amazon ECR: `GetAuthorizationToken`, signed by what proves who this machine is: keys of the environment, the roles of
//! pods and tasks (web identity, container credentials), or the instance's role (AWS documentation of each).

use std::{fmt, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::FutureExt as _;
use reqwest::Method;
use serde::Deserialize;

use super::{
    Credentials, Finding, Login, Secret,
    sigv4::{self, Keys, Signing},
    web::{self, Answer, Place},
};
use crate::error::JobError;

/// Where Amazon's credentials are.
#[derive(Debug, Clone, Default)]
pub struct Aws {
    /// Access key, secret key, session token (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`).
    pub keys: Option<(String, Secret, Option<Secret>)>,
    /// Role and token file of a pod (`AWS_ROLE_ARN`, `AWS_WEB_IDENTITY_TOKEN_FILE`).
    pub web_identity: Option<(String, PathBuf)>,
    /// Address of container credentials (`AWS_CONTAINER_CREDENTIALS_FULL_URI`, or the relative one at its fixed address).
    pub container: Option<String>,
    /// File with the authorization for them (`AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`).
    pub container_token: Option<PathBuf>,
    /// Whether the instance's metadata service may be asked.
    pub metadata: bool,
    /// Addresses instead of Amazon's own, for tests and private endpoints.
    pub endpoints: Endpoints,
}

/// Addresses of Amazon's services. Empty ones are Amazon's own.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// Of ECR's API.
    pub ecr: String,
    /// Of the security token service.
    pub sts: String,
    /// Of the instance's metadata.
    pub metadata: String,
}

/// A private registry of ECR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registry {
    /// Number of the account.
    pub(crate) account: String,
    /// Region.
    pub(crate) region: String,
    /// `amazonaws.com`, or China's.
    pub(crate) domain: String,
    /// Whether it is a FIPS endpoint.
    pub(crate) fips: bool,
}

/// A host of the form `<account>.dkr.ecr[-fips].<region>.amazonaws.com[.cn]`.
pub(crate) fn registry(host: &str) -> Option<Registry> {
    let (account, rest) = host.split_once(".dkr.")?;
    let (service, rest) = rest.split_once('.')?;
    let (region, domain) = rest.split_once('.')?;
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    let is_region = !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let fips = match service {
        "ecr" => false,
        "ecr-fips" => true,
        _ => return None,
    };
    (is_account && is_region && matches!(domain, "amazonaws.com" | "amazonaws.com.cn")).then(|| Registry {
        account: account.to_owned(),
        region: region.to_owned(),
        domain: domain.to_owned(),
        fips,
    })
}

/// The login for a host of ECR.
pub(super) fn find<'a>(credentials: &'a Credentials, host: &'a str) -> Finding<'a> {
    async move {
        let Some(registry) = registry(host) else { return Ok(None) };
        let Some(keys) = credentials.aws.keys(&registry).await? else { return Ok(None) };
        credentials.aws.login(&registry, &keys, host).await.map(Some)
    }
    .boxed()
}

/// One call of ECR's JSON API.
pub(crate) struct Call<'a> {
    /// `GetAuthorizationToken`, `DescribeImages`.
    pub(crate) action: &'a str,
    /// Its JSON.
    pub(crate) body: &'a str,
    /// For messages.
    pub(crate) what: &'a str,
}

impl Aws {
    /// Calls ECR's API for a registry.
    ///
    /// # Errors
    /// When it refuses, or cannot be reached.
    pub(crate) async fn call(
        &self,
        registry: &Registry,
        keys: &Keys,
        call: &Call<'_>,
    ) -> Result<Vec<u8>, JobError> {
        let Registry { region, domain, fips, .. } = registry;
        let service = if *fips { "ecr-fips" } else { "api.ecr" };
        let own = format!("https://{service}.{region}.{domain}");
        let base = if self.endpoints.ecr.is_empty() { &own } else { &self.endpoints.ecr };
        let host = base.split_once("://").map_or(base.as_str(), |(_, host)| host);
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{}", call.action);
        let signing = Signing {
            method: "POST",
            path: "/",
            query: "",
            headers: &[
                ("content-type", "application/x-amz-json-1.1"),
                ("host", host),
                ("x-amz-target", target.as_str()),
            ],
            body: call.body.as_bytes(),
            region,
            service: "ecr",
        };
        let signed = sigv4::sign(&signing, keys, sigv4::now());
        let mut request = web::request(Method::POST, &format!("{base}/"), Place::Far)?
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", &target)
            .body(call.body.to_owned());
        for (name, value) in signed {
            request = request.header(name, value);
        }
        web::body(web::send(request, call.what).await?, call.what)
    }

    async fn login(&self, registry: &Registry, keys: &Keys, host: &str) -> Result<Login, JobError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Tokens {
            authorization_data: Vec<Data>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            authorization_token: String,
        }
        let what = format!("the registry token of {host}");
        let call = Call { action: "GetAuthorizationToken", body: "{}", what: &what };
        let tokens: Tokens = web::json(&self.call(registry, keys, &call).await?, &what)?;
        let malformed =
            || JobError::never("credentials", format!("failed to get {what}: the answer is malformed"));
        let token = tokens.authorization_data.into_iter().next().ok_or_else(malformed)?.authorization_token;
        let text = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let text = text.ok_or_else(malformed)?;
        let (username, password) = text.split_once(':').ok_or_else(malformed)?;
        Ok(Login::Basic { username: username.to_owned(), password: Secret::new(password) })
    }

    /// The keys that prove who this machine is; `None` where nothing does.
    ///
    /// # Errors
    /// When a place that should hold them does not give them.
    pub(crate) async fn keys(&self, registry: &Registry) -> Result<Option<Keys>, JobError> {
        if let Some((access, secret, session)) = &self.keys {
            return Ok(Some(Keys {
                access: access.clone(),
                secret: secret.clone(),
                session: session.clone(),
            }));
        }
        if let Some((role, path)) = &self.web_identity {
            return self.web_identity(registry, role, path).await.map(Some);
        }
        if let Some(url) = &self.container {
            return self.container(url).await.map(Some);
        }
        if self.metadata { self.instance().await } else { Ok(None) }
    }

    async fn web_identity(
        &self,
        registry: &Registry,
        role: &str,
        path: &std::path::Path,
    ) -> Result<Keys, JobError> {
        let what = format!("the keys of the role {role}");
        let token = web::file(path, &what).await?;
        let token = String::from_utf8_lossy(&token);
        let own = format!("https://sts.{}.{}", registry.region, registry.domain);
        let base = if self.endpoints.sts.is_empty() { &own } else { &self.endpoints.sts };
        let request = web::request(Method::POST, &format!("{base}/"), Place::Far)?;
        let request = web::form(
            request,
            &[
                ("Action", "AssumeRoleWithWebIdentity"),
                ("Version", "2011-06-15"),
                ("RoleArn", role),
                ("RoleSessionName", "strata"),
                ("WebIdentityToken", token.trim()),
            ],
        );
        let body = web::body(web::send(request, &what).await?, &what)?;
        let text = String::from_utf8_lossy(&body);
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            let (value, _) = rest.split_once(&format!("</{name}>"))?;
            (!value.is_empty() && !value.contains('<')).then(|| value.trim().to_owned())
        };
        match (element("AccessKeyId"), element("SecretAccessKey"), element("SessionToken")) {
            (Some(access), Some(secret), session) => {
                Ok(Keys { access, secret: Secret::new(secret), session: session.map(Secret::new) })
            }
            _ => {
                Err(JobError::never("credentials", format!("failed to get {what}: the answer is malformed")))
            }
        }
    }

    async fn container(&self, url: &str) -> Result<Keys, JobError> {
        let what = "the keys of this container";
        let mut request = web::request(Method::GET, url, Place::Near)?;
        if let Some(path) = &self.container_token {
            let token = web::file(path, what).await?;
            request = request.header("authorization", String::from_utf8_lossy(&token).trim());
        }
        let keys: Provided = web::json(&web::body(web::send(request, what).await?, what)?, what)?;
        Ok(keys.keys())
    }

    async fn instance(&self) -> Result<Option<Keys>, JobError> {
        let what = "the keys of this instance";
        let own = "http://169.254.169.254".to_owned();
        let base = if self.endpoints.metadata.is_empty() { &own } else { &self.endpoints.metadata };
        let request = web::request(Method::PUT, &format!("{base}/latest/api/token"), Place::Near)?;
        let request = request.header("x-aws-ec2-metadata-token-ttl-seconds", "60");
        let token = match web::send(request, what).await? {
            Answer::Body(token) => String::from_utf8_lossy(&token).into_owned(),
            Answer::Refused(_) | Answer::Absent => return Ok(None),
        };
        let get = async |path: &str| {
            let request = web::request(Method::GET, &format!("{base}/latest/{path}"), Place::Near)?;
            web::send(request.header("x-aws-ec2-metadata-token", &token), what).await
        };
        let roles = "meta-data/iam/security-credentials/";
        let role = match get(roles).await? {
            Answer::Body(roles) => String::from_utf8_lossy(&roles).lines().next().map(str::to_owned),
            // An instance without a role.
            Answer::Refused(404) | Answer::Absent => None,
            refused @ Answer::Refused(_) => return web::body(refused, what).map(|_| None),
        };
        let is_name = |role: &String| {
            role.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b)) && !role.is_empty()
        };
        let Some(role) = role.filter(is_name) else { return Ok(None) };
        let keys: Provided = web::json(&web::body(get(&format!("{roles}{role}")).await?, what)?, what)?;
        Ok(Some(keys.keys()))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Provided {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

impl Provided {
    fn keys(self) -> Keys {
        Keys {
            access: self.access_key_id,
            secret: Secret::new(self.secret_access_key),
            session: self.token.map(Secret::new),
        }
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.account, self.region)
    }
}
