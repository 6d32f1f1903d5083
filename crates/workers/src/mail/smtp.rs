//! Hands mails over to a mail server. Driven step by step, because what an error means depends on when it came.

use std::{
    io::{self, ErrorKind},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::{Certificate, SmtpConnection, TlsParameters},
    commands::{Data, Mail, Rcpt},
    extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    response::{Code, Response},
};
use tradewind_events::Personal;

use super::{MailError, Sent, message::Letter};

/// How long the other side may take to say good-bye. The mail is its own by then.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest name that another side gives to a mail and that we keep.
const REFERENCE_BYTES_MAX: usize = 64;

/// The mail server of the shop.
#[derive(Debug, Clone)]
pub struct SmtpOptions {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// Who the shop is to the mail server.
    pub login: Option<SmtpLogin>,
    /// Certificates (PEM) that are trusted besides those of the system.
    pub trusted: Option<PathBuf>,
    /// How the shop introduces itself: the name of its machine.
    pub hello: String,
    /// For the connection, and for every step but the last.
    pub timeout: Duration,
    /// For the last step: the mail server may look at the mail for a while before it takes it.
    pub content_timeout: Duration,
}

/// Whether the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    None,
    /// Once it is connected, or not at all: it never goes on in clear.
    StartTls,
    /// From its first byte.
    Tls,
}

#[derive(Debug, Clone)]
pub struct SmtpLogin {
    pub user: String,
    pub password: Personal<String>,
}

impl Default for SmtpOptions {
    fn default() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 25,
            encryption: Encryption::StartTls,
            login: None,
            trusted: None,
            hello: "localhost".to_owned(),
            timeout: Duration::from_secs(15),
            content_timeout: Duration::from_mins(1),
        }
    }
}

/// A mail server that mails are handed over to, each over a connection of its own.
pub(super) struct Smtp {
    options: SmtpOptions,
    hello: ClientId,
    tls: Option<TlsParameters>,
}

/// What was said to the mail server when it refused, or was silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    Login,
    Sender,
    Recipient,
    Data,
    /// From here on the mail may be the other side's.
    Content,
}

impl Step {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connection",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Sender => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Content => "the mail itself",
        }
    }
}

impl Smtp {
    pub fn new(options: SmtpOptions) -> Result<Self, MailError> {
        let tls = match options.encryption {
            Encryption::None => None,
            Encryption::StartTls | Encryption::Tls => Some(tls_parameters(&options)?),
        };
        Ok(Self { hello: ClientId::Domain(options.hello.clone()), options, tls })
    }

    pub fn send(&self, letter: &Letter) -> Sent {
        let mut connection = match self.connect() {
            Ok(connection) => connection,
            Err(sent) => return sent,
        };
        let sent = hand_over(&mut connection, letter, self.options.content_timeout);
        // Whatever it answers to a good-bye changes nothing.
        drop(connection.set_timeout(Some(GOODBYE_TIMEOUT)));
        connection.abort();
        sent
    }

    /// What goes wrong here is about the shop or the mail server, and not about this mail: it is asked again.
    fn connect(&self) -> Result<SmtpConnection, Sent> {
        let options = &self.options;
        let at_once = self.tls.as_ref().filter(|_| options.encryption == Encryption::Tls);
        let server = (options.host.as_str(), options.port);
        let mut connection = SmtpConnection::connect(server, Some(options.timeout), &self.hello, at_once, None)
            .map_err(|error| judge(Step::Connect, &error))?;
        if let Some(tls) = self.tls.as_ref().filter(|_| options.encryption == Encryption::StartTls) {
            connection.starttls(tls, &self.hello).map_err(|error| judge(Step::StartTls, &error))?;
        }
        if let Some(login) = &options.login {
            let credentials = Credentials::new(login.user.clone(), login.password.expose().clone());
            let logged_in = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            logged_in.map_err(|error| judge(Step::Login, &error))?;
        }
        Ok(connection)
    }
}

fn hand_over(connection: &mut SmtpConnection, letter: &Letter, content_timeout: Duration) -> Sent {
    let mut parameters = Vec::new();
    let server = connection.server_info();
    if !letter.to.to_string().is_ascii() || !letter.from.to_string().is_ascii() {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Sent::Refused("address_not_supported");
        }
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !letter.bytes.is_ascii() {
        if !server.supports_feature(Extension::EightBitMime) {
            return Sent::Refused("address_not_supported");
        }
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let talk = |connection: &mut SmtpConnection| {
        let failed = |step: Step| move |error: Error| judge(step, &error);
        connection.command(Mail::new(Some(letter.from.clone()), parameters)).map_err(failed(Step::Sender))?;
        connection.command(Rcpt::new(letter.to.clone(), Vec::new())).map_err(failed(Step::Recipient))?;
        connection.command(Data).map_err(failed(Step::Data))?;
        let longer = connection.set_timeout(Some(content_timeout));
        longer.map_err(|error| Sent::Unknown(format!("the connection failed before the mail: {}", error.kind())))?;
        connection.message(&letter.bytes).map_err(failed(Step::Content))
    };
    match talk(connection) {
        Ok(taken) => Sent::Accepted { reference: reference(&taken) },
        Err(sent) => sent,
    }
}

/// What an error means. Never what the other side wrote: that may name people.
fn judge(step: Step, error: &Error) -> Sent {
    let at = step.as_str();
    if let Some(code) = error.status() {
        return match refusal(step, code) {
            Some(reason) if error.is_permanent() => Sent::Refused(reason),
            _ => Sent::Unknown(format!("the mail server said {code} to {at}")),
        };
    }
    Sent::Unknown(match step {
        Step::Content => "the connection was lost after the mail: it may have been taken".to_owned(),
        _ if matches!(io_kind(error), Some(ErrorKind::TimedOut | ErrorKind::WouldBlock)) => {
            format!("the mail server did not answer to {at} in time")
        }
        // What rustls says of a certificate comes as data that is invalid.
        _ if error.is_tls() || io_kind(error) == Some(ErrorKind::InvalidData) => {
            format!("the mail server's TLS cannot be used, at {at}")
        }
        Step::StartTls if error.is_client() => "the mail server does not offer STARTTLS".to_owned(),
        Step::Login if error.is_client() => "the mail server offers no way to log in that is known here".to_owned(),
        _ => format!("the connection to the mail server failed at {at}"),
    })
}

/// What went wrong with the connection. A read that took too long says so in two ways, by system.
fn io_kind(error: &Error) -> Option<ErrorKind> {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

/// Why a mail is refused for good. What is said before its recipient is named is not about this mail.
fn refusal(step: Step, code: Code) -> Option<&'static str> {
    match (step, u16::from(code)) {
        (Step::Recipient, 552) => Some("mailbox_full"),
        (Step::Recipient, 550 | 551 | 553) => Some("mailbox_unavailable"),
        (Step::Recipient, _) => Some("recipient_refused"),
        (Step::Data | Step::Content, 552) => Some("mail_too_large"),
        (Step::Data | Step::Content, _) => Some("mail_refused"),
        _ => None,
    }
}

/// The name of the mail at the other side, where it tells one as most do: `queued as 4F2C1A`.
fn reference(taken: &Response) -> Option<Arc<str>> {
    let text = taken.message().collect::<Vec<_>>().join(" ");
    let (_, name) = text.split_once("queued as ")?;
    let name = name.split_whitespace().next()?.trim_end_matches('.');
    let is_name = name.len() <= REFERENCE_BYTES_MAX
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    is_name.then(|| name.into())
}

fn tls_parameters(options: &SmtpOptions) -> Result<TlsParameters, MailError> {
    let mut builder = TlsParameters::builder(options.host.clone());
    if let Some(path) = &options.trusted {
        let unusable = |reason: String| MailError::Trusted { path: path.display().to_string(), reason };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let certificates = Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
        builder = builder.add_root_certificate(certificates);
    }
    builder.build_rustls().map_err(|error| MailError::Tls { reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::response::{Category, Detail, Severity};

    use super::*;

    #[test]
    fn a_reference_is_a_name_and_nothing_else() {
        let said = |text: &str| {
            let code = Code::new(Severity::PositiveCompletion, Category::MailSystem, Detail::Zero);
            reference(&Response::new(code, vec![text.to_owned()]))
        };
        assert_eq!(said("2.0.0 Ok: queued as 4F2C1A").as_deref(), Some("4F2C1A"));
        assert_eq!(said("2.0.0 Ok: queued as 4F2C1A.").as_deref(), Some("4F2C1A"));
        for text in ["OK", "queued as ", "queued as ada@example.org", "queued as <x>"] {
            assert_eq!(said(text), None, "{text}");
        }
        assert_eq!(said(&format!("queued as {}", "a".repeat(REFERENCE_BYTES_MAX + 1))), None);
    }
}
