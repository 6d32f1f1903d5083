//! Mail over a real mail server: what is taken, refused, or not known, and why.

use std::{net::TcpListener, path::PathBuf, process::Command, sync::Arc, time::Duration};

use tradewind_engine::{EngineTime, TryOutcome, Worker};
use tradewind_events::{
    id,
    jobs::{IdentityMail, IdentityMailKind, MailJob, MailReceipt},
    notifications::Channel,
};
use tradewind_testkit::ManualClock;
use tradewind_workers::mail::{
    Encryption, IdentityMailWorker, MailError, MailOptions, NotificationWorker, SmtpLogin, SmtpOptions, mail_workers,
};

use crate::{
    mail_server::{MailServer, command_line, fresh_folder, header},
    personal, reply, unknown,
};

/// Where nobody listens: no program gets it by chance.
pub const CLOSED_PORT: u16 = 1;

pub fn job(to: &str) -> MailJob {
    MailJob {
        notification_id: id("event-1"),
        message_id: id("event-1"),
        to: personal(to),
        subject: "Ihre Bestellung ist bestätigt".into(),
        body: personal("Vielen Dank!\n.\nIhr Laden\n"),
        channel: Channel::Email,
    }
}

/// In clear, to a server on this machine.
pub fn plain(port: u16) -> SmtpOptions {
    SmtpOptions { host: "127.0.0.1".to_owned(), port, encryption: Encryption::None, ..SmtpOptions::default() }
}

pub fn workers(smtp: SmtpOptions) -> (NotificationWorker, IdentityMailWorker) {
    let clock = EngineTime::new(Arc::new(ManualClock::default()));
    let from = "shop@example.org".to_owned();
    mail_workers(MailOptions { from, smtp: Some(smtp), clock, ..MailOptions::default() }).unwrap()
}

fn send(smtp: SmtpOptions, job: &MailJob) -> TryOutcome {
    workers(smtp).0.run(&job.notification_id, &serde_json::to_string(job).unwrap(), 1)
}

fn refused(outcome: &TryOutcome) -> Option<Arc<str>> {
    reply::<MailReceipt>(outcome).refused
}

#[test]
fn a_mail_arrives_as_it_was_written() {
    let Some(server) = MailServer::start("arrives", &[]) else { return };
    let receipt: MailReceipt = reply(&send(plain(server.port), &job("ada@example.org")));
    assert_eq!((receipt.message_id, receipt.refused), (id("event-1"), None));
    let [mail] = &server.mails()[..] else { panic!("one mail has arrived") };
    assert_eq!(header(mail, "Message-ID"), "<event-1@example.org>");
    assert_eq!(header(mail, "Date"), "Sat, 31 Jan 2026 12:00:00 +0000");
    assert_eq!((header(mail, "X-MailFrom"), header(mail, "X-RcptTo")), ("shop@example.org", "ada@example.org"));
    assert_eq!(header(mail, "Auto-Submitted"), "auto-generated");
    assert!(mail.trim_end().ends_with("\n\nVielen Dank!\n.\nIhr Laden"), "{mail}");
}

#[test]
fn a_mail_of_identity_arrives_with_its_link() {
    let Some(server) = MailServer::start("identity", &[]) else { return };
    let mail = IdentityMail {
        kind: IdentityMailKind::VerifyEmail,
        to: personal("ada@example.org"),
        token: personal("s3cret"),
        user_id: id("user-1"),
    };
    let request = serde_json::to_string(&mail).unwrap();
    let receipt: MailReceipt = reply(&workers(plain(server.port)).1.run(&id("job-1"), &request, 1));
    assert_eq!((receipt.message_id, receipt.refused), (id("job-1"), None));
    let [mail] = &server.mails()[..] else { panic!("one mail has arrived") };
    assert_eq!(header(mail, "Message-ID"), "<job-1@example.org>");
    assert!(mail.contains("\nhttp://127.0.0.1:8080/docs?token=user-1.s3cret\n"), "{mail}");
}

#[test]
fn a_recipient_that_is_refused_for_good_is_given_up_and_one_that_is_put_off_is_asked_again() {
    let Some(server) = MailServer::start("refused", &[]) else { return };
    for (to, reason) in [
        ("nobody@example.org", "mailbox_unavailable"),
        ("full@example.org", "mailbox_full"),
        ("blocked@example.org", "recipient_refused"),
        ("jürgen@example.org", "address_not_supported"),
        ("no address", "address_invalid"),
    ] {
        let outcome = send(plain(server.port), &job(to));
        assert_eq!(refused(&outcome).as_deref(), Some(reason));
    }
    let later = send(plain(server.port), &job("later@example.org"));
    assert_eq!(unknown(&later), "the mail server said 450 to RCPT");
    assert_eq!(server.mails(), [""; 0]);
}

#[test]
fn a_mail_that_is_too_large_is_given_up() {
    let Some(server) = MailServer::start("too-large", &["--size", "1000"]) else { return };
    let large = MailJob { body: personal(&"A line like any other.\n".repeat(100)), ..job("ada@example.org") };
    assert_eq!(refused(&send(plain(server.port), &large)).as_deref(), Some("mail_too_large"));
}

#[test]
fn an_address_in_any_script_is_reached_where_the_server_can() {
    let Some(server) = MailServer::start("smtputf8", &["--smtputf8"]) else { return };
    assert_eq!(refused(&send(plain(server.port), &job("jürgen@example.org"))), None);
    let [mail] = &server.mails()[..] else { panic!("one mail has arrived") };
    assert_eq!(header(mail, "Message-ID"), "<event-1@example.org>");
}

/// A certificate for this machine that nobody else has signed, and its key; `None` when there is no mail server.
fn certificate(name: &str) -> Option<(PathBuf, PathBuf)> {
    command_line()?;
    let folder = fresh_folder(name);
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "36500"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl makes the certificate of the mail server");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some((certificate, key))
}

#[test]
fn an_encrypted_connection_is_to_whom_it_should_be_or_there_is_none() {
    let Some((certificate, key)) = certificate("starttls-certificate") else { return };
    let paths = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    let Some(server) = MailServer::start("starttls", &["--tlscert", paths[0], "--tlskey", paths[1]]) else { return };
    let encrypted = SmtpOptions {
        host: "localhost".to_owned(),
        encryption: Encryption::StartTls,
        trusted: Some(certificate.clone()),
        ..plain(server.port)
    };
    assert_eq!(refused(&send(encrypted.clone(), &job("ada@example.org"))), None);
    assert_eq!(server.mails().len(), 1);
    let login = |password: &str| Some(SmtpLogin { user: "shop".to_owned(), password: personal(password) });
    let known = SmtpOptions { login: login("secret"), ..encrypted.clone() };
    assert_eq!(refused(&send(known, &job("ada@example.org"))), None);
    // What is wrong with the shop is not wrong with the mail: it is asked again.
    for (wrong, why) in [
        (SmtpOptions { login: login("wrong"), ..encrypted.clone() }, "the mail server said 535 to AUTH"),
        (SmtpOptions { trusted: None, ..encrypted.clone() }, "the mail server's TLS cannot be used, at STARTTLS"),
        (
            SmtpOptions { host: "127.0.0.1".to_owned(), ..encrypted.clone() },
            "the mail server's TLS cannot be used, at STARTTLS",
        ),
        (plain(server.port), "the mail server said 530 to MAIL"),
    ] {
        let outcome = send(wrong, &job("ada@example.org"));
        assert_eq!(unknown(&outcome), why);
    }
    assert_eq!(server.mails().len(), 2);
}

#[test]
fn a_connection_can_be_encrypted_from_its_first_byte() {
    let Some((certificate, key)) = certificate("tls-certificate") else { return };
    let paths = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    let Some(server) = MailServer::start("tls", &["--smtpscert", paths[0], "--smtpskey", paths[1]]) else { return };
    let encrypted = SmtpOptions {
        host: "localhost".to_owned(),
        encryption: Encryption::Tls,
        trusted: Some(certificate),
        ..plain(server.port)
    };
    assert_eq!(refused(&send(encrypted, &job("ada@example.org"))), None);
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn a_server_that_cannot_encrypt_is_given_nothing_in_clear() {
    let Some(server) = MailServer::start("no-tls", &[]) else { return };
    let encrypted = SmtpOptions { encryption: Encryption::StartTls, ..plain(server.port) };
    let outcome = send(encrypted, &job("ada@example.org"));
    assert_eq!(unknown(&outcome), "the mail server does not offer STARTTLS");
    let login = SmtpLogin { user: "shop".to_owned(), password: personal("secret") };
    let outcome = send(SmtpOptions { login: Some(login), ..plain(server.port) }, &job("ada@example.org"));
    assert_eq!(unknown(&outcome), "the mail server offers no way to log in that is known here");
    assert_eq!(server.mails(), [""; 0]);
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_is_asked_again() {
    let outcome = send(plain(CLOSED_PORT), &job("ada@example.org"));
    assert_eq!(unknown(&outcome), "the connection to the mail server failed at connection");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let outcome = send(SmtpOptions { timeout: Duration::from_millis(100), ..plain(port) }, &job("ada@example.org"));
    assert_eq!(unknown(&outcome), "the mail server did not answer to connection in time");
}

#[test]
fn a_configuration_that_cannot_work_is_refused_at_the_start() {
    let from = "no address".to_owned();
    let error = mail_workers(MailOptions { from: from.clone(), ..MailOptions::default() }).err();
    assert_eq!(error, Some(MailError::Sender { from }));
    let trusted = Some(fresh_folder("no-certificate").join("gone.pem"));
    let smtp = Some(SmtpOptions { trusted, ..SmtpOptions::default() });
    let error = mail_workers(MailOptions { smtp, ..MailOptions::default() }).err().unwrap();
    assert!(matches!(error, MailError::Trusted { .. }), "{error}");
}
