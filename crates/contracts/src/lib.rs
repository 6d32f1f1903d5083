//! Contract packs: how the messages of another system are translated into canonical events and back.
//!
//! A pack is a folder of data: a manifest, schemas, mappings, examples, a changelog. [`Pack::load`] reads and checks it
//! whole, [`Pack::import`] turns the bytes of a message into a draft of an event, [`Pack::export`] an event into messages.
//! Everything here is pure but [`PackFiles::read`], which reads a folder.

mod canonical;
mod check;
mod compile;
mod convert;
mod envelope;
mod fault;
mod files;
mod inward;
mod json;
pub mod limits;
mod load;
mod manifest;
mod mapping;
mod outward;
mod pack;
mod proto;
mod refusal;
mod rule;
mod scaffold;
mod settings;
mod shape;
mod tool;
mod translate;
mod value;

pub use canonical::EventShape;
pub use check::unhex;
pub use compile::CONVERTERS;
pub use convert::Note;
pub use envelope::{DraftMeta, EventMeta};
pub use fault::Fault;
pub use files::PackFiles;
pub use manifest::{Broker, Channel, ChannelKind, Encoding, Framing, Queue, Setting};
pub use pack::{DutyInfo, DutyMet, MessageInfo, Pack, RoleInfo};
pub use refusal::{Reason, Refusal};
pub use scaffold::scaffold;
pub use settings::Settings;
pub use translate::{Arrival, Completed, Draft, Exported, FromRows};
