//! The timeline of an order: its events as they stand in the log, as pages or as a stream that goes on.
//! Where they are is told by the read model, so both show the same events in the same order.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request},
    response::{IntoResponse, Response, sse::Event},
};
use futures_util::{Stream, stream};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use tradewind_engine::LogPosition;
use tradewind_events::{AsKey, Envelope, Id, Subject, Timestamp, Value, id};
use tradewind_orders::ORDER_NOT_FOUND;
use tradewind_query::OrderView;

use crate::{
    http::{
        Accepts, Call, Describe, Describer, Events, Failure, LastEventId, Okay, Page, PageOf, Path, WaitUntilFound,
        refusals::{CURSOR_INVALID, HEADER_INVALID},
    },
    hub::Watch,
    shop::Shop,
    timeline::{events_at, places_after},
};

/// Events that are read from the log at a time.
const CHUNK_EVENTS: usize = 100;

/// A stream looks at the read model so often even when nothing was said: one that was paused catches up silently.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// An event of an order.
#[derive(Serialize, JsonSchema)]
pub struct TimelineEvent {
    event_id: Id,
    /// `order.placed`
    name: &'static str,
    /// Of the data.
    version: u16,
    /// The service that said it, or `BRIDGE.ROLE` of what a bridge has imported.
    source: Arc<str>,
    /// What it is about: `reservation/ORDER_ID`.
    #[schemars(with = "String")]
    subject: Subject,
    time: Timestamp,
    /// Counts the events of one source and subject from 1.
    sequence: u64,
    /// The same for all that follows from one request.
    correlation_id: Id,
    /// The event, request or timer that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<Id>,
    /// As docs/events.md has them. What is personal is masked, but for the customer and staff.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    data: Box<RawValue>,
}

/// A page, or a stream for those who accept one.
pub enum Timeline {
    Page(Okay<PageOf<TimelineEvent>>),
    Stream(Events),
    /// Nothing is left to tell: a client that comes back need not come again.
    Over,
}

/// Whether a stream is asked for, and after which event it begins.
pub struct Asked {
    accepts: Accepts,
    last: Option<String>,
}

/// What a stream has told and what is next.
struct Telling {
    shop: Shop,
    order_id: Id,
    shows_personal: bool,
    watch: Watch,
    /// Of the events that the row of the order keeps.
    told: BTreeSet<LogPosition>,
    /// The last one of the others.
    told_rest: Option<LogPosition>,
    next: VecDeque<Event>,
    over: bool,
}

/// From the first to the last. A stream tells what has been, after the event that the client has seen last, and then
/// what happens, until the order is settled.
pub async fn read(
    call: Call,
    asked: Asked,
    wait: WaitUntilFound,
    page: Page,
    Path(order_id): Path<Id>,
) -> Result<Timeline, Failure> {
    let Asked { accepts, last } = asked;
    let (watch, order, customer_id) = call.until_found(wait, &order_id, || known(&call, &order_id)).await?;
    let shows_personal = call.sees_personal(&customer_id);
    if !accepts.event_stream() {
        return paged(&call, &page, order, shows_personal).await.map(Timeline::Page);
    }
    let after = last.map(|id| address(&id).ok_or_else(|| last_event_unknown(&id))).transpose()?;
    let told: BTreeSet<LogPosition> = order.timeline.iter().filter(|address| Some(*address) <= after).collect();
    if after.is_some() && order.settled && places(&call, order, after, 1).await?.is_empty() {
        return Ok(Timeline::Over);
    }
    let (shop, next) = (Shop::clone(&call), VecDeque::new());
    let telling = Telling { shop, order_id, shows_personal, watch, told, told_rest: after, next, over: false };
    call.stream(telling.events()).map(Timeline::Stream)
}

/// An order that the caller may see, with its customer. It is watched before the read model is looked at, so that nothing
/// is missed between the two.
async fn known(call: &Call, order_id: &Id) -> Result<(Watch, OrderView, Id), Failure> {
    let watch = call.hub.watch(order_id);
    // The same words as for an order of somebody else.
    let unknown = || ORDER_NOT_FOUND.problem();
    let order = call.load::<OrderView>(order_id).await?.ok_or_else(unknown)?;
    let customer_id = order.customer_id.clone().ok_or_else(unknown)?;
    call.owned_by(&customer_id, ORDER_NOT_FOUND)?;
    Ok((watch, order, customer_id))
}

async fn paged(
    call: &Call,
    page: &Page,
    order: OrderView,
    shows_personal: bool,
) -> Result<Okay<PageOf<TimelineEvent>>, Failure> {
    let list = format!("timeline of {}", order.order_id);
    let unknown = || CURSOR_INVALID.problem().at("cursor");
    let after = page.after(call, &list)?.map(|(_, key)| address(key.as_str()).ok_or_else(unknown)).transpose()?;
    let limit = page.limit as usize;
    // One more than asked for tells whether there is a next page.
    let mut wanted = places(call, order, after, limit + 1).await?;
    let more = wanted.len() > limit;
    wanted.truncate(limit);
    let next_cursor =
        wanted.last().filter(|_| more).map(|last| Page::cursor(call, &list, &Value::Null, &place(*last).as_key()));
    let events = read_events(call, wanted).await?;
    let items = events.iter().map(|(_, event)| TimelineEvent::of(event, shows_personal));
    Ok(Okay(PageOf { items: items.collect::<Result<_, _>>().map_err(unshown)?, next_cursor }))
}

impl Telling {
    fn events(self) -> impl Stream<Item = Event> {
        stream::unfold(self, |mut telling| async move {
            loop {
                if let Some(event) = telling.next.pop_front() {
                    return Some((event, telling));
                }
                if telling.over {
                    return None;
                }
                if let Err(failure) = telling.look().await {
                    // The client comes back, and goes on after the last event that it has seen.
                    tracing::warn!(code = failure.code(), "an event stream has ended");
                    return None;
                }
                if telling.next.is_empty() && !telling.over {
                    telling.wait().await;
                }
            }
        })
    }

    /// Reads what is there and was not told.
    async fn look(&mut self) -> Result<(), Failure> {
        let Some(order) = self.shop.load::<OrderView>(&self.order_id).await? else {
            self.over = true;
            return Ok(());
        };
        let is_settled = order.settled;
        let untold = order.timeline.iter().filter(|address| !self.told.contains(address));
        // One more than is told now tells whether something is left.
        let mut wanted: Vec<LogPosition> = untold.take(CHUNK_EVENTS + 1).collect();
        self.told.extend(wanted.iter().take(CHUNK_EVENTS));
        if order.timeline_full && wanted.len() <= CHUNK_EVENTS {
            let after = self.told_rest.max(order.timeline.last()).max(self.told.last().copied());
            let limit = CHUNK_EVENTS + 1 - wanted.len();
            wanted.extend(places(&self.shop, order, after, limit).await?);
            self.told_rest = wanted.iter().take(CHUNK_EVENTS).copied().max().max(after);
        }
        self.over = is_settled && wanted.len() <= CHUNK_EVENTS;
        wanted.truncate(CHUNK_EVENTS);
        for (address, event) in read_events(&self.shop, wanted).await? {
            let view = TimelineEvent::of(&event, self.shows_personal).map_err(unshown)?;
            let data = serde_json::to_string(&view).map_err(|error| Failure::internal("telling an event", &error))?;
            self.next.push_back(Event::default().id(place(address)).event(view.name).data(data));
        }
        Ok(())
    }

    async fn wait(&mut self) {
        match tokio::time::timeout(LOOK_EVERY, self.watch.next()).await {
            Ok(Some(_)) | Err(_) => {}
            // Too slow: what it has missed is in the read model.
            Ok(None) => self.watch = self.shop.hub.watch(&self.order_id),
        }
    }
}

/// Where the events of an order are after a place, at most so many.
async fn places(
    shop: &Shop,
    order: OrderView,
    after: Option<LogPosition>,
    limit: usize,
) -> Result<Vec<LogPosition>, Failure> {
    shop.read(move |reader| places_after(reader, &order, after, limit)).await
}

/// The events at these places of the log, in their order.
async fn read_events(shop: &Shop, wanted: Vec<LogPosition>) -> Result<Vec<(LogPosition, Envelope)>, Failure> {
    let store = Arc::clone(&shop.store_name);
    shop.read(move |reader| events_at(reader, &store, wanted)).await
}

/// A place in the log as text: `12-3` is event 3 of segment 12.
fn place(address: LogPosition) -> Id {
    id(&format!("{}-{}", address.segment, address.index))
}

fn address(place: &str) -> Option<LogPosition> {
    let (segment, index) = place.split_once('-')?;
    Some(LogPosition { segment: segment.parse().ok()?, index: index.parse().ok()? })
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err hands over")]
fn unshown(error: serde_json::Error) -> Failure {
    Failure::internal("showing an event", &error)
}

fn last_event_unknown(id: &str) -> Failure {
    HEADER_INVALID.because(format!("{id:?} is not the id of an event of a stream.")).at("Last-Event-ID")
}

impl TimelineEvent {
    pub fn of(envelope: &Envelope, shows_personal: bool) -> Result<Self, serde_json::Error> {
        let write = || envelope.to_raw();
        let raw = if shows_personal { write() } else { tradewind_events::mask(write) }?;
        Ok(Self {
            event_id: raw.id,
            name: envelope.event.name(),
            version: raw.version,
            source: raw.source.shared(),
            subject: envelope.subject.clone(),
            time: raw.time,
            sequence: raw.sequence,
            correlation_id: raw.correlation_id,
            causation_id: raw.causation_id,
            data: raw.data,
        })
    }
}

impl FromRequestParts<Shop> for Asked {
    type Rejection = Failure;
    async fn from_request_parts(parts: &mut request::Parts, shop: &Shop) -> Result<Self, Failure> {
        let accepts = Accepts::from_request_parts(parts, shop).await?;
        let LastEventId(last) = LastEventId::from_request_parts(parts, shop).await?;
        Ok(Self { accepts, last })
    }
}

impl Describe for Asked {
    fn describe(describer: &mut Describer) {
        Accepts::describe(describer);
        LastEventId::describe(describer);
    }
}

impl IntoResponse for Timeline {
    fn into_response(self) -> Response {
        match self {
            Self::Page(page) => page.into_response(),
            Self::Stream(events) => events.into_response(),
            Self::Over => StatusCode::NO_CONTENT.into_response(),
        }
    }
}

impl Describe for Timeline {
    fn describe(describer: &mut Describer) {
        <Okay<PageOf<TimelineEvent>> as Describe>::describe(describer);
        Events::describe(describer);
        describer.answers_nothing(StatusCode::NO_CONTENT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_log_is_read_as_it_is_written() {
        let at = LogPosition { segment: 12, index: 3 };
        assert_eq!((place(at).as_str(), address("12-3")), ("12-3", Some(at)));
        for bad in ["", "12", "12-", "-3", "a-3", "12-3-4"] {
            assert_eq!(address(bad), None, "{bad}");
        }
    }
}
