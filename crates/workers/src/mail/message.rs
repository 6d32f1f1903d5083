//! A mail as it travels: plain text from the shop to one person, under a Message-ID that follows from its job.

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, SinglePart,
        header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use tradewind_events::{Id, Timestamp, jobs::IdentityMailKind};

use super::{MailError, Refused};

/// The longest line of a mail (RFC 5322).
const LINE_BYTES_MAX: usize = 998;

/// A mail, ready to be handed over.
pub(super) struct Letter {
    pub message_id: Id,
    pub from: Address,
    pub to: Address,
    pub bytes: Vec<u8>,
}

/// What a mail says.
pub(super) struct Text<'a> {
    pub subject: &'a str,
    pub body: &'a str,
}

/// Writes the mails of a shop.
pub(super) struct Writer {
    from: Mailbox,
    shop: String,
    link: String,
}

impl Writer {
    /// `from` is the address of the sender, `link` the page that links in mails lead to.
    pub fn new(from: &str, shop: &str, link: &str) -> Result<Self, MailError> {
        let address: Address = from.parse().map_err(|_| MailError::Sender { from: from.to_owned() })?;
        // Its domain stands in every Message-ID, which is ASCII.
        if !address.domain().is_ascii() {
            return Err(MailError::Sender { from: from.to_owned() });
        }
        Ok(Self { from: Mailbox::new(Some(shop.to_owned()), address), shop: shop.to_owned(), link: link.to_owned() })
    }

    pub fn write(&self, message_id: &Id, to: &str, text: &Text<'_>, now: Timestamp) -> Result<Letter, Refused> {
        let to: Address = to.parse().map_err(|_| Refused("address_invalid"))?;
        let since_epoch_ms = u64::try_from(now.as_millis()).unwrap_or(0);
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(one_line(text.subject))
            .date(UNIX_EPOCH + Duration::from_millis(since_epoch_ms))
            .message_id(Some(format!("<{}@{}>", name_of(message_id), self.from.email.domain())))
            // No out-of-office reply, please (RFC 3834).
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()))
            .singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(encoded(text.body)));
        let bytes = message.map_err(|_| Refused("mail_invalid"))?.formatted();
        Ok(Letter { message_id: message_id.clone(), from: self.from.email.clone(), to, bytes })
    }

    /// Subject and body of a mail that lets its reader do what `kind` says.
    pub fn identity_text(&self, kind: IdentityMailKind, token: &str) -> (&'static str, String) {
        let (subject, what, otherwise) = match kind {
            IdentityMailKind::VerifyEmail => (
                "Please confirm your e-mail address",
                "Please confirm that this is your e-mail address:",
                "If you have not registered with us, you need not do anything.",
            ),
            IdentityMailKind::ResetPassword => (
                "Your new password",
                "You can choose a new password here:",
                "If you have not asked for it, you need not do anything: your password stays as it is.",
            ),
            IdentityMailKind::ChangeEmail => (
                "Please confirm your new e-mail address",
                "Please confirm that this is your new e-mail address:",
                "If you have not asked for it, you need not do anything: nothing is changed.",
            ),
            IdentityMailKind::AddressTaken => (
                "You are registered with us already",
                "Somebody has tried to register with this e-mail address, or to change theirs to it. You are registered \
                 already: sign in. If you have forgotten your password, you can choose a new one here:",
                "If it was not you, you need not do anything: nothing is changed.",
            ),
        };
        let (link, shop) = (&self.link, &self.shop);
        let joined = if link.contains('?') { '&' } else { '?' };
        let escaped = percent_encoded(token);
        let body = format!(
            "Hello,\n\n{what}\n\n{link}{joined}token={escaped}\n\nThe token in it, should you be asked for it:\n\n\
             {token}\n\nThis works once, and not for long. {otherwise}\n\n{shop}\n"
        );
        (subject, body)
    }
}

/// A name that follows from an id, different for different ids, and good for a Message-ID and as a file's name:
/// letters, digits and `-_` as they are, a dot between two of them too, and everything else as `=` and its code.
pub(super) fn name_of(id: &Id) -> String {
    let bytes = id.as_str().as_bytes();
    let plain = |at: Option<&u8>| at.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let mut name = String::with_capacity(bytes.len());
    for (nth, byte) in bytes.iter().enumerate() {
        let between = *byte == b'.' && nth > 0 && plain(bytes.get(nth - 1)) && plain(bytes.get(nth + 1));
        if plain(Some(byte)) || between {
            name.push(char::from(*byte));
        } else {
            name.push_str(&escaped('=', *byte));
        }
    }
    name
}

/// As it is where SMTP carries that, so that a link can be read and copied; else encoded.
fn encoded(text: &str) -> Body {
    let text = text.trim_end().replace("\r\n", "\n").replace('\r', "\n");
    let fits = |line: &str| line.len() <= LINE_BYTES_MAX && line.bytes().all(|byte| byte.is_ascii() && byte != 0);
    if text.split('\n').all(fits) {
        let lines = text.replace('\n', "\r\n").into_bytes();
        return Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit);
    }
    Body::new(text)
}

/// No header begins within another.
fn one_line(text: &str) -> String {
    text.split(char::is_control).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// For the query of a link (RFC 3986).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&escaped('%', byte));
        }
    }
    encoded
}

fn escaped(mark: char, byte: u8) -> String {
    format!("{mark}{byte:02X}")
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_769_860_800_000);

    fn writer() -> Writer {
        Writer::new("shop@example.org", "Tradewind & Söhne", "https://shop.example.org/confirm").unwrap()
    }

    fn written(subject: &str, body: &str) -> String {
        let letter = writer().write(&id("mail-1"), "ada@example.org", &Text { subject, body }, NOW);
        String::from_utf8(letter.unwrap_or_else(|_| panic!("it can be written")).bytes).unwrap()
    }

    #[test]
    fn a_mail_is_written_as_others_read_it() {
        let expected = "From: =?utf-8?b?VHJhZGV3aW5kICYgU8O2aG5l?= <shop@example.org>\r\n\
                        To: ada@example.org\r\n\
                        Subject: Your order is confirmed\r\n\
                        Date: Sat, 31 Jan 2026 12:00:00 +0000\r\n\
                        Message-ID: <mail-1@example.org>\r\n\
                        Auto-Submitted: auto-generated\r\n\
                        MIME-Version: 1.0\r\n\
                        Content-Type: text/plain; charset=utf-8\r\n\
                        Content-Transfer-Encoding: 7bit\r\n\
                        \r\n\
                        Thank you.\r\n";
        assert_eq!(written("Your order is confirmed", "Thank you.\n"), expected);
        assert_eq!(written("Your order is confirmed", "Thank you.\n"), expected, "it is the same each time");
    }

    #[test]
    fn what_stands_in_a_text_is_never_a_header_and_always_ascii() {
        let mail = written("Grüße\r\nBcc: all@example.org", "100 % für Sie: Äpfel\n");
        let head = mail.split("\r\n\r\n").next().unwrap();
        assert!(!head.contains("\nBcc:"), "{head}");
        assert!(mail.is_ascii(), "{mail}");
        // A line that SMTP does not carry, and ends of lines that it takes for others.
        let mail = written("s", &format!("{}\r.\rQUIT\n", "a".repeat(LINE_BYTES_MAX + 1)));
        assert!(mail.lines().all(|line| line.len() <= LINE_BYTES_MAX), "{mail}");
        assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "{mail}");
        let mail = written("s", "one\r.\rtwo\n");
        assert!(mail.ends_with("\r\none\r\n.\r\ntwo\r\n"), "{mail}");
    }

    #[test]
    fn a_name_is_different_for_different_ids() {
        for (text, name) in [
            ("0198-af_7", "0198-af_7"),
            ("shop.17.3", "shop.17.3"),
            ("..", "=2E=2E"),
            (".a", "=2Ea"),
            ("a..b", "a=2E=2Eb"),
            ("a/b@c>", "a=2Fb=40c=3E"),
            ("=2F", "=3D2F"),
        ] {
            assert_eq!(name_of(&id(text)), name);
        }
    }

    #[test]
    fn the_token_stands_in_a_link_that_leads_anywhere() {
        let (_, body) = writer().identity_text(IdentityMailKind::ResetPassword, "user/1.a+b");
        assert!(body.contains("\nhttps://shop.example.org/confirm?token=user%2F1.a%2Bb\n"), "{body}");
        assert!(body.contains("\nuser/1.a+b\n"), "{body}");
        let queried = Writer::new("shop@example.org", "Shop", "https://example.org/?page=reset").unwrap();
        let (_, body) = queried.identity_text(IdentityMailKind::VerifyEmail, "t");
        assert!(body.contains("\nhttps://example.org/?page=reset&token=t\n"), "{body}");
    }

    #[test]
    fn an_address_that_is_none_is_said_to_be_none() {
        for to in ["", "ada", "ada@", "ada@example.org\r\nRCPT TO:<eve@example.org>", "<ada@example.org>"] {
            let Err(refused) = writer().write(&id("mail-1"), to, &Text { subject: "s", body: "b" }, NOW) else {
                panic!("{to:?} is an address");
            };
            assert_eq!(refused.0, "address_invalid");
        }
        assert!(Writer::new("nobody", "Shop", "http://localhost").is_err());
        assert!(Writer::new("shop@bücher.example", "Shop", "http://localhost").is_err());
    }
}
