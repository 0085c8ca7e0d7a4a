//! Partners that only receive: the real core and the real transport, each with keys of its own; they verify, admit and acknowledge, and keep
//! everything in memory. What many partners cost a hub is measured with them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use accord_keys::id::NetworkId;
use accord_keys::secret::{HpkeSecret, SecretKey};
use accord_node::driver::Clock;
use accord_node::swarm::{self, AllowedPeer, OutFrame, SwarmCommand, SwarmConfig, SwarmEvent};
use accord_protocol::bureau::{self, Bureau, FoundPlan, Identity};
use accord_protocol::id::{CertificateId, DocumentId};
use accord_protocol::input::{Command, CommandId, Input, LinkId};
use accord_protocol::step::Write;
use accord_protocol::view::View;
use accord_protocol::wire;
use tokio::sync::mpsc;

use crate::Failed;

/// A partner in this process.
pub struct Sink {
    /// What it calls itself.
    pub name: String,
    inner: Arc<Mutex<Inner>>,
    stalled: Arc<AtomicBool>,
}

struct Inner {
    core: Bureau,
    clock: Clock,
    network: NetworkId,
    items: BTreeMap<DocumentId, Vec<(u64, Vec<u8>)>>,
    out: mpsc::Sender<SwarmCommand>,
    arrivals: SyncSender<(String, Instant)>,
    commands: u64,
}

/// A document that a sink holds now, and since when.
pub type Arrival = (String, Instant);

/// What goes out, and the answer to a command.
type Done = (Vec<SwarmCommand>, Option<Result<View, Failed>>);

impl Inner {
    /// One input; what it asks the disk to keep stays in memory, and what it sends waits to be carried.
    fn handle(&mut self, input: Input) -> Result<Done, Failed> {
        for document in self.core.needs(&input) {
            let items = self.items.get(&document).cloned().unwrap_or_default();
            self.core.hold(document, items)?;
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| error.to_string())?;
        let step = self.core.handle(self.clock.now(), seed, input);
        let mut new = Vec::new();
        for write in step.writes {
            if let Write::Item { document, seq, body } = write {
                let items = self.items.entry(document).or_default();
                if items.is_empty() {
                    new.push(document);
                }
                items.push((seq, body));
            }
        }
        self.core.committed();
        let came = Instant::now();
        for document in new {
            // Nobody looks any more when the scenario is over.
            let _ = self.arrivals.try_send((document.to_string(), came));
        }
        let mut out = Vec::new();
        if let Some(allow) = step.allow {
            out.push(SwarmCommand::Allow(allow.into_iter().map(allowed).collect()));
        }
        for send in step.sends {
            let frame = OutFrame { bytes: send.bytes, gate: None };
            out.push(SwarmCommand::Send { link: swarm::LinkId(send.link.0), frame });
        }
        out.extend(step.close.into_iter().map(|link| SwarmCommand::Close { link: swarm::LinkId(link.0), reason: 0 }));
        let answer = step.answers.into_iter().next();
        let answer = answer.map(|(_, answer)| answer.map_err(|refused| format!("refused: {} {:?}", refused.code, refused.params).into()));
        Ok((out, answer))
    }

    fn heard(&mut self, event: SwarmEvent) -> Result<Vec<SwarmCommand>, Failed> {
        let input = match event {
            SwarmEvent::Up { link, transport, outgoing, .. } => Input::LinkUp { link: LinkId(link.0), transport, outgoing },
            SwarmEvent::Down { link, .. } => Input::LinkDown { link: LinkId(link.0) },
            SwarmEvent::Frame { link, bytes } => {
                Input::Message { link: LinkId(link.0), message: wire::check(&self.core.directory(), &self.network, &bytes)? }
            }
            _ => return Ok(Vec::new()),
        };
        Ok(self.handle(input)?.0)
    }
}

fn allowed(peer: accord_protocol::step::AllowedPeer) -> AllowedPeer {
    AllowedPeer { transport: peer.transport, addresses: peer.addresses, dial: peer.dial }
}

impl Sink {
    /// Founds bureau `n` and lets it listen on a free port.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn start(n: usize, port: u16, network: NetworkId, arrivals: SyncSender<Arrival>) -> Result<Self, Failed> {
        let clock = Clock::start();
        let seed = |of: u8| {
            let mut seed = [of; 32];
            seed[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
            seed
        };
        let name = format!("第{n}县消防大队");
        let listen = format!("/ip4/127.0.0.1/tcp/{port}");
        let node = Arc::new(SecretKey::from_seed(seed(1)));
        let transport = swarm::transport_key(&seed(2))?;
        let mut random = [0; 64];
        random[..32].copy_from_slice(&seed(3));
        let founded = bureau::found(&FoundPlan {
            network,
            unit_code: format!("34{n:04}"),
            name: name.clone(),
            addresses: vec![listen.clone()],
            phone: "000-0000000".to_owned(),
            officer: "officer".to_owned(),
            root: &SecretKey::from_seed(seed(4)),
            node: node.as_ref(),
            transport,
            hpke: HpkeSecret::from_seed(seed(5)).public(),
            now: clock.now().wall,
            random,
        })?;
        let rows = founded.writes.into_iter().filter_map(|write| match write {
            Write::Put { table, key, value: Some(value) } => Some((table, key, value)),
            _ => None,
        });
        let identity = Identity { network, bureau: founded.bureau, certificate: founded.certificate, signer: node, cursor_key: seed(6) };
        let core = Bureau::open(clock.now(), identity, rows.collect())?;
        let config = SwarmConfig { listen: vec![listen], quic: false, ..SwarmConfig::default() };
        let (out, mut events) = swarm::start(config, &seed(2)).await?;
        let inner = Inner { core, clock, network, items: BTreeMap::new(), out: out.clone(), arrivals, commands: 0 };
        let sink = Self { name, inner: Arc::new(Mutex::new(inner)), stalled: Arc::default() };
        let officer = Arc::new(SecretKey::from_seed(seed(7)));
        sink.ask(Command::OfficerEnrol { name: "officer".to_owned(), key: officer.public() })?;
        let View::Officers { officers } = sink.ask(Command::OfficerFind { name: "officer".to_owned() })? else {
            return Err("no officer".into());
        };
        let certificate = officers.first().and_then(|officer| CertificateId::from_hex(&officer.certificate)).ok_or("no certificate")?;
        sink.ask(Command::Unlock { name: "officer".to_owned(), certificate, signer: officer })?;
        let (inner, stalled) = (Arc::clone(&sink.inner), Arc::clone(&sink.stalled));
        tokio::spawn(async move {
            loop {
                // A stalled partner takes nothing from its line and lets it stand.
                while stalled.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                let heard = tokio::select! {
                    event = events.recv() => match event {
                        Some(event) => inner.lock().unwrap_or_else(PoisonError::into_inner).heard(event),
                        None => return,
                    },
                    () = tokio::time::sleep(Duration::from_millis(500)) => {
                        inner.lock().unwrap_or_else(PoisonError::into_inner).handle(Input::Wake).map(|(out, _)| out)
                    }
                };
                // What a sink cannot read shows as a document that never arrives.
                for command in heard.unwrap_or_default() {
                    if out.send(command).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(sink)
    }

    /// One command in the name of its only officer.
    ///
    /// # Errors
    /// The refusal.
    pub fn ask(&self, command: Command) -> Result<View, Failed> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.commands += 1;
        let id = CommandId(inner.commands);
        let (out, answer) = inner.handle(Input::Command { id, person: None, dry_run: false, command })?;
        for command in out {
            inner.out.try_send(command).map_err(|error| error.to_string())?;
        }
        answer.ok_or("no answer")?
    }

    /// From now on it takes nothing from its line, or takes it again.
    pub fn stall(&self, stalled: bool) {
        self.stalled.store(stalled, Ordering::Relaxed);
    }
}
