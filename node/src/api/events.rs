//! Events as a page and as a stream that can be taken up again where it broke off.

use std::collections::VecDeque;
use std::convert::Infallible;

use accord_protocol::input::Command;
use accord_protocol::view::{EventView, View};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use tokio::sync::{broadcast, watch};

use super::App;
use super::extract::{Answer, Problems, Query};
use crate::failure::Failure;
use crate::handle::{Handle, stopped};

/// Events in one page.
const PAGE_MAX: u64 = 1_000;

/// `GET /v1/events?after=N&limit=M`.
pub(super) async fn page(State(app): State<App>, query: Query) -> Result<Answer<View>, Problems> {
    query.only(&[])?;
    let limit = query.limit.unwrap_or(PAGE_MAX).min(PAGE_MAX);
    let command = Command::Events { after: query.after.unwrap_or(0), limit: usize::try_from(limit).unwrap_or(usize::MAX) };
    Ok(Answer(app.handle.ask(query.who.person, false, command).await?))
}

/// `GET /v1/events/stream?after=N`; `Last-Event-ID` counts as `after`. Without either: from now on.
pub(super) async fn stream(
    State(app): State<App>,
    query: Query,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problems> {
    query.only(&[])?;
    let resumed = match headers.get("last-event-id") {
        None => None,
        Some(value) => {
            let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
            Some(number.ok_or_else(|| Failure::misuse("bad_query").with("name", "Last-Event-ID"))?)
        }
    };
    // Subscribed before the first page is read, so nothing falls between page and stream.
    let live = app.handle.subscribe();
    let after = resumed.or(query.after);
    let tail = Tail {
        handle: app.handle.clone(),
        live,
        stop: app.stop.clone(),
        last: after,
        missed: 0,
        behind: after.is_some(),
        held: VecDeque::new(),
    };
    let events = futures::stream::unfold(tail, |mut tail| async move {
        let event = tail.next().await?;
        let data = serde_json::to_string(&event).unwrap_or_default();
        Some((Ok(Event::default().id(event.position.to_string()).data(data)), tail))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Everything after a position, once each, in order.
struct Tail {
    handle: Handle,
    live: broadcast::Receiver<EventView>,
    stop: watch::Receiver<bool>,
    /// Position of the last one told; `None` until the first of a stream from now on.
    last: Option<u64>,
    /// Events that came and went before the first could be told.
    missed: u64,
    /// Whether there may be events to page through before the live ones.
    behind: bool,
    held: VecDeque<EventView>,
}

impl Tail {
    /// The next event; `None` when the daemon stops.
    async fn next(&mut self) -> Option<EventView> {
        loop {
            if let Some(event) = self.held.pop_front() {
                if self.last.is_some_and(|last| event.position <= last) {
                    continue;
                }
                self.last = Some(event.position);
                return Some(event);
            }
            if self.behind {
                let limit = usize::try_from(PAGE_MAX).unwrap_or(usize::MAX);
                let Ok(View::Events { events }) = self.handle.command(Command::Events { after: self.last.unwrap_or(0), limit }).await
                else {
                    return None;
                };
                self.behind = !events.is_empty();
                self.held = events.into();
                continue;
            }
            tokio::select! {
                () = stopped(&mut self.stop) => return None,
                event = self.live.recv() => match event {
                    Ok(event) => {
                        if self.missed > 0 {
                            // Positions are consecutive, so this one says where "now" was.
                            self.last = Some(event.position.saturating_sub(1).saturating_sub(self.missed));
                            (self.missed, self.behind) = (0, true);
                        } else {
                            self.held.push_back(event);
                        }
                    }
                    // Slower than the events came: read what was missed, and nothing before it.
                    Err(broadcast::error::RecvError::Lagged(count)) => match self.last {
                        Some(_) => self.behind = true,
                        None => self.missed = self.missed.saturating_add(count),
                    },
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
        }
    }
}
