//! `strata advise`: what other bases would do to an image's findings.

use std::{collections::BTreeSet, process::ExitCode};

use strata_coordinator::{
    access::sight::Sight,
    ports::{Archive as _, PortError},
};
use strata_proto::v1::{Layer, Report, SearchReportsRequest};

use super::{diff, gather::Gather, report};
use crate::{
    advice::{Advice, Base, Candidate},
    args::{AdviseArgs, ArchiveArgs, TargetArgs},
    backend::Backend,
    bases,
    chosen::{self, Chosen},
    diff::Image,
    embedded,
    exit::Failure,
    output,
    settings::Settings,
};

/// Reports of this machine's archive that are looked through for the image's base, the newest first.
const MOST: u32 = 500;
/// As many of a server's: each travels.
const MOST_REMOTE: u32 = 100;

pub(super) async fn run(args: AdviseArgs, settings: &Settings) -> Result<ExitCode, Failure> {
    for (_, path) in &args.output {
        output::check_file(path)?;
    }
    let archive = ArchiveArgs {
        server: None,
        connection: args.target.connection.clone(),
        cache_dir: args.target.cache_dir.clone(),
    };
    let place = ArchiveArgs { server: args.target.server.clone(), ..archive.clone() };
    let Chosen { path, whose } = chosen::choose(args.target.db.as_ref(), &place, settings).await?;
    // The layers are combined in this process, which therefore reads them.
    let here = TargetArgs { server: None, db: path, ..args.target.clone() };
    let mut gather = Gather::new(&here, archive, settings);
    let advice = advise(&args, &mut gather, settings).await;
    gather.close().await;
    let mut advice = advice?;
    advice.database.whose = whose;
    for (form, path) in &args.output {
        output::write_file(path, &mut |out| advice.write(*form, out))?;
    }
    diff::print(&mut |out| advice.write(args.format, out))?;
    Ok(ExitCode::SUCCESS)
}

async fn advise(args: &AdviseArgs, gather: &mut Gather<'_>, settings: &Settings) -> Result<Advice, Failure> {
    let names: Vec<String> =
        std::iter::once(&args.image).chain(&args.candidates).chain(&args.base).cloned().collect();
    let images = gather.scanned(&names).await?;
    let Some((image, others)) = images.split_first() else {
        return Err(Failure::usage("there is no image to advise on"));
    };
    let base = match (&args.base, others.split_last()) {
        (Some(_), Some((base, _))) => named(image, base)?,
        _ => found(image, others, args, settings).await?,
    };
    let candidates = others.get(..args.candidates.len()).unwrap_or(others);
    let Backend::Embedded(here) = gather.backend().await? else {
        return Err(Failure::incomplete("the layers are combined in this process"));
    };
    let mut predicted = Vec::new();
    for candidate in candidates {
        let prediction = here.predict(&image.report, base.layers, &candidate.report).await?;
        predicted.push(Candidate::new(image, candidate, prediction));
    }
    Ok(Advice::new(image, base, predicted))
}

/// The base that was named.
fn named(image: &Image, base: &Image) -> Result<Base, Failure> {
    let layers = bases::length_of(&image.report.layers, &base.report.layers).ok_or_else(|| {
        Failure::usage(format!(
            "{} is not built on {}: it does not start with its layers",
            image.name, base.name
        ))
    })?;
    Ok(Base { layers, known_by: format!("it is {}", base.name) })
}

/// The base that the image names, or the largest image that it starts with.
async fn found(
    image: &Image,
    others: &[Image],
    args: &AdviseArgs,
    settings: &Settings,
) -> Result<Base, Failure> {
    let own = &image.report.layers;
    let mut best: Option<Base> = None;
    for other in others {
        best = larger(best, own, &other.report, &other.name);
    }
    let marked = own.iter().take_while(|layer| layer.base).count();
    // Images of the same scan mark each other's bases as well: what they do not explain, a label told.
    if marked > 0 && best.as_ref().is_none_or(|best| best.layers != marked) {
        return Ok(Base { layers: marked, known_by: "the image's labels name them".to_owned() });
    }
    if args.target.server.is_some() {
        best = at_server(best, image, args, settings).await?;
    }
    let local = embedded::open_archive(&settings.cache_dir(args.target.cache_dir.as_ref())).await?;
    let query = SearchReportsRequest { limit: MOST, ..SearchReportsRequest::default() };
    let unreadable = |error: PortError| Failure::incomplete(error.to_string());
    for summary in local.search(&query, &Sight::default()).await.map_err(unreadable)? {
        if let Some(report) = local.report(&summary.report_id).await.map_err(unreadable)? {
            let name = summary.references.first().unwrap_or(&summary.image_digest);
            best = larger(best, own, &report, name);
        }
    }
    best.ok_or_else(|| {
        Failure::usage(format!("it is not known which of the layers of {} are its base", image.name)).hint(
            "name the base that it has now with --base, or scan that base first: it is found among the reports of this machine, \
             and of a server with --server",
        )
    })
}

/// As far as a server's reports show more of the image's layers to be another image.
async fn at_server(
    mut best: Option<Base>,
    image: &Image,
    args: &AdviseArgs,
    settings: &Settings,
) -> Result<Option<Base>, Failure> {
    let archive = ArchiveArgs {
        server: args.target.server.clone(),
        connection: args.target.connection.clone(),
        cache_dir: None,
    };
    let query = SearchReportsRequest { limit: MOST_REMOTE, ..SearchReportsRequest::default() };
    let mut seen = BTreeSet::new();
    for summary in report::search(query, &archive, settings).await? {
        // One report of an image tells its layers; each is fetched.
        if summary.image_digest == image.report.image_digest || !seen.insert(summary.image_digest.clone()) {
            continue;
        }
        let found = report::show(&summary.report_id, &archive, settings).await?;
        let name = summary.references.first().unwrap_or(&summary.image_digest);
        best = larger(best, &image.report.layers, &found, name);
    }
    Ok(best)
}

/// The base, or another image where more of the layers are that image's.
fn larger(best: Option<Base>, own: &[Layer], other: &Report, name: &str) -> Option<Base> {
    match bases::length_of(own, &other.layers) {
        Some(layers) if best.as_ref().is_none_or(|best| best.layers < layers) => {
            Some(Base { layers, known_by: format!("it shares them with {name}") })
        }
        _ => best,
    }
}
