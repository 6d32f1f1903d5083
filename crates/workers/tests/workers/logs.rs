//! Mail without a mail server: it is noted, or put into a folder; and whatever is done, no log names a person.

use std::{
    fmt::Write,
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
};

use tracing::{Event, Metadata, Subscriber, field, span};
use tradewind_engine::Worker;
use tradewind_events::{
    id,
    jobs::{IdentityMail, IdentityMailKind, MailJob, MailReceipt, ProviderAction},
    notifications::Channel,
};
use tradewind_workers::{
    mail::{IdentityMailWorker, MailOptions, NotificationWorker, mail_workers},
    provider::{ProviderSimulator, ProviderWorker, SimulatorOptions},
};

use crate::{
    mail_server::{fresh_folder, header},
    personal,
    provider::call,
    reply,
    smtp::{CLOSED_PORT, job, plain, workers},
    unknown,
};

/// Keeps everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = String::new();
        event.record(&mut |field: &field::Field, value: &dyn std::fmt::Debug| {
            write!(line, "{field}={value:?} ").unwrap();
        });
        line.push('\n');
        self.0.lock().unwrap().push_str(&line);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

fn noted(folder: Option<std::path::PathBuf>) -> (NotificationWorker, IdentityMailWorker) {
    mail_workers(MailOptions { from: "shop@example.org".to_owned(), folder, ..MailOptions::default() }).unwrap()
}

fn identity_mail() -> String {
    let mail = IdentityMail {
        kind: IdentityMailKind::ResetPassword,
        to: personal("ada@example.org"),
        token: personal("s3cret"),
        user_id: id("user-1"),
    };
    serde_json::to_string(&mail).unwrap()
}

fn notification(channel: Channel) -> String {
    serde_json::to_string(&MailJob { channel, ..job("ada@example.org") }).unwrap()
}

#[test]
fn without_a_mail_server_a_mail_is_noted_and_sent_to_nobody() {
    let (notifications, identity) = noted(None);
    let receipt: MailReceipt = reply(&notifications.run(&id("event-1"), &notification(Channel::Log), 1));
    assert_eq!((receipt.message_id, receipt.refused, receipt.reference), (id("event-1"), None, None));
    let receipt: MailReceipt = reply(&identity.run(&id("job-1"), &identity_mail(), 1));
    assert_eq!((receipt.message_id, receipt.refused), (id("job-1"), None));
}

#[test]
fn a_channel_that_nobody_serves_is_refused_or_waits() {
    let (notifications, _) = noted(None);
    let receipt: MailReceipt = reply(&notifications.run(&id("event-1"), &notification(Channel::Sms), 1));
    assert_eq!(receipt.refused.as_deref(), Some("channel_not_supported"));
    let outcome = notifications.run(&id("event-1"), &notification(Channel::Email), 1);
    assert_eq!(unknown(&outcome), "no mail server is configured any more");
    let outcome = notifications.run(&id("event-1"), r#"{"to":"ada@example.org"}"#, 1);
    assert_eq!(unknown(&outcome), "the job cannot be read");
}

#[test]
fn a_developer_reads_mails_in_a_folder_that_nobody_else_can_read() {
    let folder = fresh_folder("outbox").join("made/on/the/way");
    let (notifications, identity) = noted(Some(folder.clone()));
    for _ in 0..2 {
        reply::<MailReceipt>(&notifications.run(&id("event-1"), &notification(Channel::Log), 1));
        reply::<MailReceipt>(&identity.run(&id("../job-1"), &identity_mail(), 1));
    }
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, ["=2E=2E=2Fjob-1.eml", "event-1.eml"]);
    let mail = std::fs::read_to_string(folder.join(&names[0])).unwrap().replace("\r\n", "\n");
    assert_eq!(header(&mail, "To"), "ada@example.org");
    assert!(mail.contains("/docs?token=user-1.s3cret\n"), "{mail}");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(&names[0]))), (0o700, 0o600));
}

/// Does every kind of job, with a person and a secret in it.
fn do_everything() {
    let folder = Some(fresh_folder("logged"));
    for (notifications, identity) in [noted(folder), noted(None), workers(plain(CLOSED_PORT))] {
        for channel in [Channel::Log, Channel::Email, Channel::Sms] {
            notifications.run(&id("event-1"), &notification(channel), 1);
        }
        notifications.run(&id("event-1"), r#"{"to":"ada@example.org"}"#, 1);
        identity.run(&id("job-1"), &identity_mail(), 1);
        identity.run(&id("job-1"), r#"{"token":"s3cret","to":3}"#, 1);
    }
    let provider = Arc::new(ProviderSimulator::open(SimulatorOptions::default()).unwrap());
    let request = serde_json::to_string(&call(ProviderAction::Authorize, "k")).unwrap();
    ProviderWorker::new(provider).run(&id("k"), &request, 1);
}

#[test]
fn no_log_names_a_person_or_a_secret() {
    let log = Log::default();
    // Who listens is decided where something is logged first, also by tests that nobody listens to. With a second
    // listener everybody is asked again, and once all places are known they are asked anew.
    let second = tracing::Dispatch::new(Log::default());
    tracing::subscriber::with_default(log.clone(), || {
        do_everything();
        tracing::callsite::rebuild_interest_cache();
        do_everything();
    });
    drop(second);
    let log = log.0.lock().unwrap();
    for planted in ["ada", "s3cret", "example.org", "Vielen Dank", "Bestellung"] {
        assert!(!log.contains(planted), "{planted} stands in the log: {log}");
    }
    for named in ["notification_id=event-1", "message_id=job-1", "user_id=user-1", "order_id=order-1"] {
        assert!(log.contains(named), "{named} is missing: {log}");
    }
}
