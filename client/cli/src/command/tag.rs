//! `strata tag`: tells where an image comes from, after the fact.

use std::{io::Write as _, process::ExitCode};

use strata_coordinator::{access::sight::Sight, handle, ports::Tags as _};
use strata_proto::{
    digest::Digest,
    reference::Reference,
    v1::{SourceOptions, TagImageRequest, TagImageResponse},
};
use strata_worker::ports::{Images as _, Resolution};

use super::announce;
use crate::{args::TagArgs, embedded, exit::Failure, security, settings::Settings, text::plain, wiring};

pub(super) async fn run(args: TagArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    if settings.source.is_none() {
        return Err(Failure::usage("it is not said where the image comes from")
            .hint("--source-commit and its like say it, or the environment of a build"));
    }
    let mut request = named(&args)?;
    request.source.clone_from(&settings.source);
    if !args.no_registry && !request.reference.is_empty() && request.image_id.is_empty() {
        ask(&mut request, &args, settings).await;
    }
    let tagged = match &args.archive.server {
        Some(url) => {
            let client = security::connect(url, &args.archive.connection, settings).await?;
            client.with_call_retry(crate::submit::RETRY).tag_image(request.clone()).await?
        }
        None => here(request.clone(), &args, settings).await?,
    };
    say(&request, &tagged);
    Ok(ExitCode::SUCCESS)
}

/// What the arguments name: one of them may be an image id.
fn named(args: &TagArgs) -> Result<TagImageRequest, Failure> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut request = TagImageRequest {
        image_digest: text(&args.digest),
        image_id: text(&args.image_id),
        ..TagImageRequest::default()
    };
    if args.image.parse::<Digest>().is_ok() {
        if !request.image_id.is_empty() && request.image_id != args.image {
            return Err(Failure::usage("--image and --image-id name two images"));
        }
        request.image_id.clone_from(&args.image);
    } else {
        let reference: Reference =
            args.image.parse().map_err(|error| Failure::usage(format!("{}: {error}", args.image)))?;
        request.reference = reference.to_string();
    }
    Ok(request)
}

/// Asks the registry what the reference names. Where it cannot tell, what was said has to do.
async fn ask(request: &mut TagImageRequest, args: &TagArgs, settings: &Settings) {
    let reference = match (request.image_digest.as_str(), request.reference.contains('@')) {
        ("", _) | (_, true) => request.reference.clone(),
        (digest, false) => format!("{}@{digest}", request.reference),
    };
    match resolved(&reference, args, settings).await {
        Ok((digest, id)) => (request.image_digest, request.image_id) = (digest, id),
        Err(reason) if request.image_digest.is_empty() && !request.reference.contains('@') => {
            announce(&format!(
                "warning: {}: the image that was last scanned as {} is meant, or else the first that will be",
                plain(&reason),
                plain(&request.reference)
            ));
        }
        Err(reason) => tracing::info!(reason, "the registry was asked in vain"),
    }
}

/// Digest of the manifest or index that a reference names, and the image id of the platform.
async fn resolved(reference: &str, args: &TagArgs, settings: &Settings) -> Result<(String, String), String> {
    let sources = wiring::sources(settings, false).map_err(|failure| failure.message)?;
    let options = SourceOptions { insecure: args.insecure };
    let digest = sources.digest(reference, &options).await.map_err(|error| error.message)?;
    let pinned = match &digest {
        Some(digest) if !reference.contains('@') => format!("{reference}@{digest}"),
        _ => reference.to_owned(),
    };
    match sources.resolve(&pinned, &args.platform, &options).await.map_err(|error| error.message)? {
        Resolution::Image(facts) => Ok((digest.unwrap_or(facts.image_digest), facts.config_digest)),
        Resolution::Other(code) => Err(format!("{reference} is no image but {code}")),
    }
}

/// In this machine's archive.
async fn here(
    request: TagImageRequest,
    args: &TagArgs,
    settings: &Settings,
) -> Result<TagImageResponse, Failure> {
    let tag = handle::tag(request, &Sight::default()).map_err(|error| Failure::usage(error.to_string()))?;
    let archive = embedded::open_archive(&settings.cache_dir(args.archive.cache_dir.as_ref())).await?;
    let tagged = archive.tag_image(&tag).await.map_err(|error| Failure::incomplete(error.to_string()))?;
    let repeated = tagged.scan.id != tag.scan.id;
    Ok(TagImageResponse { scan_id: tagged.scan.id, reports: tagged.reports, repeated })
}

fn say(request: &TagImageRequest, tagged: &TagImageResponse) {
    let names = [&request.reference, &request.image_digest, &request.image_id];
    let names: Vec<String> =
        names.into_iter().filter(|name| !name.is_empty()).map(|name| plain(name)).collect();
    let again = if tagged.repeated { " (as before)" } else { "" };
    let what = match tagged.reports {
        0 => "no report of it is there yet: it is kept for the first".to_owned(),
        1 => "1 report has it".to_owned(),
        count => format!("{count} reports have it"),
    };
    let _ = writeln!(std::io::stdout(), "tagged {}{again}: {what}", names.join(" "));
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command, DockerCommand};

    fn parsed(line: &str) -> TagArgs {
        match Args::try_parse_from(line.split_whitespace()).expect("an invocation").command {
            Command::Tag(args) | Command::Docker(DockerCommand::Tag(args)) => *args,
            other => panic!("another command: {other:?}"),
        }
    }

    #[test]
    fn the_line_of_other_tools_works_verbatim() {
        let args = parsed(
            "strata docker tag --image r.example/app:9d911191 --digest sha256:1 \
             --source-repo https://forge.example/acme/app --source-branch main --source-commit 9d911191 \
             --ci-build-id 4242 --ci-build-url https://ci.example/4242",
        );
        assert_eq!(
            (args.image.as_str(), args.digest.as_deref()),
            ("r.example/app:9d911191", Some("sha256:1"))
        );
        assert_eq!(args.source.ci_build_id.as_deref(), Some("4242"));
    }

    #[test]
    fn an_image_is_a_reference_or_an_image_id() {
        let id = Digest::of(b"id").to_string();
        let request = named(&parsed(&format!("strata tag --image {id} --no-registry"))).expect("sound");
        assert_eq!((request.reference.as_str(), &request.image_id), ("", &id));
        let request = named(&parsed("strata tag --image app --digest sha256:1")).expect("sound");
        assert_eq!(request.reference, "docker.io/library/app:latest");
        for wrong in
            ["strata tag --image UPPER".to_owned(), format!("strata tag --image {id} --image-id sha256:2")]
        {
            assert!(named(&parsed(&wrong)).is_err(), "{wrong}");
        }
    }
}
