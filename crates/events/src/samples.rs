//! One sample of every event, with every field filled and no two ids alike: for tests, examples in documents, and
//! to see what an event looks like on the wire. Nothing in a running shop uses them.

mod catalog;
mod fields;
mod identity;
mod inventory;
mod orders;
mod payments;
mod shipping;
mod values;

use std::sync::Arc;

pub use fields::{Field, fields, sparse};

use crate::{AnyEvent, registry::with_events};

/// A type with a sample of its own.
pub trait Sample: Sized {
    /// With every optional field.
    fn sample() -> Self;
}

impl<T: Sample> Sample for Arc<T> {
    fn sample() -> Self {
        Self::new(T::sample())
    }
}

/// One of each, fully filled, by service.
pub fn all() -> Vec<Arc<dyn AnyEvent>> {
    macro_rules! filled {
        ($($service:ident: $($event:ident),+;)+) => {
            vec![$($(Arc::new(crate::$service::$event::sample()),)+)+]
        };
    }
    with_events!(filled)
}

/// `Event { field: value, … }` for many events.
macro_rules! samples {
    ($($event:ident { $($fields:tt)* })+) => {$(
        impl $crate::samples::Sample for $event {
            fn sample() -> Self {
                Self { $($fields)* }
            }
        }
    )+};
}
use samples;
