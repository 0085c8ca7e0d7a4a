//! `publish`: bulletins a second through the API, by clients at once, beside durable appends of the same bytes.

use std::time::Instant;

use serde_json::json;

use crate::county::{Daemon, Over, Pair, sent};
use crate::figures::Table;
use crate::{Failed, Plan, limits, workload};

/// Clients that publish at once.
const CLIENTS: [usize; 3] = [1, 4, 16];

/// Measures.
///
/// # Errors
/// When a daemon fails.
pub fn measure(plan: &Plan) -> Result<Table, Failed> {
    let mut table = Table::new("publish");
    let bulletins = plan.count(480, 16);
    let repeats = plan.repeats(3);
    table.note(format!(
        "{bulletins} bulletins of 600 characters per repeat; each client waits for its answer before it publishes the next."
    ));
    table.note("alone: the partner is down. delivered: until the partner has acknowledged the last one. bare: one append of the journal's bytes per bulletin + fdatasync.");
    let dir = plan.folder()?;
    let mut pair = Pair::agreed(dir.path(), Over::Quic)?;
    let mut events = pair.a.events()?;
    for partner_up in [true, false] {
        if !partner_up {
            pair.b.stop()?;
        }
        for clients in CLIENTS {
            let (mut rates, mut bare, mut arrived, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for _ in 0..repeats {
                let before = pair.a.journal_bytes()?;
                events.forget();
                let begun = Instant::now();
                let ids = publish(&pair.a, &pair.b.name, clients, bulletins)?;
                let published = begun.elapsed().as_secs_f64();
                if partner_up {
                    for id in &ids {
                        events.next("delivered", id)?;
                    }
                    arrived.push(ids.len() as f64 / begun.elapsed().as_secs_f64());
                }
                rates.push(ids.len() as f64 / published);
                let each = (pair.a.journal_bytes()? - before) / ids.len() as u64;
                bytes.push(each as f64);
                bare.push(limits::appends_per_s(dir.path(), usize::try_from(each)?, bulletins)?);
            }
            let state = if partner_up { "partner up" } else { "alone" };
            table.row(format!("{state}, {clients} client(s): published"), "bulletins/s", &rates);
            if partner_up {
                table.row(format!("{state}, {clients} client(s): delivered"), "bulletins/s", &arrived);
            }
            table.row(format!("{state}, {clients} client(s): journal"), "bytes/bulletin", &bytes);
            table.row("limit: bare append + fdatasync", "batches/s", &bare);
            table.ratio(format!("{state}, {clients} client(s): published / bare"), &rates, &bare);
        }
    }
    pair.a.stop()?;
    Ok(table)
}

/// Publishes with several clients at once; the ids in no order.
fn publish(daemon: &Daemon, to: &str, clients: usize, bulletins: usize) -> Result<Vec<String>, Failed> {
    let each = bulletins.div_ceil(clients);
    let mut waiting = Vec::new();
    for client in 0..clients {
        let (api, to) = (daemon.client()?, to.to_owned());
        waiting.push(std::thread::spawn(move || -> Result<Vec<String>, String> {
            let mut ids = Vec::with_capacity(each);
            for n in 0..each {
                let body = json!({
                    "text": {
                        "title": format!("火灾隐患通报 {client}-{n}"), "text": workload::text(client * each + n),
                        "category": "FIRE.HAZ", "subkind": "hazard",
                    },
                    "to": [to],
                });
                let answer = api.post("/v1/bulletins", &body, false).map_err(|failure| failure.to_string())?;
                ids.push(sent(answer).map_err(|failed| failed.to_string())?);
            }
            Ok(ids)
        }));
    }
    let mut all = Vec::new();
    for thread in waiting {
        all.extend(thread.join().map_err(|_| "a client panicked")??);
    }
    Ok(all)
}
