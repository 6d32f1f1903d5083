//! The executor's side of traces: which handler runs in which span, and what its message waited for.

use super::{
    super::{
        batch::Forming,
        task::{Task, TaskKind, Via},
    },
    Executor,
};
use crate::{
    Cause, Handled, MessageKind, Span, Step,
    trace::{Running, Waiting},
};

impl Executor {
    /// The tracer's time; zero without a tracer.
    pub(super) fn traced_at(&self) -> u64 {
        self.tracing.as_ref().map_or(0, |tracing| tracing.tracer.now())
    }

    /// A handler of this service starts for a message of this name.
    pub(super) fn trace_start(&mut self, kind: MessageKind, service: &'static str, message: &str, cause: &mut Cause) {
        if let Some(tracing) = &mut self.tracing {
            tracing.enter(kind, service, message, cause);
        }
    }

    /// The handler has stopped for rows: it will run again, in a new span.
    pub(super) fn trace_stop(&mut self, task: &mut Task) {
        if let Some(tracing) = &mut self.tracing
            && tracing.running.take().is_some()
            && task.stopped_at == 0
        {
            task.stopped_at = tracing.tracer.now();
        }
    }

    /// The handler has ended like this, and what it did stands.
    pub fn trace_end(&mut self, forming: &mut Forming, task: &Task, how: Handled) {
        let Some(tracing) = &mut self.tracing else { return };
        let Some(Running { context, parent, began, mut step }) = tracing.running.take() else { return };
        let tracer = &*tracing.tracer;
        let ended = tracer.now();
        (step.how, step.loads) = (how, task.loads);
        // Where a trace begins there is nothing before the handler that its waits could hang on.
        let before = context.child(parent.unwrap_or(context.span_id));
        let stopped_at = if task.stopped_at == 0 { began } else { task.stopped_at };
        let item = &mut forming.items[task.item];
        if item.waiting.is_none() && item.sent_at > 0 {
            forming.spans.push(Span::after(tracer, before, (item.sent_at, stopped_at), Step::WaitQueue));
        }
        if task.loads > 0 {
            forming.spans.push(Span::after(tracer, before, (stopped_at, began), Step::WaitRows));
        }
        if let TaskKind::Deliver(delivery) = &task.kind
            && let (Via::Parked(row), Handled::Done) = (&delivery.via, how)
        {
            // By the clock of the shop, which is not that of the tracer.
            let parked_for = self.work.now.since(row.parked_at).as_nanos();
            let parked_at = began.saturating_sub(u64::try_from(parked_for).unwrap_or(u64::MAX));
            forming.spans.push(Span::after(tracer, before, (parked_at, began), Step::WaitParked));
        }
        let parent_of_waits = item.waiting.map_or(before, |waiting| waiting.parent);
        item.waiting = Some(Waiting { parent: parent_of_waits, handled_at: ended });
        forming.spans.push(Span { context, parent, began, ended, step: Step::Handle(step) });
    }
}
