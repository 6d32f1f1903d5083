//! What a service can be told: an event, a timer, how a job ended, a command.

use std::{fmt::Debug, sync::Arc};

use tradewind_engine::{
    Command, Stop,
    handlers::{Done, Handlers, Moment, Rows},
    tables::{EffectRow, TimerRow},
};
use tradewind_events::{Envelope, jobs::ProviderAnswer};

use crate::canonical;

/// Something that happens to one service.
pub enum Stimulus {
    Hear(Arc<Envelope>),
    Fire(TimerRow),
    Finish { job: EffectRow, reply: ProviderAnswer },
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
    /// The handler of `handlers`' service over these rows.
    pub fn run(&self, handlers: &mut Handlers, rows: &Rows, moment: Moment) -> Result<Done, Stop> {
        match self {
            Self::Hear(envelope) => handlers.hear(rows, moment, envelope),
            Self::Fire(timer) => handlers.fire(rows, Moment { now: moment.now.max(timer.due_at), ..moment }, timer),
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
            Self::Fire(timer) => {
                canonical::text("fire", out);
                canonical::text(&timer.name, out);
                canonical::text(timer.key.as_str(), out);
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
            Self::Fire(timer) => format!("has its timer `{}` fire", timer.name),
            Self::Finish { job, reply } => format!("is answered {} about {}", reply.state, job.id),
            Self::Ask(wish) => format!("is asked: {}", wish.words()),
        }
    }
}
