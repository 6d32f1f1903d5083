//! HTTP: from a connection to an answer. `table.rs` lists every route on one page; `routes/` has their handlers, a file
//! a service. Everything that they share is here: who asks, limits, idempotency, problems, pages, documents.

mod address;
mod answer;
mod body;
mod call;
mod connections;
mod cors;
mod cursor;
mod describe;
mod edge;
mod extract;
mod fault;
mod gate;
mod host;
mod intake;
mod limiter;
mod location;
mod objects;
mod openapi;
mod paced;
mod page;
mod patch;
mod places;
mod probes;
mod problem;
pub mod refusals;
mod route;
mod router;
mod search;
mod serve;
mod stream;
#[rustfmt::skip] // a table is read by its lines
mod table;
mod tls;

pub use answer::{Accepted, Answer, Created, Done, Okay, OnItsWay, Sent, There};
pub use body::{BodyBytes, Json, read};
pub use call::{Call, Principal, Wait};
pub use cursor::Mark;
pub use describe::{Describe, Describer};
pub use edge::answer;
pub use extract::{Accepts, Path, Query, Signature};
pub use gate::{AUDIT_REASON_CHARS_MAX, is_reason};
pub use limiter::Limiter;
pub use location::location;
pub use openapi::{document, text as openapi_text};
pub use page::{Page, PageOf};
pub use patch::Patch;
pub use places::{Place, Places};
pub use problem::{Failure, status_of};
pub use route::{Route, Section, Who, delete, get, patch, post, put};
pub use router::router;
pub use serve::Server;
pub use stream::{Events, LastEventId};
pub use table::{probe_table, table};
pub use tls::{Tls, TlsError};
