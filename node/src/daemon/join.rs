//! Joining a field laptop to its bureau, with a one-time code, without a daemon.
//!
//! The laptop makes its own keys and dials home once with the key the code stands for; home answers with certificates. What comes back is
//! checked against the bureau named in the code before anything is written: a stranger who answers at that address can give nothing.

use std::time::Duration;

use accord_keys::id::CertificateId;
use accord_keys::keyfile::KdfParams;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_protocol::bureau::{self, LaptopPlan};
use accord_protocol::wire::{IdentityStatement, Join, Message, Welcome};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{Building, JoinPlan, Joined, failures, make_store, settings};
use crate::driver::Clock;
use crate::failure::Failure;
use crate::invite::Invite;
use crate::keystore::{KeyFolder, NodeKeys, check_passphrase, random};
use crate::swarm::{self, AllowedPeer, DialProblem, OutFrame, SwarmCommand, SwarmConfig, SwarmEvent};

/// Longest wait for the home node, seconds.
const HOME_S_MAX: u64 = 60;

/// Makes this machine a laptop of the bureau that made the code.
///
/// # Errors
/// `invitation_invalid`, `data_exists`, `home_not_reached`, `invitation_expired`, `home_answer`; after any of them no data folder exists.
pub fn join(plan: JoinPlan) -> Result<Joined, Failure> {
    super::keep_memory_private();
    if std::env::var_os("SSLKEYLOGFILE").is_some() {
        return Err(Failure::misuse("keylog_set"));
    }
    let invite = Invite::parse(&plan.code).map_err(|error| Failure::misuse("invitation_invalid").because(error))?;
    super::check_listens(&plan.listen)?;
    check_passphrase(&plan.node_passphrase)?;
    check_passphrase(&plan.officer_passphrase)?;
    let clock = Clock::start();
    let draft = draft_name(&invite);
    let building = Building::begin(&plan.data, Some(&draft))?;
    let folder = KeyFolder::create(&building.at, KdfParams::default())?;

    // Our own keys: nothing secret comes from home. On disk before home hears of them: when its answer is lost, the same code asked with
    // the same keys gets it again.
    let (keys, officer) = drafted(&folder, &draft, &invite, &plan.node_passphrase)?;
    let (signing, transport, hpke, store, cursor) = (keys.signing, keys.transport, keys.hpke, keys.store, keys.cursor);
    let ask = Join {
        device: SecretKey::from_seed(signing).public(),
        transport: swarm::transport_key(&transport).map_err(failures::swarm)?,
        hpke: HpkeSecret::from_seed(hpke).public(),
        officer: SecretKey::from_seed(*officer).public(),
    };
    let welcome = call_home(&invite, &ask)?;
    let joined = bureau::found_laptop(&LaptopPlan {
        network: invite.network,
        bureau: invite.bureau,
        welcome: &welcome,
        device: ask.device,
        officer: ask.officer,
        now: clock.now().wall,
        random: random()?,
    })
    .map_err(|error| Failure::refused("home_answer").because(error))?;
    let keys = NodeKeys {
        version: 1,
        network: invite.network,
        bureau: joined.bureau,
        certificate: joined.certificate,
        signing,
        transport,
        hpke,
        store,
        cursor,
    };

    make_store(&building.at, &keys, &joined.writes)?;
    folder.write_officer(&officer, &plan.officer_passphrase)?;
    folder.write_node(&keys, &plan.node_passphrase)?;
    settings(&building.at, &plan.listen)?;
    building.finish()?;
    // Last: until the folder is in place, the next try needs it.
    if let Err(failure) = KeyFolder::open(&plan.data, KdfParams::default()).and_then(|folder| folder.drop_draft(&draft)) {
        tracing::warn!(%failure, "the sealed draft of the keys is still there and may be removed");
    }
    Ok(Joined {
        bureau: joined.bureau.to_string(),
        name: name_of(&welcome, &invite),
        certificate: joined.certificate.to_string(),
        officer: welcome.officer_name,
        data: plan.data.display().to_string(),
    })
}

/// Whether a file of the key folder is called as [`draft_name`] calls it.
pub(super) fn is_draft(name: &str) -> bool {
    name.starts_with("join-") && name.ends_with(".keys")
}

/// The file of the keys made for one code.
fn draft_name(invite: &Invite) -> String {
    let hash = blake3::derive_key("accord laptop draft keys v1", &*invite.transport_seed());
    let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("join-{hex}.keys")
}

/// The keys an earlier try with this code made, else new ones; on disk either way. Node and officer.
fn drafted(folder: &KeyFolder, draft: &str, invite: &Invite, passphrase: &str) -> Result<(NodeKeys, Zeroizing<[u8; 32]>), Failure> {
    if let Some(found) = folder.read_draft(draft, passphrase)? {
        return Ok(found);
    }
    let keys = NodeKeys {
        version: 1,
        network: invite.network,
        bureau: invite.bureau,
        // Not known before home answers.
        certificate: CertificateId([0; 32]),
        signing: random()?,
        transport: random()?,
        hpke: random()?,
        store: random()?,
        cursor: random()?,
    };
    let officer = Zeroizing::new(random()?);
    folder.write_draft(draft, &keys, &officer, passphrase)?;
    Ok((keys, officer))
}

/// What the bureau calls itself: its newest root says so. The answer was checked before.
fn name_of(welcome: &Welcome, invite: &Invite) -> String {
    let roots = welcome.statements.iter().filter_map(|bytes| match IdentityStatement::from_bytes(&invite.network, &bytes.0) {
        Ok(IdentityStatement::Root(root)) => Some((root.body().version, root.body().name.clone())),
        _ => None,
    });
    roots.max().map(|(_, name)| name).unwrap_or_default()
}

/// Dials home with the code's key, asks, and waits for the answer.
fn call_home(invite: &Invite, ask: &Join) -> Result<Welcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::fault("no_runtime").because(error))?;
    let answer = runtime.block_on(async {
        let (commands, mut events) = swarm::start(SwarmConfig::default(), &invite.transport_seed()).await.map_err(failures::swarm)?;
        let home = AllowedPeer { transport: invite.home, addresses: vec![invite.address.clone()], dial: true };
        let gone = |_| Failure::fault("internal").with("cause", "the network task ended");
        commands.send(SwarmCommand::Allow(vec![home])).await.map_err(gone)?;
        let mut problem = String::from("no answer");
        let waited = tokio::time::timeout(Duration::from_secs(HOME_S_MAX), converse(&commands, &mut events, ask, &mut problem)).await;
        let _ = commands.send(SwarmCommand::Stop).await;
        waited.unwrap_or_else(|_| Err(Failure::unreachable("home_not_reached").with("address", &invite.address).because(problem)))
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    answer
}

async fn converse(
    commands: &mpsc::Sender<SwarmCommand>,
    events: &mut mpsc::Receiver<SwarmEvent>,
    ask: &Join,
    problem: &mut String,
) -> Result<Welcome, Failure> {
    let ended = || Failure::fault("internal").with("cause", "the network task ended");
    let mut turned_away = 0;
    while let Some(event) = events.recv().await {
        match event {
            SwarmEvent::Up { link, .. } => {
                let frame = OutFrame { bytes: Message::Join(ask.clone()).encode(), gate: None };
                commands.send(SwarmCommand::Send { link, frame }).await.map_err(|_| ended())?;
            }
            SwarmEvent::Frame { bytes, .. } => match Message::decode(&bytes) {
                Ok(Message::Welcome(welcome)) => return Ok(welcome),
                Ok(Message::Refusal { reference, .. }) => {
                    return Err(Failure::refused("invitation_expired").with("reference", format!("{reference:016x}")));
                }
                // Home greets every link; a laptop that is not yet one has nothing to say to that.
                Ok(_) => {}
                Err(error) => return Err(Failure::refused("home_answer").because(error)),
            },
            // Home answers and does not know this key. Once may be a race with its allow-list, twice is a code used up or run out.
            SwarmEvent::DialFailed { error: DialProblem::NotListed, .. } => {
                turned_away += 1;
                if turned_away > 1 {
                    return Err(Failure::refused("invitation_expired"));
                }
            }
            SwarmEvent::DialFailed { error, .. } => *problem = error.to_string(),
            SwarmEvent::Down { reason, .. } => *problem = reason.to_string(),
            SwarmEvent::Listening { .. } | SwarmEvent::Dropped { .. } | SwarmEvent::Refused { .. } => {}
        }
    }
    Err(ended())
}

#[cfg(test)]
mod tests {
    use accord_keys::id::{BureauId, NetworkId, TransportKey};

    use super::*;

    #[test]
    fn a_second_try_with_the_same_code_asks_with_the_same_keys() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("laptop");
        let invite = |secret| Invite {
            network: NetworkId([1; 32]),
            bureau: BureauId([2; 32]),
            home: TransportKey([3; 32]),
            address: "127.0.0.1:7400".to_owned(),
            secret: Zeroizing::new([secret; 16]),
        };
        let check = |secret, passphrase: &str| {
            let draft = draft_name(&invite(secret));
            let building = Building::begin(&data, Some(&draft)).expect("nothing else is there");
            let folder = KeyFolder::create(&building.at, KdfParams::WEAKEST).expect("a new folder");
            drafted(&folder, &draft, &invite(secret), passphrase).map(|(keys, officer)| (keys.signing, *officer)).map_err(|f| f.code)
        };
        let first = check(4, "correct horse").expect("made");
        assert_eq!(check(4, "correct horse").expect("taken up again"), first);
        assert_eq!(check(4, "wrong horse"), Err("wrong_passphrase".to_owned()));
        assert_eq!(check(4, "correct horse").expect("still there"), first);
        assert_ne!(check(5, "correct horse").expect("another code"), first);
    }
}
