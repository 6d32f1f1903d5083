//! `tradewind events`

use std::{collections::VecDeque, time::Duration};

use tradewind_engine::{
    LogEvent,
    ports::{Reader, StoreError},
};
use tradewind_events::RawEnvelope;

use super::{
    CliError, say_on,
    screen::{self, DIM, HEAD, styled},
    shop::at_least_one,
    store::StoreArgs,
};
use crate::{app::AppError, words::clean};

/// A screen with so many columns has room for a whole line.
const WIDE: usize = 120;

/// Of a time: `2026-01-31`.
const DAY_CHARS: usize = 10;

/// Segments read at a time.
const SEGMENTS: u32 = 64;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Show the event log: its end, a part of it, or what comes.
///
/// Filters may be combined. A type may end in `*`: `payment.*`.
#[derive(clap::Args)]
pub struct Events {
    #[command(flatten)]
    store: StoreArgs,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    name: Option<String>,
    /// Only events of this stream: an order id, a SKU
    #[arg(long)]
    key: Option<String>,
    /// Only what follows from one request
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// From this segment on, instead of the last events
    #[arg(long, value_name = "SEGMENT")]
    from: Option<u64>,
    /// How many events at most, unless they are followed
    #[arg(short = 'n', long, default_value_t = 50, value_parser = at_least_one)]
    limit: usize,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
    /// One CloudEvents JSON object a line
    #[arg(long)]
    json: bool,
}

impl Events {
    pub fn run(self) -> Result<(), CliError> {
        let mut page = Page { width: screen::width(), day: String::new(), json: self.json };
        let reading = self.store.read()?;
        let last = reading.reader.last_segment().map_err(AppError::from)?;
        let mut next = match self.from {
            Some(from) => self.show_from(&mut page, &reading.reader, &reading.meta.name, from.max(1))?,
            None => self.show_last(&mut page, &reading.reader, &reading.meta.name, last)?,
        };
        if !self.follow {
            return Ok(());
        }
        loop {
            let shown = self.show_from(&mut page, &reading.reader, &reading.meta.name, next)?;
            if shown == next {
                pause();
            }
            next = shown;
        }
    }

    /// Prints from a segment on; returns the one to go on with.
    fn show_from(&self, page: &mut Page, reader: &dyn Reader, store: &str, from: u64) -> Result<u64, CliError> {
        let (mut next, mut left) = (from, if self.follow { usize::MAX } else { self.limit });
        loop {
            let segments = reader.segments(next, SEGMENTS).map_err(AppError::from)?;
            let Some(last) = segments.last() else { return Ok(next) };
            next = last.number + 1;
            for segment in &segments {
                for event in segment.read(store)?.iter().filter(|event| self.fits(event)) {
                    if left == 0 {
                        return Ok(next);
                    }
                    left -= 1;
                    page.show(event)?;
                }
            }
        }
    }

    /// Prints the last events that fit, looking back as far as it must.
    fn show_last(&self, page: &mut Page, reader: &dyn Reader, store: &str, last: u64) -> Result<u64, CliError> {
        let mut found = VecDeque::new();
        let mut end = last;
        while end > 0 && found.len() < self.limit {
            let start = end.saturating_sub(u64::from(SEGMENTS)) + 1;
            let segments = reader.segments(start, SEGMENTS).map_err(AppError::from)?;
            let segments: Vec<_> = segments.iter().filter(|segment| segment.number <= end).collect();
            for segment in segments.iter().rev() {
                for event in segment.read(store)?.into_iter().rev().filter(|event| self.fits(event)) {
                    if found.len() < self.limit {
                        found.push_front(event);
                    }
                }
            }
            end = if segments.is_empty() { last_before(reader, start).map_err(AppError::from)? } else { start - 1 };
        }
        found.iter().try_for_each(|event| page.show(event))?;
        Ok(last + 1)
    }

    fn fits(&self, event: &LogEvent<RawEnvelope>) -> bool {
        let envelope = &event.envelope;
        let named = self.name.as_deref().is_none_or(|name| match name.strip_suffix('*') {
            Some(start) => envelope.name.starts_with(start),
            None => envelope.name == name,
        });
        named
            && self.key.as_deref().is_none_or(|key| envelope.key.as_str() == key)
            && self.correlation.as_deref().is_none_or(|id| envelope.correlation_id.as_str() == id)
    }
}

/// The number of the last segment before this one; zero when there is none. A restored backup has a gap in its log.
fn last_before(reader: &dyn Reader, number: u64) -> Result<u64, StoreError> {
    // There is a segment `low`, or it is zero; and none from `high` on.
    let (mut low, mut high) = (0, number);
    while high - low > 1 {
        let middle = low.midpoint(high);
        match reader.segments(middle, 1)?.first() {
            Some(segment) if segment.number < number => low = segment.number,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Where events are printed, one a line.
struct Page {
    /// Without one every line is whole.
    width: Option<usize>,
    /// Of the last event.
    day: String,
    json: bool,
}

impl Page {
    fn show(&mut self, event: &LogEvent<RawEnvelope>) -> Result<(), CliError> {
        let envelope = &event.envelope;
        if self.json {
            return say_on(format_args!("{}\n", serde_json::to_string(envelope)?));
        }
        let time = envelope.time.to_string();
        let (name, subject, id) = (clean(&envelope.name), clean(&envelope.subject), &envelope.id);
        let heard = if event.remote { " (heard)" } else { "" };
        if self.width.is_none_or(|width| width >= WIDE) {
            let (time, id) = (styled(DIM, &time), styled(DIM, id.as_str()));
            return say_on(format_args!("{time}  {name:<28}{subject:<56}{id}{heard}\n"));
        }
        // On a narrow screen the day stands above its events, the name of an event says what it is about, and the rest is
        // left to --json.
        let subject = subject.split_once('/').map_or(&*subject, |(_, id)| id);
        let (day, clock) = time.split_at(DAY_CHARS);
        if self.day != day {
            say_on(format_args!("{}\n", styled(HEAD, day)))?;
            day.clone_into(&mut self.day);
        }
        let clock = styled(DIM, clock.trim_matches(['T', 'Z']));
        say_on(format_args!("{clock}  {name:<24}{subject}{heard}\n"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a person watches; nothing waits for it")]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}
