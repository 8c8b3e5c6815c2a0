//! Risks that a server's users share: they count for whoever judges reports with that server, as those of a policy file do.

use strata_client::Client;

use crate::{command::announce, gate::Gate, policy::accepted::Accepted};

/// Takes a server's accepted risks into the gate. Where it does not tell them, every finding counts, and that is said.
pub async fn accept(client: Option<&Client>, gate: &mut Gate) {
    let Some(client) = client else { return };
    match client.clone().list_accepted_risks(false).await {
        Ok(risks) => gate.accept_also(risks.into_iter().filter_map(Accepted::kept)),
        Err(error) => announce(&format!("warning: all findings count: {error}")),
    }
}
