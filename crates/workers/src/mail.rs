//! Mail: notifications, and identity's mails with a secret in them. Each is handed over under a Message-ID that stays
//! the same, so that a receiver can tell a repetition. Without a mail server they are only noted, or put into a folder.

mod folder;
mod message;
mod smtp;

use std::{path::PathBuf, sync::Arc};

use tradewind_engine::{EngineTime, TryOutcome, Worker};
use tradewind_events::{
    Id,
    jobs::{IdentityMail, MailJob, MailReceipt},
    notifications::Channel,
};

pub use smtp::{Encryption, SmtpLogin, SmtpOptions};

use crate::provider::done;
use folder::Folder;
use message::{Letter, Text, Writer};
use smtp::Smtp;

/// The names of the jobs that send mail.
pub const NOTIFICATION: &str = "notification";
pub const IDENTITY_MAIL: &str = "identity_mail";

/// How mail leaves the shop.
pub struct MailOptions {
    /// The address of the sender of every mail.
    pub from: String,
    /// How the shop signs.
    pub shop: String,
    /// The page that a link in a mail leads to: `?token=…` is put after it.
    pub link: String,
    /// Where mails are handed over; nowhere when there is none.
    pub smtp: Option<SmtpOptions>,
    /// Where mails are put that are handed over nowhere: one `.eml` file each, for developers. Only noted when none.
    pub folder: Option<PathBuf>,
    pub clock: EngineTime,
}

/// What is wrong with the configuration of mail.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    #[error("{from:?} cannot send mail: give one address with an ASCII domain, such as shop@example.org")]
    Sender { from: String },
    #[error("mails cannot be put into {path} ({reason})")]
    Folder { path: String, reason: String },
    #[error("the certificates in {path} cannot be used ({reason})")]
    Trusted { path: String, reason: String },
    #[error("TLS for mail cannot be set up ({reason})")]
    Tls { reason: String },
}

/// Why a mail is given up for good, as a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused(&'static str);

/// What became of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Accepted { reference: Option<Arc<str>> },
    Refused(&'static str),
    Unknown(String),
}

struct Post {
    writer: Writer,
    smtp: Option<Smtp>,
    folder: Option<Folder>,
    clock: EngineTime,
}

/// Sends notifications.
pub struct NotificationWorker(Arc<Post>);

/// Sends identity's mails.
pub struct IdentityMailWorker(Arc<Post>);

impl Default for MailOptions {
    fn default() -> Self {
        Self {
            from: "shop@localhost".to_owned(),
            shop: "The shop".to_owned(),
            link: "http://127.0.0.1:8080/docs".to_owned(),
            smtp: None,
            folder: None,
            clock: EngineTime::default(),
        }
    }
}

/// The workers that send mail.
pub fn mail_workers(options: MailOptions) -> Result<(NotificationWorker, IdentityMailWorker), MailError> {
    let MailOptions { from, shop, link, smtp, folder, clock } = options;
    let post = Arc::new(Post {
        writer: Writer::new(&from, &shop, &link)?,
        smtp: smtp.map(Smtp::new).transpose()?,
        folder: folder.map(Folder::open).transpose()?,
        clock,
    });
    Ok((NotificationWorker(Arc::clone(&post)), IdentityMailWorker(post)))
}

impl Worker for NotificationWorker {
    fn kind(&self) -> &'static str {
        NOTIFICATION
    }

    fn run(&self, _key: &Id, request: &str, attempt: u32) -> TryOutcome {
        let Ok(job) = serde_json::from_str::<MailJob>(request) else { return unreadable() };
        let (post, message_id) = (&self.0, &job.message_id);
        let text = Text { subject: &job.subject, body: job.body.expose() };
        let letter = post.writer.write(message_id, job.to.expose(), &text, post.clock.wall());
        let sent = match (job.channel, letter) {
            (Channel::Sms, _) => Sent::Refused("channel_not_supported"),
            (_, Err(Refused(reason))) => Sent::Refused(reason),
            (Channel::Log, Ok(letter)) => post.note(&letter),
            (Channel::Email, Ok(letter)) => match &post.smtp {
                Some(smtp) => smtp.send(&letter),
                // It was asked for while there was one: nobody but an operator may say that it is not sent.
                None => Sent::Unknown("no mail server is configured any more".to_owned()),
            },
        };
        let (notification_id, channel) = (&job.notification_id, job.channel);
        tracing::info!(%notification_id, %message_id, %channel, attempt, outcome = sent.name(), "notification");
        receipt(message_id, sent)
    }
}

impl Worker for IdentityMailWorker {
    fn kind(&self) -> &'static str {
        IDENTITY_MAIL
    }

    fn run(&self, key: &Id, request: &str, attempt: u32) -> TryOutcome {
        let Ok(mail) = serde_json::from_str::<IdentityMail>(request) else { return unreadable() };
        let (post, kind, user_id) = (&self.0, mail.kind, &mail.user_id);
        // Whoever shows the token says whose it is: the shop looks it up by its user.
        let (subject, body) = post.writer.identity_text(kind, &format!("{user_id}.{}", mail.token.expose()));
        let text = Text { subject, body: &body };
        let sent = match (post.writer.write(key, mail.to.expose(), &text, post.clock.wall()), &post.smtp) {
            (Err(Refused(reason)), _) => Sent::Refused(reason),
            (Ok(letter), Some(smtp)) => smtp.send(&letter),
            (Ok(letter), None) => post.note(&letter),
        };
        tracing::info!(%user_id, message_id = %key, %kind, attempt, outcome = sent.name(), "identity mail");
        receipt(key, sent)
    }
}

impl Post {
    /// Puts a mail into the folder, where there is one: nobody outside is told. The log names it, and says no more.
    fn note(&self, letter: &Letter) -> Sent {
        match self.folder.as_ref().map(|folder| folder.put(letter)) {
            None | Some(Ok(())) => Sent::Accepted { reference: None },
            Some(Err(error)) => Sent::Unknown(format!("the mail cannot be put into its folder: {}", error.kind())),
        }
    }
}

impl Sent {
    fn name(&self) -> &str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Refused(reason) => reason,
            Self::Unknown(reason) => reason,
        }
    }
}

fn receipt(message_id: &Id, sent: Sent) -> TryOutcome {
    let (refused, reference) = match sent {
        Sent::Accepted { reference } => (None, reference),
        Sent::Refused(reason) => (Some(reason.into()), None),
        Sent::Unknown(reason) => return TryOutcome::Unknown(reason),
    };
    done(&MailReceipt { message_id: message_id.clone(), refused, reference })
}

/// The parser's own words would quote what it has read.
fn unreadable() -> TryOutcome {
    TryOutcome::Unknown("the job cannot be read".to_owned())
}
