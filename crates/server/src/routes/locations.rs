//! Locations: the places that hold stock.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tradewind_engine::{Entity, ports::List};
use tradewind_events::Id;
use tradewind_inventory::{CreateLocation, LOCATION_NOT_FOUND, Location, UpdateLocation};

use crate::http::{Call, Created, Failure, Json, Okay, Page, PageOf, Path, Sent, location};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewLocation {
    /// Made when it is absent.
    #[serde(default)]
    location_id: Option<Id>,
    name: Arc<str>,
    /// Orders are served from the lowest number first. 100 when it is absent.
    #[serde(default)]
    priority: Option<u32>,
}

/// What is absent stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocationChange {
    #[serde(default)]
    name: Option<Arc<str>>,
    #[serde(default)]
    priority: Option<u32>,
}

/// A place that holds stock.
#[derive(Serialize, JsonSchema)]
pub struct LocationView {
    location_id: Id,
    name: Arc<str>,
    /// Orders are served from the lowest number first.
    priority: u32,
}

pub async fn create(call: Call, Json(new): Json<NewLocation>) -> Result<Sent<Created<LocationView>>, Failure> {
    let NewLocation { location_id, name, priority } = new;
    let answer = |made: &Location| Created {
        location: location("/v1/locations", made.location_id()),
        body: LocationView::from(made),
    };
    call.submit(CreateLocation { location_id, name, priority }, answer).await
}

pub async fn list(call: Call, page: Page) -> Result<Okay<PageOf<LocationView>>, Failure> {
    call.page(&page, List::of(Location::TABLE, page.limit), |location: Location| LocationView::from(&location)).await
}

pub async fn read(call: Call, Path(location_id): Path<Id>) -> Result<Okay<LocationView>, Failure> {
    let unknown = || LOCATION_NOT_FOUND.because(format!("there is no location {location_id}"));
    let location = call.load::<Location>(&location_id).await?.ok_or_else(unknown)?;
    Ok(Okay(LocationView::from(&location)))
}

pub async fn update(
    call: Call,
    Path(location_id): Path<Id>,
    Json(change): Json<LocationChange>,
) -> Result<Sent<Okay<LocationView>>, Failure> {
    let LocationChange { name, priority } = change;
    call.submit(UpdateLocation { location_id, name, priority }, |location| Okay(LocationView::from(location))).await
}

impl From<&Location> for LocationView {
    fn from(location: &Location) -> Self {
        Self {
            location_id: location.location_id().clone(),
            name: Arc::clone(location.name()),
            priority: location.priority(),
        }
    }
}
