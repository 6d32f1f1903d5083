//! What a service can be told: an event, a timer, how a job ended, a command.

use std::{fmt::Debug, sync::Arc};

use tradewind_engine::{
    Command, Stop,
    handlers::{Done, Handlers, Moment, Rows},
    tables::{JobRow, TimerRow},
};
use tradewind_events::{Envelope, Key, Timestamp, jobs::ProviderAnswer};

use crate::{canonical, stores::Local};

/// Something that happens to one service.
pub enum Stimulus {
    Hear(Arc<Envelope>),
    /// A timer of its rows. Only these say when it is due: that may have been changed.
    Fire {
        name: Arc<str>,
        key: Key,
    },
    Finish {
        job: JobRow,
        reply: ProviderAnswer,
    },
    Ask(Arc<dyn Wish>),
}

/// A command of whatever type.
pub trait Wish {
    fn ask(&self, handlers: &mut Handlers, rows: &Rows, moment: Moment) -> Result<Done, Stop>;
    /// Who wants what, for a story.
    fn words(&self) -> &str;
    /// The same for the same wish.
    fn shown(&self) -> String;
}

struct Asked<C> {
    command: C,
    words: String,
}

impl<C: Command + Debug> Wish for Asked<C> {
    fn ask(&self, handlers: &mut Handlers, rows: &Rows, moment: Moment) -> Result<Done, Stop> {
        handlers.ask(rows, moment, &self.command).map(|(done, _answer)| done)
    }

    fn words(&self) -> &str {
        &self.words
    }

    fn shown(&self) -> String {
        format!("{:?}", self.command)
    }
}

/// A command, and in a story's words who wants what.
pub fn wish<C: Command + Debug>(words: impl Into<String>, command: C) -> Arc<dyn Wish> {
    Arc::new(Asked { command, words: words.into() })
}

impl Stimulus {
    /// When it happens to a service that can be told something from `now` on.
    pub fn at(&self, local: &Local, now: Timestamp) -> Timestamp {
        match self {
            Self::Fire { key, .. } => local.row::<TimerRow>(key).map_or(now, |timer| now.max(timer.due_at)),
            Self::Hear(_) | Self::Finish { .. } | Self::Ask(_) => now,
        }
    }

    /// The handler of `handlers`' service over its rows.
    pub fn run(&self, handlers: &mut Handlers, local: &Local, moment: Moment) -> Result<Done, Stop> {
        let rows = &local.rows;
        match self {
            Self::Hear(envelope) => handlers.hear(rows, moment, envelope),
            Self::Fire { name, key } => {
                let timer = local.row::<TimerRow>(key);
                handlers.fire(rows, moment, timer.ok_or_else(|| Stop::broken(format!("no timer `{name}` is set")))?)
            }
            Self::Finish { job, reply } => {
                let reply = serde_json::to_string(reply).map_err(Stop::broken)?;
                handlers.finish(rows, moment, job, &reply)
            }
            Self::Ask(wish) => wish.ask(handlers, rows, moment),
        }
    }

    /// Bytes that are the same for the same thing.
    pub fn canonical(&self, out: &mut Vec<u8>) {
        match self {
            Self::Hear(envelope) => {
                canonical::text("hear", out);
                canonical::event(&*envelope.event, out);
            }
            Self::Fire { key, .. } => {
                canonical::text("fire", out);
                canonical::text(key.as_str(), out);
            }
            Self::Finish { job, reply } => {
                canonical::text("finish", out);
                canonical::text(job.id.as_str(), out);
                canonical::text(&job.request, out);
                canonical::text(&format!("{reply:?}"), out);
            }
            Self::Ask(wish) => {
                canonical::text("ask", out);
                canonical::text(&wish.shown(), out);
            }
        }
    }

    /// In a story, after the name of the service.
    pub fn words(&self) -> String {
        match self {
            Self::Hear(envelope) => format!("hears {}", envelope.event.name()),
            Self::Fire { name, .. } => format!("has its timer `{name}` fire"),
            Self::Finish { job, reply } => format!("is answered {} about {}", reply.state, job.id),
            Self::Ask(wish) => format!("is asked: {}", wish.words()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tradewind_engine::{Entity, EntityRef, handlers::Row};
    use tradewind_events::{KeyText, id};

    use super::*;

    #[test]
    fn a_timer_that_was_set_anew_fires_when_it_is_due_now() {
        let set = |due_at: i64| TimerRow {
            service: KeyText::literal("inventory"),
            name: KeyText::literal("expire"),
            key: id("order-1"),
            due_at: Timestamp::from_millis(due_at),
            correlation_id: id("request"),
            attempts: 0,
        };
        let key = Entity::key(&set(0));
        let fire = Stimulus::Fire { name: "expire".into(), key: key.clone() };
        for due_at in [900_000, 1_800_000] {
            let row = Row { entity: Arc::new(set(due_at)), events: 0 };
            let rows = [(EntityRef { table: TimerRow::TABLE.name, key: key.clone() }, row)];
            let local = Local { rows: rows.into(), ..Local::empty(0) };
            assert_eq!(fire.at(&local, Timestamp::default()), Timestamp::from_millis(due_at));
            assert_eq!(fire.at(&local, Timestamp::from_millis(due_at + 1)), Timestamp::from_millis(due_at + 1));
        }
    }
}
